// SPDX-License-Identifier: GPL-2.0

//! The deferral of work to other CPUs, the side of the CPU that wants it.
//!
//! The side of the CPU that is to do it is entry code, in
//! `arch/x86/mm/tlb_defer.c`, and the argument why this is safe in
//! [`Documentation/arch/x86/tlb_defer.rst`](srctree/Documentation/arch/x86/tlb_defer.rst).

use super::mask::Quiesce;

/// What can be left to a CPU in user mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `USER_DEFER_TLB`: a flush of kernel translations.
    Tlb,
    /// `USER_DEFER_TEXT`: to serialize, as the text of the kernel was changed.
    Text,
}

impl Kind {
    /// The CPU is in user mode, and does such work before anything that needs it.
    pub(crate) const fn user(self) -> i32 {
        match self {
            Self::Tlb => Quiesce::DEFER_TLB_FLUSH.bits() as i32,
            Self::Text => Quiesce::DEFER_TEXT_SYNC.bits() as i32,
        }
    }

    /// `USER_DEFER_PENDING()`: there is such work.
    pub(crate) const fn pending(self) -> i32 {
        self.user() << 1
    }
}

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

/// Leaves work to the CPU that `word` belongs to, if it can be left to it.
///
/// The change that the work is about, of page tables for example, must have been
/// made before. Returns `false` if the CPU is not in user mode or does not take part
/// in this kind, and must be interrupted.
pub(crate) fn defer(word: &impl DeferWord, kind: Kind) -> bool {
    let mut state = word.load();

    while state & kind.user() != 0 {
        // Also if it is pending already, as that is for a change of somebody
        // else: without an ordering of its own, the work may be done before this
        // one's change is visible.
        match word.cmpxchg(state, state | kind.pending()) {
            Ok(()) => return true,
            Err(now) => state = now,
        }
    }
    false
}

/// Leaving work to another CPU, one decision at a time. How the two CPUs get
/// along is a matter of interleavings, and not for here.
#[cfg(any(test, CONFIG_TASK_ISOLATION_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_TASK_ISOLATION_KUNIT_TEST,
    kernel::prelude::kunit_tests(task_isolation_tlb)
)]
mod tests {
    use super::*;
    use core::cell::Cell;

    const KIND: Kind = Kind::Tlb;
    const USER: i32 = KIND.user();
    const PENDING: i32 = KIND.pending();

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
        // PENDING alone: it is about to do it, but may have begun before.
        for state in [0, PENDING] {
            let word = Fake::new(state, &[]);

            assert!(!defer(&word, KIND));
            assert_eq!(word.state.get(), state);
            assert_eq!(word.exchanged.get(), 0);
        }
    }

    #[test]
    fn a_cpu_in_user_mode_is_told() {
        let word = Fake::new(USER, &[]);

        assert!(defer(&word, KIND));
        assert_eq!(word.state.get(), USER | PENDING);
    }

    #[test]
    fn what_others_have_pending_is_not_relied_upon() {
        let word = Fake::new(USER | PENDING, &[]);

        assert!(defer(&word, KIND));
        assert_eq!(word.state.get(), USER | PENDING);
        // For its ordering.
        assert_eq!(word.exchanged.get(), 1);
    }

    #[test]
    fn a_cpu_that_leaves_user_mode_meanwhile_is_interrupted() {
        for changes in [&[0_i32][..], &[PENDING], &[USER | PENDING, 0]] {
            let word = Fake::new(USER, changes);

            assert!(!defer(&word, KIND));
            assert_eq!(word.exchanged.get(), 0);
        }
    }

    #[test]
    fn kinds_do_not_get_in_each_others_way() {
        const OTHER: Kind = Kind::Text;
        let all = KIND.user() | KIND.pending() | OTHER.user() | OTHER.pending();

        assert_eq!(all.count_ones(), 4);
        // One who does not take part in this kind.
        for state in [OTHER.user(), OTHER.user() | OTHER.pending()] {
            let word = Fake::new(state, &[]);

            assert!(!defer(&word, KIND));
            assert_eq!(word.state.get(), state);
        }
        // Both, and something of the other kind comes in between.
        const BUSY: i32 = USER | OTHER.user() | OTHER.pending();
        let word = Fake::new(USER | OTHER.user(), &[BUSY]);

        assert!(defer(&word, KIND));
        assert_eq!(word.state.get(), all);
    }

    #[test]
    fn a_cpu_that_comes_back_meanwhile_is_told() {
        for changes in [&[USER | PENDING][..], &[USER | PENDING, USER]] {
            let word = Fake::new(USER, changes);

            assert!(defer(&word, KIND));
            assert_eq!(word.state.get(), USER | PENDING);
            assert_eq!(word.exchanged.get(), 1);
        }
    }
}
