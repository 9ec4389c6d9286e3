// SPDX-License-Identifier: GPL-2.0
/*
 * What an isolated thread has of its CPU when a task of another user runs there as
 * well: no less than without isolation, and not later. To yield to that task would
 * be to forfeit the rest of the slice.
 */
#include "isolation.h"

#include "kselftest_harness.h"

#define STRANGER	65534	/* a user */
#define RUN_MS		700
#define RUNS		5	/* with and without isolation each */
#define BATCHES		5	/* of runs, at most */

/*
 * Of what the thread has without isolation. The longest gap is that of a few hundred
 * and depends on who else wants the CPU of the machine below: medians of the same kind
 * of runs differ by a third.
 */
#define LEAST_SHARE	0.95
#define LONGEST_GAP	1.5

/* The control forfeits its slice again and again. */
enum { PLAIN, ISOLATED, YIELDING, KINDS };
#define YIELD_US	500

struct run {
	double	share;		/* of the time */
	double	gap_ms;		/* in user mode, the longest */
};

struct share_shared {
	int		ready;	/* how many of the two */
	int		start;
	int		stop;
	int		error;
	struct run	run;
	/* Of the stranger */
	uint64_t	stranger_ns;
};

FIXTURE(share)
{
	struct share_shared	*shared;
	int			cpu;
};

/* The other task runs and sleeps for so long, in turns. */
FIXTURE_VARIANT(share)
{
	unsigned int	run_us;
	unsigned int	sleep_us;
	/* 0 for the default */
	unsigned int	slice_us;
};

#define PATTERN(run, sleep)						\
	FIXTURE_VARIANT_ADD(share, run_##run##_sleep_##sleep)		\
	{								\
		.run_us = run, .sleep_us = sleep,			\
	};								\
	FIXTURE_VARIANT_ADD(share, run_##run##_sleep_##sleep##_short_slice) \
	{								\
		.run_us = run, .sleep_us = sleep, .slice_us = 100,	\
	}

PATTERN(1500, 150);
PATTERN(3000, 150);
PATTERN(4000, 150);
PATTERN(4000, 300);

static uint64_t thread_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* Else a sleep takes a tick at least, and is another pattern. */
static bool has_short_sleeps(void)
{
	struct timespec res;

	return !clock_getres(CLOCK_MONOTONIC, &res) && !res.tv_sec && res.tv_nsec <= 1000;
}

static void wait_for_start(struct share_shared *shared)
{
	__atomic_add_fetch(&shared->ready, 1, __ATOMIC_ACQ_REL);
	while (!__atomic_load_n(&shared->start, __ATOMIC_ACQUIRE))
		sleep_ms(1);
}

static bool is_over(struct share_shared *shared)
{
	return __atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE);
}

static void fail(struct share_shared *shared)
{
	__atomic_store_n(&shared->error, errno ? errno : EIO, __ATOMIC_RELEASE);
	_exit(1);
}

static int set_slice(unsigned int slice_us)
{
	struct {
		uint32_t	size, policy;
		uint64_t	flags;
		int32_t		nice;
		uint32_t	priority;
		uint64_t	runtime, deadline, period;
	} attr = {
		.size = sizeof(attr),
		.policy = SCHED_OTHER,
		.runtime = slice_us * 1000ULL,
	};

	return slice_us ? syscall(SYS_sched_setattr, 0, &attr, 0) : 0;
}

static void stranger(struct share_shared *shared, int cpu,
		     const FIXTURE_VARIANT(share) *variant)
{
	struct timespec pause = { .tv_nsec = variant->sleep_us * 1000L };

	/* A timer that is late by the default slack would be a longer sleep. */
	if (pin_to(cpu) || set_slice(variant->slice_us) || prctl(PR_SET_TIMERSLACK, 1) ||
	    setresgid(STRANGER, STRANGER, STRANGER) || setresuid(STRANGER, STRANGER, STRANGER))
		fail(shared);
	/* A change of the user would undo it. */
	die_with_parent();
	wait_for_start(shared);
	while (!is_over(shared)) {
		uint64_t end = monotonic_ns() + variant->run_us * 1000ULL;

		while (monotonic_ns() < end)
			;
		nanosleep(&pause, NULL);
	}
	shared->stranger_ns = thread_ns();
	_exit(0);
}

static void victim(struct share_shared *shared, int cpu, int kind)
{
	uint64_t start_ns, cpu_ns, start, last, now, yielded, longest = 0;
	double tick_ns;

	die_with_parent();
	if (pin_to(cpu))
		fail(shared);
	if (kind == ISOLATED) {
		errno = -isol_quiesce(isol_get(PR_ISOL_SUP_QUIESCE_CFG));
		if (errno)
			fail(shared);
	}
	wait_for_start(shared);
	start_ns = monotonic_ns();
	cpu_ns = thread_ns();
	start = ticks();
	last = start;
	yielded = start_ns;
	while (!is_over(shared)) {
		now = ticks();
		if (now - last > longest)
			longest = now - last;
		last = now;
		if (kind == YIELDING && monotonic_ns() - yielded > YIELD_US * 1000) {
			sched_yield();
			yielded = monotonic_ns();
		}
	}
	cpu_ns = thread_ns() - cpu_ns;
	start_ns = monotonic_ns() - start_ns;
	tick_ns = (double)start_ns / (ticks() - start);
	shared->run.share = (double)cpu_ns / start_ns;
	shared->run.gap_ms = longest * tick_ns / 1e6;
	/* Nothing took the isolation away meanwhile. */
	errno = 0;
	if (kind == ISOLATED && isol_get(ISOL_FEATURES) != ISOL_F_QUIESCE_ON_URET)
		fail(shared);
	_exit(0);
}

FIXTURE_SETUP(share)
{
	if (!isol_present())
		SKIP(return, NO_ISOLATION);
	if (geteuid())
		SKIP(return, NO_ROOT " for a task of another user");
	self->cpu = isolated_cpu();
	if (self->cpu < 1)
		SKIP(return, NO_CPU);
	if (!cpu_is_nohz_full(self->cpu))
		SKIP(return, NO_NOHZ_FULL);
	if (!has_short_sleeps())
		SKIP(return, "needs high-resolution timers, and a clock source for them");
	ASSERT_TRUE(isol_supports(ISOL_F_QUIESCE_NOHZ_FULL));
	ASSERT_EQ(0, pin_to(0));
	self->shared = alloc_shared(sizeof(*self->shared));
	ASSERT_NE(NULL, self->shared);
}

FIXTURE_TEARDOWN(share)
{
}

/* Returns 0 or an error number. */
static int run_once(struct share_shared *shared, int cpu,
		    const FIXTURE_VARIANT(share) *variant, int kind)
{
	pid_t pids[2];

	memset(shared, 0, sizeof(*shared));
	pids[0] = fork();
	if (!pids[0])
		stranger(shared, cpu, variant);
	pids[1] = fork();
	if (!pids[1])
		victim(shared, cpu, kind);
	while (__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE) < 2 &&
	       !__atomic_load_n(&shared->error, __ATOMIC_ACQUIRE))
		sleep_ms(1);
	__atomic_store_n(&shared->start, 1, __ATOMIC_RELEASE);
	sleep_ms(RUN_MS);
	__atomic_store_n(&shared->stop, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < 2; i++)
		waitpid(pids[i], NULL, 0);
	return shared->error;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int nr)
{
	qsort(values, nr, sizeof(*values), by_value);
	return values[nr / 2];
}

