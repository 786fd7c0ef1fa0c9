// SPDX-License-Identifier: GPL-2.0
/*
 * rseq time slice extension: the interface.
 *
 * Registration, flags, errors and their order, for areas of the original and of
 * the extended size, and for callers of the 64-bit, i386 and x32 tables.
 *
 * What has to make these tests fail: mutations/interface-*.patch
 */
#include "slice.h"
#include "kselftest_harness.h"

#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE	27
#define AT_RSEQ_ALIGN		28
#endif

/* Found out once, as threads ask that all the time. */
static bool legacy;

FIXTURE(area)
{
	struct rseq_slice_area	*area;
};

FIXTURE_SETUP(area)
{
	if (!kernel_has_slices())
		SKIP(return, "the kernel has no time slice extension");
	self->area = new_area();
	ASSERT_NE(NULL, self->area);
	drop_libc_area();
	legacy = !strcmp(offered(), "legacy");
}

FIXTURE_TEARDOWN(area)
{
}

#define EXPECT_FAILS(error, call)			\
do {							\
	errno = 0;					\
	EXPECT_EQ(-1, call);				\
	EXPECT_EQ(error, errno);			\
} while (0)

TEST_F(area, auxv)
{
	RETURN_IF_SKIPPED;

	EXPECT_EQ(33, getauxval(AT_RSEQ_FEATURE_SIZE));
	EXPECT_EQ(64, getauxval(AT_RSEQ_ALIGN));
}

TEST_F(area, layout)
{
	RETURN_IF_SKIPPED;

	EXPECT_EQ(28, offsetof(struct rseq, slice_ctrl));
	EXPECT_EQ(33, offsetof(struct rseq, end));
	EXPECT_EQ(28, offsetof(struct rseq_slice_area, ctrl));
	EXPECT_EQ(29, offsetof(struct rseq_slice_area, granted));
}

TEST_F(area, lengths)
{
	RETURN_IF_SKIPPED;

	static const struct { unsigned int len, align; int error; } rows[] = {
		{ 0, 64, EINVAL }, { 20, 64, EINVAL }, { 31, 64, EINVAL },
		{ 32, 64, 0 }, { 32, 32, 0 }, { 32, 16, EINVAL },
		{ 33, 64, 0 }, { 33, 32, EINVAL }, { 33, 1, EINVAL },
		{ 64, 64, 0 }, { 64, 32, EINVAL }, { 512, 64, 0 }, { 2048, 64, 0 },
	};
	void *place;

	for (unsigned int i = 0; i < ARRAY_LEN(rows); i++) {
		place = (char *)self->area + 64 + rows[i].align;
		errno = 0;
		EXPECT_EQ(rows[i].error ? -1 : 0, sys_rseq(place, rows[i].len, 0, SIG)) {
			TH_LOG("len %u align %u", rows[i].len, rows[i].align);
		}
		EXPECT_EQ(rows[i].error, errno);
		if (!rows[i].error)
			EXPECT_EQ(0, sys_rseq(place, rows[i].len, FLAG_OFF, SIG));
	}
}

TEST_F(area, flags)
{
	RETURN_IF_SKIPPED;

	EXPECT_FAILS(EINVAL, sys_rseq(self->area, LEN_NEW, 4, SIG));
	EXPECT_FAILS(EINVAL, sys_rseq(self->area, LEN_NEW, -1, SIG));
	EXPECT_FAILS(EINVAL, sys_rseq(self->area, LEN_NEW, FLAG_OFF | FLAG_ON, SIG));
	EXPECT_FAILS(EINVAL, sys_rseq(self->area, LEN_NEW, FLAG_OFF, SIG));
}

