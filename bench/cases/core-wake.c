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

static void measure(const char *mode, int cookies)
{
	long i, count = often(200);
	uint64_t *late = share(count * sizeof(*late));
	volatile long *ready = share(4096);
	pid_t hog, waiter;
	int pipes[2], other;
	cpu_set_t core;

	if (cookies && !core_there()) {
		none("wake median", mode, NO_SIZE, "no core scheduling");
		none("wake p99", mode, NO_SIZE, "no core scheduling");
		none("wake longest", mode, NO_SIZE, "no core scheduling");
		return;
	}
	if (siblings(quiet_cpu(), &core) < 2) {
		none("wake median", mode, NO_SIZE, "no siblings");
		return;
	}
	CPU_CLR(quiet_cpu(), &core);
	for (other = 0; !CPU_ISSET(other, &core); other++)
		;
	CHECK(!pipe(pipes));
	hog = child();
	if (!hog) {
		pin(other);
		if (cookies)
			CHECK(core_cookie());
		*ready = 1;
		for (;;)
			compute(1000);
	}
	while (!*ready)
		nap(0.001);
	waiter = child();
	if (!waiter) {
		uint64_t sent;

		pin(quiet_cpu());
		if (cookies == 1)
			CHECK(!prctl(PR_SCHED_CORE, 3, hog, 0, 0));
		if (cookies == 2)
			CHECK(core_cookie());
		*ready = 2;
		for (i = 0; i < count; i++) {
			CHECK(read(pipes[0], &sent, sizeof(sent)) == sizeof(sent));
			late[i] = now() - sent;
		}
		_exit(0);
	}
	while (*ready < 2)
		nap(0.001);
	pin(0);
	for (i = 0; i < count; i++) {
		uint64_t sent;

		nap(0.000137 + 0.000001 * (i % 17));
		sent = now();
		CHECK(write(pipes[1], &sent, sizeof(sent)) == sizeof(sent));
	}
	reap(waiter);
	end_child(hog);
	row("wake median", mode, NO_SIZE, percentile(late, count, 50), "ns");
	row("wake p99", mode, NO_SIZE, percentile(late, count, 99), "ns");
	row("wake longest", mode, NO_SIZE, percentile(late, count, 100), "ns");
	close(pipes[0]);
	close(pipes[1]);
}

int main(void)
{
	measure("off", 0);
	measure("same", 1);
	measure("different", 2);
	return 0;
}
