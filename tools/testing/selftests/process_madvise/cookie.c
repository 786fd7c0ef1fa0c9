// SPDX-License-Identifier: GPL-2.0
/*
 * PMADV_GET_COOKIE and PMADV_COOKIE: what makes a cookie stale, what does not,
 * and that nothing is touched then. The agent is the process that is advised;
 * it changes its own layout, and the test asks with a cookie that it took
 * before the change.
 */
#include <linux/userfaultfd.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "pmadv.h"

#define PAGES		8
#define SIZE		(PAGES * PAGE)

#define SYSCTL_IDLE	"/proc/sys/vm/process_madvise_cookie_idle"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif

/*
 * What agents do. A job with more than two arguments finds the others in this
 * struct, which is the same memory in agents and the test.
 */
struct more {
	long c, d;
	int pidfd;
	struct pmadv_cookie cookie;
	bool stop;
	unsigned long rounds;
};

static struct more *more;

#define UNUSED __attribute__((unused))

static long job_munmap(long mem, long len)
{
	return munmap((void *)mem, len);
}

/* Something new, if nothing is there. */
static long job_map_new(long mem, long len)
{
	return mmap((void *)mem, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != (void *)mem;
}

/* The same again, in the place of what is there. */
static long job_map_over(long mem, long len)
{
	return mmap((void *)mem, len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != (void *)mem;
}

static long job_mprotect(long mem, long prot)
{
	return mprotect((void *)mem, SIZE, prot);
}

static long job_sbrk(long delta, long unused UNUSED)
{
	return (long)sbrk(delta);
}

/* c: the new length, d: flags, more->cookie.gen: where to */
static long job_mremap(long mem, long len)
{
	return (long)mremap((void *)mem, len, more->c, more->d, (void *)more->cookie.gen);
}

static long job_mlock(long mem, long lock)
{
	return lock ? mlock((void *)mem, SIZE) : munlock((void *)mem, SIZE);
}

static long job_mlockall(long flags, long unused UNUSED)
{
	return flags ? mlockall(flags) : munlockall();
}

static long job_madvise(long mem, long advice)
{
	return madvise((void *)mem, SIZE, advice);
}

static long job_fill(long mem, long pages)
{
	fill((void *)mem, pages, 1);
	return 0;
}

static long job_pid(long unused UNUSED, long too UNUSED)
{
	return getpid();
}

FIXTURE(cookie) {
	struct agent agent;
	struct pmadv_cookie cookie;
	char *mem;
};

FIXTURE_SETUP(cookie)
{
	more = share(sizeof(*more));
	self->agent = agent_start();
	self->mem = (void *)ask(&self->agent, job_map_filled, PAGES, 1);
	if (get_cookie(self->agent.pidfd, &self->cookie) == -EINVAL)
		SKIP_TEST("no CONFIG_PROCESS_MADVISE_COOKIE");
}

FIXTURE_TEARDOWN(cookie)
{
	agent_kill(&self->agent);
}

#define TAKE() ASSERT_EQ(0, get_cookie(self->agent.pidfd, &self->cookie))
#define DO(job, a, b) ask(&self->agent, job, (long)(a), (long)(b))
#define HINT(mem, len) \
	pmadv_cookie(self->agent.pidfd, mem, len, MADV_COLD, &self->cookie)

/* A cookie is good until something changes, as often as one likes. */
TEST_F(cookie, fresh)
{
	EXPECT_NE(0, self->cookie.mm_id);
	EXPECT_EQ(SIZE, HINT(self->mem, SIZE));
	EXPECT_EQ(0, young(self->agent.pid, self->mem, PAGES));
	EXPECT_EQ(SIZE, HINT(self->mem, SIZE));
	TAKE();
	EXPECT_EQ(SIZE, HINT(self->mem, SIZE));
}

/* Two cookies with nothing in between are the same. */
TEST_F(cookie, same)
{
	struct pmadv_cookie again;

	ASSERT_EQ(0, get_cookie(self->agent.pidfd, &again));
	EXPECT_EQ(self->cookie.mm_id, again.mm_id);
	EXPECT_EQ(self->cookie.gen, again.gen);
}

/* A stale cookie: nothing is touched. Mutation: cookie-not-checked */
TEST_F(cookie, stale_touches_nothing)
{
	long young_before = young(self->agent.pid, self->mem, PAGES);

	ASSERT_EQ(PAGES, young_before);
	ASSERT_EQ(0, DO(job_munmap, self->mem + SIZE - PAGE, PAGE));
	EXPECT_EQ(-ESTALE, HINT(self->mem, SIZE));
	EXPECT_EQ(PAGES - 1, young(self->agent.pid, self->mem, PAGES - 1));
	/* What is left of it did not change. */
	EXPECT_EQ(SIZE - PAGE, HINT(self->mem, SIZE - PAGE));
	EXPECT_EQ(0, young(self->agent.pid, self->mem, PAGES - 1));
}

/* One range is stale, wherever it stands: none is touched. Mutation: cookie-first-range-only */
TEST_F(cookie, stale_last_range)
{
	struct iovec vec[3];
	int i;

	for (i = 0; i < 3; i++) {
		vec[i].iov_base = self->mem + 2 * i * PAGE;
		vec[i].iov_len = PAGE;
	}
	ASSERT_EQ(0, DO(job_munmap, self->mem + 4 * PAGE, PAGE));
	EXPECT_EQ(-ESTALE, pmadv_arg(self->agent.pidfd, vec, 3, MADV_COLD, PMADV_COOKIE,
				     &self->cookie));
	EXPECT_EQ(4, young(self->agent.pid, self->mem, 4));
	EXPECT_EQ(2 * PAGE, pmadv_arg(self->agent.pidfd, vec, 2, MADV_COLD, PMADV_COOKIE,
				      &self->cookie));
	/* A range that is empty has not changed, one that is none neither. */
	vec[2].iov_len = 0;
	EXPECT_EQ(2 * PAGE, pmadv_arg(self->agent.pidfd, vec, 3, MADV_COLD, PMADV_COOKIE,
				      &self->cookie));
	vec[2].iov_len = -PAGE + 1;
	EXPECT_EQ(-EINVAL, pmadv_arg(self->agent.pidfd, vec, 3, MADV_COLD, PMADV_COOKIE,
				     &self->cookie));
	vec[2].iov_base = self->mem + 1;
	vec[2].iov_len = PAGE;
	EXPECT_EQ(2 * PAGE, pmadv_arg(self->agent.pidfd, vec, 3, MADV_COLD, PMADV_COOKIE,
				      &self->cookie));
}

/* A length is rounded up to pages here too. Mutation: vector-round-down */
TEST_F(cookie, rounded_up)
{
	ASSERT_EQ(0, DO(job_map_over, self->mem + PAGE, PAGE));
	EXPECT_EQ(-ESTALE, HINT(self->mem, PAGE + 1));
	EXPECT_EQ(PAGE - 1, HINT(self->mem, PAGE - 1));
}

/*
 * What changes
 */

/* Unmapped. Hook: layout-munmap */
TEST_F(cookie, munmap)
{
	ASSERT_EQ(0, DO(job_munmap, self->mem + PAGE, PAGE));
	EXPECT_EQ(-ESTALE, HINT(self->mem + PAGE, PAGE));
	EXPECT_EQ(PAGE, HINT(self->mem, PAGE));
	EXPECT_EQ(SIZE - 2 * PAGE, HINT(self->mem + 2 * PAGE, SIZE - 2 * PAGE));
	TAKE();
	EXPECT_EQ(-ENOMEM, HINT(self->mem + PAGE, PAGE));
}

/* Mapped where nothing was. Hook: layout-mmap */
TEST_F(cookie, mmap)
{
	ASSERT_EQ(0, DO(job_munmap, self->mem + PAGE, PAGE));
	TAKE();
	ASSERT_EQ(0, DO(job_map_new, self->mem + PAGE, PAGE));
	EXPECT_EQ(-ESTALE, HINT(self->mem + PAGE, PAGE));
	/* It is one VMA again with what is around it, which did not change. */
	EXPECT_EQ(PAGE, HINT(self->mem, PAGE));
	EXPECT_EQ(PAGE, HINT(self->mem + 2 * PAGE, PAGE));
	TAKE();
	EXPECT_EQ(SIZE, HINT(self->mem, SIZE));
}

/* The same mapped over it: logged twice, as unmapped and as mapped. */
TEST_F(cookie, mmap_over)
{
	ASSERT_EQ(0, DO(job_map_over, self->mem, SIZE));
	EXPECT_EQ(-ESTALE, HINT(self->mem, PAGE));
	EXPECT_EQ(-ESTALE, HINT(self->mem + SIZE - PAGE, PAGE));
	EXPECT_EQ(-ESTALE, HINT(self->mem, SIZE));
}

/* A heap that grows: the new part. Hook: layout-brk */
TEST_F(cookie, brk_grows)
{
	char *top = (char *)DO(job_sbrk, 0, 0);

	/* Whole pages, and a part that is there. */
	ASSERT_NE(-1, DO(job_sbrk, (-(long)top & (PAGE - 1)) + 4 * PAGE, 0));
	top = (char *)DO(job_sbrk, 0, 0);
	TAKE();
	ASSERT_EQ((long)top, DO(job_sbrk, 2 * PAGE, 0));
	EXPECT_EQ(-ESTALE, HINT(top, PAGE));
	EXPECT_EQ(-ESTALE, HINT(top + PAGE, PAGE));
	EXPECT_EQ(-ESTALE, HINT(top - PAGE, 2 * PAGE));
	/* The heap has become longer, not newer. Mutation: cookie-vma-wide */
	EXPECT_EQ(4 * PAGE, HINT(top - 4 * PAGE, 4 * PAGE));
	TAKE();
	EXPECT_EQ(6 * PAGE, HINT(top - 4 * PAGE, 6 * PAGE));
}

/* A heap that shrinks and grows again. Hook: layout-munmap */
TEST_F(cookie, brk_shrinks)
{
	char *top = (char *)DO(job_sbrk, 0, 0);

	ASSERT_NE(-1, DO(job_sbrk, (-(long)top & (PAGE - 1)) + 4 * PAGE, 0));
	top = (char *)DO(job_sbrk, 0, 0);
	TAKE();
	ASSERT_EQ((long)top, DO(job_sbrk, -PAGE, 0));
	EXPECT_EQ(-ESTALE, HINT(top - PAGE, PAGE));
	EXPECT_EQ(3 * PAGE, HINT(top - 4 * PAGE, 3 * PAGE));
}

/* Memory that grows down. */
static long job_map_stack(long unused UNUSED, long too UNUSED)
{
	char *mem = mmap(NULL, 1024 * PAGE, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		die("mmap");
	mem += 1022 * PAGE;
	/* Nothing that can be accessed may be near, and the rest of the hole is free. */
	if (munmap(mem - 1022 * PAGE, 1022 * PAGE) ||
	    mmap(mem, PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0) != mem)
		die("mmap");
	*mem = 1;
	return (long)mem;
}

/* A stack that grows: the new part. Hook: layout-stack */
TEST_F(cookie, stack_grows)
{
	char *stack = (char *)DO(job_map_stack, 0, 0);

	TAKE();
	EXPECT_EQ(PAGE, HINT(stack, PAGE));
	EXPECT_EQ(-ENOMEM, HINT(stack - 3 * PAGE, 3 * PAGE));
	ASSERT_EQ(0, DO(job_fill, stack - 3 * PAGE, 1));
	EXPECT_EQ(-ESTALE, HINT(stack - 3 * PAGE, PAGE));
	EXPECT_EQ(-ESTALE, HINT(stack - PAGE, PAGE));
	EXPECT_EQ(-ENOMEM, HINT(stack - 4 * PAGE, PAGE));
	EXPECT_EQ(PAGE, HINT(stack, PAGE));
	TAKE();
	EXPECT_EQ(4 * PAGE, HINT(stack - 3 * PAGE, 4 * PAGE));
}

/* Map the vDSO where there is none any more; less than 0 where that cannot be had. */
#ifdef __x86_64__
static long map_vdso(long to)
{
	long map_vdso_64 = 0x2003;	/* asm/prctl.h hides its name from older systems */

	return syscall(SYS_arch_prctl, map_vdso_64, to) < 0 ? -errno : 0;
}
#else
static long map_vdso(long to UNUSED)
{
	return -ENOSYS;
}
#endif

static long job_move_vdso(long to, long map)
{
	unsigned long start, end;
	char line[512];
	FILE *file;

	if (map)
		return map_vdso(to);

	file = fopen("/proc/self/maps", "r");
	while (file && fgets(line, sizeof(line), file)) {
		if ((strstr(line, "[vdso]") || strstr(line, "[vvar]")) &&
		    sscanf(line, "%lx-%lx ", &start, &end) == 2 &&
		    munmap((void *)start, end - start))
			die("munmap");
	}
	if (file)
		fclose(file);
	return 0;
}

/* A mapping that the kernel makes by itself. Hook: layout-insert */
TEST_F(cookie, special_mapping)
{
	long ret;

	ASSERT_EQ(0, DO(job_munmap, self->mem, SIZE));
	ASSERT_EQ(0, DO(job_move_vdso, 0, 0));
	TAKE();
	ret = DO(job_move_vdso, self->mem, 1);
	if (ret < 0)
		SKIP(return, "the vDSO cannot be mapped again: %s", strerror(-ret));
	/* Wherever it was put: near what it was asked for. */
	EXPECT_EQ(-ESTALE, HINT(self->mem - SIZE, 3 * SIZE));
}

/* Moved: where it was and where it is. Hook: layout-mremap-move. Mutation: cookie-moved-to */
TEST_F(cookie, mremap_moves)
{
	char *to = (char *)DO(job_map_filled, PAGES, 1);

	ASSERT_EQ(0, DO(job_munmap, to, SIZE));
	TAKE();
	more->c = SIZE;
	more->d = MREMAP_MAYMOVE | MREMAP_FIXED;
	more->cookie.gen = (unsigned long)to;
	ASSERT_EQ((long)to, DO(job_mremap, self->mem, SIZE));
	EXPECT_EQ(-ESTALE, HINT(self->mem, PAGE));
	EXPECT_EQ(-ESTALE, HINT(to, PAGE));
	EXPECT_EQ(-ESTALE, HINT(to + SIZE - PAGE, PAGE));
	EXPECT_EQ(PAGE, HINT(to + SIZE, PAGE));
	TAKE();
	EXPECT_EQ(SIZE, HINT(to, SIZE));
}

/*
 * The pages have left and the mapping has stayed as it was.
 * Hook: layout-mremap-move. Mutation: cookie-moved-from
 */
TEST_F(cookie, mremap_dontunmap)
{
	char *to = (char *)DO(job_map_filled, PAGES, 1);

	ASSERT_EQ(0, DO(job_munmap, to, SIZE));
	TAKE();
	more->c = SIZE;
	more->d = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
	more->cookie.gen = (unsigned long)to;
	ASSERT_EQ((long)to, DO(job_mremap, self->mem, SIZE));
	EXPECT_EQ(0, present(self->agent.pid, self->mem, PAGES));
	EXPECT_EQ(-ESTALE, HINT(self->mem, PAGE));
	EXPECT_EQ(-ESTALE, HINT(self->mem + SIZE - PAGE, PAGE));
	EXPECT_EQ(-ESTALE, HINT(to, PAGE));
}

/* Extended in place: the new part. Hook: layout-mremap-grow */
TEST_F(cookie, mremap_grows)
{
	ASSERT_EQ(0, DO(job_munmap, self->mem + SIZE - 2 * PAGE, 2 * PAGE));
	TAKE();
	more->c = SIZE - PAGE;
	more->d = 0;
	ASSERT_EQ((long)self->mem, DO(job_mremap, self->mem, SIZE - 2 * PAGE));
	EXPECT_EQ(-ESTALE, HINT(self->mem + SIZE - 2 * PAGE, PAGE));
	EXPECT_EQ(-ENOMEM, HINT(self->mem + SIZE - PAGE, PAGE));
	EXPECT_EQ(SIZE - 2 * PAGE, HINT(self->mem, SIZE - 2 * PAGE));
}

/* Cut off: the part that is gone. Hook: layout-munmap */
TEST_F(cookie, mremap_shrinks)
{
	more->c = PAGE;
	more->d = 0;
	ASSERT_EQ((long)self->mem, DO(job_mremap, self->mem, SIZE));
	EXPECT_EQ(-ESTALE, HINT(self->mem + PAGE, PAGE));
	EXPECT_EQ(-ESTALE, HINT(self->mem + SIZE - PAGE, PAGE));
	EXPECT_EQ(PAGE, HINT(self->mem, PAGE));
}

/* Another protection, and the same again. Hook: layout-mprotect */
TEST_F(cookie, mprotect)
{
	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_READ | PROT_WRITE));
	EXPECT_EQ(SIZE, HINT(self->mem, SIZE));
	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_READ));
	EXPECT_EQ(-ESTALE, HINT(self->mem, PAGE));
	EXPECT_EQ(-ESTALE, HINT(self->mem + SIZE - PAGE, PAGE));
	TAKE();
	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_READ));
	EXPECT_EQ(SIZE, HINT(self->mem, SIZE));
}

