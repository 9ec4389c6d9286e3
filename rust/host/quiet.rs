// SPDX-License-Identifier: GPL-2.0

//! The short cut of a quiet return against random sequences of returns.

use crate::policy::{
    left::Left,
    mask::{
        Mask,
        Quiesce, //
    },
    quiesce::{
        run,
        ROUNDS, //
    },
    quiet::{
        is_quiet,
        Seen, //
    },
    state::{
        Pause,
        State,
        Supported, //
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
use proptest::prelude::*;

const PAUSE: u32 = 100;

/// A CPU with what there is to settle. Unlike the one of the unit test it changes when
/// that is done.
#[derive(Clone, Copy, Debug)]
struct Machine {
    seen: Seen,
    /// What keeps the tick, unless it is settled.
    reason: Left,
    peers: Peers,
    class: Class,
    now: u32,
    /// What was settled: differentials, deferred work, ticks stopped.
    settled: [u32; 4],
}

impl Subsystems for Machine {
    fn lru_pending(&mut self) -> bool {
        self.seen.set_apart() && self.seen.contains(Seen::LRU_PENDING)
    }

    fn vmstat_sync(&mut self) -> Done {
        if !self.seen.set_apart() || self.seen.contains(Seen::VMSTAT_SETTLED) {
            return Done::EMPTY;
        }
        self.seen |= Seen::VMSTAT_SETTLED;
        self.settled[0] += 1;
        Done::VMSTAT_FOLDED
    }

    fn deferred(&mut self) -> Done {
        if !self.seen.on_nohz_full() || !self.seen.contains(Seen::DEFERRED) {
            return Done::EMPTY;
        }
        self.seen = self.seen.difference(Seen::DEFERRED);
        self.settled[1] += 1;
        Done::TLB_FLUSHED
    }

    fn nohz_full(&mut self) -> Found {
        let left = if !self.seen.on_nohz_full() {
            Left::TICK_ALWAYS
        } else if self.seen.contains(Seen::TICK_PENDING) {
            self.reason
        } else {
            if !self.seen.contains(Seen::STOPPED) {
                self.seen |= Seen::STOPPED;
                self.settled[2] += 1;
            }
            Left::EMPTY
        };
        Found { left, due: false }
    }

    fn peers(&mut self) -> Peers {
        self.peers
    }

    fn cpu_timers(&mut self) {}

    fn class(&self) -> Class {
        self.class
    }

    fn now(&self) -> u32 {
        self.now
    }

    fn next_event(&self) -> i64 {
        4000
    }
}

/// One return through the sequence.
fn slow(state: &mut State, machine: &mut Machine) {
    for round in 0..=ROUNDS {
        let outcome = run(*state, round, PAUSE, machine);
        *state = state.record(outcome.left, outcome.pause);
        if outcome.work.contains(Work::LRU) {
            machine.seen = machine.seen.difference(Seen::LRU_PENDING);
            machine.settled[3] += 1;
        }
        if outcome.work.is_empty() {
            break;
        }
    }
}

fn machine() -> impl Strategy<Value = Machine> {
    (
        0..=Seen::ALL.bits(),
        // Half of all have nothing to settle.
        any::<bool>(),
        prop::sample::select(Left::ALL),
        prop::sample::select(vec![Peers::None, Peers::Kthreads, Peers::Others]),
        prop::sample::select(vec![Class::Fair, Class::Granted, Class::RealTime]),
        any::<u32>(),
    )
        .prop_map(|(seen, settled, reason, peers, class, now)| {
            let mut seen = Seen::from_bits_truncate(seen);
            if settled {
                seen = seen.difference(
                    Seen::TRACED | Seen::DEFERRED | Seen::LRU_PENDING | Seen::TICK_PENDING,
                );
                seen |= Seen::VMSTAT_SETTLED;
            }
            // No one but the policy gives up, and the CPU is nohz_full here.
            let reason = match reason {
                Left::GAVE_UP | Left::TICK_ALWAYS => Left::TICK_RCU,
                reason => reason,
            };
            Machine {
                seen,
                reason,
                peers,
                class,
                now,
                settled: [0; 4],
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Whatever happens between the returns, nobody can tell that some were short.
    #[test]
    fn a_short_cut_makes_no_difference(
        actions in 1..32_u32,
        machines in prop::collection::vec(machine(), 1..32),
    ) {
        let supported = Supported {
            features: Mask::from_bits_truncate(1),
            quiesce: Mask::from_bits_truncate(31),
            block: Mask::EMPTY,
            refused: Mask::EMPTY,
        };
        let state = State::INITIAL.configure(supported, actions as usize).unwrap();
        let (mut always, mut with) = (state, state);

        for machine in machines {
            let (mut a, mut b) = (machine, machine);

            slow(&mut always, &mut a);
            if !is_quiet(Quiesce::from_bits_truncate(actions), with.left(), b.seen) {
                slow(&mut with, &mut b);
            }
            prop_assert_eq!(always, with);
            prop_assert_eq!(a.settled, b.settled);
            prop_assert_eq!(a.seen, b.seen);
        }
    }
}

/// A short cut that is never taken would pass as well, and so would a test where all are.
#[test]
fn both_ways_are_taken() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};

    let mut runner = TestRunner::deterministic();
    let mut state = State::from_stored(
        Mask::EMPTY,
        Quiesce::from_bits_truncate(31),
        Left::EMPTY,
        Pause::NONE,
    );
    let mut taken = [0_u32; 2];

    for _ in 0..4096 {
        let mut machine = machine().new_tree(&mut runner).unwrap().current();
        let quiet = is_quiet(state.quiesce(), state.left(), machine.seen);

        taken[usize::from(quiet)] += 1;
        if !quiet {
            slow(&mut state, &mut machine);
        }
    }
    assert!(taken.iter().all(|n| *n > 200), "{taken:?}");
}
