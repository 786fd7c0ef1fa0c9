// SPDX-License-Identifier: GPL-2.0
/*
 * VM: icount smp=4
 *
 * What a switch costs under core scheduling: SIZE processes on one CPU of a core whose other CPU is idle
 * yield all the time; instructions of all CPUs for each switch, with no cookie at all, with one for all,
 * and with 2, 8 and 64 that the processes have in turn.  It is the number of cookies and of tasks that a
 * pick must not grow with.
 *
 * Fair: switches are counted by the kernel (ctxt of /proc/stat), not supposed: schedulers differ in whom a
 * yield lets run.  The yield and the two ways through the system call are in the figure, for all alike.
 */
#include "../bench.h"

static void measure(long tasks, long cookies)
{
	volatile long *ready = share(4096);
	pid_t *all = calloc(tasks, sizeof(*all)), *makers = calloc(cookies + 1, sizeof(*makers));
	struct span span;
	long i, before;
	char mode[32];

	snprintf(mode, sizeof(mode), cookies ? "%ld cookies" : "off", cookies);
	if (cookies && !core_there()) {
		none("switch", mode, tasks, "no core scheduling");
		return;
	}
	CHECK(all && makers);
	for (i = 0; i < tasks; i++) {
		all[i] = child();
		if (all[i])
			continue;
		/* The first of each cookie makes it, the others take it from that one. */
		if (i < cookies)
			CHECK(core_cookie());
		__atomic_add_fetch(ready, 1, __ATOMIC_SEQ_CST);
		while (!ready[1])
			nap(0.005);
		if (cookies && i >= cookies)
			CHECK(!prctl(PR_SCHED_CORE, 3, ready[2 + i % cookies], 0, 0));
		__atomic_add_fetch(ready, 1, __ATOMIC_SEQ_CST);
		while (ready[1] < 2)
			nap(0.005);
		pin(quiet_cpu());
		for (;;)
			sched_yield();
	}
	while (*ready < tasks)
		nap(0.001);
	for (i = 0; i < cookies && i < tasks; i++)
		ready[2 + i] = all[i];
	ready[1] = 1;
	while (*ready < 2 * tasks)
		nap(0.001);
	ready[1] = 2;
	nap(0.02);
	before = switches();
	span = span_begin();
	nap(moment() ? 0.005 : 0.02);
	span_end(&span);
	before = switches() - before;
	if (before > 0)
		span_row(span, "switch", mode, tasks, before);
	else
		none("switch", mode, tasks, "no switch at all");
	for (i = 0; i < tasks; i++)
		end_child(all[i]);
	free(all);
	free(makers);
	munmap((void *)ready, 4096);
}

int main(void)
{
	static const long tasks[] = { 2, 16, 128 }, cookies[] = { 0, 1, 2, 8, 64 };
	unsigned int i, j;

	for (i = 0; i < 3; i++)
		for (j = 0; j < 5; j++)
			if (cookies[j] <= tasks[i])
				measure(tasks[i], cookies[j]);
	return 0;
}
