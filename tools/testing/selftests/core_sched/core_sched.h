/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of core scheduling share: finding siblings, cookies, and a
 * ring of processes that pass a token through memory.
 *
 * The ring tells who runs at the same time as whom, and trusts nothing but
 * memory. Every player spins until the token is his and hands it on. Players
 * that run at the same time do so thousands of times between two context
 * switches; players that never do, once, as only the one that is running can
 * hand it on. So rounds per context switch tell the two apart, however slow or
 * loaded the machine is.
 */
#ifndef SELFTESTS_CORE_SCHED_H
#define SELFTESTS_CORE_SCHED_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE			62
#define PR_SCHED_CORE_GET		0
#define PR_SCHED_CORE_CREATE		1
#define PR_SCHED_CORE_SHARE_TO		2
#define PR_SCHED_CORE_SHARE_FROM	3
#define PR_SCHED_CORE_MAX		4
#endif
#ifndef PR_SCHED_CORE_SCOPE_THREAD
#define PR_SCHED_CORE_SCOPE_THREAD		0
#define PR_SCHED_CORE_SCOPE_THREAD_GROUP	1
#define PR_SCHED_CORE_SCOPE_PROCESS_GROUP	2
#endif

#define CPUS_MAX	256
#define RING_MAX	8
#define RT_LIMIT	"/proc/sys/kernel/sched_rt_runtime_us"
#define SIBLINGS	"/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list"

/* 0, or -errno. */
static inline int core_prctl(int cmd, pid_t pid, int scope, unsigned long uaddr)
{
	return prctl(PR_SCHED_CORE, cmd, pid, scope, uaddr) ? -errno : 0;
}

static inline int core_create(pid_t pid)
{
	return core_prctl(PR_SCHED_CORE_CREATE, pid, 0, 0);
}

static inline int core_share_to(pid_t pid)
{
	return core_prctl(PR_SCHED_CORE_SHARE_TO, pid, 0, 0);
}

static inline int core_share_from(pid_t pid)
{
	return core_prctl(PR_SCHED_CORE_SHARE_FROM, pid, 0, 0);
}

/* The cookie's number; all ones when it cannot be read. */
static inline uint64_t core_get(pid_t pid)
{
	uint64_t cookie = ~0ULL;

	if (core_prctl(PR_SCHED_CORE_GET, pid, 0, (unsigned long)&cookie))
		return ~0ULL;

	return cookie;
}

static inline bool core_sched_missing(void)
{
	return core_get(0) == ~0ULL;
}

/* Why a test that needs @found and root cannot run here; NULL when it can. */
static inline const char *obstacle(bool found, const char *missing)
{
	if (core_sched_missing())
		return "no core scheduling, or no SMT";
	if (!found)
		return missing;

	return geteuid() ? "needs root" : NULL;
}

/* A line of a file, without its end; "" when there is none. */
static inline char *read_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "r");

	line[0] = 0;
	if (file) {
		if (!fgets(line, size, file))
			line[0] = 0;
		fclose(file);
	}
	line[strcspn(line, "\n")] = 0;

	return line;
}

static inline int write_line(const char *path, const char *line)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	int error = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, line, strlen(line)) < 0)
		error = -errno;
	close(fd);

	return error;
}

/*
 * Two siblings on one core, of the core with the highest numbers: CPU 0 can
 * often not be unplugged, and has the most other work.
 */
static inline bool find_siblings(int *a, int *b)
{
	char path[128], line[64];
	int cpu, first, second;
	bool found = false;

	for (cpu = 0; cpu < CPUS_MAX; cpu++) {
		snprintf(path, sizeof(path), SIBLINGS, cpu);
		read_line(path, line, sizeof(line));
		if (sscanf(line, "%d%*[,-]%d", &first, &second) != 2)
			continue;
		if (cpu == first) {
			*a = first;
			*b = second;
			found = true;
		}
	}

	return found;
}

static inline int pin(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(pid, sizeof(set), &set) ? -errno : 0;
}

static inline double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* CPU seconds that another process has used. */
static inline double cpu_time(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &ts))
		return -1;

	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static inline void nap(double seconds)
{
	struct timespec ts = {
		.tv_sec = seconds,
		.tv_nsec = (seconds - (long)seconds) * 1e9,
	};

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* Wait until a process has used some CPU time more; false when it does not. */
static inline bool makes_progress(pid_t pid, double seconds)
{
	double until = cpu_time(pid) + seconds;
	double end = now() + 100;

	while (now() < end) {
		if (cpu_time(pid) >= until)
			return true;
		nap(0.02);
	}

	return false;
}

/* Context switches of another process. */
static inline long switches(pid_t pid)
{
	char path[64], line[128];
	long count, sum = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "r");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &count) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %ld", &count) == 1)
			sum += count;
	}
	fclose(file);

	return sum;
}

/* A child that dies with its parent. */
static inline pid_t spawn(void)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
	}

	return pid;
}

