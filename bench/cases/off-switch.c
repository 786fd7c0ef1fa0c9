// SPDX-License-Identifier: GPL-2.0
/*
 * VM: icount smp=4
 *
 * What switching between tasks costs while nothing of ours is used.
 *
 * pipe: two processes on one CPU hand a byte back and forth; each round trip is two sleeps, two wakeups
 * and two switches.  futex: two threads on two cores wake each other by futex; each round trip is two
 * wakeups across CPUs, with their interrupts and ways into and out of idle.  storm: SIZE processes on
 * one CPU yield all the time, for each switch that there was.  futex without rseq: the same as futex after the threads
 * have taken back the rseq areas that libc registers for them.  With areas, threads of one process get concurrency ids
 * from ours and from 7.3, as the auxiliary vector promises, and none from the base: that is in use in the other row.
 *
 * Fair: the same program and CPUs for every kernel.  What is counted is executed by all CPUs together.
 * Where both CPUs of the futex case idle at the same time, the clock may leap to a timer: it has none
 * that is not there in every kernel.  The storm's switches are counted by the kernel (ctxt of /proc/stat),
 * as schedulers differ in whether a yield lets somebody else run.
 */
#include "../slice.h"
#include <linux/futex.h>
#include <pthread.h>

static void pipe_cost(void)
{
	long i, trips = often(3000);
	int there[2], back[2];
	struct span start;
	char byte = 0;
	pid_t other;

	CHECK(!pipe(there) && !pipe(back));
	other = child();
	if (!other) {
		for (i = 0; i < trips + 100; i++)
			CHECK(read(there[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1);
		_exit(0);
	}
	for (i = 0; i < 100; i++)
		CHECK(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1);
	start = span_begin();
	for (i = 0; i < trips; i++)
		CHECK(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1);
	span_row(start, "pipe", "off", NO_SIZE, trips);
	reap(other);
}

static int turn;
static long futex_trips;
static bool unregistered;

static void pass(int from, int to)
{
	while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != from)
		syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, to, NULL, NULL, 0);
	__atomic_store_n(&turn, to, __ATOMIC_RELEASE);
	syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *answer(void *unused)
{
	long i;

	pin(0);
	for (i = 0; i < futex_trips + 100; i++)
		pass(1, 0);
	return unused;
}

static void futex_cost(void)
{
	pthread_t other;
	struct span start;
	long i;

	futex_trips = often(2000);
	/* A thread of one that has none gets none either. */
	if (unregistered)
		CHECK(take_area_back(rseq_slice_area()));
	CHECK(!pthread_create(&other, NULL, answer, NULL));
	for (i = 0; i < futex_trips + 100; i++) {
		if (i == 100)
			start = span_begin();
		pass(0, 1);
	}
	span_row(start, unregistered ? "futex without rseq" : "futex", "off", NO_SIZE, futex_trips);
	CHECK(!pthread_join(other, NULL));
}

static void storm(long tasks)
{
	pid_t *all = calloc(tasks, sizeof(*all));
	struct span start;
	long i, count;

	CHECK(all);
	for (i = 0; i < tasks; i++) {
		all[i] = child();
		if (all[i])
			continue;
		pin(quiet_cpu());
		for (;;)
			sched_yield();
	}
	nap(0.005);
	count = switches();
	start = span_begin();
	nap(moment() ? 0.005 : 0.02);
	span_end(&start);
	count = switches() - count;
	if (count > 0)
		span_row(start, "storm", "off", tasks, count);
	else
		none("storm", "off", tasks, "no switch at all");
	for (i = 0; i < tasks; i++)
		end_child(all[i]);
	free(all);
}

int main(void)
{
	pin(quiet_cpu());
	pipe_cost();
	futex_cost();
	/* Whoever only waits leaves the CPU alone. */
	pin(0);
	storm(2);
	storm(16);
	storm(128);
	unregistered = true;
	pin(quiet_cpu());
	futex_cost();
	return 0;
}
