/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The protocol of kernel/isolation/policy/claim.rs: operations that are counted and look
 * at the claims, claimants that are counted and wait for the operations.
 *
 * Increments are fully ordered, so each step is atomic. A barrier that is missing is a
 * look that comes before the increment. What is sound on one gate is sound on two: a
 * claimant waits for one after the other, and its claim stays counted.
 *
 * -DNAME breaks it, see "check" for the names.
 */
#ifndef INTERRUPTORS
#define INTERRUPTORS	2
#endif
#ifndef CLAIMANTS
#define CLAIMANTS	2
#endif
#ifndef TIMES
#define TIMES		2
#endif

byte in_flight;
byte claims;
byte running;			/* operations that were let pass */
byte granted;			/* claims */
byte finished;

bool queued[CLAIMANTS];		/* on the wait queue */
bool woken[CLAIMANTS];

inline wake()
{
	d_step {
		k = 0;
		do
		:: k < CLAIMANTS -> woken[k] = woken[k] || queued[k]; k++
		:: else -> break
		od;
		k = 0
	}
}

/* in_flight -= 1, and wakes claimants if it is the last and somebody claims */
inline end(wakes)
{
	atomic { in_flight--; last = in_flight == 0 }
	if
#ifdef END_ALWAYS_WAKES
	:: wakes && last -> wake()
#else
	:: wakes && last && claims > 0 -> wake()
#endif
	:: else
	fi
}

#ifdef REFUSED_KEEPS_QUIET
#define REFUSED_WAKES	false
#else
#define REFUSED_WAKES	true
#endif
#ifdef END_KEEPS_QUIET
#define END_WAKES	false
#else
#define END_WAKES	true
#endif

active [INTERRUPTORS] proctype interruptor()
{
	byte n, k;
	bool last, seen;

	do
	:: n < TIMES ->
		n++;
#ifdef LOOKS_BEFORE_COUNTED
		seen = claims > 0;
#else
		/* the cheap look, so that callers that try again do not keep others waiting */
		if
		:: claims > 0 -> goto refused
		:: else
		fi;
#endif
		in_flight++;
#ifndef LOOKS_BEFORE_COUNTED
		seen = claims > 0;
#endif
		if
		:: seen -> end(REFUSED_WAKES)
		:: else ->
			atomic { running++; assert(granted == 0) }
			running--;
			end(END_WAKES)
		fi;
refused:	skip
	:: else -> break
	od;
	finished++
}

active [CLAIMANTS] proctype claimant()
{
	byte n;
	byte me = _pid - INTERRUPTORS;
	bool drained;

	do
	:: n < TIMES ->
		n++;
		drained = false;
#ifdef DRAINED_BEFORE_COUNTED
		drained = in_flight == 0;
#endif
		claims++;
#ifdef DOES_NOT_WAIT
		drained = true;
#endif
		do
		:: drained -> break
		:: else ->
#ifdef LOOKS_BEFORE_QUEUED
			drained = in_flight == 0;
			atomic { queued[me] = true; woken[me] = false };
#else
			atomic { queued[me] = true; woken[me] = false };
			drained = in_flight == 0;
#endif
			if
			:: drained
			:: !drained && woken[me]
			/* a signal, at any time while it sleeps */
			:: !drained && SIGNALS -> goto interrupted
			fi
		od;
		queued[me] = false;
		atomic { granted++; assert(running == 0) }
		granted--;
interrupted:	queued[me] = false;
#ifdef SIGNAL_KEEPS
		if
		:: drained -> claims--
		:: else
		fi
#else
		claims--
#endif
	:: else -> break
	od;
	finished++
}

/* Everybody comes to an end, and nothing is left. */
active proctype observer()
{
	do
	:: finished == INTERRUPTORS + CLAIMANTS -> break
	:: timeout -> assert(finished == INTERRUPTORS + CLAIMANTS)
	od;
	assert(in_flight == 0 && claims == 0)
}
