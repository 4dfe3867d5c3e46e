/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "base/heap.h"

/*
 * Melds two heaps: the root with the larger key becomes the first child of the other root. Neither root has siblings.
 */
static struct heap_node *meld(struct heap_node *a, struct heap_node *b)
{
	if (!a || !b)
		return a ? a : b;
	if (b->key < a->key) {
		struct heap_node *t = a;
		a = b;
		b = t;
	}
	b->next = a->child;
	if (b->next)
		b->next->prev = b;
	b->prev = a;
	a->child = b;
	return a;
}

/*
 * Pairs the siblings from left to right, then melds the pairs from right to left. Iterative, as there may be a million.
 */
static struct heap_node *meld_siblings(struct heap_node *first)
{
	struct heap_node *pairs = NULL;
	while (first) {
		struct heap_node *a = first, *b = a->next;
		first = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	struct heap_node *root = NULL;
	while (pairs) {
		struct heap_node *rest = pairs->next;
		pairs->next = NULL;
		root = meld(root, pairs);
		pairs = rest;
	}
	return root;
}

static void set_root(struct heap *heap, struct heap_node *root)
{
	heap->root = root;
	if (root)
		root->next = root->prev = NULL;
}

void heap_insert(struct heap *heap, struct heap_node *node)
{
	node->child = node->next = node->prev = NULL;
	set_root(heap, meld(heap->root, node));
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
	struct heap_node *below = meld_siblings(node->child);
	if (node == heap->root) {
		set_root(heap, below);
		node->prev = NULL;
		return;
	}
	if (node->prev->child == node)
		node->prev->child = node->next;
	else
		node->prev->next = node->next;
	if (node->next)
		node->next->prev = node->prev;
	node->prev = NULL;
	set_root(heap, meld(heap->root, below));
}
