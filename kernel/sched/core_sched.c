// SPDX-License-Identifier: GPL-2.0
/*
 * Core scheduling: cookies, who has them, and which CPUs share a core.
 * core_sched.h has the model.
 *
 *			Life of a cookie
 *
 *	core_cookie_new()	one reference; the first cookie of the system
 *				turns core scheduling on before it exists
 *	core_cookie_get()	a task inherits it or has it shared with
 *	core_cookie_put()	a task gets another one, or its task_struct goes;
 *				the last reference of the last cookie has core
 *				scheduling turned off, a moment later
 *
 * A task keeps its cookie until its task_struct is freed. A zombie holds its
 * cookie, therefore, and so does whoever pins the task_struct of a dead task.
 *
 * The number that user space sees is counted up from 1 and never used twice. It
 * says which tasks share a cookie and nothing else; it is not an address.
 */
#include "sched.h"

#include <linux/debugfs.h>
#include <linux/prctl.h>
#include <linux/ptrace.h>
#include <linux/sched/smt.h>

#include <trace/events/sched_core.h>

/**
 * struct core_cookie - what tasks that trust each other have in common
 * @refs: one for every task that has it
 * @id:	  for user space
 */
struct core_cookie {
	refcount_t	refs;
	u64		id;
};

DEFINE_STATIC_KEY_FALSE(__sched_core_enabled);

static DEFINE_PER_CPU(struct sched_core, sched_cores);

/*
 *			Turning it on and off
 *
 * core_nr_cookies counts, core_on says what was made of it; core_switch_lock
 * serializes those who act on it. debugfs shows both, in sched_core/.
 */
static atomic_t core_nr_cookies;
static bool core_on;
static atomic64_t core_last_id;
static DEFINE_MUTEX(core_switch_lock);

/*
 * The picks that began before the key was flipped do not keep the index of
 * waiting tasks up to date. They run with preemption disabled, so they are over
 * after a grace period.
 */
static void core_turn_on(void)
{
	int cpu;

	static_branch_enable(&__sched_core_enabled);
	synchronize_rcu();
	for_each_possible_cpu(cpu)
		sched_core_index(cpu_rq(cpu));
}

/*
 * No task has a cookie, so no core may keep one: its memory might become that
 * of the next one. CPU hotplug is excluded, so the members stay.
 */
static void core_forget(struct sched_core *core)
{
	unsigned int i;

	local_irq_disable();
	sched_core_lock_members(core->rqs, core->nr);
	core->cookie = NULL;
	core->conflict = false;
	core->fi_active = false;
	for (i = 0; i < core->nr; i++) {
		core->rqs[i]->core.competed = false;
		sched_update_tick_dependency(core->rqs[i]);
	}
	sched_core_unlock_members(core->rqs, core->nr);
	local_irq_enable();
}

static void core_turn_off(void)
{
	int cpu;

	cpus_read_lock();
	for_each_possible_cpu(cpu) {
		sched_core_unindex(cpu_rq(cpu));
		core_forget(&per_cpu(sched_cores, cpu));
	}
	cpus_read_unlock();
	static_branch_disable(&__sched_core_enabled);
}

static void core_turn(void)
{
	bool on;

	mutex_lock(&core_switch_lock);
	on = atomic_read(&core_nr_cookies);
	if (on && !core_on)
		core_turn_on();
	if (!on && core_on)
		core_turn_off();
	core_on = on;
	mutex_unlock(&core_switch_lock);
}

static void core_turn_work(struct work_struct *work)
{
	core_turn();
}

static DECLARE_WORK(core_work, core_turn_work);

/*
 *			Cookies
 */

static void core_cookie_gone(void)
{
	if (atomic_dec_and_test(&core_nr_cookies))
		schedule_work(&core_work);
}

/* May sleep: core scheduling is on when this returns. */
static struct core_cookie *core_cookie_new(void)
{
	struct core_cookie *cookie;

	atomic_inc(&core_nr_cookies);
	core_turn();

