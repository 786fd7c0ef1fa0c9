// SPDX-License-Identifier: GPL-2.0
/*
 * Task isolation on x86: catching up with what other CPUs put off.
 *
 * The model is at the head of kernel/task_isolation_defer.c.
 *
 * Catching up runs on the way into the kernel, before anything that might be traced
 * or patched, or that might use a mapping that changed.  So it calls nothing and
 * depends on no static key: features of the processor are alternatives, which boot
 * patches in.
 *
 *	TLB	The whole of it: global entries, all address spaces.  INVPCID does it
 *		at once; otherwise a change of CR4.PGE does, and a second one is needed
 *		to have it as it was.  Nobody else writes CR4 meanwhile: interrupts are
 *		off, and an NMI in between that catches up, too, leaves PGE on, after a
 *		change that flushed.
 *	code	A write to CR2 serializes.  The value stays, as the handler of a page
 *		fault may not have read it yet.  Unlike IRET it leaves NMIs blocked;
 *		unlike CPUID it does not exit to a hypervisor.
 *
 * With PTI each address space has entries for the kernel and for user mode, under
 * numbers of their own, and nothing is global.  The above covers them all.
 */

#include <linux/cpufeature.h>
#include <linux/mm.h>
#include <linux/task_isolation.h>
#include <linux/vmstat.h>

#include <asm/invpcid.h>
#include <asm/tlbflush.h>

#include "mm_internal.h"

struct kernel_range {
	unsigned long	start;
	unsigned long	end;
};

/**
 * arch_isolation_catches_up - Can this machine do what is needed?
 *
 * PV guests of Xen can neither write CR4 nor CR2.
 */
bool arch_isolation_catches_up(void)
{
	return boot_cpu_has(X86_FEATURE_PGE) && !boot_cpu_has(X86_FEATURE_XENPV);
}

static __always_inline void flush_all(void)
{
	static const struct { u64 d[2]; } everything;
	unsigned long cr4;

	if (static_cpu_has(X86_FEATURE_INVPCID)) {
		asm volatile("invpcid %[desc], %[type]"
			     :: [desc] "m" (everything),
				[type] "r" ((unsigned long)INVPCID_TYPE_ALL_INCL_GLOBAL)
			     : "memory");
		return;
	}

	cr4 = this_cpu_read(cpu_tlbstate.cr4);
	asm volatile("mov %0, %%cr4" :: "r" (cr4 ^ X86_CR4_PGE) : "memory");
	asm volatile("mov %0, %%cr4" :: "r" (cr4) : "memory");
}

static __always_inline void serialize_in_place(void)
{
	unsigned long cr2;

	asm volatile("mov %%cr2, %0\n\t"
		     "mov %0, %%cr2\n\t"
		     "jmp 1f\n"
		     "1:"
		     : "=r" (cr2) :: "memory");
}

/**
 * task_isolation_catch_up - Do what other CPUs left for this one
 *
 * Context: on the way into the kernel, a moment after RCU began to watch; interrupts
 *	    off, or NMI.
 */
noinstr void task_isolation_catch_up(void)
{
	flush_all();
	serialize_in_place();
}

static void flush_range(void *info)
{
	struct kernel_range *range = info;
	unsigned long addr;

	for (addr = range->start; addr < range->end; addr += PAGE_SIZE)
		flush_tlb_one_kernel(addr);
}

static void flush_everything(void *info)
{
	count_vm_tlb_event(NR_TLB_REMOTE_FLUSH_RECEIVED);
	__flush_tlb_all();
}

/**
 * task_isolation_flush_all - Flush all kernel mappings, now or soon enough
 *
 * Context: as task_isolation_flush_cpus().
 */
void task_isolation_flush_all(void)
{
	count_vm_tlb_event(NR_TLB_REMOTE_FLUSH);
	task_isolation_flush_cpus(flush_everything, NULL);
}

/**
 * task_isolation_flush_kernel_range - Flush unmapped kernel memory, now or soon enough
 * @start:	first address
 * @end:	address behind the last
 *
 * Like flush_tlb_kernel_range(), but CPUs in user mode whose task asked for it flush
 * when they enter the kernel.  For leaves of page tables only, and not for what
 * hardware uses by itself.
 *
 * Context: as task_isolation_flush_cpus().
 */
void task_isolation_flush_kernel_range(unsigned long start, unsigned long end)
{
	struct kernel_range range = { start, end };

	if (!static_branch_unlikely(&task_isolation_used))
		flush_tlb_kernel_range(start, end);
	else if (end == TLB_FLUSH_ALL ||
		 end - start > tlb_single_page_flush_ceiling << PAGE_SHIFT)
		task_isolation_flush_cpus(flush_everything, NULL);
	else
		task_isolation_flush_cpus(flush_range, &range);
}
