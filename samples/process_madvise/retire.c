// SPDX-License-Identifier: GPL-2.0
/*
 * retire: what a cookie is good for.
 *
 * usage: retire MIB
 *
 * A worker, a process of its own, retires a span of memory: it makes it
 * inaccessible and does not need its content any more. A manager, this process,
 * gives the memory back to the system with MADV_DONTNEED, which destroys what is
 * in it. Between the manager's look and its advice the worker may have taken the
 * span into use again: that is what the cookie is for.
 *
 * Exits with 1 if a store of the worker is lost, or memory is not given back.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../include/uapi/linux/process_madvise.h"

#ifndef __NR_pidfd_open
#define __NR_pidfd_open		434
#endif
#ifndef __NR_process_madvise
#define __NR_process_madvise	440
#endif

static size_t length;
static char *span;
static pid_t worker;
static int worker_fd, line;

static void fatal(const char *what)
{
	perror(what);
	exit(1);
}

/*
 * The worker
 */

static void fill(char with)
{
	if (mprotect(span, length, PROT_READ | PROT_WRITE))
		fatal("mprotect");
	memset(span, with, length);
}

static size_t count(char of)
{
	size_t i, found = 0;

	for (i = 0; i < length; i++)
		found += span[i] == of;
	return found;
}

/* An order is a letter: r(etire), u(se again), c(ount what was stored then). */
static void work(int orders)
{
	size_t answer = 0;
	char order;

	while (read(orders, &order, 1) == 1) {
		if (order == 'r' && mprotect(span, length, PROT_NONE))
			fatal("mprotect");
		if (order == 'u')
			fill('b');
		if (order == 'c')
			answer = count('b');
		if (write(orders, &answer, sizeof(answer)) < 0)
			break;
	}
	_exit(0);
}

static size_t tell(char order)
{
	size_t answer;

	if (write(line, &order, 1) != 1 ||
	    read(line, &answer, sizeof(answer)) != sizeof(answer))
		fatal("the worker is gone");
	return answer;
}

static void start_worker(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		fatal("socketpair");
	span = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (span == MAP_FAILED)
		fatal("mmap");
	worker = fork();
	if (worker < 0)
		fatal("fork");
	if (!worker) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fill('a');
		work(pair[1]);
	}
	line = pair[0];
	worker_fd = syscall(__NR_pidfd_open, worker, 0);
	if (worker_fd < 0)
		fatal("pidfd_open");
}

/*
 * The manager
 */

static long resident_mib(void)
{
	char path[64];
	long pages = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", worker);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%*d %ld", &pages) != 1)
		fatal(path);
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE) >> 20;
}

static void take_cookie(struct pmadv_cookie *cookie)
{
	if (syscall(__NR_process_madvise, worker_fd, NULL, 0, 0, PMADV_GET_COOKIE, cookie))
		fatal("process_madvise(PMADV_GET_COOKIE)");
}

static long discard(struct pmadv_cookie *cookie)
{
	struct iovec range = { span, length };

	return syscall(__NR_process_madvise, worker_fd, &range, 1, MADV_DONTNEED,
		       PMADV_COOKIE, cookie);
}

static void show(const char *what, const char *result)
{
	printf("  %-52s %-28s %4ld MiB\n", what, result, resident_mib());
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct pmadv_cookie cookie;
	char text[64];
	long ret;

	if (argc != 2 || atol(argv[1]) <= 0) {
		fprintf(stderr, "usage: retire MIB\n");
		return 2;
	}
	length = strtoul(argv[1], NULL, 10) << 20;
	start_worker();

	tell('r');
	take_cookie(&cookie);
	show("the worker retires its memory; the manager looks", "takes a cookie");
	tell('u');
	show("the worker takes it into use again", "");
	ret = discard(&cookie);
	show("the manager, late: MADV_DONTNEED with its cookie",
	     ret >= 0 ? "done" : errno == ESTALE ? "refused: ESTALE" : strerror(errno));
	if (ret >= 0 || errno != ESTALE)
		return 1;
	snprintf(text, sizeof(text), "%zu of %zu MiB intact", tell('c') >> 20, length >> 20);
	show("the worker reads what it has stored", text);
	if (tell('c') != length)
		return 1;

	tell('r');
	take_cookie(&cookie);
	show("the worker retires it; the manager looks again", "takes a cookie");
	ret = discard(&cookie);
	snprintf(text, sizeof(text), "%ld MiB given back", ret >> 20);
	show("the manager, in time: MADV_DONTNEED", ret < 0 ? strerror(errno) : text);
	return ret != (long)length;
}
