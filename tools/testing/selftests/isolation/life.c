// SPDX-License-Identifier: GPL-2.0
/*
 * Task isolation: whom it belongs to.  New threads and processes, new programs,
 * signals, the end of tasks, and who may look.
 *
 * What has to make these tests fail: mutations/life-*.patch
 */
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "isolation.h"
#include "kselftest_harness.h"

#define NOBODY	65534

/* Everything that can be set, in a number that differs for different settings. */
static int settings(void)
{
	return isol_get(ISOL_FEATURES) | isol_get(PR_ISOL_QUIESCE_CFG) << 2 |
	       isol_get(PR_ISOL_INHERIT_CFG) << 4 | isol_get(PR_ISOL_NOTIFY) << 6;
}

#define SETTINGS(features, quiesce, inherit, notify) \
	((features) | (quiesce) << 2 | (inherit) << 4 | (notify) << 6)

static int settings_of_fork(void)
{
	return end_of(start(settings));
}

static int settings_of_grandchild(void)
{
	return end_of(start(settings_of_fork));
}

static void *thread_settings(void *into)
{
	*(int *)into = settings();
	return NULL;
}

static int settings_of_thread(void)
{
	pthread_t thread;
	int found = -1;

	if (!pthread_create(&thread, NULL, thread_settings, &found))
		pthread_join(thread, NULL);
	return found;
}

static int settings_of_vfork(void)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(settings());
	return end_of(pid);
}

/* Run this program with an argument, as main() below understands it; its exit status. */
static int run_self(const char *path, const char *what)
{
	pid_t pid = fork();

	if (!pid) {
		execl(path, path, what, NULL);
		_exit(200);
	}
	return end_of(pid);
}

FIXTURE(life)
{
};

FIXTURE_SETUP(life)
{
	SKIP_WITHOUT(0);
	ASSERT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, VMSTAT));
	ASSERT_EQ(0, isol_enable(QUIESCE));
	ASSERT_EQ(0, prctl(PR_ISOL_SET, PR_ISOL_NOTIFY, ISOL_NOTIFY_SIGNAL, SIGURG, 0));
}

FIXTURE_TEARDOWN(life)
{
}

TEST_F(life, inherits_nothing)
{
	RETURN_IF_SKIPPED;

	EXPECT_EQ(SETTINGS(QUIESCE, VMSTAT, 0, ISOL_NOTIFY_SIGNAL), settings());
	EXPECT_EQ(0, settings_of_fork());
	EXPECT_EQ(0, settings_of_vfork());
	EXPECT_EQ(0, settings_of_thread());
	EXPECT_EQ(SETTINGS(QUIESCE, VMSTAT, 0, ISOL_NOTIFY_SIGNAL), settings());
}

TEST_F(life, threads_inherit)
{
	int all = SETTINGS(QUIESCE, VMSTAT, ISOL_INHERIT_THREADS, ISOL_NOTIFY_SIGNAL);

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, isol_set(PR_ISOL_INHERIT_CFG, ISOL_INHERIT_THREADS));
	EXPECT_EQ(all, settings_of_thread());
	EXPECT_EQ(0, settings_of_fork());
	EXPECT_EQ(0, settings_of_vfork());
}

TEST_F(life, children_inherit)
{
	int all = SETTINGS(QUIESCE, VMSTAT, ISOL_INHERIT_FORK, ISOL_NOTIFY_SIGNAL);

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, isol_set(PR_ISOL_INHERIT_CFG, ISOL_INHERIT_FORK));
	EXPECT_EQ(all, settings_of_fork());
	EXPECT_EQ(all, settings_of_vfork());
	EXPECT_EQ(all, settings_of_grandchild());
	EXPECT_EQ(0, settings_of_thread());
	/* What is configured only is inherited, too. */
	ASSERT_EQ(0, isol_enable(0));
	EXPECT_EQ(all & ~QUIESCE, settings_of_fork());
}

static int touch_and_count(void)
{
	uint64_t before = isol_breaks().reasons[ISOL_BREAK_FAULT];
	long page = sysconf(_SC_PAGESIZE);
	volatile char *mem;

	mem = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise((void *)mem, 8 * page, MADV_NOHUGEPAGE);
	for (int i = 0; i < 8; i++)
		mem[i * page] = 1;
	return isol_breaks().reasons[ISOL_BREAK_FAULT] - before >= 8 ? 0 : 1;
}

static int child_settings_change(void)
{
	return isol_enable(0) || isol_set(PR_ISOL_QUIESCE_CFG, 0) || touch_and_count() != 1;
}

