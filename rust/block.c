// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claims of CPUs: the words that CPUs share, who owns a CPU, and how a claimant waits.
 * The protocol is in policy/claim.rs, the decisions are in policy/block.rs.
 */
#include <linux/cpumask.h>
#include <linux/export.h>
#include <linux/freezer.h>
#include <linux/log2.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/task_isolation_block.h>
#include <linux/wait.h>

#include "block.h"

/* For operations that interrupt all CPUs. */
static struct task_isol_gate task_isol_gates[TASK_ISOL_NR_CLASSES];

DEFINE_PER_CPU(struct task_isol_cpu, task_isol_cpu);

/* Claimants wait here until the operations that were under way have ended. */
static DECLARE_WAIT_QUEUE_HEAD(task_isol_waiters);

/**
 * task_isol_gate - Find the gate of an operation
 * @class:	ISOL_BLOCK_* class, one bit
 * @cpu:	A possible CPU, or TASK_ISOL_ALL_CPUS
 *
 * Context: Any.
 * Return: The gate, which lives forever.
 */
struct task_isol_gate *task_isol_gate(u32 class, int cpu)
{
	unsigned int i = ilog2(class);

	if (cpu == TASK_ISOL_ALL_CPUS)
		return &task_isol_gates[i];
	return &per_cpu(task_isol_cpu, cpu).gates[i];
}

/* Whether @p, which owns @cpu, can be interrupted there and nowhere else. */
bool task_isol_in_force(const struct task_struct *p, int cpu)
{
	/*
	 * Not cpus_ptr, which also changes in migrate_disable(). The mask may be
	 * changing: either answer was right a moment ago.
	 */
	return cpu_online(cpu) && cpumask_equal(&p->cpus_mask, cpumask_of(cpu));
}

/**
 * task_isol_next_claim - Find a claim on a class
 * @cpu:	Where to begin
 * @class:	ISOL_BLOCK_* class, one bit
 * @claim:	Filled in; without classes if there is none
 *
 * For an operation that saw a claim be counted, by a load with ACQUIRE ordering.
 *
 * Context: Task context. Takes no lock.
 * Return: The CPU of the claim, or nr_cpu_ids or more if there is none.
 */
int task_isol_next_claim(int cpu, u32 class, struct task_isol_claim *claim)
{
	for (; cpu < nr_cpu_ids; cpu = cpumask_next(cpu, cpu_online_mask)) {
		struct task_isol_cpu *ic = per_cpu_ptr(&task_isol_cpu, cpu);
		struct task_struct *owner;

		if (!cpu_possible(cpu))
			continue;
		claim->classes = READ_ONCE(ic->classes);
		if (!(claim->classes & class))
			continue;
		guard(rcu)();
		owner = rcu_dereference(ic->owner);
		claim->own = owner == current;
		claim->in_force = owner && task_isol_in_force(owner, cpu);
		return cpu;
	}
	claim->classes = 0;
	return cpu;
}

/* Lets claimants look whether operations have ended, or policy has changed. */
void task_isol_wake(void)
{
	wake_up_all(&task_isol_waiters);
}

/* The CPU that current is pinned to, or -1. */
int task_isol_pinned_to(void)
{
	int cpu;

	guard(raw_spinlock_irqsave)(&current->pi_lock);
	cpu = cpumask_first(&current->cpus_mask);
	return task_isol_in_force(current, cpu) ? cpu : -1;
}

/**
 * task_isol_own - Become the owner of a CPU
 * @cpu:	What task_isol_pinned_to() returned
 * @classes:	ISOL_BLOCK_* classes
 *
 * Publishes the claim, which has to be counted then. From here on
 * sched_setaffinity() on current fails.
 *
 * Context: Task context with interrupts on.
 * Return: 0; -EINVAL if current is not pinned to @cpu any more; -EBUSY if another
 *	   thread owns it.
 */
int task_isol_own(int cpu, u32 classes)
{
	struct task_isol_cpu *ic = per_cpu_ptr(&task_isol_cpu, cpu);

	/* Against task_isol_claimed_by(). */
	guard(raw_spinlock_irqsave)(&current->pi_lock);
	if (!task_isol_in_force(current, cpu))
		return -EINVAL;
	if (cmpxchg((struct task_struct **)&ic->owner, NULL, current))
		return -EBUSY;
	atomic_set(&ic->refused, 0);
	atomic_set(&ic->passed, 0);
	WRITE_ONCE(ic->classes, classes);
	return 0;
}

/**
 * task_isol_disown - Stop being the owner of a CPU
 * @cpu:	The CPU, which current owns
 *
 * Context: Task context. RCU readers may go on to use the owner, which is freed
 *	    after a grace period that begins when it has exited.
 */
void task_isol_disown(int cpu)
{
	struct task_isol_cpu *ic = per_cpu_ptr(&task_isol_cpu, cpu);

	WRITE_ONCE(ic->classes, 0);
	/* The next owner stores its classes after it saw NULL. */
	smp_store_release((struct task_struct **)&ic->owner, NULL);
}

