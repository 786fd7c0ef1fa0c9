// SPDX-License-Identifier: GPL-2.0
/*
 * The log of layout changes: has the mapping of these addresses changed since?
 *
 *			Model
 *
 * A program that looks at the memory of another one and then acts on what it
 * saw wants to know that it acts on the same mappings. It takes a cookie,
 * looks, and hands the cookie in with its request. The log of an address space
 * says for each address when its mapping changed last, and a cookie says when
 * it was taken.
 *
 *	mm->layout_log		NULL, or the log: {id, gen, asked, map}
 *	cookie			{mm_id, gen}
 *
 * Time is counted in generations. gen is that of the newest change, asked that
 * of the newest cookie, and
 *
 *	cookie:	asked = gen;			cookie = {id, gen}
 *	change:	if (asked == gen) gen++;	map[start, end) = gen
 *	check:	stale if mm_id != id or newest(map, start, end) > cookie.gen
 *
 *	L1	A change that follows the taking of a cookie has a newer generation
 *		than the cookie; one that precedes it has not.
 *	L2	Changes between which no cookie was taken have the same generation:
 *		nobody can ask which of them came first, and the map keeps them as
 *		one when they touch.
 *	L3	check never passes what changed since. It may refuse what did not
 *		change, if the map had to fuse entries (mm_layout_map.h).
 *
 *			States
 *
 *	   first mm_layout_get_cookie()
 *	NONE --------------------------> LOGGING
 *	     <--------------------------
 *	   a change, after nobody asked for a while; exit
 *
 * A new mm, be it of fork() or of execve(), is in NONE. Each way into LOGGING
 * takes a new id from a counter of 64 bits: no id is ever used twice, a cookie
 * of an earlier log or of another mm is stale for ever.
 *
 *			Who writes what
 *
 *	mm->layout_log	NONE to LOGGING: holds mmap_lock for reading, and
 *			page_table_lock. LOGGING to NONE: holds mmap_lock for
 *			writing, or is the last user.
 *	the log		holds mmap_lock for writing; or for reading, and log->lock
 *
 * So whoever holds the mmap_lock in either way has a log that stays, and a
 * writer needs no other lock.
 *
 * Changes are made under mmap_lock for writing. Cookies are taken and checked
 * under mmap_lock, at least for reading. A multi-step change can report when it
 * likes, because nobody takes or checks a cookie half-way through.
 *
 * Stack growth alone changes the layout under mmap_lock for reading. It
 * changes first and reports second, both within one critical section of
 * page_table_lock:
 *
 *	growth				taker of the first cookie
 *
 *	lock page_table_lock		lock page_table_lock
 *	write vma->vm_start		write mm->layout_log
 *	read mm->layout_log		unlock
 *	lock log->lock, map = gen	lock log->lock, read gen
 *	unlock, unlock			unlock
 *					look at the VMAs
 *
 * If growth does not see the log, its critical section came first, and the
 * taker of the cookie will see the new vm_start. If it does, and reports before
 * the cookie is taken, likewise. If it reports afterwards, the cookie is stale
 * for the new part, though the taker may have seen it: refused in vain, never
 * passed wrongly.
 *
 *			What it costs
 *
 * In NONE a change costs a load and a branch. In LOGGING it costs a search and
 * a move within one page, and that page. An address space of which nobody took
 * or checked a cookie for sysctl_idle seconds goes back to NONE with its next
 * change.
 */
#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mm_layout.h>
#include <linux/mmap_lock.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/sysctl.h>

#include <uapi/linux/process_madvise.h>

#include "mm_layout_map.h"

/**
 * struct mm_layout_log - the log of one address space
 * @id: never 0, never used for another log
 * @gen: generation of the newest change
 * @asked: generation of the newest cookie
 * @used: jiffies when a cookie was taken or checked last
 * @lock: see the model
 * @map: generation of the newest change by address
 */
struct mm_layout_log {
	u64 id;
	u64 gen;
	u64 asked;
	unsigned long used;
	spinlock_t lock;	/* for who has the mmap_lock for reading */
	struct mm_layout_map map;
};

static atomic64_t mm_layout_last_id;

#define MM_LAYOUT_IDLE_MAX	86400

/* Seconds, see Documentation/userspace-api/process_madvise.rst. */
static int sysctl_idle __read_mostly = 300;

static void mm_layout_record(struct mm_layout_log *log, unsigned long start,
			     unsigned long end)
{
	if (start >= end)
		return;
	if (log->asked == log->gen)
		log->gen++;
	mm_layout_map_record(&log->map, start, end, log->gen);
}

static bool mm_layout_idle(const struct mm_layout_log *log)
{
	return time_after(jiffies, log->used + READ_ONCE(sysctl_idle) * HZ);
}

/* The slow half of mm_layout_changed(). */
void __mm_layout_changed(struct mm_struct *mm, unsigned long start,
			 unsigned long end)
{
	mmap_assert_write_locked(mm);
	if (mm_layout_idle(mm->layout_log))
		__mm_layout_exit(mm);
	else
		mm_layout_record(mm->layout_log, start, end);
}

