// SPDX-License-Identifier: GPL-2.0
/*
 * The actions run once on every return to user mode: from system calls of
 * either kind, exceptions and interrupts. The tracepoint tells.
 */
#include "spinner.h"
#include "trace.h"

#include <linux/membarrier.h>

#include "kselftest_harness.h"

#define COUNT	100

enum step {
	SYSCALLS = 1,
	FAULTS,
	COMPAT,
	SPIN,
	LEAVE,
};

/* Shared with the spinner. */
struct shared {
	struct spinner	spinner;
	int		cpu;
};

FIXTURE(uret)
{
	int		cpu;
	struct shared	*shared;
	struct trace	trace;
};

#ifdef TRACE_FAULTS
#define FAULTS_ARE_EVENTS	true
#else
#define FAULTS_ARE_EVENTS	false
#endif

static const char * const events[] = {
#ifdef TRACE_FAULTS
	TRACE_FAULTS,
#else
	TRACE_IRQS,
#endif
	"task_isolation", "context_tracking", "raw_syscalls/sys_enter", NULL
};

/*
 * What the spinner did, by the stays in the kernel from one user mode to the next.
 * An interrupt that hits the kernel makes none.
 */
struct stays {
	int	syscalls, faults;
	int	others;		/* interrupts */
	int	actions;	/* how often the actions ran in all of them */
	int	not_once;	/* stays in which they did not run exactly once */
	int	folded;		/* stays of faults in which there was something to fold */
};

static char *fresh;

