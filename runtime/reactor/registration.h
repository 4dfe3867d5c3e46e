/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The registration of the entries with epoll: which descriptors are watched, for which waiters, and until when. Any
 * thread may make the calls. The epoll instance outlives all waits and all visits of plain threads.
 */
#ifndef REACTOR_REGISTRATION_H
#define REACTOR_REGISTRATION_H

#include "reactor/entry.h"

/* Constant during a run; -1: not open. `event` is the eventfd that interrupts the poller. */
extern HIDDEN struct reactor {
	int epoll, event;
} reactor;

/* ---- with the entry's lock held ---- */

/* Registers the wanted events with epoll, whether or not epoll knows the descriptor already. */
int entry_register(int fd, struct entry *entry);

/*
 * The descriptor is gone: ends all waits, and makes the number foreign. Returns the number of calls that hold the old
 * descriptor. Pass `woken` to entry_ready(), after unlocking.
 */
uint32_t entry_retire(struct entry *entry, struct task *woken[2]);

/* ---- without it ---- */

/* Makes the tasks ready that entry_retire() found. */
void entry_ready(struct task *const woken[2]);

/*
 * Called before close(2), for two reasons. epoll_wait(2) keeps the files that it checks open during the check, so
 * close(2) alone may return while the peer of a pipe still has a reader and an address is still in use; this call waits
 * for such a check. And a duplicate, in this process or another, would keep delivering events of the closed number.
 */
void entry_deregister(int fd);

/*
 * Registers the waits that began by `since` again. If the number belongs to no descriptor any more, the waits end.
 * Returns whether there were such waits.
 */
bool entry_rearm(int fd, struct entry *entry, int64_t since);

/*
 * Calls close(2), which may take a while; the number may be another thread's before it returns. SO_LINGER does not
 * delay it. `entry` may be null; `flags`: the former flags; `added`: epoll may know it. Returns 0 or the negative errno
 * of close(2).
 */
int entry_close(int fd, struct entry *entry, unsigned flags, bool added);

/* Ends the hold of a call. If the descriptor was closed in the meantime, and no other call holds it, calls close(2). */
void entry_let_go(int fd, struct entry *entry, struct hold *hold);

#endif
