// SPDX-License-Identifier: GPL-2.0
/*
 * Extensible rseq areas: more than the original 32 bytes, and the identifiers
 * node_id and mm_cid.
 *
 *			Model
 *
 * A thread registers an area of len bytes.  len == 32 is the original area,
 * which the kernel treats as it always did; see "Former padding".  len >= 33 is
 * an extended area: aligned to 64, with a kernel-owned flags word and slice_ctrl
 * (see kernel/rseq_slice.c).
 *
 * mm_cid is a small number that stands for "one of the threads of this address
 * space that run now".  The ids of an mm are the bits of a bitmap behind its
 * cpumask:
 *
 *	I1: thread t in user mode with a registration  =>  it holds exactly one
 *	    bit, and mm_cid in its area is the number of that bit; or its area
 *	    is original and in state THEIRS, and it holds none
 *	I2: a thread that does not run holds no bit, but for bit 0 if it is alone
 *	    in its mm
 *	I3: a bit belongs to at most one thread
 *
 * By I1 and I3 running threads have distinct ids.  By I2, and because a thread
 * takes the lowest free bit, ids are dense: with at most n threads of the mm
 * running at once, ids are below n.  (The scan reads one word of the bitmap at
 * a time; up to 64 CPUs the bound is exact, beyond that it holds whenever the
 * threads do not move while one scans, and ids are below nr_cpu_ids always.)
 *
 *			Life of an id
 *
 *	taken	rseq_area_update(), on the way to user mode, preemption off
 *	stays	across system calls and interrupts that do not switch
 *	freed	rseq_slice_sched_out(), in the context switch, rq lock held,
 *		when it is held; mm_release(), before the task leaves the mm;
 *		unregistration
 *
 * An id is either held or kept.  Id 0 of a task that finds itself the only user
 * of its mm is kept, and the context switch does not look at it: nobody could
 * take it.  It is held again before the task creates another user of the mm.
 *
 * A task writes its own bit only while it runs with preemption off, or is
 * being switched out.  So held.cid and kept need no lock.  The bits are set and
 * cleared atomically; nothing else is published through them, so no ordering is
 * needed.
 *
 *			When user memory is written
 *
 * outdated says that identifiers may be other than those in user memory.  It is
 * set by the registration, by whoever frees the id, and by rseq_slice_migrate()
 * before the task's CPU changes: by the task itself or while it does not run.
 * It is cleared together with reading the CPU and taking an id, preemption off.
 * So with outdated == 0 the task has the CPU and the id it had then, and the way
 * to user mode tests nothing else.
 *
 * Writing to user memory may fault and thus switch the task out, which frees the
 * id again.  The context switch also raises TIF_NOTIFY_RESUME, so the way to
 * user mode comes back here and I1 holds in the end.
 *
 *			What user space may touch
 *
 * In an extended area the four identifiers are the kernel's.  They are written
 * when one of them changes and only after a check that user memory still has
 * the values written last; otherwise the thread gets a SIGSEGV.  In an original
 * area cpu_id_start and cpu_id are written after every switch and never checked.
 *
 *			Former padding
 *
 * Two kinds of programs register 32 bytes.  Old ones know that bytes 20 to 31
 * are padding, and may have put something of their own there.  Newer ones read
 * in the auxiliary vector that there are node_id and mm_cid, and index with
 * them, although their libc registers the original area.  Neither says which it
 * is, so the words themselves decide:
 *
 *	ours	they hold what could be a node and a concurrency id when the
 *		area is registered (zero, or what an earlier thread left there),
 *		and ever since what the kernel wrote: that is in t->rseq_slice.ids
 *	theirs	they held, or hold when the kernel wants to change them, anything
 *		else.  They are the program's until the registration ends; ids.mm_cid
 *		is RSEQ_CID_THEIRS.
 *
 * Nothing that a program stored is overwritten then, and a program that stored
 * nothing gets valid ids.  Words that are ours are written when they change, and
 * zeroed at unregistration.  slice_ctrl is left alone unless the thread opts in.
 *
 *			Not promised
 *
 * That an id stays the same across a context switch; that a thread which spins
 * alone sees the number of another one free at once.
 */

#include <linux/bitmap.h>
#include <linux/mm_types.h>
#include <linux/nodemask.h>
#include <linux/rseq.h>
#include <linux/rseq_slice.h>
#include <linux/sched.h>
#include <linux/topology.h>
#include <linux/uaccess.h>

#include <trace/events/rseq.h>

static unsigned long *mm_cids(struct mm_struct *mm)
{
	return (void *)mm->cpu_bitmap + cpumask_size();
}

/**
 * rseq_area_mm_init - A new address space has no thread in user mode yet
 * @mm:	address space under construction
 */
void rseq_area_mm_init(struct mm_struct *mm)
{
	bitmap_zero(mm_cids(mm), nr_cpu_ids);
}

