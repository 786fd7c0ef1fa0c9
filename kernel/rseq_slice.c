// SPDX-License-Identifier: GPL-2.0
/*
 * rseq time slice extension: a thread in a critical section asks for a little
 * more time instead of being preempted, and says when it is done.
 *
 *			Model
 *
 * User memory, one word at offset 28 of the rseq area:
 *
 *	r	slice_ctrl.request	user sets; user or kernel clears
 *	g	slice_ctrl.granted	kernel sets and clears; user reads
 *
 * Kernel, in task_struct::rseq_slice and thread_info:
 *
 *	E	enabled			the thread wants the extension at all
 *	G	held.granted		a grant is live: a reschedule is suppressed
 *	N	TIF_NEED_RESCHED	a reschedule is due
 *	W	TIF_RSEQ_SLICE		the next system call has work to do at entry
 *	Y	yielded			that system call ended a grant by yielding
 *	Z	stale			slice_ctrl must read zero before user mode
 *	T	per-CPU timer		brings N back when a grant has run out
 *
 *			Transitions
 *
 *	state		event				next
 *	G=0 r=0		interrupt, N=1			schedule()
 *	G=0 r=1		interrupt, N=1, no objection	r=0 g=1 G=1 W=1 N=0, T armed
 *	G=0 r=1		interrupt, N=1, objection	Z=1, schedule()
 *	G=1		interrupt, N=0			unchanged
 *	G=1		timer				N=1, then the row below
 *	G=1		interrupt, N=1			G=0 W=0 Z=1, schedule()
 *	G=1		rseq_slice_yield(2)		G=0 N=1 Y=1, schedule(); returns 1
 *	G=1		other system call		G=0 W=0 N=1, schedule(); then runs
 *	G=1		switched out in the kernel	G=0 W=0 Z=1
 *	G=1		resume work (membarrier)	G=0 W=0 N=1 Z=1, schedule()
 *	G=1		signal delivery			unchanged
 *	Z=1		on the way to user mode		r=0 g=0 Z=0
 *	W=1 G=0		system call			W=0 Y=0
 *
 * fork, exec, unregistration and the prctl are system calls and so come with
 * G=0.  A request that was not answered stays; the kernel clears r only
 * together with an answer.
 *
 *			Invariants
 *
 *	I1: a suppressed reschedule is followed by schedule() or N=1 within
 *	    the length of a grant
 *	I2: in user mode, g=1 <=> G=1, unless user space wrote g itself
 *	I3: a suppressed reschedule that no schedule() has made up for  =>  N=1,
 *	    or G=1 and T is armed on this CPU for this grant
 *	I4: one grant at most between two schedule() of a task
 *	I5: no SIGSEGV unless slice_ctrl (or flags, in the prctl) is out of reach
 *	    or flags was tampered with
 *	I6: rseq_slice_yield(2) returns 1 => a grant was live when it was entered
 *	I7: N is cleared only together with G=1 and T armed, in one section with
 *	    interrupts off
 *
 * From I3 follows the rule that keeps waiting tasks safe: WHOEVER SETS G=0 HAS
 * EITHER SWITCHED THE TASK OUT OR LEAVES N=1 BEHIND.  The functions that set
 * G=0 are the callers of end_grant(), and there is no other.  (A grant outlives
 * a schedule() that picks the same task again.  It then suppresses nothing.)
 *
 *			Who writes what
 *
 *	G	__rseq_slice_irq_exit()		interrupts off, current
 *		__rseq_slice_syscall()		interrupts off, current
 *		__rseq_slice_resume()		interrupts off, current
 *		__rseq_slice_sched_out()	rq lock, interrupts off, switched out
 *	Y, W	the first two, and rseq_slice_yield(2) itself
 *	Z	set with G=0 or a refusal; cleared by __rseq_slice_resume()
 *	E	current, in system calls
 *
 * All of that is the task's own CPU, so G needs neither a lock nor atomics; the
 * timer of a CPU reads G of whoever is current there, in interrupt context.
 *
 *			Races
 *
 * A) Remote reschedule against the clearing of N: see kernel/sched/rseq_slice.c.
 *
 * B) Switch inside the grant.  There is none: from the test of N to the armed
 *    timer interrupts are off and user memory is accessed without faulting.
 *    When it would fault the request is refused, and zeroing slice_ctrl on the
 *    way to user mode brings the page in, so that the next one succeeds.
 *
 * C) Timer against system call entry.  The timer sets N=1 and overdue, the
 *    entry ends the grant; either way schedule() is called before the system
 *    call runs, and a yield still returns 1: the grant was live.
 *
 * D) Timer of an old grant.  Grants end when a task is switched out but the
 *    timer is left alone.  It then finds a current with G=0 and does nothing,
 *    or one with G=1; but that one was granted on this CPU, which re-armed the
 *    very timer.
 *
 * E) CPU hotplug.  A timer would move to another CPU when its own goes away.
 *    The teardown callback runs on the CPU itself, so no grant is live there;
 *    it cancels the timer and closes the CPU for grants until it is back.
 *
 * F) Late grant.  User space clears r and is interrupted before it looks at g:
 *    it finds g=0.  Interrupted before it clears r: it finds g=1 and yields.
 *
 * G) Yield that never ran.  Seccomp or a tracer may skip the system call after
 *    its entry set Y=1.  W stays set with Y, so the next system call clears Y.
 *
 *			Not promised
 *
 * That a request is granted; that a grant lasts as long as configured (anything
 * that wants to reschedule ends it); anything to SCHED_FIFO, SCHED_RR and
 * SCHED_DEADLINE threads, which are never preempted by their equals.
 */

