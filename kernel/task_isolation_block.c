// SPDX-License-Identifier: GPL-2.0
/*
 * Task isolation: what others do to a CPU is refused.
 *
 *			Model
 *
 * Some operations interrupt CPUs, and whoever asks for them can be told no.  Such
 * an operation is a request from before its first effect until after its last.
 * A task that blocks names classes of them; from then on new ones are refused,
 * and once the old ones have ended, none is left.
 *
 *	R	requests under way: a class, and whom it hits: some CPUs, or a task
 *	B	blockers: tasks, each with classes, and the CPU that it was bound to
 *
 *	r hits b  <=>	class of r is one of b's, and
 *			cpu of b is one of r's, or task of r is b's, and
 *			neither is r made by b's task, nor for the one that makes it
 *
 *	event				what happens
 *	begin r, which hits none	r joins R
 *	begin r, which hits some	EBUSY; counted, and a line in the log
 *	end r				r leaves R; who waits looks again
 *	b blocks			b joins B, and waits until R has none that hits it
 *	b gets a signal meanwhile	B is as it was; the call is made again after it
 *	b unblocks, exits, or executes	b leaves B
 *	  a program with more rights
 *
 *			Invariants
 *
 *	I1: b is in B and does not wait  =>  no r in R hits it
 *	I2: who is in B has not exited; he was bound to one isolated CPU, and he, or
 *	    the one that he inherited from, had CAP_SYS_NICE
 *	I3: nobody who begins or ends a request waits for anything
 *
 * I3 is why this is a lock around two lists, and no read-write semaphore: requests
 * are begun with all kinds of locks held, and one that waited for a blocker, which
 * waits for an older request, which waits for such a lock, would be a deadlock.
 * It also needs no grace period, which kernel threads on any CPU have a part in.
 *
 *			Who writes what
 *
 *	B, R, blocks, block_cpu, refused	anybody, under the lock
 *	members of R				whose operation it is; on his stack
 *
 * The sysctl kernel.task_isolation_block is read without a lock.  When it is
 * 0 nobody is hit.  Turned on again, it refuses new requests; I1 holds for those
 * who block afterwards.
 *
 *			What is not refused
 *
 * Requests are made where user space asks.  What the kernel does on its own is
 * none: suspend and resume take CPUs down and up below the hooks, as kexec and
 * reboot do, and panic and machine checks ask nobody.
 *
 *			Cost
 *
 * Where no CPU is isolated there is nothing to block, and requesters pass a static
 * branch that is off for ever.  Elsewhere it is turned on during boot, so that no
 * request ever misses its blocker, and a request takes the lock twice.
 */

#include <linux/capability.h>
#include <linux/cgroup.h>
#include <linux/cpumask.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/jump_label.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/isolation.h>
#include <linux/sched/signal.h>
#include <linux/sysctl.h>
#include <linux/tick.h>
#include <linux/wait.h>

#include "task_isolation.h"

DEFINE_STATIC_KEY_FALSE(task_isolation_blockable);
EXPORT_SYMBOL_GPL(task_isolation_blockable);

/* Protects the two lists, and what the members of blockers say there. */
static DEFINE_SPINLOCK(lock);
static HLIST_HEAD(blockers);
static HLIST_HEAD(requests);
static DECLARE_WAIT_QUEUE_HEAD(request_ended);

static int sysctl_block = 1;

static const char *name_of(u32 class)
{
	switch (class) {
	case ISOL_F_BLOCK_HOTPLUG:
		return "CPU hotplug";
	case ISOL_F_BLOCK_STOP_MACHINE:
		return "stopping the machine";
	case ISOL_F_BLOCK_PERF:
		return "perf event";
	case ISOL_F_BLOCK_MSR:
		return "MSR or CPUID";
	case ISOL_F_BLOCK_WORK:
		return "work on each CPU";
	case ISOL_F_BLOCK_AFFINITY:
		return "change of affinity";
	default:
		return "request";
	}
}

