// SPDX-License-Identifier: GPL-2.0

//! The prctl calls: from raw arguments to an answer.
//!
//! C header: [`include/uapi/linux/prctl.h`](srctree/include/uapi/linux/prctl.h).

use crate::{
    mask::Refusal,
    state::{
        State,
        Supported, //
    }, //
};

/// The prctl options of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Operation {
    /// `PR_ISOL_GET`.
    Get = 82,
    /// `PR_ISOL_SET`.
    Set = 83,
    /// `PR_ISOL_ENABLE`.
    Enable = 84,
}

impl Operation {
    /// Looks up a prctl option.
    pub(crate) fn from_option(option: u32) -> Option<Self> {
        [Self::Get, Self::Set, Self::Enable]
            .into_iter()
            .find(|operation| *operation as u32 == option)
    }
}

/// The commands of `PR_ISOL_GET` and `PR_ISOL_SET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Command {
    /// `ISOL_SUP_FEATURES`.
    SupportedFeatures = 1,
    /// `ISOL_FEATURES`.
    Features = 2,
    /// `PR_ISOL_SUP_QUIESCE_CFG`.
    SupportedQuiesce = 3,
    /// `PR_ISOL_QUIESCE_CFG`.
    Quiesce = 4,
    /// `PR_ISOL_QUIESCE_LEFT`.
    Left = 5,
}

impl Command {
    /// # Errors
    ///
    /// [`Refusal::Invalid`] if there is no such command.
    fn from_raw(raw: usize) -> Result<Self, Refusal> {
        [
            Self::SupportedFeatures,
            Self::Features,
            Self::SupportedQuiesce,
            Self::Quiesce,
            Self::Left,
        ]
        .into_iter()
        .find(|command| *command as usize == raw)
        .ok_or(Refusal::Invalid)
    }
}

/// The answer to a request that is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The call returns this value, nothing changes.
    Value(u32),
    /// The call returns 0, and the thread's state becomes this one.
    Change(State),
}

/// Answers `prctl(operation, args[0], args[1], args[2], args[3])`.
///
/// # Errors
///
/// * [`Refusal::Invalid`] for an unknown command, a command that cannot be
///   set, a bit that is not supported, or an unused argument that is not zero.
/// * [`Refusal::Busy`] as in [`State::configure`].
pub(crate) fn answer(
    state: State,
    supported: Supported,
    operation: Operation,
    args: [usize; 4],
) -> Result<Answer, Refusal> {
    match (operation, args) {
        (Operation::Get, [command, 0, 0, 0]) => {
            let value = match Command::from_raw(command)? {
                Command::SupportedFeatures => supported.features.bits(),
                Command::Features => state.features().bits(),
                Command::SupportedQuiesce => supported.quiesce.bits(),
                Command::Quiesce => state.quiesce().bits(),
                // Of a return that was quiesced, which the last one is if the
                // next one is.
                Command::Left if state.quiesces_on_uret() => state.left().reported().bits(),
                Command::Left => 0,
            };
            Ok(Answer::Value(value))
        }
        (Operation::Set, [command, value, 0, 0]) => match Command::from_raw(command)? {
            Command::Features => state.enable(supported, value).map(Answer::Change),
            Command::Quiesce => state.configure(supported, value).map(Answer::Change),
            Command::SupportedFeatures | Command::SupportedQuiesce | Command::Left => {
                Err(Refusal::Invalid)
            }
        },
        (Operation::Enable, [mask, 0, 0, 0]) => state.enable(supported, mask).map(Answer::Change),
        _ => Err(Refusal::Invalid),
    }
}
