/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_TASK_ISOLATION_H
#define _UAPI_LINUX_TASK_ISOLATION_H

/*
 * Task isolation: what a thread asks for by prctl(2), and what it is told.
 *
 *	prctl(PR_ISOL_GET, WHAT, 0, 0, 0)		returns the value
 *	prctl(PR_ISOL_SET, WHAT, value, 0, 0)		replaces it
 *	prctl(PR_ISOL_ENABLE, features, 0, 0, 0)	replaces ISOL_FEATURES
 *
 * PR_ISOL_NOTIFY and PR_ISOL_BREAKS take more, see there. Arguments that are
 * not used must be zero. See Documentation/userspace-api/task_isolation.rst.
 */

#include <linux/types.h>

#define PR_ISOL_GET			0x49534f01
#define PR_ISOL_SET			0x49534f02
#define PR_ISOL_ENABLE			0x49534f03

/* WHAT. Those that PR_ISOL_SET does not take are marked with (GET). */
#define ISOL_SUP_FEATURES		1	/* (GET) features of this boot */
#define ISOL_FEATURES			2	/* ISOL_F_QUIESCE_ON_URET ... */
#define PR_ISOL_SUP_QUIESCE_CFG		3	/* (GET) actions of this boot */
#define PR_ISOL_QUIESCE_CFG		4	/* ISOL_F_QUIESCE_VMSTAT_SYNC ... */
#define PR_ISOL_SUP_BLOCK_CFG		5	/* (GET) classes of this boot */
#define PR_ISOL_BLOCK_CFG		6	/* ISOL_F_BLOCK_HOTPLUG ... */
#define PR_ISOL_INHERIT_CFG		7	/* ISOL_INHERIT_THREADS ... */
#define PR_ISOL_NOTIFY			8	/* ISOL_NOTIFY_NONE ... */
#define PR_ISOL_BREAKS			9	/* (GET) struct isol_breaks */
#define PR_ISOL_TICK			10	/* (GET) ISOL_TICK_POSIX_TIMER ... */

/* Features: what happens at all. */
#define ISOL_F_QUIESCE_ON_URET		(1 << 0)
#define ISOL_F_BLOCK_INTERRUPTORS	(1 << 1)

/*
 * Actions. The first two are done before each return to user mode. The others are
 * put off by other CPUs, which would interrupt user mode for them, and done on the
 * next way into the kernel.
 */
#define ISOL_F_QUIESCE_VMSTAT_SYNC	(1 << 0)	/* fold VM counters */
#define ISOL_F_QUIESCE_NOHZ_FULL	(1 << 1)	/* stop the tick */
#define ISOL_F_QUIESCE_DEFER_TLB_FLUSH	(1 << 2)	/* flush kernel mappings */
#define ISOL_F_QUIESCE_DEFER_TEXT_SYNC	(1 << 3)	/* notice patched kernel code */

/* Classes of operations that others are refused, with EBUSY. */
#define ISOL_F_BLOCK_HOTPLUG		(1 << 0)	/* CPUs go and come */
#define ISOL_F_BLOCK_STOP_MACHINE	(1 << 1)	/* clocksource, MTRR, microcode */
#define ISOL_F_BLOCK_PERF		(1 << 2)	/* events of the CPU or thread */
#define ISOL_F_BLOCK_MSR		(1 << 3)	/* MSR and CPUID devices of the CPU */
#define ISOL_F_BLOCK_WORK		(1 << 4)	/* work on each CPU */
#define ISOL_F_BLOCK_AFFINITY		(1 << 5)	/* where the thread may run */

/* Who gets a copy of all this: new threads, new processes. */
#define ISOL_INHERIT_THREADS		(1 << 0)
#define ISOL_INHERIT_FORK		(1 << 1)

/*
 * How a thread tells that its isolation was broken, with arg3 and arg4:
 *	ISOL_NOTIFY_NONE, 0		not at all
 *	ISOL_NOTIFY_SIGNAL, number	a signal to itself, before user mode
 *	ISOL_NOTIFY_EVENTFD, fd		adds 1 to an eventfd
 * PR_ISOL_GET returns which of these it is.
 */
#define ISOL_NOTIFY_NONE		0
#define ISOL_NOTIFY_SIGNAL		1
#define ISOL_NOTIFY_EVENTFD		2

/* What needs the tick of this CPU; 0: nothing. */
#define ISOL_TICK_POSIX_TIMER		(1 << 0)	/* a POSIX CPU timer */
#define ISOL_TICK_PERF_EVENTS		(1 << 1)	/* a perf event */
#define ISOL_TICK_SCHED			(1 << 2)	/* more tasks than one */
#define ISOL_TICK_CLOCK_UNSTABLE	(1 << 3)	/* the TSC is not trusted */
#define ISOL_TICK_RCU			(1 << 4)	/* a grace period */
#define ISOL_TICK_RCU_EXP		(1 << 5)	/* an expedited one */
#define ISOL_TICK_NOT_FULL		(1 << 16)	/* CPU is not in nohz_full= */

/*
 * Reasons of an interruption: what happened between the moment when it took
 * the CPU from user mode, and the return. Several may apply to one.
 */
enum isol_reason {
	ISOL_BREAK_TIMER,	/* local timer */
	ISOL_BREAK_RESCHED,	/* reschedule interrupt */
	ISOL_BREAK_CALL,	/* function call of another CPU */
	ISOL_BREAK_TLB,		/* such a call, to flush the TLB of user memory */
	ISOL_BREAK_IRQ_WORK,	/* irq work */
	ISOL_BREAK_DEVICE,	/* device */
	ISOL_BREAK_NMI,		/* NMI; its length is not known */
	ISOL_BREAK_FAULT,	/* page fault */
	ISOL_BREAK_SWITCH,	/* another task ran here */
	ISOL_BREAK_MIGRATE,	/* came back on another CPU */
	ISOL_BREAK_OTHER,	/* none of these: exceptions, rare vectors */
	ISOL_NR_REASONS,
};

/* Room for reasons to come. */
#define ISOL_MAX_REASONS		16

/* hist[i] counts lengths below 2^(10 + i) ns; the last one all others. */
#define ISOL_NR_LENGTHS			16

/**
 * struct isol_breaks - Interruptions of a thread while it quiesces
 * @size:	what the kernel knows of this struct, in bytes
 * @last_reasons: bit 1 << reason, of the last one
 * @count:	how many, of all reasons; system calls are none
 * @syscalls:	how many system calls returned
 * @total_ns:	sum of their lengths
 * @longest_ns:	longest one
 * @reasons:	how many of each enum isol_reason
 * @hist:	how many of which length
 *
 * Filled in by prctl(PR_ISOL_GET, PR_ISOL_BREAKS, struct, size, 0), up to the
 * size given, which is ISOL_BREAKS_SIZE_VER0 or more. What the kernel does not
 * know becomes zero.
 */
struct isol_breaks {
	__u32	size;
	__u32	last_reasons;
	__u64	count;
	__u64	syscalls;
	__u64	total_ns;
	__u64	longest_ns;
	__u64	reasons[ISOL_MAX_REASONS];
	__u64	hist[ISOL_NR_LENGTHS];
};

#define ISOL_BREAKS_SIZE_VER0		296

#endif /* _UAPI_LINUX_TASK_ISOLATION_H */
