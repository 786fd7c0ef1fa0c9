// SPDX-License-Identifier: GPL-2.0
/*
 * A contended lock, with and without time slice extensions.
 *
 * Threads on one CPU take the same lock in a loop, hold it for a while and then
 * compute without it.  Now and then the holder is preempted; without extensions
 * everybody else then finds the lock taken.  With a futex they go to sleep and
 * have to be woken; with a spinlock they burn their time slices.
 *
 *	slice-lock [-m off|on|waiting] [-l futex|spin] [-t threads] [-c cpu]
 *		   [-s seconds] [-h hold] [-o outside]
 *
 * hold and outside are numbers of loop iterations.  One line is printed:
 *
 *	mode ops_per_s max_wait_us p99_wait_us sleeps grants yields expired preempted
 *
 * -m waiting asks for an extension only when another thread waits for the lock.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "rseq_slice.h"

#define RSEQ_SIG	0x53053053
#define BUCKETS		40

enum mode { OFF, ON, WAITING };

static enum mode mode = OFF;
static bool spinning;
static int threads = 4, cpu = -1;
static double seconds = 2;
static unsigned long hold = 200, outside = 400;

static int lock_word;
static int waiters;
static volatile bool go, stop;

struct worker {
	pthread_t		thread;
	unsigned long		ops, sleeps, yields;
	uint64_t		max_wait;
	unsigned long		waits[BUCKETS];	/* by powers of two ns */
	long			granted, expired, preempted;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void compute(unsigned long loops)
{
	while (loops--)
		__asm__ __volatile__("");
}

/* 0: free, 1: taken, 2: taken and somebody may sleep. */
static void take(struct worker *me)
{
	int free = 0;

	if (__atomic_compare_exchange_n(&lock_word, &free, 1, false, __ATOMIC_ACQUIRE,
					__ATOMIC_RELAXED))
		return;
	__atomic_add_fetch(&waiters, 1, __ATOMIC_RELAXED);
	while (spinning && __atomic_exchange_n(&lock_word, 1, __ATOMIC_ACQUIRE))
		__asm__ __volatile__("pause" ::: "memory");
	while (!spinning && __atomic_exchange_n(&lock_word, 2, __ATOMIC_ACQUIRE)) {
		me->sleeps++;
		syscall(SYS_futex, &lock_word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
	}
	__atomic_sub_fetch(&waiters, 1, __ATOMIC_RELAXED);
}

/* With a sleeper this is a system call: it ends a grant, as a yield would. */
static void release(void)
{
	if (__atomic_exchange_n(&lock_word, 0, __ATOMIC_RELEASE) == 2)
		syscall(SYS_futex, &lock_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* libc's area, or one of our own when that is too short to enable. */
static struct rseq_slice_area *get_area(void)
{
	struct rseq_slice_area *area = rseq_slice_area();

	if (!rseq_slice_enable(area))
		return area;
	if (area && syscall(SYS_rseq, area, 32, 1, RSEQ_SIG))
		return NULL;
	area = aligned_alloc(64, 64);
	if (!area)
		return NULL;
	memset(area, 0, 64);
	if (syscall(SYS_rseq, area, 33, 0, RSEQ_SIG) || rseq_slice_enable(area))
		return NULL;
	return area;
}

static long count(const char *name)
{
	size_t len = strlen(name);
	FILE *file = fopen("/proc/thread-self/rseq_slice", "r");
	char line[128];
	long value = 0;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, len) && line[len] == ':')
			value = atol(line + len + 1);
	if (file)
		fclose(file);
	return value;
}

static void *work(void *arg)
{
	struct rseq_slice_area *area = NULL;
	struct worker *me = arg;
	struct rusage usage;

	if (mode != OFF) {
		area = get_area();
		if (!area) {
			fprintf(stderr, "slice-lock: no time slice extension\n");
			exit(4);
		}
	}
	while (!go)
		sched_yield();

	while (!stop) {
		uint64_t start = now_ns(), wait;
		int outer;

		if (mode == WAITING) {
			take(me);
			outer = rseq_slice_begin_if(area,
						    __atomic_load_n(&waiters, __ATOMIC_RELAXED));
		} else {
			outer = rseq_slice_begin(area);
			take(me);
		}
		wait = now_ns() - start;
		compute(hold);
		me->ops++;
		release();
		me->yields += rseq_slice_end(area, outer);

		if (wait > me->max_wait)
			me->max_wait = wait;
		me->waits[wait ? 64 - __builtin_clzll(wait) : 0]++;
		compute(outside);
	}

	getrusage(RUSAGE_THREAD, &usage);
	me->preempted = usage.ru_nivcsw;
	me->granted = count("granted");
	me->expired = count("expired");
	return NULL;
}

static void options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "m:l:t:c:s:h:o:")) != -1) {
		switch (option) {
		case 'm':
			if (!strcmp(optarg, "off"))
				mode = OFF;
			else if (!strcmp(optarg, "on"))
				mode = ON;
			else if (!strcmp(optarg, "waiting"))
				mode = WAITING;
			else
				exit(2);
			break;
		case 'l':
			spinning = !strcmp(optarg, "spin");
			if (!spinning && strcmp(optarg, "futex"))
				exit(2);
			break;
		case 't':
			threads = atoi(optarg);
			break;
		case 'c':
			cpu = atoi(optarg);
			break;
		case 's':
			seconds = atof(optarg);
			break;
		case 'h':
			hold = atol(optarg);
			break;
		case 'o':
			outside = atol(optarg);
			break;
		default:
			exit(2);
		}
	}
	if (threads < 1 || threads > 1000 || seconds <= 0)
		exit(2);
	if (cpu < 0)
		cpu = sysconf(_SC_NPROCESSORS_ONLN) - 1;
}

