/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the selftests of process_madvise(2) share.
 *
 * An agent is a child process that runs functions of the test program for the
 * test, one at a time: it plays the process that is advised, or a caller with
 * other credentials. It is made by fork(), so that functions and memory that
 * existed before have the same addresses in both. Whatever an agent maps later
 * is its own. Structures that agents and the test pass to each other come from
 * share().
 *
 * Everything starts on one CPU, and agents inherit that: a page that another
 * CPU has in a pagevec is not on the LRU lists yet, and an advice passes it
 * over. Threads that have to run at the same time are moved away by run_on().
 *
 * The head of a test names the mutations, mutations/NAME.patch, that it was seen
 * to catch, and the hooks, patches of the series, that it misses when they are
 * left out.
 *
 * Helpers end the test by die() where the machine does not do what is needed
 * to go on. What is tested is asserted by the tests.
 */
#ifndef _PMADV_H
#define _PMADV_H

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/mman.h>
#include <linux/process_madvise.h>
/* <linux/pidfd.h> must not declare anew what <fcntl.h> has declared. */
#define _ASM_GENERIC_FCNTL_H
#include <linux/pidfd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#include <kselftest_harness.h>

/*
 * The harness gives a test 30 seconds, which is not enough for a kernel with
 * all its checkers on. The limit of the whole program is in "settings".
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 900

#define PAGE		4096UL
#define HUGE		(512 * PAGE)
#define NOBODY		65534

/* A wait that takes longer than this many seconds has failed. */
#define PATIENCE	60

#define die(fmt, ...) do {						\
	fprintf(stderr, "# %s:%d: " fmt ": %s\n", __FILE__, __LINE__,	\
		##__VA_ARGS__, strerror(errno));			\
	abort();							\
} while (0)

/* One access to memory that somebody else accesses too, or the kernel watches. */
#define load(from)		__atomic_load_n(from, __ATOMIC_ACQUIRE)
#define store(to, value)	__atomic_store_n(to, value, __ATOMIC_RELEASE)

/* From anywhere: a fixture's setup cannot skip its test by returning. */
#define SKIP_TEST(fmt, ...) SKIP(_exit(255), fmt, ##__VA_ARGS__)

/* The call: bytes, or a negative error number. */
static inline long pmadv(int pidfd, const struct iovec *vec, size_t vlen,
			 int advice, unsigned int flags)
{
	long ret = syscall(SYS_process_madvise, pidfd, vec, vlen, advice, flags);

	return ret < 0 ? -errno : ret;
}

static inline long pmadv_range(int pidfd, void *mem, size_t len, int advice)
{
	struct iovec range = { mem, len };

	return pmadv(pidfd, &range, 1, advice, 0);
}

/* The call with its sixth argument. */
static inline long pmadv_arg(int pidfd, const struct iovec *vec, size_t vlen,
			     int advice, unsigned int flags, void *arg)
{
	long ret = syscall(SYS_process_madvise, pidfd, vec, vlen, advice, flags, arg);

	return ret < 0 ? -errno : ret;
}

static inline long get_cookie(int pidfd, struct pmadv_cookie *cookie)
{
	return pmadv_arg(pidfd, NULL, 0, 0, PMADV_GET_COOKIE, cookie);
}

/* An advice about one range, if it is as it was when the cookie was taken. */
static inline long pmadv_cookie(int pidfd, void *mem, size_t len, int advice,
				struct pmadv_cookie *cookie)
{
	struct iovec range = { mem, len };

	return pmadv_arg(pidfd, &range, 1, advice, PMADV_COOKIE, cookie);
}

static inline int pidfd_open(pid_t pid)
{
	return syscall(SYS_pidfd_open, pid, 0);
}

/*
 * Time and place
 */

static inline double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Wait for a condition that something else brings about; false if it does not. */
#define wait_for(condition) ({						\
	double __end = now() + PATIENCE;				\
	bool __true;							\
									\
	while (!(__true = (condition)) && now() < __end)		\
		usleep(200);						\
	__true;								\
})

/* The nth CPU (from 0) that this process had when it began, or -1. */
static inline int nth_cpu(int n)
{
	static cpu_set_t all;
	int cpu;

	if (!CPU_COUNT(&all) && sched_getaffinity(0, sizeof(all), &all))
		die("sched_getaffinity");
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &all) && !n--)
			return cpu;
	}
	return -1;
}

static inline bool run_on(int n)
{
	cpu_set_t set;
	int cpu = nth_cpu(n);

	if (cpu < 0)
		return false;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
	return true;
}

