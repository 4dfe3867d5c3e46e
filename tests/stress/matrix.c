/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Every call that waits, in every way that a wait can go:
 *
 *   ready      what it waits for is there already
 *   later      it comes while the call waits
 *   deadline   it never comes
 *   past       the deadline has passed already: no wait, but what is ready is still done
 *   polled     the same again and again: other tasks have their turns between such calls
 *   cancelled  the task is cancelled while it waits
 *   before     the task was cancelled before: no wait, but what is ready is still done
 *   masked     it is cancelled while it waits, which it has masked; then it comes
 *   closed     the object is closed while it waits
 *   thread     a plain thread makes the call: it waits as a task does, or is told that it must not
 *
 * A row is a call (matrix_rows_*.c), a cell of the matrix a run with so many workers and stacks: few stacks, so that
 * every wait is copied out by the tasks that churn beside it, or one for each. Both context backends run it (make
 * check). What each outcome leaves behind must be as if nobody had waited: the next one starts from there.
 */
#include <string.h>

#include "tests/stress/matrix_call.h"
#include "tests/stress/stress.h"

#define CHURNERS 6

static unsigned stop_churning;

/* ---- the ways ---- */

static void way_ready(const struct matrix_row *row)
{
	if (!row->ready)
		return;
	row->ready();
	expect_answer(start_call(row, SLEY_NEVER, false, true), "ready", row->done);
	if (row->always_waits)
		return;
	row->ready();
	expect_answer(start_call(row, sley_now() - 1, false, true), "ready, deadline past", row->done);
}

static void way_later(const struct matrix_row *row)
{
	if (!row->ready)
		return;
	for (int i = 0; i < 2; i++) {
		sley_task task = start_call(row, i ? sley_in(SLEY_SEC(600)) : SLEY_NEVER, false, true);
		until_it_waits(task, row);
		row->ready();
		expect_answer(task, "later", row->done);
	}
}

static void way_deadline(const struct matrix_row *row)
{
	sley_time deadline = sley_in(SLEY_US(200));
	expect_answer(start_call(row, deadline, false, true), "deadline", -ETIMEDOUT);
	REQUIRE(sley_now() >= deadline);
	expect_answer(start_call(row, sley_now() - 1, false, true), "deadline past", -ETIMEDOUT);
	expect_answer(start_call(row, 0, false, true), "deadline 0", -ETIMEDOUT);
	expect_answer(start_call(row, INT64_MIN, false, true), "least deadline", -ETIMEDOUT);
}

static void poll(void *turn)
{
	do
		call.result = call.row->call(0);
	while (call.result == -ETIMEDOUT && !load((unsigned *)turn, relaxed));
}

static void take_turn(void *turn)
{
	store((unsigned *)turn, 1, relaxed);
}

static void way_polled(const struct matrix_row *row)
{
	static unsigned turn;
	turn = 0;
	call.row = row;
	sley_task task = stress_spawn(poll, &turn), other = stress_spawn(take_turn, &turn);
	stress_join(other);
	expect_answer(task, "polled", -ETIMEDOUT);
}

static void way_cancelled(const struct matrix_row *row)
{
	sley_task task = start_call(row, SLEY_NEVER, false, true);
	until_it_waits(task, row);
	REQUIRE(sley_cancel(task) == 0);
	expect_answer(task, "cancelled", -ECANCELED);
	task = start_call(row, SLEY_NEVER, false, false);
	REQUIRE(sley_cancel(task) == 0);
	store(&call.go, 1, release);
	expect_answer(task, "cancelled before", -ECANCELED);
	if (row->always_waits || !row->ready)
		return;
	row->ready();
	task = start_call(row, SLEY_NEVER, false, false);
	REQUIRE(sley_cancel(task) == 0);
	store(&call.go, 1, release);
	expect_answer(task, "cancelled, but ready", row->done);
}

