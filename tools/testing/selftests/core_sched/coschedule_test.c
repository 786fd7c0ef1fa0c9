// SPDX-License-Identifier: GPL-2.0
/*
 * Who runs at the same time as whom: players of a ring (core_sched.h) on the
 * siblings of a core, with and without cookies, while their cookies, classes
 * and CPUs change.
 *
 * Mutations: cookie-no-resched (cookies_change_while_running),
 * decide-run-passed (two_cookies), hotplug-stays-out (siblings_go_and_come),
 * pick-no-kick (two_cookies). Hooks: pick (two_cookies).
 */
#include "core_sched.h"

#include <kselftest_harness.h>

#define SECONDS	0.5

FIXTURE(core) {
	int a, b;
	struct ring ring;
	char rt_limit[64];
};

FIXTURE_SETUP(core)
{
	const char *why = obstacle(find_siblings(&self->a, &self->b),
				   "no siblings");

	if (why)
		SKIP(return, "%s", why);
	read_line(RT_LIMIT, self->rt_limit, sizeof(self->rt_limit));
}

FIXTURE_TEARDOWN(core)
{
	if (self->ring.memory)
		ring_stop(&self->ring);
	if (self->rt_limit[0])
		write_line(RT_LIMIT, self->rt_limit);
}

#define EXPECT_APART(ring) do {						\
	struct ring_count count;					\
									\
	EXPECT_TRUE(ring_apart(ring, &count))				\
		TH_LOG("%lu rounds, %lu switches", count.rounds,	\
		       count.switches);					\
} while (0)

#define EXPECT_TOGETHER(ring) do {					\
	struct ring_count count;					\
									\
	EXPECT_TRUE(ring_together(ring, &count))			\
		TH_LOG("%lu rounds, %lu switches", count.rounds,	\
		       count.switches);					\
} while (0)

static bool start(FIXTURE_DATA(core) *self)
{
	int cpu[2] = { self->a, self->b };

	return ring_start(&self->ring, 2, cpu);
}

TEST_F_TIMEOUT(core, no_cookies, 1200)
{
	ASSERT_TRUE(start(self));
	EXPECT_TOGETHER(&self->ring);
}

TEST_F_TIMEOUT(core, one_cookie, 1200)
{
	ASSERT_TRUE(start(self));
	ASSERT_EQ(0, core_create(self->ring.player[0]));
	ASSERT_EQ(0, core_share_from(self->ring.player[0]));
	ASSERT_EQ(0, core_share_to(self->ring.player[1]));
	EXPECT_TOGETHER(&self->ring);
}

TEST_F_TIMEOUT(core, two_cookies, 1200)
{
	ASSERT_TRUE(start(self));
	ASSERT_EQ(0, core_create(self->ring.player[0]));
	ASSERT_EQ(0, core_create(self->ring.player[1]));
	EXPECT_APART(&self->ring);
}

TEST_F_TIMEOUT(core, a_cookie_and_none, 1200)
{
	ASSERT_TRUE(start(self));
	ASSERT_EQ(0, core_create(self->ring.player[0]));
	EXPECT_APART(&self->ring);
}

TEST_F_TIMEOUT(core, cookies_change_while_running, 1200)
{
	int i;

	ASSERT_TRUE(start(self));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, core_create(self->ring.player[i % 2]));
		EXPECT_APART(&self->ring);
		ASSERT_EQ(0, core_share_from(self->ring.player[i % 2]));
		ASSERT_EQ(0, core_share_to(self->ring.player[1 - i % 2]));
		EXPECT_TOGETHER(&self->ring);
	}
}

/* Many players, each with a cookie of its own, on either sibling. */
TEST_F_TIMEOUT(core, five_groups_on_a_core, 1200)
{
	int cpu[5] = { self->a, self->b, self->a, self->b, self->b };
	int i;

	ASSERT_TRUE(ring_start(&self->ring, 5, cpu));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, core_create(self->ring.player[i]));
	EXPECT_APART(&self->ring);
}

/* Three groups of two, that may move between all siblings of two cores. */
TEST_F_TIMEOUT(core, three_groups_roam, 1200)
{
	struct ring pair[3] = { };
	int cpu[2] = { -1, -1 };
	int i, j;

	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(ring_start(&pair[i], 2, cpu));
		ASSERT_EQ(0, core_create(pair[i].player[0]));
		ASSERT_EQ(0, core_share_from(pair[i].player[0]));
		ASSERT_EQ(0, core_share_to(pair[i].player[1]));
	}
	ASSERT_TRUE(start(self));
	ASSERT_EQ(0, core_create(self->ring.player[0]));
	ASSERT_EQ(0, core_create(self->ring.player[1]));

	/* Whoever else is there, these two are apart. */
	for (i = 0; i < 4; i++) {
		EXPECT_APART(&self->ring);
		for (j = 0; j < 3; j++)
			pin(pair[j].player[i % 2], i % 2 ? self->a : self->b);
	}
	for (i = 0; i < 3; i++)
		ring_stop(&pair[i]);
}

/* Let one player have the core and then the other, again and again. */
static bool take_turns(struct ring *ring)
{
	struct sched_param param = { };
	int i;

	for (i = 0; i <= SWITCHES; i++) {
		param.sched_priority = i % 2;
		if (sched_setscheduler(ring->player[0],
				       i % 2 ? SCHED_FIFO : SCHED_OTHER,
				       &param) ||
		    !makes_progress(ring->player[1 - i % 2], 0.005))
			return false;
	}

	return true;
}

/*
 * Takes the limit off real-time tasks. Where all CPUs are of one core nobody
 * else runs then, so the test, which has to end it, goes in front of them.
 */
