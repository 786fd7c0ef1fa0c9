/* SPDX-License-Identifier: GPL-2.0 */
/*
 * When did which addresses change last? A bounded map from address ranges to
 * generations.
 *
 *			Model
 *
 * The map stands for a function last(a): the generation of the last change of
 * the byte at address a, 0 if it never changed. It holds entries
 * {start, end, gen}, sorted, disjoint and not empty, and
 *
 *	upper(a) = gen of the entry with start <= a < end, 0 if there is none
 *
 *	M1	upper(a) >= last(a) for all a			(never misses)
 *	M2	upper(a) == last(a) as long as nothing was fused (exact)
 *	M3	nr <= MM_LAYOUT_ENTRIES				(bounded)
 *
 * A change of [start, end) in generation gen, not older than any before, cuts
 * that range out of what is there and puts one entry in its place, together
 * with what it touches and is of the same generation: churn in one place stays
 * one entry, and so does what grows. Cutting the middle out of an entry leaves
 * two, so a change adds at most two entries. If there is no room, two
 * neighbours are fused into one that covers both and the gap between them and
 * takes the newer of their generations: those two for which this makes the
 * fewest bytes look newer than they are. M1 holds then, M2 does not for these
 * bytes.
 *
 * Nothing here locks, allocates or sleeps, and nothing depends on the kernel
 * but its types: the same code is tested in user space.
 */
#ifndef _MM_MM_LAYOUT_MAP_H
#define _MM_MM_LAYOUT_MAP_H

#ifndef MM_LAYOUT_ENTRIES
#define MM_LAYOUT_ENTRIES	164
#endif

/**
 * struct mm_layout_entry - addresses that changed together
 * @start: first byte
 * @end: end of the range, above @start
 * @gen: generation of the newest change
 */
struct mm_layout_entry {
	unsigned long start;
	unsigned long end;
	u64 gen;
};

/**
 * struct mm_layout_map - the map, zeroed when new
 * @nr: entries in use
 * @entry: sorted by address, disjoint, none empty; two more than the map keeps,
 *	   for the moment between a change and the fusions that follow
 */
struct mm_layout_map {
	unsigned int nr;
	struct mm_layout_entry entry[MM_LAYOUT_ENTRIES + 2];
};

/* The first entry that ends above addr, map->nr if there is none. */
static inline unsigned int mm_layout_map_find(const struct mm_layout_map *map,
					      unsigned long addr)
{
	unsigned int low = 0, high = map->nr;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (map->entry[middle].end > addr)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Make room for new entries at position at in the place of old ones. */
static inline void mm_layout_map_splice(struct mm_layout_map *map,
					unsigned int at, unsigned int old,
					unsigned int new)
{
	memmove(&map->entry[at + new], &map->entry[at + old],
		(map->nr - at - old) * sizeof(map->entry[0]));
	map->nr += new;
	map->nr -= old;
}

/* The bytes that look newer than they are once left and right are fused. */
static inline unsigned long
mm_layout_map_cost(const struct mm_layout_entry *left,
		   const struct mm_layout_entry *right)
{
	unsigned long cost = right->start - left->end;

	if (left->gen < right->gen)
		cost += left->end - left->start;
	else if (right->gen < left->gen)
		cost += right->end - right->start;
	return cost;
}

/* Fuse the two neighbours for which that costs least. */
static inline void mm_layout_map_fuse(struct mm_layout_map *map)
{
	unsigned long cost, least = -1UL;
	struct mm_layout_entry *left;
	unsigned int i, at = 0;

	for (i = 0; i + 1 < map->nr; i++) {
		cost = mm_layout_map_cost(&map->entry[i], &map->entry[i + 1]);
		if (cost < least) {
			least = cost;
			at = i;
		}
	}
	left = &map->entry[at];
	left[0].end = left[1].end;
	if (left[0].gen < left[1].gen)
		left[0].gen = left[1].gen;
	mm_layout_map_splice(map, at + 1, 1, 0);
}

/**
 * mm_layout_map_record() - A range changed
 * @map: the map
 * @start: first byte
 * @end: end of the range; nothing is recorded unless it is above @start
 * @gen: the generation, not older than any that was recorded before
 *
 * Context: Any; the caller serialises all use of @map.
 */
static inline void mm_layout_map_record(struct mm_layout_map *map,
					unsigned long start, unsigned long end,
					u64 gen)
{
	struct mm_layout_entry pieces[3];
	unsigned int first, last, nr = 0;

	if (start >= end)
		return;

	/* Entries first to last - 1 overlap the range. */
	first = mm_layout_map_find(map, start);
	for (last = first; last < map->nr && map->entry[last].start < end;)
		last++;

	/* With those of the same generation it becomes one. */
	if (first && map->entry[first - 1].end == start &&
	    map->entry[first - 1].gen == gen)
		first--;
	if (last < map->nr && map->entry[last].start == end &&
	    map->entry[last].gen == gen)
		last++;
	if (first < last && map->entry[first].gen == gen &&
	    map->entry[first].start < start)
		start = map->entry[first].start;
	if (first < last && map->entry[last - 1].gen == gen &&
	    map->entry[last - 1].end > end)
		end = map->entry[last - 1].end;

	/* Of older ones at the edges the rest stays. */
	if (first < last && map->entry[first].start < start) {
		pieces[nr] = map->entry[first];
		pieces[nr++].end = start;
	}
	pieces[nr++] = (struct mm_layout_entry){ start, end, gen };
	if (first < last && map->entry[last - 1].end > end) {
		pieces[nr] = map->entry[last - 1];
		pieces[nr++].start = end;
	}

	mm_layout_map_splice(map, first, last - first, nr);
	memcpy(&map->entry[first], pieces, nr * sizeof(pieces[0]));
	while (map->nr > MM_LAYOUT_ENTRIES)
		mm_layout_map_fuse(map);
}

/**
 * mm_layout_map_newest() - Upper bound of the last change in a range
 * @map: the map
 * @start: first byte
 * @end: end of the range
 *
 * Context: Any; the caller serialises all use of @map.
 * Return: a generation not older than the last change of any byte of the
 *	   range, 0 if none was recorded or the range is empty.
 */
static inline u64 mm_layout_map_newest(const struct mm_layout_map *map,
				       unsigned long start, unsigned long end)
{
	unsigned int i = mm_layout_map_find(map, start);
	u64 newest = 0;

	if (start >= end)
		return 0;
	for (; i < map->nr && map->entry[i].start < end; i++) {
		if (map->entry[i].gen > newest)
			newest = map->entry[i].gen;
	}
	return newest;
}

#endif /* _MM_MM_LAYOUT_MAP_H */
