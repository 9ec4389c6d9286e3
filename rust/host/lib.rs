// SPDX-License-Identifier: GPL-2.0

//! The policy of the kernel's `isolation` crate, built for the host.

#![cfg(test)]

mod barrier_loom;
mod claim_loom;
mod model;
#[path = "../policy/mod.rs"]
mod policy;
mod quiet;
mod tlb_loom;
/// The numbers of the user ABI, from the UAPI header as the patches make it. One that
/// the policy does not use is reported by clippy.
mod uapi {
    include!(concat!(env!("OUT_DIR"), "/uapi.rs"));
}
