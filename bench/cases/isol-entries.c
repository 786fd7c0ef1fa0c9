// SPDX-License-Identifier: GPL-2.0
/*
 * VM: icount smp=4 nohz_full=1 isolcpus=domain,managed_irq,1 irqaffinity=0 rcu_nocbs=1 nmi_watchdog=0
 *
 * How often the kernel is entered on an isolated CPU: a task computes on CPU 1 while others make noise; the
 * interrupts of that CPU in /proc/interrupts, by cause (timer LOC, reschedule RES, function call CAL, work IWI, TLB), per
 * minute, from 0.2 s of virtual time.  Noise: none; tlb, a thread of the same process unmaps memory;
 * text, the kernel's code is patched (a scheduler statistics switch is flipped); barrier, membarrier(2).
 *
 * getppid: instructions of the cheapest system call on the isolated CPU.
 *
 * mode off: a kernel with isolcpus and nohz_full only.  on: the task asked for isolation by prctl, where
 * there is such a thing.
 *
 * Fair: the same command line and noise for each kernel.  What it does to get away from a CPU (wait,
 * poll, defer) is not in these figures, only what arrives.
 */
#include "../bench.h"
#include <linux/membarrier.h>
#include <fcntl.h>
#include <pthread.h>

#define PR_ISOL_GET		0x49534f01
#define PR_ISOL_SET		0x49534f02
#define PR_ISOL_ENABLE		0x49534f03
#define ISOL_SUP_FEATURES	1
#define ISOL_FEATURES		2
#define PR_ISOL_SUP_QUIESCE_CFG	3
#define PR_ISOL_QUIESCE_CFG	4
#define ISOL_F_QUIESCE_ON_URET	1

static const char * const causes[] = { "LOC:", "RES:", "CAL:", "IWI:", "TLB:" };

#define CAUSES	5

static void interrupts(int cpu, long counts[CAUSES])
{
	FILE *file = fopen("/proc/interrupts", "r");
	char line[4096], *at;
	int cause, skip;

	CHECK(file);
	while (fgets(line, sizeof(line), file)) {
		for (cause = 0; cause < CAUSES; cause++) {
			at = strstr(line, causes[cause]);
			if (!at)
				continue;
			at += 4;
			for (skip = 0; skip <= cpu; skip++)
				counts[cause] = strtol(at, &at, 10);
		}
	}
	fclose(file);
}

static volatile bool stop, isolated, ready;

/* 0, or why not. */
static const char *isolate(void)
{
	uint64_t features, quiesce;

	if (prctl(PR_ISOL_GET, ISOL_SUP_FEATURES, 0, &features, 0))
		return errno == EINVAL ? "not there: PR_ISOL_GET says EINVAL" : strerror(errno);
	quiesce = ISOL_F_QUIESCE_ON_URET;
	if (!(features & quiesce))
		return "not there: no quiescing";
	if (prctl(PR_ISOL_SET, ISOL_FEATURES, 0, &quiesce, 0))
		return "PR_ISOL_SET of the features fails";
	if (prctl(PR_ISOL_GET, PR_ISOL_SUP_QUIESCE_CFG, 0, &quiesce, 0) ||
	    prctl(PR_ISOL_SET, PR_ISOL_QUIESCE_CFG, 0, &quiesce, 0))
		return "PR_ISOL_SET of what to quiesce fails";
	if (prctl(PR_ISOL_ENABLE, ISOL_F_QUIESCE_ON_URET, 0, 0, 0))
		return "PR_ISOL_ENABLE fails";
	return NULL;
}

static const char *why;

static void *victim(void *unused)
{
	pin(1);
	if (isolated)
		why = isolate();
	ready = true;
	while (!stop)
		compute(1000);
	return unused;
}

static void noise(const char *name, uint64_t until)
{
	while (now() < until) {
		if (!strcmp(name, "none")) {
			nap((until - now()) / 1e9);
		} else if (!strcmp(name, "tlb")) {
			char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			*page = 1;
			munmap(page, 4096);
			nap(0.0002);
		} else if (!strcmp(name, "text")) {
			int file = open("/proc/sys/kernel/sched_schedstats", O_WRONLY);
			static int value;

			if (file < 0 || write(file, value++ & 1 ? "1" : "0", 1) != 1)
				fail("sched_schedstats");
			close(file);
			nap(0.002);
		} else {
			syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
			nap(0.0002);
		}
	}
}

static void measure(const char *name, bool on)
{
	long before[CAUSES] = { }, after[CAUSES] = { };
	double length = moment() ? 0.01 : 0.2;
	pthread_t thread;
	char metric[64];
	int i;

	stop = ready = false;
	isolated = on;
	why = NULL;
	CHECK(!pthread_create(&thread, NULL, victim, NULL));
	while (!ready)
		nap(0.001);
	if (!why) {
		nap(moment() ? 0.002 : 0.02);
		interrupts(1, before);
		noise(name, now() + length * 1e9);
		interrupts(1, after);
	}
	stop = true;
	CHECK(!pthread_join(thread, NULL));
	for (i = 0; i < CAUSES; i++) {
		snprintf(metric, sizeof(metric), "%s: %.3s", name, causes[i]);
		if (!why)
			row(metric, on ? "on" : "off", NO_SIZE, (after[i] - before[i]) * 60 / length, "1/min");
		else if (!i)
			none(name, "on", NO_SIZE, why);
	}
}

static void *getppid_cost(void *mode)
{
	long i, calls = often(20000);
	struct span span;

	pin(1);
	why = mode ? isolate() : NULL;
	if (why) {
		none("getppid", "on", NO_SIZE, why);
		return NULL;
	}
	span = span_begin();
	for (i = 0; i < calls; i++)
		syscall(SYS_getppid);
	span_row(span, "getppid", mode ? "on" : "off", NO_SIZE, calls);
	return NULL;
}

int main(void)
{
	static const char * const noises[] = { "none", "tlb", "text", "barrier" };
	pthread_t thread;
	int i, on;

	if (cpus() < 3) {
		none("all", "-", NO_SIZE, "needs three CPUs");
		return 0;
	}
	pin(2);
	CHECK(!syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
	for (on = 0; on < 2; on++) {
		for (i = 0; i < 4; i++)
			measure(noises[i], on);
		CHECK(!pthread_create(&thread, NULL, getppid_cost, on ? "on" : NULL) &&
		      !pthread_join(thread, NULL));
	}
	return 0;
}
