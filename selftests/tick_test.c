// SPDX-License-Identifier: GPL-2.0
/*
 * ISOL_F_QUIESCE_NOHZ_FULL: the tick is gone at the moment of the return to user
 * mode, or PR_ISOL_QUIESCE_LEFT tells why not.
 */
#include "tick.h"

#include "kselftest_harness.h"

#include <sys/resource.h>
#include <sys/utsname.h>

/* More, and longer ones, with "tick". */
#define ROUNDS		20
/* Ten ticks with HZ=250, four with 100: the tick that goes on is in it. */
#define WINDOW_MS	40
/*
 * What has other reasons than the test has: a grace period of somebody else, a host that
 * takes the CPU away. With the action no more rounds than these are interrupted. There
 * were none in most runs on a busy host, and 19 or 20 without the action.
 */
#define RARE		(ROUNDS / 4)
/*
 * A kworker that had to run beside a real-time thread leaves the timer of the deadline
 * server, which is announced: it comes in a quarter of the rounds.
 */
#define MANY		(ROUNDS / 2)
/* The deadline server of the fair class has a budget in each of these. */
#define SERVER_PERIOD_MS	1000

FIXTURE(tick)
{
	struct tick_run	run;
};

FIXTURE_VARIANT(tick)
{
	unsigned long	quiesce;
	bool		fifo;
};

FIXTURE_VARIANT_ADD(tick, isolated)
{
	.quiesce = ISOL_F_QUIESCE_VMSTAT_SYNC | ISOL_F_QUIESCE_NOHZ_FULL,
};

FIXTURE_VARIANT_ADD(tick, isolated_fifo)
{
	.quiesce = ISOL_F_QUIESCE_VMSTAT_SYNC | ISOL_F_QUIESCE_NOHZ_FULL,
	.fifo = true,
};

/* The control: as isolated, without the action. */
FIXTURE_VARIANT_ADD(tick, without_the_action)
{
	.quiesce = ISOL_F_QUIESCE_VMSTAT_SYNC,
};

FIXTURE_VARIANT_ADD(tick, without_the_action_fifo)
{
	.quiesce = ISOL_F_QUIESCE_VMSTAT_SYNC,
	.fifo = true,
};

static bool is_rt(void)
{
	struct utsname name;

	return !uname(&name) && strstr(name.version, "PREEMPT_RT");
}

static bool has_kasan(void)
{
	FILE *symbols = fopen("/proc/kallsyms", "r");
	bool found = false;
	char line[256];

	while (symbols && !found && fgets(line, sizeof(line), symbols))
		found = strstr(line, " kasan_report");
	if (symbols)
		fclose(symbols);
	return found;
}

/*
 * With these checks, a kernel thread with a little to do may need more than the
 * turns that the thread gives it.
 */
static bool is_slow(void)
{
	return is_rt() || !access("/proc/lockdep", F_OK) || has_kasan();
}

/*
 * A task that was preempted by the spinner, in an RCU reader, is boosted to the
 * priority of the RCU threads. If that is the spinner's it waits forever. The
 * deadline server does not help it then, as it is not of the fair class.
 */
static bool starves_rcu(void)
{
	char prio[16];

	if (!is_rt())
		return false;
	return read_file("/sys/module/rcutree/parameters/kthread_prio", prio, sizeof(prio)) <= 0 ||
	       atoi(prio) <= TICK_PRIORITY;
}

FIXTURE_SETUP(tick)
{
	if (!isol_present())
		SKIP(return, NO_ISOLATION);
	if (geteuid())
		SKIP(return, NO_ROOT " for the tracepoints");
	if (variant->fifo && starves_rcu())
		SKIP(return, "PREEMPT_RT: would starve RCU, boot with rcutree.kthread_prio=2");
	self->run.cpu = isolated_cpu();
	if (self->run.cpu < 0)
		SKIP(return, NO_CPU);
	if (!cpu_is_nohz_full(self->run.cpu))
		SKIP(return, NO_NOHZ_FULL);
	if (!tick_can_stop())
		SKIP(return, NO_HRES);
	ASSERT_TRUE(isol_supports(variant->quiesce));
	if (!tick_can_trace())
		SKIP(return, "needs tracefs with events of interrupt vectors and context tracking");
	ASSERT_EQ(0, pin_to(0));
	self->run.quiesce = variant->quiesce;
	self->run.fifo = variant->fifo;
	self->run.rounds = ROUNDS;
	self->run.window_ms = WINDOW_MS;
}

