/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Rows of tasks that wait for others: their ends, scopes, futures, generators, monitors. */
#include "tests/stress/matrix_rows_tasks.h"

#include <string.h>

#include "tests/stress/stress.h"

/* ---- tasks ---- */

static sley_task target;
static struct sley_chan *leave;

static void wait_to_leave(void *arg)
{
	REQUIRE(sley_chan_recv(leave, NULL, SLEY_NEVER) == 0);
}

static void join_reset(void)
{
	target = stress_spawn(wait_to_leave, NULL);
}

static void join_open(void)
{
	REQUIRE(sley_chan_new(&leave, 0, 1) == 0);
	join_reset();
}

static void join_ready(void)
{
	REQUIRE(sley_chan_send(leave, NULL, SLEY_NEVER) == 0);
	while (load(&stress_record(target)->state, relaxed) != SLEY_TASK_ENDED && /* or joined already */
	       load(&stress_record(target)->id, relaxed) == (uint64_t)target)
		sley_yield();
}

static int join_call(sley_time deadline)
{
	return sley_join(target, deadline);
}

static int select_join_call(sley_time deadline)
{
	struct sley_case cases[] = { { .task = target, .op = SLEY_JOIN }, { .op = SLEY_AWAIT } };
	int i = sley_select(cases, 2, deadline);
	return i == 0 ? cases[0].error : i;
}

static void join_end(void)
{
	join_ready();
	stress_join(target);
	REQUIRE(sley_chan_free(leave) == 0);
}

static int sleep_call(sley_time deadline)
{
	int error = sley_sleep(deadline);
	return error == 0 ? -ETIMEDOUT : error; /* what is a deadline to others is its aim */
}

/* ---- scopes ---- */

/* What a child does. */
static int leave_first(void *arg)
{
	return sley_chan_recv(leave, NULL, SLEY_NEVER);
}

static void scope_open(void)
{
	REQUIRE(sley_chan_new(&leave, 0, 1) == 0);
}

static void scope_end(void)
{
	REQUIRE(sley_chan_free(leave) == 0);
}

static void scope_ready(void)
{
	REQUIRE(sley_chan_send(leave, NULL, SLEY_NEVER) == 0);
}

static int scope_call(sley_time deadline)
{
	struct sley_scope *scope;
	int error = sley_scope_open(&scope, NULL);
	if (error)
		return error;
	sley_task child = sley_scope_spawn(scope, leave_first, NULL);
	error = sley_scope_close(scope, deadline);
	return child < 0 ? (int)child : error;
}

static int scope_wait_call(sley_time deadline)
{
	struct sley_scope *scope;
	int error = sley_scope_open(&scope, NULL);
	if (error)
		return error;
	sley_task child = sley_scope_spawn(scope, leave_first, NULL);
	error = sley_scope_wait(scope, deadline);
	REQUIRE(sley_scope_close(scope, SLEY_NEVER) == error);
	return child < 0 ? (int)child : error;
}

/* ---- futures ---- */

#define LARGE 200

static struct sley_promise *promise;
static struct sley_future *future;

static void await_open(void)
{
	REQUIRE(sley_promise_new(&promise, &future, LARGE) == 0);
}

static void await_end(void)
{
	REQUIRE(sley_promise_free(promise) == 0 && sley_future_free(future) == 0);
}

static void await_ready(void)
{
	char value[LARGE];
	memset(value, 7, sizeof(value));
	REQUIRE(sley_promise_resolve(promise, value) == 0);
}

static void await_reset(void)
{
	await_end();
	await_open();
}

/* The promise is broken. */
static void await_close(void)
{
	REQUIRE(sley_promise_free(promise) == 0);
	promise = NULL;
}

static int await_call(sley_time deadline)
{
	char value[LARGE] = { 0 };
	int error = sley_await(future, value, deadline);
	REQUIRE(value[0] == (error ? 0 : 7) && value[LARGE - 1] == value[0]);
	return error;
}

/* ---- generators: one that waits at a gate for each item ---- */

static struct sley_gen *gen;
static struct sley_chan *gen_gate;
static sley_task gen_body; /* atomic */

static int gen_main(void *arg)
{
	char value[LARGE];
	int error = 0;
	store(&gen_body, sley_self(), release);
	memset(value, 7, sizeof(value));
	while (error == 0 && (error = sley_chan_recv(gen_gate, NULL, SLEY_NEVER)) == 0)
		error = sley_gen_yield(value);
	return error;
}

/* Sends it to its gate. */
static void gen_reset(void)
{
	REQUIRE(sley_gen_next(gen, NULL, 0) == -ETIMEDOUT);
}

static void gen_open(void)
{
	store(&gen_body, 0, relaxed);
	REQUIRE(sley_chan_new(&gen_gate, 0, 1) == 0);
	REQUIRE(sley_gen_new(&gen, gen_main, NULL, 0, LARGE) == 0);
	gen_reset();
}

static void gen_end(void)
{
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0 && sley_chan_free(gen_gate) == 0);
}

