// SPDX-License-Identifier: GPL-2.0
/*
 * How process_madvise(2) works through its vector: what is done, what is
 * counted, and where it ends. The advice is MADV_PAGEOUT, given to another
 * process, because /proc/PID/pagemap tells to the page what was done.
 */
#include "pmadv.h"

#define AREAS		5
#define AREA		2	/* pages */

FIXTURE(vector) {
	struct agent target;
	char *mem;
	char *area[AREAS];
	struct iovec vec[1025];
};

static long job_unmap(long mem, long pages)
{
	return munmap((void *)mem, pages * PAGE);
}

FIXTURE_SETUP(vector)
{
	int i;

	self->target = agent_start();
	for (i = 0; i < AREAS; i++) {
		self->area[i] = (char *)ask(&self->target, job_map_filled, AREA, i);
		self->vec[i].iov_base = self->area[i];
		self->vec[i].iov_len = AREA * PAGE;
	}
}

FIXTURE_TEARDOWN(vector)
{
	agent_kill(&self->target);
}

#define PAGEOUT(n)	pmadv(self->target.pidfd, self->vec, n, MADV_PAGEOUT, 0)
#define SWAPPED(i)	swapped(self->target.pid, self->area[i], AREA)

/* The call returns the sum of the lengths. Mutation: vector-first-only */
TEST_F(vector, whole)
{
	int i;

	NEED_SWAP();
	ASSERT_EQ(AREAS * AREA * PAGE, PAGEOUT(AREAS));
	for (i = 0; i < AREAS; i++)
		EXPECT_EQ(AREA, SWAPPED(i));
}

/*
 * A length is rounded up to pages for the work, and not for the sum.
 * Mutations: vector-round-count, vector-round-down
 */
TEST_F(vector, length_is_rounded_up)
{
	NEED_SWAP();
	self->vec[0].iov_len = 1;
	self->vec[1].iov_len = PAGE + 1;
	ASSERT_EQ(PAGE + 2, PAGEOUT(2));
	EXPECT_EQ(1, SWAPPED(0));
	EXPECT_EQ(AREA, SWAPPED(1));
}

/* Nothing to do is done. Mutations: errors-vlen-limit, vector-empty-error */
TEST_F(vector, empty)
{
	EXPECT_EQ(0, PAGEOUT(0));
	EXPECT_EQ(0, pmadv(self->target.pidfd, NULL, 0, MADV_PAGEOUT, 0));
	memset(self->vec, 0, sizeof(self->vec));
	EXPECT_EQ(0, PAGEOUT(1));
	EXPECT_EQ(0, PAGEOUT(1024));
	EXPECT_EQ(-EINVAL, PAGEOUT(1025));
}

/*
 * An empty range is passed over, wherever it points to.
 * Mutations: vector-empty-align, vector-first-only
 */
TEST_F(vector, empty_range_between)
{
	NEED_SWAP();
	self->vec[1].iov_base++;
	self->vec[1].iov_len = 0;
	self->vec[2].iov_len = 0;
	ASSERT_EQ(3 * AREA * PAGE, PAGEOUT(AREAS));
	EXPECT_EQ(AREA, SWAPPED(0));
	EXPECT_EQ(0, SWAPPED(1));
	EXPECT_EQ(0, SWAPPED(2));
	EXPECT_EQ(AREA, SWAPPED(3));
	EXPECT_EQ(AREA, SWAPPED(4));
}

/* As many as 1024 ranges. Mutation: vector-first-only */
TEST_F(vector, full)
{
	int i;

	NEED_SWAP();
	self->mem = (char *)ask(&self->target, job_map_filled, 2048, 1);
	for (i = 0; i < 1024; i++) {
		self->vec[i].iov_base = self->mem + 2 * i * PAGE;
		self->vec[i].iov_len = PAGE;
	}
	ASSERT_EQ(1024 * PAGE, PAGEOUT(1024));
	for (i = 0; i < 1024; i++) {
		EXPECT_EQ(1, swapped(self->target.pid, self->mem + 2 * i * PAGE, 1));
		EXPECT_EQ(0, swapped(self->target.pid, self->mem + (2 * i + 1) * PAGE, 1));
	}
	EXPECT_EQ(0, ask(&self->target, job_wrong, (long)self->mem, 2048));
}

/* A range may be named twice and is counted twice. Mutation: vector-first-only */
TEST_F(vector, same_range_twice)
{
	NEED_SWAP();
	self->vec[1] = self->vec[0];
	ASSERT_EQ(2 * AREA * PAGE, PAGEOUT(2));
	EXPECT_EQ(AREA, SWAPPED(0));
	EXPECT_EQ(0, SWAPPED(1));
}

