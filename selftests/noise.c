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
"Usage: noise [-b CLASSES] [-c CPU] [-n TIMES] [-s SECONDS] [-d] [-e] [-f] [-m] [-q MASK] [-v]\n"
"             [-w] LOAD...|all\n"
"       noise -l\n"
"  -b  the spinner claims its CPU for these classes, \"all\" for all that\n"
"      kernel.task_isolation_block allows\n"
"  -c  CPU of the spinner (default: the first isolated one)\n"
"  -n  how often to interfere (default: as -l shows)\n"
"  -s  seconds of idle (default 3)\n"
"  -d  dirty the vmstat counters of the CPU before each interference\n"
"  -e  count the entries from user mode as well, with the events of tracefs\n"
"  -f  the spinner is SCHED_FIFO\n"
"  -l  list the loads, and which class refuses them\n"
"  -m  mark begin and end, for somebody who watches from outside (x86)\n"
"  -q  quiesce actions of the spinner, \"all\" for all supported ones\n"
"  -v  with -e, tell about each event\n"
"  -w  print why: the functions and work items that were sent to the CPU, from tracefs\n"
"With -q, the load begins when PR_ISOL_QUIESCE_LEFT is 0, or after 10 seconds.\n"
"Prints: noise LOAD actions=MASK [left=MASK] times=N moved=N interrupts=N ticks=N\n"
"	switches=N [entries=N] [purges=N deferred=N] [classes=MASK refused=N after=N]\n"
"	kinds=NAME:N,...\n"
"    with -w also: cause LOAD N EVENT FUNCTION (CALLER)\n"
"purges are those of vmalloc space, deferred is how many of these did not interrupt the\n"
"CPU: the difference had areas that cannot wait. refused is how often the load failed\n"
"with EBUSY, after is 1 if it did what it should when the claim had ended.\n"
"    or: noise LOAD not run: REASON\n";

/* Shared with the spinner. */
struct shared {
	struct spinner	spinner;
	/* A thread of its process, which sleeps between its steps. */
	struct spinner	sibling;
	int		left;
	int		classes;
	unsigned long	count;
};

