/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rseq time slice extension: the protocol between a thread, the kernel on its
 * CPU, the expiry timer, remote wakeups and membarrier.
 *
 * Models, in kernel/rseq_slice.c unless said otherwise:
 *
 *	irq_exit()	__rseq_slice_irq_exit() and the exit work behind it
 *	suppress	sched_slice_suppress(), kernel/sched/rseq_slice.c
 *	syscall()	__rseq_slice_syscall(), the system call, its exit work
 *	resume()	__rseq_slice_resume()
 *	switch_out()	__rseq_slice_sched_out()
 *	fault()		a page fault that sleeps: switched out inside an exception
 *	timer		rseq_slice_expired()
 *	waker		ttwu of a FIFO or CFS task on another CPU: resched_curr()
 *	copy()		the birth of a child: what fork copies, rseq_slice_fork()
 *
 * Two CPUs.  The thread A runs on CPU `cpu`; each CPU has its timer.  B is what
 * runs when A is switched out; it is granted as well, so that an old timer of A
 * meets a grant of B.  A hostile A sets its request whenever it likes and
 * issues any system call.  A child is looked at when it is born: from then on it
 * is another A.  CPUs stay here, and all have high resolution timers; what
 * becomes of both is in rseq_slice_cpu.pml.
 *
 * Invariants (numbers as in kernel/rseq_slice.c) are assertions at the points
 * where they must hold.  `owed` is a reschedule that was suppressed and not yet
 * made up for by a schedule():
 *
 *	I1, I3	owed => N, or a live grant and this CPU's timer armed for it
 *	I7	the same, as nothing but a grant clears N without schedule()
 *	I2	in user mode g=1 <=> G=1
 *	I4	one grant at most between two schedule() of A
 *	I6	yield returned 1 => a grant was live at its entry
 *	I8	a FIFO task is queued => nobody clears N without schedule()
 *	I10	a child begins with g=0, as G=0, and without W
 *
 * Mutants, each of which takes one guard away:
 *
 *	DROP    	resume() forgets to raise N
 *	ABORT   	syscall() forgets to raise N
 *	NOTIMER 	the grant does not arm the timer
 *	TIMER   	the timer callback does not raise N
 *	UNLOCKED	suppress looks at the queue before it takes the lock
 *	AGAIN   	a live grant is extended instead of ended
 *	STALE   	switch_out() does not mark slice_ctrl stale
 *	KEEP    	the grant keeps a timer that is armed already
 *	YIELD   	Y is set without a live grant
 *	SKIPPED 	W is not kept for a yield that never ran
 *	FORK    	fork() does not end a grant at its entry
 */

// spin: -run -DVECTORSZ=2048 -m100000
// mutants: DROP ABORT NOTIMER TIMER UNLOCKED AGAIN STALE KEEP YIELD SKIPPED FORK

#define NCPU	2
#define STEPS	5

bool r, g;			/* slice_ctrl.request, .granted	*/
bool G, Z, Y, W;		/* held.granted, stale, yielded, TIF_RSEQ_SLICE */
bool N;				/* TIF_NEED_RESCHED of the CPU that runs A */
bool NOTIFY;			/* TIF_NOTIFY_RESUME of A */
bool armed[NCPU];		/* the CPU's timer is queued */
bool mine[NCPU];		/* ... for the live grant of A */
bool owed;			/* a reschedule was suppressed and is not yet made up for */
bool fifo;			/* a FIFO task is queued on the CPU of A */
bool rqlock;
byte cpu;
byte grants;			/* since the last schedule() of A */
bool user;			/* A executes user code */
bool done;

/* The timer of this CPU is A's while G is set, as A re-armed it. */
#define CHECK_USER()							\
	assert(!owed || N || (G && armed[cpu] && mine[cpu]));	/* I1, I3, I7 */ \
	assert(G == g);						/* I2 */ \
	assert(grants <= 1)					/* I4 */

inline end_grant()
{
	G = 0; W = 0;
}

inline raise_resched()
{
	N = 1
}

/* A real context switch.  A comes back on any CPU. */
inline switch_out()
{
	if
	:: G ->
		end_grant();
#ifndef MUTANT_STALE
		Z = 1;
#endif
	:: else
	fi;
	NOTIFY = 1;
	/* B runs here, perhaps under a grant of its own with the same timer. */
	if :: armed[cpu] = 1; mine[cpu] = 0 :: skip fi;
	if :: cpu = 0 :: cpu = 1 fi;
}

/* schedule(): picks somebody else, or A again.  The FIFO task always wins. */
inline schedule_()
{
	N = 0; owed = 0; grants = 0;
	if
	:: fifo -> fifo = 0; switch_out()
	:: !fifo -> switch_out()
	:: !fifo -> skip
	fi
}

inline resume_(signal)
{
	if
	:: !signal && G ->
		end_grant();
		armed[cpu] = 0; mine[cpu] = 0;
#ifndef MUTANT_DROP
		raise_resched();
#endif
		Z = 1
	:: else
	fi;
	if
	:: Z -> Z = 0; r = 0; g = 0
	:: else
	fi
}

