// SPDX-License-Identifier: GPL-2.0
/*
 * Counts what a thread that spins in user mode suffers while something else
 * goes on. Runs on any kernel.
 */
#include "events.h"
#include "loads.h"
#include "spinner.h"

#include "kselftest.h"

#include <getopt.h>
#include <pthread.h>

static const char usage[] =
"Usage: noise [-c CPU] [-n TIMES] [-s SECONDS] [-d] [-e] [-f] [-m] [-q MASK] [-v] LOAD...|all\n"
"       noise -l\n"
"  -c  CPU of the spinner (default: the first isolated one)\n"
"  -n  how often to interfere (default: as -l shows)\n"
"  -s  seconds of idle (default 3)\n"
"  -d  dirty the vmstat counters of the CPU before each interference\n"
"  -e  count the entries from user mode as well, with the events of tracefs\n"
"  -f  the spinner is SCHED_FIFO\n"
"  -l  list the loads\n"
"  -m  mark begin and end, for somebody who watches from outside (x86)\n"
"  -q  quiesce actions of the spinner, \"all\" for all supported ones\n"
"  -v  with -e, tell about each event\n"
"With -q, the load begins when PR_ISOL_QUIESCE_LEFT is 0, or after 10 seconds.\n"
"Prints: noise LOAD actions=MASK [left=MASK] times=N moved=N interrupts=N ticks=N\n"
"	switches=N [entries=N] [purges=N deferred=N] kinds=NAME:N,...\n"
"purges are those of vmalloc space, deferred is how many of these did not interrupt the\n"
"CPU: the difference had areas that cannot wait.\n"
"    or: noise LOAD not run: REASON\n";

/* Shared with the spinner. */
struct shared {
	struct spinner	spinner;
	/* A thread of its process, which sleeps between its steps. */
	struct spinner	sibling;
	int		left;
	unsigned long	count;
};

static struct {
	int		cpu, times, actions;
	bool		dirty, entries, fifo, mark, verbose;
} opts;

static struct shared *shared;
static const struct load *load;

/* Long enough for a few ticks and a grace period, shorter than the periodic vmstat work. */
#define SETTLE_MS	300
#define AFTER_MS	200

/* How many loads were begun. */
static int nr_row;

/* An exception that QEMU logs with its registers, see -d int. */
static void mark(unsigned int value __maybe_unused)
{
#ifdef __x86_64__
	long ret;

	if (opts.mark)
		asm volatile("int $0x80" : "=a" (ret) : "0" (0x7e570000L + nr_row * 16 + value)
			     : "memory", "r8", "r9", "r10", "r11");
#endif
}

#define MARK_SPINNER	1
#define MARK_BEGIN	2
#define MARK_END	3

static void *sibling(void *arg)
{
	struct spinner *sibling = &shared->sibling;
	int step;

	spinner_ready(sibling, pin_to(0) ? -errno : 0);
	for (step = 1; ; step++) {
		while (spinner_load(&sibling->step) < step)
			sleep_ms(1);
		spinner_done(sibling, step, load->sibling());
	}
	return arg;
}

/*
 * As a thread that must not be late: begins when nothing is left. What is left
 * at first can be the timer of a deadline server, see the documentation.
 */
static int wait_until_quiet(void)
{
	uint64_t end = monotonic_ns() + 10 * NSEC_PER_SEC;
	int left;

	do {
		spin_ms(10);
		left = isol_get(PR_ISOL_QUIESCE_LEFT);
	} while (left > 0 && monotonic_ns() < end);
	return left;
}

static int spinner_setup(void)
{
	struct sched_param param = { .sched_priority = 1 };
	pthread_t thread;
	int ret;

	if (load->sibling) {
		ret = -pthread_create(&thread, NULL, sibling, NULL);
		if (!ret)
			ret = spinner_wait_ready(&shared->sibling);
		if (ret)
			return ret;
	}
	if (pin_to(opts.cpu) || (opts.fifo && sched_setscheduler(0, SCHED_FIFO, &param)))
		return -errno;
	ret = load->own ? load->own() : 0;
	if (!ret && opts.actions)
		ret = isol_quiesce(opts.actions);
	if (!ret && opts.actions)
		shared->left = load->own ? isol_get(PR_ISOL_QUIESCE_LEFT) : wait_until_quiet();
	return ret;
}

/* Spins in user mode. A step dirties counters by a page fault, or does what the load says. */
static void spinner(void *arg)
{
	const int times = *(int *)arg;
	const size_t size = (size_t)(times + 1) * 4096;
	char *fresh;
	int step = 0, ret;

	fresh = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ret = fresh == MAP_FAILED ? -errno : spinner_setup();
	mark(MARK_SPINNER);
	spinner_ready(&shared->spinner, ret);
	if (ret)
		_exit(1);

	for (;;) {
		step = spinner_next(&shared->spinner, step);
		if (opts.dirty)
			touch(fresh + 4096 * (step % times));
		spinner_done(&shared->spinner, step, load->again ? load->again() : 0);
	}
}

