// SPDX-License-Identifier: GPL-2.0
/*
 * PMADV_RANGE, PMADV_SKIP_ERRORS, PMADV_NO_ERROR_ON_UNMAPPED, PMADV_DRYRUN, the
 * filters, PMADV_STAT, and which flags go together.
 */
#include <stddef.h>

#include "pmadv.h"

#define PAGES		8
#define SIZE		(PAGES * PAGE)

#define UNUSED __attribute__((unused))

/* Large enough for one that the kernel of tomorrow knows. */
union big_stat {
	struct pmadv_stat stat;
	unsigned char bytes[2 * PAGE];
};

static long job_mlock(long mem, long len)
{
	return mlock((void *)mem, len);
}

static long job_munmap(long mem, long len)
{
	return munmap((void *)mem, len);
}

static long job_map_file(long fd, long prot)
{
	return (long)map_pages(PAGES, prot, MAP_PRIVATE, fd);
}

static long job_read(long mem, long pages)
{
	long i, sum = 0;

	for (i = 0; i < pages; i++)
		sum += load((char *)mem + i * PAGE);
	return sum;
}

static long job_fork(long unused UNUSED, long too UNUSED)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (!pid) {
		die_with_parent(parent);
		for (;;)
			pause();
	}
	return pid;
}

FIXTURE(flags) {
	struct agent agent;
	struct pmadv_cookie cookie;
	struct pmadv_stat stat;
	char *mem;
};

FIXTURE_SETUP(flags)
{
	self->agent = agent_start();
	self->mem = (void *)ask(&self->agent, job_map_filled, PAGES, 1);
	self->stat.size = sizeof(self->stat);
	if (get_cookie(self->agent.pidfd, &self->cookie) == -EINVAL)
		SKIP_TEST("no CONFIG_PROCESS_MADVISE_COOKIE");
}

FIXTURE_TEARDOWN(flags)
{
	agent_kill(&self->agent);
}

#define DO(job, a, b) ask(&self->agent, job, (long)(a), (long)(b))
#define CALL(vec, vlen, advice, flags) \
	pmadv_arg(self->agent.pidfd, vec, vlen, advice, flags, &self->stat)
#define ONE(mem, len, advice, flags) ({					\
	struct iovec __range = { mem, len };				\
									\
	CALL(&__range, 1, advice, flags);				\
})
#define YOUNG(mem, pages) young(self->agent.pid, mem, pages)

/* A bit without a name is an error, each alone. Mutation: flags-unknown */
TEST_F(flags, unknown)
{
	unsigned int bit, known = 0;

	for (bit = 0; bit < 32; bit++) {
		if (bit >= 20 && bit <= 30) {
			known++;
			continue;
		}
		EXPECT_EQ(-EINVAL, ONE(self->mem, SIZE, MADV_COLD, 1U << bit))
			TH_LOG("bit %u", bit);
		EXPECT_EQ(-EINVAL, ONE(self->mem, SIZE, MADV_COLD, 1U << bit | PMADV_STAT));
	}
	EXPECT_EQ(11, known);
	EXPECT_EQ(-EINVAL, ONE(self->mem, SIZE, MADV_COLD, ~0U));
	EXPECT_EQ(PAGES, YOUNG(self->mem, PAGES));
}

