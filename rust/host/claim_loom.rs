// SPDX-License-Identifier: GPL-2.0

//! Claims of CPUs, in all interleavings of operations and claimants.
//!
//! [`Gate`] is the kernel's own code. What is transcribed is how the thread waits,
//! `wait_event_freezable()` and `wake_up_all()`, and the order in which a claim is
//! published, in `kernel/isolation/ffi_block.rs` and `block.c`.

use crate::policy::claim::{
    Counter,
    Gate, //
};
use loom::{
    model::Builder,
    sync::{
        atomic::{
            fence,
            AtomicI32,
            Ordering::{
                Acquire,
                Relaxed,
                Release,
                SeqCst, //
            }, //
        },
        Arc,
        Condvar,
        Mutex,
        MutexGuard, //
    },
    thread, //
};
use std::sync::atomic::{
    AtomicBool,
    Ordering, //
};

/// What is left out or done wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    Right,
    /// Also right: no look before the counter is incremented.
    NoFirstLook,
    /// An operation looks at the claims before it is counted.
    LooksBeforeCounted,
    /// A claimant looks at the operations before its claim is counted.
    DrainedBeforeClaim,
    /// A claimant does not wait.
    DoesNotWait,
    /// An operation that ends does not wake up claimants.
    EndDoesNotWake,
    /// One that is refused does not.
    RefusedDoesNotWake,
    /// A claimant looks, and sleeps if it has to, in two steps.
    LooksBeforeQueued,
    /// A signal leaves the claim behind.
    SignalKeepsClaim,
    /// An operation does not look again.
    DoesNotLookAgain,
    /// The claim is published after it is counted, and not looked at then.
    PublishedLate,
}

/// An `atomic_t`, with the ordering of the kernel's fully ordered operations. loom
/// takes SeqCst for AcqRel, except for fences.
struct Atomic(AtomicI32);

impl Atomic {
    fn new() -> Self {
        Self(AtomicI32::new(0))
    }
}

impl Counter for Atomic {
    fn inc(&self) {
        fence(SeqCst);
        self.0.fetch_add(1, SeqCst);
        fence(SeqCst);
    }

    fn dec(&self) -> bool {
        fence(SeqCst);
        let old = self.0.fetch_sub(1, SeqCst);
        fence(SeqCst);
        assert!(old > 0);
        old == 1
    }

    fn is_zero(&self) -> bool {
        self.0.load(Acquire) == 0
    }
}

/// What the lock of the wait queue protects.
#[derive(Default)]
struct Queue {
    asleep: [bool; 2],
    signals: [bool; 2],
    /// Threads that may still wake up somebody.
    alive: usize,
}

struct Memory {
    gate: Gate<Atomic>,
    /// The claims of the CPUs, `task_isol_claims`.
    published: [AtomicI32; 2],
    /// Granted claims and running operations. Not part of the protocol.
    granted: AtomicI32,
    running: AtomicI32,
    queue: Mutex<Queue>,
    waiters: Condvar,
    variant: Variant,
    /// Whether anything went wrong, in any interleaving.
    wrong: &'static AtomicBool,
}

impl Memory {
    fn new(variant: Variant, alive: usize, wrong: &'static AtomicBool) -> Self {
        Self {
            gate: Gate {
                in_flight: Atomic::new(),
                claims: Atomic::new(),
            },
            published: [AtomicI32::new(0), AtomicI32::new(0)],
            granted: AtomicI32::new(0),
            running: AtomicI32::new(0),
            queue: Mutex::new(Queue {
                alive,
                ..Queue::default()
            }),
            waiters: Condvar::new(),
            variant,
            wrong,
        }
    }

    fn check(&self, right: bool) {
        if !right {
            self.wrong.store(true, Ordering::Relaxed);
        }
    }

    fn wake(&self) {
        let mut queue = self.queue.lock().unwrap();

        queue.asleep = [false; 2];
        self.waiters.notify_all();
    }

