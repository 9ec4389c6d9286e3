// SPDX-License-Identifier: GPL-2.0

//! The prctl calls: from raw arguments to an answer.
//!
//! C header: [`include/uapi/linux/prctl.h`](srctree/include/uapi/linux/prctl.h).

use super::{
    state::{
        State,
        Supported, //
    },
    Refusal, //
};
use crate::uapi;

/// The prctl options of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `PR_ISOL_GET`.
    Get,
    /// `PR_ISOL_SET`.
    Set,
    /// `PR_ISOL_ENABLE`.
    Enable,
}

impl TryFrom<u32> for Operation {
    type Error = Refusal;

    fn try_from(option: u32) -> Result<Self, Refusal> {
        match option {
            uapi::PR_ISOL_GET => Ok(Self::Get),
            uapi::PR_ISOL_SET => Ok(Self::Set),
            uapi::PR_ISOL_ENABLE => Ok(Self::Enable),
            _ => Err(Refusal::Invalid),
        }
    }
}

/// The commands of `PR_ISOL_GET` and `PR_ISOL_SET`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    /// `ISOL_SUP_FEATURES`.
    SupportedFeatures,
    /// `ISOL_FEATURES`.
    Features,
    /// `PR_ISOL_SUP_QUIESCE_CFG`.
    SupportedQuiesce,
    /// `PR_ISOL_QUIESCE_CFG`.
    Quiesce,
    /// `PR_ISOL_QUIESCE_LEFT`.
    Left,
    /// `PR_ISOL_SUP_BLOCK_CFG`.
    SupportedBlock,
    /// `PR_ISOL_BLOCK_CFG`.
    Block,
    /// `PR_ISOL_BLOCK_LEFT`.
    NotRefused,
}

impl TryFrom<usize> for Command {
    type Error = Refusal;

    fn try_from(raw: usize) -> Result<Self, Refusal> {
        match u32::try_from(raw) {
            Ok(uapi::ISOL_SUP_FEATURES) => Ok(Self::SupportedFeatures),
            Ok(uapi::ISOL_FEATURES) => Ok(Self::Features),
            Ok(uapi::PR_ISOL_SUP_QUIESCE_CFG) => Ok(Self::SupportedQuiesce),
            Ok(uapi::PR_ISOL_QUIESCE_CFG) => Ok(Self::Quiesce),
            Ok(uapi::PR_ISOL_QUIESCE_LEFT) => Ok(Self::Left),
            Ok(uapi::PR_ISOL_SUP_BLOCK_CFG) => Ok(Self::SupportedBlock),
            Ok(uapi::PR_ISOL_BLOCK_CFG) => Ok(Self::Block),
            Ok(uapi::PR_ISOL_BLOCK_LEFT) => Ok(Self::NotRefused),
            _ => Err(Refusal::Invalid),
        }
    }
}

/// The answer to a request that is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The call returns this value, nothing changes.
    Value(u32),
    /// The call returns 0, and the thread's state becomes this one. Features were
    /// enabled or disabled.
    Enable(State),
    /// The call returns 0, and the thread's state becomes this one. What is enabled
    /// stays so.
    Configure(State),
}

/// Answers `prctl(operation, args[0], args[1], args[2], args[3])`.
///
/// # Errors
///
/// * [`Refusal::Invalid`] for an unknown command, a command that cannot be
///   set, a bit that is not supported, or an unused argument that is not zero.
/// * [`Refusal::Busy`] as in [`State::configure`] and [`State::configure_block`].
pub(crate) fn answer(
    state: State,
    supported: Supported,
    operation: Operation,
    args: [usize; 4],
) -> Result<Answer, Refusal> {
    match (operation, args) {
        (Operation::Get, [command, 0, 0, 0]) => {
            let value = match Command::try_from(command)? {
                Command::SupportedFeatures => supported.features.bits(),
                Command::Features => state.features().bits(),
                Command::SupportedQuiesce => supported.quiesce.bits(),
                Command::Quiesce => state.quiesce().bits(),
                // Of a return that was quiesced, which the last one is if the
                // next one is.
                Command::Left if state.quiesces_on_uret() => state.left().bits(),
                Command::Left => 0,
                Command::SupportedBlock => supported.block.bits(),
                Command::Block => state.block().bits(),
                Command::NotRefused => state.not_refused(supported).bits(),
            };
            Ok(Answer::Value(value))
        }
        (Operation::Set, [command, value, 0, 0]) => match Command::try_from(command)? {
            Command::Features => state.enable(supported, value).map(Answer::Enable),
            Command::Quiesce => state.configure(supported, value).map(Answer::Configure),
            Command::Block => state
                .configure_block(supported, value)
                .map(Answer::Configure),
            Command::SupportedFeatures
            | Command::SupportedQuiesce
            | Command::Left
            | Command::SupportedBlock
            | Command::NotRefused => Err(Refusal::Invalid),
        },
        (Operation::Enable, [mask, 0, 0, 0]) => state.enable(supported, mask).map(Answer::Enable),
        _ => Err(Refusal::Invalid),
    }
}

