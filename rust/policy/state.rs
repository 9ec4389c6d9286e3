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
//! The classes to block are configured the same way: `BLOCK_CFG` is EBUSY while
//! `BLOCK_INTERRUPTORS` is enabled, and this is EINVAL without any class.
//!
//! A transition returns the new state and leaves the old one alone: a request
//! that is refused cannot have changed anything.

use super::{
    left::Left,
    mask::{
        Block,
        Features,
        Quiesce, //
    },
    Refusal, //
};

/// What the running kernel can do on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Supported {
    /// The value of `ISOL_SUP_FEATURES`.
    pub(crate) features: Features,
    /// The value of `PR_ISOL_SUP_QUIESCE_CFG`.
    pub(crate) quiesce: Quiesce,
    /// The value of `PR_ISOL_SUP_BLOCK_CFG`.
    pub(crate) block: Block,
    /// The classes that are refused on behalf of the thread, if it claims them.
    pub(crate) refused: Block,
}

/// Until when the thread does not yield, because that was in vain before.
///
/// Times are the low bits of a counter of jiffies, which wraps around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pause(Option<u32>);

impl Pause {
    /// The thread may yield.
    pub(crate) const NONE: Self = Self(None);

    /// A pause that ends at the time `end`.
    pub(crate) const fn until(end: u32) -> Self {
        Self(Some(end))
    }

    /// When the pause ends, if there is one.
    pub(crate) const fn end(self) -> Option<u32> {
        self.0
    }

    /// Whether the pause, of at most `length`, is not over at the time `now`.
    pub(crate) fn is_active(self, now: u32, length: u32) -> bool {
        // A time that is farther away is over since the counter wrapped around.
        self.0
            .is_some_and(|end| (1..=length).contains(&end.wrapping_sub(now)))
    }
}

/// The isolation state of one thread.
///
/// # Invariants
///
/// 1. Both masks only have bits that were supported when they were set.
/// 2. With [`Features::QUIESCE_ON_URET`], `quiesce` is not empty.
/// 3. `left` comes from a run of just these actions, or is empty.
/// 4. With [`Features::BLOCK_INTERRUPTORS`], `block` is not empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    features: Features,
    quiesce: Quiesce,
    left: Left,
    pause: Pause,
    block: Block,
}

impl State {
    /// Nothing configured, nothing enabled: what a new thread starts with.
    // INVARIANT: All masks are empty.
    pub(crate) const INITIAL: Self = Self {
        features: Features::EMPTY,
        quiesce: Quiesce::EMPTY,
        left: Left::EMPTY,
        pause: Pause::NONE,
        block: Block::EMPTY,
    };

    /// Takes back a state that was stored.
    ///
    /// The parts must come from [`State::features`], [`State::quiesce`],
    /// [`State::left`] and [`State::pause`] of one and the same state.
    pub(crate) const fn from_stored(
        features: Features,
        quiesce: Quiesce,
        left: Left,
        pause: Pause,
    ) -> Self {
        // INVARIANT: It held for the state that was stored.
        Self {
            features,
            quiesce,
            left,
            pause,
            block: Block::EMPTY,
        }
    }

    /// Takes back the classes of a state as well, which are stored apart: only calls
    /// need them.
    #[cfg(any(test, CONFIG_TASK_ISOLATION_BLOCK))]
    #[must_use]
    pub(crate) const fn with_stored_block(self, block: Block) -> Self {
        // INVARIANT: It held for the state that was stored.
        Self { block, ..self }
    }

    /// The features that are enabled.
    pub(crate) const fn features(self) -> Features {
        self.features
    }

    /// The actions that are configured, enabled or not.
    pub(crate) const fn quiesce(self) -> Quiesce {
        self.quiesce
    }

    /// The classes that are configured, claimed or not.
    pub(crate) const fn block(self) -> Block {
        self.block
    }

    /// Whether the thread claims its CPU.
    pub(crate) const fn blocks(self) -> bool {
        self.features.contains(Features::BLOCK_INTERRUPTORS)
    }

    /// The configured classes that are not refused right now.
    pub(crate) const fn not_refused(self, supported: Supported) -> Block {
        if self.blocks() {
            self.block.difference(supported.refused)
        } else {
            self.block
        }
    }

    /// What the actions left when they ran last.
    pub(crate) const fn left(self) -> Left {
        self.left
    }

    /// Whether the thread yielded in vain. A change of the configuration or of the
    /// features does not end the pause.
    pub(crate) const fn pause(self) -> Pause {
        self.pause
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

    /// Configures the classes in `raw`, which replace the former ones.
    ///
    /// # Errors
    ///
    /// * [`Refusal::Invalid`] if a class is not supported.
    /// * [`Refusal::Busy`] while the thread claims its CPU.
    pub(crate) fn configure_block(self, supported: Supported, raw: usize) -> Result<Self, Refusal> {
        let block = Block::checked(raw, supported.block)?;

        if self.blocks() {
            return Err(Refusal::Busy);
        }
        // INVARIANT: `block` is supported, and BLOCK_INTERRUPTORS is off.
        Ok(Self { block, ..self })
    }

    /// Enables the features in `raw`, which replace the former ones.
    ///
    /// # Errors
    ///
    /// [`Refusal::Invalid`] if a feature is not supported, or if it needs
    /// actions or classes and none are configured.
    pub(crate) fn enable(self, supported: Supported, raw: usize) -> Result<Self, Refusal> {
        let features = Features::checked(raw, supported.features)?;

        if features.contains(Features::QUIESCE_ON_URET) && self.quiesce.is_empty() {
            return Err(Refusal::Invalid);
        }
        if features.contains(Features::BLOCK_INTERRUPTORS) && self.block.is_empty() {
            return Err(Refusal::Invalid);
        }
        // INVARIANT: `features` is supported, `quiesce` and `block` were just checked.
        Ok(Self {
            features,
            left: Left::EMPTY,
            ..self
        })
    }

    /// The state after a run of the actions that left `left`.
    #[must_use]
    pub(crate) const fn record(self, left: Left, pause: Pause) -> Self {
        // INVARIANT: `left` comes from a run of the actions of `self`.
        Self {
            left,
            pause,
            ..self
        }
    }
}
