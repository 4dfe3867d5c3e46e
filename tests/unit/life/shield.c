/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Exceptions that leave functions which calls of sley have called: the process ends with a line. */
#include "life/shield.h"

#include "tests/unit/run.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/compiler.h"

static _Unwind_Reason_Code go_on(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
				 struct _Unwind_Exception *exception, struct _Unwind_Context *context, void *arg)
{
	return _URC_NO_REASON;
}

/* As a C++ exception does once its handler has been found. */
NOINLINE static int throw(void)
{
	static struct _Unwind_Exception exception;
	return _Unwind_ForcedUnwind(&exception, go_on, NULL);
}

static int throw_once(void *arg)
{
	return throw();
}

static int throw_next(void *state, void *item, sley_time deadline)
{
	return throw();
}

static int give_next(void *state, void *item, sley_time deadline)
{
	return 0;
}

static int throw_drop(void *state, sley_time deadline)
{
	return throw();
}

static int throw_each(void *arg, void *item)
{
	return throw();
}

static void throw_cleanup(void *arg)
{
	throw();
}

static int main_once(void *arg)
{
	static struct sley_once once;
	return sley_once(&once, throw_once, NULL, SLEY_NEVER);
}

static int main_next(void *arg)
{
	struct sley_stream *stream;
	REQUIRE(sley_stream_new(&stream, throw_next, NULL, NULL, 0, 0) == 0);
	return sley_stream_next(stream, NULL, SLEY_NEVER);
}

static int main_each(void *arg)
{
	struct sley_stream *stream;
	REQUIRE(sley_stream_new(&stream, give_next, NULL, NULL, 0, 0) == 0);
	return sley_stream_for_each(stream, throw_each, NULL, SLEY_NEVER);
}

static int main_free(void *arg)
{
	struct sley_stream *stream;
	REQUIRE(sley_stream_new(&stream, give_next, throw_drop, NULL, 0, 0) == 0);
	return sley_stream_free(stream, SLEY_NEVER);
}

static int main_pop(void *arg)
{
	REQUIRE(sley_cleanup_push(throw_cleanup, NULL) == 0);
	return sley_cleanup_pop(1);
}

static int main_dropped(void *arg)
{
	const struct sley_offload_options options = { .size = sizeof(options), .dropped = throw_cleanup };
	return sley_offload_with(&options, throw_cleanup, NULL, 0, 0); /* too late: fn does not run */
}

static int aborts(int (*main)(void *))
{
	struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
	return sley_run(main, NULL, NULL, NULL);
}

static int scenario_once(void)
{
	return aborts(main_once);
}

static int scenario_next(void)
{
	return aborts(main_next);
}

static int scenario_each(void)
{
	return aborts(main_each);
}

static int scenario_free(void)
{
	return aborts(main_free);
}

static int scenario_pop(void)
{
	return aborts(main_pop);
}

static int scenario_dropped(void)
{
	return aborts(main_dropped);
}

static const struct scenario scenarios[] = {
	{ "sley_once", scenario_once },
	{ "sley_stream_next", scenario_next },
	{ "sley_stream_for_each", scenario_each },
	{ "sley_stream_free", scenario_free },
	{ "sley_cleanup_pop", scenario_pop },
	{ "sley_offload_with", scenario_dropped },
	{ NULL, NULL },
};

/* The line names the call and the task. */
TEST(named)
{
	for (const struct scenario *s = scenarios; s->name; s++) {
		char text[8192], expected[100];
		int status = scenario_run(s->name, text, sizeof(text));
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
			fail_msg("%s: status %x: %s", s->name, status, text);
		snprintf(expected, sizeof(expected), "sley: %s(): an exception", s->name);
		assert_said(text, expected, 1);
		assert_said(text, " main, spawned at ", 1);
	}
}

int main(int argc, char **argv)
{
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}
