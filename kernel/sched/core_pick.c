// SPDX-License-Identifier: GPL-2.0
/*
 * Core scheduling: which task runs. core_sched.h has the model, core_pick.h the
 * decision itself.
 *
 *	sched_core_pick()
 *	  core_balance()		the classes pull tasks; may drop the lock
 *	  core_best()			what this CPU would run on its own
 *	  core_settled()?		S1, S2: no decision is needed
 *	    yes: core_fill()
 *	    no:  core_decide()		with the locks of all siblings
 *	  core_commit()			prev -> next
 */
#include "sched.h"
#include "pelt.h"
#include "core_pick.h"

/* For tracing: the CPU of the leader, -1 when the core is idle. */
static int core_view_leader(struct sched_core *core,
			    const struct core_view *view)
{
	return view->leader < 0 ? -1 : cpu_of(core->rqs[view->leader]);
}

/* For tracing: the number of the leader's cookie. */
static u64 core_view_cookie(const struct core_view *view)
{
	if (view->leader < 0)
		return 0;

	return core_cookie_number(view->slot[view->leader].best);
}

#define CREATE_TRACE_POINTS
#include <trace/events/sched_core.h>

/* The running task of a run queue whose lock is held. */
static inline struct task_struct *core_curr(const struct rq *rq)
{
	return rcu_dereference_protected(rq->curr, lockdep_is_held(&rq->lock));
}

/*
 *			Waiting tasks by cookie
 *
 * The fair tasks that wait on a run queue, ordered by (cookie, cfs_rq,
 * vruntime). The running task is not among them, as its vruntime changes; nor
 * are tasks of the other classes, whose queues are short enough to walk. The
 * best task of a cookie is the first of some cfs_rq; which one is decided when
 * it is looked for, because the order of groups changes as their tasks run.
 */

#ifdef CONFIG_FAIR_GROUP_SCHED

static inline struct cfs_rq *core_cfs_rq(struct task_struct *p)
{
	return p->se.cfs_rq;
}

static inline struct sched_entity *core_top_entity(struct task_struct *p)
{
	struct sched_entity *se = &p->se;

	while (se->parent)
		se = se->parent;

	return se;
}

#else /* !CONFIG_FAIR_GROUP_SCHED */

static inline struct cfs_rq *core_cfs_rq(struct task_struct *p)
{
	return &task_rq(p)->cfs;
}

static inline struct sched_entity *core_top_entity(struct task_struct *p)
{
	return &p->se;
}

#endif /* CONFIG_FAIR_GROUP_SCHED */

static inline struct task_struct *core_task_of(struct rb_node *node)
{
	return container_of(node, struct task_struct, core.node);
}

/* Does a waiting task come before (cookie, cfs_rq, vruntime)? */
static bool core_waits_before(struct task_struct *p, struct core_cookie *cookie,
			      struct cfs_rq *cfs_rq, u64 vruntime)
{
	if (p->core.cookie != cookie)
		return p->core.cookie < cookie;

	if (core_cfs_rq(p) != cfs_rq)
		return core_cfs_rq(p) < cfs_rq;

	return (s64)(p->se.vruntime - vruntime) < 0;
}

static void core_index_add(struct rq *rq, struct task_struct *p)
{
	struct rb_node **link = &rq->core.waiting.rb_node;
	struct rb_node *parent = NULL;

	if (!rq->core.indexed || p->sched_class != &fair_sched_class)
		return;

	/* Among equals, the one that came first stays first. */
	while (*link) {
		parent = *link;
		if (core_waits_before(p, core_task_of(parent)->core.cookie,
				      core_cfs_rq(core_task_of(parent)),
				      core_task_of(parent)->se.vruntime))
			link = &parent->rb_left;
		else
			link = &parent->rb_right;
	}

	rb_link_node(&p->core.node, parent, link);
	rb_insert_color(&p->core.node, &rq->core.waiting);
}

static void core_index_del(struct rq *rq, struct task_struct *p)
{
	if (RB_EMPTY_NODE(&p->core.node))
		return;

	rb_erase(&p->core.node, &rq->core.waiting);
	RB_CLEAR_NODE(&p->core.node);
}

/*
 * The first task of @cookie that waits on @after or on a cfs_rq behind it; on
 * any cfs_rq with @after NULL.
 */
static struct task_struct *core_index_find(struct rq *rq,
					   struct core_cookie *cookie,
					   struct cfs_rq *after)
{
	struct rb_node *node = rq->core.waiting.rb_node;
	struct task_struct *p, *found = NULL;

	while (node) {
		p = core_task_of(node);
		if (p->core.cookie < cookie ||
		    (p->core.cookie == cookie && core_cfs_rq(p) < after)) {
			node = node->rb_right;
		} else {
			found = p;
			node = node->rb_left;
		}
	}

