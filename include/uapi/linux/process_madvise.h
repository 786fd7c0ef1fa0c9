/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * process_madvise(2): flags, the cookie and the statistics.
 *
 * Documentation/userspace-api/process_madvise.rst says what they mean.
 */
#ifndef _UAPI_LINUX_PROCESS_MADVISE_H
#define _UAPI_LINUX_PROCESS_MADVISE_H

#include <linux/types.h>

/*
 * Flags count down from bit 30. Bit 31 and all bits without a name here are
 * refused, and bit 31 always will be.
 */
#define PMADV_GET_COOKIE		(1U << 30) /* write the cookie of now */
#define PMADV_COOKIE			(1U << 29) /* only if nothing changed */
#define PMADV_RANGE			(1U << 28) /* the whole address space */
#define PMADV_SKIP_ERRORS		(1U << 27) /* pass over what fails */
#define PMADV_NO_ERROR_ON_UNMAPPED	(1U << 26) /* holes are no error */
#define PMADV_DRYRUN			(1U << 25) /* look, touch nothing */
#define PMADV_ANON			(1U << 24) /* only memory of no file */
#define PMADV_FILE			(1U << 23) /* only memory of files */
#define PMADV_SOFT_DIRTY		(1U << 22) /* only what is soft-clean */
#define PMADV_STOPPED			(1U << 21) /* only if the target stands */
#define PMADV_STAT			(1U << 20) /* write statistics */

/**
 * struct pmadv_cookie - the layout of an address space at one moment
 * @mm_id: which address space; never 0, never used again
 * @gen: how many changes of the layout had been seen
 *
 * Written by PMADV_GET_COOKIE, read by PMADV_COOKIE. To be handed back as it
 * is; a program may compare two cookies for equality and nothing else.
 */
struct pmadv_cookie {
	__u64 mm_id;
	__u64 gen;
};

/**
 * struct pmadv_stat - what a call with PMADV_STAT did
 * @cookie: the cookie, with PMADV_COOKIE; not looked at without it
 * @size: in: bytes of this structure that the caller has, 16 included
 * @vmas: mappings that the advice was given to
 * @vmas_skipped: mappings that it was not given to: because of a filter or,
 *		  where this is no error, because they cannot have the advice
 * @bytes_seen: bytes of the ranges that belong to @vmas
 * @bytes_skipped: bytes of the ranges that belong to @vmas_skipped
 * @bytes_unmapped: bytes of the ranges where nothing is mapped
 * @pages_seen: pages in memory, of PAGE_SIZE each, in @bytes_seen
 * @pages_eligible: those of @pages_seen that the advice can work on
 * @pages_done: those of @pages_eligible that it worked on; MADV_DONTNEED and
 *		MADV_FREE work on all of them
 * @pages_reclaimed: with MADV_PAGEOUT: those of @pages_done that left the memory
 * @pages_shared: not eligible: mapped more than once, or merged by KSM
 * @pages_busy: not eligible: isolated, or pinned for I/O
 * @pages_dirty: not eligible: written since, with PMADV_SOFT_DIRTY
 * @pages_refused: not eligible: page cache that the caller may not write, or,
 *		   with PMADV_SOFT_DIRTY, any page cache
 * @first_error: error number (positive) of the first range or mapping that
 *		 failed, 0 if none did
 * @first_error_addr: address where it failed
 *
 * All that follows @size is written by the kernel. New members come at the
 * end: a kernel that does not know them writes 0. With MADV_WILLNEED no pages
 * are counted, and with MADV_COLLAPSE only @pages_done: those in huge pages that
 * were made.
 */
struct pmadv_stat {
	struct pmadv_cookie cookie;
	__u64 size;
	__u64 vmas;
	__u64 vmas_skipped;
	__u64 bytes_seen;
	__u64 bytes_skipped;
	__u64 bytes_unmapped;
	__u64 pages_seen;
	__u64 pages_eligible;
	__u64 pages_done;
	__u64 pages_reclaimed;
	__u64 pages_shared;
	__u64 pages_busy;
	__u64 pages_dirty;
	__u64 pages_refused;
	__u64 first_error;
	__u64 first_error_addr;
};

/* sizeof(struct pmadv_stat) when it was first published; the smallest size. */
#define PMADV_STAT_SIZE_VER0		144

#endif /* _UAPI_LINUX_PROCESS_MADVISE_H */
