// SPDX-License-Identifier: GPL-2.0
/*
 * Forced idle, as charged to tasks and control groups, against what was
 * observed: a task that never sleeps was not running although its CPU was idle.
 *
 * Mutations: account-not-the-group (groups_sum_up_their_tasks),
 * account-stands-still (charged_is_what_the_other_lost). Hooks: statistics
 * (groups_sum_up_their_tasks).
 */
#include "core_sched.h"

#include <kselftest_harness.h>

FIXTURE(core) {
	int a, b;
	pid_t hog[2];
	double used[2], charged[2];
};

FIXTURE_SETUP(core)
{
	const char *why = obstacle(find_siblings(&self->a, &self->b),
				   "no siblings");

	if (why)
		SKIP(return, "%s", why);
}

FIXTURE_TEARDOWN(core)
{
	reap(self->hog[0]);
	reap(self->hog[1]);
}

/* Seconds; -1 where the file does not say. */
static double charged_to(pid_t pid)
{
	char path[64], line[128];
	double ms = -1000;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/sched", pid);
	file = fopen(path, "r");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "core_forceidle_sum : %lf", &ms) == 1)
			break;
	}
	fclose(file);

	return ms / 1000;
}

static void measure(FIXTURE_DATA(core) *self, double seconds)
{
	int i;

	for (i = 0; i < 2; i++) {
		self->used[i] = -cpu_time(self->hog[i]);
		self->charged[i] = -charged_to(self->hog[i]);
	}
	nap(seconds);
	for (i = 0; i < 2; i++) {
		self->used[i] += cpu_time(self->hog[i]);
		self->charged[i] += charged_to(self->hog[i]);
	}
}

/* With two siblings, whoever runs keeps exactly one idle. */
TEST_F_TIMEOUT(core, charged_is_what_the_other_lost, 1200)
{
	int i;

	for (i = 0; i < 2; i++) {
		self->hog[i] = spawn_hog(i ? self->b : self->a);
		ASSERT_GT(self->hog[i], 0);
		ASSERT_EQ(0, core_create(self->hog[i]));
	}
	if (charged_to(self->hog[0]) < 0)
		SKIP(return, "no /proc/PID/sched");

	nap(0.3);
	measure(self, 3);
	for (i = 0; i < 2; i++) {
		EXPECT_GT(self->charged[i], 0.7 * self->used[i])
			TH_LOG("%f %f", self->charged[i], self->used[i]);
		EXPECT_LT(self->charged[i], 1.3 * self->used[i])
			TH_LOG("%f %f", self->charged[i], self->used[i]);
	}
}

TEST_F_TIMEOUT(core, nothing_is_charged_to_friends, 1200)
{
	int i;

	ASSERT_EQ(0, core_create(0));
	for (i = 0; i < 2; i++) {
		self->hog[i] = spawn_hog(i ? self->b : self->a);
		ASSERT_GT(self->hog[i], 0);
	}
	if (charged_to(self->hog[0]) < 0)
		SKIP(return, "no /proc/PID/sched");

	nap(0.3);
	measure(self, 2);
	for (i = 0; i < 2; i++)
		EXPECT_LT(self->charged[i], 0.2 * self->used[i]);
}

static double charged_to_group(const char *dir)
{
	char path[128], line[128];
	double usec = -1e6;
	FILE *file;

	snprintf(path, sizeof(path), "%s/cpu.stat", dir);
	file = fopen(path, "r");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "core_sched.force_idle_usec %lf", &usec) == 1)
			break;
	}
	fclose(file);

	return usec / 1e6;
}

TEST_F_TIMEOUT(core, groups_sum_up_their_tasks, 1200)
{
	const char *root = "/tmp/core_sched_cgroup";
	const char *dir = "/tmp/core_sched_cgroup/core_sched_account";
	char path[128], pid[16];
	double group, whole;

	mkdir(root, 0755);
	if (access("/tmp/core_sched_cgroup/cgroup.procs", F_OK))
		syscall(SYS_mount, "none", root, "cgroup2", 0, NULL);
	mkdir(dir, 0755);
	if (charged_to_group(dir) < 0)
		SKIP(return, "no cpu.stat in cgroup2");

	self->hog[0] = spawn_hog(self->a);
	self->hog[1] = spawn_hog(self->b);
	ASSERT_EQ(0, core_create(self->hog[0]));
	ASSERT_EQ(0, core_create(self->hog[1]));
	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	snprintf(pid, sizeof(pid), "%d", self->hog[0]);
	ASSERT_EQ(0, write_line(path, pid));

	nap(0.3);
	group = -charged_to_group(dir);
	whole = -charged_to_group(root);
	measure(self, 3);
	group += charged_to_group(dir);
	whole += charged_to_group(root);

	EXPECT_GT(group, 0.8 * self->charged[0]);
	EXPECT_LT(group, 1.2 * self->charged[0]);
	EXPECT_GT(whole, 0.8 * (self->charged[0] + self->charged[1]));

	reap(self->hog[0]);
	self->hog[0] = 0;
	rmdir(dir);
}

TEST_HARNESS_MAIN