static long job_map_three(long unused __attribute__((unused)),
			  long too __attribute__((unused)))
{
	char *mem = map_filled(6, 1);

	/* The pages in the middle become a VMA of their own. */
	if (madvise(mem + 2 * PAGE, 2 * PAGE, MADV_DONTFORK))
		die("madvise");
	return (long)mem;
}

/* One range may span VMAs. Mutation: vector-first-vma */
TEST_F(vector, range_over_vmas)
{
	NEED_SWAP();
	self->mem = (char *)ask(&self->target, job_map_three, 0, 0);
	self->vec[0].iov_base = self->mem;
	self->vec[0].iov_len = 6 * PAGE;
	ASSERT_EQ(6 * PAGE, PAGEOUT(1));
	EXPECT_EQ(6, swapped(self->target.pid, self->mem, 6));
}

/*
 * ENOMEM: a hole. What is mapped is done all the same.
 * Mutations: vector-count-failed, vector-first-vma, vector-hole-silent,
 * vector-hole-stops
 */
TEST_F(vector, hole_inside)
{
	NEED_SWAP();
	self->mem = (char *)ask(&self->target, job_map_filled, 6, 1);
	ask(&self->target, job_unmap, (long)self->mem + 2 * PAGE, 2);
	self->vec[0].iov_base = self->mem;
	self->vec[0].iov_len = 6 * PAGE;
	ASSERT_EQ(-ENOMEM, PAGEOUT(2));
	EXPECT_EQ(2, swapped(self->target.pid, self->mem, 2));
	EXPECT_EQ(2, swapped(self->target.pid, self->mem + 4 * PAGE, 2));
	EXPECT_EQ(0, SWAPPED(1));
}

/*
 * A range with a hole is not counted, and is the last.
 * Mutations: vector-count-failed, vector-go-on, vector-hole-silent,
 * vector-hole-stops
 */
TEST_F(vector, hole_is_not_counted)
{
	NEED_SWAP();
	self->mem = (char *)ask(&self->target, job_map_filled, 6, 1);
	ask(&self->target, job_unmap, (long)self->mem + 2 * PAGE, 2);
	self->vec[1].iov_base = self->mem;
	self->vec[1].iov_len = 6 * PAGE;
	ASSERT_EQ(AREA * PAGE, PAGEOUT(AREAS));
	EXPECT_EQ(AREA, SWAPPED(0));
	EXPECT_EQ(4, swapped(self->target.pid, self->mem, 6));
	EXPECT_EQ(0, SWAPPED(2));
	EXPECT_EQ(0, SWAPPED(3));
}

/* A hole where the range begins. Mutation: vector-hole-stops */
TEST_F(vector, hole_first)
{
	NEED_SWAP();
	self->mem = (char *)ask(&self->target, job_map_filled, 6, 1);
	ask(&self->target, job_unmap, (long)self->mem, 2);
	self->vec[0].iov_base = self->mem;
	self->vec[0].iov_len = 6 * PAGE;
	ASSERT_EQ(-ENOMEM, PAGEOUT(1));
	EXPECT_EQ(4, swapped(self->target.pid, self->mem + 2 * PAGE, 4));
}

/* A hole where the range ends. Mutation: vector-hole-silent */
TEST_F(vector, hole_last)
{
	NEED_SWAP();
	self->mem = (char *)ask(&self->target, job_map_filled, 6, 1);
	ask(&self->target, job_unmap, (long)self->mem + 4 * PAGE, 2);
	self->vec[0].iov_base = self->mem;
	self->vec[0].iov_len = 6 * PAGE;
	ASSERT_EQ(-ENOMEM, PAGEOUT(1));
	EXPECT_EQ(4, swapped(self->target.pid, self->mem, 4));
}

/* ENOMEM: beyond all that is mapped. Mutation: vector-hole-silent */
TEST_F(vector, hole_only)
{
	self->mem = (char *)ask(&self->target, job_map_filled, 2, 1);
	ask(&self->target, job_unmap, (long)self->mem, 2);
	self->vec[0].iov_base = self->mem;
	EXPECT_EQ(-ENOMEM, PAGEOUT(1));
	/* No mapping of a user comes as high as this. */
	self->vec[0].iov_base = (void *)((1UL << 47) - 2 * PAGE);
	self->vec[0].iov_len = PAGE;
	EXPECT_EQ(-ENOMEM, PAGEOUT(1));
}

/*
 * The vector is read as a whole before anything is done: an error in its last
 * element leaves the first alone.
 * Mutation: vector-unchecked
 */