static inline void reap(pid_t pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* A process that does nothing but run, on one CPU. */
static inline pid_t spawn_hog(int cpu)
{
	pid_t pid = spawn();

	if (!pid) {
		for (;;)
			__asm__ volatile("" ::: "memory");
	}
	if (pin(pid, cpu)) {
		reap(pid);
		return -1;
	}

	return pid;
}

/*
 * An instance of the tracer, for one event, that the program may have open at a
 * time. @filter is the event's.
 */
#define TRACER	"/sys/kernel/tracing/instances/core_sched"

static inline bool trace_begin(const char *event, const char *filter)
{
	char path[128];

	if (access(TRACER "/..", F_OK))
		mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	if (mkdir(TRACER, 0700) && errno != EEXIST)
		return false;
	snprintf(path, sizeof(path), TRACER "/events/%s/filter", event);
	if (filter && write_line(path, filter))
		return false;
	snprintf(path, sizeof(path), TRACER "/events/%s/enable", event);

	return !write_line(path, "1");
}

/* Events so far, and those of them that have @what in their line. */
static inline int trace_count(const char *event, const char *what, int *with)
{
	FILE *trace = fopen(TRACER "/trace", "r");
	char line[512];
	int all = 0;

	*with = 0;
	while (trace && fgets(line, sizeof(line), trace)) {
		if (line[0] == '#' || !strstr(line, event))
			continue;
		all++;
		if (strstr(line, what))
			++*with;
	}
	if (trace)
		fclose(trace);

	return all;
}

static inline void trace_end(void)
{
	rmdir(TRACER);
}

/* The ring. */
struct ring_memory {
	unsigned long	token;
};

struct ring {
	struct ring_memory	*memory;
	int			players;
	pid_t			player[RING_MAX];
};

static inline void ring_play(struct ring_memory *memory, int me, int players)
{
	unsigned long token;

	for (;;) {
		token = __atomic_load_n(&memory->token, __ATOMIC_ACQUIRE);
		if ((int)(token % players) == me)
			__atomic_store_n(&memory->token, token + 1,
					 __ATOMIC_RELEASE);
	}
}

/* Start players, one on each of the given CPUs (-1: not pinned). */
static inline bool ring_start(struct ring *ring, int players, const int *cpu)
{
	int i;

	memset(ring, 0, sizeof(*ring));
	ring->players = players;
	ring->memory = mmap(NULL, sizeof(*ring->memory), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ring->memory == MAP_FAILED)
		return false;

	for (i = 0; i < players; i++) {
		ring->player[i] = spawn();
		if (!ring->player[i])
			ring_play(ring->memory, i, players);
		if (ring->player[i] < 0)
			return false;
		if (cpu[i] >= 0 && pin(ring->player[i], cpu[i]))
			return false;
	}

	return true;
}

static inline void ring_stop(struct ring *ring)
{
	int i;

	for (i = 0; i < ring->players; i++)
		reap(ring->player[i]);
	if (ring->memory)
		munmap(ring->memory, sizeof(*ring->memory));
	ring->memory = NULL;
}

static inline long ring_switches(struct ring *ring)
{
	long sum = 0;
	int i;

	for (i = 0; i < ring->players; i++)
		sum += switches(ring->player[i]);

	return sum;
}

struct ring_count {
	unsigned long	rounds;
	unsigned long	switches;
};

/*
 * Whoever may not run beside the others hands the token on once for every
 * time that it is switched in, and for as long as a reschedule interrupt is
 * under way. Whoever may, does so all the time.
 */
#define ROUNDS_APART	100	/* a switch, at most */
#define ROUNDS_TOGETHER	1000	/* a switch, at least */
#define SWITCHES	40	/* to see before saying that they are apart */
#define ROUNDS_HOPELESS	(100 * SWITCHES * ROUNDS_APART)
#define PATIENCE	100	/* s, for a machine that has other work */

static inline struct ring_count ring_start_count(struct ring *ring)
{
	struct ring_count count;

	count.switches = ring_switches(ring);
	count.rounds = __atomic_load_n(&ring->memory->token, __ATOMIC_ACQUIRE);

	return count;
}

static inline struct ring_count ring_since(struct ring *ring,
					   struct ring_count start)
{
	struct ring_count count;

	count.rounds = __atomic_load_n(&ring->memory->token, __ATOMIC_ACQUIRE) -
		       start.rounds;
	count.switches = ring_switches(ring) - start.switches;

	return count;
}

/* Let the ring run until there is enough to judge by, and judge. */
static inline bool ring_apart(struct ring *ring, struct ring_count *count)
{
	struct ring_count start = ring_start_count(ring);
	double end = now() + PATIENCE;

	do {
		nap(0.1);
		*count = ring_since(ring, start);
	} while (count->switches < SWITCHES &&
		 count->rounds < ROUNDS_HOPELESS && now() < end);

	return count->switches >= SWITCHES && count->rounds > 0 &&
	       count->rounds <= ROUNDS_APART * count->switches;
}

/* Let the ring run until there can be no doubt. */
static inline bool ring_together(struct ring *ring, struct ring_count *count)
{
	struct ring_count start = ring_start_count(ring);
	double end = now() + PATIENCE;

	do {
		nap(0.1);
		*count = ring_since(ring, start);
		if (count->rounds >= ROUNDS_TOGETHER * (count->switches + 1))
			return true;
		/* Begin anew: what was may have been the machine's doing. */
		if (count->switches > SWITCHES)
			start = ring_start_count(ring);
	} while (now() < end);

	return false;
}

#endif /* SELFTESTS_CORE_SCHED_H */
