// SPDX-License-Identifier: GPL-2.0
/*
 * MADV_COLLAPSE: anonymous memory goes into huge pages on request, of oneself
 * and of others, or the error says why it does not.
 *
 * The tests turn transparent huge pages off for the system, and all that
 * khugepaged would allow: who asks for huge pages gets them nevertheless.
 */
#include "pmadv.h"

#define SLOTS		3
#define SIZE		(SLOTS * HUGE)
#define UNUSED		__attribute__((unused))

#define THP		"/sys/kernel/mm/transparent_hugepage/"
#define PM_SOFT_DIRTY	(1ULL << 55)

static const struct setting {
	const char *path;
	const char *off;
} settings[] = {
	{ THP "enabled", "never" },
	{ THP "khugepaged/max_ptes_none", "0" },
	{ THP "khugepaged/max_ptes_swap", "0" },
	{ THP "khugepaged/max_ptes_shared", "0" },
};

static char saved[ARRAY_SIZE(settings)][64];

static void restore_settings(long unused UNUSED)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(settings); i++)
		write_file(settings[i].path, saved[i]);
}

/* The chosen word of a list is the one in brackets. */
static bool read_setting(const char *path, char *word)
{
	char text[128] = "", *from, *to;
	int fd = open(path, O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return false;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return false;
	from = strchr(text, '[');
	from = from ? from + 1 : text;
	to = from + strcspn(from, "]\n");
	snprintf(word, 64, "%.*s", (int)(to - from), from);
	return true;
}

static long job_map_empty(long slots, long unused UNUSED)
{
	return (long)map_slots(slots);
}

/* Memory in small pages, which nothing but its place says. */
static long job_map_small(long slots, long unused UNUSED)
{
	char *mem = map_slots(slots);

	fill(mem, slots * SUB, 1);
	return (long)mem;
}

static long job_fill(long mem, long pages)
{
	fill((void *)mem, pages, 1);
	return 0;
}

static long job_madvise(long mem, long advice)
{
	return madvise((void *)mem, SIZE, advice) ? -errno : 0;
}

static long job_madvise_slot(long mem, long advice)
{
	return madvise((void *)mem, HUGE, advice) ? -errno : 0;
}

static long job_munmap(long mem, long len)
{
	return munmap((void *)mem, len) ? -errno : 0;
}

static long job_mprotect(long mem, long prot)
{
	return mprotect((void *)mem, SIZE, prot) ? -errno : 0;
}

static long job_read(long mem, long unused UNUSED)
{
	return load((__u64 *)mem);
}

static long job_write(long mem, long word)
{
	store((__u64 *)mem, word);
	return 0;
}

FIXTURE(collapse) {
	struct agent agent;
	char *mem;
	int settings;
};

FIXTURE_SETUP(collapse)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		if (!read_setting(settings[i].path, saved[i]))
			SKIP_TEST("no transparent huge pages");
	}
	self->settings = guard_start(restore_settings, 0);
	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		if (!write_file(settings[i].path, settings[i].off))
			die("%s", settings[i].path);
	}
	self->agent = agent_start();
	self->mem = (char *)ask(&self->agent, job_map_small, SLOTS, 0);
	ASSERT_EQ(0, huge_mapped(self->agent.pid, self->mem, SLOTS));
}

FIXTURE_TEARDOWN(collapse)
{
	agent_kill(&self->agent);
	/* Before the next test saves what it finds. */
	restore_settings(0);
	guard_end(self->settings);
}

#define DO(job, a, b)	ask(&self->agent, job, (long)(a), (long)(b))
#define COLLAPSE(mem, len)						\
	pmadv_range(self->agent.pidfd, mem, len, MADV_COLLAPSE)
#define HUGE_IN(slot, n)						\
	(pages_flagged(self->agent.pid, self->mem + (slot) * HUGE, (n) * SUB, KPF_THP) / (long)SUB)
#define WRONG()		DO(job_wrong, self->mem, SLOTS * SUB)

/*
 * All of it, of another process, against the system's settings.
 * Mutations: collapse-not-remote, collapse-asks-sysfs
 */
