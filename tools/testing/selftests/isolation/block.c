// SPDX-License-Identifier: GPL-2.0
/*
 * Task isolation: what others do to the CPU is refused while a task blocks it,
 * and nothing of it before, afterwards, or on other CPUs.
 *
 * What has to make these tests fail: mutations/block-*.patch
 */
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "isolation.h"
#include "kselftest_harness.h"

#define NOBODY		65534
#define CPUS		"/sys/devices/system/cpu/"
#define CLOCKSOURCE	"/sys/devices/system/clocksource/clocksource0/"
#define TRACE_INSTANCE	"/sys/kernel/tracing/instances/isolation-test/"
#define SYSCTL		"/proc/sys/kernel/task_isolation_block"

#define MSR_TSC		0x10
#define MSR_TSC_AUX	0xc0000103
#define X86_IOC_RDMSR_REGS	_IOWR('c', 0xA0, unsigned int[8])
#define X86_IOC_WRMSR_REGS	_IOWR('c', 0xA1, unsigned int[8])

/* A child on the isolated CPU that does what it is told. */
struct servant {
	pid_t		pid;
	atomic_int	asked, answered;
	int		(*act)(unsigned long arg);
	unsigned long	arg;
	int		result, error;
	atomic_int	in_handler, leave_handler;
};

static struct servant *myself;

static void serve(struct servant *s, int cpu)
{
	if (!run_on(cpu))
		_exit(1);
	myself = s;
	for (int n = 1; ; n++) {
		while (atomic_load(&s->asked) < n)
			usleep(100);
		errno = 0;
		s->result = s->act(s->arg);
		s->error = errno;
		atomic_store(&s->answered, n);
	}
}

static struct servant *servant_on(int cpu)
{
	struct servant *s;
	pid_t pid;

	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s == MAP_FAILED)
		abort();
	pid = fork();
	if (pid < 0)
		abort();
	if (!pid)
		serve(s, cpu);
	s->pid = pid;
	return s;
}

static void tell(struct servant *s, int (*act)(unsigned long arg), unsigned long arg)
{
	s->act = act;
	s->arg = arg;
	atomic_fetch_add(&s->asked, 1);
}

static bool has_done(struct servant *s)
{
	return atomic_load(&s->asked) == atomic_load(&s->answered);
}

/* What it returned, or the error number, or -1 if it did not come back. */
static int order(struct servant *s, int (*act)(unsigned long arg), unsigned long arg)
{
	tell(s, act, arg);
	if (!WAIT_FOR(has_done(s)))
		return -1;
	return s->result < 0 ? s->error : s->result;
}

static void dismiss(struct servant *s)
{
	kill(s->pid, SIGKILL);
	end_of(s->pid);
	munmap(s, sizeof(*s));
}

static int isolated_cpu;

/* Wherever it was moved to meanwhile. */
static int block(unsigned long classes)
{
	if (!run_on(isolated_cpu) || isol_set(PR_ISOL_BLOCK_CFG, classes))
		return -1;
	return isol_enable(BLOCK);
}

static int enable(unsigned long features)
{
	return isol_enable(features);
}

static int set_classes(unsigned long classes)
{
	return isol_set(PR_ISOL_BLOCK_CFG, classes);
}

/*
 * Operations.  Each returns 0 or an error number, leaves everything as it was,
 * and may be done again and again.
 */
struct target {
	int		cpu;		/* what is done, is done to this CPU, */
	pid_t		pid;		/* and to this task */
	int		last;		/* a CPU that can be taken down */
	int		cpu_event;	/* opened when nobody blocked, */
	int		task_event;	/* for the task, as well */
	char		cpuset[64];	/* a folder with cgroups, or nothing */
};

static int write_to(const char *path, const char *text)
{
	return write_file(path, text) ? 0 : errno ?: EIO;
}

static int read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[got < 0 ? 0 : got] = '\0';
	return got < 0 ? errno : 0;
}

/* Write one text, then another one in any case; the error of the first. */
static int write_both(const char *path, const char *text, const char *then)
{
	int error = write_to(path, text), undone = 0;

	if (!error)
		undone = write_to(path, then);
	return error ?: undone;
}

static int cpu_down_and_up(struct target *t)
{
	char path[64];

	snprintf(path, sizeof(path), CPUS "cpu%d/online", t->last);
	return write_both(path, "0", "1");
}

static int cpu_to_target(struct target *t)
{
	char path[64], was[16];

	snprintf(path, sizeof(path), CPUS "cpu%d/hotplug/target", t->last);
	return read_text(path, was, sizeof(was)) ?: write_both(path, "0", was);
}

static int smt_off_and_on(struct target *t UNUSED)
{
	return write_both(CPUS "smt/control", "off", "on");
}

static int change_clocksource(struct target *t UNUSED)
{
	char now[32];

	return read_text(CLOCKSOURCE "current_clocksource", now, sizeof(now)) ?:
	       write_to(CLOCKSOURCE "current_clocksource", now);
}