/*
 * Agents
 */

struct agent {
	pid_t pid;
	int pidfd;
	int sock;
};

typedef long (*job_t)(long a, long b);

struct job {
	job_t run;
	long a;
	long b;
};

/* To be the first thing that a child does. */
static inline void die_with_parent(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(1);
}

static inline void agent_main(int sock)
{
	struct job job;
	long result;

	while (read(sock, &job, sizeof(job)) == sizeof(job)) {
		result = job.run(job.a, job.b);
		if (write(sock, &result, sizeof(result)) != sizeof(result))
			break;
	}
	_exit(0);
}

static inline struct agent agent_start(void)
{
	pid_t parent = getpid();
	struct agent agent;
	int pair[2];

	run_on(0);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		die("socketpair");
	agent.pid = fork();
	if (agent.pid < 0)
		die("fork");
	if (!agent.pid) {
		die_with_parent(parent);
		close(pair[0]);
		agent_main(pair[1]);
	}
	close(pair[1]);
	agent.sock = pair[0];
	agent.pidfd = pidfd_open(agent.pid);
	if (agent.pidfd < 0)
		die("pidfd_open");
	return agent;
}

/* Let it begin a job; agent_result() waits for the end. */
static inline void agent_begin(struct agent *agent, job_t run, long a, long b)
{
	struct job job = { run, a, b };

	if (write(agent->sock, &job, sizeof(job)) != sizeof(job))
		die("agent_begin");
}

static inline long agent_result(struct agent *agent)
{
	long result;

	if (read(agent->sock, &result, sizeof(result)) != sizeof(result))
		die("the agent is gone");
	return result;
}

static inline long ask(struct agent *agent, job_t run, long a, long b)
{
	agent_begin(agent, run, a, b);
	return agent_result(agent);
}

static inline void agent_kill(struct agent *agent)
{
	kill(agent->pid, SIGKILL);
	if (waitpid(agent->pid, NULL, 0) != agent->pid)
		die("waitpid");
	close(agent->sock);
	close(agent->pidfd);
}

/* Memory that later agents and the test see alike. */
static inline void *share(size_t len)
{
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		die("mmap");
	return mem;
}

/* A call that an agent is to make, in memory from share(). */
struct call {
	struct iovec vec[1025];
	size_t vlen;
	int pidfd;
	int advice;
	unsigned int flags;
	const void *at;		/* the vector, if it is not vec */
};

static inline long job_call(long arg, long unused __attribute__((unused)))
{
	struct call *call = (struct call *)arg;

	return pmadv(call->pidfd, call->at ?: call->vec, call->vlen,
		     call->advice, call->flags);
}

/* Which of the state letters of ps(1) a thread shows. */
static inline char thread_state(pid_t pid, pid_t tid)
{
	char path[64], text[512], *end;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return 0;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return 0;
	text[len] = 0;
	end = strrchr(text, ')');
	return end ? end[2] : 0;
}

/*
 * Something that has to be undone when the test is over, however it ends. A
 * process of its own, outside of the test's process group, waits until the
 * descriptor that this returns is closed, by the test or by its end.
 */
static inline int guard_start(void (*undo)(long), long arg)
{
	int ends[2];
	char byte;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		die("socketpair");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		setsid();
		close(ends[1]);
		while (read(ends[0], &byte, 1) > 0)
			;
		undo(arg);
		_exit(0);
	}
	close(ends[0]);
	return ends[1];
}

/* Undo it now, and wait for that: the next test may rest on it. */
static inline void guard_end(int guard)
{
	char byte;

	shutdown(guard, SHUT_WR);
	while (read(guard, &byte, 1) > 0)
		;
	close(guard);
}

/*
 * Credentials
 */

#define CAP(x)		(1UL << (x))

/* Keep those of our capabilities that are in the mask. */
static inline void keep_caps(__u64 mask)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	int i;

	if (syscall(SYS_capget, &head, data))
		die("capget");
	for (i = 0; i < 2; i++) {
		data[i].permitted &= mask >> (32 * i);
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, data))
		die("capset");
}

static inline long job_keep_caps(long mask, long unused __attribute__((unused)))
{
	keep_caps(mask);
	return 0;
}

