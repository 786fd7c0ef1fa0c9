// SPDX-License-Identifier: GPL-2.0
/*
 * prctl(PR_SCHED_CORE): arguments, errors and their order, scopes, and
 * /proc/PID/core_cookie.
 */
#include "core_sched.h"

#include <pthread.h>

#include <kselftest_harness.h>

#define THREAD	PR_SCHED_CORE_SCOPE_THREAD
#define GROUP	PR_SCHED_CORE_SCOPE_THREAD_GROUP
#define PGRP	PR_SCHED_CORE_SCOPE_PROCESS_GROUP
#define GET	PR_SCHED_CORE_GET
#define CREATE	PR_SCHED_CORE_CREATE
#define TO	PR_SCHED_CORE_SHARE_TO
#define FROM	PR_SCHED_CORE_SHARE_FROM

/* A pid that nobody has: beyond the largest. */
#define NOBODY	0x7fffffff

FIXTURE(core) {
	pid_t child;
};

FIXTURE_SETUP(core)
{
	if (core_sched_missing())
		SKIP(return, "no core scheduling, or no SMT");

	self->child = spawn();
	if (!self->child) {
		for (;;)
			pause();
	}
	ASSERT_GT(self->child, 0);
}

FIXTURE_TEARDOWN(core)
{
	reap(self->child);
}

TEST_F_TIMEOUT(core, unknown_arguments, 300)
{
	uint64_t cookie;
	unsigned long at = (unsigned long)&cookie;

	EXPECT_EQ(-EINVAL, core_prctl(PR_SCHED_CORE_MAX, 0, THREAD, 0));
	EXPECT_EQ(-EINVAL, core_prctl(-1, 0, THREAD, 0));
	EXPECT_EQ(-EINVAL, core_prctl(CREATE, 0, 3, 0));
	EXPECT_EQ(-EINVAL, core_prctl(CREATE, 0, -1, 0));
	EXPECT_EQ(-EINVAL, core_prctl(CREATE, -1, THREAD, 0));
	EXPECT_EQ(-EINVAL, core_prctl(CREATE, 0, THREAD, at));
	EXPECT_EQ(-EINVAL, core_prctl(TO, 0, THREAD, at));
	EXPECT_EQ(-EINVAL, core_prctl(FROM, 0, THREAD, at));
	EXPECT_EQ(0, core_get(0));
}

TEST_F_TIMEOUT(core, get_is_for_threads_and_aligned, 300)
{
	uint64_t cookie[2] = { 5, 5 };
	unsigned long at = (unsigned long)cookie;
	int i;

	EXPECT_EQ(-EINVAL, core_prctl(GET, 0, GROUP, at));
	EXPECT_EQ(-EINVAL, core_prctl(GET, 0, PGRP, at));
	for (i = 1; i < 8; i++)
		EXPECT_EQ(-EINVAL, core_prctl(GET, 0, THREAD, at + i));
	EXPECT_EQ(5, cookie[0]);
	EXPECT_EQ(0, core_prctl(GET, 0, THREAD, at));
	EXPECT_EQ(0, cookie[0]);
	EXPECT_EQ(5, cookie[1]);
}

TEST_F_TIMEOUT(core, get_to_nowhere, 300)
{
	EXPECT_EQ(-EFAULT, core_prctl(GET, 0, THREAD, 0));
	EXPECT_EQ(-EFAULT, core_prctl(GET, 0, THREAD, 8));
	EXPECT_EQ(-EFAULT, core_prctl(GET, 0, THREAD, -8UL));
}

/* Of two mistakes, the one that is checked first is reported. */
TEST_F_TIMEOUT(core, order_of_errors, 300)
{
	EXPECT_EQ(-EINVAL, core_prctl(PR_SCHED_CORE_MAX, NOBODY, THREAD, 0));
	EXPECT_EQ(-EINVAL, core_prctl(CREATE, NOBODY, 3, 0));
	EXPECT_EQ(-EINVAL, core_prctl(CREATE, NOBODY, THREAD, 8));
	EXPECT_EQ(-ESRCH, core_prctl(GET, NOBODY, GROUP, 3));
	EXPECT_EQ(-ESRCH, core_prctl(FROM, NOBODY, GROUP, 0));
	EXPECT_EQ(-EINVAL, core_prctl(FROM, self->child, GROUP, 0));
	EXPECT_EQ(-EINVAL, core_prctl(FROM, self->child, PGRP, 0));
	EXPECT_EQ(-EINVAL, core_prctl(GET, 0, GROUP, 8));
}

TEST_F_TIMEOUT(core, nobody_there, 300)
{
	int cmd;

	for (cmd = GET; cmd < PR_SCHED_CORE_MAX; cmd++)
		EXPECT_EQ(-ESRCH, core_prctl(cmd, NOBODY, THREAD, 0));
}

