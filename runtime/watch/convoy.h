/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Detects a convoy: many workers that are blocked in the same futex, thus behind one holder of a lock of libc. A spare
 * thread for each of them would run the next task into that lock, and so on, up to max_threads, for nothing.
 *
 * A convoy has more members than twice the number of workers, at least CONVOY_LEAST, and they are more than half of all
 * blocked workers. Fewer are no convoy: tasks that happen to want one lock at the same time are as many as there are
 * workers, once more as many came in their place, and others wait meanwhile. The members beyond that number get no spare;
 * blocked workers that are no members get theirs.
 *
 * What the waiting work would do is not known. It may let the holder go, if that is a task which waits with the lock
 * held, or fill the queue behind a condition variable. Without any more thread this would be a deadlock that the runtime
 * made itself. So the number that get a spare doubles each second: 256 threads need 5 of them.
 */
#ifndef WATCH_CONVOY_H
#define WATCH_CONVOY_H

#include <stdint.h>

/* A run begins. */
void convoy_open(void);

/*
 * By the watchdog, before a spare is made: looks for a convoy, if so many are blocked. It reads a file of /proc for each
 * blocked worker, so it does that only ten times a second and when their number has grown by a quarter. A convoy that
 * lasts for hold_long (watch/stuck.h) is counted, and reported on stderr once in a run.
 */
void convoy_look(int64_t now);

/* The time after which twice as many members get a spare, ns; set by tests. Atomic. */
extern int64_t convoy_patience;

#endif