	return found && found->core.cookie == cookie ? found : NULL;
}

/* The first task of @p's cookie on the next cfs_rq, in no useful order. */
static struct task_struct *core_index_next_group(struct rq *rq,
						 struct task_struct *p)
{
	unsigned long after = (unsigned long)core_cfs_rq(p) + 1;

	return core_index_find(rq, p->core.cookie, (struct cfs_rq *)after);
}

/**
 * sched_core_index() - start to keep track of the waiting tasks of a run queue
 * @rq: run queue
 *
 * Context: takes rq->lock. Core scheduling is enabled, and every pick that
 *	    might not have seen that has ended.
 */
void sched_core_index(struct rq *rq)
{
	struct task_struct *p;
	struct rq_flags rf;

	rq_lock_irqsave(rq, &rf);
	rq->core.indexed = true;
	list_for_each_entry(p, &rq->cfs_tasks, se.group_node) {
		if (p != core_curr(rq))
			core_index_add(rq, p);
	}
	rq_unlock_irqrestore(rq, &rf);
}

/**
 * sched_core_unindex() - stop to keep track of waiting tasks
 * @rq: run queue
 *
 * Context: takes rq->lock. Core scheduling is still enabled, and nobody has a
 *	    cookie.
 */
void sched_core_unindex(struct rq *rq)
{
	struct rq_flags rf;
	struct rb_node *node;

	rq_lock_irqsave(rq, &rf);
	rq->core.indexed = false;
	while ((node = rb_first(&rq->core.waiting)))
		core_index_del(rq, core_task_of(node));
	rq_unlock_irqrestore(rq, &rf);
}

void __sched_core_enqueue(struct rq *rq, struct task_struct *p)
{
	rq->core.gen++;

	/* A running task whose parameters change is enqueued, too. */
	if (p != core_curr(rq))
		core_index_add(rq, p);
}

void __sched_core_dequeue(struct rq *rq, struct task_struct *p)
{
	rq->core.gen++;
	p->core.passed_since = 0;
	core_index_del(rq, p);
}

/**
 * sched_core_set_cookie() - give a task another cookie
 * @rq: its run queue
 * @p: task
 * @cookie: cookie, whose reference goes over to the task
 *
 * Scenario D: where the task runs or waits, its CPU reschedules.
 *
 * Context: p->pi_lock and rq->lock held.
 */
void sched_core_set_cookie(struct rq *rq, struct task_struct *p,
			   struct core_cookie *cookie)
{
	bool waits = !RB_EMPTY_NODE(&p->core.node);

	core_index_del(rq, p);
	WRITE_ONCE(p->core.cookie, cookie);
	if (waits)
		core_index_add(rq, p);

	rq->core.gen++;
	if (task_on_rq_queued(p) || task_current(rq, p))
		resched_curr(rq);
}

/*
 *			Candidates
 */

static bool core_cookie_matches(struct task_struct *p,
				struct core_cookie *cookie, bool any)
{
	return any || p->core.cookie == cookie;
}

/* The first deadline task, of @cookie unless @any is welcome. */
static struct task_struct *core_dl_first(struct rq *rq,
					 struct core_cookie *cookie, bool any)
{
	struct task_struct *p;
	struct rb_node *node;

	for (node = rb_first_cached(&rq->dl.root); node; node = rb_next(node)) {
		p = container_of(node, struct task_struct, dl.rb_node);
		if (core_cookie_matches(p, cookie, any))
			return p;
	}

	return NULL;
}

#ifdef CONFIG_RT_GROUP_SCHED

static inline struct rt_rq *core_rt_group(struct sched_rt_entity *rt_se)
{
	return rt_se->my_q;
}

static inline struct sched_rt_entity *core_rt_parent(struct sched_rt_entity *se)
{
	return se->parent;
}

static inline struct rt_rq *core_rt_rq(struct rq *rq,
				       struct sched_rt_entity *rt_se)
{
	return rt_se->rt_rq;
}

static inline int core_rt_prio(struct sched_rt_entity *rt_se)
{
	if (rt_se->my_q)
		return rt_se->my_q->highest_prio.curr;

	return container_of(rt_se, struct task_struct, rt)->prio;
}

#else /* !CONFIG_RT_GROUP_SCHED */

static inline struct rt_rq *core_rt_group(struct sched_rt_entity *rt_se)
{
	return NULL;
}

static inline struct sched_rt_entity *core_rt_parent(struct sched_rt_entity *se)
{
	return NULL;
}

static inline struct rt_rq *core_rt_rq(struct rq *rq,
				       struct sched_rt_entity *rt_se)
{
	return &rq->rt;
}

