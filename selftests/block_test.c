// SPDX-License-Identifier: GPL-2.0
/* Claims of a CPU: who may, what they refuse, how they end. */
#include "block.h"

#include <arpa/inet.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/limits.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <libgen.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "kselftest_harness.h"

#define BLOCK		ISOL_F_BLOCK_INTERRUPTORS
#define ON_URET		ISOL_F_QUIESCE_ON_URET
#define CLAIMS		"/sys/kernel/debug/task_isolation/claims"

FIXTURE(block)
{
	int	cpu;
	int	classes;
	long	policy;
	long	audit;
	char	helper[PATH_MAX];
};

FIXTURE_SETUP(block)
{
	ssize_t len;

	if (!isol_present())
		SKIP(return, NO_ISOLATION);
	if (!(isol_get(ISOL_SUP_FEATURES) & BLOCK))
		SKIP(return, "the kernel has no CONFIG_TASK_ISOLATION_BLOCK");
	if (geteuid())
		SKIP(return, NO_ROOT);
	self->cpu = isolated_cpu();
	if (self->cpu < 0)
		SKIP(return, NO_CPU);

	self->policy = read_number(POLICY);
	self->audit = read_number(AUDIT);
	ASSERT_LE(0, self->policy);
	ASSERT_LE(0, self->audit);
	/* All classes that the kernel has, the others are EINVAL. */
	for (int bit = 0; bit < 31; bit++) {
		if (!write_number(POLICY, 1L << bit))
			self->classes |= 1 << bit;
	}
	ASSERT_NE(0, self->classes);
	ASSERT_EQ(0, write_number(POLICY, self->classes));
	ASSERT_EQ(0, write_number(AUDIT, 0));

	len = readlink("/proc/self/exe", self->helper, sizeof(self->helper) - 1);
	ASSERT_LT(0, len);
	self->helper[len] = '\0';
	snprintf(self->helper, sizeof(self->helper), "%.4000s/exec_helper",
		 dirname(strdup(self->helper)));
	/* What the thread under test does is about another CPU. */
	ASSERT_EQ(0, pin_to(0));
}

FIXTURE_TEARDOWN(block)
{
	isol_enable(0);
	write_number(POLICY, self->policy);
	write_number(AUDIT, self->audit);
}

static int keep_capabilities(int keep)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { };

	data[0].effective = data[0].permitted = keep;
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

static int drop_privilege(int keep)
{
	if (prctl(PR_SET_KEEPCAPS, 1) || setresgid(65534, 65534, 65534) ||
	    setresuid(65534, 65534, 65534))
		return -errno;
	return keep_capabilities(keep);
}

/* A process that claims a CPU until it is told to end, or dies. */
struct claimant {
	pid_t	pid;
	int	result;
	int	to;
	int	from;
};

static int ask(struct claimant *claimant, char command)
{
	int answer;

	if (write(claimant->to, &command, 1) != 1 ||
	    read(claimant->from, &answer, sizeof(answer)) != sizeof(answer))
		return -EPIPE;
	return answer;
}

static void serve(int from, int to, int cpu, int classes, const char *helper)
{
	int answer = pin_to(cpu) ? -errno : isol_claim(classes);
	char command;

	if (write(to, &answer, sizeof(answer)) != sizeof(answer))
		_exit(100);
	while (read(from, &command, 1) == 1) {
		switch (command) {
		case 'L':
			answer = isol_get(PR_ISOL_BLOCK_LEFT);
			break;
		case 'F':
			answer = isol_get(ISOL_FEATURES);
			break;
		case '0':
			answer = isol_enable(0);
			break;
		case 'B':
			answer = isol_enable(BLOCK);
			break;
		case 'S':
			answer = isol_set(PR_ISOL_BLOCK_CFG, classes);
			break;
		case 'P':
			answer = pin_to(cpu) ? -errno : 0;
			break;
		case 'O':
			answer = run_perf(cpu);
			break;
		case 'D':
			answer = drop_privilege(1 << CAP_SYS_NICE);
			break;
		case 'x':
			/* The helper answers, and lives until the pipe ends. */
			dup2(from, STDIN_FILENO);
			dup2(to, STDOUT_FILENO);
			execl(helper, helper, "hold", NULL);
			_exit(101);
		default:
			_exit(0);
		}
		if (write(to, &answer, sizeof(answer)) != sizeof(answer))
			_exit(100);
	}
	_exit(0);
}

static struct claimant claim_cpu(int cpu, int classes, const char *helper)
{
	struct claimant claimant = { .result = -EPIPE };
	int to[2], from[2];

	if (pipe(to) || pipe(from))
		return claimant;
	claimant.pid = fork();
	if (!claimant.pid) {
		die_with_parent();
		close(to[1]);
		close(from[0]);
		serve(to[0], from[1], cpu, classes, helper);
	}
	close(to[0]);
	close(from[1]);
	claimant.to = to[1];
	claimant.from = from[0];
	if (read(claimant.from, &claimant.result, sizeof(int)) != sizeof(int))
		claimant.result = -EPIPE;
	return claimant;
}

