// SPDX-License-Identifier: GPL-2.0
/*
 * A return to user mode that has nothing to settle takes a short cut, unless the event
 * of returns is on. Each test has one thing that is left to settle, and that event off.
 *
 * What is not settled is only seen if the return is not slow for another reason. One
 * is rseq, which has the kernel look after each thread that was scheduled: this runs
 * without.
 */
#include "events.h"
#include "tick.h"

#include "kselftest_harness.h"

#include <pthread.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

/* The event of returns */
#define RETURNS		"events/task_isolation/task_isol_quiesce_done"

#define STAT_REFRESH	"/proc/sys/vm/stat_refresh"
#define TUNABLES	"GLIBC_TUNABLES"
#define NO_RSEQ		"glibc.pthread.rseq=0"
#define ROUNDS		50
#define WINDOW_MS	40
/* As in tick_test: what has other reasons. The control has more. */
#define RARE		(ROUNDS / 4)

/* 4096 pages, which is more than a CPU takes at once from the zone: that counts its pages. */
#define PIPE_PARTS	16
#define PIPE_PART	(1 << 20)
#define PIPE_SIZE	(PIPE_PARTS * PIPE_PART)

/* Stacks of that many threads are more than is lazily freed. */
#define STORM		200
#define STORMS		400

static __attribute__((constructor)) void without_rseq(int argc __maybe_unused, char **argv)
{
	const char *tunables = getenv(TUNABLES);

	if (tunables && !strcmp(tunables, NO_RSEQ))
		return;
	setenv(TUNABLES, NO_RSEQ, 1);
	execv("/proc/self/exe", argv);
}

FIXTURE(quiet)
{
	struct tick_run	run;
	int		actions;
};

FIXTURE_VARIANT(quiet)
{
	bool isolated;
};

FIXTURE_VARIANT_ADD(quiet, isolated)
{
	.isolated = true,
};

/* The control: what the tests find must not be found here. */
FIXTURE_VARIANT_ADD(quiet, not_isolated)
{
	.isolated = false,
};

FIXTURE_SETUP(quiet)
{
	if (!isol_present())
		SKIP(return, NO_ISOLATION);
	if (geteuid())
		SKIP(return, NO_ROOT " to write " STAT_REFRESH);
	self->run.cpu = isolated_cpu();
	if (self->run.cpu < 0)
		SKIP(return, NO_CPU);
	if (!cpu_is_nohz_full(self->run.cpu))
		SKIP(return, NO_NOHZ_FULL);
	if (!tick_can_stop())
		SKIP(return, NO_HRES);
	if (!tick_can_trace())
		SKIP(return, "needs tracefs with events of interrupt vectors and context tracking");
	ASSERT_EQ(0, pin_to(0));
	self->actions = isol_get(PR_ISOL_SUP_QUIESCE_CFG);
	ASSERT_EQ(ISOL_F_QUIESCE_VMSTAT_SYNC | ISOL_F_QUIESCE_NOHZ_FULL,
		  self->actions & (ISOL_F_QUIESCE_VMSTAT_SYNC | ISOL_F_QUIESCE_NOHZ_FULL));
	self->run.quiesce = variant->isolated ? self->actions : 0;
	self->run.rounds = ROUNDS;
	self->run.window_ms = WINDOW_MS;
	self->run.untold = true;
}

FIXTURE_TEARDOWN(quiet)
{
	tick_stop(&self->run);
}

static const struct tick_way *way_by_name(const char *name)
{
	for (size_t i = 0; i < tick_nr_ways; i++) {
		if (!strcmp(tick_ways[i].name, name))
			return &tick_ways[i];
	}
	return NULL;
}

