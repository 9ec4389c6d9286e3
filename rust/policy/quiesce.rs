// SPDX-License-Identifier: GPL-2.0

//! The sequence of quiesce actions.

use super::{
    left::Left,
    mask::Quiesce,
    state::{
        Pause,
        State, //
    },
    subsystems::{
        Class,
        Done,
        Found,
        Peers,
        Subsystems,
        Work, //
    }, //
};

/// What a run of the sequence came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// What was found to do.
    pub(crate) done: Done,
    /// What is left.
    pub(crate) left: Left,
    /// If not empty, it is to be done, and the sequence run in a next round.
    pub(crate) work: Work,
    /// As from [`Subsystems::next_event`], if there is anything left.
    pub(crate) next_event: i64,
    /// Until when the thread does not yield.
    pub(crate) pause: Pause,
}

/// How many rounds may ask for [`Work`], on one return.
///
/// Several kernel threads may want to run, and each may start another one. One
/// that does not come to an end must not keep the thread from user mode.
pub(crate) const ROUNDS: u32 = 4;

/// Runs the actions of `state` once, in the one order that is right for all of
/// them.
///
/// * `round`: How many runs there were before on this return.
/// * `pause`: How long a thread does not yield after it did so in vain, in
///   jiffies.
#[inline]
pub(crate) fn run(
    state: State,
    round: u32,
    pause: u32,
    subsystems: &mut impl Subsystems,
) -> Outcome {
    let actions = state.quiesce();
    let mut outcome = Outcome {
        done: Done::EMPTY,
        left: Left::EMPTY,
        work: Work::EMPTY,
        next_event: i64::MAX,
        pause: state.pause(),
    };

    // First, as draining changes the counters that are folded next. They are folded
    // in the round after it then, once.
    if actions.contains(Quiesce::LRU_DRAIN) && round < ROUNDS && subsystems.lru_pending() {
        outcome.work = Work::LRU;
    }
    if outcome.work.is_empty() {
        if actions.contains(Quiesce::VMSTAT_SYNC) {
            outcome.done = subsystems.vmstat_sync();
        }
        if actions.intersects(Quiesce::DEFERS) {
            outcome.done |= subsystems.deferred();
        }
    }
    // Last, as it is about what the others may have left to timers.
    if actions.contains(Quiesce::NOHZ_FULL) {
        let found = subsystems.nohz_full();

        if found != Found::NOTHING {
            plan_work(found, state, round, pause, subsystems, &mut outcome);
        }
    }
    outcome
}

/// Decides what is done against `found`, and what is reported.
fn plan_work(
    mut found: Found,
    state: State,
    round: u32,
    pause: u32,
    subsystems: &mut impl Subsystems,
    outcome: &mut Outcome,
) {
    let class = subsystems.class();
    let mut peers = Peers::None;
    let mut work = Work::EMPTY;
    let mut gave_up = false;

    // Timers that stay armed are looked at by the tick. Only once on a return: the
    // task work may find that there is nothing to drop.
    if round == 0 && found.left.contains(Left::TICK_POSIX_TIMER) {
        subsystems.cpu_timers();
    }
    if found.left.contains(Left::TICK_SCHED) {
        peers = subsystems.peers();
        // The tasks that were dequeued may have been the reason.
        if peers == Peers::None {
            found = subsystems.nohz_full();
        }
    }

    // ksoftirqd was woken up for them, so that a thread with real-time priority
    // can go on, and so that a flood of them does not take the CPU.
    if found.left.contains(Left::SOFTIRQ) && class != Class::RealTime {
        if round == 0 {
            work |= Work::SOFTIRQ;
        } else {
            gave_up = state.left().contains(Left::SOFTIRQ);
        }
    }
    if found.left.contains(Left::TICK_IRQ_WORK) {
        work |= Work::IRQ_WORK;
    }
    if found.due {
        work |= Work::IRQ;
    }
    // To yield forfeits the slice. Whoever else wants the CPU gets it by fair
    // means.
    if peers == Peers::Kthreads && class == Class::Fair {
        if outcome.pause.is_active(subsystems.now(), pause) {
            gave_up = true;
        } else {
            work |= Work::YIELD;
        }
    }

    if !work.is_empty() && round >= ROUNDS {
        if work.contains(Work::YIELD) {
            outcome.pause = Pause::until(subsystems.now().wrapping_add(pause));
        }
        gave_up |= !work.difference(Work::IRQ).is_empty();
        // An interrupt that is due and did not happen is a timer like others.
        if found.due {
            found.left |= Left::HRTIMER;
        }
        work = Work::EMPTY;
    }
    if found != Found::NOTHING {
        outcome.next_event = subsystems.next_event();
    }
    if gave_up {
        found.left |= Left::GAVE_UP;
    }
    outcome.left = found.left;
    outcome.work |= work;
}

