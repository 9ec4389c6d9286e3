// SPDX-License-Identifier: GPL-2.0

//! The functions that C calls, and what they need from C.
//!
//! C header: [`include/linux/task_isolation.h`](srctree/include/linux/task_isolation.h).

use core::marker::PhantomData;

use kernel::{
    bindings,
    error::from_result,
    interrupt::LocalInterruptDisabled,
    prelude::*,
    types::NotThreadSafe, //
};

#[cfg(CONFIG_TASK_ISOLATION_DEFER_TLB)]
use crate::ffi_tlb;
use crate::policy::{
    left::Left,
    mask::{
        Features,
        Quiesce, //
    },
    quiesce,
    request::{
        self,
        Answer,
        Operation, //
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
    },
    Refusal, //
};
use crate::trace;

static_assert!(Done::VMSTAT_FOLDED.bits() == bindings::VMSTAT_QUIESCE_FOLDED);
static_assert!(Done::VMSTAT_CANCELLED.bits() == bindings::VMSTAT_QUIESCE_CANCELLED);
static_assert!(Done::TLB_FLUSHED.bits() == bindings::TASK_ISOL_DONE_TLB_FLUSH);
static_assert!(Done::TEXT_SYNCED.bits() == bindings::TASK_ISOL_DONE_TEXT_SYNC);
static_assert!(Work::SOFTIRQ.bits() == bindings::TASK_ISOL_WORK_SOFTIRQ);
static_assert!(Work::YIELD.bits() == bindings::TASK_ISOL_WORK_YIELD);
static_assert!(Work::IRQ.bits() == bindings::TASK_ISOL_WORK_IRQ);
static_assert!(Work::IRQ_WORK.bits() == bindings::TASK_ISOL_WORK_IRQ_WORK);
static_assert!(Work::LRU.bits() == bindings::TASK_ISOL_WORK_LRU);

/// How long a thread that yielded in vain does not do so again: a second.
const YIELD_PAUSE: u32 = bindings::HZ;

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

/// What this kernel can do on this machine, for a thread with `state`.
fn supported(current: &Current<'_>, state: State) -> Supported {
    let mut quiesce = Quiesce::VMSTAT_SYNC | Quiesce::LRU_DRAIN;
    if has_nohz_full() {
        quiesce |= Quiesce::NOHZ_FULL;
    }
    #[cfg(CONFIG_TASK_ISOLATION_DEFER_TLB)]
    {
        quiesce |= ffi_tlb::supported();
    }
    // A flush interrupts nobody, so there is nothing to defer.
    if cfg!(CONFIG_ARCH_HAS_KERNEL_TLB_BROADCAST) {
        quiesce |= Quiesce::DEFER_TLB_FLUSH;
    }
    Supported {
        features: Features::QUIESCE_ON_URET | BLOCKING,
        quiesce,
        block: current.may_block(),
        refused: current.refused(state),
    }
}

/// Access to the state of the calling thread.
///
/// # Invariants
///
/// `isol` points to the state in the `task_struct` of the calling thread. Only this
/// thread accesses it for as long as the value lives, and only through this value.
pub(crate) struct Current<'a> {
    isol: *mut bindings::task_isol,
    lifetime: PhantomData<(&'a mut bindings::task_isol, NotThreadSafe)>,
}

