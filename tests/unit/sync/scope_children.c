/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/unit/sync/scope_children.h"

#include "base/atomic.h"

struct children children;

void await_started(unsigned n)
{
	await_at_least(&children.started, n);
}

int works(void *result)
{
	fetch_add(&children.started, 1, release);
	sley_yield();
	fetch_add(&children.ended, 1, relaxed);
	return (int)(intptr_t)result;
}

int waits(void *arg)
{
	char item;
	fetch_add(&children.started, 1, release);
	int error = sley_chan_recv(children.never, &item, SLEY_NEVER);
	for (int i = 0; i < 5; i++)
		sley_yield();
	fetch_add(&children.ended, 1, relaxed);
	return error;
}

int waits_for_gate(void *arg)
{
	fetch_add(&children.started, 1, release);
	int error = sley_group_wait(&children.gate, SLEY_NEVER);
	fetch_add(&children.ended, 1, relaxed);
	return error;
}

struct sley_scope *open_scope(const struct sley_scope_options *options)
{
	struct sley_scope *scope;
	REQUIRE(sley_scope_open(&scope, options) == 0);
	return scope;
}

void spawn_some(struct sley_scope *scope, int (*fn)(void *), unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		REQUIRE(sley_scope_spawn(scope, fn, NULL) > 0);
}

void run_fresh(int (*main)(void *))
{
	for (unsigned workers = 1; workers <= 4; workers *= 2) {
		children.ended = children.started = 0;
		assert_int_equal(sley_chan_new(&children.never, 1, 0), 0);
		run(main, workers);
		assert_int_equal(sley_chan_free(children.never), 0);
	}
}
