// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on CPU 0, in a loop, against claims of another CPU: as soon as a claim is
 * granted, this CPU is not interrupted, and nothing changes.
 */
#include "block.h"
#include "trace.h"

#include "kselftest_harness.h"

#define SPIN_MS		20
#define ROUNDS		500
/* For each operation. What earlier tests left for up to a second later is over then. */
#define CONTROL_ROUNDS	12
/* Interrupts, after which a failure is plain. */
#define ENOUGH		200
/* Of a millisecond, until the return before a round leaves nothing. */
#define QUIET_ROUNDS	3000

/* Shared by the two sides. */
struct shared {
	int		stop;
	long		done[NR_OPERATIONS];
	long		refused[NR_OPERATIONS];
};

static long sum(const long *counts)
{
	long n = 0;

	for (int i = 0; i < NR_OPERATIONS; i++)
		n += __atomic_load_n(&counts[i], __ATOMIC_RELAXED);
	return n;
}

static void print_operations(const struct shared *shared)
{
	for (int i = 0; i < NR_OPERATIONS; i++) {
		if (shared->done[i] || shared->refused[i])
			ksft_print_msg("%s: %ld done, %ld refused\n", operations[i].name,
				       shared->done[i], shared->refused[i]);
	}
}

FIXTURE(race)
{
	struct shared	*shared;
	int		cpu;
	long		policy;
	long		interval;
	long		mux_interval;
};

/* Polling for machine checks is a timer of each CPU. Negative where there is none. */
#define MCE_INTERVAL	"/sys/devices/system/machinecheck/machinecheck0/check_interval"

FIXTURE_SETUP(race)
{
	if (!isol_present())
		SKIP(return, NO_ISOLATION);
	if (!(isol_get(ISOL_SUP_FEATURES) & ISOL_F_BLOCK_INTERRUPTORS))
		SKIP(return, "the kernel has no CONFIG_TASK_ISOLATION_BLOCK");
	if (geteuid())
		SKIP(return, NO_ROOT);
	self->cpu = isolated_cpu();
	if (self->cpu < 0 || !cpu_is_nohz_full(self->cpu))
		SKIP(return, NO_NOHZ_FULL);
	/* Which also interrupts it, by a function call, and nobody refuses. */
	if (!cpu_is_in(self->cpu, ISOLATED_CPUS))
		SKIP(return, "needs isolcpus=domain, elsewhere any task is woken up on the CPU");
	self->shared = alloc_shared(sizeof(*self->shared));
	ASSERT_NE(NULL, self->shared);
	self->policy = read_number(POLICY);
	if (write_number(POLICY, ALL_CLASSES))
		SKIP(return, "not all classes");
	self->interval = read_number(MCE_INTERVAL);
	write_number(MCE_INTERVAL, 0);
	self->mux_interval = read_number(MUX_INTERVAL);
}

FIXTURE_TEARDOWN(race)
{
	isol_enable(0);
	write_number(POLICY, self->policy);
	write_number(MCE_INTERVAL, self->interval);
	write_number(MUX_INTERVAL, self->mux_interval);
}

/*
 * Those without after-effects, which come a second later. Each interrupts the CPU whatever
 * the thread has done there. Not so overcommit: a thread that is quiesced leaves no count.
 */
static const char * const names[] = {
	"clocksource", "msr", "trace_event", "schedstats", "mux_interval",
};

static bool is_raced(int operation)
{
	for (int i = 0; i < (int)ARRAY_SIZE(names); i++) {
		if (!strcmp(names[i], operations[operation].name))
			return true;
	}
	return false;
}

/* Does the operations of the mask @which, in a loop with pauses of @pause ms. */
static void interrupt(struct shared *shared, int cpu, unsigned int which, int pause)
{
	die_with_parent();
	pin_to(0);
	while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
		for (int i = 0; i < NR_OPERATIONS; i++) {
			int ret;

			if (!(which & 1 << i))
				continue;
			ret = operations[i].run(cpu);
			if (!ret)
				__atomic_fetch_add(&shared->done[i], 1, __ATOMIC_RELAXED);
			else if (ret == -EBUSY)
				__atomic_fetch_add(&shared->refused[i], 1, __ATOMIC_RELAXED);
		}
		if (pause)
			sleep_ms(pause);
	}
	_exit(0);
}

/*
 * What takes the CPU out of user mode, of an instance that is set up before the first
 * claim, which would refuse that. /proc/interrupts also has what met system calls.
 */
static const char * const events[] = {
	"irq_vectors", "nmi/nmi_handler", "context_tracking", "exceptions/page_fault_user",
	"raw_syscalls/sys_enter", NULL
};

static bool want_trace(void)
{
	const char *env = getenv("BLOCK_TRACE");

	return env && *env;
}

/* With BLOCK_TRACE set: why. */
static const char * const more_events[] = {
	"csd/csd_queue_cpu", "ipi/ipi_send_cpu", "sched/sched_waking", "sched/sched_switch",
	"timer/hrtimer_start", "timer/hrtimer_expire_entry", "timer/timer_expire_entry",
	"timer/tick_stop", NULL
};

