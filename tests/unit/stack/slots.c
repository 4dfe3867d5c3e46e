/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Where slots come from: kinds, the order in which they are given out, guards, and private stacks. */
#include "stack/slot.h"

#include "tests/unit/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/refuse.h"

#define SIZE  ((size_t)64 << 10)
#define SLOTS 1000

static struct stack_worker worker;

static int open_pool(void **state)
{
	return slots_open(SLOTS, SIZE, 1) || stack_worker_init(&worker, 0);
}

static int close_pool(void **state)
{
	stack_worker_fini(&worker);
	slots_close();
	return 0;
}

/* Whether the kernel can read a byte there: asked without a fault of our own. */
static bool readable(const char *p)
{
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	ssize_t n = write(ends[1], p, 1);
	assert_true(n == 1 || errno == EFAULT);
	close(ends[0]);
	close(ends[1]);
	return n == 1;
}

static void check_guard(const struct slot *slot)
{
	assert_true(readable(slot->low) && readable(slot->top - 1));
	assert_false(readable(slot->low - 1));
	assert_false(readable(slot->low - STACK_GUARD));
	assert_false(readable(slot->low - STACK_GUARD / 2));
}

/* Every slot that is given out has its guard below it, is in the copying range, and is as large as was asked for. */
TEST_WITH(guards, open_pool, close_pool)
{
	test_need_kernel("qemu-user drops MADV_GUARD_INSTALL");
	for (int i = 0; i < SLOTS; i++) {
		struct slot *slot = slot_pick(&worker, true);
		assert_non_null(slot);
		assert_true(slot->kind != SLOT_PRIVATE);
		assert_true(stack_is_copying(slot->low) && stack_is_copying(slot->top - 1));
		assert_int_equal((uintptr_t)slot->low % 4096, 0);
		assert_int_equal((uintptr_t)slot->top % 16, 0);
		assert_true(slot->top > slot->low + SIZE - 4096 && slot->top <= slot->low + SIZE);
		memset(slot->top - 100, 1, 100);
		if (i % 50 == 0)
			check_guard(slot);
	}
}

