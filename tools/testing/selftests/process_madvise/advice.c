// SPDX-License-Identifier: GPL-2.0
/*
 * What each advice does when a process gives it to itself: the same as with
 * madvise(2), without any capability, and to every range of the vector.
 *
 * Each variant is one advice. Two ranges of two pages get it, of a mapping of
 * six pages; a page between them does not. What shows that the advice took
 * effect depends on the advice: letters among the VmFlags of smaps, or what
 * has become of the pages.
 */
#include "pmadv.h"

#define PAGES		6
#define SKIPPED		2	/* this page is not advised */

enum effect {
	FLAG_SET,	/* the letters are there */
	FLAG_CLEAR,	/* they were, and are no longer */
	ZERO,		/* the content is gone */
	LAZY,		/* the content may go */
	OLD,		/* not used lately */
	OUT,		/* in swap */
	IN,		/* back from swap, not yet mapped */
	MOVED,		/* in another page frame */
	POISONED,	/* SIGBUS */
};

FIXTURE(advice) {
	char *mem;
	struct iovec vec[2];
	__u64 frame[PAGES];
};

FIXTURE_VARIANT(advice) {
	int advice;
	enum effect effect;
	int before;		/* advice that is given before, if any */
	bool shared;
	const char *letters;
};

FIXTURE_VARIANT_ADD(advice, normal) {
	.advice = MADV_NORMAL, .effect = FLAG_CLEAR, .letters = "rr", .before = MADV_RANDOM,
};

FIXTURE_VARIANT_ADD(advice, random) {
	.advice = MADV_RANDOM, .effect = FLAG_SET, .letters = "rr",
};

FIXTURE_VARIANT_ADD(advice, sequential) {
	.advice = MADV_SEQUENTIAL, .effect = FLAG_SET, .letters = "sr",
};

FIXTURE_VARIANT_ADD(advice, dontfork) {
	.advice = MADV_DONTFORK, .effect = FLAG_SET, .letters = "dc",
};

FIXTURE_VARIANT_ADD(advice, dofork) {
	.advice = MADV_DOFORK, .effect = FLAG_CLEAR, .letters = "dc", .before = MADV_DONTFORK,
};

FIXTURE_VARIANT_ADD(advice, wipeonfork) {
	.advice = MADV_WIPEONFORK, .effect = FLAG_SET, .letters = "wf",
};

FIXTURE_VARIANT_ADD(advice, keeponfork) {
	.advice = MADV_KEEPONFORK, .effect = FLAG_CLEAR, .letters = "wf", .before = MADV_WIPEONFORK,
};

FIXTURE_VARIANT_ADD(advice, dontdump) {
	.advice = MADV_DONTDUMP, .effect = FLAG_SET, .letters = "dd",
};

FIXTURE_VARIANT_ADD(advice, dodump) {
	.advice = MADV_DODUMP, .effect = FLAG_CLEAR, .letters = "dd", .before = MADV_DONTDUMP,
};

FIXTURE_VARIANT_ADD(advice, mergeable) {
	.advice = MADV_MERGEABLE, .effect = FLAG_SET, .letters = "mg",
};

FIXTURE_VARIANT_ADD(advice, unmergeable) {
	.advice = MADV_UNMERGEABLE, .effect = FLAG_CLEAR, .letters = "mg", .before = MADV_MERGEABLE,
};

FIXTURE_VARIANT_ADD(advice, hugepage) {
	.advice = MADV_HUGEPAGE, .effect = FLAG_SET, .letters = "hg",
};

FIXTURE_VARIANT_ADD(advice, nohugepage) {
	.advice = MADV_NOHUGEPAGE, .effect = FLAG_SET, .letters = "nh", .before = MADV_HUGEPAGE,
};

FIXTURE_VARIANT_ADD(advice, dontneed) {
	.advice = MADV_DONTNEED, .effect = ZERO,
};

FIXTURE_VARIANT_ADD(advice, remove) {
	.advice = MADV_REMOVE, .effect = ZERO, .shared = true,
};

FIXTURE_VARIANT_ADD(advice, free) {
	.advice = MADV_FREE, .effect = LAZY,
};

FIXTURE_VARIANT_ADD(advice, cold) {
	.advice = MADV_COLD, .effect = OLD,
};

FIXTURE_VARIANT_ADD(advice, pageout) {
	.advice = MADV_PAGEOUT, .effect = OUT,
};

FIXTURE_VARIANT_ADD(advice, willneed) {
	.advice = MADV_WILLNEED, .effect = IN, .before = MADV_PAGEOUT,
};

FIXTURE_VARIANT_ADD(advice, soft_offline) {
	.advice = MADV_SOFT_OFFLINE, .effect = MOVED,
};

