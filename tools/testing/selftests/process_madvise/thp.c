// SPDX-License-Identifier: GPL-2.0
/*
 * Transparent huge pages under MADV_COLD and MADV_PAGEOUT: advised as a whole,
 * in part, shared, and while they are written to.
 */
#include "pmadv.h"

#define HUGES		2

FIXTURE(thp) {
	struct agent target;
	char *mem;
	pid_t pid;
};

FIXTURE_SETUP(thp)
{
	self->target = agent_start();
	self->pid = self->target.pid;
	self->mem = (char *)ask(&self->target, job_map_huge, HUGES, 0);
	if (huge_mapped(self->pid, self->mem, HUGES) != HUGES) {
		agent_kill(&self->target);
		SKIP_TEST("no huge pages");
	}
}

FIXTURE_TEARDOWN(thp)
{
	agent_kill(&self->target);
}

#define ADVISE(first, count, advice)					\
	pmadv_range(self->target.pidfd, self->mem + (first) * PAGE,	\
		    (count) * PAGE, advice)
#define ALL	(HUGES * SUB)

/* PAGEOUT takes all of a huge page. Mutation: swap-references */
TEST_F(thp, pageout_whole)
{
	NEED_SWAP();
	ASSERT_EQ(ALL * PAGE, ADVISE(0, ALL, MADV_PAGEOUT));
	EXPECT_EQ(ALL, swapped(self->pid, self->mem, ALL));
	EXPECT_EQ(0, ask(&self->target, job_wrong, (long)self->mem, ALL));
}

/* PAGEOUT of a part splits the page, and takes the part. Mutation: thp-no-split */
TEST_F(thp, pageout_part)
{
	NEED_SWAP();
	ASSERT_EQ(SUB * PAGE, ADVISE(SUB / 2, SUB, MADV_PAGEOUT));
	EXPECT_EQ(0, swapped(self->pid, self->mem, SUB / 2));
	EXPECT_EQ(SUB, swapped(self->pid, self->mem + SUB / 2 * PAGE, SUB));
	EXPECT_EQ(0, swapped(self->pid, self->mem + (SUB + SUB / 2) * PAGE, SUB / 2));
	EXPECT_EQ(0, ask(&self->target, job_wrong, (long)self->mem, ALL));
}

/*
 * COLD makes a huge page old, which stays huge.
 * Mutations: thp-cold-young, thp-split-whole
 */
TEST_F(thp, cold_whole)
{
	ASSERT_EQ(ALL, young(self->pid, self->mem, ALL));
	ASSERT_EQ(SUB * PAGE, ADVISE(0, SUB, MADV_COLD));
	EXPECT_EQ(ALL - SUB, young(self->pid, self->mem, ALL));
	EXPECT_EQ(HUGES, huge_mapped(self->pid, self->mem, HUGES));
	EXPECT_EQ(0, ask(&self->target, job_wrong, (long)self->mem, ALL));
}

/*
 * COLD of a part splits the page and makes the part old. The split forgets that
 * the rest was young.
 * Mutation: thp-no-split
 */
TEST_F(thp, cold_part)
{
	ASSERT_EQ(64 * PAGE, ADVISE(64, 64, MADV_COLD));
	EXPECT_GE(ALL - 64, young(self->pid, self->mem, ALL));
	EXPECT_LE(ALL - SUB, young(self->pid, self->mem, ALL));
	EXPECT_EQ(HUGES - 1, huge_mapped(self->pid, self->mem, HUGES));
	EXPECT_EQ(0, ask(&self->target, job_wrong, (long)self->mem, ALL));
}

static long job_fork(long unused __attribute__((unused)), long too __attribute__((unused)))
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (!pid) {
		die_with_parent(parent);
		for (;;)
			pause();
	}
	return pid;
}

/* A huge page that is mapped by others is left alone. Mutation: thp-shared */
TEST_F(thp, shared_whole)
{
	NEED_SWAP();
	ASSERT_LT(0, ask(&self->target, job_fork, 0, 0));
	ASSERT_EQ(ALL * PAGE, ADVISE(0, ALL, MADV_COLD));
	EXPECT_EQ(ALL, young(self->pid, self->mem, ALL));
	ASSERT_EQ(ALL * PAGE, ADVISE(0, ALL, MADV_PAGEOUT));
	EXPECT_EQ(ALL, present(self->pid, self->mem, ALL));
	EXPECT_EQ(HUGES, huge_mapped(self->pid, self->mem, HUGES));
}