TEST_F(collapse, remote)
{
	ASSERT_EQ(SIZE, COLLAPSE(self->mem, SIZE));
	EXPECT_EQ(SLOTS, HUGE_IN(0, SLOTS));
	EXPECT_EQ(0, WRONG());
}

/* madvise(2). Mutation: collapse-not-by-madvise */
TEST_F(collapse, madvise)
{
	ASSERT_EQ(0, DO(job_madvise, self->mem, MADV_COLLAPSE));
	EXPECT_EQ(SLOTS, HUGE_IN(0, SLOTS));
	EXPECT_EQ(0, WRONG());
	ASSERT_EQ(0, DO(job_munmap, self->mem + HUGE, PAGE));
	EXPECT_EQ(-ENOMEM, DO(job_madvise, self->mem, MADV_COLLAPSE));
}

static long job_self(long mem, long len)
{
	keep_caps(0);
	return pmadv_range(PIDFD_SELF, (void *)mem, len, MADV_COLLAPSE);
}

/* Oneself, without privilege. Mutation: self-is-remote */
TEST_F(collapse, self)
{
	ASSERT_EQ(SIZE, DO(job_self, self->mem, SIZE));
	EXPECT_EQ(SLOTS, HUGE_IN(0, SLOTS));
	EXPECT_EQ(0, WRONG());
}

/* What is huge stays as it is. Mutation: collapse-huge-fails */
TEST_F(collapse, again)
{
	long made;

	ASSERT_EQ(HUGE, COLLAPSE(self->mem, HUGE));
	made = vm_counter("thp_collapse_alloc");
	ASSERT_EQ(HUGE, COLLAPSE(self->mem, HUGE));
	EXPECT_EQ(made, vm_counter("thp_collapse_alloc"));
	EXPECT_EQ(1, HUGE_IN(0, SLOTS));
	EXPECT_EQ(0, WRONG());
}

/* Only what has a huge page's place as a whole. Mutation: collapse-rounds-out */
TEST_F(collapse, part)
{
	ASSERT_EQ(2 * HUGE, COLLAPSE(self->mem + PAGE, 2 * HUGE));
	EXPECT_EQ(0, HUGE_IN(0, 1));
	EXPECT_EQ(1, HUGE_IN(1, 1));
	EXPECT_EQ(0, HUGE_IN(2, 1));
	/* Lengths are rounded up to pages. */
	ASSERT_EQ(HUGE - 1, COLLAPSE(self->mem, HUGE - 1));
	EXPECT_EQ(1, HUGE_IN(0, 1));
	EXPECT_EQ(0, WRONG());
}

/* A range without such a place is done at once. Mutation: collapse-rounds-out */
TEST_F(collapse, too_short)
{
	ASSERT_EQ(HUGE - PAGE, COLLAPSE(self->mem, HUGE - PAGE));
	ASSERT_EQ(2 * HUGE - 2 * PAGE, COLLAPSE(self->mem + PAGE, 2 * HUGE - 2 * PAGE));
	EXPECT_EQ(0, HUGE_IN(0, SLOTS));
	EXPECT_EQ(0, WRONG());
}

/* EINVAL: a mapping without such a place. Mutation: collapse-any-vma */
TEST_F(collapse, small_mapping)
{
	ASSERT_EQ(0, DO(job_munmap, self->mem, HUGE + PAGE));
	ASSERT_EQ(0, DO(job_munmap, self->mem + 3 * HUGE - PAGE, PAGE));
	EXPECT_EQ(-EINVAL, COLLAPSE(self->mem + 2 * HUGE, PAGE));
	EXPECT_EQ(-EINVAL, COLLAPSE(self->mem + HUGE + PAGE, PAGE));
	EXPECT_EQ(-EINVAL, COLLAPSE(self->mem + 2 * HUGE, HUGE - PAGE));
}

