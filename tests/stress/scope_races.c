/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What can happen to a scope at the same moment: each pair is raced many times, the outcomes are counted, and in every
 * one of them each child that was spawned has begun and ended before the scope is closed. The memory of a closed scope
 * is the next one's at once, so an end that came too late would show there.
 */
#include "stress.h"

#include <stdlib.h>

static long begun, ended; /* atomic */
static uint32_t seed;

static uint32_t random_up_to(uint32_t most)
{
	return stress_random(&seed) % (most + 1);
}

static struct sley_scope *open_scope(const struct sley_scope_options *options)
{
	struct sley_scope *scope;
	begun = ended = 0;
	REQUIRE(sley_scope_open(&scope, options) == 0);
	return scope;
}

static void expect_ended(long spawned)
{
	REQUIRE(load(&begun, relaxed) == spawned && load(&ended, relaxed) == spawned);
}

/* Some of its time it computes, some it yields. */
static int works(void *rounds)
{
	fetch_add(&begun, 1, relaxed);
	for (uintptr_t i = (uintptr_t)rounds; i > 0; i--) {
		if (i % 4 == 0)
			sley_yield();
		else
			stress_spin(20);
	}
	fetch_add(&ended, 1, relaxed);
	return 0;
}

static int waits(void *arg)
{
	fetch_add(&begun, 1, relaxed);
	int error = sley_sleep(SLEY_NEVER);
	fetch_add(&ended, 1, relaxed);
	return error;
}

/* ---- a child's end, and cancellation of the scope, of its owner ---- */

static struct sley_scope *raced;
static uint32_t delay;

static void cancels_scope(void *arg)
{
	for (uint32_t i = delay % 8; i > 4; i--)
		sley_yield();
	stress_spin(delay);
	REQUIRE(sley_scope_cancel(raced) == 0);
}

static void end_body(void)
{
	long counts[2] = { 0 };
	for (long i = test_scale(25000); i > 0; i--) {
		raced = open_scope(NULL);
		uint32_t n = random_up_to(3);
		for (uint32_t k = 0; k <= n; k++)
			REQUIRE(sley_scope_spawn(raced, works, (void *)(uintptr_t)random_up_to(5)) > 0);
		delay = random_up_to(300);
		sley_task canceller = stress_spawn(cancels_scope, NULL);
		int error = sley_scope_wait(raced, SLEY_NEVER);
		REQUIRE(error == 0 || error == -ECANCELED);
		counts[error != 0]++;
		expect_ended(n + 1);
		stress_join(canceller); /* it uses the scope */
		REQUIRE(sley_scope_close(raced, SLEY_NEVER) == -ECANCELED);
		if (i % 1024 == 0)
			stress_progress();
	}
	print_message("children had ended before the cancellation %ld times, after it %ld times\n", counts[0],
		      counts[1]);
	REQUIRE(stress_provoked(counts[0] > 0 && counts[1] > 0));
}

/* Proves that a scope that is cancelled while its children end waits for each of them once. */
TEST(end_against_cancel)
{
	for (unsigned workers = 1; workers <= 4; workers *= 2)
		STRESS_RUN(end_body, .workers = workers);
}

static void owns(void *n)
{
	struct sley_scope *scope = open_scope(NULL);
	long spawned = 0;
	for (uintptr_t k = 0; k < (uintptr_t)n; k++)
		spawned += sley_scope_spawn(scope, k % 2 ? waits : works, (void *)k) > 0;
	int error = sley_scope_close(scope, SLEY_NEVER);
	REQUIRE(error == -ECANCELED || (error == 0 && spawned == (long)(uintptr_t)n && spawned < 2));
	expect_ended(spawned);
}

static void owner_body(void)
{
	for (long i = test_scale(12000); i > 0; i--) {
		sley_task owner = stress_spawn(owns, (void *)(uintptr_t)random_up_to(6));
		if (i % 2)
			stress_spin(random_up_to(500));
		else
			sley_yield();
		REQUIRE(sley_cancel(owner) == 0);
		stress_join(owner);
		if (i % 1024 == 0)
			stress_progress();
	}
}