/* Which do not go together, or not with the advice. Mutation: flags-exclusive */
TEST_F(flags, combinations)
{
	struct iovec range = { self->mem, SIZE };

	EXPECT_EQ(-EINVAL, CALL(&range, 1, MADV_COLD, PMADV_ANON | PMADV_FILE));
	EXPECT_EQ(-EINVAL, CALL(&range, 1, MADV_DONTNEED, PMADV_SOFT_DIRTY | PMADV_STOPPED));
	EXPECT_EQ(-EINVAL, CALL(&range, 1, MADV_COLD, PMADV_SOFT_DIRTY));
	EXPECT_EQ(-EINVAL, CALL(&range, 1, MADV_PAGEOUT, PMADV_STOPPED));
	EXPECT_EQ(-EINVAL, CALL(&range, 1, MADV_COLD, PMADV_RANGE));
	EXPECT_EQ(-EINVAL, CALL(&range, 0, MADV_COLD, PMADV_RANGE));
	EXPECT_EQ(-EINVAL, CALL(NULL, 1, MADV_COLD, PMADV_RANGE));
	EXPECT_EQ(-EINVAL, CALL(NULL, 0, MADV_DONTNEED, PMADV_RANGE));
	EXPECT_EQ(-EINVAL, CALL(NULL, 0, MADV_FREE, PMADV_RANGE | PMADV_DRYRUN));
	EXPECT_EQ(-EINVAL, CALL(NULL, 0, MADV_COLD, PMADV_GET_COOKIE | PMADV_STAT));
	EXPECT_EQ(-EINVAL, CALL(&range, 1, MADV_DONTDUMP, PMADV_STAT));
	EXPECT_EQ(PAGES, YOUNG(self->mem, PAGES));
}

/*
 * Holes
 */

/* A hole is an error, unless it is not. Mutation: flags-hole */
TEST_F(flags, no_error_on_unmapped)
{
	ASSERT_EQ(0, DO(job_munmap, self->mem + 2 * PAGE, 2 * PAGE));
	EXPECT_EQ(-ENOMEM, ONE(self->mem, SIZE, MADV_COLD, PMADV_STAT));
	EXPECT_EQ(2 * PAGE, self->stat.bytes_unmapped);
	EXPECT_EQ(ENOMEM, self->stat.first_error);
	EXPECT_EQ((unsigned long)self->mem + 2 * PAGE, self->stat.first_error_addr);
	EXPECT_EQ(SIZE, ONE(self->mem, SIZE, MADV_COLD, PMADV_NO_ERROR_ON_UNMAPPED | PMADV_STAT));
	EXPECT_EQ(2 * PAGE, self->stat.bytes_unmapped);
	EXPECT_EQ(SIZE - 2 * PAGE, self->stat.bytes_seen);
	EXPECT_EQ(0, self->stat.first_error);
	/* Nothing but hole, and hole at the end. */
	EXPECT_EQ(2 * PAGE, ONE(self->mem + 2 * PAGE, 2 * PAGE, MADV_COLD,
				PMADV_NO_ERROR_ON_UNMAPPED));
	EXPECT_EQ(3 * PAGE, ONE(self->mem + PAGE, 3 * PAGE, MADV_COLD,
				PMADV_NO_ERROR_ON_UNMAPPED));
	EXPECT_EQ(-EINVAL, ONE(self->mem + 1, PAGE, MADV_COLD, PMADV_NO_ERROR_ON_UNMAPPED));
}

/*
 * Errors
 */

/* The ranges behind one that fails are done. Mutation: flags-skip */
TEST_F(flags, skip_ranges)
{
	struct iovec vec[4] = {
		{ self->mem, PAGE }, { self->mem + 1, PAGE },
		{ self->mem + 2 * PAGE, PAGE }, { self->mem + 4 * PAGE, PAGE },
	};

	ASSERT_EQ(0, DO(job_munmap, self->mem + 2 * PAGE, PAGE));
	EXPECT_EQ(PAGE, CALL(vec, 4, MADV_COLD, PMADV_STAT));
	EXPECT_EQ(EINVAL, self->stat.first_error);
	EXPECT_EQ((unsigned long)self->mem + 1, self->stat.first_error_addr);
	EXPECT_EQ(1, pages_with(self->agent.pid, self->mem + 4 * PAGE, 1, PM_PRESENT));
	EXPECT_EQ(2 * PAGE, CALL(vec, 4, MADV_COLD, PMADV_SKIP_ERRORS | PMADV_STAT));
	EXPECT_EQ(EINVAL, self->stat.first_error);
	EXPECT_EQ(2, self->stat.pages_done);
	/* All of them fail: nothing is done, which is no error. */
	EXPECT_EQ(0, CALL(vec + 1, 2, MADV_COLD, PMADV_SKIP_ERRORS));
}