/* A copy, not the same; but the counts of the dead are there for the living. */
TEST_F(life, copies_and_sums)
{
	long long before, exited;

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, prctl(PR_ISOL_SET, PR_ISOL_NOTIFY, ISOL_NOTIFY_NONE, 0, 0));
	ASSERT_EQ(0, isol_set(PR_ISOL_INHERIT_CFG, ISOL_INHERIT_FORK));
	before = isol_breaks().count;
	EXPECT_EQ(0, isolation_of(getpid(), "exited"));
	EXPECT_EQ(0, end_of(start(touch_and_count)));
	EXPECT_EQ(1, isolation_of(getpid(), "exited"));
	EXPECT_LE(8, isolation_of(getpid(), "exited_breaks_fault"));
	EXPECT_LE(8, isolation_of(getpid(), "exited_breaks"));
	EXPECT_LE(1, isolation_of(getpid(), "exited_syscalls"));
	/* No count of ours is the child's. */
	EXPECT_GT(1000, isol_breaks().count - before);

	exited = isolation_of(getpid(), "exited_breaks_fault");
	EXPECT_EQ(0, end_of(start(touch_and_count)));
	EXPECT_LE(exited + 8, isolation_of(getpid(), "exited_breaks_fault"));
	EXPECT_EQ(0, end_of(start(child_settings_change)));
	EXPECT_EQ(3, isolation_of(getpid(), "exited"));
	EXPECT_EQ(VMSTAT, isol_get(PR_ISOL_QUIESCE_CFG));
	EXPECT_EQ(QUIESCE, isol_get(ISOL_FEATURES));
}

/* The launcher reads what became of its program before it buries it. */
TEST_F(life, zombies_can_be_read)
{
	siginfo_t info;
	pid_t pid;

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, prctl(PR_ISOL_SET, PR_ISOL_NOTIFY, ISOL_NOTIFY_NONE, 0, 0));
	ASSERT_EQ(0, isol_set(PR_ISOL_INHERIT_CFG, ISOL_INHERIT_FORK));
	pid = start(touch_and_count);
	ASSERT_EQ(0, waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(QUIESCE, isolation_of(pid, "features"));
	EXPECT_LE(8, isolation_of(pid, "breaks_fault"));
	EXPECT_EQ(1, isolation_of(pid, "exited"));
	EXPECT_EQ(0, end_of(pid));
}

TEST_F(life, exec_keeps)
{
	int all = SETTINGS(QUIESCE, VMSTAT, ISOL_INHERIT_FORK, ISOL_NOTIFY_SIGNAL);

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, isol_set(PR_ISOL_INHERIT_CFG, ISOL_INHERIT_FORK));
	EXPECT_EQ(all, run_self("/proc/self/exe", "settings"));
}

static int as_nobody(void)
{
	return setresuid(NOBODY, NOBODY, NOBODY);
}

static char program[64];

static int run_as_nobody(void)
{
	if (as_nobody())
		return 201;
	return run_self(program, "settings");
}

/* A program with rights of its own is not touched by what its caller set up. */
TEST_F(life, set_uid_exec_clears)
{
	int all = SETTINGS(QUIESCE, VMSTAT, ISOL_INHERIT_FORK, ISOL_NOTIFY_SIGNAL);
	char folder[] = "/tmp/isolation-XXXXXX";

	RETURN_IF_SKIPPED;

	if (geteuid())
		SKIP(return, "only root can make a set-uid program of root's");
	ASSERT_NE(NULL, mkdtemp(folder));
	ASSERT_EQ(0, chmod(folder, 0755));
	snprintf(program, sizeof(program), "%s/program", folder);
	ASSERT_TRUE(copy_self(program));
	ASSERT_EQ(0, isol_set(PR_ISOL_INHERIT_CFG, ISOL_INHERIT_FORK));
	EXPECT_EQ(all, end_of(start(run_as_nobody)));
	ASSERT_EQ(0, chmod(program, 04755));
	EXPECT_EQ(0, end_of(start(run_as_nobody)));
	unlink(program);
	rmdir(folder);
}

static volatile sig_atomic_t in_handler;

static void look(int sig UNUSED)
{
	in_handler = isol_get(ISOL_FEATURES) | isol_get(PR_ISOL_QUIESCE_CFG) << 2;
}

TEST_F(life, signals_change_nothing)
{
	RETURN_IF_SKIPPED;

	signal(SIGUSR1, look);
	raise(SIGUSR1);
	EXPECT_EQ(QUIESCE | VMSTAT << 2, in_handler);
	EXPECT_EQ(QUIESCE, isol_get(ISOL_FEATURES));
}

static int isolated_for_ever(void)
{
	if (isol_set(PR_ISOL_QUIESCE_CFG, isol_get(PR_ISOL_SUP_QUIESCE_CFG)) ||
	    isol_enable(QUIESCE))
		return 1;
	for (;;)
		__builtin_ia32_pause();
}

