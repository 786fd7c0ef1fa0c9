// SPDX-License-Identifier: GPL-2.0
/*
 * Task isolation: what other CPUs put off, that it does not interrupt, and that the
 * isolated CPU never uses a mapping that was replaced meanwhile.
 *
 * A victim is isolated on a nohz_full CPU and stays in user mode but for what it is
 * told to do.  The test runs on another CPU, and changes the kernel's mappings and
 * code.  /dev/task_isolation_test (CONFIG_TASK_ISOLATION_TEST) maps one of two pages at
 * an address, and tells which of them the victim's CPU finds there.
 *
 * Needs a machine whose TLB keeps kernel mappings while the CPU is in user mode: where
 * the page tables change at each entry (PTI, without PCID) a flush that is forgotten
 * is hard to see.  Boot with pti=off.
 *
 * What has to make these tests fail: mutations/defer-*.patch
 */
#include <linux/filter.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>

#include "../../../../arch/x86/mm/task_isolation_test.h"
#include "isolation.h"
#include "kselftest_harness.h"

#define TLB		ISOL_F_QUIESCE_DEFER_TLB_FLUSH
#define TEXT		ISOL_F_QUIESCE_DEFER_TEXT_SYNC

#define TRACING		"/sys/kernel/tracing/"

#define ROUNDS		50

/* Calls that come at the same time are one interrupt. */
#define MOST(rounds)	((rounds) * 9 / 10)

enum order { READ, WRITE, TOUCH, DISABLE, STOP };

struct victim {
	atomic_int	orders, done, turns;
	enum order	order;
	long		result;
	pid_t		pid;
	int		device;
	char		*touched;
};

/* Who is where. */
struct stage {
	int		cpu;
	int		device;
	struct victim	*victim;
};

FIXTURE(defer)
{
	struct stage	s;
};

static long obey(struct victim *v, long page)
{
	switch (v->order) {
	case READ:
		return ioctl(v->device, TEST_READ, 0);
	case WRITE:
		return ioctl(v->device, TEST_WRITE, 1) ? errno : 0;
	case TOUCH:
		v->touched += page;
		return *v->touched;
	case DISABLE:
		return isol_enable(0);
	case STOP:
		break;
	}
	return 0;
}

/* System calls are those that it is told to do, and no others. */
static int live(struct victim *v, int cpu, int actions)
{
	long page = sysconf(_SC_PAGESIZE);

	/* A test that fails leaves it behind. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!run_on(cpu) || mlockall(MCL_CURRENT))
		return 1;
	v->touched = mmap(NULL, (ROUNDS + 2) * page, PROT_READ, MAP_SHARED, v->device, 0);
	if (actions && (isol_set(PR_ISOL_QUIESCE_CFG, actions) || isol_enable(QUIESCE)))
		return 2;
	for (int n = 1; v->order != STOP; n++) {
		while (atomic_load(&v->orders) < n) {
			atomic_fetch_add(&v->turns, 1);
			__builtin_ia32_pause();
		}
		v->result = obey(v, page);
		atomic_store(&v->done, n);
	}
	return 0;
}

static long tell(struct victim *v, enum order what)
{
	int n;

	v->order = what;
	n = atomic_fetch_add(&v->orders, 1) + 1;
	if (what == STOP)
		return 0;
	if (!SPIN_FOR(atomic_load(&v->done) == n))
		return -1000;
	return v->result;
}

static struct victim *victim(int device, int cpu, int actions)
{
	struct victim *v;
	pid_t pid;

	v = mmap(NULL, sizeof(*v), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	v->device = device;
	pid = fork();
	if (!pid)
		_exit(live(v, cpu, actions));
	v->pid = pid;
	/* Whatever it had to set up is done now, and it is in user mode. */
	if (tell(v, READ) == -1000)
		abort();
	return v;
}