#include <linux/cpuhotplug.h>
#include <linux/entry-common.h>
#include <linux/hrtimer.h>
#include <linux/init.h>
#include <linux/percpu.h>
#include <linux/prctl.h>
#include <linux/rseq_slice.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>

#include <asm/unistd.h>

#define CREATE_TRACE_POINTS
#include <trace/events/rseq_slice.h>

/* System calls of the x32 ABI carry a mark in their number. */
#ifdef __X32_SYSCALL_BIT
#define SYSCALL_NUMBER(nr)	((nr) & ~__X32_SYSCALL_BIT)
#else
#define SYSCALL_NUMBER(nr)	(nr)
#endif

/* Work that must be done before user mode and would be late under a grant. */
#define WORK_BEFORE_USER	(EXIT_TO_USER_MODE_WORK & ~_TIF_NEED_RESCHED)

const unsigned int rseq_slice_nsec_min =  5 * NSEC_PER_USEC;
const unsigned int rseq_slice_nsec_max = 50 * NSEC_PER_USEC;

/* Length of a grant; written by root through sysctl and debugfs. */
unsigned int rseq_slice_nsec __read_mostly = 5 * NSEC_PER_USEC;

/* To whom rseq_slice_ext= offers the extension. */
static enum {
	OFFER_NONE,
	OFFER_EXTENDED,
	OFFER_ALL,
} offer __ro_after_init = OFFER_EXTENDED;

/* @open: the CPU is up and @timer belongs to it. */
struct slice_cpu {
	struct hrtimer	timer;
	bool		open;
};

static DEFINE_PER_CPU(struct slice_cpu, slice_cpu);

static int __init rseq_slice_setup(char *str)
{
	bool on;

	if (!strcmp(str, "legacy"))
		offer = OFFER_ALL;
	else if (!kstrtobool(str, &on))
		offer = on ? OFFER_EXTENDED : OFFER_NONE;
	else
		return 0;

	return 1;
}
__setup("rseq_slice_ext=", rseq_slice_setup);

/**
 * rseq_slice_offered - May a thread with a registration of this length opt in?
 * @len:	length of the rseq area in bytes
 */
bool rseq_slice_offered(u32 len)
{
	if (len > RSEQ_AREA_ORIGINAL)
		return offer != OFFER_NONE;

	return offer == OFFER_ALL;
}

/* Both halves at once, or cond_resched() and preempt_enable() see nothing. */
static void raise_resched(void)
{
	lockdep_assert_irqs_disabled();

	set_tsk_need_resched(current);
	set_preempt_need_resched();
}

/*
 * End the live grant of @t.  The caller switches @t out or calls
 * raise_resched(), unless a reschedule is pending already.
 */
