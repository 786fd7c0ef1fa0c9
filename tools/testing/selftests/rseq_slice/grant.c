// SPDX-License-Identifier: GPL-2.0
/*
 * rseq time slice extension: the life of a grant, each row of the table at the
 * head of kernel/rseq_slice.c.
 *
 * A thread computes on a CPU where another one keeps waking up, so that there
 * is always something to be preempted for.  What a thread sees is compared with
 * what the kernel counted.
 *
 * What has to make these tests fail: mutations/grant-*.patch
 */
#include <linux/filter.h>
#include <linux/membarrier.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include "slice.h"
#include "kselftest_harness.h"

#define PATIENCE	patience(40)	/* seconds, for something that takes milliseconds */

FIXTURE(grant)
{
	struct rseq_slice_area		*area;
	struct noise	noise;
	int		cpu;
};

FIXTURE_VARIANT(grant)
{
	unsigned int	len;
};

FIXTURE_VARIANT_ADD(grant, extended)
{
	.len = LEN_NEW,
};

FIXTURE_VARIANT_ADD(grant, larger)
{
	.len = 256,
};

FIXTURE_VARIANT_ADD(grant, original)
{
	.len = LEN_OLD,
};

FIXTURE_SETUP(grant)
{
	patience_begin();
	if (!kernel_has_slices())
		SKIP(return, "the kernel has no time slice extension");
	if (!strcmp(offered(), "off"))
		SKIP(return, "booted with rseq_slice_ext=0");
	if (variant->len == LEN_OLD && strcmp(offered(), "legacy"))
		SKIP(return, "original areas need rseq_slice_ext=legacy");
	self->cpu = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	ASSERT_EQ(0, pin(self->cpu));
	/* A short grant would be over before a slow machine has noticed it. */
	if (write_text(NSEC_FILE, "50000"))
		SKIP(return, "needs root");
	self->area = enabled_area(variant->len);
	ASSERT_NE(NULL, self->area);
	ASSERT_EQ(0, noise_start(&self->noise, self->cpu, SCHED_OTHER));
}

FIXTURE_TEARDOWN(grant)
{
	patience_end(_metadata->passed);
	if (!self->area)
		return;
	if (!_metadata->passed)
		show_counters();
	noise_stop(&self->noise);
	write_text(NSEC_FILE, "5000");
}

/* Repeat until it works: a slow machine may take longer than a grant lasts. */
#define UNTIL(condition, area)						\
({									\
	double end_ = now() + PATIENCE;					\
	bool ok_ = false;						\
	while (!ok_ && now() < end_)					\
		ok_ = ask_for(area, PATIENCE) && (condition);		\
	ok_;								\
})

TEST_F_TIMEOUT(grant, yield, 600)
{
	RETURN_IF_SKIPPED;

	long granted, yielded;

	EXPECT_TRUE(UNTIL(slice_yield() == 1, self->area));
	EXPECT_EQ(0, self->area->ctrl);
	EXPECT_EQ(0, slice_yield());

	granted = counter("granted");
	yielded = counter("yielded");
	EXPECT_LE(1, granted);
	EXPECT_EQ(1, yielded);
	EXPECT_EQ(granted, ends());
	EXPECT_LT(0, counter("used_ns"));
}

TEST_F_TIMEOUT(grant, abort, 600)
{
	RETURN_IF_SKIPPED;

	long before = counter("aborted");

	EXPECT_TRUE(UNTIL((syscall(__NR_getppid), counter("aborted") > before), self->area));
	EXPECT_EQ(0, self->area->ctrl);
	EXPECT_EQ(0, slice_yield());
	EXPECT_EQ(0, counter("yielded"));
}

/* The thread does not give the CPU back: the kernel takes it. */
TEST_F_TIMEOUT(grant, expire, 600)
{
	RETURN_IF_SKIPPED;

	double end = now() + PATIENCE;
	long i;

	while (!counter("expired") && now() < end) {
		if (!ask_for(self->area, PATIENCE))
			break;
		for (i = 0; i < 300000000 && self->area->granted; i++)
			rseq_slice_barrier();
		EXPECT_EQ(0, self->area->granted);
		EXPECT_EQ(0, slice_yield());
	}
	EXPECT_LT(0, counter("expired"));
}

