/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The example with libcurl as a user runs it: what it fetches from servers whose answers are known. */
#include "scratch.h"
#include "service.h"
#include "tool.h"

#include "tests/test.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define URLS     200
#define TRANSFER 100

static struct service httpd, holder;
static char program[4096];

static int setup(void **state)
{
	(void)state;
	snprintf(program, sizeof(program), "%s", test_build_path("examples/third_party/curl_fetch"));
	tool_program = program;
	scratch_make();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	service_kill(&httpd);
	service_kill(&holder);
	scratch_remove();
	return 0;
}

static void start_httpd(const char *a, const char *b)
{
	char path[4096];
	char *argv[] = { path, "0", (char *)a, (char *)b, NULL };
	snprintf(path, sizeof(path), "%s", test_build_path("examples/httpd"));
	service_start(&httpd, 0, argv);
}

/* The server that answers when so many requests are there. */
static void start_holder(unsigned requests)
{
	char path[4096], number[16];
	char *argv[] = { path, number, NULL };
	snprintf(path, sizeof(path), "%s", test_build_path("tests/tools/third_party_curl.planted"));
	snprintf(number, sizeof(number), "%u", requests);
	service_start(&holder, 0, argv);
}

/* ---- many at once ---- */

/* Of very different lengths: none, some that fit one packet, and some that no socket takes at once. */
static size_t length_of(unsigned number)
{
	return number % 10 == 0 ? 0 : number % 10 == 9 ? 1000000 + number : number * 37;
}

static void check_body(unsigned number)
{
	char name[16];
	size_t length = length_of(number), n;
	unsigned char *bytes = malloc(length + 1);
	FILE *file;
	snprintf(name, sizeof(name), "%u", number);
	file = fopen(scratch_path(name), "r");
	assert_non_null(file);
	assert_non_null(bytes);
	n = fread(bytes, 1, length + 1, file);
	fclose(file);
	assert_int_equal(n, length);
	for (size_t i = 0; i < length; i++)
		if (bytes[i] != (unsigned char)(number + i * 7))
			fail_msg("byte %zu of transfer %u is wrong", i, number);
	free(bytes);
}

/*
 * The server answers the first request when it has the last: so all are under way at the same time, on two threads.
 * Each gets the bytes that it asked for.
 */
static void test_contents(void **state)
{
	static char urls[TRANSFER][64];
	const char *args[TRANSFER + 5] = { "-w", "2", "-o", scratch_path("") };
	struct tool t;
	(void)state;
	start_holder(TRANSFER);
	for (unsigned i = 0; i < TRANSFER; i++) {
		snprintf(urls[i], sizeof(urls[i]), "http://127.0.0.1:%u/%u/%zu", holder.port, i, length_of(i));
		args[4 + i] = urls[i];
	}
	tool_start(&t, false, args);
	tool_finish(&t);
	tool_expect(&t, 0, "200 3626 http://"); /* number 98 */
	tool_free(&t);
	for (unsigned i = 0; i < TRANSFER; i++)
		check_body(i);
}

/*
 * Ten tasks send 3 MB each, which no socket takes at once, and get them back. The server does not say that it wants
 * them, so curl sends them when a second has passed: by its own timer.
 */
static void test_sending(void **state)
{
	static unsigned char sent[3000000], received[3000001];
	const char *file_path = scratch_path("sent");
	char url[64], name[16];
	struct tool t;
	FILE *file;
	(void)state;
	start_holder(10);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", holder.port);
	for (unsigned i = 0; i < sizeof(sent); i++)
		sent[i] = (unsigned char)(i * 31 + i / 1000);
	file = fopen(file_path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(sent, 1, sizeof(sent), file), sizeof(sent));
	fclose(file);
	tool_run(&t, false, "-w", "2", "-p", file_path, "-o", scratch_path(""), url, url, url, url, url, url, url, url,
		 url, url, NULL);
	tool_expect(&t, 0, "200 3000000 http://");
	tool_free(&t);
	for (unsigned i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "%u", i);
		file = fopen(scratch_path(name), "r");
		assert_non_null(file);
		assert_int_equal(fread(received, 1, sizeof(received), file), sizeof(sent));
		fclose(file);
		assert_memory_equal(received, sent, sizeof(sent));
	}
}