    fn signal(&self, claimant: usize) {
        let mut queue = self.queue.lock().unwrap();

        queue.signals[claimant] = true;
        queue.asleep[claimant] = false;
        self.waiters.notify_all();
    }

    /// A thread that wakes up others ends.
    fn exit(&self) {
        let mut queue = self.queue.lock().unwrap();

        queue.alive -= 1;
        if queue.alive == 0 {
            // Nobody is left to wake up who sleeps now.
            self.check(queue.asleep == [false; 2]);
            queue.asleep = [false; 2];
            self.waiters.notify_all();
        }
    }

    /// Sleeps until somebody wakes it up.
    fn sleep<'a>(
        &'a self,
        claimant: usize,
        mut queue: MutexGuard<'a, Queue>,
    ) -> MutexGuard<'a, Queue> {
        if queue.alive == 0 {
            self.check(false);
            queue.signals[claimant] = true;
            return queue;
        }
        queue.asleep[claimant] = true;
        while queue.asleep[claimant] {
            queue = self.waiters.wait(queue).unwrap();
        }
        queue
    }

    fn blocked(&self) -> bool {
        self.published.iter().any(|claim| claim.load(Relaxed) != 0)
    }

    fn begin(&self) -> bool {
        let gate = &self.gate;

        match self.variant {
            Variant::NoFirstLook => {
                gate.in_flight.inc();
                if gate.claims.is_zero() || !self.blocked() {
                    return true;
                }
                gate.end(|| self.wake());
                false
            }
            Variant::LooksBeforeCounted => {
                if !gate.claims.is_zero() && self.blocked() {
                    return false;
                }
                gate.in_flight.inc();
                true
            }
            Variant::DoesNotLookAgain => {
                if gate.claims.0.load(Relaxed) != 0 && self.blocked() {
                    return false;
                }
                gate.in_flight.0.fetch_add(1, Relaxed);
                true
            }
            Variant::RefusedDoesNotWake => gate.begin(|| self.blocked(), || {}),
            _ => gate.begin(|| self.blocked(), || self.wake()),
        }
    }

    fn end(&self) {
        match self.variant {
            Variant::EndDoesNotWake => self.gate.end(|| {}),
            _ => self.gate.end(|| self.wake()),
        }
    }

    /// * `signalled`: A claimant that gets a signal while this runs.
    fn operation(&self, signalled: Option<usize>) {
        if !self.begin() {
            return;
        }
        if let Some(claimant) = signalled {
            self.signal(claimant);
        }
        self.running.fetch_add(1, SeqCst);
        self.check(self.granted.load(SeqCst) == 0);
        self.running.fetch_sub(1, SeqCst);
        self.end();
    }

    /// Returns whether the operations have ended, or a signal came.
    fn wait(&self, claimant: usize) -> bool {
        match self.variant {
            Variant::DoesNotWait => return true,
            Variant::LooksBeforeQueued => {
                while !self.gate.is_drained() {
                    let queue = self.queue.lock().unwrap();
                    if queue.signals[claimant] {
                        return false;
                    }
                    drop(self.sleep(claimant, queue));
                }
                return true;
            }
            _ => {}
        }
        let mut queue = self.queue.lock().unwrap();
        loop {
            if self.gate.is_drained() {
                return true;
            }
            if queue.signals[claimant] {
                return false;
            }
            queue = self.sleep(claimant, queue);
        }
    }

    fn claim(&self, claimant: usize) {
        let published = &self.published[claimant];
        let early = self.variant == Variant::DrainedBeforeClaim && self.gate.is_drained();

        if self.variant != Variant::PublishedLate {
            published.store(1, Relaxed);
        }
        self.gate.claim();
        let granted = early || self.wait(claimant);
        published.store(1, Relaxed);
        if granted {
            // An operation that begins from now on, or is under way, is wrong.
            self.granted.fetch_add(1, SeqCst);
            self.check(self.running.load(SeqCst) == 0);
            self.granted.fetch_sub(1, SeqCst);
        } else if self.variant == Variant::SignalKeepsClaim {
            return;
        }
        published.store(0, Release);
        self.gate.release();
    }
}

