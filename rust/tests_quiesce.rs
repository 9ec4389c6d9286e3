// SPDX-License-Identifier: GPL-2.0

//! The sequence of quiesce actions, against subsystems that answer as told.
//!
//! Runs as KUnit suite `rust_task_isolation_quiesce` in the kernel, and on the
//! host.

#[cfg_attr(
    CONFIG_TASK_ISOLATION_KUNIT_TEST,
    kernel::prelude::kunit_tests(rust_task_isolation_quiesce)
)]
mod cases {
    use crate::{
        left::Left,
        mask::Quiesce,
        quiesce::{
            self,
            Done,
            Subsystems,
            Work, //
        }, //
    };

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

        fn tlb_flushed(&mut self) -> Done {
            Done::TLB_FLUSHED
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
            (Quiesce::DEFER_TLB_FLUSH, [0, 0, 0], Done::TLB_FLUSHED),
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
}
