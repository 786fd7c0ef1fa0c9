// SPDX-License-Identifier: GPL-2.0
/*
 * The system calls, and what their errors mean.
 *
 * A kernel may have process_madvise(2) without flags, then there are neither
 * cookies nor counters, and a range that fails ends a call.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pmadvise.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open		434
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise	440
#endif

static enum { NOT_ASKED, NO_COOKIES, COOKIES } kernel_is;

static long call(int pidfd, const struct iovec *vec, size_t count, int advice,
		 unsigned int flags, void *arg)
{
	long ret = syscall(SYS_process_madvise, pidfd, vec, count, advice,
			   flags, arg);

	return ret < 0 ? -errno : ret;
}

static void read_name(struct target *target)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", target->pid);
	file = fopen(path, "re");
	if (!file || !fgets(target->name, sizeof(target->name), file))
		strcpy(target->name, "?");
	target->name[strcspn(target->name, "\n")] = 0;
	if (file)
		fclose(file);
}

int kernel_open(struct target *target, pid_t pid)
{
	memset(target, 0, sizeof(*target));
	target->pid = pid;
	target->pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (target->pidfd < 0)
		return -errno;
	read_name(target);
	return 0;
}

void kernel_close(struct target *target)
{
	close(target->pidfd);
}

/* Said once, and where it makes a difference. */
static void lack_cookies(const struct plan *plan)
{
	kernel_is = NO_COOKIES;
	if (plan->cookies && !plan->dry_run)
		say("note: this kernel has no cookies (CONFIG_PROCESS_MADVISE_COOKIE): what a process maps while this runs may be advised as well; --no-cookie accepts that");
}

/* Is the advice known, and may we give it? A call without a range says so. */
int kernel_probe(const struct target *target, const struct plan *plan)
{
	struct pmadv_cookie cookie;
	long error;

	if (kernel_is == NOT_ASKED) {
		error = call(target->pidfd, NULL, 0, 0, PMADV_GET_COOKIE,
			     &cookie);
		if (error == -ENOSYS)
			return error;
		if (!error)
			kernel_is = COOKIES;
		else if (error == -EINVAL)
			lack_cookies(plan);
	}
	return call(target->pidfd, NULL, 0, plan->advice,
		    plan->dry_run && kernel_has_cookies() ? PMADV_DRYRUN : 0,
		    NULL);
}

bool kernel_has_cookies(void)
{
	return kernel_is == COOKIES;
}

/* Not the same as not to have them: nobody may have been asked. */
bool kernel_lacks_cookies(void)
{
	return kernel_is == NO_COOKIES;
}

int kernel_cookie(const struct target *target, struct pmadv_cookie *cookie)
{
	return call(target->pidfd, NULL, 0, 0, PMADV_GET_COOKIE, cookie);
}

/* stat->cookie is the cookie; the counters are written where there are any. */
long kernel_advise(const struct target *target, const struct iovec *vec,
		   size_t count, const struct plan *plan,
		   struct pmadv_stat *stat)
{
	unsigned int flags = PMADV_STAT | PMADV_SKIP_ERRORS;

	if (!kernel_has_cookies())
		return call(target->pidfd, vec, count, plan->advice, 0, NULL);

	stat->size = sizeof(*stat);
	if (plan->cookies)
		flags |= PMADV_COOKIE;
	if (plan->anon)
		flags |= PMADV_ANON;
	if (plan->file)
		flags |= PMADV_FILE;
	if (plan->dry_run)
		flags |= PMADV_DRYRUN;
	return call(target->pidfd, vec, count, plan->advice, flags, stat);
}

/* An error, and what to do about it. */
void kernel_explain(pid_t pid, const char *name, int error,
		    const struct plan *plan)
{
	char who[64];

	snprintf(who, sizeof(who), name ? "%d (%s)" : "%d", pid, name);
	switch (-error) {
	case ENOSYS:
		say("this kernel has no process_madvise(2): it takes Linux 5.10 with CONFIG_ADVISE_SYSCALLS");
		break;
	case ESRCH:
		say("%s: no such process, or it has exited", who);
		break;
	case EPERM:
		say("%s: to advise another process takes CAP_SYS_NICE: run this as root", who);
		break;
	case EACCES:
		say("%s: not your process: run this as its user with CAP_SYS_NICE, or as root", who);
		break;
	case EINVAL:
		say("%s: this kernel does not know %s for other processes", who,
		    advice_name(plan->advice));
		break;
	case EOPNOTSUPP:
		say("a dry run takes a kernel with CONFIG_PROCESS_MADVISE_COOKIE");
		break;
	default:
		say("%s: %s", who, strerror(-error));
	}
}
