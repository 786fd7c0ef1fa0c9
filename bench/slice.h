/* SPDX-License-Identifier: GPL-2.0 */
/* What the cases about time slice extensions share. */
#ifndef BENCH_SLICE_H
#define BENCH_SLICE_H

#include "bench.h"
#include "rseq_slice.h"

#define RSEQ_SIG	0x53053053

/* Unregister libc's area of this thread; whether there is none now. */
static inline bool take_area_back(struct rseq_slice_area *area)
{
	return !area || !syscall(SYS_rseq, area, 32, 1, RSEQ_SIG);
}

/* libc's area, or one of our own when that is too short to enable; NULL where there is no extension. */
static inline struct rseq_slice_area *slice_area(void)
{
	struct rseq_slice_area *area = rseq_slice_area();

	if (!rseq_slice_enable(area))
		return area;
	if (!take_area_back(area))
		return NULL;
	area = aligned_alloc(64, 64);
	CHECK(area);
	memset(area, 0, 64);
	if (syscall(SYS_rseq, area, 33, 0, RSEQ_SIG) || rseq_slice_enable(area))
		return NULL;
	return area;
}

/* Whether there are extensions, asked by a child: it leaves no area behind. */
static inline bool slice_there(void)
{
	pid_t pid = child();
	int status;

	if (!pid)
		_exit(slice_area() ? 0 : 1);
	CHECK(waitpid(pid, &status, 0) == pid);
	return !status;
}

/* Make grants @nsec long, where root can. */
static inline void slice_length(const char *nsec)
{
	static const char * const paths[] = { "/proc/sys/kernel/rseq_slice_extension_nsec",
					      "/sys/kernel/debug/rseq/slice_ext_nsec" };
	unsigned int i;

	for (i = 0; i < 2; i++) {
		FILE *file = fopen(paths[i], "w");

		if (file) {
			CHECK(fputs(nsec, file) >= 0 && !fclose(file));
			return;
		}
	}
}

#endif
