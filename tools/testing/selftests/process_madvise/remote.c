// SPDX-License-Identifier: GPL-2.0
/*
 * Whose memory process_madvise(2) advises: the names of the caller itself, what
 * counts as the caller itself, and processes that are about to end.
 */
#include <dirent.h>

#include "pmadv.h"

#define PAGES		8

static long job_advise(long mem, long pidfd)
{
	return pmadv_range(pidfd, (void *)mem, PAGES * PAGE, MADV_DONTNEED);
}

static long job_self_cold(long mem, long pidfd)
{
	return pmadv_range(pidfd, (void *)mem, PAGES * PAGE, MADV_COLD);
}

FIXTURE(self) {
	struct agent agent;
	void *mem;
};

/* An agent without any privilege advises itself. */
FIXTURE_SETUP(self)
{
	self->agent = agent_start();
	self->mem = (void *)ask(&self->agent, job_map_filled, PAGES, 1);
	ask(&self->agent, job_keep_caps, 0, 0);
}

FIXTURE_TEARDOWN(self)
{
	agent_kill(&self->agent);
}

#define ADVISE(job, pidfd) ask(&self->agent, job, (long)self->mem, pidfd)

/* PIDFD_SELF is the caller; an advice needs no capability. Mutation: self-is-remote */
TEST_F(self, sentinel)
{
	ASSERT_EQ(PAGES * PAGE, ADVISE(job_self_cold, PIDFD_SELF));
	EXPECT_EQ(0, young(self->agent.pid, self->mem, PAGES));
	ASSERT_EQ(PAGES * PAGE, ADVISE(job_advise, PIDFD_SELF));
	EXPECT_EQ(0, present(self->agent.pid, self->mem, PAGES));
}

/* PIDFD_SELF_PROCESS is the caller as well. Mutation: self-one-sentinel */
TEST_F(self, sentinel_process)
{
	ASSERT_EQ(PAGES * PAGE, ADVISE(job_self_cold, PIDFD_SELF_PROCESS));
	EXPECT_EQ(0, young(self->agent.pid, self->mem, PAGES));
	ASSERT_EQ(PAGES * PAGE, ADVISE(job_advise, PIDFD_SELF_PROCESS));
	EXPECT_EQ(0, present(self->agent.pid, self->mem, PAGES));
}

/* The numbers are those of mainline. Mutation: self-one-sentinel */
TEST_F(self, sentinel_numbers)
{
	ASSERT_EQ(PAGES * PAGE, ADVISE(job_self_cold, -10000));
	EXPECT_EQ(PIDFD_SELF_THREAD, -10000);
	EXPECT_EQ(PIDFD_SELF, PIDFD_SELF_THREAD);
	ASSERT_EQ(PAGES * PAGE, ADVISE(job_advise, -10001));
	EXPECT_EQ(PIDFD_SELF_THREAD_GROUP, -10001);
	EXPECT_EQ(PIDFD_SELF_PROCESS, PIDFD_SELF_THREAD_GROUP);
}

static long job_own_pidfd(long mem, long advice)
{
	int pidfd = pidfd_open(getpid());
	long ret = pmadv_range(pidfd, (void *)mem, PAGES * PAGE, advice);

	close(pidfd);
	return ret;
}

/*
 * A pidfd of one's own is no other process.
 * Mutations: self-is-remote, self-pidfd-is-remote
 */
TEST_F(self, own_pidfd)
{
	ASSERT_EQ(PAGES * PAGE, ADVISE(job_own_pidfd, MADV_COLD));
	EXPECT_EQ(0, young(self->agent.pid, self->mem, PAGES));
	ASSERT_EQ(PAGES * PAGE, ADVISE(job_own_pidfd, MADV_DONTNEED));
	EXPECT_EQ(0, present(self->agent.pid, self->mem, PAGES));
}

struct thread_call {
	void *mem;
	int pidfd;
	long ret;
};

static void *advise_in_thread(void *arg)
{
	struct thread_call *call = arg;

	call->ret = job_advise((long)call->mem, call->pidfd);
	return NULL;
}