TEST_F(area, order)
{
	RETURN_IF_SKIPPED;

	void *kernel = (void *)-4096UL;

	/* Flags before the registration before the area before the address. */
	EXPECT_FAILS(EINVAL, sys_rseq(kernel, 31, 4, SIG));
	EXPECT_FAILS(EINVAL, sys_rseq(kernel, 31, 0, SIG));
	EXPECT_FAILS(EFAULT, sys_rseq(kernel, LEN_NEW, 0, SIG));
	EXPECT_FAILS(EFAULT, sys_rseq(kernel, LEN_OLD, 0, SIG));
	ASSERT_EQ(0, sys_rseq(self->area, LEN_NEW, 0, SIG));
	EXPECT_FAILS(EINVAL, sys_rseq(self->area, LEN_NEW, 4, SIG));
	EXPECT_FAILS(EINVAL, sys_rseq(kernel, LEN_NEW, 0, SIG));
	EXPECT_FAILS(EINVAL, sys_rseq(self->area, LEN_OLD, 0, SIG));
	EXPECT_FAILS(EINVAL, sys_rseq(self->area, 64, 0, SIG));
	EXPECT_FAILS(EPERM, sys_rseq(self->area, LEN_NEW, 0, SIG + 1));
	EXPECT_FAILS(EBUSY, sys_rseq(self->area, LEN_NEW, 0, SIG));
	EXPECT_FAILS(EBUSY, sys_rseq(self->area, LEN_NEW, FLAG_ON, SIG));
	EXPECT_FAILS(EINVAL, sys_rseq(self->area, LEN_OLD, FLAG_OFF, SIG));
	EXPECT_FAILS(EPERM, sys_rseq(self->area, LEN_NEW, FLAG_OFF, SIG + 1));
	EXPECT_EQ(0, sys_rseq(self->area, LEN_NEW, FLAG_OFF, SIG));
}

TEST_F(area, registered)
{
	RETURN_IF_SKIPPED;

	memset(self->area, 0xff, 64);
	self->area->rseq_cs = 0;
	ASSERT_EQ(0, sys_rseq(self->area, LEN_NEW, 0, SIG));
	EXPECT_EQ(strcmp(offered(), "off") ? RSEQ_SLICE_AVAILABLE : 0, self->area->flags);
	EXPECT_EQ(0, self->area->ctrl);
	EXPECT_GT(1024, self->area->cpu_id);
	EXPECT_EQ(self->area->cpu_id, self->area->cpu_id_start);
	EXPECT_GT(64, self->area->node_id);
	EXPECT_EQ(0, self->area->mm_cid);
	/* Nothing behind the features. */
	EXPECT_EQ(0xff, ((unsigned char *)self->area)[32]);
	EXPECT_EQ(0xff, ((unsigned char *)self->area)[33]);
	EXPECT_EQ(0, slice_get());

	EXPECT_EQ(0, sys_rseq(self->area, LEN_NEW, FLAG_OFF, SIG));
	EXPECT_EQ(-1, (int)self->area->cpu_id);
	EXPECT_EQ(0, self->area->cpu_id_start);
	EXPECT_EQ(0, self->area->node_id);
	EXPECT_EQ(0, self->area->mm_cid);
}

/* An original area keeps its flags and everything behind them. */
TEST_F(area, original)
{
	RETURN_IF_SKIPPED;

	memset(self->area, 0xff, 64);
	self->area->rseq_cs = 0;
	self->area->flags = 5;
	ASSERT_EQ(0, sys_rseq(self->area, LEN_OLD, FLAG_ON, SIG));
	EXPECT_EQ(legacy ? 5 | RSEQ_SLICE_AVAILABLE : 5, self->area->flags);
	EXPECT_EQ(-1U, self->area->ctrl);
	EXPECT_GT(1024, self->area->cpu_id);
	EXPECT_EQ(0, slice_get());
	usleep(1000);
	EXPECT_EQ(-1U, self->area->ctrl);
	EXPECT_EQ(0, sys_rseq(self->area, LEN_OLD, FLAG_OFF, SIG));
	EXPECT_EQ(-1U, self->area->ctrl);
}

static void no_handler(int sig)
{
}

