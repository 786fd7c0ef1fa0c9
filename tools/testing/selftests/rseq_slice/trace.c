// SPDX-License-Identifier: GPL-2.0
/*
 * rseq time slice extension: the tracepoints tell a story that obeys the model.
 *
 * Threads that ask all the time, and end their grants in every way, share a CPU
 * with real-time and other threads that keep waking up.  Then the trace is read
 * and every event checked against the state before it:
 *
 *	- a grant comes when none is live on the CPU
 *	- a grant ends once, on its CPU, before anybody else runs there
 *	- the thread whose grant ended is switched out before it is granted again
 *	  (nearly always: schedule() may pick it once more)
 *	- a request is never refused because of a grant that has ended: whoever ends
 *	  one sees to it that schedule() comes before user mode
 *	- from the wakeup of a real-time thread to its first instruction nothing
 *	  is granted on its CPU
 *
 * What has to make these tests fail: mutations/trace-*.patch
 */
#include <linux/membarrier.h>
#include <poll.h>

#include "slice.h"
#include "kselftest_harness.h"

#define TRACING		"/sys/kernel/tracing/"
#define CPUS		64
#define PATIENCE	60.0

static const char * const events[] = {
	"rseq_slice/enable", "sched/sched_switch/enable", "sched/sched_wakeup/enable",
};

static int trace_set(const char *file, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), TRACING "%s", file);
	return write_text(path, text);
}

static void trace_events(const char *on)
{
	char path[128];

	for (unsigned int i = 0; i < ARRAY_LEN(events); i++) {
		snprintf(path, sizeof(path), "events/%s", events[i]);
		trace_set(path, on);
	}
}

FIXTURE(trace)
{
	struct noise	plain, realtime;
	bool		have_realtime;
	int		cpu;
};

static volatile bool stop;
static int hog_cpu;

/* End grants by all means in turn. */
static void *hog(void *arg)
{
	struct rseq_slice_area *area;

	pin(hog_cpu);
	area = enabled_area(LEN_NEW);
	for (unsigned int n = 0; area && !stop; n++) {
		if (!ask(area))
			continue;
		switch (n % 4) {
		case 0:
		case 1:
			slice_yield();
			break;
		case 2:
			syscall(__NR_getppid);
			break;
		default:
			for (long i = 0; i < 3000000 && area->granted; i++)
				rseq_slice_barrier();
		}
	}
	return NULL;
}

static void *disturb(void *arg)
{
	pin(0);
	while (!stop) {
		syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0);
		usleep(300);
	}
	return NULL;
}

FIXTURE_SETUP(trace)
{
	struct sched_param param = { .sched_priority = 1 }, none = { };

	if (!kernel_has_slices())
		SKIP(return, "the kernel has no time slice extension");
	if (!strcmp(offered(), "off"))
		SKIP(return, "booted with rseq_slice_ext=0");
	if (access(TRACING "events/rseq_slice/enable", W_OK))
		SKIP(return, "needs root and tracefs");
	self->cpu = sysconf(_SC_NPROCESSORS_ONLN) - 1;
	if (!self->cpu)
		SKIP(return, "needs two CPUs");
	hog_cpu = self->cpu;
	self->have_realtime = !sched_setscheduler(0, SCHED_FIFO, &param);
	sched_setscheduler(0, SCHED_OTHER, &none);
	ASSERT_EQ(0, syscall(__NR_membarrier,
			     MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, 0, 0));
	ASSERT_EQ(0, write_text(NSEC_FILE, "50000"));
	trace_set("current_tracer", "nop");
	ASSERT_EQ(0, trace_set("buffer_size_kb", "16384"));
	trace_set("trace", "0");
	trace_events("1");
	trace_set("tracing_on", "1");
}

FIXTURE_TEARDOWN(trace)
{
	trace_events("0");
	write_text(NSEC_FILE, "5000");
}

struct seen {
	long	grants, ends, orphans, twice, unswitched, followed, forgotten, late, lost,
		realtime;
};

struct cpu {
	int	live;		/* thread under a grant */
	int	leaving;	/* thread that was switched out under a grant */
	int	ended;		/* thread whose grant ended and that still runs */
	int	running;	/* thread that was switched to last */
	bool	waiting;	/* a real-time thread was woken here and waits */
};

static int field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? atoi(at + strlen(name)) : -1;
}

/* The event of a line and what follows it, or NULL. */
static const char *event(const char *line, const char *name)
{
	char mark[64];

	snprintf(mark, sizeof(mark), ": %s:", name);
	return strstr(line, mark);
}

static int pid_of(const char *line)
{
	const char *bracket = strchr(line, '[');

	while (bracket > line && *bracket != '-')
		bracket--;
	return atoi(bracket + 1);
}

static void see_grant(struct cpu *cpu, int pid, struct seen *seen)
{
	seen->grants++;
	seen->twice += cpu->live != 0;
	seen->late += cpu->waiting;
	seen->unswitched += cpu->ended == pid;
	cpu->ended = 0;
	cpu->live = pid;
}