/* Within a range too: what cannot have the advice is passed over. Mutation: flags-skip-vma */
TEST_F(flags, skip_mappings)
{
	ASSERT_EQ(0, DO(job_mlock, self->mem + 2 * PAGE, PAGE));
	EXPECT_EQ(-EINVAL, ONE(self->mem, SIZE, MADV_COLD, PMADV_STAT));
	EXPECT_EQ((unsigned long)self->mem + 2 * PAGE, self->stat.first_error_addr);
	EXPECT_EQ(1, self->stat.vmas);
	EXPECT_EQ(2 * PAGE, self->stat.bytes_seen);
	EXPECT_EQ(0, ONE(self->mem, SIZE, MADV_COLD, PMADV_SKIP_ERRORS | PMADV_STAT));
	EXPECT_EQ(0, YOUNG(self->mem + 3 * PAGE, PAGES - 3));
	EXPECT_EQ(2, self->stat.vmas);
	EXPECT_EQ(1, self->stat.vmas_skipped);
	EXPECT_EQ(SIZE - PAGE, self->stat.bytes_seen);
	EXPECT_EQ(PAGE, self->stat.bytes_skipped);
	EXPECT_EQ(PAGES - 1, self->stat.pages_done);
	EXPECT_EQ(EINVAL, self->stat.first_error);
}

/* What concerns the call cannot be skipped. Mutation: flags-skip-stale */
TEST_F(flags, skip_not_stale)
{
	self->stat.cookie = self->cookie;
	EXPECT_EQ(SIZE, ONE(self->mem, SIZE, MADV_COLD, PMADV_COOKIE | PMADV_STAT));
	ASSERT_EQ(0, DO(job_munmap, self->mem, PAGE));
	EXPECT_EQ(-ESTALE, ONE(self->mem, SIZE, MADV_COLD,
			       PMADV_COOKIE | PMADV_STAT | PMADV_SKIP_ERRORS));
	EXPECT_EQ(-EBUSY, ONE(self->mem + PAGE, PAGE, MADV_DONTNEED,
			      PMADV_COOKIE | PMADV_STOPPED | PMADV_SKIP_ERRORS));
}

/*
 * The whole address space
 */

/* All that can be, and nothing more than that. Mutation: flags-range */
TEST_F(flags, range)
{
	char *more = (char *)DO(job_map_filled, PAGES, 1);

	ASSERT_EQ(PAGES, YOUNG(self->mem, PAGES));
	ASSERT_EQ(PAGES, YOUNG(more, PAGES));
	EXPECT_EQ(0, CALL(NULL, 0, MADV_COLD, PMADV_RANGE | PMADV_STAT));
	EXPECT_EQ(0, YOUNG(self->mem, PAGES));
	EXPECT_EQ(0, YOUNG(more, PAGES));
	EXPECT_LE(2 * SIZE, self->stat.bytes_seen);
	EXPECT_LE(2, self->stat.vmas);
	EXPECT_LE(2 * PAGES, self->stat.pages_done);
	/* vvar at least cannot be aged. */
	EXPECT_LT(0, self->stat.vmas_skipped);
	EXPECT_EQ(EINVAL, self->stat.first_error);
}

/* A change anywhere is a change. Mutation: flags-range-cookie */
TEST_F(flags, range_cookie)
{
	char *more = (char *)DO(job_map_filled, PAGES, 1);

	ASSERT_EQ(0, get_cookie(self->agent.pidfd, &self->stat.cookie));
	EXPECT_EQ(0, CALL(NULL, 0, MADV_COLD, PMADV_RANGE | PMADV_STAT | PMADV_COOKIE));
	ASSERT_EQ(0, DO(job_munmap, more, PAGE));
	ASSERT_EQ(0, DO(job_read, self->mem, 0));
	EXPECT_EQ(-ESTALE, CALL(NULL, 0, MADV_COLD, PMADV_RANGE | PMADV_STAT | PMADV_COOKIE));
	EXPECT_EQ(0, self->stat.vmas);
}

