// SPDX-License-Identifier: GPL-2.0

//! Sides of the protocol that are broken, in one way each.

use super::*;

/// Takes somebody else's PENDING for one's own.
pub(super) fn shortcut(state: &State, kind: Kind) -> bool {
    let now = DeferWord::load(state);

    now & kind.user() != 0 && (now & kind.pending() != 0 || defer(state, kind))
}

/// Two steps, for what has to be one.
pub(super) fn load_and_store(state: &State, kind: Kind) -> bool {
    let now = DeferWord::load(state);

    if now & kind.user() == 0 {
        return false;
    }
    fence(SeqCst);
    state.0.store(now | kind.pending(), SeqCst);
    true
}

/// The same after a barrier, which is not broken.
pub(super) fn shortcut_with_barrier(state: &State, kind: Kind) -> bool {
    fence(SeqCst);
    shortcut(state, kind)
}

/// Only looks, which is all that is to do if each entry does all the work.
pub(super) fn look(state: &State, kind: Kind) -> bool {
    fence(SeqCst);
    DeferWord::load(state) & kind.user() != 0
}

/// Takes any kind that the CPU takes part in for this one.
pub(super) fn any_kind(state: &State, kind: Kind) -> bool {
    let now = DeferWord::load(state);

    now & USER != 0 && DeferWord::cmpxchg(state, now, now | kind.pending()).is_ok()
}

/// Leaves out one of the kinds.
pub(super) fn no_sync(cpu: &Cpu, old: i32) {
    cpu.work(old & Kind::Tlb.pending());
}

pub(super) fn exit_clears_first(cpu: &Cpu) {
    let old = cpu.state().swap(0, SeqCst);

    fence(SeqCst);
    cpu.point();
    if old & PENDING != 0 {
        cpu.work(old);
    }
}

pub(super) fn exit_does_nothing(cpu: &Cpu) {
    cpu.fetch_sub(cpu.user);
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
        cpu.work(old);
        cpu.point();
        cpu.state().store(0, Relaxed);
    }
}

/// As the write of CR3 by page table isolation, which serializes and comes before.
pub(super) fn exit_works_first(cpu: &Cpu) {
    cpu.work(PENDING);
    cpu.point();
    cpu.state().store(0, SeqCst);
    fence(SeqCst);
}

/// The other way round: no promise any more, then all the work, pending or not.
pub(super) fn exit_works_always(cpu: &Cpu) {
    cpu.state().store(0, Relaxed);
    cpu.work(PENDING);
}

pub(super) fn nmi_does_not_look(_: &Cpu) -> i32 {
    0
}

pub(super) fn nmi_keeps_user(cpu: &Cpu) -> i32 {
    cpu.work(cpu.state().load(SeqCst));
    0
}

/// Leaves the work to what it interrupted.
pub(super) fn nmi_works_in_user_mode_only(cpu: &Cpu) -> i32 {
    if cpu.state().load(Relaxed) & USER == 0 {
        return 0;
    }
    cpu.nmi_enter()
}

/// As if each NMI came from user mode.
pub(super) fn nmi_forgets_where_it_came_from(cpu: &Cpu) -> i32 {
    cpu.nmi_enter();
    cpu.user
}

/// Not broken: without USER it stays as it is, and the work is done twice.
pub(super) fn nmi_clears_for_others(cpu: &Cpu) -> i32 {
    let old = cpu.state().load(Relaxed);
    let user = cpu.nmi_enter();

    cpu.point();
    if old & PENDING != 0 {
        cpu.state().store(0, Relaxed);
    }
    user
}
