/* SPDX-License-Identifier: GPL-2.0 */
/* What the task isolation tests share. */
#ifndef SELFTEST_ISOLATION_H
#define SELFTEST_ISOLATION_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef PR_ISOL_GET
#define PR_ISOL_GET			82
#define PR_ISOL_SET			83
#define PR_ISOL_ENABLE			84
# define ISOL_SUP_FEATURES		1
# define ISOL_FEATURES			2
# define PR_ISOL_SUP_QUIESCE_CFG	3
# define PR_ISOL_QUIESCE_CFG		4
# define PR_ISOL_QUIESCE_LEFT		5
# define ISOL_F_QUIESCE_ON_URET		(1 << 0)
# define ISOL_F_BLOCK_INTERRUPTORS	(1 << 1)
# define ISOL_F_QUIESCE_VMSTAT_SYNC	(1 << 0)
# define ISOL_F_QUIESCE_NOHZ_FULL	(1 << 1)
# define ISOL_F_QUIESCE_DEFER_TLB_FLUSH	(1 << 2)
# define ISOL_LEFT_TICK_POSIX_TIMER	(1 << 0)
# define ISOL_LEFT_TICK_SCHED		(1 << 2)
# define ISOL_LEFT_TICK_CLOCK_UNSTABLE	(1 << 3)
# define ISOL_LEFT_TICK_ALWAYS		(1 << 9)
# define ISOL_LEFT_GAVE_UP		(1 << 13)
#endif

/* All calls return a value, or -errno. */
static inline int isol_call(int option, unsigned long arg2, unsigned long arg3,
			    unsigned long arg4, unsigned long arg5)
{
	long ret = syscall(SYS_prctl, option, arg2, arg3, arg4, arg5);

	return ret < 0 ? -errno : ret;
}

static inline int isol_get(unsigned long cmd)
{
	return isol_call(PR_ISOL_GET, cmd, 0, 0, 0);
}

static inline int isol_set(unsigned long cmd, unsigned long value)
{
	return isol_call(PR_ISOL_SET, cmd, value, 0, 0);
}

static inline int isol_enable(unsigned long mask)
{
	return isol_call(PR_ISOL_ENABLE, mask, 0, 0, 0);
}

/* Configure and enable @quiesce, or leave isolation if it is 0. */
static inline int isol_quiesce(unsigned long quiesce)
{
	int ret = isol_enable(0);

	if (ret || !quiesce)
		return ret;
	ret = isol_set(PR_ISOL_QUIESCE_CFG, quiesce);
	return ret ? ret : isol_enable(ISOL_F_QUIESCE_ON_URET);
}

static inline bool isol_present(void)
{
	return isol_get(ISOL_SUP_FEATURES) >= 0;
}

static inline bool isol_supports(int quiesce)
{
	int ret = isol_get(PR_ISOL_SUP_QUIESCE_CFG);

	return ret >= 0 && (ret & quiesce) == quiesce;
}

#define NO_ISOLATION	"the kernel has no task isolation, see CONFIG_TASK_ISOLATION"
#define NO_CPU		"needs a second CPU, for the isolated thread"
#define NO_ROOT		"needs root"
#define NO_NOHZ_FULL	"needs a nohz_full= CPU: elsewhere the tick interrupts it as well"

static inline int pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

/* Lowest CPU > 0 of a list in sysfs such as "1-3,5", -1 if there is none. */
static inline int first_cpu_of(const char *path)
{
	char buf[256], *p = buf;
	ssize_t len;
	int fd;

	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -1;
	len = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (len <= 0)
		return -1;
	buf[len] = '\0';

	while (*p >= '0' && *p <= '9') {
		long first = strtol(p, &p, 10), last = first;

		if (*p == '-')
			last = strtol(p + 1, &p, 10);
		if (last > 0)
			return first > 0 ? first : 1;
		if (*p == ',')
			p++;
	}
	return -1;
}

static inline bool cpu_is_nohz_full(int cpu)
{
	return cpu == first_cpu_of("/sys/devices/system/cpu/nohz_full");
}

/*
 * The CPU for the isolated thread: one that the system keeps free, else any
 * but CPU 0, else -1.
 */
static inline int isolated_cpu(void)
{
	int cpu = first_cpu_of("/sys/devices/system/cpu/nohz_full");

	if (cpu < 0)
		cpu = first_cpu_of("/sys/devices/system/cpu/isolated");
	if (cpu < 0)
		cpu = first_cpu_of("/sys/devices/system/cpu/online");
	return cpu;
}

/* A page fault, if it is the first access to the page. */
static inline void touch(char *page)
{
	__atomic_store_n(page, 1, __ATOMIC_RELAXED);
}

/* Of the time stamp counter, where there is one. */
#if defined(__x86_64__)
static inline uint64_t ticks(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc" : "=a" (low), "=d" (high) : : "memory");
	return (uint64_t)high << 32 | low;
}
#else
static inline uint64_t ticks(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}
#endif

