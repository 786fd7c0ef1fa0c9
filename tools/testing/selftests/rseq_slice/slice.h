/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the rseq time slice extension share: areas of their own,
 * preemption on demand, and the kernel's counters.
 */
#ifndef SLICE_H
#define SLICE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/rseq.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "../../../include/rseq_slice.h"

#define SIG		0x53053053
#define LEN_OLD		32
#define LEN_NEW		33
#define ENOTSUPP	524
#define FLAG_OFF	1		/* RSEQ_FLAG_UNREGISTER */
#define FLAG_ON		2		/* RSEQ_FLAG_SLICE_EXT_DEFAULT_ON */

#define NSEC_FILE	"/proc/sys/kernel/rseq_slice_extension_nsec"

#define ARRAY_LEN(array)	(sizeof(array) / sizeof((array)[0]))

static inline long sys_rseq(void *area, unsigned int len, int flags, unsigned int sig)
{
	return syscall(__NR_rseq, area, len, flags, sig);
}

static inline long slice_yield(void)
{
	return syscall(__NR_rseq_slice_yield);
}

static inline int slice_prctl(unsigned long cmd, unsigned long arg)
{
	return prctl(PR_RSEQ_SLICE_EXTENSION, cmd, arg, 0, 0);
}

static inline int slice_set(int on)
{
	return slice_prctl(PR_RSEQ_SLICE_EXTENSION_SET, on);
}

static inline int slice_get(void)
{
	return slice_prctl(PR_RSEQ_SLICE_EXTENSION_GET, 0);
}

/* libc registers an area for each thread; the tests want their own. */
static inline void drop_libc_area(void)
{
	static const unsigned int lengths[] = { 32, 33, 64 };
	void *area = rseq_slice_area();

	for (unsigned int i = 0; area && i < ARRAY_LEN(lengths); i++)
		sys_rseq(area, lengths[i], FLAG_OFF, SIG);
}

/* A page for the area, so that tests can do to it what they like. */
static inline struct rseq_slice_area *new_area(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT | MAP_POPULATE, -1, 0);

	return page == MAP_FAILED ? NULL : page;
}

/* This thread's own area, registered and enabled; NULL when that fails. */
static inline struct rseq_slice_area *enabled_area(unsigned int len)
{
	struct rseq_slice_area *area = new_area();

	drop_libc_area();
	if (!area || sys_rseq(area, len, 0, SIG) || slice_set(1))
		return NULL;
	return area;
}

static inline bool kernel_has_slices(void)
{
	return slice_get() >= 0;
}

/* The kernel's command line has this word; the rest of it behind a "=". */
static inline const char *boot_word(const char *word)
{
	static char line[4096];
	FILE *file = fopen("/proc/cmdline", "r");
	char *found;

	line[0] = 0;
	if (file) {
		if (!fgets(line, sizeof(line), file))
			line[0] = 0;
		fclose(file);
	}
	for (found = strtok(line, " \n"); found; found = strtok(NULL, " \n"))
		if (!strncmp(found, word, strlen(word)))
			return found + strlen(word);
	return NULL;
}

static inline bool booted_with(const char *word)
{
	const char *rest = boot_word(word);

	return rest && !*rest;
}

/* Which registrations does rseq_slice_ext= offer the extension to? */
static inline const char *offered(void)
{
	const char *mode = boot_word("rseq_slice_ext=");

	if (!mode)
		return "on";
	if (!strcmp(mode, "0") || !strcmp(mode, "off") || !strcmp(mode, "n"))
		return "off";
	return strcmp(mode, "legacy") ? "on" : "legacy";
}

static inline long read_long(const char *path)
{
	FILE *file = fopen(path, "r");
	long value = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%ld", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

static inline int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* A line "name: value" of a file; -1 when there is none. */
static inline long counter_in(const char *path, const char *name)
{
	size_t len = strlen(name);
	char line[128];
	long value = -1;
	FILE *file = fopen(path, "r");

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, len) && line[len] == ':')
			value = atol(line + len + 1);
	fclose(file);
	return value;
}

static inline long counter(const char *name)
{
	return counter_in("/proc/thread-self/rseq_slice", name);
}

