// SPDX-License-Identifier: GPL-2.0
/*
 * How tasks that must not run at the same time share a core. Everything is
 * measured in CPU time, as parts of what the tasks used together.
 *
 * Mutations: pick-never-overdue (starved_in_a_group), pick-no-origin
 * (late_comer), pick-no-tick (equal), pick-no-idle-kick
 * (equal_against_no_cookie), pick-hold-anyhow (waker), pick-no-others
 * (companion).
 */
#include "core_sched.h"

#include <kselftest_harness.h>

#define HOGS	5

FIXTURE(core) {
	int a, b;
	pid_t hog[HOGS];
	double start[HOGS], used[HOGS], wall;
	char group[2][64];
};

static bool mount_cgroup2(void)
{
	mkdir("/tmp/core_sched_cgroup", 0755);
	if (access("/tmp/core_sched_cgroup/cgroup.procs", F_OK))
		syscall(SYS_mount, "none", "/tmp/core_sched_cgroup", "cgroup2",
			0, NULL);
	write_line("/tmp/core_sched_cgroup/cgroup.subtree_control", "+cpu");

	return !access("/tmp/core_sched_cgroup/cpu.stat", F_OK);
}

FIXTURE_SETUP(core)
{
	const char *why = obstacle(find_siblings(&self->a, &self->b),
				   "no siblings");

	if (why)
		SKIP(return, "%s", why);
}

FIXTURE_TEARDOWN(core)
{
	int i;

	for (i = 0; i < HOGS; i++)
		reap(self->hog[i]);
	for (i = 0; i < 2; i++) {
		if (self->group[i][0])
			rmdir(self->group[i]);
	}
}

static bool hog(FIXTURE_DATA(core) *self, int i, int cpu, bool cookie)
{
	self->hog[i] = spawn_hog(cpu);
	if (self->hog[i] <= 0)
		return false;

	return !cookie || !core_create(self->hog[i]);
}

static bool put_in_group(FIXTURE_DATA(core) *self, int i, int group)
{
	char path[96], pid[16];

	snprintf(path, sizeof(path), "%s/cgroup.procs", self->group[group]);
	snprintf(pid, sizeof(pid), "%d", self->hog[i]);

	return !write_line(path, pid);
}

static bool make_group(FIXTURE_DATA(core) *self, int group, const char *weight)
{
	char path[96];

	if (!mount_cgroup2())
		return false;
	snprintf(self->group[group], sizeof(self->group[group]),
		 "/tmp/core_sched_cgroup/core_sched_%d", group);
	mkdir(self->group[group], 0755);
	snprintf(path, sizeof(path), "%s/cpu.weight", self->group[group]);

	return !write_line(path, weight);
}

static void measure(FIXTURE_DATA(core) *self, double seconds)
{
	int i;

	for (i = 0; i < HOGS && self->hog[i]; i++)
		self->start[i] = cpu_time(self->hog[i]);
	self->wall = -now();
	nap(seconds);
	self->wall += now();
	for (i = 0; i < HOGS && self->hog[i]; i++)
		self->used[i] = cpu_time(self->hog[i]) - self->start[i];
}

/* What part of x and y together is x, in per cent? */
static int part(double x, double y)
{
	return x + y > 0 ? 100 * x / (x + y) : -1;
}

#define EXPECT_PART(x, y, low, high) do {				\
	double one = x, other = y;					\
	int is = part(one, other);					\
									\
	EXPECT_GE(is, low) TH_LOG("%f s and %f s", one, other);		\
	EXPECT_LE(is, high) TH_LOG("%f s and %f s", one, other);	\
} while (0)

TEST_F_TIMEOUT(core, equal, 1200)
{
	ASSERT_TRUE(hog(self, 0, self->a, true));
	ASSERT_TRUE(hog(self, 1, self->b, true));
	measure(self, 4);
	EXPECT_PART(self->used[0], self->used[1], 45, 55);
}

