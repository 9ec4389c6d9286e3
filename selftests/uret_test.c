// SPDX-License-Identifier: GPL-2.0
/*
 * The actions run once on every return to user mode: from system calls of
 * either kind, exceptions and interrupts. The tracepoint tells.
 */
#include "isolation.h"

#include <linux/membarrier.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kselftest_harness.h"

#define TRACEFS	"/sys/kernel/tracing"
#define DIR	TRACEFS "/instances/isolation_selftest"
#define COUNT	100

enum step {
	SYSCALLS = 1,
	FAULTS,
	COMPAT,
	SPIN,
	LEAVE,
	END,
};

/* Shared with the spinner, which is a process of its own. */
struct shared {
	int	ready;
	int	step;
	int	done;
	bool	compat;
};

FIXTURE(uret)
{
	int		cpu;
	pid_t		pid;
	struct shared	*shared;
	bool		trace;
};

static void spinner(struct shared *shared, int cpu)
{
	char *fresh;
	int step = 0;

	die_with_parent();
	if (pin_to(cpu) || syscall(SYS_membarrier,
				   MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0))
		_exit(1);
	fresh = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fresh == MAP_FAILED)
		_exit(1);
	/* One fault a page. Fails where there are no huge pages. */
	madvise(fresh, 1 << 20, MADV_NOHUGEPAGE);
	if (isol_quiesce(ISOL_F_QUIESCE_VMSTAT_SYNC))
		_exit(1);
	__atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);

	while (step != END) {
		int next;

		/* Steps come in any order, and some are left out. */
		while ((next = __atomic_load_n(&shared->step, __ATOMIC_ACQUIRE)) == step)
			;
		step = next;
		if (step == LEAVE)
			isol_enable(0);
		for (int i = 0; i < COUNT; i++) {
			if (step == SYSCALLS || step == LEAVE)
				syscall(SYS_getppid);
			else if (step == FAULTS)
				touch(fresh + i * 4096);
			else if (step == COMPAT && shared->compat)
				compat_prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
		}
		__atomic_store_n(&shared->done, step, __ATOMIC_RELEASE);
	}
	_exit(0);
}

static int trace_write(const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), DIR "/%s", file);
	return write_file(path, text);
}

/* Opening it for truncation empties the buffer. */
static void trace_clear(void)
{
	close(open(DIR "/trace", O_WRONLY | O_TRUNC));
}

static int trace_filter(pid_t pid)
{
	char filter[64];

	snprintf(filter, sizeof(filter), "common_pid == %d", pid);
	return trace_write("events/task_isolation/filter", filter);
}

/* How often @event is in the trace. */
static int trace_count(const char *event)
{
	static char buf[1 << 20];
	int count = 0;
	char *p;

	if (read_file(DIR "/trace", buf, sizeof(buf)) < 0)
		return -1;
	for (p = buf; (p = strstr(p, event)); p++)
		count++;
	return count;
}

FIXTURE_SETUP(uret)
{
	if (!isol_present())
		SKIP(return, NO_ISOLATION);
	if (geteuid())
		SKIP(return, NO_ROOT " for the tracepoints");
	self->cpu = isolated_cpu();
	if (self->cpu < 0)
		SKIP(return, NO_CPU);
	if (!cpu_is_nohz_full(self->cpu))
		SKIP(return, NO_NOHZ_FULL);
	ASSERT_EQ(0, pin_to(0));

	mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	rmdir(DIR);
	if (mkdir(DIR, 0755))
		SKIP(return, "no tracefs instances, see CONFIG_ENABLE_DEFAULT_TRACERS");
	self->trace = true;

	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	memset(self->shared, 0, sizeof(*self->shared));
	self->shared->compat = have_compat();

	self->pid = fork();
	ASSERT_LE(0, self->pid);
	if (!self->pid)
		spinner(self->shared, self->cpu);
	for (int i = 0; i < 5000 && !__atomic_load_n(&self->shared->ready, __ATOMIC_ACQUIRE); i++)
		sleep_ms(1);
	ASSERT_EQ(1, self->shared->ready);

	ASSERT_EQ(0, trace_filter(self->pid));
	ASSERT_EQ(0, trace_write("events/task_isolation/enable", "1"));
	/* Until the tick of the spinner's CPU has stopped. */
	sleep_ms(500);
}