/* Is it the pattern of fill_pattern(), but for what every kernel writes? */
static bool has_pattern(const struct rseq_slice_area *area)
{
	const unsigned char *bytes = (const unsigned char *)area;
	bool whole = !area->rseq_cs && !(area->flags & ~RSEQ_SLICE_AVAILABLE);

	if (area->flags && !legacy)
		return false;
	for (int i = 20; i < 64; i++)
		whole &= bytes[i] == (unsigned char)(0x80 + i);
	return whole;
}

static void fill_pattern(struct rseq_slice_area *area)
{
	for (int i = 0; i < 64; i++)
		((unsigned char *)area)[i] = 0x80 + i;
	area->rseq_cs = 0;
	area->flags = 0;
}

typedef long (*caller_t)(long nr, long a, long b, long c, long d);

static long call_native(long nr, long a, long b, long c, long d)
{
	long ret = syscall(nr, a, b, c, d);

	return ret < 0 ? -errno : ret;
}

/* To the byte, whatever happens to the thread. */
static void keeps_pattern(struct __test_metadata *_metadata, struct rseq_slice_area *area,
			  caller_t call, long rseq)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), status;

	if (call(rseq, 0, 0, 4, 0) == -ENOSYS)
		SKIP(return, "no such system call table");
	fill_pattern(area);
	signal(SIGUSR1, no_handler);
	ASSERT_EQ(0, call(rseq, (long)area, LEN_OLD, 0, SIG));
	EXPECT_TRUE(has_pattern(area));
	for (int cpu = 0; cpu < cpus; cpu++) {
		ASSERT_EQ(0, pin(cpu));
		EXPECT_EQ(cpu, area->cpu_id);
		EXPECT_EQ(cpu, area->cpu_id_start);
		EXPECT_TRUE(has_pattern(area));
		usleep(1000);
		EXPECT_TRUE(has_pattern(area));
		raise(SIGUSR1);
		EXPECT_TRUE(has_pattern(area));
		status = in_child(
			pin(0);
			usleep(1000);
			_exit(!has_pattern(area) || area->cpu_id != 0 ||
			      call(rseq, (long)area, LEN_OLD, FLAG_OFF, SIG) ||
			      !has_pattern(area)));
		EXPECT_EQ(0, status);
		EXPECT_TRUE(has_pattern(area));
	}
	EXPECT_EQ(-1, syscall(__NR_execve, "/", NULL, NULL));
	EXPECT_TRUE(has_pattern(area));
	EXPECT_EQ(0, call(rseq, (long)area, LEN_OLD, FLAG_OFF, SIG));
	EXPECT_EQ(0, area->cpu_id_start);
	EXPECT_EQ(-1, (int)area->cpu_id);
	EXPECT_TRUE(has_pattern(area));
}

TEST_F(area, pattern)
{
	RETURN_IF_SKIPPED;

	keeps_pattern(_metadata, self->area, call_native, __NR_rseq);
}

static void *hold_pattern(void *arg)
{
	struct rseq_slice_area *area = new_area();
	long wrong = !area;

	drop_libc_area();
	if (wrong)
		return (void *)1;
	fill_pattern(area);
	wrong |= sys_rseq(area, LEN_OLD, 0, SIG);
	for (int i = 0; i < 300 && !wrong; i++) {
		for (double end = now() + 0.0001; now() < end; )
			wrong |= !has_pattern(area);
		usleep(100);
	}
	/* Without unregistering: the next thread may find what is here. */
	return wrong ? (void *)2 : area;
}

/* Threads that run at once, and thus have different ids. */
TEST_F(area, pattern_threads)
{
	RETURN_IF_SKIPPED;

	pthread_t threads[6];
	void *area;

	for (int i = 0; i < 6; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, hold_pattern, NULL));
	for (int i = 0; i < 6; i++) {
		ASSERT_EQ(0, pthread_join(threads[i], &area));
		ASSERT_LT(2, (unsigned long)area);
		EXPECT_TRUE(has_pattern(area));
	}
}