static bool hits(const struct task_isolation_request *r, const struct task_isolation *b)
{
	if (!READ_ONCE(sysctl_block) || !(b->blocks & r->class))
		return false;
	if (r->by == b->task || r->by == r->task)
		return false;
	return r->task == b->task || (r->cpus && cpumask_test_cpu(b->block_cpu, r->cpus));
}

/**
 * __task_isolation_begin - Begin an operation that interrupts others
 * @r:		the request, to be ended by task_isolation_end(); all zero
 * @class:	ISOL_F_BLOCK_*
 * @cpus:	the CPUs that it interrupts; stays until the end; or NULL
 * @task:	the task that it interrupts, which is only compared; or NULL
 *
 * Context: any but hard interrupt and NMI; does not sleep.
 * Return: 0, or -EBUSY when a task does not want that.
 */
int __task_isolation_begin(struct task_isolation_request *r, u32 class,
			   const struct cpumask *cpus, const struct task_struct *task)
{
	char comm[TASK_COMM_LEN];
	struct task_isolation *b;
	unsigned long flags;
	pid_t pid = 0;
	int cpu = 0;

	r->class = class;
	r->cpus = cpus;
	r->task = task;
	r->by = current;

	spin_lock_irqsave(&lock, flags);
	hlist_for_each_entry(b, &blockers, blocker) {
		if (!hits(r, b))
			continue;
		WRITE_ONCE(b->refused, b->refused + 1);
		memcpy(comm, b->task->comm, sizeof(comm));
		pid = task_pid_nr(b->task);
		cpu = b->block_cpu;
		break;
	}
	if (!b)
		hlist_add_head(&r->node, &requests);
	spin_unlock_irqrestore(&lock, flags);

	if (!b)
		return 0;

	pr_info_ratelimited("task isolation: %s by %s/%d is refused, CPU %d is isolated by %.*s/%d\n",
			    name_of(class), current->comm, task_pid_nr(current), cpu,
			    (int)sizeof(comm), comm, pid);

	return -EBUSY;
}
EXPORT_SYMBOL_GPL(__task_isolation_begin);

/**
 * __task_isolation_end - End an operation that was begun
 * @r:	the request
 *
 * Context: as for __task_isolation_begin().
 */
void __task_isolation_end(struct task_isolation_request *r)
{
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	hlist_del_init(&r->node);
	spin_unlock_irqrestore(&lock, flags);

	/* Whoever joined the queue looks at R later than that, or is seen here. */
	if (wq_has_sleeper(&request_ended))
		wake_up_all(&request_ended);
}
EXPORT_SYMBOL_GPL(__task_isolation_end);

static bool is_hit(const struct task_isolation *b)
{
	struct task_isolation_request *r;
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	hlist_for_each_entry(r, &requests, node)
		if (hits(r, b))
			break;
	spin_unlock_irqrestore(&lock, flags);

	return r;
}

static void set_blocker(struct task_isolation *b, u32 classes, int cpu)
{
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	WRITE_ONCE(b->blocks, classes);
	b->block_cpu = cpu;
	if (classes && hlist_unhashed(&b->blocker))
		hlist_add_head(&b->blocker, &blockers);
	else if (!classes && !hlist_unhashed(&b->blocker))
		hlist_del_init(&b->blocker);
	spin_unlock_irqrestore(&lock, flags);
}

static bool is_isolated(int cpu)
{
	return tick_nohz_full_cpu(cpu) || !housekeeping_cpu(cpu, HK_FLAG_DOMAIN);
}

/* The isolated CPU that current is bound to, or -EINVAL. */
static int own_cpu(void)
{
	unsigned long flags;
	bool bound;
	int cpu;

	raw_spin_lock_irqsave(&current->pi_lock, flags);
	cpu = cpumask_first(current->cpus_ptr);
	bound = cpumask_equal(current->cpus_ptr, cpumask_of(cpu));
	raw_spin_unlock_irqrestore(&current->pi_lock, flags);

	return bound && is_isolated(cpu) ? cpu : -EINVAL;
}

