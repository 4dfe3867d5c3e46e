/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Freeing a channel while others are on their way out of it. With one worker none of those who were woken runs before
 * the main task waits, so each is still inside its call when the channel goes.
 */
#include "sync/chan.h"

#include "tests/unit/run.h"

#include <errno.h>
#include <stdlib.h>

static struct sley_chan *chan;
static int answer;
static void *reused;

static void give(void *size)
{
	char item[100];
	memset(item, 1, (size_t)size);
	answer = sley_chan_send(chan, item, SLEY_NEVER);
}

static void receive(void *size)
{
	char item[100] = { 0 };
	answer = sley_chan_recv(chan, item, SLEY_NEVER);
	REQUIRE(answer != 0 || (item[0] == 1 && item[(size_t)size - 1] == 1));
}

static void select_both(void *size)
{
	char item[100] = { 0 };
	struct sley_case cases[] = { { .chan = chan, .op = SLEY_RECV, .into = item },
				     { .chan = chan, .op = SLEY_RECV, .into = item } };
	answer = sley_select(cases, 2, SLEY_NEVER);
	answer = answer >= 0 ? cases[answer].error : answer;
	REQUIRE(answer != 0 || (item[0] == 1 && item[(size_t)size - 1] == 1));
}

/* Frees it, and what was there is something else now, as it soon will be in a service. */
static void free_and_reuse(void)
{
	REQUIRE(sley_chan_free(chan) == 0);
	reused = malloc(sizeof(struct sley_chan));
	memset(reused, 0xff, sizeof(struct sley_chan));
	__asm__ volatile("" : : "r"(reused) : "memory");
}

static sley_task wait_on_new(void (*fn)(void *), size_t size)
{
	REQUIRE(sley_chan_new(&chan, size, 0) == 0);
	sley_task task = sley_spawn(fn, (void *)size);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_NONE);
	REQUIRE(sley_chan_free(chan) == -EBUSY);
	return task;
}

static void join_answered(sley_task task, int expected)
{
	REQUIRE(sley_join(task, SOON) == 0 && answer == expected);
	free(reused);
	reused = NULL;
}

static const size_t sizes[] = { 8, 100 }; /* in the wait node, in a block */

/* Who was woken by the close needs the channel no more. */
TASK_TEST(closed, 1)
{
	for (int i = 0; i < 2; i++) {
		sley_task task = wait_on_new(receive, sizes[i]);
		REQUIRE(sley_chan_close(chan) == 0);
		free_and_reuse();
		join_answered(task, -EPIPE);
		task = wait_on_new(give, sizes[i]);
		REQUIRE(sley_chan_close(chan) == 0);
		free_and_reuse();
		join_answered(task, -EPIPE);
	}
}

/* Nor who was given an item, or whose item was taken. */
TASK_TEST(served, 1)
{
	char item[100];
	memset(item, 1, sizeof(item));
	for (int i = 0; i < 2; i++) {
		sley_task task = wait_on_new(receive, sizes[i]);
		REQUIRE(sley_chan_send(chan, item, SLEY_NEVER) == 0);
		free_and_reuse();
		join_answered(task, 0);
		task = wait_on_new(give, sizes[i]);
		REQUIRE(sley_chan_recv(chan, item, SLEY_NEVER) == 0 && item[0] == 1);
		free_and_reuse();
		join_answered(task, 0);
		memset(item, 1, sizeof(item));
	}
}

/* A waiter that was cancelled is taken off the list by a sender who meets it there; it has yet to take itself off. */
TASK_TEST(given_up, 1)
{
	char item[100] = { 0 };
	for (int i = 0; i < 2; i++) {
		sley_task task = wait_on_new(receive, sizes[i]);
		REQUIRE(sley_cancel(task) == 0);
		REQUIRE(sley_chan_try_send(chan, item) == -EAGAIN);
		REQUIRE(!chan->receivers.head && sley_chan_free(chan) == -EBUSY);
		join_answered(task, -ECANCELED);
		REQUIRE(sley_chan_free(chan) == 0);
	}
}

/* A select takes its other cases back first, however it ended. */
TASK_TEST(select, 1)
{
	char item[100];
	memset(item, 1, sizeof(item));
	for (int i = 0; i < 2; i++) {
		sley_task task = wait_on_new(select_both, sizes[i]);
		REQUIRE(sley_chan_close(chan) == 0 && sley_chan_free(chan) == -EBUSY);
		join_answered(task, -EPIPE);
		free_and_reuse();
		task = wait_on_new(select_both, sizes[i]);
		REQUIRE(sley_chan_send(chan, item, SLEY_NEVER) == 0 && sley_chan_free(chan) == -EBUSY);
		join_answered(task, 0);
		free_and_reuse();
		task = wait_on_new(select_both, sizes[i]);
		REQUIRE(sley_cancel(task) == 0 && sley_chan_free(chan) == -EBUSY);
		join_answered(task, -ECANCELED);
		free_and_reuse();
	}
}
