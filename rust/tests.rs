// SPDX-License-Identifier: GPL-2.0

//! The rules of the user ABI, case by case.
//!
//! Runs as KUnit suite `rust_task_isolation` in the kernel, and on the host.

#[cfg_attr(
    CONFIG_TASK_ISOLATION_KUNIT_TEST,
    kernel::prelude::kunit_tests(rust_task_isolation)
)]
mod cases {
    use crate::{
        left::Left,
        mask::{
            Features,
            Mask,
            Quiesce,
            Refusal, //
        },
        request::{
            answer,
            Answer,
            Operation, //
        },
        state::{
            State,
            Supported, //
        }, //
    };

    const ON_URET: usize = 1;
    const VMSTAT: usize = 1;

    // More than today's kernel has, so that replacing a set shows.
    const SUPPORTED: Supported = Supported {
        features: Mask::from_bits(0b11),
        quiesce: Mask::from_bits(0b111),
    };

    /// A thread, as `prctl()` sees it.
    struct Thread(State);

    impl Thread {
        fn new() -> Self {
            Self(State::INITIAL)
        }

        /// What `prctl()` returns: a value, or the refusal.
        fn prctl(&mut self, option: u32, args: [usize; 4]) -> Result<u32, Refusal> {
            let operation = Operation::from_option(option).ok_or(Refusal::Invalid)?;

            match answer(self.0, SUPPORTED, operation, args)? {
                Answer::Value(value) => Ok(value),
                Answer::Change(state) => {
                    self.0 = state;
                    Ok(0)
                }
            }
        }

        fn get(&mut self, command: usize) -> Result<u32, Refusal> {
            self.prctl(82, [command, 0, 0, 0])
        }

        fn set(&mut self, command: usize, value: usize) -> Result<u32, Refusal> {
            self.prctl(83, [command, value, 0, 0])
        }

        fn enable(&mut self, mask: usize) -> Result<u32, Refusal> {
            self.prctl(84, [mask, 0, 0, 0])
        }

        /// `(ISOL_FEATURES, PR_ISOL_QUIESCE_CFG)`.
        fn masks(&mut self) -> (Result<u32, Refusal>, Result<u32, Refusal>) {
            (self.get(2), self.get(4))
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

        assert_eq!(thread.get(1), Ok(0b11));
        assert_eq!(thread.get(3), Ok(0b111));
    }

    #[test]
    fn masks_fit_31_bits() {
        assert_eq!(Quiesce::from_bits(u32::MAX).bits(), i32::MAX as u32);
        assert_eq!(Features::from_bits(1 << 31).bits(), 0);
    }

    #[test]
    fn unknown_commands_are_invalid() {
        let mut thread = Thread::new();

        for command in [0, 6, 31, u32::MAX as usize, usize::MAX, 1 << 31] {
            assert_eq!(thread.get(command), Err(Refusal::Invalid));
            assert_eq!(thread.set(command, 0), Err(Refusal::Invalid));
        }
        // The low half of the argument alone would be a known command.
        #[cfg(target_pointer_width = "64")]
        assert_eq!(thread.get((1 << 32) | 2), Err(Refusal::Invalid));
        assert_eq!(thread.prctl(81, [1, 0, 0, 0]), Err(Refusal::Invalid));
        assert_eq!(thread.prctl(85, [1, 0, 0, 0]), Err(Refusal::Invalid));
        assert_eq!(thread.masks(), (Ok(0), Ok(0)));
    }

    #[test]
    fn supported_masks_cannot_be_set() {
        let mut thread = Thread::new();

        assert_eq!(thread.set(1, 0), Err(Refusal::Invalid));
        assert_eq!(thread.set(1, 0b11), Err(Refusal::Invalid));
        assert_eq!(thread.set(3, 0), Err(Refusal::Invalid));
        assert_eq!(thread.set(3, 0b111), Err(Refusal::Invalid));
    }

    #[test]
    fn unused_arguments_must_be_zero() {
        let mut thread = Thread::new();

        assert_eq!(thread.set(4, VMSTAT), Ok(0));
        for (option, used) in [(82, 1), (83, 2), (84, 1)] {
            for unused in used..4 {
                let mut args = [if option == 84 { ON_URET } else { 2 }, 0, 0, 0];

                if option == 83 {
                    args[1] = ON_URET;
                }
                args[unused] = 1;
                assert_eq!(thread.prctl(option, args), Err(Refusal::Invalid));
                args[unused] = 1 << (usize::BITS - 1);
                assert_eq!(thread.prctl(option, args), Err(Refusal::Invalid));
            }
        }
        assert_eq!(thread.masks(), (Ok(0), Ok(1)));
    }

    #[test]
    fn unsupported_bits_are_invalid() {
        let mut thread = Thread::new();

        assert_eq!(thread.set(4, VMSTAT), Ok(0));
        for bit in 2..usize::BITS {
            assert_eq!(thread.enable(1 << bit), Err(Refusal::Invalid));
            assert_eq!(thread.enable((1 << bit) | ON_URET), Err(Refusal::Invalid));
            assert_eq!(thread.set(2, (1 << bit) | ON_URET), Err(Refusal::Invalid));
        }
        for bit in 3..usize::BITS {
            assert_eq!(thread.set(4, 1 << bit), Err(Refusal::Invalid));
            assert_eq!(thread.set(4, (1 << bit) | VMSTAT), Err(Refusal::Invalid));
        }
        assert_eq!(thread.masks(), (Ok(0), Ok(1)));
    }