static volatile bool companion_stop;

/* Holds the lowest id whenever another thread has been asleep for a while. */
static void *companion(void *arg)
{
	struct rseq_slice_area *area = new_area();

	drop_libc_area();
	pin(0);
	if (!area || sys_rseq(area, LEN_NEW, 0, SIG))
		return (void *)1;
	while (!companion_stop) {
		for (double end = now() + 0.0003; now() < end; )
			;
		usleep(100);
	}
	return NULL;
}

/* Sleep until this thread has another id than 0; it is not that of the area. */
static bool await_id(const struct rseq_slice_area *area)
{
	for (double end = now() + 30; now() < end; usleep(2000))
		if (*(volatile uint32_t *)&area->mm_cid)
			return true;
	return false;
}

/* Former padding that nobody uses is filled in, and empty again in the end. */
TEST_F(area, padding)
{
	RETURN_IF_SKIPPED;

	struct rseq_slice_area *area = self->area;
	int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t thread;
	void *wrong;

	if (cpus < 2)
		SKIP(return, "needs two CPUs");
	ASSERT_EQ(0, pin(cpus - 1));

	/* What an earlier thread left there is no program's. */
	area->mm_cid = cpus - 1;
	ASSERT_EQ(0, sys_rseq(area, LEN_OLD, 0, SIG));
	EXPECT_EQ(0, area->mm_cid);

	companion_stop = false;
	ASSERT_EQ(0, pthread_create(&thread, NULL, companion, NULL));
	EXPECT_TRUE(await_id(area));
	EXPECT_GT(2, area->mm_cid);
	EXPECT_EQ(0, area->ctrl);
	EXPECT_EQ(0, sys_rseq(area, LEN_OLD, FLAG_OFF, SIG));
	EXPECT_EQ(0, area->node_id);
	EXPECT_EQ(0, area->mm_cid);

	/* The program has it from the moment at which it writes there. */
	ASSERT_EQ(0, sys_rseq(area, LEN_OLD, 0, SIG));
	EXPECT_TRUE(await_id(area));
	area->node_id = 0x1234;
	area->mm_cid = 0x5678;
	for (int i = 0; i < 200; i++) {
		usleep(1000);
		ASSERT_EQ(0x1234, area->node_id);
		ASSERT_EQ(0x5678, area->mm_cid);
	}
	/* For good, even if it looks now like what was there once. */
	area->node_id = 0;
	area->mm_cid = 0;
	for (int i = 0; i < 200; i++) {
		usleep(1000);
		ASSERT_EQ(0, area->mm_cid);
	}
	area->mm_cid = 0x5678;
	EXPECT_EQ(0, sys_rseq(area, LEN_OLD, FLAG_OFF, SIG));
	EXPECT_EQ(0, area->node_id);
	EXPECT_EQ(0x5678, area->mm_cid);

	companion_stop = true;
	pthread_join(thread, &wrong);
	EXPECT_EQ(NULL, wrong);
}

TEST_F(area, default_on)
{
	RETURN_IF_SKIPPED;

	if (!strcmp(offered(), "off"))
		SKIP(return, "booted with rseq_slice_ext=0");
	ASSERT_EQ(0, sys_rseq(self->area, LEN_NEW, FLAG_ON, SIG));
	EXPECT_EQ(RSEQ_SLICE_AVAILABLE | RSEQ_SLICE_ENABLED, self->area->flags);
	EXPECT_EQ(1, slice_get());
	EXPECT_EQ(0, slice_set(0));
	EXPECT_EQ(RSEQ_SLICE_AVAILABLE, self->area->flags);
	EXPECT_EQ(0, slice_get());
}