/* A tick that runs, although nothing needs it any more. */
TEST_F_TIMEOUT(quiet, tick_running, 120)
{
	/* A CPU timer that was armed and disarmed. */
	const struct tick_way *way = way_by_name("thread_timer");
	struct tick_result result;

	ASSERT_NE(NULL, way);
	ASSERT_EQ(NULL, tick_measure(&self->run, way, &result));
	TH_LOG("a timer interrupt in %d of %d rounds", result.hit, result.rounds);
	if (variant->isolated) {
		EXPECT_GE(RARE, result.hit);
	} else {
		EXPECT_LT(RARE, result.hit);
	}
}

static int pipe_fds[2];

static char pipe_part[PIPE_PART];

/* The last call allocates pages, and does nothing else that is counted. */
static int pipe_fill(struct tick_run *run __maybe_unused)
{
	struct iovec parts[PIPE_PARTS];

	for (int i = 0; i < PIPE_PARTS; i++)
		parts[i] = (struct iovec){ pipe_part, PIPE_PART };
	return writev(pipe_fds[1], parts, PIPE_PARTS) == PIPE_SIZE ? 0 : -1;
}

/* The CPU of the spinner does not get its pages back: it takes others the next time. */
static int refresh_and_drain(void)
{
	if (write_file(STAT_REFRESH, "1"))
		return -1;
	for (int i = 0; i < PIPE_PARTS; i++) {
		if (read(pipe_fds[0], pipe_part, PIPE_PART) != PIPE_PART)
			return -1;
	}
	return 0;
}

/* Differentials of a zone, where those of the node are zero. */
TEST_F_TIMEOUT(quiet, zone_counters, 120)
{
	const struct tick_way way = {
		.name = "pipe", .go = pipe_fill, .meanwhile = refresh_and_drain,
	};
	struct tick_result result;

	ASSERT_EQ(0, pipe(pipe_fds));
	ASSERT_EQ(PIPE_SIZE, fcntl(pipe_fds[1], F_SETPIPE_SZ, PIPE_SIZE));
	ASSERT_EQ(NULL, tick_measure(&self->run, &way, &result));
	TH_LOG("another task ran in %d of %d rounds", result.other, result.rounds);
	if (variant->isolated) {
		EXPECT_GE(RARE, result.other);
	} else {
		EXPECT_LT(RARE, result.other);
	}
}

/* A timer that was armed by the last system call. */
TEST_F_TIMEOUT(quiet, timer_armed, 60)
{
	const struct itimerspec soon = { .it_value.tv_nsec = 500000 };
	int fd, seen = 0, zero = 0;
	uint64_t count;

	if (!variant->isolated)
		SKIP(return, "nothing is told without isolation");
	ASSERT_EQ(0, pin_to(self->run.cpu));
	fd = timerfd_create(CLOCK_MONOTONIC, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, isol_quiesce(self->actions));
	for (int i = 0; i < 40 * ROUNDS && (seen < 10 || zero < 10); i++) {
		int left;

		/* Quiet before, or the return is slow for that reason. */
		for (int j = 0; j < 1000 && isol_get(PR_ISOL_QUIESCE_LEFT); j++)
			;
		ASSERT_EQ(0, timerfd_settime(fd, 0, &soon, NULL));
		left = isol_get(PR_ISOL_QUIESCE_LEFT);
		seen += !!(left & ISOL_LEFT_HRTIMER);
		/* Another CPU may have it, and it may have expired. */
		ASSERT_EQ((ssize_t)sizeof(count), read(fd, &count, sizeof(count)));
		zero += !isol_get(PR_ISOL_QUIESCE_LEFT);
	}
	TH_LOG("told %d times, quiet %d times", seen, zero);
	EXPECT_LE(10, seen);
	EXPECT_LE(10, zero);
	ASSERT_EQ(0, isol_enable(0));
}

static void *nothing(void *arg)
{
	return arg;
}

static int threads_live_and_exit(void)
{
	pthread_t threads[STORM];
	int i, ret = 0;

	for (i = 0; i < STORM; i++) {
		ret = pthread_create(&threads[i], NULL, nothing, NULL);
		if (ret)
			break;
	}
	while (i--)
		pthread_join(threads[i], NULL);
	return ret;
}

