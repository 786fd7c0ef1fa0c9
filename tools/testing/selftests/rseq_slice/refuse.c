// SPDX-License-Identifier: GPL-2.0
/*
 * rseq time slice extension: when there is no grant, and that the kernel says why.
 *
 * What has to make these tests fail: mutations/refuse-*.patch
 */
#include <sys/stat.h>
#include <sys/uio.h>

#include "slice.h"
#include "kselftest_harness.h"

#define PATIENCE	patience(40)

#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE		62
#define PR_SCHED_CORE_CREATE	1
#endif

#ifndef __NR_pidfd_open
#define __NR_pidfd_open		434
#endif

#ifndef __NR_process_madvise
#define __NR_process_madvise	440
#endif

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

FIXTURE(refuse)
{
	struct rseq_slice_area		*area;
	struct noise	noise;
	int		cpu;
};

FIXTURE_SETUP(refuse)
{
	patience_begin();
	if (!kernel_has_slices())
		SKIP(return, "the kernel has no time slice extension");
	if (!strcmp(offered(), "off"))
		SKIP(return, "booted with rseq_slice_ext=0");
	if (booted_with("highres=off"))
		SKIP(return, "booted with highres=off");
	if (stat_counter("refused_class") < 0)
		SKIP(return, "needs root and debugfs");
	self->cpu = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	ASSERT_EQ(0, pin(self->cpu));
	ASSERT_EQ(0, write_text(NSEC_FILE, "50000"));
	self->area = enabled_area(LEN_NEW);
	ASSERT_NE(NULL, self->area);
}

FIXTURE_TEARDOWN(refuse)
{
	patience_end(_metadata->passed);
	write_text(NSEC_FILE, "5000");
}

/* Ask for a while, giving back what comes. */
static void hog(struct rseq_slice_area *area, double seconds)
{
	double end = now() + seconds;

	while (now() < end)
		if (ask(area))
			slice_yield();
}

/* The root's share of the CPU must allow real-time tasks in our group. */
static bool may_be_realtime(void)
{
	struct sched_param param = { .sched_priority = 1 }, none = { };
	bool may = !sched_setscheduler(0, SCHED_FIFO, &param);

	sched_setscheduler(0, SCHED_OTHER, &none);
	return may;
}

/* A task above CFS that wakes up here preempts at once: it is never made to wait. */
TEST_F_TIMEOUT(refuse, class, 600)
{
	RETURN_IF_SKIPPED;

	long refused = stat_counter("refused_class"), granted = counter("granted");
	double end = now() + PATIENCE;

	if (!may_be_realtime())
		SKIP(return, "may not use SCHED_FIFO");
	ASSERT_EQ(0, noise_start(&self->noise, self->cpu, SCHED_FIFO));
	while (stat_counter("refused_class") < refused + 100 && now() < end)
		hog(self->area, 0.05);
	noise_stop(&self->noise);

	refused = stat_counter("refused_class") - refused;
	granted = counter("granted") - granted;
	EXPECT_LE(100, refused);
	/* Other tasks of the system may be there for a moment and be made to wait. */
	EXPECT_GT(refused / 5, granted) {
		TH_LOG("%ld refused, %ld granted", refused, granted);
	}
}

/* A real-time thread asks in vain. */
TEST_F_TIMEOUT(refuse, realtime, 600)
{
	RETURN_IF_SKIPPED;

	struct sched_param param = { .sched_priority = 1 }, higher = { .sched_priority = 2 };
	struct sched_param none = { };
	double end = now() + PATIENCE;
	long refused = counter("refused");

	if (!may_be_realtime())
		SKIP(return, "may not use SCHED_FIFO");
	ASSERT_EQ(0, noise_start(&self->noise, self->cpu, SCHED_FIFO));
	ASSERT_EQ(0, pthread_setschedparam(self->noise.thread, SCHED_FIFO, &higher));
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_RR, &param));
	while (counter("refused") < refused + 3 && now() < end)
		ask(self->area);
	sched_setscheduler(0, SCHED_OTHER, &none);
	noise_stop(&self->noise);
	EXPECT_EQ(0, counter("granted"));
	EXPECT_LE(refused + 3, counter("refused"));
}

