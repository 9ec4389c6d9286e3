// SPDX-License-Identifier: GPL-2.0
/*
 * Ways to have the tick running when a thread returns to user mode, and how
 * often its CPU is interrupted then.
 *
 * /proc/interrupts does not tell whether an interrupt hit user mode, and reading
 * it takes longer than a tick. The events of context tracking tell: "user_exit"
 * directly before the event of the interrupt's vector, after the last system
 * call of the thread and its "user_enter".
 */
#include "tick.h"

#include "kselftest.h"

#include <linux/futex.h>
#include <linux/perf_event.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#define TICK_FAR	1000	/* seconds that no run takes */

/* How long a thread that gave up does not yield again. */
#define PAUSE_MS	1000

static const char * const tick_events[] = {
#ifdef __x86_64__
	"irq_vectors/local_timer_entry", "irq_vectors/reschedule_entry",
	"irq_vectors/call_function_entry", "irq_vectors/call_function_single_entry",
	"irq_vectors/irq_work_entry",
#else
	TRACE_IRQS,
#endif
	"context_tracking", "raw_syscalls/sys_enter", "sched/sched_switch", NULL
};

static int tick_timer_create(struct tick_run *run, clockid_t clock)
{
	/* A timer that tells nobody would not be armed at all. */
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };

	return timer_create(clock, &event, &run->timer);
}

static int tick_timer_set(struct tick_run *run, time_t sec)
{
	struct itimerspec spec = { .it_value.tv_sec = sec };

	return timer_settime(run->timer, 0, &spec, NULL);
}

static int tick_posix_prepare(struct tick_run *run)
{
	return tick_timer_create(run, CLOCK_MONOTONIC);
}

static int tick_thread_prepare(struct tick_run *run)
{
	return tick_timer_create(run, CLOCK_THREAD_CPUTIME_ID);
}

static int tick_process_prepare(struct tick_run *run)
{
	return tick_timer_create(run, CLOCK_PROCESS_CPUTIME_ID);
}

static int tick_timer_disarm(struct tick_run *run)
{
	return tick_timer_set(run, 0);
}

static int tick_timer_arm(struct tick_run *run)
{
	return tick_timer_set(run, TICK_FAR);
}

static int tick_timer_both(struct tick_run *run)
{
	return tick_timer_arm(run) || tick_timer_disarm(run) ? -1 : 0;
}

/* Not each architecture has perf always. */
static bool tick_perf_possible(void)
{
	/* Where it is, it looks for the attributes at this address. */
	return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0) >= 0 || errno != ENOSYS;
}

/* An event with a frequency depends on the tick, globally. */
static int tick_perf_go(struct tick_run *run __maybe_unused)
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
static int tick_rcu_go(struct tick_run *run __maybe_unused)
{
	for (int i = 0; i < 100; i++) {
		int fd = syscall(SYS_memfd_create, "tick", 0);

		if (fd < 0 || close(fd))
			return -1;
	}
	return 0;
}

/* A helper on the same CPU, which sleeps except for a moment. */
static int tick_helper_prepare(struct tick_run *run)
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

static int tick_wake_go(struct tick_run *run)
{
	return write(run->fds[1], "", 1) == 1 ? 0 : -1;
}

static int tick_wake_clean(struct tick_run *run)
{
	char byte;

	return read(run->fds[2], &byte, 1) == 1 ? 0 : -1;
}

static int tick_helper_go(struct tick_run *run)
{
	return tick_wake_go(run) || tick_wake_clean(run) ? -1 : 0;
}

static int tick_fork_go(struct tick_run *run __maybe_unused)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return pid > 0 && waitpid(pid, NULL, 0) == pid ? 0 : -1;
}

/* The parent does not wait: the child has its turn later. */
static int tick_child_go(struct tick_run *run)
{
	run->helper = fork();
	if (!run->helper)
		_exit(0);
	return run->helper > 0 ? 0 : -1;
}

static int tick_child_clean(struct tick_run *run)
{
	return waitpid(run->helper, NULL, 0) == run->helper ? 0 : -1;
}

