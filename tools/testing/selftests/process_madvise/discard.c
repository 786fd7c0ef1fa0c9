// SPDX-License-Identifier: GPL-2.0
/*
 * MADV_DONTNEED and MADV_FREE for another process: which memory, under which
 * content rule, by whom, and that no store is ever lost.
 */
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/swap.h>

#include "pmadv.h"

#define PAGES		8
#define SIZE		(PAGES * PAGE)
#define PM_SOFT_DIRTY	0x0080000000000000ULL
#define YAMA		"/proc/sys/kernel/yama/ptrace_scope"

#define UNUSED __attribute__((unused))

static struct more {
	struct pmadv_cookie cookie;
	struct iovec range;
	int pidfd;
	int advice;
	unsigned int flags;
} *more;

static long job_mprotect(long mem, long prot)
{
	return mprotect((void *)mem, SIZE, prot);
}

static long job_map_file(long fd, long prot)
{
	return (long)map_pages(PAGES, prot, MAP_PRIVATE, fd);
}

static long job_mlock(long mem, long unused UNUSED)
{
	return mlock((void *)mem, SIZE);
}

static long job_write_page(long mem, long seed)
{
	store((__u64 *)mem, (__u64)seed);
	return 0;
}

/* How many pages begin with this. */
static long job_count_words(long mem, long word)
{
	long i, count = 0;

	for (i = 0; i < PAGES; i++)
		count += load((long *)(mem + i * PAGE)) == word;
	return count;
}

static long job_hint(long unused UNUSED, long too UNUSED)
{
	return pmadv_arg(more->pidfd, &more->range, 1, more->advice, more->flags, &more->cookie);
}

/* Pages that MADV_FREE has marked; not seen while they wait in a list of a CPU. */
static long lazy(pid_t pid, void *mem)
{
	write_file("/proc/sys/vm/compact_memory", "1");
	return smaps_kb(pid, mem, PAGES, "LazyFree") * 1024 / PAGE;
}

FIXTURE(discard) {
	struct agent agent;
	struct pmadv_cookie cookie;
	char *mem;
};

FIXTURE_SETUP(discard)
{
	more = share(sizeof(*more));
	self->agent = agent_start();
	self->mem = (void *)ask(&self->agent, job_map_filled, PAGES, 1);
	if (get_cookie(self->agent.pidfd, &self->cookie) == -EINVAL)
		SKIP_TEST("no CONFIG_PROCESS_MADVISE_COOKIE");
}

FIXTURE_TEARDOWN(discard)
{
	kill(self->agent.pid, SIGCONT);
	agent_kill(&self->agent);
}

#define TAKE() ASSERT_EQ(0, get_cookie(self->agent.pidfd, &self->cookie))
#define DO(job, a, b) ask(&self->agent, job, (long)(a), (long)(b))
#define DISCARD(mem, len, advice, flags) ({				\
	struct iovec __range = { mem, len };				\
									\
	pmadv_arg(self->agent.pidfd, &__range, 1, advice,		\
		  PMADV_COOKIE | (flags), &self->cookie);		\
})
#define WRONG() DO(job_wrong, self->mem, PAGES)
#define PRESENT() present(self->agent.pid, self->mem, PAGES)

/* Retired memory is given back, and can be used again. */
TEST_F(discard, retired)
{
	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_NONE));
	TAKE();
	EXPECT_EQ(SIZE, DISCARD(self->mem, SIZE, MADV_DONTNEED, 0));
	EXPECT_EQ(0, PRESENT());
	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_READ | PROT_WRITE));
	EXPECT_EQ(PAGES, DO(job_count_words, self->mem, 0));
}

/* No cookie, no such advice. Mutation: discard-no-cookie */
TEST_F(discard, cookie_is_mandatory)
{
	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_READ));
	EXPECT_EQ(-EINVAL, pmadv_range(self->agent.pidfd, self->mem, SIZE, MADV_DONTNEED));
	EXPECT_EQ(-EINVAL, pmadv_range(self->agent.pidfd, self->mem, SIZE, MADV_FREE));
	EXPECT_EQ(0, WRONG());
}

/* Not with a stale one. Mutation: cookie-not-checked */
TEST_F(discard, stale)
{
	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_NONE));
	TAKE();
	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_READ));
	EXPECT_EQ(-ESTALE, DISCARD(self->mem, SIZE, MADV_DONTNEED, 0));
	EXPECT_EQ(-ESTALE, DISCARD(self->mem, SIZE, MADV_FREE, 0));
	EXPECT_EQ(0, WRONG());
}

/* Memory that can be written is in use. Mutation: discard-writable */
TEST_F(discard, writable)
{
	EXPECT_EQ(-ETXTBSY, DISCARD(self->mem, SIZE, MADV_DONTNEED, 0));
	EXPECT_EQ(-ETXTBSY, DISCARD(self->mem, SIZE, MADV_FREE, 0));
	EXPECT_EQ(0, WRONG());
}

