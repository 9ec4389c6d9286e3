// SPDX-License-Identifier: GPL-2.0
/*
 * ISOL_F_QUIESCE_VMSTAT_SYNC: nobody comes for the differentials of a CPU
 * whose thread settled them, and the global counters are exact without.
 */
#include "spinner.h"

#include <sys/time.h>

#include "kselftest_harness.h"

#define STAT_REFRESH	"/proc/sys/vm/stat_refresh"
#define STAT_INTERVAL	"/proc/sys/vm/stat_interval"
#define ROUNDS		200
/*
 * What others may spoil: the periodic update of each CPU folds once a second, that
 * is some times in the two seconds or so that the rounds take. With the action no
 * more rounds than these are wrong, and without it no more than these right.
 */
#define RARE		(ROUNDS / 20)
/*
 * The periodic update comes once in stat_interval, a second, with a deferrable timer
 * that is rounded to full seconds. After this time it has been there.
 */
#define VISIT_MS	2500
/* Enough for the interrupt of a timer that was on its way, and the tick to stop. */
#define QUIET_MS	100
/* Below any per-CPU threshold, so that nothing is folded by itself. */
#define MAX_PAGES	2
#define STACK_SIZE	65536

enum how {
	BY_FAULT,	/* dirty the counters by page faults */
	BY_SIGNAL,	/* by signal delivery, which is work of the exit path */
	ISOLATE,	/* dirty them, then isolate */
};

/* Shared with the spinner. */
struct shared {
	struct spinner	spinner;
	enum how	how;		/* of the next step */
	int		pages;
	int		cpu;
	bool		isolated;
	bool		late;		/* isolate when told to, not from the start */
	bool		tick;		/* keep the tick running */
};

FIXTURE(vmstat)
{
	int		cpu;
	struct shared	*shared;
	char		interval[32];
};

FIXTURE_VARIANT(vmstat)
{
	bool isolated;
};

FIXTURE_VARIANT_ADD(vmstat, isolated)
{
	.isolated = true,
};

/* The control: what the tests find must not be found here. */
FIXTURE_VARIANT_ADD(vmstat, not_isolated)
{
	.isolated = false,
};

static struct shared *shared;
static int at_step;

/* The signal frame, on a fresh stack, dirtied the counters. */
static void handler(int sig __maybe_unused)
{
	spinner_done(&shared->spinner, at_step, 0);
	spinner_next(&shared->spinner, at_step);
}

/*
 * The timer of vmstat_work is deferrable. Without the tick it would wait for
 * another reason to look at the timers, and tell nothing. A CPU time timer keeps
 * the tick running, this one never expires.
 */
static int keep_the_tick(void)
{
	const struct itimerval timer = { .it_value.tv_sec = 1000000 };

	return setitimer(ITIMER_VIRTUAL, &timer, NULL);
}

/* Memory with one fault a page, or NULL. */
static char *map_fresh(size_t size)
{
	char *fresh = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (fresh == MAP_FAILED)
		return NULL;
	/* Fails where there are no huge pages, which is just as well. */
	madvise(fresh, size, MADV_NOHUGEPAGE);
	return fresh;
}

static int setup(void)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_ONSTACK };

	if (pin_to(shared->cpu) || sigaction(SIGUSR1, &action, NULL))
		return -errno;
	if (shared->tick && keep_the_tick())
		return -errno;
	return shared->isolated && !shared->late ? isol_quiesce(ISOL_F_QUIESCE_VMSTAT_SYNC) : 0;
}

static void spinner(void *arg)
{
	char *fresh = map_fresh((size_t)ROUNDS * STACK_SIZE);
	stack_t stack = { .ss_size = STACK_SIZE };
	int used = 0, ret = 0;

	shared = arg;
	spinner_ready(&shared->spinner, fresh ? setup() : -ENOMEM);
	for (;;) {
		at_step = spinner_next(&shared->spinner, at_step);
		if (shared->how == BY_SIGNAL) {
			stack.ss_sp = fresh + (size_t)(at_step - 1) * STACK_SIZE;
			sigaltstack(&stack, NULL);
			/* The handler says it is done, and waits. */
			raise(SIGUSR1);
			continue;
		}
		if (shared->late)
			isol_enable(0);
		for (int i = 0; i < shared->pages; i++)
			touch(fresh + 4096 * used++);
		if (shared->how == ISOLATE && shared->isolated)
			ret = isol_quiesce(ISOL_F_QUIESCE_VMSTAT_SYNC);
		spinner_done(&shared->spinner, at_step, ret);
	}
}