static unsigned int first_free(const unsigned long *cids)
{
	unsigned long first = READ_ONCE(cids[0]);

	return ~first ? ffz(first) : find_first_zero_bit(cids, nr_cpu_ids);
}

/*
 * Nobody can want id 0 of an address space with one user but a thread that this
 * task creates; that calls rseq_area_share().
 */
static bool alone(const struct task_struct *t)
{
	return atomic_read(&t->mm->mm_users) == 1;
}

/*
 * Tasks that do not run hold no bit that somebody else could want, and a CPU
 * runs one task: there is a free bit for each.
 */
static u32 take_cid(struct task_struct *t)
{
	struct rseq_slice *slice = &t->rseq_slice;
	unsigned long *cids = mm_cids(t->mm);
	unsigned int cid;

	lockdep_assert_preemption_disabled();

	if (slice->held.cid || slice->kept)
		return slice->cid;

	for (;;) {
		cid = first_free(cids);
		if (cid < nr_cpu_ids && !test_and_set_bit(cid, cids))
			break;
		cpu_relax();
	}

	slice->cid = cid;
	if (!cid && alone(t))
		slice->kept = 1;
	else
		slice->held.cid = 1;
	return cid;
}

/**
 * rseq_area_drop_cid - Free the concurrency id of a task
 * @t:	the current task, or the one being switched out
 *
 * Context: any in which @t cannot run in user mode; takes no lock.
 */
void rseq_area_drop_cid(struct task_struct *t)
{
	struct rseq_slice *slice = &t->rseq_slice;

	preempt_disable();
	if (slice->held.cid || slice->kept) {
		slice->held.cid = 0;
		slice->kept = 0;
		slice->outdated = 1;
		clear_bit(slice->cid, mm_cids(t->mm));
	}
	preempt_enable();
}

/**
 * rseq_area_share - The address space of a task gets another user
 * @t:	the current task, which creates a thread that does not run yet
 *
 * From now on the concurrency id is freed while the task does not run.
 */
void rseq_area_share(struct task_struct *t)
{
	struct rseq_slice *slice = &t->rseq_slice;

	preempt_disable();
	if (slice->kept) {
		slice->kept = 0;
		slice->held.cid = 1;
	}
	preempt_enable();
}

static int check_ids(struct task_struct *t)
{
	const struct rseq_area_ids *ids = &t->rseq_slice.ids;
	struct rseq __user *rseq = t->rseq;
	u32 start, cpu, node, cid;

	if (get_user(start, &rseq->cpu_id_start) ||
	    get_user(cpu, &rseq->cpu_id) ||
	    get_user(node, &rseq->node_id) ||
	    get_user(cid, &rseq->mm_cid))
		return -EFAULT;

	if (start != ids->cpu_id || cpu != ids->cpu_id ||
	    node != ids->node_id || cid != ids->mm_cid)
		return -EINVAL;

	return 0;
}

static int write_ids(struct rseq __user *rseq, const struct rseq_area_ids *ids)
{
	if (put_user(ids->cpu_id, &rseq->cpu_id_start) ||
	    put_user(ids->cpu_id, &rseq->cpu_id) ||
	    put_user(ids->node_id, &rseq->node_id) ||
	    put_user(ids->mm_cid, &rseq->mm_cid))
		return -EFAULT;

	return 0;
}

static int replace_all(struct task_struct *t, const struct rseq_area_ids *ids)
{
	int ret = check_ids(t) ?: write_ids(t->rseq, ids);

	if (ret)
		return ret;

	t->rseq_slice.ids = *ids;
	trace_rseq_update(t);
	return 0;
}

static int replace_tail(struct task_struct *t, u32 node_id, u32 mm_cid)
{
	struct rseq_area_ids *last = &t->rseq_slice.ids;
	struct rseq __user *rseq = t->rseq;
	u32 node, cid;

	if (get_user(node, &rseq->node_id) || get_user(cid, &rseq->mm_cid))
		return -EFAULT;

	if (node != last->node_id || cid != last->mm_cid) {
		last->mm_cid = RSEQ_CID_THEIRS;
		rseq_area_drop_cid(t);
		return 0;
	}

	if (put_user(node_id, &rseq->node_id) || put_user(mm_cid, &rseq->mm_cid))
		return -EFAULT;

	last->node_id = node_id;
	last->mm_cid = mm_cid;
	return 0;
}

/* Seldom, so what it needs is kept out of its caller. */
static noinline int replace(struct task_struct *t, u32 cpu_id, u32 mm_cid)
{
	struct rseq_area_ids ids = { cpu_id, cpu_to_node(cpu_id), mm_cid };
	int ret;

	ret = rseq_area_extended(t) ? replace_all(t, &ids) :
				      replace_tail(t, ids.node_id, ids.mm_cid);
	if (ret)
		t->rseq_slice.outdated = 1;

	return ret;
}

