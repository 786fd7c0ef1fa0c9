// SPDX-License-Identifier: GPL-2.0
/*
 * rseq time slice extension: everything at once, and the books balance.
 *
 * Threads that end their grants in every way are signalled, moved, paged out,
 * given cookies and hit by membarriers, while the CPU that they share goes away
 * and comes back. Afterwards every grant has ended exactly once, for each
 * thread and for the system, and every yield that returned 1 was counted.
 *
 * What has to make these tests fail: mutations/churn-*.patch
 */
#include <linux/membarrier.h>
#include <sys/uio.h>

#include "slice.h"
#include "kselftest_harness.h"

#define HOGS		4
#define PATIENCE	120.0

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif
#ifndef __NR_pidfd_open
#define __NR_pidfd_open	434
#endif
#ifndef __NR_process_madvise
#define __NR_process_madvise	440
#endif
#define CORE_SCHED	62		/* PR_SCHED_CORE */
#define CORE_CREATE	1		/* PR_SCHED_CORE_CREATE */
#define CORE_SHARE_FROM	3		/* PR_SCHED_CORE_SHARE_FROM */

struct hog {
	pthread_t	self;
	volatile pid_t	tid;
	struct rseq_slice_area		*area;
	unsigned int	len;
	int		cpu;
	volatile long	granted;
	long		yields, yielded, ended;
	bool		failed;
};

static struct hog hogs[HOGS];
static volatile bool stop, calm;

static void ignore(int sig)
{
}

static void *work(void *arg)
{
	struct hog *hog = arg;
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	pin(hog->cpu);
	hog->area = enabled_area(hog->len);
	hog->failed = !hog->area || page == MAP_FAILED;
	hog->tid = syscall(__NR_gettid);
	for (unsigned int n = 0; !hog->failed && !stop; n++) {
		if (!ask(hog->area))
			continue;
		hog->granted++;
		switch (n % 5) {
		case 0:
		case 1:
			hog->yields += slice_yield();
			break;
		case 2:
			syscall(__NR_getppid);
			break;
		case 3:
			*(volatile char *)page = 1;
			madvise(page, 4096, MADV_DONTNEED);
			break;
		default:
			for (long i = 0; i < 3000000 && hog->area->granted; i++)
				rseq_slice_barrier();
			hog->failed |= hog->area->granted;
		}
	}
	if (!hog->failed) {
		hog->granted = counter("granted");
		hog->yielded = counter("yielded");
		hog->ended = ends();
	}
	return NULL;
}

/* One disturbance at a time, of a kind that is chosen by @n. */
static void disturb_one(unsigned int n, int cpu, int self)
{
	struct hog *hog = &hogs[n / 5 % HOGS];
	struct iovec iov = { .iov_base = hog->area, .iov_len = 4096 };
	cpu_set_t set;

	switch (n % 5) {
	case 0:
		syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0);
		break;
	case 1:
		pthread_kill(hog->self, SIGUSR1);
		break;
	case 2:
		CPU_ZERO(&set);
		CPU_SET(cpu - (n / 20 & 1), &set);
		sched_setaffinity(hog->tid, sizeof(set), &set);
		break;
	case 3:
		syscall(__NR_process_madvise, self, &iov, 1, MADV_PAGEOUT, 0);
		break;
	default:
		prctl(CORE_SCHED, n & 32 ? CORE_CREATE : CORE_SHARE_FROM, hog->tid, 0, 0);
	}
}

static void *disturb(void *arg)
{
	int self = syscall(__NR_pidfd_open, getpid(), 0);
	int cpu = *(int *)arg;

	pin(0);
	for (unsigned int n = 0; !calm; n++) {
		disturb_one(n, cpu, self);
		usleep(500);
	}
	close(self);
	return NULL;
}

static bool switch_cpu(int cpu, bool online)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	return !write_text(path, online ? "1" : "0");
}

static long total_granted(void)
{
	long total = 0;

	for (int i = 0; i < HOGS; i++)
		total += hogs[i].granted;
	return total;
}

static void wait_for(long granted, double seconds)
{
	double end = now() + seconds;

	while (total_granted() < granted && now() < end)
		usleep(10000);
}

FIXTURE(churn)
{
};

FIXTURE_SETUP(churn)
{
}

FIXTURE_TEARDOWN(churn)
{
	if (!_metadata->passed)
		show_counters();
	write_text(NSEC_FILE, "5000");
}

TEST_F_TIMEOUT(churn, books, 600)
{
	int cpu = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	struct noise noise, other;
	pthread_t disturber;
	long before, after;
	bool unplugged;

	if (!kernel_has_slices())
		SKIP(return, "the kernel has no time slice extension");
	if (!strcmp(offered(), "off"))
		SKIP(return, "booted with rseq_slice_ext=0");
	if (stat_counter("sgrant") < 0)
		SKIP(return, "needs root and debugfs");
	if (cpu < 2)
		SKIP(return, "needs three CPUs");
	ASSERT_EQ(0, write_text(NSEC_FILE, "50000"));
	ASSERT_EQ(0, syscall(__NR_membarrier,
			     MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0));
	signal(SIGUSR1, ignore);
	before = stat_counter("sgrant") - stat_counter("srevok") -
		 stat_counter("syield") - stat_counter("sabort");

	ASSERT_EQ(0, noise_start(&noise, cpu, SCHED_OTHER));
	ASSERT_EQ(0, noise_start(&other, cpu - 1, SCHED_OTHER));
	for (int i = 0; i < HOGS; i++) {
		hogs[i].cpu = cpu - (i & 1);
		hogs[i].len = i & 2 ? LEN_NEW : 4096;
		ASSERT_EQ(0, pthread_create(&hogs[i].self, NULL, work, &hogs[i]));
	}
	for (int i = 0; i < HOGS; i++)
		while (!hogs[i].tid)
			usleep(1000);
	ASSERT_EQ(0, pthread_create(&disturber, NULL, disturb, &cpu));

	wait_for(100, PATIENCE);
	unplugged = switch_cpu(cpu, false);
	wait_for(total_granted() + 20, 5);
	if (unplugged)
		EXPECT_TRUE(switch_cpu(cpu, true));
	/* What was there is granted again where it runs now. */
	for (int i = 0; i < HOGS; i++) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		sched_setaffinity(hogs[i].tid, sizeof(set), &set);
	}
	wait_for(total_granted() + 100, PATIENCE);
	calm = true;
	pthread_join(disturber, NULL);
	stop = true;
	for (int i = 0; i < HOGS; i++)
		pthread_join(hogs[i].self, NULL);
	noise_stop(&noise);
	noise_stop(&other);

	for (int i = 0; i < HOGS; i++) {
		EXPECT_FALSE(hogs[i].failed);
		EXPECT_LT(0, hogs[i].granted);
		EXPECT_EQ(hogs[i].granted, hogs[i].ended);
		EXPECT_EQ(hogs[i].yields, hogs[i].yielded);
	}
	after = stat_counter("sgrant") - stat_counter("srevok") -
		stat_counter("syield") - stat_counter("sabort");
	EXPECT_EQ(before, after);
	TH_LOG("%ld grants", total_granted());
	EXPECT_LE(150, total_granted());
}

TEST_HARNESS_MAIN
