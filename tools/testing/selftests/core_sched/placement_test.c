// SPDX-License-Identifier: GPL-2.0
/*
 * Where tasks go: to a core that runs their cookie, rather than to an idle CPU
 * beside another cookie, when they wake up. Placement is a preference, and other
 * tasks may have either core at that moment: many times is what is asked for. A
 * task that woke up elsewhere may be stolen from there a moment later, so the
 * wake-up itself is traced.
 */
#include "core_sched.h"

#include <kselftest_harness.h>

#define ROUNDS		300
#define ASLEEP		"asleep"	/* what wakes up from its sleep is called */

FIXTURE(core) {
	int core[2][2];		/* two cores, two siblings each */
	pid_t hog[2], sleeper;
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
}

FIXTURE_TEARDOWN(core)
{
	reap(self->hog[0]);
	reap(self->hog[1]);
	reap(self->sleeper);
	trace_end();
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

TEST_F_TIMEOUT(core, wakes_beside_its_own, 1200)
{
	char filter[64], to[32];
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
	snprintf(filter, sizeof(filter), "pid == %d && comm == \"%s\"",
		 self->sleeper, ASLEEP);
	snprintf(to, sizeof(to), "target_cpu=%03d", self->core[1][1]);
	if (!trace_begin("sched/sched_wakeup", filter))
		SKIP(return, "no tracing");
	do {
		nap(0.1);
		all = trace_count("sched_wakeup", to, &right);
	} while (all < ROUNDS);
	EXPECT_EQ(0, waitpid(self->sleeper, NULL, WNOHANG));
	TH_LOG("%d of %d wake-ups", right, all);
	EXPECT_GE(right, all / 4);
}

TEST_HARNESS_MAIN
