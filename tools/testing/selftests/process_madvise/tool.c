// SPDX-License-Identifier: GPL-2.0
/*
 * The command pmadvise (tools/mm/pmadvise), as a user calls it.
 */
#include <poll.h>

#include "pmadv.h"

#define PAGES		1024
#define SIZE		(PAGES * PAGE)
#define UNUSED		__attribute__((unused))

#define TOOL		"./pmadvise"

/* What it said, on both channels, and its exit status. */
static char said[16384];

static pid_t tool_start(int *out, const char * const args[], __u64 caps)
{
	const char *argv[24] = { TOOL };
	int pipes[2], i;
	pid_t pid, parent = getpid();

	for (i = 0; args[i]; i++)
		argv[i + 1] = args[i];
	if (pipe(pipes))
		die("pipe");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		die_with_parent(parent);
		dup2(pipes[1], STDOUT_FILENO);
		dup2(pipes[1], STDERR_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		if (caps != ~0UL)
			job_become(NOBODY, caps);
		/* The capabilities of root come back with execve(), of others they go. */
		execv(argv[0], (char **)argv);
		_exit(127);
	}
	close(pipes[1]);
	*out = pipes[0];
	return pid;
}

static int tool_end(pid_t pid, int out)
{
	size_t len = strlen(said);
	int status;
	ssize_t n;

	while ((n = read(out, said + len, sizeof(said) - 1 - len)) > 0)
		len += n;
	said[len] = 0;
	close(out);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static int tool(const char * const args[], __u64 caps)
{
	pid_t pid;
	int out;

	said[0] = 0;
	pid = tool_start(&out, args, caps);
	return tool_end(pid, out);
}

#define RUN(...)	tool((const char * const []){ __VA_ARGS__, NULL }, ~0UL)
#define SAID(text)	(!!strstr(said, text))

FIXTURE(tool) {
	struct agent agent;
	char pid[16];
	char *mem;
};

FIXTURE_SETUP(tool)
{
	if (access(TOOL, X_OK))
		SKIP_TEST("no " TOOL " here");
	self->agent = agent_start();
	snprintf(self->pid, sizeof(self->pid), "%d", self->agent.pid);
	self->mem = (char *)ask(&self->agent, job_map_filled, PAGES, 1);
}

FIXTURE_TEARDOWN(tool)
{
	agent_kill(&self->agent);
}

#define WRONG()	ask(&self->agent, job_wrong, (long)self->mem, PAGES)
#define SWAPPED() swapped(self->agent.pid, self->mem, PAGES)

/* The memory is in swap, the process does not notice, and a line says so. */
TEST_F(tool, pageout)
{
	NEED_SWAP();
	ASSERT_EQ(0, RUN("--pageout", "--anon", self->pid)) TH_LOG("%s", said);
	EXPECT_EQ(PAGES, SWAPPED());
	EXPECT_TRUE(SAID(": pageout ")) TH_LOG("%s", said);
	EXPECT_TRUE(SAID("left the memory")) TH_LOG("%s", said);
	EXPECT_FALSE(SAID("no cookies")) TH_LOG("%s", said);
	EXPECT_EQ(0, WRONG());
}

/* It becomes old and stays where it is. */
TEST_F(tool, cold)
{
	ASSERT_EQ(PAGES, young(self->agent.pid, self->mem, PAGES));
	ASSERT_EQ(0, RUN("--cold", self->pid)) TH_LOG("%s", said);
	EXPECT_EQ(0, young(self->agent.pid, self->mem, PAGES));
	EXPECT_EQ(PAGES, present(self->agent.pid, self->mem, PAGES));
}

/* In small pages, unless the system always gives huge ones. */
static long job_map_plain(long huge, long unused UNUSED)
{
	char *mem = mmap(NULL, (huge + 1) * HUGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		die("mmap");
	fill(mem, (huge + 1) * SUB, 1);
	return (long)mem;
}

/* Huge pages are made. */
TEST_F(tool, collapse)
{
	char *mem = (char *)ask(&self->agent, job_map_plain, 2, 0);

	if (access("/sys/kernel/mm/transparent_hugepage", F_OK))
		SKIP(return, "no transparent huge pages");
	write_file("/proc/sys/vm/compact_memory", "1");
	ASSERT_EQ(0, RUN("--collapse", self->pid)) TH_LOG("%s", said);
	EXPECT_TRUE(SAID("huge pages made")) TH_LOG("%s", said);
	EXPECT_LE(2 * SUB, pages_flagged(self->agent.pid, mem, 3 * SUB, KPF_THP));
	EXPECT_EQ(0, ask(&self->agent, job_wrong, (long)mem, 3 * SUB));
}

/* Nothing is touched, and it needs no capability. */
TEST_F(tool, dry_run)
{
	const char *argv[] = { "--pageout", "--dry-run", self->pid, NULL };

	NEED_SWAP();
	ask(&self->agent, job_become, NOBODY, 0);
	ASSERT_EQ(0, tool(argv, 0)) TH_LOG("%s", said);
	EXPECT_TRUE(SAID("nothing touched")) TH_LOG("%s", said);
	EXPECT_EQ(0, SWAPPED());
}

/* Memory of files is left alone with --anon, the other with --file. */
TEST_F(tool, filter)
{
	NEED_SWAP();
	ASSERT_EQ(0, RUN("--pageout", "--file", self->pid)) TH_LOG("%s", said);
	EXPECT_EQ(0, SWAPPED());
}

/* Several processes, one line each and a sum. */
TEST_F(tool, several)
{
	struct agent other = agent_start();
	char pid[16];

	NEED_SWAP();
	snprintf(pid, sizeof(pid), "%d", other.pid);
	ASSERT_EQ(0, RUN("--pageout", self->pid, pid)) TH_LOG("%s", said);
	EXPECT_TRUE(SAID("2 processes: ")) TH_LOG("%s", said);
	EXPECT_EQ(PAGES, SWAPPED());
	agent_kill(&other);
}

/* Errors say what to do, and those that work are done nevertheless. */
TEST_F(tool, errors)
{
	const char *argv[] = { "--cold", self->pid, NULL };

	EXPECT_EQ(2, RUN("--cold"));
	EXPECT_TRUE(SAID("Name a PID")) TH_LOG("%s", said);
	EXPECT_EQ(2, RUN("--cold", "--pageout", self->pid));
	EXPECT_EQ(2, RUN("--cold", "-1"));
	EXPECT_EQ(2, RUN("--cold", "12x"));
	EXPECT_EQ(2, RUN(self->pid));
	EXPECT_EQ(2, RUN("--watch", self->pid));
	EXPECT_EQ(2, RUN("--watch", "--target", "12Q", self->pid));
	EXPECT_EQ(2, RUN("--watch", "--collapse", "--target", "1M", self->pid));
	EXPECT_EQ(0, RUN("--help"));

	EXPECT_EQ(1, RUN("--cold", "4194303", self->pid));
	EXPECT_TRUE(SAID("no such process")) TH_LOG("%s", said);
	EXPECT_EQ(0, young(self->agent.pid, self->mem, PAGES));

	EXPECT_EQ(1, tool(argv, 0));
	EXPECT_TRUE(SAID("not your process")) TH_LOG("%s", said);
	ask(&self->agent, job_become, NOBODY, 0);
	EXPECT_EQ(1, tool(argv, 0));
	EXPECT_TRUE(SAID("CAP_SYS_NICE")) TH_LOG("%s", said);
}

static struct more {
	int stop;
} *more;

static void *churn(void *unused UNUSED)
{
	void *mem;

	while (!load(&more->stop)) {
		mem = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		fill(mem, 16, 1);
		munmap(mem, 16 * PAGE);
	}
	return NULL;
}

static long job_churn(long unused UNUSED, long too UNUSED)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, churn, NULL);
}

