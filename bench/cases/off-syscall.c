// SPDX-License-Identifier: GPL-2.0
/*
 * VM: icount smp=4
 *
 * What the cheapest system call costs, and what a tick costs, while nothing of ours is used.
 *
 * getppid: the way into the kernel and out again is all there is to it, and the way out is what the
 * topics hook.  tick: a loop of known length runs in user mode on a CPU of its own; what was executed
 * beyond it, on all CPUs together, is the interrupts'.  The CPU's own count in /proc/interrupts says how
 * many there were.
 *
 * Fair: one program, one CPU, the same number of calls and ticks for every kernel; whatever else the
 * kernel does meanwhile is in the numbers.
 */
#include "../bench.h"

static void getppid_cost(void)
{
	long i, calls = often(200000);
	struct span start;

	for (i = 0; i < 1000; i++)
		syscall(SYS_getppid);
	start = span_begin();
	for (i = 0; i < calls; i++)
		syscall(SYS_getppid);
	span_row(start, "getppid", "off", NO_SIZE, calls);
}

static long timer_interrupts(int cpu)
{
	FILE *file = fopen("/proc/interrupts", "r");
	char line[4096], *at;
	long count = 0;

	CHECK(file);
	while (fgets(line, sizeof(line), file)) {
		at = strstr(line, "LOC:");
		if (!at)
			continue;
		for (at += 4; cpu >= 0; cpu--)
			count = strtol(at, &at, 10);
		break;
	}
	fclose(file);
	return count;
}

static void tick_cost(void)
{
	unsigned long loops = often(200) * 1000000UL;
	long before, ticks;
	struct span start;

	compute(4000000);
	before = timer_interrupts(quiet_cpu());
	start = span_begin();
	compute(loops);
	span_end(&start);
	ticks = timer_interrupts(quiet_cpu()) - before;
	if (ticks > 0)
		span_rest(start, "tick", "off", NO_SIZE, ticks, 2.0 * loops);
	else
		none("tick", "off", NO_SIZE, "no tick came");
}

int main(void)
{
	pin(quiet_cpu());
	getppid_cost();
	tick_cost();
	return 0;
}