FIXTURE_TEARDOWN(tick)
{
	tick_stop(&self->run);
}

/* The action as such: what the thread has to wait for, in user mode, until nothing is left. */
static int wait_until_left(int reasons, int value, unsigned int ms)
{
	uint64_t end = monotonic_ns() + ms * NSEC_PER_MSEC;
	int left;

	do {
		left = isol_get(PR_ISOL_QUIESCE_LEFT);
		if (left < 0 || (left & reasons) == value)
			break;
		spin_ms(10);
	} while (monotonic_ns() < end);
	return left;
}

/* What is left of a thread that does nothing. */
static int left_when_idle(int cpu)
{
	int left;

	if (pin_to(cpu) || isol_quiesce(ISOL_F_QUIESCE_NOHZ_FULL))
		return -1;
	left = wait_until_left(TICK_REASONS, 0, 3 * SERVER_PERIOD_MS);
	return isol_quiesce(0) || pin_to(0) ? -1 : left;
}

static void expect_stopped(struct __test_metadata *_metadata, const struct tick_way *way,
			   bool fifo, const struct tick_result *result)
{
	/*
	 * Each timer interrupt was announced. For a real-time thread a fair task that another
	 * CPU wakes up here may start the timer of the deadline server after the return.
	 */
	EXPECT_GE(fifo ? RARE : 0, result->unnamed);
	/*
	 * What the thread asked for stays and is named, everything else is gone in the
	 * end. A task that shares the CPU may need more time than the window has.
	 */
	EXPECT_GE(way->shares ? RARE : 0, result->late);
	EXPECT_EQ(way->left,
		  result->left & TICK_REASONS & ~(way->shares ? ISOL_LEFT_TICK_SCHED : 0));
	/*
	 * A kernel thread with a little to do sleeps within the turns that it gets. Each
	 * round has its own attempts: even on a slow kernel not all of them are in vain.
	 */
	EXPECT_GE(is_slow() ? ROUNDS - 1 : RARE, result->gave_up);
	/* The tick goes on for what stays, for a task that shares the CPU, or if it gave up. */
	if (!way->left && !way->shares) {
		EXPECT_GE(RARE, result->tick - result->gave_up);
		EXPECT_GE(fifo ? MANY : RARE, result->hit - result->gave_up);
	}
	/*
	 * Nor was there another task to run in user mode. What a real-time thread starves
	 * is run by the deadline server.
	 */
	if (!way->shares && !fifo)
		EXPECT_GE(RARE, result->other - result->gave_up);
}

TEST_F_TIMEOUT(tick, stopped_at_return, 120)
{
	bool acts = variant->quiesce & ISOL_F_QUIESCE_NOHZ_FULL;
	int left = acts ? left_when_idle(self->run.cpu) : 0;

	if (left > 0 && left & ISOL_LEFT_TICK_CLOCK_UNSTABLE)
		SKIP(return, "the clock is unstable, no tick stops");
	ASSERT_EQ(0, left & TICK_REASONS);
	for (size_t i = 0; i < tick_nr_ways; i++) {
		const struct tick_way *way = &tick_ways[i];
		struct tick_result result;
		const char *error;

		if (variant->fifo && way->not_fifo)
			continue;
		if (way->possible && !way->possible()) {
			TH_LOG("%s: not in this kernel", way->name);
			continue;
		}
		/* Where the tick is not seen without the action, there is no control. */
		if (!acts && !(variant->fifo ? way->hits_fifo : way->hits))
			continue;
		/* The load balancer may keep a task on a CPU that has a domain, for seconds. */
		for (int try = 0; try < 3; try++) {
			error = tick_measure(&self->run, way, &result);
			if (error || !acts || way->shares || variant->fifo ||
			    result.other - result.gave_up <= RARE ||
			    cpu_is_in(self->run.cpu, ISOLATED_CPUS))
				break;
			TH_LOG("%s: another task in %d rounds, once more", way->name,
			       result.other);
		}
		TH_LOG("%s: %d of %d rounds interrupted by a timer, in %d s, left %#x %s",
		       way->name, result.hit, result.rounds, result.seconds, result.left,
		       result.named);
		TH_LOG("%s: tick %d, unnamed %d, early %ld us, gave up %d, other task %d, late %d",
		       way->name, result.tick, result.unnamed, result.early_us, result.gave_up,
		       result.other, result.late);
		ASSERT_EQ(NULL, error) {
			TH_LOG("%s: %s", way->name, error);
		}
		if (!acts) {
			EXPECT_LT(MANY, result.hit);
		} else if (variant->fifo && is_rt() &&
			   (way->not_fifo_rt || result.left & ISOL_LEFT_TICK_IRQ_WORK)) {
			/*
			 * irq_work/N has a priority that is not above the spinner's. Any
			 * message of the kernel on this CPU queues such work.
			 */
			EXPECT_EQ(0, result.unnamed);
			EXPECT_EQ(result.hit, result.gave_up);
		} else {
			expect_stopped(_metadata, way, variant->fifo, &result);
		}
	}
}

