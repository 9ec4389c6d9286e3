// SPDX-License-Identifier: GPL-2.0

//! The functions that C calls, and what they need from C.
//!
//! C header: [`include/linux/task_isolation.h`](srctree/include/linux/task_isolation.h).

use kernel::{
    bindings,
    error::{
        code::{
            EBUSY,
            EINVAL, //
        },
        Error, //
    },
    ffi::{
        c_int,
        c_long,
        c_uint,
        c_ulong, //
    },
    prelude::*,
    static_assert, //
};

#[cfg(CONFIG_TASK_ISOLATION_DEFER_TLB)]
use crate::flush;
use crate::{
    left::Left,
    mask::{
        Features,
        Quiesce,
        Refusal, //
    },
    quiesce::{
        self,
        Done,
        Subsystems,
        Work, //
    },
    request::{
        self,
        Answer,
        Command,
        Operation, //
    },
    state::{
        State,
        Supported, //
    },
    trace::{
        self,
        DisableReason, //
    }, //
};

// The numbers of the policy, which is also built without the kernel's headers,
// are those of the user ABI.
static_assert!(Operation::Get as u32 == bindings::PR_ISOL_GET);
static_assert!(Operation::Set as u32 == bindings::PR_ISOL_SET);
static_assert!(Operation::Enable as u32 == bindings::PR_ISOL_ENABLE);
static_assert!(Command::SupportedFeatures as u32 == bindings::ISOL_SUP_FEATURES);
static_assert!(Command::Features as u32 == bindings::ISOL_FEATURES);
static_assert!(Command::SupportedQuiesce as u32 == bindings::PR_ISOL_SUP_QUIESCE_CFG);
static_assert!(Command::Quiesce as u32 == bindings::PR_ISOL_QUIESCE_CFG);
static_assert!(Command::Left as u32 == bindings::PR_ISOL_QUIESCE_LEFT);
static_assert!(Features::QUIESCE_ON_URET.bits() == bindings::ISOL_F_QUIESCE_ON_URET);
static_assert!(Quiesce::VMSTAT_SYNC.bits() == bindings::ISOL_F_QUIESCE_VMSTAT_SYNC);
static_assert!(Quiesce::NOHZ_FULL.bits() == bindings::ISOL_F_QUIESCE_NOHZ_FULL);
static_assert!(Quiesce::DEFER_TLB_FLUSH.bits() == bindings::ISOL_F_QUIESCE_DEFER_TLB_FLUSH);
static_assert!(Left::TICK_POSIX_TIMER.bits() == bindings::ISOL_LEFT_TICK_POSIX_TIMER);
static_assert!(Left::TICK_PERF_EVENTS.bits() == bindings::ISOL_LEFT_TICK_PERF_EVENTS);
static_assert!(Left::TICK_SCHED.bits() == bindings::ISOL_LEFT_TICK_SCHED);
static_assert!(Left::TICK_CLOCK_UNSTABLE.bits() == bindings::ISOL_LEFT_TICK_CLOCK_UNSTABLE);
static_assert!(Left::TICK_RCU.bits() == bindings::ISOL_LEFT_TICK_RCU);
static_assert!(Left::TICK_RCU_EXP.bits() == bindings::ISOL_LEFT_TICK_RCU_EXP);
static_assert!(Left::TICK_RCU_CB.bits() == bindings::ISOL_LEFT_TICK_RCU_CB);
static_assert!(Left::TICK_IRQ_WORK.bits() == bindings::ISOL_LEFT_TICK_IRQ_WORK);
static_assert!(Left::SOFTIRQ.bits() == bindings::ISOL_LEFT_SOFTIRQ);
static_assert!(Left::TICK_ALWAYS.bits() == bindings::ISOL_LEFT_TICK_ALWAYS);
static_assert!(Left::TIMER.bits() == bindings::ISOL_LEFT_TIMER);
static_assert!(Left::HRTIMER.bits() == bindings::ISOL_LEFT_HRTIMER);
static_assert!(Left::TICK_OTHER.bits() == bindings::ISOL_LEFT_TICK_OTHER);
static_assert!(Left::GAVE_UP.bits() == bindings::ISOL_LEFT_GAVE_UP);
static_assert!(Work::SOFTIRQ.bits() == bindings::TASK_ISOL_WORK_SOFTIRQ);
static_assert!(Work::YIELD.bits() == bindings::TASK_ISOL_WORK_YIELD);
static_assert!(Work::IRQ.bits() == bindings::TASK_ISOL_WORK_IRQ);
static_assert!(Work::IRQ_WORK.bits() == bindings::TASK_ISOL_WORK_IRQ_WORK);
static_assert!(Done::VMSTAT_FOLDED.bits() == bindings::VMSTAT_QUIESCE_FOLDED);
static_assert!(Done::VMSTAT_CANCELLED.bits() == bindings::VMSTAT_QUIESCE_CANCELLED);
static_assert!(Done::TLB_FLUSHED.bits() == bindings::TASK_ISOL_DONE_TLB_FLUSH);

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid => EINVAL,
            Refusal::Busy => EBUSY,
        }
    }
}

