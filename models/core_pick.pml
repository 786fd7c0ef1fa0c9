/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The pick of core scheduling, with two siblings. Models, from
 * kernel/sched/core_pick.c:
 *
 *	sched_core_pick()	proctype sibling, from PICK on
 *	core_settled()		S1, S2
 *	core_lock_siblings()	LOCK_BOTH: trylock, or drop and take in order
 *	core_decide()		DECIDE
 *	core_fill()		FILL
 *	core_commit()		COMMIT
 *	sched_core_set_cookie()	proctype world, RECOOKIE
 *
 * Three tasks exist. Each has a cookie and a priority (its number: the smaller
 * leads), and is queued on sibling 0 or 1, or nowhere. The world enqueues,
 * dequeues, migrates and changes cookies, under the run queue lock, a bounded
 * number of times. A running task also goes to sleep. Reschedule interrupts are
 * flags that the siblings look at when they like.
 *
 *   Safety	at each COMMIT, and whenever a decision is published:
 *		two siblings with no reschedule pending, and not in schedule(),
 *		run compatible tasks (I1 of core_sched.h).
 *   No lost	when the world has ended and nothing is pending, the core runs
 *   pick	what a decision from scratch would make it run: the leader runs,
 *		and no sibling idles beside a runnable task of the core's cookie.
 *
 * The followed flag is not among the mutants: what changes while a decision is
 * followed and no queue changes is time, and time is not modelled.
 *
 * Mutants, each of which spin has to find wanting:
 *	NOCOOKIE	S1 without comparing the best task's cookie with C
 *	NOCONFLICT	S1 even if there is a conflict
 *	NOGEN		S2 without comparing the generation
 *	NOKICK		a decision that kicks nobody
 *	NOIDLEKICK	a decision that does not kick idle siblings
 *	STALE		the candidate is not looked up again after the lock has
 *			been dropped
 *	TASK		a sibling follows the task that the decision found, not
 *			the cookie, and does not compare the generation
 *	NORECOOKIE	a new cookie without a reschedule
 *	ONELOCK		deciding with the own lock only
 */

// spin: -DSTEPS=4 -run -safety -m2000000
// mutants: NOCOOKIE NOCONFLICT NOGEN NOKICK NOIDLEKICK STALE TASK NORECOOKIE ONELOCK

#define CPUS	2
#define TASKS	3
#define NONE	3		/* no task, that is idle; or no place */
#ifndef STEPS
#define STEPS	5		/* what the world and the tasks do */
#endif

byte cookie[4];			/* of a task; idle has none */
byte where[4] = NONE;		/* the queue that a task is in, or NONE */
byte curr[CPUS] = NONE;
bool resched[CPUS];
bool picking[CPUS];		/* inside schedule() */
byte lock[CPUS];		/* 0, or 1 + holder */

byte C;				/* the core's cookie */
bool conflict;
bool followed[CPUS];		/* the last decision */
bool gen[CPUS];			/* has the queue changed since the decision? */
byte cached[CPUS];		/* MUTANT_TASK only */
byte steps;

#define ACQUIRE(i)	atomic { lock[i] == 0 -> lock[i] = 1 + _pid }
#define RELEASE(i)	lock[i] = 0

inline find_best(i, t)
{
	t = NONE;
	if
	:: where[0] == i -> t = 0
	:: where[0] != i && where[1] == i -> t = 1
	:: where[0] != i && where[1] != i && where[2] == i -> t = 2
	:: else
	fi
}

inline find_of_cookie(i, t)
{
	t = NONE;
	if
	:: where[0] == i && cookie[0] == C -> t = 0
	:: !(where[0] == i && cookie[0] == C) &&
	   where[1] == i && cookie[1] == C -> t = 1
	:: !(where[0] == i && cookie[0] == C) &&
	   !(where[1] == i && cookie[1] == C) &&
	   where[2] == i && cookie[2] == C -> t = 2
	:: else
	fi
}

#define CALM(i)		(!resched[i] && !picking[i])
#define COMPATIBLE	(curr[0] == NONE || curr[1] == NONE || \
			 cookie[curr[0]] == cookie[curr[1]])
#define I1		(!CALM(0) || !CALM(1) || COMPATIBLE)

/*
 * Both locks are held. The leader is the smallest candidate; the other sibling
 * is kicked where core_must_kick() says so.
 */
inline decide(self)
{
	find_best(0, a);
	find_best(1, b);
#ifdef MUTANT_STALE
	/* What was the best before the lock was dropped. */
	if
	:: self == 0 -> a = next
	:: else -> b = next
	fi;
#endif
	followed[0] = false;
	followed[1] = false;
	if
	:: a == NONE && b == NONE -> lead = NONE
	:: else -> lead = (a < b -> a : b); C = cookie[lead]
	fi;
	conflict = (a != NONE && cookie[a] != C) || (b != NONE && cookie[b] != C);
	find_of_cookie(0, a);
	find_of_cookie(1, b);
	gen[0] = false;
	gen[1] = false;
	cached[0] = a;
	cached[1] = b;
	kick = false;
	if
	:: curr[1 - self] == NONE ->
#ifndef MUTANT_NOIDLEKICK
		kick = (self == 0 -> b : a) != NONE
#else
		skip
#endif
	:: else -> kick = cookie[curr[1 - self]] != C
	fi;
#ifndef MUTANT_NOKICK
	if
	:: kick -> resched[1 - self] = true
	:: else
	fi;
#endif
	next = (self == 0 -> a : b);
	lead = NONE; kick = false; a = NONE; b = NONE
}

