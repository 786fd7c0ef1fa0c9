// SPDX-License-Identifier: GPL-2.0
/*
 * Task isolation: a task asks to be left alone, and says what it takes.
 *
 *			Model
 *
 * What a CPU has put off it does sooner or later, by a timer, a kernel thread or
 * an interrupt that another CPU sends, and each takes the CPU from the task that
 * runs there.  A task that does not want that has it done while it is in the
 * kernel anyway: on the way to user mode.
 *
 *	Q	ISOL_F_QUIESCE_ON_URET	actions are done before user mode
 *	A	quiesce mask		which actions
 *	I	ISOL_F_BLOCK_INTERRUPTORS others may not interrupt
 *	C	block mask		which classes, see task_isolation_block.c
 *	W	TIF_ISOLATION		the return to user mode takes the slow path
 *	U	away			the task is in user mode, or left it last
 *
 *	state	event				next
 *	Q=0	set A				A
 *	Q=0	enable, A != 0			Q=1 W=1
 *	Q=0	enable, A == 0			EINVAL
 *	Q=1	set A to 0			EINVAL
 *	Q=1	return to user mode		actions of A done, U=1
 *	Q=1	interrupt, exception, NMI	noted, see task_isolation_stat.c
 *	Q=1	enable without Q		Q=0 W=0 U=0
 *	any	set C				C; while I=1 for all of C, or nothing changed
 *	any	enable with I, C != 0		I=1 once older requests have ended
 *	any	enable with I, C == 0		EINVAL, as C = 0 while I=1 is
 *	any	enable without I		I=0
 *	any	fork, clone			child: nothing, or a copy if asked for
 *	any	execve			unchanged; nothing left if set-uid or the like
 *	any	exit				W=0, I=0, counts go to the family
 *
 *			Invariants
 *
 *	I1: W=1  <=>  Q=1
 *	I2: Q=1  =>  A != 0, and A has only what this boot can do
 *	I3: user mode with W=1  =>  the actions of A were done with interrupts off,
 *	    and interrupts have been off since, up to the return
 *	I4: a call that fails changes nothing
 *	I5: I=1  =>  C != 0, and C is what is refused; I=0  =>  nothing is
 *
 *			Who writes what
 *
 * Everything belongs to the task itself: it is written by current, in prctl(2)
 * or on the way to user mode, and needs no lock.  Others read: /proc, and
 * task_isolation_quiesces() through the run queue's curr.  A family is written by
 * several tasks, and has a lock.
 *
 * The state is not in task_struct, as hardly any task has one.  It is in a table
 * by task, from the first call that needs it until the task_struct is freed:
 *
 *	insert		the task itself, or its parent in fork	table lock
 *	remove		whoever frees the task_struct		table lock
 *	look up		anybody, NMIs included			RCU
 *
 * What a lookup returned stays valid as long as the task does: for current, and
 * for those who have a reference or are in the RCU section that found the task.
 *
 * Actions that let other CPUs put something off (ISOL_F_QUIESCE_DEFER_*) are done by
 * those, see task_isolation_defer.c.  On the way to user mode they take nothing.
 *
 *			What is not promised
 *
 * That there are no interruptions: only that the causes a mask bit stands for
 * are gone on return.  One whose cause came before the return may still be on
 * its way and arrive after it, such as an interprocessor interrupt in flight.
 * Returns from NMIs do not pass here, and nothing is done there.
 *
 *			Cost
 *
 * A task with W=0 pays nothing on the way to user mode: the bit is tested by the
 * instruction that looks for exit work.  Interrupts from user mode, fork, exec and
 * exit pass one static branch, on from boot on where nohz_full= was given, and
 * otherwise since the first task asked for something.  It is never turned off:
 * patching code interrupts all CPUs, the isolated ones first.  With the branch on,
 * fork looks the parent up, and exit the task: a load or two.
 */

#include <linux/capability.h>
#include <linux/entry-common.h>
#include <linux/eventfd.h>
#include <linux/hashtable.h>
#include <linux/init.h>
#include <linux/jump_label.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/tick.h>
#include <linux/uaccess.h>

#define CREATE_TRACE_POINTS
#include <trace/events/isolation.h>

