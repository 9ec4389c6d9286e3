// SPDX-License-Identifier: GPL-2.0

//! What a return to user mode could not settle.
//!
//! C header: [`include/uapi/linux/prctl.h`](srctree/include/uapi/linux/prctl.h).

use super::mask::Mask;
use crate::uapi;

/// Marks [`Left`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeftKind {}

/// The `ISOL_LEFT_*` reasons for which a CPU may be interrupted by itself.
pub(crate) type Left = Mask<LeftKind>;

/// Defines a constant for each reason, and the list of all.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $value:ident,)*) => {
        // Which of them occur depends on the configuration of the kernel.
        #[allow(dead_code)]
        impl Left {
            $($(#[$doc])* pub(crate) const $name: Self = Self::from_bits_truncate(uapi::$value);)*

            /// Every reason.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

reasons! {
    /// A CPU time timer is armed.
    TICK_POSIX_TIMER = ISOL_LEFT_TICK_POSIX_TIMER,
    /// Perf needs the tick.
    TICK_PERF_EVENTS = ISOL_LEFT_TICK_PERF_EVENTS,
    /// The scheduler has another task to run, or to limit this one.
    TICK_SCHED = ISOL_LEFT_TICK_SCHED,
    /// The scheduler clock is unstable.
    TICK_CLOCK_UNSTABLE = ISOL_LEFT_TICK_CLOCK_UNSTABLE,
    /// A grace period waits for this CPU.
    TICK_RCU = ISOL_LEFT_TICK_RCU,
    /// An expedited grace period does.
    TICK_RCU_EXP = ISOL_LEFT_TICK_RCU_EXP,
    /// RCU callbacks are queued on this CPU.
    TICK_RCU_CB = ISOL_LEFT_TICK_RCU_CB,
    /// Lazy irq_work waits for the tick.
    TICK_IRQ_WORK = ISOL_LEFT_TICK_IRQ_WORK,
    /// Softirqs wait for their thread.
    SOFTIRQ = ISOL_LEFT_SOFTIRQ,
    /// The tick of this CPU never stops.
    TICK_ALWAYS = ISOL_LEFT_TICK_ALWAYS,
    /// A timer of the timer wheel is queued on this CPU.
    TIMER = ISOL_LEFT_TIMER,
    /// A high resolution timer is.
    HRTIMER = ISOL_LEFT_HRTIMER,
    /// There is a reason without a bit of its own.
    TICK_OTHER = ISOL_LEFT_TICK_OTHER,
    /// The work that was done for this did not help.
    GAVE_UP = ISOL_LEFT_GAVE_UP,
}