/* Become another user, with some of the capabilities. */
static inline long job_become(long uid, long mask)
{
	if (prctl(PR_SET_KEEPCAPS, 1) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, uid))
		die("setresuid");
	keep_caps(mask);
	/* Changing the user undid both. */
	if (prctl(PR_SET_DUMPABLE, 1) || prctl(PR_SET_PDEATHSIG, SIGKILL))
		die("prctl");
	return 0;
}

/*
 * Memory and what the kernel does with it
 */

/*
 * Content that differs in every page: a word in each 512 bytes, so that the
 * page is not one that swap keeps as a number.
 */
#define WORDS	(512 / sizeof(__u64))

static inline __u64 word_of(__u64 seed, size_t i)
{
	return (seed + i) * 0x9e3779b97f4a7c15ULL;
}

static inline void fill(void *mem, size_t pages, __u64 seed)
{
	__u64 *word = mem;
	size_t i;

	for (i = 0; i < pages * PAGE / sizeof(*word); i += WORDS)
		word[i] = word_of(seed, i);
}

/* How many pages do not hold what fill() wrote. */
static inline long wrong(const void *mem, size_t pages, __u64 seed)
{
	const __u64 *word = mem;
	size_t i, j, n = PAGE / sizeof(*word);
	long bad = 0;

	for (i = 0; i < pages; i++) {
		for (j = i * n; j < (i + 1) * n; j += WORDS) {
			if (word[j] != word_of(seed, j))
				break;
		}
		bad += j < (i + 1) * n;
	}
	return bad;
}

static inline void *map_pages(size_t pages, int prot, int flags, int fd)
{
	char *mem;

	/* Pages without access around it keep the mapping one VMA of its own. */
	mem = mmap(NULL, (pages + 2) * PAGE, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		die("mmap");
	mem += PAGE;
	if (mmap(mem, pages * PAGE, prot, flags | MAP_FIXED, fd, 0) != mem)
		die("mmap");
	return mem;
}

/* Private anonymous memory in small pages. */
static inline void *map_anon(size_t pages)
{
	void *mem = map_pages(pages, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1);

	madvise(mem, pages * PAGE, MADV_NOHUGEPAGE);
	return mem;
}

static inline void *map_filled(size_t pages, __u64 seed)
{
	void *mem = map_anon(pages);

	fill(mem, pages, seed);
	return mem;
}

static inline long job_map_filled(long pages, long seed)
{
	return (long)map_filled(pages, seed);
}

/* Memory that is shared by kind, although nobody else has it mapped. */
static inline long job_map_shared(long pages, long seed)
{
	void *mem = map_pages(pages, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);

	fill(mem, pages, seed);
	return (long)mem;
}

/* Wrong pages of what map_filled() gave, which reads all of them. */
static inline long job_wrong(long mem, long pages)
{
	return wrong((void *)mem, pages, 1);
}

/* Pages of which mincore() says that they are in memory. */
static inline long job_in_core(long mem, long pages)
{
	unsigned char *vec = malloc(pages);
	long i, count = 0;

	if (!vec || mincore((void *)mem, pages * PAGE, vec))
		die("mincore");
	for (i = 0; i < pages; i++)
		count += vec[i] & 1;
	free(vec);
	return count;
}

/* Bits of /proc/PID/pagemap */
#define PM_PRESENT	0x8000000000000000ULL
#define PM_SWAP		0x4000000000000000ULL
#define PM_PFN		0x007fffffffffffffULL

static inline int open_proc(pid_t pid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("open %s", path);
	return fd;
}

static inline __u64 read_pagemap(int fd, const void *addr)
{
	__u64 entry;

	if (pread(fd, &entry, sizeof(entry), (unsigned long)addr / PAGE * sizeof(entry)) !=
	    sizeof(entry))
		die("read pagemap");
	return entry;
}

/* How many pages have one of these bits in pagemap. */
static inline long pages_with(pid_t pid, const void *mem, size_t pages,
			      __u64 bits)
{
	int fd = open_proc(pid, "pagemap");
	long count = 0;
	size_t i;

	for (i = 0; i < pages; i++) {
		if (read_pagemap(fd, (const char *)mem + i * PAGE) & bits)
			count++;
	}
	close(fd);
	return count;
}

static inline long swapped(pid_t pid, const void *mem, size_t pages)
{
	return pages_with(pid, mem, pages, PM_SWAP);
}

static inline long present(pid_t pid, const void *mem, size_t pages)
{
	return pages_with(pid, mem, pages, PM_PRESENT);
}

/* Bits of /proc/kpageflags */
#define KPF_ACTIVE	0x000040ULL
#define KPF_THP		0x400000ULL

/* How many present pages have one of these bits in kpageflags. */
static inline long pages_flagged(pid_t pid, const void *mem, size_t pages,
				 __u64 bits)
{
	int map = open_proc(pid, "pagemap");
	int flags = open("/proc/kpageflags", O_RDONLY);
	__u64 entry, flag;
	long count = 0;
	size_t i;

	if (flags < 0)
		die("open /proc/kpageflags");
	for (i = 0; i < pages; i++) {
		entry = read_pagemap(map, (const char *)mem + i * PAGE);
		if (!(entry & PM_PRESENT))
			continue;
		if (pread(flags, &flag, sizeof(flag), (entry & PM_PFN) * sizeof(flag)) !=
		    sizeof(flag))
			die("read /proc/kpageflags");
		count += !!(flag & bits);
	}
	close(flags);
	close(map);
	return count;
}

/* A value in kB of /proc/PID/smaps, summed up over the VMAs in the range. */
static inline long smaps_kb(pid_t pid, const void *mem, size_t pages,
			    const char *name)
{
	unsigned long lo = (unsigned long)mem, hi = lo + pages * PAGE, from, to;
	char path[64], line[512], key[64];
	bool inside = false;
	long sum = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	snprintf(key, sizeof(key), "%s:", name);
	file = fopen(path, "r");
	if (!file)
		die("open %s", path);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = from >= lo && to <= hi;
		else if (inside && !strncmp(line, key, strlen(key)))
			sum += strtol(line + strlen(key), NULL, 10);
	}
	fclose(file);
	return sum;
}

