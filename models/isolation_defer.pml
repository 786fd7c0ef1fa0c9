/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Task isolation: what other CPUs want of an isolated CPU, put off until it leaves
 * user mode by itself.
 *
 * Models, in kernel/task_isolation_defer.c unless said otherwise:
 *
 *	ATTEMPT		catches_up(), with rcu_eqs_special_set() of the base in it
 *	sender		task_isolation_flush_cpus(), task_isolation_sync_cpus()
 *	LEAVE_EQS	rcu_dynticks_eqs_exit() with its call of
 *			task_isolation_catch_up(), arch/x86/mm/task_isolation.c
 *	ENTER_EQS	rcu_dynticks_eqs_enter()
 *	target		one CPU in the kernel, in user mode and idle, by turns:
 *			__context_tracking_enter(), __context_tracking_exit(),
 *			rcu_idle_enter(), rcu_idle_exit()
 *	nmi		rcu_nmi_enter(), with task_isolation_nmi_catch_up(), and
 *			rcu_nmi_exit()
 *
 * Each sender owns a mapping.  It writes a new version, and has the old one
 * flushed from the target's TLB, by an interrupt or later; then the old one is
 * dead.  The hardware reads page tables into the TLB whenever it likes, user mode
 * included.  Stores of the senders, and the target's of its context, wait in store
 * buffers until the next full barrier, or until any moment before.  The counter of
 * RCU is kept modulo 4: its bit 0 says that there is something to catch up with,
 * bit 1 that RCU watches.  So an exchange may succeed here that would fail in
 * reality: what holds here holds there.
 *
 * What is isolated and what not does not matter for any of this, only for whether
 * a sender tries at all: here it always does.
 *
 *	A	what was put off is done before the next use of a mapping
 *	B	what is done then sees what the sender wrote before
 *	C	a target that has left user mode already gets the interrupt
 *	D	nothing is put off in idle, whose code uses mappings all the time
 *	E	an NMI catches up, too, also when it comes while the target does
 *	F	all senders' work is done at once, none is lost
 *	G	a target that stays in user mode gets no interrupt
 *
 * A to F are the assertion in USE: no dead version is used.  G is the assertion in
 * sender.  Nobody waits forever: that would be an invalid end state.
 *
 * Mutants, each of which takes one guard away:
 *
 *	SKIP		the target clears the bit and does nothing
 *	CLEAR_EARLY	... clears the bit before it has done the work
 *	NMI_SKIP	an NMI from user mode does nothing
 *	NMI_BLIND	an NMI on top of the entry does not look at the bit
 *	PLAIN_EXIT	the target counts by a load and a store on its way in
 *	PLAIN_ENTER	... on its way out, and its context may be seen later
 *	RELAXED		the sender's exchange orders nothing
 *	NO_CONTEXT	idle is taken for user mode
 *	CONTEXT_FIRST	the context is looked at before the exchange only
 *	WATCHING	the sender sets the bit whether RCU watches or not
 *	NO_RETRY	a failed exchange is not tried again
 */

// spin: -run -DNOREDUCE -DCOLLAPSE -m1000000
// mutants: SKIP CLEAR_EARLY NMI_SKIP NMI_BLIND PLAIN_EXIT PLAIN_ENTER RELAXED NO_CONTEXT CONTEXT_FIRST WATCHING NO_RETRY

#define SENDERS		2
#define FLUSHES(i)	(2 - (i))

#define SPECIAL		1
#define WATCHES		2
#define NONE		255

#define KERNEL		0
#define USER		1

byte dyn = WATCHES;		/* rcu_data.dynticks, modulo 4 */
byte context = KERNEL;		/* context_tracking.state, as others see it */
byte context_buf = NONE;	/* ... on its way from the target */
byte pte[SENDERS];		/* version, as page walks see it */
byte pte_buf[SENDERS] = NONE;	/* ... on its way from the sender */
byte tlb[SENDERS] = NONE;	/* version that the target's TLB holds */
byte alive[SENDERS];		/* the oldest version that may be used */
bool ipi[SENDERS];		/* sent and not done yet */
bool quiet[SENDERS];		/* the target was in user mode since ATTEMPT began */
bool in_nmi;
byte ended;

/* The code of the target and of an NMI on top of it runs on one CPU. */
#define MY_TURN		(in_nmi == am_nmi)

/* Everything that the CPU does by itself. */
active proctype hardware()
{
	byte i;

	do
	:: atomic { context_buf != NONE -> context = context_buf; context_buf = NONE }
	:: atomic { pte_buf[0] != NONE -> pte[0] = pte_buf[0]; pte_buf[0] = NONE }
	:: atomic { pte_buf[1] != NONE -> pte[1] = pte_buf[1]; pte_buf[1] = NONE }
	:: atomic { tlb[0] == NONE && ended < SENDERS -> tlb[0] = pte[0] }
	:: atomic { tlb[1] == NONE && ended < SENDERS -> tlb[1] = pte[1] }
	:: atomic { ended == SENDERS && context_buf == NONE && pte_buf[0] == NONE &&
		    pte_buf[1] == NONE -> break }
	od
}

inline PTE_BARRIER()
{
	if
	:: pte_buf[me] != NONE -> pte[me] = pte_buf[me]; pte_buf[me] = NONE
	:: else
	fi
}

inline CONTEXT_BARRIER()
{
	if
	:: context_buf != NONE -> context = context_buf; context_buf = NONE
	:: else
	fi
}

/* Code that uses a mapping: the version in the TLB, or what a page walk finds. */
inline USE(i)
{
	atomic {
		MY_TURN;
		if
		:: tlb[i] == NONE -> tlb[i] = pte[i]
		:: else
		fi;
		assert(tlb[i] >= alive[i])	/* A to F */
	}
}

