/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ways to have the tick running when a thread returns to user mode, and how
 * often its CPU is interrupted then. What tick_test and tick share.
 */
#ifndef SELFTEST_ISOLATION_TICK_H
#define SELFTEST_ISOLATION_TICK_H

#include "spinner.h"
#include "trace.h"

#define TICK_PRIORITY	1	/* of a real-time spinner */

/* Of ISOL_LEFT_*: the tick goes on. */
#define TICK_REASONS	(ISOL_LEFT_TICK_POSIX_TIMER | ISOL_LEFT_TICK_PERF_EVENTS |	\
			 ISOL_LEFT_TICK_SCHED | ISOL_LEFT_TICK_CLOCK_UNSTABLE |		\
			 ISOL_LEFT_TICK_RCU | ISOL_LEFT_TICK_RCU_EXP |			\
			 ISOL_LEFT_TICK_RCU_CB | ISOL_LEFT_TICK_IRQ_WORK |		\
			 ISOL_LEFT_TICK_ALWAYS | ISOL_LEFT_TICK_OTHER)

/* Shared with the spinner. */
struct tick_shared {
	/* Odd steps run the scenario, even ones clean up and report. */
	struct spinner	spinner;
	int		left;
};

struct tick_run {
	int			cpu;
	unsigned long		quiesce;
	bool			fifo;
	int			rounds;
	unsigned int		window_ms;
	/* No event of the return itself: with one it cannot take its short cut. */
	bool			untold;
	/* Private */
	const struct tick_way	*way;
	struct tick_shared	*shared;
	pid_t			helper;
	struct trace		trace;
	int			fds[4];
	timer_t			timer;
};

/* What came of it. */
struct tick_result {
	int		rounds;
	int		hit;		/* rounds with a timer interrupt in user mode */
	int		tick;		/* of these, the tick was said to go on */
	int		unnamed;	/* of these, not explained by what was left */
	long		early_us;	/* of these, before the time that was named, at most */
	int		gave_up;	/* of these, what was tried had not helped */
	int		other;		/* rounds in which another task ran instead of user mode */
	int		timer;		/* timer interrupts in user mode */
	int		entries;	/* other entries from user mode */
	int		left;		/* what was left in the end, over all rounds */
	int		late;		/* rounds that ended with a tick nobody asked for */
	int		seconds;	/* that all of it took */
	char		named[256];	/* what was named before an interrupt */
};

struct tick_way {
	const char	*name;
	/* Whether the kernel has what it takes. Without, it has. */
	bool		(*possible)(void);
	/* In the spinner, before it is isolated. */
	int		(*prepare)(struct tick_run *run);
	int		(*go)(struct tick_run *run);
	int		(*clean)(struct tick_run *run);
	/* On another CPU, while the spinner is in user mode again. */
	int		(*meanwhile)(void);
	/* ISOL_LEFT_* that the thread asked for, which stays for the whole round. */
	int		left;
	/*
	 * A task that is no kernel thread can be runnable at the return. The thread
	 * does not yield to it, and the tick goes on until it sleeps.
	 */
	bool		shares;
	/* Without the action the tick hits user mode: what shows that the test can see it. */
	bool		hits, hits_fifo;
	/* A real-time thread that spins starves the helper. */
	bool		not_fifo;
	/* On PREEMPT_RT a real-time thread that spins starves what would help. */
	bool		not_fifo_rt;
};

extern const struct tick_way tick_ways[];
extern const size_t tick_nr_ways;

bool tick_can_trace(void);
/* Runs @way as @run says. Where it failed if it did, else NULL. */
const char *tick_measure(struct tick_run *run, const struct tick_way *way,
			 struct tick_result *result);
/* Ends what tick_measure() did not come to end. */
void tick_stop(struct tick_run *run);

#endif /* SELFTEST_ISOLATION_TICK_H */
