/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ways to have the tick running when a thread returns to user mode, and how
 * often its CPU is interrupted then. What tick_test and tick share.
 *
 * /proc/interrupts does not tell whether an interrupt hit user mode, and reading
 * it takes longer than a tick. The events of context tracking tell: "user_exit"
 * directly before the event of the interrupt's vector, after the last system
 * call of the thread and its "user_enter".
 */
#ifndef SELFTEST_ISOLATION_TICK_H
#define SELFTEST_ISOLATION_TICK_H

#include "trace.h"

#include "kselftest.h"

#include <linux/futex.h>
#include <linux/perf_event.h>
#include <sys/timerfd.h>

#define TICK_FAR	1000	/* seconds that no run takes */
#define TICK_PRIORITY	1	/* of a real-time spinner */

/* Shared with the spinner, which is a process of its own. */
struct tick_shared {
	int	ready;
	int	step;		/* odd: run the scenario, even: clean up and report */
	int	done;
	int	ret;
	int	left;
};

struct tick_run {
	int			cpu;
	unsigned long		quiesce;
	bool			fifo;
	unsigned int		rounds;
	unsigned int		window_ms;
	/* Private */
	const struct tick_way	*way;
	struct tick_shared	*shared;
	pid_t			pid, helper;
	struct trace		trace;
	int			fds[4];
	timer_t			timer;
};

/* What came of it. */
struct tick_result {
	unsigned int	rounds;
	unsigned int	hit;		/* rounds with a timer interrupt in user mode */
	unsigned int	unnamed;	/* of these, not explained by what was left */
	unsigned int	gave_up;	/* of these, what was tried had not helped */
	unsigned int	timer;		/* timer interrupts in user mode */
	unsigned int	other;		/* other entries from user mode */
	unsigned int	left;		/* what was left in the end, over all rounds */
	char		named[256];	/* what was named before an interrupt */
};

struct tick_way {
	const char	*name;
	/* In the spinner, before it is isolated. */
	int		(*prepare)(struct tick_run *run);
	int		(*go)(struct tick_run *run);
	int		(*clean)(struct tick_run *run);
	/* ISOL_LEFT_* that the thread asked for. */
	int		left;
	/* Without the action the tick hits user mode, mostly. */
	bool		hits, hits_fifo;
	/* A real-time thread that spins starves the helper. */
	bool		not_fifo;
	/* On PREEMPT_RT a real-time thread that spins starves what would help. */
	bool		not_fifo_rt;
};

static inline int tick_timer_create(struct tick_run *run, clockid_t clock)
{
	/* A timer that tells nobody would not be armed at all. */
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };

	return timer_create(clock, &event, &run->timer);
}

static inline int tick_timer_set(struct tick_run *run, time_t sec)
{
	struct itimerspec spec = { .it_value.tv_sec = sec };

	return timer_settime(run->timer, 0, &spec, NULL);
}

static inline int tick_posix_prepare(struct tick_run *run)
{
	return tick_timer_create(run, CLOCK_MONOTONIC);
}

static inline int tick_thread_prepare(struct tick_run *run)
{
	return tick_timer_create(run, CLOCK_THREAD_CPUTIME_ID);
}

static inline int tick_process_prepare(struct tick_run *run)
{
	return tick_timer_create(run, CLOCK_PROCESS_CPUTIME_ID);
}

static inline int tick_timer_disarm(struct tick_run *run)
{
	return tick_timer_set(run, 0);
}

static inline int tick_timer_arm(struct tick_run *run)
{
	return tick_timer_set(run, TICK_FAR);
}

static inline int tick_timer_both(struct tick_run *run)
{
	return tick_timer_arm(run) || tick_timer_disarm(run) ? -1 : 0;
}

/* An event with a frequency depends on the tick, globally. */
static inline int tick_perf_go(struct tick_run *run)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_freq = 1000,
		.freq = 1,
	};
	int fd;

	fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
	return fd < 0 ? -1 : close(fd);
}

/* Each inode is freed by an RCU callback. */
static inline int tick_rcu_go(struct tick_run *run)
{
	for (int i = 0; i < 100; i++) {
		int fd = syscall(SYS_memfd_create, "tick", 0);

		if (fd < 0 || close(fd))
			return -1;
	}
	return 0;
}

