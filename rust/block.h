/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_ISOLATION_BLOCK_H
#define _KERNEL_ISOLATION_BLOCK_H

#include <linux/atomic.h>
#include <linux/percpu-defs.h>
#include <linux/task_isolation_block.h>

/**
 * struct task_isol_cpu - A CPU that can be claimed
 * @gates:	For operations that interrupt this CPU only
 * @classes:	The claimed ISOL_BLOCK_* classes, written by the owner
 * @owner:	The claimant, or NULL
 * @refused:	Operations that failed because of the claim
 * @passed:	Operations that would have failed, but for policy
 */
struct task_isol_cpu {
	struct task_isol_gate		gates[TASK_ISOL_NR_CLASSES];
	u32				classes;
	struct task_struct __rcu	*owner;
	atomic_t			refused;
	atomic_t			passed;
};

DECLARE_PER_CPU(struct task_isol_cpu, task_isol_cpu);

bool task_isol_in_force(const struct task_struct *p, int cpu);

#endif /* _KERNEL_ISOLATION_BLOCK_H */
