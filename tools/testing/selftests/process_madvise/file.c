// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings of files: whose page cache an advice may touch, and the pages of
 * one's own in a private mapping.
 *
 * Page cache is paged out only for a caller who could write to the file; else
 * the time that the next access takes would tell him what others do with it.
 * The caller's own copies in a private mapping are nobody else's business.
 */
#include "pmadv.h"

#define PAGES		8
#define COPIES		3	/* pages that the target has written to */

FIXTURE(file) {
	struct agent target;
	struct agent caller;
	struct call *call;
	char *path;
	char *mem;
};

FIXTURE_VARIANT(file) {
	bool shared;
	int mode;
	uid_t target;
	uid_t caller;
	bool copies_go;
	bool cache_goes;
};

/* The owner */
FIXTURE_VARIANT_ADD(file, private_owner) {
	.mode = 0644, .copies_go = true, .cache_goes = true,
};

FIXTURE_VARIANT_ADD(file, shared_owner) {
	.shared = true, .mode = 0644, .cache_goes = true,
};

/* A stranger who may write, whose target may not need to */
FIXTURE_VARIANT_ADD(file, private_writer) {
	.mode = 0666, .caller = NOBODY, .target = NOBODY, .copies_go = true,
	.cache_goes = true,
};

FIXTURE_VARIANT_ADD(file, shared_writer) {
	.shared = true, .mode = 0666, .caller = NOBODY, .target = NOBODY,
	.cache_goes = true,
};

/* A stranger who may only read */
FIXTURE_VARIANT_ADD(file, private_reader) {
	.mode = 0644, .caller = NOBODY, .target = NOBODY, .copies_go = true,
};

FIXTURE_VARIANT_ADD(file, shared_reader) {
	.shared = true, .mode = 0644, .caller = NOBODY, .target = NOBODY,
};

/* It is the caller who counts, not the target. */
FIXTURE_VARIANT_ADD(file, private_of_other) {
	.mode = 0644, .caller = NOBODY, .copies_go = true,
};

FIXTURE_VARIANT_ADD(file, shared_of_other) {
	.shared = true, .mode = 0644, .caller = NOBODY,
};

FIXTURE_VARIANT_ADD(file, private_by_owner) {
	.mode = 0644, .target = NOBODY, .copies_go = true, .cache_goes = true,
};

FIXTURE_VARIANT_ADD(file, shared_by_owner) {
	.shared = true, .mode = 0644, .target = NOBODY, .cache_goes = true,
};

/* Map a file, read all of it and, if it is private, write to some pages. */
static long job_map_file(long path, long shared)
{
	int fd = open((char *)path, O_RDONLY);
	char *mem;
	int i;

	if (fd < 0)
		die("open %s", (char *)path);
	mem = map_pages(PAGES, shared ? PROT_READ : PROT_READ | PROT_WRITE,
			shared ? MAP_SHARED : MAP_PRIVATE, fd);
	close(fd);
	for (i = 0; i < PAGES; i++)
		load(mem + i * PAGE);
	for (i = 0; i < COPIES && !shared; i++)
		store(mem + i * PAGE, load(mem + i * PAGE));
	return (long)mem;
}

FIXTURE_SETUP(file)
{
	void *content = map_filled(PAGES, 1);
	int fd;

	self->call = share(sizeof(*self->call));
	self->path = share(PAGE);
	snprintf(self->path, PAGE, "/tmp/process_madvise.%d", getpid());
	fd = open(self->path, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || fchmod(fd, variant->mode) ||
	    write(fd, content, PAGES * PAGE) != PAGES * PAGE)
		die("write %s", self->path);
	close(fd);
	munmap(content, PAGES * PAGE);

	self->target = agent_start();
	if (variant->target)
		ask(&self->target, job_become, variant->target, 0);
	self->mem = (char *)ask(&self->target, job_map_file, (long)self->path, variant->shared);
	self->call->pidfd = self->target.pidfd;
	self->call->vec[0].iov_base = self->mem;
	self->call->vec[0].iov_len = PAGES * PAGE;
	self->call->vlen = 1;
	self->call->advice = MADV_PAGEOUT;
	self->caller = agent_start();
	if (variant->caller)
		ask(&self->caller, job_become, variant->caller,
		    CAP(CAP_SYS_NICE) | CAP(CAP_SYS_PTRACE));
}