static int read_spinner_noise(const struct shared *shared, struct noise *noise)
{
	return read_noise(shared->cpu, shared->spinner.pid, noise);
}

/* Waits until the CPU was left alone for a while, the tick excepted if it is kept. */
static int settle(const struct shared *shared)
{
	struct noise then, now;

	if (read_spinner_noise(shared, &then))
		return -1;
	for (int i = 0; i < 10000 / QUIET_MS; i++) {
		sleep_ms(QUIET_MS);
		if (read_spinner_noise(shared, &now))
			return -1;
		if (now.switches == then.switches &&
		    (shared->tick || now.interrupts == then.interrupts))
			return 0;
		then = now;
	}
	return -1;
}

static int start(struct shared *shared, int cpu, bool isolated)
{
	shared->cpu = cpu;
	shared->isolated = isolated;
	return spinner_start(&shared->spinner, spinner, shared) ? -1 : settle(shared);
}

static int step(struct shared *shared, int number, enum how how, int pages)
{
	shared->how = how;
	shared->pages = pages;
	return spinner_step(&shared->spinner, number);
}

static long anon_pages(void)
{
	static const char key[] = "nr_anon_pages ";
	static struct text text;
	char *p;

	if (read_text("/proc/vmstat", &text) < 0)
		return -1;
	p = strstr(text.buf, key);
	return p ? strtol(p + strlen(key), NULL, 10) : -1;
}

/* vmstat_shepherd() does not look at CPUs outside of all scheduling domains. */
static bool shepherded(int cpu)
{
	return !cpu_is_in(cpu, ISOLATED_CPUS);
}

FIXTURE_SETUP(vmstat)
{
	if (!isol_present())
		SKIP(return, NO_ISOLATION);
	ASSERT_TRUE(isol_supports(ISOL_F_QUIESCE_VMSTAT_SYNC));
	if (geteuid())
		SKIP(return, NO_ROOT " to write " STAT_REFRESH);
	self->cpu = isolated_cpu();
	if (self->cpu < 0)
		SKIP(return, NO_CPU);
	if (!cpu_is_nohz_full(self->cpu))
		SKIP(return, NO_NOHZ_FULL);
	if (!tick_can_stop())
		SKIP(return, NO_HRES);
	ASSERT_EQ(0, pin_to(0));

	self->shared = alloc_shared(sizeof(*self->shared));
	ASSERT_NE(NULL, self->shared);
	/* No page fault of ours may count while the spinner's are counted. */
	ASSERT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE));
}

FIXTURE_TEARDOWN(vmstat)
{
	if (self->interval[0])
		write_file(STAT_INTERVAL, self->interval);
	if (self->shared)
		spinner_stop(&self->shared->spinner);
}

/* Makes the shepherd stay away, from its next visit on. */
static int send_shepherd_away(int cpu, char *interval, size_t size)
{
	if (!shepherded(cpu))
		return 0;
	if (read_file(STAT_INTERVAL, interval, size) <= 0 || write_file(STAT_INTERVAL, "60"))
		return -1;
	doze_ms(VISIT_MS);
	return 0;
}

/* Dirties the counters, and waits up to @ms for a task to come to the CPU. */
static int await_visit(struct shared *shared, int number, int ms)
{
	struct noise then, now;

	if (read_spinner_noise(shared, &then) || step(shared, number, BY_FAULT, 1))
		return -1;
	for (; ms > 0; ms -= 100) {
		doze_ms(100);
		if (read_spinner_noise(shared, &now))
			return -1;
		if (now.switches != then.switches)
			return 0;
	}
	return -1;
}

/*
 * Waits for the shepherd, which send_shepherd_away() sent away for 60 s. The first visit
 * may be of somebody else, or of work that was queued before. Until the next steps that
 * work found nothing, and queued itself no more. Two steps in a row that are both visited
 * in time are so by the shepherd.
 * Leaves @shared as the tests of the periodic update want it.
 */