/* EINVAL: the owner does not want them. Mutation: collapse-against-owner */
TEST_F(collapse, nohugepage)
{
	ASSERT_EQ(0, DO(job_madvise, self->mem, MADV_NOHUGEPAGE));
	EXPECT_EQ(-EINVAL, COLLAPSE(self->mem, SIZE));
	EXPECT_EQ(-EINVAL, DO(job_madvise, self->mem, MADV_COLLAPSE));
	EXPECT_EQ(0, HUGE_IN(0, SLOTS));
}

static long job_disable(long disable, long unused UNUSED)
{
	return prctl(PR_SET_THP_DISABLE, disable, 0, 0, 0) ? -errno : 0;
}

/* EINVAL: nowhere, even where it once asked for them. Mutation: collapse-against-owner */
TEST_F(collapse, thp_disable)
{
	ASSERT_EQ(0, DO(job_madvise, self->mem, MADV_HUGEPAGE));
	ASSERT_EQ(0, DO(job_disable, 1, 0));
	EXPECT_EQ(-EINVAL, COLLAPSE(self->mem, SIZE));
	EXPECT_EQ(0, HUGE_IN(0, SLOTS));
	ASSERT_EQ(0, DO(job_disable, 0, 0));
	EXPECT_EQ(SIZE, COLLAPSE(self->mem, SIZE));
}

/*
 * EINVAL: memory that was never used. Where only one huge page's place was not,
 * the others are done.
 * Mutation: collapse-stops
 */
TEST_F(collapse, empty)
{
	char *mem = (char *)DO(job_map_empty, SLOTS, 0);

	EXPECT_EQ(-EINVAL, COLLAPSE(mem, SIZE));
	ASSERT_EQ(0, DO(job_fill, mem + 2 * HUGE, 1));
	EXPECT_EQ(-EINVAL, COLLAPSE(mem, SIZE));
	EXPECT_EQ(1, huge_mapped(self->agent.pid, mem, SLOTS));
	EXPECT_EQ(HUGE, COLLAPSE(mem + 2 * HUGE, HUGE));
}

/* One page is enough; what was not there reads as zero. Mutation: collapse-limits */
TEST_F(collapse, sparse)
{
	char *mem = (char *)DO(job_map_empty, 1, 0);

	ASSERT_EQ(0, DO(job_write, mem + 7 * PAGE, 77));
	ASSERT_EQ(HUGE, COLLAPSE(mem, HUGE));
	EXPECT_EQ(1, huge_mapped(self->agent.pid, mem, 1));
	EXPECT_EQ(77, DO(job_read, mem + 7 * PAGE, 0));
	EXPECT_EQ(0, DO(job_read, mem + 6 * PAGE, 0));
	EXPECT_EQ(0, DO(job_read, mem + 511 * PAGE, 0));
}

/* What is in swap comes back. Mutation: collapse-no-swap */
TEST_F(collapse, swap)
{
	NEED_SWAP();
	ASSERT_EQ(HUGE, pmadv_range(self->agent.pidfd, self->mem, HUGE, MADV_PAGEOUT));
	ASSERT_LT(SUB / 2, swapped(self->agent.pid, self->mem, SUB));
	ASSERT_EQ(HUGE, COLLAPSE(self->mem, HUGE));
	EXPECT_EQ(1, HUGE_IN(0, 1));
	EXPECT_EQ(0, swapped(self->agent.pid, self->mem, SUB));
	EXPECT_EQ(0, WRONG());
}

static long job_fork(long mem, long to)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid)
		return pid;
	die_with_parent(parent);
	/* Says what it sees when it is asked to. */
	for (;;) {
		if (load((long *)to) == 1)
			store((long *)to, 2 + wrong((void *)mem, SLOTS * SUB, 1));
		usleep(1000);
	}
}

/*
 * What is shared with a child is copied, and the child keeps its own.
 * Mutation: collapse-limits
 */
TEST_F(collapse, shared)
{
	long *answer = share(sizeof(*answer));

	agent_kill(&self->agent);
	self->agent = agent_start();
	self->mem = (char *)DO(job_map_small, SLOTS, 0);
	ASSERT_LT(0, DO(job_fork, self->mem, answer));
	ASSERT_EQ(SIZE, COLLAPSE(self->mem, SIZE));
	EXPECT_EQ(SLOTS, HUGE_IN(0, SLOTS));
	EXPECT_EQ(0, WRONG());
	ASSERT_EQ(0, DO(job_write, self->mem, 99));
	store(answer, 1);
	ASSERT_TRUE(wait_for(load(answer) > 1));
	EXPECT_EQ(2, *answer);
}