/* To swap, all of it, and the process is none the worse. */
TEST_F(flags, range_pageout)
{
	NEED_SWAP();
	EXPECT_EQ(0, CALL(NULL, 0, MADV_PAGEOUT, PMADV_RANGE | PMADV_ANON | PMADV_STAT));
	EXPECT_EQ(PAGES, swapped(self->agent.pid, self->mem, PAGES));
	EXPECT_LE(PAGES, self->stat.pages_reclaimed);
	EXPECT_LE(self->stat.pages_reclaimed, self->stat.pages_done);
	EXPECT_EQ(0, DO(job_wrong, self->mem, PAGES));
}

/*
 * Filters
 */

/* Of a file or not; shared memory is of a file. Mutation: flags-filter */
TEST_F(flags, filters)
{
	int fd = syscall(SYS_memfd_create, "flags", 0);
	char *file, *shared;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, SIZE));
	agent_kill(&self->agent);
	self->agent = agent_start();
	self->mem = (char *)DO(job_map_filled, PAGES, 1);
	file = (char *)DO(job_map_file, fd, PROT_READ);
	shared = (char *)DO(job_map_shared, PAGES, 1);
	DO(job_read, file, PAGES);

	EXPECT_EQ(SIZE, ONE(self->mem, SIZE, MADV_COLD, PMADV_FILE | PMADV_STAT));
	EXPECT_EQ(0, self->stat.vmas);
	EXPECT_EQ(1, self->stat.vmas_skipped);
	EXPECT_EQ(SIZE, self->stat.bytes_skipped);
	EXPECT_EQ(PAGES, YOUNG(self->mem, PAGES));
	EXPECT_EQ(SIZE, ONE(self->mem, SIZE, MADV_COLD, PMADV_ANON | PMADV_STAT));
	EXPECT_EQ(1, self->stat.vmas);
	EXPECT_EQ(0, YOUNG(self->mem, PAGES));

	EXPECT_EQ(SIZE, ONE(file, SIZE, MADV_COLD, PMADV_ANON));
	EXPECT_EQ(PAGES, YOUNG(file, PAGES));
	EXPECT_EQ(SIZE, ONE(file, SIZE, MADV_COLD, PMADV_FILE));
	EXPECT_EQ(0, YOUNG(file, PAGES));
	EXPECT_EQ(SIZE, ONE(shared, SIZE, MADV_COLD, PMADV_ANON));
	EXPECT_EQ(PAGES, YOUNG(shared, PAGES));
	EXPECT_EQ(SIZE, ONE(shared, SIZE, MADV_COLD, PMADV_FILE));
	EXPECT_EQ(0, YOUNG(shared, PAGES));
	/* What is filtered out has no error. */
	ASSERT_EQ(0, DO(job_mlock, self->mem, SIZE));
	EXPECT_EQ(SIZE, ONE(self->mem, SIZE, MADV_COLD, PMADV_FILE));
	EXPECT_EQ(-EINVAL, ONE(self->mem, SIZE, MADV_COLD, PMADV_ANON));
	close(fd);
}

/*
 * A dry run
 */

