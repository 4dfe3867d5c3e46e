/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Kinds of calls that block a thread, and the test that each of them has to pass. */
#ifndef KIND_H
#define KIND_H

#include <stdbool.h>

#define KIND_MOST 8 /* tasks at once */

struct kind {
	/* Before a run, `n` tasks being about to block, and after it. May be null. */
	void (*open)(unsigned n);
	void (*close)(void);
	/* Blocks the thread of task `i` until end(). */
	void (*block)(unsigned i);
	/* Ends all blocks, or some. Called again and again, by one thread, until all have ended. */
	void (*end)(void);
};

/*
 * In runs of 1, 2 and 8 workers as many tasks block as there are workers. With the source in use the first task runs all
 * the same: it is what ends the blocks.
 */
void kind_is_found(const struct kind *kind);

/* Without a source no block is counted and the first task does not run until a plain thread ends the blocks. */
void kind_is_left(const struct kind *kind);

/* Both, as tests: NAME_SOURCE for each source, and NAME_off. */
#define KIND_TESTS(name) \
	SOURCE_TEST(name) \
	{ \
		kind_is_found(&name); \
	} \
	TEST_ENTRY(test_##name##_off, __LINE__, NULL, NULL) \
	{ \
		kind_is_left(&name); \
	}

#endif
