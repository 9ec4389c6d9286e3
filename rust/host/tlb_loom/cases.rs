// SPDX-License-Identifier: GPL-2.0

//! What is safe, and what is not: for translations and for text alike, and for both.
//!
//! Without a bound on preemptions, unless it is given.

use super::*;

/// One setup for each kind. Text is changed in steps: nobody relies on what was there
/// before the last one that is over.
const KINDS: [Setup; 2] = [
    SETUP,
    Setup {
        user: Kind::Text.user(),
        writers: &[Kind::Text],
        steps: 2,
        ..SETUP
    },
];

const fn two_writers(setup: Setup) -> Setup {
    Setup {
        writers: if setup.user == Kind::Tlb.user() {
            &[Kind::Tlb, Kind::Tlb]
        } else {
            &[Kind::Text, Kind::Text]
        },
        // Too much otherwise
        steps: 1,
        ..setup
    }
}

const BOTH: Setup = Setup {
    user: USER,
    writers: &[Kind::Tlb, Kind::Text],
    ..SETUP
};

fn exit(setup: Setup, user_exit: fn(&Cpu)) -> Setup {
    let hooks = Hooks { user_exit, ..HOOKS };

    Setup { hooks, ..setup }
}

fn nmi(setup: Setup, nmi_enter: fn(&Cpu) -> i32) -> Setup {
    let hooks = Hooks { nmi_enter, ..HOOKS };

    Setup { hooks, ..setup }
}

#[test]
fn one_writer_is_safe() {
    for setup in KINDS {
        let setup = Setup {
            round_trips: 2,
            // With all steps and two round trips it is too much without a bound.
            preemptions: (setup.steps > 1).then_some(3),
            ..setup
        };

        assert!(!setup.goes_wrong());
    }
}

#[test]
fn two_writers_are_safe() {
    for setup in KINDS {
        let setup = two_writers(setup);

        assert!(!setup.explore(&[]).0);
        // Too much for a test with NMIs and without a bound. With one step, the bits
        // are all that is different for text.
        assert!(!Setup {
            preemptions: Some(if setup.user == Kind::Tlb.user() { 3 } else { 2 }),
            ..setup
        }
        .goes_wrong());
    }
}

#[test]
fn two_writers_and_two_round_trips_are_safe() {
    // Long, and the same for both kinds.
    let setup = Setup {
        round_trips: 2,
        // As above.
        preemptions: Some(2),
        ..two_writers(SETUP)
    };

    assert!(!setup.goes_wrong());
}

#[test]
fn two_kinds_are_safe() {
    assert!(!BOTH.explore(&[]).0);
    assert!(!Setup {
        preemptions: Some(3),
        ..BOTH
    }
    .goes_wrong());
    // A thread that wants one of them only: the other kind interrupts.
    for user in [Kind::Tlb.user(), Kind::Text.user()] {
        assert!(!Setup {
            user,
            preemptions: Some(3),
            ..BOTH
        }
        .goes_wrong());
    }
}

#[test]
fn two_nmis_are_safe() {
    let mut nested = 0;

    for first in 0.. {
        if !SETUP.explore(&[first]).1 {
            break;
        }
        for second in first + 1.. {
            let (stale, reached) = SETUP.explore(&[first, second]);

            assert!(!stale, "NMIs at {first} and {second}");
            if !reached {
                break;
            }
            nested += 1;
        }
    }
    assert!(nested > 50, "only {nested} pairs");
}

#[test]
fn each_kind_is_done() {
    let hooks = Hooks {
        work: broken::no_sync,
        ..HOOKS
    };

    for setup in [KINDS[1], BOTH] {
        assert!(Setup { hooks, ..setup }.explore(&[]).0);
    }
    // Nothing is wrong with flushes.
    assert!(!Setup { hooks, ..SETUP }.goes_wrong());
}

#[test]
fn each_kind_is_asked_for() {
    for user in [Kind::Tlb.user(), Kind::Text.user()] {
        let setup = Setup {
            user,
            defer: broken::any_kind,
            ..BOTH
        };

        // It is pending, and is done: but who asks cannot know that it will be.
        assert!(!setup.explore(&[]).0);
        let hooks = Hooks {
            work: |cpu, old| cpu.work(old & (cpu.user << 1)),
            ..HOOKS
        };
        assert!(Setup { hooks, ..setup }.explore(&[]).0);
    }
}

#[test]
fn what_is_pending_for_others_is_not_enough() {
    for setup in KINDS {
        let setup = Setup {
            defer: broken::shortcut,
            ..setup
        };

        // With more steps than one, what is pending is one's own.
        assert_eq!(setup.goes_wrong(), setup.steps > 1);
        assert!(two_writers(setup).goes_wrong());
        // It is about the ordering.
        assert!(!Setup {
            defer: broken::shortcut_with_barrier,
            preemptions: Some(3),
            ..two_writers(setup)
        }
        .goes_wrong());
    }
}

#[test]
fn pending_is_set_in_one_step() {
    for setup in KINDS {
        let setup = Setup {
            defer: broken::load_and_store,
            ..setup
        };

        assert!(setup.explore(&[]).0);
    }
}

#[test]
fn user_is_cleared_in_one_step() {
    for setup in KINDS {
        assert!(exit(setup, broken::exit_loads_and_stores).explore(&[]).0);
    }
}

#[test]
fn what_is_pending_is_done() {
    for setup in KINDS {
        assert!(exit(setup, broken::exit_does_nothing).explore(&[]).0);
    }
}

#[test]
fn pending_is_cleared_after_the_work() {
    for setup in KINDS {
        let setup = exit(setup, broken::exit_clears_first);

        // Only an NMI can tell.
        assert!(!setup.explore(&[]).0);
        assert!(setup.goes_wrong());
    }
}

#[test]
fn user_is_cleared_before_the_work() {
    for setup in KINDS {
        let first = Setup {
            defer: broken::look,
            ..exit(setup, broken::exit_works_first)
        };

        assert!(first.explore(&[]).0);
        // It is not better with the kernel's own other side.
        assert!(exit(setup, broken::exit_works_first).explore(&[]).0);
        // With that other side it is the order that matters.
        assert!(
            !Setup {
                defer: broken::look,
                ..exit(setup, broken::exit_works_always)
            }
            .explore(&[])
            .0
        );
    }
}

#[test]
fn an_nmi_looks_at_the_word() {
    for setup in KINDS {
        let setup = nmi(setup, broken::nmi_does_not_look);

        assert!(!setup.explore(&[]).0);
        assert!(setup.goes_wrong());
    }
}

#[test]
fn an_nmi_clears_user() {
    for setup in KINDS {
        let setup = nmi(setup, broken::nmi_keeps_user);

        assert!(!setup.explore(&[]).0);
        assert!(setup.goes_wrong());
    }
}

#[test]
fn an_nmi_does_what_others_have_not_yet() {
    for setup in KINDS {
        let setup = nmi(setup, broken::nmi_works_in_user_mode_only);

        assert!(!setup.explore(&[]).0);
        assert!(setup.goes_wrong());
    }
}

#[test]
fn an_nmi_goes_back_to_where_it_came_from() {
    for setup in KINDS {
        let setup = nmi(setup, broken::nmi_forgets_where_it_came_from);

        assert!(!setup.explore(&[]).0);
        assert!(setup.goes_wrong());
    }
}

#[test]
fn an_nmi_may_clear_pending() {
    for setup in KINDS {
        let setup = nmi(setup, broken::nmi_clears_for_others);

        assert!(!setup.goes_wrong());
    }
}