static struct {
	int		cpu, times, actions, classes;
	bool		dirty, entries, fifo, mark, verbose, why;
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

/*
 * The step before the load is to claim the CPU. Before, as a claim refuses to set up
 * what watches the thread.
 */
#define CLAIM_STEP	(-1)

/* Actions that are enabled stay. */
static int claim(void)
{
	int ret = isol_set(PR_ISOL_BLOCK_CFG, opts.classes);

	if (!ret)
		ret = isol_enable(isol_get(ISOL_FEATURES) | ISOL_F_BLOCK_INTERRUPTORS);
	if (ret)
		return ret;
	if (isol_get(PR_ISOL_BLOCK_LEFT))
		return -EPERM;
	shared->classes = isol_get(PR_ISOL_BLOCK_CFG);
	if (opts.actions)
		shared->left = wait_until_quiet();
	return 0;
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
		if (step == CLAIM_STEP) {
			spinner_done(&shared->spinner, step, claim());
			continue;
		}
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

/*
 * The claim has ended with the spinner. Loads that need one are no operations that a
 * claim refuses.
 */
static bool works_afterwards(void)
{
	unsigned long moved = load->moved();

	errno = 0;
	return load->once && !load->once() && load->moved() > moved;
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
 * "user_exit" is followed by what it was for, if that has an event. Where the load has
 * the spinner itself do something, calls and faults are its own.
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
		if (left && (load->again || opts.dirty) &&
		    (!strcmp(kind, "sys_enter") || !strcmp(kind, "page_fault_user")))
			entries--;
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

/* Each with the field that has the function, and what says for whom it is. */
static const struct {
	const char	*event, *function, *filter;
} why_events[] = {
	{ "csd/csd_queue_cpu", "func=", "cpu == %d" },
	{ "ipi/ipi_send_cpu", "callback=", "cpu == %d" },
	{ "ipi/ipi_send_cpumask", "callback=", "cpumask & CPUS{%d}" },
	{ "workqueue/workqueue_queue_work", "function=", "cpu == %d" },
	{ "sched/sched_waking", "comm=", "target_cpu == %d" },
};

#define NR_CAUSES	64

struct cause {
	char	text[160];
	int	count;
};

static const char *why_start(struct trace *trace)
{
	const int nr = ARRAY_SIZE(why_events);
	const char *names[ARRAY_SIZE(why_events) + 1] = { }, *reason;

	for (int i = 0; i < nr; i++)
		names[i] = why_events[i].event;
	reason = trace_start(trace, "noise-why", names);
	for (int i = 0; i < nr && !reason; i++) {
		char file[96], text[64];

		snprintf(file, sizeof(file), "events/%s/filter", why_events[i].event);
		snprintf(text, sizeof(text), why_events[i].filter, opts.cpu);
		if (trace_write(trace, file, text))
			reason = "cannot filter events";
	}
	return reason;
}

/* A symbol without what is behind its name. */
static void copy_symbol(char *to, size_t size, const char *line, const char *field)
{
	const char *from = strstr(line, field);

	from = from ? from + strlen(field) : "?";
	snprintf(to, size, "%.*s", (int)strcspn(from, "\n +"), from);
}

static void add_cause(struct cause *causes, const char *line)
{
	char text[160], function[64], caller[64];

	for (size_t i = 0; i < ARRAY_SIZE(why_events); i++) {
		const char *event = strchr(why_events[i].event, '/') + 1;
		size_t len = strlen(event);
		const char *at = strstr(line, event);

		if (!at || at[len] != ':')
			continue;
		copy_symbol(function, sizeof(function), at, why_events[i].function);
		/* Told by csd_queue_cpu. */
		if (!strcmp(function, "generic_smp_call_function_single_interrupt"))
			return;
		copy_symbol(caller, sizeof(caller), at, "callsite=");
		snprintf(text, sizeof(text), "%s %s (%s)", event, function, caller);
		for (int j = 0; j < NR_CAUSES; j++) {
			if (!causes[j].count)
				snprintf(causes[j].text, sizeof(causes[j].text), "%s", text);
			if (!strcmp(causes[j].text, text)) {
				causes[j].count++;
				return;
			}
		}
	}
}

static void print_causes(const struct trace *trace)
{
	static struct cause causes[NR_CAUSES];
	static struct text text;
	char *line, *save;

	memset(causes, 0, sizeof(causes));
	if (trace_text(trace, -1, &text)) {
		printf("cause %s unknown: too many events\n", load->name);
		return;
	}
	for (line = strtok_r(text.buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (*line != '#')
			add_cause(causes, line);
	}
	for (int i = 0; i < NR_CAUSES && causes[i].count; i++)
		printf("cause %s %d %s\n", load->name, causes[i].count, causes[i].text);
}

static void not_run(const char *reason)
{
	printf("noise %s not run: %s\n", load->name, reason);
}

/* Runs the load against a spinner that is ready. */
static const char *measure(pid_t pid, struct trace *trace, struct trace *purge_trace,
			   struct trace *why_trace, int times)
{
	static struct noise then, now;
	int entries = 0, purges = 0, deferred = 0, refused = 0, ret = 0, i;
	unsigned long moved;
	double start;

	if (opts.classes) {
		ret = spinner_step(&shared->spinner, CLAIM_STEP);
		if (ret)
			return strerror(-ret);
	}
	/* What the start of the spinner left to its CPU, with or without actions. */
	sleep_ms(SETTLE_MS);
	moved = load->moved();
	start = (double)monotonic_ns() / NSEC_PER_SEC;
	/* Events begin first and end last: none of what is counted is missing. */
	if (opts.entries)
		trace_on(trace, true);
	if (load->purges)
		trace_on(purge_trace, true);
	if (opts.why)
		trace_on(why_trace, true);
	if (read_noise(opts.cpu, pid, &then))
		return "cannot read the counts";
	mark(MARK_BEGIN);
	for (i = 1; i <= times && !ret; i++) {
		ret = do_once(i);
		if (opts.classes && ret == -EBUSY) {
			refused++;
			ret = 0;
		}
	}
	/* What it left to others. */
	sleep_ms(AFTER_MS);
	mark(MARK_END);
	if (read_noise(opts.cpu, pid, &now))
		return "cannot read the counts";
	if (opts.entries)
		trace_on(trace, false);
	if (load->purges)
		trace_on(purge_trace, false);
	if (opts.why)
		trace_on(why_trace, false);
	noise_since(&now, &then);
	if (ret)
		return strerror(-ret);
	moved = load->moved() - moved;
	if (!moved && refused < times)
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
	if (opts.classes) {
		spinner_stop(&shared->spinner);
		printf(" classes=%#x refused=%d after=%d", shared->classes, refused,
		       works_afterwards());
	}
	printf(" kinds=");
	noise_print_kinds(&now);
	printf("\n");
	if (opts.why)
		print_causes(why_trace);
	return NULL;
}

static const char *run(void)
{
	struct trace trace = { }, purge_trace = { }, why_trace = { };
	const char *reason;
	int times = opts.times ? opts.times : load->times, ret;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	/* It takes a while, in which the spinner has its own events. */
	reason = opts.entries ? trace_start(&trace, "noise", events) : NULL;
	if (!reason && load->purges)
		reason = purges_start(&purge_trace);
	if (!reason && opts.why)
		reason = why_start(&why_trace);
	if (reason) {
		trace_stop(&why_trace);
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
		reason = measure(pid, &trace, &purge_trace, &why_trace, times);
	/* First, as its claim would refuse the rest. */
	spinner_stop(&shared->spinner);
	trace_stop(&why_trace);
	trace_stop(&purge_trace);
	trace_stop(&trace);
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
		printf("%-20s %3d x %s%s%s\n", loads[i].name, loads[i].times, loads[i].what,
		       loads[i].class ? "; refused by class " : "",
		       loads[i].class ? class_name(loads[i].class) : "");
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
	while ((opt = getopt(argc, argv, "b:c:n:s:deflmq:vwh")) != -1) {
		switch (opt) {
		case 'b':
			opts.classes = strcmp(optarg, "all") ? (int)strtol(optarg, NULL, 0) :
				       isol_get(PR_ISOL_SUP_BLOCK_CFG);
			if (!opts.classes) {
				fputs("noise: kernel.task_isolation_block has no class\n",
				      stderr);
				return 1;
			}
			break;
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
		case 'w':
			opts.why = true;
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
	if (opts.actions < 0 || opts.classes < 0) {
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
