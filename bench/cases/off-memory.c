// SPDX-License-Identifier: GPL-2.0
/*
 * VM: icount smp=4
 *
 * The calls that change a layout, and page faults, on one CPU, while no process has asked for a cookie:
 * the log of the layout hooks each of these calls.  mmap: 64 KiB mapped and unmapped, untouched.  mprotect: a
 * page in the middle of a mapping made read-only and writable again, which splits and merges.  brk: the
 * heap's end moved up and back by 64 KiB.  mremap: a mapping doubled and halved in place.  fault: a page
 * touched for the first time.  madvise: MADV_DONTNEED of one present page, with the fault that brings it
 * back.
 *
 * SIZE is how many mappings the process has besides.
 *
 * Fair: the same calls on the same layout for every kernel, none of which merges with what is there
 * besides.
 */
#include "../bench.h"

#define PAGE	4096UL

static void measure(long others)
{
	long i, times = often(1000);
	char *area, *spread;
	struct span start;

	/* Every other page protected: each is a mapping of its own. */
	spread = mmap(NULL, (others + 1) * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(spread != MAP_FAILED);
	for (i = 0; i < others; i += 2)
		CHECK(!mprotect(spread + i * PAGE, PAGE, PROT_NONE));

	start = span_begin();
	for (i = 0; i < times; i++) {
		area = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		munmap(area, 16 * PAGE);
	}
	span_row(start, "mmap+munmap", "off", others, times);

	area = mmap(NULL, 1024 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(area != MAP_FAILED && !madvise(area, 1024 * PAGE, MADV_NOHUGEPAGE));
	start = span_begin();
	for (i = 0; i < 1024; i++)
		area[i * PAGE] = 1;
	span_row(start, "fault", "off", others, 1024);

	start = span_begin();
	for (i = 0; i < times; i++) {
		mprotect(area + 512 * PAGE, PAGE, PROT_READ);
		mprotect(area + 512 * PAGE, PAGE, PROT_READ | PROT_WRITE);
	}
	span_row(start, "mprotect", "off", others, 2 * times);

	start = span_begin();
	for (i = 0; i < times; i++) {
		madvise(area + 512 * PAGE, PAGE, MADV_DONTNEED);
		area[512 * PAGE] = 1;
	}
	span_row(start, "madvise+fault", "off", others, times);

	CHECK(sbrk(0) != (void *)-1);
	start = span_begin();
	for (i = 0; i < times; i++) {
		sbrk(16 * PAGE);
		sbrk(-16 * PAGE);
	}
	span_row(start, "brk", "off", others, 2 * times);

	munmap(area + 16 * PAGE, 1008 * PAGE);
	start = span_begin();
	for (i = 0; i < times; i++)
		if (mremap(area, 16 * PAGE, 32 * PAGE, 0) != area ||
		    mremap(area, 32 * PAGE, 16 * PAGE, 0) != area)
			fail("mremap");
	span_row(start, "mremap", "off", others, 2 * times);
	munmap(area, 16 * PAGE);
	munmap(spread, (others + 1) * PAGE);
}

int main(void)
{
	pin(quiet_cpu());
	measure(0);
	measure(1000);
	measure(8000);
	return 0;
}
