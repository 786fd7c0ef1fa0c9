// SPDX-License-Identifier: GPL-2.0
/*
 * The mmap_lock and the TLB: one hold and one flush serve a whole vector, but
 * who waits for the lock is let in, and who waits for it in this call can be
 * killed.
 */
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <linux/fs.h>

#include "pmadv.h"

#define RANGES		1024

/*
 * The yield. While the target is being paged out, a thread of its own maps and
 * unmaps a page. It counts the times that it began to do so when the first page
 * of the vector was in swap and was done before the last one was: each needed
 * the lock for writing in the middle of the call.
 */
struct churn {
	char *first;
	char *last;
	long rounds;
	bool ready;
};

static long job_churn(long arg, long unused __attribute__((unused)))
{
	int pagemap = open_proc(getpid(), "pagemap");
	struct churn *churn = (struct churn *)arg;
	void *mem;

	run_on(1);
	store(&churn->ready, true);
	while (!(read_pagemap(pagemap, churn->first) & PM_SWAP))
		;
	for (;;) {
		mem = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (mem == MAP_FAILED)
			die("mmap");
		if (munmap(mem, PAGE))
			die("munmap");
		if (read_pagemap(pagemap, churn->last) & PM_SWAP)
			break;
		churn->rounds++;
	}
	close(pagemap);
	return churn->rounds;
}

FIXTURE(yield) {
	struct agent target;
	struct churn *churn;
	struct iovec vec[RANGES];
	char *mem;
};

FIXTURE_VARIANT(yield) {
	int ranges;
	int pages;
};

/* Many small ranges, and one that is as large. */
FIXTURE_VARIANT_ADD(yield, between_ranges) {
	.ranges = RANGES / 4, .pages = 16,
};

FIXTURE_VARIANT_ADD(yield, inside_a_range) {
	.ranges = 1, .pages = RANGES * 4,
};

FIXTURE_SETUP(yield)
{
	size_t pages = variant->ranges * variant->pages;
	int i;

	self->churn = share(sizeof(*self->churn));
	self->target = agent_start();
	self->mem = (char *)ask(&self->target, job_map_filled, pages, 1);
	for (i = 0; i < variant->ranges; i++) {
		self->vec[i].iov_base = self->mem + i * variant->pages * PAGE;
		self->vec[i].iov_len = variant->pages * PAGE;
	}
	self->churn->first = self->mem;
	self->churn->last = self->mem + (pages - 1) * PAGE;
}

FIXTURE_TEARDOWN(yield)
{
	agent_kill(&self->target);
}

/*
 * The target maps memory while a vector is under way.
 * Mutations: lock-no-yield, lock-whole-range
 */
TEST_F(yield, target_maps)
{
	long total = variant->ranges * variant->pages * PAGE;

	NEED_SWAP();
	if (nth_cpu(1) < 0)
		SKIP(return, "one CPU only");
	agent_begin(&self->target, job_churn, (long)self->churn, 0);
	ASSERT_TRUE(wait_for(load(&self->churn->ready)));
	ASSERT_EQ(total, pmadv(self->target.pidfd, self->vec, variant->ranges, MADV_PAGEOUT, 0));
	EXPECT_LE(2, agent_result(&self->target));
	EXPECT_EQ(0, ask(&self->target, job_wrong, (long)self->mem, total / PAGE));
}

/*
 * The turn. The target maps and unmaps a page all the time, while a range of
 * many page tables with a single page each is advised: the call gives the lock
 * up after each of them, and could have it back before the target is awake.
 */
#define TABLES		64
#define TURNS		10

struct looper {
	char *mem;
	int target;
	unsigned long rounds;
	bool stop;
};