/// The rules of the user ABI, case by case.
#[cfg(any(test, CONFIG_TASK_ISOLATION_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_TASK_ISOLATION_KUNIT_TEST,
    kernel::prelude::kunit_tests(task_isolation_abi)
)]
mod tests {
    use super::*;
    use crate::policy::{
        left::Left,
        mask::{
            Features,
            Mask,
            Quiesce, //
        },
        state::Pause, //
    };

    const ON_URET: usize = uapi::ISOL_F_QUIESCE_ON_URET as usize;
    const VMSTAT: usize = uapi::ISOL_F_QUIESCE_VMSTAT_SYNC as usize;
    const SUP_FEATURES: usize = uapi::ISOL_SUP_FEATURES as usize;
    const FEATURES: usize = uapi::ISOL_FEATURES as usize;
    const SUP_QUIESCE: usize = uapi::PR_ISOL_SUP_QUIESCE_CFG as usize;
    const QUIESCE: usize = uapi::PR_ISOL_QUIESCE_CFG as usize;
    const LEFT: usize = uapi::PR_ISOL_QUIESCE_LEFT as usize;
    const BLOCKING: usize = uapi::ISOL_F_BLOCK_INTERRUPTORS as usize;
    const SUP_BLOCK: usize = uapi::PR_ISOL_SUP_BLOCK_CFG as usize;
    const BLOCK: usize = uapi::PR_ISOL_BLOCK_CFG as usize;
    const NOT_REFUSED: usize = uapi::PR_ISOL_BLOCK_LEFT as usize;
    const LAST: usize = NOT_REFUSED;

    // More than today's kernel has, so that replacing a set shows.
    const SUPPORTED: Supported = Supported {
        features: Mask::from_bits_truncate(0b111),
        quiesce: Mask::from_bits_truncate(0b111),
        block: Mask::from_bits_truncate(0b111),
        refused: Mask::from_bits_truncate(0b010),
    };

    /// A thread, as `prctl()` sees it, and whether configuring changed what is enabled.
    struct Thread(State, bool);

    impl Thread {
        fn new() -> Self {
            Self(State::INITIAL, false)
        }

        /// What `prctl()` returns: a value, or the refusal.
        fn prctl(&mut self, option: u32, args: [usize; 4]) -> Result<u32, Refusal> {
            match answer(self.0, SUPPORTED, Operation::try_from(option)?, args)? {
                Answer::Value(value) => Ok(value),
                Answer::Enable(state) => {
                    self.0 = state;
                    Ok(0)
                }
                Answer::Configure(state) => {
                    // An event tells of what is enabled, and none of this.
                    self.1 |= state.features() != self.0.features();
                    self.0 = state;
                    Ok(0)
                }
            }
        }

        fn get(&mut self, command: usize) -> Result<u32, Refusal> {
            self.prctl(uapi::PR_ISOL_GET, [command, 0, 0, 0])
        }

        fn set(&mut self, command: usize, value: usize) -> Result<u32, Refusal> {
            self.prctl(uapi::PR_ISOL_SET, [command, value, 0, 0])
        }

        fn enable(&mut self, mask: usize) -> Result<u32, Refusal> {
            self.prctl(uapi::PR_ISOL_ENABLE, [mask, 0, 0, 0])
        }

