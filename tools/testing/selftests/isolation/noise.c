// SPDX-License-Identifier: GPL-2.0
/*
 * Task isolation: noise on the other CPUs.  Each generator interrupts the
 * isolated CPU when what covers it is off, and does not when it is on.  Those
 * that nothing covers interrupt it in any case, and the test says how often.
 *
 * Something else may interrupt a CPU now and then.  So a generator is quiet when
 * one of a few runs has no interruption of its kind; when it is not covered, its
 * operations have one each, or more, but for those that may come two at a time.
 *
 * What has to make these tests fail: mutations/noise-*.patch
 */
#include <linux/perf_event.h>

#include "isolation.h"
#include "kselftest_harness.h"

#define TRIES		5
#define CPUS		"/sys/devices/system/cpu/"
#define CLOCKSOURCE	"/sys/devices/system/clocksource/clocksource0/"
#define TRACING		"/sys/kernel/tracing/"
#define INSTANCE	TRACING "instances/isolation-noise/"

/* Reasons, as bits of a mask. */
enum {
	CALL = 1 << ISOL_BREAK_CALL,
	SWITCH = 1 << ISOL_BREAK_SWITCH,
	MIGRATE = 1 << ISOL_BREAK_MIGRATE,
	IRQ_WORK = 1 << ISOL_BREAK_IRQ_WORK,
};

/* Computes on the isolated CPU, without a system call, until it is told to stop. */
struct victim {
	atomic_int		ready, stop;
	pid_t			pid;
	int			cpu, actions, classes;
	struct isol_breaks	before, after;
};

static struct victim *victim;
static int last_cpu;

static int compute(void)
{
	if (!run_on(victim->cpu) || isol_set(PR_ISOL_QUIESCE_CFG, victim->actions) ||
	    isol_set(PR_ISOL_BLOCK_CFG, victim->classes) ||
	    isol_enable(QUIESCE | (victim->classes ? BLOCK : 0)))
		return 1;
	victim->before = isol_breaks();
	atomic_store(&victim->ready, 1);
	while (!atomic_load(&victim->stop))
		__builtin_ia32_pause();
	victim->after = isol_breaks();
	return 0;
}

/* Operations: 0, or an error number. */
static int write_to(const char *path, const char *text)
{
	return write_file(path, text) ? 0 : errno ?: EIO;
}

static int refresh_statistics(void)
{
	return write_to("/proc/sys/vm/stat_refresh", "1");
}

static char overcommit[16];

static int overcommit_strictly(void)
{
	return write_to("/proc/sys/vm/overcommit_memory", "2") ?:
	       write_to("/proc/sys/vm/overcommit_memory", overcommit);
}

static int resize_trace(void)
{
	return write_to(INSTANCE "buffer_size_kb", "64") ?:
	       write_to(INSTANCE "buffer_size_kb", "8");
}

static int take_cpu_down(void)
{
	char path[64];

	snprintf(path, sizeof(path), CPUS "cpu%d/online", last_cpu);
	return write_to(path, "0") ?: write_to(path, "1");
}

static char clocks[2][32];

static int change_clock(void)
{
	return write_to(CLOCKSOURCE "current_clocksource", clocks[1]) ?:
	       write_to(CLOCKSOURCE "current_clocksource", clocks[0]);
}

