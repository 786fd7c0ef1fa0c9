/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Core scheduling, as seen from outside the scheduler.
 *
 * kernel/sched/core_sched.h holds the model; this header only has the state of
 * a task and the calls that fork, exit, prctl, procfs and vhost make.
 */
#ifndef _LINUX_SCHED_CORE_H
#define _LINUX_SCHED_CORE_H

#include <linux/errno.h>
#include <linux/jump_label.h>
#include <linux/rbtree.h>
#include <linux/types.h>

struct core_cookie;
struct pid;
struct pid_namespace;
struct seq_file;
struct task_struct;

int idle_cpu(int cpu);
bool __sched_core_idle_cpu(int cpu);

#ifdef CONFIG_SCHED_CORE

DECLARE_STATIC_KEY_FALSE(__sched_core_enabled);

/* Has anybody a cookie? Off, the scheduler is the base's. */
static __always_inline bool sched_core_enabled(void)
{
	return static_branch_unlikely(&__sched_core_enabled);
}

/**
 * struct core_task - what core scheduling knows about a task
 * @cookie:		whom the task trusts; NULL is the cookie of everybody
 *			who has not asked for one. Written under the task's
 *			pi_lock and run queue lock, so either is enough to
 *			read it; a bare read serves as a placement hint.
 * @node:		place among the waiting fair tasks of the run queue
 *			(struct core_rq::waiting), empty when not there. Run
 *			queue lock.
 * @passed_since:	when the task was first passed over although it was
 *			the best of its run queue, 0 when it was not. In ns of
 *			the run queue clock. Run queue lock.
 * @forceidle_sum:	ns for which this task kept siblings in forced idle,
 *			divided among all tasks that ran on the core then. Run
 *			queue lock.
 */
struct core_task {
	struct core_cookie	*cookie;
	struct rb_node		node;
	u64			passed_since;
	u64			forceidle_sum;
};

/**
 * struct core_stat - what a control group knows about forced idle
 * @forceidle:	ns, sum of what its tasks were charged
 */
struct core_stat {
	u64			forceidle;
};

static inline void core_stat_add(struct core_stat *to, struct core_stat *from)
{
	to->forceidle += from->forceidle;
}

static inline void core_stat_sub(struct core_stat *to, struct core_stat *from)
{
	to->forceidle -= from->forceidle;
}

static inline void core_stat_charge(struct core_stat *stat, u64 delta)
{
	stat->forceidle += delta;
}

void core_stat_show_root(struct seq_file *m);
void core_stat_show(struct seq_file *m, struct core_stat *stat);
void sched_core_proc_show_sum(struct seq_file *m, struct task_struct *p);
int sched_core_proc_show(struct seq_file *m, struct pid_namespace *ns,
			 struct pid *pid, struct task_struct *p);
void sched_core_init_task(struct task_struct *p);
void sched_core_fork(struct task_struct *p);
void sched_core_free(struct task_struct *p);
void sched_core_inherit(struct task_struct *kthread);
u64 sched_core_cookie_id(struct task_struct *p);
int sched_core_prctl(unsigned int cmd, pid_t pid, unsigned int scope,
		     unsigned long uaddr);

#else /* !CONFIG_SCHED_CORE */

struct core_task { };
struct core_stat { };

static __always_inline bool sched_core_enabled(void)
{
	return false;
}

static inline void core_stat_add(struct core_stat *to, struct core_stat *from)
{
}

static inline void core_stat_sub(struct core_stat *to, struct core_stat *from)
{
}

static inline void core_stat_charge(struct core_stat *stat, u64 delta) { }
static inline void core_stat_show_root(struct seq_file *m) { }

static inline void core_stat_show(struct seq_file *m, struct core_stat *stat)
{
}

static inline void sched_core_proc_show_sum(struct seq_file *m,
					    struct task_struct *p)
{
}

static inline void sched_core_init_task(struct task_struct *p) { }
static inline void sched_core_fork(struct task_struct *p) { }
static inline void sched_core_free(struct task_struct *p) { }
static inline void sched_core_inherit(struct task_struct *kthread) { }

static inline int sched_core_prctl(unsigned int cmd, pid_t pid,
				   unsigned int scope, unsigned long uaddr)
{
	return -EINVAL;
}

#endif /* CONFIG_SCHED_CORE */

/**
 * sched_core_idle_cpu() - is a CPU idle, willingly or not?
 * @cpu: CPU
 *
 * idle_cpu() answers "could a task be put there"; this one answers "is it
 * running its idle task", which is what the tick wants to know.
 *
 * Context: any.
 * Return: true for idle and forced idle.
 */
static inline bool sched_core_idle_cpu(int cpu)
{
	return sched_core_enabled() ? __sched_core_idle_cpu(cpu) : idle_cpu(cpu);
}

#endif /* _LINUX_SCHED_CORE_H */
