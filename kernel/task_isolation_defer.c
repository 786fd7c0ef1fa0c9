// SPDX-License-Identifier: GPL-2.0
/*
 * Task isolation: what other CPUs want done at once, and what of it may wait.
 *
 *			Model
 *
 * When kernel mappings or kernel code change, all CPUs have to forget what they
 * know of the old ones, and whoever changed them interrupts them all and waits.
 * A CPU in user mode does not use either.  It may go on as long as it forgets
 * before it executes the first instruction in the kernel that could tell.
 *
 * RCU has what this takes.  It counts, for each CPU, the ways into and out of
 * extended quiescent states (EQS), of which user mode is one when context tracking
 * is on, with a fully ordered atomic operation.  Bit 0 of the counter is for others
 * to set while the CPU is in such a state; the operation that ends the state
 * returns it, at no cost:
 *
 *	sender S				target T
 *
 *	change mapping or code
 *	T's task does not ask?		-> send
 *	context != USER?		-> send
 *	cmpxchg(dyn, EQS, EQS | 1)		on the way to user mode
 *	  fails: not in an EQS		-> send	  dyn += 2		(EQS)
 *	context != USER?		-> send	  context = USER
 *	put off
 *						on the way in
 *						  dyn += 2		(watching)
 *						  was it odd? catch up; dyn &= ~1
 *						  context = KERNEL
 *						  anything else
 *
 * To catch up is to flush the whole TLB, of global entries and all address spaces,
 * and to serialize.  It is one thing for all senders and both actions, so that there
 * is no queue and nothing to lose.
 *
 *			Why this is right
 *
 *	A	A cmpxchg that succeeds is followed, in the order of operations on dyn,
 *		by the one that ends this EQS, which sees the bit.  T catches up before
 *		it uses anything.
 *	B	What S changed before its cmpxchg is seen by what T reads after its own
 *		operation: page walks and instruction fetches after catching up find
 *		the new.
 *	C	If T has left its EQS before, S finds dyn changed and sends.  In doubt,
 *		an interrupt is sent.
 *	D	context is KERNEL from before any EQS that is not user mode, until after
 *		it: both are ordered by the operations on dyn.  When S sees USER after
 *		the cmpxchg, either the bit was set in user mode, or it was set in idle
 *		or in a guest and T has left that since, and has caught up.  So nothing
 *		is put off in idle, where code uses mappings all the time, nor in guests.
 *		A bit that was set in idle without need costs one flush.
 *	E	NMIs, machine checks and debug exceptions leave the EQS by the same
 *		function, and enter it again at their end.  One that comes between T's
 *		operation and the end of catching up finds RCU watching; it looks at the
 *		bit, which is cleared last, and catches up first.
 *	F	Setting the bit twice is setting it once.
 *	G	While T stays in user mode, S fails only because another sender set the
 *		bit, and tries again.
 *
 * models/isolation_defer.pml has them all, and shows that each guard is needed.
 *
 *			What T executes before it catches up
 *
 * The entry code in assembly, and noinstr code up to rcu_dynticks_eqs_exit().
 *
 *	mappings  They use the text of the kernel itself, cpu_entry_area with its
 *		stacks, GDT, IDT and TSS, static per-CPU variables, the task's struct,
 *		and its stack.  All but the last are mapped for ever, and changes of
 *		cpu_entry_area are never put off.  The stack is vmalloc memory with
 *		VMAP_STACK, but it was there before the task first ran here, and to
 *		run here it was switched to, in the kernel, after catching up with all
 *		that happened to this address before.
 *	code	None of it is ever patched after boot: no probes, no tracing, and no
 *		static keys but those that boot decides (context tracking, SEV-ES,
 *		async page faults, MDS).  Static keys must not be added there.
 *	others	Modules, BPF programs, dynamic per-CPU variables: not before.
 *
 * The same holds for what it executes between the operation that begins the EQS and
 * the last instruction in the kernel.
 *
 *			What may be put off
 *
 *	put off	  leaves of page tables of vmalloc areas that were unmapped; changes
 *		  of leaves to read-only, writable, executable or not
 *	never	  where page tables are freed or large pages split: user mode may
 *		  walk kernel page tables by speculation, and a wrong walk is a machine
 *		  check; changes of cache attributes, encryption or presence, which
 *		  speculation or a device may notice; cpu_entry_area, for hardware
 *		  uses it in user mode; KASAN's shadow, dynamic per-CPU chunks
 *
 * So it is the callers that say what may wait, not the functions that flush.  What is
 * never put off interrupts T, which catches up with everything on its way in: T is
 * never further behind than the last of these.
 *
 *			Code
 *
 * Code of more than one byte is changed in three steps, each followed by having all
 * CPUs serialize: a breakpoint over the first byte, the rest, the first byte.  Before
 * T serializes it executes nothing of that, so it does not matter what it
 * has fetched.  When it enters
 *
 *	after the last step: it has serialized after S's last cmpxchg, and finds the new
 *		code whole.  No breakpoint can hit any more, and S need not wait.
 *	between steps: it has serialized after the cmpxchg of the step before, and finds
 *		a breakpoint, or the old code if the first step was not done.  From
 *		now on it takes part: the next step finds RCU watching and interrupts it,
 *		or finds it in user mode again, with the bit set again.
 *	during a step: T's operation came before the cmpxchg, which fails, and S sends.
 *		Meanwhile T may find old code or new, or the breakpoint, whose handler
 *		is there until S has heard of all CPUs it sent to.
 *
 * A single breakpoint that is put in or taken out (kprobes) is the same with one step.
 * An NMI from user mode serializes without IRET, which would let the next NMI in.
 *
 *			What is not promised
 *
 * That there is no interrupt at all: T may be on its way to user mode, or in an NMI,
 * when S looks, and then takes the interrupt in user mode, once.
 */