/* A process that maps all the time is done, too. */
TEST_F(tool, churn)
{
	NEED_SWAP();
	more = share(sizeof(*more));
	agent_kill(&self->agent);
	self->agent = agent_start();
	snprintf(self->pid, sizeof(self->pid), "%d", self->agent.pid);
	self->mem = (char *)ask(&self->agent, job_map_filled, PAGES, 1);
	ASSERT_EQ(0, ask(&self->agent, job_churn, 0, 0));
	ASSERT_EQ(0, RUN("--pageout", self->pid)) TH_LOG("%s", said);
	EXPECT_EQ(PAGES, SWAPPED());
	store(&more->stop, 1);
	EXPECT_EQ(0, WRONG());
}

/* What is too much is taken, no more than that, and the end is an end. */
TEST_F(tool, watch_pids)
{
	const char *argv[] = { "--watch", "--target", "1G", "--interval", "20", self->pid, NULL };
	pid_t pid;
	int out;

	NEED_SWAP();
	said[0] = 0;
	pid = tool_start(&out, argv, ~0UL);
	usleep(300000);
	kill(pid, SIGTERM);
	ASSERT_EQ(0, tool_end(pid, out)) TH_LOG("%s", said);
	EXPECT_EQ(0, SWAPPED());

	said[0] = 0;
	argv[2] = "2M";
	pid = tool_start(&out, argv, ~0UL);
	EXPECT_TRUE(wait_for(SWAPPED() > PAGES / 4));
	agent_kill(&self->agent);
	ASSERT_EQ(0, tool_end(pid, out)) TH_LOG("%s", said);
	EXPECT_TRUE(SAID("over by")) TH_LOG("%s", said);
	self->agent = agent_start();
}

