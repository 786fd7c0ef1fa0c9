// SPDX-License-Identifier: GPL-2.0
/*
 * Which ranges of a process are to be advised.
 *
 * Ranges are cut at multiples of PIECE, so that a call can be short and a huge
 * page is never cut.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pmadvise.h"

#define PIECE	(16UL << 20)

struct mapping {
	unsigned long start;
	unsigned long end;
	unsigned long inode;
	char perms[5];
	char name[32];
};

/* The kernel's own pages, which no advice concerns. */
static bool is_special(const struct mapping *map)
{
	return !strcmp(map->name, "[vsyscall]") || !strcmp(map->name, "[vdso]") ||
	       !strncmp(map->name, "[vvar", 5);
}

/* Shared memory has an inode as well. */
bool maps_is_file(const char *perms, unsigned long inode)
{
	return inode || perms[3] == 's';
}

static bool has_huge_page(const struct mapping *map)
{
	unsigned long start = (map->start + HUGE_PAGE - 1) & -HUGE_PAGE;

	return start + HUGE_PAGE <= map->end;
}

static bool is_wanted(const struct mapping *map, const struct plan *plan)
{
	bool file = maps_is_file(map->perms, map->inode);

	if (is_special(map))
		return false;
	if ((plan->anon && file) || (plan->file && !file))
		return false;
	if (plan->advice == MADV_COLLAPSE)
		return !file && has_huge_page(map);
	return true;
}

static int add_range(struct ranges *ranges, unsigned long start,
		     unsigned long end)
{
	struct iovec *vec = ranges->vec;

	/* Room grows whenever the count is a power of two. */
	if (!(ranges->count & (ranges->count - 1))) {
		vec = reallocarray(vec, ranges->count ? 2 * ranges->count : 1,
				   sizeof(*vec));
		if (!vec)
			return -ENOMEM;
		ranges->vec = vec;
	}
	vec[ranges->count].iov_base = (void *)start;
	vec[ranges->count].iov_len = end - start;
	ranges->count++;
	ranges->bytes += end - start;
	return 0;
}

static int add_mapping(struct ranges *ranges, unsigned long start,
		       unsigned long end)
{
	unsigned long next;
	int error = 0;

	for (; start < end && !error; start = next) {
		next = (start + PIECE) & -PIECE;
		if (next > end)
			next = end;
		error = add_range(ranges, start, next);
	}
	return error;
}

static bool parse_mapping(const char *line, struct mapping *map)
{
	map->name[0] = 0;
	return sscanf(line, "%lx-%lx %4s %*x %*s %lu %31s", &map->start,
		      &map->end, map->perms, &map->inode, map->name) >= 4;
}

int maps_read(const struct target *target, const struct plan *plan,
	      struct ranges *ranges)
{
	struct mapping map;
	char path[64];
	char *line = NULL;
	size_t room = 0;
	int error = 0;
	FILE *file;

	memset(ranges, 0, sizeof(*ranges));
	snprintf(path, sizeof(path), "/proc/%d/maps", target->pid);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!error && getline(&line, &room, file) > 0) {
		if (!parse_mapping(line, &map) || !is_wanted(&map, plan) ||
		    map.end <= target->cursor)
			continue;
		if (map.start < target->cursor)
			map.start = target->cursor;
		error = add_mapping(ranges, map.start, map.end);
	}
	if (!error && ferror(file))
		error = errno ? -errno : -EIO;
	free(line);
	fclose(file);
	return error;
}
