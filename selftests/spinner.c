// SPDX-License-Identifier: GPL-2.0
/* A thread that spins in user mode, and does a step of something when told to. */
#include "spinner.h"

static bool has_ended(pid_t pid)
{
	siginfo_t info = { };

	/* It stays a zombie for spinner_stop(). */
	return pid > 0 && !waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid;
}

/* As wait_for(), for as long as @pid is there. */
static int wait_with(pid_t pid, const int *word, int value, unsigned int ms)
{
	uint64_t end = monotonic_ns() + ms * NSEC_PER_MSEC;

	while (spinner_load(word) != value) {
		/* What it stored last was before it ended. */
		if (has_ended(pid))
			return spinner_load(word) == value ? 0 : -ECHILD;
		if (monotonic_ns() > end)
			return -ETIMEDOUT;
		sleep_ms(1);
	}
	return 0;
}

int wait_for(const int *word, int value, unsigned int ms)
{
	return wait_with(0, word, value, ms);
}

int wait_until_asleep(pid_t pid, unsigned int ms)
{
	uint64_t end = monotonic_ns() + ms * NSEC_PER_MSEC;
	char path[64], stat[1024], *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	do {
		if (read_file(path, stat, sizeof(stat)) <= 0)
			return -ESRCH;
		/* "pid (comm) state ...", where comm can have anything in it. */
		p = strrchr(stat, ')');
		if (p && p[1] && p[2] == 'S')
			return 0;
		sleep_ms(1);
	} while (monotonic_ns() < end);
	return -ETIMEDOUT;
}

int spinner_start(struct spinner *spinner, void (*run)(void *arg), void *arg)
{
	pid_t pid = fork();

	if (!pid) {
		die_with_parent();
		run(arg);
		_exit(0);
	}
	if (pid < 0)
		return -errno;
	spinner->pid = pid;
	return spinner_wait_ready(spinner);
}

int spinner_wait_ready(struct spinner *spinner)
{
	int ret = wait_with(spinner->pid, &spinner->ready, 1, SPINNER_MS);

	return ret ? ret : spinner->ret;
}

int spinner_step(struct spinner *spinner, int step)
{
	int ret;

	spinner_store(&spinner->step, step);
	ret = wait_with(spinner->pid, &spinner->done, step, SPINNER_MS);
	return ret ? ret : spinner->ret;
}

void spinner_stop(struct spinner *spinner)
{
	end_child(&spinner->pid);
}
