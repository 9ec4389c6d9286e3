// SPDX-License-Identifier: GPL-2.0

//! Deferred TLB flushes, in all interleavings of up to three CPUs.
//!
//! The side of the CPUs that want a flush is the kernel's own code. The side of
//! the CPU that is to flush is transcribed from C. `transcribed.c` beside this file
//! is the C that was transcribed, and `make check` compares it with the patches.
//!
//! loom models the memory model of C11, not that of the kernel: no load sees a
//! store that comes later, so that nothing here depends on the RELEASE on the way
//! to user mode. The Promela and litmus models in `models/` look at x86 and at
//! the kernel's memory model.

mod broken;
mod cases;

use crate::policy::tlb::{
    defer,
    DeferWord,
    PENDING,
    USER, //
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

/// What a page table entry or a TLB has for an address.
const OLD: i32 = 0;
const NEW: i32 = 1;

/// `tlb_defer.state`
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

/// An address that some CPU takes away and uses again.
struct Address {
    pte: AtomicI32,
    ipi: AtomicI32,
    reused: AtomicI32,
}

/// What the CPUs share.
struct Memory {
    state: State,
    addresses: Vec<Address>,
}

impl Memory {
    fn new(flushers: usize) -> Self {
        let address = || Address {
            pte: AtomicI32::new(OLD),
            ipi: AtomicI32::new(0),
            reused: AtomicI32::new(0),
        };

        Self {
            state: State(AtomicI32::new(USER)),
            addresses: (0..flushers).map(|_| address()).collect(),
        }
    }
}

/// The CPU that wants a flush.
///
/// Does not wait for the IPI to be answered. It could go on when the other CPU
/// answers and not before, and that one takes note of it: see [`Cpu::interrupt`].
fn flusher(address: &Address, state: &State, defer: fn(&State) -> bool) {
    address.pte.store(NEW, Relaxed);
    if defer(state) {
        address.reused.store(1, Relaxed);
    } else {
        address.ipi.store(1, Release);
    }
}

/// The hooks of the CPU that is to flush, to have broken ones as well.
#[derive(Clone, Copy)]
struct Hooks {
    user_exit: fn(&Cpu),
    nmi_enter: fn(&Cpu) -> bool,
}

const HOOKS: Hooks = Hooks {
    user_exit: Cpu::user_exit,
    nmi_enter: Cpu::nmi_enter,
};

/// The CPU that is to flush.
struct Cpu {
    memory: Arc<Memory>,
    hooks: Hooks,
    /// Its TLB, with nothing but stale entries in the beginning.
    tlb: Vec<Cell<i32>>,
    /// Whose IPI was answered.
    answered: Vec<Cell<bool>>,
    /// How many times an NMI could have come, and when it does.
    points: Cell<u32>,
    nmis: Vec<u32>,
    stale: Arc<AtomicBool>,
}

impl Cpu {
    fn new(memory: Arc<Memory>, hooks: Hooks, nmis: &[u32], stale: Arc<AtomicBool>) -> Self {
        let n = memory.addresses.len();

        Self {
            memory,
            hooks,
            tlb: vec![Cell::new(OLD); n],
            answered: vec![Cell::new(false); n],
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

    /// `tlb_defer_flush()`. Serializing on x86, thus the fence.
    ///
    /// A CPU may fill its TLB whenever it likes. It does so at once here: the
    /// earlier, the older is what it gets.
    fn flush(&self) {
        fence(SeqCst);
        for (entry, address) in self.tlb.iter().zip(&self.memory.addresses) {
            // What is new stays new.
            if entry.get() == OLD {
                entry.set(address.pte.load(Relaxed));
            }
        }
    }

    /// Uses all addresses.
    ///
    /// Nobody could read that an address is used again. To have the newest value
    /// instead of all that C11 allows leaves less to explore, and hides nothing.
    fn access(&self) {
        for (i, address) in self.memory.addresses.iter().enumerate() {
            if self.tlb[i].get() == OLD
                && (self.answered[i].get() || address.reused.fetch_or(0, Relaxed) != 0)
            {
                self.stale.store(true, Ordering::Relaxed);
                panic!("stale translation of address {i}");
            }
        }
    }

    /// Interrupts are on: those that came meanwhile are answered. Those that come
    /// in user mode are the same, after the hook.
    fn interrupt(&self) {
        for (i, address) in self.memory.addresses.iter().enumerate() {
            if !self.answered[i].get() && address.ipi.swap(0, Acquire) != 0 {
                self.flush();
                self.answered[i].set(true);
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
        self.state().store(USER, Release);
    }

    fn user_exit(&self) {
        if self.state().load(Relaxed) & USER != 0 {
            self.point();
            self.user_exit_slow();
        }
    }

    fn user_exit_slow(&self) {
        let old = self.fetch_sub(USER);
        self.point();
        if old & PENDING == 0 {
            return;
        }

        self.flush();
        self.point();
        self.state().store(0, Relaxed);
    }

    fn nmi_enter(&self) -> bool {
        if self.state().load(Relaxed) == 0 {
            return false;
        }
        self.point();
        self.nmi_enter_slow()
    }

    fn nmi_enter_slow(&self) -> bool {
        let mut old = self.state().load(Relaxed);
        let user = old & USER != 0;

        self.point();
        if user {
            old = self.fetch_sub(USER);
            self.point();
        }
        if old & PENDING == 0 {
            return user;
        }

        self.flush();
        self.point();
        if user {
            self.state().store(0, Relaxed);
        }
        user
    }

    fn nmi_exit(&self, user: bool) {
        if user {
            self.state().store(USER, Release);
        }
    }
}

/// What there is to explore.
#[derive(Clone, Copy)]
struct Setup {
    defer: fn(&State) -> bool,
    hooks: Hooks,
    flushers: usize,
    round_trips: u32,
    /// How many times a CPU that could go on is made to wait, at most.
    preemptions: Option<usize>,
}

const SETUP: Setup = Setup {
    defer,
    hooks: HOOKS,
    flushers: 1,
    round_trips: 1,
    preemptions: None,
};

impl Setup {
    /// Whether a stale translation can be used, with NMIs at these points. The
    /// other answer is whether they were reached at all.
    fn explore(self, nmis: &[u32]) -> (bool, bool) {
        let stale = Arc::new(AtomicBool::new(false));
        let reached = Arc::new(AtomicBool::new(false));
        let (nmis, found, seen) = (nmis.to_vec(), stale.clone(), reached.clone());
        let model = move || {
            let memory = Arc::new(Memory::new(self.flushers));
            let cpu = Cpu::new(memory.clone(), self.hooks, &nmis, found.clone());

            for i in 0..self.flushers {
                let memory = memory.clone();
                thread::spawn(move || flusher(&memory.addresses[i], &memory.state, self.defer));
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
