/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What mm/madvise.c lends to mm/process_madvise.c: the parts of madvise(2)
 * that work on one VMA and leave the walk over VMAs, the lock and the TLB
 * flush to their caller.
 */
#ifndef _MM_PROCESS_MADVISE_H
#define _MM_PROCESS_MADVISE_H

#include <linux/errno.h>
#include <linux/types.h>

struct mmu_gather;
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
 * madvise_cold_page_range() - Deactivate the pages of a part of one VMA
 * @tlb: gather that takes the flush of the cleared accessed bits
 * @vma: a VMA for which can_madv_lru_vma() holds
 * @addr: first byte, page aligned
 * @end: end of the range, page aligned
 *
 * Pages that are still in a pagevec of some CPU are not seen. Stops early
 * when a fatal signal is pending.
 *
 * Context: Process context, may sleep. mmap_lock held for reading at least.
 */
void madvise_cold_page_range(struct mmu_gather *tlb, struct vm_area_struct *vma,
			     unsigned long addr, unsigned long end);

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

#endif /* _MM_PROCESS_MADVISE_H */
