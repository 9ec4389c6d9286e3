// SPDX-License-Identifier: GPL-2.0
/* Print the frequency of the time stamp counter in kHz, measured for 0.2 s. */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

int main(void)
{
	const struct timespec span = { .tv_nsec = 200000000 };
	struct timespec from, to;
	unsigned long long start, end;

	clock_gettime(CLOCK_MONOTONIC_RAW, &from);
	start = __rdtsc();
	nanosleep(&span, NULL);
	clock_gettime(CLOCK_MONOTONIC_RAW, &to);
	end = __rdtsc();

	printf("%.0f\n", (end - start) * 1e6 /
	       ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)));
	return 0;
}