/* The name of the event of a line, without "_entry". */
static void event_of(const char *line, char *name, size_t size)
{
	const char *p = strstr(line, ": ");

	snprintf(name, size, "%.*s", p ? (int)strcspn(p + 2, ":") : 0, p ? p + 2 : "");
	if (strstr(name, "_entry"))
		*strstr(name, "_entry") = '\0';
}

/* What has been recorded since the last call, or NULL if events of @cpu were lost. */
static char *recorded(int pipe, int cpu)
{
	static char buf[4 << 20];
	size_t have = 0;
	char lost[32];
	ssize_t len;

	snprintf(lost, sizeof(lost), "CPU:%d [LOST", cpu);

	while ((len = read(pipe, buf + have, sizeof(buf) - 1 - have)) > 0)
		have += len;
	buf[have] = '\0';
	return have == sizeof(buf) - 1 || strstr(buf, lost) ? NULL : buf;
}

/*
 * How often the thread left user mode between the times @begin and @end, in the unit of
 * events, but for calls and faults of its own.
 */
static int count_interrupts(const char *text, int cpu, double begin, double end, bool tell)
{
	char name[64], on[16];
	const char *line, *next;
	bool left = false;
	int n = 0;

	snprintf(on, sizeof(on), "[%03d]", cpu);
	for (line = text; *line; line = next) {
		const char *at = strstr(line, on);

		next = strchrnul(line, '\n');
		next += !!*next;
		if (!at || at > next)
			continue;
		event_of(line, name, sizeof(name));
		if (left && strcmp(name, "sys_enter") && strcmp(name, "page_fault_user")) {
			if (tell)
				ksft_print_msg("interrupted by %s\n", name);
			n++;
		}
		left = false;
		if (trace_time(line) < begin || trace_time(line) > end)
			continue;
		if (!strcmp(name, "nmi_handler"))
			n++;
		left = !strcmp(name, "user_exit");
	}
	return n;
}

/*
 * Without a system call, also where the clock source has no vDSO: a grace period that
 * meets one interrupts the CPU. Where there is a time stamp counter, events have it, too.
 */
#ifdef __x86_64__
#define TRACE_CLOCK	"x86-tsc"
#define TRACE_SCALE	1.0
#else
#define TRACE_CLOCK	"mono"
#define TRACE_SCALE	(1.0 / NSEC_PER_SEC)
#endif

static uint64_t ticks_per_ms(void)
{
	uint64_t begin = ticks(), ns = monotonic_ns();

	spin_ms(100);
	return (ticks() - begin) * NSEC_PER_MSEC / (monotonic_ns() - ns);
}

static void spin_ticks(uint64_t n)
{
	uint64_t end = ticks() + n;

	while (ticks() < end)
		;
}

/*
 * A grace period that met a system call needs the tick for a while, and a system call
 * takes long where the CPU itself has to wait for one, as in a guest. The timer of the
 * deadline server is armed for a second after another task has run, and may be once more.
 */
static int wait_until_quiet(uint64_t ms)
{
	int left = 0;

	for (int i = 0; i < QUIET_ROUNDS; i++) {
		spin_ticks(ms);
		left = isol_get(PR_ISOL_QUIESCE_LEFT);
		if (left <= 0)
			break;
	}
	return left;
}

/*
 * Returns how often the CPU was interrupted in user mode in @rounds, each of which is a
 * claim if @claim is set, by the operations of the mask @which.
 */
static long race(struct __test_metadata *_metadata, int cpu, int rounds, bool claim,
		 unsigned int which, struct shared *shared, const struct trace *trace,
		 int pipe, uint64_t ms)
{
	bool tell = want_trace();
	long interrupted = 0;
	int again = 0;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	pid = fork();
	if (!pid)
		/* What is not refused would fill the buffer of events without pauses. */
		interrupt(shared, cpu, which, claim ? 0 : 1);
	ASSERT_EQ(0, pin_to(cpu));
	for (int i = 0; i < rounds; i++) {
		double begin, end;
		bool announced;
		char *text;
		int n;

		isol_enable(ISOL_F_QUIESCE_ON_URET);
		if (claim) {
			int ret;

			/* Let some operations through. */
			sleep_ms(i % 5);
			ret = isol_enable(ISOL_F_QUIESCE_ON_URET | ISOL_F_BLOCK_INTERRUPTORS);
			ASSERT_EQ(0, ret);
		}
		trace_on(trace, true);
		if (claim)
			EXPECT_EQ(0, wait_until_quiet(ms));
		/* An interrupt that was sent to the last call may be on its way. */
		spin_ticks(2 * ms);
		begin = ticks() * TRACE_SCALE;
		spin_ticks(SPIN_MS * ms);
		end = ticks() * TRACE_SCALE;
		/* The last call before may have been met, too. Then its return said so. */
		announced = claim && isol_get(PR_ISOL_QUIESCE_LEFT);
		/* While it is read, more would come. */
		trace_on(trace, false);
		text = recorded(pipe, cpu);
		ASSERT_NE(NULL, text);
		if (announced) {
			ASSERT_GE(rounds / 10, ++again);
			i--;
			continue;
		}
		n = count_interrupts(text, cpu, begin, end, claim);
		interrupted += n;
		if (claim && n)
			ksft_print_msg("claim %d: interrupted %d times, %.9f to %.9f\n", i, n,
				       begin, end);
		if (claim && n && tell)
			printf("%s\n", text);
		if (claim && i % 500 == 499)
			ksft_print_msg("%d claims, %ld interrupts\n", i + 1, interrupted);
		if (claim)
			ASSERT_GT(ENOUGH, interrupted);
	}
	if (claim)
		ksft_print_msg("%d rounds once more, as their return named a tick\n", again);
	isol_enable(0);
	__atomic_store_n(&shared->stop, 1, __ATOMIC_RELAXED);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return interrupted;
}