/* An action without effect is no error, but says so. */
TEST(tick_of_a_housekeeping_cpu)
{
	if (!isol_supports(ISOL_F_QUIESCE_NOHZ_FULL))
		SKIP(return, NO_NOHZ_FULL);
	ASSERT_EQ(0, pin_to(0));
	ASSERT_EQ(0, isol_quiesce(ISOL_F_QUIESCE_NOHZ_FULL));
	EXPECT_EQ(ISOL_LEFT_TICK_ALWAYS, isol_get(PR_ISOL_QUIESCE_LEFT));
	ASSERT_EQ(0, isol_enable(0));
	EXPECT_EQ(0, isol_get(PR_ISOL_QUIESCE_LEFT));
}

static long switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw + usage.ru_nivcsw;
}

/* A child on the CPU of this thread. It runs @peer, which does not return. */
static pid_t start_peer(void (*peer)(int *word, int fd), int *word, int fd)
{
	pid_t pid = fork();

	if (!pid) {
		die_with_parent();
		peer(word, fd);
	}
	return pid;
}

static void spin_forever(int *word, int fd __maybe_unused)
{
	spinner_store(word, 1);
	for (;;)
		;
}

/*
 * A task that is no kernel thread and does not sleep: the thread does not yield to
 * it, but says that the tick goes on. The peer gets its share of the CPU, and is
 * not given more.
 */
TEST_F(tick, busy_peer)
{
	int *running = alloc_shared(sizeof(*running));
	long calls = 0, before, after;
	uint64_t end;
	pid_t peer;
	int left;

	if (variant->fifo || !(variant->quiesce & ISOL_F_QUIESCE_NOHZ_FULL))
		SKIP(return, "only a fair thread with the action yields");
	ASSERT_NE(NULL, running);
	ASSERT_EQ(0, pin_to(self->run.cpu));
	peer = start_peer(spin_forever, running, -1);
	ASSERT_LT(0, peer);
	ASSERT_EQ(0, wait_for(running, 1, 10000));
	ASSERT_EQ(0, isol_quiesce(variant->quiesce));
	left = isol_get(PR_ISOL_QUIESCE_LEFT);
	EXPECT_EQ(ISOL_LEFT_TICK_SCHED, left & (ISOL_LEFT_TICK_SCHED | ISOL_LEFT_GAVE_UP));
	/* Long enough for either to have several slices. */
	before = switches();
	for (end = monotonic_ns() + 200 * NSEC_PER_MSEC; monotonic_ns() < end; calls++)
		getppid();
	after = switches();
	TH_LOG("%ld context switches in %ld system calls", after - before, calls);
	/* The peer is there. */
	EXPECT_LT(0, after - before);
	/* A thread that yields on its return has one call to a switch, another one a slice. */
	EXPECT_GT(calls, 10 * (after - before));
	/* Nothing was tried, so nothing was given up. */
	EXPECT_EQ(0, isol_get(PR_ISOL_QUIESCE_LEFT) & ISOL_LEFT_GAVE_UP);
	end_child(&peer);
	left = wait_until_left(TICK_REASONS, 0, 2 * SERVER_PERIOD_MS);
	EXPECT_EQ(0, left & TICK_REASONS);
	ASSERT_EQ(0, isol_enable(0));
}

