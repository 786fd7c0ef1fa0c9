// SPDX-License-Identifier: GPL-2.0
/*
 * Task isolation: what is done before user mode, and that it is not done to the
 * task afterwards by somebody else.  Each test of something that does not happen
 * has a control in which it does.
 *
 * What has to make these tests fail: mutations/quiesce-*.patch
 */
#include <linux/perf_event.h>
#include <sys/time.h>

#include "isolation.h"
#include "kselftest_harness.h"

/* Fewer pages than any CPU folds by itself when it counts them one by one. */
#define PAGES		3
#define ROUNDS		20

FIXTURE(quiesce)
{
	int	cpu;
	int	other;
	long	page;
};

FIXTURE_SETUP(quiesce)
{
	SKIP_WITHOUT(NEED_CPU);
	self->page = sysconf(_SC_PAGESIZE);
	self->cpu = nohz_full_cpu();
	/* An even one is never the sibling of CPU 1, nor is it nohz_full. */
	self->other = 0;
	ASSERT_TRUE(run_on(self->cpu));
}

FIXTURE_TEARDOWN(quiesce)
{
}

static long long locked_pages(void)
{
	return value_in("/proc/vmstat", "nr_mlock");
}

/* Runs beside the task, so that reading is none of its system calls. */
struct reader {
	int		cpu;
	atomic_int	ask, answered;
	long long	value;
	long long	(*read)(void);
};

static void *reader(void *arg)
{
	struct reader *r = arg;

	run_on(r->cpu);
	for (int n = 1; ; n++) {
		while (atomic_load(&r->ask) < n)
			usleep(100);
		if (!r->read)
			return NULL;
		r->value = r->read();
		atomic_store(&r->answered, n);
	}
}

static long long ask(struct reader *r)
{
	int n = atomic_fetch_add(&r->ask, 1) + 1;

	while (atomic_load(&r->answered) < n)
		__builtin_ia32_pause();
	return r->value;
}

/* How many of ROUNDS times the global counter was right at once after mlock(2). */
static int counted_at_once(struct reader *r, long page)
{
	long long before, after;
	int right = 0;
	char *mem;

	mem = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (mem == MAP_FAILED)
		return -1;
	for (int i = 0; i < ROUNDS; i++) {
		before = ask(r);
		if (mlock(mem, PAGES * page))
			return -1;
		after = ask(r);
		if (munlock(mem, PAGES * page))
			return -1;
		right += after - before == PAGES;
	}
	munmap(mem, PAGES * page);
	return right;
}

TEST_F_TIMEOUT(quiesce, vmstat_is_folded, LONG_TEST)
{
	struct reader r = { .read = locked_pages };
	pthread_t thread;

	RETURN_IF_SKIPPED;

	r.cpu = self->other;
	ASSERT_EQ(0, pthread_create(&thread, NULL, reader, &r));
	/* Control: differences stay where they are. */
	EXPECT_GT(ROUNDS, counted_at_once(&r, self->page));
	ASSERT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, NOHZ_FULL));
	ASSERT_EQ(0, isol_enable(QUIESCE));
	EXPECT_GT(ROUNDS, counted_at_once(&r, self->page));

	ASSERT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, VMSTAT));
	EXPECT_EQ(ROUNDS, counted_at_once(&r, self->page));
	/* The feature off again: so is the action. */
	ASSERT_EQ(0, isol_enable(0));
	EXPECT_GT(ROUNDS, counted_at_once(&r, self->page));

	r.read = NULL;
	atomic_fetch_add(&r.ask, 1);
	pthread_join(thread, NULL);
}

/* A real-time task that spins on the CPU until it is told to stop. */
struct spinner {
	atomic_int	ready, stop;
	int		cpu;
	int		actions;
	bool		real_time;
};

static int spin(struct spinner *s)
{
	struct sched_param param = { .sched_priority = 1 };

	if (!run_on(s->cpu))
		return 1;
	if (s->real_time && sched_setscheduler(0, SCHED_FIFO, &param))
		return 2;
	if (s->actions && (isol_set(PR_ISOL_QUIESCE_CFG, s->actions) || isol_enable(QUIESCE)))
		return 3;
	atomic_store(&s->ready, 1);
	while (!atomic_load(&s->stop))
		__builtin_ia32_pause();
	return 0;
}

static struct spinner *spinner(int cpu, int actions, bool real_time, pid_t *pid)
{
	struct spinner *s;

	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	s->cpu = cpu;
	s->actions = actions;
	s->real_time = real_time;
	*pid = fork();
	if (!*pid)
		_exit(spin(s));
	return s;
}

static int refresh(void)
{
	run_on(0);
	return write_file("/proc/sys/vm/stat_refresh", "1") ? 0 : 1;
}

/*
 * Does stat_refresh come back while the spinner has the CPU?  It needs a kernel
 * thread there, which the spinner does not let run.
 */
