// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whether a return to user mode of an isolated thread has anything to settle. Most
 * have nothing, and need neither the exit loop nor policy/quiesce.rs, which decides
 * what is done otherwise.
 */
#include <linux/bug.h>
#include <linux/lockdep.h>
#include <linux/lru_batches.h>
#include <linux/mm.h>
#include <linux/prctl.h>
#include <linux/sched/isolation.h>
#include <linux/task_isolation.h>
#include <linux/tick.h>
#include <linux/tlb_defer.h>
#include <linux/vmstat.h>

#include <trace/events/task_isolation.h>

#include "../time/tick-internal.h"

/* Not zero if @what is the case. Asked for what matters only, and inlined. */
typedef unsigned long (*sees_t)(enum task_isol_seen what, u32 seen);

/* Whether there is nothing to settle apart from the tick, and from @pending. */
static __always_inline bool is_quiet_but_tick(u32 actions, unsigned long pending, u32 seen,
					      sees_t sees)
{
	if (actions & (ISOL_F_QUIESCE_DEFER_TLB_FLUSH | ISOL_F_QUIESCE_DEFER_TEXT_SYNC))
		pending |= sees(TASK_ISOL_SEEN_DEFERRED, seen);

	if (actions & ISOL_F_QUIESCE_LRU_DRAIN)
		pending |= sees(TASK_ISOL_SEEN_LRU_PENDING, seen);

	if (pending)
		return false;

	/* Last, as this is a call. */
	if (actions & ISOL_F_QUIESCE_VMSTAT_SYNC)
		return sees(TASK_ISOL_SEEN_VMSTAT_SETTLED, seen);

	return true;
}

/* As is_quiet(), where the tick is not stopped. */
static __always_inline bool is_quiet_ticking(u32 actions, u32 left, u32 seen, sees_t sees)
{
	u32 leaves = 0;

	if (sees(TASK_ISOL_SEEN_NOHZ_FULL, seen)) {
		if (actions & ISOL_F_QUIESCE_NOHZ_FULL)
			return false;
		return is_quiet_but_tick(actions, left, seen, sees);
	}

	if (actions & ISOL_F_QUIESCE_NOHZ_FULL)
		leaves = ISOL_LEFT_TICK_ALWAYS;
	if (left != leaves)
		return false;

	/*
	 * What has an effect on a CPU that is isolated otherwise. What was deferred is
	 * done by the hooks of context tracking, which is off here.
	 */
	actions &= ISOL_F_QUIESCE_VMSTAT_SYNC | ISOL_F_QUIESCE_LRU_DRAIN;
	if (!actions || !sees(TASK_ISOL_SEEN_DOMAIN_ISOLATED, seen))
		return true;

	return is_quiet_but_tick(actions, 0, seen, sees);
}

/*
 * True only if a run of the sequence would find nothing to do, ask for nothing and
 * leave @left. policy/quiet.rs has the same rules, and the tests compare both.
 *
 * What has to be zero is collected without branches. @ticking is is_quiet_ticking()
 * out of line, which would need a frame.
 */
static __always_inline bool is_quiet(u32 actions, u32 left, u32 seen, sees_t sees,
				     bool (*ticking)(u32 actions, u32 left, u32 seen))
{
	unsigned long pending = left;

	/* The events tell of each return. */
	if (sees(TASK_ISOL_SEEN_TRACED, seen))
		return false;

	/* Outside of idle the tick is stopped on nohz_full CPUs only. */
	if (unlikely(!sees(TASK_ISOL_SEEN_STOPPED, seen)))
		return ticking(actions, left, seen);

	if (actions & ISOL_F_QUIESCE_NOHZ_FULL)
		pending |= sees(TASK_ISOL_SEEN_TICK_PENDING, seen);

	return is_quiet_but_tick(actions, pending, seen, sees);
}