/* Counts and errors are those of a real one, and nothing happens. Mutation: flags-dryrun */
TEST_F(flags, dryrun)
{
	EXPECT_EQ(SIZE, ONE(self->mem, SIZE, MADV_COLD, PMADV_DRYRUN | PMADV_STAT));
	EXPECT_EQ(PAGES, self->stat.pages_seen);
	EXPECT_EQ(PAGES, self->stat.pages_eligible);
	EXPECT_EQ(0, self->stat.pages_done);
	EXPECT_EQ(PAGES, YOUNG(self->mem, PAGES));

	EXPECT_EQ(SIZE, ONE(self->mem, SIZE, MADV_PAGEOUT, PMADV_DRYRUN | PMADV_STAT));
	EXPECT_EQ(PAGES, self->stat.pages_eligible);
	EXPECT_EQ(0, self->stat.pages_reclaimed);
	EXPECT_EQ(PAGES, present(self->agent.pid, self->mem, PAGES));

	/* Others' memory is writable, which is the error of a discard. */
	EXPECT_EQ(-ETXTBSY, ONE(self->mem, SIZE, MADV_DONTNEED, PMADV_DRYRUN));
	EXPECT_EQ(-EBUSY, ONE(self->mem, SIZE, MADV_DONTNEED, PMADV_DRYRUN | PMADV_STOPPED));
	EXPECT_EQ(SIZE, ONE(self->mem, SIZE, MADV_DONTNEED,
			    PMADV_DRYRUN | PMADV_SOFT_DIRTY | PMADV_STAT));
	EXPECT_EQ(PAGES, self->stat.pages_seen);
	EXPECT_EQ(PAGES, self->stat.pages_dirty);
	EXPECT_EQ(0, DO(job_wrong, self->mem, PAGES));

	/* One's own. */
	self->mem = map_filled(PAGES, 1);
	EXPECT_EQ(SIZE, pmadv_arg(PIDFD_SELF, &(struct iovec){ self->mem, SIZE }, 1, MADV_DONTNEED,
				  PMADV_DRYRUN | PMADV_STAT, &self->stat));
	EXPECT_EQ(PAGES, self->stat.pages_eligible);
	EXPECT_EQ(0, self->stat.pages_done);
	EXPECT_EQ(0, wrong(self->mem, PAGES, 1));
}

/*
 * Statistics
 */

/* What they say about memory that others have too. Mutation: flags-count-shared */
TEST_F(flags, stat_shared)
{
	pid_t pid = DO(job_fork, 0, 0);

	ASSERT_LT(0, pid);
	EXPECT_EQ(SIZE, ONE(self->mem, SIZE, MADV_COLD, PMADV_STAT));
	EXPECT_EQ(PAGES, self->stat.pages_seen);
	EXPECT_EQ(0, self->stat.pages_eligible);
	EXPECT_EQ(PAGES, self->stat.pages_shared);
	EXPECT_EQ(0, self->stat.pages_done);
	EXPECT_EQ(1, self->stat.vmas);
	EXPECT_EQ(SIZE, self->stat.bytes_seen);
	kill(pid, SIGKILL);
}

/* What was reclaimed. */
TEST_F(flags, stat_pageout)
{
	NEED_SWAP();
	EXPECT_EQ(SIZE, ONE(self->mem, SIZE, MADV_PAGEOUT, PMADV_STAT));
	EXPECT_EQ(PAGES, self->stat.pages_seen);
	EXPECT_EQ(PAGES, self->stat.pages_eligible);
	EXPECT_EQ(PAGES, self->stat.pages_done);
	EXPECT_EQ(PAGES, self->stat.pages_reclaimed);
	EXPECT_EQ(PAGES, swapped(self->agent.pid, self->mem, PAGES));
	/* There is nothing any more. */
	EXPECT_EQ(SIZE, ONE(self->mem, SIZE, MADV_PAGEOUT, PMADV_STAT));
	EXPECT_EQ(0, self->stat.pages_seen);
	EXPECT_EQ(0, self->stat.pages_reclaimed);
}

/* Huge pages count as what they hold. */
TEST_F(flags, stat_huge)
{
	char *mem = (char *)DO(job_map_huge, 1, 0);

	if (huge_mapped(self->agent.pid, mem, 1) != 1)
		SKIP(return, "no huge page");
	EXPECT_EQ(HUGE, ONE(mem, HUGE, MADV_COLD, PMADV_STAT));
	EXPECT_EQ(SUB, self->stat.pages_seen);
	EXPECT_EQ(SUB, self->stat.pages_eligible);
	EXPECT_EQ(SUB, self->stat.pages_done);
	EXPECT_EQ(16 * PAGE, ONE(mem, 16 * PAGE, MADV_COLD, PMADV_STAT));
	EXPECT_EQ(16, self->stat.pages_seen);
	EXPECT_EQ(16, self->stat.pages_done);
}

