/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Acceptors of one listener, in a line. An entry has one waiter for a direction. An acceptor that finds one there lines up;
 * who comes while others are in line, or one has its *turn*, lines up behind them: FIFO. The task whose turn it is tries,
 * waits at the entry if it has to, and passes the turn on when its call ends.
 *
 * A line is never forgotten. While tasks are in it, somebody waits at the entry, or has the turn, or has left the entry and
 * is still in its call; and each of these passes the turn on when it leaves: turn_pass(), turn_left(). Who lines up looks
 * at all of this with the entry's lock held, which those who leave take, too.
 *
 *     acceptor A                            acceptor B
 *     waits at the entry                    lock; the place is taken: lines up; unlock
 *     an event: the place is free
 *     accepts one, marks that there may
 *     be more, passes the turn      ----->  tries: accepts one, or waits at the entry
 *     comes again, lines up behind B        ...
 *
 * The turn is passed after the mark is set. A task that came between A's event and its mark may have found the mark clear, and
 * wait at the entry for an event that does not come, for a connection that is there already. So turn_pass() wakes the waiter
 * at the entry if the mark is set.
 *
 * A close ends the wait at the entry. The tasks in line have another generation than the entry then, and the first turn that
 * is passed ends all their waits.
 *
 * The line of an entry is in a table, by number: few entries have one, and an entry has no room. Lock order: an entry, then
 * the line.
 */
#ifndef REACTOR_TURN_H
#define REACTOR_TURN_H

#include "base/atomic.h"
#include "base/compiler.h"
#include "reactor/reactor.h"

/* The turn of a call. Zero at first. */
struct turn {
	bool own; /* the call has the turn */
	uint32_t generation;
};

extern unsigned turns_wanted; /* atomic: calls that are in a line, or have the turn */

/* Called when the reactor is opened: the lines are empty. */
void turns_open(void);

/*
 * Waits for the call's turn, before each try. `busy`: the last try found another task at the entry. Returns 0: the call is to
 * try; if it has waited, the descriptor is held; -EBADF: it was closed; or the error of the wait. `hold` is that of the
 * call's other waits.
 */
int turn_wait(int fd, struct turn *turn, bool busy, sley_time deadline, const void *pc, struct hold *hold);

/* Passes the turn on: at the end of a call that accepts, or with a null turn after another call has left the entry. */
void turn_pass(int fd, struct turn *turn);

/* Whether turn_wait() would do more than to return 0. */
static inline bool turn_is_wanted(bool busy)
{
	return busy ||
	       load(&turns_wanted, relaxed) > 0; /* relaxed: a hint; a call that misses it takes a turn too early */
}

/* Called when a wait for something else than a connection has left the entry. */
static inline void turn_left(int fd)
{
	/* relaxed: who lined up while the place was taken had counted itself before it dropped the entry's lock */
	if (unlikely(load(&turns_wanted, relaxed) > 0))
		turn_pass(fd, NULL);
}

#endif
