// SPDX-License-Identifier: GPL-2.0

//! The rules of the user ABI, and what runs on a return to user mode.
//!
//! Nothing in here knows about the kernel, apart from the numbers of its ABI.

#[cfg(any(test, CONFIG_TASK_ISOLATION_BLOCK))]
pub(crate) mod block;
#[cfg(any(test, CONFIG_TASK_ISOLATION_BLOCK))]
pub(crate) mod claim;
pub(crate) mod left;
pub(crate) mod mask;
pub(crate) mod quiesce;
#[cfg(any(test, CONFIG_TASK_ISOLATION_KUNIT_TEST))]
pub(crate) mod quiet;
pub(crate) mod request;
pub(crate) mod state;
pub(crate) mod subsystems;
#[cfg(any(test, CONFIG_TASK_ISOLATION_DEFER_TLB))]
pub(crate) mod tlb;

/// Why a request is refused. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request is malformed, unsupported or makes no sense: `EINVAL`.
    Invalid,
    /// The configuration is in use: `EBUSY`.
    Busy,
}
