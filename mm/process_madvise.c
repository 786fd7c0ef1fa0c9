// SPDX-License-Identifier: GPL-2.0
/*
 * process_madvise(2): one advice for many ranges of one address space.
 *
 *			Model
 *
 * A call is (mm, advice, vector of ranges). What an advice may do, to whom and
 * under which lock is one row of pmadv_rules[]; an advice without a row of its
 * own changes VMA flags and follows pmadv_flag_rule. The call is local if mm
 * is the caller's own, whichever way it was named, else remote. A local call
 * may give every advice of madvise(2) and needs no privilege; a remote one
 * needs a row marked remote, ptrace read access (or CAP_PERFMON) and
 * CAP_SYS_NICE.
 *
 * Ranges are worked in order, each VMA by VMA, each VMA in steps:
 *
 *	   +----------------------- checkpoint ----------------------+
 *	   v				step			     |
 *	LOCKED ----------------------------------------> LOCKED or GATHERING
 *	   ^						   |	     |
 *	   |  pmadv_lock()		  pmadv_flush()	   |	     |
 *	UNLOCKED <-----------------------------------------+---------+
 *				  pmadv_unlock()
 *
 *	UNLOCKED	nothing is held but a reference to mm
 *	LOCKED		mmap_lock is held as the rule says; no TLB entry is stale
 *	GATHERING	as LOCKED, and pmadv.tlb is open: page table entries have
 *			changed, the TLBs have not been told yet
 *
 * One hold of the mmap_lock and one TLB flush serve the whole vector (a huge
 * page that is split, or that MADV_FREE cleans, costs a flush of its own)
 * unless one of these comes in between:
 *
 *	Flush rule	The gather is finished before the mmap_lock is released,
 *			whatever the reason, and before an advice that does I/O
 *			or that drops the lock by itself. So nobody who takes
 *			the lock after us can meet a translation that we have
 *			removed, and nobody sleeps for a disk with a flush owed.
 *	Yield rule	A step is at most one VMA (for ageing, one PMD). After a
 *			step, if somebody waits for the mmap_lock, it is
 *			released, and taken again after who waited has had the
 *			time to take it. While we hold it for reading the first
 *			waiter is a writer, and page faults queue up behind it:
 *			it is the target that waits. A hold for writing is only
 *			interrupted between ranges, because a range is one
 *			change of the layout. There is a step between any two
 *			yields, so a call always ends.
 *	Drop rule	WILLNEED on a file and DONTNEED or FREE under
 *			userfaultfd events release the lock for the time of the
 *			I/O or of the event; COLLAPSE while it looks for a huge
 *			page, and it holds the lock for writing while it fills
 *			it (mm/process_madvise_collapse.c).
 *
 *			Discarding what is somebody else's
 *
 * DONTNEED and FREE for another process keep three rules more, so that no
 * store that the target made after the caller looked is lost:
 *
 *	Right		to attach to the target: who may write its memory may
 *			also empty it; CAP_PERFMON is no substitute
 *	Mapping		the cookie is mandatory; private memory without locks
 *			and without a userfaultfd monitor, who would have to be
 *			waited for
 *	Content		the mapping is not writable, so that a store needs
 *			mprotect(), which makes the cookie stale; or the page
 *			is soft-clean (mm/process_madvise_pages.c); or nobody
 *			can run
 *
 * All three are judged under the hold of the mmap_lock under which the pages
 * go, the last one for each page under its page table lock.
 *
 * No VMA pointer outlives a release: pmadv_lock() forgets pmadv.prev, and the
 * next step looks its VMA up by address.
 *
 *	Cookie rule	With PMADV_COOKIE every way into LOCKED asks the log of
 *			layout changes about the ranges that are left, the
 *			current one included (mm/mm_layout.c). So nothing is
 *			touched whose mapping is not the one that it was when
 *			the cookie was taken.
 *	Stop rule	With PMADV_STOPPED every way into LOCKED looks whether
 *			a thread of the target can run.
 *
 *			Who writes what
 *
 *	struct pmadv		only the calling task, on its stack
 *	VMA list and flags	we do, under mmap_lock for writing (local only)
 *	page table entries	we do, under mmap_lock for reading and the page
 *				table lock; faults, reclaim, migration and
 *				other advisers do at the same time
 *
 *			Ends before the end
 *
 * A fatal signal of the caller is seen while it waits for the mmap_lock and
 * at every checkpoint (EINTR). A remote target is gone, and further hints are
 * wasted, when no task but us holds its mm or when the OOM reaper takes its
 * pages away (ESRCH). The mm itself cannot go: we hold mm_users. If the target
 * exits while we do, our mmput() is the last one and tears it down; if it
 * calls execve(), we go on with the mm it has left, until nobody else has it.
 *
 *			Promised
 *
 * Return value: bytes of the ranges that were done to their end, or the error
 * of the first range if there is none. A range with a hole has the advice
 * applied to all that is mapped, is not counted and ends the call with
 * ENOMEM. Order of errors: flags, vector, pidfd, access, advice, advice not
 * for others, privilege, then the ranges. The caller can always be killed.
 *
 *			Not promised
 *
 * That the layout stays the same for the time of a call: it may change at
 * every release of the mmap_lock, and without a cookie the call goes on. That
 * the target does not use the pages again at once. That a page was aged or
 * reclaimed: shared, locked, pinned and busy pages are passed over in silence.
 * That MADV_REMOVE, MADV_HWPOISON and MADV_SOFT_OFFLINE (local only) can be
 * killed half-way through a range.
 */
