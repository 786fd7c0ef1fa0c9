// SPDX-License-Identifier: GPL-2.0
/*
 * Which error process_madvise(2) gives, and which of several:
 *
 *	flags > number of ranges > reading the ranges > pidfd > access
 *	      > unknown advice > advice not for others > capability > a range
 *
 * Each test commits one error together with those that come later in this
 * order. What is wrong with one range is the matter of vector.c.
 */
#include "pmadv.h"

#define PAGES		4

/* No pointer to anything, in the half of the address space that is the kernel's. */
#define KERNEL_ADDRESS	((void *)0xffff888000001000UL)

FIXTURE(errors) {
	struct agent target;
	struct agent caller;
	struct call *call;
	void *mem;
	void *nothing;
};

FIXTURE_SETUP(errors)
{
	self->call = share(sizeof(*self->call));
	self->nothing = map_pages(1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	self->target = agent_start();
	self->mem = (void *)ask(&self->target, job_map_filled, PAGES, 1);
	self->caller = agent_start();

	/* What is right, until a test says otherwise. */
	self->call->pidfd = self->target.pidfd;
	self->call->vec[0].iov_base = self->mem;
	self->call->vec[0].iov_len = PAGES * PAGE;
	self->call->vlen = 1;
	self->call->advice = MADV_COLD;
}

FIXTURE_TEARDOWN(errors)
{
	agent_kill(&self->caller);
	agent_kill(&self->target);
}

#define CALL() ask(&self->caller, job_call, (long)self->call, 0)

/* The base of the others: with nothing wrong the call works. Mutation: swap-cold-young */
TEST_F(errors, none)
{
	ASSERT_EQ(PAGES, young(self->target.pid, self->mem, PAGES));
	ASSERT_EQ(PAGES * PAGE, CALL());
	EXPECT_EQ(0, young(self->target.pid, self->mem, PAGES));
}

/* EINVAL: flags are not 0. Before everything else. Mutation: errors-flags */
TEST_F(errors, flags_first)
{
	int bit;

	self->call->pidfd = -1;
	self->call->at = self->nothing;
	ASSERT_EQ(-EFAULT, CALL());

	/* Bits 20 to 30 have a meaning; the others do not, and bit 31 never will. */
	for (bit = 0; bit < 32; bit++) {
		if (bit >= 20 && bit <= 30)
			continue;
		self->call->flags = 1U << bit;
		EXPECT_EQ(-EINVAL, CALL())
			TH_LOG("with bit %d", bit);
	}
	self->call->flags = ~0U;
	EXPECT_EQ(-EINVAL, CALL());
}

/* A refused flag leaves the memory alone. Mutation: errors-flags */
TEST_F(errors, flags_change_nothing)
{
	self->call->flags = 1U << 31;
	EXPECT_EQ(-EINVAL, CALL());
	EXPECT_EQ(PAGES, young(self->target.pid, self->mem, PAGES));
}

/* EINVAL: more than 1024 ranges. Before they are read. Mutation: errors-vlen-limit */
TEST_F(errors, vlen_before_vector)
{
	self->call->pidfd = -1;
	self->call->at = self->nothing;
	self->call->vlen = 1024;
	EXPECT_EQ(-EFAULT, CALL());
	self->call->vlen = 1025;
	EXPECT_EQ(-EINVAL, CALL());
}

/* The number of ranges counts in its full width. Mutation: errors-vlen-cut */
TEST_F(errors, vlen_is_not_cut)
{
	self->call->vlen = 1UL << 32;
	EXPECT_EQ(-EINVAL, CALL());
	self->call->vlen = (1UL << 32) + 1;
	EXPECT_EQ(-EINVAL, CALL());
	self->call->vlen = 1UL << 63;
	EXPECT_EQ(-EINVAL, CALL());
	self->call->vlen = ~0UL;
	EXPECT_EQ(-EINVAL, CALL());
	EXPECT_EQ(PAGES, young(self->target.pid, self->mem, PAGES));
}

/*
 * EFAULT: the vector cannot be read. Before the pidfd.
 * Mutations: errors-pidfd-first, vector-unread
 */
TEST_F(errors, vector_unreadable)
{
	self->call->pidfd = -1;
	self->call->advice = -1;
	self->call->at = self->nothing;
	EXPECT_EQ(-EFAULT, CALL());
	self->call->at = KERNEL_ADDRESS;
	EXPECT_EQ(-EFAULT, CALL());
}

/*
 * EINVAL: a negative length. Before the pidfd.
 * Mutations: errors-pidfd-first, vector-unchecked
 */
TEST_F(errors, length_negative)
{
	self->call->pidfd = -1;
	self->call->vec[0].iov_len = 1UL << 63;
	EXPECT_EQ(-EINVAL, CALL());
	self->call->vec[0].iov_len = ~0UL;
	EXPECT_EQ(-EINVAL, CALL());
}

/*
 * EFAULT: a range is not in the user's half. Before the pidfd.
 * Mutations: errors-pidfd-first, vector-unchecked
 */
TEST_F(errors, range_in_kernel)
{
	self->call->pidfd = -1;
	self->call->vec[0].iov_base = KERNEL_ADDRESS;
	EXPECT_EQ(-EFAULT, CALL());
	/* Here it begins well and runs into the other half. */
	self->call->vec[0].iov_base = self->mem;
	self->call->vec[0].iov_len = 1UL << 62;
	EXPECT_EQ(-EFAULT, CALL());
}

/*
 * EBADF: no descriptor, or none of a process. Before the advice.
 * Mutation: errors-advice-first
 */
TEST_F(errors, pidfd_bad)
{
	static const int numbers[] = {
		-1, -2, AT_FDCWD, -9999, -10002, -10003, INT32_MIN, 1 << 20,
	};
	unsigned int i;

	self->call->advice = -1;
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		self->call->pidfd = numbers[i];
		EXPECT_EQ(-EBADF, CALL())
			TH_LOG("with pidfd %d", numbers[i]);
	}
}