/* There and back again is a change. */
TEST_F(cookie, mprotect_and_back)
{
	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_NONE));
	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_READ | PROT_WRITE));
	EXPECT_EQ(-ESTALE, HINT(self->mem, SIZE));
}

/* Locked in memory, and unlocked. Hook: layout-mlock */
TEST_F(cookie, mlock)
{
	ASSERT_EQ(0, DO(job_mlock, self->mem, 1));
	EXPECT_EQ(-ESTALE, HINT(self->mem, PAGE));
	EXPECT_EQ(-ESTALE, HINT(self->mem + SIZE - PAGE, PAGE));
	TAKE();
	/* Locked again: no change. Then the advice itself is refused. */
	ASSERT_EQ(0, DO(job_mlock, self->mem, 1));
	EXPECT_EQ(-EINVAL, HINT(self->mem, SIZE));
	ASSERT_EQ(0, DO(job_mlock, self->mem, 0));
	EXPECT_EQ(-ESTALE, HINT(self->mem, SIZE));
	TAKE();
	EXPECT_EQ(SIZE, HINT(self->mem, SIZE));
}

/* All of it. Hook: layout-mlock */
TEST_F(cookie, mlockall)
{
	ASSERT_EQ(0, DO(job_mlockall, MCL_CURRENT, 0));
	EXPECT_EQ(-ESTALE, HINT(self->mem, SIZE));
	TAKE();
	ASSERT_EQ(0, DO(job_mlockall, 0, 0));
	EXPECT_EQ(-ESTALE, HINT(self->mem, SIZE));
}

