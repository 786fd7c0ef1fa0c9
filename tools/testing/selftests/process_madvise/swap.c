// SPDX-License-Identifier: GPL-2.0
/*
 * What MADV_PAGEOUT, MADV_COLD and MADV_WILLNEED do to small pages: what goes,
 * what stays, and that nothing is lost.
 */
#include "pmadv.h"

#define PAGES		64

FIXTURE(swap) {
	struct agent target;
	void *mem;
};

FIXTURE_VARIANT(swap) {
	job_t map;
};

FIXTURE_VARIANT_ADD(swap, private) {
	.map = job_map_filled,
};

/* Memory that is shared by kind, although nobody else has it mapped. */
FIXTURE_VARIANT_ADD(swap, shared) {
	.map = job_map_shared,
};

FIXTURE_SETUP(swap)
{
	self->target = agent_start();
	self->mem = (void *)ask(&self->target, variant->map, PAGES, 1);
}

FIXTURE_TEARDOWN(swap)
{
	agent_kill(&self->target);
}

#define ADVISE(advice) pmadv_range(self->target.pidfd, self->mem, PAGES * PAGE, advice)

/* PAGEOUT takes the pages, and their content comes back. Mutation: swap-references */
TEST_F(swap, pageout)
{
	NEED_SWAP();
	ASSERT_EQ(PAGES, young(self->target.pid, self->mem, PAGES));
	ASSERT_EQ(PAGES * PAGE, ADVISE(MADV_PAGEOUT));
	EXPECT_EQ(0, present(self->target.pid, self->mem, PAGES));
	EXPECT_EQ(0, ask(&self->target, job_in_core, (long)self->mem, PAGES));
	EXPECT_EQ(0, ask(&self->target, job_wrong, (long)self->mem, PAGES));
	EXPECT_EQ(PAGES, present(self->target.pid, self->mem, PAGES));
}

/* Twice is as good as once. Mutation: swap-references */
TEST_F(swap, pageout_twice)
{
	NEED_SWAP();
	ASSERT_EQ(PAGES * PAGE, ADVISE(MADV_PAGEOUT));
	ASSERT_EQ(PAGES * PAGE, ADVISE(MADV_PAGEOUT));
	EXPECT_EQ(0, present(self->target.pid, self->mem, PAGES));
	EXPECT_EQ(0, ask(&self->target, job_wrong, (long)self->mem, PAGES));
	/* Now the pages are in memory, and perhaps in swap too. */
	ASSERT_EQ(PAGES * PAGE, ADVISE(MADV_PAGEOUT));
	EXPECT_EQ(0, present(self->target.pid, self->mem, PAGES));
	EXPECT_EQ(0, ask(&self->target, job_wrong, (long)self->mem, PAGES));
}

static long job_rewrite(long mem, long pages)
{
	fill((void *)mem, pages, 1);
	return 0;
}

/* What was written between two PAGEOUTs is what comes back. Mutation: swap-references */
TEST_F(swap, pageout_after_write)
{
	NEED_SWAP();
	agent_kill(&self->target);
	self->target = agent_start();
	self->mem = (void *)ask(&self->target, variant->map, PAGES, 2);
	ASSERT_EQ(PAGES * PAGE, ADVISE(MADV_PAGEOUT));
	ask(&self->target, job_rewrite, (long)self->mem, PAGES);
	ASSERT_EQ(PAGES * PAGE, ADVISE(MADV_PAGEOUT));
	EXPECT_EQ(0, present(self->target.pid, self->mem, PAGES));
	EXPECT_EQ(0, ask(&self->target, job_wrong, (long)self->mem, PAGES));
}

/*
 * WILLNEED, also for another process, reads back from swap.
 * Mutation: swap-willneed-none
 */
