// SPDX-License-Identifier: GPL-2.0
/*
 * Task isolation: interruptions are counted, with their reasons, as the rest of
 * the kernel counts them, and told.
 *
 * What has to make these tests fail: mutations/breaks-*.patch
 */
#include <linux/membarrier.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <ucontext.h>

#include "isolation.h"
#include "kselftest_harness.h"

#define TIMES		50

#ifndef MEMBARRIER_CMD_PRIVATE_EXPEDITED
#define MEMBARRIER_CMD_PRIVATE_EXPEDITED		8
#define MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED	16
#endif

#define TRACING		"/sys/kernel/tracing/"

FIXTURE(breaks)
{
	int	cpu;
	long	page;
};

FIXTURE_SETUP(breaks)
{
	SKIP_WITHOUT(NEED_CPU);
	self->page = sysconf(_SC_PAGESIZE);
	self->cpu = nohz_full_cpu();
	ASSERT_TRUE(run_on(self->cpu));
	ASSERT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, VMSTAT | NOHZ_FULL));
	ASSERT_EQ(0, isol_enable(QUIESCE));
}

FIXTURE_TEARDOWN(breaks)
{
}

static uint64_t sum(const __u64 *of, int n)
{
	uint64_t total = 0;

	for (int i = 0; i < n; i++)
		total += of[i];
	return total;
}

static char *fresh(long pages, long page)
{
	char *mem;

	mem = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED || madvise(mem, pages * page, MADV_NOHUGEPAGE))
		abort();
	return mem;
}

static void touch(volatile char *mem, long pages, long page)
{
	for (long i = 0; i < pages; i++)
		mem[i * page] = 1;
}

TEST_F(breaks, system_calls_are_none)
{
	struct isol_breaks before, after;

	RETURN_IF_SKIPPED;

	before = isol_breaks();
	for (int i = 0; i < TIMES; i++)
		syscall(SYS_getppid);
	after = isol_breaks();
	/* Each call counts when it returns, so this one does not, but the first did. */
	EXPECT_EQ(TIMES + 1, after.syscalls - before.syscalls);
	EXPECT_GT(TIMES, after.count - before.count);
}

TEST_F(breaks, page_faults)
{
	struct isol_breaks before, after;
	char *mem;

	RETURN_IF_SKIPPED;

	mem = fresh(TIMES, self->page);
	/* The stack and the variables may fault for the first time, too: do it twice. */
	for (int i = 0; i < 2; i++) {
		madvise(mem, TIMES * self->page, MADV_DONTNEED);
		before = isol_breaks();
		touch(mem, TIMES, self->page);
		after = isol_breaks();
	}
	EXPECT_EQ(TIMES, after.reasons[ISOL_BREAK_FAULT] - before.reasons[ISOL_BREAK_FAULT]);
	EXPECT_LE(TIMES, after.count - before.count);
	EXPECT_EQ(1, after.syscalls - before.syscalls);
	EXPECT_LT(0, after.longest_ns);
	EXPECT_LE(after.longest_ns, after.total_ns);
	/* NMIs have no length. */
	EXPECT_EQ(after.count - after.reasons[ISOL_BREAK_NMI], sum(after.hist, ISOL_NR_LENGTHS));
	EXPECT_LE(after.count, sum(after.reasons, ISOL_NR_REASONS));
}

/* Those of the time before do not count, and those of system calls neither. */
TEST_F(breaks, only_while_enabled)
{
	struct isol_breaks before, after;
	char *mem;
	int zero;

	RETURN_IF_SKIPPED;

	zero = open("/dev/zero", O_RDONLY);

	mem = fresh(TIMES, self->page);
	ASSERT_EQ(0, isol_enable(0));
	before = isol_breaks();
	touch(mem, TIMES, self->page);
	after = isol_breaks();
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	ASSERT_EQ(0, isol_enable(QUIESCE));
	madvise(mem, TIMES * self->page, MADV_DONTNEED);
	before = isol_breaks();
	ASSERT_EQ(TIMES * self->page, read(zero, mem, TIMES * self->page));
	after = isol_breaks();
	EXPECT_GT(TIMES / 2, after.reasons[ISOL_BREAK_FAULT] - before.reasons[ISOL_BREAK_FAULT]);
}

/*
 * A thread on another CPU that does something to the one that computes.  It
 * starts when told, so that its own start interrupts nobody later.
 */
struct nuisance {
	atomic_int	go, done, turns;
	int		cpu, victim_cpu;
	pid_t		victim, tid;
	void		(*act)(struct nuisance *n);
	long long	before, after;
};

static void *nuisance(void *arg)
{
	struct nuisance *n = arg;

	n->tid = gettid();
	run_on(n->cpu);
	while (!atomic_load(&n->go))
		usleep(100);
	n->act(n);
	atomic_store(&n->done, 1);
	return NULL;
}