static int reap(struct claimant *claimant)
{
	close(claimant->to);
	close(claimant->from);
	return exit_status(claimant->pid);
}

static void end(struct claimant *claimant)
{
	kill(claimant->pid, SIGKILL);
	reap(claimant);
}

#define CLAIM(classes) claim_cpu(self->cpu, classes, self->helper)

/* Whether @classes can be claimed now, and are released again. */
static int claimable(int cpu, int classes)
{
	struct claimant claimant = claim_cpu(cpu, classes, "");

	end(&claimant);
	return claimant.result;
}

TEST_F(block, masks)
{
	EXPECT_EQ(self->classes, isol_get(PR_ISOL_SUP_BLOCK_CFG));
	EXPECT_EQ(0, isol_get(PR_ISOL_BLOCK_CFG));
	EXPECT_EQ(0, isol_get(PR_ISOL_BLOCK_LEFT));
	EXPECT_EQ(-EINVAL, isol_set(PR_ISOL_SUP_BLOCK_CFG, 0));
	EXPECT_EQ(-EINVAL, isol_set(PR_ISOL_BLOCK_LEFT, 0));
	EXPECT_EQ(-EINVAL, isol_set(PR_ISOL_BLOCK_CFG, 1 << 30));
	EXPECT_EQ(-EINVAL, isol_set(PR_ISOL_BLOCK_CFG, 1UL << 31));
	EXPECT_EQ(0, isol_set(PR_ISOL_BLOCK_CFG, self->classes));
	EXPECT_EQ(self->classes, isol_get(PR_ISOL_BLOCK_CFG));
	/* Not refused as long as nothing is claimed. */
	EXPECT_EQ(self->classes, isol_get(PR_ISOL_BLOCK_LEFT));
	/* Unknown classes cannot be allowed either. */
	EXPECT_EQ(-EINVAL, write_number(POLICY, self->classes | 1 << 30));
	EXPECT_EQ(-EINVAL, write_number(AUDIT, 1 << 30));
	EXPECT_EQ(self->classes, read_number(POLICY));
}

TEST_F(block, classes_that_policy_allows)
{
	int one = self->classes & -self->classes;

	ASSERT_EQ(0, write_number(POLICY, 0));
	EXPECT_EQ(0, isol_get(PR_ISOL_SUP_BLOCK_CFG));
	EXPECT_EQ(-EINVAL, isol_set(PR_ISOL_BLOCK_CFG, one));
	ASSERT_EQ(0, write_number(AUDIT, one));
	EXPECT_EQ(one, isol_get(PR_ISOL_SUP_BLOCK_CFG));
	EXPECT_EQ(0, isol_set(PR_ISOL_BLOCK_CFG, one));
	/* Policy may change before the claim. */
	ASSERT_EQ(0, write_number(AUDIT, 0));
	ASSERT_EQ(0, pin_to(self->cpu));
	EXPECT_EQ(-EPERM, isol_enable(BLOCK));
	EXPECT_EQ(0, isol_get(ISOL_FEATURES));
	ASSERT_EQ(0, write_number(POLICY, one));
	EXPECT_EQ(0, isol_enable(BLOCK));
}

TEST_F(block, needs_a_class)
{
	ASSERT_EQ(0, pin_to(self->cpu));
	EXPECT_EQ(-EINVAL, isol_enable(BLOCK));
	EXPECT_EQ(0, isol_get(ISOL_FEATURES));
}

TEST_F(block, needs_one_cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	CPU_SET(self->cpu, &set);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(set), &set));
	EXPECT_EQ(-EINVAL, isol_claim(self->classes));
	EXPECT_EQ(0, isol_get(ISOL_FEATURES));
	ASSERT_EQ(0, pin_to(self->cpu));
	EXPECT_EQ(0, isol_enable(BLOCK));
	EXPECT_EQ(BLOCK, isol_get(ISOL_FEATURES));
}

TEST_F(block, needs_privilege)
{
	for (int keep = 0; keep < 2; keep++) {
		pid_t pid = fork();

		if (!pid) {
			pin_to(self->cpu);
			if (drop_privilege(keep << CAP_SYS_NICE))
				_exit(100);
			_exit(-isol_claim(self->classes));
		}
		EXPECT_EQ(keep ? 0 : EPERM, exit_status(pid));
	}
}

TEST_F(block, one_claimant_for_a_cpu)
{
	struct claimant first = CLAIM(self->classes);
	struct claimant other;

	ASSERT_EQ(0, first.result);
	EXPECT_EQ(-EBUSY, claimable(self->cpu, self->classes));
	/* Of another CPU it does not matter. */
	other = claim_cpu(0, self->classes, "");
	EXPECT_EQ(0, other.result);
	end(&other);
	EXPECT_EQ(0, ask(&first, '0'));
	EXPECT_EQ(0, claimable(self->cpu, self->classes));
	end(&first);
}

