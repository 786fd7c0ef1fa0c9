// SPDX-License-Identifier: GPL-2.0
/*
 * reclaim: page out the anonymous memory of another process.
 *
 * usage: reclaim PID
 *
 * What a memory daemon does, at its smallest: name the process by a pidfd, so
 * that a reused PID cannot be hit; read its mappings; hand ranges of them to
 * process_madvise(2) in vectors.  Needs CAP_SYS_NICE and the right to read the
 * process (PTRACE_MODE_READ).
 *
 * A call returns the bytes that it advised.  Fewer than asked for means that
 * the next iovec failed: its mapping changed since we read it, so it is left
 * out and the rest is tried again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT		21
#endif
#ifndef __NR_pidfd_open
#define __NR_pidfd_open		434
#endif
#ifndef __NR_process_madvise
#define __NR_process_madvise	440
#endif

/* One range is at most this long, so that no call holds the target up for long. */
#define RANGE_BYTES	(2UL << 20)
#define VECTOR		64

struct tally {
	unsigned long calls;
	unsigned long bytes;
	unsigned long refused;
};

static void fatal(const char *what)
{
	perror(what);
	exit(1);
}

/* A "Key:  N kB" line of /proc/PID/status, in KiB; 0 if there is none. */
static long status_kib(const char *pid, const char *key)
{
	char path[64], line[256];
	long kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	file = fopen(path, "r");
	if (!file)
		fatal(path);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			kib = strtol(line + strlen(key) + 1, NULL, 10);
	fclose(file);
	return kib;
}

static void show(const char *pid, const char *when)
{
	printf("  %-24s %6ld MiB %6ld MiB\n", when,
	       status_kib(pid, "VmRSS") >> 10, status_kib(pid, "VmSwap") >> 10);
	fflush(stdout);
}

/* Advise a vector; step over the ranges that fail. */
static void advise(int pidfd, struct iovec *vec, size_t count, struct tally *tally)
{
	while (count) {
		long done = syscall(__NR_process_madvise, pidfd, vec, count, MADV_PAGEOUT, 0);

		tally->calls++;
		if (done < 0 && errno != EINVAL && errno != ENOMEM && errno != EAGAIN)
			fatal("process_madvise");
		if (done > 0)
			tally->bytes += done;
		while (count && done >= (long)vec->iov_len) {
			done -= vec->iov_len;
			vec++;
			count--;
		}
		if (count) {
			tally->refused++;
			vec++;
			count--;
		}
	}
}

/* Private, writable, without a file behind it: what swap can take. */
static int is_anonymous(const char *perms, unsigned long inode)
{
	return perms[1] == 'w' && perms[3] == 'p' && inode == 0;
}

static void reclaim(const char *pid, int pidfd, struct tally *tally)
{
	unsigned long start, end, inode;
	struct iovec vec[VECTOR];
	char line[512], perms[5];
	size_t count = 0;
	FILE *maps;

	snprintf(line, sizeof(line), "/proc/%s/maps", pid);
	maps = fopen(line, "r");
	if (!maps)
		fatal(line);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %4s %*x %*s %lu", &start, &end, perms, &inode) != 4)
			continue;
		if (!is_anonymous(perms, inode))
			continue;
		for (; start < end; start += vec[count - 1].iov_len) {
			if (count == VECTOR) {
				advise(pidfd, vec, count, tally);
				count = 0;
			}
			vec[count].iov_base = (void *)start;
			vec[count].iov_len = end - start < RANGE_BYTES ? end - start : RANGE_BYTES;
			count++;
		}
	}
	fclose(maps);
	advise(pidfd, vec, count, tally);
}

int main(int argc, char **argv)
{
	struct timespec begin, now;
	struct tally tally = {};
	double seconds;
	int pidfd;

	if (argc != 2) {
		fprintf(stderr, "usage: reclaim PID\n");
		return 2;
	}
	pidfd = syscall(__NR_pidfd_open, atoi(argv[1]), 0);
	if (pidfd < 0)
		fatal("pidfd_open");

	printf("  %-24s %10s %10s\n", "", "in memory", "in swap");
	show(argv[1], "before");
	clock_gettime(CLOCK_MONOTONIC, &begin);
	reclaim(argv[1], pidfd, &tally);
	clock_gettime(CLOCK_MONOTONIC, &now);
	show(argv[1], "after");

	seconds = (now.tv_sec - begin.tv_sec) + (now.tv_nsec - begin.tv_nsec) / 1e9;
	printf("  advised %lu MiB in %lu calls and %.2f s: %.0f MiB/s",
	       tally.bytes >> 20, tally.calls, seconds, (tally.bytes >> 20) / seconds);
	if (tally.refused)
		printf("; %lu ranges refused (locked, special or gone)", tally.refused);
	printf("\n");
	return tally.bytes ? 0 : 1;
}
