// SPDX-License-Identifier: GPL-2.0
/*
 * MADV_COLLAPSE: put anonymous memory into huge pages now, and say what came of
 * it.
 *
 *			Model
 *
 * A range of one VMA is worked slot by slot: a slot is an aligned stretch of
 * HPAGE_PMD_SIZE that lies in the range as a whole. What the range has of other
 * slots is left as it is. A slot is in one of these states:
 *
 *	HUGE	a huge page is mapped already, the huge zero page included
 *	SMALL	there is a page table; each of its entries is a page, a swap
 *		entry, or empty
 *	EMPTY	there is no page table
 *
 * SMALL becomes HUGE, or nothing changes and a reason is returned:
 *
 *	  read	   none	    read	  write		read
 *	 ------- ------- ----------- ----------------- ------
 *	  look -> alloc -> swap in -> unmap, isolate, -> next
 *		    copy, map
 *
 * The upper line is how the mmap_lock is held. It is released between any two
 * columns, thus the target can change its mappings, and each time it is taken
 * again the VMA is looked up by address and judged anew. pmadv_take() checks the
 * cookie, too. The last look, under the lock for writing and with the page table
 * unmapped, is the one that counts; the first one only saves the work that
 * would be in vain. What makes the huge page is khugepaged's own
 * collapse_huge_page_locked().
 *
 *			Whose wish
 *
 * The caller asks for huge pages, so neither the sysfs settings nor the limits
 * of khugepaged (empty entries, swap entries, shared pages, use) are asked. What
 * the target has said holds: MADV_NOHUGEPAGE and PR_SET_THP_DISABLE, and missing
 * pages that a userfaultfd monitor wants to hear of.
 *
 *			Results
 *
 * The error of a range is that of the last slot that failed. A slot without a
 * page table or with a page that is busy does not end the range; lack of memory
 * and everything that will be no better in the next slot does.
 *
 *	ENOMEM	no huge page is free
 *	EBUSY	the memory cgroup is full, or userfaultfd watches an empty entry
 *	EAGAIN	a page is locked, pinned, or not on the LRU
 *	EINVAL	this memory cannot be in huge pages, now or at all
 *
 * A page is not on the LRU, or has a reference too many, while some CPU has it
 * in a pagevec. The pagevecs of all CPUs are drained when that is met, once a
 * range and with the lock released, not in advance.
 *
 *			Promised, not promised
 *
 * What the target stores meanwhile is in the huge page: the page table is
 * unmapped while pages are copied. Soft-dirty bits are not lost: the huge page
 * is soft-dirty as a whole. The huge page may be split again the moment after.
 */
#include <linux/khugepaged.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/rmap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/topology.h>
#include <linux/userfaultfd_k.h>
#include <linux/vmstat.h>

#include <trace/events/huge_memory.h>

#include "internal.h"
#include "process_madvise.h"

/**
 * struct collapse - a range of one VMA
 * @pm: the call, which has the mmap_lock
 * @mm: its target
 * @end: end of the range; moves down with the end of the VMA
 * @drained: the pagevecs of all CPUs have been drained
 * @made: huge pages that were made
 * @swapped: swap entries in the slot
 * @load: pages in the slot, by node
 *
 * Functions that return an int return a &enum scan_result, or a negative error
 * number when the mmap_lock was released and could not be taken again.
 */
struct collapse {
	struct pmadv *pm;
	struct mm_struct *mm;
	unsigned long end;
	bool drained;
	unsigned int made;
	unsigned int swapped;
	unsigned short load[];
};

bool pmadv_can_collapse(struct vm_area_struct *vma)
{
	return has_transparent_hugepage() &&
	       transhuge_vma_enabled(vma, vma->vm_flags) &&
	       !(vma->vm_flags & VM_NO_KHUGEPAGED) &&
	       vma_is_anonymous(vma) && vma->anon_vma &&
	       !vma_is_temporary_stack(vma) &&
	       round_up(vma->vm_start, HPAGE_PMD_SIZE) <
	       round_down(vma->vm_end, HPAGE_PMD_SIZE);
}

