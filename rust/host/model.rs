// SPDX-License-Identifier: GPL-2.0

//! Random sequences of calls against a reference model.

use crate::{
    policy::{
        left::Left,
        mask::{
            Mask,
            Quiesce, //
        },
        quiesce::{
            run,
            ROUNDS, //
        },
        request::{
            answer,
            Answer,
            Operation, //
        },
        state::{
            Pause,
            State,
            Supported, //
        },
        subsystems::{
            fake::{
                Call,
                Fake, //
            },
            Class,
            Done,
            Found,
            Peers,
            Work, //
        },
        Refusal, //
    },
    uapi::*, //
};
use proptest::prelude::*;

type Outcome = Result<u32, Refusal>;

/// All classes of the user ABI. The policy has no use for the name of any.
const CLASSES: [u32; 7] = [
    ISOL_BLOCK_HOTPLUG,
    ISOL_BLOCK_STOP_MACHINE,
    ISOL_BLOCK_CPU_ACCESS,
    ISOL_BLOCK_CPUSET,
    ISOL_BLOCK_MODULE,
    ISOL_BLOCK_TRACE,
    ISOL_BLOCK_KNOB,
];

/// The class that is refused, if a thread claims it.
const REFUSED: u32 = ISOL_BLOCK_STOP_MACHINE;

/// Features, quiesce actions and classes to block.
type Masks = (u32, u32, u32);

/// The rules once more, as short as they can be said: `s` is what the thread has,
/// `sup` what the kernel supports.
fn model(s: &mut Masks, sup: Masks, option: u32, a: [usize; 4]) -> Outcome {
    // PR_ISOL_ENABLE sets the features.
    let (option, a) = match (option, a) {
        (PR_ISOL_ENABLE, [m, 0, 0, 0]) => (PR_ISOL_SET, [ISOL_FEATURES as usize, m, 0, 0]),
        (PR_ISOL_ENABLE, _) => return Err(Refusal::Invalid),
        other => other,
    };
    let (f, q, b) = (sup.0 as usize, sup.1 as usize, sup.2 as usize);
    let (uret, claim) = (ISOL_F_QUIESCE_ON_URET, ISOL_F_BLOCK_INTERRUPTORS);
    let lacks = |m: usize, feature: u32, of: u32| m & feature as usize != 0 && of == 0;
    let [command @ 0..=0xff, m, 0, 0] = a else {
        return Err(Refusal::Invalid);
    };
    match (option, command as u32, m) {
        (PR_ISOL_GET, ISOL_SUP_FEATURES, 0) => Ok(sup.0),
        (PR_ISOL_GET, ISOL_FEATURES, 0) => Ok(s.0),
        (PR_ISOL_GET, PR_ISOL_SUP_QUIESCE_CFG, 0) => Ok(sup.1),
        (PR_ISOL_GET, PR_ISOL_QUIESCE_CFG, 0) => Ok(s.1),
        // Nothing is left, as nothing ran.
        (PR_ISOL_GET, PR_ISOL_QUIESCE_LEFT, 0) => Ok(0),
        (PR_ISOL_GET, PR_ISOL_SUP_BLOCK_CFG, 0) => Ok(sup.2),
        (PR_ISOL_GET, PR_ISOL_BLOCK_CFG, 0) => Ok(s.2),
        (PR_ISOL_GET, PR_ISOL_BLOCK_LEFT, 0) if s.0 & claim != 0 => Ok(s.2 & !REFUSED),
        (PR_ISOL_GET, PR_ISOL_BLOCK_LEFT, 0) => Ok(s.2),
        (PR_ISOL_SET, ISOL_FEATURES, _)
            if m & !f == 0 && !lacks(m, uret, s.1) && !lacks(m, claim, s.2) =>
        {
            s.0 = m as u32;
            Ok(0)
        }
        (PR_ISOL_SET, PR_ISOL_QUIESCE_CFG, _) if m & !q == 0 && s.0 & uret != 0 => {
            Err(Refusal::Busy)
        }
        (PR_ISOL_SET, PR_ISOL_QUIESCE_CFG, _) if m & !q == 0 => {
            s.1 = m as u32;
            Ok(0)
        }
        (PR_ISOL_SET, PR_ISOL_BLOCK_CFG, _) if m & !b == 0 && s.0 & claim != 0 => {
            Err(Refusal::Busy)
        }
        (PR_ISOL_SET, PR_ISOL_BLOCK_CFG, _) if m & !b == 0 => {
            s.2 = m as u32;
            Ok(0)
        }
        _ => Err(Refusal::Invalid),
    }
}

