// SPDX-License-Identifier: GPL-2.0
/*
 * Everything goes on while every CPU has hogs with cookies: wake-ups, stopper
 * threads, CPU hotplug, code patching, stealing. Nothing here is about how fast:
 * what has to happen has to happen before the time of the test is up.
 */
#include "core_sched.h"

#include <pthread.h>

#include <kselftest_harness.h>

FIXTURE(core) {
	int a, b, cpus;
	pid_t hog[2 * CPUS_MAX];
};

FIXTURE_SETUP(core)
{
	const char *why = obstacle(find_siblings(&self->a, &self->b),
				   "no siblings");

	if (why)
		SKIP(return, "%s", why);
	self->cpus = sysconf(_SC_NPROCESSORS_CONF);
	if (self->cpus > CPUS_MAX)
		self->cpus = CPUS_MAX;
}

FIXTURE_TEARDOWN(core)
{
	int i;

	for (i = 0; i < 2 * CPUS_MAX; i++)
		reap(self->hog[i]);
	trace_end();
}

/* Two hogs for every CPU, each with a cookie of its own. */
static bool crowd(FIXTURE_DATA(core) *self)
{
	int i;

	for (i = 0; i < 2 * self->cpus; i++) {
		self->hog[i] = spawn_hog(i / 2);
		if (self->hog[i] <= 0)
			return false;
		if (core_create(self->hog[i]))
			return false;
	}

	return true;
}

static bool everybody_runs(FIXTURE_DATA(core) *self)
{
	double start[2 * CPUS_MAX], end = now() + PATIENCE;
	int i;

	for (i = 0; i < 2 * self->cpus; i++)
		start[i] = cpu_time(self->hog[i]);
	for (i = 0; i < 2 * self->cpus; i++) {
		while (cpu_time(self->hog[i]) < start[i] + 0.02) {
			if (now() > end)
				return false;
			nap(0.02);
		}
	}

	return true;
}

TEST_F_TIMEOUT(core, everybody_gets_a_turn, 1200)
{
	ASSERT_TRUE(crowd(self));
	EXPECT_TRUE(everybody_runs(self));
}

/* Two tasks of different cookies wake each other, on siblings and on one CPU. */
TEST_F_TIMEOUT(core, wakeups_are_not_lost, 1200)
{
	int there[2], back[2], i, round;
	char byte = 0;
	pid_t pid;

	for (round = 0; round < 2; round++) {
		ASSERT_EQ(0, pipe(there));
		ASSERT_EQ(0, pipe(back));
		pid = spawn();
		if (!pid) {
			pin(0, self->b);
			core_create(0);
			for (;;) {
				if (read(there[0], &byte, 1) != 1 ||
				    write(back[1], &byte, 1) != 1)
					_exit(1);
			}
		}
		ASSERT_EQ(0, core_create(0));
		pin(0, round ? self->b : self->a);
		for (i = 0; i < 3000; i++) {
			ASSERT_EQ(1, write(there[1], &byte, 1));
			ASSERT_EQ(1, read(back[0], &byte, 1));
		}
		reap(pid);
		close(there[0]);
		close(there[1]);
		close(back[0]);
		close(back[1]);
	}
}

TEST_F_TIMEOUT(core, stoppers_run, 1200)
{
	int i;

	ASSERT_TRUE(crowd(self));
	/* Moving a running task to another CPU takes a stopper. */
	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, pin(self->hog[0], i % 2 ? self->a : self->b));
		ASSERT_EQ(0, pin(self->hog[2 * self->a],
				 i % 2 ? self->b : self->a));
	}
	EXPECT_TRUE(everybody_runs(self));
}

TEST_F_TIMEOUT(core, code_is_patched, 1200)
{
	const char *tracer = "/sys/kernel/debug/tracing/current_tracer";
	const char *filter = "/sys/kernel/debug/tracing/set_ftrace_filter";
	int i;

	/* All CPUs have to answer, however few functions are patched. */
	if (access(tracer, W_OK) || write_line(filter, "*sched*"))
		SKIP(return, "no tracing");
	ASSERT_TRUE(crowd(self));
	for (i = 0; i < 3; i++) {
		if (write_line(tracer, "function"))
			SKIP(return, "no function tracer");
		ASSERT_EQ(0, write_line(tracer, "nop"));
	}
	EXPECT_EQ(0, write_line(filter, ""));
	EXPECT_TRUE(everybody_runs(self));
}