struct mover {
	pthread_t	self;
	pid_t		target;
	int		cpu;
	volatile long	moves;
	volatile bool	stop;
};

static void *move(void *arg)
{
	struct mover *mover = arg;
	cpu_set_t set;

	pin(0);
	while (!mover->stop) {
		CPU_ZERO(&set);
		CPU_SET(mover->cpu - (mover->moves & 1), &set);
		sched_setaffinity(mover->target, sizeof(set), &set);
		mover->moves++;
		usleep(200);
	}
	return NULL;
}

/*
 * The stopper, which is to move the thread away, does not wait for the end of
 * its grant.
 */
TEST_F_TIMEOUT(grant, revoke, 600)
{
	RETURN_IF_SKIPPED;

	struct mover mover = { .cpu = self->cpu, .target = syscall(__NR_gettid) };
	double end = now() + PATIENCE;
	struct noise other;
	long i;

	if (self->cpu < 2)
		SKIP(return, "needs three CPUs");
	ASSERT_EQ(0, noise_start(&other, self->cpu - 1, SCHED_OTHER));
	ASSERT_EQ(0, pthread_create(&mover.self, NULL, move, &mover));
	while (counter("revoked") < 3 && now() < end) {
		if (!ask(self->area))
			continue;
		for (i = 0; i < 3000000 && self->area->granted; i++)
			rseq_slice_barrier();
		EXPECT_EQ(0, self->area->granted);
		EXPECT_EQ(0, slice_yield());
	}
	mover.stop = true;
	pthread_join(mover.self, NULL);
	noise_stop(&other);
	EXPECT_LE(3, counter("revoked"));
}

/* Nothing is granted to a thread that did not ask, or asked without enabling. */
TEST_F_TIMEOUT(grant, unasked, 600)
{
	RETURN_IF_SKIPPED;

	double end = now() + 0.5;
	long before = counter("granted");

	while (now() < end)
		EXPECT_EQ(0, self->area->ctrl);
	EXPECT_EQ(before, counter("granted"));

	ASSERT_EQ(0, slice_set(0));
	before = counter("granted");
	for (int i = 0; i < 20; i++) {
		self->area->request = 1;
		for (long spin = 0; spin < 1000000 && self->area->request; spin++)
			rseq_slice_barrier();
		EXPECT_EQ(1, self->area->request);
		EXPECT_EQ(0, self->area->granted);
		self->area->request = 0;
	}
	EXPECT_EQ(before, counter("granted"));
}

/* Asking again under a grant gains nothing. */
TEST_F_TIMEOUT(grant, again, 600)
{
	RETURN_IF_SKIPPED;

	double end = now() + PATIENCE;
	long seen = 0, i;

	while (!seen && now() < end) {
		long refused;

		if (!ask_for(self->area, PATIENCE))
			break;
		self->area->request = 1;
		for (i = 0; i < 300000000 && self->area->granted; i++)
			rseq_slice_barrier();
		/* The kernel took back both, and answered neither with a grant. */
		EXPECT_EQ(0, self->area->granted);
		refused = counter("refused");
		seen = self->area->request == 0 && refused > 0;
		self->area->request = 0;
	}
	EXPECT_NE(0, seen);
}