#include <linux/blkdev.h>
#include <linux/capability.h>
#include <linux/cgroup.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/fadvise.h>
#include <linux/file.h>
#include <linux/freezer.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mm_layout.h>
#include <linux/mman.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/oom.h>
#include <linux/pid.h>
#include <linux/ptrace.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/shmem_fs.h>
#include <linux/swap.h>
#include <linux/syscalls.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/uprobes.h>
#include <linux/userfaultfd_k.h>

#include <asm/tlb.h>

#include <uapi/linux/pidfd.h>
#include <uapi/linux/process_madvise.h>

#include "internal.h"
#include "process_madvise.h"

/* Without the symbol there are no flags, and no code for them. */
#define PMADV_FLAGS \
	(IS_ENABLED(CONFIG_PROCESS_MADVISE_COOKIE) ? \
	 PMADV_GET_COOKIE | PMADV_COOKIE | PMADV_RANGE | PMADV_SKIP_ERRORS | \
	 PMADV_NO_ERROR_ON_UNMAPPED | PMADV_DRYRUN | PMADV_ANON | PMADV_FILE | \
	 PMADV_SOFT_DIRTY | PMADV_STOPPED | PMADV_STAT : 0)

/* Flags of which a call can have one. */
#define PMADV_FILTERS	(PMADV_ANON | PMADV_FILE)
#define PMADV_CONTENT	(PMADV_SOFT_DIRTY | PMADV_STOPPED)

/* Who waits for the mmap_lock can have it for so many turns of so many us. */
#define PMADV_TURN	20
#define PMADV_TURNS	20

/**
 * struct pmadv_rule - what one advice may do
 * @advice: MADV_* value
 * @lock: how the mmap_lock is held
 * @remote: may be given to another process
 * @flags: may have flags
 * @discards: content is lost; others need a cookie and a content rule
 * @by_page: works on the pages of the LRU lists, one by one: these are counted
 * @by_pmd: a step ends at each PMD, else only at the end of the VMA
 * @apply: advises [start, *end) of one VMA and leaves in *end how far it got
 *	   (0 or a negative error number)
 */
struct pmadv_rule {
	int advice;
	enum pmadv_lock_mode lock;
	bool remote;
	bool flags;
	bool discards;
	bool by_page;
	bool by_pmd;
	int (*apply)(struct pmadv *pm, struct vm_area_struct *vma,
		     unsigned long start, unsigned long *end);
};

/**
 * struct pmadv - one call
 * @mm: target, mm_users held
 * @rule: row for @advice
 * @left: the ranges that are left, from the current one on; NULL with
 *	  PMADV_RANGE
 * @prev: VMA that was advised last or the one before the next, as
 *	  find_vma_prev() gives it; NULL if not known
 * @tlb: gather, open while @gathering
 * @cookie: with PMADV_COOKIE
 * @stat: the counters
 * @flags: PMADV_* flags, see pmadv_has()
 * @advice: MADV_* value
 * @held: how the mmap_lock is held
 * @remote: @mm is not the caller's
 * @gathering: @tlb is open
 * @progress: a step was made since the mmap_lock was taken
 * @over: the error concerns the call, not a range: nothing can be skipped
 */
struct pmadv {
	struct mm_struct *mm;
	const struct pmadv_rule *rule;
	struct iov_iter *left;
	struct vm_area_struct *prev;
	struct mmu_gather tlb;
	struct pmadv_cookie cookie;
	struct pmadv_stat stat;
	unsigned int flags;
	int advice;
	enum pmadv_lock_mode held;
	bool remote;
	bool gathering;
	bool progress;
	bool over;
};

static bool pmadv_has(const struct pmadv *pm, unsigned int flag)
{
	return pm->flags & flag & PMADV_FLAGS;
}

/*
 * Ranges
 */

static int pmadv_bounds(const struct iovec *range, unsigned long *start,
			unsigned long *end)
{
	size_t len = PAGE_ALIGN(range->iov_len);

	*start = untagged_addr((unsigned long)range->iov_base);
	*end = *start + len;
	if (!PAGE_ALIGNED(*start))
		return -EINVAL;
	if (range->iov_len && !len)
		return -EINVAL;
	if (*end < *start)
		return -EINVAL;
	return 0;
}

/* An empty range has its address looked at only if it leads the vector. */
static void pmadv_next_range(struct iov_iter *iter, size_t done)
{
	iov_iter_advance(iter, done);
	while (iov_iter_count(iter) && !iov_iter_single_seg_count(iter))
		iov_iter_advance(iter, 0);
}

