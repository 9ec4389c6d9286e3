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

#include <linux/perf_event.h>
#include <pthread.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

/* The event of returns */
#define RETURNS		"events/task_isolation/task_isol_quiesce_done"

#define STAT_REFRESH	"/proc/sys/vm/stat_refresh"
#define OVERCOMMIT	"/proc/sys/vm/overcommit_memory"
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

/*
 * The periodic update comes once in stat_interval, a second, with a deferrable timer
 * that is rounded to full seconds. After this time it has been there.
 */
#define VISIT_MS	2500
/* What vmstat_test may have put its next visit off by, and more. */
#define FIRST_MS	70000
#define DIRTY_MS	100
#define VISITS		4

/* Of the tests in which each of them takes some system calls. */
#define TIMES		20
#define TIMER_FAR	1000	/* seconds that no test takes */
#define SETTLE_MS	5000

/* Stacks of that many threads are more than is lazily freed. */
#define STORM		200
#define STORMS		400
#define REST_MS		50

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

/*
 * A CPU takes a multiple of the batch from a zone, page by page, and folds each time that
 * it has one more than the threshold. Where these fit, nothing is left.
 */
static bool folds_all(void)
{
	FILE *file = fopen("/proc/zoneinfo", "re");
	int batch = 0, threshold;
	bool all = false;
	char line[128];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, " batch: %d", &batch) == 1)
			continue;
		if (sscanf(line, " vm stats threshold: %d", &threshold) == 1 && batch)
			all |= batch % (threshold + 1) == 0;
	}
	if (file)
		fclose(file);
	return all;
}

/* Differentials of a zone, where those of the node are zero. */
TEST_F_TIMEOUT(quiet, zone_counters, 120)
{
	const struct tick_way way = {
		.name = "pipe", .go = pipe_fill, .meanwhile = refresh_and_drain,
	};
	struct tick_result result;

	if (folds_all())
		SKIP(return, "the threshold of vmstat divides what a CPU takes at once");
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

static char overcommit_policy[16];

/* Locked memory would be populated, which is counted otherwise as well. */
static int commit_prepare(struct tick_run *run __maybe_unused)
{
	return munlockall();
}

/* One page more that may be used, of which there is no page yet. */
static int commit_page(struct tick_run *run __maybe_unused)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0) == MAP_FAILED ? -1 : 0;
}

/* Has the CPUs add up what was committed there. */
static int overcommit_never(void)
{
	return write_file(OVERCOMMIT, "2") || write_file(OVERCOMMIT, overcommit_policy) ? -1 : 0;
}

/* The CPU's part of the memory that was committed, where no counter of vmstat has one. */
TEST_F_TIMEOUT(quiet, committed, 120)
{
	const struct tick_way way = {
		.name = "mmap", .prepare = commit_prepare, .go = commit_page,
		.meanwhile = overcommit_never,
	};
	struct tick_result result;

	ASSERT_LT(0, read_file(OVERCOMMIT, overcommit_policy, sizeof(overcommit_policy)));
	ASSERT_EQ(NULL, tick_measure(&self->run, &way, &result));
	TH_LOG("another task ran in %d of %d rounds", result.other, result.rounds);
	if (variant->isolated) {
		EXPECT_GE(RARE, result.other);
	} else {
		EXPECT_LT(RARE, result.other);
	}
}

struct settler {
	struct spinner	spinner;
	int		cpu;
	bool		isolated;
	enum {
		DIRTY,
		SETTLE,
		LEAVE,
	}		what;
};

static void settler_run(void *arg)
{
	/* The timer of the work is deferrable: without the tick it waits for another reason. */
	const struct itimerval far = { .it_value.tv_sec = TIMER_FAR };
	const size_t size = 8192 * 4096;
	struct settler *settler = arg;
	char *pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int step = 0, used = 0, ret = 0;

	if (pages == MAP_FAILED || pin_to(settler->cpu) || setitimer(ITIMER_VIRTUAL, &far, NULL))
		ret = -errno;
	/* Fails where there are no huge pages. */
	madvise(pages, size, MADV_NOHUGEPAGE);
	spinner_ready(&settler->spinner, ret);
	for (;;) {
		step = spinner_next(&settler->spinner, step);
		if (settler->what == DIRTY)
			touch(pages + 4096 * (used++ % 8192));
		else if (settler->isolated)
			ret = isol_quiesce(settler->what == SETTLE ?
					   ISOL_F_QUIESCE_VMSTAT_SYNC : 0);
		spinner_done(&settler->spinner, step, ret);
	}
}