static bool bury(struct victim *v)
{
	bool well;

	tell(v, STOP);
	well = !end_of(v->pid);
	munmap(v, sizeof(*v));
	return well;
}

FIXTURE_SETUP(defer)
{
	SKIP_WITHOUT(NEED_CPU | NEED_ROOT);
	self->s.cpu = nohz_full_cpu();
	self->s.device = open("/dev/task_isolation_test", O_RDWR | O_CLOEXEC);
	if (self->s.device < 0)
		SKIP(return, "no CONFIG_TASK_ISOLATION_TEST");
	/* An even one is never the sibling of CPU 1, nor is it nohz_full. */
	ASSERT_TRUE(run_on(0));
}

FIXTURE_TEARDOWN(defer)
{
}

/* Page @n, at the same address as before; a few tries if others get in the way. */
static bool map(int device, int n)
{
	for (int i = 0; i < 20; i++) {
		if (!ioctl(device, TEST_MAP, n))
			return true;
		if (errno != EAGAIN)
			break;
	}
	return false;
}

static long read_in_syscall(struct stage *s)
{
	return tell(s->victim, READ);
}

static long read_in_irq(struct stage *s)
{
	return ioctl(s->device, TEST_READ_IRQ, s->cpu);
}

static long read_in_nmi(struct stage *s)
{
	return ioctl(s->device, TEST_READ_NMI, s->cpu);
}

static long read_in_fault(struct stage *s)
{
	tell(s->victim, TOUCH);
	return ioctl(s->device, TEST_READ_FAULT, 0);
}

/*
 * How often, of ROUNDS times, the victim's CPU found the page that was mapped last.
 * Each time it has read the one before, and has been in user mode since.
 */
static int fresh(struct stage *s, long (*read)(struct stage *s))
{
	int found = 0;

	for (int i = 0; i < ROUNDS; i++) {
		if (tell(s->victim, READ) < 0 || !map(s->device, i % 2))
			return -1;
		found += read(s) == i % 2;
	}
	return found;
}

static void expect_fresh(struct __test_metadata *_metadata, struct stage *s,
			 long (*read)(struct stage *s))
{
	long long before;

	s->victim = victim(s->device, s->cpu, TLB);
	before = isolation_of(s->victim->pid, "deferred");
	EXPECT_EQ(ROUNDS, fresh(s, read));
	/* Without that the rest says nothing. */
	EXPECT_LE(ROUNDS / 2, isolation_of(s->victim->pid, "deferred") - before);
	EXPECT_TRUE(bury(s->victim));
}

TEST_F_TIMEOUT(defer, fresh_in_system_call, LONG_TEST)
{
	RETURN_IF_SKIPPED;
	expect_fresh(_metadata, &self->s, read_in_syscall);
}

TEST_F_TIMEOUT(defer, fresh_in_interrupt, LONG_TEST)
{
	RETURN_IF_SKIPPED;
	expect_fresh(_metadata, &self->s, read_in_irq);
}

TEST_F_TIMEOUT(defer, fresh_in_nmi, LONG_TEST)
{
	RETURN_IF_SKIPPED;
	expect_fresh(_metadata, &self->s, read_in_nmi);
}

TEST_F_TIMEOUT(defer, fresh_in_page_fault, LONG_TEST)
{
	RETURN_IF_SKIPPED;
	expect_fresh(_metadata, &self->s, read_in_fault);
}

/* A page that was writable, and written, when the victim was in the kernel last. */
TEST_F_TIMEOUT(defer, protection, LONG_TEST)
{
	int allowed = 0, refused = 0;
	long long before;

	RETURN_IF_SKIPPED;

	self->s.victim = victim(self->s.device, self->s.cpu, TLB);
	before = isolation_of(self->s.victim->pid, "deferred");
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, ioctl(self->s.device, TEST_PROTECT, 0));
		allowed += tell(self->s.victim, WRITE) == 0;
		ASSERT_EQ(0, ioctl(self->s.device, TEST_PROTECT, 1));
		refused += tell(self->s.victim, WRITE) == EFAULT;
	}
	EXPECT_EQ(ROUNDS, allowed);
	EXPECT_EQ(ROUNDS, refused);
	EXPECT_LE(MOST(ROUNDS), isolation_of(self->s.victim->pid, "deferred") - before);
	EXPECT_TRUE(bury(self->s.victim));
}