/* What the thread's counts were before and after, seen from elsewhere. */
static bool compute_under(struct nuisance *n, void (*act)(struct nuisance *n),
			  struct isol_breaks *before, struct isol_breaks *after)
{
	pthread_t thread;
	bool done;

	memset(n, 0, sizeof(*n));
	n->act = act;
	n->victim = gettid();
	n->victim_cpu = sched_getcpu();
	if (pthread_create(&thread, NULL, nuisance, n))
		return false;
	usleep(10000);
	*before = isol_breaks();
	atomic_store(&n->go, 1);
	done = SPIN_FOR((atomic_fetch_add(&n->turns, 1), atomic_load(&n->done)));
	*after = isol_breaks();
	pthread_join(thread, NULL);
	return done;
}

static void call_functions(struct nuisance *n)
{
	n->before = interrupt_count("CAL", n->victim_cpu);
	for (int i = 0; i < TIMES; i++) {
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
		wait_for_turns(&n->turns);
	}
	n->after = interrupt_count("CAL", n->victim_cpu);
}

/* The same number here, in /proc/interrupts, and of what was done. */
TEST_F(breaks, function_calls)
{
	struct isol_breaks before, after;
	struct nuisance n;
	long long calls;

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	ASSERT_TRUE(compute_under(&n, call_functions, &before, &after));
	EXPECT_LE(TIMES, n.after - n.before);
	calls = after.reasons[ISOL_BREAK_CALL] - before.reasons[ISOL_BREAK_CALL];
	EXPECT_LE(n.after - n.before - 10, calls);
	EXPECT_GE(n.after - n.before + 10, calls);
	EXPECT_LE(TIMES, after.count - before.count);
}

static void watch_from_afar(struct nuisance *n)
{
	long long breaks = isolation_of(n->victim, "breaks");
	double end = now() + PATIENCE;

	/* The counts of a task that runs are there for others. */
	syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	while (isolation_of(n->victim, "breaks") == breaks && now() < end)
		;
	n->before = breaks;
	n->after = isolation_of(n->victim, "breaks");
}

/* It is known who did it. */
TEST_F(breaks, senders)
{
	struct isol_breaks before, after;
	char line[256], wanted[64];
	struct nuisance n;
	long long calls;
	int found = 0;
	FILE *file;

	RETURN_IF_SKIPPED;

	if (geteuid())
		SKIP(return, "only root sees senders");
	ASSERT_EQ(0, syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	calls = isolation_of(gettid(), "calls");
	ASSERT_TRUE(compute_under(&n, call_functions, &before, &after));
	EXPECT_LE(calls + TIMES, isolation_of(gettid(), "calls"));
	snprintf(wanted, sizeof(wanted), " ipi_mb %d breaks", n.tid);
	file = fopen("/proc/thread-self/isolation", "r");
	ASSERT_NE(NULL, file);
	while (fgets(line, sizeof(line), file))
		found += !strncmp(line, "call: ", 6) && strstr(line, wanted);
	fclose(file);
	/* Eight are remembered; others may have come since. */
	EXPECT_LE(4, found);
	EXPECT_GE(8, found);
}

TEST_F(breaks, seen_by_others)
{
	struct isol_breaks before, after;
	struct nuisance n;

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	ASSERT_TRUE(compute_under(&n, watch_from_afar, &before, &after));
	EXPECT_LT(n.before, n.after);
	EXPECT_LE((long long)before.count, n.before);
	EXPECT_LE(n.after, (long long)after.count);
}

/* Away and back, the next time when it has noticed the last. */
static void move_away(struct nuisance *n)
{
	long long breaks;
	cpu_set_t set;

	for (int i = 0; i < TIMES; i++) {
		breaks = isolation_of(n->victim, "breaks");
		CPU_ZERO(&set);
		CPU_SET(i % 2 ? n->victim_cpu : 2, &set);
		n->before += !sched_setaffinity(n->victim, sizeof(set), &set);
		if (!WAIT_FOR(isolation_of(n->victim, "breaks") > breaks))
			break;
	}
}

TEST_F_TIMEOUT(breaks, migration, LONG_TEST)
{
	struct isol_breaks before, after;
	struct nuisance n;

	RETURN_IF_SKIPPED;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 3)
		SKIP(return, "no third CPU");
	ASSERT_TRUE(compute_under(&n, move_away, &before, &after));
	EXPECT_EQ(TIMES, n.before);
	/* What it has noticed may have been something else; then two moves may be one. */
	EXPECT_LT(0, after.reasons[ISOL_BREAK_MIGRATE] - before.reasons[ISOL_BREAK_MIGRATE]);
	EXPECT_GE(TIMES, after.reasons[ISOL_BREAK_MIGRATE] - before.reasons[ISOL_BREAK_MIGRATE]);
	EXPECT_LE(after.reasons[ISOL_BREAK_MIGRATE] - before.reasons[ISOL_BREAK_MIGRATE],
		  after.reasons[ISOL_BREAK_SWITCH] - before.reasons[ISOL_BREAK_SWITCH]);
}

