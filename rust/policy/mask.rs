// SPDX-License-Identifier: GPL-2.0

//! The bit masks of the user ABI.
//!
//! Features, quiesce actions and classes to block are numbered independently, so all
//! have a bit 0. They are different types here: one cannot be passed for the other.
//!
//! C header: [`include/uapi/linux/prctl.h`](srctree/include/uapi/linux/prctl.h).

use core::{
    marker::PhantomData,
    ops::{
        BitOr,
        BitOrAssign, //
    }, //
};

use super::Refusal;
use crate::uapi;

/// A set of bits of one kind.
///
/// # Invariants
///
/// Bit 31 is clear, because `prctl()` returns masks as non-negative `int`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mask<K> {
    bits: u32,
    kind: PhantomData<K>,
}

impl<K: Copy> Mask<K> {
    /// The set without any bit.
    pub(crate) const EMPTY: Self = Self::from_bits_truncate(0);

    /// Every bit that may ever be assigned.
    const ASSIGNABLE: u32 = u32::MAX >> 1;

    /// The set with the bits of `bits`, without bit 31.
    pub(crate) const fn from_bits_truncate(bits: u32) -> Self {
        // INVARIANT: Bit 31 is masked off.
        Self {
            bits: bits & Self::ASSIGNABLE,
            kind: PhantomData,
        }
    }

    /// Checks `raw`, as it came from user space, against what is supported.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] if any bit of `raw` is not in `supported`.
    pub(crate) fn checked(raw: usize, supported: Self) -> Result<Self, Refusal> {
        match u32::try_from(raw) {
            Ok(bits) if bits & !supported.bits == 0 => Ok(Self::from_bits_truncate(bits)),
            _ => Err(Refusal::Invalid),
        }
    }

    /// The set as a number, as in the user ABI.
    pub(crate) const fn bits(self) -> u32 {
        self.bits
    }

    /// Whether no bit is set.
    pub(crate) const fn is_empty(self) -> bool {
        self.bits == 0
    }

    /// Whether all bits of `other` are set.
    pub(crate) const fn contains(self, other: Self) -> bool {
        self.bits & other.bits == other.bits
    }

    /// Whether any bit of `other` is set.
    pub(crate) const fn intersects(self, other: Self) -> bool {
        self.bits & other.bits != 0
    }

    /// The bits of this set that are not in `other`.
    #[must_use]
    pub(crate) const fn difference(self, other: Self) -> Self {
        Self::from_bits_truncate(self.bits & !other.bits)
    }

    /// The bits of both, also in constants.
    #[must_use]
    pub(crate) const fn union(self, other: Self) -> Self {
        Self::from_bits_truncate(self.bits | other.bits)
    }
}

impl<K: Copy> BitOr for Mask<K> {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl<K: Copy> BitOrAssign for Mask<K> {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// Marks [`Features`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeatureKind {}

/// The `ISOL_F_*` features that `PR_ISOL_ENABLE` takes.
pub(crate) type Features = Mask<FeatureKind>;

impl Features {
    /// `ISOL_F_QUIESCE_ON_URET`: run the actions on every return to user mode.
    pub(crate) const QUIESCE_ON_URET: Self = Self::from_bits_truncate(uapi::ISOL_F_QUIESCE_ON_URET);
    /// `ISOL_F_BLOCK_INTERRUPTORS`: claim the CPU.
    pub(crate) const BLOCK_INTERRUPTORS: Self =
        Self::from_bits_truncate(uapi::ISOL_F_BLOCK_INTERRUPTORS);
}

/// Marks [`Block`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockKind {}

/// The `ISOL_BLOCK_*` classes of operations that `PR_ISOL_BLOCK_CFG` takes.
pub(crate) type Block = Mask<BlockKind>;

/// Marks [`Quiesce`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuiesceKind {}

/// The `ISOL_F_QUIESCE_*` actions that `PR_ISOL_QUIESCE_CFG` takes.
pub(crate) type Quiesce = Mask<QuiesceKind>;

impl Quiesce {
    /// `ISOL_F_QUIESCE_VMSTAT_SYNC`: fold this CPU's vmstat differentials.
    pub(crate) const VMSTAT_SYNC: Self = Self::from_bits_truncate(uapi::ISOL_F_QUIESCE_VMSTAT_SYNC);
    /// `ISOL_F_QUIESCE_NOHZ_FULL`: stop the tick of this CPU.
    pub(crate) const NOHZ_FULL: Self = Self::from_bits_truncate(uapi::ISOL_F_QUIESCE_NOHZ_FULL);
    /// `ISOL_F_QUIESCE_DEFER_TLB_FLUSH`: leave flushes of kernel translations
    /// to the next kernel entry.
    pub(crate) const DEFER_TLB_FLUSH: Self =
        Self::from_bits_truncate(uapi::ISOL_F_QUIESCE_DEFER_TLB_FLUSH);
    /// `ISOL_F_QUIESCE_LRU_DRAIN`: drain the LRU batches of this CPU.
    pub(crate) const LRU_DRAIN: Self = Self::from_bits_truncate(uapi::ISOL_F_QUIESCE_LRU_DRAIN);
    /// `ISOL_F_QUIESCE_DEFER_TEXT_SYNC`: serialize for changed kernel text on the
    /// next kernel entry.
    pub(crate) const DEFER_TEXT_SYNC: Self =
        Self::from_bits_truncate(uapi::ISOL_F_QUIESCE_DEFER_TEXT_SYNC);
    /// The actions that leave work to the next kernel entry.
    pub(crate) const DEFERS: Self = Self::DEFER_TLB_FLUSH.union(Self::DEFER_TEXT_SYNC);
}
