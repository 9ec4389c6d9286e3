// SPDX-License-Identifier: GPL-2.0

//! The policy files of the kernel's `isolation` crate, built for the host.

#![cfg(test)]

#[path = "../left.rs"]
mod left;
#[path = "../mask.rs"]
mod mask;
mod model;
#[path = "../quiesce.rs"]
mod quiesce;
#[path = "../request.rs"]
mod request;
#[path = "../state.rs"]
mod state;
#[path = "../tests.rs"]
mod tests;
#[path = "../tests_quiesce.rs"]
mod tests_quiesce;
#[path = "../tests_tlb.rs"]
mod tests_tlb;
#[path = "../tlb.rs"]
mod tlb;
mod tlb_loom;
mod transcript;
