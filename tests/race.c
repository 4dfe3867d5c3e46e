/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "race.h"

#include <limits.h>
#include <string.h>

#include "base/futex.h"
#include "base/race.h"
#include "test.h"

#ifdef SLEY_DEBUG

/* A stop: OPEN -> ARMED (race_stop) -> STOPPED (who comes) -> OPEN (race_go), or ARMED -> OPEN. */
enum { OPEN, ARMED, STOPPED };

static struct {
	const char *name;
	unsigned state; /* atomic, futex */
} points[RACE_MOST];
static unsigned count; /* atomic; written by the test's thread alone, after the name */

static unsigned *find(const char *name)
{
	unsigned n = load(&count, acquire); /* pairs with state_of() */
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(points[i].name, name) == 0)
			return &points[i].state;
	}
	return NULL;
}

static unsigned *state_of(const char *name)
{
	unsigned *state = find(name);
	if (!state) {
		REQUIRE(count < RACE_MOST);
		points[count].name = name;
		state = &points[count].state;
		store(&count, count + 1, release); /* pairs with find() */
	}
	return state;
}

static void on_point(const char *name)
{
	unsigned expected = ARMED, *state = find(name);
	if (!state || !cas(state, &expected, STOPPED, acq_rel, relaxed)) /* pairs with race_stop() and race_wait() */
		return;
	futex_wake(state, INT_MAX);
	while (load(state, acquire) == STOPPED) /* pairs with race_go() */
		futex_wait(state, STOPPED, NULL);
}

void race_stop(const char *point)
{
	store(state_of(point), ARMED, release); /* pairs with on_point() */
	store(&race_hook, on_point, release);   /* pairs with RACE_POINT() */
}

bool race_reached(const char *point)
{
	return load(state_of(point), acquire) == STOPPED; /* pairs with on_point() */
}

void race_wait(const char *point)
{
	unsigned *state = state_of(point);
	while (!race_reached(point))
		futex_wait(state, ARMED, NULL);
}

void race_go(const char *point)
{
	unsigned *state = state_of(point);
	store(state, OPEN, release); /* pairs with on_point() */
	futex_wake(state, INT_MAX);
}

#else
typedef int race_points_are_for_debug_builds;
#endif
