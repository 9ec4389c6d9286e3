// SPDX-License-Identifier: GPL-2.0
/*
 * Workers which the kernel makes from an isolated thread, for io_uring and vhost,
 * are not isolated: they start with nothing, as each new thread does. A thread that
 * has a feature enabled when it exits has an event for that, so a worker must not
 * have any when it is gone.
 */
#include "events.h"

#include "kselftest_harness.h"

#include <dirent.h>
#include <linux/io_uring.h>
#include <linux/vhost.h>
#include <pthread.h>
#include <sys/ioctl.h>

#define ENTRIES		4
#define WAIT_MS		20000
#define NO_URING	"needs CONFIG_IO_URING"
#define URING_OFF	"io_uring is not allowed, see kernel.io_uring_disabled"
#define NO_VHOST	"needs CONFIG_VHOST_NET, for /dev/vhost-net"

static const char * const events[] = {
	"task_isolation/task_isol_enable", "task_isolation/task_isol_disable",
	"task_isolation/task_isol_quiesce_done", NULL
};

/* What the isolated process tells. */
struct workers_shared {
	int	error;
	int	line;		/* where that was */
	pid_t	sibling;	/* a normal thread that is isolated as well */
	pid_t	worker;
	char	comm[20];	/* of the worker */
	unsigned long switches;
	bool	isolated;	/* still, in the end */
};

struct ring {
	int			fd;
	unsigned int		*sq_tail, *sq_mask, *sq_flags, *sq_array;
	unsigned int		*cq_head, *cq_tail;
	struct io_uring_sqe	*sqes;
};

FIXTURE(workers)
{
	struct workers_shared	*shared;
	struct trace		trace;
	int			cpu;
};

FIXTURE_VARIANT(workers)
{
	/* Makes a worker and gives it something to do. */
	int		(*make)(void);
	const char	*(*missing)(void);
	/* What its name begins with. */
	const char	*comm;
};

static int ring_setup(struct ring *ring, unsigned int flags)
{
	struct io_uring_params params = { .flags = flags, .sq_thread_idle = 100 };
	char *sq, *cq;

	ring->fd = syscall(SYS_io_uring_setup, ENTRIES, &params);
	if (ring->fd < 0)
		return -errno;
	sq = mmap(NULL, params.sq_off.array + params.sq_entries * sizeof(int),
		  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQ_RING);
	cq = mmap(NULL, params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe),
		  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_CQ_RING);
	ring->sqes = mmap(NULL, params.sq_entries * sizeof(struct io_uring_sqe),
			  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd,
			  IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || ring->sqes == MAP_FAILED)
		return -errno;
	ring->sq_tail = (void *)(sq + params.sq_off.tail);
	ring->sq_mask = (void *)(sq + params.sq_off.ring_mask);
	ring->sq_flags = (void *)(sq + params.sq_off.flags);
	ring->sq_array = (void *)(sq + params.sq_off.array);
	ring->cq_head = (void *)(cq + params.cq_off.head);
	ring->cq_tail = (void *)(cq + params.cq_off.tail);
	return 0;
}

static int ring_enter(struct ring *ring, unsigned int wait_for, unsigned int flags)
{
	return syscall(SYS_io_uring_enter, ring->fd, 1, wait_for, flags, NULL, 0);
}

/* Returns 0 when the kernel has done it. */
static int ring_do_nothing(struct ring *ring, unsigned int sqe_flags, bool polled)
{
	unsigned int tail = *ring->sq_tail, i = tail & *ring->sq_mask;

	memset(&ring->sqes[i], 0, sizeof(ring->sqes[i]));
	ring->sqes[i].opcode = IORING_OP_NOP;
	ring->sqes[i].flags = sqe_flags;
	ring->sqes[i].fd = -1;
	ring->sq_array[i] = i;
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_SEQ_CST);
	if (!polled) {
		if (ring_enter(ring, 1, IORING_ENTER_GETEVENTS) != 1)
			return -errno;
	} else if (__atomic_load_n(ring->sq_flags, __ATOMIC_SEQ_CST) & IORING_SQ_NEED_WAKEUP) {
		if (ring_enter(ring, 0, IORING_ENTER_SQ_WAKEUP) < 0)
			return -errno;
	}
	for (int ms = 0; ms < WAIT_MS; ms++) {
		if (__atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) != *ring->cq_head)
			return 0;
		sleep_ms(1);
	}
	return -ETIMEDOUT;
}

