/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Driving a race: RACE_POINT()s of the runtime (base/race.h) at which a test stops one side while the other goes on. In
 * debug builds alone (RACE_POINTS is 1): a test of a race is compiled where it can run, and `make check` has a part for
 * it.
 *
 *	race_stop("chan_send_entered");      the next thread that comes there stops
 *	... start the one side ...
 *	race_wait("chan_send_entered");      it is there
 *	... let the other side do its step ...
 *	race_go("chan_send_entered");        it goes on
 *
 * A thread that is stopped sleeps in the kernel: a task that is stopped keeps its worker. A point stops one thread for
 * each race_stop(); who comes there before it is called, or after, passes.
 */
#ifndef TEST_RACE_H
#define TEST_RACE_H

#include <stdbool.h>

#ifdef SLEY_DEBUG
#define RACE_POINTS 1
#else
#define RACE_POINTS 0
#endif

/* Arms the point. At most RACE_MOST points are known in a program; their names are constants. */
#define RACE_MOST 32
void race_stop(const char *point);

/* The same for the next thread there for which `who` answers true, as it does on that thread. */
void race_stop_if(const char *point, bool (*who)(void));

/* Waits until a thread has stopped at the point, with no limit: the runner has one. */
void race_wait(const char *point);

/* Whether a thread stands at the point. */
bool race_reached(const char *point);

/* Lets the thread at the point go on; disarms the point if nobody has come. */
void race_go(const char *point);

#endif
