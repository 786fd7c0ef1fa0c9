// SPDX-License-Identifier: GPL-2.0
/*
 * The scheduler's side of the rseq time slice extension: may this reschedule
 * wait for a few microseconds?
 *
 *			Model
 *
 * The run queue lock decides.  Every reschedule request for a CPU is raised
 * under the lock of its run queue, after the task that caused it was queued,
 * and is not raised (nor an IPI sent) while one is pending.  So:
 *
 *	A) waker before us:	its task is on the queue and the predicates below
 *				see it.
 *	B) waker after us:	it finds TIF_NEED_RESCHED clear, sets it, and sends
 *				the IPI whose exit to user mode ends the grant.
 *
 * Looking at the queue without the lock would lose C): the waker queues a FIFO
 * task and, as a reschedule is pending, sends nothing; this CPU has looked too
 * early to see the task and clears the reschedule.  The FIFO task would then
 * wait for the end of the grant.
 *
 * The same holds for core scheduling: a decision is published with the run
 * queue locks of all siblings held. One that was published before us is seen
 * by sched_core_due(), one that comes after us sends the IPI of B).
 *
 *			Not promised
 *
 * That a grant survives what is queued after it.
 */

#include <linux/rseq_slice.h>

#include "sched.h"

/*
 * Stop, deadline and real-time tasks never wait for a grant, and never get one.
 * Tasks of throttled groups are in neither count.
 */
static bool above_fair_queued(const struct rq *rq)
{
	return rq->nr_running != rq->cfs.h_nr_running;
}

#ifdef CONFIG_CFS_BANDWIDTH
/*
 * A group that is out of runtime is throttled by the schedule() which is due
 * now; a grant would let it overrun its quota.
 */
static bool out_of_runtime(const struct task_struct *p)
{
	const struct sched_entity *se;

	for (se = &p->se; se; se = se->parent) {
		const struct cfs_rq *cfs_rq = se->cfs_rq;

		if (cfs_rq->throttled)
			return true;
		if (cfs_rq->runtime_enabled && cfs_rq->runtime_remaining <= 0)
			return true;
	}

	return false;
}
#else
static bool out_of_runtime(const struct task_struct *p)
{
	return false;
}
#endif

/*
 * The one place that says no for the scheduler.  A feature that must not have
 * its decision for this CPU postponed adds a named predicate here.
 */
static enum rseq_slice_refusal refusal(const struct rq *rq, const struct task_struct *curr)
{
	if (above_fair_queued(rq))
		return RSEQ_SLICE_NO_CLASS;
	if (sched_core_due(rq))
		return RSEQ_SLICE_NO_CORE;
	if (out_of_runtime(curr))
		return RSEQ_SLICE_NO_RUNTIME;
	return RSEQ_SLICE_MAY_GRANT;
}

/**
 * sched_slice_suppress - Suppress the pending reschedule of this CPU, if that is fair
 *
 * The caller must make sure that the reschedule comes back.
 *
 * Context: interrupts off, a reschedule is pending; takes the rq lock.
 * Return: RSEQ_SLICE_MAY_GRANT when the reschedule is suppressed, otherwise the
 *	   reason why it is still pending.
 */
enum rseq_slice_refusal sched_slice_suppress(void)
{
	enum rseq_slice_refusal why;
	struct rq *rq = this_rq();
	struct rq_flags rf;

	lockdep_assert_irqs_disabled();

	rq_lock(rq, &rf);
	why = refusal(rq, current);
	if (why == RSEQ_SLICE_MAY_GRANT) {
		clear_tsk_need_resched(current);
		clear_preempt_need_resched();
	}
	rq_unlock(rq, &rf);

	return why;
}