/* A thread that looks for requests itself. */
static int make_sqpoll(void)
{
	static struct ring ring;
	int ret = ring_setup(&ring, IORING_SETUP_SQPOLL);

	return ret ? ret : ring_do_nothing(&ring, 0, true);
}

/* A thread that does what may block. */
static int make_iowq(void)
{
	static struct ring ring;
	int ret = ring_setup(&ring, 0);

	return ret ? ret : ring_do_nothing(&ring, IOSQE_ASYNC, false);
}

static const char *uring_missing(void)
{
	struct io_uring_params params = { };
	int fd = syscall(SYS_io_uring_setup, 1, &params);

	if (fd < 0)
		return errno == ENOSYS ? NO_URING : URING_OFF;
	close(fd);
	return NULL;
}

static int make_vhost(void)
{
	int fd = open("/dev/vhost-net", O_RDWR);

	return fd < 0 || ioctl(fd, VHOST_SET_OWNER) ? -errno : 0;
}

static const char *vhost_missing(void)
{
	return access("/dev/vhost-net", R_OK | W_OK) ? NO_VHOST : NULL;
}

FIXTURE_VARIANT_ADD(workers, io_uring_sqpoll)
{
	.make = make_sqpoll, .missing = uring_missing, .comm = "iou-sqp-",
};

FIXTURE_VARIANT_ADD(workers, io_uring_wq)
{
	.make = make_iowq, .missing = uring_missing, .comm = "iou-wrk-",
};

FIXTURE_VARIANT_ADD(workers, vhost)
{
	.make = make_vhost, .missing = vhost_missing, .comm = "vhost-",
};

/* How often a thread of this process left the CPU since it runs. */
static unsigned long switches_of(pid_t tid)
{
	char path[64], buf[8192], *p;
	unsigned long n = 0;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	if (read_file(path, buf, sizeof(buf)) <= 0)
		return 0;
	for (p = buf; (p = strstr(p, "voluntary_ctxt_switches:")); n += strtoul(p, NULL, 10))
		p += strlen("voluntary_ctxt_switches:");
	return n;
}

/* The thread of this process whose name begins with @comm, 0 if there is none. */
static pid_t find_worker(const char *comm, char *name, size_t size)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	pid_t tid = 0;
	char path[300];

	while (dir && !tid && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		if (read_file(path, name, size) > 0 && !strncmp(name, comm, strlen(comm)))
			tid = atoi(entry->d_name);
	}
	if (dir)
		closedir(dir);
	name[strcspn(name, "\n")] = '\0';
	return tid;
}

#define FAIL(err) do { shared->error = (err); shared->line = __LINE__; _exit(1); } while (0)

static void *isolated_sibling(void *arg)
{
	struct workers_shared *shared = arg;
	int ret = isol_quiesce(isol_get(PR_ISOL_SUP_QUIESCE_CFG));

	shared->sibling = syscall(SYS_gettid);
	if (ret)
		FAIL(-ret);
	return arg;
}

static void isolated_process(struct workers_shared *shared, int cpu,
			     const FIXTURE_VARIANT(workers) *variant)
{
	pthread_t sibling;
	int ret;

	die_with_parent();
	if (pin_to(cpu))
		FAIL(errno);
	ret = isol_quiesce(isol_get(PR_ISOL_SUP_QUIESCE_CFG));
	if (ret)
		FAIL(-ret);
	ret = pthread_create(&sibling, NULL, isolated_sibling, shared);
	if (ret)
		FAIL(ret);
	pthread_join(sibling, NULL);

	ret = variant->make();
	if (ret)
		FAIL(-ret);
	shared->worker = find_worker(variant->comm, shared->comm, sizeof(shared->comm));
	for (int ms = 0; shared->worker && !shared->switches && ms < WAIT_MS; ms++) {
		sleep_ms(1);
		shared->switches = switches_of(shared->worker);
	}
	shared->isolated = isol_get(ISOL_FEATURES) == ISOL_F_QUIESCE_ON_URET;
	_exit(0);
}

