/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The heap against a model. */
#include "base/heap.h"

#include <stdlib.h>

#include "tests/test.h"

#define NODES 1000

static uint64_t random_state = 88172645463325252ull;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* The model: which are in, each with its key; the least by looking at all. */
static struct {
	struct heap_node node[NODES];
	bool in[NODES];
} model;

static int64_t model_least(void)
{
	int64_t least = INT64_MAX;
	for (int i = 0; i < NODES; i++) {
		if (model.in[i] && model.node[i].key < least)
			least = model.node[i].key;
	}
	return least;
}

static unsigned model_remove(struct heap *heap, struct heap_node *node)
{
	long index = node - model.node;
	assert_true(index >= 0 && index < NODES && model.in[index]);
	heap_remove(heap, node);
	model.in[index] = false;
	return 1;
}

/* Takes out all up to a key; their keys must come in order. */
static unsigned model_expire(struct heap *heap, int64_t now)
{
	int64_t last = INT64_MIN;
	unsigned n = 0;
	while (heap->root && heap->root->key <= now) {
		assert_true(heap->root->key >= last);
		last = heap->root->key;
		n += model_remove(heap, heap->root);
	}
	return n;
}

/* 100,000 random operations: after each the least is that of the model, and all come out in order, none lost or doubled. */
TEST(model)
{
	struct heap heap = { 0 };
	long operations = test_scale(100000);
	unsigned inserted = 0, removed = 0, expired = 0;
	heap = (struct heap){ 0 };
	for (long i = 0; i < operations; i++) {
		uint64_t r = next_random();
		unsigned which = (unsigned)(r >> 8) % NODES;
		struct heap_node *node = &model.node[which];
		if (r % 100 < 2) {
			expired += model_expire(&heap, (int64_t)(next_random() % 10000));
		} else if (!model.in[which]) {
			node->key = (int64_t)(next_random() % 10000); /* many are equal */
			heap_insert(&heap, node);
			model.in[which] = true;
			inserted++;
		} else {
			removed += model_remove(&heap, node);
		}
		assert_true(heap.root ? heap.root->key == model_least() : model_least() == INT64_MAX);
	}
	expired += model_expire(&heap, INT64_MAX);
	assert_null(heap.root);
	assert_int_equal(inserted, removed + expired);
	for (int i = 0; i < NODES; i++)
		assert_false(model.in[i]);
	assert_true(expired > 0 && removed > 0);
}

/* A million nodes in one row do not recurse: the heap's worst shapes are taken apart without deep calls. */
TEST(shapes)
{
	size_t n = (size_t)test_scale(1000000);
	struct heap_node *many = calloc(n, sizeof(*many));
	struct heap heap = { 0 };
	assert_non_null(many);
	for (int rising = 0; rising < 2; rising++) {
		heap = (struct heap){ 0 };
		for (size_t i = 0; i < n; i++) { /* falling: a chain; rising: one root with n children */
			many[i].key = (int64_t)(rising ? i : n - i);
			heap_insert(&heap, &many[i]);
		}
		int64_t last = -1;
		for (size_t i = 0; i < n; i++) {
			assert_non_null(heap.root);
			assert_true(heap.root->key > last);
			last = heap.root->key;
			heap_remove(&heap, heap.root);
		}
		assert_null(heap.root);
	}
	free(many);
}
