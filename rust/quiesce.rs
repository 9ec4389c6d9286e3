// SPDX-License-Identifier: GPL-2.0

//! The sequence of quiesce actions.

use crate::mask::{
    Mask,
    Quiesce, //
};

/// Marks [`Done`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DoneKind {}

/// What a run of the sequence found to do.
pub(crate) type Done = Mask<DoneKind>;

impl Done {
    /// `VMSTAT_QUIESCE_FOLDED`: this CPU's differentials were folded.
    pub(crate) const VMSTAT_FOLDED: Self = Self::from_bits(1 << 0);
    /// `VMSTAT_QUIESCE_CANCELLED`: this CPU's pending `vmstat_work` was
    /// cancelled.
    pub(crate) const VMSTAT_CANCELLED: Self = Self::from_bits(1 << 1);
}

/// The subsystems that defer work on behalf of a thread.
///
/// Each method settles what its subsystem has deferred on this CPU. It is
/// called with interrupts off and does a bounded amount of work.
pub(crate) trait Subsystems {
    /// Settles `ISOL_F_QUIESCE_VMSTAT_SYNC`.
    fn vmstat_sync(&mut self) -> Done;
}

/// Runs `actions` once, in the one order that is right for all of them.
#[inline]
pub(crate) fn run(actions: Quiesce, subsystems: &mut impl Subsystems) -> Done {
    let mut done = Done::EMPTY;

    if actions.contains(Quiesce::VMSTAT_SYNC) {
        done = done.union(subsystems.vmstat_sync());
    }
    done
}
