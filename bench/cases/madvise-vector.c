// SPDX-License-Identifier: GPL-2.0
/*
 * VM: icount smp=4 mem=2G
 *
 * What it costs to tell that another process's memory is cold (MADV_COLD), for each GiB, in ranges of 4K, 64K and 2M
 * and calls of 1, 64 and 1024 ranges (SIZE): instructions, calls, and flushes, which are interrupts on the
 * CPU that the target runs on.  mode cookie: with the cookie of the layout, which is checked for each range.
 *
 * vmas: the same in ranges of 2M, 64 a call, where the target's memory consists of SIZE mappings.  rss: the same
 * over a target of SIZE MiB in one mapping.  pageout: MADV_PAGEOUT to zram, ranges of 2M.
 *
 * The target has 64 MiB (rss: 64, 256 and 1024), and all of it was just touched, so that each page has something
 * to be told.
 *
 * The pages were filled once and are young, but not on the active list, as in any process that just started.
 * Whether such pages are moved at all is the kernel's choice, and shows: the base and 7.3 clear the young bit and leave them
 * where they are, so that they are reclaimed no sooner; ours moves them to the end where reclaim begins.  active: the
 * same in ranges of 2M after each page was put on the active list, from where all kernels move it.
 *
 * Fair: instructions are counted while the target sleeps, flushes while it computes: each would spoil the other.
 */
#include "../madvise.h"

static bool refused(const char *metric, const char *mode, long size)
{
	if (errno != EINVAL && errno != ENOSYS && errno != EPERM)
		return false;
	none(metric, mode, size, "not there: process_madvise says it");
	return true;
}

static long flushes(void)
{
	FILE *file = fopen("/proc/interrupts", "r");
	char line[4096], *at;
	long count = 0, cpu;

	CHECK(file);
	while (fgets(line, sizeof(line), file)) {
		at = strstr(line, "TLB:");
		for (at = at ? at + 4 : NULL, cpu = 0; at && cpu < cpus(); cpu++)
			count += strtol(at, &at, 10);
	}
	fclose(file);
	return count;
}

/* To be read twice by somebody else is what makes a page active. */
static void make_active(struct target *target)
{
	static char buffer[2 * MIB];
	struct iovec here = { buffer, sizeof(buffer) }, there = { NULL, sizeof(buffer) };
	size_t at;
	int twice;

	for (twice = 0; twice < 2; twice++) {
		for (at = 0; at < target->size; at += sizeof(buffer)) {
			there.iov_base = target->memory + at;
			CHECK(process_vm_readv(target->pid, &here, 1, &there, 1, 0) == sizeof(buffer));
		}
	}
}

static void measure(struct target *target, const char *metric, const char *mode, long size, size_t length,
		    size_t vlen, int advice)
{
	double part = (double)target->size / GIB;
	struct pmadv_cookie cookie;
	unsigned int flags = 0;
	struct span span;
	char name[64];
	long before, calls;

	if (!strcmp(mode, "cookie")) {
		if (get_cookie(target->pidfd, &cookie)) {
			none(metric, mode, size, "no cookies");
			return;
		}
		flags = PMADV_COOKIE;
	}
	order(target, TOUCH);
	order(target, NOTHING);
	if (!strcmp(metric, "active"))
		make_active(target);
	span = span_begin();
	calls = advise_all(target, length, vlen, advice, flags, &cookie);
	span_end(&span);
	if (calls < 0) {
		if (!refused(metric, mode, size))
			fail("%s %s %ld", metric, mode, size);
		return;
	}
	span_row(span, metric, mode, size, part);
	if (advice != MADV_COLD || flags)
		return;
	order(target, TOUCH);
	order(target, SPIN);
	before = flushes();
	CHECK(advise_all(target, length, vlen, advice, flags, NULL) >= 0);
	before = flushes() - before;
	snprintf(name, sizeof(name), "%s flushes", metric);
	row(name, mode, size, before / part, "1/GiB");
	snprintf(name, sizeof(name), "%s calls", metric);
	row(name, mode, size, calls / part, "1/GiB");
}

int main(void)
{
	static const size_t lengths[] = { 4096, 65536, 2 * MIB }, vlens[] = { 1, 64, 1024 };
	static const char * const names[] = { "4K", "64K", "2M" }, * const modes[] = { "plain", "cookie" };
	static const long vmas[] = { 1, 64, 8192 };
	size_t size = moment() ? 4 * MIB : 64 * MIB;
	struct target target;
	int i, j, k;

	pin(0);
	target = make_target(size, 1, quiet_cpu());
	for (i = 0; i < 3; i++)
		for (j = 0; j < 3; j++)
			for (k = 0; k < 2; k++)
				measure(&target, names[i], modes[k], vlens[j], lengths[i], vlens[j], MADV_COLD);
	for (j = 0; j < 3; j++)
		for (k = 0; k < 2; k++)
			measure(&target, "active", modes[k], vlens[j], 2 * MIB, vlens[j], MADV_COLD);
	end_target(&target);
	for (i = 0; i < 3; i++) {
		if (size / vmas[i] < PAGE)
			continue;
		target = make_target(size, vmas[i], quiet_cpu());
		for (k = 0; k < 2; k++)
			measure(&target, "vmas", modes[k], vmas[i], 2 * MIB, 64, MADV_COLD);
		end_target(&target);
	}
	for (i = 0; i < 3; i++) {
		size_t rss = (moment() ? 1 : 64) * MIB << (2 * i);

		target = make_target(rss, 1, quiet_cpu());
		for (k = 0; k < 2; k++)
			measure(&target, "rss", modes[k], rss / MIB, MIB, 64, MADV_COLD);
		end_target(&target);
	}
	target = make_target(size / 4, 1, quiet_cpu());
	measure(&target, "pageout", "plain", size / 4 / MIB, 2 * MIB, 64, MADV_PAGEOUT);
	end_target(&target);
	return 0;
}