impl Current<'_> {
    /// Runs `f` with access to the state of the calling thread.
    ///
    /// Must not be nested.
    fn with<R>(f: impl FnOnce(&mut Current<'_>) -> R) -> R {
        // SAFETY: Always safe to call.
        let current = unsafe { bindings::get_current() };

        // INVARIANT: `current` is the calling thread, valid while it runs this code.
        // After fork() nobody else accesses its state.
        f(&mut Current {
            // SAFETY: `current` is valid.
            isol: unsafe { &raw mut (*current).isol },
            lifetime: PhantomData,
        })
    }

    /// Access to the state at `isol`, for the exit to user mode, which knows it.
    ///
    /// # Safety
    ///
    /// `isol` must be that of the calling thread, and not be accessed otherwise for
    /// as long as the value lives.
    unsafe fn from_raw(isol: *mut bindings::task_isol) -> Self {
        // INVARIANT: The caller guarantees it.
        Self {
            isol,
            lifetime: PhantomData,
        }
    }

    /// The state of the thread.
    pub(crate) fn load(&self) -> State {
        // SAFETY: By the type invariants, `isol` is valid, and nobody writes to it
        // concurrently.
        let stored = unsafe { *self.isol };

        State::from_stored(
            Features::from_bits_truncate(stored.features),
            Quiesce::from_bits_truncate(stored.quiesce_cfg),
            Left::from_bits_truncate(stored.quiesce_left),
            if stored.yield_paused != 0 {
                Pause::until(stored.yield_retry)
            } else {
                Pause::NONE
            },
        )
    }

    /// Stores `state`, without any effect on what the exit to user mode does.
    fn record(&mut self, state: State) {
        let end = state.pause().end();
        let stored = bindings::task_isol {
            features: state.features().bits(),
            quiesce_cfg: state.quiesce().bits(),
            quiesce_left: state.left().bits(),
            yield_paused: u32::from(end.is_some()),
            yield_retry: end.unwrap_or(0),
            uret: state.on_uret().bits(),
        };

        // SAFETY: By the type invariants, `isol` is valid, and nobody accesses it
        // concurrently.
        unsafe { *self.isol = stored };
    }

    /// Stores `state` and makes the exit to user mode act on it.
    pub(crate) fn store(&mut self, state: State) {
        self.record(state);
        // SAFETY: Changes a flag of the calling thread that is only ours.
        unsafe { bindings::task_isol_set_tif(state.quiesces_on_uret()) };
    }
}

/// The feature of a kernel with a gate for at least one class.
const BLOCKING: Features =
    if cfg!(CONFIG_TASK_ISOLATION_BLOCK) && bindings::TASK_ISOL_BLOCK_CLASSES != 0 {
        Features::BLOCK_INTERRUPTORS
    } else {
        Features::EMPTY
    };

/// The subsystems of the kernel on this CPU.
// Not every configuration needs the proof.
#[allow(dead_code)]
struct ThisCpu<'a>(&'a LocalInterruptDisabled);