static int perf_event(struct target *t, pid_t pid, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CONTEXT_SWITCHES,
		.size = sizeof(attr),
		.exclude_kernel = 1,
	};

	(void)t;
	return syscall(SYS_perf_event_open, &attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static int closed(int fd)
{
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int count_on_cpu(struct target *t)
{
	return closed(perf_event(t, -1, t->cpu));
}

static int count_on_task(struct target *t)
{
	return closed(perf_event(t, t->pid, -1));
}

static int read_cpu_event(struct target *t)
{
	uint64_t value;

	return read(t->cpu_event, &value, sizeof(value)) < 0 ? errno : 0;
}

static int reset_cpu_event(struct target *t)
{
	return ioctl(t->cpu_event, PERF_EVENT_IOC_RESET, 0) ? errno : 0;
}

static int disable_task_event(struct target *t)
{
	return ioctl(t->task_event, PERF_EVENT_IOC_DISABLE, 0) ? errno :
	       ioctl(t->task_event, PERF_EVENT_IOC_ENABLE, 0) ? errno : 0;
}

static int read_register(const char *file, int cpu, off_t which, size_t size)
{
	char path[64], value[16];
	int fd, error;

	snprintf(path, sizeof(path), "/dev/cpu/%d/%s", cpu, file);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return errno;
	error = pread(fd, value, size, which) < 0 ? errno : 0;
	close(fd);
	return error;
}

static int read_msr(struct target *t)
{
	return read_register("msr", t->cpu, MSR_TSC, 8);
}

static int read_cpuid(struct target *t)
{
	return read_register("cpuid", t->cpu, 0, 16);
}

static int read_msr_with_registers(struct target *t)
{
	unsigned int registers[8] = { [1] = MSR_TSC };
	char path[64];
	int fd, error;

	snprintf(path, sizeof(path), "/dev/cpu/%d/msr", t->cpu);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return errno;
	error = ioctl(fd, X86_IOC_RDMSR_REGS, registers) ? errno : 0;
	close(fd);
	return error;
}

static int refresh_statistics(struct target *t UNUSED)
{
	return write_to("/proc/sys/vm/stat_refresh", "1");
}

static int overcommit_strictly(struct target *t UNUSED)
{
	char was[16];

	return read_text("/proc/sys/vm/overcommit_memory", was, sizeof(was)) ?:
	       write_both("/proc/sys/vm/overcommit_memory", "2", was);
}

static int compact(struct target *t UNUSED)
{
	return write_to("/proc/sys/vm/compact_memory", "1");
}

static int resize_trace(struct target *t UNUSED)
{
	return write_both(TRACE_INSTANCE "buffer_size_kb", "16", "8");
}

static int resize_trace_of_cpu(struct target *t)
{
	char path[128];

	snprintf(path, sizeof(path), TRACE_INSTANCE "per_cpu/cpu%d/buffer_size_kb", t->cpu);
	return write_both(path, "16", "8");
}

static int move(struct target *t)
{
	cpu_set_t set, was;

	if (sched_getaffinity(t->pid, sizeof(was), &was))
		return errno;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(t->pid, sizeof(set), &set))
		return errno;
	return sched_setaffinity(t->pid, sizeof(was), &was) ? errno : 0;
}

static int move_to_cpuset(struct target *t)
{
	char path[128], pid[16];
	int error;

	snprintf(pid, sizeof(pid), "%d", t->pid);
	snprintf(path, sizeof(path), "%s/test/tasks", t->cpuset);
	error = write_to(path, pid);
	if (error)
		return error;
	snprintf(path, sizeof(path), "%s/tasks", t->cpuset);
	return write_to(path, pid);
}

static const struct op {
	const char	*name;
	int		class;
	int		(*act)(struct target *t);
	bool		slow;
} ops[] = {
	{ "online",		ISOL_F_BLOCK_HOTPLUG,		cpu_down_and_up,	true },
	{ "hotplug/target",	ISOL_F_BLOCK_HOTPLUG,		cpu_to_target,		true },
	{ "smt/control",	ISOL_F_BLOCK_HOTPLUG,		smt_off_and_on,		true },
	{ "current_clocksource", ISOL_F_BLOCK_STOP_MACHINE,	change_clocksource,	false },
	{ "perf_event_open of CPU", ISOL_F_BLOCK_PERF,		count_on_cpu,		false },
	{ "perf_event_open of task", ISOL_F_BLOCK_PERF,		count_on_task,		false },
	{ "read of perf event",	ISOL_F_BLOCK_PERF,		read_cpu_event,		false },
	{ "ioctl of CPU's perf event", ISOL_F_BLOCK_PERF,	reset_cpu_event,	false },
	{ "ioctl of task's perf event", ISOL_F_BLOCK_PERF,	disable_task_event,	false },
	{ "MSR",		ISOL_F_BLOCK_MSR,		read_msr,		false },
	{ "MSR with registers",	ISOL_F_BLOCK_MSR,		read_msr_with_registers, false },
	{ "CPUID",		ISOL_F_BLOCK_MSR,		read_cpuid,		false },
	{ "stat_refresh",	ISOL_F_BLOCK_WORK,		refresh_statistics,	false },
	{ "overcommit_memory",	ISOL_F_BLOCK_WORK,		overcommit_strictly,	false },
	{ "compact_memory",	ISOL_F_BLOCK_WORK,		compact,		false },
	{ "buffer_size_kb",	ISOL_F_BLOCK_WORK,		resize_trace,		false },
	{ "buffer_size_kb of CPU", ISOL_F_BLOCK_WORK,		resize_trace_of_cpu,	false },
	{ "sched_setaffinity",	ISOL_F_BLOCK_AFFINITY,		move,			false },
	{ "cpuset",		ISOL_F_BLOCK_AFFINITY,		move_to_cpuset,		false },
};

#define NR_OPS	((int)(sizeof(ops) / sizeof(*ops)))

FIXTURE(block)
{
	struct target	target;
	struct servant	*servant;
	int		classes;
};

/* They do not survive that their CPU goes. */
static bool open_events(struct target *t)
{
	close(t->cpu_event);
	close(t->task_event);
	t->cpu_event = perf_event(t, -1, t->cpu);
	t->task_event = perf_event(t, t->pid, -1);
	return t->cpu_event >= 0 && t->task_event >= 0;
}

/* A hierarchy of cpusets of our own; nothing when another one has them. */
static void mount_cpusets(char *folder, size_t size)
{
	char path[128], text[64];

	snprintf(folder, size, "/tmp/isolation-XXXXXX");
	if (!mkdtemp(folder) || mount("none", folder, "cgroup", 0, "cpuset")) {
		rmdir(folder);
		*folder = '\0';
		return;
	}
	snprintf(path, sizeof(path), "%s/test", folder);
	mkdir(path, 0755);
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/cpuset.%s", folder, i ? "mems" : "cpus");
		read_text(path, text, sizeof(text));
		snprintf(path, sizeof(path), "%s/test/cpuset.%s", folder, i ? "mems" : "cpus");
		write_file(path, text);
	}
}

static void unmount_cpusets(const char *folder)
{
	char path[128];

	if (!*folder)
		return;
	snprintf(path, sizeof(path), "%s/test", folder);
	rmdir(path);
	umount2(folder, MNT_DETACH);
	rmdir(folder);
}

