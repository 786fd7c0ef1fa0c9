// SPDX-License-Identifier: GPL-2.0
/*
 * Softirqs of a CPU in forced idle go on while its ksoftirqd waits for the core.
 *
 * Steering of received packets (RPS) has one CPU receive what others send to
 * the loopback device: more than it can, so that it wakes ksoftirqd. A real-time
 * task on the sibling keeps the core from ksoftirqd. From then on packets are
 * received by interrupts, or by nobody.
 */
#include "core_sched.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <kselftest_harness.h>

#define RPS		"/sys/class/net/lo/queues/rx-0/rps_cpus"
#define PORT		4711
#define LISTENERS	64	/* to receive costs more than to send */
#define PACKETS		500	/* to see: more than are under way */

FIXTURE(softirq) {
	int forced, sibling;
	int listener[LISTENERS];
	pid_t sender[2], hog;
	char limit[64];
};

/* Everybody listens to what is sent to all hosts of the loopback network. */
static int listen_to_all(void)
{
	struct sockaddr_in any = {
		.sin_family = AF_INET, .sin_port = htons(PORT),
	};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int one = 1;

	if (fd >= 0 &&
	    (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	     bind(fd, (struct sockaddr *)&any, sizeof(any)))) {
		close(fd);
		return -1;
	}

	return fd;
}

static pid_t spawn_sender(int cpu)
{
	struct sockaddr_in all = {
		.sin_family = AF_INET, .sin_port = htons(PORT),
		.sin_addr.s_addr = inet_addr("127.255.255.255"),
	};
	pid_t pid = spawn();
	int fd, one = 1;

	if (pid)
		return pid;

	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd < 0 || pin(0, cpu) ||
	    setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one)))
		_exit(1);
	for (;;)
		sendto(fd, "", 1, 0, (struct sockaddr *)&all, sizeof(all));
}

static int loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int error;

	if (fd < 0)
		return -1;
	error = ioctl(fd, SIOCGIFFLAGS, &ifr);
	ifr.ifr_flags |= IFF_UP;
	error = error || ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);

	return error;
}

/* Packets that a CPU has received. */
static long received(int cpu)
{
	FILE *file = fopen("/proc/net/softnet_stat", "r");
	unsigned int count = 0, i;
	char line[256];

	for (i = 0; file && i <= (unsigned int)cpu; i++) {
		if (!fgets(line, sizeof(line), file) ||
		    sscanf(line, "%x", &count) != 1)
			count = 0;
	}
	if (file)
		fclose(file);

	return count;
}

/* The state of a process, as /proc has it: R for one that wants to run. */
static char state_of(pid_t pid)
{
	char path[64], line[256], *word;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	word = strrchr(read_line(path, line, sizeof(line)), ')');

	return word && word[1] ? word[2] : 0;
}

static pid_t find_ksoftirqd(int cpu)
{
	char path[64], name[64], line[64];
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	snprintf(name, sizeof(name), "ksoftirqd/%d", cpu);
	while (proc && !found && (entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%.20s/comm", entry->d_name);
		if (!strcmp(read_line(path, line, sizeof(line)), name))
			found = atoi(entry->d_name);
	}
	if (proc)
		closedir(proc);

	return found;
}

FIXTURE_SETUP(softirq)
{
	const char *why = obstacle(find_siblings(&self->forced, &self->sibling),
				   "no siblings");
	char mask[16];
	int i;

	if (why)
		SKIP(return, "%s", why);
	if (self->forced < 2 || self->forced > 31)
		SKIP(return, "no second core to send from");
	snprintf(mask, sizeof(mask), "%x", 1U << self->forced);
	if (loopback_up() || write_line(RPS, mask))
		SKIP(return, "packets cannot be steered");

	read_line(RT_LIMIT, self->limit, sizeof(self->limit));
	ASSERT_EQ(0, write_line(RT_LIMIT, "-1"));
	for (i = 0; i < LISTENERS; i++) {
		self->listener[i] = listen_to_all();
		ASSERT_GE(self->listener[i], 0);
	}
	ASSERT_EQ(0, pin(0, 0));
}

FIXTURE_TEARDOWN(softirq)
{
	int i;

	reap(self->hog);
	for (i = 0; i < 2; i++)
		reap(self->sender[i]);
	write_line(RPS, "0");
	if (self->limit[0])
		write_line(RT_LIMIT, self->limit);
}

TEST_F_TIMEOUT(softirq, go_on_in_forced_idle, 1200)
{
	struct sched_param param = { .sched_priority = 1 };
	pid_t ksoftirqd = find_ksoftirqd(self->forced);
	double end;
	long start;
	int i;

	ASSERT_GT(ksoftirqd, 0);
	self->hog = spawn_hog(self->sibling);
	ASSERT_GT(self->hog, 0);
	ASSERT_EQ(0, core_create(self->hog));
	for (i = 0; i < 2; i++) {
		self->sender[i] = spawn_sender(i);
		ASSERT_GT(self->sender[i], 0);
	}
	if (sched_setscheduler(self->hog, SCHED_FIFO, &param))
		SKIP(return, "no real-time bandwidth in this control group");

	end = now() + PATIENCE;
	while (state_of(ksoftirqd) != 'R' && now() < end)
		nap(0.01);
	ASSERT_EQ('R', state_of(ksoftirqd));

	/* It cannot run, for all of the time that follows. */
	start = received(self->forced);
	end = now() + PATIENCE;
	while (received(self->forced) < start + PACKETS && now() < end)
		nap(0.01);
	EXPECT_GE(received(self->forced), start + PACKETS);
	EXPECT_EQ('R', state_of(ksoftirqd));
}

TEST_HARNESS_MAIN