/* What can be read can be discarded. */
TEST_F(discard, read_only)
{
	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_READ));
	TAKE();
	EXPECT_EQ(SIZE, DISCARD(self->mem, SIZE, MADV_DONTNEED, 0));
	EXPECT_EQ(PAGES, DO(job_count_words, self->mem, 0));
}

/* Lazily. */
TEST_F(discard, free)
{
	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_READ));
	TAKE();
	EXPECT_EQ(SIZE, DISCARD(self->mem, SIZE, MADV_FREE, 0));
	EXPECT_EQ(PAGES, lazy(self->agent.pid, self->mem));
}

/* Others have a part in it. Mutation: discard-shared */
TEST_F(discard, shared)
{
	char *mem = (char *)DO(job_map_shared, PAGES, 1);

	ASSERT_EQ(0, DO(job_mprotect, mem, PROT_READ));
	TAKE();
	EXPECT_EQ(-EOPNOTSUPP, DISCARD(mem, SIZE, MADV_DONTNEED, 0));
	EXPECT_EQ(-EINVAL, DISCARD(mem, SIZE, MADV_FREE, 0));
	EXPECT_EQ(-EOPNOTSUPP, DISCARD(mem, SIZE, MADV_DONTNEED, PMADV_SOFT_DIRTY));
	EXPECT_EQ(PAGES, present(self->agent.pid, mem, PAGES));
}

/* A private mapping of a file goes back to the file; lazily it cannot. */
TEST_F(discard, private_file)
{
	int fd = syscall(SYS_memfd_create, "discard", 0);
	char *mem;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, SIZE));
	agent_kill(&self->agent);
	self->agent = agent_start();
	mem = (char *)DO(job_map_file, fd, PROT_READ | PROT_WRITE);
	ASSERT_EQ(0, DO(job_write_page, mem, 7));
	ASSERT_EQ(0, DO(job_mprotect, mem, PROT_READ));
	TAKE();
	EXPECT_EQ(-EINVAL, DISCARD(mem, SIZE, MADV_FREE, 0));
	EXPECT_EQ(PAGES - 1, DO(job_count_words, mem, 0));
	EXPECT_EQ(SIZE, DISCARD(mem, SIZE, MADV_DONTNEED, 0));
	EXPECT_EQ(PAGES, DO(job_count_words, mem, 0));
	close(fd);
}

/* Locked: the owner wants to keep it. */
TEST_F(discard, locked)
{
	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_READ));
	ASSERT_EQ(0, DO(job_mlock, self->mem, 0));
	TAKE();
	EXPECT_EQ(-EINVAL, DISCARD(self->mem, SIZE, MADV_DONTNEED, 0));
	EXPECT_EQ(-EINVAL, DISCARD(self->mem, SIZE, MADV_FREE, 0));
	EXPECT_EQ(-EINVAL, DISCARD(self->mem, SIZE, MADV_DONTNEED, PMADV_SOFT_DIRTY));
	EXPECT_EQ(0, WRONG());
}

/* A monitor watches it, whom one would have to wait for. Mutation: discard-uffd */
TEST_F(discard, userfaultfd)
{
	long ret = DO(job_uffd, self->mem, SIZE);

	if (ret == -ENOSYS)
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_READ));
	TAKE();
	EXPECT_EQ(-EADDRINUSE, DISCARD(self->mem, SIZE, MADV_DONTNEED, 0));
	EXPECT_EQ(-EADDRINUSE, DISCARD(self->mem, SIZE, MADV_FREE, 0));
	EXPECT_EQ(-EADDRINUSE, DISCARD(self->mem, SIZE, MADV_DONTNEED, PMADV_SOFT_DIRTY));
	EXPECT_EQ(PAGES, PRESENT());
}

/*
 * Soft-clean
 */

static void clear_soft_dirty(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/clear_refs", pid);
	if (!write_file(path, "4"))
		die("clear_refs");
}

static long soft_dirty(pid_t pid, const void *mem, size_t pages)
{
	return pages_with(pid, mem, pages, PM_SOFT_DIRTY);
}

#define NEED_SOFT_DIRTY() do {						\
	clear_soft_dirty(self->agent.pid);				\
	if (soft_dirty(self->agent.pid, self->mem, PAGES))		\
		SKIP_TEST("no CONFIG_MEM_SOFT_DIRTY");			\
	ASSERT_EQ(0, DO(job_write_page, self->mem, word_of(1, 0)));	\
	if (!soft_dirty(self->agent.pid, self->mem, PAGES))		\
		SKIP_TEST("no CONFIG_MEM_SOFT_DIRTY");			\
} while (0)

