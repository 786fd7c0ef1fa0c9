// SPDX-License-Identifier: GPL-2.0
/*
 * VM: icount smp=4
 *
 * What cookies cost the target, and how long they hold; what it feels of advices: madvise-felt.
 *
 * log: instructions for a pair of calls of a process that changes its own layout, with nobody interested (off)
 * and after its cookie was asked for (on): mmap+munmap, brk, mprotect.  SIZE is how many such pairs, as
 * a log that grows would show in it.
 *
 * stale: a target that maps and unmaps elsewhere, all the time, is asked for its cookie and advised with it: how many
 * of 1000 such calls end with ESTALE.  It should be none: what changes is elsewhere.  stale same: it changes
 * a page of the range that is advised.
 *
 * Fair: the same loops in the same program on all kernels; where there are no cookies the rows say so.
 */
#include "../madvise.h"

static void log_cost(bool on, long times)
{
	const char *mode = on ? "on" : "off";
	struct pmadv_cookie cookie;
	struct span span;
	char *area;
	pid_t pid;
	long i;

	/* Each in a process of its own: an interest lasts. */
	pid = child();
	if (pid) {
		reap(pid);
		return;
	}
	pin(quiet_cpu());
	if (on && get_cookie(-10000, &cookie)) {
		none("log mmap", mode, times, "no cookies");
		none("log brk", mode, times, "no cookies");
		none("log mprotect", mode, times, "no cookies");
		_exit(0);
	}
	area = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	span = span_begin();
	for (i = 0; i < times; i++)
		munmap(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), PAGE);
	span_row(span, "log mmap", mode, times, times);
	sbrk(0);
	span = span_begin();
	for (i = 0; i < times; i++) {
		sbrk(PAGE);
		sbrk(-PAGE);
	}
	span_row(span, "log brk", mode, times, times);
	span = span_begin();
	for (i = 0; i < times; i++) {
		mprotect(area + PAGE, PAGE, PROT_READ);
		mprotect(area + PAGE, PAGE, PROT_READ | PROT_WRITE);
	}
	span_row(span, "log mprotect", mode, times, times);
	_exit(0);
}

static void stale(const char *metric, bool same)
{
	long i, times = often(1000), bad = 0, done = 0;
	struct pmadv_cookie cookie;
	struct target target;
	struct iovec range;

	target = make_target(4 * MIB, 1, quiet_cpu());
	if (get_cookie(target.pidfd, &cookie)) {
		none(metric, "cookie", NO_SIZE, "no cookies");
		end_target(&target);
		return;
	}
	order(&target, TOUCH);
	range.iov_base = target.memory;
	range.iov_len = 2 * MIB;
	/* Whatever the target maps is right below what it mapped first. */
	if (same) {
		range.iov_base = target.memory - 16 * PAGE;
		range.iov_len = 16 * PAGE;
	}
	order(&target, MAP);
	for (i = 0; i < times; i++) {
		CHECK(!get_cookie(target.pidfd, &cookie));
		compute(500);
		if (advise(target.pidfd, &range, 1, MADV_COLD, PMADV_COOKIE, &cookie) >= 0)
			done++;
		else if (errno == ESTALE)
			bad++;
		else if (errno == ENOMEM && same)
			done++;
		else
			fail("%s", metric);
	}
	row(metric, "cookie", NO_SIZE, 1000.0 * bad / times, "1/1000");
	end_target(&target);
}

int main(void)
{
	long times;

	pin(0);
	for (times = 100; times <= 10000; times *= 10) {
		log_cost(false, often(times));
		log_cost(true, often(times));
	}
	stale("stale", false);
	stale("stale same", true);
	return 0;
}