TEST_F(block, configuration_is_busy)
{
	struct claimant claimant = CLAIM(self->classes);

	ASSERT_EQ(0, claimant.result);
	EXPECT_EQ(-EBUSY, ask(&claimant, 'S'));
	EXPECT_EQ(0, ask(&claimant, 'L'));
	/* Again: the claim goes on. */
	EXPECT_EQ(0, ask(&claimant, 'B'));
	EXPECT_EQ(-EBUSY, claimable(self->cpu, self->classes));
	EXPECT_EQ(0, ask(&claimant, '0'));
	EXPECT_EQ(0, ask(&claimant, 'S'));
	end(&claimant);
}

TEST_F(block, affinity_is_busy)
{
	struct claimant claimant = CLAIM(self->classes);
	cpu_set_t set;

	ASSERT_EQ(0, claimant.result);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	EXPECT_EQ(-1, sched_setaffinity(claimant.pid, sizeof(set), &set));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(-EBUSY, ask(&claimant, 'P'));
	EXPECT_EQ(0, ask(&claimant, '0'));
	EXPECT_EQ(0, ask(&claimant, 'P'));
	EXPECT_EQ(0, sched_setaffinity(claimant.pid, sizeof(set), &set));
	end(&claimant);
}

/* The two features are independent. */
TEST_F(block, quiesced_or_not)
{
	ASSERT_EQ(0, pin_to(self->cpu));
	ASSERT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, ISOL_F_QUIESCE_VMSTAT_SYNC));
	ASSERT_EQ(0, isol_set(PR_ISOL_BLOCK_CFG, self->classes));
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, isol_enable(BLOCK | ON_URET));
		ASSERT_EQ(0, isol_get(PR_ISOL_BLOCK_LEFT));
		ASSERT_EQ(0, isol_enable(BLOCK));
		ASSERT_EQ(0, isol_get(PR_ISOL_BLOCK_LEFT));
	}
	EXPECT_EQ(-EBUSY, claimable(self->cpu, self->classes));
	EXPECT_EQ(0, isol_enable(ON_URET));
	EXPECT_EQ(0, claimable(self->cpu, self->classes));
}

/* However the claimant ends, the next claim does not have to wait. */
TEST_F(block, ends_with_the_thread)
{
	struct claimant claimant;

	for (int i = 0; i < 20; i++) {
		claimant = CLAIM(self->classes);
		ASSERT_EQ(0, claimant.result);
		kill(claimant.pid, SIGKILL);
		EXPECT_EQ(-SIGKILL, reap(&claimant));
		claimant = CLAIM(self->classes);
		ASSERT_EQ(0, claimant.result);
		EXPECT_EQ(-EPIPE, ask(&claimant, 'q'));
		EXPECT_EQ(0, reap(&claimant));
	}
	EXPECT_EQ(0, run_perf(self->cpu));
}

struct thread_args {
	int	cpu;
	int	classes;
	int	result;
};

static void *claim_and_exit(void *arg)
{
	struct thread_args *args = arg;

	args->result = pin_to(args->cpu) ? -errno : isol_claim(args->classes);
	return NULL;
}

TEST_F(block, ends_with_pthread_exit)
{
	struct thread_args args = { self->cpu, self->classes, -1 };
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, claim_and_exit, &args));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, args.result);
	EXPECT_EQ(0, isol_get(ISOL_FEATURES));
	/* The thread is joined before it has exited. */
	for (int i = 0; i < 1000 && claimable(self->cpu, self->classes); i++)
		sleep_ms(1);
	EXPECT_EQ(0, claimable(self->cpu, self->classes));
}

static void *claim_and_sleep(void *arg)
{
	claim_and_exit(arg);
	__atomic_store_n(&((struct thread_args *)arg)->cpu, -1, __ATOMIC_SEQ_CST);
	for (;;)
		sleep_ms(1000);
	return NULL;
}

/* Another thread of the process calls execve(), which kills the claimant. */
TEST_F(block, ends_with_exec_of_a_sibling)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		struct thread_args args = { self->cpu, self->classes, -1 };
		pthread_t thread;

		if (pthread_create(&thread, NULL, claim_and_sleep, &args))
			_exit(100);
		while (__atomic_load_n(&args.cpu, __ATOMIC_SEQ_CST) >= 0)
			sleep_ms(1);
		if (args.result)
			_exit(101);
		execl(self->helper, self->helper, NULL);
		_exit(102);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, claimable(self->cpu, self->classes));
}

TEST_F(block, fork_starts_with_nothing)
{
	int status = -1;
	pid_t pid;

	ASSERT_EQ(0, pin_to(self->cpu));
	ASSERT_EQ(0, isol_claim(self->classes));
	pid = fork();
	if (!pid)
		_exit(isol_get(ISOL_FEATURES) | isol_get(PR_ISOL_BLOCK_CFG) |
		      (pin_to(0) ? 64 : 0));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	/* The exit of the child is not the end of the claim. */
	EXPECT_EQ(-EBUSY, claimable(self->cpu, self->classes));
}

