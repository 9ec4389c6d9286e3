// SPDX-License-Identifier: GPL-2.0
/*
 * What page faults of many isolated threads at once cost, these and others. Where an
 * emulator advances the time stamp counter by one per instruction, on one CPU after
 * the other, the costs are instructions, and waiting for cache lines is not part of
 * them: that is told by how many counters are added up for a fault.
 */
#include "events.h"

#include "kselftest.h"

#include <getopt.h>

#define MAX_THREADS	64
#define SAMPLES		64	/* faults whose counters are looked at */

static const char usage[] =
"Usage: fault_cost [-t THREADS] [-n FAULTS] [-q MASK] [-e]\n"
"  -t  so many processes of one thread, each on a nohz_full CPU of its own\n"
"      (default: on all of them)\n"
"  -n  page faults of each (default 4096)\n"
"  -q  quiesce actions, \"all\" for all supported ones (default: none)\n"
"  -e  count with tracefs how often counters were folded, which adds to the cost\n"
"CPU 0 has a thread that is not isolated and does the same.\n"
"Prints: fault_cost threads=N actions=MASK faults=N fault=TICKS other=TICKS\n"
"	counters=N interrupts=N switches=N cpu0_interrupts=N cpu0_switches=N\n"
"	[folds=N] kinds=NAME:N,...\n"
"  fault       of a thread in the middle, the most frequent value, in ticks of the TSC\n"
"  other       the same, of the thread on CPU 0\n"
"  counters    lines of /proc/vmstat which one fault changes, on the first CPU alone\n"
"  interrupts  of the CPUs together, while all of them had page faults\n"
"  switches    forced context switches of the threads together, likewise\n"
"  kinds       of the interrupts\n";

struct thread {
	pid_t		pid;
	int		cpu;
	int		error;
	uint64_t	fault;
};

struct cost_shared {
	int		ready;
	int		go;
	int		done;
	double		counters;
	struct thread	threads[MAX_THREADS];
};

static struct {
	int		threads, faults;
	unsigned long	actions;
	bool		folds;
} opts = { .faults = 4096 };

static struct cost_shared *shared;

/* The nohz_full CPUs but for CPU 0. Returns how many there are. */
static int nohz_full_cpus(int *cpus, int max)
{
	char buf[512], *p = buf;
	int nr = 0;

	if (read_file("/sys/devices/system/cpu/nohz_full", buf, sizeof(buf)) <= 0)
		return 0;
	while (*p >= '0' && *p <= '9') {
		long cpu = strtol(p, &p, 10), last = cpu;

		if (*p == '-')
			last = strtol(p + 1, &p, 10);
		for (; cpu <= last && nr < max; cpu++) {
			if (cpu > 0)
				cpus[nr++] = cpu;
		}
		if (*p == ',')
			p++;
	}
	return nr;
}

