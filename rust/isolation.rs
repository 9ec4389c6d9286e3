// SPDX-License-Identifier: GPL-2.0

//! Task isolation: the kernel settles what it deferred on behalf of a thread
//! before the thread returns to user mode.
//!
//! [`policy`] decides. It knows nothing about the kernel, and is also built and
//! tested on the host. [`ffi`] is where C calls in and where the policy reaches
//! the kernel. It uses `bindings` directly: this crate is the only user of what
//! it calls, so there is nothing that an abstraction could be shared with.
//!
//! # Vocabulary
//!
//! * A *feature* is enabled by `PR_ISOL_ENABLE`, a *quiesce action* configured by
//!   `PR_ISOL_QUIESCE_CFG`.
//! * A *return* is one way of a thread to user mode: from a system call, an
//!   interrupt or an exception.
//! * A *run* of the sequence settles all configured actions once.
//! * *Done* is what a run found to do.
//! * *Left* is what a run could not settle.
//! * *Work* has to be done with interrupts on before the next run.
//! * A *round* is a run on the same return as the one before. The first is 0.
//! * *Peers* are other tasks that want to run on the CPU.
//! * An *operation* interrupts other CPUs. Operations of a *class* are refused
//!   together.
//! * A *claim* of a thread on its CPU has operations refused that would interrupt it.
//! * To *defer* is to leave a flush to another CPU, which does it on its next
//!   kernel entry.
//!
//! C header: [`include/linux/task_isolation.h`](srctree/include/linux/task_isolation.h).

pub mod ffi;
#[cfg(CONFIG_TASK_ISOLATION_BLOCK)]
pub mod ffi_block;
#[cfg(not(CONFIG_TASK_ISOLATION_BLOCK))]
mod ffi_noblock;
#[cfg(CONFIG_TASK_ISOLATION_KUNIT_TEST)]
mod ffi_quiet;
#[cfg(CONFIG_TASK_ISOLATION_DEFER_TLB)]
pub mod ffi_tlb;
// The wrappers of KUnit tests are unsafe code.
#[cfg_attr(not(CONFIG_TASK_ISOLATION_KUNIT_TEST), forbid(unsafe_code))]
mod policy;
mod trace;
mod uapi;
