/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What is given back of a stack, what is kept, and what is known then of how deep it was. The tenants are no tasks. */
#include "stack/slot.h"

#include "tests/unit/run.h"

#include <string.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "base/atomic.h"
#include "base/decay.h"
#include "stack/strict.h"

#define SIZE ((size_t)256 << 10)
#define KEPT 3 /* pages that stay if nothing is live: that of the top, and two */

static struct stack_worker worker;

/* 200 slots, so that some are exclusive. */
static int open_slots(void **state)
{
	return blocks_open() || slots_open(200, SIZE, 1) || stack_worker_init(&worker, 0);
}

static int close_slots(void **state)
{
	stack_worker_fini(&worker);
	slots_close();
	blocks_close();
	return 0;
}

/* Resident pages of the stack. */
static unsigned resident(const struct slot *slot)
{
	unsigned char pages[SIZE / 4096];
	unsigned n = 0;
	assert_int_equal(mincore(slot->low, SIZE, pages), 0);
	for (size_t i = 0; i < SIZE / PAGE; i++)
		n += pages[i] & 1;
	return n;
}

/* A call goes `depth` bytes down from the top, and leaves its bytes there. */
static void dig(struct slot *slot, size_t depth)
{
	memset(slot->top - depth, 0x55, depth);
}

static struct slot *pick(enum slot_kind kind)
{
	struct slot *slot;
	if (kind == SLOT_PRIVATE)
		return slot_private_new();
	do
		slot = slot_pick(&worker, true);
	while (slot->kind != kind);
	return slot;
}

/* Looks at the slot, which must then be `pages` deep for all that is known, by those. */
static size_t look(struct slot *slot, unsigned pages, enum slot_since since)
{
	unsigned found;
	enum slot_since by;
	assert_true(slot_try(slot));
	size_t given = slot_trim(slot, &found, &by);
	assert_null(slot_release(slot));
	assert_int_equal(found, pages);
	assert_int_equal(by, since);
	assert_false(slot_wants_trim(slot) && resident(slot) <= KEPT);
	return given;
}

/* Of a stack that was left, all but the hot end is given back, once. */
static void check_left(enum slot_kind kind)
{
	struct slot *slot = pick(kind);
	assert_false(slot_wants_trim(slot)); /* it was never used */
	slot_bind(slot, 7, 1);
	dig(slot, 40 * PAGE);
	unsigned deep = resident(slot);
	assert_in_range(deep, 40, 41);
	assert_true(slot_wants_trim(slot));
	assert_int_equal(look(slot, deep, SINCE_ONE), (deep - KEPT) * PAGE);
	assert_int_equal(resident(slot), KEPT);
	assert_false(slot_wants_trim(slot));
	assert_int_equal(look(slot, 0, SINCE_NOBODY), 0);
	slot_put(&worker, slot);
}

TEST_WITH(left, open_slots, close_slots)
{
	check_left(SLOT_EXCLUSIVE);
	check_left(SLOT_PRIVATE);
}

#ifndef SLEY_ASAN
/* A blocking stack that was left loses all pages. One with a tenant on it keeps the live ones and two, like all others. */
TEST_WITH(left_blocking, open_slots, close_slots)
{
	struct slot *slot;
	struct tenant tenant = { 0 }, *evicted;
	unsigned pages;
	enum slot_since since;
	do
		slot = slot_pick_blocking(&worker);
	while (slot->kind != SLOT_BLOCKING);
	assert_false(slot_wants_trim(slot)); /* it was never used */
	tenant.slot = slot;
	assert_true(slot_try(slot));
	slot_bind(slot, 7, 1);
	assert_int_equal(slot_enter(&worker, &tenant, &evicted), 0);
	tenant.context.sp = slot->top - 100;
	dig(slot, 40 * PAGE);
	assert_true(slot_wants_trim(slot));
	slot_trim(slot, &pages, &since);
	assert_int_equal(resident(slot), KEPT);
	slot_leave(&tenant);
	assert_true(slot_wants_trim(slot));
	assert_int_equal(slot_trim(slot, &pages, &since), KEPT * PAGE);
	assert_int_equal(resident(slot), 0);
	assert_false(slot_wants_trim(slot));
	assert_null(slot_release(slot));
	slot_put(&worker, slot);
}
#endif

/* Live bytes and two pages below them stay as they are; what is found below is zero then. */
TEST_WITH(live, open_slots, close_slots)
{
	struct slot *slot = pick(SLOT_EXCLUSIVE);
	struct tenant tenant = { .slot = slot }, *evicted;
	for (size_t live = 16; live < SIZE - 64 * PAGE / 2; live += 3 * PAGE - 16) {
		assert_true(slot_try(slot));
		slot_bind(slot, 7, 1);
		assert_int_equal(slot_enter(&worker, &tenant, &evicted), 0);
		dig(slot, SIZE - 2 * PAGE);
		memset(slot->top - live, 0x77, live);
		tenant.context.sp = slot->top - live;
		assert_null(slot_release(slot));
		unsigned pages;
		enum slot_since since;
		assert_true(slot_try(slot));
		slot_trim(slot, &pages, &since);
		assert_null(slot_release(slot));
		for (size_t i = 0; i < live; i++)
			assert_int_equal(slot->top[-1 - (ptrdiff_t)i], 0x77);
		uintptr_t floor = (uintptr_t)tenant.context.sp / PAGE * PAGE - 2 * PAGE;
		assert_int_equal(resident(slot), ((uintptr_t)slot->low + SIZE - floor) / PAGE);
		assert_int_equal(*(char *)floor, 0x55);
		assert_int_equal(((char *)floor)[-1], 0);
	}
	assert_true(slot_try(slot));
	slot_leave(&tenant);
	assert_null(slot_release(slot));
	slot_put(&worker, slot);
}

