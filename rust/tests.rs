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
        quiesce::{
            self,
            Done,
            Subsystems,
            Work, //
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
        assert!(State::from_stored(state.features(), state.quiesce(), state.left()) == state);
    }

    /// Logs the calls and answers as told.
    struct Fake {
        calls: [u32; 3],
        vmstat: Done,
        /// What is left, round by round; the last one again and again.
        left: &'static [Left],
        yields: bool,
    }

    impl Fake {
        fn new(vmstat: Done, left: &'static [Left]) -> Self {
            Self {
                calls: [0; 3],
                vmstat,
                left,
                yields: true,
            }
        }
    }

    impl Subsystems for Fake {
        fn vmstat_sync(&mut self) -> Done {
            // The tick is last.
            assert_eq!(self.calls[0], self.calls[1]);
            self.calls[0] += 1;
            self.vmstat
        }

        fn nohz_full(&mut self) -> Left {
            let round = self.calls[1] as usize;
            self.calls[1] += 1;
            self.left[round.min(self.left.len() - 1)]
        }

        fn next_event(&self) -> i64 {
            4000
        }

        fn cpu_timers(&mut self) {
            self.calls[2] += 1;
        }

        fn may_yield(&self) -> bool {
            self.yields
        }
    }

    const ALL: Quiesce = Quiesce::VMSTAT_SYNC.union(Quiesce::NOHZ_FULL);
    const SOFTIRQ_AND_YIELD: Work = Work::SOFTIRQ.union(Work::YIELD);

    /// One way to user mode: how often work was done, and what is left.
    fn way_to_user_mode(before: Left, fake: &mut Fake) -> (u32, Left) {
        let mut before = before;

        for round in 0.. {
            let outcome = quiesce::run(ALL, before, round, fake);
            if outcome.work.is_empty() {
                return (round, outcome.left);
            }
            before = outcome.left;
        }
        unreachable!()
    }

    #[test]
    fn only_configured_actions_run_and_only_once() {
        for (actions, calls, expected) in [
            (Quiesce::EMPTY, [0, 0, 0], Done::EMPTY),
            (Quiesce::VMSTAT_SYNC, [1, 0, 0], Done::VMSTAT_FOLDED),
            (ALL, [1, 1, 0], Done::VMSTAT_FOLDED),
        ] {
            let mut fake = Fake::new(Done::VMSTAT_FOLDED, &[Left::EMPTY]);
            let outcome = quiesce::run(actions, Left::EMPTY, 0, &mut fake);

            assert_eq!(outcome.done, expected);
            assert!(outcome.left.is_empty() && outcome.work.is_empty());
            assert_eq!(outcome.next_event, i64::MAX);
            assert_eq!(fake.calls, calls);
        }
    }

    #[test]
    fn what_was_done_is_reported() {
        let both = Done::VMSTAT_FOLDED.union(Done::VMSTAT_CANCELLED);

        for vmstat in [Done::EMPTY, Done::VMSTAT_CANCELLED, both] {
            let mut fake = Fake::new(vmstat, &[Left::EMPTY]);
            let outcome = quiesce::run(Quiesce::VMSTAT_SYNC, Left::EMPTY, 0, &mut fake);

            assert_eq!(outcome.done, vmstat);
            assert_eq!(outcome.next_event, i64::MAX);
        }
    }

    #[test]
    fn what_is_left_is_reported() {
        const LEFT: [Left; 3] = [Left::TICK_RCU, Left::TIMER, Left::TICK_ALWAYS];

        for (i, left) in LEFT.into_iter().enumerate() {
            let mut fake = Fake::new(Done::EMPTY, &LEFT[i..]);
            let outcome = quiesce::run(ALL, Left::EMPTY, 0, &mut fake);

            // Nothing can be done about these.
            assert!(outcome.work.is_empty());
            assert_eq!(outcome.left, left);
            assert_eq!(outcome.next_event, 4000);
        }
    }

    #[test]
    fn work_is_asked_for_by_what_is_left() {
        for (left, expected) in [
            (Left::EMPTY, Work::EMPTY),
            (Left::TICK_SCHED, Work::YIELD),
            (Left::SOFTIRQ, Work::SOFTIRQ),
            (Left::TICK_IRQ_WORK, Work::IRQ_WORK),
            (Left::DUE, Work::IRQ),
            (Left::TICK_SCHED.union(Left::SOFTIRQ), SOFTIRQ_AND_YIELD),
            (Left::TICK_POSIX_TIMER, Work::EMPTY),
            (Left::TICK_RCU_EXP, Work::EMPTY),
            (Left::GAVE_UP, Work::EMPTY),
        ] {
            assert_eq!(quiesce::work_for(left, true), expected);
        }
        assert_eq!(quiesce::work_for(Left::TICK_SCHED, false), Work::EMPTY);
    }

    #[test]
    fn a_task_that_sleeps_soon_is_let_run() {
        const LEFT: [Left; 3] = [Left::TICK_SCHED, Left::TICK_SCHED, Left::EMPTY];
        let mut fake = Fake::new(Done::EMPTY, &LEFT);

        assert_eq!(way_to_user_mode(Left::EMPTY, &mut fake), (2, Left::EMPTY));
        // Everything was settled anew after each.
        assert_eq!(fake.calls, [3, 3, 0]);
    }

    #[test]
    fn the_rounds_are_bounded() {
        let mut fake = Fake::new(Done::EMPTY, &[Left::TICK_SCHED]);
        let gave_up = Left::TICK_SCHED.union(Left::GAVE_UP).union(Left::IN_VAIN);
        const BOTH: [Left; 2] = [Left::TICK_SCHED.union(Left::SOFTIRQ), Left::TICK_SCHED];

        assert_eq!(
            way_to_user_mode(Left::EMPTY, &mut fake),
            (quiesce::ROUNDS, gave_up)
        );
        // And not tried anew on the next return.
        assert_eq!(way_to_user_mode(gave_up, &mut fake), (0, gave_up));
        // Other work is.
        fake.left = &BOTH;
        fake.calls = [0; 3];
        assert_eq!(way_to_user_mode(gave_up, &mut fake), (1, gave_up));
        // Not if it is a real-time thread meanwhile, which does not forget.
        fake.yields = false;
        assert_eq!(way_to_user_mode(gave_up, &mut fake), (0, gave_up));
        fake.yields = true;
        // Until the others are gone.
        fake.left = &[Left::TICK_RCU];
        assert_eq!(way_to_user_mode(gave_up, &mut fake), (0, Left::TICK_RCU));
        fake.left = &[Left::TICK_SCHED];
        assert_eq!(
            way_to_user_mode(Left::TICK_RCU, &mut fake),
            (quiesce::ROUNDS, gave_up)
        );
    }

    #[test]
    fn an_interrupt_that_is_due_is_taken_and_not_shown() {
        let mut fake = Fake::new(Done::EMPTY, &[Left::DUE, Left::EMPTY]);

        assert_eq!(way_to_user_mode(Left::EMPTY, &mut fake), (1, Left::EMPTY));
        // One that does not come is a timer, to user space.
        fake.left = &[Left::DUE];
        assert_eq!(
            way_to_user_mode(Left::EMPTY, &mut fake),
            (quiesce::ROUNDS, Left::HRTIMER)
        );
        // Other work that does not come to an end does not stop yielding.
        fake.left = &[Left::SOFTIRQ];
        let left = way_to_user_mode(Left::EMPTY, &mut fake).1;
        assert_eq!(left, Left::SOFTIRQ.union(Left::GAVE_UP));
        fake = Fake::new(Done::EMPTY, &[Left::TICK_SCHED, Left::EMPTY]);
        assert_eq!(way_to_user_mode(left, &mut fake), (1, Left::EMPTY));
    }

    #[test]
    fn a_real_time_task_does_not_yield() {
        let mut fake = Fake::new(Done::EMPTY, &[Left::TICK_SCHED]);

        fake.yields = false;
        let (round, left) = way_to_user_mode(Left::EMPTY, &mut fake);
        assert_eq!((round, left), (0, Left::TICK_SCHED));
    }

    #[test]
    fn cpu_timers_are_looked_at_once() {
        const LEFT: Left = Left::TICK_POSIX_TIMER.union(Left::SOFTIRQ);
        let mut fake = Fake::new(Done::EMPTY, &[LEFT]);

        assert_eq!(way_to_user_mode(Left::EMPTY, &mut fake).0, quiesce::ROUNDS);
        assert_eq!(fake.calls[2], 1);
        // Not without need.
        let mut fake = Fake::new(Done::EMPTY, &[Left::SOFTIRQ, Left::EMPTY]);
        assert_eq!(way_to_user_mode(Left::EMPTY, &mut fake), (1, Left::EMPTY));
        assert_eq!(fake.calls[2], 0);
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
