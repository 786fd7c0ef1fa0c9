/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_TASK_ISOLATION_H
#define _LINUX_TASK_ISOLATION_H

/*
 * Task isolation: what the base calls, and what it lends.
 *
 * The inline functions are the tests that stand in hot paths; each calls the
 * function of the same name with two underscores when there is work to do.
 * The model is at the head of kernel/task_isolation.c.
 */

#include <linux/cpumask.h>
#include <linux/jump_label.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/workqueue.h>
#include <uapi/linux/task_isolation.h>

struct pid;
struct pid_namespace;
struct pt_regs;
struct seq_file;

/* mm/vmstat.c */
DECLARE_PER_CPU(struct delayed_work, vmstat_work);
int refresh_cpu_vm_stats(bool do_pagesets);

/* kernel/time/tick-sched.c */
extern atomic_t tick_dep_mask;

#ifdef CONFIG_TASK_ISOLATION

#include <asm/task_isolation.h>

#define TASK_ISOLATION_WORK	_TIF_ISOLATION

DECLARE_STATIC_KEY_FALSE(task_isolation_used);
DECLARE_STATIC_KEY_FALSE(task_isolation_blockable);

/**
 * struct task_isolation_request - An operation that interrupts others, and may be refused
 * @node:	among those under way; not hashed before and after, or if all zero
 * @class:	ISOL_F_BLOCK_*
 * @cpus:	the CPUs that it interrupts, or NULL
 * @task:	the task that it interrupts, or NULL
 * @by:		the task that asks for it
 */
struct task_isolation_request {
	struct hlist_node		node;
	u32				class;
	const struct cpumask		*cpus;
	const struct task_struct	*task;
	const struct task_struct	*by;
};

/* kernel/task_isolation_block.c */
int __task_isolation_begin(struct task_isolation_request *r, u32 class,
			   const struct cpumask *cpus, const struct task_struct *task);
void __task_isolation_end(struct task_isolation_request *r);

/* kernel/task_isolation.c */
int task_isolation_get(unsigned long what, unsigned long arg3, unsigned long arg4);
int task_isolation_set(unsigned long what, unsigned long arg3, unsigned long arg4);
int task_isolation_enable(unsigned long features);
int __task_isolation_fork(struct task_struct *p, unsigned long clone_flags);
void __task_isolation_exec(void);
void __task_isolation_exit(struct task_struct *t);
void __task_isolation_free(struct task_struct *t);
unsigned long __task_isolation_quiesce(void);

/* kernel/task_isolation_stat.c */
void __task_isolation_irq_enter(void);
void __task_isolation_nmi_enter(void);
void __task_isolation_sent(int cpu, smp_call_func_t func);
int proc_task_isolation(struct seq_file *m, struct pid_namespace *ns,
			struct pid *pid, struct task_struct *task);

/* kernel/sched/task_isolation.c */
bool task_isolation_quiesces(int cpu, u32 action);

/* mm/task_isolation.c */
int task_isolation_refresh(work_func_t refresh);

/**
 * task_isolation_quiesce - Leave nothing behind that would interrupt user mode
 * @ti_work:	TIF bits of the current task
 *
 * Context: on the way to user mode, after the exit work; interrupts off.
 * Return: the TIF bits; any exit work among them is new and has to be done,
 *	   and this has to be called again.
 */
static __always_inline unsigned long task_isolation_quiesce(unsigned long ti_work)
{
	if (ti_work & _TIF_ISOLATION)
		return __task_isolation_quiesce();
	return ti_work;
}

/**
 * task_isolation_irq_enter - An interrupt or exception took the CPU from user mode
 *
 * Context: RCU watches, interrupts off.
 */
static __always_inline void task_isolation_irq_enter(void)
{
	if (static_branch_unlikely(&task_isolation_used) &&
	    test_thread_flag(TIF_ISOLATION))
		__task_isolation_irq_enter();
}