static int await_shepherd(struct shared *shared, int cpu)
{
	int number = 0, ret = -1;

	shared->tick = true;
	if (start(shared, cpu, false))
		return -1;
	for (int i = 0; i < 10 && ret; i++) {
		if (await_visit(shared, ++number, 70000))
			break;
		ret = 0;
		for (int j = 0; j < 2 && !ret; j++) {
			doze_ms(VISIT_MS);
			ret = await_visit(shared, ++number, VISIT_MS);
		}
	}
	spinner_stop(&shared->spinner);
	memset(shared, 0, sizeof(*shared));
	shared->tick = true;
	return ret;
}

/*
 * The periodic update does not come for what is not there. Each step is an
 * exception, and no interrupt.
 */
TEST_F_TIMEOUT(vmstat, shepherd, 120)
{
	const int steps = 5;
	int visits = 0;

	if (!shepherded(self->cpu))
		SKIP(return, "the CPU is isolated from scheduling domains, no periodic update");
	ASSERT_EQ(0, await_shepherd(self->shared, self->cpu));
	ASSERT_EQ(0, start(self->shared, self->cpu, variant->isolated));
	for (int i = 1; i <= steps; i++) {
		struct noise then, now;

		ASSERT_EQ(0, read_spinner_noise(self->shared, &then));
		ASSERT_EQ(0, step(self->shared, i, BY_FAULT, 1));
		doze_ms(VISIT_MS);
		ASSERT_EQ(0, read_spinner_noise(self->shared, &now));
		visits += now.switches != then.switches;
	}
	TH_LOG("switched away from in %d of %d steps", visits, steps);
	if (variant->isolated) {
		/* Another task has other reasons, and comes in few of them. */
		EXPECT_GE(1, visits);
	} else {
		EXPECT_EQ(steps, visits);
	}
}

/* Work that is already pending is cancelled: the thread isolates itself late. */
TEST_F_TIMEOUT(vmstat, pending_work, 120)
{
	int number = 0, visits = 0;
	const int rounds = 4;

	if (!shepherded(self->cpu))
		SKIP(return, "the CPU is isolated from scheduling domains, no periodic update");
	ASSERT_EQ(0, await_shepherd(self->shared, self->cpu));
	self->shared->late = true;
	ASSERT_EQ(0, start(self->shared, self->cpu, variant->isolated));
	for (int round = 0; round < rounds; round++) {
		struct noise then, now;

		/* Keep the work busy until it was there: then it requeues itself. */
		ASSERT_EQ(0, read_spinner_noise(self->shared, &then));
		for (int i = 0; i < 2 * VISIT_MS / 100; i++) {
			ASSERT_EQ(0, step(self->shared, ++number, BY_FAULT, 1));
			doze_ms(100);
			ASSERT_EQ(0, read_spinner_noise(self->shared, &now));
			if (now.switches != then.switches)
				break;
		}
		ASSERT_NE(then.switches, now.switches);
		ASSERT_EQ(0, step(self->shared, ++number, ISOLATE, 1));
		ASSERT_EQ(0, read_spinner_noise(self->shared, &then));
		doze_ms(VISIT_MS);
		ASSERT_EQ(0, read_spinner_noise(self->shared, &now));
		visits += now.switches != then.switches;
	}
	TH_LOG("switched away from in %d of %d rounds", visits, rounds);
	EXPECT_EQ(variant->isolated ? 0 : rounds, visits);
}

/*
 * Dirty the counters, write stat_refresh, see who was interrupted. With the
 * action nobody is, without it each write does.
 */
