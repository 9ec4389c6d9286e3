// SPDX-License-Identifier: GPL-2.0

//! How an operation that interrupts a CPU and a thread that claims the CPU agree.
//!
//! An operation never waits, and a claimant waits until the operations that did
//! not see its claim have ended. It holds nothing meanwhile:
//!
//! ```text
//! operation                           claimant
//!
//! in_flight += 1                      claims += 1
//! full barrier                        full barrier
//! claims == 0 or not blocked?         in_flight == 0?
//!   yes: go on                          yes: the claim is granted
//!   no: in_flight -= 1, refuse          no: wait
//! ```
//!
//! At least one of them sees the other. An operation that is refused wakes up the
//! claimant as one that has ended does: the claimant may have seen it in flight.

/// A counter that is shared by all CPUs.
pub(crate) trait Counter {
    /// Adds one, fully ordered.
    fn inc(&self);

    /// Subtracts one, fully ordered. Returns whether it is zero now.
    fn dec(&self) -> bool;

    /// Whether it is zero, with ACQUIRE ordering.
    fn is_zero(&self) -> bool;
}

/// What operations of one class pass, either those that concern a given CPU or
/// those that concern all CPUs.
pub(crate) struct Gate<C> {
    /// Operations that have begun and not ended.
    pub(crate) in_flight: C,
    /// Claims, granted or not.
    pub(crate) claims: C,
}

impl<C: Counter> Gate<C> {
    /// Begins an operation, and returns whether it may go on. Then [`Gate::end`] must follow.
    ///
    /// Does not sleep and takes no lock.
    ///
    /// * `blocked`: Whether one of the claims concerns the operation.
    /// * `wake`: Wakes up claimants, which look whether the gate is drained.
    pub(crate) fn begin(&self, mut blocked: impl FnMut() -> bool, wake: impl FnOnce()) -> bool {
        // Callers that try again and again must not keep a claimant waiting.
        if !self.claims.is_zero() && blocked() {
            return false;
        }
        self.in_flight.inc();
        if self.claims.is_zero() || !blocked() {
            return true;
        }
        self.end(wake);
        false
    }

    /// Ends an operation.
    pub(crate) fn end(&self, wake: impl FnOnce()) {
        // Pairs with the one in claim(): a claim that is not seen here finds the
        // counter zero.
        if self.in_flight.dec() && !self.claims.is_zero() {
            wake();
        }
    }

    /// Adds a claim. What it consists of must be visible to `blocked` of [`Gate::begin`] before.
    ///
    /// It is granted when [`Gate::is_drained`] was true once after that.
    pub(crate) fn claim(&self) {
        self.claims.inc();
    }

    /// Removes a claim, granted or not.
    pub(crate) fn release(&self) {
        self.claims.dec();
    }

    /// Whether no operation is in flight.
    pub(crate) fn is_drained(&self) -> bool {
        self.in_flight.is_zero()
    }
}

/// One operation and one claimant, without concurrency.
#[cfg(any(test, CONFIG_TASK_ISOLATION_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_TASK_ISOLATION_KUNIT_TEST,
    kernel::prelude::kunit_tests(task_isolation_claim)
)]
mod tests {
    use super::*;
    use core::cell::Cell;

    impl Counter for Cell<i32> {
        fn inc(&self) {
            self.set(self.get() + 1);
        }

        fn dec(&self) -> bool {
            self.set(self.get() - 1);
            self.get() == 0
        }

        fn is_zero(&self) -> bool {
            self.get() == 0
        }
    }

    fn gate() -> Gate<Cell<i32>> {
        Gate {
            in_flight: Cell::new(0),
            claims: Cell::new(0),
        }
    }

    /// `begin()` and how often it woke up claimants.
    fn begin(gate: &Gate<Cell<i32>>, blocked: impl FnMut() -> bool) -> (bool, u32) {
        let woken = Cell::new(0);
        let passed = gate.begin(blocked, || woken.set(woken.get() + 1));

        (passed, woken.get())
    }

    #[test]
    fn an_unclaimed_gate_is_open() {
        let gate = gate();

        // Nobody is asked.
        assert_eq!(begin(&gate, || true), (true, 0));
        assert!(!gate.is_drained());
        gate.end(|| {});
        assert!(gate.is_drained());
    }

    #[test]
    fn a_claim_refuses_and_leaves_no_trace() {
        let gate = gate();

        gate.claim();
        assert_eq!(begin(&gate, || true), (false, 0));
        assert!(gate.is_drained());
        gate.release();
        assert_eq!(begin(&gate, || true), (true, 0));
        gate.end(|| {});
        assert_eq!((gate.in_flight.get(), gate.claims.get()), (0, 0));
    }

    #[test]
    fn a_claim_of_somebody_else_does_not_refuse() {
        let gate = gate();

        gate.claim();
        assert_eq!(begin(&gate, || false), (true, 0));
        assert!(!gate.is_drained());
        gate.end(|| {});
        gate.release();
        assert_eq!((gate.in_flight.get(), gate.claims.get()), (0, 0));
    }

    #[test]
    fn an_operation_under_way_delays_the_grant() {
        let gate = gate();
        let woken = Cell::new(0);

        assert_eq!(begin(&gate, || true), (true, 0));
        assert_eq!(begin(&gate, || true), (true, 0));
        gate.claim();
        assert!(!gate.is_drained());
        gate.end(|| woken.set(woken.get() + 1));
        assert!(!gate.is_drained());
        assert_eq!(woken.get(), 0);
        gate.end(|| woken.set(woken.get() + 1));
        assert!(gate.is_drained());
        assert_eq!(woken.get(), 1);
    }

    #[test]
    fn nobody_waits_without_a_claim() {
        let gate = gate();
        let woken = Cell::new(0);

        assert_eq!(begin(&gate, || true), (true, 0));
        gate.end(|| woken.set(woken.get() + 1));
        assert_eq!(woken.get(), 0);
    }

    #[test]
    fn a_claim_between_two_looks_is_seen_and_woken_up() {
        let gate = gate();
        let looks = Cell::new(0);

        // Somebody else's claim, which does not concern the operation at first.
        gate.claim();
        let blocked = || {
            looks.set(looks.get() + 1);
            looks.get() > 1
        };
        assert_eq!(begin(&gate, blocked), (false, 1));
        assert_eq!(looks.get(), 2);
        assert!(gate.is_drained());
    }
}
