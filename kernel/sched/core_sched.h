/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Core scheduling: tasks that do not trust each other never run in user mode
 * on the SMT siblings of one core at the same time.
 *
 *				Model
 *
 * A core is a set S of SMT siblings. Every task t has a cookie c(t), NULL
 * unless somebody gave it one; tasks with the same cookie trust each other.
 * The core itself has a cookie, C: the one that its siblings run.
 *
 *   I1	for all i in S:  curr(i) is idle  or  c(curr(i)) == C  or  a reschedule
 *	of i is pending
 *
 * so two siblings that are not about to reschedule run compatible tasks. A
 * schedule() is made of two decisions with different needs:
 *
 *   deciding	which cookie the core runs. Needs the candidates of all
 *		siblings, hence the run queue locks of all siblings. The most
 *		important candidate is the leader, its cookie becomes C, and
 *		the siblings that now break I1 (or idle in vain) are kicked.
 *   filling	one sibling with its best task of cookie C, or with idle. Needs
 *		that sibling's queue and C. C is written with all locks held,
 *		so one sibling's own lock is enough to rely on it.
 *
 * Nothing but the cookie is passed from a decision to the siblings that follow
 * it. A task found by one CPU is never run by another CPU later, so there is
 * no cached task that might have been dequeued, migrated, throttled, freed or
 * given another cookie in between: filling looks at the queue as it is.
 *
 *   conflict	the last decision passed somebody over: the best task of some
 *		sibling has another cookie than C.
 *   forced	a sibling whose queue has runnable tasks, but none of cookie C;
 *   idle	it runs its idle task instead.
 *
 * A sibling may fill without a new decision in two cases, see core_settled():
 *
 *   S1	no conflict, and its best task has cookie C, or it has no task. Nobody
 *	waits for the core, so nobody can object. This is the only case when
 *	all tasks of a core trust each other, and costs no foreign lock.
 *   S2	conflict, but there is a decision that this sibling has not followed
 *	yet, and its queue is still the one that the decision saw: generation
 *	unchanged, and the same best task. Every enqueue, dequeue and cookie
 *	change bumps the generation; bandwidth control does not, but it
 *	changes the best task where that matters. Safety needs neither, only
 *	C; they are there so that a decision whose leader has left, or that a
 *	more important newcomer has overtaken, is made again.
 *
 *				Locks
 *
 *	what				written under
 *	struct sched_core		the run queue locks of all members
 *	  but nr_*, fi_*		acct_lock, inside a run queue lock
 *	struct core_rq			the lock of that run queue
 *	  ::core			the locks of all members, old and new
 *	core_task::cookie		pi_lock and run queue lock of the task
 *	core_task, the rest		run queue lock of the task
 *
 * Siblings' locks nest in the order of their address, as everywhere in the
 * scheduler. A CPU that cannot get a lower one by trylock drops its own and
 * takes all of them in order. That happens only where the base may drop the
 * lock too: after prev was deactivated and before it was put.
 *
 *				Scenarios
 *
 * A) A wake-up against a decision.
 *
 *	CPU0: decides, C = a			CPU1: forced idle, kicked
 *						  <irq: enqueues t of cookie b>
 *						generation changed
 *						schedule(): S2 fails
 *						decides again, with t
 *
 *    With the enqueue before the decision, the decision has seen t. With the
 *    enqueue after CPU1 has followed, t's own preemption check reschedules
 *    CPU1, and no decision is left to follow.
 *
 * B) The leader leaves.
 *
 *	CPU0: decides, leader l is on CPU1,	CPU2: pulls l away from CPU1
 *	      C = c(l), CPU1 is kicked
 *						CPU1: S2 fails, decides again
 *
 *    Without the generation CPU1 would go idle with nobody left who has cookie
 *    C, and whoever was passed over would wait for nothing.
 *
 * C) A kick in flight.
 *
 *	CPU0: decides, C = b, runs b's task	CPU1: runs a's task in user mode
 *						<reschedule IPI arrives>
 *
 *    CPU0 does not wait. Until the interrupt arrives both run: the window of
 *    I1. CPU1 may be inside schedule() with its lock dropped, for balancing
 *    or to take the siblings' locks: it reads C after it has the lock back.
 *
 * D) The cookie of a running task changes.
 *
 *    It is changed under the run queue lock, and the CPU rescheduled: the task
 *    is now the one that breaks I1, with a reschedule pending.
 *
 * E) A cookie's memory is reused while C still points at it.
 *
 *    Nobody holds the old cookie any more, so by I1 all siblings are idle or
 *    about to reschedule: adopting C for the new cookie is harmless. C is
 *    compared, never dereferenced.
 *
 * F) Siblings come and go.
 *
 *    A CPU joins its core before it becomes active and leaves when it dies.
 *    Both happen with the locks of all members held. A CPU that had to drop
 *    its lock compares the members with those it saw before. Outside of any
 *    core (core == NULL) only kernel threads run; they are not constrained.
 *
 *				Fairness
 *
 * Stop, deadline and real-time tasks lead by priority. Fair tasks are compared
 * by how far their top-level entity has got in the virtual time of its run
 * queue, from an origin that makes run queues of one core comparable. While
 * run queues compete, the origins stay; a run queue that does not compete may
 * lag behind the others by one scheduling latency, as a sleeper may in CFS.
 * Whoever takes the core over from another cookie keeps it for the minimal
 * granularity, against fair tasks that wait; one that wakes up may preempt it
 * as on one CPU, by the wake-up granularity. Whoever was passed over for
 * CORE_WAIT_LIMIT leads next. See core_pick.c.
 *
 *				Not promised
 *
 * Kernel mode on one sibling against user or kernel mode on another. The
 * window of scenario C. Anything about CPUs that do not share a core.
 */