/* The value that occurs most often. */
static uint64_t most_frequent(uint64_t *values, int nr)
{
	uint64_t value = 0;
	int most = 0, i, j;

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

static char *fresh_pages(int nr)
{
	return mmap(NULL, (size_t)nr * 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Values for @nr faults, or NULL. */
static uint64_t *room_for_values(int nr)
{
	uint64_t *values = malloc(nr * sizeof(*values));

	if (values)
		memset(values, 1, nr * sizeof(*values));
	return values;
}

/* The ticks of each of @nr faults. */
static int do_faults(int nr, uint64_t *values)
{
	uint64_t start = ticks(), empty = ticks() - start;
	char *fresh = fresh_pages(nr);

	if (fresh == MAP_FAILED)
		return -errno;
	for (int i = 0; i < nr; i++) {
		start = ticks();
		touch(fresh + (size_t)i * 4096);
		values[i] = ticks() - start - empty;
	}
	return munmap(fresh, (size_t)nr * 4096) ? -errno : 0;
}

#define STATS	512

/* The counters of zones and nodes. Returns how many. */
static int read_stats(unsigned long *stats)
{
	static char buf[1 << 16];
	char *p = buf;
	int nr = 0;

	if (read_file("/proc/vmstat", buf, sizeof(buf)) <= 0)
		return 0;
	for (; p && *p && nr < STATS; p = strchr(p, '\n'), p = p ? p + 1 : NULL) {
		if (!strncmp(p, "nr_", 3))
			stats[nr++] = strtoul(strchr(p, ' '), NULL, 10);
	}
	return nr;
}

/* How many counters change when nothing happens, or if @page is there, a fault. */
static int changed_counters(char *page)
{
	static unsigned long then[STATS], now[STATS];
	int nr = read_stats(then), changed = 0;

	if (page)
		touch(page);
	if (read_stats(now) != nr)
		return 0;
	for (int i = 0; i < nr; i++)
		changed += now[i] != then[i];
	return changed;
}

/* For a fault, as long as the other CPUs do nothing. */
static double counters_per_fault(void)
{
	char *fresh = fresh_pages(SAMPLES);
	int changed = 0;

	changed_counters(NULL);
	for (int i = 0; i < SAMPLES; i++)
		changed += changed_counters(fresh + i * 4096) - changed_counters(NULL);
	munmap(fresh, SAMPLES * 4096);
	return (double)changed / SAMPLES;
}

static void child(struct thread *thread)
{
	uint64_t *values = room_for_values(opts.faults);

	die_with_parent();
	if (!values || pin_to(thread->cpu))
		thread->error = errno;
	else if (opts.actions)
		thread->error = -isol_quiesce(opts.actions);
	if (!thread->error && thread == shared->threads)
		shared->counters = counters_per_fault();
	__atomic_add_fetch(&shared->ready, 1, __ATOMIC_ACQ_REL);
	while (!__atomic_load_n(&shared->go, __ATOMIC_ACQUIRE))
		;
	if (!thread->error)
		thread->error = -do_faults(opts.faults, values);
	__atomic_add_fetch(&shared->done, 1, __ATOMIC_ACQ_REL);
	/* What follows is for the parent, when it has read the counts. */
	while (__atomic_load_n(&shared->go, __ATOMIC_ACQUIRE) == 1)
		;
	thread->fault = most_frequent(values, opts.faults);
	_exit(0);
}

/* As many rounds of faults as the others need. */
static uint64_t faults_of_cpu0(uint64_t *values)
{
	do {
		if (do_faults(opts.faults, values))
			return 0;
	} while (__atomic_load_n(&shared->done, __ATOMIC_ACQUIRE) < opts.threads);
	return most_frequent(values, opts.faults);
}

static int read_all(struct noise *noise)
{
	for (int i = 0; i < opts.threads; i++) {
		if (read_noise(shared->threads[i].cpu, shared->threads[i].pid, &noise[i]))
			return -1;
	}
	return read_noise(0, getpid(), &noise[opts.threads]);
}

/* All have the same kinds, in the same order. */
static void add_noise(struct noise *sum, const struct noise *noise)
{
	sum->interrupts += noise->interrupts;
	sum->switches += noise->switches;
	sum->nr_kinds = noise->nr_kinds;
	for (int i = 0; i < noise->nr_kinds; i++) {
		memcpy(sum->kinds[i].name, noise->kinds[i].name, sizeof(sum->kinds[i].name));
		sum->kinds[i].count += noise->kinds[i].count;
	}
}

static const char * const events[] = { "task_isolation/task_isol_quiesce_done", NULL };

static const char *measure(struct trace *trace)
{
	static struct noise then[MAX_THREADS + 1], now[MAX_THREADS + 1], sum;
	static uint64_t costs[MAX_THREADS];
	uint64_t *values = room_for_values(opts.faults), other;
	struct text text = { };

	for (int i = 0; i < opts.threads; i++) {
		pid_t pid = fork();

		if (!pid)
			child(&shared->threads[i]);
		if (pid < 0)
			return "cannot fork";
		shared->threads[i].pid = pid;
		/* The first one has the machine to itself at first. */
		while (__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE) <= i)
			sleep_ms(1);
	}
	/* What the start of the threads left to do is done meanwhile, on each CPU. */
	sleep_ms(300);
	if (opts.folds)
		trace_on(trace, true);
	if (!values || read_all(then))
		return "cannot read the counts";
	__atomic_store_n(&shared->go, 1, __ATOMIC_RELEASE);
	other = faults_of_cpu0(values);
	if (read_all(now))
		return "cannot read the counts";
	if (opts.folds)
		trace_on(trace, false);
	__atomic_store_n(&shared->go, 2, __ATOMIC_RELEASE);
	for (int i = 0; i < opts.threads; i++) {
		waitpid(shared->threads[i].pid, NULL, 0);
		if (shared->threads[i].error)
			return strerror(shared->threads[i].error);
		costs[i] = shared->threads[i].fault;
		noise_since(&now[i], &then[i]);
		add_noise(&sum, &now[i]);
	}
	noise_since(&now[opts.threads], &then[opts.threads]);
	qsort(costs, opts.threads, sizeof(*costs), compare_u64);
	printf("fault_cost threads=%d actions=%#lx faults=%d fault=%llu other=%llu ",
	       opts.threads, opts.actions, opts.faults,
	       (unsigned long long)costs[opts.threads / 2], (unsigned long long)other);
	printf("counters=%.1f interrupts=%lu switches=%lu ",
	       shared->counters, sum.interrupts, sum.switches);
	printf("cpu0_interrupts=%lu cpu0_switches=%lu",
	       now[opts.threads].interrupts, now[opts.threads].switches);
	if (opts.folds) {
		if (trace_text(trace, -1, &text))
			return "too many events";
		printf(" folds=%u",
		       events_count(text.buf, "task_isol_quiesce_done", 0, "VMSTAT_FOLDED"));
		free(text.buf);
	}
	printf(" kinds=");
	noise_print_kinds(&sum);
	printf("\n");
	return NULL;
}

int main(int argc, char **argv)
{
	struct trace trace = { };
	int cpus[MAX_THREADS], nr = nohz_full_cpus(cpus, MAX_THREADS), opt;
	const char *error = NULL;

	opts.threads = nr;
	while ((opt = getopt(argc, argv, "t:n:q:eh")) != -1) {
		switch (opt) {
		case 't':
			opts.threads = atoi(optarg);
			break;
		case 'n':
			opts.faults = atoi(optarg);
			break;
		case 'q':
			opts.actions = strcmp(optarg, "all") ? (int)strtoul(optarg, NULL, 0) :
							       isol_get(PR_ISOL_SUP_QUIESCE_CFG);
			break;
		case 'e':
			opts.folds = true;
			break;
		default:
			fputs(usage, opt == 'h' ? stdout : stderr);
			return opt == 'h' ? 0 : 2;
		}
	}
	if (opts.faults < 1 || opts.threads < 1 || opts.threads > nr) {
		fprintf(stderr, "fault_cost: %d threads, %d nohz_full CPUs\n", opts.threads, nr);
		return 2;
	}
	shared = alloc_shared(sizeof(*shared));
	if (!shared || pin_to(0)) {
		perror("fault_cost");
		return 1;
	}
	for (int i = 0; i < opts.threads; i++)
		shared->threads[i].cpu = cpus[i];
	if (opts.folds) {
		if (!trace_possible(events))
			error = "needs tracefs with the events of task_isolation";
		else
			error = trace_start(&trace, "fault_cost", events);
	}
	if (!error)
		error = measure(&trace);
	trace_stop(&trace);
	if (error) {
		fprintf(stderr, "fault_cost: %s\n", error);
		return 1;
	}
	return 0;
}
