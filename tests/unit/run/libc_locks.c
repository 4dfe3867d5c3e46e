/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A lock of libc that is held across a wait is reported by the debug library: libc_locks.debug.planted.c does it. */
#include "tests/unit/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

#define PLANTED "tests/unit/run/libc_locks.debug.planted.c"

/* Runs the planted service; all that it says is in `text`. */
static void run_planted(const char *how, char *text, size_t size)
{
	const char *emulator = getenv("SLEY_TEST_EMULATOR");
	char command[1000];
	char *argv[] = { "sh", "-c", command, NULL };
	snprintf(command, sizeof(command), "%s %s %s 2>&1", emulator ? emulator : "",
		 test_build_path("tests/unit/run/libc_locks.debug.planted"), how);
	int code = test_run(argv, text, (int)size);
	if (code != 0)
		fail_msg("it ended with %d:\n%s", code, text);
}

#ifndef SLEY_TSAN /* it has these functions for itself */
/* The line of the program that is at `place`, "program+0x1234", as addr2line has it. */
static unsigned line_at(const char *place)
{
	char command[1000], output[1000], *colon;
	char *argv[] = { "sh", "-c", command, NULL };
	unsigned long offset;
	assert_int_equal(sscanf(place, "libc_locks.debug.planted+%lx", &offset), 1);
	snprintf(command, sizeof(command), "addr2line -e %s %#lx",
		 test_build_path("tests/unit/run/libc_locks.debug.planted"), offset);
	assert_int_equal(test_run(argv, output, sizeof(output)), 0);
	colon = strrchr(output, ':');
	assert_non_null(colon);
	return (unsigned)strtoul(colon + 1, NULL, 10);
}

static unsigned planted_line(const char *marker)
{
	char needle[50];
	snprintf(needle, sizeof(needle), "/* the %s */", marker);
	return test_source_line(PLANTED, needle);
}

/* The command at the end of the line prints the places of the lock and of the wait. */
static void check_command(char *command)
{
	char output[2000], expected[200];
	char *argv[] = { "sh", "-c", command, NULL };
	command[strcspn(command, ")\n")] = '\0';
	assert_int_equal(test_run(argv, output, sizeof(output)), 0);
	snprintf(expected, sizeof(expected), "%s:%u", PLANTED, planted_line("lock"));
	assert_said(output, expected, 1);
	snprintf(expected, sizeof(expected), "%s:%u", PLANTED, planted_line("wait"));
	assert_said(output, expected, 1);
}

/*
 * One line in all for the spawn site, though three tasks do it: task, spawn site, where it waits, which mutex, where
 * that was locked, the remedy, and the command for the lines. The places are exact, and so is what the command prints.
 */
TEST(line)
{
	char text[8192], expected[300];
	long long id;
	void *lock;

	run_planted("lock", text, sizeof(text));
	assert_int_equal(sscanf(text, "task %lld holds %p", &id, &lock), 2);
	assert_said(text, "sley: ", 1);
	snprintf(expected, sizeof(expected), "sley: task %lld, spawned at %s:%u as hold, waits at ", id, PLANTED,
		 planted_line("spawn"));
	assert_said(text, expected, 1);
	assert_int_equal(line_at(strstr(text, "waits at ") + strlen("waits at ")), planted_line("wait"));
	snprintf(expected, sizeof(expected), "with the mutex %p held, which it locked at ", lock);
	assert_said(text, expected, 1);
	assert_int_equal(line_at(strstr(text, "locked at ") + strlen("locked at ")), planted_line("lock"));
	assert_said(text, "unlock it before, or use a lock of sley (lines: addr2line ", 1);
	check_command(strstr(text, "addr2line "));
}

static void check_way(const char *how, const char *kind)
{
	char text[8192], expected[100];
	void *lock;
	run_planted(how, text, sizeof(text));
	assert_int_equal(sscanf(text, "task %*d holds %p", &lock), 1);
	assert_said(text, "sley: ", 1);
	snprintf(expected, sizeof(expected), "with the %s %p held", kind, lock);
	assert_said(text, expected, 1);
}

/* Every function that takes a lock, and each that gives one back: the lock that is held at the wait is the one that is named. */
TEST(functions)
{
	static const struct {
		const char *how, *kind;
	} ways[] = {
		{ "trylock", "mutex" },
		{ "timedlock", "mutex" },
		{ "clocklock", "mutex" },
		{ "rdlock", "rwlock" },
		{ "wrlock", "rwlock" },
		{ "tryrdlock", "rwlock" },
		{ "trywrlock", "rwlock" },
		{ "timedrdlock", "rwlock" },
		{ "timedwrlock", "rwlock" },
		{ "clockrdlock", "rwlock" },
		{ "clockwrlock", "rwlock" },
		{ "spin", "spin lock" },
		{ "spin-try", "spin lock" },
		{ "mtx", "mutex" },
		{ "mtx-try", "mutex" },
		{ "mtx-timed", "mutex" },
		{ "recursive", "mutex" },
		{ "second", "mutex" },
		{ "static", "guard of a C++ static" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		check_way(ways[i].how, ways[i].kind);
}

/* One whose owner died with it is had nevertheless, which is said by an error. */
TEST(robust)
{
	test_need_kernel("qemu-user does not keep lists of robust mutexes");
	check_way("robust", "mutex");
}

/* A yield is a wait, and a task that ends never unlocks. */
TEST(other_ways_to_leave)
{
	char text[8192];
	run_planted("yield", text, sizeof(text));
	assert_said(text, " as yield_with_it, waits at libc_locks.debug.planted+", 1);
	run_planted("end", text, sizeof(text));
	assert_said(text, " as end_with_it, ends with the mutex ", 1);
}

#endif

/* Locks that are given back before each wait, that could not be had, or that plain threads hold, are nobody's business. */
TEST(legal)
{
	char text[8192];
	run_planted("legal", text, sizeof(text));
	assert_string_equal(text, "");
}