static long job_faults(long mem, long unused UNUSED)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		store((__u64 *)mem, 1);
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status);
}

/* Memory that is not writable is not writable afterwards. Mutation: collapse-limits */
TEST_F(collapse, read_only)
{
	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_READ));
	ASSERT_EQ(SIZE, COLLAPSE(self->mem, SIZE));
	EXPECT_EQ(SLOTS, HUGE_IN(0, SLOTS));
	EXPECT_EQ(1, DO(job_faults, self->mem, 0));
	EXPECT_EQ(0, WRONG());
}

static int pin[2];

static long job_pin(long mem, long unused UNUSED)
{
	struct iovec page = { (void *)mem, PAGE };

	if (pipe(pin))
		return -errno;
	return vmsplice(pin[1], &page, 1, 0) == PAGE ? 0 : -1;
}

static long job_unpin(long unused UNUSED, long too UNUSED)
{
	close(pin[0]);
	close(pin[1]);
	return 0;
}

/*
 * EAGAIN: a page is in use by the kernel. The others are done; later it works.
 * Mutations: collapse-stops, collapse-one-errno
 */
TEST_F(collapse, pinned)
{
	ASSERT_EQ(0, DO(job_pin, self->mem + HUGE + 5 * PAGE, 0));
	EXPECT_EQ(-EAGAIN, COLLAPSE(self->mem, SIZE));
	EXPECT_EQ(0, HUGE_IN(1, 1));
	EXPECT_EQ(1, HUGE_IN(0, 1));
	EXPECT_EQ(1, HUGE_IN(2, 1));
	EXPECT_EQ(0, WRONG());
	ASSERT_EQ(0, DO(job_unpin, 0, 0));
	EXPECT_EQ(SIZE, COLLAPSE(self->mem, SIZE));
	EXPECT_EQ(SLOTS, HUGE_IN(0, SLOTS));
	EXPECT_EQ(0, WRONG());
}

static long job_fill_elsewhere(long mem, long pages)
{
	if (!run_on(1))
		return -1;
	fill((void *)mem, pages, 1);
	return 0;
}

/*
 * Pages that another CPU has not put on the LRU lists yet are fetched.
 * Mutation: collapse-no-drain
 */
TEST_F(collapse, other_cpu)
{
	char *mem = (char *)DO(job_map_empty, 1, 0);

	if (nth_cpu(1) < 0)
		SKIP(return, "one CPU only");
	ASSERT_EQ(0, DO(job_fill_elsewhere, mem, 5));
	run_on(0);
	ASSERT_EQ(HUGE, COLLAPSE(mem, HUGE));
	EXPECT_EQ(1, huge_mapped(self->agent.pid, mem, 1));
	EXPECT_EQ(0, DO(job_wrong, mem, 5));
}

/*
 * ENOMEM: a hole. What is mapped is done, and does not count.
 * Mutation: vector-hole-silent
 */
TEST_F(collapse, hole)
{
	struct iovec vec[2] = { { self->mem, HUGE }, { self->mem + HUGE, 2 * HUGE } };

	ASSERT_EQ(0, DO(job_munmap, self->mem + HUGE, HUGE));
	EXPECT_EQ(HUGE, pmadv(self->agent.pidfd, vec, 2, MADV_COLLAPSE, 0));
	EXPECT_EQ(-ENOMEM, COLLAPSE(self->mem, SIZE));
	EXPECT_EQ(1, HUGE_IN(0, 1));
	EXPECT_EQ(1, HUGE_IN(2, 1));
}

static long job_map_file(long fd, long flags)
{
	char *mem = map_slots(1);
	int prot = PROT_READ | PROT_WRITE;

	if (mmap(mem, HUGE, prot, flags | MAP_FIXED, fd, 0) != mem)
		return -errno;
	fill(mem, SUB, 1);
	return (long)mem;
}

