// SPDX-License-Identifier: GPL-2.0
/*
 * What a kernel entry costs, with and without isolation, in ticks of the time
 * stamp counter. Under an emulator that advances it by one per instruction
 * these are instructions, and two runs agree. Runs on any kernel.
 * Arguments: the modes to measure, by name, instead of all.
 */
#include "isolation.h"

#include "kselftest.h"

#define BATCHES	40
#define CALLS	1000
#define FAULTS	8192
#define SIGNALS	100
#define RESTARTS 1000
#define GAPS	1000
#define SETTLE_MS 500
#define SETTLED_MS 10000
#define GAP	300	/* ticks: more than the loop takes, less than an interrupt does */

/* The least disturbed of some batches. */
static double per_syscall(void)
{
	uint64_t best = UINT64_MAX;

	for (int batch = 0; batch < BATCHES; batch++) {
		uint64_t start = ticks();

		for (int i = 0; i < CALLS; i++)
			syscall(SYS_getppid);
		start = ticks() - start;
		if (start < best)
			best = start;
	}
	return (double)best / CALLS;
}

/* The value that occurs most often, which is no outlier in either direction. */
static uint64_t most_frequent(uint64_t *values, int nr)
{
	int most = 0, i, j;
	uint64_t value = 0;

	qsort(values, nr, sizeof(*values), compare_u64);
	for (i = 0; i < nr; i = j) {
		for (j = i; j < nr && values[j] == values[i]; j++)
			;
		if (j - i > most) {
			most = j - i;
			value = values[i];
		}
	}
	return value;
}

/*
 * Each fault changes the vmstat counters of the CPU. One in many refills its list
 * of free pages, and is not counted.
 */
static double per_fault(void)
{
	static uint64_t values[FAULTS];
	uint64_t start = ticks(), empty = ticks() - start;
	char *fresh;

	fresh = mmap(NULL, FAULTS * 4096, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fresh == MAP_FAILED)
		return -1;
	for (int i = 0; i < FAULTS; i++) {
		start = ticks();
		touch(fresh + i * 4096);
		values[i] = ticks() - start - empty;
	}
	munmap(fresh, FAULTS * 4096);
	return most_frequent(values, FAULTS);
}

static void handler(int sig __maybe_unused)
{
}

/* From sending a signal to oneself until its handler has returned. */
static double per_signal(void)
{
	uint64_t best = UINT64_MAX;
	pid_t pid = getpid(), tid = syscall(SYS_gettid);

	signal(SIGUSR1, handler);
	for (int batch = 0; batch < BATCHES / 4; batch++) {
		uint64_t start = ticks();

		for (int i = 0; i < SIGNALS; i++)
			syscall(SYS_tgkill, pid, tid, SIGUSR1);
		start = ticks() - start;
		if (start < best)
			best = start;
	}
	return (double)best / SIGNALS;
}

/*
 * The median of the gaps that interrupts leave in user mode. A CPU time timer
 * keeps the tick, so most of them are the tick's. What it does varies a little.
 */
static double per_tick(void)
{
	static uint64_t gaps[GAPS];
	struct itimerspec spec = { .it_value.tv_sec = 1000 };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	uint64_t end;
	int nr = 0;
	timer_t timer;

	if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) ||
	    timer_settime(timer, 0, &spec, NULL))
		return -1;
	/* Some 25 ticks with HZ=250, and 100 with 1000. */
	end = monotonic_ns() + 100 * NSEC_PER_MSEC;
	do {
		uint64_t last = ticks();

		for (int i = 0; i < 100000; i++) {
			uint64_t t = ticks();

			if (t - last > GAP && nr < GAPS)
				gaps[nr++] = t - last;
			last = t;
		}
	} while (monotonic_ns() < end);
	timer_delete(timer);
	qsort(gaps, nr, sizeof(*gaps), compare_u64);
	return nr ? gaps[nr / 2] : 0;
}

