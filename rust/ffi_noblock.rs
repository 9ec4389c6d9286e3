// SPDX-License-Identifier: GPL-2.0

//! Without claims there is nothing else to load and to store.

use kernel::prelude::*;

use crate::ffi::Current;
use crate::policy::{
    mask::Block,
    state::State, //
};

impl Current<'_> {
    /// The state of the thread.
    pub(crate) fn load_all(&self) -> State {
        self.load()
    }

    /// Stores `new`.
    pub(crate) fn change(&mut self, _old: State, new: State) -> Result {
        self.store(new);
        Ok(())
    }

    /// Drops the state.
    pub(crate) fn end(&mut self, _old: State) {
        self.store(State::INITIAL);
    }

    /// No class can be claimed.
    pub(crate) fn may_block(&self) -> Block {
        Block::EMPTY
    }

    /// No class is refused.
    pub(crate) fn refused(&self, _state: State) -> Block {
        Block::EMPTY
    }
}
