// SPDX-License-Identifier: GPL-2.0
/*
 * VM: icount smp=4
 * VM: multi smp=4
 *
 * hackbench's load, small: SIZE senders write to each of as many receivers over socket pairs, on
 * all CPUs, as processes and as threads; instructions of all CPUs for a message, from the moment at
 * which all may go until the last is gone.  Nothing of ours is used.
 *
 * Fair: the same messages for every kernel; the number of switches for a message is the scheduler's
 * doing and part of what is measured.
 */
#include "../bench.h"
#include <pthread.h>
#include <sys/socket.h>

#define MESSAGE		100

static long fan, loops;
static int pairs[64][2], go[2], ready[2];

static void wait_for_all(void)
{
	char byte = 0;

	CHECK(write(ready[1], &byte, 1) == 1 && read(go[0], &byte, 1) == 1);
}

static void *send_all(void *unused)
{
	char message[MESSAGE] = "";
	long i, to;

	wait_for_all();
	for (i = 0; i < loops; i++)
		for (to = 0; to < fan; to++)
			CHECK(write(pairs[to][1], message, MESSAGE) == MESSAGE);
	return unused;
}

static void *receive_all(void *pair)
{
	long left = fan * loops * MESSAGE;
	char message[MESSAGE];

	wait_for_all();
	while (left > 0) {
		ssize_t got = read(*(int *)pair, message, MESSAGE);

		CHECK(got > 0);
		left -= got;
	}
	return NULL;
}

static void hackbench(const char *mode, bool threads, long size)
{
	pthread_t thread[128];
	struct span start;
	char bytes[128];
	pid_t pid[128];
	long i;

	fan = size;
	loops = often(400) / size + 1;
	CHECK(!pipe(go) && !pipe(ready));
	for (i = 0; i < fan; i++)
		CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]));
	for (i = 0; i < 2 * fan; i++) {
		void *(*work)(void *) = i < fan ? receive_all : send_all;
		void *pair = i < fan ? pairs[i] : NULL;

		if (threads) {
			CHECK(!pthread_create(&thread[i], NULL, work, pair));
			continue;
		}
		pid[i] = child();
		if (!pid[i]) {
			work(pair);
			_exit(0);
		}
	}
	for (i = 0; i < 2 * fan; i++)
		CHECK(read(ready[0], bytes, 1) == 1);
	start = span_begin();
	CHECK(write(go[1], bytes, 2 * fan) == 2 * fan);
	for (i = 0; i < 2 * fan; i++) {
		if (threads)
			CHECK(!pthread_join(thread[i], NULL));
		else
			reap(pid[i]);
	}
	span_row(start, "message", mode, size, fan * fan * loops);
	for (i = 0; i < fan; i++) {
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
	for (i = 0; i < 2; i++) {
		close(go[i]);
		close(ready[i]);
	}
}

int main(void)
{
	hackbench("processes", false, 5);
	hackbench("processes", false, 10);
	hackbench("threads", true, 5);
	hackbench("threads", true, 10);
	return 0;
}