/* Proves that an owner can be cancelled at any moment between its scope's opening and closing. */
TEST(owner_cancelled)
{
	for (unsigned workers = 1; workers <= 4; workers *= 2)
		STRESS_RUN(owner_body, .workers = workers);
}

/* ---- spawn and cancellation ---- */

static long spawned; /* atomic */

/* Spawns until it is told not to, some of them spawners like itself. */
static int spawns(void *depth)
{
	uint32_t random = (uint32_t)sley_self();
	fetch_add(&begun, 1, relaxed);
	for (;;) {
		uintptr_t below = stress_random(&random) % 8 == 0 && depth ? (uintptr_t)depth - 1 : 0;
		sley_task id = sley_scope_spawn(raced, below ? spawns : waits, (void *)below);
		REQUIRE(id > 0 || id == -ECANCELED || id == -EAGAIN);
		if (id == -ECANCELED)
			break;
		if (id > 0)
			fetch_add(&spawned, 1, relaxed);
		if (load(&spawned, relaxed) > 200)
			sley_yield(); /* enough; wait for the end */
	}
	fetch_add(&ended, 1, relaxed);
	return -ECANCELED;
}

static void spawn_body(void)
{
	for (long i = test_scale(1500); i > 0; i--) {
		raced = open_scope(NULL);
		spawned = 2;
		REQUIRE(sley_scope_spawn(raced, spawns, (void *)3) > 0);
		REQUIRE(sley_scope_spawn(raced, spawns, (void *)3) > 0);
		while (load(&spawned, relaxed) < (long)(i % 100))
			sley_yield();
		REQUIRE(sley_scope_cancel(raced) == 0);
		REQUIRE(sley_scope_close(raced, SLEY_NEVER) == -ECANCELED);
		expect_ended(spawned);
		if (i % 256 == 0)
			stress_progress();
	}
}

/* Proves that a spawn into a scope that is being cancelled is refused, or its child is cancelled like the others. */
TEST(spawn_against_cancel)
{
	for (unsigned workers = 1; workers <= 4; workers *= 2)
		STRESS_RUN(spawn_body, .workers = workers, .max_tasks = 100000);
}

/* ---- first errors ---- */

static unsigned go; /* atomic */

static int fails(void *number)
{
	fetch_add(&begun, 1, relaxed);
	while (!load(&go, relaxed) && !sley_cancelled())
		sley_yield();
	fetch_add(&ended, 1, relaxed);
	return -(int)(uintptr_t)number;
}

static void errors_body(void)
{
	long counts[6] = { 0 };
	for (long i = test_scale(12000); i > 0; i--) {
		store(&go, 0, relaxed);
		raced = open_scope(NULL);
		for (uintptr_t k = 1; k <= 5; k++)
			REQUIRE(sley_scope_spawn(raced, fails, (void *)k) > 0);
		if (i % 2)
			sley_yield();
		store(&go, 1, relaxed);
		int error = sley_scope_wait(raced, SLEY_NEVER);
		REQUIRE(error <= -1 && error >= -5);
		counts[-error]++;
		REQUIRE(sley_scope_close(raced, SLEY_NEVER) == error);
		expect_ended(5);
		if (i % 1024 == 0)
			stress_progress();
	}
	print_message("the first of five failures was");
	for (int k = 1; k <= 5; k++)
		print_message(" %d: %ld times%s", k, counts[k], k < 5 ? "," : "\n");
}

/* Proves that of several failures at once one is the scope's, and all of them cancel it without getting in each other's way. */
TEST(first_errors)
{
	for (unsigned workers = 1; workers <= 4; workers *= 2)
		STRESS_RUN(errors_body, .workers = workers);
}

/* ---- a deadline and the last end ---- */

