// SPDX-License-Identifier: GPL-2.0
/*
 * Reports the isolation state it finds after execve() as its exit status:
 * features in bits 0-2, configuration in bits 3-5, 64 if a call failed.
 */
#include "isolation.h"

int main(void)
{
	int features = isol_get(ISOL_FEATURES);
	int quiesce = isol_get(PR_ISOL_QUIESCE_CFG);

	if (features < 0 || quiesce < 0)
		return 64;
	return (features & 7) | (quiesce & 7) << 3;
}