#include <linux/context_tracking_state.h>
#include <linux/rcupdate.h>
#include <linux/smp.h>

#include <trace/events/isolation.h>

#include "task_isolation.h"

static bool in_user(int cpu)
{
	return READ_ONCE(per_cpu(context_tracking.state, cpu)) == CONTEXT_USER;
}

/*
 * Will the CPU do this by itself before it does anything else in the kernel?
 * The second look at its context is the one that counts, see D.
 */
static bool catches_up(int cpu)
{
	/* Fully ordered when it succeeds; pairs with rcu_dynticks_eqs_exit() and _enter(). */
	return in_user(cpu) && rcu_eqs_special_set(cpu) && in_user(cpu);
}

static bool deferred(int cpu, u32 action)
{
	struct task_isolation *iso;
	bool later;

	rcu_read_lock();
	iso = isolation_on(cpu);
	later = iso && (READ_ONCE(iso->quiesce) & action) && catches_up(cpu);
	if (later) {
		atomic_long_inc(&iso->deferred);
		trace_isolation_defer(cpu, action);
	}
	rcu_read_unlock();

	return later;
}

/**
 * isolation_defer_actions - Which actions that put something off can this boot do?
 *
 * Return: ISOL_F_QUIESCE_DEFER_TLB_FLUSH and ISOL_F_QUIESCE_DEFER_TEXT_SYNC, or 0.
 */
u32 isolation_defer_actions(void)
{
	if (!context_tracking_enabled() || !arch_isolation_catches_up())
		return 0;

	return ISOL_F_QUIESCE_DEFER_TLB_FLUSH | ISOL_F_QUIESCE_DEFER_TEXT_SYNC;
}

static bool flush_now(int cpu, void *info)
{
	return !deferred(cpu, ISOL_F_QUIESCE_DEFER_TLB_FLUSH);
}

static bool sync_now(int cpu, void *info)
{
	return !deferred(cpu, ISOL_F_QUIESCE_DEFER_TEXT_SYNC);
}

/**
 * task_isolation_flush_cpus - Flush kernel mappings from all TLBs, now or soon enough
 * @func:	flushes them from one
 * @info:	its argument, not used after return
 *
 * CPUs in user mode whose task asked for it do so when they enter the kernel.  See
 * above for what may be flushed like that.
 *
 * Context: as on_each_cpu(): task, interrupts on.
 */
void task_isolation_flush_cpus(smp_call_func_t func, void *info)
{
	if (static_branch_unlikely(&task_isolation_used))
		on_each_cpu_cond(flush_now, func, info, 1);
	else
		on_each_cpu(func, info, 1);
}

/**
 * task_isolation_sync_cpus - Have all CPUs serialize, now or soon enough
 * @func:	serializes one
 *
 * CPUs in user mode whose task asked for it do so when they enter the kernel.
 *
 * Context: as on_each_cpu(): task, interrupts on, or early in boot.
 */
void task_isolation_sync_cpus(smp_call_func_t func)
{
	if (static_branch_unlikely(&task_isolation_used))
		on_each_cpu_cond(sync_now, func, NULL, 1);
	else
		on_each_cpu(func, NULL, 1);
}

/**
 * task_isolation_sync_others - Have all other CPUs serialize, now or soon enough
 * @func:	serializes one; this one may do so, too
 *
 * Context: as task_isolation_sync_cpus().
 */
void task_isolation_sync_others(smp_call_func_t func)
{
	if (static_branch_unlikely(&task_isolation_used))
		on_each_cpu_cond(sync_now, func, NULL, 1);
	else
		smp_call_function(func, NULL, 1);
}
