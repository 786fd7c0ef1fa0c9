/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of task isolation share: the calls, who runs where, and what
 * can be read of others.
 */
#ifndef ISOLATION_H
#define ISOLATION_H

#include <errno.h>
#include <fcntl.h>
#include <linux/task_isolation.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define QUIESCE		ISOL_F_QUIESCE_ON_URET
#define BLOCK		ISOL_F_BLOCK_INTERRUPTORS
#define VMSTAT		ISOL_F_QUIESCE_VMSTAT_SYNC
#define NOHZ_FULL	ISOL_F_QUIESCE_NOHZ_FULL
#define DEFER		(ISOL_F_QUIESCE_DEFER_TLB_FLUSH | ISOL_F_QUIESCE_DEFER_TEXT_SYNC)

#define UNUSED		__attribute__((unused))

/* A test that waits longer than this for a condition has failed. */
#define PATIENCE	20.0

/* Seconds for tests of many steps, on kernels that are slow to debug. */
#define LONG_TEST	250

#define RETURN_IF_SKIPPED						\
do {									\
	if (_metadata->skip)						\
		return;							\
} while (0)

#define EXPECT_FAILS(error, call)					\
do {									\
	errno = 0;							\
	EXPECT_EQ(-1, call);						\
	EXPECT_EQ(error, errno);					\
} while (0)

static inline int isol_get(unsigned long what)
{
	return prctl(PR_ISOL_GET, what, 0UL, 0UL, 0UL);
}

static inline int isol_set(unsigned long what, unsigned long value)
{
	return prctl(PR_ISOL_SET, what, value, 0UL, 0UL);
}

static inline int isol_enable(unsigned long features)
{
	return prctl(PR_ISOL_ENABLE, features, 0UL, 0UL, 0UL);
}

static inline struct isol_breaks isol_breaks(void)
{
	struct isol_breaks breaks = { 0 };

	if (prctl(PR_ISOL_GET, PR_ISOL_BREAKS, &breaks, sizeof(breaks), 0UL))
		breaks.count = UINT64_MAX;
	return breaks;
}

static inline double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Wait for a condition; whether it came. */
#define WAIT_FOR(condition)						\
({									\
	double _end = now() + PATIENCE;					\
	bool _met;							\
	while (!(_met = (condition)) && now() < _end)			\
		usleep(1000);						\
	_met;								\
})

/* The same without system calls but the vDSO's. */
#define SPIN_FOR(condition)						\
({									\
	double _end = now() + PATIENCE;					\
	bool _met;							\
	while (!(_met = (condition)) && now() < _end)			\
		__builtin_ia32_pause();					\
	_met;								\
})

/* Wait until who counts @turns in user mode is there again, after whatever was done to it. */
static inline bool wait_for_turns(atomic_int *turns)
{
	int before = atomic_load(turns);

	return SPIN_FOR(atomic_load(turns) - before >= 2);
}

static inline bool run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !sched_setaffinity(0, sizeof(set), &set);
}

/* The first CPU of a list such as "1,3-5" in a file, or -1. */
static inline int first_cpu_in(const char *path)
{
	FILE *file = fopen(path, "r");
	int cpu = -1;

	if (file) {
		if (fscanf(file, "%d", &cpu) != 1)
			cpu = -1;
		fclose(file);
	}
	return cpu;
}

static inline int nohz_full_cpu(void)
{
	return first_cpu_in("/sys/devices/system/cpu/nohz_full");
}

/* What a test cannot do without, beside a kernel with task isolation. */
#define NEED_CPU	1	/* a CPU in nohz_full= */
#define NEED_ROOT	2
#define NEED_BLOCK	4	/* classes to block */

/* What is in the way, or NULL. */
static inline const char *obstacle(int needs)
{
	if (isol_get(ISOL_SUP_FEATURES) <= 0)
		return "the kernel has no task isolation";
	if ((needs & NEED_CPU) && nohz_full_cpu() < 0)
		return "no CPU is given to nohz_full=";
	if ((needs & NEED_ROOT) && geteuid())
		return "only root may do this";
	if ((needs & NEED_BLOCK) && isol_get(PR_ISOL_SUP_BLOCK_CFG) <= 0)
		return "nothing can be blocked";
	return NULL;
}

/* First in a fixture's set-up. */
#define SKIP_WITHOUT(needs)						\
do {									\
	const char *_obstacle = obstacle(needs);			\
									\
	if (_obstacle)							\
		SKIP(return, "%s", _obstacle);				\
} while (0)

static inline bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	bool good;

	if (fd < 0)
		return false;
	good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return good;
}

/* The number behind "KEY: " or "KEY " in a file, or -1. */
static inline long long value_in(const char *path, const char *key)
{
	size_t len = strlen(key);
	long long value = -1;
	char line[256];
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, len) || (line[len] != ':' && line[len] != ' '))
			continue;
		value = strtoll(line + len + 1, NULL, 0);
		break;
	}
	if (file)
		fclose(file);
	return value;
}

static inline long long isolation_of(pid_t tid, const char *key)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/isolation", tid);
	return value_in(path, key);
}

/* How often an interrupt (LOC, RES, CAL ...) came to a CPU. */
static inline long long interrupt_count(const char *name, int cpu)
{
	char line[4096], *at;
	long long count = -1;
	size_t len = strlen(name);
	FILE *file = fopen("/proc/interrupts", "r");

	while (file && count < 0 && fgets(line, sizeof(line), file)) {
		at = line + strspn(line, " ");
		if (strncmp(at, name, len) || at[len] != ':')
			continue;
		at += len + 1;
		for (int i = 0; i <= cpu; i++)
			count = strtoll(at, &at, 10);
	}
	if (file)
		fclose(file);
	return count;
}

/* Write the running program to a file, for a set-uid copy of it. */
static inline bool copy_self(const char *to)
{
	char buffer[65536];
	ssize_t got;
	int from, fd;

	from = open("/proc/self/exe", O_RDONLY);
	fd = open(to, O_WRONLY | O_CREAT | O_EXCL, 0755);
	if (from < 0 || fd < 0)
		return false;
	while ((got = read(from, buffer, sizeof(buffer))) > 0)
		if (write(fd, buffer, got) != got)
			return false;
	close(from);
	close(fd);
	return !got;
}

/* A child that does something and exits with what it returns. */
static inline pid_t start(int (*work)(void))
{
	pid_t pid = fork();

	if (!pid)
		_exit(work());
	return pid;
}

static inline int end_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

#endif /* ISOLATION_H */
