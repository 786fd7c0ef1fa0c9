/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _KERNEL_TASK_ISOLATION_H
#define _KERNEL_TASK_ISOLATION_H

/* Task isolation: what its own files share.  The model is in task_isolation.c. */

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/task_isolation.h>
#include <uapi/linux/task_isolation.h>

struct eventfd_ctx;

/* Function calls that are remembered. */
#define ISOLATION_SENDERS	8

/**
 * struct isolation_eventfd - Whom to tell about interruptions
 * @users:	tasks that share it by inheritance
 * @ctx:	the eventfd
 */
struct isolation_eventfd {
	refcount_t		users;
	struct eventfd_ctx	*ctx;
};

/**
 * struct isolation_family - A task that asked for isolation, and all that inherited it
 * @users:	members, dead ones included until nobody refers to them
 * @lock:	protects the rest
 * @exited:	members that are dead
 * @refused:	what was refused for their sake
 * @breaks:	sum of their interruptions
 */
struct isolation_family {
	refcount_t		users;
	spinlock_t		lock;		/* see above */
	unsigned int		exited;
	unsigned long		refused;
	struct isol_breaks	breaks;
};

/**
 * struct isolation_entry - The moment when user mode lost the CPU
 * @ns:		when
 * @cpu:	where
 * @irqs:	interrupt counts of that CPU, by reason
 * @faults:	page faults of the task
 * @switches:	context switches of the task
 */
struct isolation_entry {
	u64			ns;
	int			cpu;
	unsigned int		irqs[ISOL_NR_REASONS];
	unsigned long		faults;
	unsigned long		switches;
};

/**
 * struct isolation_sender - Who had a function called on the CPU of a task
 * @ns:		when
 * @func:	what
 * @pid:	by whom, in the initial namespace
 * @comm:	his name
 */
struct isolation_sender {
	u64			ns;
	smp_call_func_t		func;
	pid_t			pid;
	char			comm[TASK_COMM_LEN];
};

/**
 * struct task_isolation - What a task asked for, and what happened to it
 * @node:	in the table by task
 * @task:	the task
 * @rcu:	readers of the table may still look at it
 * @features:	ISOL_F_QUIESCE_ON_URET ...
 * @quiesce:	ISOL_F_QUIESCE_VMSTAT_SYNC ...
 * @block:	ISOL_F_BLOCK_HOTPLUG ..., when ISOL_F_BLOCK_INTERRUPTORS is enabled
 * @inherit:	ISOL_INHERIT_THREADS ...
 * @signal:	sent to the task itself when it was interrupted, or 0
 * @eventfd:	signalled then, or NULL
 * @family:	those with whom it is summed up
 * @away:	the last return to user mode went through quiescing
 * @interrupted: it ended by an interrupt or exception, at @entry
 * @nmis:	NMIs that came from user mode; written by them
 * @entry:	see @interrupted
 * @breaks:	interruptions so far
 * @deferred:	what other CPUs put off, each by one of them
 * @senders_lock: protects the rest, which other CPUs write
 * @sent:	function calls so far
 * @senders:	the last ones: @sent modulo their number is the next to go
 * @blocker:	among those who block; this and the rest belongs to task_isolation_block.c
 * @blocks:	what is refused now: @block, or 0
 * @block_cpu:	for which CPU
 * @refused:	requests of others that were
 */
struct task_isolation {
	struct hlist_node		node;
	struct task_struct		*task;
	struct rcu_head			rcu;

	u32				features;
	u32				quiesce;
	u32				block;
	u32				inherit;
	int				signal;
	struct isolation_eventfd	*eventfd;
	struct isolation_family		*family;

	bool				away;
	bool				interrupted;
	unsigned int			nmis;
	struct isolation_entry		entry;
	struct isol_breaks		breaks;

	atomic_long_t			deferred;
	raw_spinlock_t			senders_lock;	/* see above */
	u64				sent;
	struct isolation_sender		senders[ISOLATION_SENDERS];

	struct hlist_node		blocker;
	u32				blocks;
	int				block_cpu;
	unsigned long			refused;
};

/* kernel/task_isolation.c */
struct task_isolation *isolation_of(const struct task_struct *t);

/* kernel/task_isolation_block.c */
u32 isolation_classes(void);
int isolation_block(struct task_isolation *iso, u32 classes);
void isolation_block_fork(struct task_isolation *child, const struct task_isolation *parent);
void isolation_unblock(struct task_isolation *iso);

/* kernel/task_isolation_stat.c */
bool isolation_account(struct task_isolation *iso);
void isolation_add_up(struct isol_breaks *to, const struct isol_breaks *from);
void isolation_read_breaks(struct isol_breaks *to, const struct isol_breaks *from);

/* kernel/sched/task_isolation.c */
struct task_isolation *isolation_on(int cpu);

/* mm/task_isolation.c */
bool isolation_fold_vmstat(void);

/* kernel/task_isolation_defer.c */
#ifdef CONFIG_TASK_ISOLATION_DEFER
u32 isolation_defer_actions(void);
#else
static inline u32 isolation_defer_actions(void)
{
	return 0;
}
#endif

/* kernel/time/task_isolation.c */
#ifdef CONFIG_NO_HZ_FULL
bool isolation_tick_supported(void);
bool isolation_stop_tick(void);
u32 isolation_tick_needs(void);
#else
static inline bool isolation_tick_supported(void)
{
	return false;
}

static inline bool isolation_stop_tick(void)
{
	return false;
}

static inline u32 isolation_tick_needs(void)
{
	return ISOL_TICK_NOT_FULL;
}
#endif

#endif /* _KERNEL_TASK_ISOLATION_H */