static int do_once(int i)
{
	int ret = opts.dirty || load->again ? spinner_step(&shared->spinner, i) : 0;

	errno = 0;
	if (ret)
		return ret;
	return load->sibling ? spinner_step(&shared->sibling, i) : load->once();
}

static const char * const events[] = {
#ifdef __x86_64__
	"nmi/nmi_handler",
#endif
#ifdef TRACE_FAULTS
	TRACE_FAULTS,
#endif
	TRACE_IRQS, "context_tracking", "raw_syscalls/sys_enter", "sched/sched_switch", NULL
};

static void tell(const char *line, double start, const char *kind)
{
	if (opts.verbose)
		printf("event %s %.6f %s\n", load->name, trace_time(line) - start, kind);
}

/*
 * How often the spinner left user mode. NMIs do not pass context tracking. Each
 * "user_exit" is followed by what it was for, if that has an event.
 */
static int count_entries(const struct trace *trace, pid_t pid, double start)
{
	static struct text events;
	char text[24], *line, *save;
	bool left = false;
	int entries = 0;

	if (trace_text(trace, opts.cpu, &events))
		return -1;
	snprintf(text, sizeof(text), "-%d ", pid);
	for (line = strtok_r(events.buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char kind[64], *p;

		if (*line == '#' || !strstr(line, text))
			continue;
		p = strstr(line, ": ");
		if (!p)
			continue;
		snprintf(kind, sizeof(kind), "%.*s", (int)strcspn(p + 2, ":"), p + 2);
		if (!strcmp(kind, "user_exit")) {
			if (left)
				tell(line, start, "other");
			left = true;
			entries++;
			continue;
		}
		if (!strcmp(kind, "user_enter")) {
			if (left)
				tell(line, start, "other");
			left = false;
			continue;
		}
		p = strstr(kind, "_entry");
		if (p) {
			*p = '\0';
		} else if (!strcmp(kind, "nmi_handler")) {
			entries++;
		} else if (!strcmp(kind, "sched_switch")) {
			p = strstr(line, "next_comm=");
			if (p)
				snprintf(kind, sizeof(kind), "switch:%.*s",
					 (int)strcspn(p + 10, " "), p + 10);
		} else if (strstr(kind, "_exit")) {
			continue;
		}
		tell(line, start, kind);
		left = false;
	}
	return entries;
}

static const char * const purge_events[] = {
	"vmalloc/purge_vmap_area_lazy", "task_isolation/task_isol_tlb_defer", NULL
};

/* Those that there are: not each kernel can defer. */
static const char *purges_start(struct trace *trace)
{
	const char *present[ARRAY_SIZE(purge_events)], *one[2] = { }, *reason;
	int nr = 0;

	for (int i = 0; purge_events[i]; i++) {
		one[0] = purge_events[i];
		if (trace_possible(one))
			present[nr++] = purge_events[i];
	}
	present[nr] = NULL;
	one[0] = purge_events[0];
	if (!trace_possible(one))
		return "needs tracefs with the events of vmalloc";
	reason = trace_start(trace, "noise-purges", present);
	if (!reason && nr > 1 && trace_filter(trace, purge_events[1], "cpu", opts.cpu))
		reason = "cannot filter events";
	return reason;
}

static bool purges_count(const struct trace *trace, int *purges, int *deferred)
{
	struct text text = { };

	if (trace_text(trace, -1, &text))
		return false;
	/* It looks for areas, and may find none. */
	*purges = events_count(text.buf, "purge_vmap_area_lazy", 0, "") -
		  events_count(text.buf, "purge_vmap_area_lazy", 0, "num_purged=0");
	*deferred = events_count(text.buf, "task_isol_tlb_defer", 0, "");
	free(text.buf);
	return true;
}

static void not_run(const char *reason)
{
	printf("noise %s not run: %s\n", load->name, reason);
}

/* Runs the load against a spinner that is ready. */
static const char *measure(pid_t pid, struct trace *trace, struct trace *purge_trace,
			   int times)
{
	static struct noise then, now;
	int entries = 0, purges = 0, deferred = 0, ret = 0, i;
	unsigned long moved;
	double start;

	/* What the start of the spinner left to its CPU, with or without actions. */
	sleep_ms(SETTLE_MS);
	moved = load->moved();
	start = (double)monotonic_ns() / NSEC_PER_SEC;
	/* Events begin first and end last: none of what is counted is missing. */
	if (opts.entries)
		trace_on(trace, true);
	if (load->purges)
		trace_on(purge_trace, true);
	if (read_noise(opts.cpu, pid, &then))
		return "cannot read the counts";
	mark(MARK_BEGIN);
	for (i = 1; i <= times && !ret; i++)
		ret = do_once(i);
	/* What it left to others. */
	sleep_ms(AFTER_MS);
	mark(MARK_END);
	if (read_noise(opts.cpu, pid, &now))
		return "cannot read the counts";
	if (opts.entries)
		trace_on(trace, false);
	if (load->purges)
		trace_on(purge_trace, false);
	noise_since(&now, &then);
	if (ret)
		return strerror(-ret);
	moved = load->moved() - moved;
	if (!moved)
		return "it moved nothing";
	if (opts.entries) {
		entries = count_entries(trace, pid, start);
		if (entries < 0)
			return "too many events";
	}
	if (load->purges && !purges_count(purge_trace, &purges, &deferred))
		return "too many events";
	printf("noise %s actions=%d", load->name, opts.actions);
	if (opts.actions)
		printf(" left=%#x", shared->left);
	printf(" times=%d moved=%lu interrupts=%lu ticks=%lu switches=%lu", times, moved,
	       now.interrupts, now.ticks, now.switches);
	if (opts.entries)
		printf(" entries=%d", entries);
	if (load->purges)
		printf(" purges=%d deferred=%d", purges, deferred);
	printf(" kinds=");
	noise_print_kinds(&now);
	printf("\n");
	return NULL;
}

static const char *run(void)
{
	struct trace trace = { }, purge_trace = { };
	const char *reason;
	int times = opts.times ? opts.times : load->times, ret;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	/* It takes a while, in which the spinner has its own events. */
	reason = opts.entries ? trace_start(&trace, "noise", events) : NULL;
	if (!reason && load->purges)
		reason = purges_start(&purge_trace);
	if (reason) {
		trace_stop(&purge_trace);
		trace_stop(&trace);
		return reason;
	}
	ret = spinner_start(&shared->spinner, spinner, &times);
	if (ret)
		reason = strerror(-ret);
	pid = shared->spinner.pid;
	if (!reason && opts.entries &&
	    (trace_filter(&trace, "raw_syscalls/sys_enter", "common_pid", pid) ||
	     trace_filter(&trace, "sched/sched_switch", "prev_pid", pid)))
		reason = "cannot filter events";
	if (!reason)
		reason = measure(pid, &trace, &purge_trace, times);
	trace_stop(&purge_trace);
	trace_stop(&trace);
	spinner_stop(&shared->spinner);
	return reason;
}

static bool known(const char *name)
{
	for (size_t i = 0; i < nr_loads; i++) {
		if (!strcmp(loads[i].name, name))
			return true;
	}
	return !strcmp(name, "all");
}

static void list(void)
{
	for (size_t i = 0; i < nr_loads; i++)
		printf("%-20s %3d x %s\n", loads[i].name, loads[i].times, loads[i].what);
}

/*
 * Goes to CPU 0, and has an address space that was never anywhere else: where it
 * was, it would be flushed once more.
 */
static int start_afresh(char **argv)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return -1;
	if (CPU_COUNT(&set) == 1 && CPU_ISSET(0, &set))
		return 0;
	return pin_to(0) ? -1 : execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
	int opt, i, ret = 0;

	opts.cpu = isolated_cpu();
	while ((opt = getopt(argc, argv, "c:n:s:deflmq:vh")) != -1) {
		switch (opt) {
		case 'c':
			opts.cpu = atoi(optarg);
			break;
		case 'n':
			opts.times = atoi(optarg);
			break;
		case 's':
			load_seconds = atoi(optarg);
			break;
		case 'd':
			opts.dirty = true;
			break;
		case 'e':
			opts.entries = true;
			break;
		case 'f':
			opts.fifo = true;
			break;
		case 'l':
			list();
			return 0;
		case 'm':
			opts.mark = true;
			break;
		case 'q':
			opts.actions = strcmp(optarg, "all") ? (int)strtol(optarg, NULL, 0) :
				       isol_get(PR_ISOL_SUP_QUIESCE_CFG);
			break;
		case 'v':
			opts.verbose = true;
			break;
		default:
			fputs(usage, opt == 'h' ? stdout : stderr);
			return opt == 'h' ? 0 : 2;
		}
	}
	for (i = optind; i < argc && known(argv[i]); i++)
		;
	if (optind >= argc || i < argc || opts.times < 0 || load_seconds < 1) {
		fputs(usage, stderr);
		return 2;
	}
	if (opts.actions < 0) {
		fprintf(stderr, "noise: %s\n", NO_ISOLATION);
		return 1;
	}
	if (opts.cpu < 1) {
		fprintf(stderr, "noise: %s\n", NO_CPU);
		return 1;
	}

	if (start_afresh(argv)) {
		perror("noise: CPU 0");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	load_cpu = opts.cpu;
	shared = alloc_shared(sizeof(*shared));
	if (!shared) {
		perror("noise");
		return 1;
	}
	load_count = &shared->count;
	for (i = 0; (size_t)i < nr_loads; i++) {
		const char *reason;

		load = &loads[i];
		if (!wanted("all", argv + optind) && !wanted(load->name, argv + optind))
			continue;
		nr_row++;
		if (opts.verbose)
			printf("begin %s\n", load->name);
		reason = load->prepare ? load->prepare() : NULL;
		if (!reason) {
			reason = run();
			if (load->finish)
				load->finish();
		}
		if (reason) {
			not_run(reason);
			ret = 1;
		}
	}
	return ret;
}