static int collapse_errno(int result)
{
	switch (result) {
	case SCAN_ALLOC_HUGE_PAGE_FAIL:
		return -ENOMEM;
	case SCAN_CGROUP_CHARGE_FAIL:
	case SCAN_EXCEED_NONE_PTE:
		return -EBUSY;
	case SCAN_PAGE_COUNT:
	case SCAN_PAGE_LOCK:
	case SCAN_PAGE_LRU:
	case SCAN_DEL_PAGE_LRU:
		return -EAGAIN;
	default:
		return -EINVAL;
	}
}

/* May the next slot fare better? */
static bool collapse_goes_on(int result)
{
	switch (result) {
	case SCAN_SUCCEED:
	case SCAN_PMD_NULL:
	case SCAN_PTE_NON_PRESENT:
	case SCAN_PTE_UFFD_WP:
	case SCAN_PAGE_NULL:
	case SCAN_PAGE_COUNT:
	case SCAN_PAGE_LOCK:
	case SCAN_PAGE_LRU:
	case SCAN_DEL_PAGE_LRU:
		return true;
	default:
		return false;
	}
}

/*
 * After the lock was released: the VMA that has the slot, or NULL if there is
 * none any more that can have a huge page there.
 */
static struct vm_area_struct *collapse_find_vma(struct collapse *c,
						unsigned long addr)
{
	struct vm_area_struct *vma = find_vma(c->mm, addr);

	if (!vma || vma->vm_start > addr ||
	    vma->vm_end < addr + HPAGE_PMD_SIZE || !pmadv_can_collapse(vma))
		return NULL;
	c->end = min(c->end, vma->vm_end);
	return vma;
}

/*
 * The entry of a slot that is SMALL, else NULL with the reason in *result:
 * SCAN_SUCCEED if it is HUGE, SCAN_PMD_NULL if it is EMPTY. A huge page that is
 * on its way from one place to another is one.
 */