static void end_grant(struct task_struct *t, enum rseq_slice_end how)
{
	struct rseq_slice *slice = &t->rseq_slice;
	s64 used = ktime_to_ns(ktime_sub(ktime_get(), slice->start));

	lockdep_assert_irqs_disabled();

	slice->held.granted = 0;
	clear_tsk_thread_flag(t, TIF_RSEQ_SLICE);

	rseq_slice_count_end(t, how, used);
	trace_rseq_slice_end(t, how, used);
}

/* Have slice_ctrl zeroed where page faults are allowed. */
static void zero_ctrl_later(struct task_struct *t)
{
	t->rseq_slice.stale = 1;
	set_tsk_thread_flag(t, TIF_NOTIFY_RESUME);
}

static enum hrtimer_restart rseq_slice_expired(struct hrtimer *timer)
{
	struct rseq_slice *slice = &current->rseq_slice;

	if (slice->held.granted) {
		slice->overdue = 1;
		trace_rseq_slice_overdue(ktime_to_ns(ktime_sub(ktime_get(), slice->start)));
		raise_resched();
	}

	return HRTIMER_NORESTART;
}

static void refuse(struct task_struct *t, enum rseq_slice_refusal why)
{
	rseq_slice_count_refusal(t, why);
	trace_rseq_slice_refuse(why);
	zero_ctrl_later(t);
}

static bool read_ctrl(struct task_struct *t, struct rseq_slice_ctrl *ctrl)
{
	return !copy_from_user_nofault(ctrl, &t->rseq->slice_ctrl, sizeof(*ctrl));
}

static bool write_ctrl(struct task_struct *t, const struct rseq_slice_ctrl *ctrl)
{
	return !copy_to_user_nofault(&t->rseq->slice_ctrl, ctrl, sizeof(*ctrl));
}

static enum rseq_slice_refusal try_suppress(struct slice_cpu *cpu)
{
	if (READ_ONCE(current_thread_info()->flags) & WORK_BEFORE_USER)
		return RSEQ_SLICE_NO_WORK;
	if (!cpu->open || !hrtimer_is_hres_active(&cpu->timer))
		return RSEQ_SLICE_NO_TIMER;

	return sched_slice_suppress();
}

static void try_grant(struct task_struct *t, struct rseq_slice_ctrl ctrl)
{
	struct slice_cpu *cpu = this_cpu_ptr(&slice_cpu);
	struct rseq_slice *slice = &t->rseq_slice;
	unsigned int nsec = READ_ONCE(rseq_slice_nsec);
	enum rseq_slice_refusal why;

	why = try_suppress(cpu);
	if (why != RSEQ_SLICE_MAY_GRANT) {
		refuse(t, why);
		return;
	}

	ctrl.request = 0;
	ctrl.granted = 1;
	if (!write_ctrl(t, &ctrl)) {
		raise_resched();
		refuse(t, RSEQ_SLICE_NO_MEMORY);
		return;
	}

	slice->held.granted = 1;
	slice->yielded = 0;
	slice->overdue = 0;
	slice->start = ktime_get();
	set_thread_flag(TIF_RSEQ_SLICE);
	hrtimer_start(&cpu->timer, ktime_add_ns(slice->start, nsec),
		      HRTIMER_MODE_ABS_PINNED_HARD);

	rseq_slice_count_grant(t);
	trace_rseq_slice_grant(nsec);
}

/**
 * __rseq_slice_irq_exit - A reschedule is due when an interrupt ends in user mode
 *
 * Grants the request of the current thread, refuses it, or ends its live grant.
 *
 * Context: interrupts off, the exit work has not been looked at.
 */
void __rseq_slice_irq_exit(void)
{
	struct task_struct *t = current;
	struct rseq_slice *slice = &t->rseq_slice;
	struct rseq_slice_ctrl ctrl;
	bool readable;

	lockdep_assert_irqs_disabled();

	readable = read_ctrl(t, &ctrl);

	if (slice->held.granted) {
		end_grant(t, slice->overdue ? RSEQ_SLICE_EXPIRED : RSEQ_SLICE_REVOKED);
		if (readable && ctrl.request)
			refuse(t, RSEQ_SLICE_NO_AGAIN);
		else
			zero_ctrl_later(t);
	} else if (!readable) {
		refuse(t, RSEQ_SLICE_NO_MEMORY);
	} else if (ctrl.request) {
		try_grant(t, ctrl);
	}
}