static inline int core_rt_prio(struct sched_rt_entity *rt_se)
{
	return container_of(rt_se, struct task_struct, rt)->prio;
}

#endif /* CONFIG_RT_GROUP_SCHED */

/* The entity of the highest priority from @prio downwards. */
static struct sched_rt_entity *core_rt_from(struct rt_rq *rt_rq, int prio)
{
	int idx = find_next_bit(rt_rq->active.bitmap, MAX_RT_PRIO, prio);

	if (idx >= MAX_RT_PRIO)
		return NULL;

	return list_first_entry_or_null(rt_rq->active.queue + idx,
					struct sched_rt_entity, run_list);
}

/* The entity behind @rt_se on its own level. */
static struct sched_rt_entity *core_rt_after(struct rq *rq,
					     struct sched_rt_entity *rt_se)
{
	struct rt_rq *rt_rq = core_rt_rq(rq, rt_se);
	int prio = core_rt_prio(rt_se);

	if (!list_is_last(&rt_se->run_list, rt_rq->active.queue + prio))
		return list_next_entry(rt_se, run_list);

	return core_rt_from(rt_rq, prio + 1);
}

/*
 * The entity behind @rt_se in the order of the whole hierarchy: into a group,
 * along its level, and out of the groups that are done with.
 */
static struct sched_rt_entity *core_rt_next(struct rq *rq,
					    struct sched_rt_entity *rt_se)
{
	struct rt_rq *group = core_rt_group(rt_se);
	struct sched_rt_entity *next;

	next = group ? core_rt_from(group, 0) : NULL;
	while (!next && rt_se) {
		next = core_rt_after(rq, rt_se);
		rt_se = core_rt_parent(rt_se);
	}

	return next;
}

/* The first real-time task, of @cookie unless @any is welcome. */
static struct task_struct *core_rt_first(struct rq *rq,
					 struct core_cookie *cookie, bool any)
{
	struct sched_rt_entity *rt_se;
	struct task_struct *p;

	/* Throttled groups are not in their parent's array, nor here. */
	if (!sched_rt_runnable(rq))
		return NULL;

	for (rt_se = core_rt_from(&rq->rt, 0); rt_se;
	     rt_se = core_rt_next(rq, rt_se)) {
		if (core_rt_group(rt_se))
			continue;
		p = container_of(rt_se, struct task_struct, rt);
		if (core_cookie_matches(p, cookie, any))
			return p;
	}

	return NULL;
}

/* The best fair task of a cookie: the running one, or the first of a group. */
static struct task_struct *core_fair_of_cookie(struct rq *rq,
					       struct core_cookie *cookie)
{
	struct task_struct *p, *best = NULL;

	p = core_curr(rq);
	if (p->sched_class == &fair_sched_class && p->se.on_rq &&
	    p->core.cookie == cookie && !sched_core_fair_throttled(p))
		best = p;

	for (p = core_index_find(rq, cookie, NULL); p;
	     p = core_index_next_group(rq, p)) {
		if (sched_core_fair_throttled(p))
			continue;
		if (!best || sched_core_fair_before(p, best))
			best = p;
	}

	return best;
}

/* What the CPU of @rq would run if it had no siblings. NULL is idle. */
static struct task_struct *core_best(struct rq *rq)
{
	struct task_struct *p;

	if (sched_stop_runnable(rq))
		return rq->stop;

	p = core_dl_first(rq, NULL, true);
	if (!p)
		p = core_rt_first(rq, NULL, true);
	if (!p)
		p = sched_core_fair_best(rq);

	return p;
}

/* The best task of @cookie. NULL is idle. */
static struct task_struct *core_best_of_cookie(struct rq *rq,
					       struct core_cookie *cookie)
{
	struct task_struct *p;

	if (sched_stop_runnable(rq) && rq->stop->core.cookie == cookie)
		return rq->stop;

	p = core_dl_first(rq, cookie, false);
	if (!p)
		p = core_rt_first(rq, cookie, false);
	if (!p)
		p = core_fair_of_cookie(rq, cookie);

	return p;
}

/*
 *			Order among siblings
 */

static s64 core_vruntime(struct rq *rq, struct task_struct *p)
{
	return core_top_entity(p)->vruntime - rq->core.origin;
}

static bool core_held(struct sched_core *core, struct task_struct *p, u64 now)
{
	return p->core.cookie == core->cookie &&
	       now - core->held_since < sysctl_sched_min_granularity;
}

static bool core_overdue(struct task_struct *p, u64 now)
{
	return p->core.passed_since &&
	       (s64)(now - p->core.passed_since) > CORE_WAIT_LIMIT;
}

static void core_rank_fair(struct sched_core *core, struct rq *rq,
			   struct task_struct *p, struct core_slot *slot)
{
	u64 now = rq_clock(rq);