inline STIR()
{
	quiet[0] = 0;
	quiet[1] = 0
}

/* One after the other, and the hardware may read the first again meanwhile. */
inline FLUSH()
{
	atomic { MY_TURN -> tlb[0] = NONE };
	atomic { MY_TURN -> tlb[1] = NONE }
}

inline CATCH_UP()
{
#ifdef MUTANT_CLEAR_EARLY
	atomic { MY_TURN -> dyn = dyn & ~SPECIAL };
#endif
#ifndef MUTANT_SKIP
	FLUSH();
#endif
	atomic { MY_TURN -> dyn = dyn & ~SPECIAL }
}

/* Sets seen to what the counter was, with RCU watching. */
inline LEAVE_EQS()
{
#ifdef MUTANT_PLAIN_EXIT
	atomic { MY_TURN -> seen = dyn ^ WATCHES; STIR() };
	atomic { MY_TURN -> dyn = seen; CONTEXT_BARRIER() }
#else
	atomic { MY_TURN -> seen = dyn ^ WATCHES; dyn = seen; CONTEXT_BARRIER(); STIR() }
#endif
}

inline ENTER_EQS()
{
#ifdef MUTANT_PLAIN_ENTER
	atomic { MY_TURN -> dyn = dyn ^ WATCHES; STIR() }
#else
	atomic { MY_TURN -> assert(!(dyn & SPECIAL)); dyn = dyn ^ WATCHES; CONTEXT_BARRIER(); STIR() }
#endif
}

/* Stores leave the buffer in the order in which they were made. */
inline SET_CONTEXT(state)
{
	atomic { MY_TURN -> CONTEXT_BARRIER(); context_buf = state }
}

#define ASKED		(ipi[0] || ipi[1])

active proctype target()
{
	bool am_nmi = 0;
	byte seen;

	do
	:: MY_TURN && ended < SENDERS ->		/* in the kernel */
		if
		:: USE(0)
		:: USE(1)
		:: atomic { ipi[0] && MY_TURN -> tlb[0] = NONE; ipi[0] = 0 }
		:: atomic { ipi[1] && MY_TURN -> tlb[1] = NONE; ipi[1] = 0 }
		:: ENTER_EQS();				/* user mode */
		   SET_CONTEXT(USER);
		   if
		   :: MY_TURN
		   :: MY_TURN && (ASKED || ended == SENDERS)
		   fi;
		   LEAVE_EQS();
		   if
		   :: seen & SPECIAL -> CATCH_UP()
		   :: else
		   fi;
		   seen = 0;
		   SET_CONTEXT(KERNEL)
		:: ENTER_EQS();				/* idle */
		   do
		   :: USE(0)
		   :: MY_TURN -> break
		   od;
		   LEAVE_EQS();
		   if
		   :: seen & SPECIAL -> CATCH_UP()
		   :: else
		   fi;
		   seen = 0
		fi
	:: MY_TURN && ended == SENDERS -> break
	od
}

/* On top of whatever the target does.  NMIs are not nested: they block one another. */
active proctype nmi()
{
	bool am_nmi = 1;
	byte seen;
	bool was_eqs;

	do
	:: atomic { ended < SENDERS -> in_nmi = 1; STIR(); was_eqs = !(dyn & WATCHES) };
	   if
	   :: was_eqs ->
		LEAVE_EQS();
#ifndef MUTANT_NMI_SKIP
		if
		:: seen & SPECIAL -> CATCH_UP()
		:: else
		fi
#else
		dyn = dyn & ~SPECIAL
#endif
	   :: else ->
#ifndef MUTANT_NMI_BLIND
		if
		:: dyn & SPECIAL -> FLUSH()
		:: else
		fi
#else
		skip
#endif
	   fi;
	   if
	   :: USE(0)
	   :: USE(1)
	   fi;
	   if
	   :: was_eqs -> ENTER_EQS()
	   :: else
	   fi;
	   atomic { in_nmi = 0; seen = 0; was_eqs = 0 }
	:: ended == SENDERS -> break
	od
}

#ifndef MUTANT_NO_CONTEXT
#define IN_USER		(context == USER)
#else
#define IN_USER		true
#endif

/* Sets off to whether the work was put off. */
inline ATTEMPT()
{
	off = 0;
	atomic { quiet[me] = context == USER && !(dyn & WATCHES) && !in_nmi };
	if
	:: IN_USER ->
		old = dyn;
		do
#ifndef MUTANT_WATCHING
		:: old & WATCHES -> break
		:: !(old & WATCHES) ->
#else
		:: true ->
#endif
			atomic {
				if
				:: dyn == old ->
					dyn = dyn | SPECIAL;
					off = 1;
#ifndef MUTANT_RELAXED
					PTE_BARRIER();
#endif
				:: else ->
					old = dyn
				fi
			};
#ifdef MUTANT_NO_RETRY
			break
#else
			if
			:: off -> break
			:: else
			fi
#endif
		od;
#ifndef MUTANT_CONTEXT_FIRST
		if
		:: !IN_USER -> off = 0
		:: else
		fi
#endif
	:: else
	fi
}

proctype sender(byte me)
{
	byte n = 0, old = 0;
	bool off;

	do
	:: n < FLUSHES(me) ->
		n++;
		pte_buf[me] = n;
		ATTEMPT();
		if
		:: off
		:: else ->
			atomic {
				assert(!quiet[me]);	/* G */
				PTE_BARRIER();
				ipi[me] = 1
			};
			!ipi[me]
		fi;
		atomic { alive[me] = n; quiet[me] = 0; old = 0; off = 0 }
	:: else -> break
	od;
	ended++
}

init {
	atomic { run sender(0); run sender(1) }
}
