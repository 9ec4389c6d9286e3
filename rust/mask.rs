// SPDX-License-Identifier: GPL-2.0

//! The bit masks of the user ABI.
//!
//! Features and quiesce actions are numbered independently, so both have a
//! bit 0. They are different types here: one cannot be passed for the other.
//!
//! C header: [`include/uapi/linux/prctl.h`](srctree/include/uapi/linux/prctl.h).

use core::marker::PhantomData;

/// Why a request is refused; nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The request is malformed, unsupported or makes no sense: `EINVAL`.
    Invalid,
    /// The configuration is in use: `EBUSY`.
    Busy,
}

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
    pub(crate) const EMPTY: Self = Self::new(0);

    /// Every bit that may ever be assigned.
    const ASSIGNABLE: u32 = u32::MAX >> 1;

    const fn new(bits: u32) -> Self {
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
            Ok(bits) if bits & !supported.bits == 0 => Ok(Self::new(bits)),
            _ => Err(Refusal::Invalid),
        }
    }

    /// Takes back what [`Mask::bits`] gave out.
    pub(crate) const fn from_bits(bits: u32) -> Self {
        Self::new(bits)
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

    /// The bits of this set that are not in `other`.
    #[must_use]
    pub(crate) const fn without(self, other: Self) -> Self {
        Self::new(self.bits & !other.bits)
    }

    /// The bits of both.
    #[must_use]
    pub(crate) const fn union(self, other: Self) -> Self {
        Self::new(self.bits | other.bits)
    }
}

/// Marks [`Features`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FeatureKind {}

/// The `ISOL_F_*` features that `PR_ISOL_ENABLE` takes.
pub(crate) type Features = Mask<FeatureKind>;

impl Features {
    /// `ISOL_F_QUIESCE_ON_URET`: run the actions on every return to user mode.
    pub(crate) const QUIESCE_ON_URET: Self = Self::new(1 << 0);
}

/// Marks [`Quiesce`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuiesceKind {}

/// The `ISOL_F_QUIESCE_*` actions that `PR_ISOL_QUIESCE_CFG` takes.
pub(crate) type Quiesce = Mask<QuiesceKind>;

impl Quiesce {
    /// `ISOL_F_QUIESCE_VMSTAT_SYNC`: fold this CPU's vmstat differentials.
    pub(crate) const VMSTAT_SYNC: Self = Self::new(1 << 0);
    /// `ISOL_F_QUIESCE_NOHZ_FULL`: stop the tick of this CPU.
    pub(crate) const NOHZ_FULL: Self = Self::new(1 << 1);
    /// `ISOL_F_QUIESCE_DEFER_TLB_FLUSH`: leave flushes of kernel translations
    /// to the next kernel entry.
    pub(crate) const DEFER_TLB_FLUSH: Self = Self::new(1 << 2);
}