TEST_F(area, arguments)
{
	RETURN_IF_SKIPPED;

	int pr = PR_RSEQ_SLICE_EXTENSION;

	EXPECT_FAILS(EINVAL, prctl(pr, PR_RSEQ_SLICE_EXTENSION_GET, 0, 1, 0));
	EXPECT_FAILS(EINVAL, prctl(pr, PR_RSEQ_SLICE_EXTENSION_GET, 0, 0, 1));
	EXPECT_FAILS(EINVAL, prctl(pr, PR_RSEQ_SLICE_EXTENSION_SET, 1, 1, 0));
	EXPECT_FAILS(EINVAL, slice_prctl(0, 0));
	EXPECT_FAILS(EINVAL, slice_prctl(3, 0));
	EXPECT_FAILS(EINVAL, slice_prctl(PR_RSEQ_SLICE_EXTENSION_GET, 1));
	EXPECT_FAILS(EINVAL, slice_prctl(PR_RSEQ_SLICE_EXTENSION_SET, 2));
	EXPECT_FAILS(EINVAL, slice_prctl(PR_RSEQ_SLICE_EXTENSION_SET, 1UL << 32));
	/* Arguments come before the state. */
	EXPECT_FAILS(strcmp(offered(), "off") ? ENXIO : ENOTSUPP, slice_set(1));
	EXPECT_FAILS(strcmp(offered(), "off") ? ENXIO : ENOTSUPP, slice_set(0));
	EXPECT_EQ(0, slice_get());
}

TEST_F(area, refused)
{
	RETURN_IF_SKIPPED;

	self->area->ctrl = -1U;
	ASSERT_EQ(0, sys_rseq(self->area, LEN_OLD, 0, SIG));
	EXPECT_EQ(-1U, self->area->ctrl);
	if (legacy) {
		EXPECT_EQ(0, slice_set(1));
		EXPECT_EQ(0, self->area->ctrl);
		EXPECT_EQ(1, slice_get());
		EXPECT_EQ(RSEQ_SLICE_AVAILABLE | RSEQ_SLICE_ENABLED, self->area->flags);
	} else {
		EXPECT_FAILS(ENOTSUPP, slice_set(1));
		EXPECT_FAILS(ENOTSUPP, slice_set(0));
		EXPECT_EQ(0, slice_get());
		EXPECT_EQ(0, self->area->flags);
		EXPECT_EQ(-1U, self->area->ctrl);
	}
}

TEST_F(area, enabled)
{
	RETURN_IF_SKIPPED;

	if (!strcmp(offered(), "off"))
		SKIP(return, "booted with rseq_slice_ext=0");
	ASSERT_EQ(0, sys_rseq(self->area, LEN_NEW, 0, SIG));
	EXPECT_EQ(0, slice_set(0));
	EXPECT_EQ(0, slice_set(1));
	EXPECT_EQ(0, slice_set(1));
	EXPECT_EQ(1, slice_get());
	EXPECT_EQ(RSEQ_SLICE_AVAILABLE | RSEQ_SLICE_ENABLED, self->area->flags);
	EXPECT_EQ(1, counter("enabled"));
	EXPECT_EQ(0, sys_rseq(self->area, LEN_NEW, FLAG_OFF, SIG));
	EXPECT_EQ(0, slice_get());
	EXPECT_EQ(0, slice_yield());
}

