// SPDX-License-Identifier: GPL-2.0
/* A tracefs instance that tells what interrupts a CPU in user mode. */
#include "trace.h"

int trace_write(const struct trace *trace, const char *file, const char *text)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s", trace->dir, file);
	return write_file(path, text);
}

bool trace_possible(const char * const *events)
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

void trace_stop(struct trace *trace)
{
	if (!trace->dir[0])
		return;
	trace_write(trace, "events/enable", "0");
	rmdir(trace->dir);
	trace->dir[0] = '\0';
}

const char *trace_start(struct trace *trace, const char *name, const char * const *events)
{
	if (!trace_possible(events))
		return "no tracefs with events of interrupt vectors and context tracking";
	snprintf(trace->dir, sizeof(trace->dir), TRACING "/instances/%s", name);
	rmdir(trace->dir);
	if (mkdir(trace->dir, 0755)) {
		trace->dir[0] = '\0';
		return "no tracefs instances";
	}
	trace_on(trace, false);
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

int trace_filter(const struct trace *trace, const char *event, const char *field, pid_t pid)
{
	char file[96], text[64];

	snprintf(file, sizeof(file), "events/%s/filter", event);
	snprintf(text, sizeof(text), "%s == %d", field, pid);
	return trace_write(trace, file, text);
}

int trace_on(const struct trace *trace, bool on)
{
	return trace_write(trace, "tracing_on", on ? "1" : "0");
}

/* Opening it for truncation empties the buffer. */
void trace_clear(const struct trace *trace)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/trace", trace->dir);
	close(open(path, O_WRONLY | O_TRUNC));
}

bool trace_lost(const struct trace *trace, int cpu)
{
	char path[192], stats[1024], *p;

	snprintf(path, sizeof(path), "%s/per_cpu/cpu%d/stats", trace->dir, cpu);
	if (read_file(path, stats, sizeof(stats)) <= 0)
		return true;
	p = strstr(stats, "overrun: ");
	return !p || atol(p + strlen("overrun: "));
}

static bool any_lost(const struct trace *trace)
{
	char path[192];
	bool lost = false;

	for (int cpu = 0; !lost; cpu++) {
		snprintf(path, sizeof(path), "%s/per_cpu/cpu%d", trace->dir, cpu);
		/* They are numbered without gaps. */
		if (access(path, F_OK))
			return !cpu;
		lost = trace_lost(trace, cpu);
	}
	return lost;
}

int trace_text(const struct trace *trace, int cpu, struct text *text)
{
	char path[192];

	if (cpu < 0 ? any_lost(trace) : trace_lost(trace, cpu))
		return -1;
	if (cpu < 0)
		snprintf(path, sizeof(path), "%s/trace", trace->dir);
	else
		snprintf(path, sizeof(path), "%s/per_cpu/cpu%d/trace", trace->dir, cpu);
	return read_text(path, text) > 0 ? 0 : -1;
}

int trace_read(const struct trace *trace, int cpu, char *buf, size_t size)
{
	struct text text = { };
	int ret = trace_text(trace, cpu, &text);

	if (!ret && strlen(text.buf) < size)
		memcpy(buf, text.buf, strlen(text.buf) + 1);
	else
		ret = -1;
	free(text.buf);
	return ret;
}

int trace_count(const struct trace *trace, const char *what)
{
	static struct text text;
	int count = 0;

	if (trace_text(trace, -1, &text))
		return -1;
	for (char *p = text.buf; (p = strstr(p, what)); p++)
		count++;
	return count;
}

/* A line is "comm-pid [cpu] flags seconds: event: ..." */
double trace_time(const char *line)
{
	const char *p = strstr(line, ": ");

	while (p && p > line && strchr("0123456789.", p[-1]))
		p--;
	return p ? strtod(p, NULL) : 0;
}

bool trace_is_timer(const char *line)
{
	const char *p = strstr(line, " irq_handler_entry:");

	/* arch_timer, riscv-timer */
	return strstr(line, " local_timer_entry:") || (p && strstr(p, "timer"));
}
