// SPDX-License-Identifier: GPL-2.0

//! Deferred work, TLB flushes and text patching, in all interleavings of up to three
//! CPUs.
//!
//! The side of the CPUs that want the work done is the kernel's own code. The side of
//! the CPU that is to do it is transcribed from C. `transcribed.c` beside this file
//! is the C that was transcribed, and `make check` compares it with the patches.
//!
//! loom models the memory model of C11, not that of the kernel: no load sees a
//! store that comes later, so that nothing here depends on the RELEASE on the way
//! to user mode. The Promela and litmus models in `Documentation/models/` look at x86 and at
//! the kernel's memory model.

mod broken;
mod cases;

use crate::policy::tlb::{
    defer,
    DeferWord,
    Kind, //
};
use loom::{
    model::Builder,
    sync::atomic::{
        fence,
        AtomicI32,
        Ordering::{
            Acquire,
            Relaxed,
            Release,
            SeqCst, //
        }, //
    },
    thread, //
};
use std::{
    cell::Cell,
    panic::{
        catch_unwind,
        resume_unwind,
        AssertUnwindSafe, //
    },
    sync::{
        atomic::{
            AtomicBool,
            Ordering, //
        },
        Arc, //
    }, //
};

/// What a page table entry or a TLB has for an address, and memory or a CPU that has
/// fetched it for an instruction. The versions that follow count up.
const OLD: i32 = 0;

/// Of all kinds
const USER: i32 = Kind::Tlb.user() | Kind::Text.user();
const PENDING: i32 = Kind::Tlb.pending() | Kind::Text.pending();

/// `user_defer.state`
struct State(AtomicI32);

impl DeferWord for State {
    fn load(&self) -> i32 {
        self.0.load(Relaxed)
    }

    fn cmpxchg(&self, old: i32, new: i32) -> Result<(), i32> {
        self.0.compare_exchange(old, new, SeqCst, Relaxed)?;
        // loom takes SeqCst for AcqRel, except for fences.
        fence(SeqCst);
        Ok(())
    }
}

/// An address that some CPU changes: takes it away and uses it again, or patches the
/// text there. For text the TLB below stands for what the CPU has fetched.
struct Address {
    kind: Kind,
    memory: AtomicI32,
    ipi: AtomicI32,
    /// The version that must be seen by now.
    relied_on: AtomicI32,
}

/// What the CPUs share.
struct Memory {
    state: State,
    addresses: Vec<Address>,
}

impl Memory {
    fn new(user: i32, writers: &[Kind]) -> Self {
        let address = |kind: &Kind| Address {
            kind: *kind,
            memory: AtomicI32::new(OLD),
            ipi: AtomicI32::new(0),
            relied_on: AtomicI32::new(OLD),
        };

        Self {
            state: State(AtomicI32::new(user)),
            addresses: writers.iter().map(address).collect(),
        }
    }
}

/// The CPU that changes something, in one or more steps.
///
/// Does not wait for the IPI to be answered. It could go on when the other CPU
/// answers and not before, and that one takes note of it: see [`Cpu::interrupt`]. The
/// steps that would follow then begin in the kernel, as those of a next change do.
fn writer(address: &Address, state: &State, steps: i32, defer: fn(&State, Kind) -> bool) {
    for step in 1..=steps {
        address.memory.store(step, Relaxed);
        if !defer(state, address.kind) {
            address.ipi.store(step, Release);
            return;
        }
        address.relied_on.store(step, Relaxed);
    }
}

/// The hooks of the CPU that is to do the work, to have broken ones as well.
#[derive(Clone, Copy)]
struct Hooks {
    user_exit: fn(&Cpu),
    nmi_enter: fn(&Cpu) -> i32,
    work: fn(&Cpu, i32),
}

const HOOKS: Hooks = Hooks {
    user_exit: Cpu::user_exit,
    nmi_enter: Cpu::nmi_enter,
    work: Cpu::work,
};

/// The CPU that is to do the work.
struct Cpu {
    memory: Arc<Memory>,
    hooks: Hooks,
    /// The kinds that its thread wants.
    user: i32,
    /// Its TLB and what it has fetched, nothing but stale in the beginning.
    tlb: Vec<Cell<i32>>,
    /// For which step the IPI was answered.
    answered: Vec<Cell<i32>>,
    /// How many times an NMI could have come, and when it does.
    points: Cell<u32>,
    nmis: Vec<u32>,
    stale: Arc<AtomicBool>,
}

impl Cpu {
    fn new(
        memory: Arc<Memory>,
        user: i32,
        hooks: Hooks,
        nmis: &[u32],
        stale: Arc<AtomicBool>,
    ) -> Self {
        let n = memory.addresses.len();

        Self {
            memory,
            hooks,
            user,
            tlb: vec![Cell::new(OLD); n],
            answered: vec![Cell::new(OLD); n],
            points: Cell::new(0),
            nmis: nmis.to_vec(),
            stale,
        }
    }

    fn state(&self) -> &AtomicI32 {
        &self.memory.state.0
    }

    /// Between two statements. Those of an NMI count as well, as not everything
    /// that comes like an NMI is blocked while there is one.
    fn point(&self) {
        let point = self.points.get();

        self.points.set(point + 1);
        if self.nmis.contains(&point) {
            let user = (self.hooks.nmi_enter)(self);
            self.point();
            self.access();
            self.point();
            self.nmi_exit(user);
        }
    }

    /// `raw_atomic_fetch_sub()`, fully ordered.
    fn fetch_sub(&self, value: i32) -> i32 {
        let old = self.state().fetch_sub(value, SeqCst);

        fence(SeqCst);
        old
    }