TEST_F_TIMEOUT(core, upper_halves_do_not_count, 300)
{
	uint64_t cookie = 5, high = 1ULL << 32;

	EXPECT_EQ(0, prctl(PR_SCHED_CORE, high | GET, high | getpid(),
			   high | THREAD, &cookie));
	EXPECT_EQ(0, cookie);
}

TEST_F_TIMEOUT(core, create_is_new_every_time, 300)
{
	uint64_t first, second;

	EXPECT_EQ(0, core_create(0));
	first = core_get(0);
	EXPECT_NE(0, first);
	EXPECT_NE(~0ULL, first);
	EXPECT_EQ(0, core_create(0));
	second = core_get(0);
	EXPECT_NE(0, second);
	EXPECT_NE(first, second);
	EXPECT_EQ(0, core_get(self->child));
}

TEST_F_TIMEOUT(core, share_to_and_from, 300)
{
	uint64_t cookie;

	EXPECT_EQ(0, core_create(0));
	cookie = core_get(0);
	EXPECT_EQ(0, core_share_to(self->child));
	EXPECT_EQ(cookie, core_get(self->child));

	EXPECT_EQ(0, core_create(self->child));
	EXPECT_NE(cookie, core_get(self->child));
	EXPECT_EQ(cookie, core_get(0));
	EXPECT_EQ(0, core_share_from(self->child));
	EXPECT_EQ(core_get(self->child), core_get(0));
}

TEST_F_TIMEOUT(core, sharing_nothing_clears, 300)
{
	EXPECT_EQ(0, core_create(self->child));
	EXPECT_NE(0, core_get(self->child));
	EXPECT_EQ(0, core_share_to(self->child));
	EXPECT_EQ(0, core_get(self->child));

	EXPECT_EQ(0, core_create(0));
	EXPECT_EQ(0, core_share_from(self->child));
	EXPECT_EQ(0, core_get(0));
}

/* A second thread, which reports its id and waits. */
struct thread {
	pthread_t	thread;
	pid_t		tid;
	int		uid;
};

