// SPDX-License-Identifier: GPL-2.0

//! Two protocols that leave CPUs alone, transcribed from C, in all interleavings:
//! `smp_call_function_barrier()` of `kernel/smp.c` with the words of
//! `arch/x86/mm/tlb_defer.c`, and `rcu_sheaf_may_be_removed()` of `mm/slub.c`.
//!
//! loom models the memory model of C11, in which no load sees a store that comes
//! later. So the RELEASE on the way to user mode makes no difference here. The litmus
//! tests in `Documentation/models/` look at it.

use loom::{
    model::Builder,
    sync::atomic::{
        fence,
        AtomicI32,
        Ordering::{
            Acquire,
            Relaxed,
            Release,
            SeqCst, //
        }, //
    },
    thread, //
};
use std::{
    panic::{
        catch_unwind,
        AssertUnwindSafe, //
    },
    sync::Arc, //
};

/// `smp_mb()`
fn smp_mb() {
    fence(SeqCst);
}

/// A fully ordered atomic operation of the kernel. loom takes SeqCst for AcqRel,
/// except for fences.
fn add(word: &AtomicI32, value: i32) {
    smp_mb();
    word.fetch_add(value, SeqCst);
    smp_mb();
}

/// Whether some interleaving of `first` and `second` fails.
fn fails<T: Send + Sync + 'static>(new: fn() -> T, first: fn(&T), second: fn(&T)) -> bool {
    let all = || {
        Builder::new().check(move || {
            let shared = Arc::new(new());
            let other = Arc::clone(&shared);
            let thread = thread::spawn(move || first(&other));

            second(&shared);
            thread.join().unwrap();
        });
    };

    catch_unwind(AssertUnwindSafe(all)).is_err()
}

/// A page table that is removed while a CPU may walk it.
struct Walk {
    /// The CPU is in user mode.
    user: AtomicI32,
    /// The entry that points to the table.
    entry: AtomicI32,
    /// The table is used for something else.
    reused: AtomicI32,
}

impl Walk {
    fn new() -> Self {
        Self {
            user: AtomicI32::new(1),
            entry: AtomicI32::new(1),
            reused: AtomicI32::new(0),
        }
    }

    fn walk(&self) {
        if self.entry.load(Relaxed) != 0 {
            assert_eq!(self.reused.load(Relaxed), 0, "walks what is reused");
        }
    }

    /// Two entries, system calls or NMIs: from user mode and back.
    fn cpu(&self) {
        for _ in 0..2 {
            add(&self.user, -1);
            self.walk();
            self.user.store(1, Release);
        }
    }

    fn cpu_without_a_barrier(&self) {
        self.user.store(0, Relaxed);
        self.walk();
        self.user.store(1, Release);
    }

    /// An NMI that does not tell.
    fn cpu_that_keeps_user(&self) {
        self.walk();
    }

    /// Goes on if the CPU need not be interrupted. Else it would go on after the
    /// interrupt, which is not looked at.
    fn remove(&self) {
        self.entry.store(0, Relaxed);
        smp_mb();
        if self.user.load(Acquire) != 0 {
            self.reused.store(1, Relaxed);
        }
    }

    fn remove_without_a_barrier(&self) {
        self.entry.store(0, Relaxed);
        if self.user.load(Acquire) != 0 {
            self.reused.store(1, Relaxed);
        }
    }
}

#[test]
fn a_cpu_in_user_mode_needs_no_barrier() {
    assert!(!fails(Walk::new, Walk::cpu, Walk::remove));
}

#[test]
fn each_step_of_the_barrier_is_needed() {
    assert!(fails(Walk::new, Walk::cpu, Walk::remove_without_a_barrier));
    assert!(fails(Walk::new, Walk::cpu_without_a_barrier, Walk::remove));
    assert!(fails(Walk::new, Walk::cpu_that_keeps_user, Walk::remove));
}

/// A sheaf with an object that was freed by `kfree_rcu()` before all of this.
struct Sheaf {
    /// `pcs->rcu_free`
    rcu_free: AtomicI32,
    /// RCU watches if it is odd.
    state: AtomicI32,
    /// The sheaf was given to `call_rcu()`.
    called: AtomicI32,
}

impl Sheaf {
    fn new() -> Self {
        Self {
            rcu_free: AtomicI32::new(1),
            state: AtomicI32::new(0),
            called: AtomicI32::new(0),
        }
    }

    /// Comes from user mode, fills the sheaf and returns.
    fn cpu(&self) {
        add(&self.state, 1);
        self.rcu_free.store(0, Relaxed);
        self.called.store(1, Relaxed);
        add(&self.state, 1);
    }

    fn watches(&self) -> bool {
        self.state.load(Acquire) % 2 != 0
    }

    /// What `rcu_barrier()` relies on if there was no flush.
    fn left_alone(&self) {
        assert_eq!(self.called.load(Relaxed), 1, "an object was missed");
    }

    fn flush(&self) {
        smp_mb();
        if self.rcu_free.load(Relaxed) == 0 {
            // smp_rmb()
            fence(Acquire);
            if !self.watches() {
                self.left_alone();
            }
        }
    }

    fn flush_in_the_other_order(&self) {
        smp_mb();
        if !self.watches() {
            fence(Acquire);
            if self.rcu_free.load(Relaxed) == 0 {
                self.left_alone();
            }
        }
    }

    fn flush_by_the_sheaf_alone(&self) {
        smp_mb();
        if self.rcu_free.load(Relaxed) == 0 {
            fence(Acquire);
            self.left_alone();
        }
    }

    fn flush_by_the_state_alone(&self) {
        smp_mb();
        if !self.watches() {
            self.left_alone();
        }
    }

    fn flush_without_a_read_barrier(&self) {
        smp_mb();
        if self.rcu_free.load(Relaxed) == 0 && self.state.load(Relaxed) % 2 == 0 {
            self.left_alone();
        }
    }
}

#[test]
fn a_cpu_without_a_sheaf_that_rcu_does_not_watch_is_done() {
    assert!(!fails(Sheaf::new, Sheaf::cpu, Sheaf::flush));
}

#[test]
fn each_step_of_the_flush_is_needed() {
    for broken in [
        Sheaf::flush_in_the_other_order,
        Sheaf::flush_by_the_sheaf_alone,
        Sheaf::flush_by_the_state_alone,
        Sheaf::flush_without_a_read_barrier,
    ] {
        assert!(fails(Sheaf::new, Sheaf::cpu, broken));
    }
}
