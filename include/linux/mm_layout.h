/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the places that change the layout of an address space tell the log of
 * changes, and what process_madvise(2) asks it. The model is in mm/mm_layout.c.
 */
#ifndef _LINUX_MM_LAYOUT_H
#define _LINUX_MM_LAYOUT_H

#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/mm_types.h>

struct pmadv_cookie;

#ifdef CONFIG_PROCESS_MADVISE_COOKIE

void __mm_layout_changed(struct mm_struct *mm, unsigned long start,
			 unsigned long end);
void __mm_layout_grew(struct mm_struct *mm, unsigned long start,
		      unsigned long end);
void __mm_layout_exit(struct mm_struct *mm);

/**
 * mm_layout_init() - A new address space has no log
 * @mm: may be a copy of another one, pointers included
 *
 * Context: Any; nobody else knows @mm yet.
 */
static inline void mm_layout_init(struct mm_struct *mm)
{
	mm->layout_log = NULL;
}

/**
 * mm_layout_exit() - Free the log of an address space
 * @mm: mm_users has become 0
 *
 * Context: Process context.
 */
static inline void mm_layout_exit(struct mm_struct *mm)
{
	if (unlikely(mm->layout_log))
		__mm_layout_exit(mm);
}

/**
 * mm_layout_changed() - The mapping of a range changes
 * @mm: the address space
 * @start: first byte
 * @end: end of the range; an empty range is no change
 *
 * May be called before or after the change, under the same hold of the lock.
 *
 * Context: The mmap_lock of @mm is held for writing. Does not sleep.
 */
static inline void mm_layout_changed(struct mm_struct *mm, unsigned long start,
				     unsigned long end)
{
	if (unlikely(mm->layout_log))
		__mm_layout_changed(mm, start, end);
}

/**
 * mm_layout_moved() - Pages move from one range to another
 * @mm: the address space
 * @old: first byte of the range that they leave
 * @old_len: its length in bytes
 * @new: first byte of the range where they go
 * @new_len: its length in bytes
 *
 * Context: As mm_layout_changed().
 */
static inline void mm_layout_moved(struct mm_struct *mm, unsigned long old,
				   unsigned long old_len, unsigned long new,
				   unsigned long new_len)
{
	mm_layout_changed(mm, old, old + old_len);
	mm_layout_changed(mm, new, new + new_len);
}

/**
 * mm_layout_grew() - A stack has grown
 * @mm: the address space
 * @start: first byte of the new part
 * @end: end of the new part
 *
 * To be called after the change, before its page_table_lock is released.
 *
 * Context: The mmap_lock of @mm is held, for reading at least, and its
 *	    page_table_lock. Does not sleep.
 */
static inline void mm_layout_grew(struct mm_struct *mm, unsigned long start,
				  unsigned long end)
{
	if (unlikely(mm->layout_log))
		__mm_layout_grew(mm, start, end);
}

int mm_layout_get_cookie(struct mm_struct *mm, struct pmadv_cookie *cookie);
int mm_layout_check(struct mm_struct *mm, const struct pmadv_cookie *cookie,
		    unsigned long start, unsigned long end);

#else /* !CONFIG_PROCESS_MADVISE_COOKIE */

static inline void mm_layout_init(struct mm_struct *mm) { }
static inline void mm_layout_exit(struct mm_struct *mm) { }
static inline void mm_layout_changed(struct mm_struct *mm, unsigned long start,
				     unsigned long end) { }
static inline void mm_layout_moved(struct mm_struct *mm, unsigned long old,
				   unsigned long old_len, unsigned long new,
				   unsigned long new_len) { }
static inline void mm_layout_grew(struct mm_struct *mm, unsigned long start,
				  unsigned long end) { }

static inline int mm_layout_get_cookie(struct mm_struct *mm,
				       struct pmadv_cookie *cookie)
{
	return -EINVAL;
}

static inline int mm_layout_check(struct mm_struct *mm,
				  const struct pmadv_cookie *cookie,
				  unsigned long start, unsigned long end)
{
	return -ESTALE;
}

#endif /* CONFIG_PROCESS_MADVISE_COOKIE */

#endif /* _LINUX_MM_LAYOUT_H */