impl Subsystems for ThisCpu<'_> {
    fn lru_pending(&mut self) -> bool {
        // SAFETY: By the type invariants of `LocalInterruptDisabled`, interrupts
        // are off.
        unsafe { bindings::lru_batches_quiesce_needed() }
    }

    fn vmstat_sync(&mut self) -> Done {
        // SAFETY: By the type invariants of `LocalInterruptDisabled`, interrupts
        // are off.
        Done::from_bits_truncate(unsafe { bindings::vmstat_quiesce_cpu() })
    }

    #[cfg(CONFIG_TASK_ISOLATION_DEFER_TLB)]
    fn deferred(&mut self) -> Done {
        ffi_tlb::done_on_this_cpu(self.0)
    }

    #[cfg(not(CONFIG_TASK_ISOLATION_DEFER_TLB))]
    fn deferred(&mut self) -> Done {
        // Not supported, or nothing is ever deferred.
        Done::EMPTY
    }

    #[cfg(CONFIG_NO_HZ_FULL)]
    fn nohz_full(&mut self) -> Found {
        // SAFETY: By the type invariants of `LocalInterruptDisabled`, interrupts
        // are off.
        match unsafe { bindings::tick_nohz_full_quiesce() } {
            0 => Found::NOTHING,
            found => found_by_tick(found),
        }
    }

    #[cfg(not(CONFIG_NO_HZ_FULL))]
    fn nohz_full(&mut self) -> Found {
        // Not supported, so nobody has configured it.
        Found::NOTHING
    }

    #[cfg(CONFIG_NO_HZ_FULL)]
    fn peers(&mut self) -> Peers {
        // SAFETY: By the type invariants of `LocalInterruptDisabled`, interrupts
        // are off.
        match unsafe { bindings::sched_quiesce_peers() } {
            bindings::sched_peers_SCHED_PEERS_NONE => Peers::None,
            bindings::sched_peers_SCHED_PEERS_KTHREADS => Peers::Kthreads,
            _ => Peers::Others,
        }
    }

    #[cfg(not(CONFIG_NO_HZ_FULL))]
    fn peers(&mut self) -> Peers {
        // Nothing is found, see `nohz_full()`.
        Peers::Others
    }

    fn cpu_timers(&mut self) {
        // SAFETY: By the type invariants of `LocalInterruptDisabled`, interrupts
        // are off. Only a thread that returns to user mode gets here.
        #[cfg(CONFIG_POSIX_TIMERS)]
        unsafe {
            bindings::posix_cpu_timers_quiesce()
        };
    }

    fn class(&self) -> Class {
        // SAFETY: Always safe to call.
        if unsafe { bindings::task_isol_is_rt() } {
            return Class::RealTime;
        }
        // SAFETY: Always safe to call.
        if unsafe { bindings::task_isol_has_grant() } {
            return Class::Granted;
        }
        Class::Fair
    }

    fn now(&self) -> u32 {
        // SAFETY: Always safe to call.
        unsafe { bindings::task_isol_jiffies() }
    }

    #[cfg(CONFIG_NO_HZ_FULL)]
    fn next_event(&self) -> i64 {
        // SAFETY: By the type invariants of `LocalInterruptDisabled`, interrupts
        // are off.
        unsafe { bindings::tick_nohz_get_next_hrtimer() }
    }

    #[cfg(not(CONFIG_NO_HZ_FULL))]
    fn next_event(&self) -> i64 {
        // Nothing is found, see `nohz_full()`.
        i64::MAX
    }
}

/// Translates the reasons of `tick_nohz_full_quiesce()`.
#[cfg(CONFIG_NO_HZ_FULL)]
#[cold]
fn found_by_tick(found: c_uint) -> Found {
    const REASONS: [(c_uint, Left); 12] = [
        (
            1 << bindings::tick_dep_bits_TICK_DEP_BIT_POSIX_TIMER,
            Left::TICK_POSIX_TIMER,
        ),
        (
            1 << bindings::tick_dep_bits_TICK_DEP_BIT_PERF_EVENTS,
            Left::TICK_PERF_EVENTS,
        ),
        (
            1 << bindings::tick_dep_bits_TICK_DEP_BIT_SCHED,
            Left::TICK_SCHED,
        ),
        (
            1 << bindings::tick_dep_bits_TICK_DEP_BIT_CLOCK_UNSTABLE,
            Left::TICK_CLOCK_UNSTABLE,
        ),
        (
            1 << bindings::tick_dep_bits_TICK_DEP_BIT_RCU,
            Left::TICK_RCU,
        ),
        (
            1 << bindings::tick_dep_bits_TICK_DEP_BIT_RCU_EXP,
            Left::TICK_RCU_EXP,
        ),
        (bindings::TICK_LEFT_RCU_CB, Left::TICK_RCU_CB),
        (bindings::TICK_LEFT_IRQ_WORK, Left::TICK_IRQ_WORK),
        (bindings::TICK_LEFT_SOFTIRQ, Left::SOFTIRQ),
        (bindings::TICK_LEFT_ALWAYS, Left::TICK_ALWAYS),
        (bindings::TICK_LEFT_TIMER, Left::TIMER),
        (bindings::TICK_LEFT_HRTIMER, Left::HRTIMER),
    ];
    let mut rest = found & !bindings::TICK_LEFT_DUE;
    let mut left = Left::EMPTY;

    for (bit, reason) in REASONS {
        if rest & bit != 0 {
            left |= reason;
            rest &= !bit;
        }
    }
    if rest != 0 {
        left |= Left::TICK_OTHER;
    }
    Found {
        left,
        due: found & bindings::TICK_LEFT_DUE != 0,
    }
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
    from_result(|| {
        let operation = Operation::try_from(option as u32)?;

        Current::with(|current| {
            let old = current.load_all();

            match request::answer(
                old,
                supported(current, old),
                operation,
                [arg2, arg3, arg4, arg5],
            )? {
                Answer::Value(value) => Ok(value as c_long),
                Answer::Configure(new) => current.change(old, new).map(|()| 0),
                Answer::Enable(new) => {
                    current.change(old, new)?;
                    if !new.features().is_empty() {
                        trace::enable(new);
                    } else if !old.features().is_empty() {
                        trace::disable(old, bindings::task_isol_reason_TASK_ISOL_PRCTL);
                    }
                    Ok(0)
                }
            }
        })
    })
}