static void way_masked(const struct matrix_row *row)
{
	if (!row->ready)
		return;
	sley_task task = start_call(row, SLEY_NEVER, true, true);

	until_it_waits(task, row);
	REQUIRE(sley_cancel(task) == 0);
	for (int i = 0; i < 10; i++)
		sley_yield();
	/* it waits, or looks again for a moment because of an event from before connect(2) */
	REQUIRE(load(&stress_record(task)->state, relaxed) != SLEY_TASK_ENDED);
	row->ready();
	expect_answer(task, "masked", row->done);
}

static void way_closed(const struct matrix_row *row)
{
	if (!row->close)
		return;
	sley_task task = start_call(row, SLEY_NEVER, false, true);
	until_it_waits(task, row);
	row->close();
	expect_answer(task, "closed", row->closed);
	row->reopen();
}

/* ---- a plain thread ---- */

static void call_in_thread(unsigned number)
{
	call.result = call.row->call(call.deadline);
}

/* Makes the call in a thread; what it waits for comes while it does, or just before. */
static void in_thread(const struct matrix_row *row, const char *way, sley_time deadline, bool ready, int expected)
{
	call.row = row;
	call.deadline = deadline;
	call.result = 1000000;
	stress_threads_start(1, call_in_thread);
	if (ready) {
		sley_yield();
		row->ready();
	}
	stress_threads_join();
	check_answer(way, expected);
}

static void way_thread(const struct matrix_row *row)
{
	if (row->in_thread) {
		in_thread(row, "thread", SLEY_NEVER, false, row->in_thread);
		return;
	}
	if (row->ready)
		in_thread(row, "thread, later", SLEY_NEVER, true, row->done);
	in_thread(row, "thread, deadline", sley_in(SLEY_US(200)), false, -ETIMEDOUT);
	in_thread(row, "thread, deadline past", 0, false, -ETIMEDOUT);
}

/* ---- the runs ---- */

/* Comes and goes on the same stacks, so that whoever waits there is copied out. */
static void churn(void *arg)
{
	char mine[256];
	while (!load(&stop_churning, relaxed)) {
		memset(mine, (int)(uintptr_t)arg, sizeof(mine));
		sley_yield();
		for (unsigned i = 0; i < sizeof(mine); i++)
			REQUIRE(mine[i] == (char)(uintptr_t)arg);
		if (sley_self() % 3 == 0)
			sley_sleep(sley_in(SLEY_US(50)));
	}
}

static void run_row(const struct matrix_row *row)
{
	row->open();
	/* twice, so that the first way starts from what the last one has left, too */
	for (long round = 0; round < test_scale(2); round++) {
		if (row->in_task) {
			expect_answer(start_call(row, SLEY_NEVER, false, true), "task", row->in_task);
			way_thread(row);
			continue;
		}
		way_ready(row);
		way_later(row);
		way_deadline(row);
		way_polled(row);
		way_cancelled(row);
		way_masked(row);
		way_closed(row);
		way_thread(row);
	}
	row->end();
}

static void body(void)
{
	sley_task churners[CHURNERS];
	store(&stop_churning, 0, relaxed);
	for (uintptr_t i = 0; i < CHURNERS; i++)
		churners[i] = stress_spawn(churn, (void *)(i + 1));
	for (const struct matrix_row *const *table = matrix_tables; *table; table++)
		for (const struct matrix_row *row = *table; row->name; row++)
			run_row(row);
	store(&stop_churning, 1, relaxed);
	for (int i = 0; i < CHURNERS; i++)
		stress_join(churners[i]);
}

#ifdef SLEY_ASAN /* there a slot is for one task, and those that churn keep theirs */
#define SLOTS(n) MAX(n, 4 * CHURNERS)
#else
#define SLOTS(n) (n)
#endif

/* The pool for what blocks has one thread, so that a row can keep it from every other call. */
#define CELL(count, slots) \
	TEST_ENTRY(test_##count##_workers_##slots##_stacks, __LINE__, NULL, NULL) \
	{ \
		STRESS_RUN(body, .workers = count, .stack_slots = SLOTS(slots), .offload_threads = 1); \
	}

CELL(1, 4)
CELL(1, 1024)
CELL(2, 4)
CELL(2, 1024)
CELL(8, 4)
CELL(8, 1024)

int main(void)
{
	matrix_block_signals();
	return tests_main(NULL, NULL);
}
