// SPDX-License-Identifier: GPL-2.0

//! When a return has nothing to settle, as a model of `kernel/isolation/quiet.c`.
//!
//! C decides that before it calls Rust, on each return of an isolated thread. Here are
//! the same rules, for tests: that [`run`](super::quiesce::run) changes nothing when
//! they say so, and, where C is at hand, that C has the same ones.

use super::{
    left::Left,
    mask::{
        Mask,
        Quiesce, //
    }, //
};

/// Marks [`Seen`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeenKind {}

/// The `TASK_ISOL_SEEN_*` that are the case.
pub(crate) type Seen = Mask<SeenKind>;

impl Seen {
    /// Each run is an event.
    pub(crate) const TRACED: Self = Self::from_bits_truncate(1 << 0);
    /// The tick is stopped.
    pub(crate) const STOPPED: Self = Self::from_bits_truncate(1 << 1);
    /// The tick is needed, or a timer is armed.
    pub(crate) const TICK_PENDING: Self = Self::from_bits_truncate(1 << 2);
    /// The CPU is `nohz_full`.
    pub(crate) const NOHZ_FULL: Self = Self::from_bits_truncate(1 << 3);
    /// The CPU is isolated from scheduling domains.
    pub(crate) const DOMAIN_ISOLATED: Self = Self::from_bits_truncate(1 << 4);
    /// Work that had been deferred was done.
    pub(crate) const DEFERRED: Self = Self::from_bits_truncate(1 << 5);
    /// There is no differential to fold, and no `vmstat_work` pending.
    pub(crate) const VMSTAT_SETTLED: Self = Self::from_bits_truncate(1 << 6);
    /// There is something in an LRU batch.
    pub(crate) const LRU_PENDING: Self = Self::from_bits_truncate(1 << 7);

    /// All of them.
    pub(crate) const ALL: Self = Self::from_bits_truncate((1 << 8) - 1);

    /// Whether the CPU is `nohz_full`, which one whose tick is stopped is.
    pub(crate) const fn on_nohz_full(self) -> bool {
        self.contains(Self::NOHZ_FULL) || self.contains(Self::STOPPED)
    }

    /// Whether the CPU is set apart, so that vmstat and the LRU batches are settled.
    pub(crate) const fn set_apart(self) -> bool {
        self.on_nohz_full() || self.contains(Self::DOMAIN_ISOLATED)
    }
}

/// Whether a run of `actions` finds nothing to do, asks for nothing and leaves
/// `left`.
pub(crate) fn is_quiet(actions: Quiesce, left: Left, seen: Seen) -> bool {
    let nohz_full = seen.on_nohz_full();
    let tick = !actions.contains(Quiesce::NOHZ_FULL)
        || !nohz_full
        || seen.contains(Seen::STOPPED) && !seen.contains(Seen::TICK_PENDING);
    let flush =
        !actions.intersects(Quiesce::DEFERS) || !seen.contains(Seen::DEFERRED) || !nohz_full;
    let vmstat = !actions.contains(Quiesce::VMSTAT_SYNC)
        || seen.contains(Seen::VMSTAT_SETTLED)
        || !seen.set_apart();
    let lru = !actions.contains(Quiesce::LRU_DRAIN)
        || !seen.contains(Seen::LRU_PENDING)
        || !seen.set_apart();
    let leaves = if actions.contains(Quiesce::NOHZ_FULL) && !nohz_full {
        Left::TICK_ALWAYS
    } else {
        Left::EMPTY
    };

    !seen.contains(Seen::TRACED) && tick && flush && vmstat && lru && left == leaves
}

/// Calls `f` for all actions, for what a run may have left and what may be seen.
#[cfg(any(test, CONFIG_TASK_ISOLATION_KUNIT_TEST))]
pub(crate) fn for_all(mut f: impl FnMut(Quiesce, Left, Seen)) {
    const ALL: Quiesce = Quiesce::VMSTAT_SYNC
        .union(Quiesce::NOHZ_FULL)
        .union(Quiesce::DEFERS)
        .union(Quiesce::LRU_DRAIN);

    for actions in 0..=ALL.bits() {
        for left in Left::ALL
            .iter()
            .copied()
            .chain([Left::EMPTY, Left::TICK_ALWAYS | Left::GAVE_UP])
        {
            for seen in 0..=Seen::ALL.bits() {
                f(
                    Quiesce::from_bits_truncate(actions),
                    left,
                    Seen::from_bits_truncate(seen),
                );
            }
        }
    }
}

/// Every combination of what there is, against the sequence.
#[cfg_attr(
    CONFIG_TASK_ISOLATION_KUNIT_TEST,
    kernel::prelude::kunit_tests(task_isolation_quiet)
)]
mod tests {
    use super::*;
    use crate::policy::{
        quiesce::run,
        state::{
            Pause,
            State, //
        },
        subsystems::{
            Class,
            Done,
            Found,
            Peers,
            Subsystems,
            Work, //
        }, //
    };

    /// A CPU where `seen` is the case.
    struct Cpu {
        seen: Seen,
        /// A run leaves nothing of a tick that it stops, and does not tell.
        stopped_the_tick: bool,
    }

    impl Cpu {
        fn new(seen: Seen) -> Self {
            Self {
                seen,
                stopped_the_tick: false,
            }
        }
    }

    impl Subsystems for Cpu {
        fn lru_pending(&mut self) -> bool {
            self.seen.set_apart() && self.seen.contains(Seen::LRU_PENDING)
        }

        fn vmstat_sync(&mut self) -> Done {
            if self.seen.set_apart() && !self.seen.contains(Seen::VMSTAT_SETTLED) {
                Done::VMSTAT_FOLDED
            } else {
                Done::EMPTY
            }
        }

        fn deferred(&mut self) -> Done {
            if self.seen.on_nohz_full() && self.seen.contains(Seen::DEFERRED) {
                Done::TLB_FLUSHED
            } else {
                Done::EMPTY
            }
        }

        fn nohz_full(&mut self) -> Found {
            let left = if !self.seen.on_nohz_full() {
                Left::TICK_ALWAYS
            } else if self.seen.contains(Seen::TICK_PENDING) {
                Left::TICK_RCU
            } else {
                self.stopped_the_tick = !self.seen.contains(Seen::STOPPED);
                Left::EMPTY
            };

            Found { left, due: false }
        }

        fn peers(&mut self) -> Peers {
            Peers::Others
        }

        fn cpu_timers(&mut self) {}

        fn class(&self) -> Class {
            Class::Fair
        }

        fn now(&self) -> u32 {
            0
        }

        fn next_event(&self) -> i64 {
            4000
        }
    }

    #[test]
    fn a_quiet_return_is_one_that_a_run_does_not_change() {
        let mut quiet = 0;

        for_all(|actions, left, seen| {
            let state = State::from_stored(Mask::EMPTY, actions, left, Pause::NONE);
            let mut cpu = Cpu::new(seen);
            let outcome = run(state, 0, 100, &mut cpu);
            let unchanged = !cpu.stopped_the_tick
                && outcome.done == Done::EMPTY
                && outcome.work == Work::EMPTY
                && state.record(outcome.left, outcome.pause) == state;

            // A tick that stays is looked at again each time.
            let ticks = !outcome.left.difference(Left::TICK_ALWAYS).is_empty();

            // The other way round: nothing else is slow for no reason.
            assert_eq!(
                is_quiet(actions, left, seen),
                unchanged && !ticks && !seen.contains(Seen::TRACED)
            );
            quiet += u32::from(is_quiet(actions, left, seen));
        });
        assert!(quiet > 100);
    }
}