/*
 * More transfers than connections, to a server that turns away what is more than four: they take turns on the
 * connections that curl keeps, and so the descriptors change hands.
 */
static void test_kept_connections(void **state)
{
	char url[64], expected[128];
	const char *args[URLS + 3] = { "-c", "4" };
	struct tool t;
	unsigned lines = 0;
	(void)state;
	start_httpd("--max-connections", "4");
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", httpd.port);
	snprintf(expected, sizeof(expected), "200 16 %s\n", url);
	for (unsigned i = 0; i < URLS; i++)
		args[2 + i] = url;
	tool_start(&t, false, args);
	tool_finish(&t);
	assert_int_equal(t.code, 0);
	for (const char *line = t.out; (line = strstr(line, expected)); line++)
		lines++;
	assert_int_equal(lines, URLS);
	assert_int_equal(strlen(t.out), URLS * strlen(expected));
	tool_free(&t);
}

/* ---- failures ---- */

/* A transfer that gets no answer is given up in time, the others are not. */
static void test_given_up(void **state)
{
	char good[64], held[64];
	struct tool t;
	(void)state;
	start_holder(2);
	start_httpd(NULL, NULL);
	snprintf(good, sizeof(good), "http://127.0.0.1:%u/", httpd.port);
	snprintf(held, sizeof(held), "http://127.0.0.1:%u/1/1", holder.port);
	tool_run(&t, false, "-w", "1", "-t", "2", held, good, good, NULL);
	tool_expect(&t, 1, "Connection timed out\n");
	assert_int_equal(strncmp(t.out, "200 16 http://", 14), 0);
	assert_non_null(strstr(t.err, held));
	assert_null(strstr(t.err, good));
	tool_free(&t);
}

/* A port that nobody listens at, and that nobody else can get meanwhile. */
static unsigned dead_port(int *holder_fd)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	*holder_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*holder_fd, (struct sockaddr *)&address, size), 0);
	assert_int_equal(getsockname(*holder_fd, (struct sockaddr *)&address, &size), 0);
	return ntohs(address.sin_port);
}

/* What curl says of a failed transfer is printed, and the other statuses than 200 are failures too. */
static void test_refused(void **state)
{
	char refused[64], missing[64];
	struct tool t;
	int fd;
	(void)state;
	start_httpd(NULL, NULL);
	snprintf(refused, sizeof(refused), "http://127.0.0.1:%u/", dead_port(&fd));
	snprintf(missing, sizeof(missing), "http://127.0.0.1:%u/nothing", httpd.port);
	tool_run(&t, false, refused, NULL);
	tool_expect(&t, 1, "Failed to connect to 127.0.0.1");
	tool_free(&t);
	tool_run(&t, false, missing, NULL);
	tool_expect(&t, 1, "404 28 http://");
	tool_free(&t);
	tool_run(&t, false, "nonsense://", NULL);
	tool_expect(&t, 1, "nonsense");
	tool_free(&t);
	close(fd);
}

static void test_usage(void **state)
{
	struct tool t;
	(void)state;
	tool_run(&t, false, NULL);
	tool_expect(&t, 2, "usage: curl_fetch ");
	tool_free(&t);
	tool_run(&t, false, "-p", "/nonexistent/file", "http://127.0.0.1/", NULL);
	tool_expect(&t, 1, "/nonexistent/file");
	tool_free(&t);
	tool_run(&t, false, "-t", "0", "http://127.0.0.1/", NULL);
	tool_expect(&t, 2, "usage: curl_fetch ");
	tool_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_contents, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sending, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kept_connections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_usage, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
