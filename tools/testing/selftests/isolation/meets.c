// SPDX-License-Identifier: GPL-2.0
/*
 * Task isolation beside what else a task may have: a cookie of core scheduling,
 * a slice grant, memory that somebody else gives hints about.  What these do to
 * it is counted, and it stays isolated.
 *
 * What has to make these tests fail: mutations/meets-*.patch
 */
#include <linux/process_madvise.h>
#include <linux/rseq.h>

#include "../../../include/rseq_slice.h"
#include "isolation.h"
#include "kselftest_harness.h"

#define TRIES		10
#define PAGES		16

#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE			62
#define PR_SCHED_CORE_GET		0
#define PR_SCHED_CORE_CREATE		1
#define PR_SCHED_CORE_SHARE_FROM	3
#endif

#define RSEQ_SIG	0x53053053
#define SLICE_LENGTH	"/proc/sys/kernel/rseq_slice_extension_nsec"

/* What the isolated task and the test share. */
struct meeting {
	atomic_int	ready, stop;
	atomic_long	rounds;			/* of the isolated task */
	atomic_long	others;			/* of who competes with it */
	atomic_int	asked, answered;	/* touch all pages */
	long		value;			/* what is in them */
	char		*pages;
	pid_t		friend;			/* whose cookie to take, or 0 for an own one */
	long		granted;
	int		cpu;
};

static struct meeting *meeting;

FIXTURE(meets)
{
	int	cpu;
	int	sibling;
	long	page;
	pid_t	pid;
	pid_t	other;
};

FIXTURE_SETUP(meets)
{
	char path[96];
	int first, second;
	FILE *file;

	SKIP_WITHOUT(NEED_CPU | NEED_ROOT);
	self->cpu = nohz_full_cpu();
	self->page = sysconf(_SC_PAGESIZE);
	self->sibling = -1;
	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
		 self->cpu);
	file = fopen(path, "r");
	if (file && fscanf(file, "%d%*[,-]%d", &first, &second) == 2)
		self->sibling = first == self->cpu ? second : first;
	if (file)
		fclose(file);
	meeting = mmap(NULL, sizeof(*meeting), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, meeting);
	meeting->cpu = self->cpu;
	/* Neither on the isolated CPU nor on its sibling. */
	ASSERT_TRUE(run_on(sysconf(_SC_NPROCESSORS_CONF) - 1));
}

static void end(pid_t *pid)
{
	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL);
	end_of(*pid);
	*pid = 0;
}

FIXTURE_TEARDOWN(meets)
{
	end(&self->pid);
	end(&self->other);
}

static int isolate(void)
{
	return !run_on(meeting->cpu) || isol_set(PR_ISOL_QUIESCE_CFG, VMSTAT | NOHZ_FULL) ||
	       isol_enable(QUIESCE);
}

static int core_sched(int command, pid_t pid, unsigned long where)
{
	return prctl(PR_SCHED_CORE, command, pid, 0, where);
}

/* Computes, with a cookie, without a system call. */
static int compute_with_cookie(void)
{
	if ((meeting->friend ? core_sched(PR_SCHED_CORE_SHARE_FROM, meeting->friend, 0) :
	     core_sched(PR_SCHED_CORE_CREATE, 0, 0)) || isolate())
		return 1;
	atomic_store(&meeting->ready, 1);
	while (!atomic_load(&meeting->stop))
		atomic_fetch_add(&meeting->rounds, 1);
	return 0;
}

static int sibling_cpu;

static int compete(void)
{
	if (!run_on(sibling_cpu))
		return 1;
	for (;;)
		atomic_fetch_add(&meeting->others, 1);
}

static int compete_with_cookie(void)
{
	if (core_sched(PR_SCHED_CORE_CREATE, 0, 0))
		return 1;
	return compete();
}

/* Both went on, some of the time each, whichever way they share the core. */
static bool both_went_on(void)
{
	long rounds = atomic_load(&meeting->rounds), others = atomic_load(&meeting->others);

	return WAIT_FOR(atomic_load(&meeting->rounds) > rounds + 100000 &&
			atomic_load(&meeting->others) > others + 100000);
}

