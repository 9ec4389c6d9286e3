/* SPDX-License-Identifier: GPL-2.0 */
/* Operations that interrupt all CPUs or a given one, for the tests of claims. */
#ifndef SELFTEST_ISOLATION_BLOCK_H
#define SELFTEST_ISOLATION_BLOCK_H

#include "isolation.h"

#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kselftest.h"

#define POLICY		"/proc/sys/kernel/task_isolation_block"
#define AUDIT		"/proc/sys/kernel/task_isolation_block_audit"
#define CLOCKSOURCE	"/sys/devices/system/clocksource/clocksource0"
#define EVENT		"/sys/kernel/tracing/events/sched/sched_switch/enable"
#define CGROUP		"/tmp/isol_cgroup"
#define ALL_CLASSES	0x7f

static inline long read_number(const char *path)
{
	char buf[64];

	return read_file(path, buf, sizeof(buf)) > 0 ? strtol(buf, NULL, 0) : -1;
}

static inline int write_number(const char *path, long number)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%ld", number);
	return write_file(path, buf);
}

/*
 * An operation. Returns 0, or -errno, or a value that tells that it was begun and
 * failed for its own reason, see @begun.
 */
struct operation {
	const char	*name;
	int		class;
	int		(*run)(int cpu);
	/* What shows whether it was done. */
	void		(*state)(int cpu, char *buf, size_t size);
	/* What it returns if it is not refused. */
	int		begun;
	/* Concerns the given CPU only. */
	bool		one_cpu;
};

static inline void no_state(int cpu __maybe_unused, char *buf, size_t size __maybe_unused)
{
	buf[0] = '\0';
}

static inline void state_of(const char *path, char *buf, size_t size)
{
	if (read_file(path, buf, size) <= 0)
		snprintf(buf, size, "unreadable");
}

/* Toggles a CPU that is neither 0 nor @cpu. */
static inline int other_cpu(int cpu)
{
	return cpu == 2 ? 3 : 2;
}

static inline void online_path(int cpu, char *path, size_t size)
{
	snprintf(path, size, "/sys/devices/system/cpu/cpu%d/online", cpu);
}

static inline int run_hotplug(int cpu)
{
	char path[64];

	online_path(other_cpu(cpu), path, sizeof(path));
	return write_number(path, read_number(path) != 1);
}

static inline void state_hotplug(int cpu, char *buf, size_t size)
{
	char path[64];

	online_path(other_cpu(cpu), path, sizeof(path));
	state_of(path, buf, size);
}

/* Switches to the other one of the first two clocksources. */
static inline int run_clocksource(int cpu __maybe_unused)
{
	char now[64], all[256], *first, *second;

	if (read_file(CLOCKSOURCE "/current_clocksource", now, sizeof(now)) <= 0 ||
	    read_file(CLOCKSOURCE "/available_clocksource", all, sizeof(all)) <= 0)
		return -ENOENT;
	now[strcspn(now, "\n")] = '\0';
	first = strtok(all, " \n");
	second = strtok(NULL, " \n");
	if (!second)
		return -ENOENT;
	return write_file(CLOCKSOURCE "/current_clocksource", strcmp(now, first) ? first : second);
}

static inline void state_clocksource(int cpu __maybe_unused, char *buf, size_t size)
{
	state_of(CLOCKSOURCE "/current_clocksource", buf, size);
}

static inline int perf_open_mode(int type, int config, pid_t pid, int cpu, bool user)
{
	struct perf_event_attr attr = {
		.size		= sizeof(attr),
		.type		= type,
		.config		= config,
		.exclude_kernel	= user,
	};
	int fd = syscall(SYS_perf_event_open, &attr, pid, cpu, -1, 0);

	return fd < 0 ? -errno : fd;
}

static inline int perf_open(int type, int config, pid_t pid, int cpu)
{
	return perf_open_mode(type, config, pid, cpu, false);
}

/* Of user mode only, which an unprivileged thread may count. */
static inline int perf_open_user(int type, int config, pid_t pid, int cpu)
{
	return perf_open_mode(type, config, pid, cpu, true);
}

