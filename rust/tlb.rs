// SPDX-License-Identifier: GPL-2.0

//! The deferral of kernel TLB flushes, the side of the CPU that wants a flush.
//!
//! The side of the CPU that is to flush is entry code, in
//! `arch/x86/mm/tlb_defer.c`, and the argument why this is safe in
//! [`Documentation/arch/x86/tlb_defer.rst`](srctree/Documentation/arch/x86/tlb_defer.rst).

/// `TLB_DEFER_USER`: the CPU is in user mode, and flushes before it uses kernel
/// translations again.
pub(crate) const USER: i32 = 1 << 0;
/// `TLB_DEFER_PENDING`: there is something to flush.
pub(crate) const PENDING: i32 = 1 << 1;

/// The word that two CPUs share.
pub(crate) trait Word {
    /// Reads the word, without any ordering.
    fn load(&self) -> i32;

    /// Replaces `old` by `new`, fully ordered if that succeeds.
    ///
    /// # Errors
    ///
    /// The value of the word, if it is not `old`. There is no ordering then.
    fn cmpxchg(&self, old: i32, new: i32) -> Result<(), i32>;
}

/// Leaves a flush to the CPU that `word` belongs to, if it can be left to it.
///
/// The page tables must have been changed before. Returns `false` if the CPU is
/// not in user mode, and must be interrupted.
pub(crate) fn defer(word: &impl Word) -> bool {
    let mut state = word.load();

    while state & USER != 0 {
        // Also if it is pending already, as that is for a change of somebody
        // else: without an ordering of its own, the flush may come before this
        // one's change is visible.
        match word.cmpxchg(state, state | PENDING) {
            Ok(()) => return true,
            Err(now) => state = now,
        }
    }
    false
}
