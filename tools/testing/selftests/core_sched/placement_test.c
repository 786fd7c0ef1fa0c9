// SPDX-License-Identifier: GPL-2.0
/*
 * Where tasks go: to a core that runs their cookie, rather than to an idle CPU
 * beside another cookie, when they wake up. Placement is a preference, and other
 * tasks may have either core at that moment: many times is what is asked for. A
 * task that woke up elsewhere may be stolen from there a moment later, so the
 * wake-up itself is traced.
 */
#include "core_sched.h"

#include <sys/mount.h>

#include <kselftest_harness.h>

#define INSTANCE	"/sys/kernel/tracing/instances/placement"
#define ROUNDS		300
#define ASLEEP		"asleep"	/* what wakes up from its sleep is called */

FIXTURE(core) {
	int core[2][2];		/* two cores, two siblings each */
	pid_t hog[2], sleeper;
	bool traced;
};

static bool find_cores(int core[2][2])
{
	char path[128], line[64];
	int cpu, a, b, found = 0;

	for (cpu = 0; cpu < CPUS_MAX && found < 2; cpu++) {
		snprintf(path, sizeof(path), SIBLINGS, cpu);
		read_line(path, line, sizeof(line));
		if (sscanf(line, "%d%*[,-]%d", &a, &b) == 2 && cpu == a) {
			core[found][0] = a;
			core[found][1] = b;
			found++;
		}
	}

	return found == 2;
}

FIXTURE_SETUP(core)
{
	const char *why = obstacle(find_cores(self->core),
				   "no two cores with siblings");

	if (why)
		SKIP(return, "%s", why);
	if (access(INSTANCE "/..", F_OK))
		mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	if (mkdir(INSTANCE, 0700))
		SKIP(return, "no tracing");
	self->traced = true;
}

FIXTURE_TEARDOWN(core)
{
	reap(self->hog[0]);
	reap(self->hog[1]);
	reap(self->sleeper);
	if (self->traced)
		rmdir(INSTANCE);
}

/* Sleep beside the wrong cookie, free to wake up beside the right one. */
static void sleep_in_the_wrong_place(int wrong, int right)
{
	struct timespec ts = { .tv_nsec = 5000000 };
	cpu_set_t both;

	CPU_ZERO(&both);
	CPU_SET(wrong, &both);
	CPU_SET(right, &both);
	for (;;) {
		/* Being moved wakes it up, too, but under another name. */
		prctl(PR_SET_NAME, "on the move");
		pin(0, wrong);
		sched_setaffinity(0, sizeof(both), &both);
		prctl(PR_SET_NAME, ASLEEP);
		nanosleep(&ts, NULL);
	}
}

static bool trace_wakeups(pid_t pid)
{
	char filter[64];

	snprintf(filter, sizeof(filter), "pid == %d && comm == \"%s\"", pid, ASLEEP);
	return !write_line(INSTANCE "/events/sched/sched_wakeup/filter", filter) &&
	       !write_line(INSTANCE "/events/sched/sched_wakeup/enable", "1");
}

/* Wake-ups so far, and those of them to a CPU. */
static int count_wakeups(int cpu, int *to_cpu)
{
	FILE *trace = fopen(INSTANCE "/trace", "r");
	char line[512], *target;
	int all = 0;

	*to_cpu = 0;
	while (trace && fgets(line, sizeof(line), trace)) {
		target = strstr(line, "target_cpu=");
		if (!target)
			continue;
		all++;
		if (atoi(target + strlen("target_cpu=")) == cpu)
			++*to_cpu;
	}
	if (trace)
		fclose(trace);

	return all;
}

TEST_F_TIMEOUT(core, wakes_beside_its_own, 1200)
{
	int i, all, right;

	/* A hog of another cookie on each core; the sleeper has the second's */
	for (i = 0; i < 2; i++) {
		self->hog[i] = spawn_hog(self->core[i][0]);
		ASSERT_GT(self->hog[i], 0);
		ASSERT_EQ(0, core_create(self->hog[i]));
	}
	self->sleeper = spawn();
	if (!self->sleeper) {
		if (core_share_from(self->hog[1]))
			_exit(1);
		sleep_in_the_wrong_place(self->core[0][1], self->core[1][1]);
	}
	ASSERT_GT(self->sleeper, 0);
	ASSERT_TRUE(trace_wakeups(self->sleeper));
	do {
		nap(0.1);
		all = count_wakeups(self->core[1][1], &right);
	} while (all < ROUNDS);
	EXPECT_EQ(0, waitpid(self->sleeper, NULL, WNOHANG));
	TH_LOG("%d of %d wake-ups", right, all);
	EXPECT_GE(right, all / 4);
}

TEST_HARNESS_MAIN