static void *thread_main(void *arg)
{
	struct thread *thread = arg;

	if (thread->uid)
		syscall(SYS_setresuid, thread->uid, thread->uid, thread->uid);
	__atomic_store_n(&thread->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	for (;;)
		pause();

	return NULL;
}

static pid_t thread_start(struct thread *thread)
{
	thread->tid = 0;
	if (pthread_create(&thread->thread, NULL, thread_main, thread))
		return -1;
	while (!__atomic_load_n(&thread->tid, __ATOMIC_ACQUIRE))
		sched_yield();

	return thread->tid;
}

TEST_F_TIMEOUT(core, scope_of_a_thread, 300)
{
	struct thread thread = { 0 };
	pid_t tid = thread_start(&thread);

	ASSERT_GT(tid, 0);
	EXPECT_EQ(0, core_create(tid));
	EXPECT_NE(0, core_get(tid));
	EXPECT_EQ(0, core_get(0));

	/* Only the caller gets what it takes. */
	EXPECT_EQ(0, core_create(self->child));
	EXPECT_EQ(0, core_share_from(self->child));
	EXPECT_EQ(core_get(self->child), core_get(0));
	EXPECT_NE(core_get(self->child), core_get(tid));
}

TEST_F_TIMEOUT(core, scope_of_a_thread_group, 300)
{
	struct thread thread = { 0 };
	pid_t tid = thread_start(&thread);

	ASSERT_GT(tid, 0);
	EXPECT_EQ(0, core_prctl(CREATE, 0, GROUP, 0));
	EXPECT_NE(0, core_get(0));
	EXPECT_EQ(core_get(0), core_get(tid));
	EXPECT_EQ(0, core_get(self->child));

	/* Any thread stands for its group. */
	EXPECT_EQ(0, core_prctl(CREATE, tid, GROUP, 0));
	EXPECT_EQ(core_get(0), core_get(tid));
}

TEST_F_TIMEOUT(core, scope_of_a_process_group, 300)
{
	struct thread thread = { 0 };
	pid_t tid = thread_start(&thread);
	pid_t outside;

	ASSERT_GT(tid, 0);
	EXPECT_EQ(0, setpgid(0, 0));
	EXPECT_EQ(0, setpgid(self->child, getpid()));
	outside = spawn();
	if (!outside) {
		for (;;)
			pause();
	}
	ASSERT_EQ(0, setpgid(outside, outside));

	EXPECT_EQ(0, core_prctl(CREATE, 0, PGRP, 0));
	EXPECT_NE(0, core_get(0));
	EXPECT_EQ(core_get(0), core_get(tid));
	EXPECT_EQ(core_get(0), core_get(self->child));
	EXPECT_EQ(0, core_get(outside));
	reap(outside);
}

/* Run a check as another user; its exit status says what failed. */
static int as_user(int uid, int (*check)(pid_t), pid_t pid)
{
	pid_t child = spawn();
	int status;

	if (!child) {
		if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
			_exit(99);
		_exit(check(pid));
	}
	waitpid(child, &status, 0);

	return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static int check_denied(pid_t pid)
{
	uint64_t cookie;
	int cmd;

	for (cmd = CREATE; cmd < PR_SCHED_CORE_MAX; cmd++) {
		if (core_prctl(cmd, pid, THREAD, 0) != -EPERM)
			return 1 + cmd;
	}
	if (core_prctl(GET, pid, THREAD, (unsigned long)&cookie) != -EPERM)
		return 1;
	/* Permission comes before what is particular to a command. */
	if (core_prctl(GET, pid, GROUP, 3) != -EPERM)
		return 6;
	if (core_prctl(FROM, pid, GROUP, 0) != -EPERM)
		return 7;
	if (core_prctl(CREATE, 0, THREAD, 0))
		return 8;

	return 0;
}

TEST_F_TIMEOUT(core, foreign_tasks_are_not_touched, 300)
{
	if (geteuid())
		SKIP(return, "needs root, to become somebody else");

	EXPECT_EQ(0, as_user(4711, check_denied, self->child));
	EXPECT_EQ(0, core_get(self->child));
}

static int check_mixed(pid_t pid)
{
	if (core_get(pid) != 0)
		return 1;
	if (core_prctl(CREATE, pid, GROUP, 0) != -EPERM)
		return 2;
	if (core_get(pid) != 0)
		return 3;
	if (core_prctl(CREATE, pid, THREAD, 0))
		return 4;

	return core_get(pid) ? 0 : 5;
}

/* One thread that may not be touched protects its whole group. */
TEST_F_TIMEOUT(core, all_or_nobody, 300)
{
	struct thread thread = { .uid = 4712 };
	char ready = 0;
	pid_t target;
	int pipes[2];

	if (geteuid())
		SKIP(return, "needs root, to become somebody else");

	ASSERT_EQ(0, pipe(pipes));
	target = spawn();
	if (!target) {
		if (thread_start(&thread) < 0)
			_exit(1);
		syscall(SYS_setresgid, 4711, 4711, 4711);
		syscall(SYS_setresuid, 4711, 4711, 4711);
		prctl(PR_SET_DUMPABLE, 1);
		if (write(pipes[1], &ready, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ASSERT_EQ(1, read(pipes[0], &ready, 1));
	EXPECT_EQ(0, as_user(4711, check_mixed, target));
	reap(target);
}

static uint64_t proc_cookie(pid_t pid, pid_t tid)
{
	char path[64], line[64];

	if (tid)
		snprintf(path, sizeof(path), "/proc/%d/task/%d/core_cookie",
			 pid, tid);
	else
		snprintf(path, sizeof(path), "/proc/%d/core_cookie", pid);
	read_line(path, line, sizeof(line));

	return line[0] ? strtoull(line, NULL, 10) : ~0ULL;
}

static int check_proc_denied(pid_t pid)
{
	return proc_cookie(pid, 0) == ~0ULL ? 0 : 1;
}

TEST_F_TIMEOUT(core, proc_shows_the_cookie, 300)
{
	struct thread thread = { 0 };
	pid_t tid = thread_start(&thread);

	ASSERT_GT(tid, 0);
	EXPECT_EQ(0, proc_cookie(self->child, 0));
	EXPECT_EQ(0, core_create(self->child));
	EXPECT_EQ(core_get(self->child), proc_cookie(self->child, 0));
	EXPECT_EQ(0, core_create(tid));
	EXPECT_EQ(0, proc_cookie(getpid(), getpid()));
	EXPECT_EQ(core_get(tid), proc_cookie(getpid(), tid));
	if (!geteuid())
		EXPECT_EQ(0, as_user(4711, check_proc_denied, self->child));
}

TEST_F_TIMEOUT(core, no_device_without_smt, 300)
{
	const char *control = "/sys/devices/system/cpu/smt/control";
	char line[32];

	read_line(control, line, sizeof(line));
	if (geteuid() || strcmp(line, "on"))
		SKIP(return, "SMT cannot be switched here");

	ASSERT_EQ(0, core_create(0));
	ASSERT_EQ(0, write_line(control, "off"));
	EXPECT_EQ(-ENODEV, core_prctl(GET, 0, THREAD, 0));
	EXPECT_EQ(-ENODEV, core_prctl(77, NOBODY, 77, 77));
	EXPECT_EQ(-ENODEV, core_prctl(CREATE, 0, THREAD, 0));
	ASSERT_EQ(0, write_line(control, "on"));
	EXPECT_NE(0, core_get(0));
	EXPECT_NE(~0ULL, core_get(0));
}

TEST_HARNESS_MAIN