/// The sequence, against subsystems that answer as told.
#[cfg(any(test, CONFIG_TASK_ISOLATION_KUNIT_TEST))]
#[cfg_attr(
    CONFIG_TASK_ISOLATION_KUNIT_TEST,
    kernel::prelude::kunit_tests(task_isolation_quiesce)
)]
mod tests {
    use super::*;
    use crate::policy::{
        mask::Mask,
        state::Supported,
        subsystems::fake::{
            Call,
            Fake, //
        }, //
    };

    const PAUSE: u32 = 100;
    const ALL: Quiesce = Quiesce::VMSTAT_SYNC
        .union(Quiesce::NOHZ_FULL)
        .union(Quiesce::DEFERS)
        .union(Quiesce::LRU_DRAIN);

    const fn left(left: Left) -> Found {
        Found { left, due: false }
    }

    const DUE: Found = Found {
        left: Left::EMPTY,
        due: true,
    };
    const SCHED: Found = left(Left::TICK_SCHED);
    const SOFTIRQ: Found = left(Left::SOFTIRQ);
    const IRQ_WORK: Found = left(Left::TICK_IRQ_WORK);
    const POSIX_TIMER: Found = left(Left::TICK_POSIX_TIMER);
    const RCU_EXP: Found = left(Left::TICK_RCU_EXP);

    /// A thread with these actions.
    fn with(actions: Quiesce) -> State {
        let supported = Supported {
            features: Mask::EMPTY,
            quiesce: ALL,
            block: Mask::EMPTY,
            refused: Mask::EMPTY,
        };

        State::INITIAL
            .configure(supported, actions.bits() as usize)
            .unwrap_or(State::INITIAL)
    }

    /// One return: how many rounds asked for work, and the last outcome. A return
    /// that does not come to an end has one round more than there can be.
    fn return_to_user(state: &mut State, fake: &mut Fake) -> (u32, Outcome) {
        let mut rounds = 0;

        loop {
            let outcome = run(*state, rounds, PAUSE, fake);

            *state = state.record(outcome.left, outcome.pause);
            if outcome.work.is_empty() || rounds > ROUNDS {
                return (rounds, outcome);
            }
            rounds += 1;
        }
    }