static void run_beside(struct nuisance *n)
{
	double end;

	n->before = 1;
	run_on(n->victim_cpu);
	end = now() + 0.05;
	while (now() < end)
		;
	run_on(n->cpu);
}

TEST_F(breaks, another_task)
{
	struct isol_breaks before, after;
	struct nuisance n;

	RETURN_IF_SKIPPED;

	ASSERT_TRUE(compute_under(&n, run_beside, &before, &after));
	EXPECT_LT(0, after.reasons[ISOL_BREAK_SWITCH] - before.reasons[ISOL_BREAK_SWITCH]);
	/* It was away for milliseconds, and knows. */
	EXPECT_LT(1000000, after.longest_ns);
	EXPECT_LT(0, sum(after.hist + 10, ISOL_NR_LENGTHS - 10));
}

static volatile sig_atomic_t handled;

static void handle(int sig UNUSED)
{
	handled++;
}

/* ud2 is two bytes long. */
static void handle_trap(int sig UNUSED, siginfo_t *info UNUSED, void *context)
{
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
}

TEST_F(breaks, exceptions)
{
	struct sigaction action = { .sa_sigaction = handle_trap, .sa_flags = SA_SIGINFO };
	struct isol_breaks before, after;

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, sigaction(SIGILL, &action, NULL));
	asm volatile("ud2");
	before = isol_breaks();
	for (int i = 0; i < TIMES; i++)
		asm volatile("ud2");
	after = isol_breaks();
	/* When an interrupt comes while one is handled, it is the reason. */
	EXPECT_LT(TIMES / 4, after.reasons[ISOL_BREAK_OTHER] - before.reasons[ISOL_BREAK_OTHER]);
	EXPECT_LE(TIMES, after.count - before.count);
}

/* The count at a moment at which every interruption has been told, and how many were. */
static uint64_t count_told(int *told)
{
	uint64_t count;

	do {
		*told = handled;
		count = isol_breaks().count;
	} while (handled != *told);
	return count;
}

/* One interruption, one signal, before the next instruction. */
TEST_F(breaks, signal)
{
	struct isol_breaks before, after;
	int at_once = 0, seen, now_seen;
	uint64_t count;
	char *mem;

	RETURN_IF_SKIPPED;

	signal(SIGUSR1, handle);
	mem = fresh(TIMES, self->page);
	raise(SIGUSR1);
	ASSERT_EQ(0, prctl(PR_ISOL_SET, PR_ISOL_NOTIFY, ISOL_NOTIFY_SIGNAL, SIGUSR1, 0));
	/* Not by system calls. */
	count = count_told(&seen);
	for (int i = 0; i < TIMES; i++)
		syscall(SYS_getppid);
	EXPECT_EQ(count_told(&now_seen) - count, now_seen - seen);
	seen = handled;
	before = isol_breaks();
	for (int i = 0; i < TIMES; i++) {
		int was = handled;

		((volatile char *)mem)[i * self->page] = 1;
		at_once += handled > was;
	}
	after = isol_breaks();
	EXPECT_EQ(TIMES, at_once);
	EXPECT_LE(TIMES, handled - seen);
	/* An interruption of the handler itself finds the signal blocked. */
	EXPECT_LE(handled - seen, (long long)(after.count - before.count) + 1);

	ASSERT_EQ(0, prctl(PR_ISOL_SET, PR_ISOL_NOTIFY, ISOL_NOTIFY_NONE, 0, 0));
	seen = handled;
	madvise(mem, TIMES * self->page, MADV_DONTNEED);
	touch(mem, TIMES, self->page);
	EXPECT_EQ(seen, handled);
}

static int killed_by_fault(void)
{
	char *mem = fresh(1, sysconf(_SC_PAGESIZE));

	if (isol_set(PR_ISOL_QUIESCE_CFG, VMSTAT) || isol_enable(QUIESCE) ||
	    prctl(PR_ISOL_SET, PR_ISOL_NOTIFY, ISOL_NOTIFY_SIGNAL, SIGKILL, 0))
		return 1;
	touch(mem, 1, sysconf(_SC_PAGESIZE));
	return 2;
}

TEST_F(breaks, sigkill)
{
	RETURN_IF_SKIPPED;

	EXPECT_EQ(256 + SIGKILL, end_of(start(killed_by_fault)));
}

