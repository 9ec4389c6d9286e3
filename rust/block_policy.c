// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the administrator lets threads claim: kernel.task_isolation_block, and
 * kernel.task_isolation_block_audit to find out what that would break.
 */
#include <linux/init.h>
#include <linux/kstrtox.h>
#include <linux/printk.h>
#include <linux/sysctl.h>
#include <linux/task_isolation_block.h>

#include "block.h"

static u32 task_isol_refuse;
static u32 task_isol_audit;

/* Read anew for each decision: a change takes effect at once, for claims too. */
void task_isol_block_policy(u32 *refuse, u32 *audit)
{
	*refuse = READ_ONCE(task_isol_refuse);
	*audit = READ_ONCE(task_isol_audit);
}

#ifdef CONFIG_SYSCTL
static int task_isol_policy_handler(const struct ctl_table *table, int write, void *buffer,
				    size_t *lenp, loff_t *ppos)
{
	u32 *policy = table->data;
	unsigned int new = READ_ONCE(*policy);
	struct ctl_table tmp = *table;
	int ret;

	tmp.data = &new;
	ret = proc_douintvec(&tmp, write, buffer, lenp, ppos);
	if (ret || !write)
		return ret;
	if (new & ~TASK_ISOL_BLOCK_CLASSES)
		return -EINVAL;
	WRITE_ONCE(*policy, new);
	/* A claimant does not wait for operations that are not refused. */
	task_isol_wake();
	return 0;
}

static const struct ctl_table task_isol_sysctls[] = {
	{
		.procname	= "task_isolation_block",
		.data		= &task_isol_refuse,
		.maxlen		= sizeof(task_isol_refuse),
		.mode		= 0644,
		.proc_handler	= task_isol_policy_handler,
	},
	{
		.procname	= "task_isolation_block_audit",
		.data		= &task_isol_audit,
		.maxlen		= sizeof(task_isol_audit),
		.mode		= 0644,
		.proc_handler	= task_isol_policy_handler,
	},
};

static int __init task_isol_sysctl_init(void)
{
	register_sysctl_init("kernel", task_isol_sysctls);
	return 0;
}
late_initcall(task_isol_sysctl_init);
#endif /* CONFIG_SYSCTL */

static int __init task_isol_block_setup(char *str)
{
	u32 mask;

	if (kstrtou32(str, 0, &mask) || mask & ~TASK_ISOL_BLOCK_CLASSES) {
		pr_warn("task_isolation_block=%s: not a mask of known classes\n", str);
		return 1;
	}
	task_isol_refuse = mask;
	return 1;
}
__setup("task_isolation_block=", task_isol_block_setup);