/* What is the case on this CPU, for current. */
static __always_inline unsigned long on_this_cpu(enum task_isol_seen what, u32 unused)
{
	switch (what) {
	case TASK_ISOL_SEEN_TRACED:
		return trace_task_isol_quiesce_done_enabled();
#ifdef CONFIG_NO_HZ_FULL
	case TASK_ISOL_SEEN_STOPPED:
		return this_cpu_ptr(&tick_cpu_sched)->flags & TS_FLAG_STOPPED;
	case TASK_ISOL_SEEN_TICK_PENDING:
		return tick_sched_pending(this_cpu_ptr(&tick_cpu_sched));
#endif
	case TASK_ISOL_SEEN_NOHZ_FULL:
		return tick_nohz_full_cpu(smp_processor_id());
	case TASK_ISOL_SEEN_DOMAIN_ISOLATED:
		return cpu_is_isolated(smp_processor_id());
	case TASK_ISOL_SEEN_DEFERRED:
		return user_defer_untold();
	case TASK_ISOL_SEEN_VMSTAT_SETTLED:
		return vmstat_cpu_settled();
	case TASK_ISOL_SEEN_LRU_PENDING:
		return lru_batches_pending();
	default:
		return 0;
	}
}

static noinline bool ticking_here(u32 actions, u32 left, u32 unused)
{
	return is_quiet_ticking(actions, left, 0, on_this_cpu);
}

/* Whether a run would find nothing to do and leave @left. */
static __always_inline bool is_quiet_here(u32 left)
{
	return is_quiet(current->isol.uret, left, 0, on_this_cpu, ticking_here);
}

#ifdef CONFIG_DEBUG_ENTRY
/* What only this CPU can change, as opposed to the tick dependencies. */
#define LEFT_BY_THIS_CPU	(ISOL_LEFT_SOFTIRQ | ISOL_LEFT_TICK_ALWAYS | \
				 ISOL_LEFT_TICK_RCU_CB | ISOL_LEFT_TIMER | \
				 ISOL_LEFT_HRTIMER | ISOL_LEFT_GAVE_UP)

static bool is_set_apart(void)
{
	int cpu = smp_processor_id();

	return tick_nohz_full_cpu(cpu) || cpu_is_isolated(cpu);
}

/* Whether there is a tick that a run would stop, or report. */
static bool is_ticking(void)
{
	return tick_nohz_full_cpu(smp_processor_id()) && !tick_nohz_tick_stopped();
}

/* As is_quiet_here() for current, and warns if it is wrong: that is what a run finds. */
static bool is_quiet_checked(void)
{
	struct task_isol *isol = &current->isol;
	u32 left = isol->quiesce_left;
	bool apart = is_set_apart();
	bool ticks = (isol->uret & ISOL_F_QUIESCE_NOHZ_FULL) && is_ticking();
	bool dirty = (isol->uret & ISOL_F_QUIESCE_VMSTAT_SYNC) && apart && vmstat_cpu_dirty();
	bool found;

	if (!is_quiet_here(left))
		return false;

	found = task_isol_recheck(isol);

	/* The CPU may just become set apart, or cease to be. */
	if (is_set_apart() != apart)
		return false;

	/* A run leaves nothing of a tick that it stops, and asks vmstat what was asked here. */
	WARN_ONCE(ticks, "task isolation: return with the tick running\n");
	WARN_ONCE(dirty, "task isolation: return with vmstat to settle\n");

	if (!found)
		return is_quiet_here(isol->quiesce_left);

	/*
	 * If the run found a tick dependency that another CPU has just set, that is seen
	 * by a second look as well, unless that CPU has cleared it again.
	 */
	WARN_ONCE(is_quiet_here(left) && !(isol->quiesce_left & ~LEFT_BY_THIS_CPU),
		  "task isolation: return was not quiet\n");
	return false;
}
#endif