TEST_F(breaks, eventfd)
{
	struct isol_breaks before, after;
	struct pollfd poll_fd;
	uint64_t told = 0;
	char *mem;
	int fd;

	RETURN_IF_SKIPPED;

	fd = eventfd(0, EFD_NONBLOCK);
	ASSERT_LE(0, fd);
	mem = fresh(TIMES, self->page);
	ASSERT_EQ(0, prctl(PR_ISOL_SET, PR_ISOL_NOTIFY, ISOL_NOTIFY_EVENTFD, fd, 0));
	read(fd, &told, sizeof(told));
	before = isol_breaks();
	touch(mem, TIMES, self->page);
	after = isol_breaks();
	poll_fd = (struct pollfd){ .fd = fd, .events = POLLIN };
	EXPECT_EQ(1, poll(&poll_fd, 1, 0));
	EXPECT_EQ(sizeof(told), read(fd, &told, sizeof(told)));
	EXPECT_LE(TIMES, told);
	EXPECT_LE(after.count - before.count, told);
	EXPECT_GE(after.count - before.count + 20, told);

	ASSERT_EQ(0, prctl(PR_ISOL_SET, PR_ISOL_NOTIFY, ISOL_NOTIFY_NONE, 0, 0));
	madvise(mem, TIMES * self->page, MADV_DONTNEED);
	read(fd, &told, sizeof(told));
	touch(mem, TIMES, self->page);
	EXPECT_EQ(-1, read(fd, &told, sizeof(told)));
	close(fd);
}

/* One that sleeps in poll(2) on another CPU is woken. */
static void wait_for_event(struct nuisance *n)
{
	struct pollfd poll_fd = { .fd = n->victim_cpu, .events = POLLIN };

	n->before = poll(&poll_fd, 1, PATIENCE * 1000);
}

TEST_F(breaks, eventfd_wakes)
{
	struct nuisance n = { .act = wait_for_event };
	pthread_t thread;
	char *mem;

	RETURN_IF_SKIPPED;

	mem = fresh(1, self->page);
	n.victim_cpu = eventfd(0, 0);
	ASSERT_EQ(0, prctl(PR_ISOL_SET, PR_ISOL_NOTIFY, ISOL_NOTIFY_EVENTFD, n.victim_cpu, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, nuisance, &n));
	atomic_store(&n.go, 1);
	touch(mem, 1, self->page);
	EXPECT_TRUE(SPIN_FOR(atomic_load(&n.done)));
	EXPECT_EQ(1, n.before);
	pthread_join(thread, NULL);
}

static void clear_trace(void)
{
	close(open(TRACING "trace", O_WRONLY | O_TRUNC));
}

static long long trace_lines(const char *what)
{
	static char line[4096];
	long long found = 0;
	FILE *file = fopen(TRACING "trace", "r");

	while (file && fgets(line, sizeof(line), file))
		found += !!strstr(line, what);
	if (file)
		fclose(file);
	return file ? found : -1;
}

/* Tracing sees what is counted, one event each. */
TEST_F(breaks, tracing)
{
	struct isol_breaks before, after;
	char filter[64];
	char *mem;

	RETURN_IF_SKIPPED;

	snprintf(filter, sizeof(filter), "common_pid == %d", gettid());
	mem = fresh(TIMES, self->page);
	if (!write_file(TRACING "events/isolation/filter", filter))
		SKIP(return, "no tracing");
	clear_trace();
	/* Switching events on patches code, which interrupts: before they are counted. */
	ASSERT_TRUE(write_file(TRACING "events/isolation/enable", "1"));
	ASSERT_TRUE(write_file(TRACING "tracing_on", "1"));
	before = isol_breaks();
	touch(mem, TIMES, self->page);
	after = isol_breaks();
	ASSERT_EQ(0, isol_enable(0));
	EXPECT_TRUE(write_file(TRACING "events/isolation/enable", "0"));
	EXPECT_EQ(TIMES, after.reasons[ISOL_BREAK_FAULT] - before.reasons[ISOL_BREAK_FAULT]);
	EXPECT_LE((long long)(after.count - before.count), trace_lines("isolation_break:"));
	EXPECT_GE((long long)(after.count - before.count) + 20, trace_lines("isolation_break:"));
	/* Some may have had another reason, too. */
	EXPECT_LE(TIMES, trace_lines("fault"));
	EXPECT_LT(0, trace_lines("isolation_config: features= quiesce=vmstat|nohz_full"));
	/* Page faults change counters. */
	EXPECT_LT(0, trace_lines("isolation_quiesce: done=vmstat"));
	write_file(TRACING "events/isolation/filter", "0");
	clear_trace();
}

TEST_HARNESS_MAIN
