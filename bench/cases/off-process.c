// SPDX-License-Identifier: GPL-2.0
/*
 * VM: icount smp=4
 *
 * fork, exec and exit of a process, and of a thread, on one CPU, while nothing of ours is used; instructions
 * for one, from before it is made until after it was waited for.
 *
 * Fair: what is executed is this very program, statically linked and in memory (a memfd), so that
 * neither a dynamic linker nor the VM's file system has a part in it.
 */
#include "../bench.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

static int self(void)
{
	int from = open("/proc/self/exe", O_RDONLY), to = memfd_create("self", MFD_CLOEXEC);
	struct stat about;

	CHECK(from >= 0 && to >= 0 && !fstat(from, &about));
	while (about.st_size > 0) {
		ssize_t sent = sendfile(to, from, NULL, about.st_size);

		CHECK(sent > 0);
		about.st_size -= sent;
	}
	close(from);
	return to;
}

static void *nothing(void *unused)
{
	return unused;
}

int main(int argc, char **argv)
{
	char *again[] = { argv[0], "again", NULL }, *empty[] = { NULL };
	long i, times = often(200);
	struct span start;
	pthread_t thread;
	int program;
	pid_t pid;

	if (argc > 1)
		_exit(0);
	pin(quiet_cpu());
	program = self();
	for (i = 0; i < times + 5; i++) {
		if (i == 5)
			start = span_begin();
		pid = fork();
		CHECK(pid >= 0);
		if (!pid) {
			fexecve(program, again, empty);
			_exit(1);
		}
		reap(pid);
	}
	span_row(start, "fork+exec+exit", "off", NO_SIZE, times);
	for (i = 0; i < times + 5; i++) {
		if (i == 5)
			start = span_begin();
		pid = fork();
		CHECK(pid >= 0);
		if (!pid)
			_exit(0);
		reap(pid);
	}
	span_row(start, "fork+exit", "off", NO_SIZE, times);
	for (i = 0; i < 2 * times + 5; i++) {
		if (i == 5)
			start = span_begin();
		CHECK(!pthread_create(&thread, NULL, nothing, NULL) && !pthread_join(thread, NULL));
	}
	span_row(start, "thread", "off", NO_SIZE, 2 * times);
	return 0;
}