TEST_F(area, tampered)
{
	RETURN_IF_SKIPPED;

	struct rseq_slice_area *area = self->area;
	int status;

	if (!strcmp(offered(), "off"))
		SKIP(return, "booted with rseq_slice_ext=0");
	ASSERT_EQ(0, sys_rseq(area, LEN_NEW, 0, SIG));

	status = in_child(area->flags = 0; slice_set(1));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	status = in_child(slice_set(1); area->flags = RSEQ_SLICE_AVAILABLE; slice_set(0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	/* Bits of nobody are left alone. */
	status = in_child(area->flags |= 1U << 31; slice_set(1);
			  _exit(area->flags != (1U << 31 | RSEQ_SLICE_AVAILABLE |
						RSEQ_SLICE_ENABLED)));
	EXPECT_EQ(0, status);
	status = in_child(munmap(area, 4096); slice_set(1));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	status = in_child(slice_set(1));
	EXPECT_EQ(0, status);
}

/* Identifiers are the kernel's: whoever changes one dies when it is rewritten. */
TEST_F(area, identifiers)
{
	RETURN_IF_SKIPPED;

	struct rseq_slice_area *area = self->area;
	int status;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "needs two CPUs");
	ASSERT_EQ(0, pin(0));
	ASSERT_EQ(0, sys_rseq(area, LEN_NEW, 0, SIG));
	EXPECT_EQ(0, area->cpu_id);
	status = in_child(area->node_id = 7; pin(1));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	status = in_child(pin(1); _exit(area->cpu_id != 1 || area->cpu_id_start != 1));
	EXPECT_EQ(0, status);
}

TEST_F(area, fork)
{
	RETURN_IF_SKIPPED;

	int status;

	if (!strcmp(offered(), "off"))
		SKIP(return, "booted with rseq_slice_ext=0");
	ASSERT_EQ(0, sys_rseq(self->area, LEN_NEW, FLAG_ON, SIG));
	status = in_child(
		if (slice_get() != 1 || slice_yield() || counter("granted"))
			_exit(1);
		if (sys_rseq(self->area, LEN_NEW, 0, SIG) != -1 || errno != EBUSY)
			_exit(2);
		if (slice_set(0) || self->area->flags != RSEQ_SLICE_AVAILABLE)
			_exit(3));
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, slice_get());
}

/* Exit status: 0 when nothing was inherited. */
static int thread_get(void *arg)
{
	if (slice_get() || slice_set(1) != -1 || errno != ENXIO)
		return 1;
	return counter("enabled") || counter("granted");
}

/* A thread as the kernel makes it: libc registers an area in those it starts. */
TEST_F(area, threads)
{
	RETURN_IF_SKIPPED;

	const size_t size = 65536;
	int status = -1;
	char *stack;
	pid_t pid;

	if (!strcmp(offered(), "off"))
		SKIP(return, "booted with rseq_slice_ext=0");
	ASSERT_EQ(0, sys_rseq(self->area, LEN_NEW, FLAG_ON, SIG));
	stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, stack);
	pid = clone(thread_get, stack + size, CLONE_VM | SIGCHLD, NULL);
	ASSERT_LT(0, pid);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(1, slice_get());
}

/*
 * The new program finds neither the registration nor the setting; its libc must
 * not register an area of its own, which has settings of its own.
 */
TEST_F(area, exec)
{
	RETURN_IF_SKIPPED;

	static char * const env[] = { "GLIBC_TUNABLES=glibc.pthread.rseq=0", NULL };
	int status;

	if (!strcmp(offered(), "off"))
		SKIP(return, "booted with rseq_slice_ext=0");
	ASSERT_EQ(0, sys_rseq(self->area, LEN_NEW, FLAG_ON, SIG));
	status = in_child(
		execle("/bin/grep", "grep", "-q", "enabled: 0", "/proc/self/rseq_slice", NULL,
		       env);
		_exit(100));
	EXPECT_EQ(0, status);
}

TEST_F(area, knobs)
{
	RETURN_IF_SKIPPED;

	static const char * const files[] = {
		NSEC_FILE, "/sys/kernel/debug/rseq/slice_ext_nsec",
	};
	static const char * const wrong[] = { "4999", "50001", "0", "-1", "x", "99999999999" };
	long before = read_long(NSEC_FILE);

	if (geteuid())
		SKIP(return, "needs root");
	for (int f = 0; f < 2; f++) {
		if (access(files[f], W_OK))
			SKIP(return, "no debugfs");
		for (unsigned int i = 0; i < ARRAY_LEN(wrong); i++)
			EXPECT_GT(0, write_text(files[f], wrong[i]));
		EXPECT_EQ(before, read_long(files[f]));
		EXPECT_EQ(0, write_text(files[f], "50000"));
		EXPECT_EQ(50000, read_long(files[!f]));
		EXPECT_EQ(0, write_text(files[f], "5000"));
		EXPECT_EQ(5000, read_long(files[!f]));
	}
	EXPECT_EQ(-ERANGE, write_text(files[1], "4999"));
	EXPECT_EQ(-EINVAL, write_text(files[1], "x"));
}