static void see_end(struct cpu *cpu, int pid, struct seen *seen)
{
	seen->ends++;
	seen->orphans += cpu->live != pid;
	if (cpu->leaving == pid)
		seen->followed++;
	else
		cpu->ended = pid;
	cpu->live = 0;
	cpu->leaving = 0;
}

/* Granted, ended, and no schedule() since. */
static void see_refusal(struct cpu *cpu, int pid, const char *why, struct seen *seen)
{
	seen->forgotten += cpu->ended == pid && strstr(why, "why=again");
}

/* The end of a grant comes right behind the switch that ends it. */
static void see_switch(struct cpu *cpu, int prev, int next, int next_prio, struct seen *seen)
{
	seen->lost += cpu->leaving != 0;
	if (cpu->live && cpu->live == prev)
		cpu->leaving = prev;
	else if (cpu->live)
		seen->lost++;
	if (cpu->ended && cpu->ended == prev)
		seen->followed++;
	cpu->ended = 0;
	cpu->running = next;
	if (next_prio < 99)
		cpu->waiting = false;
}

static void check_line(struct cpu *cpu, const char *line, int number, struct seen *seen)
{
	const char *at;

	at = event(line, "rseq_slice_grant");
	if (at)
		see_grant(cpu, pid_of(line), seen);
	at = event(line, "rseq_slice_refuse");
	if (at)
		see_refusal(cpu, pid_of(line), at, seen);
	at = event(line, "rseq_slice_end");
	if (at)
		see_end(cpu, field(at, "pid="), seen);
	at = event(line, "sched_switch");
	if (at)
		see_switch(cpu, field(at, "prev_pid="), field(at, "next_pid="),
			   field(at, "next_prio="), seen);
	/*
	 * Woken by this CPU for this CPU: the order of events is exact.  One whose timer
	 * expires before it has gone to sleep runs on and does not wait.
	 */
	at = event(line, "sched_wakeup");
	if (at && field(at, " prio=") < 99 && field(at, "target_cpu=") == number &&
	    field(at, " pid=") != cpu->running) {
		cpu->waiting = true;
		seen->realtime++;
	}
}

static struct seen read_trace(void)
{
	static struct cpu cpus[CPUS];
	struct seen seen = { };
	char line[1024], *bracket;
	FILE *file = fopen(TRACING "trace", "r");
	int number;

	memset(cpus, 0, sizeof(cpus));
	while (file && fgets(line, sizeof(line), file)) {
		if (strstr(line, "LOST"))
			seen.lost = -1000000;
		bracket = line[0] == '#' ? NULL : strstr(line, " [");
		if (!bracket)
			continue;
		number = atoi(bracket + 2);
		if (number >= 0 && number < CPUS)
			check_line(&cpus[number], line, number, &seen);
	}
	if (file)
		fclose(file);
	return seen;
}

TEST_F_TIMEOUT(trace, story, 900)
{
	RETURN_IF_SKIPPED;

	pthread_t hogs[2], disturber;
	long before = stat_counter("sgrant");
	struct seen seen;
	double end;

	stop = false;
	ASSERT_EQ(0, noise_start(&self->plain, self->cpu, SCHED_OTHER));
	if (self->have_realtime)
		ASSERT_EQ(0, noise_start(&self->realtime, self->cpu, SCHED_FIFO));
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&hogs[i], NULL, hog, NULL));
	ASSERT_EQ(0, pthread_create(&disturber, NULL, disturb, NULL));

	end = now() + PATIENCE;
	while (stat_counter("sgrant") < before + 200 && now() < end)
		usleep(100000);
	trace_set("tracing_on", "0");

	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(hogs[i], NULL);
	pthread_join(disturber, NULL);
	noise_stop(&self->plain);
	if (self->have_realtime)
		noise_stop(&self->realtime);

	seen = read_trace();
	TH_LOG("%ld grants, %ld ends, %ld followed by a switch, %ld not, %ld real-time wakeups",
	       seen.grants, seen.ends, seen.followed, seen.unswitched, seen.realtime);
	if (seen.lost < -1000)
		SKIP(return, "the trace lost events");
	EXPECT_LT(20, seen.grants);
	EXPECT_EQ(0, seen.twice);
	EXPECT_EQ(0, seen.orphans);
	EXPECT_EQ(0, seen.forgotten);
	EXPECT_EQ(0, seen.lost);
	EXPECT_GE(1, labs(seen.grants - seen.ends));
	EXPECT_GE(seen.ends / 5, seen.unswitched);
	EXPECT_LE(seen.ends / 2, seen.followed);
	if (self->have_realtime)
		EXPECT_LT(20, seen.realtime);
	EXPECT_EQ(0, seen.late);
}

TEST_HARNESS_MAIN