#include "task_isolation.h"

#define INHERIT		(ISOL_INHERIT_THREADS | ISOL_INHERIT_FORK)

DEFINE_STATIC_KEY_FALSE(task_isolation_used);

static DEFINE_HASHTABLE(table, 8);
static DEFINE_SPINLOCK(table_lock);

/**
 * isolation_of - Find the state of a task
 * @t:	the task
 *
 * Context: any, NMI included.
 * Return: the state, or NULL if the task never asked; valid as long as the task.
 */
struct task_isolation *isolation_of(const struct task_struct *t)
{
	struct task_isolation *iso;

	rcu_read_lock();
	hash_for_each_possible_rcu(table, iso, node, (unsigned long)t)
		if (iso->task == t)
			break;
	rcu_read_unlock();

	return iso;
}

static void insert(struct task_isolation *iso, struct task_struct *t)
{
	unsigned long flags;

	iso->task = t;
	raw_spin_lock_init(&iso->senders_lock);
	spin_lock_irqsave(&table_lock, flags);
	hash_add_rcu(table, &iso->node, (unsigned long)t);
	spin_unlock_irqrestore(&table_lock, flags);
}

static void remove(struct task_isolation *iso)
{
	unsigned long flags;

	spin_lock_irqsave(&table_lock, flags);
	hash_del_rcu(&iso->node);
	spin_unlock_irqrestore(&table_lock, flags);
	kfree_rcu(iso, rcu);
}

/* With nohz_full= somebody means it: patch now, while nobody is isolated. */
static int __init task_isolation_init(void)
{
	if (tick_nohz_full_enabled())
		static_branch_enable(&task_isolation_used);
	return 0;
}
late_initcall(task_isolation_init);

static u32 supported_actions(void)
{
	u32 actions = ISOL_F_QUIESCE_VMSTAT_SYNC;

	if (isolation_tick_supported())
		actions |= ISOL_F_QUIESCE_NOHZ_FULL;

	return actions | isolation_defer_actions();
}

static u32 supported_features(void)
{
	return ISOL_F_QUIESCE_ON_URET | (isolation_classes() ? ISOL_F_BLOCK_INTERRUPTORS : 0);
}

static void put_eventfd(struct isolation_eventfd *eventfd)
{
	if (eventfd && refcount_dec_and_test(&eventfd->users)) {
		eventfd_ctx_put(eventfd->ctx);
		kfree(eventfd);
	}
}

static void put_family(struct isolation_family *family)
{
	if (family && refcount_dec_and_test(&family->users))
		kfree(family);
}

static struct isolation_family *new_family(void)
{
	struct isolation_family *family;

	family = kzalloc(sizeof(*family), GFP_KERNEL_ACCOUNT);
	if (family) {
		refcount_set(&family->users, 1);
		spin_lock_init(&family->lock);
	}

	return family;
}

/* The state of the current task, made when there is none; NULL without memory. */
static struct task_isolation *own_state(void)
{
	struct task_isolation *iso = isolation_of(current);

	if (iso)
		return iso;

	iso = kzalloc(sizeof(*iso), GFP_KERNEL_ACCOUNT);
	if (!iso)
		return NULL;

	iso->family = new_family();
	if (!iso->family) {
		kfree(iso);
		return NULL;
	}

	/* Before the state is there: the end of the task has to find it. */
	static_branch_enable(&task_isolation_used);
	insert(iso, current);

	return iso;
}

/* TIF_ISOLATION follows the features; a stay in user mode before that counts for nothing. */
static void apply_features(struct task_isolation *iso, u32 features)
{
	WRITE_ONCE(iso->features, features);
	iso->away = false;
	if (features & ISOL_F_QUIESCE_ON_URET)
		set_thread_flag(TIF_ISOLATION);
	else
		clear_thread_flag(TIF_ISOLATION);
	trace_isolation_config(features, iso->quiesce);
}

/**
 * task_isolation_enable - PR_ISOL_ENABLE
 * @features:	ISOL_F_*; replaces what was enabled
 *
 * Context: prctl(2); sleeps if it blocks, until older requests have ended.
 * Return: 0, or -EINVAL for unknown features, or for one without an action or
 *	   class set; otherwise see isolation_block().
 */
