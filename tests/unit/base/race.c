/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Race points: who comes to one that is armed stops there, once; elsewhere than in debug builds they are nothing. */
#include "base/race.h"

#include <pthread.h>

#include "base/atomic.h"
#include "race.h"
#include "test.h"

static unsigned passed; /* atomic: times that the point lies behind a thread */

static void *pass(void *unused)
{
	RACE_POINT(race_test_point);
	fetch_add(&passed, 1, seq_cst);
	return unused;
}

TEST(not_armed)
{
	passed = 0;
	pass(NULL);
	assert_int_equal(passed, 1);
}

#if RACE_POINTS
static void start(pthread_t *thread)
{
	assert_int_equal(pthread_create(thread, NULL, pass, NULL), 0);
}

/* One stops, the next passes, and the first goes on when it is let go. */
TEST(stops_one)
{
	pthread_t first, second;
	passed = 0;
	race_stop("race_test_point");
	assert_false(race_reached("race_test_point"));
	start(&first);
	race_wait("race_test_point");
	start(&second);
	pthread_join(second, NULL);
	assert_int_equal(load(&passed, seq_cst), 1);
	assert_true(race_reached("race_test_point"));
	race_go("race_test_point");
	pthread_join(first, NULL);
	assert_int_equal(passed, 2);
}

TEST(disarmed)
{
	passed = 0;
	race_stop("race_test_point");
	race_go("race_test_point");
	pass(NULL);
	assert_int_equal(passed, 1);
}
#endif