static int tick_expedited_prepare(struct tick_run *run __maybe_unused)
{
	mkdir("/tmp", 01777);
	return mkdir("/tmp/isolation-tick", 0700) && errno != EEXIST ? -1 : 0;
}

/* umount() waits for an expedited grace period. */
static int tick_expedited_go(struct tick_run *run __maybe_unused)
{
	return mount("tick", "/tmp/isolation-tick", "tmpfs", 0, NULL) ||
	       umount("/tmp/isolation-tick") ? -1 : 0;
}

static int tick_timerfd_prepare(struct tick_run *run)
{
	run->fds[0] = timerfd_create(CLOCK_MONOTONIC, 0);
	return run->fds[0] < 0 ? -1 : 0;
}

static int tick_timerfd_go(struct tick_run *run)
{
	struct itimerspec spec = { .it_value.tv_nsec = 2000000 };
	uint64_t count;

	return timerfd_settime(run->fds[0], 0, &spec, NULL) ||
	       read(run->fds[0], &count, sizeof(count)) != sizeof(count) ? -1 : 0;
}

static int tick_nanosleep_go(struct tick_run *run __maybe_unused)
{
	sleep_ms(2);
	return 0;
}

static int tick_futex_go(struct tick_run *run __maybe_unused)
{
	struct timespec timeout = { .tv_nsec = 2000000 };
	int word = 0;

	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &timeout, NULL, 0) < 0 &&
	       errno == ETIMEDOUT ? 0 : -1;
}

static int tick_kworker_prepare(struct tick_run *run)
{
	run->fds[0] = open("/proc/sys/vm/stat_refresh", O_WRONLY);
	return run->fds[0] < 0 ? -1 : 0;
}

/*
 * Has a kworker of this CPU fold its counters, and waits for that. The kernel takes pages
 * for as much text, which is counted: else there would be nothing to fold.
 */
static int tick_kworker_go(struct tick_run *run)
{
	static const char text[16000] = "1";

	return pwrite(run->fds[0], text, sizeof(text), 0) == sizeof(text) ? 0 : -1;
}

static int tick_affinity_go(struct tick_run *run)
{
	return pin_to(0) || pin_to(run->cpu) ? -1 : 0;
}

/* With a reader that waits, each message leaves lazy irq_work. */
static int tick_printk_prepare(struct tick_run *run)
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

static int tick_printk_go(struct tick_run *run)
{
	return write(run->fds[0], "<7>tick\n", 8) == 8 ? 0 : -1;
}

/* A tick dependency first, so that the message finds the tick running. */
static int tick_printk_ticking_go(struct tick_run *run)
{
	return tick_timer_arm(run) || tick_printk_go(run) || tick_timer_disarm(run) ? -1 : 0;
}

static int tick_printk_ticking_prepare(struct tick_run *run)
{
	return tick_thread_prepare(run) || tick_printk_prepare(run) ? -1 : 0;
}

const struct tick_way tick_ways[] = {
	{ .name = "posix_timer", .prepare = tick_posix_prepare, .go = tick_timer_both },
	{ .name = "posix_timer_armed", .prepare = tick_posix_prepare, .go = tick_timer_arm,
	  .clean = tick_timer_disarm },
	{ .name = "thread_timer", .prepare = tick_thread_prepare, .go = tick_timer_both,
	  .hits = true, .hits_fifo = true },
	{ .name = "process_timer", .prepare = tick_process_prepare, .go = tick_timer_both,
	  .hits = true, .hits_fifo = true },
	{ .name = "cpu_timer_armed", .prepare = tick_thread_prepare, .go = tick_timer_arm,
	  .clean = tick_timer_disarm, .left = ISOL_LEFT_TICK_POSIX_TIMER,
	  .hits = true, .hits_fifo = true },
	{ .name = "perf_event", .possible = tick_perf_possible, .go = tick_perf_go },
	{ .name = "rcu_callbacks", .go = tick_rcu_go },
	{ .name = "second_task", .prepare = tick_helper_prepare, .go = tick_helper_go,
	  .shares = true, .hits = true, .not_fifo = true },
	{ .name = "second_task_woken", .prepare = tick_helper_prepare, .go = tick_wake_go,
	  .clean = tick_wake_clean, .shares = true, .hits = true, .not_fifo = true },
	{ .name = "fork", .go = tick_fork_go, .shares = true },
	{ .name = "child", .go = tick_child_go, .clean = tick_child_clean,
	  .shares = true, .hits = true, .not_fifo = true },
	{ .name = "expedited_gp", .prepare = tick_expedited_prepare, .go = tick_expedited_go },
	{ .name = "timerfd", .prepare = tick_timerfd_prepare, .go = tick_timerfd_go },
	{ .name = "nanosleep", .go = tick_nanosleep_go },
	{ .name = "futex", .go = tick_futex_go },
	{ .name = "kworker", .prepare = tick_kworker_prepare, .go = tick_kworker_go,
	  .hits = true },
	{ .name = "affinity", .go = tick_affinity_go },
	{ .name = "printk", .prepare = tick_printk_ticking_prepare,
	  .go = tick_printk_ticking_go, .hits = true, .hits_fifo = true, .not_fifo_rt = true },
};