static inline void sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, (ms % 1000) * 1000000L };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static inline int write_file(const char *path, const char *text)
{
	int fd, ret = 0;

	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static inline ssize_t read_file(const char *path, char *buf, size_t size)
{
	size_t have = 0;
	ssize_t len;
	int fd;

	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	while (have < size - 1) {
		len = read(fd, buf + have, size - 1 - have);
		if (len <= 0)
			break;
		have += len;
	}
	close(fd);
	buf[have] = '\0';
	return have;
}

/* The calling process dies with its parent, however that dies. */
static inline void die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

#ifdef __x86_64__
/* The 32-bit prctl(), by way of int 0x80. */
static inline int compat_prctl(int option, unsigned long arg2, unsigned long arg3,
			       unsigned long arg4, unsigned long arg5)
{
	long ret;

	asm volatile("int $0x80"
		     : "=a" (ret)
		     : "0" (172L), "b" ((long)option), "c" (arg2), "d" (arg3),
		       "S" (arg4), "D" (arg5)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

static inline bool have_compat(void)
{
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		_exit(compat_prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) < 0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}
#else
static inline int compat_prctl(int option, unsigned long arg2, unsigned long arg3,
			       unsigned long arg4, unsigned long arg5)
{
	return -EOPNOTSUPP;
}

static inline bool have_compat(void)
{
	return false;
}
#endif

/* What a CPU and the thread on it suffered so far. */
struct noise {
	unsigned long	interrupts;	/* from /proc/interrupts */
	unsigned long	ticks;		/* of these, the local timer */
	unsigned long	switches;	/* forced context switches */
	/* The interrupts by their lines of /proc/interrupts */
	int		nr_kinds;
	struct {
		char		name[16];
		unsigned long	count;
	}		kinds[64];
};

/*
 * Lines of /proc/interrupts which count what another line counts already, or
 * what is no interrupt.
 */
static inline bool no_interrupt(const char *name)
{
	return !strcmp(name, "TLB") || !strcmp(name, "PMI") || !strcmp(name, "MCP");
}

static inline int read_noise(int cpu, pid_t tid, struct noise *noise)
{
	static char buf[4 << 20];
	char path[64], *line, *save, *p;
	ssize_t len;
	int i, i_kind;

	memset(noise, 0, sizeof(*noise));
	len = read_file("/proc/interrupts", buf, sizeof(buf));
	/* A part of it would look like silence. */
	if (len <= 0 || len == sizeof(buf) - 1)
		return -1;

	/* The header names the online CPUs: find our column. */
	line = strtok_r(buf, "\n", &save);
	snprintf(path, sizeof(path), "CPU%d", cpu);
	for (i = 0, p = strtok(line, " "); p && strcmp(p, path); i++)
		p = strtok(NULL, " ");
	if (!p)
		return -1;

	while ((line = strtok_r(NULL, "\n", &save))) {
		char *name = line + strspn(line, " ");
		unsigned long count = 0;
		int column;

		p = strchr(name, ':');
		if (!p)
			continue;
		*p++ = '\0';
		for (column = 0; column <= i; column++) {
			char *end;

			count = strtoul(p, &end, 10);
			if (end == p)
				break;
			p = end;
		}
		/* Lines with a single, global column are no CPU's. */
		if (column <= i)
			continue;
		if (!no_interrupt(name)) {
			noise->interrupts += count;
			i_kind = noise->nr_kinds;
			if (i_kind < (int)(sizeof(noise->kinds) / sizeof(*noise->kinds))) {
				snprintf(noise->kinds[i_kind].name, 16, "%s", name);
				noise->kinds[i_kind].count = count;
				noise->nr_kinds++;
			}
		}
		if (!strcmp(name, "LOC"))
			noise->ticks += count;
	}

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	if (read_file(path, buf, sizeof(buf)) <= 0)
		return -1;
	p = strstr(buf, "nonvoluntary_ctxt_switches:");
	if (!p)
		return -1;
	noise->switches = strtoul(strchr(p, ':') + 1, NULL, 10);
	return 0;
}

static inline void noise_since(struct noise *now, const struct noise *then)
{
	now->interrupts -= then->interrupts;
	now->ticks -= then->ticks;
	now->switches -= then->switches;
	for (int i = 0; i < now->nr_kinds; i++) {
		for (int j = 0; j < then->nr_kinds; j++) {
			if (!strcmp(now->kinds[i].name, then->kinds[j].name))
				now->kinds[i].count -= then->kinds[j].count;
		}
	}
}

/* "LOC:3,CAL:1", or "-" if there were none. */
static inline void noise_print_kinds(const struct noise *noise)
{
	const char *comma = "";

	for (int i = 0; i < noise->nr_kinds; i++) {
		if (!noise->kinds[i].count)
			continue;
		printf("%s%s:%lu", comma, noise->kinds[i].name, noise->kinds[i].count);
		comma = ",";
	}
	if (!*comma)
		printf("-");
}

#endif /* SELFTEST_ISOLATION_H */