static long job_map_hugetlb(long unused UNUSED, long too UNUSED)
{
	char *mem = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE, -1, 0);

	return mem == MAP_FAILED ? -errno : (long)mem;
}

/* EINVAL: files, shared memory, huge TLB pages. */
TEST_F(collapse, not_anonymous)
{
	int fd = syscall(SYS_memfd_create, "collapse", 0);
	long mem;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, HUGE));
	agent_kill(&self->agent);
	self->agent = agent_start();
	mem = DO(job_map_file, fd, MAP_SHARED);
	ASSERT_LT(0, mem);
	EXPECT_EQ(-EINVAL, COLLAPSE((void *)mem, HUGE));
	mem = DO(job_map_file, fd, MAP_PRIVATE);
	ASSERT_LT(0, mem);
	EXPECT_EQ(-EINVAL, COLLAPSE((void *)mem, HUGE));
	mem = DO(job_map_hugetlb, 0, 0);
	if (mem > 0)
		EXPECT_EQ(-EINVAL, COLLAPSE((void *)mem, HUGE));
	close(fd);
}

/*
 * EBUSY: a monitor waits for the pages that are missing. It ends there: the next
 * range would be no better.
 * Mutation: collapse-one-errno
 */
TEST_F(collapse, userfaultfd)
{
	long ret;

	ASSERT_EQ(0, DO(job_madvise_slot, self->mem + HUGE, MADV_DONTNEED));
	ASSERT_EQ(0, DO(job_write, self->mem + HUGE, 1));
	ret = DO(job_uffd, self->mem, SIZE);
	if (ret == -ENOSYS)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, ret);
	EXPECT_EQ(-EBUSY, COLLAPSE(self->mem, SIZE));
	EXPECT_EQ(1, HUGE_IN(0, 1));
	EXPECT_EQ(0, HUGE_IN(1, 2));
	EXPECT_EQ(HUGE, COLLAPSE(self->mem + 2 * HUGE, HUGE));
}

/* The bits that say what was written are not lost: all of it counts as written. */
TEST_F(collapse, soft_dirty)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/clear_refs", self->agent.pid);
	ASSERT_TRUE(write_file(path, "4"));
	ASSERT_EQ(0, DO(job_write, self->mem, word_of(1, 0)));
	if (!pages_with(self->agent.pid, self->mem, 1, PM_SOFT_DIRTY))
		SKIP(return, "no CONFIG_MEM_SOFT_DIRTY");
	ASSERT_EQ(HUGE, COLLAPSE(self->mem, HUGE));
	EXPECT_EQ(SUB, pages_with(self->agent.pid, self->mem, SUB, PM_SOFT_DIRTY));
}

/* With a cookie: not if the mapping is another one. Mutation: cookie-not-checked */
TEST_F(collapse, cookie)
{
	struct pmadv_cookie cookie;

	ASSERT_EQ(0, get_cookie(self->agent.pidfd, &cookie));
	ASSERT_EQ(HUGE, pmadv_cookie(self->agent.pidfd, self->mem, HUGE, MADV_COLLAPSE, &cookie));
	EXPECT_EQ(1, HUGE_IN(0, SLOTS));
	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_READ));
	EXPECT_EQ(-ESTALE, pmadv_cookie(self->agent.pidfd, self->mem + HUGE, HUGE,
					MADV_COLLAPSE, &cookie));
	EXPECT_EQ(1, HUGE_IN(0, SLOTS));
	ASSERT_EQ(0, get_cookie(self->agent.pidfd, &cookie));
	EXPECT_EQ(HUGE, pmadv_cookie(self->agent.pidfd, self->mem + HUGE, HUGE,
				     MADV_COLLAPSE, &cookie));
}