static int sleeps(void *until)
{
	fetch_add(&begun, 1, relaxed);
	int error = sley_sleep(*(sley_time *)until);
	REQUIRE(error == 0 || error == -ECANCELED || error == -ETIMEDOUT);
	fetch_add(&ended, 1, relaxed);
	return error == -ETIMEDOUT ? error : 0;
}

/* Three, unless the time of the first is over before the last is spawned, which is refused then. */
static long spawn_sleepers(sley_time until, sley_time deadline)
{
	long n = 0;
	sley_task id;
	for (int k = 0; k<3; k++, n += id> 0) {
		id = sley_scope_spawn_copy(raced, sleeps, &until, sizeof(until));
		REQUIRE(id > 0 || (id == -ECANCELED && sley_now() >= deadline));
	}
	return n;
}

static void deadline_body(void)
{
	long counts[2] = { 0 };
	for (long i = test_scale(5000); i > 0; i--) {
		sley_time until = sley_in(SLEY_US(50) + random_up_to(50000));
		sley_time deadline = until + (int32_t)random_up_to(400000) - 5000;
		struct sley_scope_options options = { .size = sizeof(options), .deadline = i % 2 ? deadline : 0 };
		raced = open_scope(&options);
		long n = spawn_sleepers(until, deadline);
		int error = sley_scope_wait(raced, i % 2 ? SLEY_NEVER : deadline);
		REQUIRE(error == 0 || error == -ETIMEDOUT);
		REQUIRE(error == 0 || sley_now() >= deadline);
		counts[error != 0]++;
		expect_ended(n);
		sley_task id = sley_scope_spawn(raced, works, NULL);
		REQUIRE(error == 0 ? id > 0 : id == -ECANCELED);
		int answer = sley_scope_close(raced, SLEY_NEVER);
		REQUIRE(answer == error || (error == 0 && answer == -ETIMEDOUT)); /* between the two calls */
		expect_ended(n + (id > 0));
		if (i % 256 == 0)
			stress_progress();
	}
	print_message("ended in time %ld times, too late %ld times\n", counts[0], counts[1]);
	REQUIRE(counts[0] + counts[1] == test_scale(5000));
}

/* Proves that a deadline that comes with the last child's end has one outcome, and the scope is as it says. */
TEST(deadline_against_end)
{
	for (unsigned workers = 1; workers <= 4; workers *= 2)
		STRESS_RUN(deadline_body, .workers = workers);
}

/* ---- scopes left open ---- */

static int leaves_open(void *depth)
{
	struct sley_scope *scope;
	fetch_add(&begun, 1, relaxed);
	REQUIRE(sley_scope_open(&scope, NULL) == 0);
	for (uintptr_t k = 0; k < 2; k++) {
		sley_task id = depth ? sley_scope_spawn(scope, leaves_open, (void *)((uintptr_t)depth - 1))
				     : sley_scope_spawn(scope, waits, NULL);
		REQUIRE(id > 0 || id == -ECANCELED);
		if (id > 0)
			fetch_add(&spawned, 1, relaxed);
	}
	if (sley_self() % 3 == 0)
		sley_yield();
	fetch_add(&ended, 1, relaxed);
	return sley_self() % 5 == 0 ? -EIO : 0; /* and its children are cancelled, and waited for */
}

static void open_body(void)
{
	for (long i = test_scale(5000); i > 0; i--) {
		raced = open_scope(NULL);
		spawned = 1;
		REQUIRE(sley_scope_spawn(raced, leaves_open, (void *)3) > 0);
		if (i % 3 == 0)
			REQUIRE(sley_scope_cancel(raced) == 0);
		int error = sley_scope_close(raced, SLEY_NEVER);
		REQUIRE(error == 0 || error == -EIO || (error == -ECANCELED && i % 3 == 0));
		expect_ended(spawned);
		if (i % 256 == 0)
			stress_progress();
	}
}

/* Proves that trees whose inner nodes leave their scopes open end as a whole, whoever fails in them. */
TEST(left_open)
{
	for (unsigned workers = 1; workers <= 4; workers *= 2)
		STRESS_RUN(open_body, .workers = workers);
}