/* The slow half of mm_layout_grew(). */
void __mm_layout_grew(struct mm_struct *mm, unsigned long start,
		      unsigned long end)
{
	struct mm_layout_log *log = mm->layout_log;

	mmap_assert_locked(mm);
	lockdep_assert_held(&mm->page_table_lock);
	spin_lock(&log->lock);
	mm_layout_record(log, start, end);
	spin_unlock(&log->lock);
}

/* The slow half of mm_layout_exit(). */
void __mm_layout_exit(struct mm_struct *mm)
{
	kfree(mm->layout_log);
	WRITE_ONCE(mm->layout_log, NULL);
}

/*
 * The log of mm. If there is none *fresh becomes the log, and *fresh is NULL
 * then; NULL if there is neither.
 */
static struct mm_layout_log *mm_layout_open(struct mm_struct *mm,
					    struct mm_layout_log **fresh)
{
	struct mm_layout_log *log;

	spin_lock(&mm->page_table_lock);
	log = mm->layout_log;
	if (!log && *fresh) {
		log = *fresh;
		log->id = atomic64_inc_return(&mm_layout_last_id);
		/* Pairs with the dependency on READ_ONCE() in the check. */
		smp_store_release(&mm->layout_log, log);
		*fresh = NULL;
	}
	spin_unlock(&mm->page_table_lock);
	return log;
}

static void mm_layout_take_cookie(struct mm_layout_log *log,
				  struct pmadv_cookie *cookie)
{
	spin_lock(&log->lock);
	log->used = jiffies;
	log->asked = log->gen;
	cookie->mm_id = log->id;
	cookie->gen = log->gen;
	spin_unlock(&log->lock);
}

/**
 * mm_layout_get_cookie() - Take a cookie
 * @mm: the address space, mm_users held
 * @cookie: out: stale for every range that changes from now on
 *
 * Starts the log if there is none. What the caller sees of the layout after
 * the return is not older than the cookie.
 *
 * Context: Process context, sleeps, takes the mmap_lock of @mm.
 * Return: 0, -ENOMEM, or -EINTR if the caller was killed.
 */
int mm_layout_get_cookie(struct mm_struct *mm, struct pmadv_cookie *cookie)
{
	struct mm_layout_log *log, *fresh = NULL;

	BUILD_BUG_ON(sizeof(*log) > PAGE_SIZE);
	do {
		/* A log that goes before we have the lock: look again. */
		if (!fresh && !READ_ONCE(mm->layout_log)) {
			fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
			if (!fresh)
				return -ENOMEM;
			spin_lock_init(&fresh->lock);
		}
		if (mmap_read_lock_killable(mm)) {
			kfree(fresh);
			return -EINTR;
		}
		log = mm_layout_open(mm, &fresh);
		if (log)
			mm_layout_take_cookie(log, cookie);
		mmap_read_unlock(mm);
	} while (!log);

	kfree(fresh);
	return 0;
}

/**
 * mm_layout_check() - Has the layout of a range changed since a cookie?
 * @mm: the address space
 * @cookie: any two numbers; only those that were handed out can pass
 * @start: first byte
 * @end: end of the range
 *
 * The answer holds until the mmap_lock is released, but for the growth of
 * stacks into the range.
 *
 * Context: The mmap_lock of @mm is held, for reading at least. Does not sleep.
 * Return: 0 if no byte of the range was mapped, unmapped, moved or mapped
 *	   otherwise since; else -ESTALE.
 */
int mm_layout_check(struct mm_struct *mm, const struct pmadv_cookie *cookie,
		    unsigned long start, unsigned long end)
{
	struct mm_layout_log *log = READ_ONCE(mm->layout_log);
	bool stale;

	mmap_assert_locked(mm);
	if (!log || log->id != cookie->mm_id)
		return -ESTALE;

	spin_lock(&log->lock);
	log->used = jiffies;
	stale = cookie->gen > log->asked ||
		(cookie->gen < log->gen &&
		 mm_layout_map_newest(&log->map, start, end) > cookie->gen);
	spin_unlock(&log->lock);
	return stale ? -ESTALE : 0;
}

#ifdef CONFIG_SYSCTL
static int mm_layout_idle_max = MM_LAYOUT_IDLE_MAX;

static struct ctl_table mm_layout_sysctls[] = {
	{
		.procname	= "process_madvise_cookie_idle",
		.data		= &sysctl_idle,
		.maxlen		= sizeof(sysctl_idle),
		.mode		= 0644,
		.proc_handler	= proc_dointvec_minmax,
		.extra1		= SYSCTL_ONE,
		.extra2		= &mm_layout_idle_max,
	},
	{ }
};

static int __init mm_layout_sysctl_init(void)
{
	register_sysctl("vm", mm_layout_sysctls);
	return 0;
}
subsys_initcall(mm_layout_sysctl_init);
#endif