/* Are the ranges that are left mapped as they were when the cookie was taken? */
static int pmadv_check_layout(struct pmadv *pm)
{
	unsigned long start, end;
	struct iov_iter iter;
	struct iovec range;
	int error = 0;

	if (pmadv_has(pm, PMADV_RANGE))
		return mm_layout_check(pm->mm, &pm->cookie, 0, ULONG_MAX);

	iter = *pm->left;
	/* What is no range has nothing that could have changed. */
	while (!error && iov_iter_count(&iter)) {
		range = iov_iter_iovec(&iter);
		if (!pmadv_bounds(&range, &start, &end))
			error = mm_layout_check(pm->mm, &pm->cookie, start,
						end);
		pmadv_next_range(&iter, range.iov_len);
	}
	return error;
}

/*
 * Who runs
 */

/* Can a thread come back to user space, unless somebody lets it? */
static bool pmadv_thread_stands(struct task_struct *task)
{
	unsigned int flags = READ_ONCE(task->signal->flags);

	/* A core dump reads the memory of a process that is exiting. */
	if (flags & SIGNAL_GROUP_COREDUMP)
		return false;
	if (flags & SIGNAL_GROUP_EXIT)
		return true;
	if (task_is_stopped_or_traced(task) || frozen(task))
		return true;
	/* Without the second a thread that waits for its vfork() child. */
	return cgroup_task_frozen(task) && cgroup_task_freeze(task);
}

/*
 * Any task with this mm counts, in whichever process, and so does a kernel
 * thread that has taken it up.
 */
static bool pmadv_target_stands(struct mm_struct *mm)
{
	struct task_struct *process, *task;
	bool stands = true;

	rcu_read_lock();
	for_each_process_thread(process, task) {
		if (READ_ONCE(task->mm) == mm && !pmadv_thread_stands(task)) {
			stands = false;
			goto out;
		}
	}
out:
	rcu_read_unlock();
	return stands;
}

/*
 * Lock and gather
 */

static struct mmu_gather *pmadv_gather(struct pmadv *pm)
{
	if (!pm->gathering) {
		/* Pages in this CPU's pagevecs are not on the LRU yet. */
		lru_add_drain();
		tlb_gather_mmu(&pm->tlb, pm->mm, 0, TASK_SIZE);
		pm->gathering = true;
	}
	return &pm->tlb;
}

static void pmadv_flush(struct pmadv *pm)
{
	if (!pm->gathering)
		return;
	tlb_finish_mmu(&pm->tlb, 0, TASK_SIZE);
	pm->gathering = false;
}

/**
 * pmadv_unlock() - Release the mmap_lock, if it is held
 * @pm: the call
 *
 * Finishes the gather first.
 *
 * Context: Process context.
 */
void pmadv_unlock(struct pmadv *pm)
{
	pmadv_flush(pm);
	if (pm->held == PMADV_READ)
		mmap_read_unlock(pm->mm);
	else if (pm->held == PMADV_WRITE)
		mmap_write_unlock(pm->mm);
	pm->held = PMADV_NO_LOCK;
}

/**
 * pmadv_lock_lost() - Note that somebody else has released the mmap_lock
 * @pm: the call
 *
 * Context: Any. No gather is open.
 */
void pmadv_lock_lost(struct pmadv *pm)
{
	pm->held = PMADV_NO_LOCK;
}

/**
 * pmadv_take() - Take the mmap_lock
 * @pm: the call, which does not hold it
 * @mode: how
 *
 * The only way to the lock, and where the cookie is checked.
 *
 * Context: Process context, sleeps.
 * Return: 0, or the error that ends the call, then the lock is not held.
 */
int pmadv_take(struct pmadv *pm, enum pmadv_lock_mode mode)
{
	int error = 0;

	pm->prev = NULL;
	pm->progress = false;
	if (mode == PMADV_READ)
		error = mmap_read_lock_killable(pm->mm);
	else if (mode == PMADV_WRITE)
		error = mmap_write_lock_killable(pm->mm);
	if (!error)
		pm->held = mode;

	if (!error && pmadv_has(pm, PMADV_COOKIE))
		error = pmadv_check_layout(pm);
	if (!error && pmadv_has(pm, PMADV_STOPPED) &&
	    !pmadv_target_stands(pm->mm))
		error = -EBUSY;
	if (error) {
		pm->over = true;
		pmadv_unlock(pm);
	}
	return error;
}

/* As the rule says. */
static int pmadv_lock(struct pmadv *pm)
{
	return pmadv_take(pm, pm->rule->lock);
}

/*
 * True once no hint to another process can be of use. Our own reference is one
 * of mm_users; no task can take up an mm that no task has. MMF_OOM_SKIP alone
 * does not say so: a living mm that is shared with init has it as well.
 */
static bool pmadv_target_gone(struct mm_struct *mm)
{
	return atomic_read(&mm->mm_users) == 1 ||
	       test_bit(MMF_UNSTABLE, &mm->flags);
}

/*
 * Stay away from the mmap_lock until those who waited for it have it. That it
 * is free is not enough: a writer takes a while to wake up, readers that come
 * meanwhile may have the lock first, and we would be back each time until the
 * writer has waited for so long that the lock is handed over, 4 ms. If there
 * is always somebody who waits, it is our turn after a while.
 */
static void pmadv_let_in(struct pmadv *pm)
{
	int turns = PMADV_TURNS;

	do {
		usleep_range(PMADV_TURN, 2 * PMADV_TURN);
	} while (--turns && mmap_lock_is_contended(pm->mm) &&
		 !fatal_signal_pending(current));
}

