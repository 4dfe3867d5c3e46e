/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The timing wheel against a model, and the steps that it makes. */
#include "base/wheel.h"

#include <stdlib.h>

#include "base/compiler.h"
#include "tests/test.h"

#define NODES    1000
#define SECOND   INT64_C(1000000000)
#define YEAR     (365 * 86400 * SECOND)
#define NO_LIMIT 100000000u

static uint64_t random_state = 88172645463325252ull;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static struct wheel wheel;

static void wheel_empty(void)
{
	wheel = (struct wheel){ 0 };
}

static void insert(struct wheel_node *node, int64_t key, int64_t now)
{
	node->key = key;
	wheel_insert(&wheel, node, now);
	assert_true(wheel_has(node));
}

/* Takes the first node that is due, whatever it takes. */
static struct wheel_node *take(int64_t now)
{
	unsigned steps = NO_LIMIT;
	return wheel_take(&wheel, now, &steps);
}

static void assert_empty(void)
{
	assert_true(wheel_bound(&wheel) == WHEEL_NEVER);
	assert_null(take(WHEEL_NEVER));
	for (unsigned i = 0; i < WHEEL_LEVELS; i++)
		assert_true(wheel.filled[i] == 0);
}

/* ---- the model: which are in, each with its key; the least by looking at all ---- */

static struct {
	struct wheel_node node[NODES];
	bool in[NODES];
	int64_t now;
	uint64_t inserted, removed, taken, steps;
} model;

static int64_t model_least(void)
{
	int64_t least = WHEEL_NEVER;
	for (int i = 0; i < NODES; i++) {
		if (model.in[i] && model.node[i].key < least)
			least = model.node[i].key;
	}
	return least;
}

/* From a nanosecond to years, many of them equal; some have passed. */
static int64_t random_key(void)
{
	uint64_t r = next_random(), delay = r >> 20 & (((uint64_t)1 << r % 58) - 1);
	if (r % 64 == 63)
		return (int64_t)(next_random() % (uint64_t)(model.now + 1));
	return model.now + (int64_t)(r >> 8 & 1 ? delay & 0xff : delay);
}

static void model_insert(int i)
{
	insert(&model.node[i], random_key(), model.now);
	model.in[i] = true;
	model.inserted++;
}

static void model_remove(int i)
{
	wheel_remove(&wheel, &model.node[i]);
	assert_false(wheel_has(&model.node[i]));
	model.in[i] = false;
	model.removed++;
}

/*
 * Takes out all that are due, with a few steps at a time. They come in order, but those that had passed already when they
 * were inserted: they are before the others, in any order.
 */
static void model_take(void)
{
	int64_t base = wheel.base;
	while (model_least() <= model.now) {
		unsigned steps = 1 + (unsigned)(next_random() % 5), before = steps;
		struct wheel_node *node = wheel_take(&wheel, model.now, &steps);
		model.steps += before - steps;
		assert_true(node || steps == 0);
		if (!node)
			continue;
		assert_true(node->key == model_least() || (node->key <= base && model_least() <= base));
		assert_true(model.in[node - model.node]);
		assert_false(wheel_has(node));
		model.in[node - model.node] = false;
		model.taken++;
	}
	assert_null(take(model.now));
}

/*
 * Time goes on by anything between a nanosecond and months, now and then to the very next key. Now and then nobody looks,
 * and others are inserted beside nodes that are due.
 */
static void model_pass(void)
{
	uint64_t r = next_random();
	int64_t least = model_least();
	model.now += (int64_t)(r >> 20 & (((uint64_t)1 << r % 54) - 1));
	if (r >> 8 & 1 && least != WHEEL_NEVER && least > model.now)
		model.now = least;
	if (r >> 9 & 3)
		model_take();
}

/*
 * 100,000 random operations: the bound is never later than the least key of the model, all that is due comes out in order,
 * and none is lost or doubled. No node is moved more often than there are levels below the first one.
 */
