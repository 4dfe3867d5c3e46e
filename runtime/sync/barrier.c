/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Barrier: counts the arrivals of this round. The parties wait in a list until the last one arrives.
 *
 * A party that gives up takes its arrival back under the lock, so it counts until then:
 *      party                        its timer               the last one
 *      waits                        claims: deadline
 *                                                           arrives: the round is complete, with the party in it
 *      lock: the round is over: 0
 * The last one completes the round by the count, without the claims of the waits: there is no way to claim several
 * waits all or none.
 */
#include <errno.h>

#include "run/park.h"
#include "run/queue.h"
#include "run/report.h"

/* Completes the round. The lock is held, and dropped. */
static int complete(struct sley_barrier *barrier)
{
	barrier->arrived = 0;
	barrier->round++;
	struct task_list list = { 0 };
	wait_pop_all(&barrier->waiters, CLAIM_EVENT, &list);
	lock_drop(lock_of(&barrier->lock));
	task_ready_list(&list);
	return SLEY_BARRIER_SERIAL;
}

static int arrive(struct task *task, void *object, int64_t unused, sley_time deadline, const void *pc)
{
	struct sley_barrier *barrier = object;
	(void)unused;
	lock_take(lock_of(&barrier->lock));
	if (barrier->parties == 0) {
		lock_drop(lock_of(&barrier->lock));
		return -EINVAL;
	}
	if (++barrier->arrived == barrier->parties)
		return complete(barrier);
	uint64_t round = barrier->round;
	wait_begin(task, SLEY_WAIT_BARRIER, (uint64_t)(uintptr_t)barrier, pc);
	enum claim who = park(task, lock_of(&barrier->lock), &barrier->waiters, deadline);
	if (who == CLAIM_EVENT)
		return 0;
	bool over = barrier->round != round;
	if (!over)
		barrier->arrived--;
	lock_drop(lock_of(&barrier->lock));
	return over ? 0 : wait_error(who);
}

int sley_barrier_wait(struct sley_barrier *barrier, sley_time deadline)
{
	int error = check_object(barrier, "sley_barrier_wait", "barrier");
	return error ? error : park_call(arrive, barrier, 0, deadline, __builtin_return_address(0));
}