TEST_F_TIMEOUT(vmstat, stat_refresh, 60)
{
	unsigned long interrupts = 0, switches = 0;
	int rounds = 0;

	ASSERT_EQ(0, send_shepherd_away(self->cpu, self->interval, sizeof(self->interval)));
	ASSERT_EQ(0, start(self->shared, self->cpu, variant->isolated));
	for (int i = 1; i <= ROUNDS; i++) {
		struct noise then, now;

		ASSERT_EQ(0, step(self->shared, i, BY_FAULT, 1));
		ASSERT_EQ(0, read_spinner_noise(self->shared, &then));
		ASSERT_EQ(0, write_file(STAT_REFRESH, "1"));
		ASSERT_EQ(0, read_spinner_noise(self->shared, &now));
		noise_since(&now, &then);
		if (variant->isolated && now.interrupts)
			noise_log_kinds(&now);
		interrupts += now.interrupts;
		switches += now.switches;
		rounds += now.interrupts || now.switches;
		/* Let the tick stop again, which may fold as well. */
		sleep_ms(10);
	}
	TH_LOG("%d of %d writes interrupted CPU %d: %lu interrupts, %lu forced switches",
	       rounds, ROUNDS, self->cpu, interrupts, switches);
	if (variant->isolated) {
		EXPECT_EQ(0, rounds);
		EXPECT_EQ(0UL, interrupts);
		EXPECT_EQ(0UL, switches);
	} else {
		EXPECT_EQ(ROUNDS, rounds);
		EXPECT_LE((unsigned long)ROUNDS, switches);
	}
}

/*
 * Isolated or not, a CPU that has nothing to fold is left alone. If the thread is
 * not isolated, an interrupt may leave something now and then.
 */
TEST_F_TIMEOUT(vmstat, stat_refresh_of_a_clean_cpu, 60)
{
	unsigned long switches = 0;
	struct noise then, now;

	ASSERT_EQ(0, start(self->shared, self->cpu, variant->isolated));
	ASSERT_EQ(0, write_file(STAT_REFRESH, "1"));
	ASSERT_EQ(0, settle(self->shared));
	/* The work of the shepherd comes back once. */
	doze_ms(shepherded(self->cpu) ? VISIT_MS : 0);
	/* A flush that others need comes now and then, but not each time. */
	for (int try = 0; try < 3; try++) {
		ASSERT_EQ(0, read_spinner_noise(self->shared, &then));
		for (int i = 0; i < ROUNDS; i++)
			ASSERT_EQ(0, write_file(STAT_REFRESH, "1"));
		ASSERT_EQ(0, read_spinner_noise(self->shared, &now));
		noise_since(&now, &then);
		TH_LOG("%lu interrupts, %lu forced switches", now.interrupts, now.switches);
		noise_log_kinds(&now);
		switches += now.switches;
		/* Timers are not what this action is about. */
		if (!variant->isolated || now.interrupts == now.ticks)
			break;
	}
	if (variant->isolated) {
		EXPECT_EQ(0UL, switches);
		EXPECT_EQ(now.ticks, now.interrupts);
	} else {
		EXPECT_GE(RARE, (int)switches);
	}
}

/*
 * The global counters are exact when the thread is back in user mode. Somebody
 * else's page fault may spoil a round, the control shows what not folding does.
 */
TEST_F_TIMEOUT(vmstat, counters_after_a_fault, 60)
{
	int exact = 0;

	ASSERT_EQ(0, send_shepherd_away(self->cpu, self->interval, sizeof(self->interval)));
	ASSERT_EQ(0, start(self->shared, self->cpu, variant->isolated));
	/* What the other CPUs still have to add is none of the thread's. */
	ASSERT_EQ(0, write_file(STAT_REFRESH, "1"));
	for (int i = 1; i <= ROUNDS; i++) {
		int pages = 1 + i % MAX_PAGES;
		long before = anon_pages();

		ASSERT_EQ(0, step(self->shared, i, BY_FAULT, pages));
		exact += anon_pages() - before == pages;
	}
	TH_LOG("right in %d of %d rounds", exact, ROUNDS);
	if (variant->isolated) {
		EXPECT_LE(ROUNDS - RARE, exact);
	} else {
		EXPECT_GE(RARE, exact);
	}
}

/*
 * The same for what the exit path itself leaves: a signal frame on a fresh
 * stack. Were the actions run before the signal is delivered, it would remain.
 */