	cookie = kmalloc(sizeof(*cookie), GFP_KERNEL);
	if (!cookie) {
		core_cookie_gone();
		return NULL;
	}

	refcount_set(&cookie->refs, 1);
	cookie->id = atomic64_inc_return(&core_last_id);

	return cookie;
}

static struct core_cookie *core_cookie_get(struct core_cookie *cookie)
{
	if (cookie)
		refcount_inc(&cookie->refs);

	return cookie;
}

static void core_cookie_put(struct core_cookie *cookie)
{
	if (cookie && refcount_dec_and_test(&cookie->refs)) {
		kfree(cookie);
		core_cookie_gone();
	}
}

/* The cookie of a task, with a reference for the caller. */
static struct core_cookie *core_cookie_of(struct task_struct *p)
{
	struct core_cookie *cookie;
	unsigned long flags;

	raw_spin_lock_irqsave(&p->pi_lock, flags);
	cookie = core_cookie_get(p->core.cookie);
	raw_spin_unlock_irqrestore(&p->pi_lock, flags);

	return cookie;
}

/* Give @p a cookie of which the caller has a reference, and keeps it. */
static void core_cookie_set(struct task_struct *p, struct core_cookie *cookie)
{
	struct core_cookie *old;
	struct rq_flags rf;
	struct rq *rq;

	core_cookie_get(cookie);

	rq = task_rq_lock(p, &rf);
	old = p->core.cookie;
	trace_sched_core_cookie(p, old ? old->id : 0, cookie ? cookie->id : 0);
	sched_core_set_cookie(rq, p, cookie);
	task_rq_unlock(rq, p, &rf);

	core_cookie_put(old);
}

/**
 * sched_core_cookie_id() - get the number of a task's cookie
 * @p: task
 *
 * Context: any, but with no run queue lock and no pi_lock held.
 * Return: the number, 0 for a task without a cookie.
 */
u64 sched_core_cookie_id(struct task_struct *p)
{
	struct core_cookie *cookie = core_cookie_of(p);
	u64 id = cookie ? cookie->id : 0;

	core_cookie_put(cookie);
	return id;
}

/**
 * core_cookie_number() - get the number of a cookie
 * @p: task whose run queue lock is held
 *
 * For tracing.
 *
 * Return: the number, 0 for a task without a cookie.
 */
u64 core_cookie_number(struct task_struct *p)
{
	return p->core.cookie ? p->core.cookie->id : 0;
}

/*
 *			Tasks
 */

/**
 * sched_core_init_task() - prepare a copied task_struct
 * @p: task, not yet visible to anybody
 *
 * The copy has its parent's cookie without a reference: take it away, so that
 * a fork that fails has nothing to give back. sched_core_fork() follows where
 * fork can no longer fail.
 */
void sched_core_init_task(struct task_struct *p)
{
	memset(&p->core, 0, sizeof(p->core));
	RB_CLEAR_NODE(&p->core.node);
}

/**
 * sched_core_fork() - let a new task inherit its parent's cookie
 * @p: new task
 *
 * Context: tasklist_lock held for writing, by the parent, so that an operation
 *	    on a group of tasks sees the child, or the child its result.
 */
void sched_core_fork(struct task_struct *p)
{
	p->core.cookie = core_cookie_of(current);
}

/**
 * sched_core_free() - let go of a dead task's cookie
 * @p: task whose last reference has gone
 *
 * Context: any.
 */
void sched_core_free(struct task_struct *p)
{
	core_cookie_put(p->core.cookie);
}

/**
 * sched_core_inherit() - give a kernel thread the caller's cookie
 * @kthread: kernel thread that works for the calling process only
 *
 * Context: process context, no locks.
 */
void sched_core_inherit(struct task_struct *kthread)
{
	struct core_cookie *cookie = core_cookie_of(current);

	core_cookie_set(kthread, cookie);
	core_cookie_put(cookie);
}
EXPORT_SYMBOL_GPL(sched_core_inherit);