static long job_map_sparse(long tables, long unused __attribute__((unused)))
{
	char *mem = mmap(NULL, tables * HUGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	long i;

	if (mem == MAP_FAILED || madvise(mem, tables * HUGE, MADV_NOHUGEPAGE))
		die("mmap");
	for (i = 0; i < tables; i++)
		mem[i * HUGE] = 1;
	return (long)mem;
}

static long job_map_all_the_time(long arg, long unused __attribute__((unused)))
{
	struct looper *looper = (struct looper *)arg;
	void *mem;

	run_on(1);
	while (!load(&looper->stop)) {
		mem = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (mem == MAP_FAILED || munmap(mem, PAGE))
			die("mmap");
		store(&looper->rounds, looper->rounds + 1);
	}
	return 0;
}

static long job_advise_all_the_time(long arg, long unused __attribute__((unused)))
{
	struct looper *looper = (struct looper *)arg;
	int pidfd = pidfd_open(looper->target);
	long done = TABLES * HUGE;

	while (!load(&looper->stop) && done == TABLES * HUGE)
		done = pmadv_range(pidfd, looper->mem, TABLES * HUGE, MADV_COLD);
	close(pidfd);
	return done;
}

static void read_proc(pid_t pid, const char *name, char *text, size_t size)
{
	int fd = open_proc(pid, name);
	ssize_t len = read(fd, text, size - 1);

	if (len <= 0)
		die("read");
	text[len] = 0;
	close(fd);
}

static bool waits(pid_t pid)
{
	char text[512];

	read_proc(pid, "stat", text, sizeof(text));
	return strstr(text, ") D");
}

/* How often it gave the CPU away. */
static long sleeps(pid_t pid)
{
	char text[4096], *line;

	read_proc(pid, "status", text, sizeof(text));
	line = strstr(text, "\nvoluntary_ctxt_switches:");
	if (!line)
		die("status");
	return atol(strchr(line, ':') + 1);
}

/*
 * The call stays away while somebody waits for the lock, not just until it is
 * free: the target, found waiting, is kept from its CPU, and the caller sleeps
 * many times until it goes on without it.
 * Mutations: lock-no-turn, lock-no-yield, lock-whole-range
 */
TEST(turn)
{
	struct sched_param first = { .sched_priority = 1 }, none = { };
	struct looper *looper = share(sizeof(*looper));
	unsigned long rounds;
	struct agent target, caller;
	double end, patience;
	long slept = 0, before;

	if (nth_cpu(1) < 0)
		SKIP(return, "one CPU only");
	target = agent_start();
	caller = agent_start();
	looper->target = target.pid;
	looper->mem = (void *)ask(&target, job_map_sparse, TABLES, 0);
	agent_begin(&target, job_map_all_the_time, (long)looper, 0);
	agent_begin(&caller, job_advise_all_the_time, (long)looper, 0);
	run_on(1);
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_FIFO, &first));
	patience = now() + PATIENCE;
	while (slept < TURNS && now() < patience) {
		usleep(1000);
		rounds = load(&looper->rounds);
		if (!waits(target.pid))
			continue;
		before = sleeps(caller.pid);
		end = now() + 0.2;
		do {
			slept = sleeps(caller.pid) - before;
		} while (slept < TURNS && now() < end);
		if (rounds != load(&looper->rounds))
			slept = 0;
	}
	sched_setscheduler(0, SCHED_OTHER, &none);
	run_on(0);
	EXPECT_LE(TURNS, slept);
	store(&looper->stop, true);
	EXPECT_EQ(0, agent_result(&target));
	EXPECT_EQ(TABLES * HUGE, agent_result(&caller));
	agent_kill(&caller);
	agent_kill(&target);
}

/*
 * The flush. A thread of the target on the second CPU, and nobody else, has to
 * be told to forget what the vector took from the page tables.
 */
FIXTURE(flush) {
	struct agent target;
	struct spinner *spinner;
	struct iovec *vec;
	char *mem;
	char *spot;
};

FIXTURE_SETUP(flush)
{
	int i;

	self->vec = share(RANGES * sizeof(*self->vec));
	self->spinner = share(sizeof(*self->spinner));
	self->target = agent_start();
	self->mem = (char *)ask(&self->target, job_map_filled, 2 * RANGES, 1);
	self->spot = (char *)ask(&self->target, job_map_filled, 1, 1);
	for (i = 0; i < RANGES; i++) {
		self->vec[i].iov_base = self->mem + 2 * i * PAGE;
		self->vec[i].iov_len = PAGE;
	}
}

FIXTURE_TEARDOWN(flush)
{
	agent_kill(&self->target);
}