/* ---- a kernel thread that does not sleep soon ---- */

/* How long a thread that gave up does not yield again. */
#define PAUSE_MS	1000
/* As many pages as take a kworker more than all the turns that it is given. */
#define BUSY_KB		"131072"

/* The buffer of @cpu is made smaller by a kworker of that CPU. */
static int resize(const struct trace *trace, int cpu, const char *kb)
{
	char file[64];

	snprintf(file, sizeof(file), "per_cpu/cpu%d/buffer_size_kb", cpu);
	return trace_write(trace, file, kb);
}

/* Makes the buffer of @cpu a page larger or smaller, in turns: little work for a kworker. */
struct nudger {
	struct spinner		spinner;
	const struct trace	*trace;
	int			cpu;
};

static void nudge(void *arg)
{
	static const char * const kb[] = { "4", "8" };
	struct nudger *nudger = arg;
	int step = 0;

	spinner_ready(&nudger->spinner, pin_to(0) ? -errno : 0);
	for (;;) {
		step = spinner_next(&nudger->spinner, step);
		spinner_done(&nudger->spinner, step,
			     resize(nudger->trace, nudger->cpu, kb[step % 2]));
	}
}

/* In how many of @rounds the thread gave up on the kworker, or -1. */
static int give_ups(struct spinner *nudger, int rounds)
{
	int count = 0;

	for (int i = 0; i < rounds; i++) {
		bool gave_up = false;
		int step = nudger->step + 1, left;

		spinner_store(&nudger->step, step);
		do {
			left = isol_get(PR_ISOL_QUIESCE_LEFT);
			if (left < 0)
				return -1;
			gave_up |= left & ISOL_LEFT_GAVE_UP;
		} while (spinner_load(&nudger->done) != step);
		if (nudger->ret)
			return -1;
		count += gave_up;
	}
	return count;
}

/*
 * Whether the turns are enough for little work, at least if tried again: a machine below
 * that takes the CPU away makes the kernel thread need more of them.
 */
static bool need_not_give_up(struct spinner *nudger)
{
	for (int i = 0; i < 10; i++) {
		if (!give_ups(nudger, 5))
			return true;
		spin_ms(PAUSE_MS + 100);
	}
	return false;
}

/*
 * A kernel thread of the CPU with much to do: the thread goes on after a few
 * attempts, and says so. It does not try again for a second, and then it does.
 */