/*
 * Between two steps: is there a reason to end, is somebody waiting? May
 * release the mmap_lock and take it again; on error it may not be held.
 */
static int pmadv_checkpoint(struct pmadv *pm, bool may_yield)
{
	pm->over = true;
	if (fatal_signal_pending(current))
		return -EINTR;
	if (pm->remote && pmadv_target_gone(pm->mm))
		return -ESRCH;
	pm->over = false;
	if (!may_yield || !pm->progress || !mmap_lock_is_contended(pm->mm))
		return 0;

	pmadv_unlock(pm);
	pmadv_let_in(pm);
	return pmadv_lock(pm);
}

/**
 * pmadv_breathe() - Come up for air in the middle of a long step
 * @pm: the call, which holds the mmap_lock for reading
 *
 * Context: Process context, may sleep. The lock may be released and taken
 *	    again. No gather is open.
 * Return: 0, or the error that ends the call, then the lock may not be held.
 */
int pmadv_breathe(struct pmadv *pm)
{
	int error;

	cond_resched();
	error = pmadv_checkpoint(pm, true);
	pm->progress = true;
	return error;
}

/*
 * What is counted
 */

/* The first error that concerns a range or a mapping. */
static void pmadv_note_error(struct pmadv *pm, int error, unsigned long addr)
{
	if (!error || pm->over || pm->stat.first_error)
		return;
	pm->stat.first_error = -error;
	pm->stat.first_error_addr = addr;
}

/* The counters for those who count only if somebody wants to know. */
static struct pmadv_stat *pmadv_counters(struct pmadv *pm)
{
	return pmadv_has(pm, PMADV_STAT) ? &pm->stat : NULL;
}

static struct pmadv_pages pmadv_pages_of(struct pmadv *pm,
					 struct vm_area_struct *vma)
{
	struct pmadv_pages pages = {
		.stat		= &pm->stat,
		.advice		= pm->advice,
		.soft_clean	= pmadv_has(pm, PMADV_SOFT_DIRTY),
	};

	pages.anon_only = pages.soft_clean || (pm->advice == MADV_PAGEOUT &&
					       !can_do_pageout(vma));
	return pages;
}

/* Before a step, under the same hold of the lock. */
static void pmadv_look(struct pmadv *pm, struct vm_area_struct *vma,
		       unsigned long start, unsigned long end)
{
	__u64 eligible = pm->stat.pages_eligible;
	struct pmadv_pages pages;

	if (!pmadv_has(pm, PMADV_STAT) || !pm->rule->by_page)
		return;
	pages = pmadv_pages_of(pm, vma);
	/* Else what is in this CPU's pagevecs looks busy. */
	lru_add_drain();
	pmadv_survey(&pages, vma, start, end);

	/* These two act on each page that is eligible, or count by themselves. */
	if (pm->rule->discards && !pages.soft_clean &&
	    !pmadv_has(pm, PMADV_DRYRUN))
		pm->stat.pages_done += pm->stat.pages_eligible - eligible;
}

/*
 * The advices
 */

/* What madvise(2) does, for advices that have nothing to share in a vector. */
static int pmadv_plain(struct pmadv *pm, struct vm_area_struct *vma,
		       unsigned long start, unsigned long *end)
{
	return madvise_vma(vma, &pm->prev, start, *end, pm->advice);
}

static int pmadv_cold(struct pmadv *pm, struct vm_area_struct *vma,
		      unsigned long start, unsigned long *end)
{
	pm->prev = vma;
	madvise_cold_page_range(pmadv_gather(pm), vma, start, *end,
				pmadv_counters(pm));
	return 0;
}

static int pmadv_pageout(struct pmadv *pm, struct vm_area_struct *vma,
			 unsigned long start, unsigned long *end)
{
	return madvise_pageout(vma, &pm->prev, start, *end, pmadv_counters(pm));
}

/*
 * Read-ahead of a file may wait for the filesystem's locks, thus for I/O, and
 * a remote caller must stay killable when it comes back for the mmap_lock.
 * Swap and DAX are done under the lock.
 */
static int pmadv_willneed(struct pmadv *pm, struct vm_area_struct *vma,
			  unsigned long start, unsigned long *end)
{
	struct file *file = vma->vm_file;
	loff_t offset;

	if (!file || IS_DAX(file_inode(file)) ||
	    (IS_ENABLED(CONFIG_SWAP) && shmem_mapping(file->f_mapping)))
		return pmadv_plain(pm, vma, start, end);

	offset = (loff_t)vma->vm_pgoff << PAGE_SHIFT;
	offset += start - vma->vm_start;
	get_file(file);
	pmadv_unlock(pm);
	vfs_fadvise(file, offset, *end - start, POSIX_FADV_WILLNEED);
	fput(file);
	return pmadv_lock(pm);
}

/*
 * Tell a userfaultfd monitor that [start, *end) is about to lose its pages.
 * If it wants to know, the mmap_lock is released until it has read the event,
 * and what stands at start then may be another VMA, with another end.
 */
