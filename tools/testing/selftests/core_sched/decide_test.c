// SPDX-License-Identifier: GPL-2.0
/*
 * The decision of core scheduling, kernel/sched/core_pick.h, for every small
 * core: up to three siblings with up to two tasks each, three cookies, two
 * ranks and two keys. The promises D1 to D5 of that file are asked for in
 * words of their own, from the tasks, not from the candidates.
 *
 * Mutations: decide-key-before-rank (two_siblings), decide-no-conflict
 * (two_siblings), decide-no-other (two_siblings), decide-run-passed
 * (two_siblings).
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../../../../kernel/sched/core_pick.h"
#include <kselftest_harness.h>

#define CPUS	3
#define DEPTH	2
#define COOKIES	3
#define RANKS	2
#define KEYS	2
/* A task: nothing, or a cookie, a rank and a key. */
#define TASKS	(1 + COOKIES * RANKS * KEYS)

struct task {
	bool		exists;
	uintptr_t	cookie;
	int		rank;
	long long	key;
};

static const int ranks[RANKS] = { CORE_RANK_RT + 50, CORE_RANK_FAIR };

static struct task task_of(unsigned int code)
{
	struct task task = { .exists = code };

	if (code--) {
		task.cookie = code % COOKIES;
		task.rank = ranks[code / COOKIES % RANKS];
		task.key = code / COOKIES / RANKS ? 7 : -7;
	}

	return task;
}

static bool before(const struct task *a, const struct task *b)
{
	if (a->rank < b->rank)
		return true;
	return a->rank == b->rank && a->key < b->key;
}

/* The best task of a queue, with a cookie or (cookie < 0) with any. */
static struct task *best(struct task *queue, long cookie)
{
	struct task *found = NULL;
	int i;

	for (i = 0; i < DEPTH; i++) {
		if (!queue[i].exists ||
		    (cookie >= 0 && queue[i].cookie != (uintptr_t)cookie))
			continue;
		if (!found || before(&queue[i], found))
			found = &queue[i];
	}

	return found;
}

static void decide(struct core_view *view, struct task queue[][DEPTH], int cpus)
{
	long cookie;
	int i;

	memset(view, 0, sizeof(*view));
	view->nr = cpus;
	for (i = 0; i < cpus; i++) {
		struct core_slot *slot = &view->slot[i];
		struct task *task = best(queue[i], -1);

		slot->best = task;
		slot->rank = task ? task->rank : CORE_RANK_NONE;
		slot->key = task ? task->key : 0;
		slot->cookie = task ? (void *)task->cookie : NULL;
	}

	core_choose_leader(view);
	if (view->leader < 0)
		return;

	cookie = (uintptr_t)view->slot[view->leader].cookie;
	for (i = 0; i < cpus; i++) {
		if (core_slot_passed(view, i))
			view->slot[i].other = best(queue[i], cookie);
	}
}

/* 0, or the number of the promise that is broken. */
static int check(struct task queue[][DEPTH], int cpus)
{
	struct task *runs, *leader, *task;
	bool conflict, passed = false;
	struct core_view view;
	int i, j;

	decide(&view, queue, cpus);
	if (view.leader < 0) {
		for (i = 0; i < cpus; i++) {
			if (best(queue[i], -1))
				return 1;
		}
		return 0;
	}

	conflict = core_settle(&view);
	leader = view.slot[view.leader].best;
	for (i = 0; i < cpus; i++) {
		runs = core_slot_task(&view.slot[i]);
		task = best(queue[i], -1);

		for (j = 0; j < DEPTH; j++) {
			if (queue[i][j].exists && before(&queue[i][j], leader))
				return 1;
		}
		if (i == view.leader && runs != leader)
			return 2;
		if (runs && runs->cookie != leader->cookie)
			return 3;
		if (!runs && best(queue[i], leader->cookie))
			return 4;
		if (runs && before(best(queue[i], leader->cookie), runs))
			return 4;
		if (task && runs != task)
			passed = true;
	}

	return conflict == passed ? 0 : 5;
}

static unsigned long sweep(int cpus, int *broken)
{
	struct task queue[CPUS][DEPTH];
	unsigned long code, rest, cases = 1;
	int i;

	for (i = 0; i < cpus * DEPTH; i++)
		cases *= TASKS;

	for (code = 0; code < cases; code++) {
		rest = code;
		for (i = 0; i < cpus * DEPTH; i++) {
			queue[i / DEPTH][i % DEPTH] = task_of(rest % TASKS);
			rest /= TASKS;
		}
		*broken = check(queue, cpus);
		if (*broken)
			return code;
	}

	return cases;
}

TEST(one_sibling)
{
	int broken = 0;

	EXPECT_EQ(169, sweep(1, &broken));
	EXPECT_EQ(0, broken);
}

TEST(two_siblings)
{
	int broken = 0;

	EXPECT_EQ(28561, sweep(2, &broken));
	EXPECT_EQ(0, broken);
}

TEST(three_siblings)
{
	int broken = 0;

	EXPECT_EQ(4826809, sweep(3, &broken));
	EXPECT_EQ(0, broken);
}

TEST(ties_keep_the_first)
{
	struct task queue[CPUS][DEPTH] = {
		{ { true, 1, CORE_RANK_FAIR, 5 } },
		{ { true, 2, CORE_RANK_FAIR, 5 } },
	};
	struct core_view view;

	decide(&view, queue, 2);
	EXPECT_EQ(0, view.leader);
}

TEST(ranks_in_order)
{
	EXPECT_LT(CORE_RANK_STOP, CORE_RANK_DEADLINE);
	EXPECT_LT(CORE_RANK_DEADLINE, CORE_RANK_RT);
	EXPECT_LT(CORE_RANK_RT + 99, CORE_RANK_HELD);
	EXPECT_LT(CORE_RANK_HELD, CORE_RANK_URGENT);
	EXPECT_LT(CORE_RANK_URGENT, CORE_RANK_FAIR);
	EXPECT_LT(CORE_RANK_FAIR, CORE_RANK_NONE);
}

TEST(lag_is_limited)
{
	long long pos, front;

	for (front = -40; front <= 40; front++) {
		for (pos = -40; pos <= front; pos++) {
			long long to = core_limit_lag(pos, front, 18);

			EXPECT_GE(to, pos);
			EXPECT_LE(to, front);
			EXPECT_LE(front - to, 18);
			if (front - pos <= 18)
				EXPECT_EQ(pos, to);
		}
	}
}

TEST_HARNESS_MAIN
