// SPDX-License-Identifier: GPL-2.0
/*
 * VM: multi smp=4 nohz_full=1 isolcpus=domain,managed_irq,1 irqaffinity=0 rcu_nocbs=1 nmi_watchdog=0
 *
 * What an interrupt costs a CPU that is left alone otherwise: instructions of CPU 1, beyond those of the task that
 * computes there, for each membarrier(2) of a thread on CPU 2, which isolation does not put off.  And when before each of
 * them socket filters came and went (flush pending) or a tracepoint was turned on and off (text pending) until
 * something was put off: what the interrupt pays for those that the CPU did not get.  mode off and on: as in isol-entries.
 *
 * Fair: the task counts its own turns, and only its CPU is counted, so that it does not matter what others execute or
 * how long it takes them.  Whatever else interrupts the CPU is in the figure; with pending work and mode off that would be
 * the very interrupts that on puts off, so there is no such row.
 */
#include "../isolation.h"
#include <pthread.h>

#define TURN	3		/* instructions of a turn of the task's loop */

static volatile bool ready, stop, on;
static volatile pid_t tid;
static const char *why;
static struct span span;
static double turns;

static void *compute_alone(void *unused)
{
	unsigned long count = 0;

	pin(1);
	why = on ? isolate() : NULL;
	tid = syscall(SYS_gettid);
	ready = true;
	/* What is still on its way to this CPU comes before the span. */
	compute(100000);
	span = span_begin();
	__asm__ __volatile__("1:	inc %0\n	cmpb $0, %1\n	je 1b"
			     : "+r"(count) : "m"(stop) : "cc", "memory");
	span_end(&span);
	turns = count;
	return unused;
}

/* @pending: what is put off by @action while noise is made; or "" */
static void measure(const char *pending, void (*noise)(void), long action)
{
	long i, n = moment() ? 2 : noise ? 100 : 1000, before;
	const char *mode = on ? "on" : "off";
	pthread_t thread;
	char metric[64];

	snprintf(metric, sizeof(metric), "interrupt%s", pending);
	ready = stop = false;
	CHECK(!pthread_create(&thread, NULL, compute_alone, NULL));
	while (!ready)
		nap(0.001);
	nap(0.2);
	if (!why && action & ~prctl(PR_ISOL_GET, PR_ISOL_SUP_QUIESCE_CFG, 0, 0, 0))
		why = "not put off on this boot";
	for (i = 0; i < n && !why; i++) {
		for (before = noise ? deferred(tid) : 0; noise && deferred(tid) == before;)
			noise();
		ask_for_barrier();
	}
	stop = true;
	CHECK(!pthread_join(thread, NULL));
	if (why)
		none(metric, mode, NO_SIZE, why);
	else
		span_print(span, metric, mode, NO_SIZE, n, TURN * turns, "1");
}

int main(void)
{
	if (cpus() < 3) {
		none("all", "-", NO_SIZE, "needs three CPUs");
		return 0;
	}
	pin(2);
	expect_barriers();
	/* What is set up at the first time is none. */
	attach_filter();
	patch_text();
	measure("", NULL, 0);
	on = true;
	measure("", NULL, 0);
	measure(", flush pending", attach_filter, DEFER_TLB_FLUSH);
	measure(", text pending", patch_text, DEFER_TEXT_SYNC);
	return 0;
}