static int pmadv_announce_removal(struct pmadv *pm, struct vm_area_struct **vma,
				  unsigned long start, unsigned long *end)
{
	int error;

	if (userfaultfd_armed(*vma))
		pmadv_flush(pm);
	if (userfaultfd_remove(*vma, start, *end))
		return 0;

	pmadv_lock_lost(pm);
	error = pmadv_lock(pm);
	if (error)
		return error;
	*vma = find_vma(pm->mm, start);
	if (!*vma || (*vma)->vm_start > start)
		return -ENOMEM;
	if (!can_madv_lru_vma(*vma))
		return -EINVAL;
	*end = min(*end, (*vma)->vm_end);
	return 0;
}

static void pmadv_zap(struct mmu_gather *tlb, struct vm_area_struct *vma,
		      unsigned long start, unsigned long end)
{
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, vma, vma->vm_mm,
				start, end);
	update_hiwater_rss(vma->vm_mm);
	mmu_notifier_invalidate_range_start(&range);
	if (vma->vm_file)
		uprobe_munmap(vma, start, end);
	unmap_page_range(tlb, vma, start, end, NULL);
	mmu_notifier_invalidate_range_end(&range);
}

static int pmadv_discard(struct pmadv *pm, struct vm_area_struct *vma,
			 unsigned long start, unsigned long *end)
{
	struct pmadv_pages pages;
	int error;

	error = pmadv_announce_removal(pm, &vma, start, end);
	if (error)
		return error;

	pm->prev = vma;
	if (pmadv_has(pm, PMADV_SOFT_DIRTY)) {
		pages = pmadv_pages_of(pm, vma);
		pages.tlb = pmadv_gather(pm);
		pmadv_discard_soft_clean(&pages, vma, start, *end);
		return 0;
	}
	if (pm->advice == MADV_FREE)
		return madvise_free_page_range(pmadv_gather(pm), vma, start,
					       *end);
	pmadv_zap(pmadv_gather(pm), vma, start, *end);
	return 0;
}

static int pmadv_collapse(struct pmadv *pm, struct vm_area_struct *vma,
			  unsigned long start, unsigned long *end)
{
	pm->prev = vma;
	return pmadv_collapse_range(pm, pm->mm, start, end,
				    &pm->stat.pages_done);
}

/*
 * PAGEOUT keeps no gather open, because reclaim flushes what it unmaps.
 * MADV_REMOVE leaves the lock to madvise_vma(), which takes it back without
 * looking at signals; it is never offered to others.
 */
static const struct pmadv_rule pmadv_rules[] = {
	{ MADV_COLD,		PMADV_READ, .remote = true, .flags = true,
	  .by_page = true,	.by_pmd = true, .apply = pmadv_cold },
	{ MADV_PAGEOUT,		PMADV_READ, .remote = true, .flags = true,
	  .by_page = true,	.by_pmd = true, .apply = pmadv_pageout },
	{ MADV_WILLNEED,	PMADV_READ, .remote = true, .flags = true,
	  .apply = pmadv_willneed },
	{ MADV_COLLAPSE,	PMADV_READ, .remote = true, .flags = true,
	  .apply = pmadv_collapse },
	{ MADV_DONTNEED,	PMADV_READ, .flags = true, .discards = true,
	  .by_page = true,	.apply = pmadv_discard },
	{ MADV_FREE,		PMADV_READ, .flags = true, .discards = true,
	  .by_page = true,	.apply = pmadv_discard },
	{ MADV_REMOVE,		PMADV_READ, .apply = pmadv_plain },
	{ MADV_HWPOISON,	PMADV_NO_LOCK },
	{ MADV_SOFT_OFFLINE,	PMADV_NO_LOCK },
};

static const struct pmadv_rule pmadv_flag_rule = {
	.lock	= PMADV_WRITE,
	.apply	= pmadv_plain,
};

static const struct pmadv_rule *pmadv_find_rule(int advice)
{
	int i;

	if (!madvise_behavior_valid(advice))
		return NULL;
	for (i = 0; i < ARRAY_SIZE(pmadv_rules); i++) {
		if (pmadv_rules[i].advice == advice)
			return &pmadv_rules[i];
	}
	return &pmadv_flag_rule;
}

/*
 * The walk
 */

/*
 * The first VMA that ends above addr. Leaves in pm->prev the VMA before it, or
 * the same VMA if it begins below addr, as vma_merge() wants it. Short ranges
 * often follow each other in one VMA or the next.
 */
static struct vm_area_struct *pmadv_find_vma(struct pmadv *pm,
					     unsigned long addr)
{
	struct vm_area_struct *vma = pm->prev;

	if (vma && vma->vm_start < addr && addr < vma->vm_end)
		return vma;
	if (vma && vma->vm_end == addr && vma->vm_next)
		return vma->vm_next;

	vma = find_vma_prev(pm->mm, addr, &pm->prev);
	if (vma && vma->vm_start < addr)
		pm->prev = vma;
	return vma;
}

/* May a hint to another process empty this mapping? */
static int pmadv_may_discard(struct pmadv *pm, struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_MAYSHARE)
		return -EOPNOTSUPP;
	if (userfaultfd_armed(vma))
		return -EADDRINUSE;
	if (!pmadv_has(pm, PMADV_CONTENT) && vma->vm_flags & VM_WRITE)
		return -ETXTBSY;
	return 0;
}

