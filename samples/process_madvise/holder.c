// SPDX-License-Identifier: GPL-2.0
/*
 * holder: hold memory with a known content, and say on request whether it is
 * still the same.
 *
 * usage: holder MIB
 *
 * Prints "ready" when the memory is filled.  For each line read from standard
 * input it reads all of the memory and prints "N pages intact", or says which
 * page differs and exits with status 1.  Ends at the end of the input.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Differs from page to page and within a page, and compresses well. */
static unsigned long word(unsigned long page, unsigned long index)
{
	return page * 0x9e3779b97f4a7c15UL + (index & 15);
}

int main(int argc, char **argv)
{
	unsigned long words = sysconf(_SC_PAGESIZE) / sizeof(long);
	unsigned long pages, page, i, *memory;
	char line[64];

	if (argc != 2 || atol(argv[1]) <= 0) {
		fprintf(stderr, "usage: holder MIB\n");
		return 2;
	}
	pages = (strtoul(argv[1], NULL, 10) << 20) / sysconf(_SC_PAGESIZE);
	memory = mmap(NULL, pages * words * sizeof(long), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	for (page = 0; page < pages; page++)
		for (i = 0; i < words; i++)
			memory[page * words + i] = word(page, i);
	printf("ready\n");
	fflush(stdout);

	while (fgets(line, sizeof(line), stdin)) {
		for (page = 0; page < pages; page++) {
			for (i = 0; i < words; i++) {
				if (memory[page * words + i] == word(page, i))
					continue;
				printf("page %lu differs at word %lu\n", page, i);
				return 1;
			}
		}
		printf("%lu pages intact\n", pages);
		fflush(stdout);
	}
	return 0;
}