/// Whether there are CPUs without a tick.
#[cfg(CONFIG_NO_HZ_FULL)]
fn has_nohz_full() -> bool {
    // SAFETY: Both are written during boot only.
    unsafe { bindings::tick_nohz_full_running && bindings::tick_nohz_enabled }
}

#[cfg(not(CONFIG_NO_HZ_FULL))]
fn has_nohz_full() -> bool {
    false
}

/// What this kernel can do on this machine.
fn supported() -> Supported {
    let mut quiesce = Quiesce::VMSTAT_SYNC;

    if has_nohz_full() {
        quiesce = quiesce.union(Quiesce::NOHZ_FULL);
    }
    #[cfg(CONFIG_TASK_ISOLATION_DEFER_TLB)]
    if flush::supported() {
        quiesce = quiesce.union(Quiesce::DEFER_TLB_FLUSH);
    }
    Supported {
        features: Features::QUIESCE_ON_URET,
        quiesce,
    }
}

impl From<bindings::task_isol> for State {
    fn from(stored: bindings::task_isol) -> Self {
        Self::from_stored(
            Features::from_bits(stored.features),
            Quiesce::from_bits(stored.quiesce_cfg),
            Left::from_bits(stored.quiesce_left),
        )
    }
}

impl From<State> for bindings::task_isol {
    fn from(state: State) -> Self {
        Self {
            features: state.features().bits(),
            quiesce_cfg: state.quiesce().bits(),
            quiesce_left: state.left().bits(),
            uret: state.on_uret().bits(),
        }
    }
}

/// The state of the calling thread.
///
/// Only the thread itself reads or writes its state once it runs.
struct Current(*mut bindings::task_isol);

impl Current {
    fn new() -> Self {
        // SAFETY: `current` is valid while it runs this code, and so is the
        // state embedded in it.
        Self(unsafe { &raw mut (*bindings::get_current()).isol })
    }

    fn load(&self) -> State {
        // SAFETY: `self.0` is valid, and nobody writes concurrently.
        unsafe { *self.0 }.into()
    }

    /// Stores `state` and makes the exit to user mode act on it.
    fn store(&self, state: State) {
        // SAFETY: `self.0` is valid, and nobody accesses it concurrently.
        unsafe { *self.0 = state.into() };
        // SAFETY: Changes a flag of the calling thread that is only ours.
        unsafe { bindings::task_isol_set_tif(state.quiesces_on_uret()) };
    }
}

/// The subsystems of this kernel.
struct ThisCpu(());

impl ThisCpu {
    /// # Safety
    ///
    /// Interrupts must be off for as long as the value lives.
    unsafe fn new() -> Self {
        Self(())
    }
}

impl Subsystems for ThisCpu {
    fn vmstat_sync(&mut self) -> Done {
        // SAFETY: Interrupts are off, see `ThisCpu::new()`.
        let found = unsafe { bindings::vmstat_quiesce_cpu() };
        let mut done = Done::EMPTY;

        if found & bindings::VMSTAT_QUIESCE_FOLDED != 0 {
            done = done.union(Done::VMSTAT_FOLDED);
        }
        if found & bindings::VMSTAT_QUIESCE_CANCELLED != 0 {
            done = done.union(Done::VMSTAT_CANCELLED);
        }
        done
    }