/* How many grants of this thread are over. */
static inline long ends(void)
{
	return counter("yielded") + counter("aborted") + counter("expired") +
	       counter("revoked") + counter("switched") + counter("dropped");
}

/* For the log of a test that failed. */
static inline void show_counters(void)
{
	static const char * const paths[] = {
		"/proc/thread-self/rseq_slice", "/sys/kernel/debug/rseq/stats",
	};
	char line[128];

	for (int i = 0; i < 2; i++) {
		FILE *file = fopen(paths[i], "r");

		while (file && fgets(line, sizeof(line), file))
			if (!strstr(line, " 0\n"))
				fprintf(stderr, "# %s", line);
		if (file)
			fclose(file);
	}
}

static inline long stat_counter(const char *name)
{
	return counter_in("/sys/kernel/debug/rseq/stats", name);
}

/*
 * How long to wait for what should happen soon.  Slow machines need patience,
 * kernels that are broken do not deserve it: when a test has failed, the tests
 * behind it wait less.  They run in processes of their own, hence the page.
 */
struct patience {
	bool	testing, failed;
};

static struct patience *patience_page;

static inline __attribute__((constructor)) void patience_init(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	patience_page = page == MAP_FAILED ? NULL : page;
}

/* The test before this one did not come to its end, or ended badly? */
static inline void patience_begin(void)
{
	if (!patience_page)
		return;
	patience_page->failed |= patience_page->testing;
	patience_page->testing = true;
}

static inline void patience_end(bool passed)
{
	if (patience_page && passed)
		patience_page->testing = false;
}

static inline double patience(double seconds)
{
	return patience_page && patience_page->failed ? seconds / 10 : seconds;
}

static inline int pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static inline double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/*
 * A thread that keeps waking up on this CPU, so that whoever computes there is
 * to be preempted all the time.
 */
struct noise {
	pthread_t	thread;
	int		cpu;
	int		policy;
	volatile bool	stop;
	volatile long	wakeups;
};

static inline void *noise_main(void *arg)
{
	struct sched_param param = { .sched_priority = 1 };
	struct timespec nap = { .tv_nsec = 50000 };
	struct noise *noise = arg;

	pin(noise->cpu);
	/* Real-time noise must leave others time to run, on slow machines too. */
	if (noise->policy != SCHED_OTHER) {
		sched_setscheduler(0, noise->policy, &param);
		nap.tv_nsec = 2000000;
	}
	while (!noise->stop) {
		nanosleep(&nap, NULL);
		noise->wakeups++;
	}
	return NULL;
}

static inline int noise_start(struct noise *noise, int cpu, int policy)
{
	noise->cpu = cpu;
	noise->policy = policy;
	noise->stop = false;
	noise->wakeups = 0;
	return pthread_create(&noise->thread, NULL, noise_main, noise);
}

static inline void noise_stop(struct noise *noise)
{
	noise->stop = true;
	pthread_join(noise->thread, NULL);
}

/*
 * Ask, and compute until the kernel answers.  Returns whether this thread now
 * runs under a grant.  No system call is made: that would end it.
 */
static inline bool ask(struct rseq_slice_area *area)
{
	area->request = 1;
	for (long i = 0; i < 3000000 && area->request; i++)
		rseq_slice_barrier();
	area->request = 0;
	rseq_slice_barrier();
	return area->granted;
}

/* Ask until there is a grant, for so many seconds at most. */
static inline bool ask_for(struct rseq_slice_area *area, double seconds)
{
	double end = now() + seconds;

	do {
		if (ask(area))
			return true;
	} while (now() < end);

	return false;
}

/* A fixture that skips does not keep its tests from running. */
#define RETURN_IF_SKIPPED						\
do {									\
	if (_metadata->skip)						\
		return;							\
} while (0)

/* Run a child and return its wait status. */
#define in_child(code)							\
({									\
	int status_ = -1;						\
	pid_t pid_ = fork();						\
	if (!pid_) {							\
		code;							\
		_exit(0);						\
	}								\
	if (pid_ > 0)							\
		waitpid(pid_, &status_, 0);				\
	status_;							\
})

#endif /* SLICE_H */
