/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Task isolation's part in changes of page attributes. pat/set_memory.c includes
 * this, because the questions asked here are about what only it knows.
 *
 * What may be put off, and why no more, is at the head of kernel/task_isolation_defer.c.
 */

/* Has nothing changed but whether small pages can be written and executed? */
static bool cpa_is_protection(struct cpa_data *cpa)
{
	return !cpa->force_split && !(cpa->flags & CPA_LARGE_CHANGED) &&
	       !((pgprot_val(cpa->mask_set) | pgprot_val(cpa->mask_clr)) &
		 ~(_PAGE_RW | _PAGE_NX));
}

/* Isolated CPUs may flush when they enter the kernel. */
static void cpa_flush_protection(struct cpa_data *cpa)
{
	if (cpa->force_flush_all || cpa->numpages > tlb_single_page_flush_ceiling)
		task_isolation_flush_all();
	else
		task_isolation_flush_cpus(__cpa_flush_tlb, cpa);
}
