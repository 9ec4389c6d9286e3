// SPDX-License-Identifier: GPL-2.0

//! The tracepoints.
//!
//! C header: [`task_isolation.h`](srctree/include/trace/events/task_isolation.h).

use kernel::{
    bindings,
    tracepoint::declare_trace, //
};

use crate::{
    mask::Quiesce,
    quiesce::Outcome,
    state::State, //
};

declare_trace! {
    unsafe fn task_isol_enable(features: u32, quiesce: u32);
    unsafe fn task_isol_disable(features: u32, reason: u32);
    unsafe fn task_isol_quiesce_done(
        actions: u32,
        done: u32,
        left: u32,
        work: u32,
        next_event: i64
    );
}

/// What ended the isolation of a thread.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum DisableReason {
    /// The thread asked for it.
    Prctl = bindings::TASK_ISOL_PRCTL,
    /// It gained privilege by `execve()`.
    Exec = bindings::TASK_ISOL_EXEC,
    /// It exits.
    Exit = bindings::TASK_ISOL_EXIT,
}

impl DisableReason {
    pub(crate) fn from_raw(raw: u32) -> Self {
        match raw {
            bindings::TASK_ISOL_EXEC => Self::Exec,
            bindings::TASK_ISOL_EXIT => Self::Exit,
            _ => Self::Prctl,
        }
    }
}

#[inline]
pub(crate) fn enable(state: State) {
    // SAFETY: Always safe to call.
    unsafe { task_isol_enable(state.features().bits(), state.quiesce().bits()) }
}

#[inline]
pub(crate) fn disable(old: State, reason: DisableReason) {
    // SAFETY: Always safe to call.
    unsafe { task_isol_disable(old.features().bits(), reason as u32) }
}

#[inline]
pub(crate) fn quiesce(actions: Quiesce, outcome: &Outcome) {
    // SAFETY: Always safe to call.
    unsafe {
        task_isol_quiesce_done(
            actions.bits(),
            outcome.done.bits(),
            outcome.left.reported().bits(),
            outcome.work.bits(),
            outcome.next_event,
        )
    }
}
