// SPDX-License-Identifier: GPL-2.0
/*
 * Task isolation: the interface.  What is supported, what is refused with which
 * error, and that what is refused changes nothing.
 *
 * What has to make these tests fail: mutations/interface-*.patch
 */
#include <limits.h>
#include <stddef.h>
#include <sys/eventfd.h>

#include "isolation.h"
#include "kselftest_harness.h"

FIXTURE(call)
{
};

FIXTURE_SETUP(call)
{
	SKIP_WITHOUT(0);
}

FIXTURE_TEARDOWN(call)
{
}

TEST_F(call, numbers)
{
	RETURN_IF_SKIPPED;

	EXPECT_EQ(0x49534f01, PR_ISOL_GET);
	EXPECT_EQ(0x49534f02, PR_ISOL_SET);
	EXPECT_EQ(0x49534f03, PR_ISOL_ENABLE);
	EXPECT_EQ(ISOL_BREAKS_SIZE_VER0, sizeof(struct isol_breaks));
	EXPECT_EQ(40, offsetof(struct isol_breaks, reasons));
	EXPECT_EQ(168, offsetof(struct isol_breaks, hist));
}

/* What the tests see of these operations says what is there to be blocked. */
static int classes(void)
{
	int found = ISOL_F_BLOCK_STOP_MACHINE | ISOL_F_BLOCK_PERF | ISOL_F_BLOCK_WORK |
		    ISOL_F_BLOCK_AFFINITY;

	if (!access("/sys/devices/system/cpu/hotplug/states", F_OK))
		found |= ISOL_F_BLOCK_HOTPLUG;
	if (!access("/dev/cpu/0/msr", F_OK) || !access("/dev/cpu/0/cpuid", F_OK))
		found |= ISOL_F_BLOCK_MSR;
	return found;
}

TEST_F(call, supported)
{
	RETURN_IF_SKIPPED;

	EXPECT_EQ(QUIESCE | (nohz_full_cpu() >= 0 ? BLOCK : 0), isol_get(ISOL_SUP_FEATURES));
	EXPECT_EQ(VMSTAT | (nohz_full_cpu() >= 0 ? NOHZ_FULL | DEFER : 0),
		  isol_get(PR_ISOL_SUP_QUIESCE_CFG));
	EXPECT_EQ(nohz_full_cpu() >= 0 ? classes() : 0, isol_get(PR_ISOL_SUP_BLOCK_CFG));
}

TEST_F(call, nothing_by_default)
{
	RETURN_IF_SKIPPED;

	EXPECT_EQ(0, isol_get(ISOL_FEATURES));
	EXPECT_EQ(0, isol_get(PR_ISOL_QUIESCE_CFG));
	EXPECT_EQ(0, isol_get(PR_ISOL_BLOCK_CFG));
	EXPECT_EQ(0, isol_get(PR_ISOL_INHERIT_CFG));
	EXPECT_EQ(ISOL_NOTIFY_NONE, isol_get(PR_ISOL_NOTIFY));
	EXPECT_EQ(0, isol_breaks().count);
	EXPECT_EQ(0, isolation_of(getpid(), "features"));
	/* Nothing to nothing is no change, and needs no memory. */
	EXPECT_EQ(0, isol_enable(0));
	EXPECT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, 0));
	EXPECT_EQ(0, isol_set(PR_ISOL_BLOCK_CFG, 0));
	EXPECT_EQ(0, isol_set(PR_ISOL_INHERIT_CFG, 0));
	EXPECT_EQ(0, isol_set(PR_ISOL_NOTIFY, ISOL_NOTIFY_NONE));
	EXPECT_EQ(-1, isolation_of(getpid(), "quiesce"));
}

