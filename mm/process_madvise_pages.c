// SPDX-License-Identifier: GPL-2.0
/*
 * process_madvise(2), page by page: what could be advised, and the discarding of
 * pages that were not written.
 *
 *			Model
 *
 * Each page that is mapped at an address falls into one class, by what the
 * advice can do about it. pmadv_class() says which; a class is a counter of
 * struct pmadv_stat. A survey counts the classes and touches nothing. To
 * discard is to act on the eligible ones, class and act under one hold of the
 * page table lock.
 *
 *			Soft-clean
 *
 * The caller has cleared the soft-dirty bits at T0, thinks, and wants the pages
 * discarded that were not written since. A page is soft-clean if its entry
 *
 *	S1	is not soft-dirty, and
 *	S2	cannot be written through.
 *
 * Clearing makes every entry S1 and S2, and the TLBs are flushed before it lets
 * go of the mmap_lock, which we hold. From then on a store faults, and the
 * fault makes the entry soft-dirty before it makes it writable. So while both
 * hold, nothing was stored by way of this entry since T0, and while we hold the
 * page table lock nothing is. A store that faults now waits for us and then
 * finds no page: it writes to a new one, and is not lost.
 *
 * Wherever an entry changes its form the bit has to go with it: swap, swap
 * cache, migration, huge pages that are split or made, KSM. What makes a new
 * entry marks it dirty, or copies the bit.
 *
 * Left alone in spite of S1 and S2: pages of KSM, whose content is that of
 * other pages too; pages pinned for I/O, which devices write; the page cache.
 *
 * Lock order: mmap_lock, page table lock; the page lock is only tried.
 */
#include <linux/ksm.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmu_notifier.h>
#include <linux/pagewalk.h>
#include <linux/rmap.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include <linux/swapops.h>

#include <asm/tlb.h>

#include <uapi/linux/process_madvise.h>

#include "internal.h"
#include "process_madvise.h"

/* Which counter a page belongs to. */
static __u64 *pmadv_class(const struct pmadv_pages *pages, struct page *page,
			  bool written)
{
	struct pmadv_stat *stat = pages->stat;

	if (pages->anon_only && !PageAnon(page))
		return &stat->pages_refused;
	if (pages->soft_clean && written)
		return &stat->pages_dirty;

	switch (pages->advice) {
	case MADV_DONTNEED:
		break;
	case MADV_FREE:
		if (page_mapcount(page) != 1)
			return &stat->pages_shared;
		break;
	default:
		if (page_mapcount(page) != 1)
			return &stat->pages_shared;
		if (!PageLRU(page))
			return &stat->pages_busy;
	}
	if (pages->soft_clean && PageKsm(page))
		return &stat->pages_shared;
	if ((pages->soft_clean || pages->advice == MADV_PAGEOUT) &&
	    page_maybe_dma_pinned(page))
		return &stat->pages_busy;
	return &stat->pages_eligible;
}

static bool pmadv_pte_written(pte_t pte)
{
	return pte_soft_dirty(pte) || pte_write(pte);
}

static bool pmadv_pmd_written(pmd_t pmd)
{
	return pmd_soft_dirty(pmd) || pmd_write(pmd);
}

/*
 * Survey
 */

static void pmadv_count_page(struct pmadv_pages *pages, struct page *page,
			     bool written, unsigned long nr)
{
	pages->stat->pages_seen += nr;
	*pmadv_class(pages, page, written) += nr;
}

static int pmadv_survey_pmd(pmd_t *pmd, unsigned long addr, unsigned long end,
			    struct mm_walk *walk)
{
	struct pmadv_pages *pages = walk->private;
	struct vm_area_struct *vma = walk->vma;
	pte_t *first, *pte;
	struct page *page;
	spinlock_t *ptl;

	if (fatal_signal_pending(current))
		return -EINTR;

	ptl = pmd_trans_huge_lock(pmd, vma);
	if (ptl) {
		if (pmd_present(*pmd) && !is_huge_zero_pmd(*pmd))
			pmadv_count_page(pages, pmd_page(*pmd),
					 pmadv_pmd_written(*pmd),
					 (end - addr) >> PAGE_SHIFT);
		spin_unlock(ptl);
		return 0;
	}
	if (pmd_trans_unstable(pmd))
		return 0;

