// SPDX-License-Identifier: GPL-2.0
/* What becomes of the isolation of a thread that forks, execs or dies. */
#include "isolation.h"
#include "spinner.h"

#include <libgen.h>
#include <linux/limits.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kselftest_harness.h"

#define VMSTAT		ISOL_F_QUIESCE_VMSTAT_SYNC
#define ON_URET		ISOL_F_QUIESCE_ON_URET
/* As exec_helper reports it. */
#define STATE(f, q)	((f) | (q) << 3)
#define THREADS		64
/* Time for all of them to be isolated, also with many checks in the kernel. */
#define START_MS	30000

FIXTURE(lifecycle)
{
	char helper[PATH_MAX];
};

FIXTURE_SETUP(lifecycle)
{
	char self_path[PATH_MAX];
	ssize_t len;

	if (!isol_present())
		SKIP(return, NO_ISOLATION);
	ASSERT_TRUE(isol_supports(VMSTAT));

	len = readlink("/proc/self/exe", self_path, sizeof(self_path) - 1);
	ASSERT_LT(0, len);
	self_path[len] = '\0';
	snprintf(self->helper, sizeof(self->helper), "%.4000s/exec_helper", dirname(self_path));

	ASSERT_EQ(0, isol_quiesce(VMSTAT));
}

FIXTURE_TEARDOWN(lifecycle)
{
	isol_enable(0);
}

static int state_now(void)
{
	return STATE(isol_get(ISOL_FEATURES), isol_get(PR_ISOL_QUIESCE_CFG));
}

TEST_F(lifecycle, fork_starts_with_nothing)
{
	pid_t pid = fork();

	if (!pid)
		_exit(state_now());
	EXPECT_EQ(STATE(0, 0), exit_status(pid));
	EXPECT_EQ(STATE(ON_URET, VMSTAT), state_now());
}

TEST_F(lifecycle, vfork_starts_with_nothing)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(state_now());
	EXPECT_EQ(STATE(0, 0), exit_status(pid));
	EXPECT_EQ(STATE(ON_URET, VMSTAT), state_now());
}

static void *thread_state(void *arg)
{
	*(int *)arg = state_now();
	return NULL;
}

TEST_F(lifecycle, thread_starts_with_nothing)
{
	pthread_t thread;
	int state = -1;

	ASSERT_EQ(0, pthread_create(&thread, NULL, thread_state, &state));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(STATE(0, 0), state);
	EXPECT_EQ(STATE(ON_URET, VMSTAT), state_now());
}

/* A configuration that is not enabled is not inherited either. */
TEST_F(lifecycle, configuration_is_not_inherited)
{
	pid_t pid;

	ASSERT_EQ(0, isol_enable(0));
	pid = fork();
	if (!pid)
		_exit(state_now());
	EXPECT_EQ(STATE(0, 0), exit_status(pid));
	EXPECT_EQ(STATE(0, VMSTAT), state_now());
}

TEST_F(lifecycle, exec_keeps_everything)
{
	pid_t pid = fork();

	if (!pid) {
		if (isol_quiesce(VMSTAT))
			_exit(100);
		execl(self->helper, self->helper, NULL);
		_exit(101);
	}
	EXPECT_EQ(STATE(ON_URET, VMSTAT), exit_status(pid));
}

TEST_F(lifecycle, exec_keeps_the_configuration)
{
	pid_t pid = fork();

	if (!pid) {
		if (isol_set(PR_ISOL_QUIESCE_CFG, VMSTAT))
			_exit(100);
		execl(self->helper, self->helper, NULL);
		_exit(101);
	}
	EXPECT_EQ(STATE(0, VMSTAT), exit_status(pid));
}

TEST_F(lifecycle, failed_exec_changes_nothing)
{
	EXPECT_EQ(-1, execl("/nonexistent/helper", "helper", NULL));
	EXPECT_EQ(STATE(ON_URET, VMSTAT), state_now());
}

struct exec_args {
	const char	*path;
	int		error;
};

static void *exec_from_thread(void *arg)
{
	struct exec_args *args = arg;

	args->error = isol_quiesce(VMSTAT);
	if (!args->error)
		execl(args->path, args->path, NULL);
	_exit(101);
}

/* The thread that calls execve() becomes the leader, with its own state. */
TEST_F(lifecycle, exec_by_a_thread)
{
	struct exec_args args = { .path = self->helper };
	pthread_t thread;
	pid_t pid;

	pid = fork();
	if (!pid) {
		if (pthread_create(&thread, NULL, exec_from_thread, &args))
			_exit(100);
		for (;;)
			pause();
	}
	EXPECT_EQ(STATE(ON_URET, VMSTAT), exit_status(pid));
}

static int copy_file(const char *from, const char *to, mode_t mode)
{
	char buf[1 << 16];
	ssize_t len;
	int in, out;

	in = open(from, O_RDONLY);
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	if (in < 0 || out < 0)
		return -1;
	while ((len = read(in, buf, sizeof(buf))) > 0)
		if (write(out, buf, len) != len)
			return -1;
	close(in);
	close(out);
	return chmod(to, mode);
}

