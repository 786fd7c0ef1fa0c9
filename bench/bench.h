/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the cases share.  A case prints lines for harness/bench, with tabs between:
 *
 *	row METRIC MODE SIZE VALUE UNIT			one result; SIZE is a number or -
 *	span METRIC MODE SIZE NS NUMBER OPS MINUS CPU	one result: instructions for each of OPS
 *	none METRIC MODE SIZE REASON			this kernel cannot: why
 *
 * A span's instructions are all that all CPUs executed between span_begin() and span_row(), or only
 * those of CPU where that is not -, less what the case says it executed itself (MINUS).  In a VM
 * with -icount shift=0 a nanosecond of virtual time passes for each instruction, on whichever CPU, so
 * they are a difference of the clock; while all CPUs are idle the clock leaps to the next timer, so a case that lets that happen gives times, not
 * instructions.  Elsewhere they are what the plugin counted (count.c) between two markers with that
 * NUMBER, and only there they are known for one CPU.
 *
 * BENCH_MOMENT in the environment asks for a run that only shows that the case works.
 */
#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NO_SIZE		(-1L)

static inline uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static inline bool moment(void)
{
	return getenv("BENCH_MOMENT") != NULL;
}

/* How often to do something: @n, or a few times for a moment. */
static inline long often(long n)
{
	if (!moment())
		return n;
	return n > 200 ? n / 100 : n > 2 ? 2 : n;
}

__attribute__((format(printf, 1, 2), noreturn))
static inline void fail(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	fprintf(stderr, "fail\t");
	vfprintf(stderr, format, list);
	fprintf(stderr, " (%s)\n", strerror(errno));
	va_end(list);
	exit(1);
}

#define CHECK(condition)							\
	do {									\
		if (!(condition))						\
			fail("%s:%d: %s", __FILE__, __LINE__, #condition);	\
	} while (0)

static inline void print_size(long size)
{
	if (size == NO_SIZE)
		printf("-\t");
	else
		printf("%ld\t", size);
}

static inline void row(const char *metric, const char *mode, long size, double value,
		       const char *unit)
{
	printf("row\t%s\t%s\t", metric, mode);
	print_size(size);
	printf("%.6g\t%s\n", value, unit);
	fflush(stdout);
}

static inline void none(const char *metric, const char *mode, long size, const char *reason)
{
	printf("none\t%s\t%s\t", metric, mode);
	print_size(size);
	printf("%s\n", reason);
	fflush(stdout);
}

struct span {
	uint64_t	number, start, took;
};

static inline struct span span_begin(void)
{
	static uint32_t count;
	struct span span = { (uint64_t)getpid() << 32 | ++count, now(), 0 };

	__asm__ __volatile__(".byte 0x66, 0x87, 0xdb" :: "D"(span.number) : "memory");
	return span;
}

static inline void span_end(struct span *span)
{
	__asm__ __volatile__(".byte 0x66, 0x87, 0xc9" :: "D"(span->number) : "memory");
	span->took = now() - span->start;
}

static inline void span_print(struct span span, const char *metric, const char *mode, long size,
			      double ops, double minus, const char *cpu)
{
	if (!span.took)
		span_end(&span);
	printf("span\t%s\t%s\t", metric, mode);
	print_size(size);
	printf("%lu\t%lx\t%.10g\t%.0f\t%s\n", span.took, span.number, ops, minus, cpu);
	fflush(stdout);
}

static inline void span_rest(struct span span, const char *metric, const char *mode, long size,
			     double ops, double minus)
{
	span_print(span, metric, mode, size, ops, minus, "-");
}

static inline void span_row(struct span span, const char *metric, const char *mode, long size,
			    double ops)
{
	span_rest(span, metric, mode, size, ops, 0);
}

static inline void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK(!sched_setaffinity(0, sizeof(set), &set));
}

static inline int cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

/* The CPU the cases prefer: neither the one that the VM's devices interrupt, nor its sibling. */
static inline int quiet_cpu(void)
{
	return cpus() - 1;
}

/* A child that dies with its parent; 0 in the child. */
static inline pid_t child(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		CHECK(!prctl(PR_SET_PDEATHSIG, SIGKILL));
	return pid;
}

static inline void reap(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	if (status)
		fail("a child ended with status %x", status);
}

static inline void end_child(pid_t pid)
{
	CHECK(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid);
}

/* User work of a known length: two instructions a loop. */
static inline void compute(unsigned long loops)
{
	__asm__ __volatile__("1:	dec %0\n	jnz 1b" : "+r"(loops) :: "cc");
}

static inline void nap(double seconds)
{
	struct timespec ts = { seconds, (seconds - (long)seconds) * 1e9 };

	nanosleep(&ts, NULL);
}

/* How often a CPU has switched to another task, since boot. */
static inline long switches(void)
{
	FILE *file = fopen("/proc/stat", "r");
	char line[4096];
	long count = 0;

	CHECK(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "ctxt %ld", &count) == 1)
			break;
	fclose(file);
	return count;
}

/* Memory that parent and children share. */
static inline void *share(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(memory != MAP_FAILED);
	return memory;
}

static inline int by_size(const void *a, const void *b)
{
	const uint64_t *one = a, *other = b;

	return *one < *other ? -1 : *one > *other;
}

/* Sorts, then: the value that @percent of the values are not above. */
static inline double percentile(uint64_t *values, long count, double percent)
{
	long index = count * percent / 100;

	if (!count)
		return 0;
	qsort(values, count, sizeof(*values), by_size);
	return values[index < count ? index : count - 1];
}

/* Core scheduling */
#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE		62
#endif
#define CORE_CREATE		1

static inline bool core_cookie(void)
{
	return !prctl(PR_SCHED_CORE, CORE_CREATE, 0, 0, 0);
}

/* Whether cookies can be had: without leaving one. */
static inline bool core_there(void)
{
	unsigned long cookie;

	return !prctl(PR_SCHED_CORE, 0, 0, 0, &cookie);
}

/* The siblings of @cpu; returns how many, itself included. */
static inline int siblings(int cpu, cpu_set_t *set)
{
	char path[96], text[128] = "", *at = text;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
		 cpu);
	file = fopen(path, "r");
	CHECK(file && fgets(text, sizeof(text), file));
	fclose(file);
	CPU_ZERO(set);
	while (*at) {
		long from = strtol(at, &at, 10), to = from;

		if (*at == '-')
			to = strtol(at + 1, &at, 10);
		for (; from <= to; from++)
			CPU_SET(from, set);
		if (*at != ',')
			break;
		at++;
	}
	return CPU_COUNT(set);
}

#endif
