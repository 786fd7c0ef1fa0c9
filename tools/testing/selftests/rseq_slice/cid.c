// SPDX-License-Identifier: GPL-2.0
/*
 * rseq areas: mm_cid is unique among the running threads of a process, and
 * below the number of those that can run at once.
 *
 * What has to make these tests fail: mutations/cid-*.patch
 */
#include "slice.h"
#include "kselftest_harness.h"

#define MAX_THREADS	32
#define ROUNDS		200

FIXTURE(cid)
{
	int	cpus;
};

FIXTURE_VARIANT(cid)
{
	unsigned int	len;
};

FIXTURE_VARIANT_ADD(cid, extended)
{
	.len = LEN_NEW,
};

FIXTURE_VARIANT_ADD(cid, original)
{
	.len = LEN_OLD,
};

FIXTURE_SETUP(cid)
{
	if (getauxval(27) < 28)
		SKIP(return, "the kernel has no concurrency ids");
	self->cpus = sysconf(_SC_NPROCESSORS_ONLN);
}

FIXTURE_TEARDOWN(cid)
{
}

struct worker {
	pthread_t	self;
	int		cpu;
	unsigned int	len;
	unsigned int	highest;
	bool		failed;
};

static struct rseq_slice_area *worker_area(struct worker *worker)
{
	struct rseq_slice_area *area = new_area();

	drop_libc_area();
	if (!area || sys_rseq(area, worker->len, 0, SIG) || (worker->cpu >= 0 && pin(worker->cpu)))
		worker->failed = true;
	return area;
}

static void *switch_often(void *arg)
{
	struct worker *worker = arg;
	struct rseq_slice_area *area = worker_area(worker);

	for (int i = 0; i < ROUNDS && !worker->failed; i++) {
		unsigned int cid = *(volatile uint32_t *)&area->mm_cid;

		if (cid > worker->highest)
			worker->highest = cid;
		sched_yield();
	}
	return NULL;
}

/* Threads that share a CPU never run at once: all of them are number 0. */
TEST_F_TIMEOUT(cid, one_cpu, 600)
{
	RETURN_IF_SKIPPED;

	struct worker workers[8] = { };

	/* The main thread waits and its libc area may hold no id meanwhile. */
	drop_libc_area();
	for (int i = 0; i < 8; i++) {
		workers[i].cpu = self->cpus - 1;
		workers[i].len = variant->len;
	}
	pin(self->cpus - 1);
	for (int i = 0; i < 8; i++)
		ASSERT_EQ(0, pthread_create(&workers[i].self, NULL, switch_often, &workers[i]));
	for (int i = 0; i < 8; i++) {
		pthread_join(workers[i].self, NULL);
		EXPECT_FALSE(workers[i].failed);
		EXPECT_EQ(0, workers[i].highest);
	}
}

/* Many more threads than CPUs: ids stay below the number of CPUs. */
TEST_F_TIMEOUT(cid, bounded, 600)
{
	RETURN_IF_SKIPPED;

	struct worker workers[MAX_THREADS] = { };

	for (int i = 0; i < MAX_THREADS; i++) {
		workers[i].cpu = -1;
		workers[i].len = variant->len;
		ASSERT_EQ(0, pthread_create(&workers[i].self, NULL, switch_often, &workers[i]));
	}
	for (int i = 0; i < MAX_THREADS; i++) {
		pthread_join(workers[i].self, NULL);
		EXPECT_FALSE(workers[i].failed);
		EXPECT_GT(self->cpus, workers[i].highest);
	}
}

static volatile int arrived, round_no, published[MAX_THREADS], members;

static void *publish(void *arg)
{
	struct worker *worker = arg;
	struct rseq_slice_area *area = worker_area(worker);
	int index = worker->cpu;

	for (int i = 1; i <= ROUNDS; i++) {
		__sync_fetch_and_add(&arrived, 1);
		/* Until everybody runs; publish what is true while we spin. */
		while (round_no < i) {
			published[index] = *(volatile uint32_t *)&area->mm_cid;
			if (index == 0 && arrived == members * i) {
				bool distinct = true;

				for (int a = 0; a < members; a++)
					for (int b = 0; b < a; b++)
						distinct &= published[a] != published[b];
				if (distinct)
					worker->highest++;
				round_no = i;
			}
		}
	}
	return NULL;
}

/*
 * Threads that run on all CPUs at once.  A thread that was switched out between
 * reading its id and the comparison spoils a round, so not every round counts;
 * two threads with the same id would spoil nearly all.
 */