        /// `(ISOL_FEATURES, PR_ISOL_QUIESCE_CFG)`.
        fn masks(&mut self) -> (Result<u32, Refusal>, Result<u32, Refusal>) {
            (self.get(FEATURES), self.get(QUIESCE))
        }
    }

    #[test]
    fn a_new_thread_has_nothing() {
        let mut thread = Thread::new();

        assert_eq!(thread.masks(), (Ok(0), Ok(0)));
        assert!(!thread.0.quiesces_on_uret());
    }

    #[test]
    fn supported_masks_are_returned() {
        let mut thread = Thread::new();

        assert_eq!(thread.get(SUP_FEATURES), Ok(0b111));
        assert_eq!(thread.get(SUP_QUIESCE), Ok(0b111));
    }

    #[test]
    fn masks_fit_31_bits() {
        assert_eq!(
            Quiesce::from_bits_truncate(u32::MAX).bits(),
            i32::MAX as u32
        );
        assert_eq!(Features::from_bits_truncate(1 << 31).bits(), 0);
    }

    #[test]
    fn unknown_commands_are_invalid() {
        let mut thread = Thread::new();

        for command in [0, LAST + 1, 31, u32::MAX as usize, usize::MAX, 1 << 31] {
            assert_eq!(thread.get(command), Err(Refusal::Invalid));
            assert_eq!(thread.set(command, 0), Err(Refusal::Invalid));
        }
        // The low half of the argument alone would be a known command.
        #[cfg(target_pointer_width = "64")]
        assert_eq!(thread.get((1 << 32) | FEATURES), Err(Refusal::Invalid));
        for option in [0, u32::MAX] {
            assert_eq!(thread.prctl(option, [1, 0, 0, 0]), Err(Refusal::Invalid));
        }
        assert_eq!(thread.masks(), (Ok(0), Ok(0)));
    }

    #[test]
    fn supported_masks_cannot_be_set() {
        let mut thread = Thread::new();

        assert_eq!(thread.set(SUP_FEATURES, 0), Err(Refusal::Invalid));
        assert_eq!(thread.set(SUP_FEATURES, 0b111), Err(Refusal::Invalid));
        assert_eq!(thread.set(SUP_QUIESCE, 0), Err(Refusal::Invalid));
        assert_eq!(thread.set(SUP_QUIESCE, 0b111), Err(Refusal::Invalid));
    }

    #[test]
    fn unused_arguments_must_be_zero() {
        let mut thread = Thread::new();

        assert_eq!(thread.set(QUIESCE, VMSTAT), Ok(0));
        for (option, valid, used) in [
            (uapi::PR_ISOL_GET, [FEATURES, 0, 0, 0], 1),
            (uapi::PR_ISOL_SET, [FEATURES, ON_URET, 0, 0], 2),
            (uapi::PR_ISOL_ENABLE, [ON_URET, 0, 0, 0], 1),
        ] {
            for unused in used..4 {
                for value in [1, 1 << (usize::BITS - 1)] {
                    let mut args = valid;

                    args[unused] = value;
                    assert_eq!(thread.prctl(option, args), Err(Refusal::Invalid));
                }
            }
        }
        assert_eq!(thread.masks(), (Ok(0), Ok(1)));
    }

    #[test]
    fn unsupported_bits_are_invalid() {
        let mut thread = Thread::new();

        assert_eq!(thread.set(QUIESCE, VMSTAT), Ok(0));
        for bit in 3..usize::BITS {
            assert_eq!(thread.enable(1 << bit), Err(Refusal::Invalid));
            assert_eq!(thread.enable((1 << bit) | ON_URET), Err(Refusal::Invalid));
            assert_eq!(
                thread.set(FEATURES, (1 << bit) | ON_URET),
                Err(Refusal::Invalid)
            );
        }
        for bit in 3..usize::BITS {
            assert_eq!(thread.set(QUIESCE, 1 << bit), Err(Refusal::Invalid));
            assert_eq!(
                thread.set(QUIESCE, (1 << bit) | VMSTAT),
                Err(Refusal::Invalid)
            );
        }
        assert_eq!(thread.masks(), (Ok(0), Ok(1)));
    }

