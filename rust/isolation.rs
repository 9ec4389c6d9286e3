// SPDX-License-Identifier: GPL-2.0

//! Task isolation: the kernel settles what it deferred on behalf of a thread
//! before the thread returns to user mode.
//!
//! [`mask`], [`left`], [`state`], [`request`] and [`quiesce`] are the policy, and
//! `tlb` is a part of a protocol. They know nothing about the kernel and are also
//! built and tested on the host.
//! [`edge`] and `flush` are where C calls in and where the policy reaches the
//! kernel.
//!
//! C header: [`include/linux/task_isolation.h`](srctree/include/linux/task_isolation.h).

pub mod edge;
#[cfg(CONFIG_TASK_ISOLATION_DEFER_TLB)]
pub mod flush;
mod left;
mod mask;
mod quiesce;
mod request;
mod state;
#[cfg(CONFIG_TASK_ISOLATION_KUNIT_TEST)]
mod tests;
#[cfg(CONFIG_TASK_ISOLATION_KUNIT_TEST)]
mod tests_quiesce;
#[cfg(all(CONFIG_TASK_ISOLATION_KUNIT_TEST, CONFIG_TASK_ISOLATION_DEFER_TLB))]
mod tests_tlb;
#[cfg(CONFIG_TASK_ISOLATION_DEFER_TLB)]
mod tlb;
mod trace;