/* exit_to_user_mode_loop(): a remote wakeup may come between any two rounds. */
inline exit_work()
{
	do
	:: atomic { N -> schedule_() }
	:: atomic { !N && NOTIFY -> NOTIFY = 0; resume_(false) }
	:: atomic { !N && !NOTIFY -> user = 1; CHECK_USER(); break }
	od
}

/* Interrupts are off; only remote CPUs act in between, and they take the lock. */
inline suppress(ok)
{
#ifdef MUTANT_UNLOCKED
	ok = !fifo;
	atomic { !rqlock -> rqlock = 1 };
#else
	atomic { !rqlock -> rqlock = 1 };
	ok = !fifo;
#endif
	if
	:: ok -> N = 0; owed = 1; assert(!fifo)		/* I8 */
	:: else
	fi;
	rqlock = 0
}

inline irq_exit()
{
	bool ok;

	atomic { user = 0 };
	if
	:: N && G ->
#ifdef MUTANT_AGAIN
		if
		:: r -> r = 0; N = 0; owed = 1; grants++; armed[cpu] = 1; mine[cpu] = 1
		:: else -> end_grant(); Z = 1; NOTIFY = 1
		fi
#else
		end_grant(); Z = 1; NOTIFY = 1
#endif
	:: N && !G && r && !NOTIFY ->
		suppress(ok);
		if
		:: !ok -> Z = 1; NOTIFY = 1
		:: ok ->
			/* slice_ctrl may be out of reach */
			if
			:: r = 0; g = 1; G = 1; W = 1; Y = 0; grants++;
#ifdef MUTANT_NOTIMER
			   skip
#else
#ifdef MUTANT_KEEP
			   mine[cpu] = (armed[cpu] -> mine[cpu] : 1);
#else
			   mine[cpu] = 1;
#endif
			   armed[cpu] = 1
#endif
			:: raise_resched(); Z = 1; NOTIFY = 1
			fi
		fi
	:: N && !G && r && NOTIFY -> Z = 1
	:: else
	fi;
	exit_work()
}

inline fault()
{
	atomic { user = 0; switch_out(); owed = 0; N = 0; grants = 0 };
	irq_exit()
}

mtype = { YIELD, FORK, OTHER };

/* The child gets the memory and the TIF bits as they are, and a fresh rseq_slice. */
inline copy()
{
	assert(!g && !W)				/* I10 */
}

/* A tracer or seccomp may skip the call after its entry work. */
inline syscall(call)
{
	bool live, was, yield;

	atomic { user = 0; was = G; yield = (call == YIELD) };
	atomic {
		if
#ifdef MUTANT_FORK
		:: (W || G) && call != FORK ->
#else
		:: W || G ->
#endif
			Y = 0; W = 0; live = G;
			if
			:: live ->
				end_grant();
				armed[cpu] = 0; mine[cpu] = 0;
#ifndef MUTANT_ABORT
				raise_resched();
#endif
				if
				:: yield -> Y = 1;
#ifndef MUTANT_SKIPPED
					W = 1
#endif
				:: else
				fi
			:: else
#ifdef MUTANT_YIELD
				Y = yield
#endif
			fi
		:: else -> live = 0
#ifdef MUTANT_YIELD
			; Y = yield
#endif
		fi
	};
	if
	:: live ->
		atomic { if :: N -> schedule_() :: else fi };
		r = 0; g = 0
	:: else
	fi;
	if
	:: yield ->				/* the call itself */
		atomic { assert(!Y || was); Y = 0; W = 0 }	/* I6 */
	:: call == FORK -> copy()
	:: skip					/* skipped, or another call */
	fi;
	exit_work()
}

active proctype thread()
{
	byte n = 0;

	user = 1;
	do
	:: n < STEPS ->
		n++;
		if
		:: r = 1
		:: r = 0
		:: irq_exit()
		:: fault()
		:: syscall(YIELD)
		:: syscall(FORK)
		:: syscall(OTHER)
		fi
	:: else -> break
	od;
	done = 1
}

/* The timer interrupt: in user mode it is followed by irq_exit() in thread(). */
proctype timer(byte c)
{
	do
	:: atomic { armed[c] && cpu == c ->
		armed[c] = 0;
		mine[c] = 0;
		if
#ifndef MUTANT_TIMER
		:: G -> raise_resched()
#endif
		:: else
		fi }
	:: done -> break
	od
}

/* Under the rq lock: queue, then raise unless a reschedule is pending. */
active proctype waker()
{
	byte n = 0;

	do
	:: n < 2 && !done ->
		n++;
		atomic { !rqlock -> rqlock = 1 };
		if :: fifo = 1 :: skip fi;
		N = 1;
		rqlock = 0
	:: else -> break
	od
}

active proctype membarrier()
{
	NOTIFY = 1
}

init
{
	run timer(0);
	run timer(1)
}