FIXTURE_SETUP(block)
{
	struct target *t = &self->target;

	SKIP_WITHOUT(NEED_CPU | NEED_ROOT | NEED_BLOCK);
	self->classes = isol_get(PR_ISOL_SUP_BLOCK_CFG);
	isolated_cpu = nohz_full_cpu();
	t->cpu = isolated_cpu;
	t->last = sysconf(_SC_NPROCESSORS_CONF) - 1;
	if (t->last == t->cpu || t->last < 2)
		SKIP(return, "no CPU can be taken down beside the isolated one");
	ASSERT_TRUE(run_on(0));
	self->servant = servant_on(t->cpu);
	t->pid = self->servant->pid;
	t->cpu_event = -1;
	t->task_event = -1;
	ASSERT_TRUE(open_events(t));
	mkdir(TRACE_INSTANCE, 0755);
	mount_cpusets(t->cpuset, sizeof(t->cpuset));
}

FIXTURE_TEARDOWN(block)
{
	if (!self->servant)
		return;
	dismiss(self->servant);
	unmount_cpusets(self->target.cpuset);
	rmdir(TRACE_INSTANCE);
}

static bool is_there(const struct op *op, struct target *t)
{
	if (op->act == read_cpuid)
		return !access("/dev/cpu/0/cpuid", F_OK);
	if (op->act == read_msr || op->act == read_msr_with_registers)
		return !access("/dev/cpu/0/msr", F_OK);
	if (op->act == resize_trace || op->act == resize_trace_of_cpu)
		return !access(TRACE_INSTANCE "buffer_size_kb", F_OK);
	if (op->act == compact)
		return !access("/proc/sys/vm/compact_memory", F_OK);
	if (op->act == move_to_cpuset)
		return *t->cpuset;
	if (op->act == smt_off_and_on) {
		char control[32];

		return !read_text(CPUS "smt/control", control, sizeof(control)) &&
		       !strcmp(control, "on\n");
	}
	return true;
}

/* How many operations of the classes did not end with this. */
static int wrong(struct target *t, int classes, bool slow, int wanted)
{
	int count = 0, error;

	for (const struct op *op = ops; op < ops + NR_OPS; op++) {
		if (!(op->class & classes) || (op->slow && !slow) || !is_there(op, t))
			continue;
		error = op->act(t);
		if (error == wanted)
			continue;
		fprintf(stderr, "# %s: %s\n", op->name, strerror(error));
		count++;
	}
	return count;
}

static int how_many(struct target *t, int classes)
{
	int count = 0;

	for (const struct op *op = ops; op < ops + NR_OPS; op++)
		count += (op->class & classes) && is_there(op, t);
	return count;
}

/* Each class refuses its own operations, counts them, and no others. */
TEST_F_TIMEOUT(block, each_class, LONG_TEST)
{
	struct target *t = &self->target;
	struct servant *s = self->servant;
	long long refused = 0;

	RETURN_IF_SKIPPED;

	EXPECT_EQ(0, wrong(t, self->classes, true, 0));
	for (int class = 1; class <= self->classes; class <<= 1) {
		if (!(self->classes & class))
			continue;
		ASSERT_TRUE(open_events(t));
		ASSERT_EQ(0, order(s, block, class));
		EXPECT_EQ(0, wrong(t, class, true, EBUSY));
		refused += how_many(t, class);
		EXPECT_EQ(refused, isolation_of(t->pid, "refused"));
		EXPECT_EQ(0, wrong(t, self->classes & ~class, false, 0));
		EXPECT_EQ(refused, isolation_of(t->pid, "refused"));
		ASSERT_EQ(0, order(s, enable, 0));
	}
	EXPECT_EQ(0, wrong(t, self->classes, true, 0));
}

/* A CPU that is down stays so. */
TEST_F_TIMEOUT(block, no_cpu_comes, LONG_TEST)
{
	char path[64];

	RETURN_IF_SKIPPED;

	if (!(self->classes & ISOL_F_BLOCK_HOTPLUG))
		SKIP(return, "no CPU hotplug");
	snprintf(path, sizeof(path), CPUS "cpu%d/online", self->target.last);
	ASSERT_EQ(0, write_to(path, "0"));
	ASSERT_EQ(0, order(self->servant, block, ISOL_F_BLOCK_HOTPLUG));
	EXPECT_EQ(EBUSY, write_to(path, "1"));
	ASSERT_EQ(0, order(self->servant, enable, 0));
	EXPECT_EQ(0, write_to(path, "1"));
}

/* Virtio's 9p does not come back from a suspend. */
static bool root_is_9p(void)
{
	char line[512], where[256], type[64];
	bool found = false;
	FILE *mounts;

	mounts = fopen("/proc/self/mounts", "r");
	while (mounts && fgets(line, sizeof(line), mounts)) {
		if (sscanf(line, "%*s %255s %63s", where, type) == 2 && !strcmp(where, "/"))
			found = !strcmp(type, "9p");
	}
	if (mounts)
		fclose(mounts);
	return found;
}

/* Suspend is refused nothing: all CPUs but one go and come. Then it is as before. */
TEST_F_TIMEOUT(block, suspend, LONG_TEST)
{
	char states[128], path[64];

	RETURN_IF_SKIPPED;

	if (read_text("/sys/power/state", states, sizeof(states)) || !strstr(states, "mem") ||
	    access("/sys/power/pm_test", W_OK))
		SKIP(return, "no suspend, or no way to test it");
	if (root_is_9p())
		SKIP(return, "the root file system does not survive a suspend");
	snprintf(path, sizeof(path), CPUS "cpu%d/online", self->target.last);
	ASSERT_EQ(0, order(self->servant, block, self->classes));
	ASSERT_EQ(0, write_to("/sys/power/pm_test", "processors"));
	EXPECT_EQ(0, write_to("/sys/power/state", "mem"));
	EXPECT_EQ(0, write_to("/sys/power/pm_test", "none"));
	EXPECT_EQ(EBUSY, write_to(path, "0"));
	ASSERT_EQ(0, order(self->servant, enable, 0));
}

/* A clock that is there can no longer be taken away. */
TEST_F(block, no_clock_goes)
{
	char clocks[128], *unused;

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, read_text(CLOCKSOURCE "available_clocksource", clocks, sizeof(clocks)));
	clocks[strcspn(clocks, "\n")] = '\0';
	strtok(clocks, " ");
	unused = strtok(NULL, " ");
	if (!unused)
		SKIP(return, "there is one clock only");
	ASSERT_EQ(0, order(self->servant, block, ISOL_F_BLOCK_STOP_MACHINE));
	EXPECT_EQ(EBUSY, write_to(CLOCKSOURCE "unbind_clocksource", unused));
	EXPECT_EQ(ENODEV, write_to(CLOCKSOURCE "unbind_clocksource", "none"));
	EXPECT_EQ(0, order(self->servant, enable, 0));
}