/* Whether a CPU went and came back, or cannot go. */
static bool goes_and_comes(int cpu)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online",
		 cpu);
	return access(path, W_OK) ||
	       (!write_line(path, "0") && !write_line(path, "1"));
}

TEST_F_TIMEOUT(core, cpus_go_and_come, 1200)
{
	int i;

	ASSERT_TRUE(crowd(self));
	for (i = 0; i < 2 * self->cpus; i++)
		ASSERT_TRUE(goes_and_comes(i % self->cpus));
	EXPECT_TRUE(everybody_runs(self));
}

/* Real-time, wherever there is room, and now and then more of them than CPUs. */
static pid_t spawn_burst(void)
{
	struct sched_param param = { .sched_priority = 1 };
	pid_t pid = spawn();
	double end;

	if (pid)
		return pid;
	if (sched_setscheduler(0, SCHED_RR, &param))
		_exit(1);
	for (;;) {
		for (end = now() + 0.001; now() < end;)
			;
		nap(0.003);
	}
}

static bool kernel_has_warned(void)
{
	char line[32];

	read_line("/proc/sys/kernel/tainted", line, sizeof(line));
	return atol(line) & 1 << 9;
}

/*
 * A CPU that goes away looks for tasks to run until the end. It must not pull
 * real-time tasks that are too many elsewhere: the kernel would warn of it.
 */
TEST_F_TIMEOUT(core, cpus_go_with_real_time, 1200)
{
	double end = now() + 10;
	int i;

	if (kernel_has_warned())
		SKIP(return, "the kernel has warned of something before");
	ASSERT_EQ(0, core_create(0));
	for (i = 0; i < 2 * self->cpus; i++) {
		self->hog[i] = spawn_burst();
		ASSERT_GT(self->hog[i], 0);
	}
	for (i = 0; i < 4 * self->cpus || now() < end; i++)
		ASSERT_TRUE(goes_and_comes(i % self->cpus));
	for (i = 0; i < 2 * self->cpus; i++)
		EXPECT_TRUE(makes_progress(self->hog[i], 0.005));
	EXPECT_FALSE(kernel_has_warned());
}

TEST_F_TIMEOUT(core, smt_off_and_on, 1200)
{
	const char *control = "/sys/devices/system/cpu/smt/control";
	char line[32];
	int i;

	read_line(control, line, sizeof(line));
	if (strcmp(line, "on"))
		SKIP(return, "SMT cannot be switched here");
	ASSERT_TRUE(crowd(self));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, write_line(control, "off"));
		EXPECT_TRUE(everybody_runs(self));
		ASSERT_EQ(0, write_line(control, "on"));
		EXPECT_TRUE(everybody_runs(self));
	}
}

/* Virtio's 9p does not come back from a suspend. */
static bool root_is_9p(void)
{
	char line[512], where[256], type[64];
	bool found = false;
	FILE *file;

	file = fopen("/proc/self/mounts", "r");
	if (!file)
		return true;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%*s %255s %63s", where, type) == 2 &&
		    !strcmp(where, "/"))
			found = !strcmp(type, "9p");
	}
	fclose(file);

	return found;
}

/*
 * All CPUs but one go at once, tasks frozen, and come back. Where the root is
 * 9p, this one can be run from a copy in memory.
 */
TEST_F_TIMEOUT(core, suspended, 1200)
{
	char line[128];

	read_line("/sys/power/state", line, sizeof(line));
	if (!strstr(line, "mem") || access("/sys/power/pm_test", W_OK))
		SKIP(return, "no suspend, or no way to test it");
	if (root_is_9p())
		SKIP(return, "the root file system does not survive a suspend");
	ASSERT_TRUE(crowd(self));
	ASSERT_EQ(0, write_line("/sys/power/pm_test", "processors"));
	EXPECT_EQ(0, write_line("/sys/power/state", "mem"));
	ASSERT_EQ(0, write_line("/sys/power/pm_test", "none"));
	EXPECT_TRUE(everybody_runs(self));
}

