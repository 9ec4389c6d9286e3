// SPDX-License-Identifier: GPL-2.0

//! The tracepoints.
//!
//! C header: [`task_isolation.h`](srctree/include/trace/events/task_isolation.h).

use kernel::{
    bindings::task_isol_reason,
    tracepoint::declare_trace, //
};

use crate::policy::{
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

/// Emits `task_isol_enable`: features of the thread are enabled.
#[inline]
pub(crate) fn enable(state: State) {
    // SAFETY: Always safe to call.
    unsafe { task_isol_enable(state.features().bits(), state.quiesce().bits()) }
}

/// Emits `task_isol_disable`: the features of `old` are not enabled any more.
#[inline]
pub(crate) fn disable(old: State, reason: task_isol_reason) {
    // SAFETY: Always safe to call.
    unsafe { task_isol_disable(old.features().bits(), reason) }
}

/// Emits `task_isol_quiesce_done`: the actions ran.
#[inline]
pub(crate) fn quiesce(actions: Quiesce, outcome: &Outcome) {
    // SAFETY: Always safe to call.
    unsafe {
        task_isol_quiesce_done(
            actions.bits(),
            outcome.done.bits(),
            outcome.left.bits(),
            outcome.work.bits(),
            outcome.next_event,
        )
    }
}
