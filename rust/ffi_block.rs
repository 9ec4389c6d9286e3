// SPDX-License-Identifier: GPL-2.0

//! Claims of CPUs, and the operations that are refused for them.
//!
//! C header: [`include/linux/task_isolation_block.h`](srctree/include/linux/task_isolation_block.h).

use core::cell::Cell;

use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Full, //
    }, //
};

use crate::ffi::Current;
use crate::policy::{
    block::{
        self,
        Caller,
        Claim,
        Claimant,
        Policy,
        Unfit,
        Verdict, //
    },
    claim::{
        Counter,
        Gate, //
    },
    mask::Block,
    state::State, //
};

const ALL_CPUS: c_int = bindings::TASK_ISOL_ALL_CPUS;

impl Counter for &Atomic<i32> {
    fn inc(&self) {
        self.fetch_add(1_i32, Full);
    }

    fn dec(&self) -> bool {
        self.fetch_sub(1_i32, Full) == 1
    }

    fn is_zero(&self) -> bool {
        self.load(Acquire) == 0
    }
}

impl From<Unfit> for Error {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Denied => EPERM,
            Unfit::NotPinned => EINVAL,
        }
    }
}

/// The gate of `class`, one bit, and `cpu`, which may be [`ALL_CPUS`].
fn gate(class: Block, cpu: c_int) -> Gate<&'static Atomic<i32>> {
    // SAFETY: Callers pass a class that exists and a possible CPU. The gate lives
    // forever, and others only access it atomically.
    unsafe {
        let gate = bindings::task_isol_gate(class.bits(), cpu);

        Gate {
            in_flight: Atomic::from_ptr(&raw mut (*gate).in_flight.counter),
            claims: Atomic::from_ptr(&raw mut (*gate).claims.counter),
        }
    }
}

/// The single classes of a set.
fn each(classes: Block) -> impl Iterator<Item = Block> {
    (0..31)
        .map(|bit| Block::from_bits_truncate(1 << bit))
        .filter(move |class| classes.contains(*class))
}

fn wake() {
    // SAFETY: Always safe to call in task context.
    unsafe { bindings::task_isol_wake() };
}

/// What the administrator lets threads claim.
fn policy() -> Policy {
    let (mut refuse, mut audit) = (0, 0);

    // SAFETY: Both are valid for writes.
    unsafe { bindings::task_isol_block_policy(&mut refuse, &mut audit) };
    Policy {
        refuse: Block::from_bits_truncate(refuse),
        audit: Block::from_bits_truncate(audit),
    }
}

/// Claims the CPU that the calling thread is pinned to, as `state` says.
///
/// Called in task context with interrupts on. Sleeps until the operations have
/// ended that were under way.
///
/// # Errors
///
/// * As [`Claimant::may_claim`].
/// * `EBUSY` if another thread has claimed the CPU.
/// * `ERESTARTNOHAND` if the wait was interrupted.
///
/// Nothing has changed then.
fn claim(state: State) -> Result<c_int> {
    let classes = state.block();
    // SAFETY: Always safe to call in task context.
    let cpu = unsafe { bindings::task_isol_pinned_to() };

    Claimant {
        // SAFETY: Always safe to call in task context.
        capable: unsafe { bindings::task_isol_is_capable() },
        pinned: cpu >= 0,
    }
    .may_claim(classes, policy())?;

    // SAFETY: `cpu` is a possible CPU.
    to_result(unsafe { bindings::task_isol_own(cpu, classes.bits()) })?;
    for class in each(classes) {
        gate(class, cpu).claim();
        gate(class, ALL_CPUS).claim();
    }
    // SAFETY: The calling thread has claimed the classes on `cpu`.
    let waited = to_result(unsafe { bindings::task_isol_wait(classes.bits(), cpu) });
    // SAFETY: Always safe to call.
    let holds = unsafe { bindings::task_isol_holds(cpu) };

    if waited.is_err() || !holds {
        release(cpu, state);
    }
    waited?;
    if holds {
        Ok(cpu)
    } else {
        Err(EINVAL)
    }
}

/// Ends the claim of the calling thread.
///
/// Called in task context.
///
/// * `cpu`: What [`claim`] returned.
/// * `state`: What it was called with.
fn release(cpu: c_int, state: State) {
    for class in each(state.block()) {
        gate(class, ALL_CPUS).release();
        gate(class, cpu).release();
    }
    // SAFETY: The calling thread owns `cpu`.
    unsafe { bindings::task_isol_disown(cpu) };
}