/* Nothing of what is refused has happened: the register is not written, nor the kernel tainted. */
TEST_F(block, register_is_not_written)
{
	char path[64], tainted[32], now_tainted[32];
	unsigned int registers[8] = { [1] = MSR_TSC_AUX };
	uint64_t value;
	int fd;

	RETURN_IF_SKIPPED;

	snprintf(path, sizeof(path), "/dev/cpu/%d/msr", self->target.cpu);
	fd = open(path, O_RDWR);
	if (fd < 0)
		SKIP(return, "no MSR devices");
	/* Write what is there anyway: it must not hurt if it comes to that. */
	ASSERT_EQ(sizeof(value), pread(fd, &value, sizeof(value), MSR_TSC_AUX));
	registers[0] = value;
	registers[2] = value >> 32;
	read_text("/proc/sys/kernel/tainted", tainted, sizeof(tainted));
	ASSERT_EQ(0, order(self->servant, block, ISOL_F_BLOCK_MSR));
	EXPECT_FAILS(EBUSY, pwrite(fd, &value, sizeof(value), MSR_TSC_AUX));
	EXPECT_FAILS(EBUSY, ioctl(fd, X86_IOC_WRMSR_REGS, registers));
	ASSERT_EQ(0, order(self->servant, enable, 0));
	read_text("/proc/sys/kernel/tainted", now_tainted, sizeof(now_tainted));
	EXPECT_STREQ(tainted, now_tainted);
	close(fd);
}

/* Nothing of what is refused has happened: a range that was asked for is not there. */
TEST_F(block, memory_type_ranges)
{
	const char *range = "base=0xf8000000 size=0x1000 type=uncachable";
	int error;

	RETURN_IF_SKIPPED;

	if (access("/proc/mtrr", W_OK))
		SKIP(return, "no memory type range registers");
	ASSERT_EQ(0, order(self->servant, block, ISOL_F_BLOCK_STOP_MACHINE));
	EXPECT_EQ(EBUSY, write_to("/proc/mtrr", range));
	EXPECT_EQ(EBUSY, write_to("/proc/mtrr", "disable=7"));
	ASSERT_EQ(0, order(self->servant, enable, 0));
	error = write_to("/proc/mtrr", range);
	EXPECT_NE(EBUSY, error);
	TH_LOG("when nobody blocks: %s", strerror(error));
}

/* One operation of each kind of target that takes no time. */
static int quick_wrong(struct target *t, int wanted)
{
	return wrong(t, ISOL_F_BLOCK_STOP_MACHINE | ISOL_F_BLOCK_PERF | ISOL_F_BLOCK_AFFINITY,
		     false, wanted);
}

/* Other CPUs and other tasks are nobody's business. */
TEST_F(block, others)
{
	struct target other = self->target;
	struct servant *bystander;

	RETURN_IF_SKIPPED;

	bystander = servant_on(self->target.cpu);
	other.cpu = 0;
	other.pid = bystander->pid;
	ASSERT_EQ(0, order(self->servant, block, self->classes));
	EXPECT_EQ(0, count_on_cpu(&other));
	EXPECT_EQ(0, count_on_task(&other));
	EXPECT_EQ(0, move(&other));
	if (self->classes & ISOL_F_BLOCK_MSR)
		EXPECT_EQ(0, read_msr(&other));
	if (!access(TRACE_INSTANCE, F_OK))
		EXPECT_EQ(0, resize_trace_of_cpu(&other));
	/* What is not there is not refused for another reason. */
	EXPECT_FAILS(EINVAL, perf_event(&other, -1, -1));
	EXPECT_FAILS(EINVAL, perf_event(&other, -1, 1 << 20));
	EXPECT_EQ(0, isolation_of(self->target.pid, "refused"));
	EXPECT_EQ(0, quick_wrong(&self->target, EBUSY));
	dismiss(bystander);
}

static struct target *mine;

static int do_quick_things(unsigned long classes)
{
	mine->pid = getpid();
	return wrong(mine, classes, false, 0);
}

static int count_myself(unsigned long arg UNUSED)
{
	return count_on_task(&(struct target){ .pid = 0 });
}

/* The task itself may do to its CPU what it wants, and the others to themselves. */
TEST_F_TIMEOUT(block, itself, LONG_TEST)
{
	struct servant *bystander;

	RETURN_IF_SKIPPED;

	mine = mmap(NULL, sizeof(*mine), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*mine = self->target;
	/* These do not exist there. */
	mine->cpu_event = -1;
	dismiss(self->servant);
	self->servant = servant_on(self->target.cpu);
	bystander = servant_on(self->target.cpu);
	ASSERT_EQ(0, order(self->servant, block, self->classes));
	EXPECT_EQ(0, order(self->servant, do_quick_things,
			   self->classes & ~ISOL_F_BLOCK_PERF));
	EXPECT_EQ(0, order(self->servant, count_myself, 0));
	EXPECT_EQ(0, order(bystander, count_myself, 0));
	EXPECT_EQ(0, isolation_of(self->servant->pid, "refused"));
	/* What one blocks the other does not get; two may block at once. */
	EXPECT_EQ(0, order(bystander, block, ISOL_F_BLOCK_STOP_MACHINE));
	EXPECT_EQ(1, order(self->servant, do_quick_things, ISOL_F_BLOCK_STOP_MACHINE));
	EXPECT_EQ(1, order(bystander, do_quick_things, ISOL_F_BLOCK_STOP_MACHINE));
	EXPECT_EQ(0, order(self->servant, enable, 0));
	EXPECT_EQ(0, order(bystander, do_quick_things, ISOL_F_BLOCK_STOP_MACHINE));
	dismiss(bystander);
}

static int become_nobody(unsigned long arg UNUSED)
{
	return setresuid(NOBODY, NOBODY, NOBODY);
}

/* Who may, and from where. */
TEST_F(block, permission)
{
	struct servant *s = self->servant;

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, order(s, set_classes, self->classes));
	ASSERT_EQ(0, order(s, become_nobody, 0));
	EXPECT_EQ(EPERM, order(s, enable, BLOCK));
	EXPECT_EQ(0, isolation_of(s->pid, "features"));
	EXPECT_EQ(0, quick_wrong(&self->target, 0));
	/* It may configure, as long as nothing comes of it. */
	EXPECT_EQ(0, order(s, set_classes, ISOL_F_BLOCK_PERF));
	EXPECT_EQ(EPERM, order(s, enable, BLOCK));
	EXPECT_EQ(0, order(s, set_classes, 0));
	/* Of two reasons this is the first. */
	EXPECT_EQ(EINVAL, order(s, enable, BLOCK));
}

