/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What mm/madvise.c lends to process_madvise(): the parts of madvise(2)
 * that work on one VMA and leave the walk over VMAs, the lock and the TLB
 * flush to their caller; what mm/khugepaged.c lends; and what the files of
 * process_madvise() do for each other.
 */
#ifndef _MM_PROCESS_MADVISE_H
#define _MM_PROCESS_MADVISE_H

#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/types.h>

#include <uapi/linux/process_madvise.h>

struct mmu_gather;
struct page;
struct vm_area_struct;

/**
 * madvise_behavior_valid() - Does this kernel know an advice?
 * @behavior: a MADV_* value from user space
 *
 * Context: Any.
 * Return: true if madvise(2) accepts @behavior.
 */
bool madvise_behavior_valid(int behavior);

/**
 * madvise_vma() - Give an advice about a part of one VMA
 * @vma: the VMA
 * @prev: in: the VMA before @start (@vma itself if @start lies inside of it);
 *	  out: the VMA that holds the advised range, NULL if the mmap_lock was
 *	  dropped and taken again
 * @start: first byte, page aligned, inside of @vma
 * @end: end of the range, page aligned, not beyond @vma
 * @behavior: a MADV_* value that madvise_behavior_valid() accepts, but none
 *	      of those that work on page frames (MADV_HWPOISON,
 *	      MADV_SOFT_OFFLINE)
 *
 * Context: Process context, may sleep. The mmap_lock of @vma->vm_mm is held,
 *	    for writing if @behavior changes VMA flags, else for reading. No
 *	    mmu_gather is open on that mm: MADV_REMOVE, MADV_WILLNEED and, on a
 *	    userfaultfd range, MADV_DONTNEED and MADV_FREE drop the lock.
 * Return: 0 or a negative error number.
 */
long madvise_vma(struct vm_area_struct *vma, struct vm_area_struct **prev,
		 unsigned long start, unsigned long end, int behavior);

/**
 * can_do_pageout() - May the caller reclaim the page cache of a mapping?
 * @vma: any VMA
 *
 * Context: Process context, may sleep. mmap_lock held.
 * Return: true if @vma is anonymous or its file is one that the caller owns or
 *	   may write.
 */
bool can_do_pageout(struct vm_area_struct *vma);

/**
 * madvise_pageout() - Reclaim the pages of a part of one VMA
 * @vma: the VMA
 * @prev: out: @vma
 * @start_addr: first byte, page aligned
 * @end_addr: end of the range, page aligned
 * @stat: counts the pages, or NULL
 *
 * Context: Process context, sleeps for I/O. mmap_lock held for reading at
 *	    least, and no mmu_gather open on that mm.
 * Return: 0, or -EINVAL if can_madv_lru_vma() does not hold for @vma.
 */
long madvise_pageout(struct vm_area_struct *vma, struct vm_area_struct **prev,
		     unsigned long start_addr, unsigned long end_addr,
		     struct pmadv_stat *stat);

/**
 * madvise_cold_page_range() - Deactivate the pages of a part of one VMA
 * @tlb: gather that takes the flush of the cleared accessed bits
 * @vma: a VMA for which can_madv_lru_vma() holds
 * @addr: first byte, page aligned
 * @end: end of the range, page aligned
 * @stat: counts the pages, or NULL
 *
 * Pages that are still in a pagevec of some CPU are not seen. Stops early
 * when a fatal signal is pending.
 *
 * Context: Process context, may sleep. mmap_lock held for reading at least.
 */
void madvise_cold_page_range(struct mmu_gather *tlb, struct vm_area_struct *vma,
			     unsigned long addr, unsigned long end,
			     struct pmadv_stat *stat);

/**
 * madvise_free_page_range() - Mark the pages of a part of one VMA lazy-free
 * @tlb: gather that takes the flush of the cleared accessed and dirty bits
 * @vma: a VMA for which can_madv_lru_vma() holds
 * @start_addr: first byte, page aligned
 * @end_addr: end of the range, page aligned
 *
 * Context: Process context, may sleep. mmap_lock held for reading at least.
 * Return: 0, or -EINVAL if @vma is not anonymous or outside of the range.
 */
int madvise_free_page_range(struct mmu_gather *tlb, struct vm_area_struct *vma,
			    unsigned long start_addr, unsigned long end_addr);

#ifdef CONFIG_MEMORY_FAILURE
/**
 * madvise_inject_error() - Poison or soft-offline pages of the caller
 * @behavior: MADV_HWPOISON or MADV_SOFT_OFFLINE
 * @start: address in current->mm, page aligned
 * @end: end of the range
 *
 * Context: Process context, may sleep, takes the mmap_lock of current->mm.
 * Return: 0 or a negative error number, -EPERM without CAP_SYS_ADMIN.
 */
int madvise_inject_error(int behavior, unsigned long start, unsigned long end);
#else
static inline int madvise_inject_error(int behavior, unsigned long start,
				       unsigned long end)
{
	return -EINVAL;
}
#endif

/**
 * is_refcount_suitable() - Is a page referenced by page tables and swap only?
 * @page: head of an anonymous page
 *
 * Context: Page table lock held, or the page is locked and unmapped. Without
 *	    the page lock the answer may be wrong.
 * Return: true if nobody else has a reference.
 */
bool is_refcount_suitable(struct page *page);