static const char *unified_groups(void)
{
	static char path[256];
	char line[512];
	FILE *file = fopen("/proc/mounts", "r");

	path[0] = 0;
	while (file && fgets(line, sizeof(line), file))
		if (strstr(line, " cgroup2 "))
			sscanf(line, "%*s %200s", path);
	if (file)
		fclose(file);
	return path[0] ? path : NULL;
}

/* A group that has used up its bandwidth does not get more by asking. */
TEST_F_TIMEOUT(refuse, runtime, 600)
{
	RETURN_IF_SKIPPED;

	long refused = stat_counter("refused_runtime");
	char group[300], file[400], control[400];
	double end = now() + PATIENCE;
	const char *root = unified_groups();

	if (!root)
		SKIP(return, "cgroup2 is not mounted");
	snprintf(control, sizeof(control), "%s/cgroup.subtree_control", root);
	if (write_text(control, "+cpu"))
		SKIP(return, "cgroup2 has no cpu controller");
	snprintf(group, sizeof(group), "%s/slice-%d", root, getpid());
	ASSERT_EQ(0, mkdir(group, 0755));
	snprintf(file, sizeof(file), "%s/cpu.max", group);
	ASSERT_EQ(0, write_text(file, "20000 100000"));
	snprintf(file, sizeof(file), "%s/cgroup.procs", group);
	ASSERT_EQ(0, write_text(file, "0"));

	while (stat_counter("refused_runtime") < refused + 3 && now() < end)
		hog(self->area, 0.3);
	EXPECT_LE(refused + 3, stat_counter("refused_runtime"));

	snprintf(file, sizeof(file), "%s/cgroup.procs", root);
	EXPECT_EQ(0, write_text(file, "0"));
	EXPECT_EQ(0, rmdir(group));
	write_text(control, "-cpu");
}

static volatile bool stop;
static pthread_t target;

static void ignore(int sig)
{
}

static void *send_signals(void *arg)
{
	pin(0);
	while (!stop)
		pthread_kill(target, SIGUSR1);
	return NULL;
}

/* Signals come before grants. */
TEST_F_TIMEOUT(refuse, work, 600)
{
	RETURN_IF_SKIPPED;

	long refused = stat_counter("refused_work");
	double end = now() + PATIENCE;
	pthread_t sender;

	if (self->cpu == 0)
		SKIP(return, "needs two CPUs");
	target = pthread_self();
	stop = false;
	signal(SIGUSR1, ignore);
	ASSERT_EQ(0, noise_start(&self->noise, self->cpu, SCHED_OTHER));
	ASSERT_EQ(0, pthread_create(&sender, NULL, send_signals, NULL));
	while (stat_counter("refused_work") < refused + 3 && now() < end)
		hog(self->area, 0.2);
	stop = true;
	pthread_join(sender, NULL);
	noise_stop(&self->noise);
	EXPECT_LE(refused + 3, stat_counter("refused_work"));
}

static bool has_swap(void)
{
	FILE *file = fopen("/proc/swaps", "r");
	char line[256];
	int lines = 0;

	while (file && fgets(line, sizeof(line), file))
		lines++;
	if (file)
		fclose(file);
	return lines > 1;
}

