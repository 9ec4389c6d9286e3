// SPDX-License-Identifier: GPL-2.0
/*
 * The actions run on every return to user mode: from system calls, exceptions
 * and interrupts. The tracepoint tells.
 */
#include "isolation.h"

#include <linux/membarrier.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kselftest_harness.h"

#define TRACEFS	"/sys/kernel/tracing"
#define DIR	TRACEFS "/instances/isolation_selftest"

/* Shared with the spinner, which is a process of its own. */
struct shared {
	int	ready;
	int	step;
	int	done;
};

FIXTURE(uret)
{
	int		cpu;
	pid_t		pid;
	struct shared	*shared;
	bool		trace;
};

static void spin_until(int *word, int value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) < value)
		;
}

static void spinner(struct shared *shared, int cpu)
{
	char *fresh;

	if (pin_to(cpu) || syscall(SYS_membarrier,
				   MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0))
		_exit(1);
	fresh = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fresh == MAP_FAILED || isol_quiesce(ISOL_F_QUIESCE_VMSTAT_SYNC))
		_exit(1);
	__atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);

	/* 1: ten system calls */
	spin_until(&shared->step, 1);
	for (int i = 0; i < 10; i++)
		syscall(SYS_getppid);
	__atomic_store_n(&shared->done, 1, __ATOMIC_RELEASE);

	/* 2: ten page faults */
	spin_until(&shared->step, 2);
	for (int i = 0; i < 10; i++)
		touch(fresh + i * 4096);
	__atomic_store_n(&shared->done, 2, __ATOMIC_RELEASE);

	/* 3: interrupts, while user mode spins */
	spin_until(&shared->step, 3);
	__atomic_store_n(&shared->done, 3, __ATOMIC_RELEASE);

	/* 4: ten system calls without isolation */
	spin_until(&shared->step, 4);
	isol_enable(0);
	for (int i = 0; i < 10; i++)
		syscall(SYS_getppid);
	__atomic_store_n(&shared->done, 4, __ATOMIC_RELEASE);
	spin_until(&shared->step, 5);
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

/* How often @event is in the trace of the spinner. */
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
	char filter[64];

	if (!isol_present())
		SKIP(return, NO_ISOLATION);
	if (geteuid())
		SKIP(return, NO_ROOT " for the tracepoints");
	self->cpu = isolated_cpu();
	if (self->cpu < 0)
		SKIP(return, NO_CPU);
	ASSERT_EQ(0, pin_to(0));

	mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	rmdir(DIR);
	if (mkdir(DIR, 0755))
		SKIP(return, "no tracefs instances, see CONFIG_FTRACE");
	self->trace = true;

	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	memset(self->shared, 0, sizeof(*self->shared));

	self->pid = fork();
	ASSERT_LE(0, self->pid);
	if (!self->pid)
		spinner(self->shared, self->cpu);
	for (int i = 0; i < 5000 && !__atomic_load_n(&self->shared->ready, __ATOMIC_ACQUIRE); i++)
		sleep_ms(1);
	ASSERT_EQ(1, self->shared->ready);

	snprintf(filter, sizeof(filter), "common_pid == %d", self->pid);
	ASSERT_EQ(0, trace_write("events/task_isolation/filter", filter));
	ASSERT_EQ(0, trace_write("events/task_isolation/enable", "1"));
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

/* Lets the spinner do @step and returns how often the actions ran. */
static int run_step(struct shared *shared, int step)
{
	sleep_ms(100);
	trace_clear();
	__atomic_store_n(&shared->step, step, __ATOMIC_RELEASE);
	for (int i = 0; i < 5000 && __atomic_load_n(&shared->done, __ATOMIC_ACQUIRE) < step; i++)
		sleep_ms(1);
	sleep_ms(10);
	return trace_count("task_isol_quiesce_done:");
}

TEST_F(uret, every_kind_of_return)
{
	struct noise then, now;
	int runs;

	/* At least ten: interrupts come on top where the CPU has a tick. */
	EXPECT_LE(10, run_step(self->shared, 1));
	EXPECT_LE(10, run_step(self->shared, 2));
	EXPECT_LT(0, trace_count("VMSTAT_FOLDED"));

	sleep_ms(100);
	trace_clear();
	ASSERT_EQ(0, read_noise(self->cpu, self->pid, &then));
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
		sleep_ms(2);
	}
	ASSERT_EQ(0, read_noise(self->cpu, self->pid, &now));
	runs = trace_count("task_isol_quiesce_done:");
	noise_since(&now, &then);
	EXPECT_LE(10, now.interrupts);
	EXPECT_LE(10, runs);
	if (cpu_is_nohz_full(self->cpu))
		EXPECT_EQ(now.interrupts, runs);
	run_step(self->shared, 3);
}

TEST_F(uret, nothing_runs_when_disabled)
{
	run_step(self->shared, 3);
	/* The return of the disabling call itself is no longer one. */
	EXPECT_EQ(0, run_step(self->shared, 4));
	EXPECT_EQ(1, trace_count("task_isol_disable: features=QUIESCE_ON_URET reason=prctl"));
}

TEST_F(uret, dying_is_traced)
{
	run_step(self->shared, 3);
	trace_clear();
	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	ASSERT_EQ(self->pid, waitpid(self->pid, NULL, 0));
	self->pid = 0;
	EXPECT_EQ(1, trace_count("task_isol_disable: features=QUIESCE_ON_URET reason=exit"));
}

TEST_F(uret, enabling_is_traced)
{
	pid_t pid;

	ASSERT_EQ(0, trace_write("events/task_isolation/filter", "0"));
	trace_clear();
	pid = fork();
	if (!pid)
		_exit(isol_quiesce(ISOL_F_QUIESCE_VMSTAT_SYNC));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(1, trace_count("task_isol_enable: features=QUIESCE_ON_URET quiesce=VMSTAT_SYNC"));
	/* The call that enables is quiesced itself. */
	EXPECT_LE(1, trace_count("task_isol_quiesce_done: actions=VMSTAT_SYNC"));
}

TEST_HARNESS_MAIN
