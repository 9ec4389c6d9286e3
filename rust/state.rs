// SPDX-License-Identifier: GPL-2.0

//! What a thread has configured and enabled, and how that may change.
//!
//! ```text
//!               QUIESCE_CFG(q)                    QUIESCE_CFG(*)
//!                 +------+                          +-> EBUSY
//!                 |      v                          |
//!              +------------+   ENABLE(ON_URET)   +----------+
//!  fork ------>|    off     |-------------------->|  on uret |
//!              |            |   q empty: EINVAL   |          |
//!              | q may be   |                     | q is not |
//!              | empty      |<--------------------| empty    |
//!              +------------+      ENABLE(0)      +----------+
//!                    ^                                 |
//!                    +------ secure exec, exit --------+
//!                            (q is empty again)
//! ```
//!
//! A transition returns the new state and leaves the old one alone: a request
//! that is refused cannot have changed anything.

use crate::{
    left::Left,
    mask::{
        Features,
        Quiesce,
        Refusal, //
    }, //
};

/// What the running kernel can do on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Supported {
    /// The value of `ISOL_SUP_FEATURES`.
    pub(crate) features: Features,
    /// The value of `PR_ISOL_SUP_QUIESCE_CFG`.
    pub(crate) quiesce: Quiesce,
}

/// The isolation state of one thread.
///
/// # Invariants
///
/// 1. Both masks only have bits that were supported when they were set.
/// 2. With [`Features::QUIESCE_ON_URET`], `quiesce` is not empty.
/// 3. `left` comes from a run of just these actions, or is a part of that, or
///    empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    features: Features,
    quiesce: Quiesce,
    left: Left,
}

impl State {
    /// Nothing configured, nothing enabled: what a new thread starts with.
    // INVARIANT: All masks are empty.
    pub(crate) const INITIAL: Self = Self {
        features: Features::EMPTY,
        quiesce: Quiesce::EMPTY,
        left: Left::EMPTY,
    };

    /// Takes back the masks of a state that was stored.
    ///
    /// They must come from [`State::features`], [`State::quiesce`] and
    /// [`State::left`] of one and the same state.
    pub(crate) const fn from_stored(features: Features, quiesce: Quiesce, left: Left) -> Self {
        // INVARIANT: It held for the state that was stored.
        Self {
            features,
            quiesce,
            left,
        }
    }

    /// The features that are enabled.
    pub(crate) const fn features(self) -> Features {
        self.features
    }

    /// The actions that are configured, enabled or not.
    pub(crate) const fn quiesce(self) -> Quiesce {
        self.quiesce
    }

    /// What the actions left to do when they ran last.
    ///
    /// [`Left::IN_VAIN`] outlives a pause between two loops, so that it is not
    /// all tried again after each.
    pub(crate) const fn left(self) -> Left {
        self.left
    }

    /// The actions that run on every return to user mode.
    pub(crate) const fn on_uret(self) -> Quiesce {
        if self.quiesces_on_uret() {
            self.quiesce
        } else {
            Quiesce::EMPTY
        }
    }

    /// Whether the actions run on every return to user mode.
    pub(crate) const fn quiesces_on_uret(self) -> bool {
        self.features.contains(Features::QUIESCE_ON_URET)
    }

    /// Configures the actions in `raw`, which replace the former ones.
    ///
    /// # Errors
    ///
    /// * [`Refusal::Invalid`] if an action is not supported.
    /// * [`Refusal::Busy`] while the actions run on return to user mode.
    pub(crate) fn configure(self, supported: Supported, raw: usize) -> Result<Self, Refusal> {
        let quiesce = Quiesce::checked(raw, supported.quiesce)?;

        if self.quiesces_on_uret() {
            return Err(Refusal::Busy);
        }
        // INVARIANT: `quiesce` is supported, and QUIESCE_ON_URET is off.
        Ok(Self {
            quiesce,
            left: Left::EMPTY,
            ..self
        })
    }

    /// Enables the features in `raw`, which replace the former ones.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] if a feature is not supported, or if it needs
    /// actions and none are configured.
    pub(crate) fn enable(self, supported: Supported, raw: usize) -> Result<Self, Refusal> {
        let features = Features::checked(raw, supported.features)?;

        if features.contains(Features::QUIESCE_ON_URET) && self.quiesce.is_empty() {
            return Err(Refusal::Invalid);
        }
        // INVARIANT: `features` is supported, `quiesce` was just checked.
        Ok(Self {
            features,
            left: if self.left.contains(Left::IN_VAIN) {
                Left::IN_VAIN
            } else {
                Left::EMPTY
            },
            ..self
        })
    }
}
