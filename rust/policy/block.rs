// SPDX-License-Identifier: GPL-2.0

//! Who may claim a CPU, and which operations are refused for it.

use super::mask::Block;

/// Why a thread may not claim its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The thread or the administrator's policy does not allow it: `EPERM`.
    Denied,
    /// There is not one CPU to claim: `EINVAL`.
    NotPinned,
}

/// What the administrator lets threads claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// `kernel.task_isolation_block`: classes that may be refused.
    pub(crate) refuse: Block,
    /// `kernel.task_isolation_block_audit`: classes that may be claimed, but pass
    /// and are reported.
    pub(crate) audit: Block,
}

impl Policy {
    /// The classes that may be claimed.
    pub(crate) const fn claimable(self) -> Block {
        self.refuse.union(self.audit)
    }

    /// The classes that are refused if they are claimed.
    pub(crate) const fn refused(self) -> Block {
        self.refuse.difference(self.audit)
    }
}

/// What matters of a thread that is about to claim its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claimant {
    /// It has `CAP_SYS_NICE`.
    pub(crate) capable: bool,
    /// It may run on exactly one CPU.
    pub(crate) pinned: bool,
}

impl Claimant {
    /// Checks whether the thread may claim `classes`.
    ///
    /// # Errors
    ///
    /// * [`Unfit::Denied`] without the capability, and for classes that `policy`
    ///   lets nobody claim.
    /// * [`Unfit::NotPinned`] if it may run on other CPUs as well.
    pub(crate) fn may_claim(self, classes: Block, policy: Policy) -> Result<(), Unfit> {
        if !self.capable {
            return Err(Unfit::Denied);
        }
        if !self.pinned {
            return Err(Unfit::NotPinned);
        }
        if !policy.claimable().contains(classes) {
            return Err(Unfit::Denied);
        }
        Ok(())
    }
}

/// What matters of a claim for an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    /// The claimed classes.
    pub(crate) classes: Block,
    /// The claimant is pinned to the CPU, and the CPU is online.
    pub(crate) in_force: bool,
    /// The claimant itself begins the operation.
    pub(crate) own: bool,
}

/// Who begins an operation, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// A kernel thread, which nobody can tell that it failed.
    pub(crate) kernel: bool,
    /// The system is neither booting nor going down.
    pub(crate) running: bool,
}

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The claim does not concern it.
    Pass,
    /// It goes on, and is reported.
    Report,
    /// It fails, and is reported.
    Refuse,
}

/// Decides about an operation of one class and one claim on a CPU that the
/// operation concerns.
pub(crate) fn judge(class: Block, claim: Claim, caller: Caller, policy: Policy) -> Verdict {
    if !claim.classes.contains(class) || !claim.in_force || claim.own || !caller.running {
        return Verdict::Pass;
    }
    if policy.refused().contains(class) && !caller.kernel {
        return Verdict::Refuse;
    }
    if policy.claimable().contains(class) {
        Verdict::Report
    } else {
        Verdict::Pass
    }
}

/// Each decision.
#[cfg(any(test, CONFIG_TASK_ISOLATION_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_TASK_ISOLATION_KUNIT_TEST,
    kernel::prelude::kunit_tests(task_isolation_block)
)]
mod tests {
    use super::*;

    const A: Block = Block::from_bits_truncate(0b01);
    const B: Block = Block::from_bits_truncate(0b10);
    const AB: Block = A.union(B);
    const NONE: Policy = policy(Block::EMPTY, Block::EMPTY);
    const USER: Caller = Caller {
        kernel: false,
        running: true,
    };
    const CLAIM: Claim = Claim {
        classes: AB,
        in_force: true,
        own: false,
    };

    const fn policy(refuse: Block, audit: Block) -> Policy {
        Policy { refuse, audit }
    }

    #[test]
    fn a_claimed_class_is_refused() {
        assert_eq!(judge(A, CLAIM, USER, policy(A, B)), Verdict::Refuse);
        assert_eq!(judge(B, CLAIM, USER, policy(A, B)), Verdict::Report);
        // Both: it passes.
        assert_eq!(judge(A, CLAIM, USER, policy(AB, A)), Verdict::Report);
        assert_eq!(judge(B, CLAIM, USER, policy(AB, A)), Verdict::Refuse);
    }

    #[test]
    fn policy_is_stronger_than_a_claim() {
        assert_eq!(judge(A, CLAIM, USER, NONE), Verdict::Pass);
        assert_eq!(judge(A, CLAIM, USER, policy(B, B)), Verdict::Pass);
    }

    #[test]
    fn other_classes_pass() {
        let claim = Claim {
            classes: B,
            ..CLAIM
        };

        assert_eq!(judge(A, claim, USER, policy(AB, AB)), Verdict::Pass);
        assert_eq!(judge(B, claim, USER, policy(AB, A)), Verdict::Refuse);
    }

    #[test]
    fn what_the_claimant_does_itself_passes() {
        let claim = Claim { own: true, ..CLAIM };

        assert_eq!(judge(A, claim, USER, policy(AB, B)), Verdict::Pass);
    }

    #[test]
    fn a_claimant_that_was_moved_refuses_nothing() {
        let claim = Claim {
            in_force: false,
            ..CLAIM
        };

        assert_eq!(judge(A, claim, USER, policy(AB, B)), Verdict::Pass);
    }

    #[test]
    fn the_kernel_itself_is_never_refused() {
        let kernel = Caller {
            kernel: true,
            ..USER
        };
        let boot = Caller {
            running: false,
            ..USER
        };

        assert_eq!(judge(A, CLAIM, kernel, policy(AB, B)), Verdict::Report);
        assert_eq!(judge(A, CLAIM, boot, policy(AB, B)), Verdict::Pass);
    }

    #[test]
    fn claiming_takes_privilege_a_cpu_and_policy() {
        let claimant = |capable, pinned| Claimant { capable, pinned };

        assert_eq!(claimant(true, true).may_claim(AB, policy(A, B)), Ok(()));
        assert_eq!(
            claimant(false, false).may_claim(A, policy(A, B)),
            Err(Unfit::Denied)
        );
        assert_eq!(
            claimant(true, false).may_claim(A, NONE),
            Err(Unfit::NotPinned)
        );
        assert_eq!(
            claimant(true, true).may_claim(AB, policy(A, A)),
            Err(Unfit::Denied)
        );
        assert_eq!(claimant(true, true).may_claim(A, NONE), Err(Unfit::Denied));
    }
}