    #[test]
    fn only_configured_actions_run_once_and_in_order() {
        let mut fake = Fake::new(&[Found::NOTHING]);
        let outcome = run(with(Quiesce::EMPTY), 0, PAUSE, &mut fake);

        assert_eq!(outcome.done, Done::EMPTY);
        assert_eq!(fake.logged, 0);

        fake.vmstat = Done::VMSTAT_FOLDED;
        let outcome = run(with(Quiesce::VMSTAT_SYNC), 0, PAUSE, &mut fake);
        assert_eq!(outcome.done, Done::VMSTAT_FOLDED);
        assert_eq!(fake.log[..2], [Some(Call::Vmstat), None]);

        for action in [Quiesce::DEFER_TLB_FLUSH, Quiesce::DEFER_TEXT_SYNC] {
            fake = Fake::new(&[Found::NOTHING]);
            let outcome = run(with(action), 0, PAUSE, &mut fake);
            assert_eq!(outcome.done, Done::TLB_FLUSHED);
            assert_eq!(fake.log[..2], [Some(Call::Deferred), None]);
        }

        fake = Fake::new(&[Found::NOTHING]);
        let outcome = run(with(Quiesce::NOHZ_FULL), 0, PAUSE, &mut fake);
        assert_eq!(outcome.done, Done::EMPTY);
        assert_eq!(fake.log[..2], [Some(Call::Nohz), None]);

        fake = Fake::new(&[Found::NOTHING]);
        let outcome = run(with(Quiesce::LRU_DRAIN), 0, PAUSE, &mut fake);
        assert!(outcome.work.is_empty());
        assert_eq!(fake.log[..2], [Some(Call::Lru), None]);

        fake = Fake::new(&[Found::NOTHING]);
        let outcome = run(with(ALL), 0, PAUSE, &mut fake);
        assert_eq!(
            fake.log[..5],
            [
                Some(Call::Lru),
                Some(Call::Vmstat),
                Some(Call::Deferred),
                Some(Call::Nohz),
                None
            ]
        );
        assert!(outcome.left.is_empty() && outcome.work.is_empty());
        assert_eq!(outcome.next_event, i64::MAX);
    }

    #[test]
    fn batches_are_drained_before_counters_are_folded() {
        let mut fake = Fake::new(&[SOFTIRQ, Found::NOTHING]);

        fake.lru = 1;
        let outcome = run(with(ALL), 0, PAUSE, &mut fake);
        // Other work is not put off.
        assert_eq!(outcome.work, Work::LRU | Work::SOFTIRQ);
        assert_eq!(outcome.done, Done::EMPTY);
        assert_eq!(fake.log[..3], [Some(Call::Lru), Some(Call::Nohz), None]);
        let outcome = run(with(ALL), 1, PAUSE, &mut fake);
        assert!(outcome.work.is_empty() && outcome.left.is_empty());
        assert_eq!(fake.log[2..4], [Some(Call::Lru), Some(Call::Vmstat)]);
    }

    #[test]
    fn draining_is_bounded_and_for_all_classes() {
        for class in [Class::Fair, Class::Granted, Class::RealTime] {
            let mut fake = Fake::new(&[Found::NOTHING]);

            (fake.lru, fake.class) = (u32::MAX, class);
            let (rounds, outcome) = return_to_user(&mut with(ALL), &mut fake);
            assert_eq!((rounds, outcome.left), (ROUNDS, Left::EMPTY));
            // Not asked for in vain when it is too late, and folded once.
            assert_eq!(fake.count(Call::Lru), ROUNDS as usize);
            assert_eq!(fake.count(Call::Vmstat), 1);
        }
        // Nobody who has not configured it drains.
        let mut fake = Fake::new(&[Found::NOTHING]);
        fake.lru = u32::MAX;
        let (rounds, _) = return_to_user(&mut with(ALL.difference(Quiesce::LRU_DRAIN)), &mut fake);
        assert_eq!((rounds, fake.count(Call::Lru)), (0, 0));
    }

    #[test]
    fn done_is_reported() {
        for vmstat in [
            Done::EMPTY,
            Done::VMSTAT_CANCELLED,
            Done::VMSTAT_FOLDED | Done::VMSTAT_CANCELLED,
        ] {
            let mut fake = Fake::new(&[Found::NOTHING]);

            fake.vmstat = vmstat;
            let outcome = run(with(Quiesce::VMSTAT_SYNC), 0, PAUSE, &mut fake);
            assert_eq!(outcome.done, vmstat);
            assert_eq!(outcome.next_event, i64::MAX);
        }
    }

    #[test]
    fn left_is_reported() {
        const FOUND: [Found; 3] = [
            left(Left::TICK_RCU),
            left(Left::TIMER),
            left(Left::TICK_ALWAYS),
        ];

        for (i, found) in FOUND.iter().enumerate() {
            let mut fake = Fake::new(&FOUND[i..]);
            let outcome = run(with(ALL), 0, PAUSE, &mut fake);

            // Nothing can be done about these.
            assert!(outcome.work.is_empty());
            assert_eq!(outcome.left, found.left);
            assert_eq!(outcome.next_event, 4000);
        }
    }

