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

use crate::{
    mask::{
        Features,
        Quiesce,
        Refusal, //
    },
    quiesce::{
        self,
        Done,
        Subsystems, //
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
static_assert!(Features::QUIESCE_ON_URET.bits() == bindings::ISOL_F_QUIESCE_ON_URET);
static_assert!(Quiesce::VMSTAT_SYNC.bits() == bindings::ISOL_F_QUIESCE_VMSTAT_SYNC);
static_assert!(Done::VMSTAT_FOLDED.bits() == bindings::VMSTAT_QUIESCE_FOLDED);
static_assert!(Done::VMSTAT_CANCELLED.bits() == bindings::VMSTAT_QUIESCE_CANCELLED);

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Invalid => EINVAL,
            Refusal::Busy => EBUSY,
        }
    }
}

/// What this kernel can do on this machine.
const fn supported() -> Supported {
    Supported {
        features: Features::QUIESCE_ON_URET,
        quiesce: Quiesce::VMSTAT_SYNC,
    }
}

impl From<bindings::task_isol> for State {
    fn from(stored: bindings::task_isol) -> Self {
        Self::from_stored(
            Features::from_bits(stored.features),
            Quiesce::from_bits(stored.quiesce_cfg),
        )
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
        let stored = bindings::task_isol {
            features: state.features().bits(),
            quiesce_cfg: state.quiesce().bits(),
        };

        // SAFETY: `self.0` is valid, and nobody accesses it concurrently.
        unsafe { *self.0 = stored };
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
///
/// # Safety
///
/// * Interrupts must be off.
/// * `isol` must be valid for reading, and nobody may write to it.
#[export]
pub unsafe extern "C" fn task_isol_quiesce(isol: *const bindings::task_isol) {
    // SAFETY: The caller guarantees that it can be read.
    let state = State::from(unsafe { *isol });
    let actions = state.quiesce();
    // SAFETY: Interrupts are off, and stay so until this function returns.
    let mut this_cpu = unsafe { ThisCpu::new() };

    trace::quiesce(actions, quiesce::run(actions, &mut this_cpu));
}
