// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a program on an isolated CPU, with isolation enabled: that survives
 * execve(). For programs that do not know of it, as the tests of other subsystems.
 */
#include "isolation.h"

#include <getopt.h>

static const char usage[] =
"Usage: isolate [-c CPU] [-q MASK] COMMAND...\n"
"  -c  CPU (default: the first isolated one)\n"
"  -q  quiesce actions, \"all\" for all supported ones (default)\n";

int main(int argc, char **argv)
{
	int cpu = isolated_cpu(), quiesce = isol_get(PR_ISOL_SUP_QUIESCE_CFG);
	int opt;

	/* What follows the command are its options. */
	while ((opt = getopt(argc, argv, "+c:q:h")) != -1) {
		switch (opt) {
		case 'c':
			cpu = atoi(optarg);
			break;
		case 'q':
			if (strcmp(optarg, "all"))
				quiesce = strtoul(optarg, NULL, 0);
			break;
		default:
			fputs(usage, opt == 'h' ? stdout : stderr);
			return opt == 'h' ? 0 : 2;
		}
	}
	if (optind >= argc) {
		fputs(usage, stderr);
		return 2;
	}
	if (cpu < 0 || pin_to(cpu)) {
		fprintf(stderr, "isolate: CPU %d: %s\n", cpu, cpu < 0 ? NO_CPU : strerror(errno));
		return 1;
	}
	if (isol_quiesce(quiesce)) {
		fprintf(stderr, "isolate: prctl: %s\n", strerror(errno));
		return 1;
	}
	execvp(argv[optind], argv + optind);
	fprintf(stderr, "isolate: %s: %s\n", argv[optind], strerror(errno));
	return 127;
}
