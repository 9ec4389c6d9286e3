// SPDX-License-Identifier: GPL-2.0

//! The protocol, and what it is without each of its parts.

use super::*;

/// A PENDING of somebody else is relied upon.
fn shortcut(word: &State) -> bool {
    word.load() == USER | PENDING || defer(word)
}

/// A load and a store.
fn plain_flusher(word: &State) -> bool {
    let state = word.load();

    if state & USER != 0 {
        word.0.store(state | PENDING, SeqCst);
    }
    state & USER != 0
}

/// Broken hooks.
impl Cpu {
    fn exit_without_flush(&self) {
        if self.fetch_sub(USER) & PENDING != 0 {
            self.state().store(0, Relaxed);
        }
    }

    fn exit_clearing_first(&self) {
        let old = self.state().swap(0, SeqCst);

        self.point();
        if old & PENDING != 0 {
            self.flush();
        }
    }

    fn exit_plain(&self) {
        let old = self.state().load(SeqCst);

        self.state().store(old & !USER, SeqCst);
        if old & PENDING != 0 {
            self.flush();
            self.state().store(0, Relaxed);
        }
    }

    fn exit_flushing_first(&self) {
        if self.state().load(SeqCst) & PENDING != 0 {
            self.flush();
        }
        self.state().swap(0, SeqCst);
    }

    fn nmi_ignores(&self) -> bool {
        false
    }

    fn nmi_keeps_user(&self) -> bool {
        if self.state().load(Relaxed) & PENDING != 0 {
            self.flush();
        }
        false
    }

    fn nmi_clears(&self) -> bool {
        let old = self.state().load(Relaxed);

        if old & USER == 0 {
            self.state().store(0, Relaxed);
            return false;
        }
        self.nmi_enter_slow()
    }

    fn nmi_always_restores(&self) -> bool {
        self.nmi_enter();
        true
    }
}

#[test]
fn nobody_uses_what_was_there_before() {
    assert!(!SETUP.goes_wrong());
    let twice = Setup {
        round_trips: 2,
        ..SETUP
    };
    assert!(!twice.goes_wrong());
}

#[test]
fn nor_with_two_flushers() {
    let two = Setup {
        flushers: 2,
        ..SETUP
    };
    // With NMIs it would take minutes, and the Promela model does.
    assert!(!two.explore(&[]).0);
}

#[test]
fn nor_if_something_like_an_nmi_comes_in_an_nmi() {
    for first in 0..12 {
        for second in first + 1..first + 6 {
            assert!(!SETUP.explore(&[first, second]).0, "{first}, {second}");
        }
    }
}

#[test]
fn each_step_of_the_entry_is_needed() {
    for (what, user_exit) in [
        ("the flush", Cpu::exit_without_flush as fn(&Cpu)),
        (
            "the flush before PENDING is cleared",
            Cpu::exit_clearing_first,
        ),
        ("the atomic operation", Cpu::exit_plain),
        ("to leave user mode first", Cpu::exit_flushing_first),
    ] {
        let broken = Setup {
            hooks: Hooks { user_exit, ..HOOKS },
            ..SETUP
        };
        assert!(broken.goes_wrong(), "without {what}");
    }
}

#[test]
fn each_step_of_an_nmi_is_needed() {
    for (what, nmi_enter) in [
        ("a look at the word", Cpu::nmi_ignores as fn(&Cpu) -> bool),
        ("leaving user mode", Cpu::nmi_keeps_user),
        ("a flush for itself", Cpu::nmi_clears),
        ("knowing where it came from", Cpu::nmi_always_restores),
    ] {
        let broken = Setup {
            hooks: Hooks { nmi_enter, ..HOOKS },
            ..SETUP
        };
        assert!(broken.goes_wrong(), "without {what}");
    }
}

#[test]
fn each_flusher_needs_an_operation_of_its_own() {
    let broken = Setup {
        defer: plain_flusher,
        ..SETUP
    };
    assert!(broken.goes_wrong());
    let broken = Setup {
        defer: shortcut,
        flushers: 2,
        ..SETUP
    };
    assert!(broken.goes_wrong());
}