/* What was written since stays. Mutation: discard-soft-dirty */
TEST_F(discard, soft_clean)
{
	NEED_SOFT_DIRTY();
	clear_soft_dirty(self->agent.pid);
	ASSERT_EQ(0, DO(job_write_page, self->mem + 2 * PAGE, 7));
	EXPECT_EQ(SIZE, DISCARD(self->mem, SIZE, MADV_DONTNEED, PMADV_SOFT_DIRTY));
	EXPECT_EQ(1, PRESENT());
	EXPECT_EQ(PAGES - 1, DO(job_count_words, self->mem, 0));
	EXPECT_EQ(1, DO(job_count_words, self->mem, 7));
}

/* Lazily. Mutation: discard-soft-dirty */
TEST_F(discard, soft_clean_free)
{
	NEED_SOFT_DIRTY();
	clear_soft_dirty(self->agent.pid);
	ASSERT_EQ(0, DO(job_write_page, self->mem + 2 * PAGE, 7));
	EXPECT_EQ(SIZE, DISCARD(self->mem, SIZE, MADV_FREE, PMADV_SOFT_DIRTY));
	EXPECT_EQ(PAGES, PRESENT());
	EXPECT_EQ(PAGES - 1, lazy(self->agent.pid, self->mem));
	EXPECT_EQ(1, DO(job_count_words, self->mem, 7));
}

/* In swap. Mutation: discard-soft-dirty-swap */
TEST_F(discard, soft_clean_swap)
{
	NEED_SWAP();
	NEED_SOFT_DIRTY();
	clear_soft_dirty(self->agent.pid);
	ASSERT_EQ(0, DO(job_write_page, self->mem + 2 * PAGE, 7));
	ASSERT_EQ(SIZE, pmadv_range(self->agent.pidfd, self->mem, SIZE, MADV_PAGEOUT));
	ASSERT_EQ(PAGES, swapped(self->agent.pid, self->mem, PAGES));
	EXPECT_EQ(SIZE, DISCARD(self->mem, SIZE, MADV_DONTNEED, PMADV_SOFT_DIRTY));
	EXPECT_EQ(1, swapped(self->agent.pid, self->mem, PAGES));
	EXPECT_EQ(1, DO(job_count_words, self->mem, 7));
	EXPECT_EQ(PAGES - 1, DO(job_count_words, self->mem, 0));
}

static long job_write_sub(long mem, long page)
{
	return job_write_page(mem + page * PAGE, 7);
}

/*
 * A huge page that was written in one place, and one that was not.
 * Mutation: discard-soft-dirty-huge
 */
TEST_F(discard, soft_clean_huge)
{
	char *mem = (char *)DO(job_map_huge, 2, 0);

	if (huge_mapped(self->agent.pid, mem, 2) != 2)
		SKIP(return, "no two huge pages");
	NEED_SOFT_DIRTY();
	TAKE();
	clear_soft_dirty(self->agent.pid);
	ASSERT_EQ(0, DO(job_write_sub, mem, 5));
	EXPECT_EQ(2 * HUGE, DISCARD(mem, 2 * HUGE, MADV_DONTNEED, PMADV_SOFT_DIRTY));
	EXPECT_EQ(SUB, present(self->agent.pid, mem, 2 * SUB));
	EXPECT_EQ(1, huge_mapped(self->agent.pid, mem, 2));
	/* A part of a clean one. */
	clear_soft_dirty(self->agent.pid);
	EXPECT_EQ(16 * PAGE, DISCARD(mem + PAGE, 16 * PAGE, MADV_DONTNEED, PMADV_SOFT_DIRTY));
	EXPECT_EQ(SUB - 16, present(self->agent.pid, mem, SUB));
	EXPECT_EQ(7, DO(job_write_page, mem, 7) + 7);
}

static long job_mergeable(long mem, long unused UNUSED)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		memset((char *)mem + i * PAGE, 0x5a, PAGE);
	return madvise((void *)mem, SIZE, MADV_MERGEABLE);
}

static void stop_ksm(long unused UNUSED)
{
	write_file("/sys/kernel/mm/ksm/run", "2");
	write_file("/sys/kernel/mm/ksm/run", "0");
}

/* Pages that were written and then merged were written. Hook: soft-dirty-ksm */
TEST_F(discard, soft_dirty_merged)
{
	int guard;

	if (access("/sys/kernel/mm/ksm/run", W_OK))
		SKIP(return, "no KSM");
	NEED_SOFT_DIRTY();
	guard = guard_start(stop_ksm, 0);
	ASSERT_EQ(0, DO(job_mergeable, self->mem, 0));
	ASSERT_TRUE(write_file("/sys/kernel/mm/ksm/pages_to_scan", "10000"));
	ASSERT_TRUE(write_file("/sys/kernel/mm/ksm/sleep_millisecs", "1"));
	ASSERT_TRUE(write_file("/sys/kernel/mm/ksm/run", "1"));
	ASSERT_TRUE(wait_for(read_number("/sys/kernel/mm/ksm/pages_sharing") >= PAGES - 1));
	EXPECT_EQ(PAGES, soft_dirty(self->agent.pid, self->mem, PAGES));
	TAKE();
	EXPECT_EQ(SIZE, DISCARD(self->mem, SIZE, MADV_DONTNEED, PMADV_SOFT_DIRTY));
	EXPECT_EQ(PAGES, DO(job_count_words, self->mem, 0x5a5a5a5a5a5a5a5a));
	guard_end(guard);
}

