/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The interface of arch/x86/mm/tlb_defer_test.c, which defines the same. It is
 * no UAPI, as it comes and goes with CONFIG_TASK_ISOLATION_DEFER_TLB_TEST.
 */
#ifndef SELFTEST_ISOLATION_TLB_DEFER_TEST_H
#define SELFTEST_ISOLATION_TLB_DEFER_TEST_H

#include <linux/types.h>
#include <sys/ioctl.h>

#define TLB_DEFER_TEST_DEVICE	"/dev/tlb_defer_test"

/*
 * Fills the TLB of this CPU with translations of the window. The argument is
 * after how many ns a timer interrupts this CPU, or 0.
 */
#define TLB_DEFER_TEST_ARM	_IO('d', 0)
/*
 * Puts something else into the window, on another CPU. The argument is the kind of
 * what is purged with it. Returns whether the armed CPU has yet to flush.
 */
#define TLB_DEFER_TEST_SWAP	_IO('d', 1)
/* Interrupts the armed CPU. */
#define TLB_DEFER_TEST_KICK	_IO('d', 2)
/*
 * Sends the armed CPU an NMI which looks at the window. If the argument is not 0
 * the next entry looks as well.
 */
#define TLB_DEFER_TEST_NMI	_IO('d', 3)
/*
 * Sends the armed CPU an NMI which waits for SWAP, for as many ns as the argument
 * says. Returns when it has begun.
 */
#define TLB_DEFER_TEST_HOLD	_IO('d', 4)
/* Has all aliases flushed that were deferred before. */
#define TLB_DEFER_TEST_ALIASES	_IO('d', 6)
/* SWAP of PLAIN that nobody looks at: for what the flush costs. */
#define TLB_DEFER_TEST_PURGE	_IO('d', 7)
/* SWAP of PLAIN, but the armed CPU does not get to know that it has to flush. */
#define TLB_DEFER_TEST_LOSE	_IO('d', 8)
#define TLB_DEFER_TEST_STATS	_IOR('d', 5, struct tlb_defer_test_stats)

/* Only the flush for PLAIN areas can be deferred. */
enum { PLAIN, DEVICE, RESET_PERMS, HUGE_PAGES };
enum { IDLE, ARMED, READY, DONE };
enum { IN_ARM, IN_ENTRY, IN_EXIT, IN_NMI, NR_PLACES };

struct tlb_defer_test_stats {
	/* The state of the round: from READY on, the next entry looks. */
	__u32	state;
	/* Entries of the armed CPU before READY, in this round */
	__u32	early;
	/* How many deferred flushes the armed CPU has done */
	__u32	flushes;
	/* Whether this kernel flushes in other ways, which nothing defers */
	__u32	undeferrable;
	__u64	rounds;
	__u64	deferred;
	/* How often the window was looked at, and how often the old content was there */
	__u64	checked[NR_PLACES];
	__u64	stale[NR_PLACES];
	/* Of those in IN_ENTRY, by a fault of IRET */
	__u64	iret;
	/* How often the word that tells about user mode was wrong in the kernel */
	__u64	bad_word;
};

#endif /* SELFTEST_ISOLATION_TLB_DEFER_TEST_H */
