/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rseq areas: who has which concurrency id, and what user memory says of it.
 *
 * Models, in kernel/rseq_area.c unless said otherwise:
 *
 *	take		take_cid(), preemption off
 *	update		rseq_area_update(), with the write that may fault and sleep
 *	leave		the exit to user mode: the flags are looked at with interrupts off
 *	share		rseq_area_share(), in rseq_slice_fork() before the thread runs
 *	drop		rseq_area_drop_cid(), from mm_release() before mmput()
 *	switch_out	__rseq_slice_sched_out(), rq lock held
 *	switch_in	rseq_slice_migrate() on the way, when the CPU is another one
 *
 * Threads of one address space on fewer CPUs.  The first is there from the
 * start; each of the others is created once, by any that runs, and each may
 * exit.  A thread can be switched out wherever it runs with preemption on, in
 * user mode, too.  Each has an area all its life.  (With STAY nobody exits, which
 * makes three threads few enough states.)
 *
 *	I1	in user mode a thread has an id, which is what its area says, and
 *		its area has the number of its CPU
 *	I2	a thread that does not run has none, but for 0 if it is kept
 *	I3	two threads never have the same
 *	I4	each finds a free one, below the number of CPUs
 *
 * Mutants, each of which takes one guard away:
 *
 *	SHARE	the one thread keeps its id when it creates another
 *	KEEP	id 0 is kept by a thread that is not alone
 *	MIGRATE	nobody notes that the CPU has changed
 *	DROP	the context switch does not note that it has freed the id
 *	LATE	it is noted that identifiers are right after they were looked up
 */

// spin: -DTHREADS=2 -DCPUS=2 -run -m1000000
// spin: -DTHREADS=3 -DCPUS=2 -DSTAY -run -m8000000
// mutants: SHARE KEEP MIGRATE DROP LATE

#define NOBODY	255

bool bits[CPUS];			/* the bitmap of the address space */
byte users = 1;				/* mm_users */
bool running[CPUS];			/* a CPU runs a thread */

bool there[THREADS];			/* created, and not gone */
bool on[THREADS];			/* runs ... */
byte cpu[THREADS];			/* ... on this CPU, or did so last */
bool user[THREADS];			/* in user mode */
bool held[THREADS], kept[THREADS];
byte cid[THREADS];
bool outdated[THREADS];
bool resume[THREADS];			/* TIF_NOTIFY_RESUME */
byte area_cid[THREADS], area_cpu[THREADS];
hidden byte a, b;			/* of check() */

inline take(i)
{
	if
	:: held[i] || kept[i]
	:: else ->
		if
		:: !bits[0] -> cid[i] = 0
		:: bits[0] && !bits[1] -> cid[i] = 1
		:: else -> assert(false)			/* I4 */
		fi;
		bits[cid[i]] = 1;
		if
#ifdef MUTANT_KEEP
		:: cid[i] == 0 -> kept[i] = 1
#else
		:: cid[i] == 0 && users == 1 -> kept[i] = 1
#endif
		:: else -> held[i] = 1
		fi
	fi
}

inline drop(i)
{
	if
	:: held[i] || kept[i] ->
		held[i] = 0;
		kept[i] = 0;
		outdated[i] = 1;
		bits[cid[i]] = 0;
		cid[i] = 0
	:: else
	fi
}

inline check()
{
	d_step {
		for (a : 0 .. THREADS - 1) {
			if
			:: user[a] -> assert(on[a] && held[a] + kept[a] == 1 &&
					     area_cid[a] == cid[a] && area_cpu[a] == cpu[a])	/* I1 */
			:: else
			fi;
			assert(!(there[a] && !on[a] && held[a]));				/* I2 */
			for (b : 0 .. THREADS - 1) {
				assert(a == b || !(held[a] || kept[a]) || !(held[b] || kept[b]) ||
				       cid[a] != cid[b]);					/* I3 */
			}
		}
		a = 0;
		b = 0
	}
}

proctype thread(byte i)
{
	byte where, which, j;

update:
	atomic { on[i] -> resume[i] = 0 }
	if
	:: atomic { on[i] && outdated[i] ->
#ifndef MUTANT_LATE
		outdated[i] = 0;
#endif
		take(i);
		where = cpu[i];
		which = cid[i]
	   }
#ifdef MUTANT_LATE
	   atomic { on[i] -> outdated[i] = 0 }
#endif
	   atomic { on[i] -> area_cid[i] = which; area_cpu[i] = where; where = 0; which = 0 }
	:: atomic { on[i] && !outdated[i] -> skip }
	fi;
leave:
	if
	:: atomic { on[i] && resume[i] -> goto update }
	:: atomic { on[i] && !resume[i] -> user[i] = 1; check() }
	fi;
	if
	:: !user[i] -> goto update			/* switched out */
	:: atomic { user[i] -> user[i] = 0 }		/* a system call */
	fi;
	if
	:: goto leave
#ifndef STAY
	:: /* exit */
		atomic { on[i] -> drop(i); check() }
		atomic { on[i] -> users--; there[i] = 0; on[i] = 0; running[cpu[i]] = 0 }
#endif
	:: /* clone */
		atomic { on[i] ->
			j = 1;
			do
			:: j < THREADS && (there[j] || cpu[j] != NOBODY) -> j++
			:: else -> break
			od;
			if
			:: j == THREADS -> j = 0; goto leave
			:: else -> there[j] = 1; users++
			fi
		}
		atomic { on[i] ->
#ifndef MUTANT_SHARE
			if
			:: kept[i] -> kept[i] = 0; held[i] = 1
			:: else
			fi;
#endif
			cpu[j] = 0;
			outdated[j] = 1;
			resume[j] = 1;
			run thread(j);
			j = 0;
			check()
		}
		goto leave
	fi
}

proctype scheduler()
{
	byte i, c;

	do
	:: atomic {
		select(i : 0 .. THREADS - 1);
		if
		:: there[i] && on[i] ->			/* switch_out */
			if
			:: held[i] ->
				bits[cid[i]] = 0;
				cid[i] = 0;
				held[i] = 0;
#ifndef MUTANT_DROP
				outdated[i] = 1
#endif
			:: else
			fi;
			user[i] = 0;
			resume[i] = 1;
			on[i] = 0;
			running[cpu[i]] = 0;
			check()
		:: there[i] && !on[i] && cpu[i] != NOBODY ->	/* switch_in */
			select(c : 0 .. CPUS - 1);
			if
			:: !running[c] ->
				if
				:: c != cpu[i] ->
					cpu[i] = c;
					resume[i] = 1;
#ifndef MUTANT_MIGRATE
					outdated[i] = 1
#endif
				:: else
				fi;
				running[c] = 1;
				on[i] = 1
			:: else
			fi;
			c = 0
		:: else
		fi;
		i = 0
	   }
	:: users == 0 -> break
	od
}

init {
	byte i;

	atomic {
		for (i : 1 .. THREADS - 1) {
			cpu[i] = NOBODY
		}
		there[0] = 1;
		outdated[0] = 1;
		resume[0] = 1;
		run thread(0);
		run scheduler()
	}
}