/* Without room for guards stacks are given out all the same, and that is said, once. The filter is for good: in a child. */
TEST_WITH(no_guard, open_pool, close_pool)
{
	static const struct call map = { "mprotect", SYS_mprotect, 2, STACK_GUARD };
	char said[4096];
	int ends[2], status;
	test_need_kernel("qemu-user knows no filters");
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(ends[1], STDERR_FILENO);
		refuse(&map, ENOMEM);
		for (int i = 0; i < 3; i++)
			REQUIRE(slot_pick(&worker, true) != NULL);
		_exit(0);
	}
	close(ends[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	ssize_t n = read(ends[0], said, sizeof(said) - 1);
	close(ends[0]);
	said[n > 0 ? n : 0] = '\0';
	assert_int_equal(status, 0);
	char *first = strstr(said, "some stacks have no guard below them");
	assert_non_null(first);
	assert_non_null(strstr(first, "vm.max_map_count"));
	assert_null(strstr(first + 1, "some stacks have no guard below them"));
}

/* The check of addresses is exact at both ends of the range. */
TEST_WITH(range, open_pool, close_pool)
{
	int here;
	assert_true(stack_is_copying((void *)stacks_begin));
	assert_false(stack_is_copying((void *)(stacks_begin - 1)));
	assert_true(stack_is_copying((void *)(stacks_begin + stacks_size - 1)));
	assert_false(stack_is_copying((void *)(stacks_begin + stacks_size)));
	assert_false(stack_is_copying(NULL));
	assert_false(stack_is_copying(&here));
	assert_false(stack_is_copying(&worker));
}

/* Exclusive slots are given out first, each once; a reserve of them is kept for large images; then shared ones, in turn. */
TEST_WITH(order, open_pool, close_pool)
{
	struct slot *slots[SLOTS];
	unsigned exclusive = 0, large = 0;
	for (;;) {
		struct slot *slot = slot_pick(&worker, false);
		if (!slot || slot->kind != SLOT_EXCLUSIVE)
			break;
		for (unsigned i = 0; i < exclusive; i++)
			assert_ptr_not_equal(slots[i], slot);
		slots[exclusive++] = slot;
	}
	assert_true(exclusive > SLOTS / 2);
#ifdef SLEY_ASAN /* none are shared: private ones follow */
	struct slot *others[2] = { slot_pick(&worker, false), slot_pick(&worker, true) };
	assert_int_equal(exclusive, SLOTS);
	for (int i = 0; i < 2; i++)
		assert_int_equal(others[i]->kind, SLOT_PRIVATE);
	assert_ptr_not_equal(others[0], others[1]);
	for (int i = 0; i < 2; i++)
		slot_put(&worker, others[i]);
#else
	struct slot *first = slot_pick(&worker, false), *second = slot_pick(&worker, false);
	assert_int_equal(first->kind, SLOT_SHARED);
	assert_ptr_not_equal(first, second);
	assert_true(slot_try(first)); /* one that is held is passed over */
	for (int i = 0; i < 500; i++)
		assert_ptr_not_equal(slot_pick(&worker, false), first);
	assert_null(slot_release(first));
	while (slot_pick(&worker, true)->kind == SLOT_EXCLUSIVE)
		large++;
	assert_true(large > 0);
	assert_true(exclusive + large < SLOTS);
#endif
	/* what is put back is the next to be had */
	slot_put(&worker, slots[0]);
	assert_ptr_equal(slot_pick(&worker, false), slots[0]);
	for (unsigned i = 0; i < exclusive; i++)
		slot_put(&worker, slots[i]);
	unsigned again = 0;
	while (again < exclusive && slot_pick(&worker, true)->kind == SLOT_EXCLUSIVE)
		again++;
	assert_int_equal(again, exclusive);
	(void)large;
}

/* What one worker had and gave back keeps no other from a slot, even if that was all there is. */
TEST_WITH(two_workers, open_pool, close_pool)
{
	struct stack_worker other;
	struct slot *slots[SLOTS];
	unsigned n = 0;
	assert_int_equal(stack_worker_init(&other, 1), 0);
	while (n < SLOTS && (slots[n] = slot_pick(&worker, true)) && slots[n]->kind == SLOT_EXCLUSIVE)
		n++;
	for (unsigned i = 0; i < n; i++) {
		slot_put(&worker, slots[i]);
		struct slot *had = slot_pick(&other, true);
		assert_non_null(had);
		slot_put(&other, had);
	}
	stack_worker_fini(&other);
}

#ifndef SLEY_ASAN
#define WORKERS 8

/* Puts the shared slots that the worker picks in its turns into `seen`; returns their number. */
static unsigned see_shared(struct stack_worker *of, struct slot **seen)
{
	unsigned n = 0;
	for (unsigned i = 0; i < SLOTS; i++) {
		struct slot *slot = slot_pick(of, false);
		unsigned known = 0;
		assert_int_equal(slot->kind, SLOT_SHARED);
		while (known < n && seen[known] != slot)
			known++;
		if (known == n)
			seen[n++] = slot;
	}
	return n;
}

/* Workers share no slot while each has one that is free; a spare has those of the worker of its number. */
TEST(shares)
{
	static struct stack_worker workers[WORKERS + 1];
	static struct slot *seen[WORKERS + 1][SLOTS];
	unsigned n[WORKERS + 1];
	assert_int_equal(slots_open(SLOTS, SIZE, WORKERS), 0);
	for (unsigned w = 0; w <= WORKERS; w++)
		assert_int_equal(stack_worker_init(&workers[w], w), 0);
	while (slot_pick(&workers[0], true)->kind == SLOT_EXCLUSIVE)
		continue;
	for (unsigned w = 0; w <= WORKERS; w++)
		n[w] = see_shared(&workers[w], seen[w]);
	for (unsigned w = 1; w <= WORKERS; w++) {
		assert_int_equal(n[w], n[0]);
		for (unsigned i = 0, common; i < n[0]; i++) {
			common = 0;
			for (unsigned j = 0; j < n[0]; j++)
				common += seen[w][i] == seen[0][j];
			assert_int_equal(common, w == WORKERS);
		}
	}
	for (unsigned i = 0; i < n[0]; i++) /* all of its own are held */
		assert_true(slot_try(seen[0][i]));
	struct slot *other = slot_pick(&workers[0], false);
	assert_int_equal(other->kind, SLOT_SHARED);
	assert_true(slot_try(other));
	for (unsigned w = 0; w <= WORKERS; w++)
		stack_worker_fini(&workers[w]);
	slots_close();
}

/* What may block gets every exclusive slot, then each blocking slot once, then these in turn; a free one again first. */
TEST_WITH(blocking, open_pool, close_pool)
{
	static struct slot *slots[2 * SLOTS];
	unsigned n = 0, exclusive = 0, blocking = 0;
	for (; n < 2 * SLOTS; n++) {
		struct slot *slot = slots[n] = slot_pick_blocking(&worker);
		assert_true(stack_is_copying(slot->low) && stack_is_copying(slot->top - 1));
		assert_true(slot->kind == SLOT_BLOCKING || (slot->kind == SLOT_EXCLUSIVE && blocking == 0));
		exclusive += slot->kind == SLOT_EXCLUSIVE;
		if (blocking > 0 && slot == slots[exclusive])
			break;
		blocking += slot->kind == SLOT_BLOCKING;
		for (unsigned i = 0; i < n; i++)
			assert_ptr_not_equal(slots[i], slot);
	}
	assert_int_equal(blocking, SLOTS / 4);
	assert_int_equal(exclusive + blocking, slots_count() - 64);
	for (unsigned i = 1; i < blocking; i++)
		assert_ptr_equal(slot_pick_blocking(&worker), slots[exclusive + i]);
	/* each has two tenants now; nobody else gets one */
	assert_int_equal(slot_pick(&worker, true)->kind, SLOT_SHARED);
	slot_put(&worker, slots[exclusive + 9]);
	assert_ptr_equal(slot_pick_blocking(&worker), slots[exclusive]);
	slot_put(&worker, slots[exclusive + 9]);
	assert_ptr_equal(slot_pick_blocking(&worker), slots[exclusive + 9]);
}
#endif

/* Tops are staggered, so that they do not all fight for the same cache sets. */
TEST_WITH(colours, open_pool, close_pool)
{
	bool seen[4096 / 64] = { false };
	unsigned colours = 0;
	for (int i = 0; i < 100; i++) {
		struct slot *slot = slot_pick(&worker, true);
		unsigned set = (uintptr_t)slot->top % 4096 / 64;
		colours += !seen[set];
		seen[set] = true;
	}
	assert_true(colours >= 4);
}

/* A private stack has a guard, lies outside the copying range, and is reused; each of many is another one. */
TEST_WITH(private, open_pool, close_pool)
{
	struct slot *slots[200];
	test_need_kernel("qemu-user drops MADV_GUARD_INSTALL");
	for (int i = 0; i < 200; i++) {
		slots[i] = slot_private_new();
		assert_non_null(slots[i]);
		assert_int_equal(slots[i]->kind, SLOT_PRIVATE);
		assert_false(stack_is_copying(slots[i]->low) || stack_is_copying(slots[i]->top - 1));
		memset(slots[i]->top - 1000, i, 1000);
		check_guard(slots[i]);
	}
	for (int i = 0; i < 200; i++)
		assert_int_equal((unsigned char)slots[i]->top[-1], i);
	struct slot *last = slots[0];
	slot_put(&worker, last);
	assert_ptr_equal(slot_private_new(), last);
	for (int i = 0; i < 200; i++)
		slot_put(&worker, slots[i]);
}

/* One slot alone, and the smallest stacks, work. */
TEST(smallest)
{
	test_need_kernel("qemu-user drops MADV_GUARD_INSTALL");
	assert_int_equal(slots_open(1, 16 << 10, 1), 0);
	assert_int_equal(stack_worker_init(&worker, 0), 0);
	struct slot *slot = slot_pick(&worker, false);
	assert_non_null(slot);
	check_guard(slot);
	stack_worker_fini(&worker);
	slots_close();
	assert_int_equal(stacks_size, 0);
	assert_false(stack_is_copying(slot));
}

/* More address space than there is: -ENOMEM, and nothing is left behind. */
TEST(too_much)
{
	assert_int_equal(slots_open(1 << 20, (size_t)1 << 30, 1), -ENOMEM);
	assert_int_equal(open_pool(NULL), 0);
	assert_int_equal(close_pool(NULL), 0);
}