/* Can this mapping have the advice? What is left to apply() is not asked. */
static int pmadv_may_have(struct pmadv *pm, struct vm_area_struct *vma)
{
	if (pm->advice == MADV_COLLAPSE && !pmadv_can_collapse(vma))
		return -EINVAL;
	if (!pm->rule->by_page)
		return 0;
	if (!can_madv_lru_vma(vma))
		return -EINVAL;
	if (pm->advice == MADV_FREE && !vma_is_anonymous(vma))
		return -EINVAL;
	if (pm->rule->discards && pm->remote)
		return pmadv_may_discard(pm, vma);
	return 0;
}

static bool pmadv_filtered(struct pmadv *pm, struct vm_area_struct *vma)
{
	return pmadv_has(pm, PMADV_FILTERS) &&
	       pmadv_has(pm, PMADV_ANON) != vma_is_anonymous(vma);
}

/* One step: to *end at most, which becomes the end of what was done. */
static int pmadv_step(struct pmadv *pm, struct vm_area_struct *vma,
		      unsigned long start, unsigned long *end)
{
	int error = pmadv_may_have(pm, vma);

	if (error)
		return error;
	if (pm->rule->by_pmd)
		*end = pmd_addr_end(start, *end);
	pmadv_look(pm, vma, start, *end);
	if (pmadv_has(pm, PMADV_DRYRUN))
		return 0;
	return pm->rule->apply(pm, vma, start, end);
}

/* A VMA, or the part of it that is advised in one step, is dealt with. */
static void pmadv_count_vma(struct pmadv *pm, bool first, bool skipped,
			    unsigned long bytes)
{
	pm->progress = true;
	if (skipped) {
		pm->stat.vmas_skipped += first;
		pm->stat.bytes_skipped += bytes;
	} else {
		pm->stat.vmas += first;
		pm->stat.bytes_seen += bytes;
	}
}

/* Nothing is mapped from start to end. */
static int pmadv_hole(struct pmadv *pm, unsigned long start, unsigned long end)
{
	pm->stat.bytes_unmapped += end - start;
	if (pmadv_has(pm, PMADV_NO_ERROR_ON_UNMAPPED | PMADV_RANGE))
		return 0;
	pmadv_note_error(pm, -ENOMEM, start);
	return -ENOMEM;
}

/*
 * Work on [start, end). An error that does not end the walk is returned at its
 * end: a hole, and with PMADV_SKIP_ERRORS what a mapping could not have.
 */
static int pmadv_walk(struct pmadv *pm, unsigned long start, unsigned long end)
{
	unsigned long next, from = start;
	struct vm_area_struct *vma;
	bool may_yield = true;
	bool first, skip;
	int passed = 0;
	int error;

	while (start < end) {
		error = pmadv_checkpoint(pm, may_yield);
		if (error)
			return error;
		may_yield = pm->rule->lock == PMADV_READ;

		vma = pmadv_find_vma(pm, start);
		if (!vma || vma->vm_start >= end)
			return pmadv_hole(pm, start, end) ?: passed;
		if (vma->vm_start > start) {
			passed = pmadv_hole(pm, start, vma->vm_start) ?: passed;
			start = vma->vm_start;
		}

		first = start == from || start == vma->vm_start;
		next = min(end, vma->vm_end);
		error = 0;
		skip = pmadv_filtered(pm, vma);
		if (!skip)
			error = pmadv_step(pm, vma, start, &next);
		if (error) {
			pmadv_note_error(pm, error, start);
			if (pm->over || !pmadv_has(pm, PMADV_SKIP_ERRORS |
						   PMADV_RANGE))
				return error;
			passed = error;
			skip = true;
		}
		pmadv_count_vma(pm, first, skip, next - start);
		start = next;
	}
	return passed;
}

/* Of page frames, not of VMAs: one range is one step, without the lock. */
static int pmadv_inject(struct pmadv *pm, unsigned long start,
			unsigned long end)
{
	int error = pmadv_checkpoint(pm, false);

	return error ?: madvise_inject_error(pm->advice, start, end);
}

static int pmadv_range(struct pmadv *pm, const struct iovec *range)
{
	unsigned long start, end;
	int error;

	error = pmadv_bounds(range, &start, &end);
	if (error)
		pmadv_note_error(pm, error, start);
	if (error || start == end)
		return error;

	if (pm->rule->lock == PMADV_NO_LOCK)
		return pmadv_inject(pm, start, start + range->iov_len);
	return pmadv_walk(pm, start, end);
}

static ssize_t pmadv_ranges(struct pmadv *pm)
{
	struct iov_iter *iter = pm->left;
	struct iovec range;
	ssize_t done = 0;
	int error = 0;

	while (iov_iter_count(iter)) {
		range = iov_iter_iovec(iter);
		error = pmadv_range(pm, &range);
		if (!error)
			done += range.iov_len;
		else if (pm->over || !pmadv_has(pm, PMADV_SKIP_ERRORS))
			break;
		error = 0;
		pmadv_next_range(iter, range.iov_len);
	}
	return done ?: error;
}

/* What a mapping cannot have is no error here. */
static int pmadv_whole(struct pmadv *pm)
{
	int error = pmadv_walk(pm, 0, pm->mm->task_size);

	return pm->over ? error : 0;
}