/* The sibling of a CPU, or -1. */
static int sibling_of(int cpu)
{
	char path[128];
	int first = cpu, second = cpu;
	FILE *file;

	snprintf(path, sizeof(path),
		 "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
	file = fopen(path, "r");
	if (file) {
		if (fscanf(file, "%d%*[,-]%d", &first, &second) != 2)
			second = first;
		fclose(file);
	}
	return first != cpu ? first : second != cpu ? second : -1;
}

/*
 * Two cookies compete for a core. The sibling that is to give way, or that has
 * a decision to follow, does so at once; with one cookie there is nothing to
 * give way to.
 */
TEST_F_TIMEOUT(refuse, core, 600)
{
	RETURN_IF_SKIPPED;

	int sibling = sibling_of(self->cpu);
	double end = now() + PATIENCE;
	long refused, granted;
	pid_t rival;

	if (sibling < 0)
		SKIP(return, "needs SMT siblings");
	if (prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, 0, 0))
		SKIP(return, "no core scheduling");
	rival = fork();
	if (!rival) {
		pin(sibling);
		prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, 0, 0);
		/* Whoever wakes up there has the siblings decide anew. */
		noise_start(&self->noise, sibling, SCHED_OTHER);
		for (;;)
			rseq_slice_barrier();
	}
	/* The noise inherits our cookie. */
	ASSERT_EQ(0, noise_start(&self->noise, self->cpu, SCHED_OTHER));

	refused = stat_counter("refused_core");
	while (stat_counter("refused_core") < refused + 3 && now() < end)
		hog(self->area, 0.2);
	EXPECT_LE(refused + 3, stat_counter("refused_core"));

	/* With one cookie there are grants, and hardly an objection. */
	kill(rival, SIGKILL);
	waitpid(rival, NULL, 0);
	rival = fork();
	if (!rival) {
		pin(sibling);
		for (;;)
			rseq_slice_barrier();
	}
	hog(self->area, 0.2);
	refused = stat_counter("refused_core");
	granted = counter("granted");
	end = now() + PATIENCE;
	while (counter("granted") < granted + 10 && now() < end)
		hog(self->area, 0.1);
	EXPECT_LE(granted + 10, counter("granted"));
	EXPECT_GT(10, stat_counter("refused_core") - refused);

	kill(rival, SIGKILL);
	waitpid(rival, NULL, 0);
	noise_stop(&self->noise);
}

static volatile bool away;

static void *page_out(void *arg)
{
	struct iovec area = { .iov_base = arg, .iov_len = 4096 };
	struct timespec nap = { .tv_nsec = 20000000 };
	int self = syscall(__NR_pidfd_open, getpid(), 0);

	pin(0);
	syscall(__NR_process_madvise, self, &area, 1, MADV_PAGEOUT, 0);
	close(self);
	nanosleep(&nap, NULL);
	away = true;
	return NULL;
}

/* Only pages on the LRU are paged out. New ones wait beside it, a few at a time. */
static void fill_lru_cache(void)
{
	size_t len = 64 * 4096;
	void *pages = mmap(NULL, len, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (pages != MAP_FAILED)
		munmap(pages, len);
}

/*
 * Somebody advises to page out our memory, and slice_ctrl is gone when the
 * kernel wants to read it: no grant, no fault, and it is back afterwards.
 */
TEST_F_TIMEOUT(refuse, memory, 600)
{
	RETURN_IF_SKIPPED;

	long before = stat_counter("refused_memory"), refused = 0;
	double end = now() + PATIENCE;
	pthread_t pager;

	if (self->cpu == 0)
		SKIP(return, "needs two CPUs");
	if (!has_swap())
		SKIP(return, "needs swap");
	ASSERT_EQ(0, noise_start(&self->noise, self->cpu, SCHED_OTHER));
	while (!refused && now() < end) {
		away = false;
		fill_lru_cache();
		ASSERT_EQ(0, pthread_create(&pager, NULL, page_out, self->area));
		self->area->request = 1;
		while (!away)
			rseq_slice_barrier();
		refused = stat_counter("refused_memory") - before;
		pthread_join(pager, NULL);
	}
	EXPECT_LT(0, refused);
	self->area->request = 0;
	EXPECT_TRUE(ask_for(self->area, PATIENCE));
	noise_stop(&self->noise);
}

/* Without high resolution timers a grant could last for a whole tick. */
TEST(timer)
{
	int cpu = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	struct noise noise;
	struct rseq_slice_area *area;
	long refused;

	if (!kernel_has_slices())
		SKIP(return, "the kernel has no time slice extension");
	if (!booted_with("highres=off"))
		SKIP(return, "needs a boot with highres=off");
	refused = stat_counter("refused_timer");
	if (refused < 0)
		SKIP(return, "needs root and debugfs");
	ASSERT_EQ(0, pin(cpu));
	area = enabled_area(LEN_NEW);
	ASSERT_NE(NULL, area);
	ASSERT_EQ(0, noise_start(&noise, cpu, SCHED_OTHER));
	hog(area, 2);
	noise_stop(&noise);
	EXPECT_EQ(0, counter("granted"));
	EXPECT_LT(refused, stat_counter("refused_timer"));
}

TEST_HARNESS_MAIN