static long job_open(long path, long flags)
{
	return open((const char *)path, flags);
}

/* EBADF: a descriptor of something else. Mutation: errors-advice-first */
TEST_F(errors, pidfd_of_other_kind)
{
	static const char * const paths[] = { "/proc/self", "/dev/null", "/" };
	static const int flags[] = { O_RDONLY, O_PATH };
	unsigned int i, j;

	self->call->advice = -1;
	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		for (j = 0; j < ARRAY_SIZE(flags); j++) {
			self->call->pidfd = ask(&self->caller, job_open,
						(long)paths[i], flags[j]);
			ASSERT_GT(self->call->pidfd, 0);
			EXPECT_EQ(-EBADF, CALL())
				TH_LOG("with %s", paths[i]);
		}
	}
}

/* ESRCH: the process has exited. Before the advice. Mutation: errors-advice-first */
TEST_F(errors, target_gone)
{
	siginfo_t info;

	self->call->advice = -1;
	kill(self->target.pid, SIGKILL);
	ASSERT_EQ(0, waitid(P_PID, self->target.pid, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(-ESRCH, CALL())
		TH_LOG("dead but not reaped");
	ASSERT_EQ(self->target.pid, waitpid(self->target.pid, NULL, 0));
	EXPECT_EQ(-ESRCH, CALL())
		TH_LOG("reaped");
	self->call->vlen = 0;
	EXPECT_EQ(-ESRCH, CALL())
		TH_LOG("without a range");
	self->target = agent_start();
}

static long job_pidfd_open(long pid, long unused __attribute__((unused)))
{
	return pidfd_open(pid);
}

/* ESRCH: a kernel thread has no memory of its own. Mutation: errors-advice-first */
TEST_F(errors, target_is_kthread)
{
	char name[32] = "";
	int fd;

	fd = open("/proc/2/comm", O_RDONLY);
	if (fd < 0 || read(fd, name, sizeof(name) - 1) <= 0 || strcmp(name, "kthreadd\n"))
		SKIP(return, "process 2 is not kthreadd");
	self->call->advice = -1;
	self->call->pidfd = ask(&self->caller, job_pidfd_open, 2, 0);
	ASSERT_GT(self->call->pidfd, 0);
	EXPECT_EQ(-ESRCH, CALL());
}

/*
 * EACCES: no ptrace access to read. Before the advice.
 * Mutations: errors-advice-first, errors-no-access
 */
TEST_F(errors, access_before_advice)
{
	ask(&self->caller, job_become, NOBODY, 0);
	EXPECT_EQ(-EACCES, CALL());
	self->call->advice = MADV_DONTNEED;
	EXPECT_EQ(-EACCES, CALL());
	self->call->advice = -1;
	EXPECT_EQ(-EACCES, CALL());
	self->call->vlen = 0;
	EXPECT_EQ(-EACCES, CALL());
	EXPECT_EQ(PAGES, young(self->target.pid, self->mem, PAGES));
}

/* CAP_SYS_NICE is no access. Mutations: errors-nice-is-access, errors-no-access */
TEST_F(errors, access_with_nice)
{
	ask(&self->caller, job_become, NOBODY, CAP(CAP_SYS_NICE));
	EXPECT_EQ(-EACCES, CALL());
	EXPECT_EQ(PAGES, young(self->target.pid, self->mem, PAGES));
}

/*
 * CAP_PERFMON is access to read, but no more.
 * Mutations: errors-no-cap, errors-no-perfmon
 */
TEST_F(errors, access_with_perfmon)
{
	ask(&self->caller, job_become, NOBODY, CAP(CAP_PERFMON));
	EXPECT_EQ(-EPERM, CALL());
	EXPECT_EQ(PAGES, young(self->target.pid, self->mem, PAGES));
}

/*
 * CAP_PERFMON and CAP_SYS_NICE suffice for another user's process.
 * Mutation: errors-no-perfmon
 */
TEST_F(errors, access_with_perfmon_and_nice)
{
	ask(&self->caller, job_become, NOBODY, CAP(CAP_PERFMON) | CAP(CAP_SYS_NICE));
	EXPECT_EQ(PAGES * PAGE, CALL());
	EXPECT_EQ(0, young(self->target.pid, self->mem, PAGES));
}

/* EINVAL: unknown advice. Before the capability. Mutation: errors-cap-first */
TEST_F(errors, advice_unknown)
{
	static const int advices[] = { -1, 5, 6, 7, 99, 1000, INT32_MIN, INT32_MAX };
	unsigned int i;

	ask(&self->caller, job_keep_caps, ~CAP(CAP_SYS_NICE), 0);
	for (i = 0; i < ARRAY_SIZE(advices); i++) {
		self->call->advice = advices[i];
		self->call->vlen = 1;
		EXPECT_EQ(-EINVAL, CALL())
			TH_LOG("advice %d", advices[i]);
		self->call->vlen = 0;
		EXPECT_EQ(-EINVAL, CALL())
			TH_LOG("advice %d without a range", advices[i]);
	}
}

/*
 * EINVAL: not for other processes. Before the capability.
 * Mutations: errors-cap-first, errors-remote-any
 */
TEST_F(errors, advice_not_remote)
{
	ask(&self->caller, job_keep_caps, ~CAP(CAP_SYS_NICE), 0);
	self->call->advice = MADV_DONTNEED;
	EXPECT_EQ(-EINVAL, CALL());
	self->call->advice = MADV_FREE;
	EXPECT_EQ(-EINVAL, CALL());
	self->call->vlen = 0;
	EXPECT_EQ(-EINVAL, CALL());
}

/* EPERM: another process, and no CAP_SYS_NICE. Before a range. Mutation: errors-no-cap */
TEST_F(errors, capability)
{
	ask(&self->caller, job_keep_caps, ~CAP(CAP_SYS_NICE), 0);
	EXPECT_EQ(-EPERM, CALL());
	self->call->vec[0].iov_base++;
	EXPECT_EQ(-EPERM, CALL());
	self->call->vlen = 0;
	EXPECT_EQ(-EPERM, CALL());
	EXPECT_EQ(PAGES, young(self->target.pid, self->mem, PAGES));
}

/*
 * The advices for others are these four; no other changes anything.
 * Mutations: errors-remote-any, swap-willneed-none, collapse-not-remote
 */
TEST_F(errors, remote_advices)
{
	bool remote;
	int advice;

	for (advice = -2; advice < 130; advice++) {
		remote = advice == MADV_COLD || advice == MADV_PAGEOUT ||
			 advice == MADV_WILLNEED || advice == MADV_COLLAPSE;
		self->call->advice = advice;
		self->call->vlen = 0;
		EXPECT_EQ(remote ? 0 : -EINVAL, CALL())
			TH_LOG("advice %d", advice);
		self->call->vlen = 1;
		if (!remote) {
			EXPECT_EQ(-EINVAL, CALL())
				TH_LOG("advice %d", advice);
		}
	}
	EXPECT_EQ(PAGES, young(self->target.pid, self->mem, PAGES));
	EXPECT_EQ(0, ask(&self->target, job_wrong, (long)self->mem, PAGES));
}

TEST_HARNESS_MAIN