const size_t tick_nr_ways = ARRAY_SIZE(tick_ways);

static int tick_spinner_setup(struct tick_run *run)
{
	struct sched_param param = { .sched_priority = TICK_PRIORITY };

	if (pin_to(run->cpu) || mlockall(MCL_CURRENT | MCL_FUTURE))
		return -errno;
	if (run->way->prepare && run->way->prepare(run))
		return -errno;
	/* The helper runs at its normal priority. */
	if (run->fifo && sched_setscheduler(0, SCHED_FIFO, &param))
		return -errno;
	return run->quiesce ? isol_quiesce(run->quiesce) : 0;
}

static void tick_spinner(void *arg)
{
	struct tick_run *run = arg;
	struct tick_shared *shared = run->shared;
	int step = 0, ret = 0;

	spinner_ready(&shared->spinner, tick_spinner_setup(run));
	for (;;) {
		step = spinner_next(&shared->spinner, step);
		if (step & 1) {
			ret = run->way->go(run);
		} else {
			shared->left = run->quiesce ? isol_get(PR_ISOL_QUIESCE_LEFT) : 0;
			if (run->way->clean)
				ret = run->way->clean(run);
		}
		/* From here on, in user mode. */
		spinner_done(&shared->spinner, step, ret);
	}
}

/* What a window of user mode had. */
struct tick_window {
	int	timer, entries;
	bool	tick, unnamed, gave_up, other;
	long	early_us;
	char	named[256];
};

/* An interrupt in user mode, with what the return before it named. */
static void tick_interrupt(struct tick_window *window, const char *named, double time,
			   double due)
{
	bool tick = strstr(named, "TICK_");

	window->timer++;
	window->tick |= tick;
	window->gave_up |= !!strstr(named, "GAVE_UP");
	/* The last digits of the time are not in the trace. */
	window->unnamed |= !tick && (!*named || time < due - 0.00001);
	if (!tick && *named && (due - time) * 1e6 > window->early_us)
		window->early_us = (due - time) * 1e6;
	if (*named)
		snprintf(window->named, sizeof(window->named), "%s", named);
}

/*
 * Looks at the trace of @run->cpu from the last system call on. What a return
 * left is known from the tracepoint, if there is one. An interrupt is explained
 * if the return before it named what the tick was kept for, or that it was to
 * come at this time.
 */