/* A helper on the same CPU, which sleeps except for a moment. */
static inline int tick_helper_prepare(struct tick_run *run)
{
	char byte = 0;

	if (pipe(run->fds) || pipe(run->fds + 2))
		return -1;
	run->helper = fork();
	if (!run->helper) {
		die_with_parent();
		while (read(run->fds[0], &byte, 1) == 1 && write(run->fds[3], &byte, 1) == 1)
			;
		_exit(0);
	}
	return run->helper < 0 ? -1 : 0;
}

static inline int tick_wake_go(struct tick_run *run)
{
	return write(run->fds[1], "", 1) == 1 ? 0 : -1;
}

static inline int tick_wake_clean(struct tick_run *run)
{
	char byte;

	return read(run->fds[2], &byte, 1) == 1 ? 0 : -1;
}

static inline int tick_helper_go(struct tick_run *run)
{
	return tick_wake_go(run) || tick_wake_clean(run) ? -1 : 0;
}

static inline int tick_fork_go(struct tick_run *run)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return pid > 0 && waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

/* The parent does not wait: the child has its turn later. */
static inline int tick_child_go(struct tick_run *run)
{
	run->helper = fork();
	if (!run->helper)
		_exit(0);
	return run->helper > 0 ? 0 : -1;
}

static inline int tick_child_clean(struct tick_run *run)
{
	return waitpid(run->helper, NULL, 0) == run->helper ? 0 : -1;
}

static inline int tick_expedited_prepare(struct tick_run *run)
{
	mkdir("/tmp", 01777);
	return mkdir("/tmp/isolation-tick", 0700) && errno != EEXIST ? -1 : 0;
}

/* umount() waits for an expedited grace period. */
static inline int tick_expedited_go(struct tick_run *run)
{
	return mount("tick", "/tmp/isolation-tick", "tmpfs", 0, NULL) ||
	       umount("/tmp/isolation-tick") ? -1 : 0;
}

static inline int tick_timerfd_prepare(struct tick_run *run)
{
	run->fds[0] = timerfd_create(CLOCK_MONOTONIC, 0);
	return run->fds[0] < 0 ? -1 : 0;
}

static inline int tick_timerfd_go(struct tick_run *run)
{
	struct itimerspec spec = { .it_value.tv_nsec = 2000000 };
	uint64_t count;

	return timerfd_settime(run->fds[0], 0, &spec, NULL) ||
	       read(run->fds[0], &count, sizeof(count)) != sizeof(count) ? -1 : 0;
}

static inline int tick_nanosleep_go(struct tick_run *run)
{
	sleep_ms(2);
	return 0;
}

static inline int tick_futex_go(struct tick_run *run)
{
	struct timespec timeout = { .tv_nsec = 2000000 };
	int word = 0;

	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &timeout, NULL, 0) < 0 &&
	       errno == ETIMEDOUT ? 0 : -1;
}

static inline int tick_kworker_prepare(struct tick_run *run)
{
	run->fds[0] = open("/proc/sys/vm/overcommit_memory", O_WRONLY);
	return run->fds[0] < 0 ? -1 : 0;
}

/* "2" makes a kworker of each CPU sum up a counter. */
static inline int tick_kworker_go(struct tick_run *run)
{
	return pwrite(run->fds[0], "2", 1, 0) == 1 && pwrite(run->fds[0], "0", 1, 0) == 1 ? 0 : -1;
}

static inline int tick_affinity_go(struct tick_run *run)
{
	return pin_to(0) || pin_to(run->cpu) ? -1 : 0;
}

/* With a reader that waits, each message leaves lazy irq_work. */
static inline int tick_printk_prepare(struct tick_run *run)
{
	run->fds[0] = open("/dev/kmsg", O_WRONLY);
	if (run->fds[0] < 0)
		return -1;
	run->helper = fork();
	if (!run->helper) {
		char buf[1024];
		int fd = open("/dev/kmsg", O_RDONLY);

		die_with_parent();
		pin_to(0);
		lseek(fd, 0, SEEK_END);
		while (read(fd, buf, sizeof(buf)) > 0 || errno == EPIPE)
			;
		_exit(0);
	}
	return run->helper < 0 ? -1 : 0;
}

static inline int tick_printk_go(struct tick_run *run)
{
	return write(run->fds[0], "<7>tick\n", 8) == 8 ? 0 : -1;
}

/* A tick dependency first, so that the message finds the tick running. */
static inline int tick_printk_ticking_go(struct tick_run *run)
{
	return tick_timer_arm(run) || tick_printk_go(run) || tick_timer_disarm(run) ? -1 : 0;
}

static inline int tick_printk_ticking_prepare(struct tick_run *run)
{
	return tick_thread_prepare(run) || tick_printk_prepare(run) ? -1 : 0;
}