/**
 * collapse_huge_page_locked() - Put what a page table maps into a huge page
 * @vma: anonymous VMA that has the whole huge page
 * @address: where, aligned to HPAGE_PMD_SIZE
 * @pmd: the entry of the page table
 * @new_page: a huge page, charged; its reference is used up on success
 * @forced: somebody has asked for it: the limits of khugepaged do not hold
 *
 * Context: Process context. mmap_lock held for writing.
 * Return: SCAN_SUCCEED, or why not, then nothing has changed.
 */
int collapse_huge_page_locked(struct vm_area_struct *vma, unsigned long address,
			      pmd_t *pmd, struct page *new_page, bool forced);

/**
 * struct pmadv_pages - a question about pages, and its answer
 * @stat: the counters
 * @tlb: gather, for a discard
 * @advice: MADV_COLD, MADV_PAGEOUT, MADV_DONTNEED or MADV_FREE
 * @anon_only: the page cache is not eligible
 * @soft_clean: what was written since soft-dirty bits were cleared is not
 *		eligible
 */
struct pmadv_pages {
	struct pmadv_stat *stat;
	struct mmu_gather *tlb;
	int advice;
	bool anon_only;
	bool soft_clean;
};

#ifdef CONFIG_PROCESS_MADVISE_COOKIE

void pmadv_survey(struct pmadv_pages *pages, struct vm_area_struct *vma,
		  unsigned long start, unsigned long end);
void pmadv_discard_soft_clean(struct pmadv_pages *pages,
			      struct vm_area_struct *vma, unsigned long start,
			      unsigned long end);

/**
 * pmadv_count_done() - An advice works on a page
 * @stat: the counters, or NULL
 * @page: a small page, or the head of a huge one that is taken as a whole
 *
 * Context: Any.
 */
static inline void pmadv_count_done(struct pmadv_stat *stat, struct page *page)
{
	if (stat)
		stat->pages_done += thp_nr_pages(page);
}

/**
 * pmadv_count_reclaimed() - Pages have left the memory
 * @stat: the counters, or NULL
 * @nr: how many
 *
 * Context: Any.
 */
static inline void pmadv_count_reclaimed(struct pmadv_stat *stat,
					 unsigned long nr)
{
	if (stat)
		stat->pages_reclaimed += nr;
}

#else /* !CONFIG_PROCESS_MADVISE_COOKIE */

static inline void pmadv_survey(struct pmadv_pages *pages,
				struct vm_area_struct *vma,
				unsigned long start, unsigned long end) { }
static inline void pmadv_discard_soft_clean(struct pmadv_pages *pages,
					    struct vm_area_struct *vma,
					    unsigned long start,
					    unsigned long end) { }
static inline void pmadv_count_done(struct pmadv_stat *stat,
				    struct page *page) { }
static inline void pmadv_count_reclaimed(struct pmadv_stat *stat,
					 unsigned long nr) { }

#endif /* CONFIG_PROCESS_MADVISE_COOKIE */

/**
 * enum pmadv_lock_mode - how the mmap_lock of the target is held
 * @PMADV_NO_LOCK: not
 * @PMADV_READ: for reading
 * @PMADV_WRITE: for writing
 */
enum pmadv_lock_mode {
	PMADV_NO_LOCK,
	PMADV_READ,
	PMADV_WRITE,
};

struct pmadv;

int pmadv_take(struct pmadv *pm, enum pmadv_lock_mode mode);
void pmadv_unlock(struct pmadv *pm);
void pmadv_lock_lost(struct pmadv *pm);
int pmadv_breathe(struct pmadv *pm);
int pmadv_advise(struct mm_struct *mm, unsigned long start, unsigned long end,
		 int advice);

#ifdef CONFIG_MADVISE_COLLAPSE

/**
 * pmadv_can_collapse() - Can there be huge pages in a VMA if asked for?
 * @vma: any VMA
 *
 * Context: mmap_lock held.
 * Return: false if it is not anonymous, was never written, has no room for a
 *	   huge page, or the target does not want any.
 */
bool pmadv_can_collapse(struct vm_area_struct *vma);

/**
 * pmadv_collapse_range() - MADV_COLLAPSE of a part of one VMA
 * @pm: the call
 * @mm: its target
 * @start: first byte, page aligned, inside of a VMA for which
 *	   pmadv_can_collapse() holds
 * @end: in: end of the range, not beyond that VMA; out: end of what was looked
 *	 at, which is less if the VMA has become shorter
 * @pages: is increased by the pages of PAGE_SIZE in the huge pages made
 *
 * Context: Process context, sleeps. The mmap_lock is held for reading, and is
 *	    released and taken again.
 * Return: 0 if the range has a huge page everywhere where one fits, else a
 *	   negative error number, see mm/process_madvise_collapse.c. If
 *	   pmadv_take() has failed the lock is not held.
 */
int pmadv_collapse_range(struct pmadv *pm, struct mm_struct *mm,
			 unsigned long start, unsigned long *end, __u64 *pages);

#else /* !CONFIG_MADVISE_COLLAPSE */

static inline bool pmadv_can_collapse(struct vm_area_struct *vma)
{
	return false;
}

static inline int pmadv_collapse_range(struct pmadv *pm, struct mm_struct *mm,
				       unsigned long start, unsigned long *end,
				       __u64 *pages)
{
	return -EINVAL;
}

#endif /* CONFIG_MADVISE_COLLAPSE */

#endif /* _MM_PROCESS_MADVISE_H */
