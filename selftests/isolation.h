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
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The numbers have one place, which is the UAPI header of this tree. */
#ifndef PR_ISOL_GET
#error "The installed kernel headers have no task isolation, try: make headers"
#endif

#define NO_ISOLATION	"the kernel has no task isolation, see CONFIG_TASK_ISOLATION"
#define NO_CPU		"needs a second CPU, for the isolated thread"
#define NO_ROOT		"needs root"
#define NO_NOHZ_FULL	"needs a nohz_full= CPU: elsewhere the tick interrupts it as well"
#define NO_HRES		"the tick cannot stop: no timer in high resolution mode"

#define NOHZ_FULL_CPUS	"/sys/devices/system/cpu/nohz_full"
#define ISOLATED_CPUS	"/sys/devices/system/cpu/isolated"
#define ONLINE_CPUS	"/sys/devices/system/cpu/online"

/* All calls return a value, or -errno. */
int isol_call(int option, unsigned long arg2, unsigned long arg3, unsigned long arg4,
	      unsigned long arg5);
int isol_get(unsigned long cmd);
int isol_set(unsigned long cmd, unsigned long value);
int isol_enable(unsigned long mask);
/* Configures and enables the actions @quiesce, or leaves isolation if it is 0. */
int isol_quiesce(unsigned long quiesce);
/* Claims the CPU for @classes. The caller is pinned to it. */
int isol_claim(unsigned long classes);
/* The name of the lowest class of a mask, "unknown" if it has none. */
const char *class_name(unsigned int classes);
#define NR_CLASSES	7
bool isol_present(void);
bool isol_supports(int quiesce);

/* The 32-bit prctl(), by way of int 0x80, where a 64-bit program has that. */
int compat_prctl(int option, unsigned long arg2, unsigned long arg3, unsigned long arg4,
		 unsigned long arg5);
bool have_compat(void);

int pin_to(int cpu);
/* Lowest CPU > 0 of a list in sysfs such as "1-3,5", -1 if there is none. */
int first_cpu_of(const char *path);
/* Whether @cpu is in the list, and in the nohz_full set. */
bool cpu_is_in(int cpu, const char *path);
bool cpu_is_nohz_full(int cpu);
/* Whether the timers of all CPUs let the tick stop, as far as the system tells. */
bool tick_can_stop(void);
/*
 * The CPU for the isolated thread: one that the system keeps free, else any
 * but CPU 0, else -1.
 */
int isolated_cpu(void);

/* A page fault, if it is the first access to the page. */
static inline void touch(char *page)
{
	__atomic_store_n(page, 1, __ATOMIC_RELAXED);
}

/* Of the time stamp counter, where there is one, else nanoseconds. */
#if defined(__x86_64__)
static inline uint64_t ticks(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc" : "=a" (low), "=d" (high) : : "memory");
	return (uint64_t)high << 32 | low;
}
#elif defined(__aarch64__)
/* The virtual counter. It counts ns on CPUs from Armv8.6 on. */
static inline uint64_t ticks(void)
{
	uint64_t count;

	asm volatile("isb; mrs %0, cntvct_el0" : "=r" (count) : : "memory");
	return count;
}
#else
static inline uint64_t ticks(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}
#endif

/* Of CLOCK_MONOTONIC, without a system call where the clock source allows that. */
uint64_t monotonic_ns(void);
#define NSEC_PER_MSEC	1000000ULL
#define NSEC_PER_SEC	1000000000ULL

void sleep_ms(unsigned int ms);
/*
 * Sleeps, but not deeply: the periodic update of vmstat is driven by deferrable timers,
 * which do not wake a CPU up from idle, and one of them is on any of the housekeeping CPUs.
 */
void doze_ms(int ms);
/* In user mode */
void spin_ms(unsigned int ms);

/* 0 or -errno */
int write_file(const char *path, const char *text);
/* At most @size - 1 bytes. Their number, or -errno. */
ssize_t read_file(const char *path, char *buf, size_t size);

/* A buffer that grows with what is read into it, and is kept for the next time. */
struct text {
	char	*buf;
	size_t	size;
};

/* All of a file, however long. The number of bytes, or -errno. */
ssize_t read_text(const char *path, struct text *text);

/* Zeroed memory that is shared with children, or NULL. */
void *alloc_shared(size_t size);

/* The calling process dies with its parent, however that dies. */
void die_with_parent(void);
/* Ends a child if there is one, and forgets it. */
void end_child(pid_t *pid);
/* Waits for a child. Its exit status, the negative signal that ended it, or -1. */
int exit_status(pid_t pid);

/* xorshift64. @state must not be 0. */
uint64_t next_random(uint64_t *state);
/* For qsort() of uint64_t */
int compare_u64(const void *a, const void *b);
/* Whether @name is among @names, which ends with NULL. An empty list has all. */
bool wanted(const char *name, char **names);

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

/* 0, or -1 if something of it could not be read */
int read_noise(int cpu, pid_t tid, struct noise *noise);
void noise_since(struct noise *now, const struct noise *then);
/* "LOC:3,CAL:1", or "-" if there were none. */
void noise_print_kinds(const struct noise *noise);
/* The same as a line of the log. */
void noise_log_kinds(const struct noise *noise);
/* Of @kind alone */
unsigned long noise_of_kind(const struct noise *noise, const char *kind);

#endif /* SELFTEST_ISOLATION_H */