static void remove_swap(long unused UNUSED)
{
	swapoff("/tmp/process_madvise.swap");
	unlink("/tmp/process_madvise.swap");
}

/* Pages that were written, swapped out and read back. Hook: soft-dirty-swapoff */
TEST_F(discard, soft_dirty_swapoff)
{
	char device[256], line[512];
	FILE *file;

	NEED_SWAP();
	NEED_SOFT_DIRTY();
	file = fopen("/proc/swaps", "r");
	if (!file || !fgets(line, sizeof(line), file) || fscanf(file, "%255s", device) != 1)
		SKIP(return, "no swap device");
	fclose(file);
	remove_swap(0);
	ASSERT_EQ(0, DO(job_write_page, self->mem, 7));
	ASSERT_EQ(SIZE, pmadv_range(self->agent.pidfd, self->mem, SIZE, MADV_PAGEOUT));
	ASSERT_EQ(PAGES, swapped(self->agent.pid, self->mem, PAGES));
	ASSERT_EQ(1, soft_dirty(self->agent.pid, self->mem, PAGES));
	ASSERT_EQ(0, swapoff(device));
	ASSERT_EQ(0, swapon(device, 0));
	EXPECT_EQ(0, swapped(self->agent.pid, self->mem, PAGES));
	EXPECT_EQ(1, soft_dirty(self->agent.pid, self->mem, PAGES));
	TAKE();
	EXPECT_EQ(SIZE, DISCARD(self->mem, SIZE, MADV_DONTNEED, PMADV_SOFT_DIRTY));
	EXPECT_EQ(1, DO(job_count_words, self->mem, 7));
}

/* One's own memory, under the same rule. */
TEST_F(discard, soft_clean_self)
{
	struct pmadv_cookie cookie;
	struct iovec range;
	char *mem = map_filled(PAGES, 1);

	NEED_SOFT_DIRTY();
	ASSERT_EQ(0, get_cookie(PIDFD_SELF, &cookie));
	clear_soft_dirty(getpid());
	job_write_page((long)mem, 7);
	range = (struct iovec){ mem, SIZE };
	EXPECT_EQ(SIZE, pmadv_arg(PIDFD_SELF, &range, 1, MADV_DONTNEED, PMADV_SOFT_DIRTY, NULL));
	EXPECT_EQ(1, present(getpid(), mem, PAGES));
	EXPECT_EQ(7, *mem);
}

/*
 * Stopped
 */

static bool stops(pid_t pid)
{
	kill(pid, SIGSTOP);
	return wait_for(thread_state(pid, pid) == 'T');
}

/* Nobody runs: whatever is there can go. Mutation: discard-running */
TEST_F(discard, stopped)
{
	TAKE();
	EXPECT_EQ(-EBUSY, DISCARD(self->mem, SIZE, MADV_DONTNEED, PMADV_STOPPED));
	EXPECT_EQ(0, WRONG());
	ASSERT_TRUE(stops(self->agent.pid));
	EXPECT_EQ(SIZE, DISCARD(self->mem, PAGE, MADV_DONTNEED, PMADV_STOPPED) + SIZE - PAGE);
	EXPECT_EQ(PAGES - 1, PRESENT());
	kill(self->agent.pid, SIGCONT);
	ASSERT_TRUE(wait_for(thread_state(self->agent.pid, self->agent.pid) != 'T'));
	EXPECT_EQ(-EBUSY, DISCARD(self->mem, SIZE, MADV_DONTNEED, PMADV_STOPPED));
	EXPECT_EQ(PAGES - 1, PRESENT());
}

/*
 * The freezers of both versions of cgroups
 */

static char frozen_group[128];

static void remove_frozen(long unused UNUSED)
{
	cgroup_write(frozen_group, "cgroup.freeze", "0");
	cgroup_write(frozen_group, "freezer.state", "THAWED");
	wait_for(!rmdir(frozen_group));
}

/* Does a file of the group have this line? */
static bool group_says(const char *name, const char *line)
{
	char path[160], text[256];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", frozen_group, name);
	file = fopen(path, "r");
	while (file && fgets(text, sizeof(text), file))
		found |= !strncmp(text, line, strlen(line));
	if (file)
		fclose(file);
	return found;
}

#define FREEZER		"/tmp/freezer.process_madvise"