static long job_vector(long vec, long advice)
{
	return pmadv(PIDFD_SELF, (void *)vec, RANGES, advice, 0);
}

/* Interrupts for a call of one range each, to see that they can be counted. */
static long flushes_one_by_one(int pidfd, char *mem, int calls)
{
	long before = tlb_interrupts();
	int i;

	for (i = 0; i < calls; i++)
		pmadv_range(pidfd, mem + (2 * i + 1) * PAGE, PAGE, MADV_COLD);
	return tlb_interrupts() - before;
}

#define SPIN() do {							\
	ask(&self->target, job_spin, (long)self->spinner, (long)self->spot); \
	ASSERT_TRUE(spinner_did(self->spinner, 1));			\
} while (0)

#define NEED_FLUSHES() do {						\
	if (nth_cpu(1) < 0)						\
		SKIP_TEST("one CPU only");				\
	SPIN();								\
	if (flushes_one_by_one(self->target.pidfd, self->mem, 64) < 32)	\
		SKIP_TEST("TLB flushes are not seen in /proc/interrupts"); \
} while (0)

/* COLD for 1024 ranges is one flush, not 1024. Mutation: lock-flush-each */
TEST_F(flush, cold_once)
{
	long before, flushes;

	NEED_FLUSHES();
	before = tlb_interrupts();
	ASSERT_EQ(RANGES * PAGE, pmadv(self->target.pidfd, self->vec, RANGES, MADV_COLD, 0));
	flushes = tlb_interrupts() - before;
	EXPECT_LE(1, flushes);
	EXPECT_GE(RANGES / 64, flushes);
	EXPECT_EQ(RANGES - 64, young(self->target.pid, self->mem, 2 * RANGES));
}

/* So are DONTNEED and FREE for a process's own ranges. Mutation: lock-flush-each */
TEST_F(flush, dontneed_once)
{
	long before, flushes;

	NEED_FLUSHES();

	before = tlb_interrupts();
	ASSERT_EQ(RANGES * PAGE, ask(&self->target, job_vector, (long)self->vec, MADV_FREE));
	flushes = tlb_interrupts() - before;
	EXPECT_LE(1, flushes);
	EXPECT_GE(RANGES / 64, flushes);

	before = tlb_interrupts();
	ASSERT_EQ(RANGES * PAGE, ask(&self->target, job_vector, (long)self->vec, MADV_DONTNEED));
	flushes = tlb_interrupts() - before;
	EXPECT_LE(1, flushes);
	EXPECT_GE(RANGES / 64, flushes);
	EXPECT_EQ(RANGES, present(self->target.pid, self->mem, 2 * RANGES));
}

/*
 * A flush that was put off is done before the call returns. A page that is read
 * all the time on another CPU becomes young again after COLD, because that CPU
 * has to look at the page table again.
 * Mutation: lock-no-flush
 */
TEST_F(flush, cold_is_seen)
{
	if (nth_cpu(1) < 0)
		SKIP(return, "one CPU only");
	SPIN();
	self->vec[RANGES - 1].iov_base = self->spot;
	ASSERT_EQ(RANGES * PAGE, pmadv(self->target.pidfd, self->vec, RANGES, MADV_COLD, 0));
	ASSERT_TRUE(spinner_did(self->spinner, 1000));
	EXPECT_EQ(1, young(self->target.pid, self->spot, 1));
}

/*
 * The same for DONTNEED: after the call no thread reads what was there, nor on a
 * CPU that read it all the time.
 * Mutation: lock-no-flush
 */
TEST_F(flush, discarded_is_not_seen)
{
	if (nth_cpu(1) < 0)
		SKIP(return, "one CPU only");
	SPIN();
	ASSERT_NE(0, load(&self->spinner->seen));
	self->vec[RANGES / 2].iov_base = self->spot;
	ASSERT_EQ(RANGES * PAGE, ask(&self->target, job_vector, (long)self->vec, MADV_DONTNEED));
	ASSERT_TRUE(spinner_did(self->spinner, 1));
	EXPECT_EQ(0, load(&self->spinner->seen));
}

