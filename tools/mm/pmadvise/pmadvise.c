// SPDX-License-Identifier: GPL-2.0
/*
 * pmadvise: tell the kernel what to do with the memory of processes.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pmadvise.h"

static const char usage[] =
"usage: pmadvise --cold|--pageout|--collapse [OPTION]... PID...\n"
"       pmadvise --watch --target SIZE [OPTION]... --cgroup FOLDER | PID...\n"
"\n"
"Tell the kernel what to do with the memory of processes.\n"
"\n"
"  --cold           it will not be used soon: reclaim it before other memory\n"
"  --pageout        reclaim it now\n"
"  --collapse       put it into huge pages now (memory of no file)\n"
"  --anon, --file   only memory of no file, or only that of files\n"
"  --dry-run        count, and touch nothing\n"
"  --no-cookie      do not mind if a process changes its mappings meanwhile\n"
"  --quiet          say nothing but errors\n"
"\n"
"  --watch          stay, and reclaim (--pageout, or --cold) when it is too much\n"
"  --target SIZE    keep it under this size, such as 300M or 1.5G\n"
"  --cgroup FOLDER  the processes of a cgroup and of those below it\n"
"  --interval MS    look at least so often (10000)\n"
"  --stall MS       look when tasks were stalled so long (100), 1 to the window\n"
"  --window MS      in this time (1000), 500 to 10000\n"
"\n"
"It takes CAP_SYS_NICE, and the right to read the process (see ptrace(2)).\n"
"Exit status: 0 all was done, 1 something failed, 2 it was called wrongly.\n";

enum {
	OPT_COLD = 256, OPT_PAGEOUT, OPT_COLLAPSE, OPT_ANON, OPT_FILE, OPT_DRY_RUN,
	OPT_NO_COOKIE, OPT_QUIET, OPT_WATCH, OPT_TARGET, OPT_CGROUP,
	OPT_INTERVAL, OPT_STALL, OPT_WINDOW, OPT_HELP,
};

static const struct option options[] = {
	{ "cold",	no_argument,		NULL, OPT_COLD },
	{ "pageout",	no_argument,		NULL, OPT_PAGEOUT },
	{ "collapse",	no_argument,		NULL, OPT_COLLAPSE },
	{ "anon",	no_argument,		NULL, OPT_ANON },
	{ "file",	no_argument,		NULL, OPT_FILE },
	{ "dry-run",	no_argument,		NULL, OPT_DRY_RUN },
	{ "no-cookie",	no_argument,		NULL, OPT_NO_COOKIE },
	{ "quiet",	no_argument,		NULL, OPT_QUIET },
	{ "watch",	no_argument,		NULL, OPT_WATCH },
	{ "target",	required_argument,	NULL, OPT_TARGET },
	{ "cgroup",	required_argument,	NULL, OPT_CGROUP },
	{ "interval",	required_argument,	NULL, OPT_INTERVAL },
	{ "stall",	required_argument,	NULL, OPT_STALL },
	{ "window",	required_argument,	NULL, OPT_WINDOW },
	{ "help",	no_argument,		NULL, OPT_HELP },
	{}
};

static void misused(const char *why, const char *what)
{
	say("%s%s", why, what);
	fputs("Try 'pmadvise --help'.\n", stderr);
	exit(2);
}

static unsigned long number(const char *text, unsigned long least,
			    unsigned long most)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value < least ||
	    value > most)
		misused("not a number that fits here: ", text);
	return value;
}

static void set_advice(struct plan *plan, int advice)
{
	if (plan->advice)
		misused("one of --cold, --pageout and --collapse, not two", "");
	plan->advice = advice;
}

struct request {
	struct plan plan;
	struct watch watch;
	bool watches;
	bool has_target;
};

static void read_option(struct request *request, int option)
{
	struct watch *watch = &request->watch;
	struct plan *plan = &request->plan;

	switch (option) {
	case OPT_COLD:
		set_advice(plan, MADV_COLD);
		break;
	case OPT_PAGEOUT:
		set_advice(plan, MADV_PAGEOUT);
		break;
	case OPT_COLLAPSE:
		set_advice(plan, MADV_COLLAPSE);
		break;
	case OPT_ANON:
		plan->anon = true;
		break;
	case OPT_FILE:
		plan->file = true;
		break;
	case OPT_DRY_RUN:
		plan->dry_run = true;
		break;
	case OPT_NO_COOKIE:
		plan->cookies = false;
		break;
	case OPT_QUIET:
		plan->quiet = true;
		break;
	case OPT_WATCH:
		request->watches = true;
		break;
	case OPT_TARGET:
		if (!parse_size(optarg, &watch->size))
			misused("not a size: ", optarg);
		request->has_target = true;
		break;
	case OPT_CGROUP:
		watch->cgroup = optarg;
		break;
	case OPT_INTERVAL:
		watch->interval_ms = number(optarg, 1, 1UL << 30);
		break;
	case OPT_STALL:
		watch->stall_ms = number(optarg, 1, 10000);
		break;
	case OPT_WINDOW:
		watch->window_ms = number(optarg, 500, 10000);
		break;
	case OPT_HELP:
		fputs(usage, stdout);
		exit(0);
	default:
		fputs("Try 'pmadvise --help'.\n", stderr);
		exit(2);
	}
}

/* Which options go together. */
static void check(struct request *request, int pids)
{
	struct watch *watch = &request->watch;
	struct plan *plan = &request->plan;

	if (plan->anon && plan->file)
		misused("--anon or --file, not both", "");
	if (request->watches && !plan->advice)
		plan->advice = MADV_PAGEOUT;
	if (!plan->advice)
		misused("one of --cold, --pageout and --collapse is needed", "");
	if (!request->watches) {
		if (watch->cgroup || request->has_target)
			misused("--cgroup and --target go with --watch", "");
		if (!pids)
			misused("whose memory? Name a PID", "");
		return;
	}
	if (plan->advice == MADV_COLLAPSE || plan->dry_run)
		misused("--watch reclaims memory: --pageout or --cold", "");
	if (!request->has_target)
		misused("--watch needs a --target", "");
	if (!!watch->cgroup == !!pids)
		misused("--watch needs a --cgroup or PIDs", "");
	if (watch->stall_ms > watch->window_ms)
		misused("--stall is longer than --window", "");
}

