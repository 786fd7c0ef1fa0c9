// SPDX-License-Identifier: GPL-2.0
/*
 * One process, from its maps to the last call.
 *
 * The PID in /proc could be that of another process by the time the maps are
 * read. It is not, if a call with the pidfd that comes after them works: the
 * process cannot have been reaped then. With a cookie this is so before
 * anything is advised; without one the worst outcome is lost time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pmadvise.h"

#define VECTOR		1024
#define CALL_BYTES	(128UL << 20)

/* A process that changes its maps all the time gets this many rounds in vain. */
#define PATIENCE	100

/* The next call: as many ranges as fit. */
static size_t choose(const struct ranges *ranges, size_t from,
		     unsigned long most, unsigned long *bytes)
{
	size_t n;

	*bytes = 0;
	for (n = 0; n < VECTOR && from + n < ranges->count; n++) {
		if (n && (*bytes >= CALL_BYTES || *bytes >= most))
			break;
		*bytes += ranges->vec[from + n].iov_len;
	}
	return n;
}

static unsigned long handled(const struct pmadv_stat *stat)
{
	return stat->bytes_seen + stat->bytes_skipped + stat->bytes_unmapped;
}

/* Move over what was dealt with, which may end within a range. */
static size_t step(struct ranges *ranges, size_t from, unsigned long bytes,
		   struct target *target)
{
	while (from < ranges->count && bytes) {
		struct iovec *vec = &ranges->vec[from];
		unsigned long part = bytes < vec->iov_len ? bytes : vec->iov_len;

		vec->iov_base = (char *)vec->iov_base + part;
		vec->iov_len -= part;
		bytes -= part;
		target->cursor = (unsigned long)vec->iov_base;
		from += !vec->iov_len;
	}
	return from;
}

static void count(struct tally *tally, const struct pmadv_stat *stat)
{
	struct tally one = { .stat = *stat, .counted = true };

	one.advised = stat->bytes_seen;
	one.refused = stat->bytes_skipped;
	report_add(tally, &one);
}

/* What counts against the limit: pages worked on, where that is known. */
static unsigned long worked(const struct tally *tally)
{
	if (tally->counted)
		return tally->stat.pages_done * sysconf(_SC_PAGESIZE);
	return tally->advised;
}

/*
 * One call, and how many bytes it has dealt with; or a negative error number.
 * Without counters a call ends at the first range that fails: step over it.
 */
static long advise_some(const struct target *target, const struct plan *plan,
			const struct ranges *ranges, size_t from, size_t n,
			struct pmadv_cookie *cookie, struct tally *tally)
{
	struct pmadv_stat stat = { .cookie = *cookie };
	const struct iovec *vec = &ranges->vec[from];
	long ret;

	ret = kernel_advise(target, vec, n, plan, &stat);
	tally->calls++;
	if (kernel_has_cookies()) {
		count(tally, &stat);
		return ret < 0 && !handled(&stat) ? ret : (long)handled(&stat);
	}

	if (ret == -EINVAL || ret == -ENOMEM || ret == -EAGAIN || ret == -EBUSY) {
		tally->refused += vec->iov_len;
		return vec->iov_len;
	}
	if (ret > 0)
		tally->advised += ret;
	return ret;
}

/* From a cookie to the end, to where it is stale, or to as much as is wanted. */
static int advise_round(struct target *target, const struct plan *plan,
			struct tally *tally, unsigned long *left)
{
	struct pmadv_cookie cookie = {};
	struct ranges ranges = {};
	unsigned long bytes, before, done = 0;
	size_t at = 0, n;
	long ret = 0;

	if (plan->cookies && kernel_has_cookies())
		ret = kernel_cookie(target, &cookie);
	if (!ret)
		ret = maps_read(target, plan, &ranges);
	while (!ret && at < ranges.count && *left) {
		n = choose(&ranges, at, *left, &bytes);
		before = worked(tally);
		ret = advise_some(target, plan, &ranges, at, n, &cookie, tally);
		if (ret < 0)
			break;
		before = worked(tally) - before;
		*left -= before < *left ? before : *left;
		/* Nothing was done, and nothing was wrong: do not turn for ever. */
		if (!ret)
			ret = bytes;
		at = step(&ranges, at, ret, target);
		done += ret;
		ret = 0;
		if (!plan->quiet)
			report_progress(target, done, ranges.bytes);
	}
	free(ranges.vec);
	return ret;
}

int advise_target(struct target *target, const struct plan *plan,
		  struct tally *tally)
{
	unsigned long left = plan->most ?: ~0UL;
	double begin = seconds_now();
	unsigned long cursor;
	int error, vain = 0;

	do {
		cursor = target->cursor;
		error = advise_round(target, plan, tally, &left);
		tally->stale += error == -ESTALE;
		vain = target->cursor == cursor ? vain + 1 : 0;
	} while (error == -ESTALE && vain < PATIENCE);
	/* The end was reached: the next time begins with the first address. */
	if (!error && left)
		target->cursor = 0;
	tally->seconds += seconds_now() - begin;
	report_clear();
	return error;
}

static void explain(const struct target *target, const struct plan *plan,
		    int error)
{
	if (error == -ESTALE)
		say("%d (%s): changes its mappings faster than they can be advised; try again, or --no-cookie",
		    target->pid, target->name);
	else
		kernel_explain(target->pid, target->name, error, plan);
}

int advise_pid(pid_t pid, const struct plan *plan, struct tally *tally)
{
	struct target target;
	int error;

	error = kernel_open(&target, pid);
	if (error) {
		kernel_explain(pid, NULL, error, plan);
		return error;
	}
	error = kernel_probe(&target, plan);
	if (!error && plan->dry_run && kernel_lacks_cookies())
		error = -EOPNOTSUPP;
	if (!error) {
		tally->counted = kernel_has_cookies();
		error = advise_target(&target, plan, tally);
		if (!plan->quiet)
			report_line(&target, plan, tally);
	}
	if (error)
		explain(&target, plan, error);
	kernel_close(&target);
	return error;
}