TEST_F(block, exec_keeps_the_claim)
{
	/* One class is left out, and must not come with the new image. */
	struct claimant claimant = CLAIM(self->classes & ~ISOL_BLOCK_KNOB);

	ASSERT_EQ(0, claimant.result);
	EXPECT_EQ(BLOCK, ask(&claimant, 'x'));
	/* While the new image lives. */
	EXPECT_EQ(-EBUSY, claimable(self->cpu, self->classes));
	EXPECT_EQ(-EBUSY, run_perf(self->cpu));
	EXPECT_EQ(0, run_overcommit(self->cpu));
	EXPECT_EQ(0, run_overcommit(self->cpu));
	EXPECT_EQ(BLOCK, reap(&claimant));
	EXPECT_EQ(0, run_perf(self->cpu));
}

static int copy_setuid(const char *from, const char *to)
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
	return chmod(to, 04755);
}

TEST_F(block, privileged_exec_ends_the_claim)
{
	char dir[] = "/tmp/isolXXXXXX", path[64];
	struct claimant claimant;

	mkdir("/tmp", 01777);
	ASSERT_NE(NULL, mkdtemp(dir));
	ASSERT_EQ(0, mount("isolation", dir, "tmpfs", 0, NULL));
	snprintf(path, sizeof(path), "%s/helper", dir);
	ASSERT_EQ(0, copy_setuid(self->helper, path));
	ASSERT_EQ(0, chmod(dir, 0755));
	claimant = claim_cpu(self->cpu, self->classes, path);
	EXPECT_EQ(0, claimant.result);
	EXPECT_EQ(0, ask(&claimant, 'D'));
	EXPECT_EQ(-EBUSY, claimable(self->cpu, self->classes));
	EXPECT_EQ(0, ask(&claimant, 'x'));
	/* The new image lives: it is not its exit that ended the claim. */
	EXPECT_EQ(0, run_perf(self->cpu));
	EXPECT_EQ(0, claimable(self->cpu, self->classes));
	EXPECT_EQ(0, reap(&claimant));
	umount(dir);
	rmdir(dir);
}

/* Each operation: works, is refused and leaves no trace, works again. */
static void one_operation(struct __test_metadata *_metadata, int cpu, const struct operation *op,
			  const char *helper)
{
	struct claimant claimant;
	char before[64], after[64];

	for (int i = 0; i < 2; i++) {
		int ret = op->run(cpu);

		if (ret != op->begun) {
			ksft_print_msg("%s: not here: %s\n", op->name, strerror(-ret));
			return;
		}
	}
	claimant = claim_cpu(cpu, op->class, helper);
	EXPECT_EQ(0, claimant.result) {
		TH_LOG("%s", op->name);
	}
	op->state(cpu, before, sizeof(before));
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(-EBUSY, op->run(cpu)) {
			TH_LOG("%s", op->name);
		}
	}
	op->state(cpu, after, sizeof(after));
	EXPECT_STREQ(before, after) {
		TH_LOG("%s", op->name);
	}
	if (op->one_cpu) {
		EXPECT_EQ(op->begun, op->run(0)) {
			TH_LOG("%s of CPU 0", op->name);
		}
	}
	/* At once if the administrator says so. */
	EXPECT_EQ(0, write_number(AUDIT, op->class));
	EXPECT_EQ(op->class, ask(&claimant, 'L'));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(op->begun, op->run(cpu)) {
			TH_LOG("%s, audited", op->name);
		}
	}
	EXPECT_EQ(0, write_number(AUDIT, 0));
	EXPECT_EQ(-EBUSY, op->run(cpu));
	EXPECT_EQ(0, write_number(POLICY, ALL_CLASSES & ~op->class));
	EXPECT_EQ(op->class, ask(&claimant, 'L'));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(op->begun, op->run(cpu)) {
			TH_LOG("%s, not allowed any more", op->name);
		}
	}
	EXPECT_EQ(0, write_number(POLICY, ALL_CLASSES));
	EXPECT_EQ(-EBUSY, op->run(cpu));
	end(&claimant);

	/* A claim of the other classes does not matter. */
	claimant = claim_cpu(cpu, ALL_CLASSES & ~op->class, helper);
	EXPECT_EQ(0, claimant.result);
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(op->begun, op->run(cpu)) {
			TH_LOG("%s, class not claimed", op->name);
		}
	}
	end(&claimant);
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(op->begun, op->run(cpu)) {
			TH_LOG("%s, afterwards", op->name);
		}
	}
	ksft_print_msg("%s: refused\n", op->name);
}

TEST_F_TIMEOUT(block, operations, 240)
{
	if (self->classes != ALL_CLASSES)
		SKIP(return, "not all classes");
	for (int i = 0; i < NR_OPERATIONS; i++)
		one_operation(_metadata, self->cpu, &operations[i], self->helper);
}

/* The claimant asks for the interruption itself. */
TEST_F(block, own_operations_pass)
{
	struct claimant claimant = CLAIM(self->classes);

	ASSERT_EQ(0, claimant.result);
	EXPECT_EQ(-EBUSY, run_perf(self->cpu));
	EXPECT_EQ(0, ask(&claimant, 'O'));
	end(&claimant);
}