static bool make_freezer_v1(void)
{
	if ((mkdir(FREEZER, 0755) && errno != EEXIST) ||
	    (access(FREEZER "/tasks", F_OK) &&
	     mount("freezer", FREEZER, "cgroup", 0, "freezer")))
		return false;
	snprintf(frozen_group, sizeof(frozen_group), FREEZER "/%d", getpid());
	return !mkdir(frozen_group, 0755);
}

struct freezer {
	const char	*file, *freeze, *thaw;	/* what to write where */
	const char	*state, *frozen;	/* what to read where */
};

static const struct freezer freezer_v1 = {
	"freezer.state", "FROZEN", "THAWED", "freezer.state", "FROZEN",
};

static const struct freezer freezer_v2 = {
	"cgroup.freeze", "1", "0", "cgroup.events", "frozen 1",
};

/*
 * What a discard of a page returns while the target is frozen, and one of all
 * after that. It runs when it answers: version 1 calls it thawed before.
 */
static void freeze_and_thaw(FIXTURE_DATA(discard) *self, const struct freezer *by,
			    long *frozen, long *thawed)
{
	int undo = guard_start(remove_frozen, 0);

	*frozen = *thawed = -ENOSYS;
	if (!cgroup_enter(frozen_group, self->agent.pid) ||
	    !cgroup_write(frozen_group, by->file, by->freeze))
		goto out;
	if (wait_for(group_says(by->state, by->frozen)) &&
	    !get_cookie(self->agent.pidfd, &self->cookie))
		*frozen = DISCARD(self->mem, PAGE, MADV_DONTNEED, PMADV_STOPPED);
	if (cgroup_write(frozen_group, by->file, by->thaw) && DO(job_in_core, self->mem, 1) >= 0)
		*thawed = DISCARD(self->mem, SIZE, MADV_DONTNEED, PMADV_STOPPED);
out:
	close(undo);
}

/* Frozen by a cgroup of version 2. Mutation: discard-frozen-runs */
TEST_F(discard, frozen)
{
	long frozen, thawed;

	if (!cgroup_make(frozen_group, sizeof(frozen_group), NULL))
		SKIP(return, "no cgroup of version 2");
	freeze_and_thaw(self, &freezer_v2, &frozen, &thawed);
	EXPECT_EQ(PAGE, frozen);
	EXPECT_EQ(-EBUSY, thawed);
	EXPECT_EQ(PAGES - 1, PRESENT());
}

/* Frozen by a cgroup of version 1. Mutation: discard-frozen-runs */
TEST_F(discard, frozen_v1)
{
	long frozen, thawed;

	if (!make_freezer_v1())
		SKIP(return, "no freezer of version 1");
	freeze_and_thaw(self, &freezer_v1, &frozen, &thawed);
	EXPECT_EQ(PAGE, frozen);
	EXPECT_EQ(-EBUSY, thawed);
	EXPECT_EQ(PAGES - 1, PRESENT());
}

static long job_vfork(long stop, long unused UNUSED)
{
	pid_t pid = vfork();

	if (!pid) {
		while (!load((int *)stop))
			;
		_exit(0);
	}
	return pid < 0 ? -errno : 0;
}

/*
 * A thread that waits for its vfork() child counts as frozen to cgroups, but the
 * child runs in the same memory. Mutation: discard-running
 */
TEST_F(discard, vfork)
{
	int *stop;

	agent_kill(&self->agent);
	stop = share(sizeof(*stop));
	self->agent = agent_start();
	self->mem = (char *)DO(job_map_filled, PAGES, 1);
	agent_begin(&self->agent, job_vfork, (long)stop, 0);
	ASSERT_TRUE(wait_for(thread_state(self->agent.pid, self->agent.pid) == 'D'));
	TAKE();
	EXPECT_EQ(-EBUSY, DISCARD(self->mem, SIZE, MADV_DONTNEED, PMADV_STOPPED));
	EXPECT_EQ(PAGES, PRESENT());
	store(stop, 1);
	EXPECT_EQ(0, agent_result(&self->agent));
}

static long job_spin_thread(long spinner, long word)
{
	return job_spin(spinner, word);
}

/* One thread of many is traced, the others are not. Mutation: discard-leader-stands */
TEST_F(discard, one_thread_runs)
{
	struct spinner *spinner;
	int status;

	agent_kill(&self->agent);
	spinner = share(sizeof(*spinner));
	self->agent = agent_start();
	self->mem = (char *)DO(job_map_filled, PAGES, 1);
	ASSERT_EQ(0, DO(job_spin_thread, spinner, self->mem));
	ASSERT_TRUE(spinner_did(spinner, 1));
	TAKE();
	/* Tracing stops the thread that is named, here the first one. */
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, self->agent.pid, 0, 0));
	ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, self->agent.pid, 0, 0));
	ASSERT_EQ(self->agent.pid, waitpid(self->agent.pid, &status, 0));
	EXPECT_EQ(-EBUSY, DISCARD(self->mem, SIZE, MADV_DONTNEED, PMADV_STOPPED));
	EXPECT_EQ(PAGES, PRESENT());
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, self->agent.pid, 0, 0));
}

