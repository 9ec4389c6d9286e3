// SPDX-License-Identifier: GPL-2.0
/*
 * Counts the timer interrupts that hit user mode after different ways to have
 * the tick restarted. Runs on any kernel.
 */
#include "tick.h"

#include <getopt.h>

static const char usage[] =
"Usage: tick [-c CPU] [-n ROUNDS] [-w MS] [-q MASK] [-f] [WAY...]\n"
"  -c  CPU of the spinner (default: the first isolated one)\n"
"  -n  rounds of each way (default 20)\n"
"  -w  milliseconds of user mode that are watched (default 50)\n"
"  -q  quiesce actions of the spinner, \"all\" for all supported ones\n"
"  -f  the spinner is SCHED_FIFO\n"
"Prints: tick WAY actions=MASK policy=fair|fifo rounds=N hit=N tick=N timer=N\n"
"	other=N entries=N unnamed=N gave_up=N left=MASK named=REASONS\n"
"  hit      rounds in which a timer interrupted user mode\n"
"  tick     of these, the tick was said to go on\n"
"  unnamed  of these, with a timer interrupt that was not announced\n"
"  gave_up  of these, the thread had said that it gave up\n"
"  other    rounds in which another task ran instead of user mode\n"
"  timer, entries  timer interrupts and other entries from user mode\n";

int main(int argc, char **argv)
{
	struct tick_run run = { .cpu = isolated_cpu(), .rounds = 20, .window_ms = 50 };
	int opt, ret = 0;

	while ((opt = getopt(argc, argv, "c:n:w:q:fh")) != -1) {
		switch (opt) {
		case 'c':
			run.cpu = atoi(optarg);
			break;
		case 'n':
			run.rounds = atoi(optarg);
			break;
		case 'w':
			run.window_ms = atoi(optarg);
			break;
		case 'q':
			run.quiesce = strcmp(optarg, "all") ? strtol(optarg, NULL, 0) :
							      isol_get(PR_ISOL_SUP_QUIESCE_CFG);
			break;
		case 'f':
			run.fifo = true;
			break;
		default:
			fputs(usage, opt == 'h' ? stdout : stderr);
			return opt == 'h' ? 0 : 2;
		}
	}
	if (run.cpu <= 0) {
		fprintf(stderr, "tick: " NO_CPU "\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	pin_to(0);
	for (size_t i = 0; i < tick_nr_ways; i++) {
		const struct tick_way *way = &tick_ways[i];
		struct tick_result result;
		const char *error;

		if (!wanted(way->name, argv + optind) || (run.fifo && way->not_fifo) ||
		    (way->possible && !way->possible()))
			continue;
		error = tick_measure(&run, way, &result);
		printf("tick %s actions=%#lx policy=%s rounds=%d hit=%d tick=%d timer=%d ",
		       way->name, run.quiesce, run.fifo ? "fifo" : "fair", result.rounds,
		       result.hit, result.tick, result.timer);
		printf("other=%d entries=%d unnamed=%d gave_up=%d left=%#x named=%s\n",
		       result.other, result.entries, result.unnamed, result.gave_up,
		       result.left, *result.named ? result.named : "-");
		if (error) {
			fprintf(stderr, "tick: %s: round %d: %s\n",
				way->name, result.rounds, error);
			ret = 1;
		}
	}
	return ret;
}