FIXTURE_TEARDOWN(file)
{
	agent_kill(&self->caller);
	agent_kill(&self->target);
	unlink(self->path);
}

/* Mutations: file-cache-leaks, file-never, file-owner-only; Hook: pageout-private-file */
TEST_F(file, pageout)
{
	char *cache = self->mem + COPIES * PAGE;

	NEED_SWAP();
	ASSERT_EQ(PAGES, present(self->target.pid, self->mem, PAGES));
	ASSERT_EQ(PAGES * PAGE, ask(&self->caller, job_call, (long)self->call, 0));
	if (!variant->shared)
		EXPECT_EQ(variant->copies_go ? COPIES : 0,
			  swapped(self->target.pid, self->mem, COPIES));
	EXPECT_EQ(variant->cache_goes ? 0 : PAGES - COPIES,
		  present(self->target.pid, cache, PAGES - COPIES));
	EXPECT_EQ(0, ask(&self->target, job_wrong, (long)self->mem, PAGES));
}

/*
 * COLD asks for no right to the file: it changes nothing that can be told.
 * Mutations: file-cold-refused, swap-cold-young
 */
TEST_F(file, cold)
{
	self->call->advice = MADV_COLD;
	ASSERT_EQ(PAGES, young(self->target.pid, self->mem, PAGES));
	ASSERT_EQ(PAGES * PAGE, ask(&self->caller, job_call, (long)self->call, 0));
	EXPECT_EQ(0, young(self->target.pid, self->mem, PAGES));
	EXPECT_EQ(PAGES, present(self->target.pid, self->mem, PAGES));
}

/*
 * WILLNEED reads a file that another process has mapped.
 * Mutations: file-willneed-none, swap-willneed-none
 */
TEST(willneed)
{
	const int pages = 64;
	struct agent target;
	char dir[64];
	char *path, *mem;
	void *content;
	int fd;

	if (!mount_scratch(dir, sizeof(dir)))
		SKIP(return, "no ext4 file system on a loop device");
	path = share(PAGE);
	snprintf(path, PAGE, "%s/file", dir);
	content = map_filled(pages, 1);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	ASSERT_LE(0, fd);
	ASSERT_EQ(pages * PAGE, write(fd, content, pages * PAGE));
	ASSERT_EQ(0, fsync(fd));
	ASSERT_EQ(0, posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	mem = map_pages(pages, PROT_READ, MAP_SHARED, fd);
	target = agent_start();
	ASSERT_EQ(0, ask(&target, job_in_core, (long)mem, pages));

	ASSERT_EQ(8 * PAGE, pmadv_range(target.pidfd, mem + 16 * PAGE, 8 * PAGE, MADV_WILLNEED));
	EXPECT_TRUE(wait_for(ask(&target, job_in_core, (long)mem + 16 * PAGE, 8) == 8));
	EXPECT_EQ(0, ask(&target, job_in_core, (long)mem, 16));
	ASSERT_EQ(pages * PAGE, pmadv_range(target.pidfd, mem, pages * PAGE, MADV_WILLNEED));
	EXPECT_TRUE(wait_for(ask(&target, job_in_core, (long)mem, pages) == pages));
	EXPECT_EQ(0, ask(&target, job_wrong, (long)mem, pages));

	agent_kill(&target);
	munmap(mem, pages * PAGE);
	close(fd);
	umount_scratch(dir);
}

TEST_HARNESS_MAIN
