// SPDX-License-Identifier: GPL-2.0

//! Random sequences of calls against a reference model.

use crate::{
    mask::{
        Mask,
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
use proptest::prelude::*;

type Outcome = Result<u32, Refusal>;

/// The rules once more, as short as they can be said: `s` is `(features,
/// quiesce)` of the thread, `sup` the same of the kernel.
fn model(s: &mut (u32, u32), sup: (u32, u32), option: u32, a: [usize; 4]) -> Outcome {
    let (f, q) = (sup.0 as usize, sup.1 as usize);
    match (option, a) {
        // Nothing is left, as nothing ran.
        (82, [cmd @ 1..=5, 0, 0, 0]) => Ok([sup.0, s.0, sup.1, s.1, 0][cmd - 1]),
        (84, [m, 0, 0, 0]) | (83, [2, m, 0, 0]) if m & !f == 0 && (m & 1 == 0 || s.1 != 0) => {
            s.0 = m as u32;
            Ok(0)
        }
        (83, [4, m, 0, 0]) if m & !q == 0 && s.0 & 1 != 0 => Err(Refusal::Busy),
        (83, [4, m, 0, 0]) if m & !q == 0 => {
            s.1 = m as u32;
            Ok(0)
        }
        _ => Err(Refusal::Invalid),
    }
}

fn call(state: &mut State, supported: Supported, option: u32, args: [usize; 4]) -> Outcome {
    let operation = Operation::from_option(option).ok_or(Refusal::Invalid)?;
    match answer(*state, supported, operation, args)? {
        Answer::Value(value) => Ok(value),
        Answer::Change(new) => {
            *state = new;
            Ok(0)
        }
    }
}

fn argument() -> impl Strategy<Value = usize> {
    prop_oneof![
        6 => 0..9_usize,
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
        sup in (0..4_u32, 0..8_u32),
        calls in prop::collection::vec((81..86_u32, arguments()), 1..64),
    ) {
        let supported = Supported {
            features: Mask::from_bits(sup.0),
            quiesce: Mask::from_bits(sup.1),
        };
        let mut state = State::INITIAL;
        let mut reference = (0, 0);

        for (option, args) in calls {
            let before = state;
            let expected = model(&mut reference, sup, option, args);
            let got = call(&mut state, supported, option, args);

            prop_assert_eq!(got, expected, "prctl({}, {:?})", option, args);
            prop_assert_eq!((state.features().bits(), state.quiesce().bits()), reference);
            if got.is_err() || option == 82 {
                prop_assert_eq!(state, before);
            }
            // Never active with nothing to do.
            prop_assert!(!state.quiesces_on_uret() || !state.quiesce().is_empty());
        }
    }
}

#[test]
fn the_strategy_reaches_every_outcome() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};

    let mut runner = TestRunner::deterministic();
    let mut seen = [0_u32; 4];
    let mut state = (0, 0);

    for _ in 0..20_000 {
        let option = (81..86_u32).new_tree(&mut runner).unwrap().current();
        let args = arguments().new_tree(&mut runner).unwrap().current();
        seen[match model(&mut state, (3, 7), option, args) {
            Ok(0) => 0,
            Ok(_) => 1,
            Err(Refusal::Invalid) => 2,
            Err(Refusal::Busy) => 3,
        }] += 1;
    }
    assert!(seen.iter().all(|n| *n > 20), "{seen:?}");
}
