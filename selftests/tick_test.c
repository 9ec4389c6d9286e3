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
#define WINDOW_MS	40

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

/* It may take another task longer than the few attempts to get off the CPU. */
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

TEST_F_TIMEOUT(tick, stopped_at_return, 280)
{
	for (size_t i = 0; i < TICK_WAYS; i++) {
		const struct tick_way *way = &tick_ways[i];
		struct tick_result result;
		const char *error;

		if (variant->fifo && way->not_fifo)
			continue;
		error = tick_measure(&self->run, way, &result);
		TH_LOG("%s: %u of %u rounds interrupted by a timer, %u other, left %#x %s",
		       way->name, result.hit, result.rounds, result.other, result.left,
		       result.named);
		if (result.gave_up)
			TH_LOG("%s: gave up in %u rounds", way->name, result.gave_up);
		ASSERT_EQ(NULL, error) {
			TH_LOG("%s: %s", way->name, error);
		}
		if (!(variant->quiesce & ISOL_F_QUIESCE_NOHZ_FULL)) {
			bool hits = variant->fifo ? way->hits_fifo : way->hits;

			EXPECT_LE(hits ? ROUNDS / 10 : 0, result.hit);
			continue;
		}
		/* Not one that was not announced. */
		EXPECT_EQ(0, result.unnamed);
		/* What the thread asked for has to be. */
		EXPECT_EQ(way->left, result.left & way->left);
		if (variant->fifo && way->not_fifo_rt && is_rt()) {
			/* irq_work/N has a priority that is not above the spinner's. */
			EXPECT_EQ(result.hit, result.gave_up);
			continue;
		}
		if (!is_slow())
			EXPECT_GE(ROUNDS / 2, result.gave_up);
		/* When the other task sleeps at last, the tick stops. */
		EXPECT_EQ(0, result.left & ISOL_LEFT_TICK_SCHED);
		/* Others are rare, the timer of the deadline server say. */
		if (!way->left)
			EXPECT_GE(ROUNDS / 2, result.hit - result.gave_up);
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

/*
 * Another task that does not sleep: the thread goes on after a few attempts, and
 * says so. Otherwise this would take as long as the other one runs.
 */
TEST_F(tick, busy_peer)
{
	long before, after;
	pid_t peer;
	int left;

	if (variant->fifo || !(variant->quiesce & ISOL_F_QUIESCE_NOHZ_FULL))
		SKIP(return, "only a fair thread with the action yields");
	ASSERT_EQ(0, pin_to(self->run.cpu));
	peer = fork();
	ASSERT_LE(0, peer);
	if (!peer) {
		die_with_parent();
		for (;;)
			;
	}
	sleep_ms(100);
	ASSERT_EQ(0, isol_quiesce(variant->quiesce));
	left = isol_get(PR_ISOL_QUIESCE_LEFT);
	EXPECT_EQ(ISOL_LEFT_TICK_SCHED | ISOL_LEFT_GAVE_UP,
		  left & (ISOL_LEFT_TICK_SCHED | ISOL_LEFT_GAVE_UP));
	/* The peer gets its share of the CPU, but is not given more. */
	before = switches();
	for (int i = 0; i < 200; i++)
		getppid();
	after = switches();
	TH_LOG("%ld context switches in 200 system calls", after - before);
	EXPECT_GT(50, after - before);
	kill(peer, SIGKILL);
	EXPECT_EQ(peer, waitpid(peer, NULL, 0));
	/* With the peer gone, there is nothing to give up. */
	for (int i = 0; i < 100 && left & ISOL_LEFT_GAVE_UP; i++) {
		sleep_ms(10);
		left = isol_get(PR_ISOL_QUIESCE_LEFT);
	}
	EXPECT_EQ(0, left & ISOL_LEFT_GAVE_UP);
	ASSERT_EQ(0, isol_enable(0));
}

static void spin_ms(unsigned int ms)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 < ms);
}

/*
 * A fair task that a real-time thread starves is run by the deadline server, goes
 * to sleep while the server is active, and must not leave the tick behind.
 */
TEST_F(tick, starved_peer)
{
	int fds[2], left = 0, served = 0;
	char byte = 0;
	pid_t peer;

	if (!variant->fifo || !(variant->quiesce & ISOL_F_QUIESCE_NOHZ_FULL))
		SKIP(return, "only a real-time thread with the action starves others");
	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(0, pin_to(self->run.cpu));
	peer = fork();
	ASSERT_LE(0, peer);
	if (!peer) {
		die_with_parent();
		while (read(fds[0], &byte, 1) == 1)
			;
		_exit(0);
	}
	sleep_ms(100);
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_FIFO,
					&(struct sched_param){ .sched_priority = TICK_PRIORITY }));
	ASSERT_EQ(0, isol_quiesce(variant->quiesce));
	for (int i = 0; i < 5; i++) {
		long before = switches();

		ASSERT_EQ(1, write(fds[1], "", 1));
		spin_ms(1500);
		served += switches() > before;
		/* The server may be active for the rest of its period. */
		for (int j = 0; j < 20; j++) {
			spin_ms(100);
			left = isol_get(PR_ISOL_QUIESCE_LEFT);
			if (!(left & ISOL_LEFT_TICK_SCHED))
				break;
		}
		TH_LOG("served %d, left %#x", served, left);
		EXPECT_EQ(0, left & ISOL_LEFT_TICK_SCHED);
	}
	/* Otherwise this shows nothing. */
	EXPECT_LE(3, served);
	ASSERT_EQ(0, isol_enable(0));
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){ }));
	kill(peer, SIGKILL);
	EXPECT_EQ(peer, waitpid(peer, NULL, 0));
}

TEST_HARNESS_MAIN