/* How many pages are in VMAs with these two letters among their VmFlags. */
static inline long pages_marked(pid_t pid, const void *mem, size_t pages,
				const char *letters)
{
	unsigned long lo = (unsigned long)mem, hi = lo + pages * PAGE;
	unsigned long start, end, from = 0, to = 0, sum = 0;
	char path[64], line[512], key[8];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	snprintf(key, sizeof(key), " %s ", letters);
	file = fopen(path, "r");
	if (!file)
		die("open %s", path);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2) {
			from = start < lo ? lo : start;
			to = end > hi ? hi : end;
		} else if (from < to && !strncmp(line, "VmFlags:", 8) && strstr(line, key)) {
			sum += (to - from) / PAGE;
		}
	}
	fclose(file);
	return sum;
}

/* Pages that were used since they were last made old. */
static inline long young(pid_t pid, const void *mem, size_t pages)
{
	return smaps_kb(pid, mem, pages, "Referenced") * 1024 / PAGE;
}

static inline bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return done;
}

static inline long read_number(const char *path)
{
	FILE *file = fopen(path, "r");
	long number = -1;

	if (file) {
		if (fscanf(file, "%ld", &number) != 1)
			number = -1;
		fclose(file);
	}
	return number;
}

/* Have a monitor that waits for the missing pages of a range; 0 or -errno. */
static inline long job_uffd(long mem, long len)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { mem, len }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		return -errno;
	return 0;
}

/* Transparent huge pages */

#define SUB		512	/* pages in a huge page */

/* Empty memory where huge pages fit; a VMA of its own. */
static inline char *map_slots(size_t huge)
{
	char *mem;

	/* What ran before may have left the memory in pieces. */
	write_file("/proc/sys/vm/compact_memory", "1");
	mem = mmap(NULL, (huge + 2) * HUGE, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		die("mmap");
	mem = (char *)(((unsigned long)mem + 2 * HUGE - 1) & -HUGE);
	if (mprotect(mem, huge * HUGE, PROT_READ | PROT_WRITE))
		die("mprotect");
	return mem;
}

/* Filled memory in huge pages; a VMA of its own. */
static inline char *map_huge(size_t huge)
{
	char *mem = map_slots(huge);

	madvise(mem, huge * HUGE, MADV_HUGEPAGE);
	fill(mem, huge * SUB, 1);
	return mem;
}

static inline long job_map_huge(long huge, long unused __attribute__((unused)))
{
	return (long)map_huge(huge);
}

/* How many of the pages are huge and mapped so. */
static inline long huge_mapped(pid_t pid, const void *mem, size_t huge)
{
	return smaps_kb(pid, mem, huge * SUB, "AnonHugePages") / 2048;
}

/* A counter of /proc/vmstat. */
static inline long vm_counter(const char *name)
{
	FILE *file = fopen("/proc/vmstat", "r");
	long number, found = -1;
	char key[64];

	if (!file)
		die("open /proc/vmstat");
	while (found < 0 && fscanf(file, "%63s %ld", key, &number) == 2) {
		if (!strcmp(key, name))
			found = number;
	}
	fclose(file);
	return found;
}

static inline bool have_swap(void)
{
	char line[256];
	FILE *file = fopen("/proc/swaps", "r");
	int lines = 0;

	while (file && fgets(line, sizeof(line), file))
		lines++;
	if (file)
		fclose(file);
	return lines > 1;
}

#define NEED_SWAP() do {						\
	if (!have_swap())						\
		SKIP_TEST("no swap space");				\
} while (0)

