// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an isolated thread has to run with interrupts enabled before its return to
 * user mode is quiet. The decision is in policy/quiesce.rs.
 */
#include <linux/bottom_half.h>
#include <linux/irq_work.h>
#include <linux/irqflags.h>
#include <linux/lockdep.h>
#include <linux/lru_batches.h>
#include <linux/sched.h>
#include <linux/task_isolation.h>

/**
 * task_isol_run - Run what keeps the CPU of an isolated thread busy
 * @work:	TASK_ISOL_WORK_*, as task_isol_quiesce() asked for
 *
 * Context: Task context with interrupts off, on the way to user mode, where the
 *	    thread may schedule. Enables interrupts and disables them again. The
 *	    thread may be on another CPU then.
 */
void task_isol_run(unsigned int work)
{
	lockdep_assert_irqs_disabled();

	/*
	 * Lazy irq_work waits for the tick, and keeps it. Other irq_work may be
	 * run as well, and its interrupt then finds nothing.
	 */
	if (work & TASK_ISOL_WORK_IRQ_WORK)
		irq_work_run();

	local_irq_enable();

	/*
	 * A timer interrupt that became pending meanwhile is taken here, not in
	 * user mode. Enabling interrupts takes effect one instruction later.
	 */
	if (work & TASK_ISOL_WORK_IRQ)
		cpu_relax();

	/* Instead of leaving it to ksoftirqd. */
	if (work & TASK_ISOL_WORK_SOFTIRQ) {
		local_bh_disable();
		local_bh_enable();
	}

	/*
	 * Only per-CPU kernel threads are waiting, with work for this CPU. They
	 * would run anyway, by preempting user mode. schedule() would pick the
	 * thread again as long as its slice lasts. yield() ends the slice. Nothing
	 * depends on its result: it is bounded, and what it left is reported.
	 */
	if (work & TASK_ISOL_WORK_YIELD)
		yield();

	/* Last, as all of the above may leave pages in the batches. */
	if (work & TASK_ISOL_WORK_LRU)
		lru_batches_drain();

	local_irq_disable();
}