#ifdef __x86_64__
static long yield_i386(void)
{
	long ret;

	asm volatile("int $0x80" : "=a" (ret) : "a" (__NR_rseq_slice_yield)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}

static long yield_x32(void)
{
	long ret;

	asm volatile("syscall" : "=a" (ret) : "a" (__NR_rseq_slice_yield | 0x40000000L)
		     : "memory", "rcx", "r11");
	return ret;
}

TEST_F_TIMEOUT(grant, i386, 600)
{
	RETURN_IF_SKIPPED;

	if (yield_i386() < 0)
		SKIP(return, "no i386 system calls");
	EXPECT_TRUE(UNTIL(yield_i386() == 1, self->area));
	EXPECT_EQ(1, counter("yielded"));
}

TEST_F_TIMEOUT(grant, x32, 600)
{
	RETURN_IF_SKIPPED;

	if (yield_x32() < 0)
		SKIP(return, "no x32 system calls");
	EXPECT_TRUE(UNTIL(yield_x32() == 1, self->area));
	EXPECT_EQ(1, counter("yielded"));
}
#endif

/* Programs of the other ABIs, which run on this thread's CPU. */
static void run_caller(struct __test_metadata *_metadata, const char *program)
{
	int status;

	status = in_child(execl(program, program, NULL); _exit(errno == ENOEXEC ? 126 : 127));
	if (status == 126 << 8)
		SKIP(return, "the kernel runs no such programs");
	EXPECT_EQ(0, status) {
		TH_LOG("%s failed in step %d", program, WEXITSTATUS(status));
	}
}

TEST_F_TIMEOUT(grant, program_i386, 600)
{
	RETURN_IF_SKIPPED;

	run_caller(_metadata, "./caller_i386");
}

TEST_F_TIMEOUT(grant, program_x32, 600)
{
	RETURN_IF_SKIPPED;

	run_caller(_metadata, "./caller_x32");
}

static struct rseq_slice_area *handler_area;
static volatile int handler_granted;

static void handler(int sig)
{
	handler_granted = handler_area->granted;
	if (!handler_granted)
		return;

	/* A request under a grant is not one for another grant. */
	handler_area->request = 1;
	rseq_slice_barrier();
	/* But the grant may have run out before. */
	if (!handler_area->granted) {
		handler_area->request = 0;
		handler_granted = 0;
	}
}

struct sender {
	pthread_t	self, target;
	int		cpu;
	volatile bool	stop;
};

static void *send_signals(void *arg)
{
	struct sender *sender = arg;

	pin(sender->cpu);
	while (!sender->stop) {
		pthread_kill(sender->target, SIGUSR1);
		usleep(200);
	}
	return NULL;
}

/* A handler runs on the grant; its return is a system call and ends it. */
TEST_F_TIMEOUT(grant, signal, 600)
{
	RETURN_IF_SKIPPED;

	struct sender sender = { .target = pthread_self(), .cpu = 0 };
	double end = now() + PATIENCE;
	long i, under = 0;

	if (self->cpu == 0)
		SKIP(return, "needs two CPUs");
	handler_area = self->area;
	signal(SIGUSR1, handler);
	ASSERT_EQ(0, pthread_create(&sender.self, NULL, send_signals, &sender));
	while (!under && now() < end) {
		if (!ask(self->area))
			continue;
		handler_granted = -1;
		for (i = 0; i < 3000000 && handler_granted < 0 && self->area->granted; i++)
			rseq_slice_barrier();
		if (handler_granted == 1) {
			under++;
			EXPECT_EQ(0, self->area->ctrl);
		}
	}
	sender.stop = true;
	pthread_join(sender.self, NULL);
	EXPECT_LT(0, under);
}

static void *send_membarriers(void *arg)
{
	struct sender *sender = arg;

	pin(sender->cpu);
	while (!sender->stop)
		syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0);
	return NULL;
}

TEST_F_TIMEOUT(grant, membarrier, 600)
{
	RETURN_IF_SKIPPED;

	struct sender sender = { .cpu = 0 };
	double end = now() + PATIENCE;

	if (self->cpu == 0)
		SKIP(return, "needs two CPUs");
	ASSERT_EQ(0, syscall(__NR_membarrier,
			     MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0));
	ASSERT_EQ(0, pthread_create(&sender.self, NULL, send_membarriers, &sender));
	while (counter("dropped") < 5 && now() < end) {
		for (int n = 0; n < 20; n++) {
			if (!ask(self->area))
				continue;
			for (long i = 0; i < 3000000 && self->area->granted; i++)
				rseq_slice_barrier();
			EXPECT_EQ(0, self->area->granted);
		}
	}
	sender.stop = true;
	pthread_join(sender.self, NULL);
	EXPECT_LE(5, counter("dropped"));
}

