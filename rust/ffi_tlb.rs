// SPDX-License-Identifier: GPL-2.0

//! What C calls to defer flushes of kernel translations.
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

use crate::policy::tlb;

static_assert!(tlb::USER as u32 == bindings::TLB_DEFER_USER);
static_assert!(tlb::PENDING as u32 == bindings::TLB_DEFER_PENDING);

declare_trace! {
    unsafe fn task_isol_tlb_defer(cpu: u32);
}

impl tlb::DeferWord for Atomic<i32> {
    fn load(&self) -> i32 {
        self.load(Relaxed)
    }

    fn cmpxchg(&self, old: i32, new: i32) -> Result<(), i32> {
        self.cmpxchg(old, new, Full).map(|_| ())
    }
}

/// Whether `ISOL_F_QUIESCE_DEFER_TLB_FLUSH` keeps its promise on this machine.
pub(crate) fn supported() -> bool {
    // SAFETY: Always safe to call.
    unsafe { bindings::tlb_defer_supported() }
}

/// Whether this CPU did a flush that was deferred, since this was last asked.
pub(crate) fn done_on_this_cpu(_irqs: &LocalInterruptDisabled) -> bool {
    // SAFETY: By the type invariants of `LocalInterruptDisabled`, interrupts are
    // off, and the thread stays on this CPU.
    unsafe { bindings::tlb_defer_flushed() }
}

/// Leaves a flush of kernel translations to another CPU, if it is in user mode.
///
/// Called with preemption disabled, after the page tables were changed, for each
/// CPU that would be interrupted for the flush. The CPU then flushes when it
/// enters the kernel.
///
/// * `state`: The `tlb_defer.state` of the CPU.
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
    let deferred = tlb::defer(state);

    if deferred {
        // SAFETY: Always safe to call.
        unsafe { task_isol_tlb_defer(cpu) };
    }
    deferred
}