static ssize_t pmadv_work(struct pmadv *pm)
{
	struct blk_plug plug;
	ssize_t ret;

	ret = pmadv_lock(pm);
	if (ret)
		return ret;

	blk_start_plug(&plug);
	if (pmadv_has(pm, PMADV_RANGE))
		ret = pmadv_whole(pm);
	else
		ret = pmadv_ranges(pm);
	blk_finish_plug(&plug);
	pmadv_unlock(pm);
	return ret;
}

/**
 * pmadv_advise() - Give an advice about one range of one's own memory
 * @mm: the caller's
 * @start: first byte, page aligned
 * @end: end of the range, page aligned, not before @start
 * @advice: a MADV_* value that madvise_behavior_valid() accepts
 *
 * For madvise(2), where it leaves an advice to us.
 *
 * Context: Process context, sleeps. Takes the mmap_lock.
 * Return: 0 or a negative error number.
 */
int pmadv_advise(struct mm_struct *mm, unsigned long start, unsigned long end,
		 int advice)
{
	struct pmadv pm = {
		.mm	= mm,
		.rule	= pmadv_find_rule(advice),
		.advice	= advice,
	};
	int error;

	error = pmadv_lock(&pm);
	if (!error)
		error = pmadv_walk(&pm, start, end);
	pmadv_unlock(&pm);
	return error;
}

/*
 * The target
 */

/*
 * A thread of the process that has a user mm, with a reference, or NULL.
 *
 * The reference to the leader keeps its signal_struct, thus the head of the
 * thread list, and it is a head that an execve() by another thread does not
 * move. Under RCU a task that is found on the list still has the reference
 * that release_task() gives up a grace period later. The mm of the task may
 * be gone by the time it is used.
 */
static struct task_struct *pmadv_get_live_thread(struct task_struct *leader)
{
	struct task_struct *t;

	rcu_read_lock();
	for_each_thread(leader, t) {
		if (READ_ONCE(t->mm) && !(READ_ONCE(t->flags) & PF_KTHREAD)) {
			get_task_struct(t);
			rcu_read_unlock();
			return t;
		}
	}
	rcu_read_unlock();
	return NULL;
}

/*
 * mm_access(), with CAP_PERFMON as good as read access. The exec_update_lock
 * of mm_access() keeps credentials and mm together; CAP_PERFMON does not ask
 * for the target's credentials and needs only the mm.
 */
static struct mm_struct *pmadv_access(struct task_struct *task,
				      unsigned int mode)
{
	struct mm_struct *mm;

	mm = mm_access(task, mode);
	if (mm == ERR_PTR(-EACCES) && mode == PTRACE_MODE_READ_FSCREDS &&
	    perfmon_capable())
		mm = get_task_mm(task);
	return mm;
}

/*
 * The mm of a process. Its leader may have exited before its other threads:
 * take the first thread that still has the mm and judge access by that thread.
 * If it exits between the two steps look again; every turn of the loop has
 * seen a thread go.
 */
static struct mm_struct *pmadv_get_process_mm(struct task_struct *leader,
					      unsigned int mode)
{
	struct task_struct *task;
	struct mm_struct *mm;

	for (;;) {
		task = pmadv_get_live_thread(leader);
		if (!task)
			return ERR_PTR(-ESRCH);
		mm = pmadv_access(task, mode);
		put_task_struct(task);
		if (mm)
			return mm;
		if (fatal_signal_pending(current))
			return ERR_PTR(-EINTR);
		cond_resched();
	}
}

static struct mm_struct *pmadv_get_mm(int pidfd, unsigned int mode)
{
	struct task_struct *leader;
	struct mm_struct *mm;
	unsigned int f_flags;
	struct pid *pid;

	if (pidfd == PIDFD_SELF_THREAD || pidfd == PIDFD_SELF_THREAD_GROUP) {
		mmget(current->mm);
		return current->mm;
	}

	pid = pidfd_get_pid(pidfd, &f_flags);
	if (IS_ERR(pid))
		return ERR_CAST(pid);
	leader = get_pid_task(pid, PIDTYPE_TGID);
	put_pid(pid);
	if (!leader)
		return ERR_PTR(-ESRCH);

	mm = pmadv_get_process_mm(leader, mode);
	put_task_struct(leader);
	return mm;
}

/* Can this advice have these flags? */
static bool pmadv_flags_fit(struct pmadv *pm)
{
	if (!pm->flags)
		return true;
	if (!pm->rule->flags)
		return false;
	if (pm->rule->discards)
		return !pmadv_has(pm, PMADV_RANGE);
	return !pmadv_has(pm, PMADV_CONTENT);
}

/* May the caller give this advice to this mm? Fills in the rule. */
static int pmadv_permit(struct pmadv *pm)
{
	pm->rule = pmadv_find_rule(pm->advice);
	if (!pm->rule)
		return -EINVAL;
	if (!pmadv_flags_fit(pm))
		return -EINVAL;
	if (!pm->remote)
		return 0;
	if (!pm->rule->remote &&
	    !(pm->rule->discards && pmadv_has(pm, PMADV_COOKIE | PMADV_DRYRUN)))
		return -EINVAL;
	if (pmadv_has(pm, PMADV_DRYRUN))
		return 0;
	return capable(CAP_SYS_NICE) ? 0 : -EPERM;
}