    #[test]
    fn enable_replaces_the_whole_set() {
        let mut thread = Thread::new();

        assert_eq!(thread.set(4, VMSTAT), Ok(0));
        assert_eq!(thread.enable(0b11), Ok(0));
        assert_eq!(thread.get(2), Ok(0b11));
        assert_eq!(thread.enable(0b10), Ok(0));
        assert_eq!(thread.get(2), Ok(0b10));
        assert!(!thread.0.quiesces_on_uret());
        assert_eq!(thread.enable(0b11), Ok(0));
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

                assert_eq!(set.set(4, config), Ok(0));
                assert_eq!(enable.set(4, config), Ok(0));
                assert_eq!(set.set(2, mask), enable.enable(mask));
                assert_eq!(set.masks(), enable.masks());
            }
        }
    }

    #[test]
    fn on_uret_needs_an_action() {
        let mut thread = Thread::new();

        assert_eq!(thread.enable(ON_URET), Err(Refusal::Invalid));
        assert_eq!(thread.enable(0b11), Err(Refusal::Invalid));
        assert_eq!(thread.get(2), Ok(0));
        // Other features do not.
        assert_eq!(thread.enable(0b10), Ok(0));
        assert_eq!(thread.set(4, VMSTAT), Ok(0));
        assert_eq!(thread.enable(ON_URET), Ok(0));
    }

    #[test]
    fn configuring_is_busy_while_on_uret() {
        let mut thread = Thread::new();

        assert_eq!(thread.set(4, 0b011), Ok(0));
        assert_eq!(thread.enable(0b11), Ok(0));
        for config in 0..8 {
            assert_eq!(thread.set(4, config), Err(Refusal::Busy));
        }
        // A malformed request is that first.
        assert_eq!(thread.set(4, 0b1000), Err(Refusal::Invalid));
        assert_eq!(thread.masks(), (Ok(0b11), Ok(0b011)));
        // Any other feature leaves the configuration free.
        assert_eq!(thread.enable(0b10), Ok(0));
        assert_eq!(thread.set(4, 0b100), Ok(0));
        assert_eq!(thread.masks(), (Ok(0b10), Ok(0b100)));
    }

    #[test]
    fn configuring_does_not_activate() {
        let mut thread = Thread::new();

        assert_eq!(thread.set(4, 0b111), Ok(0));
        assert_eq!(thread.get(2), Ok(0));
        assert!(!thread.0.quiesces_on_uret());
        assert_eq!(thread.set(4, 0), Ok(0));
        assert_eq!(thread.masks(), (Ok(0), Ok(0)));
    }

    #[test]
    fn the_supported_mask_can_be_written_back() {
        let mut thread = Thread::new();
        let supported = thread.get(3).unwrap_or(0);

        assert_eq!(thread.set(4, supported as usize), Ok(0));
        assert_eq!(thread.get(4), Ok(supported));
        assert_eq!(thread.enable(ON_URET), Ok(0));
    }

    #[test]
    fn a_stored_state_comes_back() {
        let mut thread = Thread::new();

        assert_eq!(thread.set(4, 0b101), Ok(0));
        assert_eq!(thread.enable(0b11), Ok(0));
        let state = thread.0;
        // The copy for entry code, which only knows one mask.
        assert_eq!(state.on_uret().bits(), 0b101);
        assert_eq!(thread.enable(0b10), Ok(0));
        assert_eq!(thread.0.on_uret(), Quiesce::EMPTY);
        assert!(State::from_stored(state.features(), state.quiesce(), state.left()) == state);
    }

    #[test]
    fn what_is_left_can_be_asked_for() {
        let mut thread = Thread::new();

        assert_eq!(thread.get(5), Ok(0));
        assert_eq!(thread.set(4, VMSTAT), Ok(0));
        assert_eq!(thread.enable(ON_URET), Ok(0));
        thread.0 = State::from_stored(
            thread.0.features(),
            thread.0.quiesce(),
            Left::TIMER.union(Left::GAVE_UP).union(Left::IN_VAIN),
        );
        assert_eq!(thread.get(5), Ok(0x2400));
        // It cannot be set, and a refused call does not change it.
        assert_eq!(thread.set(5, 0), Err(Refusal::Invalid));
        assert_eq!(thread.set(4, VMSTAT), Err(Refusal::Busy));
        assert_eq!(thread.get(5), Ok(0x2400));
        // Only of a return that was quiesced.
        assert_eq!(thread.enable(0), Ok(0));
        assert_eq!(thread.get(5), Ok(0));
        // What was given up is not forgotten by a pause, only with the actions.
        assert_eq!(thread.0.left(), Left::IN_VAIN);
        assert_eq!(thread.enable(ON_URET), Ok(0));
        assert_eq!(thread.enable(0), Ok(0));
        assert_eq!(thread.0.left(), Left::IN_VAIN);
        assert_eq!(thread.set(4, VMSTAT), Ok(0));
        assert_eq!(thread.0.left(), Left::EMPTY);
    }
}
