// SPDX-License-Identifier: GPL-2.0

//! What C calls to leave work to CPUs in user mode.
//!
//! C header: [`arch/x86/include/asm/tlb_defer.h`](srctree/arch/x86/include/asm/tlb_defer.h).

use kernel::{
    bindings,
    interrupt::LocalInterruptDisabled,
    prelude::*,
    sync::atomic::{
        Atomic,
        Full,
        Relaxed, //
    },
    tracepoint::declare_trace, //
};

use crate::policy::{
    mask::Quiesce,
    subsystems::Done,
    tlb::{
        self,
        Kind, //
    }, //
};

const _: () = {
    use bindings::*;
    assert!(Kind::Tlb.user() as u32 == user_defer_bits_USER_DEFER_TLB_USER);
    assert!(Kind::Tlb.pending() as u32 == user_defer_bits_USER_DEFER_TLB_PENDING);
    assert!(Kind::Text.user() as u32 == user_defer_bits_USER_DEFER_TEXT_USER);
    assert!(Kind::Text.pending() as u32 == user_defer_bits_USER_DEFER_TEXT_PENDING);
};

declare_trace! {
    unsafe fn task_isol_tlb_defer(cpu: u32);
    unsafe fn task_isol_text_defer(cpu: u32);
}

impl tlb::DeferWord for Atomic<i32> {
    fn load(&self) -> i32 {
        self.load(Relaxed)
    }

    fn cmpxchg(&self, old: i32, new: i32) -> Result<(), i32> {
        self.cmpxchg(old, new, Full).map(|_| ())
    }
}

/// The actions that defer work and keep their promise on this machine.
pub(crate) fn supported() -> Quiesce {
    // SAFETY: Always safe to call.
    Quiesce::from_bits_truncate(unsafe { bindings::user_defer_supported() })
}

/// What this CPU did that was deferred, since this was last asked.
pub(crate) fn done_on_this_cpu(_irqs: &LocalInterruptDisabled) -> Done {
    // SAFETY: By the type invariants of `LocalInterruptDisabled`, interrupts are
    // off, and the thread stays on this CPU.
    Done::from_bits_truncate(unsafe { bindings::user_defer_done() })
}

/// Leaves a flush of kernel translations to another CPU, if it is in user mode.
///
/// Called with preemption disabled, after the page tables were changed, for each
/// CPU that would be interrupted for the flush. The CPU then flushes when it
/// enters the kernel.
///
/// * `state`: The `user_defer.state` of the CPU.
/// * `cpu`: Its number, for the tracepoint.
///
/// Returns `false` if the CPU has to be interrupted.
///
/// # Safety
///
/// `state` must be valid, and only be accessed atomically.
#[export]
pub unsafe extern "C" fn task_isol_defer_tlb_flush(
    state: *mut bindings::atomic_t,
    cpu: c_uint,
) -> bool {
    // SAFETY: The caller guarantees that it is valid, and that others access it
    // atomically.
    let state = unsafe { Atomic::from_ptr(&raw mut (*state).counter) };
    let deferred = tlb::defer(state, Kind::Tlb);

    if deferred {
        // SAFETY: Always safe to call.
        unsafe { task_isol_tlb_defer(cpu) };
    }
    deferred
}

/// Leaves it to another CPU to serialize for changed text, if it is in user mode.
///
/// Called with preemption disabled, after the text was changed, for each CPU that
/// would be interrupted for that. The text must not be executed on the way from user
/// mode to the hook. The CPU then serializes when it enters the kernel.
///
/// * `state`: The `user_defer.state` of the CPU.
/// * `cpu`: Its number, for the tracepoint.
///
/// Returns `false` if the CPU has to be interrupted.
///
/// # Safety
///
/// `state` must be valid, and only be accessed atomically.
#[export]
pub unsafe extern "C" fn task_isol_defer_text_sync(
    state: *mut bindings::atomic_t,
    cpu: c_uint,
) -> bool {
    // SAFETY: The caller guarantees that it is valid, and that others access it
    // atomically.
    let state = unsafe { Atomic::from_ptr(&raw mut (*state).counter) };
    let deferred = tlb::defer(state, Kind::Text);

    if deferred {
        // SAFETY: Always safe to call.
        unsafe { task_isol_text_defer(cpu) };
    }
    deferred
}