int task_isolation_enable(unsigned long features)
{
	struct task_isolation *iso = isolation_of(current);
	int ret;

	if (features & ~(unsigned long)supported_features())
		return -EINVAL;
	if ((features & ISOL_F_QUIESCE_ON_URET) && !(iso && iso->quiesce))
		return -EINVAL;
	if ((features & ISOL_F_BLOCK_INTERRUPTORS) && !(iso && iso->block))
		return -EINVAL;
	if (!iso)
		return 0;

	ret = isolation_block(iso, features & ISOL_F_BLOCK_INTERRUPTORS ? iso->block : 0);
	if (ret)
		return ret;
	apply_features(iso, features);

	return 0;
}

static int set_quiesce(unsigned long actions)
{
	struct task_isolation *iso = isolation_of(current);

	if (actions & ~(unsigned long)supported_actions())
		return -EINVAL;
	if (!actions && iso && (iso->features & ISOL_F_QUIESCE_ON_URET))
		return -EINVAL;
	if (!actions && !iso)
		return 0;

	iso = own_state();
	if (!iso)
		return -ENOMEM;

	WRITE_ONCE(iso->quiesce, actions);
	trace_isolation_config(iso->features, actions);

	return 0;
}

static int set_block(unsigned long classes)
{
	struct task_isolation *iso = isolation_of(current);
	int ret = 0;

	if (classes & ~(unsigned long)isolation_classes())
		return -EINVAL;
	if (!classes && iso && (iso->features & ISOL_F_BLOCK_INTERRUPTORS))
		return -EINVAL;
	if (!classes && !iso)
		return 0;

	iso = own_state();
	if (!iso)
		return -ENOMEM;

	if (iso->features & ISOL_F_BLOCK_INTERRUPTORS)
		ret = isolation_block(iso, classes);
	if (!ret)
		WRITE_ONCE(iso->block, classes);

	return ret;
}

static int set_inherit(unsigned long inherit)
{
	struct task_isolation *iso;

	if (inherit & ~(unsigned long)INHERIT)
		return -EINVAL;
	if (!inherit && !isolation_of(current))
		return 0;

	iso = own_state();
	if (!iso)
		return -ENOMEM;

	WRITE_ONCE(iso->inherit, inherit);

	return 0;
}

/* Takes over @eventfd. */
static int replace_notify(int signal, struct isolation_eventfd *eventfd)
{
	struct task_isolation *iso = own_state();
	struct isolation_eventfd *old;

	if (!iso) {
		put_eventfd(eventfd);
		return -ENOMEM;
	}

	old = iso->eventfd;
	WRITE_ONCE(iso->signal, signal);
	WRITE_ONCE(iso->eventfd, eventfd);
	put_eventfd(old);

	return 0;
}

static int notify_eventfd(int fd)
{
	struct isolation_eventfd *eventfd;
	struct eventfd_ctx *ctx;

	ctx = eventfd_ctx_fdget(fd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);

	eventfd = kzalloc(sizeof(*eventfd), GFP_KERNEL_ACCOUNT);
	if (!eventfd) {
		eventfd_ctx_put(ctx);
		return -ENOMEM;
	}
	refcount_set(&eventfd->users, 1);
	eventfd->ctx = ctx;

	return replace_notify(0, eventfd);
}

static int set_notify(unsigned long how, unsigned long arg)
{
	switch (how) {
	case ISOL_NOTIFY_NONE:
		if (arg)
			return -EINVAL;
		return isolation_of(current) ? replace_notify(0, NULL) : 0;
	case ISOL_NOTIFY_SIGNAL:
		if (!arg || !valid_signal(arg))
			return -EINVAL;
		return replace_notify(arg, NULL);
	case ISOL_NOTIFY_EVENTFD:
		return arg > INT_MAX ? -EBADF : notify_eventfd(arg);
	default:
		return -EINVAL;
	}
}