TEST(model)
{
	long operations = test_scale(100000);
	wheel_empty();
	for (long i = 0; i < operations; i++) {
		uint64_t r = next_random();
		int which = (int)((r >> 8) % NODES);
		if (r % 100 < 4)
			model_pass();
		else if (!model.in[which])
			model_insert(which);
		else
			model_remove(which);
		int64_t least = model_least();
		assert_true(wheel_bound(&wheel) <= least);
		assert_int_equal(wheel_bound(&wheel) == WHEEL_NEVER, least == WHEEL_NEVER);
		if (model.now > 100 * YEAR) /* the keys would overflow */
			break;
	}
	model.now = WHEEL_NEVER - 1;
	model_take();
	assert_empty();
	assert_true(model.inserted == model.removed + model.taken);
	assert_true(model.taken > 0 && model.removed > 0);
	assert_true(model.steps <= model.taken + model.inserted * (WHEEL_LEVELS - 1));
}

/* ---- single properties ---- */

/* The smallest and the largest delay of each level, from bases at and beside the bounds of slots. */
TEST(one_in_each_level)
{
	static const int64_t bases[] = {
		0, 1, 63, 64, 4095, 4096, SECOND, 86400 * SECOND, 40 * YEAR + 12345, 200 * YEAR
	};
	struct wheel_node node = { 0 };
	for (size_t b = 0; b < sizeof(bases) / sizeof(*bases); b++) {
		for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
			for (int64_t beside = -1; beside <= 1; beside++) {
				uint64_t delay = ((uint64_t)1 << level * WHEEL_BITS) + (uint64_t)beside;
				int64_t key = bases[b] + (int64_t)delay;
				wheel_empty();
				if (key < 0)
					continue;
				insert(&node, key, bases[b]);
				assert_true(wheel_bound(&wheel) == key);
				assert_null(take(key - 1));
				assert_ptr_equal(take(key), &node);
				assert_empty();
				insert(&node, key, bases[b]);
				wheel_remove(&wheel, &node);
				assert_empty();
			}
		}
	}
}

/* The latest key of all is kept, and so are keys decades ahead beside one of a nanosecond. */
TEST(far)
{
	struct wheel_node nodes[5] = { { 0 } };
	const int64_t now = 20 * YEAR,
		      keys[] = { WHEEL_NEVER - 1, now + 100 * YEAR, now + 1, now + YEAR, now + SECOND };
	const int order[] = { 2, 4, 3, 1, 0 };
	wheel_empty();
	for (int i = 0; i < 5; i++)
		insert(&nodes[i], keys[i], now);
	for (int i = 0; i < 5; i++) {
		assert_true(wheel_bound(&wheel) <= keys[order[i]]);
		assert_null(take(keys[order[i]] - 1));
		assert_ptr_equal(take(keys[order[i]]), &nodes[order[i]]);
	}
	assert_empty();
}

/* Keys that have passed come out at the next look, before those that have not, and do not end the search. */
TEST(past)
{
	struct wheel_node nodes[6] = { { 0 } };
	const int64_t now = 5 * SECOND, keys[] = { now + 1, now - 1, 0, now, now - SECOND, now - 1 };
	bool out[6] = { false };
	wheel_empty();
	for (int i = 0; i < 6; i++)
		insert(&nodes[i], keys[i], now);
	assert_true(wheel_bound(&wheel) == 0);
	for (int i = 0; i < 5; i++) {
		struct wheel_node *node = take(now);
		assert_non_null(node);
		assert_true(node->key <= now && !out[node - nodes]);
		out[node - nodes] = true;
	}
	assert_null(take(now));
	assert_ptr_equal(take(now + 1), &nodes[0]);
	assert_empty();
}

/* Equal keys come out in the order of their insertion, whatever the level is that they were inserted in. */
TEST(equal)
{
	struct wheel_node nodes[100] = { { 0 } };
	for (int64_t delay = 1; delay < YEAR; delay *= 37) {
		wheel_empty();
		for (int i = 0; i < 100; i++)
			insert(&nodes[i], SECOND + delay, SECOND);
		for (int i = 0; i < 100; i++)
			assert_ptr_equal(take(SECOND + delay), &nodes[i]);
		assert_empty();
	}
}