static bool refreshes(int cpu, int actions)
{
	pid_t pid, refresher;
	struct spinner *s;
	siginfo_t info;
	double end;
	bool back;

	s = spinner(cpu, actions, true, &pid);
	if (!WAIT_FOR(atomic_load(&s->ready)))
		abort();
	refresher = start(refresh);
	/* Without isolation it does not come back: waiting longer shows no more. */
	end = now() + (actions & VMSTAT ? PATIENCE : 1.0);
	do {
		info.si_pid = 0;
		waitid(P_PID, refresher, &info, WEXITED | WNOHANG | WNOWAIT);
		back = info.si_pid;
	} while (!back && now() < end);
	atomic_store(&s->stop, 1);
	if (end_of(refresher) || end_of(pid))
		abort();
	munmap(s, sizeof(*s));
	return back;
}

TEST_F_TIMEOUT(quiesce, stat_refresh_passes_by, LONG_TEST)
{
	char before[32] = "";
	int fd;

	RETURN_IF_SKIPPED;

	fd = open("/proc/sys/kernel/sched_rt_runtime_us", O_RDONLY);
	if (fd < 0 || geteuid() || read(fd, before, sizeof(before) - 1) <= 0)
		SKIP(return, "only root can be real-time for long");
	close(fd);
	ASSERT_TRUE(run_on(self->other));
	ASSERT_TRUE(write_file("/proc/sys/kernel/sched_rt_runtime_us", "-1"));
	EXPECT_FALSE(refreshes(self->cpu, 0));
	EXPECT_FALSE(refreshes(self->cpu, NOHZ_FULL));
	EXPECT_TRUE(refreshes(self->cpu, VMSTAT));
	EXPECT_TRUE(write_file("/proc/sys/kernel/sched_rt_runtime_us", before));
}

static int refresh_for_ever(void)
{
	run_on(0);
	while (write_file("/proc/sys/vm/stat_refresh", "1"))
		;
	return 1;
}

/* User mode for so many seconds of the clock, which the vDSO reads. */
static void compute(double seconds)
{
	double end = now() + seconds;

	while (now() < end)
		__builtin_ia32_pause();
}

/* What interrupts a second of computing that follows a change of counters. */
static struct isol_breaks second_of_noise(long page)
{
	struct isol_breaks before, after;
	char *mem;

	for (int i = 0; i < 10; i++) {
		mem = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		munmap(mem, PAGES * page);
		if (!i)
			before = isol_breaks();
		compute(0.1);
	}
	after = isol_breaks();
	after.count -= before.count;
	for (int i = 0; i < ISOL_NR_REASONS; i++)
		after.reasons[i] -= before.reasons[i];
	return after;
}

/* Somebody refreshes the statistics all the time, and does not take the CPU. */
TEST_F_TIMEOUT(quiesce, statistics_all_the_time, LONG_TEST)
{
	struct isol_breaks without, with;
	pid_t pid;

	RETURN_IF_SKIPPED;

	if (geteuid())
		SKIP(return, "only root may refresh statistics");
	pid = start(refresh_for_ever);
	ASSERT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, NOHZ_FULL));
	ASSERT_EQ(0, isol_enable(QUIESCE));
	without = second_of_noise(self->page);
	ASSERT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, VMSTAT | NOHZ_FULL));
	with = second_of_noise(self->page);
	kill(pid, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, end_of(pid));
	TH_LOG("%llu interruptions, with folding %llu", without.count, with.count);
	EXPECT_LT(5, without.reasons[ISOL_BREAK_SWITCH]);
	/* Nothing keeps all other kernel threads away. */
	EXPECT_GT(without.reasons[ISOL_BREAK_SWITCH], with.reasons[ISOL_BREAK_SWITCH] * 5);
}

/*
 * Returns an event that needs ticks while it exists.  Not one of the clocks:
 * their frequency is made a period.
 */
static int frequency_event(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CONTEXT_SWITCHES,
		.size = sizeof(attr),
		.freq = 1,
		.sample_freq = 1,
		.disabled = 1,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Whether a tick, or another timer, interrupted the task; waits for it. */
static bool ticked_since(uint64_t before, double patience)
{
	double end = now() + patience;

	do {
		compute(0.02);
		if (isol_breaks().reasons[ISOL_BREAK_TIMER] > before)
			return true;
	} while (now() < end);
	return false;
}

/*
 * In how many of ROUNDS times there was a tick in user mode, after the last
 * thing that needed ticks had gone away; @needs is what was needed then.
 */
static int ticked_after_need(int actions, int *needs)
{
	int ticked = 0, fd;
	uint64_t before;
	bool came;

	*needs = 0;
	if (isol_set(PR_ISOL_QUIESCE_CFG, actions) || isol_enable(QUIESCE))
		return -1;
	for (int i = 0; i < ROUNDS; i++) {
		fd = frequency_event();
		if (fd < 0)
			return -1;
		came = ticked_since(isol_breaks().reasons[ISOL_BREAK_TIMER], PATIENCE);
		*needs |= came ? 0 : isol_get(PR_ISOL_TICK);
		before = isol_breaks().reasons[ISOL_BREAK_TIMER];
		close(fd);
		/* It did tick: without that the rest says nothing. */
		if (!came)
			return -2;
		if (ticked_since(before, 0)) {
			*needs |= isol_get(PR_ISOL_TICK);
			ticked++;
		}
	}
	return ticked;
}

TEST_F_TIMEOUT(quiesce, tick_stops_at_once, LONG_TEST)
{
	int without, with, fd, needs[2];

	RETURN_IF_SKIPPED;

	fd = frequency_event();
	if (fd < 0)
		SKIP(return, "no perf events");
	close(fd);
	without = ticked_after_need(VMSTAT, &needs[0]);
	with = ticked_after_need(NOHZ_FULL, &needs[1]);
	TH_LOG("ticks in user mode after %d of %d calls (needs %#x), quiescing %d (needs %#x)",
	       without, ROUNDS, needs[0], with, needs[1]);
	/* Ticks may find the need gone in the system call, or be due as it returns. */
	EXPECT_LE(ROUNDS / 4, without);
	EXPECT_LE(0, with);
	EXPECT_GT(without, with * 2);
}

static bool set_online(int cpu, bool online)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	return write_file(path, online ? "1" : "0");
}

