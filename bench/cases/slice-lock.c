// SPDX-License-Identifier: GPL-2.0
/*
 * VM: icount smp=4 skew_tick=1
 * VM: multi smp=4
 *
 * A spinlock among SIZE threads of one CPU, held for 200, 2000 or 20000 instructions and then left alone for as
 * long: without extensions, with one asked for each time, and only while another waits.  locks is how many
 * were taken in a millisecond; wait p99 and wait longest are how long one waited.  gain is how many times as many locks
 * were taken as without extensions; in the second VM, where time is the host's, there is nothing but that.  A grant is
 * 30 microseconds long.
 *
 * uncontended: instructions of a section of no length, for asking and taking back with nobody there to want the
 * CPU.
 *
 * The ticks of the CPUs are told to come one after another, as with icount all CPUs share one clock: what others
 * do in a tick of the same moment would be taken from a grant.
 *
 * Fair: one program, one CPU; a thread that waits spins, in every mode, as it cannot know whether the holder
 * runs.  On one CPU that is the worst for the lock, which is the point: what is measured is how
 * often the holder is preempted, and for how long.
 */
#include "../slice.h"
#include <pthread.h>

enum mode { OFF, ON, WAITING };

static const char * const names[] = { "off", "on", "waiting" };

struct worker {
	pthread_t	thread;
	uint64_t	*waits;
	long		locks;
};

#define MOST	200000L

static enum mode mode;
static unsigned long hold;
static int lock_word, waiters;
static volatile bool go, stop;

static void *work(void *arg)
{
	struct rseq_slice_area *area = NULL;
	struct worker *me = arg;

	pin(quiet_cpu());
	if (mode != OFF)
		CHECK(area = slice_area());
	while (!go)
		sched_yield();
	while (!stop && me->locks < MOST) {
		int outer = mode == ON ? rseq_slice_begin(area) : 0;
		uint64_t start = now();

		if (__atomic_exchange_n(&lock_word, 1, __ATOMIC_ACQUIRE)) {
			__atomic_add_fetch(&waiters, 1, __ATOMIC_RELAXED);
			while (__atomic_exchange_n(&lock_word, 1, __ATOMIC_ACQUIRE))
				;
			__atomic_sub_fetch(&waiters, 1, __ATOMIC_RELAXED);
		}
		if (mode == WAITING)
			outer = rseq_slice_begin_if(area, __atomic_load_n(&waiters, __ATOMIC_RELAXED));
		me->waits[me->locks++] = now() - start;
		compute(hold / 2);
		__atomic_store_n(&lock_word, 0, __ATOMIC_RELEASE);
		rseq_slice_end(area, outer);
		compute(hold / 2);
	}
	return NULL;
}

static void contend(enum mode which, int threads, unsigned long length)
{
	static double without;
	struct worker *workers = calloc(threads, sizeof(*workers));
	uint64_t *all = malloc(8 * MOST * sizeof(*all)), start, took;
	char name[32];
	long count = 0;
	int i;

	CHECK(workers && all);
	mode = which;
	hold = length;
	go = stop = false;
	snprintf(name, sizeof(name), "%s %lu", names[mode], hold);
	for (i = 0; i < threads; i++) {
		workers[i].waits = malloc(MOST * sizeof(*workers[i].waits));
		CHECK(workers[i].waits);
		CHECK(!pthread_create(&workers[i].thread, NULL, work, &workers[i]));
	}
	nap(0.002);
	start = now();
	go = true;
	nap(moment() ? 0.01 : threads == 1 ? 0.01 : 0.03 * threads);
	stop = true;
	took = now() - start;
	for (i = 0; i < threads; i++) {
		CHECK(!pthread_join(workers[i].thread, NULL));
		memcpy(all + count, workers[i].waits, workers[i].locks * sizeof(*all));
		count += workers[i].locks;
		free(workers[i].waits);
	}
	row("locks", name, threads, count * 1e6 / took, "1/ms");
	if (which == OFF)
		without = count * 1e6 / took;
	else
		row("gain", name, threads, without ? count * 1e6 / took / without : 0, "times");
	row("wait p99", name, threads, percentile(all, count, 99), "ns");
	row("wait longest", name, threads, percentile(all, count, 100), "ns");
	free(all);
	free(workers);
}

static void *uncontended(void *unused)
{
	struct rseq_slice_area *area = mode == OFF ? NULL : slice_area();
	long i, times = often(20000);
	struct span span;

	pin(quiet_cpu());
	span = span_begin();
	for (i = 0; i < times; i++)
		rseq_slice_end(area, rseq_slice_begin(area));
	span_row(span, "uncontended", names[mode], NO_SIZE, times);
	return unused;
}

int main(void)
{
	static const unsigned long lengths[] = { 200, 2000, 20000 };
	static const int threads[] = { 1, 2, 4, 8 };
	bool there = slice_there();
	pthread_t thread;
	char name[32];
	int i, j, k;

	slice_length("30000");
	/* Not on the workers' CPU: whoever starts and stops them must not wait for it. */
	pin(0);
	for (k = 0; k < 3; k++) {
		if (k && !there) {
			none("uncontended", names[k], NO_SIZE, "no slice extension");
			continue;
		}
		mode = k;
		if (k == WAITING)
			continue;
		CHECK(!pthread_create(&thread, NULL, uncontended, NULL) && !pthread_join(thread, NULL));
	}
	for (j = 0; j < 3; j++) {
		for (i = 0; i < 4; i++) {
			for (k = 0; k < 3; k++) {
				if (!k || there) {
					contend(k, threads[i], lengths[j]);
					continue;
				}
				snprintf(name, sizeof(name), "%s %lu", names[k], lengths[j]);
				none("locks", name, threads[i], "no slice extension");
				none("gain", name, threads[i], "no slice extension");
				none("wait p99", name, threads[i], "no slice extension");
				none("wait longest", name, threads[i], "no slice extension");
			}
		}
	}
	return 0;
}