/* The workers inherit the CPU. */
static bool start_workers(struct worker *workers)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return false;
	for (int i = 0; i < threads; i++) {
		errno = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
		if (errno)
			return false;
	}
	return true;
}

/* Returns how long it took, in nanoseconds. */
static uint64_t let_them_work(void)
{
	struct timespec nap;
	uint64_t start;

	nap.tv_sec = seconds;
	nap.tv_nsec = (seconds - nap.tv_sec) * 1e9;
	start = now_ns();
	go = true;
	nanosleep(&nap, NULL);
	stop = true;
	return now_ns() - start;
}

static void add(struct worker *sum, const struct worker *one)
{
	sum->ops += one->ops;
	sum->sleeps += one->sleeps;
	sum->yields += one->yields;
	sum->granted += one->granted;
	sum->expired += one->expired;
	sum->preempted += one->preempted;
	if (one->max_wait > sum->max_wait)
		sum->max_wait = one->max_wait;
	for (int bucket = 0; bucket < BUCKETS; bucket++)
		sum->waits[bucket] += one->waits[bucket];
}

/* The power of two that 99 of 100 waits stay below, in nanoseconds. */
static uint64_t p99(const struct worker *sum)
{
	unsigned long seen = 0;
	int bucket;

	for (bucket = 0; bucket < BUCKETS && seen * 100 < sum->ops * 99; bucket++)
		seen += sum->waits[bucket];
	return 1ULL << (bucket ? bucket - 1 : 0);
}

int main(int argc, char **argv)
{
	static const char * const names[] = { "off", "on", "waiting" };
	struct worker *workers, sum = { };
	uint64_t took;

	options(argc, argv);
	workers = calloc(threads, sizeof(*workers));
	if (!workers || !start_workers(workers)) {
		perror("slice-lock");
		return 1;
	}
	took = let_them_work();
	for (int i = 0; i < threads; i++) {
		pthread_join(workers[i].thread, NULL);
		add(&sum, &workers[i]);
	}

	printf("%s %.0f %.1f %.1f %lu %ld %lu %ld %ld\n", names[mode], sum.ops * 1e9 / took,
	       sum.max_wait / 1e3, p99(&sum) / 1e3, sum.sleeps, sum.granted, sum.yields,
	       sum.expired, sum.preempted);
	return 0;
}