/*
 * The wait. To keep the mmap_lock from others for as long as the test likes, it
 * takes a file system that is frozen: a write to a mapped file stops in the page
 * fault, and a fault holds the lock for reading. Then the target wants to map
 * something, which takes the lock for writing; from now on nobody gets it.
 */
FIXTURE(wait) {
	struct agent target;
	struct agent caller;
	struct call *call;
	struct stuck *stuck;
	char dir[64];
	int guard;
	int fs;
};

struct stuck {
	char *page;
	pid_t fault;
};

static void thaw(long fs)
{
	ioctl(fs, FITHAW, 0);
}

FIXTURE_SETUP(wait)
{
	if (!mount_scratch(self->dir, sizeof(self->dir)))
		SKIP_TEST("no ext4 file system on a loop device");
	self->fs = open(self->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (self->fs < 0)
		die("open %s", self->dir);
	self->guard = guard_start(thaw, self->fs);
	self->call = share(sizeof(*self->call));
	self->stuck = share(sizeof(*self->stuck));
}

FIXTURE_TEARDOWN(wait)
{
	guard_end(self->guard);
	close(self->fs);
	umount_scratch(self->dir);
}

static void *stuck_fault(void *arg)
{
	struct stuck *stuck = arg;

	store(&stuck->fault, syscall(SYS_gettid));
	store(stuck->page, 1);
	return NULL;
}

/* Map a page of a file, with the page in memory and not yet written to. */
static long job_map_file(long path, long arg)
{
	struct stuck *stuck = (struct stuck *)arg;
	int fd = open((char *)path, O_RDWR | O_CREAT, 0600);

	if (fd < 0 || ftruncate(fd, PAGE))
		die("open %s", (char *)path);
	stuck->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (stuck->page == MAP_FAILED)
		die("mmap");
	load(stuck->page);
	close(fd);
	return 0;
}

static long job_thread(long start, long arg)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, (void *(*)(void *))start, (void *)arg);
}

static bool stuck_in(pid_t pid, const pid_t *tid)
{
	return wait_for(load(tid) &&
			thread_state(pid, *tid) == 'D');
}

/* Who waits for the target's mmap_lock can be killed. Mutation: lock-unkillable */
TEST_F(wait, killable)
{
	char *path = share(PAGE);
	void *mem;

	snprintf(path, PAGE, "%s/file", self->dir);
	self->target = agent_start();
	mem = (void *)ask(&self->target, job_map_filled, 1, 1);
	ask(&self->target, job_map_file, (long)path, (long)self->stuck);
	self->call->pidfd = self->target.pidfd;
	self->call->vec[0].iov_base = mem;
	self->call->vec[0].iov_len = PAGE;
	self->call->vlen = 1;
	self->call->advice = MADV_COLD;
	self->caller = agent_start();
	ASSERT_EQ(PAGE, ask(&self->caller, job_call, (long)self->call, 0));

	sync();
	ASSERT_EQ(0, ioctl(self->fs, FIFREEZE, 0));
	ask(&self->target, job_thread, (long)stuck_fault, (long)self->stuck);
	EXPECT_TRUE(stuck_in(self->target.pid, &self->stuck->fault));
	agent_begin(&self->target, job_map_filled, 1, 1);
	EXPECT_TRUE(stuck_in(self->target.pid, &self->target.pid));

	agent_begin(&self->caller, job_call, (long)self->call, 0);
	EXPECT_TRUE(stuck_in(self->caller.pid, &self->caller.pid));
	kill(self->caller.pid, SIGKILL);
	EXPECT_TRUE(wait_for(thread_state(self->caller.pid, self->caller.pid) == 'Z'));

	/* The others were waiting all the time. */
	EXPECT_EQ('D', thread_state(self->target.pid, self->stuck->fault));
	EXPECT_EQ(0, ioctl(self->fs, FITHAW, 0));
	agent_kill(&self->caller);
	agent_kill(&self->target);
}

/*
 * The processor. A rival of higher priority on the caller's CPU, who is woken
 * from another one all the time, gets it while the advice is at work and not
 * only when the call is over. What the rival sees then tells: a call that is
 * under way, some pages that are old already, and some that are still young.
 */