TEST_F_TIMEOUT(tick, gave_up_for_a_second, 60)
{
	static const char * const no_events[] = { NULL };
	struct trace *trace = &self->run.trace;
	bool late = false;
	uint64_t gave_up;
	struct trace little = { };
	struct nudger *nudger;
	int left, status;
	pid_t child;

	if (variant->fifo || !(variant->quiesce & ISOL_F_QUIESCE_NOHZ_FULL))
		SKIP(return, "only a fair thread with the action yields");
	if (is_slow())
		SKIP(return, "a slow kernel gives up too often");
	ASSERT_EQ(NULL, trace_start(trace, "busy", no_events));
	if (resize(trace, self->run.cpu, BUSY_KB))
		SKIP(return, "not enough memory for a large buffer");
	ASSERT_EQ(NULL, trace_start(&little, "little", no_events));
	nudger = alloc_shared(sizeof(*nudger));
	ASSERT_NE(NULL, nudger);
	nudger->trace = &little;
	nudger->cpu = self->run.cpu;
	ASSERT_EQ(0, spinner_start(&nudger->spinner, nudge, nudger));
	ASSERT_EQ(0, pin_to(self->run.cpu));
	ASSERT_EQ(0, isol_quiesce(variant->quiesce));
	left = wait_until_left(TICK_REASONS, 0, 3 * SERVER_PERIOD_MS);
	EXPECT_EQ(0, left & TICK_REASONS);
	/* The control: there is no need to give up on little work. */
	EXPECT_TRUE(need_not_give_up(&nudger->spinner));

	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(pin_to(0) || resize(trace, self->run.cpu, "4"));
	/* Each poll is a return. No spinning: the buffer could have shrunk meanwhile. */
	gave_up = monotonic_ns();
	do {
		left = isol_get(PR_ISOL_QUIESCE_LEFT);
	} while (!(left & ISOL_LEFT_GAVE_UP) && monotonic_ns() < gave_up + 5 * NSEC_PER_SEC);
	gave_up = monotonic_ns();
	EXPECT_EQ(ISOL_LEFT_TICK_SCHED | ISOL_LEFT_GAVE_UP,
		  left & (ISOL_LEFT_TICK_SCHED | ISOL_LEFT_GAVE_UP));
	left = wait_until_left(TICK_REASONS | ISOL_LEFT_GAVE_UP, 0, 5000);
	EXPECT_EQ(0, left & (TICK_REASONS | ISOL_LEFT_GAVE_UP));
	TH_LOG("the kernel thread was busy for %u ms more",
	       (unsigned int)((monotonic_ns() - gave_up) / NSEC_PER_MSEC));
	/* Little work is too much now: in some round the kworker is not asleep yet. */
	if (monotonic_ns() < gave_up + PAUSE_MS / 2 * NSEC_PER_MSEC) {
		int count = give_ups(&nudger->spinner, ROUNDS);

		TH_LOG("gave up at once in %d of %d rounds", count, ROUNDS);
		/* If it always is, there was nothing to see. */
		late = !count;
	} else {
		late = true;
	}
	while (monotonic_ns() < gave_up + (PAUSE_MS + 200) * NSEC_PER_MSEC)
		;
	EXPECT_TRUE(need_not_give_up(&nudger->spinner));
	ASSERT_EQ(0, isol_enable(0));
	spinner_stop(&nudger->spinner);
	trace_stop(&little);
	EXPECT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	if (late && __test_passed(_metadata))
		SKIP(return, "the kernel thread was busy for too long, or never, to see the pause");
}

static void read_forever(int *word, int fd)
{
	char byte;

	while (read(fd, &byte, 1) == 1)
		__atomic_fetch_add(word, 1, __ATOMIC_RELEASE);
	_exit(0);
}

/*
 * A fair task that a real-time thread starves is run by the deadline server, goes
 * to sleep while the server is active, and must not leave the tick behind.
 */
TEST_F_TIMEOUT(tick, starved_peer, 45)
{
	int *served = alloc_shared(sizeof(*served));
	int fds[2], left = 0;
	pid_t peer;

	if (!variant->fifo || !(variant->quiesce & ISOL_F_QUIESCE_NOHZ_FULL))
		SKIP(return, "only a real-time thread with the action starves others");
	ASSERT_NE(NULL, served);
	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(0, pin_to(self->run.cpu));
	peer = start_peer(read_forever, served, fds[0]);
	ASSERT_LT(0, peer);
	ASSERT_EQ(0, wait_until_asleep(peer, 10000));
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_FIFO,
					&(struct sched_param){ .sched_priority = TICK_PRIORITY }));
	ASSERT_EQ(0, isol_quiesce(variant->quiesce));
	for (int i = 1; i <= 5; i++) {
		uint64_t end = monotonic_ns() + 4 * SERVER_PERIOD_MS * NSEC_PER_MSEC;

		ASSERT_EQ(1, write(fds[1], "", 1));
		/* In its next period, if the budget of this one is used up. */
		while (spinner_load(served) != i && monotonic_ns() < end)
			;
		ASSERT_EQ(i, spinner_load(served));
		/* The server may be active for the rest of its period. */
		left = wait_until_left(ISOL_LEFT_TICK_SCHED, 0, 2 * SERVER_PERIOD_MS);
		TH_LOG("served %d, left %#x", i, left);
		EXPECT_EQ(0, left & ISOL_LEFT_TICK_SCHED);
	}
	ASSERT_EQ(0, isol_enable(0));
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ }));
	end_child(&peer);
}

TEST_HARNESS_MAIN