static int settler_step(struct settler *settler, int what)
{
	settler->what = what;
	return spinner_step(&settler->spinner, settler->spinner.step + 1);
}

/* How often the periodic update ran on @cpu since the trace was cleared, or -1. */
static int updates(const struct trace *trace, int cpu)
{
	static struct text text;

	if (trace_text(trace, cpu, &text))
		return -1;
	return events_count(text.buf, "workqueue_execute_start", 0, "vmstat_update");
}

/* Keeps the counters busy until the update ran, which has it come back. */
static int await_update(const struct trace *trace, struct settler *settler)
{
	int seen = 0;

	trace_clear(trace);
	for (int i = 0; i < FIRST_MS / DIRTY_MS && !seen; i++) {
		if (settler_step(settler, DIRTY))
			return -1;
		doze_ms(DIRTY_MS);
		seen = updates(trace, settler->cpu);
	}
	return seen > 0 ? 0 : -1;
}

/* Work of vmstat that is pending, where the counters are settled. */
TEST_F_TIMEOUT(quiet, pending_work, 240)
{
	static const char * const events[] = { "workqueue/workqueue_execute_start", NULL };
	struct trace *trace = &self->run.trace;
	struct settler *settler;
	int visits = 0;

	if (cpu_is_in(self->run.cpu, ISOLATED_CPUS))
		SKIP(return, "the CPU is isolated from scheduling domains, no periodic update");
	if (!trace_possible(events))
		SKIP(return, "needs tracefs with events of workqueues");
	ASSERT_EQ(NULL, trace_start(trace, "quiet", events));
	ASSERT_EQ(0, trace_on(trace, true));
	settler = alloc_shared(sizeof(*settler));
	ASSERT_NE(NULL, settler);
	settler->cpu = self->run.cpu;
	settler->isolated = variant->isolated;
	ASSERT_EQ(0, spinner_start(&settler->spinner, settler_run, settler));
	for (int i = 0; i < VISITS; i++) {
		ASSERT_EQ(0, await_update(trace, settler));
		/* Settles the counters, and leaves the work. */
		ASSERT_EQ(0, write_file(STAT_REFRESH, "1"));
		ASSERT_EQ(0, settler_step(settler, SETTLE));
		trace_clear(trace);
		doze_ms(VISIT_MS);
		visits += updates(trace, settler->cpu) > 0;
		ASSERT_EQ(0, settler_step(settler, LEAVE));
	}
	TH_LOG("the update came in %d of %d rounds", visits, VISITS);
	EXPECT_EQ(variant->isolated ? 0 : VISITS, visits);
	spinner_stop(&settler->spinner);
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

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *live(void *arg)
{
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return arg;
}

/* All live at the same time: no stack is used again, as slow as exiting may be. */
static int threads_live_and_exit(void)
{
	pthread_t threads[STORM];
	int i, ret = 0;

	pthread_mutex_lock(&gate);
	for (i = 0; i < STORM; i++) {
		ret = pthread_create(&threads[i], NULL, live, NULL);
		if (ret)
			break;
	}
	pthread_mutex_unlock(&gate);
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
	int deferred = 0, storms = 0;

	if (!variant->isolated)
		SKIP(return, "nothing is told without isolation");
	if (!(self->actions & ISOL_F_QUIESCE_DEFER_TLB_FLUSH))
		SKIP(return, "flushes are not deferred");
	if (!trace_possible(events))
		SKIP(return, "flushes interrupt nobody, so that none is deferred");
	caller = alloc_shared(sizeof(*caller));
	ASSERT_NE(NULL, caller);
	caller->cpu = self->run.cpu;
	/* With another action the return may be slow for that. */
	caller->actions = ISOL_F_QUIESCE_DEFER_TLB_FLUSH;
	ASSERT_EQ(0, spinner_start(&caller->spinner, calls, caller));
	ASSERT_EQ(NULL, trace_start(trace, "quiet", events));
	/* Nothing is left to the CPU that it has not been told. */
	ASSERT_EQ(0, trace_filter(trace, events[0], "cpu", self->run.cpu));
	ASSERT_EQ(0, trace_on(trace, true));
	for (; storms < STORMS && !deferred; storms++) {
		ASSERT_EQ(0, threads_live_and_exit());
		/* On PREEMPT_RT a worker frees the stacks, if there is time for it. */
		doze_ms(REST_MS);
		deferred = trace_count(trace, "task_isol_tlb_defer:");
		ASSERT_LE(0, deferred);
	}
	TH_LOG("deferred after %d times %d threads", storms, STORM);
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

/* What an isolated thread does to the events of its own returns. */
struct teller {
	struct spinner	spinner;
	int		cpu;
	enum {
		CALL,
		TELL,
		STOP,
	}		what;
	char		enable[192];
};

static void teller_run(void *arg)
{
	struct teller *teller = arg;
	int step = 0, ret = 0, fd = open(teller->enable, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || pin_to(teller->cpu) || mlockall(MCL_CURRENT | MCL_FUTURE))
		ret = -errno;
	spinner_ready(&teller->spinner, ret ? ret : isol_quiesce(ISOL_F_QUIESCE_DEFER_TEXT_SYNC));
	for (;;) {
		step = spinner_next(&teller->spinner, step);
		if (teller->what == CALL) {
			for (int i = 0; i < 10; i++)
				getppid();
		} else {
			ret = pwrite(fd, teller->what == TELL ? "1" : "0", 1, 0) == 1 ? 0 : -errno;
		}
		spinner_done(&teller->spinner, step, ret);
	}
}

static int teller_step(struct teller *teller, int what)
{
	teller->what = what;
	return spinner_step(&teller->spinner, teller->spinner.step + 1);
}

/*
 * The same where only the synchronization of text is deferred. To switch the event on
 * changes text as well. The thread does that itself: nothing is left to it meanwhile.
 */
TEST_F_TIMEOUT(quiet, text_sync_done, 120)
{
	static const char * const events[] = { "task_isolation/task_isol_text_defer", NULL };
	struct trace *trace = &self->run.trace;
	struct text text = { };
	struct teller *teller;
	int rounds = 0, late = 0;

	if (!variant->isolated)
		SKIP(return, "nothing is told without isolation");
	if (!(self->actions & ISOL_F_QUIESCE_DEFER_TEXT_SYNC))
		SKIP(return, "to synchronize text is not deferred");
	teller = alloc_shared(sizeof(*teller));
	ASSERT_NE(NULL, teller);
	teller->cpu = self->run.cpu;
	ASSERT_EQ(NULL, trace_start(trace, "quiet", events));
	snprintf(teller->enable, sizeof(teller->enable), "%s/" RETURNS "/enable", trace->dir);
	ASSERT_EQ(0, trace_filter(trace, events[0], "cpu", self->run.cpu));
	ASSERT_EQ(0, spinner_start(&teller->spinner, teller_run, teller));
	for (int i = 0; i < TIMES; i++) {
		trace_clear(trace);
		ASSERT_EQ(0, trace_on(trace, true));
		/* Text that is changed while the thread is in user mode. */
		ASSERT_EQ(0, trace_write(trace, "events/signal/enable", "1"));
		ASSERT_EQ(0, trace_write(trace, "events/signal/enable", "0"));
		rounds += trace_count(trace, "task_isol_text_defer:") > 0;
		/* The first of these calls serializes. Its return is not traced. */
		ASSERT_EQ(0, teller_step(teller, CALL));
		ASSERT_EQ(0, teller_step(teller, TELL));
		ASSERT_EQ(0, teller_step(teller, STOP));
		ASSERT_EQ(0, trace_on(trace, false));
		ASSERT_EQ(0, trace_text(trace, self->run.cpu, &text));
		EXPECT_LE(1, events_count(text.buf, "task_isol_quiesce_done",
					  teller->spinner.pid, ""));
		late += events_count(text.buf, "task_isol_quiesce_done", teller->spinner.pid,
				     "done=TEXT_SYNC") > 0;
	}
	TH_LOG("deferred in %d rounds, told late in %d", rounds, late);
	EXPECT_LE(TIMES / 2, rounds);
	EXPECT_GE(TIMES / 4, late);
	spinner_stop(&teller->spinner);
}

/* ---- what needs the tick, one test for each place that it is noted in ---- */

/* Waits until nothing is left. */
static bool becomes_quiet(void)
{
	uint64_t end = monotonic_ns() + SETTLE_MS * NSEC_PER_MSEC;

	while (isol_get(PR_ISOL_QUIESCE_LEFT)) {
		if (monotonic_ns() > end)
			return false;
	}
	return true;
}

/*
 * In how many rounds the return from @set(@arg, true) told @left. Before each, and after
 * @set(@arg, false) in the end, nothing is left. Or -1.
 */
static int rounds_told(struct tick_run *run, int (*set)(void *arg, bool on), void *arg,
		       int actions, int left)
{
	int told = 0;

	if (pin_to(run->cpu) || isol_quiesce(actions))
		return -1;
	for (int i = 0; i < TIMES; i++) {
		int found;

		if (!becomes_quiet() || set(arg, true))
			return -1;
		found = isol_get(PR_ISOL_QUIESCE_LEFT);
		if (found < 0 || set(arg, false))
			return -1;
		told += !!(found & left);
	}
	return becomes_quiet() && !isol_quiesce(0) ? told : -1;
}

static int timer_on(void *arg, bool on)
{
	struct itimerspec spec = { .it_value.tv_sec = on ? TIMER_FAR : 0 };

	return timer_settime(*(timer_t *)arg, 0, &spec, NULL);
}

static int timer_told(struct tick_run *run, clockid_t clock, int actions)
{
	/* A timer that tells nobody would not be armed at all. */
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	timer_t timer;
	int told;

	if (timer_create(clock, &event, &timer))
		return -1;
	told = rounds_told(run, timer_on, &timer, actions, ISOL_LEFT_TICK_POSIX_TIMER);
	timer_delete(timer);
	return told;
}

TEST_F_TIMEOUT(quiet, needed_by_the_thread, 60)
{
	if (!variant->isolated)
		SKIP(return, "nothing is told without isolation");
	EXPECT_EQ(TIMES, timer_told(&self->run, CLOCK_THREAD_CPUTIME_ID, self->actions));
}

TEST_F_TIMEOUT(quiet, needed_by_the_process, 60)
{
	if (!variant->isolated)
		SKIP(return, "nothing is told without isolation");
	EXPECT_EQ(TIMES, timer_told(&self->run, CLOCK_PROCESS_CPUTIME_ID, self->actions));
}

/* A task that shares the CPU. It is there all the time, and wants to run or is stopped. */
static int peer_on(void *arg, bool on)
{
	return kill(*(pid_t *)arg, on ? SIGCONT : SIGSTOP);
}

TEST_F_TIMEOUT(quiet, needed_by_the_cpu, 120)
{
	int *running = alloc_shared(sizeof(*running)), status;
	pid_t peer;

	if (!variant->isolated)
		SKIP(return, "nothing is told without isolation");
	ASSERT_NE(NULL, running);
	peer = fork();
	if (!peer) {
		die_with_parent();
		if (pin_to(self->run.cpu))
			_exit(1);
		spinner_store(running, 1);
		for (;;)
			;
	}
	ASSERT_LT(0, peer);
	ASSERT_EQ(0, wait_for(running, 1, SPINNER_MS));
	ASSERT_EQ(0, peer_on(&peer, false));
	ASSERT_EQ(peer, waitpid(peer, &status, WUNTRACED));
	EXPECT_EQ(TIMES, rounds_told(&self->run, peer_on, &peer, self->actions,
				     ISOL_LEFT_TICK_SCHED));
	end_child(&peer);
}

/*
 * An event with a frequency is a matter of all CPUs, although it does not count. That of a
 * clock would be made a period.
 */
static int event_on(void *arg, bool on)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.sample_freq = 1000,
		.freq = 1,
		.disabled = 1,
	};
	int *fd = arg;

	if (!on)
		return close(*fd);
	*fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	return *fd < 0 ? -1 : 0;
}

TEST_F_TIMEOUT(quiet, needed_by_all, 60)
{
	int fd;

	if (!variant->isolated)
		SKIP(return, "nothing is told without isolation");
	if (event_on(&fd, true))
		SKIP(return, "needs CONFIG_PERF_EVENTS");
	ASSERT_EQ(0, event_on(&fd, false));
	EXPECT_EQ(TIMES, rounds_told(&self->run, event_on, &fd, self->actions,
				     ISOL_LEFT_TICK_PERF_EVENTS));
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
