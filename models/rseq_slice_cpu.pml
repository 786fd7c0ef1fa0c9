/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rseq time slice extension: the timer of a CPU that goes away and comes back, and
 * that has no high resolution at times.
 *
 * Models, in kernel/rseq_slice.c unless said otherwise:
 *
 *	grant		try_suppress() and try_grant(), interrupts off
 *	switched	__rseq_slice_sched_out(): ends the grant, leaves the timer
 *	revoked		__rseq_slice_irq_exit() under a grant
 *	expired		rseq_slice_expired(), then the same
 *	offline		slice_cpu_offline(), in a thread on the CPU itself
 *	dead		migrate_tasks() and hrtimers_dead_cpu() of the base
 *	online		slice_cpu_online(), likewise
 *
 * One CPU, the one that goes.  Threads of user space run on it one after the
 * other and ask all the time; each stands for any other, so one is enough.  The
 * hotplug thread can be preempted between any two of its steps, and threads that
 * have not been moved yet go on running until the CPU is dead.
 *
 * When a CPU dies, the base moves the timers that are queued there to another
 * CPU, and when it comes back its owner initializes its own anew.  High
 * resolution ends with the CPU and begins some time after it is back.
 *
 *	I1	a grant is live => its timer is queued on this CPU, and fires when
 *		it is due, not with some later tick
 *	I9	the timer is not queued anywhere when it is initialized
 *	I11	nothing is granted on a CPU that is not there
 *
 * Mutants, each of which takes one guard away:
 *
 *	CLOSED	a CPU that goes away gives grants until it is gone
 *	CANCEL	a CPU that goes away leaves its timer queued
 *	ORDER	the timer is cancelled before the CPU is closed
 *	LOWRES	a grant is given without a high resolution timer
 */

// spin: -run -m100000
// mutants: CLOSED CANCEL ORDER LOWRES

#define TURNS	3		/* times that the CPU goes and comes back */

mtype = { NOWHERE, HERE, ELSEWHERE };

mtype queued = NOWHERE;		/* where the CPU's timer is queued */
bool there = 1;			/* the CPU runs tasks */
bool open = 1;			/* slice_cpu.open */
bool hres = 1;			/* hrtimer_is_hres_active() */
bool user;			/* a thread of user space runs on the CPU */
bool G;				/* ... under a grant */
bool done;

#define CHECK()	assert(!G || (queued == HERE && hres))	/* I1 */

#ifdef MUTANT_LOWRES
#define MAY_GRANT	open
#else
#define MAY_GRANT	(open && hres)
#endif

/* Each branch is a section with interrupts off, or a context switch. */
active proctype threads()
{
	do
	:: atomic { there && !user -> user = 1 }
	:: atomic { user && !G && MAY_GRANT ->		/* grant */
		assert(there);				/* I11 */
		G = 1;
		queued = HERE;
		CHECK() }
	:: atomic { user && G -> G = 0 }		/* revoked */
	:: atomic { user -> G = 0; user = 0 }		/* switched */
	:: done && !user -> break
	od
}

/* Without high resolution it waits for a tick: that is for CHECK() to forbid. */
active proctype timer()
{
	do
	:: atomic { queued == HERE -> queued = NOWHERE; G = 0 }		/* expired */
	:: atomic { queued == ELSEWHERE -> queued = NOWHERE }
	:: done && queued == NOWHERE -> break
	od
}

inline close_it()
{
#ifndef MUTANT_CLOSED
	atomic { !user -> open = 0 }
#else
	skip
#endif
}

inline cancel_it()
{
#ifndef MUTANT_CANCEL
	atomic { !user ->
		if
		:: queued == HERE -> queued = NOWHERE
		:: else
		fi }
#else
	skip
#endif
}

/* What runs on the CPU runs while no thread of user space does. */
active proctype hotplug()
{
	byte n = 0;

	do
	:: n < TURNS ->
		n++;
#ifdef MUTANT_ORDER
		cancel_it();
		close_it();
#else
		close_it();
		cancel_it();
#endif
		atomic {					/* dead */
			G = 0;
			user = 0;
			there = 0;
			hres = 0;
			if
			:: queued == HERE -> queued = ELSEWHERE
			:: else
			fi
		};
		there = 1;
		if						/* online */
		:: hres = 1;
		   atomic { !user -> assert(queued == NOWHERE); open = 1 }	/* I9 */
		:: atomic { !user -> assert(queued == NOWHERE); open = 1 };	/* I9 */
		   hres = 1
		fi
	:: else -> break
	od;
	done = 1
}