	slot->key = core_vruntime(rq, p);
	if (core_held(core, p, now)) {
		slot->rank = CORE_RANK_HELD;
	} else if (core_overdue(p, now)) {
		slot->rank = CORE_RANK_URGENT;
		slot->key = p->core.passed_since;
	} else {
		slot->rank = CORE_RANK_FAIR;
	}
}

/*
 * Among real-time tasks of one priority the running one stays; one that has
 * used up its round-robin slice goes behind. The tick renews the slice, so a
 * full one is one that has just been used up.
 */
static void core_rank_rt(struct rq *rq, struct task_struct *p,
			 struct core_slot *slot)
{
	slot->rank = p->prio;
	slot->key = 0;
	if (!task_current(rq, p))
		return;

	if (p->policy == SCHED_RR && p->rt.time_slice == sched_rr_timeslice)
		slot->key = 1;
	else
		slot->key = -1;
}

static void core_rank(struct sched_core *core, struct rq *rq,
		      struct core_slot *slot)
{
	struct task_struct *p = slot->best;

	if (!p) {
		slot->rank = CORE_RANK_NONE;
		return;
	}

	slot->cookie = p->core.cookie;
	if (p->sched_class == &stop_sched_class) {
		slot->rank = CORE_RANK_STOP;
	} else if (p->sched_class == &dl_sched_class) {
		slot->rank = CORE_RANK_DEADLINE;
		slot->key = p->dl.deadline;
	} else if (p->sched_class == &rt_sched_class) {
		core_rank_rt(rq, p, slot);
	} else {
		core_rank_fair(core, rq, p, slot);
	}
}

/*
 * Whoever has just woken up need not wait until the hold is over, as it would
 * not wait for a tick on one CPU, if it is ahead of the holder by what lets it
 * preempt there. It has not been passed over yet: that happens once it has lost
 * to the holder. Nobody gets past one who has been passed over for too long.
 */
static void core_break_hold(struct core_view *view)
{
	const struct core_slot *holder = NULL;
	struct core_slot *slot;
	struct task_struct *p;
	unsigned int i;

	for (i = 0; i < view->nr; i++) {
		slot = &view->slot[i];
		if (slot->rank == CORE_RANK_URGENT)
			return;
		if (slot->rank == CORE_RANK_HELD &&
		    (!holder || core_slot_before(slot, holder)))
			holder = slot;
	}
	if (!holder)
		return;

	for (i = 0; i < view->nr; i++) {
		slot = &view->slot[i];
		p = slot->best;
		if (slot->rank == CORE_RANK_FAIR && !p->core.passed_since &&
		    sched_core_fair_preempts(p, core_top_entity(p),
					     holder->key - slot->key))
			slot->rank = CORE_RANK_HELD;
	}
}

/*
 * Keep the virtual times of the members comparable. While run queues compete
 * for the core their origins stay, so that one that was passed over keeps what
 * it is owed. One that does not compete runs at its own pace, or not at all,
 * and may fall behind the foremost by one latency period, no more.
 */
static void core_align(struct sched_core *core)
{
	s64 pos, front = S64_MIN;
	struct core_rq *crq;
	unsigned int i;

	for (i = 0; i < core->nr; i++) {
		crq = &core->rqs[i]->core;
		pos = core->rqs[i]->cfs.min_vruntime - crq->origin;
		front = max(front, pos);
	}

	for (i = 0; i < core->nr; i++) {
		crq = &core->rqs[i]->core;
		if (crq->competed)
			continue;
		pos = core->rqs[i]->cfs.min_vruntime - crq->origin;
		crq->origin -= core_limit_lag(pos, front,
					      sysctl_sched_latency) - pos;
	}
}

/*
 *			Accounting of forced idle
 *
 * The core has a clock that runs while some sibling is forced idle, by the
 * number of those divided by the number of busy ones. Every CPU charges its
 * task with what the clock has advanced while the task was running.
 */

static enum core_activity core_state_of(struct rq *rq, struct task_struct *p)
{
	if (p != rq->idle)
		return CORE_STATE_BUSY;

	return rq->nr_running ? CORE_STATE_FORCED : CORE_STATE_EMPTY;
}

static void core_fi_advance(struct sched_core *core, u64 now)
{
	s64 delta = now - core->fi_stamp;

	if (delta <= 0)
		return;

	core->fi_stamp = now;
	if (core->nr_forced && core->nr_busy)
		core->fi_clock += div_u64((u64)delta * core->nr_forced,
					  core->nr_busy);
}

