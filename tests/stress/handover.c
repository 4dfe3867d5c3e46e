/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The stress programs beside this one, with workers that are replaced all the time (tests/stress/replaced.h), and with
 * small counts unless SLEY_CHECK_DEEP is 1. Not among them: million and scopes, which measure memory, and blocks, whose
 * tasks block anyway.
 */
#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/compiler.h"

#define SCALE "50"

static long handovers; /* of all programs */

static bool is_deep(void)
{
	const char *deep = getenv("SLEY_CHECK_DEEP");
	return deep && strcmp(deep, "1") == 0;
}

/* The program `name` in the directory of this one, with its output in the file. */
static void become(const char *name, const char *source, const char *filter, int output)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);
	REQUIRE(n > 0);
	path[n] = '\0';
	strcpy(strrchr(path, '/') + 1, name);
	setenv("SLEY_STRESS_SOURCE", source, 1);
	if (!is_deep()) {
		setenv("SLEY_TEST_SCALE", SCALE, 1);
		setenv("SLEY_TEST_FILTER", filter, 1);
	}
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	execl(path, path, NULL);
	_exit(127);
}

/* Whether the line tells what went wrong. */
static bool is_reason(const char *line)
{
	static const char *const parts[] = { "] --- ", ") failed",
					     "Sanitizer: ", "runtime error: ", "no progress for " };
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (strstr(line, parts[i]))
			return true;
	}
	return false;
}

/* Shows the lines in a form that is not taken for the results of this program. */
static void fail_with(const char *name, const char *source, int status, char *text)
{
	const char *test = "(none)", *reason = "no reason given";
	bool found = false;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		fprintf(stderr, "| %s\n", line);
		if (!found && strstr(line, "[ RUN      ] "))
			test = strchr(line, ']') + 2;
		if (!found && is_reason(line)) {
			reason = line;
			found = true;
		}
	}
	fail_msg("%s with source %s ended with status %#x in %s: %s", name, source, (unsigned)status, test, reason);
}

static void run_replaced(const char *name, const char *source, const char *filter)
{
	static char text[1000000];
	int status, output = memfd_create("output", MFD_CLOEXEC);
	assert_true(output >= 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		become(name, source, filter, output);
	assert_int_equal(waitpid(child, &status, 0), child);
	ssize_t n = pread(output, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	close(output);
	if (status != 0)
		fail_with(name, source, status, text);
	const char *count = strstr(text, "\nhand-overs: ");
	assert_non_null(count);
	handovers += atol(count + strlen("\nhand-overs: "));
}

#define REPLACED(name, source, filter) \
	TEST(name##_##source) \
	{ \
		run_replaced(#name, #source, filter); \
	}

/*
 * Each proves that all promises of the program hold with this source. Sanitizers and clang have wrong notes
 * alone: they come at moments at which no source makes one. io is left out with ThreadSanitizer, to which a wait that
 * begins while its descriptor is closed is a race (entry_close() says what comes of it).
 */
#ifdef SLEY_TSAN
#define REPLACED_IO(source)
#else
#define REPLACED_IO(source) REPLACED(io, source, "*")
#endif
#define EACH_PROGRAM(source) \
	REPLACED(matrix, source, "test_8_workers_4_stacks") \
	REPLACED(channels, source, "*") \
	REPLACED_IO(source) \
	REPLACED(park, source, "*") \
	REPLACED(races, source, "*") \
	REPLACED(scope_races, source, "*") \
	REPLACED(series, source, "*") \
	REPLACED(slot, source, "*") \
	REPLACED(spawn, source, "*") \
	REPLACED(steal, source, "*") \
	REPLACED(sync, source, "*") \
	REPLACED(wait, source, "*")

EACH_PROGRAM(mistaken)
#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN) && !defined(__clang__)
EACH_PROGRAM(idle)
EACH_PROGRAM(tick)
#endif

/* Proves that workers were replaced in some of them. */
TEST(handed_over)
{
	print_message("%ld hand-overs\n", handovers);
	assert_true(handovers > 0);
}