static int pause_for_ever(void *arg UNUSED)
{
	for (;;)
		pause();
	return 0;
}

static long job_clone_vm(long unused UNUSED, long too UNUSED)
{
	static max_align_t stack[65536 / sizeof(max_align_t)];

	return clone(pause_for_ever, stack + ARRAY_SIZE(stack), CLONE_VM | SIGCHLD, NULL);
}

/* Another process with the same memory is not stopped. Mutation: discard-process-stands */
TEST_F(discard, another_process_runs)
{
	pid_t pid = DO(job_clone_vm, 0, 0);

	ASSERT_LT(0, pid);
	TAKE();
	ASSERT_TRUE(stops(self->agent.pid));
	EXPECT_EQ(-EBUSY, DISCARD(self->mem, SIZE, MADV_DONTNEED, PMADV_STOPPED));
	EXPECT_EQ(PAGES, PRESENT());
	ASSERT_TRUE(stops(pid));
	EXPECT_EQ(SIZE, DISCARD(self->mem, SIZE, MADV_DONTNEED, PMADV_STOPPED));
	EXPECT_EQ(0, PRESENT());
	kill(pid, SIGKILL);
}

/*
 * Who may
 */

struct caller {
	const char *who;
	long uid;
	__u64 caps;
	long cold;
	long discard;
	long dryrun;
	int yama;
};

/*
 * The right to attach, CAP_SYS_NICE, and what does not stand for them.
 * Mutations: discard-by-read, errors-no-cap, dryrun-wants-nice
 */
TEST_F(discard, permission)
{
	static const struct caller callers[] = {
		{ "same user", NOBODY, 0, -EPERM, -EPERM, SIZE, 0 },
		{ "same user, nice", NOBODY, CAP(CAP_SYS_NICE), SIZE, SIZE, SIZE, 0 },
		{ "other user", NOBODY - 1, 0, -EACCES, -EACCES, -EACCES, 0 },
		{ "other user, nice", NOBODY - 1, CAP(CAP_SYS_NICE), -EACCES, -EACCES, -EACCES, 0 },
		{ "other user, perfmon", NOBODY - 1, CAP(CAP_PERFMON), -EPERM, -EACCES, SIZE, 0 },
		{ "other user, perfmon and nice", NOBODY - 1,
		  CAP(CAP_PERFMON) | CAP(CAP_SYS_NICE), SIZE, -EACCES, SIZE, 0 },
		{ "other user, ptrace", NOBODY - 1, CAP(CAP_SYS_PTRACE), -EPERM, -EPERM, SIZE, 0 },
		{ "other user, ptrace and nice", NOBODY - 1,
		  CAP(CAP_SYS_PTRACE) | CAP(CAP_SYS_NICE), SIZE, SIZE, SIZE, 0 },
		/* Yama restricts attaching to descendants, not reading. */
		{ "same user, nice, Yama", NOBODY, CAP(CAP_SYS_NICE), SIZE, -EACCES, SIZE, 1 },
		{ "same user, nice and ptrace, Yama", NOBODY,
		  CAP(CAP_SYS_NICE) | CAP(CAP_SYS_PTRACE), SIZE, SIZE, SIZE, 1 },
	};
	bool have_yama = !access(YAMA, W_OK);
	long before = read_number(YAMA);
	struct agent agent;
	size_t i;

	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_READ));
	ASSERT_EQ(0, DO(job_become, NOBODY, 0));
	TAKE();
	more->cookie = self->cookie;
	more->range = (struct iovec){ self->mem, SIZE };
	more->pidfd = self->agent.pidfd;
	for (i = 0; i < ARRAY_SIZE(callers); i++) {
		const struct caller *caller = &callers[i];

		if (have_yama)
			write_file(YAMA, caller->yama ? "1" : "0");
		else if (caller->yama)
			continue;
		agent = agent_start();
		ASSERT_EQ(0, ask(&agent, job_become, caller->uid, caller->caps));
		more->flags = PMADV_COOKIE;
		more->advice = MADV_COLD;
		EXPECT_EQ(caller->cold, ask(&agent, job_hint, 0, 0)) TH_LOG("%s", caller->who);
		more->advice = MADV_DONTNEED;
		EXPECT_EQ(caller->discard, ask(&agent, job_hint, 0, 0)) TH_LOG("%s", caller->who);
		more->flags = PMADV_DRYRUN;
		EXPECT_EQ(caller->dryrun, ask(&agent, job_hint, 0, 0)) TH_LOG("%s", caller->who);
		agent_kill(&agent);
	}
	if (have_yama)
		write_file(YAMA, before == 1 ? "1" : "0");
}

