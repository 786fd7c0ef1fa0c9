// SPDX-License-Identifier: GPL-2.0
/*
 * Task isolation: the tick.
 *
 * The base stops the tick of a nohz_full CPU at the end of an interrupt that
 * finds no need for it, and at no other time.  A task whose system call needed
 * the tick, or that was alone again after another one had run, therefore takes
 * one more tick in user mode, which stops it.  Here it is stopped on the way to
 * user mode, by the very function that the interrupt would call.
 *
 *	stopped on return  <=>  no ISOL_TICK_* need and no timer due in a period
 *
 * Not promised: that the CPU stays without ticks.  Whatever sets a need kicks
 * the CPU, as in the base, and a timer that was started here fires here.
 */

#include <linux/sched/signal.h>
#include <linux/tick.h>

#include "tick-internal.h"
#include "../task_isolation.h"

static_assert(ISOL_TICK_POSIX_TIMER == TICK_DEP_MASK_POSIX_TIMER);
static_assert(ISOL_TICK_PERF_EVENTS == TICK_DEP_MASK_PERF_EVENTS);
static_assert(ISOL_TICK_SCHED == TICK_DEP_MASK_SCHED);
static_assert(ISOL_TICK_CLOCK_UNSTABLE == TICK_DEP_MASK_CLOCK_UNSTABLE);
static_assert(ISOL_TICK_RCU == TICK_DEP_MASK_RCU);
static_assert(ISOL_TICK_RCU_EXP == TICK_DEP_MASK_RCU_EXP);
static_assert(BIT(TICK_DEP_BIT_MAX) < ISOL_TICK_NOT_FULL);

/**
 * isolation_tick_supported - Can the tick of any CPU be stopped in this boot?
 */
bool isolation_tick_supported(void)
{
	return tick_nohz_full_enabled() && tick_nohz_active;
}

/**
 * isolation_stop_tick - Stop the tick of this CPU if nothing needs it
 *
 * Context: on the way to user mode; interrupts off.
 * Return: whether it was ticking before and is not now.
 */
bool isolation_stop_tick(void)
{
	struct tick_sched *ts = tick_get_tick_sched(smp_processor_id());

	/* What sets a need while the tick is stopped starts it again. */
	if (ts->tick_stopped)
		return false;

	tick_nohz_irq_exit();

	return ts->tick_stopped;
}

/**
 * isolation_tick_needs - What keeps the tick of this CPU while current runs
 *
 * Context: task.
 * Return: ISOL_TICK_*, or 0 when nothing does.
 */
u32 isolation_tick_needs(void)
{
	struct tick_sched *ts;
	u32 needs;
	int cpu;

	cpu = get_cpu();
	ts = tick_get_tick_sched(cpu);
	needs = atomic_read(&tick_dep_mask) | atomic_read(&ts->tick_dep_mask) |
		atomic_read(&current->tick_dep_mask) |
		atomic_read(&current->signal->tick_dep_mask);
	if (!tick_nohz_full_cpu(cpu))
		needs |= ISOL_TICK_NOT_FULL;
	put_cpu();

	return needs;
}
