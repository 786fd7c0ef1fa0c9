/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _LINUX_RSEQ_SLICE_TYPES_H
#define _LINUX_RSEQ_SLICE_TYPES_H

#include <linux/ktime.h>
#include <linux/types.h>

/**
 * enum rseq_slice_refusal - Why a request was answered with a reschedule
 * @RSEQ_SLICE_MAY_GRANT:	no objection
 * @RSEQ_SLICE_NO_WORK:		other work than rescheduling is due before user mode
 * @RSEQ_SLICE_NO_CLASS:	a task of a class above CFS is queued on this CPU
 * @RSEQ_SLICE_NO_CORE:	core scheduling has another decision for this CPU
 * @RSEQ_SLICE_NO_RUNTIME:	the CPU bandwidth of the task's group is used up
 * @RSEQ_SLICE_NO_TIMER:	no high resolution timer could end the grant
 * @RSEQ_SLICE_NO_MEMORY:	slice_ctrl cannot be accessed without a page fault
 * @RSEQ_SLICE_NO_AGAIN:	a grant was already given since the last schedule()
 * @RSEQ_SLICE_NR_REFUSALS:	number of the above
 */
enum rseq_slice_refusal {
	RSEQ_SLICE_MAY_GRANT,
	RSEQ_SLICE_NO_WORK,
	RSEQ_SLICE_NO_CLASS,
	RSEQ_SLICE_NO_CORE,
	RSEQ_SLICE_NO_RUNTIME,
	RSEQ_SLICE_NO_TIMER,
	RSEQ_SLICE_NO_MEMORY,
	RSEQ_SLICE_NO_AGAIN,
	RSEQ_SLICE_NR_REFUSALS,
};

/**
 * enum rseq_slice_end - What ended a grant
 * @RSEQ_SLICE_YIELDED:		rseq_slice_yield(2)
 * @RSEQ_SLICE_ABORTED:		any other system call
 * @RSEQ_SLICE_EXPIRED:		the grant's own timer
 * @RSEQ_SLICE_REVOKED:		a later reschedule, seen on the way to user mode
 * @RSEQ_SLICE_SWITCHED:	the task was switched out in the kernel
 * @RSEQ_SLICE_DROPPED:		work on the way to user mode, such as a membarrier
 * @RSEQ_SLICE_NR_ENDS:		number of the above
 */
enum rseq_slice_end {
	RSEQ_SLICE_YIELDED,
	RSEQ_SLICE_ABORTED,
	RSEQ_SLICE_EXPIRED,
	RSEQ_SLICE_REVOKED,
	RSEQ_SLICE_SWITCHED,
	RSEQ_SLICE_DROPPED,
	RSEQ_SLICE_NR_ENDS,
};

#ifdef CONFIG_RSEQ_SLICE_EXTENSION

/**
 * struct rseq_area_ids - The identifiers that the kernel last wrote to user memory
 * @cpu_id:	CPU number, or RSEQ_CPU_ID_UNINITIALIZED
 * @node_id:	NUMA node of that CPU
 * @mm_cid:	concurrency id, unique among the running threads of the address space
 */
struct rseq_area_ids {
	u32		cpu_id;
	u32		node_id;
	u32		mm_cid;
};

/**
 * struct rseq_slice - Extended rseq state of a task
 * @held:		what the context switch takes from the task
 * @held.granted:	a grant is live
 * @held.cid:		@cid is taken in the bitmap of the task's mm
 * @held.any:		both at once: does the context switch have work to do?
 * @enabled:		the task asked for slice extensions (prctl or DEFAULT_ON)
 * @outdated:		identifiers in user memory may not be the right ones
 * @resume:		both at once: does the way to user mode have work to do?
 * @kept:		@cid is taken, and stays so while the task does not run
 * @yielded:		the rseq_slice_yield(2) being entered ended a live grant
 * @stale:		the slice_ctrl word of the task must be zeroed before user mode
 * @overdue:		the timer of the live grant has fired
 * @len:		length of the registered area in bytes; 0 without a registration
 * @cid:		concurrency id, valid while @held.cid or @kept
 * @ids:		identifiers in user memory, as the kernel wrote them last
 * @start:		when the live grant was given (CLOCK_MONOTONIC)
 * @grants:		number of grants
 * @refusals:		number of requests refused
 * @ends:		number of grants by what ended them
 * @used:		time spent under grants, in nanoseconds
 *
 * See kernel/rseq_slice.c for who writes which of these, and when.
 */
struct rseq_slice {
	union {
		struct {
			u8	granted;
			u8	cid;
		};
		u16		any;
	} held;
	union {
		struct {
			u8	enabled;
			u8	outdated;
		};
		u16		resume;
	};
	u8			kept;
	u8			yielded;
	u8			stale;
	u8			overdue;
	u32			len;
	u32			cid;
	struct rseq_area_ids	ids;
	ktime_t			start;
	u64			grants;
	u64			refusals;
	u64			ends[RSEQ_SLICE_NR_ENDS];
	u64			used;
};

#endif /* CONFIG_RSEQ_SLICE_EXTENSION */
#endif /* _LINUX_RSEQ_SLICE_TYPES_H */