/**
 * task_isolation_set - PR_ISOL_SET
 * @what:	what to replace
 * @arg3:	by what
 * @arg4:	PR_ISOL_NOTIFY: signal number or file descriptor; otherwise 0
 *
 * Context: prctl(2); may sleep.
 * Return: 0, or -EINVAL, -EBADF (PR_ISOL_NOTIFY) or -ENOMEM, or what
 *	   isolation_block() returns; then nothing changed.
 */
int task_isolation_set(unsigned long what, unsigned long arg3, unsigned long arg4)
{
	if (what == PR_ISOL_NOTIFY)
		return set_notify(arg3, arg4);
	if (arg4)
		return -EINVAL;

	switch (what) {
	case ISOL_FEATURES:
		return task_isolation_enable(arg3);
	case PR_ISOL_QUIESCE_CFG:
		return set_quiesce(arg3);
	case PR_ISOL_BLOCK_CFG:
		return set_block(arg3);
	case PR_ISOL_INHERIT_CFG:
		return set_inherit(arg3);
	default:
		return -EINVAL;
	}
}

static int get_breaks(struct isol_breaks __user *ubreaks, unsigned long size)
{
	struct task_isolation *iso = isolation_of(current);
	struct isol_breaks breaks = { .size = sizeof(breaks) };
	unsigned long known = min(size, sizeof(breaks));

	if (size < ISOL_BREAKS_SIZE_VER0 || size > PAGE_SIZE)
		return -EINVAL;

	if (iso)
		isolation_read_breaks(&breaks, &iso->breaks);
	if (copy_to_user(ubreaks, &breaks, known) ||
	    clear_user((void __user *)ubreaks + known, size - known))
		return -EFAULT;

	return 0;
}

static int get_notify(const struct task_isolation *iso)
{
	if (iso->signal)
		return ISOL_NOTIFY_SIGNAL;
	return iso->eventfd ? ISOL_NOTIFY_EVENTFD : ISOL_NOTIFY_NONE;
}

/**
 * task_isolation_get - PR_ISOL_GET
 * @what:	what to return
 * @arg3:	PR_ISOL_BREAKS: struct isol_breaks in user memory; otherwise 0
 * @arg4:	PR_ISOL_BREAKS: its size; otherwise 0
 *
 * Context: prctl(2); may fault.
 * Return: the value, or -EINVAL or -EFAULT (PR_ISOL_BREAKS).
 */
int task_isolation_get(unsigned long what, unsigned long arg3, unsigned long arg4)
{
	const struct task_isolation *iso = isolation_of(current);

	if (what == PR_ISOL_BREAKS)
		return get_breaks((struct isol_breaks __user *)arg3, arg4);
	if (arg3 || arg4)
		return -EINVAL;

	switch (what) {
	case ISOL_SUP_FEATURES:
		return supported_features();
	case ISOL_FEATURES:
		return iso ? iso->features : 0;
	case PR_ISOL_SUP_QUIESCE_CFG:
		return supported_actions();
	case PR_ISOL_QUIESCE_CFG:
		return iso ? iso->quiesce : 0;
	case PR_ISOL_SUP_BLOCK_CFG:
		return isolation_classes();
	case PR_ISOL_BLOCK_CFG:
		return iso ? iso->block : 0;
	case PR_ISOL_INHERIT_CFG:
		return iso ? iso->inherit : 0;
	case PR_ISOL_NOTIFY:
		return iso ? get_notify(iso) : ISOL_NOTIFY_NONE;
	case PR_ISOL_TICK:
		return isolation_tick_needs();
	default:
		return -EINVAL;
	}
}

/**
 * __task_isolation_fork - Give a new task what it inherits: by default nothing
 * @p:			the new task, a copy of current; nobody sees it yet
 * @clone_flags:	of clone(2)
 *
 * Context: copy_process(), before anything can fail; may sleep.
 * Return: 0, or -ENOMEM; either way @p can be freed.
 */
