// SPDX-License-Identifier: GPL-2.0

//! Sides of the protocol that are broken, in one way each.

use super::*;

/// Takes somebody else's PENDING for one's own.
pub(super) fn shortcut(state: &State) -> bool {
    let now = DeferWord::load(state);

    now & USER != 0 && (now & PENDING != 0 || defer(state))
}

/// Two steps, for what has to be one.
pub(super) fn load_and_store(state: &State) -> bool {
    let now = DeferWord::load(state);

    if now & USER == 0 {
        return false;
    }
    fence(SeqCst);
    state.0.store(now | PENDING, SeqCst);
    true
}

/// The same after a barrier, which is not broken.
pub(super) fn shortcut_with_barrier(state: &State) -> bool {
    fence(SeqCst);
    shortcut(state)
}

/// Only looks, which is all that is to do if each entry flushes.
pub(super) fn look(state: &State) -> bool {
    fence(SeqCst);
    DeferWord::load(state) & USER != 0
}

pub(super) fn exit_clears_first(cpu: &Cpu) {
    let old = cpu.state().swap(0, SeqCst);

    fence(SeqCst);
    cpu.point();
    if old & PENDING != 0 {
        cpu.flush();
    }
}

pub(super) fn exit_does_not_flush(cpu: &Cpu) {
    cpu.fetch_sub(USER);
    cpu.point();
    cpu.state().store(0, Relaxed);
}

pub(super) fn exit_loads_and_stores(cpu: &Cpu) {
    let old = cpu.state().load(SeqCst);

    cpu.point();
    cpu.state().store(old & !USER, SeqCst);
    fence(SeqCst);
    cpu.point();
    if old & PENDING != 0 {
        cpu.flush();
        cpu.point();
        cpu.state().store(0, Relaxed);
    }
}

pub(super) fn exit_flushes_first(cpu: &Cpu) {
    cpu.flush();
    cpu.point();
    cpu.state().store(0, SeqCst);
    fence(SeqCst);
}

/// The other way round: no promise any more, then an unconditional flush.
pub(super) fn exit_flushes_always(cpu: &Cpu) {
    cpu.state().store(0, Relaxed);
    cpu.flush();
}

pub(super) fn nmi_does_not_look(_: &Cpu) -> bool {
    false
}

pub(super) fn nmi_keeps_user(cpu: &Cpu) -> bool {
    if cpu.state().load(SeqCst) & PENDING != 0 {
        cpu.flush();
    }
    false
}

/// Leaves the flush to what it interrupted.
pub(super) fn nmi_flushes_for_itself_only(cpu: &Cpu) -> bool {
    cpu.state().load(Relaxed) & USER != 0 && cpu.nmi_enter()
}

/// As if each NMI came from user mode.
pub(super) fn nmi_forgets_where_it_came_from(cpu: &Cpu) -> bool {
    cpu.nmi_enter();
    true
}

/// Not broken: without USER it stays as it is, and is flushed twice.
pub(super) fn nmi_clears_for_others(cpu: &Cpu) -> bool {
    let old = cpu.state().load(Relaxed);
    let user = cpu.nmi_enter();

    cpu.point();
    if old & PENDING != 0 {
        cpu.state().store(0, Relaxed);
    }
    user
}