struct pager {
	pthread_t	self;
	int		fd, cpu;
	char		*page;
};

static void *serve_faults(void *arg)
{
	struct pager *pager = arg;
	static char zeroes[4096];
	struct uffdio_copy copy;
	struct uffd_msg msg;

	pin(pager->cpu);
	while (read(pager->fd, &msg, sizeof(msg)) == sizeof(msg)) {
		if (msg.arg.pagefault.address == (unsigned long)pager->page + 4096)
			break;
		copy = (struct uffdio_copy) {
			.dst = (unsigned long)pager->page,
			.src = (unsigned long)zeroes,
			.len = 4096,
		};
		ioctl(pager->fd, UFFDIO_COPY, &copy);
	}
	copy = (struct uffdio_copy) {
		.dst = (unsigned long)pager->page + 4096, .src = (unsigned long)zeroes, .len = 4096,
	};
	ioctl(pager->fd, UFFDIO_COPY, &copy);
	return NULL;
}

/* A page fault that sleeps switches the thread out: the grant is over. */
TEST_F_TIMEOUT(grant, fault, 600)
{
	RETURN_IF_SKIPPED;

	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	double end = now() + PATIENCE;
	struct pager pager = { .cpu = 0 };

	pager.fd = syscall(__NR_userfaultfd, O_CLOEXEC);
	if (pager.fd < 0 || ioctl(pager.fd, UFFDIO_API, &api))
		SKIP(return, "no userfaultfd");
	pager.page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, pager.page);
	reg.range.start = (unsigned long)pager.page;
	reg.range.len = 8192;
	ASSERT_EQ(0, ioctl(pager.fd, UFFDIO_REGISTER, &reg));
	ASSERT_EQ(0, pthread_create(&pager.self, NULL, serve_faults, &pager));
	while (!counter("switched") && now() < end) {
		madvise(pager.page, 4096, MADV_DONTNEED);
		if (!ask_for(self->area, PATIENCE))
			break;
		*(volatile char *)pager.page;
		EXPECT_EQ(0, self->area->granted);
	}
	EXPECT_LT(0, counter("switched"));
	*(volatile char *)(pager.page + 4096);
	pthread_join(pager.self, NULL);
}

/*
 * Seccomp denies the yields that have a cookie, after their entry ended the
 * grant.  A later yield that runs must not take the credit for it.
 */
TEST_F_TIMEOUT(grant, skipped, 600)
{
	RETURN_IF_SKIPPED;

	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_rseq_slice_yield, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x5eed, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = 6, .filter = code };
	double end = now() + PATIENCE;
	long before, denied = 0;

	ASSERT_EQ(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		SKIP(return, "no seccomp filters");
	while (!denied && now() < end) {
		before = counter("yielded");
		if (!ask(self->area))
			continue;
		EXPECT_EQ(-1, syscall(__NR_rseq_slice_yield, 0x5eed));
		EXPECT_EQ(EXDEV, errno);
		EXPECT_EQ(0, syscall(__NR_rseq_slice_yield, 0));
		EXPECT_EQ(0, self->area->ctrl);
		denied = counter("yielded") - before;
	}
	EXPECT_EQ(1, denied);
}

#ifdef __x86_64__

#define MARK	0x5eedUL

/*
 * Trace a child that asks for grants, from system call to system call. Those
 * that are marked get another number.
 */
static int trace_child(pid_t pid, long other)
{
	struct user_regs_struct regs;
	int status;

	while (waitpid(pid, &status, 0) == pid) {
		if (WIFEXITED(status) || WIFSIGNALED(status))
			return status;
		if (!ptrace(PTRACE_GETREGS, pid, NULL, &regs) && regs.rdi == MARK &&
		    (long)regs.rax == -ENOSYS) {
			regs.orig_rax = other;
			ptrace(PTRACE_SETREGS, pid, NULL, &regs);
		}
		ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	}
	return -1;
}