    #[test]
    fn work_depends_on_left_and_peers() {
        const BOTH: Found = left(Left::TICK_SCHED.union(Left::SOFTIRQ));

        for (found, peers, work) in [
            (&[SOFTIRQ], Peers::None, Work::SOFTIRQ),
            (&[IRQ_WORK], Peers::None, Work::IRQ_WORK),
            (&[DUE], Peers::None, Work::IRQ),
            (&[SCHED], Peers::Kthreads, Work::YIELD),
            (&[SCHED], Peers::Others, Work::EMPTY),
            // A bandwidth limit keeps the tick without any peer.
            (&[SCHED], Peers::None, Work::EMPTY),
            (&[BOTH], Peers::Kthreads, Work::SOFTIRQ | Work::YIELD),
            (&[POSIX_TIMER], Peers::Kthreads, Work::EMPTY),
            (&[RCU_EXP], Peers::Kthreads, Work::EMPTY),
        ] {
            let mut fake = Fake::with_peers(found, peers);
            let outcome = run(with(ALL), 0, PAUSE, &mut fake);

            assert_eq!(outcome.work, work);
            assert_eq!(outcome.left, found[0].left);
        }
    }

    #[test]
    fn peers_that_sleep_do_not_cost_a_round() {
        let mut fake = Fake::with_peers(&[SCHED, Found::NOTHING], Peers::None);
        let (rounds, outcome) = return_to_user(&mut with(Quiesce::NOHZ_FULL), &mut fake);

        assert_eq!((rounds, outcome.left), (0, Left::EMPTY));
        assert_eq!(outcome.next_event, i64::MAX);
        assert_eq!(
            fake.log[..4],
            [Some(Call::Nohz), Some(Call::Peers), Some(Call::Nohz), None]
        );
    }

    #[test]
    fn kernel_threads_that_sleep_soon_run_first() {
        let mut fake = Fake::with_peers(&[SCHED, SCHED, Found::NOTHING], Peers::Kthreads);
        let mut state = with(ALL);
        let (rounds, outcome) = return_to_user(&mut state, &mut fake);

        assert_eq!((rounds, outcome.left), (2, Left::EMPTY));
        assert_eq!(state.pause(), Pause::NONE);
        // Everything was settled in each round.
        assert_eq!(fake.count(Call::Vmstat), 3);
    }

    #[test]
    fn strangers_get_nothing() {
        let mut fake = Fake::with_peers(&[SCHED], Peers::Others);
        let mut state = with(ALL);

        for _ in 0..3 {
            let (rounds, outcome) = return_to_user(&mut state, &mut fake);

            assert_eq!((rounds, outcome.left), (0, Left::TICK_SCHED));
            assert_eq!(state.pause(), Pause::NONE);
        }
    }

