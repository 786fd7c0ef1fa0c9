// SPDX-License-Identifier: GPL-2.0
/*
 * What the user reads: results on standard output, all else on standard error,
 * progress only if that is a terminal.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "pmadvise.h"

static bool line_is_used;

double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

void say(const char *format, ...)
{
	va_list list;

	report_clear();
	fputs("pmadvise: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
}

/* 4096, 64K, 1.5G: bytes. */
bool parse_size(const char *text, unsigned long *bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	double number;
	char *end;

	number = strtod(text, &end);
	if (end == text || number < 0)
		return false;
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit || (end[1] && strcmp(end + 1, "iB") && strcmp(end + 1, "B")))
			return false;
		number *= 1UL << (10 * (unit - units + 1));
	}
	/* Also false for what is no number. */
	if (!(number < 0x1p63))
		return false;
	*bytes = number;
	return true;
}

const char *size_text(unsigned long bytes, char *text, size_t room)
{
	static const char * const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double number = bytes / 1024.0;
	size_t unit = 0;

	while (number >= 1024 && unit < 3) {
		number /= 1024;
		unit++;
	}
	snprintf(text, room, number < 10 && unit ? "%.1f %s" : "%.0f %s",
		 number, units[unit]);
	return text;
}

const char *advice_name(int advice)
{
	return advice == MADV_COLD ? "cold" :
	       advice == MADV_PAGEOUT ? "pageout" : "collapse";
}

void report_progress(const struct target *target, unsigned long done,
		     unsigned long all)
{
	static double last;
	char a[32], b[32];

	if (!isatty(STDERR_FILENO) || seconds_now() < last + 0.1)
		return;
	last = seconds_now();
	fprintf(stderr, "\r%d %s: %s of %s of addresses (%lu %%)\033[K",
		target->pid, target->name, size_text(done, a, sizeof(a)),
		size_text(all, b, sizeof(b)), all ? done * 100 / all : 100);
	line_is_used = true;
}

void report_clear(void)
{
	if (line_is_used)
		fputs("\r\033[K", stderr);
	line_is_used = false;
}

void report_add(struct tally *sum, const struct tally *one)
{
	sum->stat.vmas += one->stat.vmas;
	sum->stat.pages_seen += one->stat.pages_seen;
	sum->stat.pages_eligible += one->stat.pages_eligible;
	sum->stat.pages_done += one->stat.pages_done;
	sum->stat.pages_reclaimed += one->stat.pages_reclaimed;
	sum->stat.pages_shared += one->stat.pages_shared;
	sum->stat.pages_busy += one->stat.pages_busy;
	sum->stat.pages_refused += one->stat.pages_refused;
	sum->counted |= one->counted;
	sum->advised += one->advised;
	sum->refused += one->refused;
	sum->calls += one->calls;
	sum->stale += one->stale;
	sum->seconds += one->seconds;
}

static void print_pages(unsigned long pages, const char *what)
{
	char text[32];

	if (pages)
		printf(", %s %s", size_text(pages * sysconf(_SC_PAGESIZE), text,
					    sizeof(text)), what);
}

/* What came of it, as far as the kernel tells. */
static void print_result(const struct plan *plan, const struct tally *tally)
{
	const struct pmadv_stat *stat = &tally->stat;
	char text[32];

	printf("%s of addresses", size_text(tally->advised, text, sizeof(text)));
	if (plan->dry_run)
		printf(", nothing touched");
	else if (plan->advice == MADV_COLLAPSE && tally->counted)
		printf(", %lu huge pages made",
		       (unsigned long)(stat->pages_done * sysconf(_SC_PAGESIZE) /
				       HUGE_PAGE));
	else if (plan->advice == MADV_COLD)
		print_pages(stat->pages_done, "made cold");
	print_pages(stat->pages_reclaimed, "left the memory");
	if (plan->dry_run)
		print_pages(stat->pages_eligible, "could be advised");
	print_pages(stat->pages_shared, "shared");
	print_pages(stat->pages_busy, "busy");
	print_pages(stat->pages_refused, "not ours to reclaim");
	if (tally->refused)
		printf(", %s refused", size_text(tally->refused, text, sizeof(text)));
	if (tally->stale)
		printf(", looked again %lu times", tally->stale);
	printf(" (%lu calls, %.2f s)\n", tally->calls, tally->seconds);
}

void report_line(const struct target *target, const struct plan *plan,
		 const struct tally *tally)
{
	report_clear();
	printf("%d %s: %s ", target->pid, target->name, advice_name(plan->advice));
	print_result(plan, tally);
	fflush(stdout);
}

void report_sum(const struct plan *plan, const struct tally *tally,
		size_t processes)
{
	if (processes)
		printf("%zu processes: ", processes);
	printf("%s ", advice_name(plan->advice));
	print_result(plan, tally);
}