static void core_fi_count(struct sched_core *core)
{
	unsigned int i;

	core->nr_forced = 0;
	core->nr_busy = 0;
	for (i = 0; i < core->nr; i++) {
		if (core->rqs[i]->core.state == CORE_STATE_FORCED)
			core->nr_forced++;
		else if (core->rqs[i]->core.state == CORE_STATE_BUSY)
			core->nr_busy++;
	}
}

/* Charge the running task of @rq. acct_lock held. */
static void core_fi_charge(struct rq *rq)
{
	u64 delta = rq->core.core->fi_clock - rq->core.fi_seen;
	struct task_struct *p = core_curr(rq);

	rq->core.fi_seen += delta;
	if (!delta || p == rq->idle)
		return;

	p->core.forceidle_sum += delta;
	__this_cpu_add(kernel_cpustat.cpustat[CPUTIME_FORCEIDLE], delta);
	cgroup_account_cputime_field(p, CPUTIME_FORCEIDLE, delta);
}

/* This CPU goes on with @next. The fast way out is no conflict. */
static void core_fi_switch(struct rq *rq, struct task_struct *next)
{
	struct sched_core *core = rq->core.core;

	if (!core || !core->fi_active)
		return;

	raw_spin_lock(&core->acct_lock);
	core_fi_advance(core, rq_clock(rq));
	core_fi_charge(rq);
	rq->core.state = core_state_of(rq, next);
	core_fi_count(core);
	raw_spin_unlock(&core->acct_lock);
}

/*
 * A decision starts, goes on with or ends the measuring. The members' states
 * are those of the tasks that they still run; their own switches follow.
 */
static void core_fi_decide(struct sched_core *core, u64 now, bool conflict)
{
	struct rq *rq;
	unsigned int i;

	if (!conflict && !core->fi_active)
		return;

	raw_spin_lock(&core->acct_lock);
	if (core->fi_active)
		core_fi_advance(core, now);
	else
		core->fi_stamp = now;

	for (i = 0; i < core->nr; i++) {
		rq = core->rqs[i];
		if (core->fi_active)
			core_fi_charge(rq);
		rq->core.fi_seen = core->fi_clock;
		rq->core.state = core_state_of(rq, core_curr(rq));
	}
	core_fi_count(core);
	core->fi_active = conflict;
	raw_spin_unlock(&core->acct_lock);
}

/*
 *			Locks
 */

/**
 * sched_core_lock_members() - lock several run queues
 * @rqs: run queues, in ascending order of their address
 * @nr: how many, up to CORE_SMT_MAX
 *
 * Context: interrupts off, no run queue lock held.
 */
void sched_core_lock_members(struct rq **rqs, unsigned int nr)
{
	unsigned int i;

	lockdep_assert_irqs_disabled();
	for (i = 0; i < nr; i++)
		raw_spin_lock_nested(&rqs[i]->lock, i);
}

/**
 * sched_core_unlock_members() - undo sched_core_lock_members()
 * @rqs: run queues
 * @nr: how many
 */
void sched_core_unlock_members(struct rq **rqs, unsigned int nr)
{
	while (nr--)
		raw_spin_unlock(&rqs[nr]->lock);
}

/*
 * Lock the siblings of @rq without letting go of its own lock. Those below it
 * can only be tried.
 */
static bool core_trylock_siblings(struct sched_core *core, struct rq *rq)
{
	unsigned int i;

	for (i = 0; i < core->nr && core->rqs[i] != rq; i++) {
		if (!raw_spin_trylock(&core->rqs[i]->lock)) {
			sched_core_unlock_members(core->rqs, i);
			return false;
		}
	}

	for (i++; i < core->nr; i++)
		raw_spin_lock_nested(&core->rqs[i]->lock, i);

	return true;
}

/*
 * Lock the siblings of @rq, whose lock is held; drop it where the order asks
 * for that. The members may change meanwhile (scenario F): try again then.
 */
static struct sched_core *core_lock_siblings(struct rq *rq)
{
	struct sched_core *core = rq->core.core;
	struct rq *rqs[CORE_SMT_MAX];
	unsigned int nr, members;

	while (!core_trylock_siblings(core, rq)) {
		nr = core->nr;
		members = core->members;
		memcpy(rqs, core->rqs, sizeof(rqs));

		raw_spin_unlock(&rq->lock);
		sched_core_lock_members(rqs, nr);
		if (core->members == members)
			break;

		sched_core_unlock_members(rqs, nr);
		raw_spin_lock(&rq->lock);
	}

	return core;
}

static void core_unlock_siblings(struct sched_core *core, struct rq *rq)
{
	unsigned int i;

	for (i = 0; i < core->nr; i++) {
		if (core->rqs[i] != rq)
			raw_spin_unlock(&core->rqs[i]->lock);
	}

	/* Whoever nests a lock inside this one counts from 0. */
	lock_set_subclass(&rq->lock.dep_map, 0, _RET_IP_);
}