/// Clears the state of the calling thread, which has some.
///
/// Called in task context with interrupts on, when a thread exits and when it
/// gains privilege by `execve()`. `reason` is for the tracepoint.
///
/// # Safety
///
/// Always safe to call.
// Required to be unsafe due to the `#[export]` annotation.
#[export]
pub unsafe extern "C" fn task_isol_clear(reason: bindings::task_isol_reason) {
    Current::with(|current| {
        let old = current.load_all();

        current.end(old);
        if !old.features().is_empty() {
            trace::disable(old, reason);
        }
    });
}

/// Runs the configured actions; the thread is about to return to user mode.
///
/// Called with interrupts off from the exit to user mode, for every syscall,
/// interrupt and exception, where instrumentation is allowed. Takes no
/// sleeping lock and does not enable interrupts.
///
/// * `isol`: The state of the calling thread.
/// * `round`: How often it was called before on this return.
///
/// Returns what is to be done before it is called once more, `TASK_ISOL_WORK_*`.
///
/// # Safety
///
/// * The calling thread must be about to return to user mode, with interrupts off.
/// * `isol` must be its state, which nobody else accesses.
#[export]
pub unsafe extern "C" fn task_isol_quiesce(
    isol: *mut bindings::task_isol,
    round: c_uint,
) -> c_uint {
    // SAFETY: The caller guarantees that interrupts are off. They stay so until
    // this function returns.
    let irqs = unsafe { LocalInterruptDisabled::assume_disabled() };
    // SAFETY: The caller guarantees that it is the state of the calling thread.
    let mut current = unsafe { Current::from_raw(isol) };
    let state = current.load();
    let outcome = quiesce::run(state, round, YIELD_PAUSE, &mut ThisCpu(irqs));

    current.record(state.record(outcome.left, outcome.pause));
    trace::quiesce(state.quiesce(), &outcome);
    outcome.work.bits()
}

/// As `task_isol_quiesce()`, after `task_isol_quiet()` found nothing to settle.
///
/// Returns whether there was something, but for `vmstat_work`, which another CPU may
/// have queued meanwhile.
///
/// # Safety
///
/// As `task_isol_quiesce()`.
#[cfg(CONFIG_DEBUG_ENTRY)]
#[export]
pub unsafe extern "C" fn task_isol_recheck(isol: *mut bindings::task_isol) -> bool {
    // SAFETY: As in `task_isol_quiesce()`.
    let irqs = unsafe { LocalInterruptDisabled::assume_disabled() };
    // SAFETY: As in `task_isol_quiesce()`.
    let mut current = unsafe { Current::from_raw(isol) };
    let state = current.load();
    let outcome = quiesce::run(state, 0, YIELD_PAUSE, &mut ThisCpu(irqs));
    current.record(state.record(outcome.left, outcome.pause));
    outcome.left != state.left()
        || !outcome.work.is_empty()
        || !outcome.done.difference(Done::VMSTAT_CANCELLED).is_empty()
}