TEST_F_TIMEOUT(life, killed, LONG_TEST)
{
	pid_t pid;

	RETURN_IF_SKIPPED;

	for (int i = 0; i < 20; i++) {
		pid = start(isolated_for_ever);
		EXPECT_TRUE(WAIT_FOR(isolation_of(pid, "features") == QUIESCE));
		kill(pid, SIGKILL);
		EXPECT_EQ(256 + SIGKILL, end_of(pid));
	}
}

TEST_F(life, stopped_and_traced)
{
	long long breaks;
	int status;
	pid_t pid;

	RETURN_IF_SKIPPED;

	pid = start(isolated_for_ever);
	EXPECT_TRUE(WAIT_FOR(isolation_of(pid, "features") == QUIESCE));
	for (int i = 0; i < 5; i++) {
		breaks = isolation_of(pid, "breaks");
		ASSERT_EQ(0, kill(pid, SIGSTOP));
		ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
		ASSERT_EQ(0, kill(pid, SIGCONT));
		EXPECT_TRUE(WAIT_FOR(isolation_of(pid, "breaks") > breaks));
	}
	breaks = isolation_of(pid, "breaks");
	ASSERT_EQ(0, ptrace(PTRACE_ATTACH, pid, NULL, NULL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, pid, NULL, NULL));
	EXPECT_TRUE(WAIT_FOR(isolation_of(pid, "breaks") > breaks));
	EXPECT_EQ(QUIESCE, isolation_of(pid, "features"));
	kill(pid, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, end_of(pid));
}

static void *thread_waits(void *barrier)
{
	pthread_barrier_wait(barrier);
	for (;;)
		pause();
	return NULL;
}

static int exec_beside_threads(void)
{
	pthread_barrier_t barrier;
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, 5);
	for (int i = 0; i < 4; i++)
		if (pthread_create(&thread, NULL, thread_waits, &barrier))
			return 201;
	pthread_barrier_wait(&barrier);
	execl("/proc/self/exe", "life", "settings", NULL);
	return 202;
}

TEST_F(life, exec_ends_threads)
{
	int inherit = ISOL_INHERIT_FORK | ISOL_INHERIT_THREADS;

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, isol_set(PR_ISOL_INHERIT_CFG, inherit));
	EXPECT_EQ(SETTINGS(QUIESCE, VMSTAT, inherit, ISOL_NOTIFY_SIGNAL),
		  end_of(start(exec_beside_threads)));
	/* Four threads, and the program that came in their place. */
	EXPECT_EQ(5, isolation_of(getpid(), "exited"));
}

static int look_at_parent(void)
{
	char path[64];
	int fd;

	if (as_nobody())
		return 2;
	snprintf(path, sizeof(path), "/proc/%d/isolation", getppid());
	fd = open(path, O_RDONLY);
	return fd < 0 && errno == EACCES ? 0 : 1;
}

static int read_opened_before(void)
{
	char path[64], byte;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/isolation", getppid());
	fd = open(path, O_RDONLY);
	if (fd < 0 || as_nobody())
		return 2;
	return read(fd, &byte, 1) < 0 && errno == EACCES ? 0 : 1;
}

TEST_F(life, strangers_see_nothing)
{
	RETURN_IF_SKIPPED;

	if (geteuid())
		SKIP(return, "only root can become somebody else");
	EXPECT_EQ(0, end_of(start(look_at_parent)));
	EXPECT_EQ(0, end_of(start(read_opened_before)));
}

static int churn(void)
{
	pthread_t threads[4];
	int found[4];

	if (isol_set(PR_ISOL_QUIESCE_CFG, VMSTAT) || isol_enable(QUIESCE) ||
	    isol_set(PR_ISOL_INHERIT_CFG, ISOL_INHERIT_FORK | ISOL_INHERIT_THREADS))
		return 1;
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 4; i++)
			if (pthread_create(&threads[i], NULL, thread_settings, &found[i]))
				return 2;
		for (int i = 0; i < 4; i++) {
			pthread_join(threads[i], NULL);
			if ((found[i] & 3) != QUIESCE)
				return 3;
		}
		if (settings_of_fork() != settings())
			return 4;
	}
	return isolation_of(getpid(), "exited") == 250 ? 0 : 5;
}

/* Members of a family come and go on all CPUs while others read its sums. */
TEST_F_TIMEOUT(life, churn, LONG_TEST)
{
	siginfo_t info = { 0 };
	pid_t pids[2];

	RETURN_IF_SKIPPED;

	pids[0] = start(churn);
	pids[1] = start(churn);
	while (!info.si_pid) {
		EXPECT_LE(0, isolation_of(pids[0], "exited_longer") + 1);
		ASSERT_EQ(0, waitid(P_PID, pids[0], &info, WEXITED | WNOHANG | WNOWAIT));
	}
	EXPECT_EQ(0, end_of(pids[0]));
	EXPECT_EQ(0, end_of(pids[1]));
}

static void __attribute__((constructor)) before_main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "settings"))
		_exit(settings());
}

TEST_HARNESS_MAIN