/* It is not split either. Mutation: thp-shared */
TEST_F(thp, shared_part)
{
	NEED_SWAP();
	ASSERT_LT(0, ask(&self->target, job_fork, 0, 0));
	ASSERT_EQ(64 * PAGE, ADVISE(64, 64, MADV_COLD));
	ASSERT_EQ(64 * PAGE, ADVISE(64, 64, MADV_PAGEOUT));
	EXPECT_EQ(ALL, young(self->pid, self->mem, ALL));
	EXPECT_EQ(ALL, present(self->pid, self->mem, ALL));
	EXPECT_EQ(HUGES, huge_mapped(self->pid, self->mem, HUGES));
}

/* Make the first huge page one that is mapped by small entries. */
static long job_map_by_parts(long mem, long unused __attribute__((unused)))
{
	return madvise((void *)mem, PAGE, MADV_DONTDUMP);
}

static long job_write(long mem, long pages)
{
	char *byte = (char *)mem;
	long i;

	/* The same value: the content stays what fill() made it. */
	for (i = 0; i < pages; i++)
		store(byte + i * PAGE, load(byte + i * PAGE));
	return 0;
}

/*
 * A shared huge page does not end the walk: the private pages behind it, in the
 * same two megabytes, are advised.
 */
static bool share_first_half(struct agent *target, char *mem)
{
	if (ask(target, job_map_by_parts, (long)mem, 0) ||
	    pages_flagged(target->pid, mem, SUB, KPF_THP) != SUB ||
	    ask(target, job_fork, 0, 0) <= 0)
		return false;
	/* The second half is copied when it is written to. */
	ask(target, job_write, (long)mem + SUB / 2 * PAGE, SUB / 2);
	return pages_flagged(target->pid, mem, SUB, KPF_THP) == SUB / 2 &&
	       young(target->pid, mem, ALL) == ALL;
}

/* Mutation: thp-shared-break */
TEST_F(thp, cold_behind_shared)
{
	ASSERT_TRUE(share_first_half(&self->target, self->mem));
	ASSERT_EQ(SUB * PAGE, ADVISE(0, SUB, MADV_COLD));
	EXPECT_EQ(ALL - SUB / 2, young(self->pid, self->mem, ALL));
	EXPECT_EQ(0, ask(&self->target, job_wrong, (long)self->mem, ALL));
}

/* Mutation: thp-shared-break */
TEST_F(thp, pageout_behind_shared)
{
	NEED_SWAP();
	ASSERT_TRUE(share_first_half(&self->target, self->mem));
	ASSERT_EQ(SUB * PAGE, ADVISE(0, SUB, MADV_PAGEOUT));
	EXPECT_EQ(0, swapped(self->pid, self->mem, SUB / 2));
	EXPECT_EQ(SUB / 2, swapped(self->pid, self->mem + SUB / 2 * PAGE, SUB / 2));
	EXPECT_EQ(0, ask(&self->target, job_wrong, (long)self->mem, ALL));
}

/* COLD for many huge pages is one flush. Mutation: thp-lost-dirty */
TEST(flush_once)
{
	struct spinner *spinner = share(sizeof(*spinner));
	struct agent target;
	long before, flushes;
	char *mem, *spot;
	const int n = 16;
	int i;

	if (nth_cpu(1) < 0)
		SKIP(return, "one CPU only");
	target = agent_start();
	mem = (char *)ask(&target, job_map_huge, n, 0);
	if (huge_mapped(target.pid, mem, n) != n)
		SKIP(return, "no huge pages");
	spot = (char *)ask(&target, job_map_filled, 64, 1);
	ask(&target, job_spin, (long)spinner, (long)spot);
	ASSERT_TRUE(spinner_did(spinner, 1));

	before = tlb_interrupts();
	for (i = 0; i < 64; i++)
		ASSERT_EQ(PAGE, pmadv_range(target.pidfd, spot + i * PAGE, PAGE, MADV_COLD));
	if (tlb_interrupts() - before < 32)
		SKIP(return, "TLB flushes are not seen in /proc/interrupts");

	before = tlb_interrupts();
	ASSERT_EQ(n * HUGE, pmadv_range(target.pidfd, mem, n * HUGE, MADV_COLD));
	flushes = tlb_interrupts() - before;
	EXPECT_LE(1, flushes);
	EXPECT_GE(n / 4, flushes);
	EXPECT_EQ(0, young(target.pid, mem, n * SUB));
	agent_kill(&target);
}

/* What is written after MADV_FREE stays, whatever advice follows. Mutation: thp-clean */
TEST_F(thp, rewritten_after_free)
{
	static const int advices[] = { MADV_COLD, MADV_PAGEOUT };
	unsigned int i;

	NEED_SWAP();
	agent_kill(&self->target);
	self->target = agent_start();
	self->mem = map_huge(HUGES);
	ASSERT_EQ(ALL * PAGE, pmadv_range(PIDFD_SELF, self->mem, ALL * PAGE, MADV_FREE));
	fill(self->mem, ALL, 3);
	for (i = 0; i < ARRAY_SIZE(advices); i++) {
		ASSERT_EQ(ALL * PAGE, pmadv_range(PIDFD_SELF, self->mem, ALL * PAGE, advices[i]));
		EXPECT_EQ(0, wrong(self->mem, ALL, 3));
	}
}