static int uffd = -1;

static long job_uffd_register(long mem, long on)
{
	struct uffdio_register reg = {
		.range = { mem, SIZE }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };

	if (!on)
		return ioctl(uffd, UFFDIO_UNREGISTER, &reg.range) ? -errno : 0;
	if (uffd < 0) {
		uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
		if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api))
			return -errno;
	}
	return ioctl(uffd, UFFDIO_REGISTER, &reg) ? -errno : 0;
}

static long job_uffd_close(long unused UNUSED, long too UNUSED)
{
	return close(uffd);
}

/* Watched by userfaultfd. Mutation: cookie-uffd-register */
TEST_F(cookie, uffd_register)
{
	long ret = DO(job_uffd_register, self->mem, 1);

	if (ret == -ENOSYS)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, ret);
	EXPECT_EQ(-ESTALE, HINT(self->mem, PAGE));
	EXPECT_EQ(-ESTALE, HINT(self->mem + SIZE - PAGE, PAGE));
	TAKE();
	/* Once more: no change. */
	ASSERT_EQ(0, DO(job_uffd_register, self->mem, 1));
	EXPECT_EQ(SIZE, HINT(self->mem, SIZE));
}

/* Not watched any more. Mutation: cookie-uffd-unregister */
TEST_F(cookie, uffd_unregister)
{
	long ret = DO(job_uffd_register, self->mem, 1);

	if (ret == -ENOSYS)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, ret);
	TAKE();
	ASSERT_EQ(0, DO(job_uffd_register, self->mem, 0));
	EXPECT_EQ(-ESTALE, HINT(self->mem, PAGE));
	EXPECT_EQ(-ESTALE, HINT(self->mem + SIZE - PAGE, PAGE));
}

