/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Waits as wakers see them, without a run: the list, and who claims one. How tasks wait is in tests/unit/run/park.c. */
#include "task/wait.h"

#include "task/task.h"
#include "tests/test.h"

static struct task fakes[5];

/* A wait that nobody has ended. */
static void open_wait(struct task *task)
{
	task->wait.next = &task->wait;
	task->claim = ((task->claim >> CLAIM_BITS) + 1) << CLAIM_BITS;
}

/* Linked nodes come out in the order in which they went in; unlinking takes any of them; twice does no harm. */
TEST(list)
{
	struct sley_waiters waiters = { 0 };
	for (int leave = 0; leave < 5; leave++) {
		for (int i = 0; i < 5; i++) {
			open_wait(&fakes[i]);
			wait_link(&waiters, &fakes[i].wait);
		}
		wait_unlink(&waiters, &fakes[leave].wait);
		wait_unlink(&waiters, &fakes[leave].wait);
		for (int i = 0; i < 5; i++) {
			if (i != leave)
				assert_ptr_equal(wait_pop(&waiters, CLAIM_EVENT), &fakes[i]);
		}
		assert_null(wait_pop(&waiters, CLAIM_EVENT));
		assert_null(waiters.head);
	}
}

/* Popping skips waits that a deadline has ended already, and they are not linked afterwards. */
TEST(pop_skips)
{
	struct sley_waiters waiters = { 0 };
	for (int i = 0; i < 5; i++) {
		open_wait(&fakes[i]);
		wait_link(&waiters, &fakes[i].wait);
	}
	assert_true(wait_claim(&fakes[0], CLAIM_DEADLINE));
	assert_true(wait_claim(&fakes[1], CLAIM_DEADLINE));
	assert_true(wait_claim(&fakes[4], CLAIM_DEADLINE));
	assert_ptr_equal(wait_pop(&waiters, CLAIM_EVENT), &fakes[2]);
	wait_unlink(&waiters, &fakes[0].wait); /* what its task does when it wakes */
	wait_unlink(&waiters, &fakes[4].wait); /* and one that is still linked */
	assert_ptr_equal(wait_pop(&waiters, CLAIM_EVENT), &fakes[3]);
	assert_null(wait_pop(&waiters, CLAIM_EVENT));
}

/* One claim wins; a claim by the number of an earlier wait fails, whoever ended that one, and changes nothing. */
TEST(claim)
{
	struct task *task = &fakes[0];
	open_wait(task);
	uint64_t first = wait_number(task);
	assert_true(wait_claim_number(task, first, CLAIM_EVENT));
	assert_false(wait_claim_number(task, first, CLAIM_DEADLINE));
	assert_false(wait_claim(task, CLAIM_CLOSED));
	open_wait(task);
	assert_int_equal(wait_number(task), first + 1);
	assert_false(wait_claim_number(task, first, CLAIM_DEADLINE)); /* the late timer */
	assert_true(wait_claim(task, CLAIM_CLOSED));
	assert_int_equal(task->claim & 0xff, CLAIM_CLOSED);
}
