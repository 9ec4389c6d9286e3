// SPDX-License-Identifier: GPL-2.0

//! The sequence of quiesce actions.

use crate::{
    left::Left,
    mask::{
        Mask,
        Quiesce, //
    }, //
};

/// Marks [`Done`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DoneKind {}

/// What a run of the sequence found to do.
pub(crate) type Done = Mask<DoneKind>;

impl Done {
    /// `VMSTAT_QUIESCE_FOLDED`: this CPU's differentials were folded.
    pub(crate) const VMSTAT_FOLDED: Self = Self::from_bits(1 << 0);
    /// `VMSTAT_QUIESCE_CANCELLED`: this CPU's pending `vmstat_work` was
    /// cancelled.
    pub(crate) const VMSTAT_CANCELLED: Self = Self::from_bits(1 << 1);
    /// `TASK_ISOL_DONE_TLB_FLUSH`: the entry before this return did a flush that
    /// had been deferred.
    pub(crate) const TLB_FLUSHED: Self = Self::from_bits(1 << 2);
}

/// Marks [`Work`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkKind {}

/// What is to be run with interrupts enabled, before another round.
pub(crate) type Work = Mask<WorkKind>;

impl Work {
    /// `TASK_ISOL_WORK_SOFTIRQ`: run the pending softirqs.
    pub(crate) const SOFTIRQ: Self = Self::from_bits(1 << 0);
    /// `TASK_ISOL_WORK_YIELD`: let the other tasks of the CPU run.
    pub(crate) const YIELD: Self = Self::from_bits(1 << 1);
    /// `TASK_ISOL_WORK_IRQ_WORK`: run lazy irq_work.
    pub(crate) const IRQ_WORK: Self = Self::from_bits(1 << 2);
    /// `TASK_ISOL_WORK_IRQ`: take an interrupt that is due.
    pub(crate) const IRQ: Self = Self::from_bits(1 << 3);
}

/// The subsystems that defer work on behalf of a thread.
///
/// Each method settles what its subsystem has deferred on this CPU. It is
/// called with interrupts off and does a bounded amount of work.
pub(crate) trait Subsystems {
    /// Settles `ISOL_F_QUIESCE_VMSTAT_SYNC`.
    fn vmstat_sync(&mut self) -> Done;

    /// What is to be said of `ISOL_F_QUIESCE_DEFER_TLB_FLUSH`, which takes place
    /// behind this, in entry code.
    fn tlb_flushed(&mut self) -> Done;

    /// Settles `ISOL_F_QUIESCE_NOHZ_FULL`. Returns why the tick could not be
    /// stopped, or what else is going to interrupt.
    fn nohz_full(&mut self) -> Left;

    /// When the next timer interrupt is due, in ns of `CLOCK_MONOTONIC`;
    /// [`i64::MAX`] for never.
    fn next_event(&self) -> i64;

    /// Raises the task work that looks after the CPU time timers, if one of
    /// them was disarmed.
    fn cpu_timers(&mut self);

    /// Whether the thread may be made to yield: not if it is to run before all
    /// others.
    fn may_yield(&self) -> bool;
}

/// What a run of the sequence came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// What was found to do.
    pub(crate) done: Done,
    /// What is left.
    pub(crate) left: Left,
    /// If not empty, it is to be done, and the sequence run in a next round.
    pub(crate) work: Work,
    /// As from [`Subsystems::next_event`], if there is anything left.
    pub(crate) next_event: i64,
}

/// How many rounds may ask for [`Work`], on one way to user mode.
///
/// Several tasks may want to run, and each may start another one. A task that
/// does not come to an end must not keep the thread from user mode.
pub(crate) const ROUNDS: u32 = 4;

/// Runs `actions` once, in the one order that is right for all of them.
///
/// * `before`: What the last run left.
/// * `round`: How many runs there were before on this way to user mode.
#[inline]
pub(crate) fn run(
    actions: Quiesce,
    before: Left,
    round: u32,
    subsystems: &mut impl Subsystems,
) -> Outcome {
    let mut outcome = Outcome {
        done: Done::EMPTY,
        left: Left::EMPTY,
        work: Work::EMPTY,
        next_event: i64::MAX,
    };

    if actions.contains(Quiesce::VMSTAT_SYNC) {
        outcome.done = subsystems.vmstat_sync();
    }
    if actions.contains(Quiesce::DEFER_TLB_FLUSH) {
        outcome.done = outcome.done.union(subsystems.tlb_flushed());
    }
    // Last, as it is about what the others may have left to timers.
    if actions.contains(Quiesce::NOHZ_FULL) {
        let left = subsystems.nohz_full();

        if !left.is_empty() {
            (outcome.left, outcome.work) = help(left, before, round, subsystems);
            outcome.next_event = subsystems.next_event();
            if outcome.left.contains(Left::DUE) {
                outcome.left = outcome.left.without(Left::DUE).union(Left::HRTIMER);
            }
        }
    }
    outcome
}

/// Decides what to do about what keeps the tick.
///
/// Returns what is left, and what is to be done about it.
#[cold]
fn help(left: Left, before: Left, round: u32, subsystems: &mut impl Subsystems) -> (Left, Work) {
    // Once is enough.
    if left.contains(Left::TICK_POSIX_TIMER) && round == 0 {
        subsystems.cpu_timers();
    }

    let mut work = work_for(left, subsystems.may_yield());
    let mut known = Left::EMPTY;

    // To yield on each return would hand the CPU to whom it is shared with. So
    // not again before the others are gone, whatever else is left.
    if before.contains(Left::IN_VAIN) && left.contains(Left::TICK_SCHED) {
        work = work.without(Work::YIELD);
        known = Left::IN_VAIN.union(Left::GAVE_UP);
    }
    if !work.is_empty() && round >= ROUNDS {
        if work.contains(Work::YIELD) {
            known = known.union(Left::IN_VAIN);
        }
        // An interrupt that is due and does not come is a timer like others.
        if !work.without(Work::IRQ).is_empty() {
            known = known.union(Left::GAVE_UP);
        }
        work = Work::EMPTY;
    }
    (left.union(known), work)
}

/// What may help against what is left.
pub(crate) fn work_for(left: Left, may_yield: bool) -> Work {
    let mut work = Work::EMPTY;

    if left.contains(Left::SOFTIRQ) {
        work = work.union(Work::SOFTIRQ);
    }
    if left.contains(Left::TICK_SCHED) && may_yield {
        work = work.union(Work::YIELD);
    }
    if left.contains(Left::TICK_IRQ_WORK) {
        work = work.union(Work::IRQ_WORK);
    }
    if left.contains(Left::DUE) {
        work = work.union(Work::IRQ);
    }
    work
}