TEST_F(call, unknown_commands)
{
	RETURN_IF_SKIPPED;

	EXPECT_FAILS(EINVAL, isol_get(0));
	EXPECT_FAILS(EINVAL, isol_get(11));
	EXPECT_FAILS(EINVAL, isol_get(1UL << 32 | ISOL_SUP_FEATURES));
	EXPECT_FAILS(EINVAL, isol_get(-1UL));
	EXPECT_FAILS(EINVAL, isol_set(0, 0));
	EXPECT_FAILS(EINVAL, isol_set(ISOL_SUP_FEATURES, 0));
	EXPECT_FAILS(EINVAL, isol_set(PR_ISOL_SUP_QUIESCE_CFG, 0));
	EXPECT_FAILS(EINVAL, isol_set(PR_ISOL_SUP_BLOCK_CFG, 0));
	EXPECT_FAILS(EINVAL, isol_set(PR_ISOL_BREAKS, 0));
	EXPECT_FAILS(EINVAL, isol_set(PR_ISOL_TICK, 0));
	EXPECT_FAILS(EINVAL, isol_set(11, 0));
	EXPECT_FAILS(EINVAL, prctl(0x49534f00, 1UL, 0UL, 0UL, 0UL));
	EXPECT_FAILS(EINVAL, prctl(0x49534f04, 1UL, 0UL, 0UL, 0UL));
}

TEST_F(call, spare_arguments)
{
	static const unsigned long commands[] = {
		ISOL_SUP_FEATURES, ISOL_FEATURES, PR_ISOL_SUP_QUIESCE_CFG, PR_ISOL_QUIESCE_CFG,
		PR_ISOL_SUP_BLOCK_CFG, PR_ISOL_BLOCK_CFG, PR_ISOL_INHERIT_CFG, PR_ISOL_NOTIFY,
		PR_ISOL_TICK, 0
	};

	RETURN_IF_SKIPPED;

	for (int i = 0; commands[i]; i++) {
		EXPECT_FAILS(EINVAL, prctl(PR_ISOL_GET, commands[i], 1UL, 0UL, 0UL));
		EXPECT_FAILS(EINVAL, prctl(PR_ISOL_GET, commands[i], 0UL, 1UL, 0UL));
		EXPECT_FAILS(EINVAL, prctl(PR_ISOL_GET, commands[i], 0UL, 0UL, 1UL));
	}
	EXPECT_FAILS(EINVAL, prctl(PR_ISOL_SET, PR_ISOL_QUIESCE_CFG, VMSTAT, 1UL, 0UL));
	EXPECT_FAILS(EINVAL, prctl(PR_ISOL_SET, PR_ISOL_QUIESCE_CFG, VMSTAT, 0UL, 1UL));
	EXPECT_FAILS(EINVAL, prctl(PR_ISOL_SET, PR_ISOL_NOTIFY, ISOL_NOTIFY_SIGNAL, SIGUSR1, 1UL));
	EXPECT_EQ(0, isol_get(PR_ISOL_QUIESCE_CFG));
	EXPECT_EQ(ISOL_NOTIFY_NONE, isol_get(PR_ISOL_NOTIFY));

	ASSERT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, VMSTAT));
	EXPECT_FAILS(EINVAL, prctl(PR_ISOL_ENABLE, QUIESCE, 1UL, 0UL, 0UL));
	EXPECT_FAILS(EINVAL, prctl(PR_ISOL_ENABLE, QUIESCE, 0UL, 1UL, 0UL));
	EXPECT_FAILS(EINVAL, prctl(PR_ISOL_ENABLE, QUIESCE, 0UL, 0UL, 1UL));
	EXPECT_EQ(0, isol_get(ISOL_FEATURES));
}

TEST_F(call, unsupported_bits)
{
	unsigned long actions, classes, heirs;

	RETURN_IF_SKIPPED;

	actions = isol_get(PR_ISOL_SUP_QUIESCE_CFG);
	classes = isol_get(PR_ISOL_SUP_BLOCK_CFG);
	heirs = ISOL_INHERIT_THREADS | ISOL_INHERIT_FORK;
	ASSERT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, VMSTAT));
	ASSERT_EQ(0, isol_set(PR_ISOL_BLOCK_CFG, classes));
	ASSERT_EQ(0, isol_set(PR_ISOL_INHERIT_CFG, ISOL_INHERIT_FORK));
	for (int bit = 0; bit < 64; bit++) {
		unsigned long mask = 1UL << bit;

		if (!(actions & mask))
			EXPECT_FAILS(EINVAL, isol_set(PR_ISOL_QUIESCE_CFG, VMSTAT | mask));
		if (!(heirs & mask))
			EXPECT_FAILS(EINVAL, isol_set(PR_ISOL_INHERIT_CFG, heirs | mask));
		if (!(classes & mask))
			EXPECT_FAILS(EINVAL, isol_set(PR_ISOL_BLOCK_CFG, mask));
		if (!(isol_get(ISOL_SUP_FEATURES) & mask)) {
			EXPECT_FAILS(EINVAL, isol_enable(QUIESCE | mask));
			EXPECT_FAILS(EINVAL, isol_set(ISOL_FEATURES, QUIESCE | mask));
		}
	}
	EXPECT_EQ(VMSTAT, isol_get(PR_ISOL_QUIESCE_CFG));
	EXPECT_EQ(ISOL_INHERIT_FORK, isol_get(PR_ISOL_INHERIT_CFG));
	EXPECT_EQ(0, isol_get(ISOL_FEATURES));
	EXPECT_EQ(classes, isol_get(PR_ISOL_BLOCK_CFG));
}

