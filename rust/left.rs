// SPDX-License-Identifier: GPL-2.0

//! What a return to user mode could not settle.
//!
//! C header: [`include/uapi/linux/prctl.h`](srctree/include/uapi/linux/prctl.h).

use crate::mask::Mask;

/// Marks [`Left`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeftKind {}

/// The `ISOL_LEFT_*` reasons for which a CPU may be interrupted by itself.
pub(crate) type Left = Mask<LeftKind>;

// Most come from C by their numbers.
#[allow(dead_code)]
impl Left {
    /// `ISOL_LEFT_TICK_POSIX_TIMER`: a CPU time timer is armed.
    pub(crate) const TICK_POSIX_TIMER: Self = Self::from_bits(1 << 0);
    /// `ISOL_LEFT_TICK_PERF_EVENTS`: perf needs the tick.
    pub(crate) const TICK_PERF_EVENTS: Self = Self::from_bits(1 << 1);
    /// `ISOL_LEFT_TICK_SCHED`: the scheduler has another task to run, or to
    /// limit this one.
    pub(crate) const TICK_SCHED: Self = Self::from_bits(1 << 2);
    /// `ISOL_LEFT_TICK_CLOCK_UNSTABLE`: the scheduler clock is unstable.
    pub(crate) const TICK_CLOCK_UNSTABLE: Self = Self::from_bits(1 << 3);
    /// `ISOL_LEFT_TICK_RCU`: a grace period waits for this CPU.
    pub(crate) const TICK_RCU: Self = Self::from_bits(1 << 4);
    /// `ISOL_LEFT_TICK_RCU_EXP`: an expedited grace period does.
    pub(crate) const TICK_RCU_EXP: Self = Self::from_bits(1 << 5);
    /// `ISOL_LEFT_TICK_RCU_CB`: RCU callbacks are queued on this CPU.
    pub(crate) const TICK_RCU_CB: Self = Self::from_bits(1 << 6);
    /// `ISOL_LEFT_TICK_IRQ_WORK`: lazy irq_work waits for the tick.
    pub(crate) const TICK_IRQ_WORK: Self = Self::from_bits(1 << 7);
    /// `ISOL_LEFT_SOFTIRQ`: softirqs wait for their thread.
    pub(crate) const SOFTIRQ: Self = Self::from_bits(1 << 8);
    /// `ISOL_LEFT_TICK_ALWAYS`: the tick of this CPU never stops.
    pub(crate) const TICK_ALWAYS: Self = Self::from_bits(1 << 9);
    /// `ISOL_LEFT_TIMER`: a timer of the timer wheel is queued on this CPU.
    pub(crate) const TIMER: Self = Self::from_bits(1 << 10);
    /// `ISOL_LEFT_HRTIMER`: a high resolution timer is.
    pub(crate) const HRTIMER: Self = Self::from_bits(1 << 11);
    /// `ISOL_LEFT_TICK_OTHER`: something that has no reason of its own.
    pub(crate) const TICK_OTHER: Self = Self::from_bits(1 << 12);
    /// `ISOL_LEFT_GAVE_UP`: what was tried did not help.
    pub(crate) const GAVE_UP: Self = Self::from_bits(1 << 13);

    /// To let other tasks run did not help, and they are still there. Only for
    /// use inside of the kernel.
    pub(crate) const IN_VAIN: Self = Self::from_bits(1 << 29);
    /// A timer interrupt that is due. Only for use inside of the kernel, user
    /// space sees [`Left::HRTIMER`].
    pub(crate) const DUE: Self = Self::from_bits(1 << 30);

    /// What user space sees.
    pub(crate) const fn reported(self) -> Self {
        self.without(Self::IN_VAIN)
    }
}
