/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The protocol of arch/x86/mm/tlb_defer.c and kernel/isolation/policy/tlb.rs on x86: store
 * buffers, speculative fills of the TLB at any time, NMIs between any two steps.
 *
 * One CPU is in user mode and enters the kernel a few times. The others change a page
 * table entry each, have it flushed or leave that to the first one, and then use the
 * address again. Nobody may use what was there before.
 *
 * The same is a model of text: an entry of the page table is an instruction, the TLB
 * is what the CPU has fetched, a flush is to serialize. -DSTEPS=2 is for text, which is
 * changed in more than one step: nobody may execute what was there before the last
 * step that is over.
 *
 * -DNAME breaks it, see "check" for the names.
 */
#ifndef FLUSHERS
#define FLUSHERS	2
#endif
#ifndef TRIPS
#define TRIPS		2
#endif
#ifndef NMIS
#define NMIS		1
#endif

#define USER		1
#define PENDING		2

#ifndef STEPS
#define STEPS		1
#endif

/* What is at an address: the step that made it. */
#define OLD		0
#define NOTHING		255

byte state = USER;		/* in memory */
chan buffer = [4] of { byte };	/* stores of the first CPU to it, not yet in memory */
byte newest;			/* the last of them */

byte pte[FLUSHERS];		/* in memory */
byte stored[FLUSHERS];		/* in the store buffer of the flusher, or from there */
byte tlb[FLUSHERS];		/* of the first CPU */
byte ipi[FLUSHERS];		/* 1 sent, 2 handled */
byte reused[FLUSHERS];		/* the last step that is over */

byte nmis = NMIS;

#define STORE(v)	atomic { newest = v; buffer!v }
#define SEEN		(len(buffer) -> newest : state)
/* A locked instruction has to drain the buffer. */
#define LOCKED		(len(buffer) == 0)

active proctype drain_first()
{
	byte v;
end:	do
	:: atomic { buffer?v; state = v; v = 0 }
	od
}

active proctype drain_flushers()
{
	byte i;
end:	do
	:: atomic { i < FLUSHERS - 1 -> i++ }
	:: atomic { i > 0 -> i-- }
	:: atomic { stored[i] != pte[i] -> pte[i] = stored[i] }
	od
}

active proctype speculate()
{
	byte i;
end:	do
	:: atomic { i < FLUSHERS - 1 -> i++ }
	:: atomic { i > 0 -> i-- }
	:: atomic { tlb[i] == NOTHING -> tlb[i] = pte[i] }
	od
}

active [FLUSHERS] proctype flusher()
{
	byte me = _pid - 3, seen, step;

next:	step++;
	stored[me] = step;
again:	atomic { seen = state };
	if
	:: !(seen & USER) ->
		/* The queue of the call is a locked list. */
		atomic { pte[me] == step -> ipi[me] = 1 };
		atomic { ipi[me] == 2 -> ipi[me] = 0 }
#ifdef SHORTCUT
	:: (seen & USER) && (seen & PENDING) -> skip
	:: (seen & USER) && !(seen & PENDING) ->
#else
	:: (seen & USER) ->
#endif
#ifdef PLAIN_FLUSHER
		atomic { pte[me] == step -> state = seen | PENDING }
#else
		atomic {
			pte[me] == step ->
			if
			:: state == seen -> state = seen | PENDING; seen = 0
			:: else
			fi
		};
		if
		:: seen -> goto again
		:: else
		fi
#endif
	fi;
	reused[me] = step;
	seen = 0;
	if
	:: step < STEPS -> goto next
	:: else
	fi
}

inline flush()
{
	d_step {
		for (k : 0 .. FLUSHERS - 1) { tlb[k] = NOTHING };
		k = 0
	}
}

inline access()
{
	d_step {
		for (k : 0 .. FLUSHERS - 1) {
			assert(tlb[k] >= reused[k]);
			if
			:: tlb[k] == NOTHING -> tlb[k] = pte[k]
			:: else
			fi
		};
		k = 0
	}
}

inline nmi()
{
	if
	:: nmis > 0 ->
		nmis--;
		user = 0;
#ifndef NMI_IGNORES
		old = SEEN;
		if
		:: old & USER ->
#ifndef NMI_KEEPS_USER
			atomic { LOCKED -> old = state; state = state - USER };
			user = 1
#else
			skip
#endif
		:: else
		fi;
		if
		:: (old & PENDING) ->
#ifdef NMI_CLEARS
			if
			:: user -> flush()
			:: else -> STORE(0)
			fi;
#else
			flush();
#endif
			if
			:: user -> STORE(0)
			:: else
			fi
		:: else
		fi;
#endif
		access();
		if
#ifdef NMI_ALWAYS_RESTORES
		:: true -> STORE(USER)
#else
		:: user -> STORE(USER)
		:: else
#endif
		fi;
		user = 0;
		old = 0
	:: true
	fi
}

inline user_exit()
{
	nmi();
#ifdef FLUSH_FIRST
	if
	:: (SEEN & PENDING) -> flush()
	:: else
	fi;
	nmi();
	atomic { LOCKED -> state = 0 };
#elif defined(CR3_ONLY)
	/* Serializes always, but before the word is looked at. */
	flush();
	nmi();
	atomic { LOCKED -> state = 0 };
#else
#if defined(CLEAR_FIRST)
	atomic { LOCKED -> was = state; state = 0 };
#elif defined(PLAIN_ENTRY)
	was = SEEN;
	nmi();
	STORE(was - USER);
#else
	atomic { LOCKED -> was = state; state = state - USER };
#endif
	nmi();
	if
	:: was & PENDING ->
#ifndef NO_FLUSH
		flush();
#endif
		nmi();
		STORE(0)
	:: else
	fi;
	was = 0;
#endif
	nmi()
}

inline kernel()
{
	access();
	/* Interrupts are enabled. Handling one is serializing. */
	do
	:: i < FLUSHERS ->
		if
		:: atomic { ipi[i] == 1 && LOCKED -> ipi[i] = 2 };
		   flush()
		:: ipi[i] != 1
		fi;
		i++
	:: else -> i = 0; break
	od;
	access()
}

/* The first CPU. In user mode it has old translations of everything. */
active proctype target()
{
	byte i, k, trip, was, old;
	bit user;

	do
	:: trip < TRIPS ->
		user_exit();
		kernel();
		STORE(USER);
		trip++
	:: else -> break
	od;
	/* An interrupt would make it enter, and so does the end of the program. */
	user_exit();
end:	do
	:: kernel()
	od
}
