// SPDX-License-Identifier: GPL-2.0
/*
 * VM: icount smp=4
 *
 * What somebody who asks for extensions all the time and never gives one back costs a real-time task: a
 * FIFO task is woken by a timer on the CPU on which the abuser computes, and tells how late it runs.
 * off: the abuser does not ask.  Median, p99 and longest of 200, in virtual nanoseconds; a grant would be 30000.
 * other is the same for an ordinary task that was asleep, which a grant does delay.
 *
 * Fair: the timers, CPUs and priorities are the same in both modes and on all kernels.
 */
#include "../slice.h"

static const char * const names[] = { "median", "p99", "longest" };
static const int percents[] = { 50, 99, 100 };

static void measure(const char *who, const char *mode, bool asks, bool real_time)
{
	long i, count = often(200);
	uint64_t *late = share(count * sizeof(*late));
	volatile long *ready = share(4096);
	char metric[32];
	pid_t abuser, woken;

	if (asks && !slice_there()) {
		for (i = 0; i < 3; i++) {
			snprintf(metric, sizeof(metric), "%s %s", who, names[i]);
			none(metric, mode, NO_SIZE, "no slice extension");
		}
		return;
	}
	abuser = child();
	if (!abuser) {
		struct rseq_slice_area *area = asks ? slice_area() : NULL;

		pin(quiet_cpu());
		*ready = 1;
		for (;;) {
			if (area)
				area->request = 1;
			compute(50);
		}
	}
	while (!*ready)
		nap(0.001);
	woken = child();
	if (!woken) {
		struct sched_param param = { .sched_priority = 10 };
		struct timespec at;
		uint64_t then;

		pin(quiet_cpu());
		if (real_time)
			CHECK(!sched_setscheduler(0, SCHED_FIFO, &param));
		for (i = 0; i < count; i++) {
			then = now() + 217000 + 1000 * (i % 13);
			at.tv_sec = then / 1000000000;
			at.tv_nsec = then % 1000000000;
			CHECK(!clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL));
			late[i] = now() - then;
		}
		_exit(0);
	}
	reap(woken);
	end_child(abuser);
	for (i = 0; i < 3; i++) {
		snprintf(metric, sizeof(metric), "%s %s", who, names[i]);
		row(metric, mode, NO_SIZE, percentile(late, count, percents[i]), "ns");
	}
}

int main(void)
{
	slice_length("30000");
	pin(0);
	measure("fifo", "off", false, true);
	measure("fifo", "on", true, true);
	measure("other", "off", false, false);
	measure("other", "on", true, false);
	return 0;
}