static struct target *strange;

static int stranger(void)
{
	if (become_nobody(0))
		return 1;
	if (count_on_cpu(strange) != EACCES)
		return 2;
	if (count_on_task(strange) != EACCES)
		return 3;
	return move(strange) == EPERM ? 0 : 4;
}

/* Who has no right is told that, and nothing else. */
TEST_F(block, strangers)
{
	RETURN_IF_SKIPPED;

	strange = &self->target;
	EXPECT_EQ(0, end_of(start(stranger)));
	ASSERT_EQ(0, order(self->servant, block, self->classes));
	EXPECT_EQ(0, end_of(start(stranger)));
	EXPECT_EQ(0, isolation_of(self->target.pid, "refused"));
}

/* What is there already needs no right to be kept, or to become less. */
TEST_F(block, permission_to_keep)
{
	struct servant *s = self->servant;

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, order(s, block, ISOL_F_BLOCK_PERF | ISOL_F_BLOCK_STOP_MACHINE));
	ASSERT_EQ(0, order(s, become_nobody, 0));
	EXPECT_EQ(0, order(s, enable, BLOCK));
	EXPECT_EQ(EPERM, order(s, set_classes, ISOL_F_BLOCK_PERF | ISOL_F_BLOCK_WORK));
	EXPECT_EQ(ISOL_F_BLOCK_PERF | ISOL_F_BLOCK_STOP_MACHINE, isolation_of(s->pid, "block"));
	EXPECT_EQ(0, wrong(&self->target, ISOL_F_BLOCK_PERF, false, EBUSY));
	EXPECT_EQ(0, wrong(&self->target, ISOL_F_BLOCK_STOP_MACHINE, false, EBUSY));
	EXPECT_EQ(0, order(s, set_classes, ISOL_F_BLOCK_PERF));
	EXPECT_EQ(0, wrong(&self->target, ISOL_F_BLOCK_PERF, false, EBUSY));
	EXPECT_EQ(0, wrong(&self->target, ISOL_F_BLOCK_STOP_MACHINE, false, 0));
	EXPECT_EQ(0, order(s, enable, 0));
	EXPECT_EQ(EPERM, order(s, enable, BLOCK));
	EXPECT_EQ(0, quick_wrong(&self->target, 0));
}

static int run_on_cpus(unsigned long mask)
{
	return syscall(SYS_sched_setaffinity, 0, sizeof(mask), &mask);
}

TEST_F(block, affinity)
{
	unsigned long cpu = 1UL << self->target.cpu;
	struct servant *s = self->servant;

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, order(s, set_classes, ISOL_F_BLOCK_PERF));
	order(s, run_on_cpus, cpu | 1);
	EXPECT_EQ(EINVAL, order(s, enable, BLOCK));
	order(s, run_on_cpus, 1);
	EXPECT_EQ(EINVAL, order(s, enable, BLOCK));
	EXPECT_EQ(0, isolation_of(s->pid, "features"));
	EXPECT_EQ(0, wrong(&self->target, ISOL_F_BLOCK_PERF, false, 0));
	order(s, run_on_cpus, cpu);
	EXPECT_EQ(0, order(s, enable, BLOCK));
	EXPECT_EQ(0, wrong(&self->target, ISOL_F_BLOCK_PERF, false, EBUSY));
	/* It may go; what it blocks is the CPU for which it asked. */
	order(s, run_on_cpus, 1);
	EXPECT_EQ(EBUSY, count_on_cpu(&self->target));
	EXPECT_EQ(0, order(s, enable, BLOCK));
	EXPECT_EQ(EINVAL, order(s, set_classes, ISOL_F_BLOCK_PERF | ISOL_F_BLOCK_WORK));
	EXPECT_EQ(0, order(s, enable, 0));
	EXPECT_EQ(EINVAL, order(s, enable, BLOCK));
	EXPECT_EQ(0, wrong(&self->target, ISOL_F_BLOCK_PERF, false, 0));
}

static int set_vmstat(unsigned long arg UNUSED)
{
	return isol_set(PR_ISOL_QUIESCE_CFG, VMSTAT);
}

/* Classes change while they are in force, and go with the feature alone. */
TEST_F(block, configuration)
{
	struct servant *s = self->servant;

	RETURN_IF_SKIPPED;

	EXPECT_EQ(EINVAL, order(s, enable, BLOCK));
	ASSERT_EQ(0, order(s, block, ISOL_F_BLOCK_PERF));
	EXPECT_EQ(BLOCK, isolation_of(s->pid, "features"));
	EXPECT_EQ(EINVAL, order(s, set_classes, 0));
	EXPECT_EQ(0, wrong(&self->target, ISOL_F_BLOCK_PERF, false, EBUSY));
	EXPECT_EQ(0, order(s, set_classes, ISOL_F_BLOCK_STOP_MACHINE));
	EXPECT_EQ(0, wrong(&self->target, ISOL_F_BLOCK_STOP_MACHINE, false, EBUSY));
	EXPECT_EQ(0, wrong(&self->target, ISOL_F_BLOCK_PERF, false, 0));

	/* Quiescing comes and goes beside it. */
	EXPECT_EQ(EINVAL, order(s, enable, BLOCK | QUIESCE));
	EXPECT_EQ(BLOCK, isolation_of(s->pid, "features"));
	ASSERT_EQ(0, order(s, set_vmstat, 0));
	EXPECT_EQ(0, order(s, enable, BLOCK | QUIESCE));
	EXPECT_EQ(BLOCK | QUIESCE, isolation_of(s->pid, "features"));
	EXPECT_EQ(0, wrong(&self->target, ISOL_F_BLOCK_STOP_MACHINE, false, EBUSY));
	EXPECT_EQ(0, order(s, enable, BLOCK));
	EXPECT_EQ(0, wrong(&self->target, ISOL_F_BLOCK_STOP_MACHINE, false, EBUSY));
	EXPECT_EQ(0, order(s, enable, QUIESCE));
	EXPECT_EQ(0, wrong(&self->target, ISOL_F_BLOCK_STOP_MACHINE, false, 0));
	EXPECT_EQ(0, order(s, enable, 0));
}