TEST_F(call, masks_are_replaced)
{
	unsigned long supported;

	RETURN_IF_SKIPPED;

	supported = isol_get(PR_ISOL_SUP_QUIESCE_CFG);
	ASSERT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, supported));
	EXPECT_EQ(supported, isol_get(PR_ISOL_QUIESCE_CFG));
	ASSERT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, VMSTAT));
	EXPECT_EQ(VMSTAT, isol_get(PR_ISOL_QUIESCE_CFG));
	ASSERT_EQ(0, isol_enable(QUIESCE));
	EXPECT_EQ(QUIESCE, isol_get(ISOL_FEATURES));
	EXPECT_EQ(QUIESCE, isolation_of(getpid(), "features"));
	EXPECT_EQ(VMSTAT, isolation_of(getpid(), "quiesce"));
	ASSERT_EQ(0, isol_enable(0));
	EXPECT_EQ(0, isol_get(ISOL_FEATURES));
	ASSERT_EQ(0, isol_set(ISOL_FEATURES, QUIESCE));
	EXPECT_EQ(QUIESCE, isol_get(ISOL_FEATURES));
	ASSERT_EQ(0, isol_set(ISOL_FEATURES, 0));
	EXPECT_EQ(0, isol_get(ISOL_FEATURES));
	EXPECT_EQ(VMSTAT, isol_get(PR_ISOL_QUIESCE_CFG));

	/* What is only configured needs no right. */
	supported = isol_get(PR_ISOL_SUP_BLOCK_CFG);
	ASSERT_EQ(0, isol_set(PR_ISOL_BLOCK_CFG, supported));
	EXPECT_EQ(supported, isol_get(PR_ISOL_BLOCK_CFG));
	EXPECT_EQ(supported, isolation_of(getpid(), "block"));
	ASSERT_EQ(0, isol_set(PR_ISOL_BLOCK_CFG, 0));
	EXPECT_EQ(0, isol_get(PR_ISOL_BLOCK_CFG));
}

/* Quiescing without an action would do nothing, and promise something. */
TEST_F(call, never_enabled_without_actions)
{
	RETURN_IF_SKIPPED;

	EXPECT_FAILS(EINVAL, isol_enable(QUIESCE));
	EXPECT_FAILS(EINVAL, isol_set(ISOL_FEATURES, QUIESCE));
	ASSERT_EQ(0, isol_set(PR_ISOL_INHERIT_CFG, ISOL_INHERIT_FORK));
	EXPECT_FAILS(EINVAL, isol_enable(QUIESCE));
	ASSERT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, VMSTAT));
	ASSERT_EQ(0, isol_enable(QUIESCE));
	EXPECT_FAILS(EINVAL, isol_set(PR_ISOL_QUIESCE_CFG, 0));
	EXPECT_EQ(VMSTAT, isol_get(PR_ISOL_QUIESCE_CFG));
	EXPECT_EQ(QUIESCE, isol_get(ISOL_FEATURES));
	ASSERT_EQ(0, isol_enable(0));
	EXPECT_EQ(0, isol_set(PR_ISOL_QUIESCE_CFG, 0));
}

static int notify(unsigned long how, unsigned long arg)
{
	return prctl(PR_ISOL_SET, PR_ISOL_NOTIFY, how, arg, 0UL);
}