TEST_F(swap, willneed)
{
	NEED_SWAP();
	ASSERT_EQ(PAGES * PAGE, ADVISE(MADV_PAGEOUT));
	ASSERT_EQ(0, ask(&self->target, job_in_core, (long)self->mem, PAGES));
	ASSERT_EQ(PAGES * PAGE, ADVISE(MADV_WILLNEED));
	EXPECT_EQ(0, present(self->target.pid, self->mem, PAGES));
	EXPECT_EQ(PAGES, ask(&self->target, job_in_core, (long)self->mem, PAGES));
	EXPECT_EQ(0, ask(&self->target, job_wrong, (long)self->mem, PAGES));
}

/*
 * WILLNEED reads what it was told, and not a page more.
 * Mutation: swap-willneed-none; Hook: swapin-shmem
 */
TEST_F(swap, willneed_part)
{
	char *mem = self->mem;

	NEED_SWAP();
	ASSERT_EQ(PAGES * PAGE, ADVISE(MADV_PAGEOUT));
	ASSERT_EQ(8 * PAGE, pmadv_range(self->target.pidfd, mem + 8 * PAGE, 8 * PAGE,
					MADV_WILLNEED));
	EXPECT_EQ(0, ask(&self->target, job_in_core, (long)mem, 8));
	EXPECT_EQ(8, ask(&self->target, job_in_core, (long)mem + 8 * PAGE, 8));
	EXPECT_EQ(0, ask(&self->target, job_in_core, (long)mem + 16 * PAGE, PAGES - 16));
}

/*
 * COLD makes pages old and leaves them where they are.
 * Mutations: file-cold-refused, swap-cold-young
 */
TEST_F(swap, cold)
{
	ASSERT_EQ(PAGES, young(self->target.pid, self->mem, PAGES));
	ASSERT_EQ(PAGES / 2 * PAGE, pmadv_range(self->target.pidfd, self->mem, PAGES / 2 * PAGE,
						MADV_COLD));
	EXPECT_EQ(PAGES / 2, young(self->target.pid, self->mem, PAGES));
	EXPECT_EQ(PAGES, present(self->target.pid, self->mem, PAGES));
	EXPECT_EQ(0, ask(&self->target, job_wrong, (long)self->mem, PAGES));
}

/* COLD takes pages from the list of active ones. Mutation: swap-cold-active */
TEST_F(swap, cold_active)
{
	void *other = (void *)ask(&self->target, job_map_filled, 1, 1);
	char buffer[PAGE];
	struct iovec to, from;
	int i;

	/* A page that is accessed twice through the kernel is active. */
	for (i = 0; i < 2 * PAGES; i++) {
		to = (struct iovec) { buffer, PAGE };
		from = (struct iovec) { (char *)self->mem + i % PAGES * PAGE, PAGE };
		ASSERT_EQ(PAGE, process_vm_readv(self->target.pid, &to, 1, &from, 1, 0));
	}
	/* A call begins by putting the pages on their lists that wait for it. */
	ASSERT_EQ(PAGE, pmadv_range(self->target.pidfd, other, PAGE, MADV_COLD));
	ASSERT_EQ(PAGES, pages_flagged(self->target.pid, self->mem, PAGES, KPF_ACTIVE));
	ASSERT_EQ(PAGES * PAGE, ADVISE(MADV_COLD));
	ASSERT_EQ(PAGE, pmadv_range(self->target.pidfd, other, PAGE, MADV_COLD));
	EXPECT_EQ(0, pages_flagged(self->target.pid, self->mem, PAGES, KPF_ACTIVE));
}

static pid_t job_child;

/* A child that has the pages mapped as well, when this returns. */
static long job_fork(long mem, long pages)
{
	long *ready = share(sizeof(*ready));
	pid_t parent = getpid();

	job_child = fork();
	if (!job_child) {
		die_with_parent(parent);
		store(ready, 1 + job_wrong(mem, pages));
		for (;;)
			pause();
	}
	if (!wait_for(load(ready)))
		die("the child does not run");
	return job_child;
}

static long job_reap(long unused __attribute__((unused)), long too __attribute__((unused)))
{
	kill(job_child, SIGKILL);
	return waitpid(job_child, NULL, 0);
}