static pid_t *read_pids(char **text, int count)
{
	pid_t *pids = calloc(count + 1, sizeof(*pids));
	int i;

	if (!pids)
		misused("no memory", "");
	for (i = 0; i < count; i++)
		pids[i] = number(text[i], 1, 1 << 22);
	return pids;
}

static int advise_all(const struct plan *plan, const pid_t *pids, int count)
{
	struct tally sum = {};
	bool failed = false;
	int i;

	for (i = 0; i < count; i++) {
		struct tally one = {};

		failed |= advise_pid(pids[i], plan, &one) != 0;
		report_add(&sum, &one);
	}
	if (count > 1 && !plan->quiet)
		report_sum(plan, &sum, count);
	return failed;
}

static int watch_all(const struct request *request)
{
	struct tally sum = {};
	int error;

	error = watch_run(&request->watch, &request->plan, &sum);
	if (!request->plan.quiet) {
		printf("in all: ");
		report_sum(&request->plan, &sum, 0);
	}
	return error != 0;
}

int main(int argc, char **argv)
{
	struct request request = {
		.plan	= { .cookies = true },
		.watch	= { .interval_ms = 10000, .stall_ms = 100, .window_ms = 1000 },
	};
	pid_t *pids;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		read_option(&request, option);
	check(&request, argc - optind);
	pids = read_pids(argv + optind, argc - optind);
	request.watch.pids = pids;
	request.watch.count = argc - optind;
	if (request.watches)
		return watch_all(&request);
	return advise_all(&request.plan, pids, argc - optind);
}