TEST_F_TIMEOUT(core, equal_against_no_cookie, 1200)
{
	ASSERT_TRUE(hog(self, 0, self->a, false));
	ASSERT_TRUE(hog(self, 1, self->b, true));
	measure(self, 4);
	EXPECT_PART(self->used[0], self->used[1], 42, 58);
}

/* Nice 0 against 5 is 1024 to 335, 75 %. */
TEST_F_TIMEOUT(core, weights, 1200)
{
	ASSERT_TRUE(hog(self, 0, self->a, true));
	ASSERT_TRUE(hog(self, 1, self->b, true));
	ASSERT_EQ(0, setpriority(PRIO_PROCESS, self->hog[1], 5));
	measure(self, 6);
	EXPECT_PART(self->used[0], self->used[1], 68, 82);
}

TEST_F_TIMEOUT(core, weights_of_groups, 1200)
{
	if (!make_group(self, 0, "200") || !make_group(self, 1, "100"))
		SKIP(return, "no cpu controller in cgroup2");
	ASSERT_TRUE(hog(self, 0, self->a, true));
	ASSERT_TRUE(hog(self, 1, self->b, true));
	ASSERT_TRUE(put_in_group(self, 0, 0));
	ASSERT_TRUE(put_in_group(self, 1, 1));
	measure(self, 6);
	EXPECT_PART(self->used[0], self->used[1], 58, 75);
}

/* One that has run alone for long is not made to pay for it. */
TEST_F_TIMEOUT(core, late_comer, 1200)
{
	ASSERT_TRUE(hog(self, 0, self->a, true));
	nap(3);
	ASSERT_TRUE(hog(self, 1, self->b, true));
	ASSERT_TRUE(makes_progress(self->hog[1], 0.02));
	measure(self, 2);
	EXPECT_PART(self->used[0], self->used[1], 35, 65);
}

/* One that sleeps a little between does not get more for it. */
TEST_F_TIMEOUT(core, short_sleeper, 1200)
{
	ASSERT_TRUE(hog(self, 0, self->a, true));
	self->hog[1] = spawn();
	if (!self->hog[1]) {
		struct timespec tiny = { .tv_nsec = 1000 };
		double until;

		pin(0, self->b);
		core_create(0);
		for (;;) {
			for (until = now() + 0.004; now() < until;)
				;
			nanosleep(&tiny, NULL);
		}
	}
	ASSERT_GT(self->hog[1], 0);
	nap(0.5);
	measure(self, 4);
	EXPECT_PART(self->used[0], self->used[1], 30, 75);
}

/* Sleep and wake up, for ever; count how often. */
static bool waker(FIXTURE_DATA(core) *self, volatile long *rounds, pid_t like)
{
	struct timespec ts = { .tv_nsec = 200000 };

	self->hog[1] = spawn();
	if (!self->hog[1]) {
		pin(0, self->b);
		if (like ? core_share_from(like) : core_create(0))
			_exit(1);
		for (;; ++*rounds)
			nanosleep(&ts, NULL);
	}

	return self->hog[1] > 0;
}

/*
 * One that sleeps most of the time takes the core over when it wakes up, and
 * leaves it when it sleeps. Neither has to wait for a tick each time: then it
 * would not come round as often, or the hog would not get its part.
 */
