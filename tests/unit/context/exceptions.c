/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The state of C++ exceptions is the task's. This program stands in for the C++ library. */
#include "context/exceptions.h"

#include "tests/unit/run.h"

#include "base/atomic.h"

/* What libstdc++ has, and may be found by the loader or the linker. Never inlined: a task changes threads. */
struct exceptions *__cxa_get_globals(void);

__attribute__((visibility("default"))) NOINLINE struct exceptions *__cxa_get_globals(void)
{
	static __thread struct exceptions mine;
	COMPILER_BARRIER();
	return &mine;
}

static bool has(const void *caught, unsigned uncaught)
{
	const struct exceptions *now = __cxa_get_globals();
	return now->caught == caught && now->uncaught == uncaught;
}

static void set(void *caught, unsigned uncaught)
{
	*__cxa_get_globals() = (struct exceptions){ .caught = caught, .uncaught = uncaught };
}

/* In a catch block, or while it unwinds, or both. */
static void handle(void *arg)
{
	unsigned number = *(unsigned *)arg, uncaught = number % 3;
	void *caught = uncaught == 1 ? NULL : &handle;
	REQUIRE(has(NULL, 0));
	set(caught, uncaught);
	for (unsigned i = 0; i < 50; i++) {
		if (i % 2)
			sley_yield();
		else
			REQUIRE(sley_sleep(sley_in(SLEY_US(10))) == 0);
		REQUIRE(has(caught, uncaught));
	} /* and ends so: what is lost with it is not another's */
}

static void look(void *arg)
{
	for (unsigned i = 0; i < 100; i++) {
		REQUIRE(has(NULL, 0));
		sley_yield();
	}
}

static int main_handle(void *arg)
{
	sley_task tasks[32];
	REQUIRE(has(NULL, 0));
	set(&tasks, 1);
	for (unsigned i = 0; i < 32; i++) {
		tasks[i] = i % 2 ? sley_spawn_copy(handle, &i, sizeof(i)) : sley_spawn(look, NULL);
		REQUIRE(tasks[i] > 0);
	}
	for (unsigned i = 0; i < 32; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(has(&tasks, 1));
	set(NULL, 0);
	return 0;
}

/* A task keeps its own over waits and changes of stack and thread, and nobody else sees them. */
TEST(kept)
{
	run_all(main_handle);
	assert_true(has(NULL, 0));
}

/* sley_run() in a catch block: its tasks are not in it, and its caller still is. */
TEST(caller)
{
	set(state, 2);
	run_each(main_handle);
	bool kept = has(state, 2);
	set(NULL, 0);
	assert_true(kept);
}