/* Flags. Mutations: flags-dryrun, flags-skip, collapse-not-counted */
TEST_F(collapse, flags)
{
	struct pmadv_stat stat = { .size = sizeof(stat) };
	struct iovec all = { self->mem, SIZE };

	EXPECT_EQ(SIZE, pmadv_arg(self->agent.pidfd, &all, 1, MADV_COLLAPSE,
				  PMADV_DRYRUN | PMADV_STAT, &stat));
	EXPECT_EQ(0, stat.pages_done);
	EXPECT_EQ(0, HUGE_IN(0, SLOTS));

	ASSERT_EQ(0, DO(job_madvise_slot, self->mem + HUGE, MADV_NOHUGEPAGE));
	EXPECT_EQ(-EINVAL, pmadv_arg(self->agent.pidfd, &all, 1, MADV_COLLAPSE,
				     PMADV_DRYRUN, NULL));
	EXPECT_EQ(0, pmadv_arg(self->agent.pidfd, &all, 1, MADV_COLLAPSE,
			       PMADV_SKIP_ERRORS | PMADV_STAT, &stat));
	EXPECT_EQ(2 * SUB, stat.pages_done);
	EXPECT_EQ(2, stat.vmas);
	EXPECT_EQ(1, stat.vmas_skipped);
	EXPECT_EQ(EINVAL, stat.first_error);
	EXPECT_EQ((unsigned long)self->mem + HUGE, stat.first_error_addr);
	EXPECT_EQ(0, HUGE_IN(1, 1));
	EXPECT_EQ(2, HUGE_IN(0, SLOTS));
	EXPECT_EQ(-EINVAL, pmadv_arg(self->agent.pidfd, &all, 1, MADV_COLLAPSE,
				     PMADV_STOPPED, NULL));
}

/* The whole process; what has no room for huge pages is no error. Mutation: collapse-not-counted */
TEST_F(collapse, range)
{
	struct pmadv_stat stat = { .size = sizeof(stat) };

	EXPECT_EQ(0, pmadv_arg(self->agent.pidfd, NULL, 0, MADV_COLLAPSE,
			       PMADV_RANGE | PMADV_STAT, &stat));
	EXPECT_LE(SLOTS * SUB, stat.pages_done);
	EXPECT_EQ(SLOTS, HUGE_IN(0, SLOTS));
	EXPECT_EQ(0, WRONG());
}

/*
 * The memory cgroup
 */

static char group[128];

static void remove_group(long unused UNUSED)
{
	wait_for(!rmdir(group));
}

/* EBUSY: the cgroup of the target has no room. Mutation: collapse-one-errno */
TEST_F(collapse, cgroup_full)
{
	char text[32];
	char *mem;
	int undo;

	if (!cgroup_make(group, sizeof(group), "memory"))
		SKIP(return, "no memory cgroup");
	undo = guard_start(remove_group, 0);
	agent_kill(&self->agent);
	self->agent = agent_start();
	ASSERT_TRUE(cgroup_enter(group, self->agent.pid));
	mem = (char *)DO(job_map_small, SLOTS, 0);
	/* No room for another 2 MiB, and none to be made. */
	cgroup_write(group, "memory.swap.max", "0");
	snprintf(text, sizeof(text), "%lu", SIZE + HUGE);
	ASSERT_TRUE(cgroup_write(group, "memory.max", text));
	EXPECT_EQ(-EBUSY, COLLAPSE(mem, SIZE));
	EXPECT_EQ(0, DO(job_wrong, mem, SLOTS * SUB));
	ASSERT_TRUE(cgroup_write(group, "memory.max", "max"));
	EXPECT_EQ(SIZE, COLLAPSE(mem, SIZE));
	EXPECT_EQ(0, DO(job_wrong, mem, SLOTS * SUB));
	close(undo);
}

/*
 * Allocations that fail
 */

#define FAILSLAB	"/sys/kernel/debug/failslab/"
#define FAILPAGE	"/sys/kernel/debug/fail_page_alloc/"

static void stop_faults(long unused UNUSED)
{
	write_file(FAILSLAB "ignore-gfp-wait", "Y");
	write_file(FAILPAGE "ignore-gfp-wait", "Y");
	write_file(FAILPAGE "ignore-gfp-highmem", "Y");
}

/*
 * ENOMEM, and nothing has changed. What the call can do without may be needed once
 * only: the same allocation is tried again, with small pages again.
 * Mutation: collapse-alloc-unchecked
 */
