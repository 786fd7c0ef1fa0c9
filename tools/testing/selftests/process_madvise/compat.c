// SPDX-License-Identifier: GPL-2.0
/*
 * process_madvise(2) for 32-bit callers: the vector has 32-bit pointers and
 * lengths. The test is a 64-bit program that makes the 32-bit system call, so
 * all that the kernel is to find lies below 4 GiB.
 */
#include "pmadv.h"

#ifdef __x86_64__

#define NR_32BIT	440
#define PAGES		4

struct iovec32 {
	__u32 base;
	__u32 len;
};

static long pmadv32(int pidfd, const void *vec, __u32 vlen, int advice,
		    __u32 flags)
{
	long ret;

	asm volatile("int $0x80"
		     : "=a" (ret)
		     : "a" (NR_32BIT), "b" ((long)pidfd), "c" (vec),
		       "d" ((long)vlen), "S" ((long)advice), "D" ((long)flags)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

/* The sixth argument goes where the frame pointer is, and the stack is in use below its end. */
static long pmadv32_arg(int pidfd, const void *vec, __u32 vlen, int advice,
			__u32 flags, void *arg)
{
	long ret = NR_32BIT;

	asm volatile("sub $128, %%rsp\n\t"
		     "push %%rbp\n\t"
		     "mov %[arg], %%rbp\n\t"
		     "int $0x80\n\t"
		     "pop %%rbp\n\t"
		     "add $128, %%rsp"
		     : "+a" (ret)
		     : [arg] "r" ((long)arg), "b" ((long)pidfd), "c" (vec),
		       "d" ((long)vlen), "S" ((long)advice), "D" ((long)flags)
		     : "memory", "cc", "r8", "r9", "r10", "r11");
	return (int)ret;
}

static void *map_low(size_t pages)
{
	void *mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	if (mem == MAP_FAILED)
		die("mmap");
	return mem;
}

FIXTURE(compat) {
	struct iovec32 *vec;
	char *mem;
	pid_t pid;
};

static long job_low(long unused __attribute__((unused)),
		    long too __attribute__((unused)))
{
	return pmadv32(-1, NULL, 0, MADV_COLD, 0);
}

FIXTURE_SETUP(compat)
{
	int status;
	pid_t pid;

	/* Where the 32-bit system call does not exist it ends the process. */
	pid = fork();
	if (!pid)
		_exit(job_low(0, 0) != -EBADF);
	if (waitpid(pid, &status, 0) != pid || status)
		SKIP_TEST("no 32-bit system calls");

	run_on(0);
	self->pid = getpid();
	self->vec = map_low(4);
	self->mem = map_low(3 * PAGES) + PAGES * PAGE;
	fill(self->mem, PAGES, 1);
	/* The neighbours make sure that a length is not read from too far. */
	self->vec[0].base = (__u32)(unsigned long)self->mem;
	self->vec[0].len = PAGE;
	self->vec[1].base = (__u32)(unsigned long)self->mem + 2 * PAGE;
	self->vec[1].len = PAGE;
}

FIXTURE_TEARDOWN(compat)
{
}

/* Both ranges are read as what they are. Mutations: compat-native, vector-first-only */
TEST_F(compat, vector)
{
	NEED_SWAP();
	ASSERT_EQ(2 * PAGE, pmadv32(PIDFD_SELF, self->vec, 2, MADV_PAGEOUT, 0));
	EXPECT_EQ(1, swapped(self->pid, self->mem, 1));
	EXPECT_EQ(0, swapped(self->pid, self->mem + PAGE, 1));
	EXPECT_EQ(1, swapped(self->pid, self->mem + 2 * PAGE, 1));
	EXPECT_EQ(0, swapped(self->pid, self->mem + 3 * PAGE, 1));
	EXPECT_EQ(0, wrong(self->mem, PAGES, 1));
}

/* 1024 elements of 8 bytes, and no more. Mutations: compat-native, errors-vlen-limit */
TEST_F(compat, full_vector)
{
	int i;

	for (i = 0; i < 1025; i++)
		self->vec[i] = self->vec[0];
	EXPECT_EQ(1024 * PAGE, pmadv32(PIDFD_SELF, self->vec, 1024, MADV_COLD, 0));
	EXPECT_EQ(-EINVAL, pmadv32(PIDFD_SELF, self->vec, 1025, MADV_COLD, 0));
	EXPECT_EQ(-EINVAL, pmadv32(PIDFD_SELF, self->vec, ~0U, MADV_COLD, 0));
}

/* A length with bit 31 is negative here. Mutation: compat-native */
TEST_F(compat, negative_length)
{
	self->vec[1].len = 1U << 31;
	EXPECT_EQ(-EINVAL, pmadv32(PIDFD_SELF, self->vec, 2, MADV_DONTNEED, 0));
	EXPECT_EQ(0, wrong(self->mem, PAGES, 1));
	/* The largest that is not: it is too long, but the first range counts. */
	self->vec[1].len = (1U << 31) - 1;
	EXPECT_EQ(PAGE, pmadv32(PIDFD_SELF, self->vec, 2, MADV_COLD, 0));
}

/* A vector that ends in nothing. Mutation: compat-native */
TEST_F(compat, vector_ends_in_nothing)
{
	char *end = (char *)self->vec + 4 * PAGE;
	struct iovec32 *vec = (struct iovec32 *)end - 2;

	ASSERT_EQ(0, munmap(end - PAGE, PAGE));
	vec = (struct iovec32 *)(end - PAGE) - 2;
	memcpy(vec, self->vec, 2 * sizeof(*vec));
	EXPECT_EQ(2 * PAGE, pmadv32(PIDFD_SELF, vec, 2, MADV_COLD, 0));
	EXPECT_EQ(-EFAULT, pmadv32(PIDFD_SELF, vec, 3, MADV_DONTNEED, 0));
	EXPECT_EQ(0, wrong(self->mem, PAGES, 1));
}

/*
 * The order of errors and the names of the caller are those of 64 bits.
 * Mutations: self-one-sentinel, vector-unaligned
 */
TEST_F(compat, errors)
{
	EXPECT_EQ(-EINVAL, pmadv32(-1, NULL, 1, -1, 1U << 31));
	EXPECT_EQ(-EFAULT, pmadv32(-1, NULL, 1, -1, 0));
	EXPECT_EQ(-EBADF, pmadv32(-1, self->vec, 1, -1, 0));
	EXPECT_EQ(-EINVAL, pmadv32(PIDFD_SELF, self->vec, 1, -1, 0));
	EXPECT_EQ(PAGE, pmadv32(PIDFD_SELF_PROCESS, self->vec, 1, MADV_COLD, 0));
	self->vec[0].base++;
	EXPECT_EQ(-EINVAL, pmadv32(PIDFD_SELF, self->vec, 1, MADV_COLD, 0));
}

/*
 * The cookie and the statistics are laid out as they are for 64 bits, at an
 * address of 32 bits. Mutation: cookie-not-checked
 */
TEST_F(compat, cookie)
{
	struct pmadv_cookie *cookie = map_low(1), same;
	struct pmadv_stat *stat = (struct pmadv_stat *)(cookie + 1);

	if (pmadv32_arg(PIDFD_SELF, NULL, 0, 0, PMADV_GET_COOKIE, cookie) == -EINVAL)
		SKIP(return, "no CONFIG_PROCESS_MADVISE_COOKIE");
	ASSERT_EQ(0, get_cookie(PIDFD_SELF, &same));
	EXPECT_EQ(same.mm_id, cookie->mm_id);
	EXPECT_EQ(same.gen, cookie->gen);
	EXPECT_EQ(2 * PAGE, pmadv32_arg(PIDFD_SELF, self->vec, 2, MADV_COLD, PMADV_COOKIE, cookie));
	stat->cookie = same;
	stat->size = sizeof(*stat);
	EXPECT_EQ(2 * PAGE, pmadv32_arg(PIDFD_SELF, self->vec, 2, MADV_COLD,
					PMADV_COOKIE | PMADV_STAT, stat));
	EXPECT_EQ(2 * PAGE, stat->bytes_seen);
	EXPECT_EQ(0, pmadv32_arg(PIDFD_SELF, NULL, 0, MADV_COLD, PMADV_RANGE | PMADV_STAT, stat));
	/* All of it: also what a 32-bit program could not name. */
	EXPECT_LT(2 * PAGE, stat->bytes_seen);
	ASSERT_EQ(0, mprotect(self->mem + 2 * PAGE, PAGE, PROT_READ));
	EXPECT_EQ(-ESTALE, pmadv32_arg(PIDFD_SELF, self->vec, 2, MADV_DONTNEED, PMADV_COOKIE,
				       cookie));
	EXPECT_EQ(-EFAULT, pmadv32_arg(PIDFD_SELF, self->vec, 2, MADV_COLD, PMADV_COOKIE, NULL));
	EXPECT_EQ(0, wrong(self->mem, PAGES, 1));
}

/* Small pages become a huge one. Mutation: compat-native */
TEST_F(compat, collapse)
{
	char *mem = map_low(2 * SUB);

	mem = (char *)(((unsigned long)mem + HUGE - 1) & ~(HUGE - 1));
	ASSERT_EQ(0, madvise(mem, HUGE, MADV_NOHUGEPAGE));
	fill(mem, SUB, 1);
	ASSERT_EQ(0, huge_mapped(self->pid, mem, 1));
	/* From here on khugepaged may be faster. */
	if (madvise(mem, HUGE, MADV_HUGEPAGE))
		SKIP(return, "no transparent huge pages");
	self->vec[0].base = (__u32)(unsigned long)mem;
	self->vec[0].len = HUGE;
	EXPECT_EQ(HUGE, pmadv32(PIDFD_SELF, self->vec, 1, MADV_COLLAPSE, 0));
	EXPECT_EQ(1, huge_mapped(self->pid, mem, 1));
	EXPECT_EQ(0, wrong(mem, SUB, 1));
}

#else

/*  */
TEST(compat)
{
	SKIP(return, "this machine has no 32-bit system call that a 64-bit program can make");
}

#endif

TEST_HARNESS_MAIN
