// SPDX-License-Identifier: GPL-2.0
/*
 * Keep a cgroup, or some processes, under a size.
 *
 * Nothing happens while nobody waits for memory. The kernel wakes us up when
 * tasks have been stalled for want of memory longer than stall_ms in a window
 * (a PSI trigger); besides we look every interval_ms, so that a group that
 * grows slowly is noticed too. If the group is larger than it should be, its
 * processes are advised, the largest first, each from where the last time
 * ended, until as much was worked on as the group is too large.
 *
 * Processes are held by pidfds from one look to the next. A number that has
 * been given to another process is noticed, because the old one is dead.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "pmadvise.h"

struct member {
	struct target target;
	unsigned long resident;
	bool seen;
};

struct group {
	const struct watch *watch;
	struct member *members;
	size_t count;
};

static volatile sig_atomic_t ended;

static void end(int sig)
{
	(void)sig;
	ended = 1;
}

/*
 * Who is in it
 */

static bool is_dead(const struct target *target)
{
	struct pollfd fd = { .fd = target->pidfd, .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

static void see(struct group *group, pid_t pid)
{
	struct member *more;
	size_t i;

	for (i = 0; i < group->count; i++) {
		if (group->members[i].target.pid == pid &&
		    !is_dead(&group->members[i].target)) {
			group->members[i].seen = true;
			return;
		}
	}
	more = reallocarray(group->members, group->count + 1, sizeof(*more));
	if (!more)
		return;
	group->members = more;
	if (kernel_open(&more[group->count].target, pid))
		return;
	more[group->count++].seen = true;
}

static void see_list(struct group *group, const char *path)
{
	FILE *file = fopen(path, "re");
	int pid;

	while (file && fscanf(file, "%d", &pid) == 1)
		see(group, pid);
	if (file)
		fclose(file);
}

/* A cgroup and those below it. */
static void see_cgroup(struct group *group, const char *dir)
{
	struct dirent *entry;
	char path[4096];
	DIR *list;

	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	see_list(group, path);
	list = opendir(dir);
	while (list && (entry = readdir(list))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir,
				     entry->d_name) < sizeof(path))
			see_cgroup(group, path);
	}
	if (list)
		closedir(list);
}

static unsigned long resident(pid_t pid)
{
	unsigned long pages = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	file = fopen(path, "re");
	if (file && fscanf(file, "%*u %lu", &pages) != 1)
		pages = 0;
	if (file)
		fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

static int larger(const void *a, const void *b)
{
	const struct member *one = a, *two = b;

	return (one->resident < two->resident) - (one->resident > two->resident);
}

/* Those that are there now, the largest first. */
static void look(struct group *group)
{
	struct member *member;
	size_t i, kept = 0;

	for (i = 0; i < group->count; i++)
		group->members[i].seen = false;
	if (group->watch->cgroup)
		see_cgroup(group, group->watch->cgroup);
	for (i = 0; i < group->watch->count; i++)
		see(group, group->watch->pids[i]);

	for (i = 0; i < group->count; i++) {
		member = &group->members[i];
		if (!member->seen || is_dead(&member->target)) {
			kernel_close(&member->target);
			continue;
		}
		member->resident = resident(member->target.pid);
		group->members[kept++] = *member;
	}
	group->count = kept;
	if (kept)
		qsort(group->members, kept, sizeof(*group->members), larger);
}

/*
 * How large it is
 */

static bool read_number(const char *dir, const char *name, unsigned long *number)
{
	char path[4096];
	FILE *file;
	bool good;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "re");
	good = file && fscanf(file, "%lu", number) == 1;
	if (file)
		fclose(file);
	return good;
}

static unsigned long size_of(const struct group *group)
{
	unsigned long size = 0;
	size_t i;

	if (group->watch->cgroup &&
	    (read_number(group->watch->cgroup, "memory.current", &size) ||
	     read_number(group->watch->cgroup, "memory.usage_in_bytes", &size)))
		return size;
	for (i = 0; i < group->count; i++)
		size += resident(group->members[i].target.pid);
	return size;
}

