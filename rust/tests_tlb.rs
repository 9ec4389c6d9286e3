// SPDX-License-Identifier: GPL-2.0

//! Leaving a TLB flush to another CPU, one decision at a time.
//!
//! How the two CPUs get along is a matter of interleavings, and not for here.
//!
//! Runs as KUnit suite `rust_task_isolation_tlb` in the kernel, and on the host.

#[cfg_attr(
    CONFIG_TASK_ISOLATION_KUNIT_TEST,
    kernel::prelude::kunit_tests(rust_task_isolation_tlb)
)]
mod cases {
    use crate::tlb::{
        defer,
        Word,
        PENDING,
        USER, //
    };
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

    impl Word for Fake {
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
