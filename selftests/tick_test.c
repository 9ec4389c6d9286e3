// SPDX-License-Identifier: GPL-2.0
/*
 * ISOL_F_QUIESCE_NOHZ_FULL: the tick is gone at the moment of the return to user
 * mode, or PR_ISOL_QUIESCE_LEFT tells why not.
 */
#include "tick.h"

#include "kselftest_harness.h"

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

/*
 * A task that was preempted by the spinner, in an RCU reader, is boosted to the
 * priority of the RCU threads. If that is the spinner's it waits forever. The
 * deadline server does not help it then, as it is not of the fair class.
 */
static bool starves_rcu(void)
{
	char prio[16];

	if (access("/sys/kernel/realtime", F_OK))
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
		/*
		 * The others are rare, the timer of the deadline server say. On a
		 * slow kernel the other task may not sleep in time.
		 */
		if (!way->left && !strstr(result.named, "GAVE_UP"))
			EXPECT_GE(variant->fifo ? ROUNDS / 2 : ROUNDS / 4, result.hit);
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

/*
 * Another task that does not sleep: the thread goes on after a few attempts, and
 * says so. Otherwise this would take as long as the other one runs.
 */
TEST_F(tick, busy_peer)
{
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

TEST_HARNESS_MAIN