/*
 * A store that comes while the advice is at work is not lost either. A huge page
 * that MADV_FREE has made clean is discarded under memory pressure unless the
 * processor has marked it dirty since. So each round makes huge pages clean and
 * lets one CPU store to each, once, about when another CPU gives COLD to it.
 * After that all of them have to be dirty.
 *
 * What can get lost is a store between the moment in which the kernel looks at
 * the entry of a huge page and the one in which it changes it. In between it
 * counts who has mapped the page: to have this function traced, with a stack
 * each time, makes the moment longer than all that is around it. Without the
 * tracer the test is as valid, and less likely to hit.
 */
#define STORM_HUGES	32
#define STORM_ROUNDS	50
#define TRACING		"/sys/kernel/tracing/"

static void trace_stop(long unused __attribute__((unused)))
{
	write_file(TRACING "current_tracer", "nop");
	write_file(TRACING "options/func_stack_trace", "0");
	write_file(TRACING "set_ftrace_filter", "");
}

/* Without a filter the tracer would slow everything down. */
static void trace_start(void)
{
	if (write_file(TRACING "set_ftrace_filter", "__page_mapcount")) {
		write_file(TRACING "current_tracer", "function");
		write_file(TRACING "options/func_stack_trace", "1");
	}
}

struct storm {
	__u64 *mem;
	double pace;		/* seconds from store to store */
	double offset;
	unsigned int round;
	unsigned int started;
	unsigned int stored;
};

static void *storm_store(void *arg)
{
	struct storm *storm = arg;
	unsigned int round;
	double start;
	int i;

	run_on(1);
	for (round = 1; round <= STORM_ROUNDS; round++) {
		while (load(&storm->round) != round)
			;
		start = now() + storm->offset;
		store(&storm->started, round);
		for (i = 0; i < STORM_HUGES; i++) {
			while (now() < start + i * storm->pace)
				;
			store(storm->mem + i * HUGE / 8, round);
		}
		store(&storm->stored, round);
	}
	return NULL;
}

/* Mutations: thp-clean and, by luck, thp-lost-dirty */
TEST(store_under_cold)
{
	const size_t len = STORM_HUGES * HUGE;
	struct storm storm = { .offset = 0 };
	double start, took = 0;
	unsigned int round;
	pthread_t thread;
	int i, guard, lost = 0;
	char *mem;

	NEED_SWAP();
	run_on(0);
	if (nth_cpu(1) < 0)
		SKIP(return, "one CPU only");
	/* The guard is a child, so it comes before the memory. */
	guard = guard_start(trace_stop, 0);
	mem = map_huge(STORM_HUGES);
	if (huge_mapped(getpid(), mem, STORM_HUGES) != STORM_HUGES)
		SKIP(return, "no huge pages");
	storm.mem = (__u64 *)mem;
	ASSERT_EQ(0, pthread_create(&thread, NULL, storm_store, &storm));
	srand(1);
	trace_start();

	for (round = 1; round <= STORM_ROUNDS; round++) {
		ASSERT_EQ(len, pmadv_range(PIDFD_SELF, mem, len, MADV_FREE));
		/* The page has to be young, or the advice has nothing to do. */
		for (i = 0; i < STORM_HUGES; i++)
			load(mem + i * HUGE);
		storm.pace = took / STORM_HUGES;
		storm.offset = storm.pace * rand() / RAND_MAX;
		store(&storm.round, round);
		while (load(&storm.started) != round)
			;
		start = now();
		ASSERT_EQ(len, pmadv_range(PIDFD_SELF, mem, len, MADV_COLD));
		took = round > 1 ? took * 0.9 + (now() - start) * 0.1 : now() - start;
		while (load(&storm.stored) != round)
			;
		lost += STORM_HUGES;
		lost -= smaps_kb(getpid(), mem, STORM_HUGES * SUB, "Private_Dirty") / 2048;
	}
	pthread_join(thread, NULL);
	guard_end(guard);
	EXPECT_EQ(0, lost)
		TH_LOG("of %d", STORM_ROUNDS * STORM_HUGES);

	/* And what is not dirty is gone now. */
	ASSERT_EQ(len, pmadv_range(PIDFD_SELF, mem, len, MADV_PAGEOUT));
	for (i = 0; i < STORM_HUGES; i++)
		EXPECT_EQ(STORM_ROUNDS, load(storm.mem + i * HUGE / 8));
}

TEST_HARNESS_MAIN
