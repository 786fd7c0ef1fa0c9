/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _ASM_X86_TASK_ISOLATION_H
#define _ASM_X86_TASK_ISOLATION_H

/*
 * Task isolation on x86: the bit that takes a task out of the fast return to
 * user mode, and the interrupt counts of a CPU by what they mean to such a task.
 *
 * The bit is not in <asm/thread_info.h>, which leaves 26 free, as nearly every
 * file depends on that header and only a handful on this bit.
 */

#include <linux/bits.h>
#include <linux/hardirq.h>
#include <uapi/linux/task_isolation.h>

#define TIF_ISOLATION		26	/* quiesce on the way to user mode */
#define _TIF_ISOLATION		BIT(TIF_ISOLATION)

/* arch/x86/mm/task_isolation.c */
bool arch_isolation_catches_up(void);

/**
 * arch_isolation_irqs - Read the counts of the interrupts with a reason of their own
 * @counts:	one of each reason; those without such an interrupt are left alone
 *
 * Context: interrupts off.
 */
static inline void arch_isolation_irqs(unsigned int *counts)
{
	counts[ISOL_BREAK_TIMER] = __this_cpu_read(irq_stat.apic_timer_irqs);
	counts[ISOL_BREAK_RESCHED] = __this_cpu_read(irq_stat.irq_resched_count);
	counts[ISOL_BREAK_CALL] = __this_cpu_read(irq_stat.irq_call_count);
	counts[ISOL_BREAK_TLB] = __this_cpu_read(irq_stat.irq_tlb_count);
	counts[ISOL_BREAK_IRQ_WORK] = __this_cpu_read(irq_stat.apic_irq_work_irqs);
}

#endif /* _ASM_X86_TASK_ISOLATION_H */