    #[test]
    fn enable_replaces_the_whole_set() {
        let mut thread = Thread::new();

        assert_eq!(thread.set(QUIESCE, VMSTAT), Ok(0));
        assert_eq!(thread.enable(0b101), Ok(0));
        assert_eq!(thread.get(FEATURES), Ok(0b101));
        assert_eq!(thread.enable(0b100), Ok(0));
        assert_eq!(thread.get(FEATURES), Ok(0b100));
        assert!(!thread.0.quiesces_on_uret());
        assert_eq!(thread.enable(0b101), Ok(0));
        assert!(thread.0.quiesces_on_uret());
        assert_eq!(thread.enable(0), Ok(0));
        assert_eq!(thread.masks(), (Ok(0), Ok(1)));
    }

    #[test]
    fn set_features_is_enable() {
        for mask in 0..8 {
            for config in 0..2 {
                let mut set = Thread::new();
                let mut enable = Thread::new();

                assert_eq!(set.set(QUIESCE, config), Ok(0));
                assert_eq!(enable.set(QUIESCE, config), Ok(0));
                assert_eq!(set.set(FEATURES, mask), enable.enable(mask));
                assert_eq!(set.masks(), enable.masks());
            }
        }
    }

    #[test]
    fn on_uret_needs_an_action() {
        let mut thread = Thread::new();

        assert_eq!(thread.enable(ON_URET), Err(Refusal::Invalid));
        assert_eq!(thread.enable(0b101), Err(Refusal::Invalid));
        assert_eq!(thread.get(FEATURES), Ok(0));
        // Other features do not.
        assert_eq!(thread.enable(0b100), Ok(0));
        assert_eq!(thread.set(QUIESCE, VMSTAT), Ok(0));
        assert_eq!(thread.enable(ON_URET), Ok(0));
    }

    #[test]
    fn configuring_is_busy_while_on_uret() {
        let mut thread = Thread::new();

        assert_eq!(thread.set(QUIESCE, 0b011), Ok(0));
        assert_eq!(thread.enable(0b101), Ok(0));
        for config in 0..8 {
            assert_eq!(thread.set(QUIESCE, config), Err(Refusal::Busy));
        }
        // A malformed request is that first.
        assert_eq!(thread.set(QUIESCE, 0b1000), Err(Refusal::Invalid));
        assert_eq!(thread.masks(), (Ok(0b101), Ok(0b011)));
        // Any other feature leaves the configuration free.
        assert_eq!(thread.enable(0b100), Ok(0));
        assert_eq!(thread.set(QUIESCE, 0b100), Ok(0));
        assert_eq!(thread.masks(), (Ok(0b100), Ok(0b100)));
        assert!(!thread.1);
    }

    #[test]
    fn configuring_does_not_activate() {
        let mut thread = Thread::new();

        assert_eq!(thread.set(QUIESCE, 0b111), Ok(0));
        assert_eq!(thread.get(FEATURES), Ok(0));
        assert!(!thread.0.quiesces_on_uret());
        assert_eq!(thread.set(QUIESCE, 0), Ok(0));
        assert_eq!(thread.masks(), (Ok(0), Ok(0)));
        assert!(!thread.1);
    }

    #[test]
    fn the_supported_mask_can_be_written_back() {
        let mut thread = Thread::new();
        let supported = thread.get(SUP_QUIESCE).unwrap_or(0);

        assert_eq!(thread.set(QUIESCE, supported as usize), Ok(0));
        assert_eq!(thread.get(QUIESCE), Ok(supported));
        assert_eq!(thread.enable(ON_URET), Ok(0));
    }

    #[test]
    fn entry_code_sees_actions_only_while_on_uret() {
        let mut thread = Thread::new();

        assert_eq!(thread.set(QUIESCE, 0b101), Ok(0));
        assert_eq!(thread.0.on_uret(), Quiesce::EMPTY);
        assert_eq!(thread.enable(0b101), Ok(0));
        assert_eq!(thread.0.on_uret().bits(), 0b101);
        assert_eq!(thread.enable(0b100), Ok(0));
        assert_eq!(thread.0.on_uret(), Quiesce::EMPTY);
    }