#ifndef _KERNEL_SCHED_CORE_SCHED_H
#define _KERNEL_SCHED_CORE_SCHED_H

#include <linux/jump_label.h>
#include <linux/sched_core.h>

struct rq;
struct rq_flags;
struct seq_file;

#ifdef CONFIG_SCHED_CORE

/* POWER has cores of eight siblings; lockdep can tell eight nested locks. */
#define CORE_SMT_MAX	8

/* A fair task passed over for longer than this leads next. In ns. */
#define CORE_WAIT_LIMIT	(500 * NSEC_PER_MSEC)

/* What a sibling was doing when forced idle was last accounted. */
enum core_activity {
	CORE_STATE_EMPTY,	/* idle, nothing to run */
	CORE_STATE_FORCED,	/* idle, although there is something to run */
	CORE_STATE_BUSY,	/* running a task */
};

/**
 * struct sched_core - everything the siblings of a core share
 * @nr:		number of members
 * @rqs:	the members' run queues, by address: the order of their locks
 * @members:	bumped when @rqs changes
 * @cookie:	the cookie that the siblings run; compared, never followed
 * @decisions:	number of the last decision
 * @conflict:	the last decision passed somebody over
 * @held_since:	when @cookie last changed, in ns
 * @acct_lock:	innermost; protects what follows
 * @fi_active:	forced idle is being measured
 * @nr_forced:	siblings in forced idle
 * @nr_busy:	siblings running a task
 * @fi_stamp:	when @fi_clock was brought up to date, in ns
 * @fi_clock:	ns of forced idle, each divided by the number of busy siblings:
 *		what a task that was running all the time is to be charged
 *
 * There is one for every possible CPU, and the members of a core use the one
 * of the CPU that came first. So no state has to move when a CPU goes.
 */
struct sched_core {
	unsigned int		nr;
	struct rq		*rqs[CORE_SMT_MAX];
	unsigned int		members;
	struct core_cookie	*cookie;
	unsigned long		decisions;
	bool			conflict;
	u64			held_since;

	raw_spinlock_t		acct_lock;
	bool			fi_active;
	unsigned int		nr_forced;
	unsigned int		nr_busy;
	u64			fi_stamp;
	u64			fi_clock;
};

/**
 * struct core_rq - a run queue as a sibling
 * @core:	the core that this CPU is a member of, or NULL
 * @waiting:	fair tasks that are queued and do not run, by (cookie, cfs_rq,
 *		vruntime): none of the three changes while a task waits
 * @indexed:	@waiting is being maintained
 * @gen:	bumped by every enqueue, dequeue and cookie change
 * @gen_seen:	@gen, as the last decision saw it
 * @best_seen:	the best task that the last decision saw; compared, never
 *		followed
 * @followed:	number of the decision that this CPU followed last
 * @origin:	root cfs_rq's vruntime that counts as 0 among the siblings
 * @competed:	had a fair candidate in a decision that passed somebody over
 * @state:	under sched_core::acct_lock too, while fi_active
 * @fi_seen:	sched_core::fi_clock when curr was charged last
 * @steal_head:	balance callback of core_steal()
 */
