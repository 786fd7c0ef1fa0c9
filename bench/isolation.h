/* SPDX-License-Identifier: GPL-2.0 */
/* What the cases about task isolation share. */
#ifndef BENCH_ISOLATION_H
#define BENCH_ISOLATION_H

#include "bench.h"
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/membarrier.h>
#include <sys/mount.h>
#include <sys/socket.h>

#define PR_ISOL_GET		0x49534f01
#define PR_ISOL_SET		0x49534f02
#define PR_ISOL_ENABLE		0x49534f03
#define PR_ISOL_SUP_QUIESCE_CFG	3
#define PR_ISOL_QUIESCE_CFG	4
#define ISOL_F_QUIESCE_ON_URET	1
#define DEFER_TLB_FLUSH		(1 << 2)
#define DEFER_TEXT_SYNC		(1 << 3)

/* NULL, or why not. */
static inline const char *isolate(void)
{
	long actions = prctl(PR_ISOL_GET, PR_ISOL_SUP_QUIESCE_CFG, 0, 0, 0);

	if (actions < 0)
		return errno == EINVAL ? "no task isolation" : strerror(errno);
	CHECK(actions && !prctl(PR_ISOL_SET, PR_ISOL_QUIESCE_CFG, actions, 0, 0));
	CHECK(!prctl(PR_ISOL_ENABLE, ISOL_F_QUIESCE_ON_URET, 0, 0, 0));
	return NULL;
}

static inline void write_to(const char *path, const char *text)
{
	int file = open(path, O_WRONLY);

	CHECK(file >= 0 && write(file, text, strlen(text)) == (ssize_t)strlen(text) && !close(file));
}

static inline void attach_filter(void)
{
	struct sock_filter pass = BPF_STMT(BPF_RET | BPF_K, 1000);
	struct sock_fprog program = { 1, &pass };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	CHECK(fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
	close(fd);
}

#define TRACEPOINT	"/sys/kernel/tracing/events/oom/mark_victim/enable"

static inline void patch_text(void)
{
	if (access(TRACEPOINT, F_OK))
		CHECK(!mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL));
	write_to(TRACEPOINT, "1");
	write_to(TRACEPOINT, "0");
}

static inline void expect_barriers(void)
{
	CHECK(!syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
}

static inline void ask_for_barrier(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
}

/* How many calls to its CPU have been put off for the sake of a thread of ours. */
static inline long deferred(pid_t tid)
{
	char path[64], line[256];
	long count = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/isolation", tid);
	file = fopen(path, "r");
	CHECK(file);
	while (fgets(line, sizeof(line), file))
		sscanf(line, "deferred: %ld", &count);
	fclose(file);
	CHECK(count >= 0);
	return count;
}

#endif
