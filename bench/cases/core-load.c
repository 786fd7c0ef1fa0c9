// SPDX-License-Identifier: GPL-2.0
/*
 * VM: icount smp=4
 * VM: multi smp=4
 *
 * What cookies cost a load: instructions of all CPUs for the same work without cookies, with one for all, and
 * with one for each half.  message: 5 senders to 5 receivers over socket pairs, two groups.  compute: 8
 * processes that each count for 10 million instructions, on 4 CPUs.
 *
 * idle: three hogs on one core of two CPUs, one of them with a cookie and two without, for 0.1 s.  The two
 * without may run together, the one has to run alone.  busy is the CPU time that the three got, as a
 * part of what the core has: 5/6 when the one leads a third of the time, more when it gets less.  forced is how much
 * of the time the kernel says CPUs were forced idle (core_sched.force_idle_usec), as a part of the same.
 *
 * The second VM has CPUs that really run at once, so that waiting for each other's locks is in its figures.
 *
 * Fair: the same work in each mode and on each kernel.  Instructions tell what the kernel executes more; that
 * cores stand still for security is not in them, but in busy and forced.
 */
#include "../bench.h"
#include <sys/resource.h>
#include <sys/socket.h>

#define MESSAGE	100

static const char * const modes[] = { "off", "one", "halves" };
static int go[2];

static void start_line(void)
{
	char byte;

	CHECK(read(go[0], &byte, 1) == 1);
}

static void cookie(int mode, pid_t first)
{
	if (mode == 1)
		CHECK(!prctl(PR_SCHED_CORE, 3, first, 0, 0));
	if (mode == 2)
		CHECK(core_cookie());
}

/* A group: returns the process that all of it are children of. */
static pid_t group(int mode, pid_t first, bool messages)
{
	int pairs[5][2], i, j, k, loops = often(60);
	pid_t leader = child();

	if (leader)
		return leader;
	cookie(mode, first);
	for (i = 0; messages && i < 5; i++)
		CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]));
	for (i = 0; i < (messages ? 10 : 4); i++) {
		char text[MESSAGE] = "";

		if (child())
			continue;
		start_line();
		if (!messages) {
			compute(often(5000000));
		} else if (i < 5) {
			for (k = 5 * loops * MESSAGE; k > 0;) {
				ssize_t got = read(pairs[i][0], text, MESSAGE);

				CHECK(got > 0);
				k -= got;
			}
		} else {
			for (j = 0; j < loops; j++)
				for (k = 0; k < 5; k++)
					CHECK(write(pairs[k][1], text, MESSAGE) == MESSAGE);
		}
		_exit(0);
	}
	for (i = 0; i < (messages ? 10 : 4); i++) {
		int status;

		CHECK(wait(&status) > 0 && !status);
	}
	_exit(0);
}

static void load(int mode, bool messages)
{
	const char *metric = messages ? "message" : "compute";
	int loops = often(60), members = messages ? 20 : 8;
	struct span span;
	pid_t one, other, holder = 0;
	char bytes[32];

	if (mode && !core_there()) {
		none(metric, modes[mode], NO_SIZE, "no core scheduling");
		return;
	}
	CHECK(!pipe(go));
	if (mode == 1) {
		holder = child();
		if (!holder) {
			CHECK(core_cookie());
			CHECK(write(go[1], bytes, 1) == 1);
			for (;;)
				pause();
		}
		CHECK(read(go[0], bytes, 1) == 1);
	}
	one = group(mode, holder, messages);
	other = group(mode, holder, messages);
	nap(0.02);
	span = span_begin();
	CHECK(write(go[1], bytes, members) == members);
	reap(one);
	reap(other);
	span_end(&span);
	if (messages)
		span_row(span, metric, modes[mode], NO_SIZE, 2 * 25 * loops);
	else
		span_rest(span, metric, modes[mode], NO_SIZE, 8, 8.0 * 2 * often(5000000));
	if (holder)
		end_child(holder);
	close(go[0]);
	close(go[1]);
}

static double forced(void)
{
	FILE *file = fopen("/sys/fs/cgroup/unified/cpu.stat", "r");
	char line[128];
	double usec = -1;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "core_sched.force_idle_usec %lf", &usec) == 1)
			break;
	if (file)
		fclose(file);
	return usec;
}

static void idle(void)
{
	double before, after, took, busy = 0;
	struct rusage usage;
	cpu_set_t core;
	uint64_t start;
	pid_t hogs[3];
	int i;

	if (!core_there()) {
		none("idle", "busy", NO_SIZE, "no core scheduling");
		none("idle", "forced", NO_SIZE, "no core scheduling");
		return;
	}
	if (siblings(quiet_cpu(), &core) != 2) {
		none("idle", "busy", NO_SIZE, "the core has not two CPUs");
		return;
	}
	CHECK(!pipe(go));
	for (i = 0; i < 3; i++) {
		hogs[i] = child();
		if (hogs[i])
			continue;
		CHECK(!sched_setaffinity(0, sizeof(core), &core));
		if (!i)
			CHECK(core_cookie());
		start_line();
		for (;;)
			compute(1000);
	}
	nap(0.01);
	before = forced();
	start = now();
	CHECK(write(go[1], "abc", 3) == 3);
	nap(moment() ? 0.02 : 0.1);
	for (i = 0; i < 3; i++)
		CHECK(!kill(hogs[i], SIGKILL));
	took = (now() - start) / 1e3;
	for (i = 0; i < 3; i++) {
		CHECK(wait4(hogs[i], NULL, 0, &usage) == hogs[i]);
		busy += (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 + usage.ru_utime.tv_usec +
			usage.ru_stime.tv_usec;
	}
	after = forced();
	row("idle", "busy", NO_SIZE, busy / (2 * took), "part");
	if (before >= 0)
		row("idle", "forced", NO_SIZE, (after - before) / (2 * took), "part");
	else
		none("idle", "forced", NO_SIZE, "no core_sched.force_idle_usec");
	close(go[0]);
	close(go[1]);
}

int main(void)
{
	int mode;

	for (mode = 0; mode < 3; mode++)
		load(mode, true);
	for (mode = 0; mode < 3; mode++)
		load(mode, false);
	idle();
	return 0;
}