/* Whether the claim of current on @cpu is in force. */
bool task_isol_holds(int cpu)
{
	return task_isol_in_force(current, cpu);
}

/**
 * task_isol_wait - Wait until operations under way have ended
 * @classes:	ISOL_BLOCK_* classes that current has claimed
 * @cpu:	The CPU that it has claimed
 *
 * Holds nothing, so that the operations get what they need. That may include
 * current, frozen or moved to another CPU.
 *
 * Context: Task context, sleeps.
 * Return: 0, or -ERESTARTNOHAND if it was interrupted: EINTR if a signal handler
 *	   runs. Task work, the freezer and a tracer are no reason to fail.
 */
int task_isol_wait(u32 classes, int cpu)
{
	if (wait_event_freezable(task_isol_waiters, task_isol_drained(classes, cpu)))
		return -ERESTARTNOHAND;
	return 0;
}

/**
 * task_isol_claimed_by - Whether a thread owns the CPU that it is pinned to
 * @p:		The thread
 *
 * For sched_setaffinity(). A thread that was moved by force does not, and can be
 * pinned again.
 *
 * Context: @p->pi_lock is held, against task_isol_own().
 * Return: True if @p owns the CPU and may run on no other.
 */
bool task_isol_claimed_by(struct task_struct *p)
{
	unsigned int cpu = cpumask_first(&p->cpus_mask);

	lockdep_assert_held(&p->pi_lock);
	return cpu < nr_cpu_ids && task_isol_in_force(p, cpu) &&
	       rcu_access_pointer(per_cpu(task_isol_cpu, cpu).owner) == p;
}

/**
 * task_isol_pinned_cpu - Find the CPU that a thread could have claimed
 * @p:		The thread, which may run
 *
 * For operations on a thread that interrupt the CPU on which it runs.
 *
 * Context: Task context. Takes no lock: the answer may be outdated.
 * Return: The CPU, or nr_cpu_ids, which no operation concerns, if @p may run
 *	   on several.
 */
int task_isol_pinned_cpu(const struct task_struct *p)
{
	int cpu = cpumask_first(&p->cpus_mask);

	return cpu < nr_cpu_ids && task_isol_in_force(p, cpu) ? cpu : nr_cpu_ids;
}

/**
 * task_isol_op_begin - Begin an operation that interrupts a CPU
 * @class:	ISOL_BLOCK_* class, one bit, or 0 if it interrupts no other CPU
 * @cpu:	A possible CPU, or TASK_ISOL_ALL_CPUS
 *
 * See CLASS(task_isol_op, ...).
 *
 * Context: Task context. Takes no lock and does not sleep.
 * Return: What task_isol_op_end() takes.
 */
struct task_isol_op task_isol_op_begin(u32 class, int cpu)
{
	if (!class || (cpu != TASK_ISOL_ALL_CPUS &&
		       ((unsigned int)cpu >= nr_cpu_ids || !cpu_possible(cpu))))
		return (struct task_isol_op){ };

	return (struct task_isol_op){
		.class	= class,
		.cpu	= cpu,
		.err	= task_isol_begin(class, cpu),
	};
}
EXPORT_SYMBOL_GPL(task_isol_op_begin);

/**
 * task_isol_op_end - End an operation that interrupts a CPU
 * @op:		From task_isol_op_begin(). Does nothing if it was refused.
 *
 * Context: Task context. Takes no lock unless a claimant waits.
 */
void task_isol_op_end(const struct task_isol_op *op)
{
	if (op->class && !op->err)
		task_isol_end(op->class, op->cpu);
}
EXPORT_SYMBOL_GPL(task_isol_op_end);

static void task_isol_ops_undo(u32 class, const struct cpumask *cpus, int end)
{
	int cpu;

	for_each_cpu(cpu, cpus) {
		if (cpu == end)
			break;
		task_isol_end(class, cpu);
	}
}

/**
 * task_isol_ops_begin - Begin an operation that interrupts some CPUs
 * @class:	ISOL_BLOCK_* class, one bit, or 0 if it interrupts no other CPU
 * @cpus:	Possible CPUs, which must not change before the end
 *
 * See CLASS(task_isol_ops, ...).
 *
 * Context: Task context. Takes no lock and does not sleep.
 * Return: What task_isol_ops_end() takes.
 */
struct task_isol_ops task_isol_ops_begin(u32 class, const struct cpumask *cpus)
{
	struct task_isol_ops ops = { .class = class, .cpus = cpus };
	int cpu;

	if (!class)
		return ops;

	for_each_cpu(cpu, cpus) {
		ops.err = task_isol_begin(class, cpu);
		if (ops.err) {
			task_isol_ops_undo(class, cpus, cpu);
			break;
		}
	}
	return ops;
}

/**
 * task_isol_ops_end - End an operation that interrupts some CPUs
 * @ops:	From task_isol_ops_begin(). Does nothing if it was refused.
 *
 * Context: Task context. Takes no lock unless a claimant waits.
 */
void task_isol_ops_end(const struct task_isol_ops *ops)
{
	if (ops->class && !ops->err)
		task_isol_ops_undo(ops->class, ops->cpus, -1);
}