/* A program of yesterday, one of tomorrow, and what is none. Mutation: flags-stat-size */
TEST_F(flags, stat_size)
{
	struct iovec range = { self->mem, SIZE };
	union big_stat *big = share(sizeof(*big));
	int pidfd = self->agent.pidfd;
	size_t i, bad = 0;

	EXPECT_EQ(144, sizeof(struct pmadv_stat));
	EXPECT_EQ(144, PMADV_STAT_SIZE_VER0);
	big->stat.size = 143;
	EXPECT_EQ(-EINVAL, pmadv_arg(pidfd, &range, 1, MADV_COLD, PMADV_STAT, big));
	big->stat.size = 0;
	EXPECT_EQ(-EINVAL, pmadv_arg(pidfd, &range, 1, MADV_COLD, PMADV_STAT, big));
	big->stat.size = PAGE + 1;
	EXPECT_EQ(-E2BIG, pmadv_arg(pidfd, &range, 1, MADV_COLD, PMADV_STAT, big));
	big->stat.size = -1ULL;
	EXPECT_EQ(-E2BIG, pmadv_arg(pidfd, &range, 1, MADV_COLD, PMADV_STAT, big));
	EXPECT_EQ(PAGES, YOUNG(self->mem, PAGES));

	memset(big, 0x5a, sizeof(*big));
	big->stat.size = PAGE;
	EXPECT_EQ(SIZE, pmadv_arg(pidfd, &range, 1, MADV_COLD, PMADV_STAT, big));
	EXPECT_EQ(PAGES, big->stat.pages_done);
	EXPECT_EQ(PAGE, big->stat.size);
	EXPECT_EQ(0x5a5a5a5a5a5a5a5aULL, big->stat.cookie.mm_id);
	for (i = sizeof(big->stat); i < PAGE; i++)
		bad += big->bytes[i] != 0;
	for (i = PAGE; i < sizeof(*big); i++)
		bad += big->bytes[i] != 0x5a;
	EXPECT_EQ(0, bad);

	memset(big, 0x5a, sizeof(*big));
	big->stat.size = 144;
	EXPECT_EQ(SIZE, pmadv_arg(pidfd, &range, 1, MADV_COLD, PMADV_STAT, big));
	EXPECT_EQ(0, big->stat.first_error_addr);
	for (i = 144; i < sizeof(*big); i++)
		bad += big->bytes[i] != 0x5a;
	EXPECT_EQ(0, bad);
}

/* Nowhere to write to. Mutation: flags-stat-fault */
TEST_F(flags, stat_fault)
{
	struct iovec range = { self->mem, SIZE };
	char *page = map_pages(1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	struct pmadv_stat *stat = (struct pmadv_stat *)(page + PAGE - 24);
	int pidfd = self->agent.pidfd;

	EXPECT_EQ(-EFAULT, pmadv_arg(pidfd, &range, 1, MADV_COLD, PMADV_STAT, NULL));
	EXPECT_EQ(-EFAULT, pmadv_arg(-1, NULL, 1025, -1, PMADV_STAT, NULL));
	EXPECT_EQ(PAGES, YOUNG(self->mem, PAGES));
	/* It can be read and not be written. */
	stat->size = 144;
	EXPECT_EQ(-EFAULT, pmadv_arg(pidfd, &range, 1, MADV_COLD, PMADV_STAT, stat));
	EXPECT_EQ(0, YOUNG(self->mem, PAGES));
	/* Not written where the target is not found. */
	memset(&self->stat, 0x5a, sizeof(self->stat));
	self->stat.size = 144;
	EXPECT_EQ(-EBADF, pmadv_arg(-1, &range, 1, MADV_COLD, PMADV_STAT, &self->stat));
	EXPECT_EQ(0x5a5a5a5a5a5a5a5aULL, self->stat.vmas);
}

TEST_HARNESS_MAIN