/* In one of some tries it goes on for a while, and nobody else runs on its CPU. */
static bool left_alone(pid_t pid, bool with_other)
{
	for (int i = 0; i < TRIES; i++) {
		long long switches = isolation_of(pid, "breaks_switch");
		long rounds = atomic_load(&meeting->rounds);

		if (with_other ? !both_went_on() :
		    !WAIT_FOR(atomic_load(&meeting->rounds) > rounds + 1000000))
			return false;
		if (isolation_of(pid, "breaks_switch") == switches)
			return true;
	}
	return false;
}

static bool can_share_cores(int sibling)
{
	unsigned long cookie;

	return sibling >= 0 && !core_sched(PR_SCHED_CORE_GET, 0, (unsigned long)&cookie);
}

/*
 * The sibling is forced idle while the isolated task runs, and the other way
 * round: then it loses the CPU, and says so.
 */
TEST_F_TIMEOUT(meets, forced_idle, LONG_TEST)
{
	long long breaks, switches, resched;

	RETURN_IF_SKIPPED;

	if (!can_share_cores(self->sibling))
		SKIP(return, "no core scheduling, or no SMT");
	self->pid = start(compute_with_cookie);
	ASSERT_TRUE(WAIT_FOR(atomic_load(&meeting->ready)));
	EXPECT_TRUE(left_alone(self->pid, false));

	sibling_cpu = self->sibling;
	switches = isolation_of(self->pid, "breaks_switch");
	self->other = start(compete);
	EXPECT_TRUE(both_went_on());
	/* The idle task took its place, which is a switch like another. */
	EXPECT_TRUE(WAIT_FOR(isolation_of(self->pid, "breaks_switch") >= switches + 5));
	breaks = isolation_of(self->pid, "breaks");
	switches = isolation_of(self->pid, "breaks_switch");
	resched = isolation_of(self->pid, "breaks_resched");
	EXPECT_LE(switches, breaks + 1);
	EXPECT_LE(0, resched);
	EXPECT_EQ(QUIESCE, isolation_of(self->pid, "features"));

	/* Out of forced idle it is as before. */
	end(&self->other);
	EXPECT_TRUE(left_alone(self->pid, false));
	atomic_store(&meeting->stop, 1);
	EXPECT_EQ(0, end_of(self->pid));
	self->pid = 0;
}

/* Whoever shares its cookie runs beside it, and takes nothing from it. */
TEST_F_TIMEOUT(meets, same_cookie, LONG_TEST)
{
	RETURN_IF_SKIPPED;

	if (!can_share_cores(self->sibling))
		SKIP(return, "no core scheduling, or no SMT");
	sibling_cpu = self->sibling;
	self->other = start(compete_with_cookie);
	ASSERT_TRUE(WAIT_FOR(atomic_load(&meeting->others)));
	meeting->friend = self->other;
	self->pid = start(compute_with_cookie);
	ASSERT_TRUE(WAIT_FOR(atomic_load(&meeting->ready)));
	EXPECT_TRUE(left_alone(self->pid, true));
	EXPECT_EQ(QUIESCE, isolation_of(self->pid, "features"));
}

/* While it is forced idle it is not there, and does nothing for its CPU. */
TEST_F_TIMEOUT(meets, statistics_in_forced_idle, LONG_TEST)
{
	RETURN_IF_SKIPPED;

	if (!can_share_cores(self->sibling))
		SKIP(return, "no core scheduling, or no SMT");
	sibling_cpu = self->sibling;
	self->pid = start(compute_with_cookie);
	ASSERT_TRUE(WAIT_FOR(atomic_load(&meeting->ready)));
	self->other = start(compete);
	EXPECT_TRUE(both_went_on());
	/* It is passed by or not, and does not hang in any case. */
	for (int i = 0; i < 50; i++)
		EXPECT_TRUE(write_file("/proc/sys/vm/stat_refresh", "1"));
	EXPECT_TRUE(both_went_on());
}

