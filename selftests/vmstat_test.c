// SPDX-License-Identifier: GPL-2.0
/*
 * ISOL_F_QUIESCE_VMSTAT_SYNC: nobody comes for the differentials of a CPU
 * whose thread settled them, and the global counters are exact without.
 */
#include "isolation.h"

#include <signal.h>
#include <sys/wait.h>

#include "kselftest_harness.h"

#define STAT_REFRESH	"/proc/sys/vm/stat_refresh"
#define STAT_INTERVAL	"/proc/sys/vm/stat_interval"
#define ROUNDS		200
/* Below any per-CPU threshold, so that nothing is folded by itself. */
#define MAX_PAGES	2

struct shared {
	int	ready;
	int	pages;		/* to allocate in the next step */
	int	step;
	int	done;
	int	ret;
};

FIXTURE(vmstat)
{
	int		cpu;
	pid_t		pid;
	struct shared	*shared;
	char		interval[32];
};

/*
 * Dirties the counters of its CPU when told to, then spins. It is a process of
 * its own: no TLB flush of the other side reaches it.
 */
static void spinner(struct shared *shared, int cpu, bool isolated)
{
	const size_t size = (size_t)(ROUNDS + 1) * MAX_PAGES * 4096;
	char *fresh;
	int step, used = 0;

	if (pin_to(cpu))
		_exit(1);
	fresh = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fresh == MAP_FAILED)
		_exit(1);
	/* Fails where there are no huge pages, which is just as well. */
	madvise(fresh, size, MADV_NOHUGEPAGE);
	shared->ret = isolated ? isol_quiesce(ISOL_F_QUIESCE_VMSTAT_SYNC) : 0;
	__atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);

	for (step = 1; ; step++) {
		while (__atomic_load_n(&shared->step, __ATOMIC_ACQUIRE) < step)
			;
		/* A fault each: what it counts stays in this CPU's share. */
		for (int i = 0; i < shared->pages; i++)
			touch(fresh + 4096 * used++);
		__atomic_store_n(&shared->done, step, __ATOMIC_RELEASE);
	}
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
	ASSERT_EQ(0, pin_to(0));

	/* Keep the shepherd out of it: it comes once a second otherwise. */
	ASSERT_LT(0, read_file(STAT_INTERVAL, self->interval, sizeof(self->interval)));
	ASSERT_EQ(0, write_file(STAT_INTERVAL, "3600"));
	sleep_ms(1500);

	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	memset(self->shared, 0, sizeof(*self->shared));
	/* No page fault of ours may count while the spinner's are counted. */
	ASSERT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE));
}

FIXTURE_TEARDOWN(vmstat)
{
	if (self->pid > 0) {
		kill(self->pid, SIGKILL);
		waitpid(self->pid, NULL, 0);
	}
	if (self->interval[0])
		write_file(STAT_INTERVAL, self->interval);
}

static int wait_for(int *word, int value)
{
	for (int i = 0; i < 10000; i++) {
		if (__atomic_load_n(word, __ATOMIC_ACQUIRE) >= value)
			return 0;
		sleep_ms(1);
	}
	return -1;
}