    /// `tlb_defer_flush()` and `text_defer_sync()`: what is seen of this kind is not
    /// older than this. Serializing on x86, thus the fence. (INVPCID is not: it is
    /// ordered as this is for translations.)
    ///
    /// A CPU may fill its TLB, and fetch, whenever it likes. It does so at once here:
    /// the earlier, the older is what it gets.
    fn renew(&self, kind: Kind) {
        fence(SeqCst);
        for (entry, address) in self.tlb.iter().zip(&self.memory.addresses) {
            if address.kind == kind {
                // What is newer stays.
                entry.set(entry.get().max(address.memory.load(Relaxed)));
            }
        }
    }

    /// `user_defer_work()`
    fn work(&self, old: i32) {
        for kind in [Kind::Tlb, Kind::Text] {
            if old & kind.pending() != 0 {
                self.renew(kind);
            }
        }
    }

    /// Uses all addresses.
    ///
    /// Nobody could read what is relied on. To have the newest value instead of all
    /// that C11 allows leaves less to explore, and hides nothing.
    fn access(&self) {
        for (i, address) in self.memory.addresses.iter().enumerate() {
            let relied_on = address.relied_on.fetch_or(0, Relaxed);

            if self.tlb[i].get() < relied_on.max(self.answered[i].get()) {
                self.stale.store(true, Ordering::Relaxed);
                panic!("stale at address {i}");
            }
        }
    }

    /// Interrupts are on: those that came meanwhile are answered. Those that come
    /// in user mode are the same, after the hook.
    fn interrupt(&self) {
        for (i, address) in self.memory.addresses.iter().enumerate() {
            let step = address.ipi.swap(0, Acquire);

            if step != 0 {
                self.renew(address.kind);
                self.answered[i].set(step);
            }
        }
    }

    /// From user mode to user mode.
    fn round_trip(&self) {
        self.point();
        (self.hooks.user_exit)(self);
        self.point();
        self.access();
        self.interrupt();
        self.access();
        self.point();
        self.user_enter();
        self.point();
    }
}

/// For a task that wants it, with the static key on.
impl Cpu {
    fn user_enter(&self) {
        self.state().store(self.user, Release);
    }

    fn user_exit(&self) {
        let user = self.state().load(Relaxed) & USER;

        if user == 0 {
            return;
        }
        self.point();
        let old = self.fetch_sub(user);
        self.point();
        if old & PENDING != 0 {
            self.user_exit_slow(old);
        }
    }

    fn user_exit_slow(&self, old: i32) {
        (self.hooks.work)(self, old);
        self.point();
        self.state().store(0, Relaxed);
    }

    fn nmi_enter(&self) -> i32 {
        if self.state().load(Relaxed) == 0 {
            return 0;
        }
        self.point();
        self.nmi_enter_slow()
    }

    fn nmi_enter_slow(&self) -> i32 {
        let mut old = self.state().load(Relaxed);
        let user = old & USER;

        self.point();
        if user != 0 {
            old = self.fetch_sub(user);
            self.point();
        }
        if old & PENDING == 0 {
            return user;
        }

        (self.hooks.work)(self, old);
        self.point();
        if user != 0 {
            self.state().store(0, Relaxed);
        }
        user
    }

    fn nmi_exit(&self, user: i32) {
        if user != 0 {
            self.state().store(user, Release);
        }
    }
}

/// What there is to explore.
#[derive(Clone, Copy)]
struct Setup {
    defer: fn(&State, Kind) -> bool,
    hooks: Hooks,
    /// The kinds that the thread wants.
    user: i32,
    /// What the other CPUs change, one each, and in how many steps.
    writers: &'static [Kind],
    steps: i32,
    round_trips: u32,
    /// How many times a CPU that could go on is made to wait, at most.
    preemptions: Option<usize>,
}

/// The kernel's own
fn kernel_defer(state: &State, kind: Kind) -> bool {
    defer(state, kind)
}

const SETUP: Setup = Setup {
    defer: kernel_defer,
    hooks: HOOKS,
    user: Kind::Tlb.user(),
    writers: &[Kind::Tlb],
    steps: 1,
    round_trips: 1,
    preemptions: None,
};

impl Setup {
    /// Whether something stale can be used, with NMIs at these points. The
    /// other answer is whether they were reached at all.
    fn explore(self, nmis: &[u32]) -> (bool, bool) {
        let stale = Arc::new(AtomicBool::new(false));
        let reached = Arc::new(AtomicBool::new(false));
        let (nmis, found, seen) = (nmis.to_vec(), stale.clone(), reached.clone());
        let model = move || {
            let memory = Arc::new(Memory::new(self.user, self.writers));
            let cpu = Cpu::new(memory.clone(), self.user, self.hooks, &nmis, found.clone());

            for i in 0..self.writers.len() {
                let memory = memory.clone();
                thread::spawn(move || {
                    writer(&memory.addresses[i], &memory.state, self.steps, self.defer)
                });
            }
            for _ in 0..self.round_trips {
                cpu.round_trip();
            }
            if nmis.iter().all(|nmi| *nmi < cpu.points.get()) {
                seen.store(true, Ordering::Relaxed);
            }
        };

        let mut builder = Builder::new();
        builder.preemption_bound = self.preemptions;
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| builder.check(model))) {
            // Anything else is a bug of the model.
            if !stale.load(Ordering::Relaxed) {
                resume_unwind(payload);
            }
        }
        (
            stale.load(Ordering::Relaxed),
            reached.load(Ordering::Relaxed),
        )
    }

    /// The same without an NMI, and with one at any point.
    fn goes_wrong(self) -> bool {
        if self.explore(&[]).0 {
            return true;
        }
        for nmi in 0.. {
            match self.explore(&[nmi]) {
                (true, _) => return true,
                (false, true) => {}
                (false, false) => break,
            }
        }
        false
    }
}