TEST_F(call, notify)
{
	int fd, pipes[2];

	RETURN_IF_SKIPPED;

	fd = eventfd(0, EFD_NONBLOCK);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pipe(pipes));

	EXPECT_EQ(0, notify(ISOL_NOTIFY_EVENTFD, fd));
	EXPECT_EQ(ISOL_NOTIFY_EVENTFD, isol_get(PR_ISOL_NOTIFY));
	EXPECT_FAILS(EINVAL, notify(ISOL_NOTIFY_EVENTFD, pipes[0]));
	EXPECT_FAILS(EBADF, notify(ISOL_NOTIFY_EVENTFD, -1));
	EXPECT_FAILS(EBADF, notify(ISOL_NOTIFY_EVENTFD, 1UL << 32 | fd));
	EXPECT_FAILS(EBADF, notify(ISOL_NOTIFY_EVENTFD, 1000));
	EXPECT_FAILS(EINVAL, notify(ISOL_NOTIFY_NONE, 1));
	EXPECT_FAILS(EINVAL, notify(ISOL_NOTIFY_SIGNAL, 0));
	EXPECT_FAILS(EINVAL, notify(ISOL_NOTIFY_SIGNAL, 65));
	EXPECT_FAILS(EINVAL, notify(ISOL_NOTIFY_SIGNAL, 1UL << 32 | SIGUSR1));
	EXPECT_FAILS(EINVAL, notify(3, 0));
	EXPECT_EQ(ISOL_NOTIFY_EVENTFD, isol_get(PR_ISOL_NOTIFY));
	/* The eventfd stays when its number goes. */
	close(fd);
	EXPECT_EQ(ISOL_NOTIFY_EVENTFD, isol_get(PR_ISOL_NOTIFY));
	EXPECT_EQ(0, notify(ISOL_NOTIFY_SIGNAL, SIGRTMAX));
	EXPECT_EQ(ISOL_NOTIFY_SIGNAL, isol_get(PR_ISOL_NOTIFY));
	EXPECT_EQ(0, notify(ISOL_NOTIFY_NONE, 0));
	EXPECT_EQ(ISOL_NOTIFY_NONE, isol_get(PR_ISOL_NOTIFY));
	close(pipes[0]);
	close(pipes[1]);
}

static int get_breaks(void *where, unsigned long size)
{
	return prctl(PR_ISOL_GET, PR_ISOL_BREAKS, where, size, 0UL);
}

TEST_F(call, breaks)
{
	struct {
		struct isol_breaks	known;
		char			later[40];
		char			guard[8];
	} got;
	char *page;

	RETURN_IF_SKIPPED;

	memset(&got, 0x55, sizeof(got));
	EXPECT_FAILS(EINVAL, get_breaks(&got, 0));
	EXPECT_FAILS(EINVAL, get_breaks(&got, ISOL_BREAKS_SIZE_VER0 - 1));
	EXPECT_FAILS(EINVAL, get_breaks(&got, 4097));
	EXPECT_FAILS(EINVAL, get_breaks(&got, ULONG_MAX));
	EXPECT_FAILS(EINVAL, prctl(PR_ISOL_GET, PR_ISOL_BREAKS, &got, sizeof(got), 1UL));
	EXPECT_EQ(0x55555555, got.known.size);

	EXPECT_EQ(0, get_breaks(&got, sizeof(got.known) + sizeof(got.later)));
	EXPECT_EQ(sizeof(struct isol_breaks), got.known.size);
	EXPECT_EQ(0, got.known.reasons[ISOL_MAX_REASONS - 1]);
	for (unsigned int i = 0; i < sizeof(got.later); i++)
		EXPECT_EQ(0, got.later[i]);
	EXPECT_EQ(0x55, got.guard[0]);

	EXPECT_FAILS(EFAULT, get_breaks(NULL, sizeof(got.known)));
	page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, page);
	ASSERT_EQ(0, munmap(page + 4096, 4096));
	EXPECT_FAILS(EFAULT, get_breaks(page + 4096 - 8, sizeof(got.known)));
	EXPECT_FAILS(EFAULT, get_breaks(page + 4096 - sizeof(got.known), sizeof(got.known) + 8));
	EXPECT_EQ(0, get_breaks(page + 4096 - sizeof(got.known), sizeof(got.known)));
}

#define FAILSLAB	"/sys/kernel/debug/failslab/"

