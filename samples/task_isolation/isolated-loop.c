// SPDX-License-Identifier: GPL-2.0
/*
 * A latency-sensitive loop, isolated while it must not be interrupted, and with
 * system calls in between.
 *
 * usage: isolated-loop [-c CPU] [-m on|off] [-n ROUNDS] [-s SECONDS] [-t MICROSECONDS]
 *
 * Each round computes for so many seconds and watches the time stamp counter: a
 * jump by more than the threshold is a moment when the program did not run.
 * Between the rounds it uses system calls and memory, like any program, and that
 * is where the kernel finds things to put off.
 *
 * Prints a line: mode, rounds; during the rounds' loops the interrupts that came
 * to the CPU (all of /proc/interrupts) and how often another task ran there; jumps,
 * the longest one in microseconds; and the interruptions that the kernel counted,
 * which it does when the mode is on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/task_isolation.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define BUFFER	(256 * 1024)

struct options {
	int	cpu;
	bool	on;
	int	rounds;
	double	seconds;
	double	threshold;
};

struct jumps {
	unsigned long		count;
	unsigned long long	longest;
};

/* What the rest of the kernel counts, isolated or not. */
struct losses {
	long long	interrupts;
	long long	switches;
};

static void die(const char *what)
{
	fprintf(stderr, "isolated-loop: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Cycles of the time stamp counter in a second. */
static double measure_tsc(void)
{
	unsigned long long from = __rdtsc();
	double start = now();

	while (now() < start + 0.05)
		;
	return (__rdtsc() - from) / (now() - start);
}

/* How many interrupts a CPU has had. */
static long long interrupt_count(int cpu)
{
	static char text[65536];
	long long sum = 0;
	ssize_t got, len;
	char *line, *at;
	int fd;

	fd = open("/proc/interrupts", O_RDONLY);
	if (fd < 0)
		die("/proc/interrupts");
	len = 0;
	do {
		got = read(fd, text + len, sizeof(text) - 1 - len);
		len += got > 0 ? got : 0;
	} while (got > 0);
	close(fd);
	text[len] = '\0';
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		at = strchr(line, ':');
		if (!at)
			continue;
		at++;
		for (int skip = 0; skip < cpu; skip++)
			strtoll(at, &at, 10);
		sum += strtoll(at, NULL, 10);
	}
	return sum;
}

static long long switches(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_THREAD, &usage))
		die("getrusage");
	return usage.ru_nivcsw;
}

/* What must not be interrupted.  There is no system call in it. */
static void critical_loop(unsigned long long cycles, unsigned long long threshold,
			  struct jumps *jumps)
{
	unsigned long long start = __rdtsc(), last = start, tsc;

	do {
		tsc = __rdtsc();
		if (tsc - last > threshold) {
			jumps->count++;
			if (tsc - last > jumps->longest)
				jumps->longest = tsc - last;
		}
		last = tsc;
	} while (tsc - start < cycles);
}

/* What comes in between: memory and files, hence page counters. */
static void other_work(void)
{
	char *mem;

	mem = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (mem == MAP_FAILED)
		die("mmap");
	memset(mem, 1, BUFFER);
	munmap(mem, BUFFER);
	/* Another task may run now, and leave the tick on behind. */
	usleep(2000);
}

/* Everything that this boot can do before user mode. */
static bool configure(void)
{
	int actions = prctl(PR_ISOL_GET, PR_ISOL_SUP_QUIESCE_CFG, 0UL, 0UL, 0UL);

	return actions > 0 &&
	       !prctl(PR_ISOL_SET, PR_ISOL_QUIESCE_CFG, (unsigned long)actions, 0UL, 0UL);
}

static void enable(unsigned long features)
{
	if (prctl(PR_ISOL_ENABLE, features, 0UL, 0UL, 0UL))
		die("PR_ISOL_ENABLE");
}

static void run(const struct options *options, struct jumps *jumps, struct losses *losses)
{
	double hertz = measure_tsc();
	int cpu = sched_getcpu();

	for (int i = 0; i < options->rounds; i++) {
		other_work();
		if (options->on)
			enable(ISOL_F_QUIESCE_ON_URET);
		losses->interrupts -= interrupt_count(cpu);
		losses->switches -= switches();
		critical_loop(options->seconds * hertz, options->threshold * hertz / 1e6, jumps);
		losses->switches += switches();
		losses->interrupts += interrupt_count(cpu);
		if (options->on)
			enable(0);
	}
	jumps->longest = jumps->longest / hertz * 1e9;
}

static const char usage[] =
	"usage: isolated-loop [-c CPU] [-m on|off] [-n ROUNDS] [-s SECONDS] [-t USEC]\n";

static void parse(int argc, char **argv, struct options *options)
{
	int c;

	while ((c = getopt(argc, argv, "c:m:n:s:t:")) != -1) {
		switch (c) {
		case 'c':
			options->cpu = atoi(optarg);
			break;
		case 'm':
			options->on = !strcmp(optarg, "on");
			break;
		case 'n':
			options->rounds = atoi(optarg);
			break;
		case 's':
			options->seconds = atof(optarg);
			break;
		case 't':
			options->threshold = atof(optarg);
			break;
		default:
			fprintf(stderr, "%s", usage);
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	struct options options = {
		.cpu = -1, .on = true, .rounds = 10, .seconds = 0.2, .threshold = 20
	};
	struct isol_breaks breaks = { 0 };
	struct losses losses = { 0 };
	struct jumps jumps = { 0 };
	cpu_set_t set;

	parse(argc, argv, &options);
	if (options.cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(options.cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			die("sched_setaffinity");
	}
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		die("mlockall");
	if (options.on && !configure())
		die("no task isolation");
	run(&options, &jumps, &losses);
	if (options.on && prctl(PR_ISOL_GET, PR_ISOL_BREAKS, &breaks, sizeof(breaks), 0UL))
		die("PR_ISOL_BREAKS");

	printf("%s %d %lld %lld %lu %.1f %llu\n", options.on ? "on" : "off", options.rounds,
	       losses.interrupts, losses.switches, jumps.count, jumps.longest / 1e3, breaks.count);
	return 0;
}