	first = pte_offset_map_lock(walk->mm, pmd, addr, &ptl);
	for (pte = first; addr < end; pte++, addr += PAGE_SIZE) {
		if (!pte_present(*pte))
			continue;
		page = vm_normal_page(vma, addr, *pte);
		if (page)
			pmadv_count_page(pages, page, pmadv_pte_written(*pte),
					 1);
	}
	pte_unmap_unlock(first, ptl);
	cond_resched();
	return 0;
}

static const struct mm_walk_ops pmadv_survey_ops = {
	.pmd_entry	= pmadv_survey_pmd,
};

/**
 * pmadv_survey() - Count the pages of a part of one VMA by class
 * @pages: what is asked, and where the counters are
 * @vma: the VMA
 * @start: first byte, page aligned, inside of @vma
 * @end: end of the range, page aligned, not beyond @vma
 *
 * Context: Process context, may sleep. mmap_lock held for reading at least.
 *	    Stops early when a fatal signal is pending.
 */
void pmadv_survey(struct pmadv_pages *pages, struct vm_area_struct *vma,
		  unsigned long start, unsigned long end)
{
	walk_page_range(vma->vm_mm, start, end, &pmadv_survey_ops, pages);
}

/*
 * Discard
 */

/* A page in swap: give the slot back. Returns whether it did. */
static bool pmadv_discard_swap(struct pmadv_pages *pages, struct mm_struct *mm,
			       unsigned long addr, pte_t *pte)
{
	swp_entry_t entry = pte_to_swp_entry(*pte);

	if (non_swap_entry(entry) || pte_swp_soft_dirty(*pte))
		return false;
	free_swap_and_cache(entry);
	pte_clear_not_present_full(mm, addr, pte, pages->tlb->fullmm);
	return true;
}

/* MADV_DONTNEED: returns whether the gather is full. */
static bool pmadv_drop(struct pmadv_pages *pages, struct mm_struct *mm,
		       unsigned long addr, pte_t *pte, struct page *page)
{
	ptep_get_and_clear_full(mm, addr, pte, pages->tlb->fullmm);
	tlb_remove_tlb_entry(pages->tlb, pte, addr);
	page_remove_rmap(page, false);
	return __tlb_remove_page(pages->tlb, page);
}

/* Has the page a copy in swap or a mark of its own that it is dirty? Lose it. */
static bool pmadv_make_clean(struct page *page)
{
	bool clean;

	if (!PageSwapCache(page) && !PageDirty(page))
		return true;
	if (!trylock_page(page))
		return false;
	clean = page_mapcount(page) == 1 &&
		(!PageSwapCache(page) || try_to_free_swap(page));
	if (clean)
		ClearPageDirty(page);
	unlock_page(page);
	return clean;
}

/* MADV_FREE: returns whether the page is given to reclaim now. */
static bool pmadv_let_go(struct pmadv_pages *pages, struct mm_struct *mm,
			 unsigned long addr, pte_t *pte, struct page *page)
{
	pte_t old;

	if (PageTransCompound(page) || !pmadv_make_clean(page))
		return false;
	if (pte_young(*pte) || pte_dirty(*pte)) {
		old = ptep_get_and_clear_full(mm, addr, pte,
					      pages->tlb->fullmm);
		set_pte_at(mm, addr, pte, pte_mkclean(pte_mkold(old)));
		tlb_remove_tlb_entry(pages->tlb, pte, addr);
	}
	mark_page_lazyfree(page);
	return true;
}

/*
 * Small pages can be taken one by one. A huge page is only taken apart when it
 * is eligible. Returns whether there are small pages now.
 */
static bool pmadv_split(struct pmadv_pages *pages, struct vm_area_struct *vma,
			pmd_t *pmd, unsigned long addr)
{
	struct page *page = NULL;
	spinlock_t *ptl;
	bool split;

	ptl = pmd_trans_huge_lock(pmd, vma);
	if (!ptl)
		return true;
	if (pmd_present(*pmd) && !is_huge_zero_pmd(*pmd)) {
		page = pmd_page(*pmd);
		if (pmadv_class(pages, page, pmadv_pmd_written(*pmd)) ==
		    &pages->stat->pages_eligible)
			get_page(page);
		else
			page = NULL;
	}
	spin_unlock(ptl);
	if (!page)
		return false;

	split = pages->advice != MADV_FREE;
	if (split) {
		split_huge_pmd(vma, pmd, addr);
	} else if (trylock_page(page)) {
		split = !split_huge_page(page);
		unlock_page(page);
	}
	put_page(page);
	return split;
}

