/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Links: which ends cancel the other, which do not, and what takes a link back. */
#include "tests/unit/run.h"

#include "base/atomic.h"
#include "base/block.h"

static struct sley_group gate;
static unsigned linked; /* atomic */

static void at_gate(void *arg)
{
	sley_group_wait(&gate, SLEY_NEVER);
}

static void waits(void *arg)
{
	sley_sleep(SLEY_NEVER);
}

/* Links itself with the task, then waits for ever; ends only if it is cancelled. */
/* By value: an id may look like an address on a copying stack, as with qemu, where these are low. */
static sley_task spawn_with(void (*fn)(void *), sley_task other)
{
	return sley_spawn_copy(fn, &other, sizeof(other));
}

static void links_and_waits(void *task)
{
	REQUIRE(sley_task_link(*(const sley_task *)task) == 0);
	REQUIRE(sley_task_link(*(const sley_task *)task) == 0); /* again: no change */
	fetch_add(&linked, 1, release);
	REQUIRE(sley_sleep(SLEY_NEVER) == -ECANCELED);
}

static sley_task start_linked(sley_task other)
{
	unsigned before = load(&linked, relaxed);
	sley_task task = spawn_with(links_and_waits, other);
	while (load(&linked, acquire) == before)
		sley_yield();
	return task;
}

/* ---- which ends ---- */

/* The end of a cancelled task cancels the linked one, in either direction, and so on. */
TASK_TEST(cancelled, 1, 2, 4)
{
	for (int which = 0; which < 2; which++) {
		sley_task one = sley_spawn(waits, NULL), two = start_linked(one), three = start_linked(two);
		REQUIRE(sley_cancel(which == 0 ? one : three) == 0);
		REQUIRE(sley_join(one, SOON) == 0 && sley_join(two, SOON) == 0 && sley_join(three, SOON) == 0);
	}
}