/**
 * task_isol_quiet - Whether a return to user mode has nothing to settle
 *
 * Invoked from task_isol_settled() for a thread with TIF_TASK_ISOL. Only reads.
 * Another CPU that sets a tick dependency or queues the vmstat work after this has
 * looked sends an interrupt, as it does after a run of the sequence.
 *
 * Context: Interrupts off, RCU watches, instrumentation is allowed.
 * Return:  False if task_isol_quiesce() has to find out what there is to do.
 */
bool task_isol_quiet(void)
{
	lockdep_assert_irqs_disabled();

#ifdef CONFIG_DEBUG_ENTRY
	return is_quiet_checked();
#else
	return is_quiet_here(current->isol.quiesce_left);
#endif
}

#ifdef CONFIG_TASK_ISOLATION_KUNIT_TEST
static unsigned long as_told(enum task_isol_seen what, u32 seen)
{
	return seen & what;
}

static bool ticking_as_told(u32 actions, u32 left, u32 seen)
{
	return is_quiet_ticking(actions, left, seen, as_told);
}

/* The decision of task_isol_quiet() where TASK_ISOL_SEEN_* in @seen are the case. */
bool task_isol_quiet_as_told(u32 actions, u32 left, u32 seen)
{
	return is_quiet(actions, left, seen, as_told, ticking_as_told);
}

#ifdef CONFIG_NO_HZ_FULL
/* All dependencies that there are. */
#define KNOWN_DEPS	(2UL * BIT(TICK_DEP_BIT_MAX) - 1)

/*
 * Has each of what keeps the tick, or interrupts, be the case on this CPU, one after the
 * other, with interrupts off. Returns a bit for each that tick_sched_pending() misses.
 */
unsigned int task_isol_pending_unseen(void)
{
	/* Neither a dependency nor a softirq that there is, and in as few bits as these have. */
	const unsigned int dep = BIT(15);
	struct clock_event_device *dev;
	struct tick_sched ts = { };
	unsigned int unseen = 0;
	unsigned int softirqs;
	ktime_t event;

	guard(irqsave)();
	dev = __this_cpu_read(tick_cpu_device.evtdev);
	event = dev->next_event;
	softirqs = local_softirq_pending();
	dev->next_event = KTIME_MAX;
	set_softirq_pending(0);

	/* The control: none of these. Others may have a reason to keep the tick. */
	if (tick_sched_pending(&ts) & ~KNOWN_DEPS)
		unseen |= BIT(0);

	atomic_or(dep, &tick_dep_mask);
	if (!(tick_sched_pending(&ts) & dep))
		unseen |= BIT(1);
	atomic_andnot(dep, &tick_dep_mask);

	atomic_or(dep, &ts.tick_dep_mask);
	if (!(tick_sched_pending(&ts) & dep))
		unseen |= BIT(2);
	atomic_andnot(dep, &ts.tick_dep_mask);

	atomic_or(dep, &current->tick_dep_mask);
	if (!(tick_sched_pending(&ts) & dep))
		unseen |= BIT(3);
	atomic_andnot(dep, &current->tick_dep_mask);

	atomic_or(dep, &current->signal->tick_dep_mask);
	if (!(tick_sched_pending(&ts) & dep))
		unseen |= BIT(4);
	atomic_andnot(dep, &current->signal->tick_dep_mask);

	set_softirq_pending(dep);
	if (!(tick_sched_pending(&ts) & dep))
		unseen |= BIT(5);
	set_softirq_pending(0);

	/* Of the time, each half of the bits alone. */
	dev->next_event = KTIME_MAX ^ dep;
	if (!(tick_sched_pending(&ts) & dep))
		unseen |= BIT(6);
	dev->next_event = KTIME_MAX ^ (s64)dep << 32;
	if (!(tick_sched_pending(&ts) & ~KNOWN_DEPS))
		unseen |= BIT(7);

	set_softirq_pending(softirqs);
	dev->next_event = event;
	return unseen;
}
#else
unsigned int task_isol_pending_unseen(void)
{
	return 0;
}
#endif
#endif