static pmd_t *collapse_find_pmd(struct mm_struct *mm, unsigned long addr,
				int *result)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd, now;

	*result = SCAN_PMD_NULL;
	if (!pgd_present(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	if (!p4d_present(*p4d))
		return NULL;
	pud = pud_offset(p4d, addr);
	if (!pud_present(*pud))
		return NULL;
	pmd = pmd_offset(pud, addr);
	now = pmd_read_atomic(pmd);
	barrier();
	if (pmd_none(now))
		return NULL;
	*result = SCAN_SUCCEED;
	if (pmd_trans_huge(now) || is_pmd_migration_entry(now))
		return NULL;
	*result = SCAN_PMD_NULL;
	if (!pmd_present(now) || pmd_bad(now))
		return NULL;
	return pmd;
}

/* What stands against a page? Counts it for its node. */
static int collapse_look_at_page(struct collapse *c, struct page *page)
{
	page = compound_head(page);
	if (!PageAnon(page))
		return SCAN_PAGE_ANON;
	c->load[page_to_nid(page)]++;
	if (!PageLRU(page))
		return SCAN_PAGE_LRU;
	if (PageLocked(page))
		return SCAN_PAGE_LOCK;
	return is_refcount_suitable(page) ? SCAN_SUCCEED : SCAN_PAGE_COUNT;
}

static int collapse_look_at_entry(struct collapse *c,
				  struct vm_area_struct *vma,
				  unsigned long addr, pte_t pte)
{
	struct page *page;

	if (pte_none(pte) || (pte_present(pte) && is_zero_pfn(pte_pfn(pte))))
		return userfaultfd_armed(vma) ? SCAN_EXCEED_NONE_PTE :
						SCAN_SUCCEED;
	if (!pte_present(pte)) {
		c->swapped++;
		return pte_swp_uffd_wp(pte) ? SCAN_PTE_UFFD_WP : SCAN_SUCCEED;
	}
	if (pte_uffd_wp(pte))
		return SCAN_PTE_UFFD_WP;
	page = vm_normal_page(vma, addr, pte);
	return page ? collapse_look_at_page(c, page) : SCAN_PAGE_NULL;
}

/* Would the administrator rather not have these two nodes in one page? */
static bool collapse_too_far(struct collapse *c)
{
	int a, b;

	if (!node_reclaim_mode)
		return false;
	for_each_online_node(a) {
		for_each_online_node(b) {
			if (c->load[a] && c->load[b] &&
			    node_distance(a, b) > node_reclaim_distance)
				return true;
		}
	}
	return false;
}

/* First column: is there anything against the slot? mmap_lock for reading. */
static int collapse_look(struct collapse *c, struct vm_area_struct *vma,
			 pmd_t *pmd, unsigned long addr)
{
	unsigned long end = addr + HPAGE_PMD_SIZE;
	int result = SCAN_SUCCEED;
	pte_t *first, *pte;
	spinlock_t *ptl;

	c->swapped = 0;
	memset(c->load, 0, nr_node_ids * sizeof(c->load[0]));
	first = pte_offset_map_lock(c->mm, pmd, addr, &ptl);
	for (pte = first; addr < end && result == SCAN_SUCCEED;
	     pte++, addr += PAGE_SIZE)
		result = collapse_look_at_entry(c, vma, addr, *pte);
	pte_unmap_unlock(first, ptl);

	if (result == SCAN_SUCCEED && collapse_too_far(c))
		result = SCAN_SCAN_ABORT;
	return result;
}

/* Second column: a huge page on the node, or nodes, that most pages are on. */
static struct page *collapse_alloc(struct collapse *c, int *result)
{
	nodemask_t nodes = NODE_MASK_NONE;
	unsigned short most = 0;
	struct page *page;
	int nid;

	for_each_online_node(nid)
		most = max(most, c->load[nid]);
	for_each_online_node(nid) {
		if (c->load[nid] == most)
			node_set(nid, nodes);
	}

	*result = SCAN_ALLOC_HUGE_PAGE_FAIL;
	page = __alloc_pages_nodemask(GFP_TRANSHUGE, HPAGE_PMD_ORDER,
				      first_node(nodes), &nodes);
	if (!page) {
		count_vm_event(THP_COLLAPSE_ALLOC_FAILED);
		return NULL;
	}
	prep_transhuge_page(page);
	count_vm_event(THP_COLLAPSE_ALLOC);

	*result = SCAN_CGROUP_CHARGE_FAIL;
	if (mem_cgroup_charge(page, c->mm, GFP_TRANSHUGE)) {
		put_page(page);
		return NULL;
	}
	count_memcg_page_event(page, THP_COLLAPSE_ALLOC);
	return page;
}

/*
 * Third column: bring back what is in swap, under the mmap_lock for reading. To
 * wait for a page the lock is released, once for each entry.
 */
static int collapse_swap_in(struct collapse *c, struct vm_area_struct *vma,
			    unsigned long addr)
{
	unsigned long at = addr, end = addr + HPAGE_PMD_SIZE, waited = 0;
	struct vm_fault vmf = { .vma = vma };
	vm_fault_t ret;
	int result;

	vmf.pmd = collapse_find_pmd(c->mm, addr, &result);
	while (vmf.pmd && at < end) {
		vmf.pte = pte_offset_map(vmf.pmd, at);
		vmf.orig_pte = *vmf.pte;
		if (!is_swap_pte(vmf.orig_pte)) {
			pte_unmap(vmf.pte);
			at += PAGE_SIZE;
			continue;
		}

		vmf.address = at;
		vmf.pgoff = linear_page_index(vmf.vma, at);
		vmf.flags = FAULT_FLAG_ALLOW_RETRY | FAULT_FLAG_KILLABLE;
		if (waited == at)
			vmf.flags |= FAULT_FLAG_TRIED;
		ret = do_swap_page(&vmf);
		if (ret & VM_FAULT_RETRY) {
			pmadv_lock_lost(c->pm);
			result = pmadv_take(c->pm, PMADV_READ);
			if (result)
				return result;
			vmf.vma = collapse_find_vma(c, addr);
			if (!vmf.vma)
				return SCAN_VMA_CHECK;
			if (waited == at)
				return SCAN_PAGE_LOCK;
			waited = at;
			vmf.pmd = collapse_find_pmd(c->mm, addr, &result);
			continue;
		}
		if (ret & VM_FAULT_ERROR)
			return SCAN_FAIL;
		at += PAGE_SIZE;
	}
	/* Else what has come in has a reference too many. */
	lru_add_drain();
	return vmf.pmd ? SCAN_SUCCEED : result;
}

/*
 * Third and fourth column: fill the page and map it. On SCAN_SUCCEED the slot
 * is HUGE and the reference to the page is used up; somebody else may have been
 * faster, then it is freed.
 */
static int collapse_into(struct collapse *c, unsigned long addr,
			 struct page *page)
{
	struct vm_area_struct *vma;
	int result;
	pmd_t *pmd;

	if (c->swapped) {
		result = pmadv_take(c->pm, PMADV_READ);
		if (result)
			return result;
		vma = collapse_find_vma(c, addr);
		result = vma ? collapse_swap_in(c, vma, addr) : SCAN_VMA_CHECK;
		if (result != SCAN_SUCCEED)
			return result;
		pmadv_unlock(c->pm);
	}

	result = pmadv_take(c->pm, PMADV_WRITE);
	if (result)
		return result;
	vma = collapse_find_vma(c, addr);
	if (!vma)
		return SCAN_VMA_CHECK;
	pmd = collapse_find_pmd(c->mm, addr, &result);
	if (pmd) {
		result = collapse_huge_page_locked(vma, addr, pmd, page, true);
		c->made += result == SCAN_SUCCEED;
	} else if (result == SCAN_SUCCEED) {
		put_page(page);
	}
	return result;
}

/* The columns that follow a look that was good. Comes back with the lock. */
static int collapse_make(struct collapse *c, unsigned long addr)
{
	struct page *page;
	int result, error;

	pmadv_unlock(c->pm);
	page = collapse_alloc(c, &result);
	if (page) {
		result = collapse_into(c, addr, page);
		if (result != SCAN_SUCCEED)
			put_page(page);
		trace_mm_collapse_huge_page(c->mm, result == SCAN_SUCCEED,
					    max(result, 0));
	}
	if (result < 0)
		return result;

	pmadv_unlock(c->pm);
	error = pmadv_take(c->pm, PMADV_READ);
	return error ?: result;
}

/* One slot. mmap_lock for reading, before and after. */
static int collapse_slot(struct collapse *c, unsigned long addr)
{
	struct vm_area_struct *vma;
	int result, error;
	pmd_t *pmd;

	for (;;) {
		vma = collapse_find_vma(c, addr);
		if (!vma)
			return SCAN_VMA_CHECK;
		pmd = collapse_find_pmd(c->mm, addr, &result);
		if (!pmd)
			return result;
		result = collapse_look(c, vma, pmd, addr);
		if (result == SCAN_SUCCEED)
			return collapse_make(c, addr);
		if (c->drained ||
		    (result != SCAN_PAGE_LRU && result != SCAN_PAGE_COUNT))
			return result;

		pmadv_unlock(c->pm);
		lru_add_drain_all();
		c->drained = true;
		error = pmadv_take(c->pm, PMADV_READ);
		if (error)
			return error;
	}
}

int pmadv_collapse_range(struct pmadv *pm, struct mm_struct *mm,
			 unsigned long start, unsigned long *end, __u64 *pages)
{
	unsigned long addr = round_up(start, HPAGE_PMD_SIZE);
	int result, last = SCAN_SUCCEED, error = 0;
	struct collapse *c;

	if (addr >= round_down(*end, HPAGE_PMD_SIZE))
		return 0;
	c = kzalloc(struct_size(c, load, nr_node_ids), GFP_KERNEL);
	if (!c)
		return -ENOMEM;
	c->pm = pm;
	c->mm = mm;
	c->end = *end;

	lru_add_drain();
	for (; addr + HPAGE_PMD_SIZE <= c->end; addr += HPAGE_PMD_SIZE) {
		error = pmadv_breathe(pm);
		if (error)
			break;
		result = collapse_slot(c, addr);
		if (result < 0) {
			error = result;
			break;
		}
		if (result != SCAN_SUCCEED)
			last = result;
		if (!collapse_goes_on(result))
			break;
	}
	*end = c->end;
	*pages += c->made * HPAGE_PMD_NR;
	kfree(c);

	if (error || last == SCAN_SUCCEED)
		return error;
	return collapse_errno(last);
}
