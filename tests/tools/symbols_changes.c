/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The resolver on processes that do not stay as they were: deleted, replaced, grown, another program, dead. */
#include "symbols_target.h"

#include "tests/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *plain;
static struct symbols *symbols;
static struct symbols_answer answer;

static void assert_location(const char *function, const char *mark)
{
	target_assert_location(&answer, function, mark);
}

/* Deleted, or replaced by another program of the same name: what runs is what counts. */
static void gone_from_disk(void **state)
{
	struct symbols_request request;
	struct target t;
	char path[128];
	snprintf(path, sizeof(path), "%s/deleted", target_directory());
	target_copy(plain, path);
	target_start(&t, path, "deep", NULL);
	target_wait_blocked(&t, SYS_read);
	unlink(path);
	target_capture(&t, SAMPLE, &request);
	target_ask(symbols, &request, &answer);
	assert_location("deep", "MARK deep */");
	target_kill(&t);
	target_copy(plain, path);
	target_start(&t, path, "deep", NULL);
	target_wait_blocked(&t, SYS_read);
	unlink(path);
	target_copy("/bin/true", path);
	target_capture(&t, SAMPLE, &request);
	target_ask(symbols, &request, &answer);
	assert_location("deep", "MARK deep */");
	target_kill(&t);
}

/* A library that was loaded, and a program that was executed, after the maps were read. */
static void maps_change(void **state)
{
	static const char *const library[] = { "-DLIBRARY", "-shared", "-fPIC", NULL };
	static const char *const no_pie[] = { "-DPLAIN", "-no-pie", "-DPADDING", NULL };
	struct symbols_request request;
	struct target t;
	char text[16] = "";
	target_sample(symbols, &t, plain, "dlopen", target_compile("library.so", library), &answer);
	assert_location("deep", "MARK deep */");
	target_continue(&t);
	do { /* it leaves one read for the next */
		target_wait_blocked(&t, SYS_read);
		target_capture(&t, SAMPLE, &request);
		target_ask(symbols, &request, &answer);
	} while (answer.location < 0 || !strcmp(symbols_location(&answer)->function, "deep"));
	assert_location("library_call", "MARK library");
	assert_string_equal(symbols_location(&answer)->module, "library.so");
	target_kill(&t);

	target_sample(symbols, &t, plain, "exec", target_compile("executed", no_pie), &answer);
	target_continue(&t);
	assert_true(read(t.output, text, sizeof(text) - 1) > 0);
	t.tid = atoi(text);
	target_wait_blocked(&t, SYS_read);
	target_capture(&t, SAMPLE, &request);
	target_ask(symbols, &request, &answer);
	assert_location("deep", "MARK deep */");
	assert_string_equal(symbols_location(&answer)->module, "executed");
	target_assert_frame(&answer.frame[answer.location + 10], "run_deep", "MARK deepest");
	target_kill(&t);
}

/* The process ended between its block and the question: its image is still known if it was prepared. */
static void dead_process(void **state)
{
	struct symbols_request request, prepare;
	struct target t;
	target_start(&t, plain, "deep", NULL);
	target_wait_blocked(&t, SYS_read);
	prepare = (struct symbols_request){ .pid = t.pid, .kind = SYMBOLS_PREPARE };
	target_ask(symbols, &prepare, &answer);
	assert_int_equal(answer.status, SYMBOLS_RESOLVED);
	assert_int_equal(answer.frames, 0);
	target_capture(&t, SAMPLE, &request);
	target_kill(&t);
	target_ask(symbols, &request, &answer);
	assert_location("deep", "MARK deep */");
}

static int set_up(void **state)
{
	symbols = symbols_open(NULL);
	assert_non_null(symbols);
	plain = target_compile("plain", (const char *const[]){ "-DPLAIN", NULL });
	return 0;
}

static int tear_down(void **state)
{
	symbols_close(symbols);
	target_directory_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gone_from_disk),
		cmocka_unit_test(maps_change),
		cmocka_unit_test(dead_process),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