static long slices(pid_t pid, const char *key)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/rseq_slice", pid);
	return value_in(path, key);
}

/* Asks for grants, and gives them back. */
static int compute_with_grants(void)
{
	static const unsigned int lengths[] = { 32, 33, 64 };
	void *libc = rseq_slice_area();
	struct rseq_slice_area *area;
	int outer;

	area = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	for (unsigned int i = 0; libc && i < sizeof(lengths) / sizeof(*lengths); i++)
		syscall(SYS_rseq, libc, lengths[i], 1, RSEQ_SIG);
	if (syscall(SYS_rseq, area, 33, 0, RSEQ_SIG) || rseq_slice_enable(area) || isolate())
		return 1;
	atomic_store(&meeting->ready, 1);
	while (!atomic_load(&meeting->stop)) {
		outer = rseq_slice_begin(area);
		for (int i = 0; i < 20000; i++)
			__builtin_ia32_pause();
		rseq_slice_end(area, outer);
		atomic_fetch_add(&meeting->rounds, 1);
	}
	return 0;
}

/* Every grant answers an interruption, and the thread stays isolated over it. */
TEST_F_TIMEOUT(meets, grants, LONG_TEST)
{
	long granted, ended;
	char was[32] = "";
	int fd;

	RETURN_IF_SKIPPED;

	fd = open(SLICE_LENGTH, O_RDONLY);
	if (fd < 0 || read(fd, was, sizeof(was) - 1) <= 0)
		SKIP(return, "no time slice extension");
	close(fd);
	ASSERT_TRUE(write_file(SLICE_LENGTH, "50000"));
	self->pid = start(compute_with_grants);
	ASSERT_TRUE(WAIT_FOR(atomic_load(&meeting->ready)));
	/* Nobody wants its CPU, so there is nothing to grant. */
	EXPECT_TRUE(left_alone(self->pid, false) || atomic_load(&meeting->rounds));

	sibling_cpu = self->cpu;
	self->other = start(compete);
	EXPECT_TRUE(WAIT_FOR(slices(self->pid, "granted") >= 10));
	EXPECT_LT(0, atomic_load(&meeting->others));
	EXPECT_EQ(QUIESCE, isolation_of(self->pid, "features"));
	/* It is counted when the return that grants is over. */
	granted = slices(self->pid, "granted");
	EXPECT_TRUE(WAIT_FOR(isolation_of(self->pid, "breaks") >= granted));

	end(&self->other);
	EXPECT_TRUE(WAIT_FOR(atomic_load(&meeting->rounds)));
	atomic_store(&meeting->stop, 1);
	/* Read before it ends: every grant but the last is over. */
	granted = slices(self->pid, "granted");
	ended = slices(self->pid, "yielded") + slices(self->pid, "aborted") +
		slices(self->pid, "expired") + slices(self->pid, "revoked") +
		slices(self->pid, "switched") + slices(self->pid, "dropped");
	EXPECT_LE(granted - 1, ended);
	EXPECT_EQ(0, end_of(self->pid));
	self->pid = 0;
	EXPECT_TRUE(write_file(SLICE_LENGTH, was));
}

/* Reads or fills its pages when asked to, without a system call of its own. */
static int compute_with_memory(void)
{
	long page = sysconf(_SC_PAGESIZE);
	int done = 0;
	char *pages;

	pages = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(pages, PAGES * page, MADV_NOHUGEPAGE);
	memset(pages, 1, PAGES * page);
	meeting->pages = pages;
	if (isolate())
		return 1;
	atomic_store(&meeting->ready, 1);
	while (!atomic_load(&meeting->stop)) {
		if (atomic_load(&meeting->asked) == done)
			continue;
		done++;
		meeting->value = 0;
		for (int i = 0; i < PAGES; i++)
			meeting->value += atomic_load((_Atomic char *)&pages[i * page]);
		atomic_store(&meeting->answered, done);
	}
	return 0;
}