/* The monitor has gone. Mutation: cookie-uffd-release */
TEST_F(cookie, uffd_close)
{
	long ret = DO(job_uffd_register, self->mem, 1);

	if (ret == -ENOSYS)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, ret);
	TAKE();
	ASSERT_EQ(0, DO(job_uffd_close, 0, 0));
	EXPECT_EQ(-ESTALE, HINT(self->mem, PAGE));
	EXPECT_EQ(-ESTALE, HINT(self->mem + SIZE - PAGE, PAGE));
}

/*
 * What is no change
 */

static long job_clear_refs(long what, long unused UNUSED)
{
	char text[2] = { '0' + what };

	return !write_file("/proc/self/clear_refs", text);
}

static long job_fork(long unused UNUSED, long too UNUSED)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return waitpid(pid, &status, 0) != pid;
}

/* Content, advice and the marks of trackers. */
TEST_F(cookie, no_change)
{
	static const int advices[] = {
		MADV_DONTDUMP, MADV_DODUMP, MADV_RANDOM, MADV_NORMAL, MADV_DONTFORK, MADV_DOFORK,
		MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE, MADV_UNMERGEABLE,
		MADV_FREE, MADV_DONTNEED,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(advices); i++) {
		DO(job_madvise, self->mem, advices[i]);
		EXPECT_EQ(SIZE, HINT(self->mem, SIZE)) TH_LOG("advice %d", advices[i]);
	}
	ASSERT_EQ(0, DO(job_fill, self->mem, PAGES));
	EXPECT_EQ(SIZE, HINT(self->mem, SIZE));
	ASSERT_EQ(0, DO(job_clear_refs, 1, 0));
	ASSERT_EQ(0, DO(job_clear_refs, 4, 0));
	EXPECT_EQ(SIZE, HINT(self->mem, SIZE));
	ASSERT_EQ(0, DO(job_fork, 0, 0));
	EXPECT_EQ(SIZE, HINT(self->mem, SIZE));
}

/* Next door, on both sides, in the same VMA for a time. Mutation: cookie-vma-wide */
TEST_F(cookie, next_door)
{
	char *mid = self->mem + PAGE;
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, DO(job_munmap, self->mem, PAGE));
		ASSERT_EQ(0, DO(job_munmap, self->mem + SIZE - PAGE, PAGE));
		ASSERT_EQ(0, DO(job_map_new, self->mem, PAGE));
		ASSERT_EQ(0, DO(job_map_new, self->mem + SIZE - PAGE, PAGE));
	}
	EXPECT_EQ(SIZE - 2 * PAGE, HINT(mid, SIZE - 2 * PAGE));
	EXPECT_EQ(-ESTALE, HINT(mid - PAGE, SIZE - 2 * PAGE));
	EXPECT_EQ(-ESTALE, HINT(mid, SIZE - PAGE));
}

/*
 * Many changes: none is forgotten, and what is far from all of them stays good.
 * Mutations: cookie-fuse-forgets, cookie-full-forgets
 */
#define PLACES	1000

static long job_many(long mem, long unused UNUSED)
{
	long i;

	for (i = 0; i < PLACES; i++) {
		/* In an order that is not that of the addresses. */
		char *at = (char *)mem + 3 * (i * 617 % PLACES) * PAGE;

		if (munmap(at, PAGE))
			return -errno;
	}
	return 0;
}