TEST_F(vector, bad_element_changes_nothing)
{
	NEED_SWAP();
	self->vec[AREAS - 1].iov_len = ~0UL;
	EXPECT_EQ(-EINVAL, PAGEOUT(AREAS));
	self->vec[AREAS - 1].iov_len = PAGE;
	self->vec[AREAS - 1].iov_base = (void *)0xffff888000001000UL;
	EXPECT_EQ(-EFAULT, PAGEOUT(AREAS));
	EXPECT_EQ(0, SWAPPED(0));
	EXPECT_EQ(0, SWAPPED(1));
}

/*
 * The same, where the vector reaches into memory that is not there.
 * Mutation: vector-unread
 */
TEST_F(vector, vector_ends_in_nothing)
{
	struct iovec *vec;

	NEED_SWAP();
	vec = map_pages(1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	vec += PAGE / sizeof(*vec) - 2;
	memcpy(vec, self->vec, 2 * sizeof(*vec));
	EXPECT_EQ(-EFAULT, pmadv(self->target.pidfd, vec, 3, MADV_PAGEOUT, 0));
	EXPECT_EQ(0, SWAPPED(0));
	EXPECT_EQ(0, SWAPPED(1));
	EXPECT_EQ(2 * AREA * PAGE, pmadv(self->target.pidfd, vec, 2, MADV_PAGEOUT, 0));
	EXPECT_EQ(AREA, SWAPPED(0));
	EXPECT_EQ(AREA, SWAPPED(1));
}

static long job_reserve(long len, long unused __attribute__((unused)))
{
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return mem == MAP_FAILED ? 0 : (long)mem;
}

/*
 * A call does no more than 2 GiB less a page; what is beyond is not touched and
 * not counted.
 * Mutation: vector-no-limit
 */
TEST_F(vector, two_gigabytes_at_most)
{
	const unsigned long most = (1UL << 31) - PAGE;

	NEED_SWAP();
	self->mem = (char *)ask(&self->target, job_reserve, 3UL << 30, 0);
	if (!self->mem)
		SKIP(return, "no 3 GiB of address space");
	self->vec[0].iov_base = self->mem;
	self->vec[0].iov_len = 3UL << 30;
	EXPECT_EQ(most, PAGEOUT(1));
	EXPECT_EQ(most, PAGEOUT(2));
	EXPECT_EQ(0, SWAPPED(1));

	self->vec[0].iov_len = most - PAGE;
	EXPECT_EQ(most, PAGEOUT(2));
	EXPECT_EQ(1, SWAPPED(1));
}

/*
 * Progress: the ranges before the one that fails are done and counted, the
 * ones behind it are left alone; the error shows if nothing was done.
 */
enum fault { UNALIGNED, UNMAPPED, LOCKED, HUGETLB, PFNMAP };

FIXTURE(progress) {
	struct agent target;
	char *area[AREAS];
	struct iovec vec[AREAS];
	long hugepages;
	bool reserved;
};

FIXTURE_VARIANT(progress) {
	enum fault fault;
	long error;
	int at;
};

FIXTURE_VARIANT_ADD(progress, unaligned_first) {
	.fault = UNALIGNED, .error = -EINVAL, .at = 0,
};

FIXTURE_VARIANT_ADD(progress, unaligned_middle) {
	.fault = UNALIGNED, .error = -EINVAL, .at = 2,
};

FIXTURE_VARIANT_ADD(progress, unaligned_last) {
	.fault = UNALIGNED, .error = -EINVAL, .at = AREAS - 1,
};

FIXTURE_VARIANT_ADD(progress, unmapped_first) {
	.fault = UNMAPPED, .error = -ENOMEM, .at = 0,
};

FIXTURE_VARIANT_ADD(progress, unmapped_middle) {
	.fault = UNMAPPED, .error = -ENOMEM, .at = 2,
};

FIXTURE_VARIANT_ADD(progress, unmapped_last) {
	.fault = UNMAPPED, .error = -ENOMEM, .at = AREAS - 1,
};

FIXTURE_VARIANT_ADD(progress, locked_first) {
	.fault = LOCKED, .error = -EINVAL, .at = 0,
};

FIXTURE_VARIANT_ADD(progress, locked_middle) {
	.fault = LOCKED, .error = -EINVAL, .at = 2,
};

FIXTURE_VARIANT_ADD(progress, locked_last) {
	.fault = LOCKED, .error = -EINVAL, .at = AREAS - 1,
};

FIXTURE_VARIANT_ADD(progress, hugetlb_first) {
	.fault = HUGETLB, .error = -EINVAL, .at = 0,
};

FIXTURE_VARIANT_ADD(progress, hugetlb_middle) {
	.fault = HUGETLB, .error = -EINVAL, .at = 2,
};

FIXTURE_VARIANT_ADD(progress, hugetlb_last) {
	.fault = HUGETLB, .error = -EINVAL, .at = AREAS - 1,
};

FIXTURE_VARIANT_ADD(progress, pfnmap_first) {
	.fault = PFNMAP, .error = -EINVAL, .at = 0,
};

FIXTURE_VARIANT_ADD(progress, pfnmap_middle) {
	.fault = PFNMAP, .error = -EINVAL, .at = 2,
};

FIXTURE_VARIANT_ADD(progress, pfnmap_last) {
	.fault = PFNMAP, .error = -EINVAL, .at = AREAS - 1,
};

static long job_lock(long mem, long pages)
{
	return mlock((void *)mem, pages * PAGE);
}

static long job_map_hugetlb(long unused __attribute__((unused)),
			    long too __attribute__((unused)))
{
	char *mem = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (mem == MAP_FAILED)
		return 0;
	*mem = 1;
	return (long)mem;
}

/* Pages of the vdso's data have no struct page that may be touched. */
static long job_find_pfnmap(long unused __attribute__((unused)),
			    long too __attribute__((unused)))
{
	FILE *file = fopen("/proc/self/maps", "r");
	unsigned long from, found = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		if (strstr(line, "[vvar]") && sscanf(line, "%lx-", &from) == 1)
			found = from;
	}
	if (file)
		fclose(file);
	return found;
}

