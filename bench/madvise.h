/* SPDX-License-Identifier: GPL-2.0 */
/* What the cases about process_madvise share. */
#ifndef BENCH_MADVISE_H
#define BENCH_MADVISE_H

#include "bench.h"
#include "../include/uapi/linux/process_madvise.h"
#include <sys/uio.h>

#ifndef MADV_COLD
#define MADV_COLD	20
#define MADV_PAGEOUT	21
#endif
#define PAGE		4096UL
#define MIB		(1UL << 20)
#define GIB		(1UL << 30)

static inline ssize_t advise(int pidfd, const struct iovec *vec, size_t vlen, int advice,
			     unsigned int flags, void *arg)
{
	return syscall(440, pidfd, vec, vlen, advice, flags, arg);
}

static inline int get_cookie(int pidfd, struct pmadv_cookie *cookie)
{
	return advise(pidfd, NULL, 0, 0, PMADV_GET_COOKIE, cookie);
}

/* A process that has memory, and does as it is told. */
enum order { NOTHING, TOUCH, SPIN, MAP, QUIT };

struct target {
	pid_t		pid;
	int		pidfd;
	char		*memory;
	size_t		size;
	volatile struct {
		int		order, done;
		uint64_t	longest;
		long		calls;
	}		*shared;
};

static inline void work_as_told(struct target *target, int cpu)
{
	pin(cpu);
	for (;;) {
		int order = target->shared->order;
		size_t i;

		if (order == QUIT)
			_exit(0);
		if (order == NOTHING || (order == TOUCH && target->shared->done)) {
			nap(0.00005);
			continue;
		}
		if (order == TOUCH) {
			for (i = 0; i < target->size; i += PAGE)
				(*(volatile char *)(target->memory + i))++;
			target->shared->done = 1;
		} else if (order == SPIN) {
			target->shared->done = 1;
			compute(1000);
		} else if (order == MAP) {
			uint64_t start = now(), took;
			void *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			munmap(page, PAGE);
			took = now() - start;
			if (took > target->shared->longest)
				target->shared->longest = took;
			target->shared->calls++;
			target->shared->done = 1;
			/* Much less often would be seldom; all the time would be a load of its own. */
			compute(2000);
		}
	}
}

/* @vmas: of how many mappings the memory is to consist. */
static inline struct target make_target(size_t size, long vmas, int cpu)
{
	struct target target = { .size = size, .shared = share(PAGE) };
	size_t step = size / vmas;
	long i;

	target.memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(target.memory != MAP_FAILED && !madvise(target.memory, size, MADV_NOHUGEPAGE));
	/* Neighbours that differ in a flag that nothing here depends on are mappings of their own. */
	for (i = 1; i < vmas; i += 2)
		CHECK(!madvise(target.memory + i * step, step, MADV_DONTDUMP));
	target.pid = child();
	if (!target.pid)
		work_as_told(&target, cpu);
	target.pidfd = syscall(434, target.pid, 0);
	CHECK(target.pidfd >= 0);
	CHECK(!munmap(target.memory, size));
	return target;
}

static inline void order(struct target *target, int what)
{
	target->shared->done = 0;
	target->shared->order = what;
	while (what != NOTHING && !target->shared->done)
		nap(0.0001);
}

static inline void end_target(struct target *target)
{
	end_child(target->pid);
	close(target->pidfd);
	munmap((void *)target->shared, PAGE);
}

/* All of a target's memory in calls of @vlen ranges of @length bytes; how many calls, -1 for an error. */
static inline long advise_all(struct target *target, size_t length, size_t vlen, int advice,
			      unsigned int flags, void *arg)
{
	static struct iovec vec[1024];
	size_t at = 0, count;
	long calls = 0;

	while (at < target->size) {
		size_t wanted = 0;

		for (count = 0; count < vlen && at + wanted < target->size; count++) {
			vec[count].iov_base = target->memory + at + wanted;
			vec[count].iov_len = length;
			wanted += length;
		}
		if (advise(target->pidfd, vec, count, advice, flags, arg) != (ssize_t)wanted)
			return -1;
		at += wanted;
		calls++;
	}
	return calls;
}

#endif
