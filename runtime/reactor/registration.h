/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What epoll knows of the entries: which descriptors are watched, for whom, and until when. All calls may be made by any
 * thread. The epoll instance outlives all waits and all visits of plain threads.
 */
#ifndef REACTOR_REGISTRATION_H
#define REACTOR_REGISTRATION_H

#include "reactor/entry.h"

/* Constant during a run; -1: not open. `event` is the eventfd that interrupts the poller. */
extern HIDDEN struct reactor {
	int epoll, event;
} reactor;

/* ---- with the entry's lock held ---- */

/* Tells epoll what is wanted, whatever it knew: adds what it does not know, modifies what it does. */
int entry_register(int fd, struct entry *entry);

/* Ends all waits, as the descriptor is gone. `woken` are for entry_ready(), after unlocking. */
void entry_end_waits(struct entry *entry, struct task *woken[2]);

/* ---- without it ---- */

/* Makes those ready that entry_end_waits() found. */
void entry_ready(struct task *const woken[2]);

/*
 * Before close(2). epoll_wait(2) keeps the files that it looks at open for as long as it looks, so close(2) alone may
 * return while the peer of a pipe still has a reader and an address is still in use; this waits for such a look. And a
 * duplicate, here or in another process, would keep the dead number's events coming.
 */
void entry_deregister(int fd);

/*
 * Registers the waits again that began by `since`, as the number may have become another descriptor's, or nobody's: then
 * they end. Whether there were some.
 */
bool entry_rearm(int fd, struct entry *entry, int64_t since);

/*
 * close(2): it may take its time, and the number may be another thread's before it returns. Nobody is kept waiting by
 * SO_LINGER. `entry` may be null; `flags` are those that it had; `added`: epoll may know it. 0 or the negative errno of
 * close(2).
 */
int entry_close(int fd, struct entry *entry, unsigned flags, bool added);

/*
 * The call that held the descriptor lets go of it. If it was closed meanwhile, and no other call holds it, close(2) is
 * made here.
 */
void entry_let_go(int fd, struct entry *entry, struct hold *hold);

#endif