/*
 * Something else may run on the machine below, and disturb one kind of runs more
 * than the other. Then there are more runs, and all of them count.
 */
TEST_F_TIMEOUT(share, is_not_less, 120)
{
	static double shares[KINDS][RUNS * BATCHES], gaps[KINDS][RUNS * BATCHES];
	double share[KINDS], gap[KINDS], stranger_share, least = 1;
	int nr = 0;

	for (int batch = 0; batch < BATCHES; batch++) {
		for (int i = 0; i < 2 * RUNS; i++) {
			int kind = i % 2, n = nr + i / 2;

			ASSERT_EQ(0, run_once(self->shared, self->cpu, variant, kind));
			shares[kind][n] = self->shared->run.share;
			gaps[kind][n] = self->shared->run.gap_ms;
			stranger_share = self->shared->stranger_ns / (RUN_MS * 1e6);
			if (kind == PLAIN && stranger_share < least)
				least = stranger_share;
		}
		nr += RUNS;
		for (int kind = PLAIN; kind <= ISOLATED; kind++) {
			share[kind] = median(shares[kind], nr);
			gap[kind] = median(gaps[kind], nr);
		}
		TH_LOG("share run=%u sleep=%u slice=%u runs=%d share=%.3f/%.3f gap_ms=%.2f/%.2f",
		       variant->run_us, variant->sleep_us, variant->slice_us, nr,
		       share[ISOLATED], share[PLAIN], gap[ISOLATED], gap[PLAIN]);
		if (share[ISOLATED] >= LEAST_SHARE * share[PLAIN] &&
		    gap[ISOLATED] <= LONGEST_GAP * gap[PLAIN])
			break;
	}
	for (int n = 0; n < RUNS; n++) {
		ASSERT_EQ(0, run_once(self->shared, self->cpu, variant, YIELDING));
		shares[YIELDING][n] = self->shared->run.share;
		gaps[YIELDING][n] = self->shared->run.gap_ms;
	}
	share[YIELDING] = median(shares[YIELDING], RUNS);
	gap[YIELDING] = median(gaps[YIELDING], RUNS);
	TH_LOG("share yielding share=%.3f gap_ms=%.2f", share[YIELDING], gap[YIELDING]);

	/* The controls: they did compete, and to yield would have been seen. */
	EXPECT_LT(0.25, least);
	EXPECT_GT(0.75, share[PLAIN]);
	EXPECT_TRUE(share[YIELDING] < LEAST_SHARE * share[PLAIN] ||
		    gap[YIELDING] > LONGEST_GAP * gap[PLAIN]);
	EXPECT_GE(share[ISOLATED], LEAST_SHARE * share[PLAIN]);
	EXPECT_LE(gap[ISOLATED], LONGEST_GAP * gap[PLAIN]);
}

TEST_HARNESS_MAIN