TEST_F_TIMEOUT(core, waker, 1200)
{
	volatile long *rounds = mmap(NULL, sizeof(*rounds), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long same;

	ASSERT_NE(MAP_FAILED, (void *)rounds);
	ASSERT_TRUE(hog(self, 0, self->a, true));
	ASSERT_TRUE(waker(self, rounds, self->hog[0]));
	nap(0.5);
	same = *rounds;
	nap(2);
	same = *rounds - same;
	reap(self->hog[1]);

	*rounds = 0;
	ASSERT_TRUE(waker(self, rounds, 0));
	nap(0.5);
	*rounds = 0;
	measure(self, 2);
	TH_LOG("%ld rounds beside another cookie, %ld beside its own; the hog ran %f s of %f",
	       *rounds, same, self->used[0], self->wall);
	EXPECT_GT(*rounds, same / 6);
	EXPECT_GT(self->used[0], 0.15 * self->wall);
}

/*
 * Without a cookie one is not forced to idle by one that has none either, even
 * if one with a cookie is in front of it, as here nearly always: by their nice
 * values, of eleven turns ten are for the cookie.
 */
TEST_F_TIMEOUT(core, companion, 1200)
{
	double busy;

	ASSERT_TRUE(hog(self, 0, self->a, false));
	ASSERT_TRUE(hog(self, 1, self->b, true));
	ASSERT_TRUE(hog(self, 2, self->b, false));
	ASSERT_EQ(0, setpriority(PRIO_PROCESS, self->hog[2], 10));
	nap(0.5);
	measure(self, 4);
	busy = self->used[1] + self->used[2];

	/* The sibling with two tasks always has one that may run. */
	EXPECT_GT(busy, 0.85 * self->wall);
	EXPECT_PART(self->used[2], self->used[1], 25, 90);
	EXPECT_GT(self->used[0], 0.05 * self->wall);
}

/* A task alone in its cookie, in a group with one that has none. */
TEST_F_TIMEOUT(core, starved_in_a_group, 1200)
{
	if (!make_group(self, 0, "100"))
		SKIP(return, "no cpu controller in cgroup2");
	ASSERT_TRUE(hog(self, 0, self->a, false));
	ASSERT_TRUE(hog(self, 1, self->b, false));
	ASSERT_TRUE(hog(self, 2, self->b, false));
	ASSERT_TRUE(hog(self, 3, self->b, true));
	ASSERT_EQ(0, setpriority(PRIO_PROCESS, self->hog[0], -20));
	ASSERT_TRUE(put_in_group(self, 2, 0));
	ASSERT_TRUE(put_in_group(self, 3, 0));
	nap(0.5);
	measure(self, 4);
	EXPECT_GT(self->used[3], 0);
	EXPECT_GT(self->used[0], 0.2 * self->wall);
}

/* sched_yield() in a loop: neither starved nor favoured beyond reason. */
TEST_F_TIMEOUT(core, yielding, 1200)
{
	ASSERT_TRUE(hog(self, 0, self->a, true));
	self->hog[1] = spawn();
	if (!self->hog[1]) {
		pin(0, self->b);
		core_create(0);
		for (;;)
			sched_yield();
	}
	ASSERT_GT(self->hog[1], 0);
	nap(0.5);
	measure(self, 4);
	EXPECT_PART(self->used[0], self->used[1], 25, 75);
}

/* What a group may not use, its tasks do not use, cookie or not. */
TEST_F_TIMEOUT(core, throttled_group, 1200)
{
	char path[96];

	if (!make_group(self, 0, "100"))
		SKIP(return, "no cpu controller in cgroup2");
	snprintf(path, sizeof(path), "%s/cpu.max", self->group[0]);
	if (write_line(path, "20000 100000"))
		SKIP(return, "no bandwidth control");

	ASSERT_TRUE(hog(self, 0, self->a, true));
	ASSERT_TRUE(hog(self, 1, self->b, true));
	ASSERT_TRUE(hog(self, 2, self->b, false));
	ASSERT_TRUE(put_in_group(self, 1, 0));
	ASSERT_TRUE(put_in_group(self, 2, 0));
	ASSERT_EQ(0, core_share_from(self->hog[0]));
	ASSERT_EQ(0, core_share_to(self->hog[1]));
	nap(0.5);
	measure(self, 4);

	/* A fifth, and some slack for slices of one tick. */
	EXPECT_LT(self->used[1] + self->used[2], 0.35 * self->wall);
	EXPECT_GT(self->used[1] + self->used[2], 0.05 * self->wall);
}

TEST_HARNESS_MAIN