/* What is in its pages, and how many faults it took to see that. */
static long look(pid_t pid, long long *faults)
{
	long long before = isolation_of(pid, "breaks_fault");
	int n = atomic_fetch_add(&meeting->asked, 1) + 1;

	if (!WAIT_FOR(atomic_load(&meeting->answered) == n))
		return -1;
	*faults = isolation_of(pid, "breaks_fault") - before;
	return meeting->value;
}

static long advise(int pidfd, int advice, unsigned int flags, struct pmadv_cookie *cookie)
{
	struct iovec range = { meeting->pages, PAGES * sysconf(_SC_PAGESIZE) };

	flags |= PMADV_COOKIE;
	return syscall(SYS_process_madvise, pidfd, &range, 1UL, advice, flags, cookie);
}

TEST_F_TIMEOUT(meets, hints, LONG_TEST)
{
	struct pmadv_cookie cookie, stale;
	long long faults, calls;
	bool quiet = false;
	char path[64];
	int pidfd;

	RETURN_IF_SKIPPED;

	self->pid = start(compute_with_memory);
	ASSERT_TRUE(WAIT_FOR(atomic_load(&meeting->ready)));
	pidfd = syscall(SYS_pidfd_open, self->pid, 0);
	ASSERT_LE(0, pidfd);
	if (syscall(SYS_process_madvise, pidfd, NULL, 0UL, 0, PMADV_GET_COOKIE, &cookie))
		SKIP(return, "no process_madvise(2) with a cookie");
	EXPECT_EQ(PAGES, look(self->pid, &faults));

	/* A hint that is refused for its cookie interrupts nobody. */
	stale = cookie;
	stale.mm_id++;
	for (int i = 0; i < TRIES && !quiet; i++) {
		calls = isolation_of(self->pid, "breaks_call");
		EXPECT_EQ(-1, advise(pidfd, MADV_DONTNEED, 0, &stale));
		EXPECT_EQ(PAGES, look(self->pid, &faults));
		quiet = isolation_of(self->pid, "breaks_call") == calls;
		EXPECT_EQ(0, faults);
	}
	EXPECT_TRUE(quiet);

	/* Cold pages stay where they are. */
	EXPECT_EQ(PAGES * self->page, advise(pidfd, MADV_COLD, 0, &cookie));
	EXPECT_EQ(PAGES, look(self->pid, &faults));
	EXPECT_EQ(0, faults);

	/* Those that go out come back with what was in them, by a fault each, if there is swap. */
	calls = isolation_of(self->pid, "breaks_call");
	EXPECT_EQ(PAGES * self->page, advise(pidfd, MADV_PAGEOUT, 0, &cookie));
	EXPECT_EQ(PAGES, look(self->pid, &faults));
	TH_LOG("after MADV_PAGEOUT %lld faults, %lld calls", faults,
	       isolation_of(self->pid, "breaks_call") - calls);
	EXPECT_LE(0, faults);
	EXPECT_GE(PAGES, faults);

	/* Those that are given up come back empty, by a fault each; a call says so. */
	snprintf(path, sizeof(path), "/proc/%d/clear_refs", self->pid);
	if (!write_file(path, "4"))
		SKIP(return, "no CONFIG_MEM_SOFT_DIRTY");
	/* What it writes to itself faults now, too; what it reads does not become dirty. */
	EXPECT_EQ(PAGES, look(self->pid, &faults));
	calls = isolation_of(self->pid, "breaks_call");
	EXPECT_EQ(PAGES * self->page, advise(pidfd, MADV_DONTNEED, PMADV_SOFT_DIRTY, &cookie));
	EXPECT_EQ(0, look(self->pid, &faults));
	EXPECT_EQ(PAGES, faults);
	EXPECT_LT(calls, isolation_of(self->pid, "breaks_call"));
	EXPECT_LT(0, isolation_of(self->pid, "breaks_tlb"));
	EXPECT_EQ(QUIESCE, isolation_of(self->pid, "features"));
	/* Nobody asked the task for a system call. */
	close(pidfd);
}

TEST_HARNESS_MAIN