/*
 * A small ext4 file system in a file. The mount is private to the test and goes
 * with its last process.
 */
static inline bool mount_scratch(char *dir, size_t size)
{
	char command[512];

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return false;
	snprintf(dir, size, "/tmp/process_madvise.%d", getpid());
	snprintf(command, sizeof(command),
		 "mkdir %s && truncate -s 4M %s.img && mkfs.ext4 -q -F -O ^has_journal %s.img && mount -o loop %s.img %s",
		 dir, dir, dir, dir, dir);
	return !system(command);
}

static inline void umount_scratch(const char *dir)
{
	char command[256];

	snprintf(command, sizeof(command), "umount -l %s; rmdir %s; rm %s.img", dir, dir, dir);
	if (system(command))
		die("cannot remove %s", dir);
}

/*
 * A cgroup of its own, of version 2, with a controller if that is not NULL; false
 * if there is none to be had. The hierarchy is mounted if nobody else has, and
 * stays so, because the file system is the kernel's, not the test's.
 */
#define CGROUPS		"/tmp/cgroup.process_madvise"

static inline bool cgroup_make(char *dir, size_t size, const char *controller)
{
	static const char * const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified", CGROUPS };
	char path[160], text[64];
	size_t i;

	for (i = 0; i < sizeof(roots) / sizeof(*roots); i++) {
		snprintf(path, sizeof(path), "%s/cgroup.subtree_control", roots[i]);
		if (i == 2 && access(path, F_OK) &&
		    ((mkdir(CGROUPS, 0755) && errno != EEXIST) ||
		     mount("cgroup", CGROUPS, "cgroup2", 0, NULL)))
			return false;
		snprintf(text, sizeof(text), "+%s", controller ?: "");
		if (access(path, W_OK) || (controller && !write_file(path, text)))
			continue;
		snprintf(dir, size, "%s/process_madvise.%d", roots[i], getpid());
		if (!mkdir(dir, 0755))
			return true;
	}
	return false;
}

static inline bool cgroup_write(const char *dir, const char *name, const char *text)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return write_file(path, text);
}

static inline bool cgroup_enter(const char *dir, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return cgroup_write(dir, "cgroup.procs", text);
}

/* TLB flushes that other CPUs were asked for, all CPUs together; -1: not told. */
static inline long tlb_interrupts(void)
{
	char line[4096], *at, *end;
	FILE *file = fopen("/proc/interrupts", "r");
	long sum = -1;

	while (file && fgets(line, sizeof(line), file)) {
		at = line + strspn(line, " ");
		if (strncmp(at, "TLB:", 4))
			continue;
		sum = 0;
		for (at += 4;; at = end) {
			long number = strtol(at, &end, 10);

			if (end == at)
				break;
			sum += number;
		}
	}
	if (file)
		fclose(file);
	return sum;
}

/*
 * A thread on the second CPU that keeps the address space in use there, and
 * reads a word again and again. Lives as long as the process. The struct comes
 * from share() when the thread is an agent's.
 */
struct spinner {
	__u64 *word;
	__u64 seen;
	unsigned long rounds;
};

static inline void *spin(void *arg)
{
	struct spinner *spinner = arg;

	run_on(1);
	for (;;) {
		store(&spinner->seen, load(spinner->word));
		store(&spinner->rounds, spinner->rounds + 1);
	}
	return NULL;
}

static inline long job_spin(long spinner, long word)
{
	pthread_t thread;

	((struct spinner *)spinner)->word = (__u64 *)word;
	return pthread_create(&thread, NULL, spin, (void *)spinner);
}

/* Wait until the word was read as often again, and at least once from now on. */
static inline bool spinner_did(struct spinner *spinner, unsigned long rounds)
{
	unsigned long from = load(&spinner->rounds);

	return wait_for(load(&spinner->rounds) - from > rounds);
}

#endif /* _PMADV_H */