static long job_new_user_ns(long unused UNUSED, long too UNUSED)
{
	return unshare(CLONE_NEWUSER) ? -errno : 0;
}

/* All capabilities of another user namespace are none here. */
TEST_F(discard, user_namespace)
{
	struct agent caller = agent_start();
	long ret;

	ASSERT_EQ(0, DO(job_mprotect, self->mem, PROT_READ));
	TAKE();
	more->cookie = self->cookie;
	more->range = (struct iovec){ self->mem, SIZE };
	more->pidfd = self->agent.pidfd;
	ret = ask(&caller, job_new_user_ns, 0, 0);
	if (ret)
		SKIP(return, "no user namespace: %s", strerror(-ret));
	more->flags = PMADV_COOKIE;
	more->advice = MADV_DONTNEED;
	EXPECT_EQ(-EACCES, ask(&caller, job_hint, 0, 0));
	more->advice = MADV_COLD;
	EXPECT_EQ(-EACCES, ask(&caller, job_hint, 0, 0));
	EXPECT_EQ(0, WRONG());
	agent_kill(&caller);
}

/*
 * Storms
 */

#define SECONDS		8
#define SLOTS		32
#define SLOT_PAGES	4
#define SLOT		(SLOT_PAGES * PAGE)

static struct storm {
	bool stop;
	unsigned long lost, checked, rounds, seen_empty;
	unsigned long begun, cleared;		/* soft-dirty */
} *storm;

/* Start the agent anew, so that it shares the memory of the storm. */
static void join_storm(struct agent *agent)
{
	agent_kill(agent);
	storm = share(sizeof(*storm));
	*agent = agent_start();
}

/*
 * A slot is retired, or it is being filled, or it is sealed: read-only, and its
 * content counts. A hint that was decided on while it was retired must not
 * come through when it is sealed.
 */
static void *seal_and_retire(void *arg)
{
	char *mem = arg;
	__u64 seed = 1;
	int i, look;

	run_on(1);
	while (!load(&storm->stop)) {
		for (i = 0; i < SLOTS; i++) {
			char *slot = mem + 2 * i * SLOT;

			if (mprotect(slot, SLOT, PROT_READ | PROT_WRITE))
				die("mprotect");
			fill(slot, SLOT_PAGES, ++seed);
			if (mprotect(slot, SLOT, PROT_READ))
				die("mprotect");
			for (look = 0; look < 4; look++) {
				storm->lost += wrong(slot, SLOT_PAGES, seed);
				store(&storm->checked, storm->checked + 1);
				sched_yield();
			}
			if (mprotect(slot, SLOT, PROT_READ | PROT_WRITE))
				die("mprotect");
			storm->lost += wrong(slot, SLOT_PAGES, seed);
			if (mprotect(slot, SLOT, PROT_NONE))
				die("mprotect");
		}
		store(&storm->rounds, storm->rounds + 1);
	}
	return NULL;
}

static long job_storm(long main, long arg)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, (void *(*)(void *))main, (void *)arg);
}

static long job_map_slots(long unused UNUSED, long too UNUSED)
{
	char *mem = map_pages(2 * SLOTS * SLOT_PAGES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	madvise(mem, 2 * SLOTS * SLOT, MADV_NOHUGEPAGE);
	return (long)mem;
}

/* The slots of which maps says that nobody can access them. */
static int retired_slots(pid_t pid, char *mem, struct iovec *vec)
{
	unsigned long start, end;
	char path[64], line[512], prot[8];
	int i, n = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	file = fopen(path, "r");
	if (!file)
		die("open %s", path);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx %7s", &start, &end, prot) != 3 || prot[0] != '-')
			continue;
		for (i = 0; i < SLOTS; i++) {
			unsigned long slot = (unsigned long)mem + 2 * i * SLOT;

			if (start <= slot && slot + SLOT <= end)
				vec[n++] = (struct iovec){ (void *)slot, SLOT };
		}
	}
	fclose(file);
	return n;
}

/*
 * No store is lost: memory that became precious after the look is not emptied.
 * Mutation: cookie-not-checked
 */
TEST_F(discard, storm_retired)
{
	unsigned long done = 0, stale = 0, other = 0;
	struct iovec vec[SLOTS];
	double began = now();
	char *mem;
	long ret;
	int i, n;

	if (nth_cpu(1) < 0)
		SKIP(return, "needs two CPUs");
	join_storm(&self->agent);
	mem = (char *)DO(job_map_slots, 0, 0);
	ASSERT_EQ(0, DO(job_storm, seal_and_retire, mem));

	while (now() - began < SECONDS ||
	       (now() - began < PATIENCE && (!done || !stale || load(&storm->rounds) < 20))) {
		int advice = (done + stale) & 1 ? MADV_FREE : MADV_DONTNEED;

		TAKE();
		n = retired_slots(self->agent.pid, mem, vec);
		for (i = 0; i < n; i++) {
			ret = pmadv_arg(self->agent.pidfd, &vec[i], 1, advice, PMADV_COOKIE,
					&self->cookie);
			if (ret == SLOT)
				done++;
			else if (ret == -ESTALE)
				stale++;
			else
				other++;
		}
	}
	store(&storm->stop, true);
	TH_LOG("done %lu, stale %lu, checked %lu", done, stale, load(&storm->checked));
	EXPECT_EQ(0, load(&storm->lost));
	EXPECT_EQ(0, other);
	EXPECT_LT(0, done);
	EXPECT_LT(0, stale);
	EXPECT_LT(100, load(&storm->checked));
}