static long job_advise_in_thread(long mem, long pidfd)
{
	struct thread_call call = { (void *)mem, pidfd, 0 };
	pthread_t thread;

	if (pthread_create(&thread, NULL, advise_in_thread, &call))
		die("pthread_create");
	pthread_join(thread, NULL);
	return call.ret;
}

/* Both names mean the caller's memory in every thread. Mutation: self-one-sentinel */
TEST_F(self, sentinel_in_thread)
{
	ASSERT_EQ(PAGES * PAGE, ADVISE(job_advise_in_thread, PIDFD_SELF_THREAD));
	EXPECT_EQ(0, present(self->agent.pid, self->mem, PAGES));
	EXPECT_EQ(PAGES * PAGE, ADVISE(job_advise_in_thread, PIDFD_SELF_THREAD_GROUP));
}

/*
 * A thread that goes on when the main thread has ended, and reports through
 * memory from share().
 */
struct orphan {
	void *mem;
	long by_thread;
	long by_group;
	bool ready;
	bool go;
	bool done;
};

static void *orphan_main(void *arg)
{
	struct orphan *orphan = arg;

	orphan->mem = map_filled(PAGES, 1);
	store(&orphan->ready, true);
	if (!wait_for(load(&orphan->go)))
		die("the test does not go on");
	orphan->by_thread = job_self_cold((long)orphan->mem, PIDFD_SELF_THREAD);
	orphan->by_group = job_advise((long)orphan->mem, PIDFD_SELF_THREAD_GROUP);
	store(&orphan->done, true);
	pause();
	return NULL;
}

static long job_orphan(long orphan, long unused __attribute__((unused)))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, orphan_main, (void *)orphan))
		die("pthread_create");
	/* Only this thread. */
	syscall(SYS_exit, 0);
	return 0;
}

FIXTURE(leader) {
	struct agent agent;
	struct orphan *orphan;
};

FIXTURE_SETUP(leader)
{
	self->orphan = share(sizeof(*self->orphan));
	self->agent = agent_start();
	agent_begin(&self->agent, job_orphan, (long)self->orphan, 0);
	ASSERT_TRUE(wait_for(load(&self->orphan->ready)));
	ASSERT_TRUE(wait_for(thread_state(self->agent.pid, self->agent.pid) == 'Z'));
}

FIXTURE_TEARDOWN(leader)
{
	agent_kill(&self->agent);
}

/*
 * A process lives as long as one of its threads, and is advised although its
 * main thread has ended.
 * Mutation: remote-leader
 */
TEST_F(leader, dead_others_live)
{
	void *mem = self->orphan->mem;
	struct dirent *entry;
	char path[64];
	long count = 0;
	pid_t pid;
	DIR *dir;

	NEED_SWAP();
	ASSERT_EQ(PAGES * PAGE, pmadv_range(self->agent.pidfd, mem, PAGES * PAGE, MADV_COLD));
	ASSERT_EQ(PAGES * PAGE, pmadv_range(self->agent.pidfd, mem, PAGES * PAGE, MADV_PAGEOUT));

	/* The dead thread shows no memory any more, the other one does. */
	snprintf(path, sizeof(path), "/proc/%d/task", self->agent.pid);
	dir = opendir(path);
	ASSERT_NE(NULL, dir);
	while ((entry = readdir(dir))) {
		pid = atoi(entry->d_name);
		if (pid > 0 && pid != self->agent.pid)
			count += swapped(pid, mem, PAGES);
	}
	closedir(dir);
	EXPECT_EQ(PAGES, count);
}

/* So are both names of the caller. Mutations: self-by-leader, self-one-sentinel */
TEST_F(leader, dead_advises_itself)
{
	store(&self->orphan->go, true);
	ASSERT_TRUE(wait_for(load(&self->orphan->done)));
	EXPECT_EQ(PAGES * PAGE, self->orphan->by_thread);
	EXPECT_EQ(PAGES * PAGE, self->orphan->by_group);
}

/*
 * A process that shares the memory, like the child of vfork(2), is not another:
 * all advices and no capability.
 */
static __u64 clone_stack[8192];
static int clone_pidfd;
static void *clone_mem;
static long clone_ret[2];