static bool without_limit(void)
{
	struct sched_param param = { .sched_priority = 2 };

	sched_setscheduler(0, SCHED_FIFO, &param);
	return !write_line(RT_LIMIT, "-1");
}

/*
 * A real-time task has the core for itself, but for the bandwidth limit. Turns
 * are given by hand: how often the limit does depends on how evenly time goes
 * by, which in a VM it need not.
 */
TEST_F_TIMEOUT(core, real_time_against_fair, 1200)
{
	struct sched_param param = { .sched_priority = 1 };
	struct ring_count count;
	double time[2];

	ASSERT_TRUE(start(self));
	ASSERT_EQ(0, core_create(self->ring.player[0]));
	ASSERT_TRUE(without_limit());
	if (sched_setscheduler(self->ring.player[0], SCHED_FIFO, &param))
		SKIP(return, "no real-time bandwidth in this control group");

	time[0] = cpu_time(self->ring.player[0]);
	time[1] = cpu_time(self->ring.player[1]);
	nap(4 * SECONDS);
	time[0] = cpu_time(self->ring.player[0]) - time[0];
	time[1] = cpu_time(self->ring.player[1]) - time[1];
	EXPECT_GT(time[0], 4 * time[1])
		TH_LOG("%.3f s and %.3f s", time[0], time[1]);

	ASSERT_EQ(0, write_line(RT_LIMIT, self->rt_limit));
	EXPECT_TRUE(makes_progress(self->ring.player[1], 0.005));

	count = ring_start_count(&self->ring);
	ASSERT_TRUE(take_turns(&self->ring));
	count = ring_since(&self->ring, count);
	EXPECT_GE(count.switches, SWITCHES);
	EXPECT_LE(count.rounds, ROUNDS_APART * count.switches);
}

TEST_F_TIMEOUT(core, round_robin_takes_turns, 1200)
{
	struct sched_param param = { .sched_priority = 1 };
	int i;

	ASSERT_TRUE(start(self));
	/* The bandwidth limit would give turns, too. */
	ASSERT_TRUE(without_limit());
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, core_create(self->ring.player[i]));
		if (sched_setscheduler(self->ring.player[i], SCHED_RR, &param))
			SKIP(return, "no real-time bandwidth here");
	}
	for (i = 0; i < 4; i++)
		EXPECT_TRUE(makes_progress(self->ring.player[i % 2], 0.05));
}

TEST_F_TIMEOUT(core, deadline_against_fair, 1200)
{
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = {
		.size = sizeof(attr), .policy = 6, .runtime = 5000000,
		.deadline = 20000000, .period = 20000000,
	};
	int cpu[2] = { -1, self->b };

	/* A deadline task may not be pinned. */
	ASSERT_TRUE(ring_start(&self->ring, 2, cpu));
	ASSERT_EQ(0, core_create(self->ring.player[0]));
	if (syscall(SYS_sched_setattr, self->ring.player[0], &attr, 0))
		SKIP(return, "no deadline bandwidth");
	ASSERT_EQ(0, core_create(self->ring.player[1]));
	EXPECT_TRUE(makes_progress(self->ring.player[0], 0.05));
	EXPECT_TRUE(makes_progress(self->ring.player[1], 0.05));
}

/* Either sibling goes and comes back, the one that came first as well. */
TEST_F_TIMEOUT(core, siblings_go_and_come, 1200)
{
	int cpu[2] = { self->a, self->b };
	char path[64];
	int i;

	ASSERT_TRUE(start(self));
	ASSERT_EQ(0, core_create(self->ring.player[0]));
	ASSERT_EQ(0, core_create(self->ring.player[1]));

	for (i = 0; i < 4; i++) {
		snprintf(path, sizeof(path),
			 "/sys/devices/system/cpu/cpu%d/online", cpu[i % 2]);
		if (write_line(path, "0"))
			SKIP(return, "CPUs cannot be unplugged");
		ASSERT_EQ(0, write_line(path, "1"));
		/* Unplugging has let them go elsewhere. */
		ASSERT_EQ(0, pin(self->ring.player[0], self->a));
		ASSERT_EQ(0, pin(self->ring.player[1], self->b));
		EXPECT_APART(&self->ring);
	}
	ASSERT_EQ(0, core_share_from(self->ring.player[0]));
	ASSERT_EQ(0, core_share_to(self->ring.player[1]));
	EXPECT_TOGETHER(&self->ring);
}

TEST_F_TIMEOUT(core, both_siblings_go_and_come, 1200)
{
	int cpu[2] = { self->a, self->b };
	char path[2][64];
	int i, first;

	ASSERT_TRUE(start(self));
	ASSERT_EQ(0, core_create(self->ring.player[0]));
	ASSERT_EQ(0, core_create(self->ring.player[1]));
	for (i = 0; i < 2; i++)
		snprintf(path[i], sizeof(path[i]),
			 "/sys/devices/system/cpu/cpu%d/online", cpu[i]);

	/* They leave in one order and come back in the other: another CPU is the first. */
	for (first = 0; first < 2; first++) {
		if (write_line(path[first], "0") ||
		    write_line(path[1 - first], "0"))
			SKIP(return, "CPUs cannot be unplugged");
		ASSERT_EQ(0, write_line(path[1 - first], "1"));
		ASSERT_EQ(0, write_line(path[first], "1"));
		ASSERT_EQ(0, pin(self->ring.player[0], self->a));
		ASSERT_EQ(0, pin(self->ring.player[1], self->b));
		EXPECT_APART(&self->ring);
	}
}

TEST_HARNESS_MAIN
