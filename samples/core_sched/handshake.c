// SPDX-License-Identifier: GPL-2.0
/*
 * handshake: see whether two tasks run on one core at the same time.
 *
 * usage: handshake CPU CPU [SECONDS]
 *
 * Two tasks, one on each CPU, hand a token back and forth through memory: each
 * spins until it has the token, and gives it back.  Tasks that run at the same
 * time do so millions of times a second.  Of tasks that never do, only the one
 * that is running can hand it on, once: a handshake for each time that a task
 * is switched in.  So handshakes per context switch tell the two apart on any
 * machine, however slow.
 *
 * On the siblings of one core it is core scheduling that decides.  The tasks
 * have no cookie first, then each its own, then both the same.  Exits with 1
 * when one of these does not show what it should, with 4 when the kernel or
 * the machine cannot do core scheduling, with 2 when called in another way.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE			62
#define PR_SCHED_CORE_GET		0
#define PR_SCHED_CORE_CREATE		1
#define PR_SCHED_CORE_SHARE_TO		2
#define PR_SCHED_CORE_SHARE_FROM	3
#endif
#ifndef PR_SCHED_CORE_SCOPE_THREAD
#define PR_SCHED_CORE_SCOPE_THREAD	0
#endif

/*
 * Handshakes per context switch: tasks that are kept apart do less than one,
 * and some more while an interrupt is under way; the others, any number.
 */
#define TOGETHER	100
/* Before it is said that they are apart, so many switches have to be seen. */
#define SWITCHES	40
/* Seconds after which a busy machine has shown nothing. */
#define PATIENCE	60

struct sight {
	double		seconds;
	unsigned long	handshakes;
	long		switches;
};

static unsigned long *token;
static pid_t player[2];

static void fatal(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static pid_t play(int me, int cpu)
{
	cpu_set_t set;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		fatal("fork");
	if (pid)
		return pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fatal("sched_setaffinity");
	for (;;) {
		unsigned long mine = __atomic_load_n(token, __ATOMIC_ACQUIRE);

		if (mine % 2 == (unsigned long)me)
			__atomic_store_n(token, mine + 1, __ATOMIC_RELEASE);
	}
}

/* How often a task was switched out, with and without its will. */
static long switches(pid_t pid)
{
	char path[64], line[256];
	long sum = 0, number;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "r");
	if (!file)
		fatal(path);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &number) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %ld", &number) == 1)
			sum += number;
	fclose(file);

	return sum;
}

static struct sight look(void)
{
	struct sight sight;

	sight.seconds = now();
	sight.switches = switches(player[0]) + switches(player[1]);
	sight.handshakes = __atomic_load_n(token, __ATOMIC_ACQUIRE) / 2;

	return sight;
}

static bool apart(const struct sight *seen)
{
	return seen->switches >= SWITCHES &&
	       seen->handshakes < TOGETHER * (unsigned long)seen->switches;
}

static bool together(const struct sight *seen)
{
	return seen->handshakes >= TOGETHER * (unsigned long)(seen->switches + 1);
}

/*
 * Look for at least @seconds, and on until it is clear. A stretch that shows
 * nothing is the doing of what else runs on the machine: begin anew.
 */
static bool show(const char *what, double seconds, bool expect_apart)
{
	double end = now() + PATIENCE;
	struct sight start, seen;
	bool clear;

	do {
		start = look();
		do {
			struct timespec nap = { 0, 50000000 };

			nanosleep(&nap, NULL);
			seen = look();
			seen.seconds -= start.seconds;
			seen.switches -= start.switches;
			seen.handshakes -= start.handshakes;
			clear = expect_apart ? apart(&seen) : together(&seen);
		} while (seen.seconds < seconds ||
			 (!clear && seen.switches < SWITCHES && now() < end));
	} while (!clear && now() < end);

	printf("  %-24s %12.0f %12.0f %14.1f   %s\n", what,
	       seen.handshakes / seen.seconds, seen.switches / seen.seconds,
	       (double)seen.handshakes / (seen.switches ? seen.switches : 1),
	       !clear ? "NOT AS IT SHOULD BE" :
	       expect_apart ? "never at once" : "at the same time");
	fflush(stdout);

	return clear;
}

static void core_sched(int command, pid_t pid)
{
	if (prctl(PR_SCHED_CORE, command, pid, PR_SCHED_CORE_SCOPE_THREAD, 0))
		fatal("prctl(PR_SCHED_CORE)");
}

int main(int argc, char **argv)
{
	double seconds = argc > 3 ? atof(argv[3]) : 1;
	unsigned long long cookie;
	bool good = true;
	int i;

	if (argc < 3 || argc > 4 || seconds <= 0) {
		fprintf(stderr, "usage: handshake CPU CPU [SECONDS]\n");
		return 2;
	}
	if (prctl(PR_SCHED_CORE, PR_SCHED_CORE_GET, 0,
		  PR_SCHED_CORE_SCOPE_THREAD, &cookie)) {
		fprintf(stderr, "no core scheduling here: %s\n", strerror(errno));
		return 4;
	}
	token = mmap(NULL, sizeof(*token), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (token == MAP_FAILED)
		fatal("mmap");
	for (i = 0; i < 2; i++)
		player[i] = play(i, atoi(argv[i + 1]));

	printf("  %-24s %12s %12s %14s\n", "", "handshakes/s", "switches/s",
	       "per switch");
	good &= show("no cookie", seconds, false);
	for (i = 0; i < 2; i++)
		core_sched(PR_SCHED_CORE_CREATE, player[i]);
	good &= show("a cookie for each", seconds, true);
	core_sched(PR_SCHED_CORE_SHARE_FROM, player[0]);
	core_sched(PR_SCHED_CORE_SHARE_TO, player[1]);
	good &= show("one cookie for both", seconds, false);

	for (i = 0; i < 2; i++)
		kill(player[i], SIGKILL);
	while (wait(NULL) > 0)
		;

	return good ? 0 : 1;
}