static int sleep_for_ever(unsigned long arg UNUSED)
{
	for (;;)
		pause();
	return 0;
}

/* A CPU that folds its counters itself is passed by, so nothing has to be refused. */
TEST_F(block, statistics_pass_by)
{
	struct servant *s = self->servant;

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, order(s, set_vmstat, 0));
	ASSERT_EQ(0, order(s, set_classes, ISOL_F_BLOCK_WORK));
	ASSERT_EQ(0, order(s, enable, BLOCK));
	EXPECT_EQ(EBUSY, refresh_statistics(&self->target));
	ASSERT_EQ(0, order(s, enable, BLOCK | QUIESCE));
	/* It folds when it runs, and that is not now. */
	tell(s, sleep_for_ever, 0);
	EXPECT_TRUE(WAIT_FOR(refresh_statistics(&self->target) == EBUSY));
}

static int spin(unsigned long seconds)
{
	double end = now() + seconds;

	while (now() < end)
		__builtin_ia32_pause();
	return 0;
}

TEST_F(block, statistics_pass_by_while_it_runs)
{
	struct servant *s = self->servant;

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, order(s, set_vmstat, 0));
	ASSERT_EQ(0, order(s, set_classes, ISOL_F_BLOCK_WORK));
	ASSERT_EQ(0, order(s, enable, BLOCK | QUIESCE));
	tell(s, spin, PATIENCE);
	EXPECT_TRUE(WAIT_FOR(refresh_statistics(&self->target) == 0));
	EXPECT_FALSE(has_done(s));
	EXPECT_EQ(EBUSY, compact(&self->target));
}

static int leave(unsigned long status)
{
	_exit(status);
}

static int exec_this(unsigned long path)
{
	return execl((const char *)path, "block", "pause", NULL);
}

static bool is_waiting_program(pid_t pid)
{
	char path[64], text[32];

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	/* The arguments are separated by zeros. */
	return !read_text(path, text, sizeof(text)) && !memcmp(text, "block\0pause", 12);
}

/* Whatever ends it. */
TEST_F(block, end)
{
	struct servant *s = self->servant;

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, order(s, block, self->classes));
	EXPECT_EQ(0, quick_wrong(&self->target, EBUSY));
	ASSERT_EQ(0, order(s, enable, 0));
	EXPECT_EQ(0, quick_wrong(&self->target, 0));

	ASSERT_EQ(0, order(s, block, self->classes));
	EXPECT_EQ(EBUSY, change_clocksource(&self->target));
	tell(s, leave, 3);
	/* Dead is enough: nobody has buried it yet. */
	EXPECT_EQ(0, waitid(P_PID, s->pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT));
	EXPECT_EQ(0, change_clocksource(&self->target));
	EXPECT_EQ(0, count_on_cpu(&self->target));
	EXPECT_EQ(3, end_of(s->pid));

	for (int i = 0; i < 10; i++) {
		self->servant = servant_on(self->target.cpu);
		ASSERT_EQ(0, order(self->servant, block, self->classes));
		EXPECT_EQ(EBUSY, count_on_cpu(&self->target));
		dismiss(self->servant);
		EXPECT_EQ(0, count_on_cpu(&self->target));
	}
	self->servant = servant_on(self->target.cpu);
}

TEST_F(block, sysctl)
{
	struct servant *s = self->servant;

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, order(s, block, self->classes));
	EXPECT_EQ(0, quick_wrong(&self->target, EBUSY));
	ASSERT_EQ(0, write_to(SYSCTL, "0"));
	EXPECT_EQ(0, quick_wrong(&self->target, 0));
	/* It can be asked for, and does nothing. */
	EXPECT_EQ(0, order(s, enable, 0));
	EXPECT_EQ(0, order(s, block, self->classes));
	EXPECT_EQ(0, quick_wrong(&self->target, 0));
	EXPECT_EQ(0, write_to(SYSCTL, "1"));
	EXPECT_EQ(0, quick_wrong(&self->target, EBUSY));
	EXPECT_EQ(EINVAL, write_to(SYSCTL, "2"));
	EXPECT_EQ(EINVAL, write_to(SYSCTL, "-1"));
}

/* A program stays isolated, a program with rights of its own is not. */
TEST_F(block, exec)
{
	struct servant *s = self->servant;

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, order(s, block, self->classes));
	tell(s, exec_this, (unsigned long)"/proc/self/exe");
	EXPECT_TRUE(WAIT_FOR(is_waiting_program(s->pid)));
	EXPECT_EQ(0, quick_wrong(&self->target, EBUSY));
	EXPECT_EQ(BLOCK, isolation_of(s->pid, "features"));
}

TEST_F(block, set_uid_exec)
{
	static char program[64], folder[] = "/tmp/isolation-XXXXXX";
	struct servant *s = self->servant;

	RETURN_IF_SKIPPED;

	ASSERT_NE(NULL, mkdtemp(folder));
	ASSERT_EQ(0, chmod(folder, 0755));
	snprintf(program, sizeof(program), "%s/program", folder);
	ASSERT_TRUE(copy_self(program));
	ASSERT_EQ(0, chmod(program, 04755));

	/* Fixtures are forked from us, so the path is known there only if it is now. */
	dismiss(s);
	s = servant_on(self->target.cpu);
	self->servant = s;
	self->target.pid = s->pid;
	ASSERT_EQ(0, order(s, block, self->classes));
	ASSERT_EQ(0, order(s, become_nobody, 0));
	EXPECT_EQ(EBUSY, count_on_cpu(&self->target));
	tell(s, exec_this, (unsigned long)program);
	/* What it asked for is forgotten last. */
	EXPECT_TRUE(WAIT_FOR(isolation_of(s->pid, "block") == 0));
	EXPECT_EQ(0, isolation_of(s->pid, "features"));
	EXPECT_EQ(0, count_on_cpu(&self->target));
	EXPECT_EQ(0, move(&self->target));
	unlink(program);
	rmdir(folder);
}