static const struct tick_way tick_ways[] = {
	{ "posix_timer", tick_posix_prepare, tick_timer_both },
	{ "posix_timer_armed", tick_posix_prepare, tick_timer_arm, tick_timer_disarm },
	{ "thread_timer", tick_thread_prepare, tick_timer_both,
	  .hits = true, .hits_fifo = true },
	{ "process_timer", tick_process_prepare, tick_timer_both,
	  .hits = true, .hits_fifo = true },
	{ "cpu_timer_armed", tick_thread_prepare, tick_timer_arm, tick_timer_disarm,
	  .left = ISOL_LEFT_TICK_POSIX_TIMER, .hits = true, .hits_fifo = true },
	{ "perf_event", NULL, tick_perf_go },
	{ "rcu_callbacks", NULL, tick_rcu_go },
	{ "second_task", tick_helper_prepare, tick_helper_go,
	  .hits = true, .not_fifo = true },
	{ "second_task_woken", tick_helper_prepare, tick_wake_go, tick_wake_clean,
	  .hits = true, .not_fifo = true },
	{ "fork", NULL, tick_fork_go },
	{ "child", NULL, tick_child_go, tick_child_clean, .hits = true, .not_fifo = true },
	{ "expedited_gp", tick_expedited_prepare, tick_expedited_go },
	{ "timerfd", tick_timerfd_prepare, tick_timerfd_go },
	{ "nanosleep", NULL, tick_nanosleep_go },
	{ "futex", NULL, tick_futex_go },
	{ "kworker", tick_kworker_prepare, tick_kworker_go, .hits = true },
	{ "affinity", NULL, tick_affinity_go },
	{ "printk", tick_printk_ticking_prepare, tick_printk_ticking_go,
	  .hits = true, .hits_fifo = true, .not_fifo_rt = true },
};

#define TICK_WAYS	ARRAY_SIZE(tick_ways)

static inline void tick_spinner(struct tick_run *run)
{
	struct sched_param param = { .sched_priority = TICK_PRIORITY };
	struct tick_shared *shared = run->shared;
	int step = 0;

	die_with_parent();
	if (pin_to(run->cpu) || mlockall(MCL_CURRENT | MCL_FUTURE))
		_exit(1);
	if (run->way->prepare && run->way->prepare(run))
		_exit(1);
	/* The helper runs at its normal priority. */
	if (run->fifo && sched_setscheduler(0, SCHED_FIFO, &param))
		_exit(1);
	if (run->quiesce && isol_quiesce(run->quiesce))
		_exit(1);
	__atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);

	for (;;) {
		while (__atomic_load_n(&shared->step, __ATOMIC_ACQUIRE) == step)
			;
		step = shared->step;
		if (step & 1) {
			shared->ret = run->way->go(run);
		} else {
			shared->left = run->quiesce ? isol_get(PR_ISOL_QUIESCE_LEFT) : 0;
			if (run->way->clean)
				shared->ret = run->way->clean(run);
		}
		/* From here on, in user mode. */
		__atomic_store_n(&shared->done, step, __ATOMIC_RELEASE);
	}
}

static inline int tick_step(struct tick_run *run, int step)
{
	__atomic_store_n(&run->shared->step, step, __ATOMIC_RELEASE);
	for (int i = 0; i < 20000; i++) {
		if (__atomic_load_n(&run->shared->done, __ATOMIC_ACQUIRE) == step)
			return run->shared->ret;
		sleep_ms(1);
	}
	return -1;
}

/*
 * Looks at the trace of @run->cpu from the last system call on. What a return
 * left is known from the tracepoint, if there is one. An interrupt is explained
 * if the return before it named what the tick was kept for, or that it was to
 * come at this time.
 */
static inline int tick_count(struct tick_run *run, unsigned int *timer,
			     struct tick_result *result)
{
	static char buf[4 << 20];
	char pid[24], *line, *save, *p = NULL;
	bool user = false, seen = false, left = false, unnamed = false, gave_up = false;
	double now, due = 0;
	char named[sizeof(result->named)] = "";

	if (trace_read(&run->trace, run->cpu, buf, sizeof(buf)))
		return -1;
	for (line = buf; (line = strstr(line, " sys_enter: ")); line++)
		p = line;
	/* No system call, or a buffer that was too small for it. */
	if (!p)
		return -1;