    #[cfg(CONFIG_TASK_ISOLATION_DEFER_TLB)]
    fn tlb_flushed(&mut self) -> Done {
        // SAFETY: Interrupts are off, see `ThisCpu::new()`.
        if unsafe { flush::done_on_this_cpu() } {
            Done::TLB_FLUSHED
        } else {
            Done::EMPTY
        }
    }

    #[cfg(not(CONFIG_TASK_ISOLATION_DEFER_TLB))]
    fn tlb_flushed(&mut self) -> Done {
        // Not supported, so nobody has configured it.
        Done::EMPTY
    }

    #[cfg(CONFIG_NO_HZ_FULL)]
    fn nohz_full(&mut self) -> Left {
        // SAFETY: Interrupts are off, see `ThisCpu::new()`.
        match unsafe { bindings::tick_nohz_full_quiesce() } {
            0 => Left::EMPTY,
            found => left_from_tick(found),
        }
    }

    #[cfg(not(CONFIG_NO_HZ_FULL))]
    fn nohz_full(&mut self) -> Left {
        // Not supported, so nobody has configured it.
        Left::EMPTY
    }

    #[cfg(CONFIG_NO_HZ_FULL)]
    fn next_event(&self) -> i64 {
        // SAFETY: Interrupts are off, see `ThisCpu::new()`.
        unsafe { bindings::tick_nohz_get_next_hrtimer() }
    }

    #[cfg(not(CONFIG_NO_HZ_FULL))]
    fn next_event(&self) -> i64 {
        // Nothing is left, see `nohz_full()`.
        i64::MAX
    }

    fn cpu_timers(&mut self) {
        // SAFETY: Interrupts are off, and the thread does not exit.
        #[cfg(CONFIG_POSIX_TIMERS)]
        unsafe {
            bindings::posix_cpu_timers_quiesce()
        };
    }

    fn may_yield(&self) -> bool {
        // SAFETY: Always safe to call.
        unsafe { bindings::task_isol_may_yield() }
    }
}

/// The reasons of `tick_nohz_full_quiesce()` as those of the user ABI.
#[cfg(CONFIG_NO_HZ_FULL)]
#[cold]
const fn left_from_tick(found: c_uint) -> Left {
    // The dependencies have the same bits, and the others follow them.
    const DEPS: c_uint = 0x3f;
    const OTHER_DEPS: c_uint = 0xffff & !DEPS;
    let due = found & bindings::TICK_LEFT_DUE;
    let left = Left::from_bits((found & DEPS) | ((found & !due) >> 16 << 6));

    if found & (OTHER_DEPS | due) == 0 {
        return left;
    }
    left.union(if due != 0 { Left::DUE } else { Left::EMPTY })
        .union(if found & OTHER_DEPS != 0 {
            Left::TICK_OTHER
        } else {
            Left::EMPTY
        })
}

#[cfg(CONFIG_NO_HZ_FULL)]
// Old compilers do not see that constants use it.
#[allow(dead_code)]
mod check_left_from_tick {
    use super::*;

    const fn is_from(left: Left, found: c_uint) -> bool {
        left_from_tick(found).bits() == left.bits()
    }

    const fn is_from_dep(left: Left, bit: c_uint) -> bool {
        is_from(left, 1 << bit)
    }