FIXTURE_TEARDOWN(uret)
{
	if (self->pid > 0) {
		kill(self->pid, SIGKILL);
		waitpid(self->pid, NULL, 0);
	}
	if (self->trace) {
		trace_write("events/task_isolation/enable", "0");
		rmdir(DIR);
	}
}

/*
 * Lets the spinner do @step. Returns how often the actions ran for what it did,
 * that is without the returns from interrupts.
 */
static int run_step(struct shared *shared, int cpu, pid_t pid, enum step step)
{
	struct noise then, now;

	if (read_noise(cpu, pid, &then))
		return -1;
	trace_clear();
	__atomic_store_n(&shared->step, step, __ATOMIC_RELEASE);
	for (int i = 0; i < 5000 && __atomic_load_n(&shared->done, __ATOMIC_ACQUIRE) != step; i++)
		sleep_ms(1);
	if (shared->done != step || read_noise(cpu, pid, &now))
		return -1;
	noise_since(&now, &then);
	return trace_count("task_isol_quiesce_done:") - (int)now.interrupts;
}

TEST_F(uret, system_calls)
{
	EXPECT_EQ(COUNT, run_step(self->shared, self->cpu, self->pid, SYSCALLS));
}

TEST_F(uret, compat_system_calls)
{
	if (!self->shared->compat)
		SKIP(return, "no 32-bit system calls here");
	EXPECT_EQ(COUNT, run_step(self->shared, self->cpu, self->pid, COMPAT));
}

TEST_F(uret, page_faults)
{
	EXPECT_EQ(COUNT, run_step(self->shared, self->cpu, self->pid, FAULTS));
	/* Each left something to fold. */
	EXPECT_EQ(COUNT, trace_count("VMSTAT_FOLDED"));
}

TEST_F(uret, interrupts)
{
	struct noise then, now;

	EXPECT_EQ(0, run_step(self->shared, self->cpu, self->pid, SPIN));
	trace_clear();
	ASSERT_EQ(0, read_noise(self->cpu, self->pid, &then));
	for (int i = 0; i < COUNT; i++) {
		ASSERT_EQ(0, syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
		sleep_ms(1);
	}
	ASSERT_EQ(0, read_noise(self->cpu, self->pid, &now));
	noise_since(&now, &then);
	/* membarrier() leaves out a CPU whose task went through the scheduler. */
	EXPECT_LE(COUNT / 2, now.interrupts);
	EXPECT_EQ(now.interrupts, trace_count("task_isol_quiesce_done:"));
}

/* The control, and the disabling call itself is no longer quiesced. */
TEST_F(uret, nothing_runs_when_disabled)
{
	run_step(self->shared, self->cpu, self->pid, LEAVE);
	EXPECT_EQ(0, trace_count("task_isol_quiesce_done:"));
	EXPECT_EQ(1, trace_count("task_isol_disable: features=QUIESCE_ON_URET reason=prctl"));
}

TEST_F(uret, dying_is_traced)
{
	trace_clear();
	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	ASSERT_EQ(self->pid, waitpid(self->pid, NULL, 0));
	self->pid = 0;
	EXPECT_EQ(1, trace_count("task_isol_disable: features=QUIESCE_ON_URET reason=exit"));
}

TEST_F(uret, enabling_is_traced)
{
	int go[2], status;
	char byte = 0;
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	pid = fork();
	if (!pid) {
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		_exit(-isol_quiesce(ISOL_F_QUIESCE_VMSTAT_SYNC));
	}
	ASSERT_EQ(0, trace_filter(pid));
	trace_clear();
	ASSERT_EQ(1, write(go[1], &byte, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, trace_count("task_isol_enable: features=QUIESCE_ON_URET quiesce=VMSTAT_SYNC"));
	/* The call that enables is quiesced itself. */
	EXPECT_LE(1, trace_count("task_isol_quiesce_done: actions=VMSTAT_SYNC"));
	EXPECT_EQ(1, trace_count("task_isol_disable: features=QUIESCE_ON_URET reason=exit"));
}

TEST_HARNESS_MAIN