static int count_on_cpu(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CONTEXT_SWITCHES,
		.size = sizeof(attr),
	};
	int fd = syscall(SYS_perf_event_open, &attr, -1, victim->cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int read_device(const char *name, size_t size)
{
	char path[64], value[16];
	int fd, error;

	snprintf(path, sizeof(path), "/dev/cpu/%d/%s", victim->cpu, name);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return errno;
	/* The time stamp counter, and leaf 16. */
	error = pread(fd, value, size, 16) < 0 ? errno : 0;
	close(fd);
	return error;
}

static int read_msr(void)
{
	return read_device("msr", 8);
}

static int read_cpuid(void)
{
	return read_device("cpuid", 16);
}

static int move_victim(void)
{
	cpu_set_t set;

	for (int i = 0; i < 2; i++) {
		CPU_ZERO(&set);
		CPU_SET(i ? victim->cpu : last_cpu, &set);
		if (sched_setaffinity(victim->pid, sizeof(set), &set))
			return errno;
	}
	return 0;
}

/* Patches code of a tracepoint that nothing of this runs into. */
static int toggle_tracepoint(void)
{
	return write_to(TRACING "events/ext4/ext4_sync_fs/enable", "1") ?:
	       write_to(TRACING "events/ext4/ext4_sync_fs/enable", "0");
}

static int arm_and_end(void)
{
	struct itimerspec far = { .it_value = { .tv_sec = 10000 } };
	timer_t timer;

	return timer_create(CLOCK_PROCESS_CPUTIME_ID, NULL, &timer) ||
	       timer_settime(timer, 0, &far, NULL);
}

/* The first one of a process tells all CPUs. */
static int arm_cpu_timer(void)
{
	return end_of(start(arm_and_end));
}

static int set_clock(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return clock_settime(CLOCK_REALTIME, &time) ? errno : 0;
}

struct generator {
	const char	*name;
	int		(*act)(void);
	int		times;
	int		action;		/* what covers it: one of these, */
	int		class;		/* or none */
	int		reasons;	/* why it interrupts */
};

static const struct generator generators[] = {
	{ "vm.stat_refresh", refresh_statistics, 10, VMSTAT, 0, SWITCH },
	{ "CPU hotplug", take_cpu_down, 2, 0, ISOL_F_BLOCK_HOTPLUG, SWITCH },
	{ "clocksource", change_clock, 3, 0, ISOL_F_BLOCK_STOP_MACHINE, SWITCH },
	{ "perf events", count_on_cpu, 10, 0, ISOL_F_BLOCK_PERF, CALL },
	{ "MSR", read_msr, 20, 0, ISOL_F_BLOCK_MSR, CALL },
	{ "CPUID", read_cpuid, 20, 0, ISOL_F_BLOCK_MSR, CALL },
	{ "vm.overcommit_memory", overcommit_strictly, 10, 0, ISOL_F_BLOCK_WORK, SWITCH },
	{ "trace buffers", resize_trace, 5, 0, ISOL_F_BLOCK_WORK, SWITCH },
	{ "affinity", move_victim, 5, 0, ISOL_F_BLOCK_AFFINITY, MIGRATE | SWITCH },
	{ "tracepoints", toggle_tracepoint, 10, ISOL_F_QUIESCE_DEFER_TEXT_SYNC, 0, CALL },
	{ "CPU timers", arm_cpu_timer, 10, 0, 0, CALL | IRQ_WORK },
	{ "clock_settime", set_clock, 10, 0, 0, CALL },
};

#define NR_GENERATORS	((int)(sizeof(generators) / sizeof(*generators)))

/* How many of its operations failed with this error. */
static int make_noise(const struct generator *g, int error)
{
	int count = 0;

	for (int i = 0; i < g->times; i++)
		count += g->act() == error;
	return count;
}

static pid_t start_victim(int actions, int classes)
{
	pid_t pid;

	memset(victim, 0, sizeof(*victim));
	victim->cpu = nohz_full_cpu();
	victim->actions = actions;
	victim->classes = classes;
	pid = start(compute);
	victim->pid = pid;
	if (!WAIT_FOR(atomic_load(&victim->ready)))
		abort();
	return pid;
}

/* Interruptions for one of these reasons since it was ready. */
static long long end_victim(pid_t pid, int reasons)
{
	long long count = 0;

	atomic_store(&victim->stop, 1);
	if (end_of(pid))
		abort();
	for (int i = 0; i < ISOL_NR_REASONS; i++)
		if (reasons & 1 << i)
			count += victim->after.reasons[i] - victim->before.reasons[i];
	return count;
}

static long long breaks_under(const struct generator *g, int actions, int classes, int error)
{
	pid_t pid = start_victim(actions, classes);
	int right = make_noise(g, error);
	long long breaks = end_victim(pid, g->reasons);

	return right == g->times ? breaks : -1;
}

FIXTURE(noise)
{
	int	actions;
	int	classes;
};

FIXTURE_SETUP(noise)
{
	char text[128] = "";
	int fd;

	SKIP_WITHOUT(NEED_CPU | NEED_ROOT | NEED_BLOCK);
	self->actions = isol_get(PR_ISOL_SUP_QUIESCE_CFG);
	self->classes = isol_get(PR_ISOL_SUP_BLOCK_CFG);
	last_cpu = sysconf(_SC_NPROCESSORS_CONF) - 1;
	if (last_cpu < 2)
		SKIP(return, "there are too few CPUs");
	ASSERT_TRUE(run_on(0));
	victim = mmap(NULL, sizeof(*victim), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, victim);
	mkdir(INSTANCE, 0755);
	fd = open(CLOCKSOURCE "available_clocksource", O_RDONLY);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
		sscanf(text, "%31s %31s", clocks[0], clocks[1]);
	close(fd);
	fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY);
	ASSERT_LT(0, read(fd, overcommit, sizeof(overcommit) - 1));
	close(fd);
}