/* Its item is there, or taken by who waits for it. */
static void gen_ready(void)
{
	sley_task body;
	REQUIRE(sley_chan_send(gen_gate, NULL, SLEY_NEVER) == 0);
	while ((body = load(&gen_body, acquire)) == 0 ||
	       load(&stress_record(body)->state, relaxed) != SLEY_TASK_WAITING ||
	       load(&stress_record(body)->wait_kind, relaxed) != SLEY_WAIT_GENERATOR)
		sley_yield();
}

static int gen_call(sley_time deadline)
{
	char value[LARGE] = { 0 };
	int error = sley_gen_next(gen, value, deadline);
	REQUIRE(value[0] == (error ? 0 : 7) && value[LARGE - 1] == value[0]);
	return error;
}

/* ---- freeing a generator that takes its time to clean up ---- */

static unsigned cleaned; /* atomic: how many have */

static int slow_main(void *arg)
{
	int error = sley_gen_yield(&(char){ 0 });
	REQUIRE(error == -ECANCELED && sley_cancel_mask(1) == 0);
	REQUIRE(sley_chan_recv(leave, NULL, SLEY_NEVER) == 0);
	fetch_add(&cleaned, 1, release);
	return error;
}

static struct sley_gen *slow_generator(void)
{
	struct sley_gen *slow;
	REQUIRE(sley_gen_new(&slow, slow_main, NULL, 0, 1) == 0 && sley_gen_next(slow, NULL, SLEY_NEVER) == 0);
	return slow;
}

/* A call that does not wait for the end leaves a generator behind, which must not take what is meant for the next. */
static int free_call(bool as_stream, sley_time deadline)
{
	struct sley_stream *of_it = NULL;
	unsigned before = load(&cleaned, acquire);
	int mask = sley_self() > 0 ? sley_cancel_mask(1) : 0;
	struct sley_gen *slow = slow_generator();
	if (as_stream)
		REQUIRE(sley_stream_from_gen(&of_it, slow) == 0);
	if (sley_self() > 0)
		sley_cancel_mask(mask);
	int error = as_stream ? sley_stream_free(of_it, deadline) : sley_gen_free(slow, deadline);
	if (error)
		REQUIRE(sley_chan_send(leave, NULL, 0) == 0);
	while (load(&cleaned, acquire) == before)
		sley_yield();
	return error;
}

static int gen_free_call(sley_time deadline)
{
	return free_call(false, deadline);
}

static int stream_free_call(sley_time deadline)
{
	return free_call(true, deadline);
}

/* ---- monitors ---- */

static struct sley_group group;
static struct sley_monitor *monitor;
static sley_task watched;

static void watched_main(void *arg)
{
	REQUIRE(sley_group_wait(&group, SLEY_NEVER) == 0);
}

static void watch(void)
{
	REQUIRE(sley_group_add(&group, 1) == 0);
	watched = sley_spawn(watched_main, NULL);
	REQUIRE(sley_monitor_add(monitor, watched) == 0);
}

static void monitor_open(void)
{
	REQUIRE(sley_monitor_new(&monitor) == 0);
	watch();
}

/* The message is there when the task has been joined. */
static void monitor_ready(void)
{
	REQUIRE(sley_group_done(&group) == 0);
	REQUIRE(sley_join(watched, SLEY_NEVER) == 0);
}

static void monitor_end(void)
{
	monitor_ready();
	REQUIRE(sley_monitor_free(monitor) == 0);
}

static int monitor_call(sley_time deadline)
{
	struct sley_end end;
	int error = sley_monitor_wait(monitor, &end, deadline);
	REQUIRE(error || (end.task == watched && end.reason == SLEY_END_RETURNED));
	return error;
}

const struct matrix_row matrix_rows_tasks[] = {
	{ "select, join", SLEY_WAIT_SELECT, join_open, join_end, select_join_call, join_ready, join_reset,
	  .in_thread = -EDEADLK },
	{ "join", SLEY_WAIT_JOIN, join_open, join_end, join_call, join_ready, join_reset, .in_thread = -EDEADLK },
	{ "sleep", SLEY_WAIT_SLEEP, nothing, nothing, sleep_call, .in_thread = -EDEADLK },
	{ "scope_close", SLEY_WAIT_SCOPE, scope_open, scope_end, scope_call, scope_ready, .in_thread = -EDEADLK,
	  .always_waits = true, .each_anew = true },
	{ "scope_wait", SLEY_WAIT_SCOPE, scope_open, scope_end, scope_wait_call, scope_ready, .in_thread = -EDEADLK,
	  .always_waits = true, .each_anew = true },
	{ "await", SLEY_WAIT_FUTURE, await_open, await_end, await_call, await_ready, await_reset, await_close,
	  await_reset, .closed = -EOWNERDEAD },
	{ "gen_next", SLEY_WAIT_GENERATOR, gen_open, gen_end, gen_call, gen_ready, gen_reset },
	{ "gen_free", SLEY_WAIT_GENERATOR, scope_open, scope_end, gen_free_call, scope_ready, .always_waits = true,
	  .waits_before = true },
	{ "stream_free", SLEY_WAIT_GENERATOR, scope_open, scope_end, stream_free_call, scope_ready,
	  .always_waits = true, .waits_before = true },
	{ "monitor_wait", SLEY_WAIT_MONITOR, monitor_open, monitor_end, monitor_call, monitor_ready, watch },
	{ NULL },
};
