// SPDX-License-Identifier: GPL-2.0
/*
 * VM: icount smp=4 nohz_full=1 isolcpus=domain,managed_irq,1 irqaffinity=0 rcu_nocbs=1 nmi_watchdog=0
 *
 * How often the kernel is entered on an isolated CPU: a task computes on CPU 1 while others make noise; the
 * interrupts of that CPU in /proc/interrupts, by cause (timer LOC, reschedule RES, function call CAL, work IWI, TLB), per
 * minute, from 0.2 s of virtual time.  Noise: none; filters, socket filters are attached and detached, which maps and
 * unmaps kernel memory; statistics, vm.stat_refresh; forks, processes come and go; text, the kernel's code is patched (a
 * tracepoint is turned on and off); and two that isolation does not put off: tlb, a thread of the same process unmaps memory, and
 * barrier, membarrier(2).
 *
 * getppid: instructions of the cheapest system call on the isolated CPU.
 *
 * system call: instructions of a single getppid(2) after the task has only computed for a while; and when meanwhile
 * socket filters came and went (flush pending) or a tracepoint was turned on and off (text pending): what the CPU pays
 * at its next entry for the interrupts that it did not get.  Medians, by the time stamp counter, which counts
 * instructions here: reading it is no entry, and all other CPUs are idle.  Interrupts: see isol-interrupt.
 *
 * mode off: a kernel with isolcpus and nohz_full only.  on: the task asked for isolation by prctl, with all actions that
 * there are and nothing blocked, where there is such a thing.
 *
 * Fair: the same command line and noise for each kernel.  What it does to get away from a CPU (wait,
 * poll, defer) is not in these figures, only what arrives.
 */
#include "../isolation.h"
#include <pthread.h>

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

static void do_nothing(void)
{
}

static void refresh_statistics(void)
{
	write_to("/proc/sys/vm/stat_refresh", "1");
}

/* A process of its own does it: what a fork does to the memory of its process is no noise of others. */
static volatile long *forking;

static void fork_while_told(void)
{
	pid_t pid = child();

	while (!pid) {
		if (!*forking)
			nap(0.001);
		else if (!fork())
			_exit(0);
		else
			wait(NULL);
	}
}

static void come_and_go(void)
{
	*forking = 1;
}

static void unmap_memory(void)
{
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(page != MAP_FAILED);
	*page = 1;
	munmap(page, 4096);
}

static const struct noise {
	const char	*name;
	void		(*make)(void);
	double		pause;
} noises[] = {
	{ "none", do_nothing, 0.01 },
	{ "filters", attach_filter, 0.0002 },
	{ "statistics", refresh_statistics, 0.002 },
	{ "forks", come_and_go, 0.0002 },
	{ "text", patch_text, 0.002 },
	{ "tlb", unmap_memory, 0.0002 },
	{ "barrier", ask_for_barrier, 0.0002 },
};

static void measure(const struct noise *noise, bool on)
{
	long before[CAUSES] = { }, after[CAUSES] = { };
	double length = moment() ? 0.01 : 0.2;
	uint64_t until;
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
		/* What is set up at the first time is none. */
		noise->make();
		interrupts(1, before);
		until = now() + length * 1e9;
		while (now() < until) {
			noise->make();
			nap(noise->pause);
		}
		interrupts(1, after);
		*forking = 0;
	}
	stop = true;
	CHECK(!pthread_join(thread, NULL));
	for (i = 0; i < CAUSES; i++) {
		snprintf(metric, sizeof(metric), "%s: %.3s", noise->name, causes[i]);
		if (!why)
			row(metric, on ? "on" : "off", NO_SIZE, (after[i] - before[i]) * 60 / length, "1/min");
		else if (!i)
			none(noise->name, "on", NO_SIZE, why);
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

/* In this VM, instructions. */
static inline uint64_t ticks(void)
{
	uint32_t low, high;

	__asm__ __volatile__("rdtsc" : "=a"(low), "=d"(high) :: "memory");
	return (uint64_t)high << 32 | low;
}

#define QUIET		5000000		/* ticks until all others are idle */

static volatile pid_t victim_tid;
static volatile bool go;

static void *enter_once(void *took)
{
	uint64_t start, quiet;

	pin(1);
	CHECK(!isolate());
	victim_tid = syscall(SYS_gettid);
	ready = true;
	while (!go)
		;
	quiet = ticks() + QUIET;
	while (ticks() < quiet)
		;
	start = ticks();
	syscall(SYS_getppid);
	*(uint64_t *)took = ticks() - start;
	return NULL;
}

/* @pending: what is put off by @action while @noise is made; or "" */
static void measure_entry(const char *pending, const struct noise *noise, long action)
{
	unsigned int i, n = moment() ? 1 : 5;
	uint64_t took[5];
	pthread_t thread;
	char metric[64];
	long before;

	snprintf(metric, sizeof(metric), "system call%s", pending);
	if (why) {
		none(metric, "on", NO_SIZE, why);
		return;
	}
	if (action & ~prctl(PR_ISOL_GET, PR_ISOL_SUP_QUIESCE_CFG, 0, 0, 0)) {
		none(metric, "on", NO_SIZE, "not put off on this boot");
		return;
	}
	for (i = 0; i < n; i++) {
		ready = go = false;
		CHECK(!pthread_create(&thread, NULL, enter_once, &took[i]));
		while (!ready)
			nap(0.001);
		before = deferred(victim_tid);
		/* Memory that was unmapped is flushed when there is much of it, or when it is needed. */
		do {
			noise->make();
			nap(noise->pause);
		} while (*pending && deferred(victim_tid) == before);
		go = true;
		CHECK(!pthread_join(thread, NULL));
	}
	row(metric, "on", NO_SIZE, percentile(took, n, 50), "insn");
}

int main(void)
{
	pthread_t thread;
	int i, on;

	if (cpus() < 3) {
		none("all", "-", NO_SIZE, "needs three CPUs");
		return 0;
	}
	pin(2);
	forking = share(4096);
	fork_while_told();
	expect_barriers();
	for (on = 0; on < 2; on++) {
		for (i = 0; i < (int)(sizeof(noises) / sizeof(*noises)); i++)
			measure(&noises[i], on);
		CHECK(!pthread_create(&thread, NULL, getppid_cost, on ? "on" : NULL) &&
		      !pthread_join(thread, NULL));
	}
	measure_entry("", &noises[0], 0);
	measure_entry(", flush pending", &noises[1], DEFER_TLB_FLUSH);
	measure_entry(", text pending", &noises[4], DEFER_TEXT_SYNC);
	return 0;
}