/* Runs a copy of the helper with @mode as nobody, on a mount with @flags. */
static int secure_exec(struct __test_metadata *_metadata, const char *helper,
		       mode_t mode, unsigned long flags)
{
	char dir[] = "/tmp/isolXXXXXX", path[64];
	int status;
	pid_t pid;

	mkdir("/tmp", 01777);
	ASSERT_NE(NULL, mkdtemp(dir));
	ASSERT_EQ(0, mount("isolation", dir, "tmpfs", flags, NULL));
	snprintf(path, sizeof(path), "%s/helper", dir);

	pid = chmod(dir, 0755) || copy_file(helper, path, mode) ? -1 : fork();
	if (!pid) {
		if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
			_exit(99);
		if (isol_quiesce(VMSTAT))
			_exit(100);
		execl(path, path, NULL);
		_exit(101);
	}
	status = exit_status(pid);
	umount(dir);
	rmdir(dir);
	return status;
}

TEST_F(lifecycle, setuid_exec_drops_everything)
{
	if (geteuid())
		SKIP(return, NO_ROOT);
	EXPECT_EQ(STATE(0, 0), secure_exec(_metadata, self->helper, 04755, 0));
}

TEST_F(lifecycle, setgid_exec_drops_everything)
{
	if (geteuid())
		SKIP(return, NO_ROOT);
	EXPECT_EQ(STATE(0, 0), secure_exec(_metadata, self->helper, 02755, 0));
}

/* The control: the same exec without the privilege keeps it. */
TEST_F(lifecycle, exec_without_privilege_keeps_everything)
{
	if (geteuid())
		SKIP(return, NO_ROOT);
	EXPECT_EQ(STATE(ON_URET, VMSTAT), secure_exec(_metadata, self->helper, 0755, 0));
	EXPECT_EQ(STATE(ON_URET, VMSTAT),
		  secure_exec(_metadata, self->helper, 04755, MS_NOSUID));
}

static void *isolated_forever(void *arg)
{
	int *ready = arg;

	if (!isol_quiesce(VMSTAT))
		__atomic_fetch_add(ready, 1, __ATOMIC_SEQ_CST);
	for (;;)
		sched_yield();
	return NULL;
}

/* Starts THREADS isolated threads in a child; returns its pid. */
static pid_t many_isolated(bool exit_group, int *ready)
{
	pid_t pid;
	int i;

	*ready = 0;
	pid = fork();
	if (pid)
		return pid;

	die_with_parent();
	for (i = 0; i < THREADS; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, isolated_forever, ready))
			_exit(100);
	}
	while (__atomic_load_n(ready, __ATOMIC_SEQ_CST) < THREADS)
		sched_yield();
	if (exit_group)
		_exit(42);
	for (;;)
		pause();
}

TEST_F_TIMEOUT(lifecycle, kill_many_isolated_threads, 120)
{
	int *ready = alloc_shared(sizeof(*ready));
	int i;

	ASSERT_NE(NULL, ready);
	for (i = 0; i < 3; i++) {
		pid_t pid = many_isolated(false, ready);

		EXPECT_EQ(0, wait_for(ready, THREADS, START_MS));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		EXPECT_EQ(-SIGKILL, exit_status(pid));
	}
}

TEST_F_TIMEOUT(lifecycle, exit_group_with_many_isolated_threads, 120)
{
	int *ready = alloc_shared(sizeof(*ready));
	int i;

	ASSERT_NE(NULL, ready);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(42, exit_status(many_isolated(true, ready)));
}

/* A signal handler runs isolated, and may leave isolation. */
static int handler_state;

static void handler(int sig __maybe_unused)
{
	__atomic_store_n(&handler_state, state_now(), __ATOMIC_RELAXED);
	isol_enable(0);
}

TEST_F(lifecycle, signal_handler)
{
	signal(SIGUSR1, handler);
	ASSERT_EQ(0, raise(SIGUSR1));
	EXPECT_EQ(STATE(ON_URET, VMSTAT), __atomic_load_n(&handler_state, __ATOMIC_RELAXED));
	EXPECT_EQ(STATE(0, VMSTAT), state_now());
}

/* The state follows the thread to another CPU. */
TEST_F(lifecycle, migration)
{
	int cpu = isolated_cpu();

	if (cpu < 0)
		SKIP(return, NO_CPU);
	ASSERT_EQ(0, pin_to(0));
	ASSERT_EQ(0, pin_to(cpu));
	EXPECT_EQ(STATE(ON_URET, VMSTAT), state_now());
	ASSERT_EQ(0, pin_to(0));
	EXPECT_EQ(STATE(ON_URET, VMSTAT), state_now());
}

TEST_HARNESS_MAIN
