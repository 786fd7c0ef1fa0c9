// SPDX-License-Identifier: GPL-2.0
/*
 * VM: multi smp=2
 *
 * What the target feels: it maps and unmaps a page in a loop while its 64 MiB are advised (MADV_COLD, one call of
 * 32 ranges of 2M) again and again by somebody on the other CPU.  slowdown: how many times fewer pairs of calls it
 * made (on) than with nobody that advises (off).  longest: the longest pair, as a multiple of the mean when nobody
 * advises.  A writer that waits for the mmap_lock while readers come and go is handed it after 4 ms.
 *
 * Fair: the same loops in the same program on all kernels, on CPUs that run at once, two as the host has.
 */
#include "../madvise.h"

/* Pairs of calls of the target in a nanosecond. */
static double rate(struct target *target, bool advised)
{
	uint64_t start, took, limit = moment() ? 3000000 : advised ? 300000000 : 30000000;

	target->shared->calls = 0;
	target->shared->longest = 0;
	start = now();
	do {
		if (advised)
			CHECK(advise_all(target, 2 * MIB, 32, MADV_COLD, 0, NULL) > 0);
		else
			nap(0.001);
		took = now() - start;
	} while (took < limit);
	return (double)target->shared->calls / took;
}

int main(void)
{
	struct target target;
	double alone, advised;

	pin(0);
	target = make_target(moment() ? 4 * MIB : 64 * MIB, 1, quiet_cpu());
	order(&target, TOUCH);
	order(&target, MAP);
	alone = rate(&target, false);
	row("longest", "off", NO_SIZE, target.shared->longest * alone, "times");
	advised = rate(&target, true);
	row("longest", "on", NO_SIZE, target.shared->longest * alone, "times");
	if (advised)
		row("slowdown", "on", NO_SIZE, alone / advised, "times");
	else
		none("slowdown", "on", NO_SIZE, "the target never got the lock");
	end_target(&target);
	return 0;
}