/*
 * What the caller must be allowed to do to the target. An advice that discards
 * without a cookie is refused later, for itself and not for the right.
 */
static unsigned int pmadv_access_mode(const struct pmadv *pm)
{
	const struct pmadv_rule *rule = pmadv_find_rule(pm->advice);

	if (rule && rule->discards && pmadv_has(pm, PMADV_COOKIE) &&
	    !pmadv_has(pm, PMADV_DRYRUN))
		return PTRACE_MODE_ATTACH_FSCREDS;
	return PTRACE_MODE_READ_FSCREDS;
}

/* Write what follows pmadv_stat.size, and zeroes where the caller has more. */
static int pmadv_put_stat(const struct pmadv *pm, void __user *arg)
{
	const size_t from = offsetofend(struct pmadv_stat, size);
	size_t len = min_t(size_t, pm->stat.size, sizeof(pm->stat));

	if (!pmadv_has(pm, PMADV_STAT))
		return 0;
	if (copy_to_user(arg + from, (void *)&pm->stat + from, len - from) ||
	    clear_user(arg + len, pm->stat.size - len))
		return -EFAULT;
	return 0;
}

static ssize_t pmadv_call(struct pmadv *pm, int pidfd, void __user *arg)
{
	ssize_t ret;

	pm->mm = pmadv_get_mm(pidfd, pmadv_access_mode(pm));
	if (IS_ERR(pm->mm))
		return PTR_ERR(pm->mm);
	pm->remote = pm->mm != current->mm;

	ret = pmadv_permit(pm);
	if (!ret) {
		ret = pmadv_work(pm);
		if (pmadv_put_stat(pm, arg))
			ret = -EFAULT;
	}
	mmput(pm->mm);
	return ret;
}

static int pmadv_get_cookie(int pidfd, struct pmadv_cookie __user *arg)
{
	struct pmadv_cookie cookie;
	struct mm_struct *mm;
	int error;

	mm = pmadv_get_mm(pidfd, PTRACE_MODE_READ_FSCREDS);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	error = mm_layout_get_cookie(mm, &cookie);
	mmput(mm);
	if (error)
		return error;
	return copy_to_user(arg, &cookie, sizeof(cookie)) ? -EFAULT : 0;
}

/* Flags that exclude each other, and what else must not be there. */
static bool pmadv_flags_valid(const struct pmadv *pm,
			      const struct iovec __user *vec, size_t vlen)
{
	if (pm->flags & ~PMADV_FLAGS)
		return false;
	if (pmadv_has(pm, PMADV_GET_COOKIE) &&
	    (pm->flags != PMADV_GET_COOKIE || pm->advice))
		return false;
	if (pmadv_has(pm, PMADV_GET_COOKIE | PMADV_RANGE) && (vec || vlen))
		return false;
	return (pm->flags & PMADV_FILTERS) != PMADV_FILTERS &&
	       (pm->flags & PMADV_CONTENT) != PMADV_CONTENT;
}

/* The sixth argument, as far as the flags say that there is one. */
static int pmadv_get_arg(struct pmadv *pm, const void __user *arg)
{
	const size_t size = offsetof(struct pmadv_stat, size);

	if (pmadv_has(pm, PMADV_COOKIE) &&
	    copy_from_user(&pm->cookie, arg, sizeof(pm->cookie)))
		return -EFAULT;
	if (!pmadv_has(pm, PMADV_STAT))
		return 0;
	if (copy_from_user(&pm->stat.size, arg + size, sizeof(pm->stat.size)))
		return -EFAULT;
	if (pm->stat.size < PMADV_STAT_SIZE_VER0)
		return -EINVAL;
	return pm->stat.size > PAGE_SIZE ? -E2BIG : 0;
}

SYSCALL_DEFINE6(process_madvise, int, pidfd, const struct iovec __user *, vec,
		size_t, vlen, int, behavior, unsigned int, flags,
		void __user *, arg)
{
	struct pmadv pm = { .advice = behavior, .flags = flags };
	struct iovec fast[UIO_FASTIOV];
	struct iovec *iov = fast;
	struct iov_iter iter;
	ssize_t ret;

	BUILD_BUG_ON(sizeof(struct pmadv_stat) != PMADV_STAT_SIZE_VER0);

	if (!pmadv_flags_valid(&pm, vec, vlen))
		return -EINVAL;
	if (pmadv_has(&pm, PMADV_GET_COOKIE))
		return pmadv_get_cookie(pidfd, arg);
	if (pmadv_has(&pm, PMADV_SOFT_DIRTY) &&
	    !IS_ENABLED(CONFIG_MEM_SOFT_DIRTY))
		return -EOPNOTSUPP;
	ret = pmadv_get_arg(&pm, arg);
	if (ret)
		return ret;
	/* import_iovec() counts in an unsigned int. */
	if (vlen > UIO_MAXIOV)
		return -EINVAL;

	ret = import_iovec(ITER_DEST, vec, vlen, ARRAY_SIZE(fast), &iov, &iter);
	if (ret < 0)
		return ret;
	pm.left = &iter;
	ret = pmadv_call(&pm, pidfd, arg);
	kfree(iov);
	return ret;
}