/* A stack that is live nearly down to its end: nothing is given back, least of all of the guard. */
TEST_WITH(full, open_slots, close_slots)
{
	struct slot *slot = pick(SLOT_EXCLUSIVE);
	struct tenant tenant = { .slot = slot }, *evicted;
	assert_true(slot_try(slot));
	slot_bind(slot, 7, 1);
	assert_int_equal(slot_enter(&worker, &tenant, &evicted), 0);
	memset(slot->low, 0x77, (size_t)(slot->top - slot->low));
	tenant.context.sp = slot->low + PAGE + 16;
	assert_null(slot_release(slot));
	assert_int_equal(look(slot, SIZE / PAGE, SINCE_ONE), 0);
	assert_true(slot_try(slot));
	slot_leave(&tenant);
	assert_null(slot_release(slot));
	slot_put(&worker, slot);
}

/* A call that touched the end of a large frame alone is found, and its page given back. */
TEST_WITH(hole, open_slots, close_slots)
{
	struct slot *slot = pick(SLOT_EXCLUSIVE);
	slot_bind(slot, 7, 1);
	dig(slot, 100);
	slot->low[0] = 1;
	assert_int_equal(resident(slot), 2);
	look(slot, SIZE / PAGE, SINCE_ONE);
	assert_int_equal(resident(slot), 1);
	slot_put(&worker, slot);
}

/* Who was so deep: one tenant, several of a site, or nobody knows; and each look begins anew. */
TEST_WITH(since, open_slots, close_slots)
{
	struct slot *slot = pick(SLOT_EXCLUSIVE);
	size_t depth = 10 * PAGE;
	slot_bind(slot, 7, 1);
	slot_bind(slot, 8, 1);
	dig(slot, depth);
	look(slot, resident(slot), SINCE_SITE);
	slot_bind(slot, 9, 1);
	slot_bind(slot, 10, 2);
	slot_bind(slot, 11, 2);
	dig(slot, depth);
	look(slot, resident(slot), SINCE_MIXED);
	slot_bind(slot, 12, 2);
	dig(slot, depth);
	look(slot, resident(slot), SINCE_ONE);
	dig(slot, KEPT * PAGE - PAGE); /* no deeper than what was left there */
	look(slot, 0, SINCE_NOBODY);
	slot_put(&worker, slot);
}

#ifndef SLEY_ASAN /* there no two share a slot */
/* On a shared slot tenants come back without being bound again: a look is no new beginning. */
TEST_WITH(shared, open_slots, close_slots)
{
	struct slot *slot = &slot_at(0)[0];
	assert_int_equal(slot->kind, SLOT_SHARED);
	slot_bind(slot, 7, 1);
	dig(slot, 10 * PAGE);
	look(slot, resident(slot), SINCE_ONE);
	slot_bind(slot, 8, 1);
	dig(slot, 10 * PAGE);
	look(slot, resident(slot), SINCE_SITE);
	slot_bind(slot, 9, 2);
	dig(slot, 10 * PAGE);
	look(slot, resident(slot), SINCE_MIXED);
	dig(slot, 10 * PAGE);
	look(slot, resident(slot), SINCE_MIXED);
}
#endif

/* All private slots get their turn, but those that are held by others; none is unmapped while it is looked at. */
TEST_WITH(private, open_slots, close_slots)
{
	struct slot *slots[150], *held[20], *last = NULL;
	bool seen[150] = { false };
	unsigned rounds = 0, count = 0;
	assert_int_equal(slots_hold_private(held, 20), 0);
	for (int i = 0; i < 150; i++)
		assert_non_null(slots[i] = slot_private_new());
	assert_true(slot_try(slots[3]));
	for (; count < 149; rounds++) {
		unsigned n = slots_hold_private(held, 20);
		assert_true(n == 20);
		for (unsigned k = 0; k < n; k++) {
			for (int i = 0; i < 150; i++) {
				if (held[k] != slots[i])
					continue;
				assert_int_not_equal(i, 3);
				count += !seen[i];
				seen[i] = true;
			}
			assert_null(slot_release(held[k]));
		}
	}
	assert_int_equal(rounds, 8); /* 149 in twenties */
	assert_null(slot_release(slots[3]));
	/* two are looked at while all are put back: more than are kept */
	unsigned n = slots_hold_private(held, 2);
	assert_int_equal(n, 2);
	for (int i = 0; i < 150; i++)
		slot_put(&worker, slots[i]);
	for (unsigned k = 0; k < n; k++) {
		last = held[k];
		memset(last->top - 100, 1, 100);
		assert_null(slot_release(last));
	}
	assert_int_equal(slots_hold_private(held, 20), 20);
	for (unsigned k = 0; k < 20; k++)
		assert_null(slot_release(held[k]));
}

/* What one run's stacks are to lose is nothing to the next run, which has others, or strict ones. */
TEST(next_run)
{
	assert_int_equal(open_slots(NULL), 0);
	pick(SLOT_EXCLUSIVE); /* a batch of them, of which the worker keeps the rest */
	stack_worker_empty(&worker);
	for (int i = 0; i <= DECAY_STEPS; i++)
		slots_age();
	close_slots(NULL);

	assert_int_equal(strict_open(100, SIZE), 0);
	assert_int_equal(slots_trim_free(), 0);
	slots_age();
	assert_int_equal(slots_trim_free(), 0);
	slots_close();

	assert_int_equal(open_slots(NULL), 0);
	assert_int_equal(slots_trim_free(), 0);
	slots_age();
	assert_int_equal(slots_trim_free(), 0);
	close_slots(NULL);
}