/*
 *			prctl(PR_SCHED_CORE)
 */

static bool core_may_touch(struct task_struct *p)
{
	return ptrace_may_access(p, PTRACE_MODE_READ_REALCREDS);
}

/* Everybody in the scope, or nobody. tasklist_lock keeps the scope as it is. */
static int core_set_scope(struct task_struct *task, enum pid_type scope,
			  struct core_cookie *cookie)
{
	struct task_struct *p;
	struct pid *group;
	int error = -EPERM;

	read_lock(&tasklist_lock);
	group = task_pid_type(task, scope);
	do_each_pid_thread(group, scope, p) {
		if (!core_may_touch(p))
			goto out;
	} while_each_pid_thread(group, scope, p);

	do_each_pid_thread(group, scope, p) {
		core_cookie_set(p, cookie);
	} while_each_pid_thread(group, scope, p);
	error = 0;
out:
	read_unlock(&tasklist_lock);
	return error;
}

static int core_set(struct task_struct *task, enum pid_type scope,
		    struct core_cookie *cookie)
{
	if (scope != PIDTYPE_PID)
		return core_set_scope(task, scope, cookie);

	core_cookie_set(task, cookie);
	return 0;
}

static int core_do_get(struct task_struct *task, enum pid_type scope,
		       unsigned long uaddr)
{
	if (scope != PIDTYPE_PID || !IS_ALIGNED(uaddr, sizeof(u64)))
		return -EINVAL;

	return put_user(sched_core_cookie_id(task), (u64 __user *)uaddr);
}

static int core_do_create(struct task_struct *task, enum pid_type scope)
{
	struct core_cookie *cookie = core_cookie_new();
	int error;

	if (!cookie)
		return -ENOMEM;

	error = core_set(task, scope, cookie);
	core_cookie_put(cookie);
	return error;
}

static int core_do_share_to(struct task_struct *task, enum pid_type scope)
{
	struct core_cookie *cookie = core_cookie_of(current);
	int error;

	error = core_set(task, scope, cookie);
	core_cookie_put(cookie);
	return error;
}

static int core_do_share_from(struct task_struct *task, enum pid_type scope)
{
	struct core_cookie *cookie;

	if (scope != PIDTYPE_PID)
		return -EINVAL;

	cookie = core_cookie_of(task);
	core_cookie_set(current, cookie);
	core_cookie_put(cookie);
	return 0;
}

static int core_do(struct task_struct *task, unsigned int cmd,
		   enum pid_type scope, unsigned long uaddr)
{
	if (!core_may_touch(task))
		return -EPERM;

	switch (cmd) {
	case PR_SCHED_CORE_GET:
		return core_do_get(task, scope, uaddr);
	case PR_SCHED_CORE_CREATE:
		return core_do_create(task, scope);
	case PR_SCHED_CORE_SHARE_TO:
		return core_do_share_to(task, scope);
	case PR_SCHED_CORE_SHARE_FROM:
		return core_do_share_from(task, scope);
	default:
		return -EINVAL;
	}
}

static struct task_struct *core_find_task(pid_t pid)
{
	struct task_struct *task;

	rcu_read_lock();
	task = pid ? find_task_by_vpid(pid) : current;
	if (task)
		get_task_struct(task);
	rcu_read_unlock();

	return task;
}

/**
 * sched_core_prctl() - prctl(PR_SCHED_CORE)
 * @cmd: PR_SCHED_CORE_GET, _CREATE, _SHARE_TO or _SHARE_FROM
 * @pid: thread that @cmd is about, in the caller's name space; 0 is the caller
 * @scope: PR_SCHED_CORE_SCOPE_THREAD, _THREAD_GROUP or _PROCESS_GROUP of @pid
 * @uaddr: where GET stores the cookie's number, a u64; 0 otherwise
 *
 * Context: process context; may sleep.
 * Return: 0, or, in the order in which it is checked: -ENODEV without SMT,
 * -EINVAL, -ESRCH, -EPERM when the caller may not read some task with ptrace,
 * -ENOMEM, -EFAULT. On an error no task has changed.
 */