FIXTURE_TEARDOWN(noise)
{
	rmdir(INSTANCE);
}

static bool is_there(const struct generator *g, int classes)
{
	if (g->class & ~classes)
		return false;
	if (g->act == read_msr)
		return !access("/dev/cpu/0/msr", F_OK);
	if (g->act == read_cpuid)
		return !access("/dev/cpu/0/cpuid", F_OK);
	if (g->act == change_clock)
		return *clocks[1];
	if (g->act == toggle_tracepoint)
		return !access(TRACING "events/ext4/ext4_sync_fs/enable", F_OK);
	return true;
}

TEST_F_TIMEOUT(noise, one_by_one, LONG_TEST)
{
	long long without, with;

	RETURN_IF_SKIPPED;

	for (const struct generator *g = generators; g < generators + NR_GENERATORS; g++) {
		int covered = g->action | g->class;

		if (!is_there(g, self->classes))
			continue;
		without = breaks_under(g, self->actions & ~g->action ?: NOHZ_FULL, 0, 0);
		with = without;
		for (int i = 0; i < (covered ? TRIES : 1) && with; i++)
			with = breaks_under(g, self->actions, self->classes,
					    g->class ? EBUSY : 0);
		TH_LOG("%s, %d times: %lld interruptions, %s %lld", g->name, g->times, without,
		       covered ? "covered" : "not covered", with);
		/* Two moves before the task runs again are one interruption; so are two timers. */
		EXPECT_LE(!covered || g->act == move_victim ? 1 : g->times / 2 + 1, without);
		EXPECT_EQ(!covered, with > 0);
		EXPECT_LE(0, with);
	}
}

static atomic_int *enough;

static int make_noise_until_enough(void)
{
	const struct generator *g;

	while (!atomic_load(enough))
		for (g = generators; g < generators + NR_GENERATORS; g++)
			if ((g->action || g->class) && is_there(g, victim->classes))
				g->act();
	return 0;
}

static int noise_of_others(int cpu)
{
	pid_t pid = fork();

	if (!pid)
		_exit(run_on(cpu) ? make_noise_until_enough() : 1);
	return pid;
}

/* Two CPUs make all the noise that is covered, as fast as they can. */
TEST_F_TIMEOUT(noise, together, LONG_TEST)
{
	int reasons = CALL | SWITCH | MIGRATE | 1 << ISOL_BREAK_TIMER;
	long long breaks = -1, refused = 0;
	pid_t pids[3];

	RETURN_IF_SKIPPED;

	enough = mmap(NULL, sizeof(*enough), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, enough);
	for (int i = 0; i < TRIES && breaks; i++) {
		atomic_store(enough, 0);
		pids[0] = start_victim(self->actions, self->classes);
		pids[1] = noise_of_others(0);
		pids[2] = noise_of_others(last_cpu);
		EXPECT_TRUE(WAIT_FOR(isolation_of(pids[0], "refused") > 200));
		refused = isolation_of(pids[0], "refused");
		/* While it is still refused: nothing is left half done. */
		atomic_store(enough, 1);
		EXPECT_EQ(0, end_of(pids[1]));
		EXPECT_EQ(0, end_of(pids[2]));
		breaks = end_victim(pids[0], reasons);
	}
	TH_LOG("%lld requests refused, %lld interruptions", refused, breaks);
	EXPECT_EQ(0, breaks);
}

TEST_HARNESS_MAIN