#define NR_HUGEPAGES	"/proc/sys/vm/nr_hugepages"

FIXTURE_SETUP(progress)
{
	char text[32];
	int i;

	self->target = agent_start();
	self->hugepages = read_number(NR_HUGEPAGES);
	if (variant->fault == HUGETLB && self->hugepages >= 0) {
		snprintf(text, sizeof(text), "%ld", self->hugepages + 1);
		self->reserved = write_file(NR_HUGEPAGES, text);
	}
	for (i = 0; i < AREAS; i++) {
		self->area[i] = (char *)ask(&self->target, job_map_filled, AREA, i);
		self->vec[i].iov_base = self->area[i];
		/* What is counted is not what it is rounded to. */
		self->vec[i].iov_len = AREA * PAGE - 100 - i;
	}
}

FIXTURE_TEARDOWN(progress)
{
	char text[32];

	agent_kill(&self->target);
	if (self->reserved) {
		snprintf(text, sizeof(text), "%ld", self->hugepages);
		write_file(NR_HUGEPAGES, text);
	}
}

/* Make a range one that cannot be advised. */
static bool spoil(struct agent *target, struct iovec *range, enum fault fault)
{
	switch (fault) {
	case UNALIGNED:
		range->iov_base++;
		return true;
	case UNMAPPED:
		return !ask(target, job_unmap, (long)range->iov_base, AREA);
	case LOCKED:
		return !ask(target, job_lock, (long)range->iov_base, AREA);
	case HUGETLB:
		range->iov_len = HUGE;
		range->iov_base = (void *)ask(target, job_map_hugetlb, 0, 0);
		return range->iov_base;
	case PFNMAP:
		range->iov_len = PAGE;
		range->iov_base = (void *)ask(target, job_find_pfnmap, 0, 0);
		return range->iov_base;
	}
	return false;
}

/* Mutations: vector-any-vma, vector-go-on, vector-hole-silent, vector-round-count */
TEST_F(progress, pageout)
{
	long done = 0;
	int i;

	NEED_SWAP();
	if (!spoil(&self->target, &self->vec[variant->at], variant->fault))
		SKIP(return, "no such memory to be had");

	for (i = 0; i < variant->at; i++)
		done += self->vec[i].iov_len;
	ASSERT_EQ(done ?: variant->error,
		  pmadv(self->target.pidfd, self->vec, AREAS, MADV_PAGEOUT, 0));
	for (i = 0; i < AREAS; i++) {
		if (i == variant->at)
			continue;
		EXPECT_EQ(i < variant->at ? AREA : 0,
			  swapped(self->target.pid, self->area[i], AREA))
			TH_LOG("range %d", i);
	}
}

/* Mutations: vector-any-vma, vector-count-failed, vector-go-on, vector-unaligned */
TEST_F(progress, cold)
{
	long done = 0;
	int i;

	if (!spoil(&self->target, &self->vec[variant->at], variant->fault))
		SKIP(return, "no such memory to be had");

	for (i = 0; i < variant->at; i++)
		done += self->vec[i].iov_len;
	ASSERT_EQ(done ?: variant->error,
		  pmadv(self->target.pidfd, self->vec, AREAS, MADV_COLD, 0));
	for (i = 0; i < AREAS; i++) {
		if (i == variant->at)
			continue;
		EXPECT_EQ(i < variant->at ? 0 : AREA,
			  young(self->target.pid, self->area[i], AREA))
			TH_LOG("range %d", i);
	}
}

TEST_HARNESS_MAIN
