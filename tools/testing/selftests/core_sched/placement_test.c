// SPDX-License-Identifier: GPL-2.0
/*
 * Where tasks go: to a core that runs their cookie, rather than to an idle CPU
 * beside another cookie, when they wake up. Placement is a preference, and other
 * tasks may have either core at that moment: many times is what is asked for.
 * Without the preference it is next to never, as an idle CPU where a task has
 * been is where it goes.
 *
 * Hooks: placement (wakes_beside_its_own).
 */
#include "core_sched.h"

#include <kselftest_harness.h>

#define ROUNDS	1000	/* at most */
#define MANY	40	/* of them in the right place */

FIXTURE(core) {
	int core[2][2];		/* two cores, two siblings each */
	pid_t hog[2], sleeper;
	int *count;		/* wake-ups in the right place */
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
	self->count = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->count);
}

FIXTURE_TEARDOWN(core)
{
	reap(self->hog[0]);
	reap(self->hog[1]);
	reap(self->sleeper);
}

/* Sleep beside the wrong cookie, free to wake up beside the right one. */
static void sleep_in_the_wrong_place(int wrong, int right, int *count)
{
	struct timespec ts = { .tv_nsec = 5000000 };
	cpu_set_t both;
	int i;

	CPU_ZERO(&both);
	CPU_SET(wrong, &both);
	CPU_SET(right, &both);
	for (i = 0; i < ROUNDS && *count < MANY; i++) {
		pin(0, wrong);
		sched_setaffinity(0, sizeof(both), &both);
		nanosleep(&ts, NULL);
		if (sched_getcpu() == right)
			++*count;
	}
	_exit(0);
}

TEST_F_TIMEOUT(core, wakes_beside_its_own, 1200)
{
	int i, status;

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
		sleep_in_the_wrong_place(self->core[0][1], self->core[1][1],
					 self->count);
	}
	ASSERT_GT(self->sleeper, 0);
	ASSERT_EQ(self->sleeper, waitpid(self->sleeper, &status, 0));
	self->sleeper = 0;
	EXPECT_EQ(0, status);
	EXPECT_EQ(MANY, *self->count);
}

TEST_HARNESS_MAIN
