// SPDX-License-Identifier: GPL-2.0
/*
 * ISOL_F_QUIESCE_VMSTAT_SYNC: nobody comes for the differentials of a CPU
 * whose thread settled them, and the global counters are exact without.
 */
#include <sys/time.h>

#include "isolation.h"

#include "kselftest_harness.h"

#define STAT_REFRESH	"/proc/sys/vm/stat_refresh"
#define STAT_INTERVAL	"/proc/sys/vm/stat_interval"
#define ROUNDS		200
/* Below any per-CPU threshold, so that nothing is folded by itself. */
#define MAX_PAGES	2
#define STACK_SIZE	65536

enum how {
	BY_FAULT,	/* dirty the counters by page faults */
	BY_SIGNAL,	/* by signal delivery, which is work of the exit path */
	ISOLATE,	/* dirty them, then isolate */
};

/* Shared with the spinner, which is a process of its own. */
struct shared {
	int	ready;
	int	how;
	int	pages;
	int	step;
	int	done;
	int	ret;
	bool	late;		/* isolate when told to, not from the start */
	bool	tick;		/* keep the tick running */
};

FIXTURE(vmstat)
{
	int		cpu;
	pid_t		pid;
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

static struct shared *spinner_shared;
static int spinner_step;

static void step_done(void)
{
	__atomic_store_n(&spinner_shared->done, spinner_step, __ATOMIC_RELEASE);
	while (__atomic_load_n(&spinner_shared->step, __ATOMIC_ACQUIRE) == spinner_step)
		;
}

/* The signal frame, on a fresh stack, dirtied the counters. */
static void handler(int sig)
{
	step_done();
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

static void spinner(struct shared *shared, int cpu, bool isolated)
{
	const size_t size = (size_t)ROUNDS * STACK_SIZE;
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_ONSTACK };
	stack_t stack = { .ss_size = STACK_SIZE };
	int used = 0;
	char *fresh;

	die_with_parent();
	spinner_shared = shared;
	if (pin_to(cpu) || sigaction(SIGUSR1, &action, NULL))
		_exit(1);
	if (shared->tick && keep_the_tick())
		_exit(1);
	fresh = mmap(NULL, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (fresh == MAP_FAILED)
		_exit(1);
	/* Fails where there are no huge pages, which is just as well. */
	madvise(fresh, size, MADV_NOHUGEPAGE);
	shared->ret = isolated && !shared->late ? isol_quiesce(ISOL_F_QUIESCE_VMSTAT_SYNC) : 0;
	__atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);

	for (;;) {
		while (__atomic_load_n(&shared->step, __ATOMIC_ACQUIRE) == spinner_step)
			;
		spinner_step = shared->step;
		if (shared->how == BY_SIGNAL) {
			stack.ss_sp = fresh + (size_t)(spinner_step - 1) * STACK_SIZE;
			sigaltstack(&stack, NULL);
			/* The handler says it is done, and waits. */
			raise(SIGUSR1);
			continue;
		}
		if (shared->late)
			isol_enable(0);
		for (int i = 0; i < shared->pages; i++)
			touch(fresh + 4096 * used++);
		if (shared->how == ISOLATE && isolated)
			shared->ret = isol_quiesce(ISOL_F_QUIESCE_VMSTAT_SYNC);
		step_done();
	}
}

static int wait_for(int *word, int value)
{
	for (int i = 0; i < 10000; i++) {
		if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value)
			return 0;
		sleep_ms(1);
	}
	return -1;
}

/*
 * Sleeps, but not deeply: the periodic update is driven by deferrable timers of
 * this CPU, which do not wake it up from idle.
 */
static void doze_ms(int ms)
{
	for (; ms > 0; ms -= 10)
		sleep_ms(10);
}

/* Waits until the CPU was left alone for 100 ms, the tick excepted if it is kept. */
static int settle(int cpu, pid_t pid, bool tick)
{
	struct noise then, now;

	if (read_noise(cpu, pid, &then))
		return -1;
	for (int i = 0; i < 100; i++) {
		sleep_ms(100);
		if (read_noise(cpu, pid, &now))
			return -1;
		if (now.switches == then.switches && (tick || now.interrupts == then.interrupts))
			return 0;
		then = now;
	}
	return -1;
}

static int start(struct shared *shared, int cpu, bool isolated, pid_t *pid)
{
	*pid = fork();
	if (!*pid)
		spinner(shared, cpu, isolated);
	if (*pid < 0 || wait_for(&shared->ready, 1) || shared->ret)
		return -1;
	return settle(cpu, *pid, shared->tick);
}

static int step(struct shared *shared, int number, enum how how, int pages)
{
	shared->how = how;
	shared->pages = pages;
	__atomic_store_n(&shared->step, number, __ATOMIC_RELEASE);
	return wait_for(&shared->done, number);
}