/**
 * __rseq_slice_syscall - A system call is entered while TIF_RSEQ_SLICE is set
 * @nr:		its number
 *
 * Context: before ptrace and seccomp look at the system call.  Schedules.
 */
void __rseq_slice_syscall(long nr)
{
	bool yield = SYSCALL_NUMBER(nr) == __NR_rseq_slice_yield;
	struct task_struct *t = current;
	struct rseq_slice *slice = &t->rseq_slice;
	bool live;

	local_irq_disable();
	slice->yielded = 0;
	clear_thread_flag(TIF_RSEQ_SLICE);

	live = slice->held.granted;
	if (live) {
		end_grant(t, yield ? RSEQ_SLICE_YIELDED : RSEQ_SLICE_ABORTED);
		/* The timer is this CPU's, so its callback is not running. */
		hrtimer_try_to_cancel(this_cpu_ptr(&slice_cpu.timer));
		raise_resched();

		slice->yielded = yield;
		if (yield)
			set_thread_flag(TIF_RSEQ_SLICE);
	}
	local_irq_enable();

	if (!live)
		return;

	if (need_resched())
		schedule();

	if (put_user(0U, &t->rseq->slice_ctrl.all))
		force_sig(SIGSEGV);
}

/**
 * __rseq_slice_resume - End a grant for other work, and zero a stale slice_ctrl
 * @t:		the current task
 * @ksig:	the signal being delivered, which does not end a grant; or NULL
 *
 * Context: on the way to user mode; may fault.
 * Return: 0, or -EFAULT when slice_ctrl is out of reach.
 */
int __rseq_slice_resume(struct task_struct *t, struct ksignal *ksig)
{
	struct rseq_slice *slice = &t->rseq_slice;

	if (!ksig) {
		local_irq_disable();
		if (slice->held.granted) {
			end_grant(t, RSEQ_SLICE_DROPPED);
			hrtimer_try_to_cancel(this_cpu_ptr(&slice_cpu.timer));
			raise_resched();
			slice->stale = 1;
		}
		local_irq_enable();
	}

	if (!slice->stale)
		return 0;

	slice->stale = 0;
	return put_user(0U, &t->rseq->slice_ctrl.all);
}

/**
 * __rseq_slice_sched_out - A task that holds a grant or a concurrency id is switched out
 * @t:	that task
 *
 * The switch is the reschedule that the grant suppressed.  rseq_preempt() has
 * raised TIF_NOTIFY_RESUME, which zeroes slice_ctrl and takes a new id.
 *
 * Context: rq lock held, interrupts off.
 */
void __rseq_slice_sched_out(struct task_struct *t)
{
	struct rseq_slice *slice = &t->rseq_slice;

	if (slice->held.granted) {
		end_grant(t, slice->overdue ? RSEQ_SLICE_EXPIRED : RSEQ_SLICE_SWITCHED);
		slice->stale = 1;
	}

	rseq_area_drop_cid(t);
}

/**
 * rseq_slice_forget - The rseq area of a task goes away
 * @t:	the current task
 *
 * Context: system call, so no grant is live.
 */
void rseq_slice_forget(struct task_struct *t)
{
	struct rseq_slice *slice = &t->rseq_slice;

	slice->enabled = 0;
	slice->stale = 0;
	slice->yielded = 0;
}

/**
 * rseq_slice_fork - Set up the state of a new task
 * @t:			the new task, a copy of current that does not run yet
 * @clone_flags:	flags of clone(2)
 *
 * The child of a fork inherits the registration, as its memory is a copy; a
 * thread starts without one.  Neither holds anything or has used anything.
 */
void rseq_slice_fork(struct task_struct *t, unsigned long clone_flags)
{
	struct rseq_slice *slice = &t->rseq_slice;

	slice->held.any = 0;
	slice->kept = 0;
	slice->yielded = 0;
	slice->stale = 0;
	slice->outdated = 1;
	slice->refusals = 0;
	if (slice->grants) {
		slice->grants = 0;
		slice->used = 0;
		memset(slice->ends, 0, sizeof(slice->ends));
	}

	if (clone_flags & CLONE_VM) {
		slice->len = 0;
		slice->enabled = 0;
		rseq_area_share(current);
	}
}

/**
 * rseq_slice_execve - A successful exec drops the registration
 * @t:	the current task
 *
 * Its concurrency id went with the old address space, in mm_release().
 */
