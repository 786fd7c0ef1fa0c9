// SPDX-License-Identifier: GPL-2.0
/*
 * The map of layout changes, mm/mm_layout_map.h, compared with an array that
 * remembers each address. It runs here as it is, with room for four entries. It is
 * the header that a mutation has to be applied to, not a kernel.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <kselftest_harness.h>

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	900

typedef uint64_t u64;

#define MM_LAYOUT_ENTRIES	4
#include "../../../../mm/mm_layout_map.h"

#define ADDRESSES	24
#define CHANGES		40
#define RUNS		2000

/* One history of changes: how they are chosen, and what came out. */
struct history {
	unsigned int seed;
	bool narrow;		/* short ranges: many entries */
	bool same;		/* often the same generation: few entries */
	unsigned long missed;	/* M1: looks older than it is */
	unsigned long inexact;	/* M2: looks newer, and nothing was fused */
	unsigned long broken;	/* M3, and the order of entries */
	unsigned long newer;	/* looks newer after a fusion */
	unsigned long fused;
};

/* Would the entries have fitted, each run of one generation being one? */
static bool fits(const u64 *last)
{
	unsigned int a, runs = 0;

	for (a = 0; a < ADDRESSES; a++)
		runs += last[a] && (!a || last[a] != last[a - 1]);
	return runs <= MM_LAYOUT_ENTRIES;
}

static void compare(struct history *history, const struct mm_layout_map *map, const u64 *last,
		    bool exact)
{
	unsigned int a, b, i;
	u64 newest = 0;

	history->broken += map->nr > MM_LAYOUT_ENTRIES;
	for (i = 0; i < map->nr; i++) {
		history->broken += map->entry[i].start >= map->entry[i].end;
		history->broken += i && map->entry[i - 1].end > map->entry[i].start;
	}
	for (a = 0; a < ADDRESSES; a++) {
		u64 got = mm_layout_map_newest(map, a, a + 1);

		history->missed += got < last[a];
		history->newer += got > last[a];
		history->inexact += exact && got > last[a];
	}
	/* A range is as new as its newest address. */
	a = rand_r(&history->seed) % ADDRESSES;
	for (b = a; b < ADDRESSES; b++) {
		if (last[b] > newest)
			newest = last[b];
		history->missed += mm_layout_map_newest(map, a, b + 1) < newest;
		history->inexact += exact && mm_layout_map_newest(map, a, b + 1) > newest;
	}
	history->broken += mm_layout_map_newest(map, a, a) != 0;
}

static void run(struct history *history)
{
	unsigned int change, start, end, a;
	struct mm_layout_map map = { 0 };
	u64 last[ADDRESSES] = { 0 };
	bool exact = true;
	u64 gen = 1;

	for (change = 0; change < CHANGES; change++) {
		start = rand_r(&history->seed) % ADDRESSES;
		end = history->narrow ? 3 : ADDRESSES - start + 1;
		end = start + rand_r(&history->seed) % end;
		if (end > ADDRESSES)
			end = ADDRESSES;
		if (!history->same || !(rand_r(&history->seed) % 4))
			gen++;
		mm_layout_map_record(&map, start, end, gen);
		for (a = start; a < end; a++)
			last[a] = gen;
		if (!fits(last))
			exact = false;
		compare(history, &map, last, exact);
	}
	history->fused += !exact;
}

static struct history run_all(bool narrow, bool same)
{
	struct history history = { .narrow = narrow, .same = same };
	unsigned int i;

	for (i = 0; i < RUNS; i++) {
		history.seed = i * 2654435761U;
		run(&history);
	}
	return history;
}

#define CHECK(narrow, same) do {					\
	struct history history = run_all(narrow, same);		\
									\
	EXPECT_EQ(0, history.missed);					\
	EXPECT_EQ(0, history.inexact);					\
	EXPECT_EQ(0, history.broken);					\
	/* That it was put to the test at all. */			\
	EXPECT_LT(0, history.fused);					\
	EXPECT_LT(0, history.newer);					\
} while (0)

/* Long ranges. Mutations: cookie-fuse-forgets, cookie-full-forgets, cookie-no-replace */
TEST(wide)
{
	CHECK(false, false);
}

/* Short ones, so that there are many. Mutations: cookie-fuse-forgets, cookie-full-forgets */
TEST(narrow)
{
	CHECK(true, false);
}

/* Generations that repeat: neighbours become one. Mutation: cookie-fuse-forgets */
TEST(same_generation)
{
	CHECK(false, true);
	CHECK(true, true);
}

/*
 * What grows is one entry, however often. Seen to fail when ranges of one
 * generation that touch each other are not joined, on either side.
 */
TEST(growth)
{
	struct mm_layout_map map = { 0 };
	unsigned long i;

	for (i = 0; i < 1000; i++) {
		mm_layout_map_record(&map, 1000000 + i, 1000000 + i + 1, 1);
		mm_layout_map_record(&map, 999999 - i, 1000000 - i, 1);
		EXPECT_EQ(1, map.nr);
	}
	/* And what is cut out of it again leaves both sides. */
	mm_layout_map_record(&map, 1000000, 1000001, 2);
	EXPECT_EQ(3, map.nr);
	EXPECT_EQ(1, mm_layout_map_newest(&map, 999999, 1000000));
	EXPECT_EQ(2, mm_layout_map_newest(&map, 999999, 1000001));
	EXPECT_EQ(1, mm_layout_map_newest(&map, 1000001, 1000002));
}

/* The ends of the address space. */
TEST(limits)
{
	struct mm_layout_map map = { 0 };

	mm_layout_map_record(&map, 0, 1, 1);
	mm_layout_map_record(&map, -2UL, -1UL, 2);
	EXPECT_EQ(1, mm_layout_map_newest(&map, 0, 1));
	EXPECT_EQ(0, mm_layout_map_newest(&map, 1, -2UL));
	EXPECT_EQ(2, mm_layout_map_newest(&map, 0, -1UL));
	mm_layout_map_record(&map, 0, -1UL, 3);
	EXPECT_EQ(1, map.nr);
	EXPECT_EQ(3, mm_layout_map_newest(&map, 12345, 12346));
}

TEST_HARNESS_MAIN
