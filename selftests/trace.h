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

static inline int trace_write(const struct trace *trace, const char *file, const char *text)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s", trace->dir, file);
	return write_file(path, text);
}

/* Whether there are instances, and all of @events, which ends with NULL. */
static inline bool trace_possible(const char * const *events)
{
	char path[192];

	mount("tracefs", TRACING, "tracefs", 0, NULL);
	for (; *events; events++) {
		snprintf(path, sizeof(path), TRACING "/events/%s", *events);
		if (access(path, F_OK))
			return false;
	}
	return !access(TRACING "/instances", F_OK);
}

static inline void trace_stop(struct trace *trace)
{
	if (!trace->dir[0])
		return;
	trace_write(trace, "events/enable", "0");
	rmdir(trace->dir);
	trace->dir[0] = '\0';
}

/*
 * Makes instance @name with @events, which is not switched on yet. Returns what
 * failed if something did, else NULL.
 */
static inline const char *trace_start(struct trace *trace, const char *name,
				      const char * const *events)
{
	if (!trace_possible(events))
		return "no tracefs with events of interrupt vectors and context tracking";
	snprintf(trace->dir, sizeof(trace->dir), TRACING "/instances/%s", name);
	rmdir(trace->dir);
	if (mkdir(trace->dir, 0755)) {
		trace->dir[0] = '\0';
		return "no tracefs instances";
	}
	trace_write(trace, "tracing_on", "0");
	/* As in the tracepoints of task isolation. */
	if (trace_write(trace, "trace_clock", "mono"))
		return "trace_clock";
	trace_write(trace, "buffer_size_kb", "2048");
	for (; *events; events++) {
		char file[96];

		snprintf(file, sizeof(file), "events/%s/enable", *events);
		if (trace_write(trace, file, "1"))
			return *events;
	}
	return NULL;
}

static inline void trace_clear(const struct trace *trace)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/trace", trace->dir);
	close(open(path, O_WRONLY | O_TRUNC));
}

/* Whether the buffer of @cpu was too small for all events since it was cleared. */
static inline bool trace_lost(const struct trace *trace, int cpu)
{
	char path[192], stats[1024], *p;

	snprintf(path, sizeof(path), "%s/per_cpu/cpu%d/stats", trace->dir, cpu);
	if (read_file(path, stats, sizeof(stats)) <= 0)
		return true;
	p = strstr(stats, "overrun: ");
	return !p || atol(p + strlen("overrun: "));
}

/* Reads the trace of @cpu, all of it, or fails: a part would look like silence. */
static inline int trace_read(const struct trace *trace, int cpu, char *buf, size_t size)
{
	char path[192];
	ssize_t len;

	if (trace_lost(trace, cpu))
		return -1;
	snprintf(path, sizeof(path), "%s/per_cpu/cpu%d/trace", trace->dir, cpu);
	len = read_file(path, buf, size);
	return len <= 0 || len == (ssize_t)size - 1 ? -1 : 0;
}

/* In seconds. A line is "comm-pid [cpu] flags seconds: event: ..." */
static inline double trace_time(const char *line)
{
	const char *p = strstr(line, ": ");

	while (p && p > line && strchr("0123456789.", p[-1]))
		p--;
	return p ? strtod(p, NULL) : 0;
}

#endif /* SELFTEST_ISOLATION_TRACE_H */