struct rivalry {
	char *mem;
	size_t pages;
	int wakeups;		/* eventfd */
	unsigned long runs;
	bool in_call;
	bool seen;
	bool no_priority;
	bool stop;
};

static void *rival_main(void *arg)
{
	const struct sched_param param = { .sched_priority = 1 };
	struct rivalry *rivalry = arg;
	size_t count;
	__u64 wakeups;

	run_on(0);
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		rivalry->no_priority = true;
	while (!load(&rivalry->stop)) {
		if (load(&rivalry->in_call)) {
			count = young(getpid(), rivalry->mem, rivalry->pages);
			if (count && count < rivalry->pages)
				store(&rivalry->seen, true);
		}
		store(&rivalry->runs, rivalry->runs + 1);
		if (read(rivalry->wakeups, &wakeups, sizeof(wakeups)) != sizeof(wakeups))
			break;
	}
	return NULL;
}

static void *waker_main(void *arg)
{
	struct rivalry *rivalry = arg;
	double start, pause;
	unsigned long runs;
	__u64 one = 1;

	run_on(1);
	while (!load(&rivalry->stop)) {
		start = now();
		runs = load(&rivalry->runs);
		if (write(rivalry->wakeups, &one, sizeof(one)) != sizeof(one))
			break;
		while (load(&rivalry->runs) == runs && !load(&rivalry->stop))
			;
		/* The caller needs as much time for itself, at the least. */
		pause = now() + (now() - start) + 0.0001;
		while (now() < pause)
			;
	}
	return NULL;
}

/* Is the caller interrupted in the middle of advising? -1: that cannot be told. */
static int interrupted(char *mem, size_t pages)
{
	struct rivalry rivalry = {
		.mem = mem, .pages = pages, .wakeups = eventfd(0, 0),
	};
	pthread_t rival, waker;
	__u64 one = 1;
	double end;
	size_t i;

	if (rivalry.wakeups < 0 || pthread_create(&rival, NULL, rival_main, &rivalry) ||
	    pthread_create(&waker, NULL, waker_main, &rivalry))
		die("no rival");
	for (end = now() + PATIENCE; !load(&rivalry.seen) && now() < end;) {
		for (i = 0; i < pages; i++)
			load(mem + i * PAGE);
		store(&rivalry.in_call, true);
		if (pmadv_range(PIDFD_SELF, mem, pages * PAGE, MADV_COLD) != (long)(pages * PAGE))
			die("pmadv");
		store(&rivalry.in_call, false);
	}
	store(&rivalry.stop, true);
	if (write(rivalry.wakeups, &one, sizeof(one)) != sizeof(one))
		die("write");
	pthread_join(waker, NULL);
	pthread_join(rival, NULL);
	close(rivalry.wakeups);
	return rivalry.no_priority ? -1 : rivalry.seen;
}

/* Within the pages of one page table. Mutation: lock-ptl-held */
TEST(resched_small_pages)
{
	char *mem;
	int seen;

	run_on(0);
	if (nth_cpu(1) < 0)
		SKIP(return, "one CPU only");
	/* One page table, and no border inside of it. */
	mem = map_huge(1);
	ASSERT_EQ(0, madvise(mem, HUGE, MADV_NOHUGEPAGE));
	ASSERT_EQ(0, madvise(mem, HUGE, MADV_DONTNEED));
	fill(mem, SUB, 1);
	seen = interrupted(mem, SUB);
	if (seen < 0)
		SKIP(return, "no real-time priority");
	EXPECT_TRUE(seen);
}

/* Between huge pages. Hook: huge-resched */
TEST(resched_huge_pages)
{
	const int n = 32;
	char *mem;
	int seen;

	run_on(0);
	if (nth_cpu(1) < 0)
		SKIP(return, "one CPU only");
	mem = map_huge(n);
	if (huge_mapped(getpid(), mem, n) != n)
		SKIP(return, "no huge pages");
	seen = interrupted(mem, n * SUB);
	if (seen < 0)
		SKIP(return, "no real-time priority");
	EXPECT_TRUE(seen);
}

TEST_HARNESS_MAIN