#ifdef __x86_64__

/* Call by the tables that i386 and x32 programs use. */
static long call_i386(long nr, long a, long b, long c, long d)
{
	long ret;

	asm volatile("int $0x80" : "=a" (ret)
		     : "a" (nr), "b" (a), "c" (b), "d" (c), "S" (d), "D" (0)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

static long call_x32(long nr, long a, long b, long c, long d)
{
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = 0;
	long ret;

	asm volatile("syscall" : "=a" (ret)
		     : "a" (nr | 0x40000000), "D" (a), "S" (b), "d" (c), "r" (r10), "r" (r8)
		     : "memory", "rcx", "r11");
	return ret;
}

static void other_table(struct __test_metadata *_metadata, struct rseq_slice_area *area,
			long (*call)(long, long, long, long, long), long rseq, long prctl_nr)
{
	long a = (long)area;

	if (call(rseq, 0, 0, 4, 0) == -ENOSYS)
		SKIP(return, "no such system call table");
	EXPECT_EQ(0, call(__NR_rseq_slice_yield, 0, 0, 0, 0));
	EXPECT_EQ(-EINVAL, call(rseq, a, 31, 0, SIG));
	EXPECT_EQ(-EINVAL, call(rseq, a + 32, LEN_NEW, 0, SIG));
	ASSERT_EQ(0, call(rseq, a, LEN_NEW, FLAG_ON, SIG));
	EXPECT_EQ(-EBUSY, call(rseq, a, LEN_NEW, 0, SIG));
	if (strcmp(offered(), "off"))
		EXPECT_EQ(RSEQ_SLICE_AVAILABLE | RSEQ_SLICE_ENABLED, area->flags);
	EXPECT_EQ(slice_get(), call(prctl_nr, PR_RSEQ_SLICE_EXTENSION,
				    PR_RSEQ_SLICE_EXTENSION_GET, 0, 0));
	EXPECT_EQ(-EINVAL, call(prctl_nr, PR_RSEQ_SLICE_EXTENSION, 3, 0, 0));
	EXPECT_EQ(0, call(rseq, a, LEN_NEW, FLAG_OFF, SIG));
}

TEST_F(area, i386)
{
	RETURN_IF_SKIPPED;

	other_table(_metadata, self->area, call_i386, 386, 172);
}

TEST_F(area, pattern_i386)
{
	RETURN_IF_SKIPPED;

	keeps_pattern(_metadata, self->area, call_i386, 386);
}

TEST_F(area, pattern_x32)
{
	RETURN_IF_SKIPPED;

	keeps_pattern(_metadata, self->area, call_x32, __NR_rseq);
}

/* Programs of the other ABIs, which have an original area. */
static void pattern_program(struct __test_metadata *_metadata, const char *program)
{
	int status;

	status = in_child(execl(program, program, "pattern", NULL);
			  _exit(errno == ENOEXEC ? 126 : 127));
	if (status == 126 << 8)
		SKIP(return, "the kernel runs no such programs");
	EXPECT_EQ(0, status) {
		TH_LOG("%s failed in step %d", program, WEXITSTATUS(status));
	}
}

TEST_F(area, pattern_program_i386)
{
	RETURN_IF_SKIPPED;

	pattern_program(_metadata, "./caller_i386");
}

TEST_F(area, pattern_program_x32)
{
	RETURN_IF_SKIPPED;

	pattern_program(_metadata, "./caller_x32");
}

TEST_F(area, x32)
{
	RETURN_IF_SKIPPED;

	other_table(_metadata, self->area, call_x32, __NR_rseq, __NR_prctl);
}

#endif /* __x86_64__ */

TEST_HARNESS_MAIN
