/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The fair class's part in core scheduling. The end of fair.c includes this
 * file, because the questions asked here are about fair.c's own functions.
 *
 * Everything works on run queues whose running task has not been put: on each
 * level of the hierarchy the running entity, cfs_rq->curr, is a candidate beside
 * those in the tree.
 */
#ifdef CONFIG_SCHED_CORE

/**
 * sched_core_fair_best() - find the fair task that the run queue would run
 * @rq: run queue, maybe of another CPU
 *
 * Looks without picking: buddies stay, nothing is set. The run time of the
 * running hierarchy is brought up to date, and a group that has used its
 * bandwidth is throttled, as the base's pick does.
 *
 * Context: rq->lock held, clock up to date.
 * Return: the task, or NULL.
 */
struct task_struct *sched_core_fair_best(struct rq *rq)
{
	struct sched_entity *se, *curr;
	struct cfs_rq *cfs_rq;
	bool check = true;

again:
	cfs_rq = &rq->cfs;
	if (!cfs_rq->nr_running)
		return NULL;

	do {
		curr = cfs_rq->curr;
		if (curr && curr->on_rq)
			update_curr(cfs_rq);
		else
			curr = NULL;

		/* Throttling takes the group out of its parents: start anew. */
		if (check && cfs_rq->curr && check_cfs_rq_runtime(cfs_rq)) {
			check = false;
			goto again;
		}

		se = peek_next_entity(cfs_rq, curr);
		cfs_rq = group_cfs_rq(se);
	} while (cfs_rq);

	return task_of(se);
}

/**
 * sched_core_fair_commit() - finish the pick of a fair task
 * @rq: this CPU's run queue
 * @p: task on which set_next_task() has been called
 *
 * Does what pick_next_task_fair() does beyond setting the task.
 *
 * Context: rq->lock held.
 */
void sched_core_fair_commit(struct rq *rq, struct task_struct *p)
{
	struct sched_entity *se = &p->se;

	for_each_sched_entity(se)
		clear_buddies(cfs_rq_of(se), se);

	if (hrtick_enabled(rq))
		hrtick_start_fair(rq, p);

	update_misfit_status(p, rq);
}

/**
 * sched_core_fair_before() - compare two fair tasks of one run queue
 * @a: fair task, queued
 * @b: another one, on the same run queue
 *
 * Context: rq->lock held; run times brought up to date.
 * Return: whether @a is to run before @b, judged where their groups meet.
 */
bool sched_core_fair_before(struct task_struct *a, struct task_struct *b)
{
	struct sched_entity *sa = &a->se, *sb = &b->se;

	find_matching_se(&sa, &sb);

	return entity_before(sa, sb);
}

/**
 * sched_core_fair_preempts() - may a fair task that has woken up preempt?
 * @p: the task, queued
 * @top: its top-level entity
 * @lead: by how much that is ahead of the running one's, in ns of virtual time
 *
 * Context: lock of the task's run queue held.
 * Return: what check_preempt_wakeup() would say if both were on one CPU.
 */
bool sched_core_fair_preempts(struct task_struct *p, struct sched_entity *top,
			      s64 lead)
{
	return p->policy == SCHED_NORMAL && sched_feat(WAKEUP_PREEMPTION) &&
	       lead > (s64)wakeup_gran(top);
}

/**
 * sched_core_fair_throttled() - is the group of a fair task throttled?
 * @p: fair task, queued
 *
 * Context: lock of the task's run queue held.
 * Return: whether bandwidth control keeps the task from running.
 */
bool sched_core_fair_throttled(struct task_struct *p)
{
	return throttled_hierarchy(cfs_rq_of(&p->se));
}

/**
 * sched_core_fair_may_move() - would a fair task be runnable elsewhere?
 * @p: fair task, queued
 * @src: its CPU
 * @dst: CPU to move it to
 *
 * Context: locks of both run queues held.
 * Return: false when bandwidth control keeps its group from running on either.
 */
bool sched_core_fair_may_move(struct task_struct *p, int src, int dst)
{
	return !throttled_lb_pair(task_group(p), src, dst);
}

#endif /* CONFIG_SCHED_CORE */
