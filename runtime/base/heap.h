/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * An intrusive heap. Inserting a node is O(1) and needs no memory, so it cannot fail. Removing any node is O(log n)
 * amortised.
 *
 * A pairing heap: M. L. Fredman et al., "The pairing heap: a new form of self-adjusting heap", Algorithmica 1 (1986).
 */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	struct heap_node *child, *next, *prev; /* prev of a first child: its parent; null in a root, and in no heap */
	int64_t key;                           /* constant while the node is in a heap */
};

/* Zero bytes are an empty heap. */
struct heap {
	struct heap_node *root; /* the node with the least key */
};

void heap_insert(struct heap *heap, struct heap_node *node);

/* The node is in the heap. */
void heap_remove(struct heap *heap, struct heap_node *node);

/* Whether the node is in the heap. It must be in this heap or in none. */
static inline bool heap_has(const struct heap *heap, const struct heap_node *node)
{
	return node->prev || heap->root == node;
}

#endif