/**
 * rseq_area_update - Write identifiers that changed to the area
 * @t:	the current task
 *
 * Whatever makes the identifiers wrong again also raises TIF_NOTIFY_RESUME, so
 * that the way to user mode starts over.
 *
 * Context: on the way to user mode; may fault.
 * Return: 0, -EFAULT when the area is out of reach, -EINVAL when user space
 *	   changed an identifier of an extended area.
 */
int rseq_area_update(struct task_struct *t)
{
	struct rseq_slice *slice = &t->rseq_slice;
	const struct rseq_area_ids *last = &slice->ids;
	u32 cpu, cid;

	if (last->mm_cid == RSEQ_CID_THEIRS) {
		slice->outdated = 0;
		return 0;
	}

	preempt_disable();
	slice->outdated = 0;
	cpu = smp_processor_id();
	cid = take_cid(t);
	preempt_enable();

	/* What last->cpu_id says of an original area is never asked. */
	if (cid == last->mm_cid && cpu_to_node(cpu) == last->node_id &&
	    (cpu == last->cpu_id || !rseq_area_extended(t)))
		return 0;

	return replace(t, cpu, cid);
}

/**
 * rseq_area_valid - Are these an address and a length that can be registered?
 * @rseq:	address of the area
 * @len:	its length in bytes
 */
bool rseq_area_valid(const struct rseq __user *rseq, u32 len)
{
	if (len == RSEQ_AREA_ORIGINAL)
		return IS_ALIGNED((unsigned long)rseq, RSEQ_AREA_ORIGINAL);

	return len >= RSEQ_AREA_FEATURES &&
	       IS_ALIGNED((unsigned long)rseq, RSEQ_AREA_ALIGN);
}

/*
 * An original area keeps the flags that its owner put there: this kernel still
 * honours the restart bits.  All it may learn is that it can opt in.
 */
static int init_original(struct rseq __user *rseq, u32 status,
			 struct rseq_area_ids *ids)
{
	u32 flags;

	if (get_user(ids->node_id, &rseq->node_id) ||
	    get_user(ids->mm_cid, &rseq->mm_cid))
		return -EFAULT;
	if (ids->node_id >= nr_node_ids || ids->mm_cid >= nr_cpu_ids)
		ids->mm_cid = RSEQ_CID_THEIRS;

	if (!status)
		return 0;
	if (get_user(flags, &rseq->flags))
		return -EFAULT;

	flags &= ~RSEQ_CS_FLAG_SLICE_EXT_ENABLED;
	return put_user(flags | status, &rseq->flags);
}

static int init_extended(struct rseq __user *rseq, u32 status,
			 const struct rseq_area_ids *ids)
{
	if (put_user(status, &rseq->flags) ||
	    put_user(0U, &rseq->slice_ctrl.all))
		return -EFAULT;

	return write_ids(rseq, ids);
}

/**
 * rseq_area_register - Prepare an area and the task for its registration
 * @rseq:	address of the area, checked by rseq_area_valid() and access_ok()
 * @len:	its length in bytes
 * @flags:	flags of rseq(2)
 *
 * Context: rseq(2), the last step that can fail.
 * Return: 0, or -EFAULT.
 */
int rseq_area_register(struct rseq __user *rseq, u32 len, int flags)
{
	struct rseq_area_ids ids = { .cpu_id = RSEQ_CPU_ID_UNINITIALIZED };
	bool extended = len > RSEQ_AREA_ORIGINAL;
	struct rseq_slice *slice = &current->rseq_slice;
	u32 status = 0;
	int ret;

	if (rseq_slice_offered(len))
		status |= RSEQ_CS_FLAG_SLICE_EXT_AVAILABLE;
	if (status && extended && (flags & RSEQ_FLAG_SLICE_EXT_DEFAULT_ON))
		status |= RSEQ_CS_FLAG_SLICE_EXT_ENABLED;

	ret = extended ? init_extended(rseq, status, &ids) :
			 init_original(rseq, status, &ids);
	if (ret)
		return ret;

	slice->len = len;
	slice->ids = ids;
	slice->outdated = 1;
	slice->enabled = !!(status & RSEQ_CS_FLAG_SLICE_EXT_ENABLED);
	return 0;
}

/**
 * rseq_area_reset_ids - Take the identifiers out of an area that is being unregistered
 * @t:	the current task
 *
 * Return: 0, or -EFAULT when the area is out of reach.
 */
int rseq_area_reset_ids(struct task_struct *t)
{
	if (!rseq_area_extended(t))
		return t->rseq_slice.ids.mm_cid == RSEQ_CID_THEIRS ? 0 : replace_tail(t, 0, 0);

	if (put_user(0U, &t->rseq->node_id) || put_user(0U, &t->rseq->mm_cid))
		return -EFAULT;

	return 0;
}

/**
 * rseq_area_unregister - Forget the area of a task
 * @t:	the current task
 */
void rseq_area_unregister(struct task_struct *t)
{
	rseq_area_drop_cid(t);
	rseq_slice_forget(t);
	t->rseq_slice.len = 0;
}
