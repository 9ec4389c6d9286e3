// SPDX-License-Identifier: GPL-2.0

//! What is safe, and what is not.
//!
//! Without a bound on preemptions, unless it is given.

use super::*;

fn exit(user_exit: fn(&Cpu)) -> Setup {
    let hooks = Hooks { user_exit, ..HOOKS };

    Setup { hooks, ..SETUP }
}

fn nmi(nmi_enter: fn(&Cpu) -> bool) -> Setup {
    let hooks = Hooks { nmi_enter, ..HOOKS };

    Setup { hooks, ..SETUP }
}

#[test]
fn one_flusher_is_safe() {
    let setup = Setup {
        round_trips: 2,
        ..SETUP
    };

    assert!(!setup.goes_wrong());
}

#[test]
fn two_flushers_are_safe() {
    let setup = Setup {
        flushers: 2,
        ..SETUP
    };

    assert!(!setup.explore(&[]).0);
    // Too much for a test with NMIs and without a bound.
    assert!(!Setup {
        preemptions: Some(3),
        ..setup
    }
    .goes_wrong());
}

#[test]
fn two_flushers_and_two_round_trips_are_safe() {
    let setup = Setup {
        flushers: 2,
        round_trips: 2,
        // As above.
        preemptions: Some(2),
        ..SETUP
    };

    assert!(!setup.goes_wrong());
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
fn what_is_pending_for_others_is_not_enough() {
    let setup = Setup {
        defer: broken::shortcut,
        ..SETUP
    };

    assert!(!setup.goes_wrong());
    assert!(Setup {
        flushers: 2,
        ..setup
    }
    .goes_wrong());
    // It is about the ordering.
    assert!(!Setup {
        defer: broken::shortcut_with_barrier,
        flushers: 2,
        preemptions: Some(3),
        ..setup
    }
    .goes_wrong());
}

#[test]
fn pending_is_set_in_one_step() {
    let setup = Setup {
        defer: broken::load_and_store,
        ..SETUP
    };

    assert!(setup.explore(&[]).0);
}

#[test]
fn user_is_cleared_in_one_step() {
    assert!(exit(broken::exit_loads_and_stores).explore(&[]).0);
}

#[test]
fn what_is_pending_is_flushed() {
    assert!(exit(broken::exit_does_not_flush).explore(&[]).0);
}

#[test]
fn pending_is_cleared_after_the_flush() {
    let setup = exit(broken::exit_clears_first);

    // Only an NMI can tell.
    assert!(!setup.explore(&[]).0);
    assert!(setup.goes_wrong());
}

#[test]
fn user_is_cleared_before_the_flush() {
    let setup = Setup {
        defer: broken::look,
        ..exit(broken::exit_flushes_first)
    };

    assert!(setup.explore(&[]).0);
    // With that flusher it is the order that matters.
    assert!(
        !Setup {
            defer: broken::look,
            ..exit(broken::exit_flushes_always)
        }
        .explore(&[])
        .0
    );
}

#[test]
fn an_nmi_looks_at_the_word() {
    let setup = nmi(broken::nmi_does_not_look);

    assert!(!setup.explore(&[]).0);
    assert!(setup.goes_wrong());
}

#[test]
fn an_nmi_clears_user() {
    let setup = nmi(broken::nmi_keeps_user);

    assert!(!setup.explore(&[]).0);
    assert!(setup.goes_wrong());
}

#[test]
fn an_nmi_flushes_what_others_have_not_yet() {
    let setup = nmi(broken::nmi_flushes_for_itself_only);

    assert!(!setup.explore(&[]).0);
    assert!(setup.goes_wrong());
}

#[test]
fn an_nmi_goes_back_to_where_it_came_from() {
    let setup = nmi(broken::nmi_forgets_where_it_came_from);

    assert!(!setup.explore(&[]).0);
    assert!(setup.goes_wrong());
}

#[test]
fn an_nmi_may_clear_pending() {
    let setup = nmi(broken::nmi_clears_for_others);

    assert!(!setup.goes_wrong());
}
