/* SPDX-License-Identifier: GPL-2.0 */
/* Looks for events in what trace_text() has read. */
#ifndef SELFTEST_ISOLATION_EVENTS_H
#define SELFTEST_ISOLATION_EVENTS_H

#include "trace.h"

/*
 * Counts the events @event whose text has @text, and which thread @tid caused if it
 * is not 0. A line is "comm-tid [cpu] flags seconds: event: text".
 */
static inline int events_count(const char *events, const char *event, pid_t tid,
			       const char *text)
{
	char name[64], thread[24];
	int n = 0;
	const char *line, *end;

	snprintf(name, sizeof(name), ": %s: ", event);
	snprintf(thread, sizeof(thread), "-%d ", tid);
	for (line = events; *line; line = *end ? end + 1 : end) {
		const char *at = strstr(line, name), *cpu = strchr(line, '[');

		end = strchrnul(line, '\n');
		if (*line == '#' || !at || at > end || !cpu || cpu > at)
			continue;
		if (tid && !memmem(line, cpu - line, thread, strlen(thread)))
			continue;
		at += strlen(name);
		if (memmem(at, end - at, text, strlen(text)))
			n++;
	}
	return n;
}

#endif /* SELFTEST_ISOLATION_EVENTS_H */