/* Sources of noise: kernel memory that is unmapped, and kernel code that is patched. */
static bool tlb_noise(struct stage *s)
{
	return map(s->device, 0);
}

/* A program for a socket is memory that is made read-only, and unmapped at the end. */
static bool filter_noise(struct stage *s UNUSED)
{
	struct sock_filter code[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	struct sock_fprog program = { 1, code };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	bool good;

	if (fd < 0)
		return false;
	good = !setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
	close(fd);
	return good;
}

static bool text_noise(struct stage *s UNUSED)
{
	return write_file(TRACING "current_tracer", "function") &&
	       write_file(TRACING "current_tracer", "nop");
}

/* The tick and others go on for a moment after a task has come to a CPU. */
static bool settled(struct victim *v)
{
	long long before;
	double end = now() + PATIENCE;

	do {
		before = isolation_of(v->pid, "breaks");
		usleep(100000);
	} while (isolation_of(v->pid, "breaks") != before && now() < end);
	return now() < end;
}

struct noise {
	long long	calls;		/* interruptions by function calls */
	long long	deferred;
};

/* What some rounds of noise do to a victim with these actions. */
static struct noise noise(struct __test_metadata *_metadata, struct stage *s, int actions,
			  int rounds, bool (*make)(struct stage *s))
{
	struct noise noise = { -1, -1 };

	/* Once for what happens the first time only: pages are split, buffers made. */
	for (int i = 0; i < 5; i++)
		if (!make(s))
			return noise;
	s->victim = victim(s->device, s->cpu, actions);
	if (!settled(s->victim))
		TH_LOG("the victim is never left alone");
	noise.calls = isolation_of(s->victim->pid, "breaks_call");
	noise.deferred = isolation_of(s->victim->pid, "deferred");
	for (int i = 0; i < rounds; i++) {
		make(s);
		wait_for_turns(&s->victim->turns);
	}
	/* An interruption is counted on return from it. */
	tell(s->victim, READ);
	noise.calls = isolation_of(s->victim->pid, "breaks_call") - noise.calls;
	noise.deferred = isolation_of(s->victim->pid, "deferred") - noise.deferred;
	bury(s->victim);
	return noise;
}

/*
 * Without, each round interrupts; with, hardly any does: those that find the CPU
 * in the kernel, where an interrupt of its own keeps it longer the slower the
 * kernel is.
 */
static void expect_quiet(struct __test_metadata *_metadata, struct stage *s, int rounds,
			 bool (*make)(struct stage *s), int without, int with)
{
	struct noise loud = noise(_metadata, s, without, rounds, make);
	struct noise still = noise(_metadata, s, with, rounds, make);

	TH_LOG("%lld calls without, %lld with, %lld put off",
	       loud.calls, still.calls, still.deferred);
	EXPECT_LE(MOST(rounds), loud.calls);
	EXPECT_EQ(0, loud.deferred);
	EXPECT_GE(loud.calls / 5, still.calls);
	EXPECT_LE(0, still.calls);
	EXPECT_LE(MOST(rounds), still.deferred + still.calls);
}

TEST_F_TIMEOUT(defer, flushes_wait, LONG_TEST)
{
	RETURN_IF_SKIPPED;
	expect_quiet(_metadata, &self->s, ROUNDS, tlb_noise, NOHZ_FULL, NOHZ_FULL | TLB);
}

TEST_F_TIMEOUT(defer, only_flushes_wait, LONG_TEST)
{
	RETURN_IF_SKIPPED;
	expect_quiet(_metadata, &self->s, ROUNDS, tlb_noise, NOHZ_FULL | TEXT, DEFER | NOHZ_FULL);
}

TEST_F_TIMEOUT(defer, socket_filters, LONG_TEST)
{
	RETURN_IF_SKIPPED;
	expect_quiet(_metadata, &self->s, ROUNDS, filter_noise, NOHZ_FULL, NOHZ_FULL | TLB);
}

/* Function tracing of one function; it has to be something that is never called here. */
static bool trace_one_function(void)
{
	if (access(TRACING "current_tracer", W_OK))
		mount("tracefs", TRACING, "tracefs", 0, NULL);
	return write_file(TRACING "current_tracer", "nop") &&
	       write_file(TRACING "set_ftrace_filter", "kernel_power_off") &&
	       text_noise(NULL);
}

TEST_F_TIMEOUT(defer, patching_waits, LONG_TEST)
{
	RETURN_IF_SKIPPED;
	if (!trace_one_function())
		SKIP(return, "no function tracer");
	expect_quiet(_metadata, &self->s, ROUNDS / 5, text_noise, NOHZ_FULL | TLB,
		     DEFER | NOHZ_FULL);
	write_file(TRACING "set_ftrace_filter", "");
}

/* A thread that does not want it any more is interrupted like any other. */
TEST_F_TIMEOUT(defer, disabled, LONG_TEST)
{
	long long calls, deferred;

	RETURN_IF_SKIPPED;

	self->s.victim = victim(self->s.device, self->s.cpu, TLB);
	ASSERT_EQ(0, tell(self->s.victim, DISABLE));
	deferred = isolation_of(self->s.victim->pid, "deferred");
	calls = interrupt_count("CAL", self->s.cpu);
	for (int i = 0; i < ROUNDS; i++)
		EXPECT_TRUE(map(self->s.device, i % 2));
	EXPECT_EQ(deferred, isolation_of(self->s.victim->pid, "deferred"));
	EXPECT_LE(MOST(ROUNDS), interrupt_count("CAL", self->s.cpu) - calls);
	EXPECT_TRUE(bury(self->s.victim));
}

static void make_noise_for_ever(struct stage *s, int cpu,
				bool (*make)(struct stage *s))
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run_on(cpu);
	while (make(s))
		;
	_exit(1);
}