/* What the list of claims says of @cpu: refused and passed operations. */
static int counts(int cpu, int *refused, int *passed)
{
	char buf[4096], comm[32], *line, *save;
	int have, pid, in_force;
	unsigned int classes;

	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	if (read_file(CLAIMS, buf, sizeof(buf)) <= 0)
		return -ENOENT;
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%d %d %31s %x %d %d %d", &have, &pid, comm, &classes, refused,
			   passed, &in_force) == 7 && have == cpu)
			return pid;
	}
	return 0;
}

TEST_F(block, list_of_claims)
{
	struct claimant claimant;
	int refused, passed;

	if (counts(self->cpu, &refused, &passed) < 0)
		SKIP(return, "no debugfs");
	EXPECT_EQ(0, counts(self->cpu, &refused, &passed));
	claimant = CLAIM(self->classes);
	EXPECT_EQ(claimant.pid, counts(self->cpu, &refused, &passed));
	EXPECT_EQ(0, refused | passed);
	EXPECT_EQ(-EBUSY, run_perf(self->cpu));
	EXPECT_EQ(-EBUSY, run_overcommit(self->cpu));
	EXPECT_EQ(0, write_number(AUDIT, ALL_CLASSES));
	EXPECT_EQ(0, run_overcommit(self->cpu));
	EXPECT_EQ(0, run_overcommit(self->cpu));
	EXPECT_EQ(0, run_overcommit(self->cpu));
	EXPECT_EQ(claimant.pid, counts(self->cpu, &refused, &passed));
	EXPECT_EQ(2, refused);
	EXPECT_EQ(3, passed);
	end(&claimant);
	EXPECT_EQ(0, counts(self->cpu, &refused, &passed));
	run_overcommit(self->cpu);
}

static int use_event(int fd)
{
	char buf[64];

	if (ioctl(fd, PERF_EVENT_IOC_DISABLE, 0) || ioctl(fd, PERF_EVENT_IOC_RESET, 0) ||
	    ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) || read(fd, buf, sizeof(buf)) < 0)
		return -errno;
	return 0;
}

/* The CPU for which an event of a thread is opened is not interrupted. */
TEST_F(block, events_of_threads)
{
	struct claimant claimant, other;
	int fd, busy;

	fd = perf_open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, 0, self->cpu);
	if (fd < 0)
		SKIP(return, "no perf events");
	close(fd);
	/* A thread that is pinned to CPU 0, and claims nothing any more. */
	other = claim_cpu(0, self->classes, "");
	ASSERT_EQ(0, other.result);
	ASSERT_EQ(0, ask(&other, '0'));
	/* An event of the CPU, opened while that is possible. */
	busy = perf_open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, -1, self->cpu);
	ASSERT_LE(0, busy);
	EXPECT_EQ(0, use_event(busy));
	claimant = CLAIM(ISOL_BLOCK_CPU_ACCESS);
	ASSERT_EQ(0, claimant.result);

	/* Refused: the CPU, and the thread that is pinned to it. */
	EXPECT_EQ(-EBUSY, run_perf(self->cpu));
	EXPECT_EQ(-EBUSY, use_event(busy));
	EXPECT_EQ(-EBUSY, perf_open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK,
				    claimant.pid, -1));
	EXPECT_EQ(-EBUSY, perf_open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK,
				    claimant.pid, 0));
	/* Not refused: itself, and a thread that is pinned elsewhere. */
	fd = perf_open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, 0, self->cpu);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, use_event(fd));
	close(fd);
	fd = perf_open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, other.pid, self->cpu);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, use_event(fd));
	close(fd);
	end(&claimant);
	EXPECT_EQ(0, use_event(busy));
	close(busy);
	end(&other);
}

#define PARANOID	"/proc/sys/kernel/perf_event_paranoid"

/* An unprivileged process opens an event of @cpu, or of @pid. Returns 0 or -errno. */
static int perf_as_nobody(pid_t pid, int cpu)
{
	pid_t child = fork();

	if (!child) {
		int fd;

		if (drop_privilege(0))
			_exit(100);
		fd = perf_open_user(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, pid, cpu);
		_exit(fd < 0 ? -fd : 0);
	}
	return -exit_status(child);
}

/* Callers that may not have an event learn nothing of claims, and are no refusal. */
TEST_F(block, permission_comes_first)
{
	long paranoid = read_number(PARANOID);
	int refused = 0, passed = 0, listed, bpf;
	struct claimant claimant;

	if (write_number(PARANOID, 2))
		SKIP(return, "no perf events");
	/* Its own threads are allowed: what is refused is not so for another reason. */
	EXPECT_EQ(0, perf_as_nobody(0, -1));
	bpf = run_raw_tracepoint(self->cpu);
	claimant = CLAIM(self->classes);
	ASSERT_EQ(0, claimant.result);
	EXPECT_EQ(-EACCES, perf_as_nobody(-1, self->cpu));
	EXPECT_EQ(-EACCES, perf_as_nobody(claimant.pid, -1));
	counts(self->cpu, &refused, &passed);
	EXPECT_EQ(0, refused);
	/* Another caller is refused. */
	EXPECT_EQ(-EBUSY, run_perf(self->cpu));
	EXPECT_EQ(-EBUSY, perf_open_user(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK,
					 claimant.pid, -1));
	/* Without debugfs there is no list. */
	listed = counts(self->cpu, &refused, &passed) > 0;
	EXPECT_EQ(listed ? 2 : 0, refused);
	/* A program, and none. */
	EXPECT_EQ(bpf ? bpf : -EBUSY, run_raw_tracepoint(self->cpu));
	EXPECT_NE(-EBUSY, attach_raw_tracepoint(-1));
	end(&claimant);
	write_number(PARANOID, paranoid);
}