static pid_t heir;

static int have_child(unsigned long inherit)
{
	if (isol_set(PR_ISOL_INHERIT_CFG, inherit))
		return -1;
	heir = fork();
	if (!heir)
		for (;;)
			pause();
	return heir;
}

/* Heirs block by themselves, until they end. */
TEST_F(block, inherited)
{
	struct servant *s = self->servant;
	int child;

	RETURN_IF_SKIPPED;

	ASSERT_EQ(0, order(s, block, self->classes));
	child = order(s, have_child, 0);
	ASSERT_LT(0, child);
	EXPECT_EQ(0, move(&(struct target){ .pid = child }));
	kill(child, SIGKILL);
	child = order(s, have_child, ISOL_INHERIT_FORK);
	ASSERT_LT(0, child);
	EXPECT_EQ(BLOCK, isolation_of(child, "features"));
	EXPECT_EQ(EBUSY, move(&(struct target){ .pid = child }));
	ASSERT_EQ(0, order(s, enable, 0));
	EXPECT_EQ(EBUSY, change_clocksource(&self->target));
	EXPECT_EQ(EBUSY, count_on_cpu(&self->target));
	EXPECT_EQ(0, move(&self->target));
	kill(child, SIGKILL);
	EXPECT_TRUE(WAIT_FOR(change_clocksource(&self->target) == 0));
	EXPECT_EQ(0, count_on_cpu(&self->target));
}

/* One line in the log: who, what, and who is isolated where. */
TEST_F(block, log)
{
	char line[1024], wanted[256];
	int fd, found = 0;

	RETURN_IF_SKIPPED;

	fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	ASSERT_LE(0, fd);
	lseek(fd, 0, SEEK_END);
	ASSERT_EQ(0, order(self->servant, block, ISOL_F_BLOCK_PERF));
	/* The limit is 10 in 5 seconds, and others may have had them. */
	snprintf(wanted, sizeof(wanted),
		 "task isolation: perf event by block/%d is refused, CPU %d is isolated by block/%d",
		 getpid(), self->target.cpu, self->target.pid);
	for (double end = now() + PATIENCE; !found && now() < end; usleep(100000)) {
		ssize_t got;

		EXPECT_EQ(EBUSY, count_on_cpu(&self->target));
		while ((got = read(fd, line, sizeof(line) - 1)) > 0) {
			line[got] = '\0';
			found += !!strstr(line, wanted);
		}
	}
	EXPECT_LT(0, found);
	/* However often it is refused. */
	found = 0;
	for (int i = 0; i < 1000; i++)
		count_on_cpu(&self->target);
	for (;;) {
		ssize_t got = read(fd, line, sizeof(line) - 1);

		if (got <= 0)
			break;
		line[got] = '\0';
		found += !!strstr(line, wanted);
	}
	EXPECT_GT(50, found);
	close(fd);
}

/*
 * A request that stays under way until we say so: it waits for memory that we
 * are to provide.
 */
struct long_request {
	pthread_t	thread;
	int		event;
	int		uffd;
	void		*page;
	int		result, error;
};

static void *request(void *arg)
{
	struct long_request *r = arg;

	run_on(0);
	r->result = ioctl(r->event, PERF_EVENT_IOC_PERIOD, r->page);
	r->error = errno;
	return NULL;
}

static bool begin_request(struct long_request *r, int event)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register where = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffd_msg message;

	r->event = event;
	r->uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	r->page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	where.range.start = (unsigned long)r->page;
	where.range.len = 4096;
	if (r->uffd < 0 || ioctl(r->uffd, UFFDIO_API, &api) ||
	    ioctl(r->uffd, UFFDIO_REGISTER, &where) ||
	    pthread_create(&r->thread, NULL, request, r))
		return false;
	return read(r->uffd, &message, sizeof(message)) == sizeof(message);
}

static void end_request(struct long_request *r)
{
	struct uffdio_zeropage zero = { .range = { .len = 4096 } };

	zero.range.start = (unsigned long)r->page;
	ioctl(r->uffd, UFFDIO_ZEROPAGE, &zero);
	pthread_join(r->thread, NULL);
	close(r->uffd);
	munmap(r->page, 4096);
}

static bool can_wait_for_us(void)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Older requests are over when the call returns, and newer ones fail before it does. */
TEST_F(block, waits_for_older_requests)
{
	struct servant *s = self->servant;
	struct long_request r;

	RETURN_IF_SKIPPED;

	if (!can_wait_for_us())
		SKIP(return, "no userfaultfd");
	for (int i = 0; i < 2; i++) {
		ASSERT_TRUE(begin_request(&r, i ? self->target.task_event :
					      self->target.cpu_event));
		tell(s, block, ISOL_F_BLOCK_PERF | ISOL_F_BLOCK_STOP_MACHINE);
		EXPECT_TRUE(WAIT_FOR(change_clocksource(&self->target) == EBUSY));
		EXPECT_EQ(EBUSY, count_on_cpu(&self->target));
		/* Nothing to wait for but time, in which it has to stay where it is. */
		usleep(200000);
		EXPECT_FALSE(has_done(s));
		EXPECT_EQ(0, isolation_of(s->pid, "features"));
		end_request(&r);
		EXPECT_EQ(-1, r.result);
		EXPECT_EQ(EINVAL, r.error);
		EXPECT_TRUE(WAIT_FOR(has_done(s)));
		EXPECT_EQ(0, s->result);
		EXPECT_EQ(BLOCK, isolation_of(s->pid, "features"));
		EXPECT_EQ(0, order(s, enable, 0));
	}
}

/* It waits for nobody else. */
TEST_F(block, waits_for_no_others)
{
	struct servant *s = self->servant;
	struct long_request r;
	int event;

	RETURN_IF_SKIPPED;

	if (!can_wait_for_us())
		SKIP(return, "no userfaultfd");
	/* Another CPU, and another class. */
	event = perf_event(&self->target, -1, 0);
	ASSERT_LE(0, event);
	ASSERT_TRUE(begin_request(&r, event));
	EXPECT_EQ(0, order(s, block, self->classes));
	EXPECT_EQ(0, order(s, enable, 0));
	end_request(&r);
	close(event);
	ASSERT_TRUE(begin_request(&r, self->target.cpu_event));
	EXPECT_EQ(0, order(s, block, ISOL_F_BLOCK_AFFINITY));
	/* Until its class is added. */
	tell(s, set_classes, ISOL_F_BLOCK_AFFINITY | ISOL_F_BLOCK_PERF | ISOL_F_BLOCK_STOP_MACHINE);
	EXPECT_TRUE(WAIT_FOR(change_clocksource(&self->target) == EBUSY));
	EXPECT_FALSE(has_done(s));
	end_request(&r);
	EXPECT_TRUE(WAIT_FOR(has_done(s)));
	EXPECT_EQ(0, s->result);
}