/* With the nth allocation from here on failing, call; whether one failed. */
static bool failing(int nth, int (*call)(void), int *ret, int *error)
{
	int fd = open("/proc/thread-self/fail-nth", O_RDWR);
	char text[16] = "";
	bool used;

	snprintf(text, sizeof(text), "%d", nth);
	if (fd < 0 || pwrite(fd, text, strlen(text), 0) < 0)
		abort();
	errno = 0;
	*ret = call();
	*error = errno;
	memset(text, 0, sizeof(text));
	/* If the read is what fails, or the write, the call has left it to that. */
	used = pread(fd, text, sizeof(text) - 1, 0) > 0 && !atoi(text);
	if (pwrite(fd, "0", 1, 0) < 0 && pwrite(fd, "0", 1, 0) < 0)
		abort();
	close(fd);
	return used;
}

static int set_vmstat(void)
{
	return isol_set(PR_ISOL_QUIESCE_CFG, VMSTAT);
}

static int set_inherit(void)
{
	return isol_set(PR_ISOL_INHERIT_CFG, ISOL_INHERIT_FORK);
}

static int set_signal(void)
{
	return notify(ISOL_NOTIFY_SIGNAL, SIGUSR1);
}

static int set_eventfd(void)
{
	/* Standard input is one, see there. */
	return notify(ISOL_NOTIFY_EVENTFD, 0);
}

static int fork_and_see(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(isol_get(ISOL_FEATURES) == QUIESCE ? 0 : 1);
	if (pid < 0)
		return -1;
	if (end_of(pid))
		abort();
	return 0;
}

static int make_ready(void)
{
	return isol_set(PR_ISOL_QUIESCE_CFG, VMSTAT) || isol_enable(QUIESCE) ||
	       isol_set(PR_ISOL_INHERIT_CFG, ISOL_INHERIT_FORK);
}

static int anything_set(void)
{
	return isol_get(PR_ISOL_QUIESCE_CFG) || isol_get(PR_ISOL_INHERIT_CFG) ||
	       isol_get(PR_ISOL_NOTIFY);
}

/*
 * A child of its own, so that each starts with nothing. What the call can do without
 * may be needed once only, as the large page of a slab that was full: then the next
 * child has fewer allocations, and tries the same one again.
 */
#define AGAIN	5

static int try_each_allocation(int (*call)(void), int ready)
{
	int nth, ret, error, status, failed = 0, again = 0;
	pid_t pid;

	for (nth = 1; nth < 2000; nth++) {
		pid = fork();
		if (!pid) {
			if (ready && make_ready())
				_exit(10);
			if (!failing(nth, call, &ret, &error))
				_exit(ret ? 11 : 0);
			/* An allocation failed that the call can do without. */
			if (!ret)
				_exit(1);
			if (error != ENOMEM && error != EAGAIN)
				_exit(12);
			if (!ready && anything_set())
				_exit(13);
			/* It was a passing weakness. */
			_exit(call() ? 14 : 2);
		}
		status = end_of(pid);
		switch (status) {
		case 0:
			return failed;
		case 1:
			if (again++ < AGAIN)
				nth--;
			else
				again = 0;
			break;
		case 2:
			failed++;
			again = 0;
			break;
		default:
			return -status;
		}
	}
	return -1;
}

TEST_F_TIMEOUT(call, without_memory, LONG_TEST)
{
	int fd;

	RETURN_IF_SKIPPED;

	if (access("/proc/thread-self/fail-nth", W_OK) || access(FAILSLAB "ignore-gfp-wait", W_OK))
		SKIP(return, "no CONFIG_FAILSLAB, or no debugfs");
	ASSERT_TRUE(write_file(FAILSLAB "ignore-gfp-wait", "N"));
	ASSERT_TRUE(write_file(FAILSLAB "verbose", "0"));
	fd = eventfd(0, 0);
	ASSERT_EQ(0, dup2(fd, 0));

	/* One may come twice, when something is allocated before it in the second child only. */
	EXPECT_LE(2, try_each_allocation(set_vmstat, 0));
	EXPECT_LE(2, try_each_allocation(set_inherit, 0));
	EXPECT_LE(2, try_each_allocation(set_signal, 0));
	EXPECT_LE(3, try_each_allocation(set_eventfd, 0));
	/* One of those that a fork needs is ours. */
	EXPECT_LT(1, try_each_allocation(fork_and_see, 1));

	EXPECT_TRUE(write_file(FAILSLAB "ignore-gfp-wait", "Y"));
}

TEST_HARNESS_MAIN