#define in_traced_child(other, code)					\
({									\
	pid_t pid_ = fork();						\
	if (!pid_) {							\
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);			\
		raise(SIGSTOP);						\
		for (double end_ = now() + PATIENCE; now() < end_; )	\
			code;						\
		_exit(100);						\
	}								\
	trace_child(pid_, other);					\
})

/* The entry work comes before the tracer's stop, and stays done. */
TEST_F_TIMEOUT(grant, traced, 600)
{
	RETURN_IF_SKIPPED;

	struct rseq_slice_area *area = self->area;
	int status;

	status = in_traced_child(0, if (ask(area) && slice_yield() == 1) _exit(area->ctrl));
	EXPECT_EQ(0, status);
}

/* A tracer skips the yield: the next one has nothing to give back. */
TEST_F_TIMEOUT(grant, traced_away, 600)
{
	RETURN_IF_SKIPPED;

	struct rseq_slice_area *area = self->area;
	int status;

	status = in_traced_child(-1, {
		if (!ask(area))
			continue;
		if (syscall(__NR_rseq_slice_yield, MARK) != -1 || errno != ENOSYS)
			_exit(1);
		if (slice_yield())
			_exit(2);
		if (counter("yielded"))
			_exit(0);
	});
	EXPECT_EQ(0, status);
}

/* A tracer makes another call a yield: that one did not end the grant. */
TEST_F_TIMEOUT(grant, traced_into, 600)
{
	RETURN_IF_SKIPPED;

	struct rseq_slice_area *area = self->area;
	int status;

	status = in_traced_child(__NR_rseq_slice_yield, {
		if (!ask(area))
			continue;
		if (syscall(__NR_getppid, MARK))
			_exit(1);
		if (counter("yielded"))
			_exit(2);
		if (counter("aborted"))
			_exit(0);
	});
	EXPECT_EQ(0, status);
}

/* A tracer stops the thread in the middle of its grant. */
TEST_F_TIMEOUT(grant, interrupted, 600)
{
	RETURN_IF_SKIPPED;

	struct rseq_slice_area *area = self->area;
	int status = 0;
	pid_t pid;

	if (self->cpu == 0)
		SKIP(return, "needs two CPUs");
	pid = fork();
	if (!pid) {
		for (double end = now() + PATIENCE; now() < end; ) {
			if (!ask(area))
				continue;
			for (long i = 0; i < 3000000 && area->granted; i++)
				rseq_slice_barrier();
			if (slice_yield())
				_exit(1);
			if (counter("switched"))
				_exit(0);
		}
		_exit(100);
	}
	pin(0);
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, pid, NULL, NULL));
	do {
		ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
		if (waitpid(pid, &status, 0) != pid || WIFEXITED(status) || WIFSIGNALED(status))
			break;
		ptrace(PTRACE_CONT, pid, NULL, NULL);
		/* Time to be granted something. */
		usleep(300);
	} while (true);
	EXPECT_EQ(0, status);
}

#endif /* __x86_64__ */

/*
 * The thread is moved between two CPUs and granted on both. Its timers stay
 * behind, and must not end other grants than their own; every yield that says
 * that it ended a grant is counted as one, and no other.
 */
TEST_F_TIMEOUT(grant, migrate, 600)
{
	RETURN_IF_SKIPPED;

	struct mover mover = { .cpu = self->cpu, .target = syscall(__NR_gettid) };
	double end = now() + PATIENCE;
	struct noise other;
	long yields = 0;

	if (self->cpu < 2)
		SKIP(return, "needs three CPUs");
	ASSERT_EQ(0, noise_start(&other, self->cpu - 1, SCHED_OTHER));
	ASSERT_EQ(0, pthread_create(&mover.self, NULL, move, &mover));
	while ((mover.moves < 200 || counter("granted") < 30) && now() < end) {
		if (!ask(self->area))
			continue;
		if (counter("granted") & 1) {
			yields += slice_yield();
			continue;
		}
		for (long i = 0; i < 3000000 && self->area->granted; i++)
			rseq_slice_barrier();
		EXPECT_EQ(0, self->area->granted);
	}
	for (int i = 0; i < 50 && ask_for(self->area, PATIENCE); i++)
		yields += slice_yield();
	mover.stop = true;
	pthread_join(mover.self, NULL);
	noise_stop(&other);

	EXPECT_LE(200, mover.moves);
	EXPECT_LE(30, counter("granted"));
	EXPECT_LT(0, yields);
	EXPECT_EQ(yields, counter("yielded"));
	EXPECT_EQ(counter("granted"), ends());
}