TEST_F_TIMEOUT(vmstat, counters_after_signal_delivery, 60)
{
	int exact = 0;

	ASSERT_EQ(0, send_shepherd_away(self->cpu, self->interval, sizeof(self->interval)));
	ASSERT_EQ(0, start(self->shared, self->cpu, variant->isolated));
	/* What the other CPUs still have to add is none of the thread's. */
	ASSERT_EQ(0, write_file(STAT_REFRESH, "1"));
	for (int i = 1; i <= ROUNDS; i++) {
		long seen;

		ASSERT_EQ(0, step(self->shared, i, BY_SIGNAL, 0));
		seen = anon_pages();
		/* Fetches what was left, if anything. */
		ASSERT_EQ(0, write_file(STAT_REFRESH, "1"));
		exact += anon_pages() == seen;
		/* Let the tick stop again, which may fold as well. */
		doze_ms(10);
	}
	TH_LOG("nothing left in %d of %d rounds", exact, ROUNDS);
	if (variant->isolated) {
		EXPECT_LE(ROUNDS - RARE, exact);
	} else {
		EXPECT_GE(RARE, exact);
	}
}

/* A CPU that is neither nohz_full nor isolated, -1 if there is none. */
static int housekeeping_cpu(void)
{
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (cpu_is_in(cpu, ONLINE_CPUS) && !cpu_is_nohz_full(cpu) &&
		    !cpu_is_in(cpu, ISOLATED_CPUS))
			return cpu;
	}
	return -1;
}

/*
 * In how many rounds the thread itself, on @cpu and with @actions, sees all pages that it
 * has. Or -1.
 */
static int exact_on(int cpu, int actions)
{
	char *fresh = map_fresh(ROUNDS * 4096);
	int exact = 0;

	/* The first call has its own faults. */
	if (!fresh || pin_to(cpu) || isol_quiesce(actions) || anon_pages() < 0)
		return -1;
	for (int i = 0; i < ROUNDS; i++) {
		long before = anon_pages();

		touch(fresh + 4096 * i);
		exact += anon_pages() - before == 1;
	}
	munmap(fresh, ROUNDS * 4096);
	return isol_quiesce(0) ? -1 : exact;
}

/*
 * The action is no error on a CPU on which the periodic update runs anyway, and does
 * nothing there. The CPU on which it does is the control.
 */
TEST_F(vmstat, no_effect_on_a_housekeeping_cpu)
{
	int cpu = housekeeping_cpu(), exact;

	if (!variant->isolated)
		SKIP(return, "the control is another CPU");
	if (cpu < 0)
		SKIP(return, "needs a CPU that is neither nohz_full nor isolated");
	/* The pages are to fault. */
	ASSERT_EQ(0, munlockall());
	exact = exact_on(self->cpu, ISOL_F_QUIESCE_VMSTAT_SYNC);
	TH_LOG("CPU %d: right in %d of %d rounds", self->cpu, exact, ROUNDS);
	EXPECT_LE(ROUNDS - RARE, exact);
	exact = exact_on(cpu, ISOL_F_QUIESCE_VMSTAT_SYNC);
	TH_LOG("CPU %d: right in %d of %d rounds", cpu, exact, ROUNDS);
	EXPECT_LE(0, exact);
	EXPECT_GE(RARE, exact);
}

/* A CPU that is in no scheduling domain, but not nohz_full, -1 if there is none. */
static int domainless_cpu(void)
{
	for (int cpu = 1; cpu < CPU_SETSIZE; cpu++) {
		if (cpu_is_in(cpu, ISOLATED_CPUS) && !cpu_is_nohz_full(cpu))
			return cpu;
	}
	return -1;
}

/* The periodic update leaves such a CPU alone as well, so that the action acts on it. */
TEST(effect_outside_of_scheduling_domains)
{
	int cpu = domainless_cpu(), exact;

	if (!isol_present())
		SKIP(return, NO_ISOLATION);
	if (cpu < 0)
		SKIP(return, "needs a CPU of isolcpus= that is not nohz_full");
	exact = exact_on(cpu, 0);
	TH_LOG("CPU %d, not isolated: right in %d of %d rounds", cpu, exact, ROUNDS);
	EXPECT_LE(0, exact);
	EXPECT_GE(RARE, exact);
	exact = exact_on(cpu, ISOL_F_QUIESCE_VMSTAT_SYNC);
	TH_LOG("CPU %d: right in %d of %d rounds", cpu, exact, ROUNDS);
	EXPECT_LE(ROUNDS - RARE, exact);
}

TEST_HARNESS_MAIN