static int tick_count(struct tick_run *run, struct tick_window *window)
{
	static struct text text;
	char pid[24], *line, *save, *p = NULL, named[sizeof(window->named)] = "";
	bool user = false, seen = false, left = false;
	double due = 0;

	memset(window, 0, sizeof(*window));
	if (trace_text(&run->trace, run->cpu, &text))
		return -1;
	for (line = text.buf; (line = strstr(line, " sys_enter: ")); line++)
		p = line;
	/* No system call, or a buffer that was too small for it. */
	if (!p)
		return -1;

	snprintf(pid, sizeof(pid), "-%d ", run->shared->spinner.pid);
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
			window->entries += left;
			user = true;
			seen = true;
			left = false;
		} else if (strstr(line, " user_exit:")) {
			left = user;
			user = false;
		} else if (strstr(line, " sched_switch:")) {
			/* On its way back to the user mode that something interrupted. */
			window->other |= seen;
		} else if (left) {
			left = false;
			if (trace_is_timer(line))
				tick_interrupt(window, named, trace_time(line), due);
			else
				window->entries++;
		}
	}
	/* It was interrupted when the window ended. */
	window->entries += !user;
	return seen ? 0 : -1;
}

void tick_stop(struct tick_run *run)
{
	if (run->shared) {
		spinner_stop(&run->shared->spinner);
		munmap(run->shared, sizeof(*run->shared));
	}
	run->shared = NULL;
	trace_stop(&run->trace);
}

bool tick_can_trace(void)
{
	return trace_possible(tick_events);
}

/* Where it failed if it did, else NULL. */
static const char *tick_start(struct tick_run *run)
{
	struct spinner *spinner;
	const char *error;
	char name[16];

	snprintf(name, sizeof(name), "tick%d", run->cpu);
	error = trace_start(&run->trace, name, tick_events);
	if (error)
		return error;
	/* Not there on other kernels. */
	if (!run->untold)
		trace_write(&run->trace,
			    "events/task_isolation/task_isol_quiesce_done/enable", "1");
	run->shared = alloc_shared(sizeof(*run->shared));
	if (!run->shared)
		return "mmap";
	spinner = &run->shared->spinner;
	if (spinner_start(spinner, tick_spinner, run))
		return "the spinner did not get ready";

	/* Only those of the spinner: the helper has some as well. */
	if (trace_filter(&run->trace, "raw_syscalls/sys_enter", "common_pid", spinner->pid) ||
	    trace_filter(&run->trace, "sched/sched_switch", "prev_pid", spinner->pid))
		return "the filter";
	return NULL;
}

static const char *tick_round(struct tick_run *run, int round, struct tick_result *result)
{
	struct tick_shared *shared = run->shared;
	struct tick_window window;

	trace_clear(&run->trace);
	/*
	 * What the last round left may need some ticks to go away without the action:
	 * five, with HZ=250. What is left then is seen as that of this round.
	 */
	sleep_ms(20);
	trace_on(&run->trace, true);
	if (spinner_step(&shared->spinner, 2 * round + 1))
		return "the scenario failed";
	if (run->way->meanwhile && run->way->meanwhile())
		return "what was to be done meanwhile failed";
	sleep_ms(run->window_ms);
	trace_on(&run->trace, false);
	if (tick_count(run, &window))
		return "the trace is not as expected";
	if (spinner_step(&shared->spinner, 2 * round + 2) || shared->left < 0)
		return "the scenario could not be cleaned up";
	result->rounds++;
	result->hit += !!window.timer;
	result->tick += window.tick;
	result->unnamed += window.unnamed;
	result->gave_up += window.gave_up;
	if (window.early_us > result->early_us)
		result->early_us = window.early_us;
	result->other += window.other;
	result->timer += window.timer;
	result->entries += window.entries;
	result->left |= shared->left;
	result->late += (shared->left & TICK_REASONS) != run->way->left;
	if (*window.named)
		memcpy(result->named, window.named, sizeof(result->named));
	/* The next round is to have its own chance. */
	if (window.gave_up || shared->left & ISOL_LEFT_GAVE_UP)
		sleep_ms(PAUSE_MS + 100);
	return NULL;
}

const char *tick_measure(struct tick_run *run, const struct tick_way *way,
			 struct tick_result *result)
{
	const char *error;

	uint64_t start;

	memset(result, 0, sizeof(*result));
	run->way = way;
	error = tick_start(run);
	start = monotonic_ns();
	for (int i = 0; !error && i < run->rounds; i++)
		error = tick_round(run, i, result);
	result->seconds = (monotonic_ns() - start) / NSEC_PER_SEC;
	tick_stop(run);
	return error;
}
