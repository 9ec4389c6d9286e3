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
pub(crate) trait DeferWord {
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
pub(crate) fn defer(word: &impl DeferWord) -> bool {
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

/// Leaving a flush to another CPU, one decision at a time. How the two CPUs get
/// along is a matter of interleavings, and not for here.
#[cfg(any(test, CONFIG_TASK_ISOLATION_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_TASK_ISOLATION_KUNIT_TEST,
    kernel::prelude::kunit_tests(task_isolation_tlb)
)]
mod tests {
    use super::*;
    use core::cell::Cell;

    /// A word that somebody else changes just before each `cmpxchg()`.
    struct Fake {
        state: Cell<i32>,
        changes: Cell<&'static [i32]>,
        exchanged: Cell<u32>,
    }

    impl Fake {
        fn new(state: i32, changes: &'static [i32]) -> Self {
            Self {
                state: Cell::new(state),
                changes: Cell::new(changes),
                exchanged: Cell::new(0),
            }
        }
    }

    impl DeferWord for Fake {
        fn load(&self) -> i32 {
            self.state.get()
        }

        fn cmpxchg(&self, old: i32, new: i32) -> Result<(), i32> {
            if let Some((change, rest)) = self.changes.get().split_first() {
                self.state.set(*change);
                self.changes.set(rest);
            }
            if self.state.get() != old {
                return Err(self.state.get());
            }
            self.state.set(new);
            self.exchanged.set(self.exchanged.get() + 1);
            Ok(())
        }
    }

    #[test]
    fn a_cpu_in_the_kernel_is_interrupted() {
        // PENDING alone: it is about to flush, but may have begun before.
        for state in [0, PENDING] {
            let word = Fake::new(state, &[]);

            assert!(!defer(&word));
            assert_eq!(word.state.get(), state);
            assert_eq!(word.exchanged.get(), 0);
        }
    }

    #[test]
    fn a_cpu_in_user_mode_is_told() {
        let word = Fake::new(USER, &[]);

        assert!(defer(&word));
        assert_eq!(word.state.get(), USER | PENDING);
    }

    #[test]
    fn what_others_have_pending_is_not_relied_upon() {
        let word = Fake::new(USER | PENDING, &[]);

        assert!(defer(&word));
        assert_eq!(word.state.get(), USER | PENDING);
        // For its ordering.
        assert_eq!(word.exchanged.get(), 1);
    }

    #[test]
    fn a_cpu_that_leaves_user_mode_meanwhile_is_interrupted() {
        for changes in [&[0_i32][..], &[PENDING], &[USER | PENDING, 0]] {
            let word = Fake::new(USER, changes);

            assert!(!defer(&word));
            assert_eq!(word.exchanged.get(), 0);
        }
    }

    #[test]
    fn a_cpu_that_comes_back_meanwhile_is_told() {
        for changes in [&[USER | PENDING][..], &[USER | PENDING, USER]] {
            let word = Fake::new(USER, changes);

            assert!(defer(&word));
            assert_eq!(word.state.get(), USER | PENDING);
            assert_eq!(word.exchanged.get(), 1);
        }
    }
}