/* Pages that somebody else has mapped too are left alone. Mutation: swap-shared */
TEST_F(swap, shared_with_child)
{
	long child;

	NEED_SWAP();
	child = ask(&self->target, job_fork, (long)self->mem, PAGES);
	ASSERT_LT(0, child);
	ASSERT_EQ(PAGES * PAGE, ADVISE(MADV_COLD));
	EXPECT_EQ(PAGES, young(self->target.pid, self->mem, PAGES));
	ASSERT_EQ(PAGES * PAGE, ADVISE(MADV_PAGEOUT));
	EXPECT_EQ(PAGES, present(self->target.pid, self->mem, PAGES));

	ASSERT_EQ(child, ask(&self->target, job_reap, 0, 0));
	ASSERT_EQ(PAGES * PAGE, ADVISE(MADV_PAGEOUT));
	EXPECT_EQ(0, present(self->target.pid, self->mem, PAGES));
	EXPECT_EQ(0, ask(&self->target, job_wrong, (long)self->mem, PAGES));
}

/*
 * COLD has an effect on pages that are inactive already, as new anonymous pages
 * are: they go before others that were inactive for longer.
 *
 * Two halves of the memory of a control group are made old. The half that was
 * filled last gets the advice. Then the group is told to give up some memory.
 */
#define HALF		2048	/* pages */

static long job_enter(long path, long unused __attribute__((unused)))
{
	return write_file((char *)path, "0");
}

FIXTURE(ageing) {
	struct agent target;
	char dir[64];
	char group[96];
	char *path;
};

FIXTURE_SETUP(ageing)
{
	self->path = share(PAGE);
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		SKIP_TEST("no mount namespace");
	snprintf(self->dir, sizeof(self->dir), "/tmp/process_madvise.%d", getpid());
	mkdir(self->dir, 0700);
	if (mount("none", self->dir, "cgroup2", 0, NULL))
		SKIP_TEST("no control groups of version 2");
	snprintf(self->path, PAGE, "%s/cgroup.subtree_control", self->dir);
	if (!write_file(self->path, "+memory"))
		SKIP_TEST("no memory control groups");
	snprintf(self->group, sizeof(self->group), "%s/%d", self->dir, getpid());
	if (mkdir(self->group, 0700))
		die("mkdir %s", self->group);
	snprintf(self->path, PAGE, "%s/cgroup.procs", self->group);
	self->target = agent_start();
	ASSERT_TRUE(ask(&self->target, job_enter, (long)self->path, 0));
}

FIXTURE_TEARDOWN(ageing)
{
	agent_kill(&self->target);
	rmdir(self->group);
	umount2(self->dir, MNT_DETACH);
	rmdir(self->dir);
}

/* Mutation: swap-cold-active; Hook: cold-inactive */
TEST_F(ageing, cold_inactive)
{
	void *first, *last;
	char text[32];
	long current;

	NEED_SWAP();
	first = (void *)ask(&self->target, job_map_filled, HALF, 1);
	last = (void *)ask(&self->target, job_map_filled, HALF, 1);
	snprintf(self->path, PAGE, "/proc/%d/clear_refs", self->target.pid);
	ASSERT_TRUE(write_file(self->path, "1"));
	ASSERT_EQ(0, pages_flagged(self->target.pid, last, HALF, KPF_ACTIVE));

	ASSERT_EQ(HALF * PAGE, pmadv_range(self->target.pidfd, last, HALF * PAGE, MADV_COLD));

	snprintf(self->path, PAGE, "%s/memory.current", self->group);
	current = read_number(self->path);
	ASSERT_LT(2 * HALF * (long)PAGE, current);
	snprintf(text, sizeof(text), "%ld", current - HALF / 2 * (long)PAGE);
	snprintf(self->path, PAGE, "%s/memory.high", self->group);
	ASSERT_TRUE(write_file(self->path, text));

	EXPECT_LT(HALF / 4, swapped(self->target.pid, last, HALF));
	EXPECT_GT(HALF / 8, swapped(self->target.pid, first, HALF));
}

TEST_HARNESS_MAIN