int __task_isolation_fork(struct task_struct *p, unsigned long clone_flags)
{
	u32 which = clone_flags & CLONE_THREAD ? ISOL_INHERIT_THREADS : ISOL_INHERIT_FORK;
	struct task_isolation *own = isolation_of(current);
	struct task_isolation *iso;

	clear_tsk_thread_flag(p, TIF_ISOLATION);

	/* Threads of the kernel that a user task starts never see user mode. */
	if (!own || !(own->inherit & which) || (p->flags & (PF_KTHREAD | PF_IO_WORKER)))
		return 0;

	iso = kzalloc(sizeof(*iso), GFP_KERNEL_ACCOUNT);
	if (!iso)
		return -ENOMEM;

	iso->features = own->features;
	iso->quiesce = own->quiesce;
	iso->block = own->block;
	iso->inherit = own->inherit;
	iso->signal = own->signal;
	iso->eventfd = own->eventfd;
	if (iso->eventfd)
		refcount_inc(&iso->eventfd->users);
	iso->family = own->family;
	refcount_inc(&iso->family->users);

	insert(iso, p);
	if (iso->features & ISOL_F_QUIESCE_ON_URET)
		set_tsk_thread_flag(p, TIF_ISOLATION);
	isolation_block_fork(iso, own);

	return 0;
}

/**
 * __task_isolation_exec - The current task gets rights that its caller lacks
 *
 * Nothing of what the caller set up may act on it, or tell the caller of it.
 *
 * Context: execve(2), past the point of no return; the task is alone.
 */
void __task_isolation_exec(void)
{
	struct task_isolation *iso = isolation_of(current);

	if (!iso)
		return;

	isolation_unblock(iso);
	apply_features(iso, 0);
	WRITE_ONCE(iso->quiesce, 0);
	WRITE_ONCE(iso->block, 0);
	WRITE_ONCE(iso->inherit, 0);
	replace_notify(0, NULL);
}

/**
 * __task_isolation_exit - The current task will not see user mode again
 * @t:	the current task
 *
 * What it asked for can still be read; it just does not happen any more.
 *
 * Context: do_exit().
 */
void __task_isolation_exit(struct task_struct *t)
{
	struct task_isolation *iso = isolation_of(t);
	struct isolation_family *family;

	if (!iso)
		return;

	family = iso->family;
	clear_tsk_thread_flag(t, TIF_ISOLATION);
	isolation_unblock(iso);
	replace_notify(0, NULL);

	spin_lock(&family->lock);
	isolation_add_up(&family->breaks, &iso->breaks);
	family->refused += iso->refused;
	family->exited++;
	spin_unlock(&family->lock);
}

/**
 * __task_isolation_free - Nobody refers to a task any more
 * @t:	the task, which may never have run
 *
 * Context: any that may free memory.
 */
void __task_isolation_free(struct task_struct *t)
{
	struct task_isolation *iso = isolation_of(t);

	if (!iso)
		return;

	/* One that never ran has not exited either. */
	isolation_unblock(iso);
	put_eventfd(iso->eventfd);
	put_family(iso->family);
	remove(iso);
}

static void notify(struct task_isolation *iso)
{
	if (!iso->signal && !iso->eventfd)
		return;

	trace_isolation_notify(iso->signal, iso->eventfd);
	if (iso->signal)
		send_sig(iso->signal, current, 1);
	else
		eventfd_signal(iso->eventfd->ctx, 1);
}

/**
 * __task_isolation_quiesce - Leave nothing behind that would interrupt user mode
 *
 * Context: on the way to user mode, after the exit work; interrupts off.
 * Return: the TIF bits without TIF_ISOLATION; exit work among them is new.
 */
unsigned long __task_isolation_quiesce(void)
{
	struct task_isolation *iso = isolation_of(current);
	unsigned long ti_work;
	u32 done = 0;

	lockdep_assert_irqs_disabled();

	if ((iso->quiesce & ISOL_F_QUIESCE_VMSTAT_SYNC) && isolation_fold_vmstat())
		done |= ISOL_F_QUIESCE_VMSTAT_SYNC;
	if ((iso->quiesce & ISOL_F_QUIESCE_NOHZ_FULL) && isolation_stop_tick())
		done |= ISOL_F_QUIESCE_NOHZ_FULL;
	if (done)
		trace_isolation_quiesce(done);

	if (isolation_account(iso))
		notify(iso);

	ti_work = READ_ONCE(current_thread_info()->flags) & ~_TIF_ISOLATION;
	iso->away = !(ti_work & EXIT_TO_USER_MODE_WORK);

	return ti_work;
}
