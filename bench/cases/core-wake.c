// SPDX-License-Identifier: GPL-2.0
/*
 * VM: icount smp=4
 *
 * How long a woken task waits when it has a cookie: a waiter pinned to a CPU sleeps until a pipe has a byte,
 * with the time of the writing in it, while a hog runs on the sibling: without cookies; the waiter and the hog with
 * the same cookie; with different ones, so that the hog has to stop first.  Median, p99 and longest of 200, in virtual ns.
 *
 * Fair: the waker runs on another core and sleeps an odd time between two writes, the same for all kernels.
 */
#include "../bench.h"

enum cookies { NONE, SAME, DIFFERENT };

static const char * const metrics[] = { "wake median", "wake p99", "wake longest" };
static const int percent[] = { 50, 99, 100 };

static void none_of_all(const char *mode, const char *why)
{
	for (int i = 0; i < 3; i++)
		none(metrics[i], mode, NO_SIZE, why);
}

static pid_t start_hog(int cpu, enum cookies cookies, volatile long *ready)
{
	pid_t pid = child();

	if (!pid) {
		pin(cpu);
		if (cookies != NONE)
			CHECK(core_cookie());
		*ready = 1;
		for (;;)
			compute(1000);
	}
	while (!*ready)
		nap(0.001);
	return pid;
}

/* Reads when it was woken from the pipe, and notes how long ago that was. */
static pid_t start_waiter(int from, uint64_t *late, long count, enum cookies cookies, pid_t hog, volatile long *ready)
{
	pid_t pid = child();
	uint64_t sent;

	if (!pid) {
		pin(quiet_cpu());
		if (cookies == SAME)
			CHECK(!prctl(PR_SCHED_CORE, 3, hog, 0, 0));
		if (cookies == DIFFERENT)
			CHECK(core_cookie());
		*ready = 2;
		for (long i = 0; i < count; i++) {
			CHECK(read(from, &sent, sizeof(sent)) == sizeof(sent));
			late[i] = now() - sent;
		}
		_exit(0);
	}
	while (*ready < 2)
		nap(0.001);
	return pid;
}

static void measure(const char *mode, enum cookies cookies)
{
	long i, count = often(200);
	uint64_t sent, *late = share(count * sizeof(*late));
	volatile long *ready = share(4096);
	pid_t hog, waiter;
	int pipes[2], other;
	cpu_set_t core;

	if (cookies != NONE && !core_there()) {
		none_of_all(mode, "no core scheduling");
		return;
	}
	if (siblings(quiet_cpu(), &core) < 2) {
		none_of_all(mode, "no siblings");
		return;
	}
	CPU_CLR(quiet_cpu(), &core);
	for (other = 0; !CPU_ISSET(other, &core); other++)
		;
	CHECK(!pipe(pipes));
	hog = start_hog(other, cookies, ready);
	waiter = start_waiter(pipes[0], late, count, cookies, hog, ready);
	pin(0);
	for (i = 0; i < count; i++) {
		nap(0.000137 + 0.000001 * (i % 17));
		sent = now();
		CHECK(write(pipes[1], &sent, sizeof(sent)) == sizeof(sent));
	}
	reap(waiter);
	end_child(hog);
	for (i = 0; i < 3; i++)
		row(metrics[i], mode, NO_SIZE, percentile(late, count, percent[i]), "ns");
	close(pipes[0]);
	close(pipes[1]);
}

int main(void)
{
	measure("off", NONE);
	measure("same", SAME);
	measure("different", DIFFERENT);
	return 0;
}
