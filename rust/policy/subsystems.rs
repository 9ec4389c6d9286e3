// SPDX-License-Identifier: GPL-2.0

//! The subsystems that defer work, as the sequence of quiesce actions sees them.

use super::{
    left::Left,
    mask::Mask, //
};

/// Marks [`Done`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DoneKind {}

/// What a run of the sequence found to do.
pub(crate) type Done = Mask<DoneKind>;

// Compared with C in ffi.rs, which does not count as a use, and used by the tests.
#[allow(dead_code)]
impl Done {
    /// `VMSTAT_QUIESCE_FOLDED`: this CPU's differentials were folded.
    pub(crate) const VMSTAT_FOLDED: Self = Self::from_bits_truncate(1 << 0);
    /// `VMSTAT_QUIESCE_CANCELLED`: this CPU's pending `vmstat_work` was
    /// cancelled.
    pub(crate) const VMSTAT_CANCELLED: Self = Self::from_bits_truncate(1 << 1);
    /// `TASK_ISOL_DONE_TLB_FLUSH`: the entry before this return did a flush that
    /// had been deferred.
    pub(crate) const TLB_FLUSHED: Self = Self::from_bits_truncate(1 << 2);
    /// `TASK_ISOL_DONE_TEXT_SYNC`: the entry before this return serialized, which
    /// had been deferred.
    pub(crate) const TEXT_SYNCED: Self = Self::from_bits_truncate(1 << 3);
}

/// Marks [`Work`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkKind {}

/// What is to be run with interrupts enabled, before another round.
pub(crate) type Work = Mask<WorkKind>;

impl Work {
    /// `TASK_ISOL_WORK_SOFTIRQ`: run the pending softirqs.
    pub(crate) const SOFTIRQ: Self = Self::from_bits_truncate(1 << 0);
    /// `TASK_ISOL_WORK_YIELD`: let the kernel threads of the CPU run.
    pub(crate) const YIELD: Self = Self::from_bits_truncate(1 << 1);
    /// `TASK_ISOL_WORK_IRQ_WORK`: run lazy irq_work.
    pub(crate) const IRQ_WORK: Self = Self::from_bits_truncate(1 << 2);
    /// `TASK_ISOL_WORK_IRQ`: take an interrupt that is due.
    pub(crate) const IRQ: Self = Self::from_bits_truncate(1 << 3);
    /// `TASK_ISOL_WORK_LRU`: drain the LRU batches.
    pub(crate) const LRU: Self = Self::from_bits_truncate(1 << 4);
}

/// What keeps the tick, or is going to interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// The reasons that user space can see.
    pub(crate) left: Left,
    /// A timer interrupt is due that cannot be taken back.
    pub(crate) due: bool,
}

impl Found {
    /// The tick is stopped, and no timer is armed.
    pub(crate) const NOTHING: Self = Self {
        left: Left::EMPTY,
        due: false,
    };
}

/// The other tasks that want to run on the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peers {
    /// There are none.
    None,
    /// Only kernel threads that are bound to the CPU and work for it.
    Kthreads,
    /// Other tasks, at least one.
    Others,
}

/// How the thread is scheduled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Together with others, by turns.
    Fair,
    /// By turns, but its slice was just extended by rseq.
    Granted,
    /// Before all others: real-time or deadline, boosted to that or not.
    RealTime,
}

/// The subsystems that defer work on behalf of a thread.
///
/// Each method is called with interrupts off and does a bounded amount of work.
pub(crate) trait Subsystems {
    /// Whether there is something in the batches of `ISOL_F_QUIESCE_LRU_DRAIN`.
    fn lru_pending(&mut self) -> bool;

    /// Settles `ISOL_F_QUIESCE_VMSTAT_SYNC`.
    fn vmstat_sync(&mut self) -> Done;

    /// What the last entry did that had been deferred. The rest of the actions that
    /// defer work takes place later, in entry code.
    fn deferred(&mut self) -> Done;

    /// Settles `ISOL_F_QUIESCE_NOHZ_FULL`, as far as that needs no interrupts.
    fn nohz_full(&mut self) -> Found;

    /// Dequeues tasks that sleep already, and tells which others are left. Called
    /// only if the scheduler needs the tick. May end that.
    fn peers(&mut self) -> Peers;

    /// Raises the task work that looks after the CPU time timers, if one of
    /// them was disarmed.
    fn cpu_timers(&mut self);

    /// How the thread is scheduled.
    fn class(&self) -> Class;

    /// The low bits of jiffies.
    fn now(&self) -> u32;

    /// When the next timer interrupt is due, in ns of `CLOCK_MONOTONIC`;
    /// [`i64::MAX`] for never.
    fn next_event(&self) -> i64;
}

/// Subsystems that answer as told, for tests.
#[cfg(any(test, CONFIG_TASK_ISOLATION_KUNIT_TEST))]
pub(crate) mod fake {
    use super::*;

    /// A call of a subsystem.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Call {
        Lru,
        Vmstat,
        Deferred,
        Nohz,
        Peers,
        CpuTimers,
    }

    /// How many calls are remembered, more than any test makes.
    const CALLS: usize = 32;

    /// Logs the calls and answers as told.
    pub(crate) struct Fake {
        pub(crate) log: [Option<Call>; CALLS],
        pub(crate) logged: usize,
        /// In how many rounds there is something in the LRU batches.
        pub(crate) lru: u32,
        pub(crate) vmstat: Done,
        /// What is found, call by call; the last one again and again.
        pub(crate) found: &'static [Found],
        pub(crate) asked: usize,
        pub(crate) peers: Peers,
        pub(crate) class: Class,
        pub(crate) now: u32,
    }

    impl Fake {
        pub(crate) fn new(found: &'static [Found]) -> Self {
            Self {
                log: [None; CALLS],
                logged: 0,
                lru: 0,
                vmstat: Done::EMPTY,
                found,
                asked: 0,
                peers: Peers::Others,
                class: Class::Fair,
                now: 1000,
            }
        }

        pub(crate) fn with_peers(found: &'static [Found], peers: Peers) -> Self {
            Self {
                peers,
                ..Self::new(found)
            }
        }

        fn log(&mut self, call: Call) {
            if let Some(entry) = self.log.get_mut(self.logged) {
                *entry = Some(call);
            }
            self.logged += 1;
        }

        pub(crate) fn count(&self, call: Call) -> usize {
            self.log
                .iter()
                .filter(|entry| **entry == Some(call))
                .count()
        }
    }

    impl Subsystems for Fake {
        fn lru_pending(&mut self) -> bool {
            let pending = self.lru > 0;

            self.log(Call::Lru);
            self.lru = self.lru.saturating_sub(1);
            pending
        }

        fn vmstat_sync(&mut self) -> Done {
            self.log(Call::Vmstat);
            self.vmstat
        }

        fn deferred(&mut self) -> Done {
            self.log(Call::Deferred);
            Done::TLB_FLUSHED
        }

        fn nohz_full(&mut self) -> Found {
            let last = self.found.len().saturating_sub(1);
            let found = self.found.get(self.asked.min(last));

            self.log(Call::Nohz);
            self.asked += 1;
            found.copied().unwrap_or(Found::NOTHING)
        }

        fn peers(&mut self) -> Peers {
            self.log(Call::Peers);
            self.peers
        }

        fn cpu_timers(&mut self) {
            self.log(Call::CpuTimers);
        }

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
}