/* Several senders, of both kinds, and NMIs, while mappings have to be right. */
TEST_F_TIMEOUT(defer, all_at_once, LONG_TEST)
{
	pid_t filters, patches = 0;
	int wrong = 0;
	long last;

	RETURN_IF_SKIPPED;

	self->s.victim = victim(self->s.device, self->s.cpu, DEFER);
	last = tell(self->s.victim, READ);
	filters = fork();
	if (!filters)
		make_noise_for_ever(&self->s, 2, filter_noise);
	if (trace_one_function()) {
		patches = fork();
		if (!patches)
			make_noise_for_ever(&self->s, 3, text_noise);
	}
	for (int i = 0; i < 4 * ROUNDS; i++) {
		if (tell(self->s.victim, READ) != last)
			wrong++;
		if (ioctl(self->s.device, TEST_MAP, !last) && errno != EAGAIN)
			break;
		last = !last;
		if (ioctl(self->s.device, TEST_READ_NMI, self->s.cpu) != last)
			wrong++;
	}
	EXPECT_EQ(0, wrong);
	kill(filters, SIGKILL);
	end_of(filters);
	if (patches) {
		kill(patches, SIGKILL);
		end_of(patches);
		write_file(TRACING "current_tracer", "nop");
		write_file(TRACING "set_ftrace_filter", "");
	}
	EXPECT_LT(0, isolation_of(self->s.victim->pid, "deferred"));
	EXPECT_TRUE(bury(self->s.victim));
}

TEST_HARNESS_MAIN