TEST_F(cookie, overflow)
{
	char *many = (char *)DO(job_map_filled, 3 * PLACES, 1);
	long i, missed = 0;

	TAKE();
	ASSERT_EQ(0, DO(job_many, many, 0));
	for (i = 0; i < PLACES; i++)
		missed += HINT(many + 3 * i * PAGE, PAGE) != -ESTALE;
	EXPECT_EQ(0, missed);
	EXPECT_EQ(SIZE, HINT(self->mem, SIZE));
	TAKE();
	EXPECT_EQ(2 * PAGE, HINT(many + PAGE, 2 * PAGE));
}

/* Churn in one place does not fill the log. Mutation: cookie-no-replace */
static long job_churn(long mem, long rounds)
{
	while (rounds--) {
		if (job_munmap(mem, PAGE) || job_map_new(mem, PAGE))
			return 1;
	}
	return 0;
}

TEST_F(cookie, churn)
{
	char *many = (char *)DO(job_map_filled, 300, 1);
	struct pmadv_cookie first = self->cookie;
	long i;

	TAKE();
	/* Other cookies in between make that generations differ. */
	for (i = 0; i < 200; i++) {
		ASSERT_EQ(0, DO(job_churn, self->mem, 3));
		TAKE();
		ASSERT_EQ(0, DO(job_munmap, many + 2 * (i % 100) * PAGE, PAGE));
		ASSERT_EQ(0, DO(job_map_new, many + 2 * (i % 100) * PAGE, PAGE));
	}
	self->cookie = first;
	EXPECT_EQ(-ESTALE, HINT(self->mem, PAGE));
	EXPECT_EQ(SIZE - PAGE, HINT(self->mem + PAGE, SIZE - PAGE));
	EXPECT_EQ(-ESTALE, HINT(many, PAGE));
	TAKE();
	for (i = 0; i < 100; i++)
		EXPECT_EQ(PAGE, HINT(many + (2 * i + 1) * PAGE, PAGE));
}

/*
 * Whose cookie
 */

/* A number that nobody gave away. Mutation: cookie-forged */
TEST_F(cookie, forged)
{
	struct pmadv_cookie real = self->cookie;

	self->cookie.mm_id++;
	EXPECT_EQ(-ESTALE, HINT(self->mem, SIZE));
	self->cookie.mm_id = 0;
	EXPECT_EQ(-ESTALE, HINT(self->mem, SIZE));
	self->cookie = real;
	self->cookie.gen++;
	EXPECT_EQ(-ESTALE, HINT(self->mem, SIZE));
	self->cookie.gen = -1ULL;
	EXPECT_EQ(-ESTALE, HINT(self->mem, SIZE));
	self->cookie = real;
	EXPECT_EQ(SIZE, HINT(self->mem, SIZE));
}

/* Another process, even one with the same layout. Mutation: cookie-any-mm */
TEST_F(cookie, other_process)
{
	struct agent other = agent_start();
	char *mem = (char *)ask(&other, job_map_filled, PAGES, 1);
	struct pmadv_cookie cookie;

	EXPECT_EQ(-ESTALE, pmadv_cookie(other.pidfd, mem, SIZE, MADV_COLD, &self->cookie));
	ASSERT_EQ(0, get_cookie(other.pidfd, &cookie));
	EXPECT_NE(self->cookie.mm_id, cookie.mm_id);
	EXPECT_EQ(SIZE, pmadv_cookie(other.pidfd, mem, SIZE, MADV_COLD, &cookie));
	EXPECT_EQ(SIZE, HINT(self->mem, SIZE));
	agent_kill(&other);
}

/* A child that the agent forks, and that sits there. */
static long job_fork_stay(long flags, long unused UNUSED)
{
	pid_t parent = getpid();
	pid_t pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);

	if (!pid) {
		die_with_parent(parent);
		for (;;)
			pause();
	}
	return pid;
}

/*
 * A child has the same mappings and another address space: a cookie of its
 * parent is no good there, and what happens in the parent does not concern it.
 * Mutation: cookie-fork-inherits
 */
TEST_F(cookie, fork)
{
	pid_t pid = DO(job_fork_stay, 0, 0);
	struct pmadv_cookie cookie;
	int pidfd = pidfd_open(pid);

	ASSERT_LE(0, pidfd);
	EXPECT_EQ(-ESTALE, pmadv_cookie(pidfd, self->mem, SIZE, MADV_COLD, &self->cookie));
	EXPECT_EQ(SIZE, HINT(self->mem, SIZE));
	ASSERT_EQ(0, get_cookie(pidfd, &cookie));
	EXPECT_NE(self->cookie.mm_id, cookie.mm_id);
	ASSERT_EQ(0, DO(job_munmap, self->mem, PAGE));
	EXPECT_EQ(SIZE, pmadv_cookie(pidfd, self->mem, SIZE, MADV_COLD, &cookie));
	EXPECT_EQ(-ESTALE, HINT(self->mem, SIZE));
	kill(pid, SIGKILL);
	close(pidfd);
}

static int share_mm(void *arg)
{
	unsigned long *rounds = arg;

	for (;;) {
		store(rounds, *rounds + 1);
		usleep(1000);
	}
	return 0;
}

static long job_clone_vm(long unused UNUSED, long too UNUSED)
{
	static max_align_t stack[65536 / sizeof(max_align_t)];

	return clone(share_mm, stack + ARRAY_SIZE(stack), CLONE_VM | SIGCHLD, &more->rounds);
}

/* Processes that share an address space share its cookies. */
TEST_F(cookie, clone_vm)
{
	pid_t pid = DO(job_clone_vm, 0, 0);
	struct pmadv_cookie cookie;
	int pidfd;

	ASSERT_LT(0, pid);
	pidfd = pidfd_open(pid);
	ASSERT_LE(0, pidfd);
	EXPECT_EQ(SIZE, pmadv_cookie(pidfd, self->mem, SIZE, MADV_COLD, &self->cookie));
	ASSERT_EQ(0, get_cookie(pidfd, &cookie));
	EXPECT_EQ(self->cookie.mm_id, cookie.mm_id);
	ASSERT_EQ(0, DO(job_munmap, self->mem, PAGE));
	EXPECT_EQ(-ESTALE, pmadv_cookie(pidfd, self->mem, SIZE, MADV_COLD, &cookie));
	kill(pid, SIGKILL);
	close(pidfd);
}

