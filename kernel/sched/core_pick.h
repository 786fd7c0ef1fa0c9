/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The decision of core scheduling: given the candidates of every sibling, whose
 * cookie does the core run, and what becomes of each sibling?
 *
 * No lock, no run queue, no task: a struct goes in and comes out. So the same
 * text is compiled into the kernel, where core_pick.c fills the struct in, and
 * into tools/testing/selftests/core_sched/decide_test.c, which tries every
 * small case.
 *
 *	core_choose_leader()	the most important candidate
 *	(the caller looks for tasks with the leader's cookie elsewhere)
 *	core_settle()		what every sibling does
 *
 * What is promised, for a leader l with cookie C = c(l):
 *
 *   D1	some sibling has a candidate  =>  there is a leader, and no candidate is
 *	before it
 *   D2	the leader's sibling runs the leader
 *   D3	a sibling runs nothing but tasks of cookie C
 *   D4	a sibling with a runnable task of cookie C is not idle
 *   D5	conflict  <=>  the candidate of some sibling does not run
 */
#ifndef _KERNEL_SCHED_CORE_PICK_H
#define _KERNEL_SCHED_CORE_PICK_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#endif

/* Importance; smaller comes first. Real-time tasks have their prio, 0..99. */
enum core_rank {
	CORE_RANK_STOP		= -2,
	CORE_RANK_DEADLINE	= -1,
	CORE_RANK_RT		= 0,
	CORE_RANK_HELD		= 100,	/* fair, just took the core over, or preempts */
	CORE_RANK_URGENT	= 101,	/* fair, passed over for too long */
	CORE_RANK_FAIR		= 102,
	CORE_RANK_NONE		= 140,	/* nothing to run */
};

/* What a decision makes of a sibling. */
enum core_verdict {
	CORE_REST,	/* idle, nothing to run */
	CORE_RUN_BEST,	/* runs its candidate */
	CORE_RUN_OTHER,	/* runs a task of the core's cookie, not the candidate */
	CORE_FORCED,	/* idle, although there is something to run */
};

/**
 * struct core_slot - one sibling in a decision
 * @rank:	importance of the candidate, CORE_RANK_NONE without one
 * @key:	order within a rank, smaller first
 * @cookie:	the candidate's cookie
 * @best:	the candidate
 * @other:	its most important task of the core's cookie, where the
 *		candidate has another one; NULL without one
 * @verdict:	the result
 */
struct core_slot {
	int			rank;
	long long		key;
	const void		*cookie;
	void			*best;
	void			*other;
	enum core_verdict	verdict;
};

/**
 * struct core_view - a core in a decision
 * @nr:		number of siblings
 * @leader:	the slot that decides the cookie, -1 when all are idle
 * @slot:	the siblings
 */
struct core_view {
	unsigned int		nr;
	int			leader;
	struct core_slot	slot[8];
};

/* Is the candidate of @a more important than that of @b? Not reflexive. */
static inline bool core_slot_before(const struct core_slot *a,
				    const struct core_slot *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank;

	return a->key < b->key;
}

/**
 * core_choose_leader() - find the most important candidate of a core
 * @view: siblings with their candidates; sets leader
 *
 * Among equals the sibling that comes first leads. Equals do not starve each
 * other: the key of a fair task grows as it runs, and core_pick.c tells running
 * from waiting real-time tasks.
 */
static inline void core_choose_leader(struct core_view *view)
{
	unsigned int i;

	view->leader = -1;
	for (i = 0; i < view->nr; i++) {
		if (view->slot[i].rank == CORE_RANK_NONE)
			continue;
		if (view->leader < 0 ||
		    core_slot_before(&view->slot[i], &view->slot[view->leader]))
			view->leader = i;
	}
}

/* Has this sibling a candidate that may not run beside the leader? */
static inline bool core_slot_passed(const struct core_view *view,
				    unsigned int i)
{
	return view->slot[i].rank != CORE_RANK_NONE &&
	       view->slot[i].cookie != view->slot[view->leader].cookie;
}

static inline enum core_verdict core_slot_verdict(const struct core_view *view,
						  unsigned int i)
{
	if (view->slot[i].rank == CORE_RANK_NONE)
		return CORE_REST;
	if (!core_slot_passed(view, i))
		return CORE_RUN_BEST;
	if (view->slot[i].other)
		return CORE_RUN_OTHER;
	return CORE_FORCED;
}

/**
 * core_settle() - say what becomes of every sibling
 * @view: siblings with their candidates and other tasks, and the leader; sets
 *	  the verdicts
 *
 * Return: whether there is a conflict, that is, somebody was passed over.
 */
static inline bool core_settle(struct core_view *view)
{
	bool conflict = 0;
	unsigned int i;

	for (i = 0; i < view->nr; i++) {
		view->slot[i].verdict = core_slot_verdict(view, i);
		if (view->slot[i].verdict == CORE_RUN_OTHER ||
		    view->slot[i].verdict == CORE_FORCED)
			conflict = 1;
	}

	return conflict;
}

/* The task that a sibling runs by its verdict; NULL is idle. */
static inline void *core_slot_task(const struct core_slot *slot)
{
	if (slot->verdict == CORE_RUN_BEST)
		return slot->best;
	if (slot->verdict == CORE_RUN_OTHER)
		return slot->other;
	return (void *)0;
}

/*
 * Where a run queue that has got to @pos in virtual time stands among siblings
 * of which the foremost has got to @front: at most @limit behind.
 */
static inline long long core_limit_lag(long long pos, long long front,
				       long long limit)
{
	return front - pos > limit ? front - limit : pos;
}

#endif /* _KERNEL_SCHED_CORE_PICK_H */