struct core_rq {
	struct sched_core	*core;
	struct rb_root		waiting;
	bool			indexed;
	unsigned long		gen;
	unsigned long		gen_seen;
	struct task_struct	*best_seen;
	unsigned long		followed;
	u64			origin;
	bool			competed;
	enum core_activity	state;
	u64			fi_seen;
	struct callback_head	steal_head;
};

/* core_sched.c */
u64 core_cookie_number(struct task_struct *p);
void sched_core_cpu_activate(unsigned int cpu);
void sched_core_cpu_dying(unsigned int cpu);

/* core_pick.c */
struct task_struct *sched_core_pick(struct rq *rq, struct task_struct *prev,
				    struct rq_flags *rf);
void sched_core_index(struct rq *rq);
void sched_core_unindex(struct rq *rq);
void sched_core_set_cookie(struct rq *rq, struct task_struct *p,
			   struct core_cookie *cookie);
void sched_core_lock_members(struct rq **rqs, unsigned int nr);
void sched_core_unlock_members(struct rq **rqs, unsigned int nr);
void __sched_core_enqueue(struct rq *rq, struct task_struct *p);
void __sched_core_dequeue(struct rq *rq, struct task_struct *p);
void __sched_core_tick(struct rq *rq);
bool __sched_core_needs_tick(struct rq *rq);
bool __sched_core_due(const struct rq *rq);
bool __sched_core_fits(struct rq *rq, struct task_struct *p);

/* core_fair.h, that is fair.c */
struct task_struct *sched_core_fair_best(struct rq *rq);
void sched_core_fair_commit(struct rq *rq, struct task_struct *p);
bool sched_core_fair_before(struct task_struct *a, struct task_struct *b);
bool sched_core_fair_preempts(struct task_struct *p, struct sched_entity *top,
			      s64 lead);
bool sched_core_fair_throttled(struct task_struct *p);
bool sched_core_fair_may_move(struct task_struct *p, int src, int dst);

/* @p has been enqueued. rq->lock held. */
static inline void sched_core_enqueue(struct rq *rq, struct task_struct *p)
{
	if (sched_core_enabled())
		__sched_core_enqueue(rq, p);
}

/* @p is about to be dequeued. rq->lock held. */
static inline void sched_core_dequeue(struct rq *rq, struct task_struct *p)
{
	if (sched_core_enabled())
		__sched_core_dequeue(rq, p);
}

/* The tick of the CPU of @rq. rq->lock held, clock up to date. */
static inline void sched_core_tick(struct rq *rq)
{
	if (sched_core_enabled())
		__sched_core_tick(rq);
}

/* Does a sibling wait for the tick of the CPU of @rq? rq->lock held. */
static inline bool sched_core_needs_tick(struct rq *rq)
{
	return sched_core_enabled() && __sched_core_needs_tick(rq);
}

/*
 * Must the reschedule that is pending on @rq not be put off, not even for
 * microseconds? So when siblings rely on it: the core runs another cookie than
 * this CPU, or somebody was passed over and this CPU has not followed the
 * decision yet. rq->lock held.
 */
static inline bool sched_core_due(const struct rq *rq)
{
	return sched_core_enabled() && __sched_core_due(rq);
}

/*
 * Could @p run on the CPU of @rq without forcing a sibling to idle? A hint for
 * placement: no lock is needed, and the answer may be old.
 */
static inline bool sched_core_fits(struct rq *rq, struct task_struct *p)
{
	return !sched_core_enabled() || __sched_core_fits(rq, p);
}

#else /* !CONFIG_SCHED_CORE */

struct core_rq { };

static inline struct task_struct *sched_core_pick(struct rq *rq,
						  struct task_struct *prev,
						  struct rq_flags *rf)
{
	return NULL;
}

static inline void sched_core_cpu_activate(unsigned int cpu) { }
static inline void sched_core_cpu_dying(unsigned int cpu) { }
static inline void sched_core_enqueue(struct rq *rq, struct task_struct *p) { }
static inline void sched_core_dequeue(struct rq *rq, struct task_struct *p) { }
static inline void sched_core_tick(struct rq *rq) { }

static inline bool sched_core_needs_tick(struct rq *rq)
{
	return false;
}

static inline bool sched_core_due(const struct rq *rq)
{
	return false;
}

static inline bool sched_core_fits(struct rq *rq, struct task_struct *p)
{
	return true;
}

#endif /* CONFIG_SCHED_CORE */

#endif /* _KERNEL_SCHED_CORE_SCHED_H */