/* Waits until the CPU was left alone for 100 ms. */
static int settle(int cpu, pid_t pid, bool count_ticks)
{
	struct noise then, now;

	if (read_noise(cpu, pid, &then))
		return -1;
	for (int i = 0; i < 100; i++) {
		sleep_ms(100);
		if (read_noise(cpu, pid, &now))
			return -1;
		if (now.switches == then.switches &&
		    (!count_ticks || now.interrupts == then.interrupts))
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
	return settle(cpu, *pid, cpu_is_nohz_full(cpu));
}

static int step(struct shared *shared, int number, int pages)
{
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

struct result {
	int		rounds;		/* in which it was interrupted */
	unsigned long	interrupts;
	unsigned long	switches;
};

/* Dirty the counters, write stat_refresh, see who was interrupted. */
static void refresh(struct __test_metadata *_metadata, struct shared *shared,
		    int cpu, pid_t pid, int rounds, struct result *result)
{
	struct noise then, now;

	memset(result, 0, sizeof(*result));
	for (int i = 1; i <= rounds; i++) {
		unsigned long hits;

		ASSERT_EQ(0, step(shared, i, 1));
		ASSERT_EQ(0, read_noise(cpu, pid, &then));
		ASSERT_EQ(0, write_file(STAT_REFRESH, "1"));
		ASSERT_EQ(0, read_noise(cpu, pid, &now));
		noise_since(&now, &then);
		/* A CPU that has a tick is not to blame for it. */
		hits = now.interrupts - (cpu_is_nohz_full(cpu) ? 0 : now.ticks);
		result->interrupts += hits;
		result->switches += now.switches;
		result->rounds += hits || now.switches;
	}
	TH_LOG("%d of %d writes interrupted CPU %d: %lu interrupts, %lu forced switches",
	       result->rounds, rounds, cpu, result->interrupts, result->switches);
}

TEST_F_TIMEOUT(vmstat, refresh_leaves_an_isolated_thread_alone, 120)
{
	struct result result;

	ASSERT_EQ(0, start(self->shared, self->cpu, true, &self->pid));
	refresh(_metadata, self->shared, self->cpu, self->pid, ROUNDS, &result);
	EXPECT_EQ(0, result.rounds);
	EXPECT_EQ(0, result.interrupts);
	EXPECT_EQ(0, result.switches);
}

/* The control: the same without isolation is interrupted, every time. */
TEST_F_TIMEOUT(vmstat, refresh_interrupts_a_dirty_cpu, 120)
{
	struct result result;

	ASSERT_EQ(0, start(self->shared, self->cpu, false, &self->pid));
	refresh(_metadata, self->shared, self->cpu, self->pid, ROUNDS, &result);
	EXPECT_EQ(ROUNDS, result.rounds);
	EXPECT_LE(ROUNDS, result.switches);
}

/* Isolated or not, a CPU that has nothing to fold is left alone. */
TEST_F_TIMEOUT(vmstat, refresh_leaves_a_clean_cpu_alone, 120)
{
	struct noise then, now;

	ASSERT_EQ(0, start(self->shared, self->cpu, false, &self->pid));
	ASSERT_EQ(0, write_file(STAT_REFRESH, "1"));
	ASSERT_EQ(0, settle(self->cpu, self->pid, cpu_is_nohz_full(self->cpu)));
	ASSERT_EQ(0, read_noise(self->cpu, self->pid, &then));
	for (int i = 0; i < ROUNDS; i++)
		ASSERT_EQ(0, write_file(STAT_REFRESH, "1"));
	ASSERT_EQ(0, read_noise(self->cpu, self->pid, &now));
	noise_since(&now, &then);
	EXPECT_EQ(0, now.switches);
	EXPECT_EQ(0, now.interrupts - (cpu_is_nohz_full(self->cpu) ? 0 : now.ticks));
}

/* Returns in how many of @rounds /proc/vmstat was exactly right. */
static int exact_rounds(struct __test_metadata *_metadata, struct shared *shared, int rounds)
{
	int exact = 0;

	for (int i = 1; i <= rounds; i++) {
		int pages = 1 + i % MAX_PAGES;
		long before, after;

		before = anon_pages();
		if (step(shared, i, pages)) {
			TH_LOG("the spinner does not answer");
			return -1;
		}
		after = anon_pages();
		exact += after - before == pages;
	}
	return exact;
}

TEST_F_TIMEOUT(vmstat, counters_are_exact_after_the_return, 120)
{
	ASSERT_EQ(0, start(self->shared, self->cpu, true, &self->pid));
	EXPECT_EQ(ROUNDS, exact_rounds(_metadata, self->shared, ROUNDS));
}

/* The control: without isolation they lag. */
TEST_F_TIMEOUT(vmstat, counters_lag_without_isolation, 120)
{
	int exact;

	ASSERT_EQ(0, start(self->shared, self->cpu, false, &self->pid));
	exact = exact_rounds(_metadata, self->shared, ROUNDS);
	TH_LOG("right in %d of %d rounds", exact, ROUNDS);
	EXPECT_LE(0, exact);
	EXPECT_GT(ROUNDS / 2, exact);
}

TEST_HARNESS_MAIN