/* Three in one slot of each level: each of them is removed first, second and third. */
TEST(remove)
{
	static const int orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	struct wheel_node nodes[3] = { { 0 } };
	for (unsigned level = 1; level < WHEEL_LEVELS; level++) {
		for (int o = 0; o < 6; o++) {
			int64_t slot = (int64_t)2 << level * WHEEL_BITS;
			wheel_empty();
			for (int i = 0; i < 3; i++)
				insert(&nodes[i], slot + (2 - i), 0);
			assert_true(nodes[0].place == nodes[1].place && nodes[1].place == nodes[2].place);
			assert_true(wheel_bound(&wheel) == slot);
			wheel_remove(&wheel, &nodes[orders[o][0]]);
			assert_true(wheel_bound(&wheel) >= slot);
			wheel_remove(&wheel, &nodes[orders[o][1]]);
			assert_true(wheel_bound(&wheel) == nodes[orders[o][2]].key); /* exact again */
			wheel_remove(&wheel, &nodes[orders[o][2]]);
			assert_empty();
		}
	}
}

/* A slot whose earliest nodes were removed is taken apart at their time, which finds nothing due, and then its bound is exact. */
TEST(stale_bound)
{
	struct wheel_node nodes[4] = { { 0 } };
	const int64_t slot = (int64_t)2 << 4 * WHEEL_BITS;
	wheel_empty();
	for (int i = 0; i < 4; i++)
		insert(&nodes[i], slot + 1000 * i, 0);
	wheel_remove(&wheel, &nodes[0]);
	assert_true(wheel_bound(&wheel) == slot);
	assert_null(take(slot));
	assert_true(wheel_bound(&wheel) == slot + 1000);
	for (int i = 1; i < 4; i++)
		assert_ptr_equal(take(slot + 1000 * i), &nodes[i]);
	assert_empty();
}

/*
 * The longest slot: many nodes within one slot of a high level. No call makes more steps than it may; nodes can be inserted
 * and removed while the slot is taken apart; a node that comes meanwhile and is due first comes out first.
 */
TEST(steps)
{
	const int n = (int)test_scale(100000);
	const int64_t slot = (int64_t)2 << 5 * WHEEL_BITS;
	struct wheel_node *many = calloc((size_t)n, sizeof(*many)), early = { 0 };
	uint64_t total = 0;
	int taken = 0, removed = 0;
	assert_non_null(many);
	wheel_empty();
	for (int i = 0; i < n; i++)
		insert(&many[i], slot + (int64_t)(next_random() % SECOND), 0);
	int64_t last = 0;
	for (int call = 0; taken + removed < n; call++) {
		unsigned steps = 32;
		struct wheel_node *node;
		while ((node = wheel_take(&wheel, slot + SECOND, &steps))) {
			assert_true(node->key >= last);
			last = node->key;
			taken += node != &early;
		}
		total += 32 - steps;
		if (call % 8 == 0 && !wheel_has(&early))
			insert(&early, MAX(last, wheel.base), slot);
		int other = (int)(next_random() % (uint64_t)n);
		if (wheel_has(&many[other])) {
			wheel_remove(&wheel, &many[other]);
			removed++;
		}
		assert_true(steps == 0 || taken + removed == n);
	}
	assert_true(total <= (uint64_t)(n + n / 8 + 1) * (WHEEL_LEVELS - 5));
	free(many);
}

/* What the order of insertion was does not matter: with a million nodes, no node takes more steps than there are levels. */
TEST(shapes)
{
	size_t n = (size_t)test_scale(1000000);
	struct wheel_node *many = calloc(n, sizeof(*many));
	assert_non_null(many);
	for (int rising = 0; rising < 2; rising++) {
		wheel_empty();
		for (size_t i = 0; i < n; i++)
			insert(&many[i], SECOND + (int64_t)(rising ? i : n - i) * 1000, 0);
		int64_t last = 0;
		unsigned all = NO_LIMIT;
		for (size_t i = 0; i < n; i++) {
			struct wheel_node *node = wheel_take(&wheel, WHEEL_NEVER, &all);
			assert_non_null(node);
			assert_true(node->key > last);
			last = node->key;
		}
		assert_true(NO_LIMIT - all <= 6 * n);
		assert_empty();
	}
	free(many);
}