/*
 *			Deciding
 */

/* Ask every sibling for its candidate, and choose the leader. */
static void core_ask(struct sched_core *core, struct core_view *view)
{
	struct core_slot *slot;
	unsigned int i;

	BUILD_BUG_ON(ARRAY_SIZE(view->slot) < CORE_SMT_MAX);

	view->nr = core->nr;
	for (i = 0; i < core->nr; i++) {
		update_rq_clock(core->rqs[i]);
		view->slot[i].best = core_best(core->rqs[i]);
		view->slot[i].other = NULL;
		view->slot[i].cookie = NULL;
		view->slot[i].key = 0;
		view->slot[i].verdict = CORE_REST;
	}

	/* Only now are all virtual times up to date. */
	core_align(core);
	for (i = 0; i < core->nr; i++) {
		slot = &view->slot[i];
		core_rank(core, core->rqs[i], slot);
	}

	core_break_hold(view);
	core_choose_leader(view);
}

/* The leader's cookie becomes the core's. All idle: it stays. */
static void core_adopt(struct sched_core *core, struct core_view *view, u64 now)
{
	struct task_struct *leader;

	core->decisions++;
	if (view->leader < 0)
		return;

	leader = view->slot[view->leader].best;
	if (leader->core.cookie == core->cookie)
		return;

	core->cookie = leader->core.cookie;
	core->held_since = now;
}

/* Whose candidate has another cookie may have another task. */
static void core_find_others(struct sched_core *core, struct core_view *view)
{
	unsigned int i;

	for (i = 0; i < core->nr; i++) {
		if (core_slot_passed(view, i))
			view->slot[i].other =
				core_best_of_cookie(core->rqs[i], core->cookie);
	}
}

/* Leave the decision where a sibling finds it, and note who was passed over. */
static void core_note(struct rq *rq, const struct core_slot *slot,
		      bool conflict)
{
	struct task_struct *best = slot->best;

	rq->core.gen_seen = rq->core.gen;
	rq->core.best_seen = best;
	rq->core.competed = conflict && slot->rank >= CORE_RANK_HELD &&
			    slot->rank <= CORE_RANK_FAIR;

	if (slot->verdict == CORE_RUN_OTHER || slot->verdict == CORE_FORCED) {
		if (best->sched_class == &fair_sched_class &&
		    !best->core.passed_since)
			best->core.passed_since = rq_clock(rq) ?: 1;
	}
}

/* Must this sibling reschedule to keep I1, or not to idle in vain? */
static bool core_must_kick(struct sched_core *core, struct rq *rq,
			   const struct core_slot *slot)
{
	struct task_struct *curr = core_curr(rq);

	if (curr == rq->idle)
		return core_slot_task(slot);

	return curr->core.cookie != core->cookie;
}

static void core_publish(struct sched_core *core, struct rq *this_rq,
			 struct core_view *view)
{
	struct rq *rq;
	unsigned int i;

	core->conflict = view->leader >= 0 && core_settle(view);
	for (i = 0; i < core->nr; i++) {
		rq = core->rqs[i];
		core_note(rq, &view->slot[i], core->conflict);
		if (rq != this_rq && core_must_kick(core, rq, &view->slot[i]))
			resched_curr(rq);
		sched_update_tick_dependency(rq);
	}
}

static struct task_struct *core_verdict_on(struct sched_core *core,
					   struct rq *rq,
					   const struct core_view *view)
{
	unsigned int i;

	for (i = 0; i < core->nr; i++) {
		if (core->rqs[i] == rq)
			return view->leader < 0 ? NULL :
				core_slot_task(&view->slot[i]);
	}

	WARN_ON_ONCE(1);
	return NULL;
}

/*
 * Decide which cookie the core runs, and say what this CPU does about it. May
 * drop and retake the lock, before anything is looked at.
 */
static struct task_struct *core_decide(struct rq *rq, struct rq_flags *rf)
{
	struct task_struct *next;
	struct sched_core *core;
	struct core_view view;

	rq_unpin_lock(rq, rf);
	core = core_lock_siblings(rq);

	core_ask(core, &view);
	core_adopt(core, &view, rq_clock(rq));
	if (view.leader >= 0)
		core_find_others(core, &view);
	core_publish(core, rq, &view);
	core_fi_decide(core, rq_clock(rq), core->conflict);
	next = core_verdict_on(core, rq, &view);
	trace_sched_core_decide(core, &view, cpu_of(rq));

	core_unlock_siblings(core, rq);
	rq_repin_lock(rq, rf);

	return next;
}

/*
 *			Filling
 */

/*
 * May this CPU go on without a decision? See S1 and S2 in core_sched.h. A CPU
 * outside of any core is not constrained.
 */