void rseq_slice_execve(struct task_struct *t)
{
	rseq_slice_forget(t);
	t->rseq_slice.len = 0;
}

/*
 * The flags word belongs to the kernel.  A thread that changed its slice bits is
 * killed rather than trusted.  What an original area has in place of slice_ctrl
 * was nobody's until now.
 */
static int set_enabled(struct task_struct *t, bool enable)
{
	struct rseq_slice *slice = &t->rseq_slice;
	u32 flags, expected = RSEQ_CS_FLAG_SLICE_EXT_AVAILABLE;

	if (slice->enabled)
		expected |= RSEQ_CS_FLAG_SLICE_EXT_ENABLED;

	if (get_user(flags, &t->rseq->flags) || (flags & expected) != expected)
		goto kill;

	flags &= ~RSEQ_CS_FLAG_SLICE_EXT_ENABLED;
	if (enable)
		flags |= RSEQ_CS_FLAG_SLICE_EXT_ENABLED;

	if (!rseq_area_extended(t) && put_user(0U, &t->rseq->slice_ctrl.all))
		goto kill;
	if (put_user(flags, &t->rseq->flags))
		goto kill;

	slice->enabled = enable;
	return 0;

kill:
	force_sig(SIGSEGV);
	return -EFAULT;
}

/**
 * rseq_slice_prctl - prctl(PR_RSEQ_SLICE_EXTENSION)
 * @cmd:	PR_RSEQ_SLICE_EXTENSION_GET or _SET
 * @arg:	0 for GET; 0 or PR_RSEQ_SLICE_EXT_ENABLE for SET
 *
 * Return: GET: 0 or PR_RSEQ_SLICE_EXT_ENABLE.  SET: 0, -ENOTSUPP when the
 *	   extension is not offered, -ENXIO without a registration.  -EINVAL for
 *	   anything else.
 */
int rseq_slice_prctl(unsigned long cmd, unsigned long arg)
{
	struct task_struct *t = current;
	bool enable = arg & PR_RSEQ_SLICE_EXT_ENABLE;

	switch (cmd) {
	case PR_RSEQ_SLICE_EXTENSION_GET:
		if (arg)
			return -EINVAL;
		return t->rseq_slice.enabled ? PR_RSEQ_SLICE_EXT_ENABLE : 0;
	case PR_RSEQ_SLICE_EXTENSION_SET:
		if (arg & ~PR_RSEQ_SLICE_EXT_ENABLE)
			return -EINVAL;
		if (offer == OFFER_NONE)
			return -ENOTSUPP;
		if (!t->rseq)
			return -ENXIO;
		if (!rseq_slice_offered(t->rseq_slice.len))
			return -ENOTSUPP;
		if (enable == t->rseq_slice.enabled)
			return 0;
		return set_enabled(t, enable);
	default:
		return -EINVAL;
	}
}

/*
 * rseq_slice_yield - end a grant: 1 if this call did, 0 if there was none
 *
 * All the work was done at system call entry, where the grant ended.
 */
SYSCALL_DEFINE0(rseq_slice_yield)
{
	struct rseq_slice *slice = &current->rseq_slice;
	long yielded = slice->yielded;

	slice->yielded = 0;
	clear_thread_flag(TIF_RSEQ_SLICE);
	return yielded;
}

/* On the CPU itself: hrtimer_init() ties the timer to it. */
static int slice_cpu_online(unsigned int cpu)
{
	struct slice_cpu *sc = this_cpu_ptr(&slice_cpu);

	hrtimer_init(&sc->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_PINNED_HARD);
	sc->timer.function = rseq_slice_expired;
	/* Read with interrupts off, on this CPU only. */
	WRITE_ONCE(sc->open, true);
	return 0;
}

static int slice_cpu_offline(unsigned int cpu)
{
	struct slice_cpu *sc = this_cpu_ptr(&slice_cpu);

	WRITE_ONCE(sc->open, false);
	hrtimer_cancel(&sc->timer);
	return 0;
}

static int __init rseq_slice_init(void)
{
	int ret;

	if (offer == OFFER_NONE)
		return 0;

	ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "rseq/slice:online",
				slice_cpu_online, slice_cpu_offline);
	return ret < 0 ? ret : 0;
}
core_initcall(rseq_slice_init);
