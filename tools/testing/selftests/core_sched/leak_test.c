// SPDX-License-Identifier: GPL-2.0
/*
 * Cookies are released when nobody has them any more, and core scheduling is
 * turned off when there is none.
 *
 * Mutations: cookie-kept-for-ever (fork_and_exit), cookie-no-memory
 * (no_memory), cookie-old-kept (a_hundred_thousand).
 */
#include "core_sched.h"

#include <kselftest_harness.h>

#define COOKIES	"/sys/kernel/debug/sched_core/cookies"
#define ENABLED	"/sys/kernel/debug/sched_core/enabled"

static long count_cookies(void)
{
	char line[32];

	read_line(COOKIES, line, sizeof(line));
	return line[0] ? atol(line) : -1;
}

static bool enabled(void)
{
	char line[32];

	read_line(ENABLED, line, sizeof(line));
	return line[0] == 'Y';
}

/* Tasks that have died are freed a little later. */
static bool comes_down_to(long cookies)
{
	int i;

	for (i = 0; i < 3000; i++) {
		if (count_cookies() <= cookies)
			return true;
		nap(0.01);
	}

	return false;
}

FIXTURE(leak) {
	long before;
};

FIXTURE_SETUP(leak)
{
	if (core_sched_missing())
		SKIP(return, "no core scheduling, or no SMT");
	if (count_cookies() < 0)
		SKIP(return, "no debugfs, or not root");
	comes_down_to(0);
	self->before = count_cookies();
}

FIXTURE_TEARDOWN(leak)
{
}

/* The harness runs every test in a child: its own cookie goes with it. */
static int in_child(void (*body)(void))
{
	int status;
	pid_t pid = spawn();

	if (!pid) {
		body();
		_exit(0);
	}
	waitpid(pid, &status, 0);

	return status;
}

static void create_many(void)
{
	int i;

	for (i = 0; i < 100000; i++) {
		if (core_create(0))
			_exit(1);
	}
}

TEST_F_TIMEOUT(leak, a_hundred_thousand, 1200)
{
	EXPECT_EQ(0, in_child(create_many));
	EXPECT_TRUE(comes_down_to(self->before));
}

static void fork_many(void)
{
	int i;

	for (i = 0; i < 1000; i++) {
		pid_t pid;

		if (core_create(0))
			_exit(1);
		pid = fork();
		if (!pid) {
			if (i % 2)
				core_create(0);
			_exit(0);
		}
		if (i % 3)
			waitpid(pid, NULL, 0);
	}
	while (wait(NULL) > 0)
		;
}

TEST_F_TIMEOUT(leak, fork_and_exit, 1200)
{
	EXPECT_EQ(0, in_child(fork_many));
	EXPECT_TRUE(comes_down_to(self->before));
}

/* fork() fails half-way: at the limit of processes. */
static void fork_too_many(void)
{
	struct rlimit limit = { 8, 8 };
	int i, failed = 0;

	if (core_create(0) || setrlimit(RLIMIT_NPROC, &limit) ||
	    setresuid(4713, 4713, 4713))
		_exit(1);
	for (i = 0; i < 500; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		if (pid < 0) {
			failed++;
			wait(NULL);
		}
	}
	if (!failed)
		_exit(2);
}

TEST_F_TIMEOUT(leak, fork_fails, 1200)
{
	EXPECT_EQ(0, in_child(fork_too_many));
	EXPECT_TRUE(comes_down_to(self->before));
}

/* Memory cannot be had, now and then: in clone and in CREATE. */
static void without_memory(void)
{
	int i, fd, status;

	fd = open("/proc/self/make-it-fail", O_WRONLY);
	if (fd < 0 || write(fd, "1", 1) != 1)
		_exit(9);
	for (i = 0; i < 400; i++) {
		pid_t pid;
		int error = core_create(0);

		if (error && error != -ENOMEM)
			_exit(1);
		pid = fork();
		if (!pid)
			_exit(0);
		if (pid > 0)
			waitpid(pid, &status, 0);
	}
}

TEST_F_TIMEOUT(leak, no_memory, 1200)
{
	const char *dir = "/sys/kernel/debug/failslab";
	int status;

	if (access(dir, X_OK) || access("/proc/self/make-it-fail", W_OK))
		SKIP(return, "no fault injection");
	write_line("/sys/kernel/debug/failslab/task-filter", "Y");
	write_line("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	write_line("/sys/kernel/debug/failslab/verbose", "0");
	write_line("/sys/kernel/debug/failslab/times", "-1");
	write_line("/sys/kernel/debug/failslab/probability", "10");
	status = in_child(without_memory);
	write_line("/sys/kernel/debug/failslab/probability", "0");
	EXPECT_EQ(0, status);
	EXPECT_TRUE(comes_down_to(self->before));
}

static void flip(void)
{
	int i;

	for (i = 0; i < 50; i++) {
		if (core_create(0) || core_share_from(1))
			_exit(1);
		sched_yield();
	}
}

/* On with the first cookie, off after the last one, again and again. */
TEST_F_TIMEOUT(leak, on_and_off, 1200)
{
	int i;

	if (self->before)
		SKIP(return, "somebody else has a cookie");

	for (i = 0; i < 3000 && enabled(); i++)
		nap(0.01);
	EXPECT_FALSE(enabled());
	ASSERT_EQ(0, core_create(0));
	EXPECT_TRUE(enabled());
	ASSERT_EQ(0, core_share_from(1));
	EXPECT_TRUE(comes_down_to(0));
	for (i = 0; i < 3000 && enabled(); i++)
		nap(0.01);
	EXPECT_FALSE(enabled());

	EXPECT_EQ(0, in_child(flip));
	EXPECT_TRUE(comes_down_to(0));
}

TEST_HARNESS_MAIN
