// SPDX-License-Identifier: GPL-2.0
/*
 * Reports the isolation state it finds after execve() as its exit status:
 * features in bits 0-2, configuration in bits 3-5, 64 if a call failed.
 * With "hold" also on standard output, and it lives until standard input ends.
 */
#include "isolation.h"

int main(int argc, char **argv)
{
	int features = isol_get(ISOL_FEATURES);
	int quiesce = isol_get(PR_ISOL_QUIESCE_CFG);
	int state = 64;
	char c;

	if (features >= 0 && quiesce >= 0)
		state = (features & 7) | (quiesce & 7) << 3;
	if (argc > 1 && !strcmp(argv[1], "hold") &&
	    (write(STDOUT_FILENO, &state, sizeof(state)) != sizeof(state) ||
	     read(STDIN_FILENO, &c, 1) < 0))
		return 64;
	return state;
}