int sched_core_prctl(unsigned int cmd, pid_t pid, unsigned int scope,
		     unsigned long uaddr)
{
	struct task_struct *task;
	int error;

	BUILD_BUG_ON(PR_SCHED_CORE_SCOPE_THREAD != PIDTYPE_PID);
	BUILD_BUG_ON(PR_SCHED_CORE_SCOPE_THREAD_GROUP != PIDTYPE_TGID);
	BUILD_BUG_ON(PR_SCHED_CORE_SCOPE_PROCESS_GROUP != PIDTYPE_PGID);

	if (!sched_smt_active())
		return -ENODEV;

	if (cmd >= PR_SCHED_CORE_MAX || pid < 0 ||
	    scope > PR_SCHED_CORE_SCOPE_PROCESS_GROUP ||
	    (cmd != PR_SCHED_CORE_GET && uaddr))
		return -EINVAL;

	task = core_find_task(pid);
	if (!task)
		return -ESRCH;

	error = core_do(task, cmd, scope, uaddr);
	put_task_struct(task);
	return error;
}

/*
 *			What procfs and control groups show
 */

/**
 * sched_core_proc_show() - /proc/PID/core_cookie
 * @m: where to
 * @ns: not used
 * @pid: not used
 * @p: task
 *
 * Context: process context.
 * Return: 0, or -EACCES when the reader may not read the task with ptrace.
 */
int sched_core_proc_show(struct seq_file *m, struct pid_namespace *ns,
			 struct pid *pid, struct task_struct *p)
{
	if (!ptrace_may_access(p, PTRACE_MODE_READ_FSCREDS))
		return -EACCES;

	seq_printf(m, "%llu\n", sched_core_cookie_id(p));
	return 0;
}

/**
 * sched_core_proc_show_sum() - the line of /proc/PID/sched
 * @m: where to
 * @p: task
 */
void sched_core_proc_show_sum(struct seq_file *m, struct task_struct *p)
{
	u32 rest;
	u64 ms = div_u64_rem(p->core.forceidle_sum, NSEC_PER_MSEC, &rest);

	seq_printf(m, "%-45s:%14llu.%06u\n", "core_forceidle_sum", ms, rest);
}

static void core_show_usec(struct seq_file *m, u64 ns)
{
	seq_printf(m, "core_sched.force_idle_usec %llu\n",
		   div_u64(ns, NSEC_PER_USEC));
}

/**
 * core_stat_show() - print a control group's forced idle
 * @m: where to, cpu.stat
 * @stat: the group's sum
 */
void core_stat_show(struct seq_file *m, struct core_stat *stat)
{
	core_show_usec(m, stat->forceidle);
}

/**
 * core_stat_show_root() - print the system's forced idle
 * @m: where to, the root group's cpu.stat
 */
void core_stat_show_root(struct seq_file *m)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += kcpustat_cpu(cpu).cpustat[CPUTIME_FORCEIDLE];

	core_show_usec(m, sum);
}

/*
 *			Cores
 *
 * CPU hotplug is the only one to change who belongs to a core, one CPU at a
 * time.
 */

static unsigned int core_members_with(struct sched_core *core, struct rq *rq,
				      struct rq **rqs)
{
	unsigned int i, nr = 0;
	bool done = false;

	for (i = 0; i < core->nr; i++) {
		if (!done && rq < core->rqs[i]) {
			rqs[nr++] = rq;
			done = true;
		}
		rqs[nr++] = core->rqs[i];
	}
	if (!done)
		rqs[nr++] = rq;

	return nr;
}

static unsigned int core_members_without(struct sched_core *core,
					 struct rq *rq, struct rq **rqs)
{
	unsigned int i, nr = 0;

	for (i = 0; i < core->nr; i++) {
		if (core->rqs[i] != rq)
			rqs[nr++] = core->rqs[i];
	}

	return nr;
}