TEST_F(collapse, fault_injection)
{
	int fd = open("/proc/self/fail-nth", O_RDWR);
	int nth, guard, nomem = 0, again = 0;
	char text[16];
	long ret;

	if (fd < 0 || access(FAILSLAB "ignore-gfp-wait", W_OK))
		SKIP(return, "no CONFIG_FAILSLAB, or no debugfs");
	guard = guard_start(stop_faults, 0);
	ASSERT_TRUE(write_file(FAILSLAB "ignore-gfp-wait", "N"));
	ASSERT_TRUE(write_file(FAILSLAB "verbose", "0"));
	if (write_file(FAILPAGE "ignore-gfp-wait", "N")) {
		write_file(FAILPAGE "ignore-gfp-highmem", "N");
		write_file(FAILPAGE "verbose", "0");
	}
	for (nth = 1; nth < 100; nth++) {
		snprintf(text, sizeof(text), "%d", nth);
		if (pwrite(fd, text, strlen(text), 0) < 0)
			die("fail-nth");
		ret = COLLAPSE(self->mem, HUGE);
		memset(text, 0, sizeof(text));
		if (pread(fd, text, sizeof(text) - 1, 0) < 0 && errno == EFAULT)
			strcpy(text, "1");
		if (pwrite(fd, "0", 1, 0) < 0)
			die("fail-nth");
		if (ret == (long)HUGE) {
			/* It was not used up: there is no nth allocation. */
			if (atoi(text))
				break;
			if (again++ < 5)
				nth--;
			else
				again = 0;
			ASSERT_EQ(0, DO(job_madvise_slot, self->mem, MADV_DONTNEED));
			ASSERT_EQ(0, DO(job_fill, self->mem, SUB));
			ASSERT_EQ(0, HUGE_IN(0, 1));
			continue;
		}
		again = 0;
		EXPECT_TRUE(ret == -ENOMEM || ret == -EFAULT || ret == -EBUSY)
			TH_LOG("%ld", ret);
		nomem += ret == -ENOMEM;
		EXPECT_EQ(0, HUGE_IN(0, 1));
	}
	stop_faults(0);
	guard_end(guard);
	EXPECT_LE(1, nomem);
	EXPECT_GT(100, nth);
	EXPECT_EQ(0, WRONG());
	close(fd);
}

/*
 * Storms
 */

#define SECONDS		6
#define SPOTS		16
/* An odd number of pages apart, so that no TLB has to put many in one place. */
#define SPOT(mem, i)	((__u64 *)((mem) + (i) * 97 * PAGE + 8))

/* One for each spot: what its writer has stored there last. */
static struct storm {
	char *mem;
	__u64 last[SPOTS];
	__u64 lost;
	int stop;
} *storm;

/* More pages than are flushed one by one: nothing old is left in the TLB of this CPU. */
#define ENOUGH		(64 * PAGE)

static void flush_own_tlb(char *pages)
{
	if (mprotect(pages, ENOUGH, PROT_READ) ||
	    mprotect(pages, ENOUGH, PROT_READ | PROT_WRITE))
		die("mprotect");
}

/*
 * A store through an entry that is out of date is seen by the same CPU as long as it
 * has the entry, and lost afterwards: so entries must not last.
 */
