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

static struct point {
	const char *name;
	unsigned state;    /* atomic, futex */
	bool (*who)(void); /* null: anybody; constant while ARMED */
} points[RACE_MOST];
static unsigned count; /* atomic; written by the test's thread alone, after the name */

static struct point *find(const char *name)
{
	unsigned n = load(&count, acquire); /* pairs with state_of() */
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(points[i].name, name) == 0)
			return &points[i];
	}
	return NULL;
}

static struct point *point_of(const char *name)
{
	struct point *point = find(name);
	if (!point) {
		REQUIRE(count < RACE_MOST);
		point = &points[count];
		point->name = name;
		store(&count, count + 1, release); /* pairs with find() */
	}
	return point;
}

static void on_point(const char *name)
{
	struct point *point = find(name);
	if (!point || load(&point->state, acquire) != ARMED) /* pairs with race_stop_if() */
		return;
	unsigned expected = ARMED, *state = &point->state;
	bool (*who)(void) = load(&point->who, relaxed);
	if ((who && !who()) || !cas(state, &expected, STOPPED, acq_rel, relaxed)) /* pairs with race_wait() */
		return;
	futex_wake(state, INT_MAX);
	while (load(state, acquire) == STOPPED) /* pairs with race_go() */
		futex_wait(state, STOPPED, NULL);
}

void race_stop_if(const char *name, bool (*who)(void))
{
	struct point *point = point_of(name);
	store(&point->who, who, relaxed);
	store(&point->state, ARMED, release); /* pairs with on_point() */
	store(&race_hook, on_point, release); /* pairs with RACE_POINT() */
}

void race_stop(const char *name)
{
	race_stop_if(name, NULL);
}

bool race_reached(const char *point)
{
	return load(&point_of(point)->state, acquire) == STOPPED; /* pairs with on_point() */
}

void race_wait(const char *point)
{
	unsigned *state = &point_of(point)->state;
	while (!race_reached(point))
		futex_wait(state, ARMED, NULL);
}

void race_go(const char *point)
{
	unsigned *state = &point_of(point)->state;
	store(state, OPEN, release); /* pairs with on_point() */
	futex_wake(state, INT_MAX);
}

#else
typedef int race_points_are_for_debug_builds;
#endif