/**
 * task_isolation_nmi_enter - An NMI took the CPU
 * @from_user:	from user mode
 *
 * Context: NMI; RCU watches.
 */
static __always_inline void task_isolation_nmi_enter(bool from_user)
{
	if (static_branch_unlikely(&task_isolation_used) && from_user &&
	    test_thread_flag(TIF_ISOLATION))
		__task_isolation_nmi_enter();
}

/**
 * task_isolation_sent - A function call is on its way to another CPU
 * @cpu:	the other CPU
 * @func:	the function
 *
 * Context: any but NMI; preemption off.
 */
static __always_inline void task_isolation_sent(int cpu, smp_call_func_t func)
{
	if (static_branch_unlikely(&task_isolation_used))
		__task_isolation_sent(cpu, func);
}

/**
 * task_isolation_begin - Begin an operation that interrupts others
 * @r:		the request, to be ended by task_isolation_end(); all zero
 * @class:	ISOL_F_BLOCK_*
 * @cpus:	the CPUs that it interrupts; stays until the end; or NULL
 * @task:	the task that it interrupts, which is only compared; or NULL
 *
 * Context: any but hard interrupt and NMI; does not sleep.
 * Return: 0, or -EBUSY when a task does not want that; then there is nothing
 *	   to end, and nothing to be done.
 */
static inline int task_isolation_begin(struct task_isolation_request *r, u32 class,
				       const struct cpumask *cpus,
				       const struct task_struct *task)
{
	if (static_branch_unlikely(&task_isolation_blockable))
		return __task_isolation_begin(r, class, cpus, task);
	return 0;
}

/**
 * task_isolation_end - End an operation, if it was begun
 * @r:	the request
 *
 * Context: any but hard interrupt and NMI.
 */
static inline void task_isolation_end(struct task_isolation_request *r)
{
	if (static_branch_unlikely(&task_isolation_blockable) && !hlist_unhashed(&r->node))
		__task_isolation_end(r);
}

/**
 * task_isolation_fork - Give a new task what it inherits: by default nothing
 * @p:			the new task, a copy of current; nobody sees it yet
 * @clone_flags:	of clone(2)
 *
 * Context: copy_process(), before anything can fail; may sleep.
 * Return: 0, or -ENOMEM; either way @p can be freed.
 */
static inline int task_isolation_fork(struct task_struct *p, unsigned long clone_flags)
{
	if (static_branch_unlikely(&task_isolation_used))
		return __task_isolation_fork(p, clone_flags);
	return 0;
}

/**
 * task_isolation_exec - The current task executes a new program
 * @secure:	with rights that its caller does not have
 *
 * Isolation stays, unless the program was given rights.
 *
 * Context: execve(2), past the point of no return; the task is alone.
 */
static inline void task_isolation_exec(bool secure)
{
	if (static_branch_unlikely(&task_isolation_used) && secure)
		__task_isolation_exec();
}

/**
 * task_isolation_exit - The current task will not see user mode again
 * @t:	the current task
 *
 * Context: do_exit().
 */
static inline void task_isolation_exit(struct task_struct *t)
{
	if (static_branch_unlikely(&task_isolation_used))
		__task_isolation_exit(t);
}

/**
 * task_isolation_free - Nobody refers to a task any more
 * @t:	the task, which may never have run
 *
 * Context: any that may free memory.
 */
static inline void task_isolation_free(struct task_struct *t)
{
	if (static_branch_unlikely(&task_isolation_used))
		__task_isolation_free(t);
}

#else /* CONFIG_TASK_ISOLATION */

#define TASK_ISOLATION_WORK	0

struct task_isolation_request {
};

/* For the switch in prctl(2): every command is unknown. */
static inline int task_isolation_get(unsigned long what, unsigned long arg3, unsigned long arg4)
{
	return -EINVAL;
}

static inline int task_isolation_set(unsigned long what, unsigned long arg3, unsigned long arg4)
{
	return -EINVAL;
}

