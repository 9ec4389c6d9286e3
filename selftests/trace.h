/* SPDX-License-Identifier: GPL-2.0 */
/* A tracefs instance that tells what interrupts a CPU in user mode. */
#ifndef SELFTEST_ISOLATION_TRACE_H
#define SELFTEST_ISOLATION_TRACE_H

#include "isolation.h"

#include <sys/mount.h>
#include <sys/stat.h>

#define TRACING		"/sys/kernel/tracing"

struct trace {
	char	dir[96];
};

/*
 * The events of interrupts and of faults in user mode. Where faults have none, they are
 * what is neither a system call nor an interrupt.
 */
#ifdef __x86_64__
#define TRACE_IRQS	"irq_vectors"
#else
#define TRACE_IRQS	"irq/irq_handler_entry"
#endif
#if defined(__x86_64__) || defined(__riscv)
#define TRACE_FAULTS	"exceptions/page_fault_user"
#endif

/* Whether there are instances, and all of @events, which ends with NULL. */
bool trace_possible(const char * const *events);
/*
 * Makes instance @name with @events, which is not switched on yet. Returns what
 * failed if something did, else NULL.
 */
const char *trace_start(struct trace *trace, const char *name, const char * const *events);
void trace_stop(struct trace *trace);

/* Writes to a file of the instance. 0 or -errno. */
int trace_write(const struct trace *trace, const char *file, const char *text);
/* Only events of @pid, which stands in @field of @event, a system or one event. */
int trace_filter(const struct trace *trace, const char *event, const char *field, pid_t pid);
int trace_on(const struct trace *trace, bool on);
void trace_clear(const struct trace *trace);

/* Whether the buffer of @cpu was too small for all events since it was cleared. */
bool trace_lost(const struct trace *trace, int cpu);
/* All events of @cpu, or of all CPUs if it is -1. -1 if some are lost: a part is no silence. */
int trace_text(const struct trace *trace, int cpu, struct text *text);
/* The same, if @size bytes are more than enough for it. */
int trace_read(const struct trace *trace, int cpu, char *buf, size_t size);
/* How often @what is in the trace of all CPUs, or -1. */
int trace_count(const struct trace *trace, const char *what);

/* Whether a line is the interrupt of the local timer. */
bool trace_is_timer(const char *line);
/* The time of an event in seconds, from its line in the trace. */
double trace_time(const char *line);

#endif /* SELFTEST_ISOLATION_TRACE_H */
