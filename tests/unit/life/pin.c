/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* sley_pin(): the task continues on its thread, which stays for it. */
#include "tests/unit/run.h"

#include <sched.h>
#include <unistd.h>

#include "base/atomic.h"
#include "run/worker.h"
#include "run/workers.h"
#include "tests/unit/gate.h"

static struct sley_event event;
static unsigned ran, others; /* atomic */
static pid_t before, after;
static bool pins;

static const struct sley_task_options pinned = { .size = sizeof(pinned), .pinned = 1 };

static void count_other(void *unused)
{
	fetch_add(&others, 1, release);
}

/*
 * Pinned to the waiter's thread: makes the waiter ready, and keeps the thread until another one has run what became ready
 * later; or, if the waiter may move, the waiter itself.
 */
static void keep_thread(void *unused)
{
	sley_time deadline = SOON;
	REQUIRE(gettid() == before);
	REQUIRE(sley_event_set(&event) == 0);
	sley_task other = sley_spawn(count_other, NULL);
	REQUIRE(other > 0);
	while (!load(pins ? &others : &ran, acquire)) {
		REQUIRE(sley_now() < deadline);
		sched_yield();
	}
	REQUIRE(!pins || !load(&ran, acquire));
	REQUIRE(sley_join(other, SOON) == 0);
}

static void waiter(void *unused)
{
	REQUIRE(sley_pin(pins) == 0);
	before = gettid();
	sley_task keeper = sley_spawn_with(&pinned, keep_thread, NULL, SLEY_BY_POINTER);
	REQUIRE(keeper > 0);
	REQUIRE(sley_event_wait(&event, SOON) == 0);
	after = gettid();
	store(&ran, 1, release);
	REQUIRE(sley_pin(0) == pins);
	REQUIRE(sley_join(keeper, SOON) == 0);
}

static void wait_once(bool with_pin)
{
	pins = with_pin;
	ran = others = 0;
	event = (struct sley_event)SLEY_EVENT_INIT;
	sley_task task = sley_spawn(waiter, NULL);
	REQUIRE(task > 0 && sley_join(task, SOON) == 0);
}

/* While its thread is busy, a task that is not pinned goes on elsewhere, and a pinned one waits for the thread. */
TASK_TEST(same_thread, 2, 4)
{
	for (int i = 0; i < 20; i++) {
		wait_once(false);
		REQUIRE(before != after);
		wait_once(true);
		REQUIRE(before == after);
	}
}

/* Sections nest, by the value that is returned. */
TASK_TEST(nested, 1)
{
	REQUIRE(sley_pin(0) == 0 && sley_pin(1) == 0);
	REQUIRE(sley_pin(1) == 1 && sley_pin(1) == 1);
	REQUIRE(worker_self()->kept == 1);
	REQUIRE(sley_pin(0) == 1 && sley_pin(0) == 0);
	REQUIRE(worker_self()->kept == 0);
}

static void stays_pinned(void *unused)
{
	REQUIRE(sley_pin(0) == 1 && sley_pin(1) == 1 && sley_pin(0) == 1 && sley_pin(0) == 1);
	REQUIRE(worker_self()->kept == 0);
}

/* A task that was spawned pinned stays so, and its worker does not count it. */
TASK_TEST(spawned, 1, 2)
{
	sley_task task = sley_spawn_with(&pinned, stays_pinned, NULL, SLEY_BY_POINTER);
	REQUIRE(task > 0 && sley_join(task, SOON) == 0);
}

static void ends_pinned(void *unused)
{
	REQUIRE(sley_pin(1) == 0);
	sley_yield();
}

/* A task that ends pinned is not counted any more, and the task that gets its entry next is not pinned. */
TASK_TEST(end, 1)
{
	for (int i = 0; i < 200; i++) {
		sley_task task = sley_spawn(ends_pinned, NULL);
		REQUIRE(task > 0 && sley_join(task, SOON) == 0);
		REQUIRE(worker_self()->kept == 0);
	}
}

#define BLOCKED 4
static struct gate gates[BLOCKED];

static void block(void *gate)
{
	sley_block_enter();
	gate_block(gate);
	sley_block_leave();
}

/* Waits until spares have ended, as far as they may, and makes the pinned task ready. */
static void await_ends(void *unused)
{
	sley_time deadline = SOON;
	while (load(&scheduler.started, relaxed) > scheduler.target + 2) {
		REQUIRE(sley_now() < deadline);
		REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
	}
	REQUIRE(sley_sleep(sley_in(SLEY_MS(5))) == 0);
	REQUIRE(sley_event_set(&event) == 0);
}

static void wait_on_spare(void)
{
	sley_task blocked[BLOCKED], ends;
	event = (struct sley_event)SLEY_EVENT_INIT;
	gates_open(gates, BLOCKED);
	for (unsigned i = 0; i < BLOCKED; i++)
		REQUIRE((blocked[i] = sley_spawn(block, &gates[i])) > 0);
	for (unsigned i = 0; i < BLOCKED; i++)
		await_at_least(&gates[i].entered, 1);
	REQUIRE(sley_pin(1) == 0);
	before = gettid();
	for (unsigned i = 0; i < BLOCKED; i++)
		gate_let_go(&gates[i]);
	for (unsigned i = 0; i < BLOCKED; i++)
		REQUIRE(sley_join(blocked[i], SOON) == 0);
	REQUIRE((ends = sley_spawn(await_ends, NULL)) > 0);
	REQUIRE(sley_event_wait(&event, SOON) == 0);
	REQUIRE(gettid() == before);
	REQUIRE(sley_pin(0) == 1 && sley_join(ends, SOON) == 0);
	gates_close(gates, BLOCKED);
}

/* A spare does not end while a pinned task waits there, although others that are not in use do. */
TASK_TEST(spare_stays, 1, 2)
{
	int64_t usual = spare_idle;
	store(&spare_idle, SLEY_US(100), relaxed);
	for (int round = 0; round < 10; round++)
		wait_on_spare();
	store(&spare_idle, usual, relaxed);
}

/* Outside of a task there is nothing to pin. */
TEST(outside)
{
	assert_int_equal(sley_pin(1), -EDEADLK);
	assert_int_equal(sley_pin(0), -EDEADLK);
}