struct caller {
	struct spinner	spinner;
	int		cpu;
	int		actions;
};

/* Enters the kernel a few times in each step. */
static void calls(void *arg)
{
	struct caller *caller = arg;
	int step = 0, ret = pin_to(caller->cpu) || mlockall(MCL_CURRENT | MCL_FUTURE) ? -errno : 0;

	spinner_ready(&caller->spinner, ret ? ret : isol_quiesce(caller->actions));
	for (;;) {
		step = spinner_next(&caller->spinner, step);
		for (int i = 0; i < 10; i++)
			getppid();
		spinner_done(&caller->spinner, step, 0);
	}
}

/* A flush that was deferred is told after the entry that did it, not later. */
TEST_F_TIMEOUT(quiet, flush_done, 240)
{
	static const char * const events[] = { "task_isolation/task_isol_tlb_defer", NULL };
	struct trace *trace = &self->run.trace;
	struct text text = { };
	struct caller *caller;
	int deferred = 0;

	if (!variant->isolated)
		SKIP(return, "nothing is told without isolation");
	if (!(self->actions & ISOL_F_QUIESCE_DEFER_TLB_FLUSH))
		SKIP(return, "flushes are not deferred");
	if (!trace_possible(events))
		SKIP(return, "flushes interrupt nobody, so that none is deferred");
	caller = alloc_shared(sizeof(*caller));
	ASSERT_NE(NULL, caller);
	caller->cpu = self->run.cpu;
	caller->actions = self->actions;
	ASSERT_EQ(0, spinner_start(&caller->spinner, calls, caller));
	ASSERT_EQ(NULL, trace_start(trace, "quiet", events));
	/* Nothing is left to the CPU that it has not been told. */
	ASSERT_EQ(0, trace_filter(trace, events[0], "cpu", self->run.cpu));
	ASSERT_EQ(0, trace_on(trace, true));
	for (int i = 0; i < STORMS && !deferred; i++) {
		ASSERT_EQ(0, threads_live_and_exit());
		deferred = trace_count(trace, "task_isol_tlb_defer:");
		ASSERT_LE(0, deferred);
	}
	EXPECT_LE(1, deferred);

	/* The first of these calls flushes. Its return is not traced. */
	ASSERT_EQ(0, spinner_step(&caller->spinner, 1));
	ASSERT_EQ(0, trace_write(trace, RETURNS "/enable", "1"));
	ASSERT_EQ(0, spinner_step(&caller->spinner, 2));
	ASSERT_EQ(0, trace_on(trace, false));
	ASSERT_EQ(0, trace_text(trace, self->run.cpu, &text));
	EXPECT_LE(10, events_count(text.buf, "task_isol_quiesce_done", caller->spinner.pid, ""));
	EXPECT_EQ(0, events_count(text.buf, "task_isol_quiesce_done", 0, "done=TLB_FLUSH"));
	spinner_stop(&caller->spinner);
}

/* What the last return left is not what this one leaves. */
TEST_F_TIMEOUT(quiet, other_cpu, 60)
{
	int wrong = 0, quiet = 0;

	if (!variant->isolated)
		SKIP(return, "nothing is told without isolation");
	ASSERT_EQ(0, isol_quiesce(self->actions));
	for (int i = 0; i < 2 * ROUNDS; i++) {
		ASSERT_EQ(0, pin_to(self->run.cpu));
		for (int j = 0; j < 1000 && isol_get(PR_ISOL_QUIESCE_LEFT); j++)
			;
		quiet += !isol_get(PR_ISOL_QUIESCE_LEFT);
		ASSERT_EQ(0, pin_to(0));
		wrong += isol_get(PR_ISOL_QUIESCE_LEFT) != ISOL_LEFT_TICK_ALWAYS;
	}
	TH_LOG("quiet %d times", quiet);
	EXPECT_LE(ROUNDS, quiet);
	EXPECT_EQ(0, wrong);
	ASSERT_EQ(0, isol_enable(0));
}

TEST_HARNESS_MAIN