static int clone_main(void *unused __attribute__((unused)))
{
	keep_caps(0);
	clone_ret[0] = pmadv_range(clone_pidfd, clone_mem, PAGES * PAGE, MADV_COLD);
	clone_ret[1] = pmadv_range(clone_pidfd, clone_mem, PAGES * PAGE, MADV_DONTNEED);
	return 0;
}

/* Mutations: self-is-remote, self-pidfd-is-remote */
TEST(shared_memory_is_self)
{
	int status;
	pid_t pid;

	run_on(0);
	clone_mem = map_filled(PAGES, 1);
	clone_pidfd = pidfd_open(getpid());
	ASSERT_GE(clone_pidfd, 0);
	pid = clone(clone_main, clone_stack + ARRAY_SIZE(clone_stack), CLONE_VM | SIGCHLD, NULL);
	ASSERT_GT(pid, 0);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	EXPECT_EQ(PAGES * PAGE, clone_ret[0]);
	EXPECT_EQ(PAGES * PAGE, clone_ret[1]);
	EXPECT_EQ(0, present(getpid(), clone_mem, PAGES));
}

/*
 * Long calls: 1024 ranges of 8 pages. A helper process on another CPU waits
 * until the first range is in swap and then kills somebody.
 */
#define LONG_RANGES	1024
#define LONG_RANGE	8
#define LONG_PAGES	(LONG_RANGES * LONG_RANGE)
#define ATTEMPTS	8

struct scene {
	struct agent target;
	struct agent caller;
	struct agent killer;
	struct call *call;
	char *mem;
	int pagemap;
};

/* Ranges of the target's memory, as large as the whole or many small ones. */
static void set_ranges(struct call *call, char *mem, int ranges)
{
	size_t len = LONG_PAGES / ranges * PAGE;
	int i;

	call->vlen = ranges;
	for (i = 0; i < ranges; i++) {
		call->vec[i].iov_base = mem + i * len;
		call->vec[i].iov_len = len;
	}
}

static void scene_start(struct scene *scene)
{
	scene->target = agent_start();
	scene->mem = (char *)ask(&scene->target, job_map_filled, LONG_PAGES, 1);
	scene->pagemap = open_proc(scene->target.pid, "pagemap");
	scene->call->pidfd = scene->target.pidfd;
	scene->call->advice = MADV_PAGEOUT;
	set_ranges(scene->call, scene->mem, LONG_RANGES);
	scene->caller = agent_start();
	scene->killer = agent_start();
}

static void scene_stop(struct scene *scene)
{
	agent_kill(&scene->killer);
	agent_kill(&scene->caller);
	agent_kill(&scene->target);
	close(scene->pagemap);
}

/* The killer is a copy of the test as it was then, with the scene. */
static long job_kill(long pid, long arg)
{
	struct scene *scene = (struct scene *)arg;
	double end = now() + PATIENCE;

	run_on(1);
	while (!(read_pagemap(scene->pagemap, scene->mem) & PM_SWAP)) {
		if (now() > end)
			return -ETIME;
	}
	return kill(pid, SIGKILL);
}

FIXTURE(dying) {
	struct scene scene;
};

FIXTURE_SETUP(dying)
{
	self->scene.call = share(sizeof(*self->scene.call));
	scene_start(&self->scene);
}

FIXTURE_TEARDOWN(dying)
{
	scene_stop(&self->scene);
}

/*
 * When the target ends, so does the call, and says how many bytes it did: a
 * number of whole ranges. After that there is no such process.
 * Mutation: remote-target-gone
 */
TEST_F(dying, target_killed)
{
	struct scene *scene = &self->scene;
	bool ended = false;
	long ret = 0;
	int i;

	NEED_SWAP();
	if (nth_cpu(1) < 0)
		SKIP(return, "one CPU only");
	/* The call may have been faster than the killer: try again then. */
	for (i = 0; i < ATTEMPTS && !ended; i++) {
		if (i) {
			scene_stop(scene);
			scene_start(scene);
		}
		agent_begin(&scene->killer, job_kill, scene->target.pid, (long)scene);
		ret = ask(&scene->caller, job_call, (long)scene->call, 0);
		ASSERT_EQ(0, agent_result(&scene->killer));
		ended = ret < LONG_PAGES * (long)PAGE;
	}
	ASSERT_TRUE(ended);
	EXPECT_LT(0, ret);
	EXPECT_EQ(0, ret % (LONG_RANGE * PAGE));
	EXPECT_EQ(-ESRCH, ask(&scene->caller, job_call, (long)scene->call, 0));
}