active [CPUS] proctype sibling()
{
	byte me = _pid;
	byte next, a = NONE, b = NONE, lead = NONE;
	bool kick, settled;

end:	do
	/* schedule(): because of an interrupt, or because curr sleeps. */
	:: atomic { (resched[me] || (curr[me] != NONE && steps < STEPS)) &&
		    lock[me] == 0 ->
			lock[me] = 1 + _pid; picking[me] = true;
			if
			:: !resched[me] ->
				steps++;
				where[curr[me]] = NONE; gen[me] = true
			:: else
			fi;
			/* core_balance() may drop the lock here. */
			if
			:: true -> lock[me] = 0
			:: true
			fi }
		if
		:: lock[me] == 1 + _pid
		:: else -> ACQUIRE(me)
		fi;
PICK:		atomic {
			find_best(me, next);
			settled = false;
			if
#ifndef MUTANT_NOCONFLICT
			:: !conflict ->
#else
			:: true ->
#endif
#ifndef MUTANT_NOCOOKIE
				settled = (next == NONE || cookie[next] == C)
#else
				settled = true
#endif
			:: conflict ->
				settled = !followed[me];
#if !defined(MUTANT_NOGEN) && !defined(MUTANT_TASK)
				settled = settled && !gen[me]
#endif
			fi
		}
		if
		:: settled ->
#ifdef MUTANT_TASK
			atomic {
				if
				:: conflict -> next = cached[me]
				:: else
				fi
			}
#else
FILL:			atomic {
				if
				:: next != NONE && cookie[next] != C ->
#ifdef MUTANT_NOCOOKIE
					skip
#else
					find_of_cookie(me, next)
#endif
				:: else
				fi
			}
#endif
		:: else ->
#ifdef MUTANT_ONELOCK
			atomic { decide(me) }
#else
LOCK_BOTH:		if
			/* Sibling 0 is the lower one: it may wait for 1. */
			:: me == 0 -> ACQUIRE(1)
			:: me == 1 ->
				if
				:: atomic { lock[0] == 0 -> lock[0] = 1 + _pid }
				:: atomic { lock[0] != 0 -> lock[1] = 0 };
					ACQUIRE(0); ACQUIRE(1)
				fi
			fi;
DECIDE:			atomic { decide(me) }
			RELEASE(1 - me)
#endif
		fi;
COMMIT:		atomic {
			assert(next == NONE || where[next] == me);
			assert(next == NONE || cookie[next] == C);
			curr[me] = next;
			followed[me] = true;
			resched[me] = false;
			picking[me] = false;
			assert(I1);
			RELEASE(me);
			next = NONE; settled = false
		}
	od
}

/* Everything that others do to the run queues, each under its lock. */
active proctype world()
{
	byte t, i;

	do
	:: atomic { steps < STEPS ->
		steps++;
		select(t : 0 .. 2);
		select(i : 0 .. 1) }
		if
		/* Enqueue; preempt where it is the best. */
		:: where[t] == NONE ->
			atomic { lock[i] == 0 && where[t] == NONE &&
				 curr[0] != t && curr[1] != t ->
				where[t] = i; gen[i] = true;
				if
				:: curr[i] == NONE || t < curr[i] ->
					resched[i] = true
				:: else
				fi }
		:: where[t] != NONE
		/* Dequeue a task that does not run. */
		:: where[t] == 0 || where[t] == 1 ->
			atomic {
				if
				:: where[t] != NONE && lock[where[t]] == 0 &&
				   curr[where[t]] != t ->
					gen[where[t]] = true; where[t] = NONE
				:: else
				fi }
		/* Another cookie. */
		:: where[t] != NONE ->
RECOOKIE:		atomic {
				if
				:: where[t] != NONE && lock[where[t]] == 0 ->
					cookie[t] = (cookie[t] + 1) % 3;
					gen[where[t]] = true;
#ifndef MUTANT_NORECOOKIE
					resched[where[t]] = true
#endif
				:: else
				fi }
		fi
	:: atomic { steps >= STEPS -> break }
	od
}

/* Nothing moves any more. */
active proctype check()
{
	byte lead, idle, other;

	timeout;
	assert(lock[0] == 0 && lock[1] == 0);
	assert(CALM(0) && CALM(1) && COMPATIBLE);
	atomic {
		if
		:: where[0] != NONE -> lead = 0
		:: where[0] == NONE && where[1] != NONE -> lead = 1
		:: where[0] == NONE && where[1] == NONE -> lead = 2
		fi;
		if
		:: where[lead] == NONE ->
			assert(curr[0] == NONE && curr[1] == NONE)
		:: else ->
			assert(curr[where[lead]] == lead);
			idle = 1 - where[lead];
			find_of_cookie(idle, other);
			assert(curr[idle] != NONE || other == NONE)
		fi
	}
}
