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
		for (i = 0; i < NR_CLASSES && strcmp(name, class_name(1 << i)); i++)
			;
		if (i == NR_CLASSES)
			return -1;
		mask |= 1 << i;
	}
	return mask;
}

#define DEBUGFS		"/sys/kernel/debug"
#define CLAIMS		DEBUGFS "/task_isolation/claims"

/* Why there is no list, and what helps. */
static const char *no_list(int error)
{
	if (isol_get(ISOL_SUP_FEATURES) < 0)
		return NO_ISOLATION;
	if (!(isol_get(ISOL_SUP_FEATURES) & ISOL_F_BLOCK_INTERRUPTORS))
		return "the kernel has no claims, see CONFIG_TASK_ISOLATION_BLOCK";
	if (error == -EACCES || error == -EPERM)
		return NO_ROOT;
	return "try: mount -t debugfs none " DEBUGFS ", which needs CONFIG_DEBUG_FS";
}

/*
 * "cpu pid comm classes refused passed in_force". The name of a thread can have blanks
 * in it.
 */
static bool show_claim(char *line)
{
	int cpu, pid, name = 0, refused, passed, in_force;
	const char *comma = "";
	unsigned int classes;
	char *end = line + strlen(line);

	if (sscanf(line, "%d %d %n", &cpu, &pid, &name) != 2 || !name)
		return false;
	for (int i = 0; i < 4; i++) {
		do {
			if (end <= line + name)
				return false;
		} while (*--end != ' ');
	}
	if (sscanf(end, "%x %d %d %d", &classes, &refused, &passed, &in_force) != 4)
		return false;
	printf("CPU %d: %.*s[%d] ", cpu, (int)(end - line - name), line + name, pid);
	for (int i = 0; i < NR_CLASSES; i++) {
		if (!(classes & 1 << i))
			continue;
		printf("%s%s", comma, class_name(1 << i));
		comma = ",";
	}
	printf(" refused=%d passed=%d%s\n", refused, passed,
	       in_force ? "" : " (not in force: the thread may run elsewhere)");
	return true;
}

static int show_claims(void)
{
	static struct text text;
	ssize_t ret = read_text(CLAIMS, &text);
	char *line, *save;
	int nr = 0;

	if (ret <= 0) {
		fprintf(stderr, "isolate: no list of claims: %s\n", no_list(ret));
		return 1;
	}
	for (line = strtok_r(text.buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		nr += show_claim(line);
	if (!nr)
		printf("no CPU is claimed\n");
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