/* A registration that enables the extension is all that it takes. */
TEST_F_TIMEOUT(grant, default_on, 600)
{
	RETURN_IF_SKIPPED;

	if (variant->len == LEN_OLD)
		SKIP(return, "only for extended areas");
	ASSERT_EQ(0, sys_rseq(self->area, variant->len, FLAG_OFF, SIG));
	ASSERT_EQ(0, sys_rseq(self->area, variant->len, FLAG_ON, SIG));
	EXPECT_TRUE(UNTIL(slice_yield() == 1, self->area));
}

/* A fork ends the grant, and the child starts with a clean word. */
TEST_F_TIMEOUT(grant, fork, 600)
{
	RETURN_IF_SKIPPED;

	struct rseq_slice_area *area = self->area;
	int status = 0;

	for (int i = 0; i < 20; i++) {
		ASSERT_TRUE(ask_for(area, PATIENCE));
		status = in_child(_exit(area->ctrl || slice_yield() || counter("granted")));
		EXPECT_EQ(0, status);
		EXPECT_EQ(0, area->ctrl);
	}
}

TEST_F_TIMEOUT(grant, exec, 600)
{
	RETURN_IF_SKIPPED;

	struct rseq_slice_area *area = self->area;
	int status;

	/* fork leaves this thread's noise behind: the child has to make its own. */
	status = in_child(
		struct noise noise;
		noise_start(&noise, self->cpu, SCHED_OTHER);
		if (!ask_for(area, PATIENCE))
			_exit(101);
		execl("/bin/true", "true", NULL);
		_exit(102));
	EXPECT_EQ(0, status);
}

/* The area goes away under a thread that may be granted at any moment. */
TEST_F_TIMEOUT(grant, unmapped, 600)
{
	RETURN_IF_SKIPPED;

	struct rseq_slice_area *area = self->area;
	int status;

	status = in_child(
		struct noise noise;
		noise_start(&noise, self->cpu, SCHED_OTHER);
		area->request = 1;
		munmap(area, 4096);
		for (double end = now() + PATIENCE; now() < end; )
			;
		_exit(103));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);

	status = in_child(
		struct noise noise;
		noise_start(&noise, self->cpu, SCHED_OTHER);
		area->request = 1;
		mprotect(area, 4096, PROT_READ);
		for (double end = now() + PATIENCE; now() < end; )
			;
		_exit(103));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

/* What the user header promises. */
TEST_F_TIMEOUT(grant, header, 600)
{
	RETURN_IF_SKIPPED;

	struct rseq_slice_area *area = self->area;
	double end = now() + PATIENCE;
	int outer, inner, gave = 0;

	outer = rseq_slice_begin(area);
	EXPECT_EQ(1, outer);
	inner = rseq_slice_begin(area);
	EXPECT_EQ(0, inner);
	EXPECT_EQ(0, rseq_slice_end(area, inner));
	rseq_slice_end(area, outer);
	EXPECT_EQ(0, area->ctrl);
	EXPECT_EQ(0, rseq_slice_begin_if(area, 0));
	EXPECT_EQ(0, area->ctrl);
	EXPECT_EQ(0, rseq_slice_begin(NULL));

	while (!gave && now() < end) {
		outer = rseq_slice_begin_if(area, 1);
		for (long i = 0; i < 3000000 && area->request; i++)
			rseq_slice_barrier();
		inner = rseq_slice_begin(area);
		if (area->granted)
			EXPECT_EQ(0, inner);
		rseq_slice_end(area, inner);
		gave = rseq_slice_end(area, outer);
	}
	EXPECT_EQ(1, gave);
	EXPECT_EQ(0, area->ctrl);
}

TEST_HARNESS_MAIN