static void *write_spots(void *unused UNUSED)
{
	char *pages = mmap(NULL, ENOUGH, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	__u64 value = 0;
	__u64 *word;
	int i;

	if (pages == MAP_FAILED)
		die("mmap");
	run_on(1);
	while (!load(&storm->stop)) {
		if (!(++value % 1024))
			flush_own_tlb(pages);
		for (i = 0; i < SPOTS; i++) {
			word = SPOT(storm->mem, i);
			if (load(word) != storm->last[i])
				storm->lost++;
			store(word, value);
			storm->last[i] = value;
		}
	}
	return NULL;
}

static pthread_t writer;

static long job_storm(long start, long unused UNUSED)
{
	if (start)
		return pthread_create(&writer, NULL, write_spots, NULL);
	store(&storm->stop, 1);
	return pthread_join(writer, NULL);
}

/* Cut the huge pages into small entries, or into small pages. */
static long job_split(long mem, long small)
{
	void *page;
	int i;

	for (i = 0; i < SLOTS; i++) {
		if (small)
			madvise((void *)(mem + i * HUGE + 64 * PAGE), PAGE, MADV_PAGEOUT);
		/* A page that nobody writes to. */
		page = (void *)(mem + i * HUGE + 100 * PAGE);
		if (mprotect(page, PAGE, PROT_READ) ||
		    mprotect(page, PAGE, PROT_READ | PROT_WRITE))
			return -errno;
	}
	return 0;
}

/* A target that shares the storm with the test: one that began before does not. */
static void begin_storm(FIXTURE_DATA(collapse) *self)
{
	storm = share(sizeof(*storm));
	agent_kill(&self->agent);
	self->agent = agent_start();
	self->mem = (char *)DO(job_map_small, SLOTS, 0);
	storm->mem = self->mem;
}

/* What is stored while pages are copied is not lost. Mutation: collapse-no-flush */
TEST_F(collapse, storm)
{
	int rounds = 0;
	double end;

	if (nth_cpu(1) < 0)
		SKIP(return, "one CPU only");
	begin_storm(self);
	memset(storm->last, 0, sizeof(storm->last));
	ASSERT_EQ(0, DO(job_madvise, self->mem, MADV_DONTNEED));
	ASSERT_EQ(0, DO(job_storm, 1, 0));
	for (end = now() + SECONDS; now() < end || rounds < 5;) {
		COLLAPSE(self->mem, SIZE);
		rounds += huge_mapped(self->agent.pid, self->mem, SLOTS) == SLOTS;
		ASSERT_EQ(0, DO(job_split, self->mem, rounds & 1));
		ASSERT_GT(end + PATIENCE, now());
	}
	ASSERT_EQ(0, DO(job_storm, 0, 0));
	EXPECT_EQ(0, storm->lost);
	TH_LOG("%d times collapsed under stores", rounds);
}

static void *remap(void *unused UNUSED)
{
	char *last = storm->mem + (SLOTS - 1) * HUGE;

	run_on(1);
	while (!load(&storm->stop)) {
		/* The mark is in the page that is not to be hit. */
		if (mmap(last, HUGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != last)
			die("mmap");
		store((__u64 *)last, 1);
		usleep(100);
	}
	return NULL;
}

static long job_remap(long unused UNUSED, long too UNUSED)
{
	return pthread_create(&writer, NULL, remap, NULL);
}

/* The target maps anew, and ends, while it is collapsed. */
TEST_F(collapse, target_moves)
{
	struct iovec all = { self->mem, SIZE };
	struct pmadv_cookie cookie;
	double end;
	long ret;

	if (nth_cpu(1) < 0)
		SKIP(return, "one CPU only");
	begin_storm(self);
	all.iov_base = self->mem;
	ASSERT_EQ(0, DO(job_remap, 0, 0));
	for (end = now() + SECONDS; now() < end;) {
		ASSERT_EQ(0, get_cookie(self->agent.pidfd, &cookie));
		ret = pmadv_arg(self->agent.pidfd, &all, 1, MADV_COLLAPSE,
				PMADV_COOKIE, &cookie);
		EXPECT_TRUE(ret == (long)SIZE || ret == -ESTALE || ret == -EINVAL ||
			    ret == -EAGAIN || ret == -ENOMEM) TH_LOG("%ld", ret);
		ret = COLLAPSE(self->mem, SIZE);
		EXPECT_TRUE(ret == (long)SIZE || ret == -EINVAL || ret == -EAGAIN ||
			    ret == -ENOMEM) TH_LOG("%ld", ret);
	}
	kill(self->agent.pid, SIGKILL);
	do {
		ret = COLLAPSE(self->mem, SIZE);
	} while (ret != -ESRCH && now() < end + PATIENCE);
	EXPECT_EQ(-ESRCH, ret);
	agent_kill(&self->agent);
	self->agent = agent_start();
}

TEST_HARNESS_MAIN
