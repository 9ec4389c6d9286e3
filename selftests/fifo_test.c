// SPDX-License-Identifier: GPL-2.0
/*
 * vm.stat_refresh is written while a SCHED_FIFO thread spins on its CPU. What the
 * write asks of that CPU is done by a kernel thread, which does not run as long as
 * the thread spins: the writer waits until the deadline server lets it.
 */
#include "spinner.h"

#include "kselftest_harness.h"

#include <sys/utsname.h>

#define WRITES		5
#define PRIORITY	1
/* The deadline server has the kernel thread run once in a second. */
#define LIMIT_MS	10000
#define SETTLE_MS	15000
#define QUIET_MS	300

struct fifo_spinner {
	struct spinner	spinner;
	int		cpu;
	bool		isolated;
};

FIXTURE(fifo)
{
	struct fifo_spinner	*shared;
};

FIXTURE_VARIANT(fifo)
{
	bool	isolated;
};

FIXTURE_VARIANT_ADD(fifo, isolated)
{
	.isolated = true,
};

/* The control: most writes have to interrupt the thread. */
FIXTURE_VARIANT_ADD(fifo, not_isolated)
{
	.isolated = false,
};

/*
 * On PREEMPT_RT a kernel thread that is preempted in an RCU reader is boosted to
 * the priority of the RCU threads, and waits forever if that is the spinner's.
 */
static bool starves_rcu(void)
{
	struct utsname name;
	char prio[16];

	if (uname(&name) || !strstr(name.version, "PREEMPT_RT"))
		return false;
	return read_file("/sys/module/rcutree/parameters/kthread_prio", prio, sizeof(prio)) <= 0 ||
	       atoi(prio) <= PRIORITY;
}

/* Each step is one page fault, which leaves counters of the CPU to be added up. */
static void spin(void *arg)
{
	struct sched_param param = { .sched_priority = PRIORITY };
	struct fifo_spinner *shared = arg;
	int ret = 0, step = 0;
	char *fresh;

	fresh = mmap(NULL, (WRITES + 1) * 4096, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fresh == MAP_FAILED || pin_to(shared->cpu) ||
	    sched_setscheduler(0, SCHED_FIFO, &param))
		ret = -errno;
	else if (shared->isolated)
		ret = isol_quiesce(isol_get(PR_ISOL_SUP_QUIESCE_CFG));
	spinner_ready(&shared->spinner, ret);
	while (!ret) {
		step = spinner_next(&shared->spinner, step);
		touch(fresh + 4096 * step);
		spinner_done(&shared->spinner, step, 0);
	}
}

/* Else an address space of the test is flushed on the CPU of the spinner, where it was. */
static __attribute__((constructor)) void start_on_cpu_0(void)
{
	pin_to(0);
}

FIXTURE_SETUP(fifo)
{
	int cpu;

	if (!isol_present())
		SKIP(return, NO_ISOLATION);
	if (geteuid())
		SKIP(return, NO_ROOT);
	if (access("/proc/sys/vm/stat_refresh", W_OK))
		SKIP(return, "needs CONFIG_PROC_SYSCTL and vm.stat_refresh");
	if (starves_rcu())
		SKIP(return, "PREEMPT_RT: would starve RCU, boot with rcutree.kthread_prio=2");
	cpu = isolated_cpu();
	if (cpu < 1)
		SKIP(return, NO_CPU);
	if (!cpu_is_nohz_full(cpu))
		SKIP(return, NO_NOHZ_FULL);
	ASSERT_EQ(0, pin_to(0));
	self->shared = alloc_shared(sizeof(*self->shared));
	ASSERT_NE(NULL, self->shared);
	self->shared->cpu = cpu;
	self->shared->isolated = variant->isolated;
	ASSERT_EQ(0, spinner_start(&self->shared->spinner, spin, self->shared));
}

FIXTURE_TEARDOWN(fifo)
{
	if (self->shared)
		spinner_stop(&self->shared->spinner);
}

/* Whether nothing interrupts the spinner any more, for as long as QUIET_MS. */
static bool settles(const struct fifo_spinner *shared)
{
	static struct noise then, now;
	uint64_t end = monotonic_ns() + SETTLE_MS * NSEC_PER_MSEC;

	do {
		if (read_noise(shared->cpu, shared->spinner.pid, &then))
			return false;
		sleep_ms(QUIET_MS);
		if (read_noise(shared->cpu, shared->spinner.pid, &now))
			return false;
		noise_since(&now, &then);
		if (!now.interrupts && !now.switches)
			return true;
	} while (monotonic_ns() < end);
	return false;
}

/*
 * Returns how many ms it took, or -1 if it did not end in time. It cannot be killed
 * then, but ends with the spinner.
 */
static int write_stat_refresh(struct spinner *spinner, int *status)
{
	uint64_t start = monotonic_ns();
	bool late = false;
	pid_t pid;

	pid = fork();
	if (!pid)
		_exit(!!write_file("/proc/sys/vm/stat_refresh", "1"));
	if (pid < 0)
		return -1;
	while (!waitpid(pid, status, WNOHANG)) {
		if (!late && monotonic_ns() - start > LIMIT_MS * NSEC_PER_MSEC) {
			late = true;
			spinner_stop(spinner);
		}
		sleep_ms(1);
	}
	return late ? -1 : (int)((monotonic_ns() - start) / NSEC_PER_MSEC);
}

TEST_F_TIMEOUT(fifo, stat_refresh_returns, 120)
{
	struct fifo_spinner *shared = self->shared;
	static struct noise then, now;
	int longest = 0;

	ASSERT_TRUE(settles(shared)) {
		TH_LOG("CPU %d is interrupted all the time, is its tick never stopped?",
		       shared->cpu);
	}
	ASSERT_EQ(0, read_noise(shared->cpu, shared->spinner.pid, &then));
	for (int step = 1; step <= WRITES; step++) {
		int status = -1, ms;

		ASSERT_EQ(0, spinner_step(&shared->spinner, step));
		ms = write_stat_refresh(&shared->spinner, &status);
		ASSERT_LE(0, ms) {
			TH_LOG("write %d did not return while the thread was spinning", step);
		}
		ASSERT_EQ(0, status);
		if (ms > longest)
			longest = ms;
	}
	ASSERT_EQ(0, read_noise(shared->cpu, shared->spinner.pid, &now));
	noise_since(&now, &then);
	TH_LOG("fifo stat_refresh isolated=%d writes=%d interrupts=%lu switches=%lu longest=%dms",
	       variant->isolated, WRITES, now.interrupts, now.switches, longest);
	noise_log_kinds(&now);
	if (variant->isolated) {
		/* Timers are not what this action is about. */
		EXPECT_EQ(now.ticks, now.interrupts);
		EXPECT_EQ(0, (int)now.switches);
	} else {
		/* Not each: the shepherd may have added the counters up before the write. */
		EXPECT_LE(WRITES / 2, (int)(now.interrupts - now.ticks));
		EXPECT_LE(WRITES / 2, (int)now.switches);
	}
}

TEST_HARNESS_MAIN