#define HOT	64	/* pages */

/*
 * Stores to pages at random. cleared is the number of the last clearing of the
 * soft-dirty bits that is complete, begun that of the last one that has begun.
 * A value that was stored after clearing n was complete has to be there as long
 * as clearing n + 1 has not begun.
 */
static void *write_at_random(void *arg)
{
	unsigned long value = 0, n, page;
	unsigned int seed = 1;
	__u64 got;
	int i;

	run_on(1);
	while (!load(&storm->stop)) {
		__u64 *word;

		page = rand_r(&seed) % HOT;
		word = (__u64 *)((char *)arg + page * PAGE) + rand_r(&seed) % 512;
		n = load(&storm->cleared);
		store(word, ++value);
		for (i = rand_r(&seed) % 200; i; i--) {
			got = load(word);
			if (got == value)
				continue;
			__atomic_thread_fence(__ATOMIC_SEQ_CST);
			if (load(&storm->begun) == n)
				storm->lost++;
			else
				storm->seen_empty++;
			break;
		}
		store(&storm->checked, storm->checked + 1);
	}
	return NULL;
}

/* The same under the other rule. Mutation: discard-soft-dirty */
static void run_soft_storm(struct __test_metadata *_metadata, struct agent *agent, char *mem,
			   size_t len, unsigned int rounds)
{
	unsigned long calls = 0, stale = 0;
	struct pmadv_cookie cookie;
	struct pmadv_stat stat = { .size = sizeof(stat) };
	struct iovec range = { mem, len };
	unsigned long discarded = 0;
	double began = now();
	unsigned int i;
	long ret;

	while (now() - began < SECONDS || (now() - began < PATIENCE && !discarded)) {
		ASSERT_EQ(0, get_cookie(agent->pidfd, &cookie));
		store(&storm->begun, storm->begun + 1);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		clear_soft_dirty(agent->pid);
		store(&storm->cleared, storm->begun);
		for (i = 0; i < rounds; i++) {
			stat.cookie = cookie;
			ret = pmadv_arg(agent->pidfd, &range, 1,
					i & 1 ? MADV_FREE : MADV_DONTNEED,
					PMADV_COOKIE | PMADV_SOFT_DIRTY | PMADV_STAT, &stat);
			calls += ret == (long)len;
			stale += ret == -ESTALE;
			discarded += stat.pages_done;
			usleep(i * 10);
		}
	}
	store(&storm->stop, true);
	TH_LOG("calls %lu, stale %lu, discarded %lu pages, checked %lu, old ones gone %lu", calls,
	       stale, discarded, load(&storm->checked), load(&storm->seen_empty));
	EXPECT_EQ(0, load(&storm->lost));
	EXPECT_LT(0, discarded);
	EXPECT_LT(0, calls);
	EXPECT_LT(1000, load(&storm->checked));
}

TEST_F(discard, storm_soft_clean)
{
	char *mem;

	if (nth_cpu(1) < 0)
		SKIP(return, "needs two CPUs");
	NEED_SOFT_DIRTY();
	join_storm(&self->agent);
	mem = (char *)DO(job_map_filled, HOT, 1);
	ASSERT_EQ(0, DO(job_storm, write_at_random, mem));
	run_soft_storm(_metadata, &self->agent, mem, HOT * PAGE, 20);
}

/* Memory is moved about by others at the same time: compaction and swap. */
TEST_F(discard, storm_moving)
{
	pid_t mover;
	char *mem;

	if (nth_cpu(1) < 0)
		SKIP(return, "needs two CPUs");
	NEED_SOFT_DIRTY();
	join_storm(&self->agent);
	mem = (char *)DO(job_map_filled, HOT, 1);
	ASSERT_EQ(0, DO(job_storm, write_at_random, mem));
	mover = fork();
	if (!mover) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;) {
			write_file("/proc/sys/vm/compact_memory", "1");
			pmadv_range(self->agent.pidfd, mem, HOT * PAGE, MADV_PAGEOUT);
		}
	}
	run_soft_storm(_metadata, &self->agent, mem, HOT * PAGE, 20);
	kill(mover, SIGKILL);
	waitpid(mover, NULL, 0);
}

TEST_HARNESS_MAIN
