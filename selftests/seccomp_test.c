// SPDX-License-Identifier: GPL-2.0
/* A filter that tells an isolated thread of system calls that it makes by mistake. */
#include "trace.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"

#define VMSTAT		ISOL_F_QUIESCE_VMSTAT_SYNC
#define ON_URET		ISOL_F_QUIESCE_ON_URET
#define STRAY		SYS_getppid

FIXTURE(seccomp)
{
	int features;
};

FIXTURE_SETUP(seccomp)
{
	int features = isol_get(ISOL_SUP_FEATURES);

	if (features < 0)
		SKIP(return, NO_ISOLATION);
	/* Where there are filters, it looks for one at this address. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) && errno != EFAULT)
		SKIP(return, "needs CONFIG_SECCOMP_FILTER");
	ASSERT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, VMSTAT));
	self->features = ON_URET;
	/* With a claim, where that is possible. */
	if (features & ISOL_F_BLOCK_INTERRUPTORS && !geteuid() && isolated_cpu() >= 0 &&
	    isol_get(PR_ISOL_SUP_BLOCK_CFG) > 0) {
		ASSERT_EQ(0, pin_to(isolated_cpu()));
		ASSERT_EQ(0, isol_set(PR_ISOL_BLOCK_CFG, isol_get(PR_ISOL_SUP_BLOCK_CFG)));
		self->features |= ISOL_F_BLOCK_INTERRUPTORS;
	}
	ASSERT_EQ(0, isol_enable(self->features));
}

FIXTURE_TEARDOWN(seccomp)
{
	isol_enable(0);
}

/* Installs a filter that has @action for getppid(), and lets the rest pass. */
static int install(unsigned int action, unsigned int flags)
{
	struct sock_filter insns[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, STRAY, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { 4, insns };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}

TEST_F(seccomp, fails_with_an_errno)
{
	ASSERT_EQ(0, install(SECCOMP_RET_ERRNO | ENOTRECOVERABLE, 0));
	EXPECT_EQ(-1, syscall(STRAY));
	EXPECT_EQ(ENOTRECOVERABLE, errno);
	EXPECT_EQ(self->features, isol_get(ISOL_FEATURES));
	/* Others are not affected. */
	EXPECT_LT(0, syscall(SYS_getpid));
}

static volatile int trapped;

static void trap(int sig __maybe_unused, siginfo_t *info, void *context __maybe_unused)
{
	trapped = info->si_syscall;
}

TEST_F(seccomp, is_a_signal)
{
	struct sigaction action = { .sa_sigaction = trap, .sa_flags = SA_SIGINFO };

	ASSERT_EQ(0, sigaction(SIGSYS, &action, NULL));
	ASSERT_EQ(0, install(SECCOMP_RET_TRAP, 0));
	syscall(STRAY);
	EXPECT_EQ(STRAY, trapped);
	EXPECT_EQ(self->features, isol_get(ISOL_FEATURES));
}

#define CALLS		20

static const char * const events[] = { "task_isolation/task_isol_quiesce_done", NULL };

/* Quiesced returns while the call is made CALLS times. Interrupts are returns of their own. */
static int fewest_returns(const struct trace *trace)
{
	int fewest = -1;

	for (int i = 0; i < 10; i++) {
		int n;

		trace_clear(trace);
		trace_on(trace, true);
		for (int j = 0; j < CALLS; j++)
			syscall(STRAY);
		trace_on(trace, false);
		n = trace_count(trace, "task_isol_quiesce_done");
		if (n >= 0 && (fewest < 0 || n < fewest))
			fewest = n;
	}
	return fewest;
}

/* A call that the filter catches ends in one quiesced return, as any other. */
TEST_F(seccomp, returns_are_quiesced_as_before)
{
	struct trace trace = { };
	const char *reason = NO_ROOT " for the tracepoint";
	int before, after;

	if (!geteuid() && trace_possible(events))
		reason = trace_start(&trace, "seccomp", events);
	else if (!geteuid())
		reason = "needs tracefs, see CONFIG_ENABLE_DEFAULT_TRACERS";
	if (!reason && trace_filter(&trace, events[0], "common_pid", getpid()))
		reason = "cannot filter events";
	if (reason) {
		trace_stop(&trace);
		SKIP(return, "%s", reason);
	}
	before = fewest_returns(&trace);
	ASSERT_EQ(0, install(SECCOMP_RET_ERRNO | ENOTRECOVERABLE, 0));
	after = fewest_returns(&trace);
	trace_stop(&trace);
	EXPECT_LE(CALLS, before);
	EXPECT_EQ(before, after);
}

static void *supervise(void *arg)
{
	struct seccomp_notif request = { };
	struct seccomp_notif_resp response = { };
	int listener = *(int *)arg;

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request))
		return NULL;
	response.id = request.id;
	response.val = 4711;
	if (request.data.nr != STRAY || ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response))
		return NULL;
	return arg;
}

/* Another thread decides what becomes of the call. */
TEST_F(seccomp, is_decided_by_a_supervisor)
{
	int listener;
	pthread_t thread;
	void *result;

	listener = install(SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
	ASSERT_LE(0, listener);
	/* The filter is inherited: the supervisor does not make the call. */
	ASSERT_EQ(0, pthread_create(&thread, NULL, supervise, &listener));
	EXPECT_EQ(4711, syscall(STRAY));
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(&listener, result);
	EXPECT_EQ(self->features, isol_get(ISOL_FEATURES));
}

/* Configuration and claim can still be given up. */
TEST_F(seccomp, isolation_can_be_left)
{
	ASSERT_EQ(0, install(SECCOMP_RET_ERRNO | EPERM, 0));
	EXPECT_EQ(0, isol_enable(0));
	EXPECT_EQ(0, isol_get(ISOL_FEATURES));
}

TEST_HARNESS_MAIN