static inline int task_isolation_enable(unsigned long features)
{
	return -EINVAL;
}

static inline int task_isolation_fork(struct task_struct *p, unsigned long clone_flags)
{
	return 0;
}

static inline bool task_isolation_quiesces(int cpu, u32 action)
{
	return false;
}

static inline int task_isolation_refresh(work_func_t refresh)
{
	return schedule_on_each_cpu(refresh);
}

static inline unsigned long task_isolation_quiesce(unsigned long ti_work)
{
	return ti_work;
}

static inline int task_isolation_begin(struct task_isolation_request *r, u32 class,
				       const struct cpumask *cpus,
				       const struct task_struct *task)
{
	return 0;
}

static inline void task_isolation_end(struct task_isolation_request *r) { }

static inline void task_isolation_irq_enter(void) { }

static inline void task_isolation_nmi_enter(bool from_user) { }

static inline void task_isolation_sent(int cpu, smp_call_func_t func) { }

static inline void task_isolation_exec(bool secure) { }

static inline void task_isolation_exit(struct task_struct *t) { }

static inline void task_isolation_free(struct task_struct *t) { }

#endif /* !CONFIG_TASK_ISOLATION */

/*
 * task_isolation_try - Do something that interrupts others, unless they object
 *
 * The value of @call, or -EBUSY when it was not done; for the other arguments
 * see task_isolation_begin().
 */
#define task_isolation_try(class, cpus, task, call)					\
({											\
	struct task_isolation_request __request = { };					\
	long __ret = task_isolation_begin(&__request, class, cpus, task);		\
											\
	if (!__ret) {									\
		__ret = (call);								\
		task_isolation_end(&__request);						\
	}										\
	__ret;										\
})

/* The CPU, or none when there is no such. */
static inline const struct cpumask *task_isolation_cpus(int cpu)
{
	return (unsigned int)cpu < nr_cpu_ids ? cpumask_of(cpu) : cpu_none_mask;
}

#ifdef CONFIG_TASK_ISOLATION_DEFER

/* kernel/task_isolation_defer.c */
void task_isolation_flush_cpus(smp_call_func_t func, void *info);
void task_isolation_sync_cpus(smp_call_func_t func);
void task_isolation_sync_others(smp_call_func_t func);

/* arch/x86/mm/task_isolation.c */
void task_isolation_catch_up(void);
void task_isolation_flush_all(void);
void task_isolation_flush_kernel_range(unsigned long start, unsigned long end);

/**
 * task_isolation_nmi_catch_up - Catch up when an NMI comes while the CPU does so
 * @dynticks:	RCU's counter of this CPU
 * @special:	the bit that says that there is something to catch up with
 *
 * Context: NMI and the like, when RCU watched already.
 */
static __always_inline void task_isolation_nmi_catch_up(atomic_t *dynticks, int special)
{
	if (unlikely(arch_atomic_read(dynticks) & special))
		task_isolation_catch_up();
}

#else /* CONFIG_TASK_ISOLATION_DEFER */

#define task_isolation_flush_kernel_range(start, end)	flush_tlb_kernel_range(start, end)
#define task_isolation_flush_all()			flush_tlb_all()

static inline void task_isolation_flush_cpus(smp_call_func_t func, void *info)
{
	on_each_cpu(func, info, 1);
}

static inline void task_isolation_sync_cpus(smp_call_func_t func)
{
	on_each_cpu(func, NULL, 1);
}

static inline void task_isolation_sync_others(smp_call_func_t func)
{
	smp_call_function(func, NULL, 1);
}

static __always_inline void task_isolation_catch_up(void) { }

static __always_inline void task_isolation_nmi_catch_up(atomic_t *dynticks, int special) { }

#endif /* !CONFIG_TASK_ISOLATION_DEFER */

#endif /* _LINUX_TASK_ISOLATION_H */