/* Writes to sched_schedstats as uid 0 without a capability. Returns 0 or -errno. */
static int schedstats_without_capability(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(keep_capabilities(0) ? 100 : -run_schedstats(0));
	return -exit_status(pid);
}

/* The mode of the file lets uid 0 write, and the handler wants CAP_SYS_ADMIN. */
TEST_F(block, permission_of_a_handler)
{
	int refused = 0, passed = 0, listed;
	struct claimant claimant;

	if (run_schedstats(self->cpu) || run_schedstats(self->cpu))
		SKIP(return, "no sched_schedstats");
	EXPECT_EQ(-EPERM, schedstats_without_capability());
	claimant = CLAIM(self->classes);
	ASSERT_EQ(0, claimant.result);
	EXPECT_EQ(-EPERM, schedstats_without_capability());
	counts(self->cpu, &refused, &passed);
	EXPECT_EQ(0, refused);
	EXPECT_EQ(-EBUSY, run_schedstats(self->cpu));
	/* Without debugfs there is no list. */
	listed = counts(self->cpu, &refused, &passed) > 0;
	EXPECT_EQ(listed ? 1 : 0, refused);
	end(&claimant);
}

#define TRACING		"/sys/kernel/tracing/"

/* Opening a file with O_TRUNC is a change, which write() would come too late for. */
TEST_F(block, truncation_is_refused)
{
	static const struct {
		const char	*file;
		const char	*text;
	} files[] = {
		{ "set_event", "sched:sched_switch" },
		{ "set_event_pid", "1" },
		{ "set_event_notrace_pid", "1" },
		{ "set_ftrace_pid", "1" },
		{ "set_ftrace_filter", "schedule" },
		{ "set_ftrace_notrace", "schedule" },
		{ "set_graph_function", "schedule" },
		{ "events/sched/sched_switch/trigger", "hist:keys=prev_pid" },
	};
	int seen = 0;

	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	for (unsigned int i = 0; i < ARRAY_SIZE(files); i++) {
		char path[128], empty[4096], before[4096], after[4096];
		struct claimant claimant;
		int fd;

		snprintf(path, sizeof(path), TRACING "%s", files[i].file);
		if (read_file(path, empty, sizeof(empty)) < 0 || write_file(path, files[i].text)) {
			ksft_print_msg("%s: not here\n", files[i].file);
			continue;
		}
		state_of(path, before, sizeof(before));
		EXPECT_STRNE(empty, before) {
			TH_LOG("%s", files[i].file);
		}
		claimant = CLAIM(ISOL_BLOCK_TRACE);
		EXPECT_EQ(0, claimant.result);
		fd = open(path, O_WRONLY | O_TRUNC);
		EXPECT_EQ(-1, fd) {
			TH_LOG("%s", files[i].file);
		}
		EXPECT_EQ(EBUSY, errno);
		if (fd >= 0)
			close(fd);
		state_of(path, after, sizeof(after));
		EXPECT_STREQ(before, after) {
			TH_LOG("%s", files[i].file);
		}
		/* Looking at it is allowed. */
		fd = open(path, O_RDONLY);
		EXPECT_LE(0, fd);
		close(fd);
		end(&claimant);
		fd = open(path, O_WRONLY | O_TRUNC);
		EXPECT_LE(0, fd);
		close(fd);
		state_of(path, after, sizeof(after));
		EXPECT_STRNE(before, after) {
			TH_LOG("%s", files[i].file);
		}
		seen++;
	}
	if (!seen)
		SKIP(return, "no tracing");
}

/* Writing the state that a CPU has already stops nothing. */
TEST_F(block, online_twice)
{
	struct claimant claimant;
	char path[64];

	online_path(other_cpu(self->cpu), path, sizeof(path));
	if (read_number(path) != 1)
		SKIP(return, "no other CPU that can be taken offline");
	claimant = CLAIM(ISOL_BLOCK_HOTPLUG);
	ASSERT_EQ(0, claimant.result);
	EXPECT_EQ(0, write_number(path, 1));
	EXPECT_EQ(-EBUSY, write_number(path, 0));
	EXPECT_EQ(1, read_number(path));
	end(&claimant);
}