static bool core_settled(struct rq *rq, struct task_struct *best)
{
	struct sched_core *core = rq->core.core;

	if (!core)
		return true;

	if (!core->conflict)
		return !best || best->core.cookie == core->cookie;

	return rq->core.followed != core->decisions &&
	       rq->core.gen == rq->core.gen_seen &&
	       rq->core.best_seen == best;
}

/* What this CPU runs by the last decision. NULL is idle. */
static struct task_struct *core_fill(struct rq *rq, struct task_struct *best)
{
	struct sched_core *core = rq->core.core;

	if (!core || !best || best->core.cookie == core->cookie)
		return best;

	return core_best_of_cookie(rq, core->cookie);
}

/*
 * Let the classes pull tasks before prev is put, as the base does. May drop
 * and retake the lock. Idle is no reason to look for real-time tasks, but for
 * fair ones. A CPU that goes offline pulls nobody: the real-time class would,
 * as long as the CPU is in a root domain with overloaded ones.
 */
static void core_balance(struct rq *rq, struct task_struct *prev,
			 struct rq_flags *rf)
{
	const struct sched_class *class, *first = prev->sched_class;

	if (unlikely(!cpu_active(cpu_of(rq))))
		return;

	if (first == &idle_sched_class)
		first = &fair_sched_class;

	for_class_range(class, first, &idle_sched_class) {
		if (class->balance(rq, prev, rf))
			break;
	}
}

static void core_switch(struct rq *rq, struct task_struct *prev,
			struct task_struct *next)
{
	/* Even prev may have been passed over, by a decision that is history. */
	next->core.passed_since = 0;

	/* A fair task that goes on keeps its slice, as in the base. */
	if (prev == next && next->sched_class == &fair_sched_class) {
		sched_core_fair_commit(rq, next);
		return;
	}

	put_prev_task(rq, prev);
	if (prev != next) {
		if (task_on_rq_queued(prev))
			core_index_add(rq, prev);
		core_index_del(rq, next);
	}

	next->sched_class->set_next_task(rq, next, true);
	if (next->sched_class == &fair_sched_class)
		sched_core_fair_commit(rq, next);
}

static void core_steal(struct rq *rq);

/* From here on this CPU runs @next, as far as siblings are concerned. */
static struct task_struct *core_commit(struct rq *rq, struct task_struct *prev,
				       struct task_struct *next)
{
	struct sched_core *core = rq->core.core;

	if (!next)
		next = rq->idle;

	core_fi_switch(rq, next);
	core_switch(rq, prev, next);
	if (core)
		rq->core.followed = core->decisions;

	SCHED_WARN_ON(core && next != rq->idle &&
		      next->core.cookie != core->cookie);

	if (next == rq->idle) {
		update_idle_rq_clock_pelt(rq);
		if (core && (core->cookie || core->conflict))
			queue_balance_callback(rq, &rq->core.steal_head,
					       core_steal);
	}

	trace_sched_core_run(cpu_of(rq), next, next == rq->idle &&
			     rq->nr_running);
	return next;
}

/**
 * sched_core_pick() - pick the next task of a CPU that may have siblings
 * @rq: this CPU's run queue
 * @prev: its running task, dequeued already if it went to sleep
 * @rf: how rq->lock was taken
 *
 * Context: from __schedule(), rq->lock held; may drop and retake it, before
 *	    @prev is put.
 * Return: the next task, on which set_next_task() has been called.
 */
struct task_struct *sched_core_pick(struct rq *rq, struct task_struct *prev,
				    struct rq_flags *rf)
{
	struct task_struct *next;

	core_balance(rq, prev, rf);

	next = core_best(rq);
	if (core_settled(rq, next))
		next = core_fill(rq, next);
	else
		next = core_decide(rq, rf);

	return core_commit(rq, prev, next);
}

bool __sched_core_due(const struct rq *rq)
{
	struct sched_core *core = rq->core.core;

	if (!core)
		return false;

	return core_curr(rq)->core.cookie != core->cookie ||
	       (core->conflict && rq->core.followed != core->decisions);
}

/*
 *			Stealing
 *
 * A CPU that idles beside a sibling, or is forced to, looks for a waiting task
 * of the core's cookie elsewhere. This runs as a balance callback, after the
 * switch to idle, in the way in which real-time tasks are pulled.
 */

/* How many waiting tasks of a cookie are looked at on one CPU. */
#define CORE_STEAL_TRIES	16

static bool core_may_steal(struct task_struct *p, struct rq *src, struct rq *dst)
{
	return cpumask_test_cpu(cpu_of(dst), p->cpus_ptr) &&
	       !task_running(src, p) &&
	       sched_core_fair_may_move(p, cpu_of(src), cpu_of(dst));
}

