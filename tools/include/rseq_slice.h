/* SPDX-License-Identifier: LGPL-2.1 OR MIT */
#ifndef _RSEQ_SLICE_USER_H
#define _RSEQ_SLICE_USER_H

/*
 * rseq time slice extension for programs: ask the kernel not to preempt this
 * thread for a few microseconds while it holds a lock.
 *
 *	struct rseq_slice_area *area = rseq_slice_area();
 *
 *	if (rseq_slice_enable(area) < 0)
 *		area = NULL;			// works, without extensions
 *	...
 *	outer = rseq_slice_begin(area);		// before the lock is taken
 *	lock(); ...; unlock();
 *	rseq_slice_end(area, outer);		// after it is released
 *
 * Each thread has an area of its own and enables the extension for itself.  A
 * NULL area turns all of it into nothing.
 *
 * Ordering.  Only the thread and the kernel on the same CPU touch the word, so a
 * compiler barrier is all that is needed: begin() keeps the critical section
 * behind the store of the request, end() keeps it before the store that takes
 * the request back, and that store before the load of the grant.  An interrupt
 * in between may still grant: then end() sees the grant and gives it back.
 *
 * Nesting.  begin() in a section that asked already, or runs under a grant,
 * leaves the word alone and returns 0; the end() that gets this 0 does nothing.
 * So the outermost section gives the grant back, whoever called it.
 *
 * Contention.  Asking is two stores; being granted costs a timer and a system
 * call, and delays whoever was to run.  It pays when others wait for the lock.
 * rseq_slice_begin_if() asks only then:
 *
 *	outer = rseq_slice_begin_if(area, atomic_load(&lock->waiters));
 *
 * Requires <sys/rseq.h> of glibc 2.35 or newer for rseq_slice_area(); a program
 * that registers its own area passes the address of that.
 */

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef __NR_rseq_slice_yield
#define __NR_rseq_slice_yield		471
#endif

#ifndef PR_RSEQ_SLICE_EXTENSION
#define PR_RSEQ_SLICE_EXTENSION		79
#define PR_RSEQ_SLICE_EXTENSION_GET	1
#define PR_RSEQ_SLICE_EXTENSION_SET	2
#define PR_RSEQ_SLICE_EXT_ENABLE	0x01
#endif

#define RSEQ_SLICE_AVAILABLE		0x10U
#define RSEQ_SLICE_ENABLED		0x20U

/* struct rseq, for programs built with older kernel headers. */
struct rseq_slice_area {
	uint32_t		cpu_id_start;
	uint32_t		cpu_id;
	uint64_t		rseq_cs;
	uint32_t		flags;
	uint32_t		node_id;
	uint32_t		mm_cid;
	union {
		volatile uint32_t	ctrl;
		struct {
			volatile uint8_t	request;
			volatile uint8_t	granted;
			uint16_t		reserved;
		};
	};
};

#define rseq_slice_barrier()	__asm__ __volatile__("" ::: "memory")

extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

/* The area that libc registered for this thread, or NULL when it did not. */
static inline struct rseq_slice_area *rseq_slice_area(void)
{
	if (!&__rseq_size || !__rseq_size)
		return NULL;

	return (struct rseq_slice_area *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

/*
 * Enable the extension for this thread.  Returns 0, or a negative errno: the
 * kernel does not have it (-EINVAL), does not offer it to an area of this size
 * or at all (-EOPNOTSUPP), or the thread has no area (-ENXIO).
 */
static inline int rseq_slice_enable(struct rseq_slice_area *area)
{
	if (!area)
		return -ENXIO;
	if (!(area->flags & RSEQ_SLICE_AVAILABLE))
		return -EOPNOTSUPP;
	if (prctl(PR_RSEQ_SLICE_EXTENSION, PR_RSEQ_SLICE_EXTENSION_SET,
		  PR_RSEQ_SLICE_EXT_ENABLE, 0, 0))
		return errno == 524 ? -EOPNOTSUPP : -errno;
	return 0;
}

/* Begin a critical section; the result is for rseq_slice_end(). */
static inline int rseq_slice_begin(struct rseq_slice_area *area)
{
	if (!area || area->ctrl)
		return 0;

	area->request = 1;
	rseq_slice_barrier();
	return 1;
}

/* The same, but ask only while @contended. */
static inline int rseq_slice_begin_if(struct rseq_slice_area *area, int contended)
{
	return contended ? rseq_slice_begin(area) : 0;
}

/*
 * End a critical section.  Returns 1 when the thread gave a grant back, 0
 * otherwise.
 */
static inline int rseq_slice_end(struct rseq_slice_area *area, int outer)
{
	if (!outer)
		return 0;

	rseq_slice_barrier();
	area->request = 0;
	rseq_slice_barrier();
	if (__builtin_expect(!area->granted, 1))
		return 0;

	return syscall(__NR_rseq_slice_yield) == 1;
}

#endif /* _RSEQ_SLICE_USER_H */