	snprintf(pid, sizeof(pid), "-%d ", run->pid);
	*timer = 0;
	strtok_r(p, "\n", &save);
	while ((line = strtok_r(NULL, "\n", &save))) {
		if (!strstr(line, pid))
			continue;
		p = strstr(line, " left=");
		if (p) {
			p += strlen(" left=");
			snprintf(named, sizeof(named), "%.*s", (int)strcspn(p, " "), p);
			p = strstr(p, " next_event=");
			due = p ? strtod(p + strlen(" next_event="), NULL) / 1e9 : 0;
		} else if (strstr(line, " user_enter:")) {
			/* Something that has no event here, a page fault say. */
			result->other += left;
			user = true;
			seen = true;
			left = false;
		} else if (strstr(line, " user_exit:")) {
			left = user;
			user = false;
		} else if (left) {
			left = false;
			if (!strstr(line, " local_timer_entry:")) {
				result->other++;
				continue;
			}
			++*timer;
			if (*named)
				memcpy(result->named, named, sizeof(named));
			gave_up |= !!strstr(named, "GAVE_UP");
			now = trace_time(line);
			/* The last digits of the time are not in the trace. */
			if (!strstr(named, "TICK_") && (!*named || now < due - 0.00001))
				unnamed = true;
		}
	}
	result->unnamed += unnamed;
	result->gave_up += gave_up;
	/* It was interrupted when the window ended. */
	result->other += !user;
	return seen ? 0 : -1;
}

static inline void tick_stop(struct tick_run *run)
{
	if (run->pid > 0) {
		kill(run->pid, SIGKILL);
		waitpid(run->pid, NULL, 0);
		run->pid = 0;
	}
	trace_stop(&run->trace);
}

static const char * const tick_events[] = {
	"context_tracking", "irq_vectors/local_timer_entry", "irq_vectors/reschedule_entry",
	"irq_vectors/call_function_entry", "irq_vectors/call_function_single_entry",
	"irq_vectors/irq_work_entry", "raw_syscalls/sys_enter", NULL
};

static inline bool tick_can_trace(void)
{
	return trace_possible(tick_events);
}

/* Where it failed if it did, else NULL. */
static inline const char *tick_start(struct tick_run *run)
{
	const char *error;
	char text[64];

	snprintf(text, sizeof(text), "tick%d", run->cpu);
	error = trace_start(&run->trace, text, tick_events);
	if (error)
		return error;
	/* Not there on other kernels. */
	trace_write(&run->trace, "events/task_isolation/task_isol_quiesce_done/enable", "1");
	run->shared = mmap(NULL, sizeof(*run->shared), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (run->shared == MAP_FAILED)
		return "mmap";
	memset(run->shared, 0, sizeof(*run->shared));
	run->pid = fork();
	if (!run->pid)
		tick_spinner(run);
	for (int i = 0; i < 5000; i++) {
		if (__atomic_load_n(&run->shared->ready, __ATOMIC_ACQUIRE))
			break;
		sleep_ms(1);
	}
	if (!run->shared->ready)
		return "the spinner did not get ready";

	/* Only system calls of the spinner: the helper has some as well. */
	snprintf(text, sizeof(text), "common_pid == %d", run->pid);
	if (trace_write(&run->trace, "events/raw_syscalls/sys_enter/filter", text))
		return "the filter";
	return NULL;
}

static inline const char *tick_round(struct tick_run *run, int round, struct tick_result *result)
{
	unsigned int timer;

	trace_clear(&run->trace);
	/* What the last round did has come to rest, and the tick has stopped. */
	sleep_ms(20);
	trace_write(&run->trace, "tracing_on", "1");
	if (tick_step(run, 2 * round + 1))
		return "the scenario failed";
	sleep_ms(run->window_ms);
	trace_write(&run->trace, "tracing_on", "0");
	if (tick_count(run, &timer, result))
		return "the trace is not as expected";
	if (tick_step(run, 2 * round + 2) || run->shared->left < 0)
		return "the scenario could not be cleaned up";
	result->rounds++;
	result->hit += !!timer;
	result->timer += timer;
	result->left |= run->shared->left;
	return NULL;
}

/* Runs @way as @run says. Where it failed if it did, else NULL. */
static inline const char *tick_measure(struct tick_run *run, const struct tick_way *way,
				       struct tick_result *result)
{
	const char *error;

	memset(result, 0, sizeof(*result));
	run->way = way;
	error = tick_start(run);
	for (unsigned int i = 0; !error && i < run->rounds; i++)
		error = tick_round(run, i, result);
	tick_stop(run);
	return error;
}

#endif /* SELFTEST_ISOLATION_TICK_H */