/* The members have changed: whatever was decided is to be decided again. */
static void core_set_members(struct sched_core *core, struct rq **rqs,
			     unsigned int nr)
{
	unsigned int i;

	memcpy(core->rqs, rqs, nr * sizeof(*rqs));
	WRITE_ONCE(core->nr, nr);
	core->members++;
	for (i = 0; i < nr; i++) {
		rqs[i]->core.followed = core->decisions;
		resched_curr(rqs[i]);
	}
}

static void core_join(struct sched_core *core, struct rq *rq)
{
	struct rq *rqs[CORE_SMT_MAX];
	unsigned long flags;
	unsigned int nr;

	if (WARN_ON_ONCE(core->nr == CORE_SMT_MAX))
		return;

	local_irq_save(flags);
	nr = core_members_with(core, rq, rqs);
	sched_core_lock_members(rqs, nr);
	rq->core.competed = false;
	rq->core.state = CORE_STATE_EMPTY;
	rq->core.fi_seen = core->fi_clock;
	/* A task that the CPU runs without having asked the core. */
	core->conflict = true;
	WRITE_ONCE(rq->core.core, core);
	core_set_members(core, rqs, nr);
	sched_core_unlock_members(rqs, nr);
	local_irq_restore(flags);
}

static void core_leave(struct sched_core *core, struct rq *rq)
{
	struct rq *old[CORE_SMT_MAX], *rqs[CORE_SMT_MAX];
	unsigned int nr, nr_old = core->nr;
	unsigned long flags;

	local_irq_save(flags);
	memcpy(old, core->rqs, nr_old * sizeof(*old));
	sched_core_lock_members(old, nr_old);
	nr = core_members_without(core, rq, rqs);
	WRITE_ONCE(rq->core.core, NULL);
	rq->core.state = CORE_STATE_EMPTY;
	core->conflict = true;
	core_set_members(core, rqs, nr);
	sched_core_unlock_members(old, nr_old);
	local_irq_restore(flags);
}

/* The core that a CPU's siblings are in; its own if it is the first. */
static struct sched_core *core_to_join(unsigned int cpu)
{
	int sibling;

	for_each_cpu(sibling, cpu_smt_mask(cpu)) {
		if (cpu_rq(sibling)->core.core)
			return cpu_rq(sibling)->core.core;
	}

	return &per_cpu(sched_cores, cpu);
}

/**
 * sched_core_cpu_activate() - make a CPU a member of its core
 * @cpu: CPU that becomes active, and may be a member already
 *
 * Context: CPU hotplug.
 */
void sched_core_cpu_activate(unsigned int cpu)
{
	if (!cpu_rq(cpu)->core.core)
		core_join(core_to_join(cpu), cpu_rq(cpu));
}

/**
 * sched_core_cpu_dying() - take a CPU out of its core
 * @cpu: CPU that dies, with nothing left to run, and may be no member
 *
 * Context: CPU hotplug, on @cpu, interrupts off everywhere.
 */
void sched_core_cpu_dying(unsigned int cpu)
{
	if (cpu_rq(cpu)->core.core)
		core_leave(cpu_rq(cpu)->core.core, cpu_rq(cpu));
}

/* CPUs that come later join as they become active; the boot CPU never does. */
static int __init sched_core_init(void)
{
	int cpu;

	sched_core_init_task(&init_task);
	for_each_possible_cpu(cpu) {
		raw_spin_lock_init(&per_cpu(sched_cores, cpu).acct_lock);
		cpu_rq(cpu)->core.waiting = RB_ROOT;
	}

	sched_core_cpu_activate(smp_processor_id());
	return 0;
}
early_initcall(sched_core_init);

static int __init sched_core_debug_init(void)
{
	struct dentry *dir = debugfs_create_dir("sched_core", NULL);

	debugfs_create_atomic_t("cookies", 0444, dir, &core_nr_cookies);
	debugfs_create_bool("enabled", 0444, dir, &core_on);
	return 0;
}
late_initcall(sched_core_debug_init);
