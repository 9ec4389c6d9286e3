// SPDX-License-Identifier: GPL-2.0

//! Task isolation: the kernel settles what it deferred on behalf of a thread
//! before the thread returns to user mode.
//!
//! [`mask`], [`left`], [`state`], [`request`] and [`quiesce`] are the policy. They
//! know nothing about the kernel and are also built and tested on the host.
//! [`edge`] is where C calls in and where the policy reaches the kernel.
//!
//! C header: [`include/linux/task_isolation.h`](srctree/include/linux/task_isolation.h).

pub mod edge;
mod left;
mod mask;
mod quiesce;
mod request;
mod state;
#[cfg(CONFIG_TASK_ISOLATION_KUNIT_TEST)]
mod tests;
mod trace;