fn call(state: &mut State, supported: Supported, option: u32, args: [usize; 4]) -> Outcome {
    let operation = Operation::try_from(option)?;
    match answer(*state, supported, operation, args)? {
        Answer::Value(value) => Ok(value),
        Answer::Enable(new) | Answer::Configure(new) => {
            *state = new;
            Ok(0)
        }
    }
}

fn argument() -> impl Strategy<Value = usize> {
    prop_oneof![
        6 => 0..10_usize,
        1 => (0..usize::BITS).prop_map(|bit| 1 << bit),
        1 => any::<usize>(),
    ]
}

/// Mostly calls that may succeed, some that never do.
fn arguments() -> impl Strategy<Value = [usize; 4]> {
    let unused = || prop_oneof![12 => Just(0_usize), 1 => argument()];
    (
        argument(),
        prop_oneof![1 => Just(0), 2 => argument()],
        unused(),
        unused(),
    )
        .prop_map(|(a, b, c, d)| [a, b, c, d])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn every_sequence_agrees_with_the_model(
        sup in (0..8_u32, 0..32_u32, 0..128_u32),
        calls in prop::collection::vec((PR_ISOL_GET - 1..PR_ISOL_ENABLE + 2, arguments()), 1..64),
    ) {
        let supported = Supported {
            features: Mask::from_bits_truncate(sup.0),
            quiesce: Mask::from_bits_truncate(sup.1),
            block: Mask::from_bits_truncate(sup.2),
            refused: Mask::from_bits_truncate(REFUSED),
        };
        let mut state = State::INITIAL;
        let mut reference = (0, 0, 0);

        for (option, args) in calls {
            let before = state;
            let expected = model(&mut reference, sup, option, args);
            let got = call(&mut state, supported, option, args);

            // As the kernel keeps it between two calls.
            state = State::from_stored(
                state.features(),
                state.quiesce(),
                state.left(),
                state.pause(),
            )
            .with_stored_block(state.block());
            prop_assert_eq!(got, expected, "prctl({}, {:?})", option, args);
            prop_assert_eq!(
                (state.features().bits(), state.quiesce().bits(), state.block().bits()),
                reference
            );
            if got.is_err() || option == PR_ISOL_GET {
                prop_assert_eq!(state, before);
            }
            // Never active with nothing to do.
            prop_assert!(!state.quiesces_on_uret() || !state.quiesce().is_empty());
            prop_assert!(!state.blocks() || !state.block().is_empty());
        }
    }
}

#[test]
fn the_strategy_reaches_every_outcome() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};

    let mut runner = TestRunner::deterministic();
    let mut seen = [0_u32; 4];
    let mut state = (0, 0, 0);

    for _ in 0..20_000 {
        let option = (PR_ISOL_GET - 1..PR_ISOL_ENABLE + 2)
            .new_tree(&mut runner)
            .unwrap()
            .current();
        let args = arguments().new_tree(&mut runner).unwrap().current();
        seen[match model(&mut state, (7, 31, 127), option, args) {
            Ok(0) => 0,
            Ok(_) => 1,
            Err(Refusal::Invalid) => 2,
            Err(Refusal::Busy) => 3,
        }] += 1;
    }
    assert!(seen.iter().all(|n| *n > 20), "{seen:?}");
}

/// The model counts on it, and so does [`Mask`].
#[test]
fn classes_are_one_bit_each() {
    for (bit, class) in CLASSES.iter().enumerate() {
        assert_eq!(*class, 1 << bit);
    }
}