static char group[128];

static void remove_group(long unused UNUSED)
{
	wait_for(!rmdir(group));
}

/*
 * Another agent, in a memory cgroup of its own. Returns the guard that removes it
 * once the agent has died, which nobody can wait for before; or -1 without one.
 */
static int move_to_group(FIXTURE_DATA(tool) *self)
{
	int guard;

	if (!cgroup_make(group, sizeof(group), "memory"))
		return -1;
	guard = guard_start(remove_group, 0);
	agent_kill(&self->agent);
	self->agent = agent_start();
	if (!cgroup_enter(group, self->agent.pid))
		die("%s", group);
	self->mem = (char *)ask(&self->agent, job_map_filled, PAGES, 1);
	return guard;
}

/* A cgroup is held at its size. */
TEST_F(tool, watch_cgroup)
{
	const char *argv[] = { "--watch", "--target", "1M", "--interval", "20", "--cgroup", group,
			       NULL };
	int out, undo;
	pid_t pid;

	NEED_SWAP();
	undo = move_to_group(self);
	if (undo < 0)
		SKIP(return, "no memory cgroup");
	said[0] = 0;
	pid = tool_start(&out, argv, ~0UL);
	EXPECT_TRUE(wait_for(SWAPPED() > PAGES / 2));
	kill(pid, SIGTERM);
	ASSERT_EQ(0, tool_end(pid, out)) TH_LOG("%s", said);
	EXPECT_TRUE(SAID("over by")) TH_LOG("%s", said);
	EXPECT_EQ(0, WRONG());
	close(undo);
}

/* Works on more memory than its cgroup may have, for as long as it lives. */
static void *strain(void *mem)
{
	for (;;)
		fill(mem, PAGES, 1);
	return NULL;
}

static long job_strain(long mem, long unused UNUSED)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, strain, (void *)mem);
}

/* Reads what the tool says until it has said something; whether it has. */
static bool tool_says(int out, const char *what)
{
	struct pollfd fd = { .fd = out, .events = POLLIN };
	size_t len = strlen(said);
	ssize_t n;

	while (!SAID(what) && poll(&fd, 1, (int)(PATIENCE * 1000)) == 1) {
		n = read(out, said + len, sizeof(said) - 1 - len);
		if (n <= 0)
			break;
		len += n;
		said[len] = 0;
	}
	return SAID(what);
}

/* Looks when somebody waits for memory, long before it would by itself. */
TEST_F(tool, watch_pressure)
{
	const char *argv[] = { "--watch", "--target", "1M", "--interval", "3600000",
			       "--stall", "50", "--cgroup", group, NULL };
	int out, undo;
	pid_t pid;

	NEED_SWAP();
	if (access("/proc/pressure/memory", W_OK))
		SKIP(return, "no pressure stall information");
	undo = move_to_group(self);
	if (undo < 0)
		SKIP(return, "no memory cgroup");
	said[0] = 0;
	pid = tool_start(&out, argv, ~0UL);
	EXPECT_TRUE(tool_says(out, "size: ")) TH_LOG("%s", said);
	EXPECT_FALSE(SAID("pressure: ")) TH_LOG("%s", said);
	ASSERT_TRUE(cgroup_write(group, "memory.max", "2M"));
	ASSERT_EQ(0, ask(&self->agent, job_strain, (long)self->mem, 0));
	EXPECT_TRUE(tool_says(out, "pressure: ")) TH_LOG("%s", said);
	kill(pid, SIGTERM);
	EXPECT_EQ(0, tool_end(pid, out)) TH_LOG("%s", said);
	close(undo);
}

TEST_HARNESS_MAIN
