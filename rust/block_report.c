// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tells which operations met a claim, and who claims: a tracepoint, the kernel log,
 * and a list in debugfs.
 */
#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/log2.h>
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/task_isolation_block.h>
#include <trace/events/task_isolation.h>

#include "block.h"

static const char * const task_isol_class_names[TASK_ISOL_NR_CLASSES] = {
	[0] = "CPU hotplug",
	[1] = "stop_machine",
	[2] = "CPU access",
	[3] = "cpuset change",
	[4] = "module load or unload",
	[5] = "tracing change",
	[6] = "write of a knob",
};

static const char *task_isol_class_name(u32 class)
{
	return task_isol_class_names[ilog2(class)] ?: "unknown";
}

/**
 * task_isol_report - Tell that an operation of current met a claim
 * @class:	ISOL_BLOCK_* class, one bit
 * @cpu:	The claimed CPU
 * @refused:	Whether it fails, or goes on because policy or its caller says so
 *
 * Context: Task context. Takes no sleeping lock.
 */
void task_isol_report(u32 class, int cpu, bool refused)
{
	static DEFINE_RATELIMIT_STATE(rs, DEFAULT_RATELIMIT_INTERVAL, DEFAULT_RATELIMIT_BURST);
	struct task_isol_cpu *ic = per_cpu_ptr(&task_isol_cpu, cpu);
	struct task_struct *owner;

	guard(rcu)();
	owner = rcu_dereference(ic->owner);
	/* The claim may have ended meanwhile. */
	atomic_inc(refused ? &ic->refused : &ic->passed);
	trace_task_isol_block(class, cpu, refused, owner);
	if (!refused || !owner || !__ratelimit(&rs))
		return;
	pr_notice("task_isolation: %s[%d]: %s refused, CPU %d is claimed by %s[%d]\n",
		  current->comm, task_pid_nr(current), task_isol_class_name(class), cpu,
		  owner->comm, task_pid_nr(owner));
}

#ifdef CONFIG_DEBUG_FS
static int task_isol_claims_show(struct seq_file *m, void *unused)
{
	int cpu;

	seq_puts(m, "cpu pid comm classes refused passed in_force\n");
	for_each_possible_cpu(cpu) {
		struct task_isol_cpu *ic = per_cpu_ptr(&task_isol_cpu, cpu);
		struct task_struct *owner;

		guard(rcu)();
		owner = rcu_dereference(ic->owner);
		if (!owner)
			continue;
		seq_printf(m, "%d %d ", cpu, task_pid_nr(owner));
		/* A name cannot look like a line of the list. */
		seq_escape(m, owner->comm, "\n\\");
		seq_printf(m, " %#x %d %d %d\n", READ_ONCE(ic->classes),
			   atomic_read(&ic->refused), atomic_read(&ic->passed),
			   task_isol_in_force(owner, cpu));
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(task_isol_claims);

static int __init task_isol_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("task_isolation", NULL);

	debugfs_create_file("claims", 0400, dir, NULL, &task_isol_claims_fops);
	return 0;
}
late_initcall(task_isol_debugfs_init);
#endif /* CONFIG_DEBUG_FS */