    #[test]
    fn yielding_is_bounded_by_rounds_and_by_time() {
        const GAVE_UP: Left = Left::TICK_SCHED.union(Left::GAVE_UP);
        let mut fake = Fake::with_peers(&[SCHED], Peers::Kthreads);
        let mut state = with(ALL);

        for start in [1000, u32::MAX - 2] {
            fake.now = start;
            fake.found = &[SCHED];
            let (rounds, outcome) = return_to_user(&mut state, &mut fake);
            assert_eq!((rounds, outcome.left), (ROUNDS, GAVE_UP));
            // Not on the next return, nor after one that finds nobody.
            let (rounds, outcome) = return_to_user(&mut state, &mut fake);
            assert_eq!((rounds, outcome.left), (0, GAVE_UP));
            fake.found = &[Found::NOTHING];
            let (rounds, outcome) = return_to_user(&mut state, &mut fake);
            assert_eq!((rounds, outcome.left), (0, Left::EMPTY));
            fake.found = &[SCHED];
            fake.now = start.wrapping_add(PAUSE - 1);
            let (rounds, outcome) = return_to_user(&mut state, &mut fake);
            assert_eq!((rounds, outcome.left), (0, GAVE_UP));
            // Other work is done meanwhile.
            fake.found = &[SOFTIRQ, Found::NOTHING];
            fake.asked = 0;
            let (rounds, outcome) = return_to_user(&mut state, &mut fake);
            assert_eq!((rounds, outcome.left), (1, Left::EMPTY));
            // Time ends it.
            fake.now = start.wrapping_add(PAUSE);
            fake.found = &[SCHED, Found::NOTHING];
            fake.asked = 0;
            let (rounds, outcome) = return_to_user(&mut state, &mut fake);
            assert_eq!((rounds, outcome.left), (1, Left::EMPTY));
        }
        // And a time that is far in the past, or in the future, is not taken for one
        // that is near.
        assert!(!Pause::until(5).is_active(5 + (1 << 31), PAUSE));
        assert!(!Pause::until(5 + PAUSE).is_active(4, PAUSE));
    }

    #[test]
    fn softirqs_run_once() {
        let mut fake = Fake::new(&[SOFTIRQ]);
        let (rounds, outcome) = return_to_user(&mut with(ALL), &mut fake);

        assert_eq!(rounds, 1);
        assert_eq!(outcome.left, Left::SOFTIRQ | Left::GAVE_UP);
        // Those of a later round are left, and not tried in vain.
        let mut fake = Fake::with_peers(&[SCHED, SOFTIRQ], Peers::Kthreads);
        let (rounds, outcome) = return_to_user(&mut with(ALL), &mut fake);
        assert_eq!((rounds, outcome.left), (1, Left::SOFTIRQ));
    }

    #[test]
    fn real_time_threads_run_nothing_for_others() {
        const FOUND: [Found; 1] = [left(Left::TICK_SCHED.union(Left::SOFTIRQ))];
        let mut fake = Fake::with_peers(&FOUND, Peers::Kthreads);

        fake.class = Class::RealTime;
        let (rounds, outcome) = return_to_user(&mut with(ALL), &mut fake);
        assert_eq!((rounds, outcome.left), (0, FOUND[0].left));
        // A thread whose slice was extended does not give it away either.
        fake.class = Class::Granted;
        fake.found = &[SCHED];
        let (rounds, outcome) = return_to_user(&mut with(ALL), &mut fake);
        assert_eq!((rounds, outcome.left), (0, Left::TICK_SCHED));
    }

    #[test]
    fn an_interrupt_that_is_due_is_taken_and_not_shown() {
        let mut fake = Fake::new(&[DUE, Found::NOTHING]);
        let (rounds, outcome) = return_to_user(&mut with(ALL), &mut fake);

        assert_eq!((rounds, outcome.left), (1, Left::EMPTY));
        // One that does not happen is a timer, to user space.
        let mut fake = Fake::new(&[DUE]);
        let (rounds, outcome) = return_to_user(&mut with(ALL), &mut fake);
        assert_eq!((rounds, outcome.left), (ROUNDS, Left::HRTIMER));
    }

    #[test]
    fn cpu_timers_are_looked_at_once() {
        const FOUND: [Found; 1] = [left(Left::TICK_POSIX_TIMER.union(Left::TICK_IRQ_WORK))];
        let mut fake = Fake::new(&FOUND);
        let (rounds, _) = return_to_user(&mut with(ALL), &mut fake);

        assert_eq!(rounds, ROUNDS);
        assert_eq!(fake.count(Call::CpuTimers), 1);
        // Not without need.
        let mut fake = Fake::new(&[SOFTIRQ, Found::NOTHING]);
        let (rounds, _) = return_to_user(&mut with(ALL), &mut fake);
        assert_eq!((rounds, fake.count(Call::CpuTimers)), (1, 0));
    }
}