/*
 * When to look
 */

static int open_trigger(const struct watch *watch, const char *path)
{
	char text[64];
	int fd, len;

	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	len = snprintf(text, sizeof(text), "some %lu %lu",
		       watch->stall_ms * 1000, watch->window_ms * 1000);
	if (write(fd, text, len + 1) < 0) {
		say("%s: trigger '%s': %s", path, text, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

/* Of the cgroup if it has one, else of the system. */
static int find_trigger(const struct watch *watch)
{
	char path[4096];
	int fd = -1;

	if (watch->cgroup) {
		snprintf(path, sizeof(path), "%s/memory.pressure", watch->cgroup);
		fd = open_trigger(watch, path);
	}
	if (fd < 0)
		fd = open_trigger(watch, "/proc/pressure/memory");
	if (fd < 0)
		say("no pressure to be told of (CONFIG_PSI, psi=1): looking every %lu ms only",
		    watch->interval_ms);
	return fd;
}

/* Returns why it came back: whether memory was short. */
static bool wait_for_need(const struct watch *watch, int trigger)
{
	struct pollfd fd = { .fd = trigger, .events = POLLPRI };

	return poll(&fd, 1, watch->interval_ms) == 1 && fd.revents & POLLPRI;
}

/*
 * What to do
 */

static void tell(const struct group *group, bool pressed, unsigned long before,
		 const struct tally *tally)
{
	char clock[16], a[32], b[32], c[32];
	time_t now = time(NULL);

	strftime(clock, sizeof(clock), "%T", localtime(&now));
	printf("%s %s: %s, over by %s; now %s, after %lu calls\n", clock,
	       pressed ? "pressure" : "size", size_text(before, a, sizeof(a)),
	       size_text(before - group->watch->size, b, sizeof(b)),
	       size_text(size_of(group), c, sizeof(c)), tally->calls);
	fflush(stdout);
}

/* 0, or the error that no process of the group was without. */
static int reduce(struct group *group, const struct plan *plan,
		  struct tally *tally)
{
	unsigned long size = size_of(group);
	struct plan part = *plan;
	struct target *target;
	int error, first = 0;
	bool worked = false;
	size_t i;

	part.quiet = true;
	for (i = 0; i < group->count && !ended; i++) {
		if (size <= group->watch->size)
			break;
		part.most = size - group->watch->size;
		target = &group->members[i].target;
		error = kernel_probe(target, &part) ?:
			advise_target(target, &part, tally);
		/* Those that exit, or change too fast, are left for next time. */
		if (error && error != -ESRCH && error != -ESTALE && !first) {
			kernel_explain(target->pid, target->name, error, plan);
			first = error;
		}
		worked |= !error;
		size = size_of(group);
	}
	return worked ? 0 : first;
}

static int attend(struct group *group, const struct plan *plan, bool pressed,
		  struct tally *tally)
{
	struct tally one = { .counted = kernel_has_cookies() };
	unsigned long before;
	int error;

	look(group);
	before = size_of(group);
	if (before <= group->watch->size)
		return 0;
	error = reduce(group, plan, &one);
	report_add(tally, &one);
	if (!plan->quiet)
		tell(group, pressed, before, &one);
	return error;
}

int watch_run(const struct watch *watch, const struct plan *plan,
	      struct tally *tally)
{
	struct sigaction action = { .sa_handler = end };
	struct group group = { .watch = watch };
	int trigger = find_trigger(watch);
	bool pressed = false;
	int error;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	do {
		error = attend(&group, plan, pressed, tally);
		/* A list of processes can come to its end, a cgroup cannot. */
		if (!watch->cgroup && !group.count)
			break;
		if (!error && !ended)
			pressed = wait_for_need(watch, trigger);
	} while (!error && !ended);

	while (group.count)
		kernel_close(&group.members[--group.count].target);
	free(group.members);
	if (trigger >= 0)
		close(trigger);
	return error;
}