static int setup(int cpu)
{
	if (pin_to(cpu) || syscall(SYS_membarrier,
				   MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0))
		return -errno;
	fresh = mmap(NULL, COUNT * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	if (fresh == MAP_FAILED)
		return -errno;
	/* One fault a page. Fails where there are no huge pages. */
	madvise(fresh, COUNT * 4096, MADV_NOHUGEPAGE);
	return isol_quiesce(ISOL_F_QUIESCE_VMSTAT_SYNC);
}

static void spinner(void *arg)
{
	struct shared *shared = arg;
	int step = 0;

	spinner_ready(&shared->spinner, setup(shared->cpu));
	for (;;) {
		/* Steps come in any order, and some are left out. */
		step = spinner_next(&shared->spinner, step);
		if (step == LEAVE)
			isol_enable(0);
		for (int i = 0; i < COUNT; i++) {
			if (step == SYSCALLS || step == LEAVE)
				syscall(SYS_getppid);
			else if (step == FAULTS)
				touch(fresh + i * 4096);
			else if (step == COMPAT)
				compat_prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
		}
		spinner_done(&shared->spinner, step, 0);
	}
}

FIXTURE_SETUP(uret)
{
	const char *error;

	if (!isol_present())
		SKIP(return, NO_ISOLATION);
	if (geteuid())
		SKIP(return, NO_ROOT " for the tracepoints");
	self->cpu = isolated_cpu();
	if (self->cpu < 0)
		SKIP(return, NO_CPU);
	/* Elsewhere there are no events of context tracking. */
	if (!cpu_is_nohz_full(self->cpu))
		SKIP(return, NO_NOHZ_FULL);
	if (!trace_possible(events))
		SKIP(return, "needs tracefs, see CONFIG_ENABLE_DEFAULT_TRACERS");
	ASSERT_EQ(0, pin_to(0));
	error = trace_start(&self->trace, "uret", events);
	ASSERT_EQ(NULL, error) {
		TH_LOG("%s", error);
	}
	self->shared = alloc_shared(sizeof(*self->shared));
	ASSERT_NE(NULL, self->shared);
	self->shared->cpu = self->cpu;
	ASSERT_EQ(0, spinner_start(&self->shared->spinner, spinner, self->shared));
}

FIXTURE_TEARDOWN(uret)
{
	if (self->shared)
		spinner_stop(&self->shared->spinner);
	trace_stop(&self->trace);
}

/* Looks at the trace, which begins and ends in user mode. */
static int count_stays(const struct trace *trace, int cpu, pid_t pid, struct stays *stays)
{
	static struct text text;
	bool in_kernel = false, syscall = false, fault = false, folded = false, irq = false;
	char who[24], *line, *save;
	int actions = 0;

	memset(stays, 0, sizeof(*stays));
	if (trace_text(trace, cpu, &text))
		return -1;
	snprintf(who, sizeof(who), "-%d ", pid);
	for (line = strtok_r(text.buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (*line == '#' || !strstr(line, who))
			continue;
		if (strstr(line, " user_exit:")) {
			in_kernel = true;
			syscall = false;
			fault = false;
			folded = false;
			irq = false;
			actions = 0;
		} else if (strstr(line, " sys_enter:")) {
			syscall = true;
		} else if (strstr(line, " page_fault_user:")) {
			fault = true;
		} else if (strstr(line, " irq_handler_entry:")) {
			irq = true;
		} else if (strstr(line, " task_isol_quiesce_done:")) {
			actions++;
			folded |= !!strstr(line, "VMSTAT_FOLDED");
		} else if (strstr(line, " user_enter:") && in_kernel) {
			in_kernel = false;
			if (!FAULTS_ARE_EVENTS)
				fault = !syscall && !irq;
			stays->syscalls += syscall;
			stays->faults += fault;
			stays->others += !syscall && !fault;
			stays->actions += actions;
			stays->not_once += actions != 1;
			stays->folded += fault && folded;
		}
	}
	return 0;
}

/* Lets the spinner do @step, and counts what it did. */
static int run_step(struct trace *trace, struct shared *shared, enum step step,
		    struct stays *stays)
{
	int ret;

	trace_clear(trace);
	trace_on(trace, true);
	ret = spinner_step(&shared->spinner, step);
	trace_on(trace, false);
	return ret ? ret : count_stays(trace, shared->cpu, shared->spinner.pid, stays);
}

TEST_F(uret, system_calls)
{
	struct stays stays;

	ASSERT_EQ(0, run_step(&self->trace, self->shared, SYSCALLS, &stays));
	EXPECT_EQ(COUNT, stays.syscalls);
	EXPECT_EQ(0, stays.faults);
	EXPECT_EQ(0, stays.not_once);
}

TEST_F(uret, compat_system_calls)
{
	struct stays stays;

	if (!have_compat())
		SKIP(return, "no 32-bit system calls here");
	ASSERT_EQ(0, run_step(&self->trace, self->shared, COMPAT, &stays));
	EXPECT_EQ(COUNT, stays.syscalls);
	EXPECT_EQ(0, stays.not_once);
}

TEST_F(uret, page_faults)
{
	struct stays stays;

	ASSERT_EQ(0, run_step(&self->trace, self->shared, FAULTS, &stays));
	EXPECT_EQ(COUNT, stays.faults);
	EXPECT_EQ(0, stays.syscalls);
	EXPECT_EQ(0, stays.not_once);
	/* Each left something to fold. */
	EXPECT_EQ(COUNT, stays.folded);
}

TEST_F(uret, interrupts)
{
	struct stays stays;

	ASSERT_EQ(0, run_step(&self->trace, self->shared, SPIN, &stays));
	EXPECT_EQ(0, stays.syscalls + stays.faults);

	trace_clear(&self->trace);
	trace_on(&self->trace, true);
	for (int i = 0; i < COUNT; i++) {
		ASSERT_EQ(0, syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0));
		/* Until the last one has got back to user mode, most likely. */
		sleep_ms(1);
	}
	trace_on(&self->trace, false);
	ASSERT_EQ(0, count_stays(&self->trace, self->cpu, self->shared->spinner.pid, &stays));
	TH_LOG("%d interrupts by %d calls", stays.others, COUNT);
	/*
	 * Most of them hit user mode, and not the way there from the last one. All do on
	 * a host that is not too busy.
	 */
	EXPECT_LE(COUNT / 2, stays.others);
	EXPECT_EQ(0, stays.syscalls + stays.faults);
	EXPECT_EQ(0, stays.not_once);
}

/* The control, and the disabling call itself is no longer quiesced. */
TEST_F(uret, nothing_runs_when_disabled)
{
	struct stays stays;

	ASSERT_EQ(0, run_step(&self->trace, self->shared, LEAVE, &stays));
	EXPECT_EQ(COUNT + 1, stays.syscalls);
	EXPECT_EQ(0, stays.actions);
	EXPECT_EQ(1, trace_count(&self->trace,
				 "task_isol_disable: features=QUIESCE_ON_URET reason=prctl"));
}

TEST_F(uret, dying_is_traced)
{
	trace_clear(&self->trace);
	trace_on(&self->trace, true);
	spinner_stop(&self->shared->spinner);
	trace_on(&self->trace, false);
	EXPECT_EQ(1, trace_count(&self->trace,
				 "task_isol_disable: features=QUIESCE_ON_URET reason=exit"));
}

TEST_F(uret, enabling_is_traced)
{
	int go[2], status;
	char byte = 0;
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	pid = fork();
	if (!pid) {
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		_exit(-isol_quiesce(ISOL_F_QUIESCE_VMSTAT_SYNC));
	}
	ASSERT_EQ(0, trace_filter(&self->trace, "task_isolation", "common_pid", pid));
	trace_clear(&self->trace);
	trace_on(&self->trace, true);
	ASSERT_EQ(1, write(go[1], &byte, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	trace_on(&self->trace, false);
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, trace_count(&self->trace,
				 "task_isol_enable: features=QUIESCE_ON_URET quiesce=VMSTAT_SYNC"));
	/* The call that enables is quiesced itself. */
	EXPECT_LE(1, trace_count(&self->trace, "task_isol_quiesce_done: actions=VMSTAT_SYNC"));
	EXPECT_EQ(1, trace_count(&self->trace,
				 "task_isol_disable: features=QUIESCE_ON_URET reason=exit"));
}

TEST_HARNESS_MAIN