static inline int run_perf(int cpu)
{
	int fd = perf_open(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, -1, cpu);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static inline int run_msr(int cpu)
{
	char path[64];
	uint64_t value;
	int fd, ret = 0;

	snprintf(path, sizeof(path), "/dev/cpu/%d/msr", cpu);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	/* The time stamp counter. */
	if (pread(fd, &value, sizeof(value), 0x10) != sizeof(value))
		ret = -errno;
	close(fd);
	return ret;
}

static inline void cpuset_mount(void)
{
	mkdir("/tmp", 01777);
	mkdir(CGROUP, 0755);
	mount("cgroup2", CGROUP, "cgroup2", 0, NULL);
	write_file(CGROUP "/cgroup.subtree_control", "+cpuset");
	mkdir(CGROUP "/isol", 0755);
}

/* Gives @cpu to a cpuset that has none, or takes it away. */
static inline int run_cpuset(int cpu)
{
	char now[64];

	cpuset_mount();
	if (read_file(CGROUP "/isol/cpuset.cpus", now, sizeof(now)) < 0)
		return -ENOENT;
	if (now[0] != '\n' && now[0])
		return write_file(CGROUP "/isol/cpuset.cpus", "\n");
	return write_number(CGROUP "/isol/cpuset.cpus", cpu);
}

static inline void state_cpuset(int cpu __maybe_unused, char *buf, size_t size)
{
	state_of(CGROUP "/isol/cpuset.cpus", buf, size);
}

/* Not a module, which is only found out when it is loaded. */
static inline int run_module(int cpu __maybe_unused)
{
	static const char junk[4096];

	return syscall(SYS_init_module, junk, sizeof(junk), "") ? -errno : 0;
}

/* Needs a module of this name, or not. */
static inline int run_unload(int cpu __maybe_unused)
{
	return syscall(SYS_delete_module, "isolation_no_such_module", 0) ? -errno : 0;
}

static inline int run_trace(int cpu __maybe_unused)
{
	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	return write_number(EVENT, read_number(EVENT) != 1);
}

static inline void state_trace(int cpu __maybe_unused, char *buf, size_t size)
{
	state_of(EVENT, buf, size);
}

static inline int run_perf_tracepoint(int cpu __maybe_unused)
{
	long id;
	int fd;

	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	id = read_number("/sys/kernel/tracing/events/sched/sched_switch/id");
	if (id < 0)
		return -ENOENT;
	fd = perf_open(PERF_TYPE_TRACEPOINT, id, 0, -1);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

#define FILTER		"/sys/kernel/tracing/events/sched/sched_switch/filter"

/* Sets a filter of an event, or removes it. */
static inline int run_filter(int cpu __maybe_unused)
{
	char now[64];

	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	if (read_file(FILTER, now, sizeof(now)) <= 0)
		return -ENOENT;
	return write_file(FILTER, strncmp(now, "none", 4) ? "0" : "prev_pid == 1");
}

static inline void state_filter(int cpu __maybe_unused, char *buf, size_t size)
{
	state_of(FILTER, buf, size);
}

static inline int load_bpf(int type)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type	= type,
		.insn_cnt	= 2,
		.insns		= (unsigned long)insns,
		.license	= (unsigned long)"GPL",
	};
	int fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

static inline int attach_raw_tracepoint(int prog)
{
	union bpf_attr attr = {
		.raw_tracepoint = {
			.name		= (unsigned long)"sched_switch",
			.prog_fd	= prog,
		},
	};
	int fd = syscall(SYS_bpf, BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

static inline int run_raw_tracepoint(int cpu __maybe_unused)
{
	int prog = load_bpf(BPF_PROG_TYPE_RAW_TRACEPOINT), fd;

	if (prog < 0)
		return prog;
	fd = attach_raw_tracepoint(prog);
	close(prog);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

#define OVERCOMMIT	"/proc/sys/vm/overcommit_memory"

static inline int run_overcommit(int cpu __maybe_unused)
{
	return write_number(OVERCOMMIT, !read_number(OVERCOMMIT));
}

static inline void state_overcommit(int cpu __maybe_unused, char *buf, size_t size)
{
	state_of(OVERCOMMIT, buf, size);
}

#define SCHEDSTATS	"/proc/sys/kernel/sched_schedstats"

static inline int run_schedstats(int cpu __maybe_unused)
{
	return write_number(SCHEDSTATS, !read_number(SCHEDSTATS));
}

static inline void state_schedstats(int cpu __maybe_unused, char *buf, size_t size)
{
	state_of(SCHEDSTATS, buf, size);
}

#define MUX_INTERVAL	"/sys/bus/event_source/devices/software/perf_event_mux_interval_ms"

static inline int run_mux_interval(int cpu __maybe_unused)
{
	long now = read_number(MUX_INTERVAL);

	return now < 0 ? -ENOENT : write_number(MUX_INTERVAL, now == 4 ? 5 : 4);
}

static inline void state_mux_interval(int cpu __maybe_unused, char *buf, size_t size)
{
	state_of(MUX_INTERVAL, buf, size);
}

/* Each is done twice: there and back. */
static const struct operation operations[] = {
	{ .name = "hotplug", .class = ISOL_BLOCK_HOTPLUG,
	  .run = run_hotplug, .state = state_hotplug },
	{ .name = "clocksource", .class = ISOL_BLOCK_STOP_MACHINE,
	  .run = run_clocksource, .state = state_clocksource },
	{ .name = "perf_event", .class = ISOL_BLOCK_CPU_ACCESS,
	  .run = run_perf, .state = no_state, .one_cpu = true },
	{ .name = "msr", .class = ISOL_BLOCK_CPU_ACCESS,
	  .run = run_msr, .state = no_state, .one_cpu = true },
	{ .name = "cpuset", .class = ISOL_BLOCK_CPUSET,
	  .run = run_cpuset, .state = state_cpuset },
	{ .name = "init_module", .class = ISOL_BLOCK_MODULE,
	  .run = run_module, .state = no_state, .begun = -ENOEXEC },
	{ .name = "delete_module", .class = ISOL_BLOCK_MODULE,
	  .run = run_unload, .state = no_state, .begun = -ENOENT },
	{ .name = "trace_event", .class = ISOL_BLOCK_TRACE,
	  .run = run_trace, .state = state_trace },
	{ .name = "perf_tracepoint", .class = ISOL_BLOCK_TRACE,
	  .run = run_perf_tracepoint, .state = no_state },
	{ .name = "filter", .class = ISOL_BLOCK_TRACE,
	  .run = run_filter, .state = state_filter },
	{ .name = "raw_tracepoint", .class = ISOL_BLOCK_TRACE,
	  .run = run_raw_tracepoint, .state = no_state },
	{ .name = "overcommit", .class = ISOL_BLOCK_KNOB,
	  .run = run_overcommit, .state = state_overcommit },
	{ .name = "schedstats", .class = ISOL_BLOCK_KNOB,
	  .run = run_schedstats, .state = state_schedstats },
	{ .name = "mux_interval", .class = ISOL_BLOCK_KNOB,
	  .run = run_mux_interval, .state = state_mux_interval },
};

#define NR_OPERATIONS	((int)ARRAY_SIZE(operations))

#endif /* SELFTEST_ISOLATION_BLOCK_H */
