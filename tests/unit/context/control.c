/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Floating-point control words are the task's. */
#include "context/control.h"

#include "tests/unit/run.h"

#include "base/atomic.h"

/* Two ways to be other than the default, each in one word alone where there are two. */
#if defined(__x86_64__)
#define ROUND_UP_SSE 0x4000u
#define WAYS \
	{ \
		ROUND_UP_SSE, 0x8000u /* flush to zero */, 0x0800u << 16 /* x87: round up */ \
	}
#elif defined(__aarch64__)
#define WAYS \
	{ \
		1u << 22 /* round up */, 1u << 24 /* flush to zero */, 1u << 25 /* default NaN */ \
	}
#else
#define WAYS \
	{ \
		0, 0, 0 \
	}
#endif

static const uint32_t ways[] = WAYS;
static uint32_t common; /* of the thread that calls sley_run() */

TEST(set)
{
	uint32_t before = control_get();
	for (unsigned i = 0; i < 3; i++) {
		control_set(before ^ ways[i]);
		uint32_t now = control_get();
		control_set(before);
		assert_int_equal(now, before ^ ways[i]);
		assert_int_equal(control_get(), before);
	}
}

static void keep_own(void *arg)
{
	uint32_t mine = common ^ ways[*(unsigned *)arg];
	REQUIRE(control_get() == common); /* whoever ran before */
	control_set(mine);
	for (unsigned i = 0; i < 50; i++) {
		if (i % 2)
			sley_yield();
		else
			REQUIRE(sley_sleep(sley_in(SLEY_US(10))) == 0);
		REQUIRE(control_get() == mine);
	} /* and ends with them */
}

static void keep_common(void *arg)
{
	for (unsigned i = 0; i < 100; i++) {
		REQUIRE(control_get() == common);
		sley_yield();
	}
}

static int main_keep(void *arg)
{
	sley_task tasks[32];
	for (unsigned i = 0; i < 32; i++) {
		unsigned way = i / 2 % 3;
		tasks[i] = i % 2 ? sley_spawn_copy(keep_own, &way, sizeof(way)) : sley_spawn(keep_common, NULL);
		REQUIRE(tasks[i] > 0);
	}
	for (unsigned i = 0; i < 32; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(control_get() == common);
	return 0;
}

/* A task keeps its own over waits and changes of stack and thread, and nobody else sees them. */
TEST(kept)
{
	common = control_get();
	run_all(main_keep);
	assert_int_equal(control_get(), common);
}

/* A new task has those that the caller of sley_run() has, not the default, nor its spawner's. */
TEST(inherited)
{
	uint32_t before = control_get();
	common = before ^ ways[1];
	control_set(common);
	run_each(main_keep);
	uint32_t now = control_get();
	control_set(before);
	assert_int_equal(now, common);
}

static int main_changed(void *arg)
{
	control_set(common ^ ways[0]);
	sley_task task = sley_spawn(keep_common, NULL);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(control_get() == (common ^ ways[0]));
	return 0;
}

TEST(spawner)
{
	common = control_get();
	run_each(main_changed);
	assert_int_equal(control_get(), common);
}

/* ---- the pools' threads ---- */

static void call_changes(void *block)
{
	uint32_t *seen = block;
	*seen = control_get();
	control_set(common ^ ways[2]); /* and ends with it */
}

static void offload_changed(void *arg)
{
	const struct sley_offload_options compute = { .size = sizeof(compute), .cpu = 1 };
	uint32_t mine = common ^ ways[0], seen;
	control_set(mine); /* a thread that is started inherits it */
	for (unsigned i = 0; i < 8; i++) {
		REQUIRE(sley_offload_with(i % 2 ? &compute : NULL, call_changes, &seen, sizeof(seen), SLEY_NEVER) == 0);
		REQUIRE(seen == common);
		REQUIRE(control_get() == mine);
	}
}

static int main_offload(void *arg)
{
	sley_task tasks[4];
	for (unsigned i = 0; i < 4; i++)
		REQUIRE((tasks[i] = sley_spawn(offload_changed, NULL)) > 0);
	for (unsigned i = 0; i < 4; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	return 0;
}

/* An offloaded function has what a new task has, whoever started its thread and whatever the call before it did. */
TEST(offloaded)
{
	uint32_t before = control_get();
	common = before ^ ways[1];
	control_set(common);
	run_each(main_offload);
	control_set(before);
}

/* ---- exceptions that trap ---- */

#if defined(__x86_64__)
#define X87_DIVIDES 0x0004u

static volatile long double none;

static void divide(void *arg)
{
	volatile long double infinite = 1 / none; /* masked: it leaves a flag */
	(void)infinite;
	sley_yield();
	(void)arg;
}

static void traps(void *arg)
{
	control_set(control_get() & ~(X87_DIVIDES << 16));
	for (unsigned i = 0; i < 10; i++) {
		sley_yield();
		none *= 1; /* the x87 would trap on the other's flag */
	}
	(void)arg;
}

static int main_traps(void *arg)
{
	sley_task trapping, tasks[10];
	REQUIRE((trapping = sley_spawn(traps, NULL)) > 0);
	for (unsigned i = 0; i < 10; i++) {
		REQUIRE((tasks[i] = sley_spawn(divide, NULL)) > 0);
		sley_yield();
	}
	for (unsigned i = 0; i < 10; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(sley_join(trapping, SLEY_NEVER) == 0);
	(void)arg;
	return 0;
}

/* A task that has exceptions trap is not ended by the flags of one that does not. */
TEST(traps)
{
	run(main_traps, 1);
	run_all(main_traps);
}
#endif