static void *unmap_in_thread(void *arg)
{
	return (void *)(long)munmap(arg, PAGE);
}

static long job_munmap_in_thread(long mem, long unused UNUSED)
{
	pthread_t thread;
	void *ret;

	if (pthread_create(&thread, NULL, unmap_in_thread, (void *)mem))
		die("pthread_create");
	pthread_join(thread, &ret);
	return (long)ret;
}

/* What any thread does counts, and threads that come and go change nothing here. */
TEST_F(cookie, threads)
{
	ASSERT_EQ(0, DO(job_munmap_in_thread, self->mem, 0));
	EXPECT_EQ(-ESTALE, HINT(self->mem, PAGE));
	EXPECT_EQ(SIZE - PAGE, HINT(self->mem + PAGE, SIZE - PAGE));
}

static long job_exec(long unused UNUSED, long too UNUSED)
{
	execl("/bin/sleep", "sleep", "1000", NULL);
	return -errno;
}

static bool has_execed(pid_t pid)
{
	char path[64], name[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "r");
	if (file) {
		if (!fgets(name, sizeof(name), file))
			name[0] = 0;
		fclose(file);
	}
	return !strcmp(name, "sleep\n");
}

/* execve() ends all cookies. */
TEST_F(cookie, exec)
{
	struct pmadv_cookie cookie;

	agent_begin(&self->agent, job_exec, 0, 0);
	ASSERT_TRUE(wait_for(has_execed(self->agent.pid)));
	EXPECT_EQ(-ESTALE, HINT(self->mem, SIZE));
	ASSERT_EQ(0, get_cookie(self->agent.pidfd, &cookie));
	EXPECT_NE(self->cookie.mm_id, cookie.mm_id);
	EXPECT_EQ(-ESTALE, HINT(self->mem, SIZE));
}

/* An id is never used again. Mutation: cookie-id-again */
TEST_F(cookie, ids)
{
	__u64 last = self->cookie.mm_id;
	struct pmadv_cookie cookie;
	struct agent agent;
	int i;

	for (i = 0; i < 20; i++) {
		agent = agent_start();
		ASSERT_EQ(0, get_cookie(agent.pidfd, &cookie));
		EXPECT_NE(0, cookie.mm_id);
		EXPECT_NE(last, cookie.mm_id);
		EXPECT_NE(self->cookie.mm_id, cookie.mm_id);
		last = cookie.mm_id;
		agent_kill(&agent);
	}
}

/* A cookie of one's own layout. */
TEST_F(cookie, self)
{
	char *mem = map_filled(PAGES, 1);

	ASSERT_EQ(0, get_cookie(PIDFD_SELF, &self->cookie));
	EXPECT_EQ(SIZE, pmadv_cookie(PIDFD_SELF, mem, SIZE, MADV_DONTNEED, &self->cookie));
	EXPECT_EQ(0, present(getpid(), mem, PAGES));
	fill(mem, PAGES, 1);
	ASSERT_EQ(0, mprotect(mem, PAGE, PROT_READ));
	EXPECT_EQ(-ESTALE, pmadv_cookie(PIDFD_SELF, mem, SIZE, MADV_DONTNEED, &self->cookie));
	EXPECT_EQ(0, wrong(mem, PAGES, 1));
}

/*
 * Who is interested
 */

static void restore_idle(long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", value);
	write_file(SYSCTL_IDLE, text);
}

/*
 * Nobody asked for a while: the next change of the layout ends the log, and so
 * all cookies. Mutation: cookie-never-idle
 */
TEST_F(cookie, idle)
{
	long before = read_number(SYSCTL_IDLE);
	__u64 id = self->cookie.mm_id;
	double began;
	int guard;

	ASSERT_LT(0, before);
	guard = guard_start(restore_idle, before);
	ASSERT_TRUE(write_file(SYSCTL_IDLE, "2"));

	/* Asked all the time, it stays. Mutation: cookie-check-is-no-interest */
	for (began = now(); now() - began < 5; usleep(50000)) {
		ASSERT_EQ(0, DO(job_churn, self->mem, 1));
		ASSERT_EQ(PAGE, HINT(self->mem + PAGE, PAGE));
	}
	/* Long enough without a question. */
	for (began = now(); now() - began < 5; usleep(50000))
		;
	/* Without a change it is still there. */
	EXPECT_EQ(PAGE, HINT(self->mem + PAGE, PAGE));
	for (began = now(); now() - began < 5; usleep(50000))
		;
	ASSERT_EQ(0, DO(job_churn, self->mem, 1));
	EXPECT_EQ(-ESTALE, HINT(self->mem + PAGE, PAGE));
	TAKE();
	EXPECT_NE(id, self->cookie.mm_id);
	EXPECT_EQ(PAGE, HINT(self->mem + PAGE, PAGE));
	guard_end(guard);
}

/* 1 second to a day. */
TEST_F(cookie, idle_limits)
{
	long before = read_number(SYSCTL_IDLE);
	int guard;

	ASSERT_LT(0, before);
	guard = guard_start(restore_idle, before);
	EXPECT_FALSE(write_file(SYSCTL_IDLE, "0"));
	EXPECT_FALSE(write_file(SYSCTL_IDLE, "-1"));
	EXPECT_FALSE(write_file(SYSCTL_IDLE, "86401"));
	EXPECT_EQ(before, read_number(SYSCTL_IDLE));
	EXPECT_TRUE(write_file(SYSCTL_IDLE, "86400"));
	EXPECT_TRUE(write_file(SYSCTL_IDLE, "1"));
	guard_end(guard);
}

/*
 * While we work
 */

#define BIG	16384		/* pages, 64 MiB: many steps */