TEST_F_TIMEOUT(cid, distinct, 600)
{
	RETURN_IF_SKIPPED;

	struct worker workers[MAX_THREADS] = { };

	if (self->cpus < 2)
		SKIP(return, "needs two CPUs");
	members = self->cpus < 4 ? self->cpus : 4;
	arrived = 0;
	round_no = 0;
	drop_libc_area();
	for (int i = 0; i < members; i++) {
		workers[i].cpu = i;
		workers[i].len = variant->len;
		ASSERT_EQ(0, pthread_create(&workers[i].self, NULL, publish, &workers[i]));
	}
	for (int i = 0; i < members; i++) {
		pthread_join(workers[i].self, NULL);
		EXPECT_FALSE(workers[i].failed);
	}
	EXPECT_LT(ROUNDS / 2, workers[0].highest) {
		TH_LOG("%u of %d rounds with distinct ids", workers[0].highest, ROUNDS);
	}
}

static void *come_and_go(void *arg)
{
	worker_area(arg);
	return NULL;
}

static volatile bool noted;

static void *note_id(void *arg)
{
	struct worker *worker = arg;
	struct rseq_slice_area *area = worker_area(worker);

	worker->highest = *(volatile uint32_t *)&area->mm_cid;
	noted = true;
	return NULL;
}

/*
 * A process of one thread has number 0, runs or not.  From its first other
 * thread on it has to let go of the number while it waits, and it gets it back.
 */
TEST_F(cid, handed_on)
{
	RETURN_IF_SKIPPED;

	struct worker first = { .cpu = self->cpus - 1, .len = variant->len };
	struct rseq_slice_area *area = worker_area(&first);

	ASSERT_FALSE(first.failed);
	for (int i = 0; i < 5; i++) {
		struct worker second = { .cpu = first.cpu, .len = variant->len };

		for (int j = 0; j < 5; j++) {
			sched_yield();
			ASSERT_EQ(0, area->mm_cid);
		}
		noted = false;
		ASSERT_EQ(0, pthread_create(&second.self, NULL, note_id, &second));
		pthread_join(second.self, NULL);
		EXPECT_TRUE(noted);
		EXPECT_FALSE(second.failed);
		EXPECT_EQ(0, second.highest);
		ASSERT_EQ(0, area->mm_cid);
	}
}

/* The same where the other user of the address space is a process. */
TEST_F(cid, vfork)
{
	RETURN_IF_SKIPPED;

	struct worker first = { .cpu = self->cpus - 1, .len = variant->len };
	struct rseq_slice_area *area = worker_area(&first), *other = new_area();
	static volatile unsigned int seen;
	unsigned int len = variant->len;
	int status;
	pid_t pid;

	ASSERT_FALSE(first.failed);
	ASSERT_NE(NULL, other);
	sched_yield();
	seen = 99;
	pid = vfork();
	if (!pid) {
		if (!sys_rseq(other, len, 0, SIG))
			seen = *(volatile uint32_t *)&other->mm_cid;
		_exit(0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, seen);
	EXPECT_EQ(0, area->mm_cid);
}

/* How often, of ROUNDS, a second thread on another CPU had another number than this one. */
static int differ(struct rseq_slice_area *area, unsigned int len)
{
	int count = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct worker second = { .cpu = 0, .len = len };

		noted = false;
		if (pthread_create(&second.self, NULL, note_id, &second))
			return -1;
		/* This thread runs while the other looks, or the round is spoilt. */
		while (!noted)
			;
		count += second.highest != *(volatile uint32_t *)&area->mm_cid;
		pthread_join(second.self, NULL);
		if (second.failed)
			return -1;
	}
	return count;
}

/* The child of a fork has a number of its own in an address space of its own. */
TEST_F_TIMEOUT(cid, forked, 600)
{
	RETURN_IF_SKIPPED;

	struct worker first = { .cpu = self->cpus - 1, .len = variant->len };
	struct rseq_slice_area *area = worker_area(&first);

	if (self->cpus < 2)
		SKIP(return, "needs two CPUs");
	ASSERT_FALSE(first.failed);
	EXPECT_EQ(0, in_child(_exit(differ(area, variant->len) <= ROUNDS / 2)));
}

/* Threads that exit, and processes that fork and exec, leave no id behind. */
TEST_F_TIMEOUT(cid, exits, 600)
{
	RETURN_IF_SKIPPED;

	struct worker worker = { .cpu = self->cpus - 1, .len = variant->len };
	struct rseq_slice_area *area = worker_area(&worker);

	ASSERT_FALSE(worker.failed);
	for (int i = 0; i < 100; i++) {
		struct worker guest = { .cpu = worker.cpu, .len = variant->len };

		ASSERT_EQ(0, pthread_create(&guest.self, NULL, come_and_go, &guest));
		pthread_join(guest.self, NULL);
		EXPECT_FALSE(guest.failed);
		EXPECT_EQ(0, area->mm_cid);
	}
	for (int i = 0; i < 5; i++) {
		EXPECT_EQ(0, in_child(_exit(area->mm_cid)));
		EXPECT_EQ(0, in_child(execl("/bin/true", "true", NULL); _exit(1)));
		EXPECT_EQ(0, area->mm_cid);
	}
}

TEST_HARNESS_MAIN
