/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Users of a channel, counted by what they do, in one word. Who ends the last one of a side closes the channel *before* it
 * gives up its count: so nobody can have freed the channel meanwhile. Who brings the word to 0 frees it.
 */
#include <errno.h>

#include "base/check.h"
#include "run/report.h"
#include "run/thread.h"
#include "sync/chan.h"

#define RECEIVER ((uint64_t)1)
#define SENDER   ((uint64_t)1 << 32)

static uint64_t one_of(int op)
{
	return op == SLEY_SEND ? SENDER : RECEIVER;
}

static uint32_t users_of(uint64_t users, int op)
{
	return op == SLEY_SEND ? (uint32_t)(users >> 32) : (uint32_t)users;
}

/* `call` is the public name, for messages. */
static int check_user(const struct sley_chan *chan, int op, const char *call)
{
	int error = check_object(chan, call, "channel");
	return error == 0 && op != SLEY_SEND && op != SLEY_RECV ? -EINVAL : error;
}

int sley_chan_ref(struct sley_chan *chan, int op)
{
	int error = check_user(chan, op, "sley_chan_ref");
	if (error)
		return error;
	uint64_t users = load(&chan->users, relaxed);
	do {
		if (users_of(users, op) == UINT32_MAX)
			return -EOVERFLOW;
	} while (!cas_weak(&chan->users, &users, users + one_of(op), relaxed,
			   relaxed)); /* relaxed: the caller sees it */
	return 0;
}

/* Outside of a run nobody waits, and the lock may be held for ever (in a forked child). */
static void close_for_last(struct sley_chan *chan)
{
	if (run_is_over(sley_chan_close(chan)))
		store(&chan->closed, 1, relaxed);
}

static int free_with_last(struct sley_chan *chan)
{
	int error = chan_free(chan);
	if (error)
		complain(
			"The last user of a channel has gone (sley_chan_unref()), but a call waits on it, or has yet to return. "
			"The channel is not freed. Let each task and thread that uses it have a sley_chan_ref() of its own");
	return error;
}

int sley_chan_unref(struct sley_chan *chan, int op)
{
	int error = check_user(chan, op, "sley_chan_unref");
	if (error)
		return error;
	bool closed = false;
	uint64_t users = load(&chan->users, relaxed), rest;
	do {
		if (users_of(users, op) == 0)
			return -EINVAL;
		rest = users - one_of(op);
		if (users_of(users, op) == 1 && !closed) {
			close_for_last(chan);
			closed = true;
		}
		/* release: our use of the channel; acquire: the use by all others, for who frees it */
	} while (!cas_weak(&chan->users, &users, rest, acq_rel, relaxed));
	return rest == 0 ? free_with_last(chan) : 0;
}