static struct task_struct *core_find_loot(struct rq *src, struct rq *dst,
					  struct core_cookie *cookie)
{
	unsigned int tries = CORE_STEAL_TRIES;
	struct task_struct *p;
	struct rb_node *node;

	/* It is about to run what it has. */
	if (core_curr(src) == src->idle &&
	    (!src->core.core || src->core.core->cookie == cookie))
		return NULL;

	p = core_index_find(src, cookie, NULL);
	while (p && tries--) {
		if (core_may_steal(p, src, dst))
			return p;
		node = rb_next(&p->core.node);
		p = node ? core_task_of(node) : NULL;
		if (p && p->core.cookie != cookie)
			p = NULL;
	}

	return NULL;
}

static bool core_wants_loot(struct rq *rq, struct core_cookie *cookie)
{
	struct sched_core *core = rq->core.core;

	return core_curr(rq) == rq->idle && core && core->cookie == cookie &&
	       !test_tsk_need_resched(rq->idle) && cpu_active(cpu_of(rq));
}

/* rq's lock is held on entry and on return; it may be dropped between. */
static bool core_steal_from(struct rq *rq, struct rq *src,
			    struct core_cookie *cookie)
{
	struct task_struct *p = NULL;

	if (RB_EMPTY_ROOT(&src->core.waiting))
		return false;

	double_lock_balance(rq, src);
	if (core_wants_loot(rq, cookie))
		p = core_find_loot(src, rq, cookie);
	if (p) {
		trace_sched_core_steal(p, cpu_of(src), cpu_of(rq));
		deactivate_task(src, p, 0);
		set_task_cpu(p, cpu_of(rq));
		activate_task(rq, p, 0);
		resched_curr(rq);
	}
	double_unlock_balance(rq, src);

	return p;
}

/* Search what @sd has beyond its child. Return whether to end the search. */
static bool core_steal_in(struct rq *rq, struct sched_domain *sd,
			  struct core_cookie *cookie)
{
	struct sched_domain *child = rcu_dereference(sd->child);
	int src;

	for_each_cpu(src, sched_domain_span(sd)) {
		if (src == cpu_of(rq) ||
		    (child && cpumask_test_cpu(src, sched_domain_span(child))))
			continue;
		if (!core_wants_loot(rq, cookie) ||
		    core_steal_from(rq, cpu_rq(src), cookie))
			return true;
	}

	return false;
}

static void core_steal(struct rq *rq)
{
	struct core_cookie *cookie;
	struct sched_domain *sd;

	if (!sched_core_enabled() || !rq->core.core)
		return;

	cookie = rq->core.core->cookie;
	rcu_read_lock();
	sd = rcu_dereference(rq->sd);
	while (sd && !core_steal_in(rq, sd, cookie))
		sd = rcu_dereference(sd->parent);
	rcu_read_unlock();
}

/*
 *			Tick and placement
 */

/*
 * The tick of a CPU that runs a task while a sibling waits: the base would let
 * a lone task run on, but here somebody wants the core.
 */
void __sched_core_tick(struct rq *rq)
{
	struct sched_core *core = rq->core.core;
	struct task_struct *p = core_curr(rq);
	u64 ran;

	if (!core || !core->conflict || p == rq->idle)
		return;

	core_fi_switch(rq, p);
	if (p->sched_class == &fair_sched_class) {
		ran = p->se.sum_exec_runtime - p->se.prev_sum_exec_runtime;
		if (ran >= sysctl_sched_min_granularity)
			resched_curr(rq);
	} else if (p->sched_class == &rt_sched_class &&
		   p->policy == SCHED_RR &&
		   p->rt.time_slice == sched_rr_timeslice) {
		resched_curr(rq);
	}
}

bool __sched_core_needs_tick(struct rq *rq)
{
	return rq->core.core && rq->core.core->conflict;
}

static bool core_is_idle(struct sched_core *core)
{
	unsigned int i, nr = min_t(unsigned int, READ_ONCE(core->nr),
				   CORE_SMT_MAX);
	struct rq *rq;

	for (i = 0; i < nr; i++) {
		rq = READ_ONCE(core->rqs[i]);
		if (rq && !available_idle_cpu(cpu_of(rq)))
			return false;
	}

	return true;
}

bool __sched_core_fits(struct rq *rq, struct task_struct *p)
{
	struct sched_core *core = READ_ONCE(rq->core.core);

	return !core || READ_ONCE(core->cookie) == READ_ONCE(p->core.cookie) ||
	       core_is_idle(core);
}

bool __sched_core_idle_cpu(int cpu)
{
	struct rq *rq = cpu_rq(cpu);

	return rcu_access_pointer(rq->curr) == rq->idle;
}
