/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pmadvise: tell the kernel what to do with the memory of processes.
 *
 *	pmadvise.c	options, and what to do with them
 *	maps.c		which ranges of a process are to be advised
 *	advise.c	one process, from its maps to the last call
 *	kernel.c	system calls: what this kernel can do, and its errors
 *	watch.c		keep a cgroup or some processes under a size
 *	report.c	progress, summary, sizes
 *
 * A process is advised in rounds. A round takes a cookie, reads the maps and
 * makes calls until the whole process is done or the cookie is stale; then a new
 * round begins at the address that was reached. So nothing is advised that was
 * not in the maps when it was advised.
 */
#ifndef _PMADVISE_H
#define _PMADVISE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "../../../include/uapi/linux/process_madvise.h"

#ifndef MADV_COLD
#define MADV_COLD	20
#define MADV_PAGEOUT	21
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define HUGE_PAGE	(2UL << 20)

/**
 * struct plan - what the user wants
 * @advice: MADV_*
 * @anon: only memory of no file
 * @file: only memory of files
 * @dry_run: count only
 * @cookies: use them if the kernel has them
 * @quiet: say nothing but errors
 * @most: bytes to advise at most in each process, 0 for all
 */
struct plan {
	int advice;
	bool anon;
	bool file;
	bool dry_run;
	bool cookies;
	bool quiet;
	unsigned long most;
};

/**
 * struct tally - what was done
 * @stat: the kernel's counters, summed up, where it has them
 * @counted: it has them
 * @advised: bytes of the ranges that were advised
 * @refused: bytes that the advice was not possible for
 * @calls: system calls
 * @stale: rounds that ended early, because the process had changed its maps
 * @seconds: time it took
 */
struct tally {
	struct pmadv_stat stat;
	bool counted;
	unsigned long advised;
	unsigned long refused;
	unsigned long calls;
	unsigned long stale;
	double seconds;
};

/**
 * struct target - a process
 * @pid: its number, which may be another process' by now
 * @pidfd: it
 * @name: what it calls itself
 * @cursor: the address where the next advice begins
 */
struct target {
	pid_t pid;
	int pidfd;
	char name[32];
	unsigned long cursor;
};

/* maps.c: ranges from an address on, in the order of addresses; free() vec. */
struct ranges {
	struct iovec *vec;
	size_t count;
	unsigned long bytes;
};

int maps_read(const struct target *target, const struct plan *plan,
	      struct ranges *ranges);
bool maps_is_file(const char *perms, unsigned long inode);

/* kernel.c: 0 or bytes, or a negative error number. */
int kernel_open(struct target *target, pid_t pid);
void kernel_close(struct target *target);
int kernel_probe(const struct target *target, const struct plan *plan);
bool kernel_has_cookies(void);
bool kernel_lacks_cookies(void);
int kernel_cookie(const struct target *target, struct pmadv_cookie *cookie);
long kernel_advise(const struct target *target, const struct iovec *vec,
		   size_t count, const struct plan *plan,
		   struct pmadv_stat *stat);
void kernel_explain(pid_t pid, const char *name, int error,
		    const struct plan *plan);

/* advise.c: 0, or a negative error number that has been told. */
int advise_pid(pid_t pid, const struct plan *plan, struct tally *tally);
int advise_target(struct target *target, const struct plan *plan,
		  struct tally *tally);

/* watch.c */
struct watch {
	const char *cgroup;
	const pid_t *pids;
	size_t count;
	unsigned long size;
	unsigned long interval_ms;
	unsigned long stall_ms;
	unsigned long window_ms;
};

int watch_run(const struct watch *watch, const struct plan *plan,
	      struct tally *tally);

/* report.c */
double seconds_now(void);
bool parse_size(const char *text, unsigned long *bytes);
const char *size_text(unsigned long bytes, char *text, size_t room);
const char *advice_name(int advice);
void report_progress(const struct target *target, unsigned long done,
		     unsigned long all);
void report_clear(void);
void report_add(struct tally *sum, const struct tally *one);
void report_line(const struct target *target, const struct plan *plan,
		 const struct tally *tally);
void report_sum(const struct plan *plan, const struct tally *tally,
		size_t processes);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* _PMADVISE_H */