    #[test]
    fn left_is_that_of_a_return_that_was_quiesced() {
        const SEEN: Left = Left::TIMER.union(Left::GAVE_UP);
        let pause = Pause::until(7);
        let mut thread = Thread::new();

        assert_eq!(thread.get(LEFT), Ok(0));
        assert_eq!(thread.set(QUIESCE, VMSTAT), Ok(0));
        assert_eq!(thread.enable(ON_URET), Ok(0));
        thread.0 = thread.0.record(SEEN, pause);
        assert_eq!(thread.get(LEFT), Ok(SEEN.bits()));
        // It cannot be set, and a refused call does not change it.
        assert_eq!(thread.set(LEFT, 0), Err(Refusal::Invalid));
        assert_eq!(thread.set(QUIESCE, VMSTAT), Err(Refusal::Busy));
        assert_eq!(thread.get(LEFT), Ok(SEEN.bits()));
        assert_eq!(thread.enable(0), Ok(0));
        assert_eq!(thread.get(LEFT), Ok(0));
        // Only time ends a pause.
        assert_eq!(thread.set(QUIESCE, 0b111), Ok(0));
        assert_eq!(thread.enable(ON_URET), Ok(0));
        assert_eq!(thread.0.pause(), pause);
        assert_eq!(thread.get(LEFT), Ok(0));
    }
    #[test]
    fn a_claim_needs_a_class() {
        let mut thread = Thread::new();

        assert_eq!(thread.enable(BLOCKING), Err(Refusal::Invalid));
        // Neither configuration stands in for the other.
        assert_eq!(thread.set(QUIESCE, VMSTAT), Ok(0));
        assert_eq!(thread.enable(ON_URET | BLOCKING), Err(Refusal::Invalid));
        assert_eq!(thread.enable(ON_URET), Ok(0));
        assert_eq!(thread.enable(0), Ok(0));
        assert_eq!(thread.set(QUIESCE, 0), Ok(0));
        assert_eq!(thread.set(BLOCK, 0b101), Ok(0));
        assert_eq!(thread.enable(ON_URET | BLOCKING), Err(Refusal::Invalid));
        assert_eq!(thread.get(FEATURES), Ok(0));
        assert_eq!(thread.enable(BLOCKING), Ok(0));
        assert!(thread.0.blocks());
        assert!(!thread.0.quiesces_on_uret());
        // For a claim, any set of features without it is the end.
        assert_eq!(thread.enable(0b100), Ok(0));
        assert!(!thread.0.blocks());
        assert_eq!(thread.get(BLOCK), Ok(0b101));
    }

    #[test]
    fn configuring_classes_is_busy_while_claimed() {
        let mut thread = Thread::new();

        assert_eq!(thread.set(BLOCK, 0b011), Ok(0));
        assert_eq!(thread.enable(BLOCKING), Ok(0));
        for config in 0..8 {
            assert_eq!(thread.set(BLOCK, config), Err(Refusal::Busy));
        }
        for bit in 3..usize::BITS {
            assert_eq!(thread.set(BLOCK, 1 << bit), Err(Refusal::Invalid));
        }
        assert_eq!(thread.get(BLOCK), Ok(0b011));
        // The two features are independent.
        assert_eq!(thread.set(QUIESCE, VMSTAT), Ok(0));
        assert_eq!(thread.enable(ON_URET | BLOCKING), Ok(0));
        assert_eq!(thread.set(QUIESCE, 0), Err(Refusal::Busy));
        assert_eq!(thread.enable(ON_URET), Ok(0));
        assert_eq!(thread.set(BLOCK, 0b100), Ok(0));
        assert_eq!(thread.masks(), (Ok(1), Ok(1)));
        assert!(!thread.1);
    }

    #[test]
    fn classes_that_are_not_refused_are_told() {
        let mut thread = Thread::new();

        assert_eq!(thread.get(SUP_BLOCK), Ok(0b111));
        assert_eq!(thread.get(NOT_REFUSED), Ok(0));
        assert_eq!(thread.set(BLOCK, 0b110), Ok(0));
        assert_eq!(thread.get(NOT_REFUSED), Ok(0b110));
        assert_eq!(thread.enable(BLOCKING), Ok(0));
        assert_eq!(thread.get(NOT_REFUSED), Ok(0b100));
        for command in [SUP_BLOCK, NOT_REFUSED] {
            assert_eq!(thread.set(command, 0), Err(Refusal::Invalid));
        }
    }
}
