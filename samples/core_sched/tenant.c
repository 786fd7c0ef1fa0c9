// SPDX-License-Identifier: GPL-2.0
/*
 * tenant: tasks that trust each other and nobody else.
 *
 * usage: tenant NAME TASKS MS [cookie]
 *
 * Starts TASKS processes that are called NAME and compute for about MS
 * milliseconds, or until it is killed itself, each with a rest now and then, as
 * a server has between requests.  With "cookie", they share a cookie of their
 * own: what runs beside one of them on its core is then another of them, or
 * nothing.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef PR_SCHED_CORE
#define PR_SCHED_CORE				62
#define PR_SCHED_CORE_CREATE			1
#endif
#ifndef PR_SCHED_CORE_SCOPE_THREAD_GROUP
#define PR_SCHED_CORE_SCOPE_THREAD_GROUP	1
#endif

static long milliseconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Busy for 12 to 28 ms, then away for 3 to 7: in no step with anybody. */
static void work(unsigned int seed, long end)
{
	while (milliseconds() < end) {
		long busy = milliseconds() + 12 + rand_r(&seed) % 17;
		struct timespec rest = { 0, (3 + rand_r(&seed) % 5) * 1000000L };

		while (milliseconds() < busy)
			;
		nanosleep(&rest, NULL);
	}
}

int main(int argc, char **argv)
{
	int tasks = argc > 2 ? atoi(argv[2]) : 0, failed = 0, status, i;
	long ms = argc > 3 ? atol(argv[3]) : 0;
	pid_t pid;

	if (argc < 4 || argc > 5 || tasks <= 0 || ms <= 0 ||
	    (argc == 5 && strcmp(argv[4], "cookie"))) {
		fprintf(stderr, "usage: tenant NAME TASKS MS [cookie]\n");
		return 2;
	}
	/* Whoever is started from here on inherits it. */
	if (argc == 5 && prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0,
			       PR_SCHED_CORE_SCOPE_THREAD_GROUP, 0)) {
		perror("prctl(PR_SCHED_CORE)");
		return 1;
	}
	prctl(PR_SET_NAME, argv[1]);

	for (i = 0; i < tasks; i++) {
		pid = fork();
		if (pid < 0) {
			perror("fork");
			failed = 1;
			break;
		}
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			work(getpid(), milliseconds() + ms);
			return 0;
		}
	}
	while (wait(&status) > 0)
		failed |= status != 0;

	return failed;
}
