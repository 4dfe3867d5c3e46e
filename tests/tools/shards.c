/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The supervised service, tools/examples/shards.c: what goes on when parts of it fail, and what does not. */
#include "service.h"

#include "tests/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TEXT 256

static struct service service;

static int teardown(void **state)
{
	(void)state;
	service_kill(&service);
	return 0;
}

static void start(const char *request_ms)
{
	char path[4096];
	char *argv[] = { path, "0", "-w", "2", "-t", (char *)request_ms, NULL };
	snprintf(path, sizeof(path), "%s", test_build_path("examples/shards"));
	service_start(&service, 0, argv);
}

static void stop(void)
{
	service_signal(&service, SIGTERM);
	assert_int_equal(service_wait(&service), 0);
}

/* Sends a line and returns the one that comes back, without its end; empty: the connection ended. */
static const char *request(int fd, const char *line)
{
	static char text[TEXT];
	size_t n = 0;
	service_send_text(fd, line);
	service_send_text(fd, "\n");
	while (n + 1 < sizeof(text) && recv(fd, text + n, 1, 0) == 1 && text[n] != '\n')
		n++;
	text[n] = '\0';
	return text;
}

static void expect(int fd, const char *line, const char *answer)
{
	assert_string_equal(request(fd, line), answer);
}

/* Asks until the shards have been started so often: a restart comes soon, but not with the answer. */
static void await_starts(int fd, const char *expected)
{
	int64_t start = test_now();
	while (strcmp(request(fd, "starts"), expected) != 0)
		assert_true(test_now() - start < 30000000000);
}

/* The same answer, once the machine is not too busy for a request to end in its time. */
static void expect_in_time(int fd, const char *line, const char *answer)
{
	for (int i = 0; i < 20; i++) {
		const char *got = request(fd, line);
		if (strcmp(got, answer) == 0)
			return;
		assert_non_null(strstr(got, "timed out"));
	}
	fail_msg("'%s' is never answered in time", line);
}

/* All three answer. */
static void test_sum(void **state)
{
	(void)state;
	start("30000");
	int one = service_connect(&service), two = service_connect(&service);
	expect(one, "sum 7", "42");
	expect(two, "sum -1", "-6");
	expect(one, "slow 20", "0");
	expect(one, "nonsense", "what?");
	expect(two, "starts", "1 1 1");
	close(one);
	expect(two, "sum 0", "0");
	close(two);
	stop();
}

/*
 * A shard fails over a request whose other parts would take an hour: the request is answered at once, so these were
 * cancelled. The shard is started again, and neither the others nor the connections notice.
 */
static void test_crash(void **state)
{
	int64_t before = test_now();
	(void)state;
	start("4000");
	int one = service_connect(&service), two = service_connect(&service);
	expect(two, "sum 1", "6");
	expect(one, "crash 1 3600000", "error: Owner died");
	assert_true(test_now() - before < 4000000000);
	await_starts(one, "1 2 1");
	expect_in_time(two, "sum 2", "12"); /* once the other two have given up what nobody wants any more */
	close(one);
	close(two);
	stop();
}

/* A request's time ends the waits of its parts, and is over for the shards, too: the next request finds them idle. */
static void test_deadline(void **state)
{
	int64_t before;
	(void)state;
	start("300");
	int fd = service_connect(&service);
	for (int i = 0; i < 3; i++) {
		before = test_now();
		assert_non_null(strstr(request(fd, "slow 3600000"), "timed out"));
		assert_true(test_now() - before >= 300000000);
	}
	expect_in_time(fd, "sum 2", "12");
	expect(fd, "starts", "1 1 1");
	close(fd);
	stop();
}

/* Failing more often than the supervisor allows ends the service. */
static void test_too_often(void **state)
{
	char text[TEXT], starts[32];
	(void)state;
	start("30000");
	int fd = service_connect(&service);
	for (int i = 2; i <= 6; i++) {
		expect(fd, "crash 0", "error: Owner died");
		snprintf(starts, sizeof(starts), "%d 1 1", i);
		await_starts(fd, starts);
	}
	service_send_text(fd, "crash 0\n");
	service_receive_all(fd, text, sizeof(text)); /* to the end of the connection */
	assert_int_equal(service_wait(&service), 1);
	close(fd);
}

/* The end cancels what is under way: its connection is closed, or learns first that a shard has gone. */
static void test_end(void **state)
{
	char text[TEXT] = "";
	(void)state;
	start("3600000");
	int busy = service_connect(&service), idle = service_connect(&service);
	expect(idle, "sum 1", "6");
	expect(busy, "sum 1", "6");
	service_send_text(busy, "slow 3600000\n");
	stop();
	if (service_receive_all(busy, text, sizeof(text)) != 0)
		assert_string_equal(text, "error: Owner died\n");
	assert_int_equal(service_receive_all(idle, text, sizeof(text)), 0);
	close(busy);
	close(idle);
}

static void test_usage(void **state)
{
	static const char *const bad[] = { "", " x", " 0 -w 0", " 0 -t 0", " 0 -x", " 0 1" };
	char line[8192], text[TEXT];
	char *argv[] = { "sh", "-c", line, NULL };
	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(line, sizeof(line), "exec %s%s 2>&1", test_build_path("examples/shards"), bad[i]);
		assert_int_equal(test_run(argv, text, sizeof(text)), 2);
		assert_non_null(strstr(text, "usage: "));
	}
}

#define WITH_TEARDOWN(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TEARDOWN(test_sum),       WITH_TEARDOWN(test_crash), WITH_TEARDOWN(test_deadline),
		WITH_TEARDOWN(test_too_often), WITH_TEARDOWN(test_end),   WITH_TEARDOWN(test_usage),
	};
	return cmocka_run_group_tests_name("shards", tests, NULL, NULL);
}