/*
 * A CPU time timer is armed, which restarts the tick, and disarmed. What is
 * seldom, the tick itself say, is not counted.
 */
static double per_restart(void)
{
	static uint64_t values[RESTARTS];
	const struct itimerspec arm = { .it_value.tv_sec = 1000 }, disarm = { };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	timer_t timer;

	if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer))
		return -1;
	for (int i = 0; i < RESTARTS; i++) {
		uint64_t start = ticks();

		timer_settime(timer, 0, &arm, NULL);
		timer_settime(timer, 0, &disarm, NULL);
		values[i] = ticks() - start;
	}
	timer_delete(timer);
	return most_frequent(values, RESTARTS);
}

/* Returns what is left. A timer of the deadline server is, for up to a second. */
static int settle(void)
{
	uint64_t end = monotonic_ns() + SETTLED_MS * NSEC_PER_MSEC;
	int left;

	do {
		left = prctl(PR_ISOL_GET, PR_ISOL_QUIESCE_LEFT, 0, 0, 0);
	} while (left > 0 && left != ISOL_LEFT_TICK_ALWAYS && monotonic_ns() < end);
	return left < 0 ? 0 : left;
}

static void measure(int cpu, const char *kind, const char *mode)
{
	int left = settle();

	printf("cost cpu=%d kind=%s mode=%s left=%#x syscall=%.1f fault=%.1f signal=%.1f ",
	       cpu, kind, mode, left, per_syscall(), per_fault(), per_signal());
	settle();
	printf("restart=%.1f tick=%.1f\n", per_restart(), per_tick());
	fflush(stdout);
}

/* Where no CPU is nohz_full, context tracking is off. */
static const char *kind_of(int cpu)
{
	if (cpu_is_nohz_full(cpu))
		return "nohz_full";
	if (cpu_is_in(cpu, ISOLATED_CPUS))
		return "isolcpus";
	return first_cpu_of(NOHZ_FULL_CPUS) >= 0 ? "housekeeping" : "no_nohz_full";
}

int main(int argc __maybe_unused, char **argv)
{
	const struct {
		const char	*name;
		int		quiesce;
	} modes[] = {
		{ "vmstat", ISOL_F_QUIESCE_VMSTAT_SYNC },
		{ "nohz", ISOL_F_QUIESCE_NOHZ_FULL },
		{ "defer", ISOL_F_QUIESCE_DEFER_TLB_FLUSH },
		{ "lru", ISOL_F_QUIESCE_LRU_DRAIN },
		{ "text", ISOL_F_QUIESCE_DEFER_TEXT_SYNC },
		{ "three", ISOL_F_QUIESCE_VMSTAT_SYNC | ISOL_F_QUIESCE_NOHZ_FULL |
			   ISOL_F_QUIESCE_DEFER_TLB_FLUSH },
		/* That there are here: without nohz_full=, nothing is deferred. */
		{ "all", isol_get(PR_ISOL_SUP_QUIESCE_CFG) },
	};
	char **names = argv + 1;
	int cpus[2] = { 0, isolated_cpu() };

	for (int i = 0; i < 2; i++) {
		const char *kind = kind_of(cpus[i]);

		if (cpus[i] < 0 || pin_to(cpus[i])) {
			fprintf(stderr, "syscall_cost: CPU %d: %s\n", cpus[i], strerror(errno));
			return 1;
		}
		/* What the way here left to the CPU, until the tick has stopped. */
		sleep_ms(SETTLE_MS);
		if (wanted("plain", names))
			measure(cpus[i], kind, "plain");
		for (size_t j = 0; j < ARRAY_SIZE(modes); j++) {
			if (!isol_supports(modes[j].quiesce) || !wanted(modes[j].name, names))
				continue;
			if (isol_quiesce(modes[j].quiesce)) {
				fprintf(stderr, "syscall_cost: cannot isolate\n");
				return 1;
			}
			measure(cpus[i], kind, modes[j].name);
			isol_quiesce(0);
		}
	}
	return 0;
}