/*
 * Threads that change the layout of the last page, so that hints have to let
 * them in. With pauses of all lengths, so that now and then one is long enough
 * for a cookie to be taken and checked in.
 */
static void *change_last(void *arg)
{
	char *page = arg;

	run_on(1);
	while (!load(&more->stop)) {
		if (mprotect(page, PAGE, PROT_READ) ||
		    mprotect(page, PAGE, PROT_READ | PROT_WRITE))
			die("mprotect");
		store(&more->rounds, more->rounds + 1);
		usleep(more->rounds % 32 * 100);
	}
	return NULL;
}

static long job_change_last(long page, long unused UNUSED)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, change_last, (void *)page);
}

/*
 * The lock was given up, and what is left was changed meanwhile: the call ends
 * and says how far it came. Mutation: cookie-once
 */
TEST_F(cookie, stale_after_yield)
{
	char *mem = (char *)DO(job_map_filled, BIG + 1, 1);
	struct iovec vec[BIG / 512 + 1];
	long done = 0, whole = 0, refused = 0;
	size_t i;

	if (nth_cpu(1) < 0)
		SKIP(return, "needs two CPUs");
	for (i = 0; i < BIG / 512; i++) {
		vec[i].iov_base = mem + i * 512 * PAGE;
		vec[i].iov_len = 512 * PAGE;
	}
	vec[i].iov_base = mem + BIG * PAGE;
	vec[i].iov_len = PAGE;
	ASSERT_EQ(0, DO(job_change_last, mem + BIG * PAGE, 0));
	ASSERT_TRUE(wait_for(load(&more->rounds)));

	/* Short of the whole: only the last page was changed, so that many bytes were done. */
	for (i = 0; i < 2000 && !done; i++) {
		unsigned long rounds;
		long ret;

		TAKE();
		rounds = load(&more->rounds);
		ret = pmadv_arg(self->agent.pidfd, vec, BIG / 512 + 1, MADV_COLD, PMADV_COOKIE,
				&self->cookie);
		if (ret == -ESTALE) {
			refused++;
		} else if (ret == BIG * PAGE + PAGE) {
			whole++;
			/* Nothing can have changed but after the call, or before the cookie. */
			EXPECT_GE(2, load(&more->rounds) - rounds);
		} else {
			done = ret;
		}
	}
	store(&more->stop, true);
	TH_LOG("whole %ld, refused at once %ld", whole, refused);
	EXPECT_LT(0, done);
	EXPECT_GT(BIG * PAGE + PAGE, done);
	EXPECT_EQ(0, done % (512 * PAGE));
}

/*
 * Errors, and who may ask
 */

/* What goes with PMADV_GET_COOKIE: nothing. Mutation: cookie-get-with-all */
TEST_F(cookie, get_alone)
{
	struct iovec range = { self->mem, PAGE };
	int pidfd = self->agent.pidfd;

	EXPECT_EQ(-EINVAL, pmadv_arg(pidfd, &range, 1, 0, PMADV_GET_COOKIE, &self->cookie));
	EXPECT_EQ(-EINVAL, pmadv_arg(pidfd, &range, 0, 0, PMADV_GET_COOKIE, &self->cookie));
	EXPECT_EQ(-EINVAL, pmadv_arg(pidfd, NULL, 1, 0, PMADV_GET_COOKIE, &self->cookie));
	EXPECT_EQ(-EINVAL, pmadv_arg(pidfd, NULL, 0, MADV_COLD, PMADV_GET_COOKIE, &self->cookie));
	EXPECT_EQ(-EINVAL, pmadv_arg(pidfd, NULL, 0, 0, PMADV_GET_COOKIE | PMADV_COOKIE,
				     &self->cookie));
	EXPECT_EQ(-EFAULT, pmadv_arg(pidfd, NULL, 0, 0, PMADV_GET_COOKIE, NULL));
	EXPECT_EQ(-EBADF, pmadv_arg(-1, NULL, 0, 0, PMADV_GET_COOKIE, &self->cookie));
	EXPECT_EQ(0, pmadv_arg(pidfd, NULL, 0, 0, PMADV_GET_COOKIE, &self->cookie));
}

/* Where no cookie is, and in which order errors come. Mutation: cookie-read-late */
TEST_F(cookie, errors)
{
	struct iovec range = { self->mem, PAGE };
	int pidfd = self->agent.pidfd;

	EXPECT_EQ(-EFAULT, pmadv_arg(pidfd, &range, 1, MADV_COLD, PMADV_COOKIE, NULL));
	EXPECT_EQ(-EFAULT, pmadv_arg(-1, NULL, 1, -1, PMADV_COOKIE, NULL));
	EXPECT_EQ(-EFAULT, pmadv_arg(-1, NULL, 1025, -1, PMADV_COOKIE, NULL));
	EXPECT_EQ(-EINVAL, pmadv_arg(-1, NULL, 1025, -1, PMADV_COOKIE, &self->cookie));
	EXPECT_EQ(-EFAULT, pmadv_arg(-1, NULL, 1, -1, PMADV_COOKIE, &self->cookie));
	EXPECT_EQ(-EBADF, pmadv_arg(-1, &range, 1, -1, PMADV_COOKIE, &self->cookie));
	EXPECT_EQ(-EINVAL, pmadv_arg(pidfd, &range, 1, -1, PMADV_COOKIE, &self->cookie));
	/* Stale or not comes last. */
	self->cookie.mm_id = 0;
	EXPECT_EQ(-EINVAL, pmadv_arg(pidfd, &range, 1, MADV_DONTDUMP, PMADV_COOKIE, &self->cookie));
	EXPECT_EQ(-ESTALE, pmadv_arg(pidfd, &range, 1, MADV_COLD, PMADV_COOKIE, &self->cookie));
	range.iov_base = self->mem + 1;
	EXPECT_EQ(-EINVAL, pmadv_arg(pidfd, &range, 1, MADV_COLD, PMADV_COOKIE, &self->cookie));
	/* No range, no change. */
	EXPECT_EQ(0, pmadv_arg(pidfd, NULL, 0, MADV_COLD, PMADV_COOKIE, &self->cookie));
}