FIXTURE_SETUP(workers)
{
	const char *missing;

	if (!isol_present())
		SKIP(return, NO_ISOLATION);
	if (geteuid())
		SKIP(return, NO_ROOT " for the tracepoints");
	missing = variant->missing();
	if (missing)
		SKIP(return, "%s", missing);
	self->cpu = isolated_cpu();
	if (self->cpu < 1)
		SKIP(return, NO_CPU);
	if (!trace_possible(events))
		SKIP(return, "needs tracefs with the events of task_isolation");
	ASSERT_EQ(0, pin_to(0));
	self->shared = alloc_shared(sizeof(*self->shared));
	ASSERT_NE(NULL, self->shared);
	ASSERT_EQ(NULL, trace_start(&self->trace, "workers", events));
	ASSERT_EQ(0, trace_on(&self->trace, true));
}

FIXTURE_TEARDOWN(workers)
{
	trace_stop(&self->trace);
}

static bool is_gone(pid_t tid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d", tid);
	return access(path, F_OK);
}

TEST_F_TIMEOUT(workers, are_not_isolated, 90)
{
	struct workers_shared *shared = self->shared;
	struct text text = { };
	const char *log;
	pid_t pid;

	pid = fork();
	if (!pid)
		isolated_process(shared, self->cpu, variant);
	ASSERT_LT(0, pid);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	ASSERT_EQ(0, shared->error) {
		TH_LOG("line %d: %s", shared->line, strerror(shared->error));
	}
	/* The control: there was a worker, it ran, and it is gone. */
	ASSERT_LT(0, shared->worker);
	ASSERT_LT(0, (long)shared->switches);
	for (int ms = 0; !is_gone(shared->worker) && ms < WAIT_MS; ms++)
		sleep_ms(1);
	ASSERT_TRUE(is_gone(shared->worker));
	EXPECT_TRUE(shared->isolated);
	ASSERT_EQ(0, trace_on(&self->trace, false));
	ASSERT_EQ(0, trace_text(&self->trace, -1, &text));
	log = text.buf;
	TH_LOG("workers comm=%s switches=%lu events=%u/%u/%u sibling=%u/%u/%u process=%u/%u/%u",
	       shared->comm, shared->switches,
	       events_count(log, "task_isol_enable", shared->worker, ""),
	       events_count(log, "task_isol_quiesce_done", shared->worker, ""),
	       events_count(log, "task_isol_disable", shared->worker, ""),
	       events_count(log, "task_isol_enable", shared->sibling, ""),
	       events_count(log, "task_isol_quiesce_done", shared->sibling, ""),
	       events_count(log, "task_isol_disable", shared->sibling, "reason=exit"),
	       events_count(log, "task_isol_enable", pid, ""),
	       events_count(log, "task_isol_quiesce_done", pid, ""),
	       events_count(log, "task_isol_disable", pid, "reason=exit"));

	/* The control: normal threads that were isolated until they exited. */
	EXPECT_EQ(1, events_count(log, "task_isol_enable", shared->sibling, ""));
	EXPECT_LT(0, events_count(log, "task_isol_quiesce_done", shared->sibling, ""));
	EXPECT_EQ(1, events_count(log, "task_isol_disable", shared->sibling, "reason=exit"));
	EXPECT_EQ(1, events_count(log, "task_isol_disable", pid, "reason=exit"));

	EXPECT_EQ(0, events_count(log, "task_isol_enable", shared->worker, ""));
	EXPECT_EQ(0, events_count(log, "task_isol_quiesce_done", shared->worker, ""));
	EXPECT_EQ(0, events_count(log, "task_isol_disable", shared->worker, ""));
	free(text.buf);
}

TEST_HARNESS_MAIN
