/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Heaps: the least of many keys at once, intrusive. Inserting is O(1), needs no memory and so cannot fail; taking a node
 * out, the first or any, is O(log n) amortised.
 *
 * A pairing heap: M. L. Fredman et al., "The pairing heap: a new form of self-adjusting heap", Algorithmica 1 (1986).
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	struct heap_node *child, *next, *prev; /* prev is the parent of a first child; null in a root, and outside */
	int64_t key;                           /* constant while it is in a heap */
};

/* Zero bytes are an empty one. */
struct heap {
	struct heap_node *root; /* the node with the least key */
};

void heap_insert(struct heap *heap, struct heap_node *node);

/* The node is in the heap. */
void heap_remove(struct heap *heap, struct heap_node *node);

/* Whether it is in the heap, or in none. */
static inline bool heap_has(const struct heap *heap, const struct heap_node *node)
{
	return node->prev || heap->root == node;
}

#endif