/* A page that is in memory. Returns whether the gather is full. */
static bool pmadv_discard_page(struct pmadv_pages *pages,
			       struct vm_area_struct *vma, unsigned long addr,
			       pte_t *pte, long *anon)
{
	struct page *page = vm_normal_page(vma, addr, *pte);
	struct mm_struct *mm = vma->vm_mm;

	if (!page || pmadv_class(pages, page, pmadv_pte_written(*pte)) !=
		     &pages->stat->pages_eligible)
		return false;
	if (pages->advice == MADV_FREE) {
		pages->stat->pages_done +=
			pmadv_let_go(pages, mm, addr, pte, page);
		return false;
	}

	pages->stat->pages_done++;
	++*anon;
	return pmadv_drop(pages, mm, addr, pte, page);
}

static int pmadv_discard_pmd(pmd_t *pmd, unsigned long addr, unsigned long end,
			     struct mm_walk *walk)
{
	struct pmadv_pages *pages = walk->private;
	struct vm_area_struct *vma = walk->vma;
	struct mm_struct *mm = walk->mm;
	long swap = 0, anon = 0;
	pte_t *first, *pte;
	spinlock_t *ptl;
	bool full;

	if (fatal_signal_pending(current))
		return -EINTR;
	if (!pmadv_split(pages, vma, pmd, addr) || pmd_trans_unstable(pmd))
		return 0;

again:
	full = false;
	tlb_change_page_size(pages->tlb, PAGE_SIZE);
	first = pte_offset_map_lock(mm, pmd, addr, &ptl);
	flush_tlb_batched_pending(mm);
	arch_enter_lazy_mmu_mode();
	for (pte = first; addr < end && !full; pte++, addr += PAGE_SIZE) {
		if (pte_none(*pte))
			continue;
		if (!pte_present(*pte)) {
			swap += pmadv_discard_swap(pages, mm, addr, pte);
			continue;
		}
		full = pmadv_discard_page(pages, vma, addr, pte, &anon);
	}
	arch_leave_lazy_mmu_mode();
	pte_unmap_unlock(first, ptl);

	if (full)
		tlb_flush_mmu(pages->tlb);
	cond_resched();
	if (addr < end)
		goto again;

	if (current->mm == mm)
		sync_mm_rss(mm);
	add_mm_counter(mm, MM_ANONPAGES, -anon);
	add_mm_counter(mm, MM_SWAPENTS, -swap);
	return 0;
}

static const struct mm_walk_ops pmadv_discard_ops = {
	.pmd_entry	= pmadv_discard_pmd,
};

/**
 * pmadv_discard_soft_clean() - Discard the anonymous pages that nobody wrote
 * @pages: advice MADV_DONTNEED or MADV_FREE; counts what was done
 * @vma: a private VMA for which can_madv_lru_vma() holds
 * @start: first byte, page aligned, inside of @vma
 * @end: end of the range, page aligned, not beyond @vma
 *
 * Context: Process context, may sleep. mmap_lock held for reading at least.
 *	    pages->tlb is open. Stops early when a fatal signal is pending.
 */
void pmadv_discard_soft_clean(struct pmadv_pages *pages,
			      struct vm_area_struct *vma, unsigned long start,
			      unsigned long end)
{
	struct mmu_notifier_range range;

	mmu_notifier_range_init(&range, MMU_NOTIFY_CLEAR, 0, vma, vma->vm_mm,
				start, end);
	update_hiwater_rss(vma->vm_mm);
	mmu_notifier_invalidate_range_start(&range);
	tlb_start_vma(pages->tlb, vma);
	walk_page_range(vma->vm_mm, start, end, &pmadv_discard_ops, pages);
	tlb_end_vma(pages->tlb, vma);
	mmu_notifier_invalidate_range_end(&range);
}