/// The claim of the thread, which is stored apart from what each return needs.
impl Current<'_> {
    fn block(&self) -> *mut bindings::task_isol_block {
        // SAFETY: Always safe to call. By the type invariants, this value is about the
        // calling thread, which is valid while it runs this code.
        unsafe { &raw mut (*bindings::get_current()).isol_block }
    }

    /// The state of the thread, with the classes that it has configured.
    pub(crate) fn load_all(&self) -> State {
        // SAFETY: The pointer is valid, and only the thread itself writes to it.
        let cfg = unsafe { (*self.block()).cfg };

        self.load()
            .with_stored_block(Block::from_bits_truncate(cfg))
    }

    /// The CPU that the thread has claimed, if it has.
    fn cpu(&self) -> c_int {
        // SAFETY: As in `load_all()`.
        unsafe { (*self.block()).cpu }
    }

    /// Stores `cpu` and the classes of `state`.
    fn record_block(&mut self, state: State, cpu: c_int) {
        let stored = bindings::task_isol_block {
            cfg: state.block().bits(),
            cpu,
        };

        // SAFETY: As in `load_all()`.
        unsafe { *self.block() = stored };
    }

    /// Changes the state, which begins and ends claims.
    pub(crate) fn change(&mut self, old: State, new: State) -> Result {
        let cpu = if new.blocks() && !old.blocks() {
            // May fail, and nothing has changed then.
            claim(new)?
        } else {
            self.cpu()
        };

        self.store(new);
        self.record_block(new, cpu);
        if old.blocks() && !new.blocks() {
            release(cpu, old);
        }
        Ok(())
    }

    /// Clears the state.
    pub(crate) fn end(&mut self, old: State) {
        let cpu = self.cpu();

        self.store(State::INITIAL);
        self.record_block(State::INITIAL, 0);
        if old.blocks() {
            release(cpu, old);
        }
    }

    /// The classes that the thread may configure.
    pub(crate) fn may_block(&self) -> Block {
        policy().claimable()
    }

    /// The classes that are refused on behalf of the thread, if it claims any.
    pub(crate) fn refused(&self, state: State) -> Block {
        // SAFETY: Always safe to call.
        if state.blocks() && unsafe { bindings::task_isol_holds(self.cpu()) } {
            policy().refused()
        } else {
            Block::EMPTY
        }
    }
}

/// Decides about an operation of `class`: the claim that decides, and its CPU.
fn judge(class: Block, target: c_int, policy: Policy) -> (Verdict, c_int) {
    // SAFETY: Always safe to call in task context.
    let caller = unsafe {
        Caller {
            kernel: bindings::task_isol_is_kthread(),
            running: bindings::task_isol_is_running(),
        }
    };
    let mut decision = (Verdict::Pass, target);
    let mut cpu = if target == ALL_CPUS { 0 } else { target };

    loop {
        let mut claim = bindings::task_isol_claim::default();

        // SAFETY: `claim` is valid for writes.
        cpu = unsafe { bindings::task_isol_next_claim(cpu, class.bits(), &mut claim) };
        if target != ALL_CPUS && cpu != target || claim.classes == 0 {
            return decision;
        }
        let claim = Claim {
            classes: Block::from_bits_truncate(claim.classes),
            in_force: claim.in_force,
            own: claim.own,
        };
        match block::judge(class, claim, caller, policy) {
            Verdict::Refuse => return (Verdict::Refuse, cpu),
            Verdict::Report => decision = (Verdict::Report, cpu),
            Verdict::Pass => {}
        }
        cpu += 1;
    }
}

/// Begins an operation that interrupts a CPU, or all.
///
/// Called in task context. Takes no lock and does not sleep.
///
/// * `class`: `ISOL_BLOCK_*`, one bit.
/// * `cpu`: A possible CPU, or `TASK_ISOL_ALL_CPUS`.
///
/// Returns 0, and [`task_isol_end`] has to follow, or `-EBUSY`.
///
/// # Safety
///
/// `class` must be one of `TASK_ISOL_BLOCK_CLASSES`, and `cpu` as above.
#[export]
pub unsafe extern "C" fn task_isol_begin(class: u32, cpu: c_int) -> c_int {
    let bit = Block::from_bits_truncate(class);
    let last = Cell::new((Verdict::Pass, cpu));
    let blocked = || {
        last.set(judge(bit, cpu, policy()));
        last.get().0 == Verdict::Refuse
    };
    let passed = gate(bit, cpu).begin(blocked, wake);

    let (verdict, claimed) = last.get();
    if verdict != Verdict::Pass {
        // SAFETY: `claimed` is a possible CPU.
        unsafe { bindings::task_isol_report(class, claimed, !passed) };
    }
    if passed {
        0
    } else {
        EBUSY.to_errno()
    }
}

/// Ends an operation that [`task_isol_begin`] let pass.
///
/// Called in task context.
///
/// # Safety
///
/// The arguments must be those of [`task_isol_begin`].
#[export]
pub unsafe extern "C" fn task_isol_end(class: u32, cpu: c_int) {
    gate(Block::from_bits_truncate(class), cpu).end(wake);
}

/// Whether the operations have ended that are refused from now on.
///
/// Called in task context, by a claimant that waits. Operations that are only
/// audited would keep it waiting.
///
/// # Safety
///
/// `classes` must be classes that exist, and `cpu` a possible CPU.
#[export]
pub unsafe extern "C" fn task_isol_drained(classes: u32, cpu: c_int) -> bool {
    each(Block::from_bits_truncate(classes))
        .filter(|class| policy().refused().contains(*class))
        .all(|class| gate(class, cpu).is_drained() && gate(class, ALL_CPUS).is_drained())
}