/* A task that returns does no harm, and what is left of the link does none either. */
TASK_TEST(returned, 1, 2, 4)
{
	REQUIRE(sley_group_add(&gate, 1) == 0);
	sley_task one = sley_spawn(at_gate, NULL), two = start_linked(one);
	REQUIRE(sley_group_done(&gate) == 0);
	REQUIRE(sley_join(one, SOON) == 0);
	await_state(two, SLEY_TASK_WAITING, SLEY_WAIT_SLEEP);
	REQUIRE(sley_join(two, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_cancel(two) == 0);
	REQUIRE(sley_join(two, SOON) == 0);
}

static int at_gate_then(void *result)
{
	sley_group_wait(&gate, SLEY_NEVER);
	return (int)(intptr_t)result;
}

/* A scope's child that fails cancels those that are linked with it; one that succeeds does not. */
TASK_TEST(children, 1, 2, 4)
{
	struct sley_scope_options options = { .size = sizeof(options), .keep_going = 1 };
	struct sley_scope *scope;
	REQUIRE(sley_scope_open(&scope, &options) == 0);
	REQUIRE(sley_group_add(&gate, 1) == 0);
	sley_task good = sley_scope_spawn(scope, at_gate_then, (void *)1);
	sley_task bad = sley_scope_spawn(scope, at_gate_then, (void *)(intptr_t)-EIO);
	sley_task of_good = start_linked(good), of_bad = start_linked(bad);
	REQUIRE(sley_group_done(&gate) == 0);
	REQUIRE(sley_scope_close(scope, SOON) == -EIO);
	REQUIRE(sley_join(of_bad, SOON) == 0);
	REQUIRE(sley_join(of_good, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_cancel(of_good) == 0 && sley_join(of_good, SOON) == 0);
}

/* ---- taken back ---- */

static void unlinks(void *task)
{
	sley_task other = *(const sley_task *)task;
	REQUIRE(sley_task_unlink(other) == -ENOENT);
	REQUIRE(sley_task_link(other) == 0);
	REQUIRE(sley_task_unlink(other) == 0);
	REQUIRE(sley_task_unlink(other) == -ENOENT);
	REQUIRE(sley_cancel(other) == 0);
	REQUIRE(sley_join(other, SOON) == 0);
	REQUIRE(sley_cancelled() == 0);
}

static sley_task linker; /* atomic */

static void is_linked_then_unlinks(void *arg)
{
	while (load(&linked, acquire) == 0 || load(&linker, relaxed) == 0)
		sley_yield();
	REQUIRE(sley_task_unlink(load(&linker, relaxed)) == 0);
	REQUIRE(sley_task_unlink(load(&linker, relaxed)) == -ENOENT);
	REQUIRE(sley_cancel(sley_self()) == 0);
}

/* Either of them takes the link back; then a failure is the failing one's own. */
TASK_TEST(unlink, 1, 2, 4)
{
	sley_task task = spawn_with(unlinks, sley_spawn(waits, NULL));
	REQUIRE(sley_join(task, SOON) == 0);
	linked = 0;
	linker = 0;
	task = sley_spawn(is_linked_then_unlinks, NULL);
	sley_task other = spawn_with(links_and_waits, task);
	store(&linker, other, relaxed);
	REQUIRE(sley_join(task, SOON) == 0);
	await_state(other, SLEY_TASK_WAITING, SLEY_WAIT_SLEEP);
	REQUIRE(sley_cancel(other) == 0 && sley_join(other, SOON) == 0);
}

/* ---- masked ---- */

static void masked(void *task)
{
	sley_task other = *(const sley_task *)task;
	REQUIRE(sley_cancel_mask(1) == 0);
	REQUIRE(sley_task_link(other) == 0);
	REQUIRE(sley_cancel(other) == 0);
	REQUIRE(sley_join(other, SOON) == 0); /* by then its end has been told */
	REQUIRE(sley_cancelled() == 1);
	REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
	REQUIRE(sley_cancel_mask(0) == 1);
	REQUIRE(sley_sleep(SLEY_NEVER) == -ECANCELED);
}

/* It is a cancellation like any other: it can be masked, and is told before a join of the task returns. */
TASK_TEST(masked, 1, 2, 4)
{
	REQUIRE(sley_join(spawn_with(masked, sley_spawn(waits, NULL)), SOON) == 0);
}

/* ---- refused ---- */

static int main_refused(void *arg)
{
	sley_task task = sley_spawn(waits, NULL);
	REQUIRE(sley_task_link(sley_self()) == -EINVAL);
	REQUIRE(sley_task_link(0) == -ESRCH && sley_task_link(-1) == -ESRCH && sley_task_link(INT64_MAX) == -ESRCH);
	REQUIRE(sley_task_unlink(0) == -ENOENT && sley_task_unlink(sley_self()) == -ENOENT);
	for (unsigned good = 0; good < 3; good++) { /* the link, our extra, the other's extra */
		store(&block_test_fail, good + 1, relaxed);
		REQUIRE(sley_task_link(task) == -ENOMEM);
		store(&block_test_fail, 0, relaxed);
		REQUIRE(sley_task_unlink(task) == -ENOENT);
	}
	REQUIRE(sley_cancel(task) == 0);
	await_state(task, SLEY_TASK_ENDED, SLEY_WAIT_NONE);
	while (sley_task_link(task) == 0) /* its end is about to be told */
		REQUIRE(sley_task_unlink(task) == 0 || sley_cancelled());
	REQUIRE(sley_task_link(task) == -ESRCH);
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(sley_task_link(task) == -ESRCH);
	return 0;
}

/* Itself, stale and ended ones, no memory; outside of a task. */
TEST(refused)
{
	run(main_refused, 1);
	assert_int_equal(sley_task_link(1), -EDEADLK);
	assert_int_equal(sley_task_unlink(1), -EDEADLK);
}

/* ---- raced ---- */

static unsigned spared, cancelled; /* atomic */

static void links_or_not(void *task)
{
	sley_task other = *(const sley_task *)task;
	int error = sley_task_link(other);
	REQUIRE(error == 0 || error == -ESRCH);
	if (error == 0 && other % 2)
		sley_yield();
	bool was = sley_cancelled();
	if (error == 0 && sley_task_unlink(other) == 0) {
		was = was || sley_cancelled();
		for (int i = 0; i < 3; i++)
			sley_yield();
		REQUIRE(sley_cancelled() == was); /* not after the link was taken back */
	}
	fetch_add(sley_cancelled() ? &cancelled : &spared, 1, relaxed);
}

/*
 * Unlinking against the end: once it has returned 0 no cancellation comes of the link.
 *
 *   the failing task's worker             the other task
 *   takes its own half out
 *                                         sley_task_unlink(): takes its own half back
 *   the other's half: gone; no cancel
 */
TASK_TEST(unlink_race, 1, 2, 4)
{
	long rounds = test_scale(20000);
	spared = cancelled = 0;
	for (long i = 0; i < rounds; i++) {
		sley_task one = sley_spawn(waits, NULL);
		sley_task two = spawn_with(links_or_not, one);
		for (long k = i % 3; k > 0; k--)
			sley_yield();
		REQUIRE(sley_cancel(one) == 0);
		REQUIRE(sley_join(one, SOON) == 0 && sley_join(two, SOON) == 0);
	}
	REQUIRE(spared + cancelled == (unsigned)rounds);
}

static void links_back(void *arg)
{
	sley_task *other = arg;
	sley_task_link(load(other, acquire)); /* may have ended */
	if (sley_self() % 3 == 0)
		sley_cancel(sley_self());
}

/* Two tasks link each other and end at once, some with a failure: both ends are told, and nothing is left. */
TASK_TEST(both_end, 1, 2, 4)
{
	static sley_task pair[2]; /* atomic */
	for (long i = test_scale(20000); i > 0; i--) {
		store(&pair[1], 0, relaxed);
		store(&pair[0], sley_spawn(links_back, &pair[1]), release);
		store(&pair[1], sley_spawn(links_back, &pair[0]), release);
		if (i % 2)
			sley_yield();
		REQUIRE(sley_join(pair[0], SOON) == 0 && sley_join(pair[1], SOON) == 0);
	}
}
