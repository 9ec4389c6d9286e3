// SPDX-License-Identifier: GPL-2.0
/*
 * Counts what a thread that spins in user mode suffers while something else
 * goes on. Runs on any kernel.
 */
#include "isolation.h"

#include <getopt.h>

static const char usage[] =
"Usage: noise [-c CPU] [-n TIMES] [-s SECONDS] [-d] [-f] [-q MASK] idle|stat_refresh\n"
"  -c  CPU of the spinner (default: the first isolated one)\n"
"  -n  how often to interfere (default 20)\n"
"  -s  seconds of idle (default 3)\n"
"  -d  dirty the vmstat counters of the CPU before each interference\n"
"  -f  the spinner is SCHED_FIFO\n"
"  -q  quiesce actions of the spinner, \"all\" for all supported ones\n"
"Prints: noise INTERFERER actions=MASK times=N interrupts=N ticks=N switches=N\n";

struct shared {
	int	ready;
	int	step;
	int	done;
	int	error;
};

/* Spins in user mode. Each step is one page fault, which dirties counters. */
static void spinner(struct shared *shared, int cpu, int actions, int times, bool fifo)
{
	struct sched_param param = { .sched_priority = 1 };
	const size_t size = (size_t)(times + 1) * 4096;
	char *fresh = NULL;
	int step;

	die_with_parent();
	if (pin_to(cpu) || (fifo && sched_setscheduler(0, SCHED_FIFO, &param))) {
		shared->error = errno;
	} else {
		fresh = mmap(NULL, size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (fresh == MAP_FAILED)
			shared->error = errno;
		else if (actions)
			shared->error = -isol_quiesce(actions);
	}
	__atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);
	if (shared->error)
		_exit(1);

	for (step = 1; ; step++) {
		while (__atomic_load_n(&shared->step, __ATOMIC_ACQUIRE) < step)
			;
		touch(fresh + 4096 * (step % times));
		__atomic_store_n(&shared->done, step, __ATOMIC_RELEASE);
	}
}

int main(int argc, char **argv)
{
	int cpu = isolated_cpu(), times = 20, seconds = 3, actions = 0, opt, i;
	struct noise then, now;
	struct shared *shared;
	bool dirty = false, fifo = false;
	const char *what;
	pid_t pid;

	while ((opt = getopt(argc, argv, "c:n:s:dfq:h")) != -1) {
		switch (opt) {
		case 'c':
			cpu = atoi(optarg);
			break;
		case 'n':
			times = atoi(optarg);
			break;
		case 's':
			seconds = atoi(optarg);
			break;
		case 'd':
			dirty = true;
			break;
		case 'f':
			fifo = true;
			break;
		case 'q':
			actions = strcmp(optarg, "all") ? (int)strtol(optarg, NULL, 0) :
				  isol_get(PR_ISOL_SUP_QUIESCE_CFG);
			break;
		default:
			fputs(usage, opt == 'h' ? stdout : stderr);
			return opt == 'h' ? 0 : 2;
		}
	}
	what = optind < argc ? argv[optind] : "";
	if ((strcmp(what, "idle") && strcmp(what, "stat_refresh")) || times < 1 || seconds < 1) {
		fputs(usage, stderr);
		return 2;
	}
	if (actions < 0) {
		fprintf(stderr, "noise: %s\n", NO_ISOLATION);
		return 1;
	}
	if (cpu < 1) {
		fprintf(stderr, "noise: %s\n", NO_CPU);
		return 1;
	}

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || pin_to(0)) {
		perror("noise");
		return 1;
	}
	pid = fork();
	if (!pid)
		spinner(shared, cpu, actions, times, fifo);
	while (pid > 0 && !__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE))
		sleep_ms(1);
	if (pid < 0 || shared->error) {
		fprintf(stderr, "noise: spinner: %s\n", strerror(pid < 0 ? errno : shared->error));
		return 1;
	}
	sleep_ms(300);

	if (read_noise(cpu, pid, &then)) {
		fprintf(stderr, "noise: CPU %d: cannot read the counts\n", cpu);
		return 1;
	}
	if (!strcmp(what, "idle")) {
		if (dirty)
			__atomic_store_n(&shared->step, 1, __ATOMIC_RELEASE);
		times = 1;
		sleep_ms(seconds * 1000);
	} else {
		for (i = 1; i <= times; i++) {
			int err;

			if (dirty) {
				__atomic_store_n(&shared->step, i, __ATOMIC_RELEASE);
				while (__atomic_load_n(&shared->done, __ATOMIC_ACQUIRE) < i)
					sleep_ms(1);
			}
			err = write_file("/proc/sys/vm/stat_refresh", "1");
			if (err) {
				fprintf(stderr, "noise: stat_refresh: %s\n", strerror(-err));
				kill(pid, SIGKILL);
				return 1;
			}
		}
	}
	if (read_noise(cpu, pid, &now))
		return 1;
	noise_since(&now, &then);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	printf("noise %s actions=%d times=%d interrupts=%lu ticks=%lu switches=%lu\n",
	       what, actions, times, now.interrupts, now.ticks, now.switches);
	return 0;
}