/* Requests that hit @b have ended; attaching to a cgroup is none, and has a lock. */
static int wait_for_requests(struct task_isolation *b)
{
	if (wait_event_interruptible(request_ended, !is_hit(b)))
		return -ERESTARTNOINTR;

	if (b->blocks & ISOL_F_BLOCK_AFFINITY) {
		cgroup_threadgroup_change_begin(current);
		cgroup_threadgroup_change_end(current);
	}

	return 0;
}

/**
 * isolation_block - Refuse requests from now on
 * @iso:	state of the current task
 * @classes:	ISOL_F_BLOCK_*, replaces what was refused; 0: none
 *
 * Nobody needs a right to keep what he has, or to have less.  What is kept is
 * kept for the CPU that it was asked for.
 *
 * Context: prctl(2); sleeps until older requests have ended.
 * Return: 0, or -EPERM, -EINVAL when the task is not bound to one isolated CPU,
 *	   that for which it blocks already, or -ERESTARTNOINTR; then nothing has
 *	   changed.
 */
int isolation_block(struct task_isolation *iso, u32 classes)
{
	int cpu, old_cpu = iso->block_cpu, ret;
	u32 old = iso->blocks;

	if (!(classes & ~old)) {
		set_blocker(iso, classes, old_cpu);
		return 0;
	}

	if (!capable(CAP_SYS_NICE))
		return -EPERM;
	cpu = own_cpu();
	if (cpu < 0)
		return cpu;
	/* What is in force for one CPU stays so until it is given up. */
	if (old && cpu != old_cpu)
		return -EINVAL;

	set_blocker(iso, classes, cpu);
	ret = wait_for_requests(iso);
	/* An older request may have moved us. */
	if (!ret && own_cpu() != cpu)
		ret = -EINVAL;
	if (ret)
		set_blocker(iso, old, old_cpu);

	return ret;
}

/**
 * isolation_block_fork - Let a new task refuse what its parent refuses
 * @child:	state of the new task, which has not run yet
 * @parent:	state of the current task
 *
 * The parent is in force, so the child is.
 */
void isolation_block_fork(struct task_isolation *child, const struct task_isolation *parent)
{
	set_blocker(child, parent->blocks, parent->block_cpu);
}

/**
 * isolation_unblock - Refuse nothing any more
 * @iso:	state of any task
 *
 * Context: any but hard interrupt and NMI.
 */
void isolation_unblock(struct task_isolation *iso)
{
	set_blocker(iso, 0, 0);
}

/**
 * isolation_classes - What can be refused in this boot
 *
 * Return: ISOL_F_BLOCK_*; 0 when no CPU is isolated.
 */
u32 isolation_classes(void)
{
	u32 classes = ISOL_F_BLOCK_STOP_MACHINE | ISOL_F_BLOCK_PERF | ISOL_F_BLOCK_WORK |
		      ISOL_F_BLOCK_AFFINITY;

	if (!static_key_enabled(&task_isolation_blockable))
		return 0;
	if (IS_ENABLED(CONFIG_HOTPLUG_CPU))
		classes |= ISOL_F_BLOCK_HOTPLUG;
	if (IS_ENABLED(CONFIG_X86_MSR) || IS_ENABLED(CONFIG_X86_CPUID))
		classes |= ISOL_F_BLOCK_MSR;

	return classes;
}

static struct ctl_table block_table[] = {
	{
		.procname	= "task_isolation_block",
		.data		= &sysctl_block,
		.maxlen		= sizeof(sysctl_block),
		.mode		= 0644,
		.proc_handler	= proc_dointvec_minmax,
		.extra1		= SYSCTL_ZERO,
		.extra2		= SYSCTL_ONE,
	},
	{ }
};

static int __init isolation_block_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		if (is_isolated(cpu)) {
			static_branch_enable(&task_isolation_blockable);
			register_sysctl("kernel", block_table);
			break;
		}
	}

	return 0;
}
late_initcall(isolation_block_init);