/* Moved by a cpuset: not in force, and again when it is back. */
TEST_F(block, forced_change_of_affinity)
{
	struct claimant claimant;
	char pid[16];

	cpuset_mount();
	if (access(CGROUP "/isol/cpuset.cpus", F_OK))
		SKIP(return, "no cpusets");
	claimant = CLAIM(ISOL_BLOCK_KNOB);
	ASSERT_EQ(0, claimant.result);
	EXPECT_EQ(-EBUSY, run_overcommit(self->cpu));
	EXPECT_EQ(0, write_file(CGROUP "/isol/cpuset.cpus", "0"));
	snprintf(pid, sizeof(pid), "%d", claimant.pid);
	ASSERT_EQ(0, write_file(CGROUP "/isol/cgroup.procs", pid));
	EXPECT_EQ(ISOL_BLOCK_KNOB, ask(&claimant, 'L'));
	EXPECT_EQ(BLOCK, ask(&claimant, 'F'));
	EXPECT_EQ(0, run_overcommit(self->cpu));
	EXPECT_EQ(0, run_overcommit(self->cpu));
	/* The CPU is still its own. */
	EXPECT_EQ(-EBUSY, claimable(self->cpu, self->classes));
	ASSERT_EQ(0, write_file(CGROUP "/cgroup.procs", pid));
	/* Its own mask is effective again, and in force: as above. */
	EXPECT_EQ(-EBUSY, ask(&claimant, 'P'));
	EXPECT_EQ(0, ask(&claimant, 'L'));
	EXPECT_EQ(-EBUSY, run_overcommit(self->cpu));
	end(&claimant);
	write_file(CGROUP "/isol/cpuset.cpus", "\n");
}

/* A call that is under way for as long as a fault on @page is not answered. */
struct slow {
	int	(*call)(struct slow *slow);
	int	uffd;
	int	fd;
	char	*page;
};

static void *slow_thread(void *arg)
{
	struct slow *slow = arg;

	return (void *)(long)(slow->call(slow) < 0 ? errno : 0);
}

static int slow_module(struct slow *slow)
{
	return syscall(SYS_init_module, slow->page, 4096, "");
}

static int slow_read(struct slow *slow)
{
	return read(slow->fd, slow->page, 8);
}

static int slow_period(struct slow *slow)
{
	return ioctl(slow->fd, PERF_EVENT_IOC_PERIOD, slow->page);
}

/* Returns 0 when the call of @slow waits for the page, 1 without userfaultfd. */
static int slow_begin(struct slow *slow, pthread_t *thread)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct pollfd pfd = { .events = POLLIN };

	slow->uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (slow->uffd < 0)
		return 1;
	slow->page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (slow->page == MAP_FAILED)
		return -errno;
	reg.range.start = (unsigned long)slow->page;
	reg.range.len = 4096;
	if (ioctl(slow->uffd, UFFDIO_API, &api) || ioctl(slow->uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	if (pthread_create(thread, NULL, slow_thread, slow))
		return -EAGAIN;
	pfd.fd = slow->uffd;
	return poll(&pfd, 1, 10000) == 1 ? 0 : -ETIMEDOUT;
}

/* Lets it go on. Returns the errno of the call, or 0. */
static int slow_end(struct slow *slow, pthread_t thread)
{
	struct uffdio_zeropage zero = { };
	void *result;

	zero.range.start = (unsigned long)slow->page;
	zero.range.len = 4096;
	if (ioctl(slow->uffd, UFFDIO_ZEROPAGE, &zero) || pthread_join(thread, &result))
		return -1;
	close(slow->uffd);
	munmap(slow->page, 4096);
	return (long)result;
}

static void ignore(int sig __maybe_unused)
{
}

/*
 * A process that claims, and exits with the error: 100 if it kept the claim then.
 * SIGALRM has a handler, with @flags, and comes after @seconds if they are not 0.
 */
static pid_t fork_claim(int cpu, int classes, int flags, unsigned int seconds)
{
	pid_t pid = fork();

	if (!pid) {
		struct sigaction action = { .sa_handler = ignore, .sa_flags = flags };
		int ret;

		die_with_parent();
		sigaction(SIGALRM, &action, NULL);
		pin_to(cpu);
		alarm(seconds);
		ret = isol_claim(classes);
		_exit(ret && isol_get(ISOL_FEATURES) ? 100 : -ret);
	}
	return pid;
}

/* Until modules are refused: then a claim is counted, granted or not. */
static bool modules_are_refused(void)
{
	for (int i = 0; i < 2000; i++) {
		if (run_module(0) == -EBUSY)
			return true;
		sleep_ms(1);
	}
	return false;
}

TEST_F(block, waits_for_operations_under_way)
{
	static const int flags[] = { 0, SA_RESTART };
	struct slow slow = { .call = slow_module };
	struct claimant claimant;
	pthread_t thread;
	int status, ret;
	pid_t pid;

	if (!(self->classes & ISOL_BLOCK_MODULE) || run_module(0) != -ENOEXEC)
		SKIP(return, "no modules");
	ret = slow_begin(&slow, &thread);
	if (ret > 0)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, ret);

	/* Other classes do not wait. */
	EXPECT_EQ(0, claimable(self->cpu, ALL_CLASSES & ~ISOL_BLOCK_MODULE));

	/* A handler ends the wait, with SA_RESTART too. */
	for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
		pid = fork_claim(self->cpu, ISOL_BLOCK_MODULE, flags[i], 0);
		EXPECT_TRUE(modules_are_refused());
		kill(pid, SIGALRM);
		EXPECT_EQ(EINTR, exit_status(pid)) {
			TH_LOG("SA_RESTART: %d", flags[i] == SA_RESTART);
		}
		/* Nothing of the claim is left. */
		EXPECT_EQ(-ENOEXEC, run_module(0));
	}

	/* A stop is no handler: nothing is claimed meanwhile, then it waits again. */
	pid = fork_claim(self->cpu, ISOL_BLOCK_MODULE, 0, 0);
	EXPECT_TRUE(modules_are_refused());
	kill(pid, SIGSTOP);
	EXPECT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	EXPECT_TRUE(WIFSTOPPED(status));
	EXPECT_EQ(-ENOEXEC, run_module(0));
	kill(pid, SIGCONT);
	EXPECT_TRUE(modules_are_refused());

	/* It is granted when the operation ends, not before. */
	sleep_ms(300);
	EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	/* The operation itself was not refused. */
	EXPECT_EQ(ENOEXEC, slow_end(&slow, thread));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	claimant = CLAIM(ISOL_BLOCK_MODULE);
	EXPECT_EQ(0, claimant.result);
	end(&claimant);
}