/* Switches off what the last operation switched on. */
static void restore(int cpu)
{
	for (int i = 0; i < NR_OPERATIONS; i++) {
		if (operations[i].run == run_trace && read_number(EVENT) == 1)
			operations[i].run(cpu);
		if (operations[i].run == run_schedstats && read_number(SCHEDSTATS) == 1)
			operations[i].run(cpu);
	}
}

TEST_F_TIMEOUT(race, claims_against_operations, 1800)
{
	const char *env = getenv("BLOCK_ROUNDS");
	int rounds = env ? atoi(env) : ROUNDS;
	struct shared *shared = self->shared;
	bool tell = want_trace();
	struct trace trace = { };
	unsigned int which = 0;
	const char *reason;
	long interrupted;
	char path[192];
	uint64_t ms;
	int pipe;

	reason = trace_start(&trace, "race", events);
	for (int i = 0; more_events[i] && !reason && tell; i++) {
		char file[96];

		snprintf(file, sizeof(file), "events/%s/enable", more_events[i]);
		trace_write(&trace, file, "1");
	}
	if (!reason && trace_write(&trace, "trace_clock", TRACE_CLOCK))
		reason = "no trace_clock " TRACE_CLOCK;
	if (!reason && trace_filter(&trace, "raw_syscalls/sys_enter", "common_pid", getpid()))
		reason = "cannot filter events";
	if (reason) {
		trace_stop(&trace);
		SKIP(return, "%s", reason);
	}
	/* Where lines of all CPUs are wanted, they come from the pipe of all. */
	snprintf(path, sizeof(path), tell ? "%s/trace_pipe" : "%s/per_cpu/cpu%d/trace_pipe",
		 trace.dir, self->cpu);
	pipe = open(path, O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, pipe);
	ms = ticks_per_ms();
	ASSERT_EQ(0, pin_to(self->cpu));
	ASSERT_EQ(0, isol_set(PR_ISOL_BLOCK_CFG, isol_get(PR_ISOL_SUP_BLOCK_CFG)));
	/* What is deferred would not be seen, refused or not. */
	ASSERT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, isol_get(PR_ISOL_SUP_QUIESCE_CFG) &
			      ~(ISOL_F_QUIESCE_DEFER_TLB_FLUSH | ISOL_F_QUIESCE_DEFER_TEXT_SYNC)));

	/* The control: the same, but for the claims, with each operation alone. */
	for (int i = 0; i < NR_OPERATIONS; i++) {
		if (!is_raced(i))
			continue;
		interrupted = race(_metadata, self->cpu, CONTROL_ROUNDS, false, 1 << i, shared,
				   &trace, pipe, ms);
		EXPECT_EQ(0, shared->refused[i]);
		if (!shared->done[i]) {
			ksft_print_msg("%s: not here\n", operations[i].name);
			continue;
		}
		which |= 1 << i;
		ksft_print_msg("%s: %ld done without claims, %ld interrupts\n",
			       operations[i].name, shared->done[i], interrupted);
		/* Each at least once. Some are done between two rounds. */
		EXPECT_LE(shared->done[i] / 2, interrupted) {
			TH_LOG("%s", operations[i].name);
		}
		EXPECT_LT(0, interrupted);
	}
	ASSERT_NE(0, which);

	interrupted = race(_metadata, self->cpu, rounds, true, which, shared, &trace, pipe, ms);
	ksft_print_msg("%d claims: %ld interrupts\n", rounds, interrupted);
	print_operations(shared);
	EXPECT_EQ(0, interrupted);
	/* Both sides ran, and each operation met a claim. */
	EXPECT_LT(0, sum(shared->done));
	for (int i = 0; i < NR_OPERATIONS; i++) {
		if (!(which & 1 << i))
			continue;
		EXPECT_LT(0, shared->refused[i]) {
			TH_LOG("%s", operations[i].name);
		}
	}
	restore(self->cpu);
	close(pipe);
	trace_stop(&trace);
}

TEST_HARNESS_MAIN