static long anon_pages(void)
{
	static const char key[] = "nr_anon_pages ";
	static char buf[1 << 16];
	char *p;

	if (read_file("/proc/vmstat", buf, sizeof(buf)) < 0)
		return -1;
	p = strstr(buf, key);
	return p ? strtol(p + strlen(key), NULL, 10) : -1;
}

/* vmstat_shepherd() does not look at CPUs outside of all scheduling domains. */
static bool shepherded(int cpu)
{
	return cpu != first_cpu_of("/sys/devices/system/cpu/isolated");
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
	ASSERT_EQ(0, pin_to(0));

	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	memset(self->shared, 0, sizeof(*self->shared));
	/* No page fault of ours may count while the spinner's are counted. */
	ASSERT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE));
}

FIXTURE_TEARDOWN(vmstat)
{
	if (self->interval[0])
		write_file(STAT_INTERVAL, self->interval);
	if (self->pid > 0) {
		kill(self->pid, SIGKILL);
		waitpid(self->pid, NULL, 0);
	}
}

/* Makes the shepherd stay away, from its next visit on. */
static int send_shepherd_away(int cpu, char *interval, size_t size)
{
	if (!shepherded(cpu))
		return 0;
	if (read_file(STAT_INTERVAL, interval, size) <= 0 || write_file(STAT_INTERVAL, "60"))
		return -1;
	doze_ms(2500);
	return 0;
}

/*
 * Waits for a visit: after send_shepherd_away() the next one may be far off.
 * Leaves @shared as the tests of the periodic update want it.
 */