/*
 * An unprivileged thread can let the kernel wait for its memory. A claimant does not:
 * waits_for_operations_under_way() shows that it would.
 */
TEST_F(block, does_not_wait_for_user_memory)
{
	static int (* const calls[])(struct slow *slow) = { slow_read, slow_period };
	/* The period of an event that does not sample cannot be changed. */
	static const int results[] = { 0, EINVAL };

	for (int i = 0; i < 2; i++) {
		struct slow slow = { .call = calls[i] };
		pthread_t thread;
		pid_t pid;
		int ret;

		slow.fd = perf_open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, -1, self->cpu);
		if (slow.fd < 0)
			SKIP(return, "no perf events");
		ret = slow_begin(&slow, &thread);
		if (ret > 0)
			SKIP(return, "no userfaultfd");
		ASSERT_EQ(0, ret);
		pid = fork_claim(self->cpu, ISOL_BLOCK_CPU_ACCESS, 0, 1);
		EXPECT_EQ(0, exit_status(pid)) {
			TH_LOG("call %d", i);
		}
		EXPECT_EQ(results[i], slow_end(&slow, thread)) {
			TH_LOG("call %d", i);
		}
		close(slow.fd);
	}
}

static int load_filter(void)
{
	int fd = load_bpf(BPF_PROG_TYPE_SOCKET_FILTER);

	return fd < 0 ? fd : close(fd);
}

static struct sock_filter accept_all[] = { BPF_STMT(BPF_RET | BPF_K, 0x7fff0000) };
static struct sock_fprog filter = { 1, accept_all };

static int use_seccomp(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		_exit(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) ? errno : 0);
	}
	return -exit_status(pid);
}

static int use_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0), one = 1, ret = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, &one, sizeof(one)))
		ret = -errno;
	close(fd);
	return ret;
}

static int set_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	/* Without an RTC it begins at 0, and cannot be set back. */
	ts.tv_sec++;
	return clock_settime(CLOCK_REALTIME, &ts) ? -errno : 0;
}

static int own_event(void)
{
	int fd = perf_open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, 0, -1);
	char buf[64];

	if (fd < 0)
		return fd;
	if (ioctl(fd, PERF_EVENT_IOC_RESET, 0) || read(fd, buf, sizeof(buf)) < 0)
		return -errno;
	close(fd);
	return 0;
}

static int create_thread(void)
{
	struct thread_args args = { 0, 0, 0 };
	pthread_t thread;

	if (pthread_create(&thread, NULL, claim_and_exit, &args))
		return -EAGAIN;
	return -pthread_join(thread, NULL);
}

/* No call of an ordinary program is refused, whatever is claimed. */
TEST_F(block, ordinary_calls_pass)
{
	static int (* const calls[])(void) = {
		load_filter, use_seccomp, use_socket, set_clock, own_event, create_thread,
	};
	int before[6], after[6];
	struct claimant claimant;

	for (int i = 0; i < 6; i++)
		before[i] = calls[i]();
	/* At least these are in each kernel. */
	EXPECT_EQ(0, before[3]);
	EXPECT_EQ(0, before[5]);
	claimant = CLAIM(self->classes);
	ASSERT_EQ(0, claimant.result);
	for (int i = 0; i < 6; i++) {
		after[i] = calls[i]();
		EXPECT_EQ(before[i], after[i]) {
			TH_LOG("call %d", i);
		}
		EXPECT_NE(-EBUSY, after[i]);
	}
	end(&claimant);
}

TEST_HARNESS_MAIN