/*
 * Two tasks of one cookie wait behind each other on one CPU, and the sibling of
 * that CPU is free to run one of them: it is taken over, although it was bound
 * while it was put there.
 */
TEST_F_TIMEOUT(core, a_free_sibling_steals, 1200)
{
	double end = now() + PATIENCE;
	char filter[64], to[32];
	cpu_set_t both;
	int i, taken;

	ASSERT_EQ(0, core_create(0));
	self->hog[0] = spawn_hog(self->a);
	self->hog[1] = spawn_hog(self->a);
	/* The sibling has work of its own, which may not run beside them. */
	self->hog[2] = spawn_hog(self->b);
	ASSERT_GT(self->hog[2], 0);
	ASSERT_EQ(0, core_create(self->hog[2]));

	CPU_ZERO(&both);
	CPU_SET(self->a, &both);
	CPU_SET(self->b, &both);
	snprintf(filter, sizeof(filter), "pid == %d || pid == %d",
		 self->hog[0], self->hog[1]);
	snprintf(to, sizeof(to), "dst_cpu=%d\n", self->b);
	if (!trace_begin("sched_core/sched_core_steal", filter))
		SKIP(return, "no tracing");

	/*
	 * The balancer may move one, too, as it sees more tasks here than
	 * there. Then they are put behind each other again.
	 */
	do {
		for (i = 0; i < 2; i++) {
			pin(self->hog[i], self->a);
			ASSERT_EQ(0, sched_setaffinity(self->hog[i], sizeof(both), &both));
		}
		nap(0.1);
		trace_count("sched_core_steal", to, &taken);
	} while (!taken && now() < end);
	EXPECT_GT(taken, 0);
}

/* Cookies come and go while tasks run, fork, move and die. */
static void *change_cookies(void *arg)
{
	pid_t *hog = arg;
	unsigned int i = getpid();

	for (;;) {
		i = i * 1103515245 + 12345;
		switch (i >> 16 & 3) {
		case 0:
			core_create(hog[i >> 20 & 7]);
			break;
		case 1:
			core_share_from(hog[i >> 20 & 7]);
			break;
		case 2:
			core_share_to(hog[i >> 20 & 7]);
			break;
		case 3:
			core_prctl(PR_SCHED_CORE_CREATE, hog[i >> 20 & 7],
				   PR_SCHED_CORE_SCOPE_PROCESS_GROUP, 0);
			break;
		}
	}

	return NULL;
}

static void churn(int seed, int a, int b)
{
	int cpu[2] = { a, b };
	pid_t hog[8];
	pthread_t thread;
	unsigned int i;

	srand(seed);
	setpgid(0, 0);
	for (i = 0; i < 8; i++)
		hog[i] = spawn_hog(cpu[i % 2]);
	pthread_create(&thread, NULL, change_cookies, hog);
	for (;;) {
		i = rand() % 8;
		reap(hog[i]);
		hog[i] = spawn_hog(cpu[rand() % 2]);
		if (rand() % 4 == 0)
			setpriority(PRIO_PROCESS, hog[i], rand() % 20);
		sched_yield();
	}
}

TEST_F_TIMEOUT(core, churn, 1200)
{
	struct ring ring;
	int cpu[2] = { self->a, self->b };
	struct ring_count start, count;
	int i;

	for (i = 0; i < 2; i++) {
		self->hog[i] = spawn();
		if (!self->hog[i])
			churn(i + 1, self->a, self->b);
	}
	ASSERT_TRUE(ring_start(&ring, 2, cpu));
	ASSERT_EQ(0, core_create(ring.player[0]));
	ASSERT_EQ(0, core_create(ring.player[1]));
	start = ring_start_count(&ring);
	for (i = 0; i < 80; i++) {
		nap(0.1);
		count = ring_since(&ring, start);
		EXPECT_LE(count.rounds, ROUNDS_APART * (count.switches + 1));
	}
	/* Among sixteen others, they do get their turns. */
	EXPECT_TRUE(makes_progress(ring.player[0], 0.02));
	EXPECT_TRUE(makes_progress(ring.player[1], 0.02));
	ring_stop(&ring);
}

TEST_HARNESS_MAIN