/*
 * When the caller is killed the call ends long before its vector does.
 * Mutation: remote-caller-killed
 */
TEST_F(dying, caller_killed)
{
	struct scene *scene = &self->scene;
	bool ended = false;
	int i;

	NEED_SWAP();
	if (nth_cpu(1) < 0)
		SKIP(return, "one CPU only");
	for (i = 0; i < ATTEMPTS && !ended; i++) {
		if (i) {
			scene_stop(scene);
			scene_start(scene);
		}
		agent_begin(&scene->killer, job_kill, scene->caller.pid, (long)scene);
		agent_begin(&scene->caller, job_call, (long)scene->call, 0);
		ASSERT_EQ(0, agent_result(&scene->killer));
		ASSERT_TRUE(wait_for(thread_state(scene->caller.pid, scene->caller.pid) == 'Z'));
		ended = !swapped(scene->target.pid,
				 scene->mem + (LONG_PAGES - LONG_RANGE) * PAGE, LONG_RANGE);
	}
	EXPECT_TRUE(ended);
	EXPECT_LT(0, swapped(scene->target.pid, scene->mem, LONG_RANGE));
	EXPECT_EQ(0, ask(&scene->target, job_wrong, (long)scene->mem, LONG_PAGES));
}

/*
 * The same for reading from swap, which is one long step for a whole VMA. Here
 * the killer waits until some pages have been read.
 */
FIXTURE(reading) {
	struct agent target;
	struct call *call;
	char *mem;
};

FIXTURE_VARIANT(reading) {
	job_t map;
};

FIXTURE_VARIANT_ADD(reading, private) {
	.map = job_map_filled,
};

FIXTURE_VARIANT_ADD(reading, shared) {
	.map = job_map_shared,
};

FIXTURE_SETUP(reading)
{
	self->call = share(sizeof(*self->call));
	self->target = agent_start();
	self->mem = (char *)ask(&self->target, variant->map, LONG_PAGES, 1);
	self->call->pidfd = self->target.pidfd;
	self->call->advice = MADV_WILLNEED;
	set_ranges(self->call, self->mem, 1);
}

FIXTURE_TEARDOWN(reading)
{
	agent_kill(&self->target);
}

static long job_kill_reader(long pid, long reads)
{
	double end = now() + PATIENCE;

	run_on(1);
	while (vm_counter("pswpin") < reads) {
		if (now() > end)
			return -ETIME;
	}
	return kill(pid, SIGKILL);
}

/* Hooks: swapin-walk, swapin-shmem */
TEST_F(reading, caller_killed)
{
	struct agent caller, killer;
	bool ended = false;
	int i;

	NEED_SWAP();
	if (nth_cpu(1) < 0)
		SKIP(return, "one CPU only");
	for (i = 0; i < ATTEMPTS && !ended; i++) {
		ASSERT_EQ(LONG_PAGES * PAGE,
			  pmadv_range(self->target.pidfd, self->mem, LONG_PAGES * PAGE,
				      MADV_PAGEOUT));
		caller = agent_start();
		killer = agent_start();
		agent_begin(&killer, job_kill_reader, caller.pid, vm_counter("pswpin") + 16);
		agent_begin(&caller, job_call, (long)self->call, 0);
		ASSERT_EQ(0, agent_result(&killer));
		ASSERT_TRUE(wait_for(thread_state(caller.pid, caller.pid) == 'Z'));
		agent_kill(&caller);
		agent_kill(&killer);
		ended = ask(&self->target, job_in_core, (long)self->mem, LONG_PAGES) < LONG_PAGES;
	}
	EXPECT_TRUE(ended);
	EXPECT_EQ(0, ask(&self->target, job_wrong, (long)self->mem, LONG_PAGES));
}

TEST_HARNESS_MAIN