#[derive(Clone, Copy)]
struct Setup {
    interruptors: usize,
    operations: usize,
    claimants: usize,
    signals: bool,
    preemptions: Option<usize>,
}

impl Setup {
    /// Whether anything goes wrong in some interleaving.
    fn goes_wrong(self, variant: Variant) -> bool {
        let wrong: &'static AtomicBool = Box::leak(Box::default());
        let mut builder = Builder::new();

        builder.preemption_bound = self.preemptions;
        builder.check(move || {
            let memory = Arc::new(Memory::new(variant, self.interruptors, wrong));
            let mut threads = Vec::new();

            for i in 0..self.interruptors {
                let memory = memory.clone();
                threads.push(thread::spawn(move || {
                    let signalled = (self.signals && i < self.claimants).then_some(i);

                    for _ in 0..self.operations {
                        memory.operation(signalled);
                    }
                    memory.exit();
                }));
            }
            for i in 1..self.claimants {
                let memory = memory.clone();
                threads.push(thread::spawn(move || memory.claim(i)));
            }
            memory.claim(0);
            for thread in threads {
                thread.join().unwrap();
            }
            // Nothing is in flight or claimed for ever.
            memory.check(memory.gate.in_flight.is_zero());
            memory.check(memory.gate.claims.is_zero());
        });
        wrong.load(Ordering::Relaxed)
    }
}

const ONE: Setup = Setup {
    interruptors: 1,
    operations: 1,
    claimants: 1,
    signals: false,
    preemptions: None,
};

#[test]
fn one_and_one_are_safe() {
    assert!(!ONE.goes_wrong(Variant::Right));
    assert!(!ONE.goes_wrong(Variant::NoFirstLook));
    assert!(!Setup {
        operations: 2,
        signals: true,
        ..ONE
    }
    .goes_wrong(Variant::Right));
}

#[test]
fn two_of_a_kind_are_safe() {
    for signals in [false, true] {
        let setup = Setup {
            signals,
            preemptions: Some(2),
            ..ONE
        };

        assert!(!Setup {
            interruptors: 2,
            ..setup
        }
        .goes_wrong(Variant::Right));
        assert!(!Setup {
            claimants: 2,
            ..setup
        }
        .goes_wrong(Variant::Right));
        // More takes a minute. `Documentation/models/claim.pml` has all states.
        assert!(!Setup {
            interruptors: 2,
            claimants: 2,
            preemptions: Some(1),
            ..setup
        }
        .goes_wrong(Variant::Right));
    }
}

#[test]
fn each_side_is_counted_before_it_looks() {
    assert!(ONE.goes_wrong(Variant::LooksBeforeCounted));
    assert!(ONE.goes_wrong(Variant::DrainedBeforeClaim));
    assert!(ONE.goes_wrong(Variant::DoesNotLookAgain));
}

#[test]
fn a_claimant_waits() {
    assert!(ONE.goes_wrong(Variant::DoesNotWait));
}

#[test]
fn a_claimant_is_woken_up() {
    assert!(ONE.goes_wrong(Variant::EndDoesNotWake));
    assert!(ONE.goes_wrong(Variant::RefusedDoesNotWake));
    assert!(ONE.goes_wrong(Variant::LooksBeforeQueued));
}

#[test]
fn a_signal_takes_the_claim_back() {
    let setup = Setup {
        signals: true,
        ..ONE
    };

    assert!(!setup.goes_wrong(Variant::Right));
    assert!(setup.goes_wrong(Variant::SignalKeepsClaim));
}

#[test]
fn a_claim_is_published_before_it_is_counted() {
    let setup = Setup {
        preemptions: Some(2),
        ..ONE
    };

    assert!(setup.goes_wrong(Variant::PublishedLate));
}