static int await_shepherd(struct shared *shared, int cpu)
{
	struct noise then, now;
	pid_t pid;
	int ret = -1;

	shared->tick = true;
	if (start(shared, cpu, false, &pid))
		return -1;
	if (!step(shared, 1, BY_FAULT, 1) && !read_noise(cpu, pid, &then)) {
		for (int i = 0; i < 700 && ret; i++) {
			doze_ms(100);
			if (read_noise(cpu, pid, &now))
				break;
			if (now.switches != then.switches)
				ret = 0;
		}
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	memset(shared, 0, sizeof(*shared));
	shared->tick = true;
	return ret;
}

/* The periodic update does not come for what is not there. */
TEST_F_TIMEOUT(vmstat, shepherd, 180)
{
	struct noise then, now;

	if (!shepherded(self->cpu))
		SKIP(return, "the CPU is isolated from scheduling domains, no periodic update");
	ASSERT_EQ(0, await_shepherd(self->shared, self->cpu));
	ASSERT_EQ(0, start(self->shared, self->cpu, variant->isolated, &self->pid));
	ASSERT_EQ(0, read_noise(self->cpu, self->pid, &then));
	for (int i = 1; i <= 5; i++) {
		ASSERT_EQ(0, step(self->shared, i, BY_FAULT, 1));
		doze_ms(2500);
	}
	ASSERT_EQ(0, read_noise(self->cpu, self->pid, &now));
	noise_since(&now, &then);
	TH_LOG("%lu interrupts, %lu forced switches in 12 s", now.interrupts, now.switches);
	/* Each step is an exception, and no interrupt. */
	if (variant->isolated) {
		EXPECT_EQ(0, now.switches);
	} else {
		EXPECT_LE(4, now.switches);
	}
}

/* Work that is already pending is cancelled: the thread isolates itself late. */
TEST_F_TIMEOUT(vmstat, pending_work, 180)
{
	unsigned long switches = 0;
	int number = 0;

	if (!shepherded(self->cpu))
		SKIP(return, "the CPU is isolated from scheduling domains, no periodic update");
	ASSERT_EQ(0, await_shepherd(self->shared, self->cpu));
	self->shared->late = true;
	ASSERT_EQ(0, start(self->shared, self->cpu, variant->isolated, &self->pid));
	for (int round = 0; round < 4; round++) {
		struct noise then, now;

		/* Keep the work busy for 3 s: it requeues itself. */
		for (int i = 0; i < 30; i++) {
			ASSERT_EQ(0, step(self->shared, ++number, BY_FAULT, 1));
			doze_ms(100);
		}
		ASSERT_EQ(0, step(self->shared, ++number, ISOLATE, 0));
		ASSERT_EQ(0, self->shared->ret);
		ASSERT_EQ(0, read_noise(self->cpu, self->pid, &then));
		doze_ms(2500);
		ASSERT_EQ(0, read_noise(self->cpu, self->pid, &now));
		noise_since(&now, &then);
		switches += now.switches;
	}
	TH_LOG("%lu forced switches in 10 s", switches);
	if (variant->isolated) {
		EXPECT_EQ(0, switches);
	} else {
		EXPECT_LE(4, switches);
	}
}

/*
 * Dirty the counters, write stat_refresh, see who was interrupted. With the
 * action nobody is, without it each write does.
 */
TEST_F_TIMEOUT(vmstat, stat_refresh, 180)
{
	unsigned long interrupts = 0, switches = 0;
	int rounds = 0;

	ASSERT_EQ(0, send_shepherd_away(self->cpu, self->interval, sizeof(self->interval)));
	ASSERT_EQ(0, start(self->shared, self->cpu, variant->isolated, &self->pid));
	for (int i = 1; i <= ROUNDS; i++) {
		struct noise then, now;

		ASSERT_EQ(0, step(self->shared, i, BY_FAULT, 1));
		ASSERT_EQ(0, read_noise(self->cpu, self->pid, &then));
		ASSERT_EQ(0, write_file(STAT_REFRESH, "1"));
		ASSERT_EQ(0, read_noise(self->cpu, self->pid, &now));
		noise_since(&now, &then);
		interrupts += now.interrupts;
		switches += now.switches;
		rounds += now.interrupts || now.switches;
		/* Let the tick stop again, which may fold as well. */
		doze_ms(10);
	}
	TH_LOG("%d of %d writes interrupted CPU %d: %lu interrupts, %lu forced switches",
	       rounds, ROUNDS, self->cpu, interrupts, switches);
	if (variant->isolated) {
		EXPECT_EQ(0, rounds);
		EXPECT_EQ(0, interrupts);
		EXPECT_EQ(0, switches);
	} else {
		EXPECT_EQ(ROUNDS, rounds);
		EXPECT_LE(ROUNDS, switches);
	}
}

/*
 * Isolated or not, a CPU that has nothing to fold is left alone. If the thread is
 * not isolated, an interrupt may leave something now and then.
 */
TEST_F_TIMEOUT(vmstat, stat_refresh_of_a_clean_cpu, 120)
{
	struct noise then, now;

	ASSERT_EQ(0, start(self->shared, self->cpu, variant->isolated, &self->pid));
	ASSERT_EQ(0, write_file(STAT_REFRESH, "1"));
	ASSERT_EQ(0, settle(self->cpu, self->pid, false));
	/* The work of the shepherd comes back once. */
	doze_ms(shepherded(self->cpu) ? 3000 : 0);
	ASSERT_EQ(0, read_noise(self->cpu, self->pid, &then));
	for (int i = 0; i < ROUNDS; i++)
		ASSERT_EQ(0, write_file(STAT_REFRESH, "1"));
	ASSERT_EQ(0, read_noise(self->cpu, self->pid, &now));
	noise_since(&now, &then);
	TH_LOG("%lu interrupts, %lu forced switches", now.interrupts, now.switches);
	if (variant->isolated) {
		EXPECT_EQ(0, now.switches);
		/* Timers are not what this action is about. */
		EXPECT_EQ(now.ticks, now.interrupts);
	} else {
		EXPECT_GE(ROUNDS / 20, now.switches);
	}
}

/*
 * The global counters are exact when the thread is back in user mode. Somebody
 * else's page fault may spoil a round, the control shows what not folding does.
 */
TEST_F_TIMEOUT(vmstat, counters_after_a_fault, 120)
{
	int exact = 0;

	ASSERT_EQ(0, send_shepherd_away(self->cpu, self->interval, sizeof(self->interval)));
	ASSERT_EQ(0, start(self->shared, self->cpu, variant->isolated, &self->pid));
	/* What our own CPUs still have to add is none of the thread's. */
	ASSERT_EQ(0, write_file(STAT_REFRESH, "1"));
	for (int i = 1; i <= ROUNDS; i++) {
		int pages = 1 + i % MAX_PAGES;
		long before = anon_pages();

		ASSERT_EQ(0, step(self->shared, i, BY_FAULT, pages));
		exact += anon_pages() - before == pages;
	}
	TH_LOG("right in %d of %d rounds", exact, ROUNDS);
	if (variant->isolated) {
		EXPECT_LE(ROUNDS - ROUNDS / 20, exact);
	} else {
		EXPECT_GE(ROUNDS / 2, exact);
	}
}

/*
 * The same for what the exit path itself leaves: a signal frame on a fresh
 * stack. Were the actions run before the signal is delivered, it would remain.
 */
TEST_F_TIMEOUT(vmstat, counters_after_signal_delivery, 120)
{
	int exact = 0;

	ASSERT_EQ(0, send_shepherd_away(self->cpu, self->interval, sizeof(self->interval)));
	ASSERT_EQ(0, start(self->shared, self->cpu, variant->isolated, &self->pid));
	/* What our own CPUs still have to add is none of the thread's. */
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
		EXPECT_LE(ROUNDS - ROUNDS / 20, exact);
	} else {
		EXPECT_GE(ROUNDS / 2, exact);
	}
}

TEST_HARNESS_MAIN
