// SPDX-License-Identifier: GPL-2.0
/*
 * Who has a cookie without having asked: children, threads and programs.
 *
 * Mutations: fork-keeps-nothing (fork). Hooks: task-life
 * (nothing_from_a_parent_without), proc (exec), vhost (vhost_worker).
 */
#include "core_sched.h"

#include <linux/vhost.h>
#include <pthread.h>
#include <sys/ioctl.h>

#include <kselftest_harness.h>

FIXTURE(inherit) {
	uint64_t cookie;
};

FIXTURE_SETUP(inherit)
{
	if (core_sched_missing())
		SKIP(return, "no core scheduling, or no SMT");

	ASSERT_EQ(0, core_create(0));
	self->cookie = core_get(0);
	ASSERT_NE(0, self->cookie);
}

FIXTURE_TEARDOWN(inherit)
{
}

/* A child that has stopped in front of its first instruction of interest. */
static pid_t stopped_child(void)
{
	pid_t pid = spawn();

	if (!pid) {
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, NULL, WUNTRACED);

	return pid;
}

TEST_F_TIMEOUT(inherit, fork, 300)
{
	pid_t pid = stopped_child();

	EXPECT_EQ(self->cookie, core_get(pid));
	reap(pid);
}

TEST_F_TIMEOUT(inherit, nothing_from_a_parent_without, 300)
{
	pid_t pid, other = stopped_child();

	EXPECT_EQ(0, core_create(0));
	EXPECT_EQ(self->cookie, core_get(other));

	/* The way to have none: take it from somebody who has none. */
	EXPECT_EQ(0, core_share_from(1));
	if (core_get(1))
		SKIP(goto out, "process 1 has a cookie");
	EXPECT_EQ(0, core_get(0));
	pid = stopped_child();
	EXPECT_EQ(0, core_get(pid));
	reap(pid);
out:
	reap(other);
}

TEST_F_TIMEOUT(inherit, the_forking_thread_counts, 300)
{
	pid_t pid;
	int status;

	/* A child with a cookie of its own, and its child. */
	pid = spawn();
	if (!pid) {
		pid_t grandchild;

		if (core_create(0))
			_exit(1);
		grandchild = stopped_child();
		if (core_get(grandchild) != core_get(0))
			_exit(2);
		if (core_get(grandchild) == core_get(getppid()))
			_exit(3);
		reap(grandchild);
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

static void *get_cookie(void *cookie)
{
	*(uint64_t *)cookie = core_get(0);
	return NULL;
}

TEST_F_TIMEOUT(inherit, threads, 300)
{
	pthread_t thread;
	uint64_t cookie;

	ASSERT_EQ(0, pthread_create(&thread, NULL, get_cookie, &cookie));
	pthread_join(thread, NULL);
	EXPECT_EQ(self->cookie, cookie);
}

TEST_F_TIMEOUT(inherit, exec, 300)
{
	char shown[64] = "", want[64];
	int pipes[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(pipes));
	pid = spawn();
	if (!pid) {
		dup2(pipes[1], 1);
		execlp("cat", "cat", "/proc/self/core_cookie", NULL);
		_exit(1);
	}
	close(pipes[1]);
	EXPECT_GT(read(pipes[0], shown, sizeof(shown) - 1), 0);
	snprintf(want, sizeof(want), "%llu\n", (unsigned long long)self->cookie);
	EXPECT_STREQ(want, shown);
	waitpid(pid, NULL, 0);
}

/* A dead child keeps its cookie until it is reaped, and nobody minds. */
TEST_F_TIMEOUT(inherit, zombie, 300)
{
	siginfo_t info;
	pid_t pid = spawn();

	if (!pid)
		_exit(0);
	ASSERT_EQ(0, waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(self->cookie, core_get(pid));
	EXPECT_EQ(0, core_share_from(pid));
	waitpid(pid, NULL, 0);
	EXPECT_EQ(-ESRCH, core_share_from(pid));
	EXPECT_EQ(self->cookie, core_get(0));
}

/* The number of the kernel thread that vhost has made for a process. */
static pid_t find_vhost_worker(pid_t owner)
{
	char path[64], line[64], want[64];
	pid_t pid;

	snprintf(want, sizeof(want), "vhost-%d", owner);
	for (pid = owner + 1; pid < owner + 4096; pid++) {
		snprintf(path, sizeof(path), "/proc/%d/comm", pid);
		if (!strcmp(read_line(path, line, sizeof(line)), want))
			return pid;
	}

	return 0;
}

TEST_F_TIMEOUT(inherit, vhost_worker, 300)
{
	int fd = open("/dev/vhost-net", O_RDWR);
	pid_t worker;

	if (fd < 0)
		SKIP(return, "no /dev/vhost-net");
	ASSERT_EQ(0, ioctl(fd, VHOST_SET_OWNER));
	worker = find_vhost_worker(getpid());
	ASSERT_GT(worker, 0);
	EXPECT_EQ(self->cookie, core_get(worker));
	close(fd);
}

TEST_HARNESS_MAIN
