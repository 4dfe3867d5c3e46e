/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * An intrusive queue of keys that are times: a hierarchical timing wheel whose finest slot is one nanosecond wide, so no
 * key is rounded.
 *
 * Level L is a ring of 64 slots, each 64^L ns wide. `base` is a time that has passed. A node is in the lowest level at
 * which its slot is less than 64 slots after that of `base`, so no ring is ever gone round. Slots of two levels may
 * cover the same time.
 *
 * Invariants:
 *   1. `base` is not later than any key, except for keys that had passed when they were inserted: these are in the slot
 *      of the `base` of that time, in level 0.
 *   2. The bound of a slot with nodes is not later than any of their keys. If it is one of these keys, then that of the
 *      first node. It may be earlier than all of them: if the first node goes, the next bound is looked for only if one
 *      node is left, or few of those that are due.
 *   3. So in each level the first slot at or after `base` has the least bound of that level.
 *
 * The least bound of all levels is a time before which nothing is due. When it has come, the first node of its slot has
 * the least key, or the slot is taken apart: `base` becomes the bound, and each of its nodes moves to a lower level.
 * Inserting and removing are O(1). A node moves down WHEEL_LEVELS - 1 times at most, and mostly once or twice. A slot
 * may be taken apart in parts, between which nodes may be inserted and removed.
 *
 * Rejected: a pairing heap. It inserts as cheaply, but the removal of the root takes time in proportion to its
 * children, which may be all nodes: 15 ms with a million, and many times that if they are not in the cache, all under
 * one lock. Rejected: coarser slots whose nodes are run together, as the kernel has them for timeouts. Sleeps below a
 * millisecond would be late or early. Rejected: a level by the highest bit in which key and `base` differ (a radix
 * heap). When `base` comes to a new slot of a high level, up to all nodes would have to move at once.
 *
 * G. Varghese, A. Lauck: "Hashed and hierarchical timing wheels", IEEE/ACM Transactions on Networking 5 (1997).
 */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_BITS   6
#define WHEEL_SLOTS  (1u << WHEEL_BITS)
#define WHEEL_LEVELS 11 /* 63 bits */
#define WHEEL_NEVER  INT64_MAX

struct wheel_node {
	struct wheel_node *next, *prev; /* of its slot, in the order of insertion; prev of the first: the last */
	int64_t key;                    /* not negative; constant while the node is in a wheel */
	uint32_t place;                 /* number of its slot + 1; 0: in no wheel */
};

/* Zero bytes are an empty wheel. */
struct wheel {
	int64_t base;
	int64_t bound;                 /* unless it is empty: not later than the least bound, see wheel_take() */
	uint64_t levels;               /* bit L: level L has nodes */
	uint64_t filled[WHEEL_LEVELS]; /* bit S: slot S has nodes */
	struct wheel_slot {
		struct wheel_node *first;
		int64_t bound;
	} slots[WHEEL_LEVELS * WHEEL_SLOTS];
};

/* The node is in no wheel. `now` is the time, or was a moment ago. */
void wheel_insert(struct wheel *wheel, struct wheel_node *node, int64_t now);

/* The node is in the wheel. */
void wheel_remove(struct wheel *wheel, struct wheel_node *node);

static inline bool wheel_has(const struct wheel_node *node)
{
	return node->place != 0;
}

/* A time that is not later than any key, and mostly is the least one; WHEEL_NEVER: the wheel is empty. */
static inline int64_t wheel_bound(const struct wheel *wheel)
{
	return wheel->levels ? wheel->bound : WHEEL_NEVER;
}

/*
 * Removes the node with the least key, if that is not later than `now`, and returns it. Null: there is none, or so many
 * `steps` have been made, which are counted down to zero. A step costs a constant time. The bound is found when null is
 * returned, so that a series of calls finds it once.
 */
struct wheel_node *wheel_take(struct wheel *wheel, int64_t now, unsigned *steps);

#endif
