/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * RACE_POINT(name) marks a place between two steps whose interleaving with another thread matters. In debug builds a
 * test can stop a thread at the point and let the other side go first (tests/race.h), so a race is driven and not left
 * to chance. In other builds the point is empty. A name is unique in the runtime. No lock is held at a point, unless
 * the point is about that very lock: a thread stopped there would stop all threads that want the lock.
 */
#ifndef BASE_RACE_H
#define BASE_RACE_H

#ifdef SLEY_DEBUG

#include "base/atomic.h"

/* Atomic: called with the point's name; null while no test wants it. */
extern void (*race_hook)(const char *point);

#define RACE_POINT(name) \
	do { \
		/* acquire: pairs with race_stop() in tests/race.c, which stores what the hook reads */ \
		void (*hook)(const char *) = load(&race_hook, acquire); \
		if (unlikely(hook)) \
			hook(#name); \
	} while (0)

#else
#define RACE_POINT(name) ((void)0)
#endif

#endif
