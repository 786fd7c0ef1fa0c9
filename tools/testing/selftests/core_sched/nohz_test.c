// SPDX-License-Identifier: GPL-2.0
/*
 * The tick of a nohz_full CPU: it goes on while a sibling waits for the core,
 * and stops when nobody does. Needs a kernel booted with nohz_full=, with at
 * least one CPU that has a sibling.
 *
 * A nohz_full CPU without a tick is looked at once a second by another one. So
 * switches a second tell whether the CPU has one.
 *
 * Mutations: nohz-never-stops (stops_when_nobody_waits). Hooks: nohz
 * (ticks_while_a_sibling_waits).
 */
#include "core_sched.h"

#include <kselftest_harness.h>

#define SWITCHES_WANTED		100
#define SECONDS			20	/* 1 a second is not enough */
#define TICKS_MAX		40	/* in TICKLESS_SECONDS; 4 HZ or more */
#define TICKLESS_SECONDS	4	/* with the tick */

FIXTURE(nohz) {
	int full, sibling;
	pid_t hog[2];
};

/* A nohz_full CPU that has a sibling. */
static bool find_nohz_full(int *full, int *sibling)
{
	char path[128], line[256], *range;
	int first, last, a, b, got;

	read_line("/sys/devices/system/cpu/nohz_full", line, sizeof(line));
	for (range = strtok(line, ","); range; range = strtok(NULL, ",")) {
		got = sscanf(range, "%d-%d", &first, &last);
		if (got < 1)
			return false;
		snprintf(path, sizeof(path), SIBLINGS, first);
		read_line(path, line, sizeof(line));
		if (sscanf(line, "%d%*[,-]%d", &a, &b) != 2)
			return false;
		*full = first;
		*sibling = first == a ? b : a;
		return true;
	}

	return false;
}

/* Leave a core to itself, if there is another one. */
static int pin_elsewhere(int a, int b)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	cpu_set_t set;
	int cpu;

	CPU_ZERO(&set);
	for (cpu = 0; cpu < cpus && cpu < CPUS_MAX; cpu++) {
		if (cpu != a && cpu != b)
			CPU_SET(cpu, &set);
	}
	if (!CPU_COUNT(&set))
		CPU_SET(b, &set);

	return sched_setaffinity(0, sizeof(set), &set);
}

FIXTURE_SETUP(nohz)
{
	const char *why = obstacle(find_nohz_full(&self->full, &self->sibling),
				   "no nohz_full CPU with a sibling");

	if (why)
		SKIP(return, "%s", why);
	/* Whoever looks must not be what makes the core decide. */
	ASSERT_EQ(0, pin_elsewhere(self->full, self->sibling));

	self->hog[0] = spawn_hog(self->full);
	ASSERT_GT(self->hog[0], 0);
	ASSERT_EQ(0, core_create(self->hog[0]));
}

FIXTURE_TEARDOWN(nohz)
{
	reap(self->hog[0]);
	reap(self->hog[1]);
}

TEST_F_TIMEOUT(nohz, ticks_while_a_sibling_waits, 1200)
{
	double end;
	long start;

	self->hog[1] = spawn_hog(self->sibling);
	ASSERT_GT(self->hog[1], 0);
	ASSERT_EQ(0, core_create(self->hog[1]));
	ASSERT_TRUE(makes_progress(self->hog[0], 0.02));

	start = switches(self->hog[0]);
	end = now() + SECONDS;
	while (now() < end &&
	       switches(self->hog[0]) - start < SWITCHES_WANTED)
		nap(0.1);
	EXPECT_GE(switches(self->hog[0]) - start, SWITCHES_WANTED);
}

/* Timer interrupts of a CPU. */
static long timer_interrupts(int cpu)
{
	char line[8192], *word;
	long count = -1;
	FILE *file;
	int i;

	file = fopen("/proc/interrupts", "r");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		word = strtok(line, " ");
		if (!word || strcmp(word, "LOC:"))
			continue;
		for (i = 0; word && i <= cpu; i++)
			word = strtok(NULL, " ");
		count = word ? atol(word) : -1;
	}
	fclose(file);

	return count;
}

TEST_F_TIMEOUT(nohz, stops_when_nobody_waits, 1200)
{
	double end = now() + PATIENCE;
	long ticks;

	ASSERT_GE(timer_interrupts(self->full), 0);
	/* Whoever else has work on these CPUs may take a while to be done. */
	do {
		ticks = timer_interrupts(self->full);
		nap(TICKLESS_SECONDS);
		ticks = timer_interrupts(self->full) - ticks;
	} while (ticks > TICKS_MAX && now() < end);
	EXPECT_LE(ticks, TICKS_MAX);
}

TEST_HARNESS_MAIN