FIXTURE_VARIANT_ADD(advice, hwpoison) {
	.advice = MADV_HWPOISON, .effect = POISONED,
};

FIXTURE_SETUP(advice)
{
	int type = variant->shared ? MAP_SHARED : MAP_PRIVATE;

	run_on(0);
	self->mem = map_pages(PAGES, PROT_READ | PROT_WRITE, type | MAP_ANONYMOUS, -1);
	fill(self->mem, PAGES, 1);
	self->vec[0].iov_base = self->mem;
	self->vec[0].iov_len = SKIPPED * PAGE;
	self->vec[1].iov_base = self->mem + (SKIPPED + 1) * PAGE;
	self->vec[1].iov_len = 2 * PAGE;
}

FIXTURE_TEARDOWN(advice)
{
	munmap(self->mem, PAGES * PAGE);
}

static bool advised(int page)
{
	return page < SKIPPED || (page > SKIPPED && page < SKIPPED + 3);
}

/* Does SIGBUS end who reads the page? */
static bool poisoned(char *page)
{
	int status;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		load(page);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
}

static bool is_zero(const char *page)
{
	unsigned long i;

	for (i = 0; i < PAGE; i++) {
		if (page[i])
			return false;
	}
	return true;
}

static __u64 frame_of(const void *page)
{
	int fd = open_proc(getpid(), "pagemap");
	__u64 entry = read_pagemap(fd, page);

	close(fd);
	return entry & PM_PRESENT ? entry & PM_PFN : 0;
}

/* Does one page show the effect? */
static bool shows(enum effect effect, char *at, int page, __u64 frame)
{
	pid_t pid = getpid();

	switch (effect) {
	case ZERO:
		return is_zero(at);
	case OUT:
		return swapped(pid, at, 1) == 1;
	case IN:
		return !present(pid, at, 1) && job_in_core((long)at, 1) == 1;
	case MOVED:
		return frame_of(at) != frame &&
		       !wrong(at, 1, 1 + page * PAGE / 8);
	case POISONED:
		return poisoned(at);
	default:
		return false;
	}
}

/* Mutations: self-is-remote, swap-cold-young, vector-first-only */
TEST_F(advice, self)
{
	void *other = map_anon(1);
	pid_t pid = getpid();
	int i, some = 0;

	if (variant->effect == OUT || variant->effect == IN)
		NEED_SWAP();
	if (variant->before && madvise(self->mem, PAGES * PAGE, variant->before))
		SKIP(return, "madvise() does not know advice %d", variant->before);
	if (variant->advice == MADV_HWPOISON || variant->advice == MADV_SOFT_OFFLINE) {
		/* These take page frames from the machine for ever: be modest. */
		self->vec[0].iov_len = PAGE;
		self->vec[1].iov_len = PAGE;
	} else {
		keep_caps(0);
	}
	for (i = 0; i < PAGES; i++)
		self->frame[i] = frame_of(self->mem + i * PAGE);

	ASSERT_EQ(self->vec[0].iov_len + self->vec[1].iov_len,
		  pmadv(PIDFD_SELF, self->vec, 2, variant->advice, 0));

	switch (variant->effect) {
	case FLAG_SET:
		EXPECT_EQ(4, pages_marked(pid, self->mem, PAGES, variant->letters));
		EXPECT_EQ(0, wrong(self->mem, PAGES, 1));
		break;
	case FLAG_CLEAR:
		EXPECT_EQ(PAGES - 4, pages_marked(pid, self->mem, PAGES, variant->letters));
		EXPECT_EQ(0, wrong(self->mem, PAGES, 1));
		break;
	case LAZY:
		/* A call begins by moving the pages to their lists that wait for it. */
		ASSERT_EQ(PAGE, pmadv_range(PIDFD_SELF, other, PAGE, MADV_COLD));
		EXPECT_EQ(4 * PAGE / 1024, smaps_kb(pid, self->mem, PAGES, "LazyFree"));
		break;
	case OLD:
		EXPECT_EQ(PAGES - 4, young(pid, self->mem, PAGES));
		EXPECT_EQ(0, wrong(self->mem, PAGES, 1));
		break;
	default:
		for (i = 0; i < PAGES; i++) {
			bool expected = advised(i);

			if (variant->effect >= MOVED)
				expected = i == 0 || i == SKIPPED + 1;
			EXPECT_EQ(expected, shows(variant->effect, self->mem + i * PAGE, i,
						  self->frame[i]))
				TH_LOG("page %d", i);
			some += expected;
		}
		EXPECT_LT(0, some);
	}
	if (variant->effect == OUT || variant->effect == IN)
		EXPECT_EQ(0, wrong(self->mem, PAGES, 1));
}

TEST_HARNESS_MAIN