/* A CPU that had a queue when it went offline has ticks once it is back. */
TEST_F_TIMEOUT(quiesce, tick_after_hotplug, LONG_TEST)
{
	struct spinner *s[2];
	pid_t pid[2];
	int fd;

	RETURN_IF_SKIPPED;

	if (geteuid())
		SKIP(return, "only root may take a CPU offline");
	ASSERT_TRUE(run_on(self->other));
	for (int i = 0; i < 2; i++) {
		s[i] = spinner(self->cpu, 0, false, &pid[i]);
		ASSERT_TRUE(WAIT_FOR(atomic_load(&s[i]->ready)));
	}
	EXPECT_TRUE(set_online(self->cpu, false));
	EXPECT_TRUE(set_online(self->cpu, true));
	for (int i = 0; i < 2; i++) {
		atomic_store(&s[i]->stop, 1);
		EXPECT_EQ(0, end_of(pid[i]));
		munmap(s[i], sizeof(*s[i]));
	}

	ASSERT_TRUE(run_on(self->cpu));
	ASSERT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, NOHZ_FULL));
	ASSERT_EQ(0, isol_enable(QUIESCE));
	fd = frequency_event();
	if (fd < 0)
		SKIP(return, "no perf events");
	EXPECT_TRUE(ticked_since(isol_breaks().reasons[ISOL_BREAK_TIMER], PATIENCE));
	close(fd);
}

TEST_F(quiesce, tick_needs)
{
	struct spinner *s;
	pid_t pid;
	int fd;

	RETURN_IF_SKIPPED;

	/* What ran here before may leave a need behind that a tick has to find gone. */
	EXPECT_TRUE(SPIN_FOR(isol_get(PR_ISOL_TICK) == 0));

	fd = frequency_event();
	if (fd >= 0) {
		EXPECT_EQ(ISOL_TICK_PERF_EVENTS, isol_get(PR_ISOL_TICK) & ISOL_TICK_PERF_EVENTS);
		close(fd);
		EXPECT_TRUE(SPIN_FOR(!(isol_get(PR_ISOL_TICK) & ISOL_TICK_PERF_EVENTS)));
	}

	s = spinner(self->cpu, 0, false, &pid);
	ASSERT_TRUE(SPIN_FOR(atomic_load(&s->ready)));
	EXPECT_TRUE(SPIN_FOR(isol_get(PR_ISOL_TICK) & ISOL_TICK_SCHED));
	atomic_store(&s->stop, 1);
	EXPECT_EQ(0, end_of(pid));
	EXPECT_TRUE(SPIN_FOR(!(isol_get(PR_ISOL_TICK) & ISOL_TICK_SCHED)));
	munmap(s, sizeof(*s));

	ASSERT_TRUE(run_on(self->other));
	EXPECT_EQ(ISOL_TICK_NOT_FULL, isol_get(PR_ISOL_TICK) & ISOL_TICK_NOT_FULL);
}

/* Needs of the process itself. */
TEST_F(quiesce, tick_needs_of_posix_timers)
{
	struct itimerval far = { .it_value = { .tv_sec = 10000 } };

	RETURN_IF_SKIPPED;

	EXPECT_TRUE(SPIN_FOR(isol_get(PR_ISOL_TICK) == 0));
	ASSERT_EQ(0, setitimer(ITIMER_PROF, &far, NULL));
	EXPECT_EQ(ISOL_TICK_POSIX_TIMER, isol_get(PR_ISOL_TICK) & ISOL_TICK_POSIX_TIMER);
}

/* Nothing of that is to be had elsewhere, and nothing of it is an error. */
TEST_F(quiesce, cpus_with_a_tick)
{
	RETURN_IF_SKIPPED;

	ASSERT_TRUE(run_on(self->other));
	ASSERT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, VMSTAT | NOHZ_FULL));
	ASSERT_EQ(0, isol_enable(QUIESCE));
	for (int i = 0; i < 100; i++)
		getppid();
	EXPECT_EQ(QUIESCE, isol_get(ISOL_FEATURES));
}

TEST_HARNESS_MAIN