/* Advices that cannot have flags. Mutation: cookie-flags-everywhere */
TEST_F(cookie, no_flags_for)
{
	static const int advices[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_REMOVE, MADV_DONTFORK,
		MADV_DOFORK, MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
		MADV_DONTDUMP, MADV_DODUMP, MADV_WIPEONFORK, MADV_KEEPONFORK,
		100 /* MADV_HWPOISON */, 101 /* MADV_SOFT_OFFLINE */,
	};
	char *mem = map_filled(1, 1);
	size_t i;

	ASSERT_EQ(0, get_cookie(PIDFD_SELF, &self->cookie));
	for (i = 0; i < ARRAY_SIZE(advices); i++) {
		EXPECT_EQ(-EINVAL, pmadv_cookie(PIDFD_SELF, mem, PAGE, advices[i], &self->cookie))
			TH_LOG("advice %d", advices[i]);
	}
	EXPECT_EQ(0, wrong(mem, 1, 1));
}

/* Without a flag the sixth argument is not looked at. Mutation: cookie-always-read */
TEST_F(cookie, five_arguments)
{
	struct iovec range = { self->mem, SIZE };

	EXPECT_EQ(SIZE, pmadv_arg(self->agent.pidfd, &range, 1, MADV_COLD, 0, (void *)1));
	EXPECT_EQ(SIZE, pmadv_arg(self->agent.pidfd, &range, 1, MADV_COLD, 0, (void *)-1));
}

static long job_get_cookie(long pidfd, long unused UNUSED)
{
	return get_cookie(pidfd, &more->cookie);
}

static long job_hint(long mem, long pidfd)
{
	return pmadv_cookie(pidfd, (void *)mem, SIZE, MADV_COLD, &more->cookie);
}

/* A cookie wants the right to read the target, a hint more. Mutation: cookie-get-wants-nice */
TEST_F(cookie, permission)
{
	struct agent caller = agent_start();

	/* The same user, without any capability. */
	ASSERT_EQ(0, DO(job_become, NOBODY, 0));
	ASSERT_EQ(0, ask(&caller, job_become, NOBODY, 0));
	EXPECT_EQ(0, ask(&caller, job_get_cookie, self->agent.pidfd, 0));
	EXPECT_EQ(-EPERM, ask(&caller, job_hint, (long)self->mem, self->agent.pidfd));
	agent_kill(&caller);

	/* Another user. */
	caller = agent_start();
	ASSERT_EQ(0, ask(&caller, job_become, NOBODY - 1, 0));
	EXPECT_EQ(-EACCES, ask(&caller, job_get_cookie, self->agent.pidfd, 0));
	EXPECT_EQ(-EACCES, ask(&caller, job_hint, (long)self->mem, self->agent.pidfd));
	agent_kill(&caller);

	/* Another user who may read it for another reason. */
	caller = agent_start();
	ASSERT_EQ(0, ask(&caller, job_become, NOBODY - 1, CAP(CAP_PERFMON)));
	EXPECT_EQ(0, ask(&caller, job_get_cookie, self->agent.pidfd, 0));
	EXPECT_EQ(-EPERM, ask(&caller, job_hint, (long)self->mem, self->agent.pidfd));
	agent_kill(&caller);
}

/* One that is not there any more. */
TEST_F(cookie, gone)
{
	kill(self->agent.pid, SIGKILL);
	ASSERT_TRUE(wait_for(thread_state(self->agent.pid, self->agent.pid) == 'Z'));
	EXPECT_EQ(-ESRCH, get_cookie(self->agent.pidfd, &self->cookie));
}

#define FAILSLAB	"/sys/kernel/debug/failslab/"

/*
 * No allocation that fails does harm: no cookie, and the next call gets one.
 * What the call can do without may be needed once only, as a slab's large page:
 * after that there is one allocation less, and the same one is tried again.
 * Mutation: cookie-alloc-unchecked
 */
TEST_F(cookie, fault_injection)
{
	int fd = open("/proc/self/fail-nth", O_RDWR);
	struct agent agent;
	int nth, failed = 0, again = 0;
	char text[16];
	long ret;

	if (fd < 0 || access(FAILSLAB "ignore-gfp-wait", W_OK))
		SKIP(return, "no CONFIG_FAILSLAB, or no debugfs");
	/* Allocations that may sleep fail, too; without a word on the console. */
	ASSERT_TRUE(write_file(FAILSLAB "ignore-gfp-wait", "N"));
	ASSERT_TRUE(write_file(FAILSLAB "verbose", "0"));
	for (nth = 1; nth < 100; nth++) {
		struct pmadv_cookie cookie = { 1, 2 };

		agent = agent_start();
		snprintf(text, sizeof(text), "%d", nth);
		if (pwrite(fd, text, strlen(text), 0) < 0)
			die("fail-nth");
		ret = get_cookie(agent.pidfd, &cookie);
		memset(text, 0, sizeof(text));
		/* Where copies to user memory fail, too, it may be this one that does. */
		if (pread(fd, text, sizeof(text) - 1, 0) < 0 && errno == EFAULT)
			strcpy(text, "1");
		if (pwrite(fd, "0", 1, 0) < 0)
			die("fail-nth");
		if (ret) {
			failed++;
			EXPECT_TRUE(ret == -ENOMEM || ret == -EFAULT) TH_LOG("%ld", ret);
			EXPECT_EQ(0, get_cookie(agent.pidfd, &cookie));
		}
		EXPECT_NE(1, cookie.mm_id);
		agent_kill(&agent);
		/* It was not used up: there is no nth allocation. */
		if (atoi(text))
			break;
		if (!ret && again++ < 5)
			nth--;
		else
			again = 0;
	}
	EXPECT_TRUE(write_file(FAILSLAB "ignore-gfp-wait", "Y"));
	EXPECT_LT(0, failed);
	EXPECT_GT(100, nth);
	close(fd);
}

TEST_HARNESS_MAIN
