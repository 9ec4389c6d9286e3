// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a program on an isolated CPU, with isolation enabled: that survives
 * execve(). For programs that do not know of it, as the tests of other subsystems.
 */
#include "isolation.h"

#include <getopt.h>

static const char usage[] =
"Usage: isolate [-c CPU] [-q MASK] [-b CLASSES] COMMAND...\n"
"       isolate --claims\n"
"  -c  CPU (default: the first isolated one)\n"
"  -q  quiesce actions, \"all\" for all supported ones (default)\n"
"  -b  claim the CPU: a mask, a list of class names, or \"all\" for what\n"
"      kernel.task_isolation_block allows (default: no claim)\n"
"  --claims  show which CPUs are claimed, by whom, and what was refused\n";

static const char * const class_names[] = {
	"hotplug", "stop_machine", "cpu_access", "cpuset", "module", "trace", "knob",
};

#define NR_CLASSES ((int)(sizeof(class_names) / sizeof(*class_names)))

/* A mask from "0x3", "hotplug,knob" or "all", or -1. */
static int parse_classes(char *arg)
{
	int mask = 0, i;
	char *name, *rest;

	if (!strcmp(arg, "all"))
		return isol_get(PR_ISOL_SUP_BLOCK_CFG);
	mask = strtoul(arg, &rest, 0);
	if (rest != arg)
		return *rest ? -1 : mask;
	for (name = strtok(arg, ","); name; name = strtok(NULL, ",")) {
		for (i = 0; i < NR_CLASSES && strcmp(name, class_names[i]); i++)
			;
		if (i == NR_CLASSES)
			return -1;
		mask |= 1 << i;
	}
	return mask;
}

static int show_claims(void)
{
	char buf[1 << 16], *line, *save;

	if (read_file("/sys/kernel/debug/task_isolation/claims", buf, sizeof(buf)) <= 0) {
		fprintf(stderr, "isolate: no list of claims: %s\n",
			geteuid() ? NO_ROOT : "is debugfs mounted?");
		return 1;
	}
	for (line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		int cpu, pid, refused, passed, in_force;
		const char *comma = "";
		unsigned int classes;
		char comm[32];

		if (sscanf(line, "%d %d %31s %x %d %d %d", &cpu, &pid, comm, &classes, &refused,
			   &passed, &in_force) != 7)
			continue;
		printf("CPU %d: %s[%d] ", cpu, comm, pid);
		for (int i = 0; i < NR_CLASSES; i++) {
			if (!(classes & 1 << i))
				continue;
			printf("%s%s", comma, class_names[i]);
			comma = ",";
		}
		printf(" refused=%d passed=%d%s\n", refused, passed,
		       in_force ? "" : " (not in force: moved to another CPU)");
	}
	return 0;
}

/* What is the matter with a claim that is refused. */
static const char *no_claim(int error)
{
	switch (error) {
	case -EPERM:
		return "needs CAP_SYS_NICE, and classes in kernel.task_isolation_block";
	case -EBUSY:
		return "another thread claims the CPU, see isolate --claims";
	case -EINVAL:
		return "no class, or one that kernel.task_isolation_block does not have";
	default:
		return strerror(-error);
	}
}

int main(int argc, char **argv)
{
	int cpu = isolated_cpu(), quiesce = isol_get(PR_ISOL_SUP_QUIESCE_CFG);
	static const struct option options[] = { { "claims", 0, NULL, 'C' }, { } };
	bool claim = false;
	int classes = 0;
	int opt, ret;

	/* What follows the command are its options. */
	while ((opt = getopt_long(argc, argv, "+c:q:b:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			cpu = atoi(optarg);
			break;
		case 'q':
			if (strcmp(optarg, "all"))
				quiesce = strtoul(optarg, NULL, 0);
			break;
		case 'b':
			claim = true;
			classes = parse_classes(optarg);
			if (classes < 0) {
				fputs(usage, stderr);
				return 2;
			}
			break;
		case 'C':
			return show_claims();
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
	if (claim) {
		/* The claim stays when the actions are enabled with it. */
		ret = isol_claim(classes);
		if (!ret)
			ret = isol_set(PR_ISOL_QUIESCE_CFG, quiesce);
		if (!ret && quiesce)
			ret = isol_enable(ISOL_F_BLOCK_INTERRUPTORS | ISOL_F_QUIESCE_ON_URET);
		if (ret) {
			fprintf(stderr, "isolate: CPU %d: %s\n", cpu, no_claim(ret));
			return 1;
		}
	} else if (isol_quiesce(quiesce)) {
		fprintf(stderr, "isolate: prctl: %s\n", strerror(errno));
		return 1;
	}
	execvp(argv[optind], argv + optind);
	fprintf(stderr, "isolate: %s: %s\n", argv[optind], strerror(errno));
	return 127;
}