/// What the subsystems find in a round.
fn found() -> impl Strategy<Value = Found> {
    let reason = prop::sample::select(Left::ALL);
    let left = prop::collection::vec(reason, 0..3).prop_map(|reasons| {
        reasons
            .into_iter()
            .filter(|reason| *reason != Left::GAVE_UP)
            .fold(Left::EMPTY, Left::union)
    });

    (left, prop::bool::weighted(0.1)).prop_map(|(left, due)| Found { left, due })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Any number of returns, with calls that leave and enter isolation between them.
    #[test]
    fn returns_are_bounded_and_yielding_pauses(
        start in any::<u32>(),
        returns in prop::collection::vec((
            prop::collection::vec(found(), 1..8),
            prop::sample::select(vec![Peers::None, Peers::Kthreads, Peers::Others]),
            prop::sample::select(vec![Class::Fair, Class::Granted, Class::RealTime]),
            0..60_u32,
            any::<bool>(),
        ), 1..24),
    ) {
        const PAUSE: u32 = 100;
        let supported = Supported {
            features: Mask::from_bits_truncate(1),
            quiesce: Quiesce::NOHZ_FULL,
            block: Mask::EMPTY,
            refused: Mask::EMPTY,
        };
        let on = |state: State| state.enable(supported, 1).unwrap();
        let config = Quiesce::NOHZ_FULL.bits() as usize;
        let mut state = on(State::INITIAL.configure(supported, config).unwrap());
        // When the thread last yielded in vain, counted from the start.
        let (mut time, mut in_vain) = (0, None);

        for (found, peers, class, passed, reconfigure) in returns {
            let mut fake = Fake::new(found.leak());
            time += passed;
            fake.now = start.wrapping_add(time);
            (fake.peers, fake.class) = (peers, class);
            if reconfigure {
                state = state.enable(supported, 0).unwrap();
                state = on(state.configure(supported, config).unwrap());
            }
            // As the kernel keeps it between two returns.
            state = State::from_stored(
                state.features(),
                state.quiesce(),
                state.left(),
                state.pause().end().map_or(Pause::NONE, Pause::until),
            );
            let mut softirqs = 0;
            for round in 0..=ROUNDS {
                let outcome = run(state, round, PAUSE, &mut fake);
                let yields = outcome.work.contains(Work::YIELD);

                prop_assert_eq!(outcome.done, Done::EMPTY);
                prop_assert!(!yields || peers == Peers::Kthreads && class == Class::Fair);
                prop_assert!(!yields || in_vain.is_none_or(|then| time >= then + PAUSE));
                softirqs += u32::from(outcome.work.contains(Work::SOFTIRQ));
                prop_assert!(softirqs <= u32::from(class != Class::RealTime));
                // Only a run that does not ask for work is the last of a return.
                prop_assert!(round < ROUNDS || outcome.work.is_empty());
                if outcome.pause != state.pause() {
                    prop_assert_eq!(round, ROUNDS);
                    in_vain = Some(time);
                }
                state = state.record(outcome.left, outcome.pause);
                if outcome.work.is_empty() {
                    break;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Whatever is found, and in however many rounds there is something in the batches.
    #[test]
    fn counters_are_folded_once_and_after_the_last_drain(
        actions in 1..32_u32,
        lru in prop_oneof![0..4_u32, Just(u32::MAX)],
        found in prop::collection::vec(found(), 1..8),
        peers in prop::sample::select(vec![Peers::None, Peers::Kthreads, Peers::Others]),
        class in prop::sample::select(vec![Class::Fair, Class::Granted, Class::RealTime]),
    ) {
        let supported = Supported {
            features: Mask::from_bits_truncate(1),
            quiesce: Mask::from_bits_truncate(31),
            block: Mask::EMPTY,
            refused: Mask::EMPTY,
        };
        let state = State::INITIAL.configure(supported, actions as usize).unwrap();
        let drains = state.quiesce().contains(Quiesce::LRU_DRAIN);
        let mut fake = Fake::with_peers(found.leak(), peers);
        let (mut drained, mut last) = (0, Work::LRU);

        (fake.lru, fake.class) = (lru, class);
        for round in 0..=ROUNDS {
            let outcome = run(state, round, 100, &mut fake);

            last = outcome.work;
            if outcome.work.contains(Work::LRU) {
                prop_assert!(drains);
                prop_assert_eq!(outcome.done, Done::EMPTY);
                prop_assert_eq!(fake.count(Call::Vmstat) + fake.count(Call::Deferred), 0);
                drained += 1;
            }
            if outcome.work.is_empty() {
                break;
            }
        }
        prop_assert!(last.is_empty());
        prop_assert_eq!(drained, if drains { lru.min(ROUNDS) } else { 0 });
        prop_assert_eq!(
            fake.count(Call::Vmstat) > 0,
            state.quiesce().contains(Quiesce::VMSTAT_SYNC)
        );
    }
}
