/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A thread that spins in user mode, and does a step of something when it is told
 * to, without a system call that is not part of the step. It can be a process of
 * its own: then this is in memory that both share, see alloc_shared().
 */
#ifndef SELFTEST_ISOLATION_SPINNER_H
#define SELFTEST_ISOLATION_SPINNER_H

#include "isolation.h"

/* How long a step may take, if nothing else is said. Nothing takes a tenth of it. */
#define SPINNER_MS	20000

struct spinner {
	pid_t	pid;	/* of the process, or 0: a thread */
	int	ready;
	int	step;	/* that it is to do */
	int	done;	/* that it did last */
	int	ret;	/* of its start, or of the last step: 0 or -errno */
};

static inline int spinner_load(const int *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void spinner_store(int *word, int value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* For what follows an event that has no other sign. 0, or -ETIMEDOUT. */
int wait_for(const int *word, int value, unsigned int ms);

/*
 * Whether the thread at work in process @pid is asleep, which is more than that
 * it said it would be. 0, or -ETIMEDOUT.
 */
int wait_until_asleep(pid_t pid, unsigned int ms);

/* ---- what the spinner calls ---- */

/* It can be told steps, or if @ret is not 0, it could not be started. */
static inline void spinner_ready(struct spinner *spinner, int ret)
{
	spinner->ret = ret;
	spinner_store(&spinner->ready, 1);
}

/* Spins until there is another step than @step, and returns it. */
static inline int spinner_next(struct spinner *spinner, int step)
{
	int next;

	while ((next = spinner_load(&spinner->step)) == step)
		;
	return next;
}

static inline void spinner_done(struct spinner *spinner, int step, int ret)
{
	spinner->ret = ret;
	spinner_store(&spinner->done, step);
}

/* ---- what others call ---- */

/*
 * Starts @run in a process that dies with this one. Returns when that is ready: 0,
 * or -errno, from @run or as it ended.
 */
int spinner_start(struct spinner *spinner, void (*run)(void *arg), void *arg);

/* Waits until a spinner that was started in another way is ready. As above. */
int spinner_wait_ready(struct spinner *spinner);

/* Has @step done. What the spinner said of it, or -ETIMEDOUT, or -ECHILD if it ended. */
int spinner_step(struct spinner *spinner, int step);

void spinner_stop(struct spinner *spinner);

#endif /* SELFTEST_ISOLATION_SPINNER_H */