    static_assert!(is_from_dep(
        Left::TICK_POSIX_TIMER,
        bindings::tick_dep_bits_TICK_DEP_BIT_POSIX_TIMER
    ));
    static_assert!(is_from_dep(
        Left::TICK_PERF_EVENTS,
        bindings::tick_dep_bits_TICK_DEP_BIT_PERF_EVENTS
    ));
    static_assert!(is_from_dep(
        Left::TICK_SCHED,
        bindings::tick_dep_bits_TICK_DEP_BIT_SCHED
    ));
    static_assert!(is_from_dep(
        Left::TICK_CLOCK_UNSTABLE,
        bindings::tick_dep_bits_TICK_DEP_BIT_CLOCK_UNSTABLE
    ));
    static_assert!(is_from_dep(
        Left::TICK_RCU,
        bindings::tick_dep_bits_TICK_DEP_BIT_RCU
    ));
    static_assert!(is_from_dep(
        Left::TICK_RCU_EXP,
        bindings::tick_dep_bits_TICK_DEP_BIT_RCU_EXP
    ));
    static_assert!(is_from(Left::TICK_RCU_CB, bindings::TICK_LEFT_RCU_CB));
    static_assert!(is_from(Left::TICK_IRQ_WORK, bindings::TICK_LEFT_IRQ_WORK));
    static_assert!(is_from(Left::SOFTIRQ, bindings::TICK_LEFT_SOFTIRQ));
    static_assert!(is_from(Left::TICK_ALWAYS, bindings::TICK_LEFT_ALWAYS));
    static_assert!(is_from(Left::TIMER, bindings::TICK_LEFT_TIMER));
    static_assert!(is_from(Left::HRTIMER, bindings::TICK_LEFT_HRTIMER));
    static_assert!(is_from(Left::DUE, bindings::TICK_LEFT_DUE));
    static_assert!(is_from_dep(Left::TICK_OTHER, 6));
}

/// Answers `PR_ISOL_GET`, `PR_ISOL_SET` and `PR_ISOL_ENABLE`.
///
/// Called in task context with interrupts on. Returns what `prctl()` returns.
///
/// # Safety
///
/// Always safe to call.
// Required to be unsafe due to the `#[export]` annotation.
#[export]
pub unsafe extern "C" fn task_isol_prctl(
    option: c_int,
    arg2: c_ulong,
    arg3: c_ulong,
    arg4: c_ulong,
    arg5: c_ulong,
) -> c_long {
    let Some(operation) = Operation::from_option(option as u32) else {
        return EINVAL.to_errno() as c_long;
    };
    let current = Current::new();
    let old = current.load();

    match request::answer(old, supported(), operation, [arg2, arg3, arg4, arg5]) {
        Ok(Answer::Value(value)) => value as c_long,
        Ok(Answer::Change(new)) => {
            current.store(new);
            if !new.features().is_empty() {
                trace::enable(new);
            } else if !old.features().is_empty() {
                trace::disable(old, DisableReason::Prctl);
            }
            0
        }
        Err(refusal) => Error::from(refusal).to_errno() as c_long,
    }
}

/// Clears the state of the calling thread, which has some.
///
/// Called in task context with interrupts on, when a thread exits and when it
/// gains privilege by `execve()`.
///
/// * `reason`: A `TASK_ISOL_*` reason, for the tracepoint.
///
/// # Safety
///
/// Always safe to call.
// Required to be unsafe due to the `#[export]` annotation.
#[export]
pub unsafe extern "C" fn task_isol_clear(reason: c_uint) {
    let current = Current::new();
    let old = current.load();

    current.store(State::INITIAL);
    if !old.features().is_empty() {
        trace::disable(old, DisableReason::from_raw(reason));
    }
}

/// Runs the configured actions; the thread is about to return to user mode.
///
/// Called with interrupts off from the exit to user mode, for every syscall,
/// interrupt and exception, where instrumentation is allowed. Takes no
/// sleeping lock and does not enable interrupts.
///
/// * `isol`: The state of the calling thread.
/// * `round`: How often it was called before on this way to user mode.
///
/// Returns what is to be done before it is called once more, `TASK_ISOL_WORK_*`.
///
/// # Safety
///
/// * Interrupts must be off.
/// * `isol` must be valid, and nobody else may access it.
#[export]
pub unsafe extern "C" fn task_isol_quiesce(
    isol: *mut bindings::task_isol,
    round: c_uint,
) -> c_uint {
    // SAFETY: The caller guarantees that it can be accessed.
    let isol = unsafe { &mut *isol };
    let state = State::from(*isol);
    let actions = state.quiesce();
    // SAFETY: Interrupts are off, and stay so until this function returns.
    let mut this_cpu = unsafe { ThisCpu::new() };
    let outcome = quiesce::run(actions, state.left(), round, &mut this_cpu);

    // INVARIANT: It comes from a run of these actions.
    isol.quiesce_left = outcome.left.bits();
    trace::quiesce(actions, &outcome);
    outcome.work.bits()
}