static void stay_in_handler(int sig UNUSED)
{
	atomic_store(&myself->in_handler, 1);
	while (!atomic_load(&myself->leave_handler))
		__builtin_ia32_pause();
}

static int enable_with_handler(unsigned long features)
{
	signal(SIGUSR1, stay_in_handler);
	return isol_enable(features);
}

/* Who waits can be signalled, and killed, and nothing is left of it. */
TEST_F(block, signals_while_it_waits)
{
	struct servant *s = self->servant;
	struct long_request r;

	RETURN_IF_SKIPPED;

	if (!can_wait_for_us())
		SKIP(return, "no userfaultfd");
	ASSERT_EQ(0, order(s, block, self->classes));
	ASSERT_EQ(0, order(s, enable, 0));
	ASSERT_TRUE(begin_request(&r, self->target.cpu_event));
	tell(s, enable_with_handler, BLOCK);
	EXPECT_TRUE(WAIT_FOR(change_clocksource(&self->target) == EBUSY));
	kill(s->pid, SIGUSR1);
	/* For the handler the call has not been made yet; after it, it is made again. */
	EXPECT_TRUE(WAIT_FOR(atomic_load(&s->in_handler)));
	EXPECT_EQ(0, change_clocksource(&self->target));
	EXPECT_EQ(0, isolation_of(s->pid, "features"));
	atomic_store(&s->leave_handler, 1);
	EXPECT_TRUE(WAIT_FOR(change_clocksource(&self->target) == EBUSY));
	EXPECT_FALSE(has_done(s));
	end_request(&r);
	EXPECT_TRUE(WAIT_FOR(has_done(s)));
	EXPECT_EQ(0, s->result);
	EXPECT_EQ(BLOCK, isolation_of(s->pid, "features"));
	EXPECT_EQ(0, order(s, enable, 0));

	ASSERT_TRUE(begin_request(&r, self->target.cpu_event));
	tell(s, enable, BLOCK);
	EXPECT_TRUE(WAIT_FOR(change_clocksource(&self->target) == EBUSY));
	dismiss(s);
	EXPECT_EQ(0, change_clocksource(&self->target));
	end_request(&r);
	EXPECT_EQ(0, count_on_cpu(&self->target));
	self->servant = servant_on(self->target.cpu);
}

/*
 * All kinds of requests beside a task that blocks and unblocks all the time.
 * From where it returned from the one call until it makes the other, the epoch
 * is odd, and no request begins and ends well in one.
 */
struct race {
	atomic_uint	epoch;
	atomic_int	stop;
	struct target	target;
	int		classes;
	atomic_int	done[2], refused[2], violated;
};

static struct race *race;

static int block_and_unblock(unsigned long seconds)
{
	double end = now() + seconds;

	if (isol_set(PR_ISOL_BLOCK_CFG, race->classes))
		return -1;
	while (now() < end) {
		if (isol_enable(BLOCK))
			return -1;
		atomic_fetch_add(&race->epoch, 1);
		for (int i = 0; i < 2000; i++)
			__builtin_ia32_pause();
		atomic_fetch_add(&race->epoch, 1);
		if (isol_enable(0))
			return -1;
		for (int i = 0; i < 2000; i++)
			__builtin_ia32_pause();
	}
	return 0;
}

static int disturb(int (*act)(struct target *t), int which)
{
	unsigned int before;
	int error;

	run_on(which ? race->target.last : 0);
	while (!atomic_load(&race->stop)) {
		before = atomic_load(&race->epoch);
		error = act(&race->target);
		if (error && error != EBUSY)
			return 1;
		if (!error && before % 2 && before == atomic_load(&race->epoch))
			atomic_fetch_add(&race->violated, 1);
		atomic_fetch_add(error ? &race->refused[which] : &race->done[which], 1);
	}
	return 0;
}

static int disturb_cpu(void)
{
	return disturb(count_on_cpu, 0);
}

/* Not one that moves it: then it would not be bound. */
static int look_at_affinity(struct target *t)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(t->cpu, &set);
	return sched_setaffinity(t->pid, sizeof(set), &set) ? errno : 0;
}

static int disturb_task(void)
{
	return disturb(look_at_affinity, 1);
}

TEST_F_TIMEOUT(block, race, LONG_TEST)
{
	pid_t pids[2];

	RETURN_IF_SKIPPED;

	race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, race);
	dismiss(self->servant);
	self->servant = servant_on(self->target.cpu);
	self->target.pid = self->servant->pid;
	race->target = self->target;
	race->classes = ISOL_F_BLOCK_PERF | ISOL_F_BLOCK_AFFINITY;
	pids[0] = start(disturb_cpu);
	pids[1] = start(disturb_task);
	EXPECT_EQ(0, order(self->servant, block_and_unblock, 4));
	atomic_store(&race->stop, 1);
	EXPECT_EQ(0, end_of(pids[0]));
	EXPECT_EQ(0, end_of(pids[1]));
	EXPECT_EQ(0, atomic_load(&race->violated));
	TH_LOG("%u rounds; CPU: %d done, %d refused; task: %d done, %d refused",
	       atomic_load(&race->epoch) / 2, race->done[0], race->refused[0],
	       race->done[1], race->refused[1]);
	for (int i = 0; i < 2; i++) {
		EXPECT_LT(0, race->done[i]);
		EXPECT_LT(0, race->refused[i]);
	}
	munmap(race, sizeof(*race));
}

static void __attribute__((constructor)) before_main(int argc, char **argv)
{
	if (argc != 2 || strcmp(argv[1], "pause"))
		return;
	/* Nobody waits for the output of one that a failed test left behind. */
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		close(fd);
	for (;;)
		pause();
}

TEST_HARNESS_MAIN
