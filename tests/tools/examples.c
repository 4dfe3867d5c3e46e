/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The examples as a user runs them: real processes, real sockets, their exit codes and what they print. */
#include "service.h"

#include "tests/test.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define TEXT      4096

static struct service service;
static char log_path[64];

static int teardown(void **state)
{
	(void)state;
	service_kill(&service);
	if (log_path[0])
		unlink(log_path);
	log_path[0] = '\0';
	return 0;
}

static void start_echo(void)
{
	char path[4096];
	char *argv[] = { path, "0", "-w", "2", NULL };
	snprintf(path, sizeof(path), "%s", test_build_path("examples/echo"));
	service_start(&service, 0, argv);
}

/* With up to four further arguments. */
static void start_httpd(unsigned files, const char *a, const char *b, const char *c, const char *d)
{
	char path[4096];
	char *argv[] = { path, "0", (char *)a, (char *)b, (char *)c, (char *)d, NULL };
	snprintf(path, sizeof(path), "%s", test_build_path("examples/httpd"));
	service_start(&service, files, argv);
}

static void stop(int expected)
{
	service_signal(&service, SIGTERM);
	assert_int_equal(service_wait(&service), expected);
}

/* Runs an example that is to fail at once: its exit code and, in text, what it says on stderr. */
static int run_failing(const char *command, char *text, size_t size)
{
	char line[8192];
	char *argv[] = { "sh", "-c", line, NULL };
	snprintf(line, sizeof(line), "exec %s 2>&1", command);
	return test_run(argv, text, size);
}

/* One request on a connection of its own. */
static int get(const char *request, char *text)
{
	int fd = service_connect(&service), status;
	service_send_text(fd, request);
	status = service_response(fd, text, TEXT);
	close(fd);
	return status;
}

/* ---- echo ---- */

/* 300 connections at once each get their own bytes back, whatever the size against the server's buffer of 1,024. */
static void test_echo_connections(void **state)
{
	static const size_t sizes[] = { 1, 512, 1023, 1024, 1025, 60000 };
	static char sent[60000], received[60000];
	int fds[300];
	(void)state;
	start_echo();
	for (unsigned i = 0; i < 300; i++)
		fds[i] = service_connect(&service);
	for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (unsigned i = 0; i < 300; i++) {
			memset(sent, (int)(i + s), sizes[s]);
			service_send(fds[i], sent, sizes[s]);
		}
		for (unsigned i = 0; i < 300; i++) {
			memset(sent, (int)(i + s), sizes[s]);
			assert_int_equal(service_receive_all(fds[i], received, sizes[s]), sizes[s]);
			assert_memory_equal(received, sent, sizes[s]);
		}
	}
	for (unsigned i = 0; i < 300; i++)
		close(fds[i]);
	stop(0);
}

/* The end of the client's stream comes back as the end of the server's, after all bytes. */
static void test_echo_end(void **state)
{
	char received[100];
	int fd;
	(void)state;
	start_echo();
	fd = service_connect(&service);
	service_send(fd, "hello", 5);
	shutdown(fd, SHUT_WR);
	assert_int_equal(service_receive_all(fd, received, sizeof(received)), 5);
	assert_memory_equal(received, "hello", 5);
	close(fd);
	stop(0);
}

/* A port in use is said, with the address, and is exit code 1. */
static void test_echo_port_in_use(void **state)
{
	char command[8192], text[TEXT], address[32];
	(void)state;
	start_echo();
	snprintf(address, sizeof(address), "127.0.0.1:%u", service.port);
	snprintf(command, sizeof(command), "%s %u", test_build_path("examples/echo"), service.port);
	assert_int_equal(run_failing(command, text, sizeof(text)), 1);
	assert_non_null(strstr(text, address));
	assert_non_null(strstr(text, strerror(EADDRINUSE)));
	stop(0);
}

/* Anything else than its arguments is exit code 2 and the usage. */
static void test_usage(void **state)
{
	static const char *const bad[] = {
		"examples/echo",
		"examples/echo x",
		"examples/echo 70000",
		"examples/echo 0 1",
		"examples/echo 0 -w 0",
		"examples/echo 0 -x",
		"examples/httpd",
		"examples/httpd x",
		"examples/httpd 0 --log",
		"examples/httpd 0 -w 257",
		"examples/httpd 0 --drain -1",
		"examples/httpd 0 --nonsense",
		"examples/httpd 0 1",
	};
	char text[TEXT];
	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(run_failing(test_build_path(bad[i]), text, sizeof(text)), 2);
		assert_non_null(strstr(text, "usage: "));
	}
}

/* ---- httpd: what it serves ---- */

/* The hello, its fields, and HEAD with the same fields and no body, on one connection. */
static void test_hello(void **state)
{
	char text[TEXT];
	int fd;
	(void)state;
	start_httpd(0, NULL, NULL, NULL, NULL);
	fd = service_connect(&service);
	service_send_text(fd, GET("/"));
	assert_int_equal(service_response(fd, text, sizeof(text)), 200);
	assert_non_null(strstr(text, "\r\n\r\nhello from sley\n"));
	assert_non_null(strstr(text, "\r\nDate: "));
	assert_non_null(strstr(text, " GMT\r\n"));
	assert_null(strstr(text, "\r\nConnection:"));
	service_send_text(fd, "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	memset(text, 0, sizeof(text));
	assert_true(service_receive_all(fd, text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "\r\nContent-Length: 16\r\n"));
	assert_non_null(strstr(text, "\r\nConnection: close\r\n\r\n"));
	assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
	close(fd);
	stop(0);
}

/* /sleep takes as long as asked for, and other requests do not wait for it, with one thread. */
static void test_sleep(void **state)
{
	char text[TEXT];
	int slow;
	int64_t start;
	(void)state;
	start_httpd(0, "-w", "1", NULL, NULL);
	slow = service_connect(&service);
	start = test_now();
	service_send_text(slow, GET("/sleep?ms=300"));
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(get(GET("/"), text), 200);
	assert_true(test_now() - start < 300000000);
	assert_int_equal(service_response(slow, text, sizeof(text)), 200);
	assert_true(test_now() - start >= 300000000);
	assert_int_equal(get(GET("/sleep"), text), 400);
	assert_int_equal(get(GET("/sleep?ms=60001"), text), 400);
	assert_int_equal(get(GET("/sleep?ms=-1"), text), 400);
	close(slow);
	stop(0);
}

/* /log appends one line for each request to the file that is named, after what it had. */
static void test_log(void **state)
{
	char text[TEXT], lines[TEXT];
	FILE *file;
	size_t n;
	(void)state;
	snprintf(log_path, sizeof(log_path), "/tmp/sley-httpd-%d.log", (int)getpid());
	file = fopen(log_path, "w");
	assert_non_null(file);
	fputs("first\n", file);
	fclose(file);
	start_httpd(0, "--log", log_path, NULL, NULL);
	assert_int_equal(get(GET("/log"), text), 200);
	assert_int_equal(get(GET("/log?a=1"), text), 200);
	file = fopen(log_path, "r");
	assert_non_null(file);
	n = fread(lines, 1, sizeof(lines) - 1, file);
	fclose(file);
	lines[n] = '\0';
	assert_int_equal(strncmp(lines, "first\n", 6), 0);
	assert_non_null(strstr(lines, " GET /log?\n"));
	assert_non_null(strstr(lines, " GET /log?a=1\n"));
	stop(0);
}

/* Without --log there is nothing to append to; a log that cannot be opened is exit code 1 and names the file. */
static void test_log_missing(void **state)
{
	char text[TEXT], command[8192];
	(void)state;
	start_httpd(0, NULL, NULL, NULL, NULL);
	assert_int_equal(get(GET("/log"), text), 404);
	stop(0);
	snprintf(command, sizeof(command), "%s 0 --log /nonexistent/log", test_build_path("examples/httpd"));
	assert_int_equal(run_failing(command, text, sizeof(text)), 1);
	assert_non_null(strstr(text, "/nonexistent/log"));
}

/* /hash answers the same for the same size, and something else for another. */
static void test_hash(void **state)
{
	char one[TEXT], again[TEXT], two[TEXT];
	(void)state;
	start_httpd(0, NULL, NULL, NULL, NULL);
	assert_int_equal(get(GET("/hash?mb=1"), one), 200);
	assert_int_equal(get(GET("/hash?mb=1"), again), 200);
	assert_int_equal(get(GET("/hash?mb=2"), two), 200);
	assert_string_equal(strstr(one, "\r\n\r\n"), strstr(again, "\r\n\r\n"));
	assert_string_not_equal(strstr(one, "\r\n\r\n"), strstr(two, "\r\n\r\n"));
	assert_int_equal(get(GET("/hash?mb=1025"), two), 400);
	stop(0);
}

/* Unknown paths, methods that are not for this path, and methods that are none. */
static void test_errors(void **state)
{
	char text[TEXT];
	(void)state;
	start_httpd(0, NULL, NULL, NULL, NULL);
	assert_int_equal(get(GET("/nothing"), text), 404);
	assert_int_equal(get("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab", text), 405);
	assert_non_null(strstr(text, "\r\nAllow: GET, HEAD\r\n"));
	assert_int_equal(get("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", text), 404);
	assert_int_equal(get("BREW / HTTP/1.1\r\nHost: a\r\n\r\n", text), 501);
	stop(0);
}

/* ---- httpd: connections ---- */

/* Requests sent at once are answered in order, also when one in the middle takes longer, and bodies are passed over. */
static void test_pipelining(void **state)
{
	char text[TEXT];
	int fd;
	(void)state;
	start_httpd(0, NULL, NULL, NULL, NULL);
	fd = service_connect(&service);
	service_send_text(
		fd,
		GET("/") GET(
			"/sleep?ms=50") "GET /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
					"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" GET(
						"/hash?mb=1"));
	assert_int_equal(service_response(fd, text, sizeof(text)), 200);
	assert_non_null(strstr(text, "hello"));
	assert_int_equal(service_response(fd, text, sizeof(text)), 200);
	assert_non_null(strstr(text, "slept"));
	assert_int_equal(service_response(fd, text, sizeof(text)), 404);
	assert_int_equal(service_response(fd, text, sizeof(text)), 200);
	assert_non_null(strstr(text, "hello"));
	assert_int_equal(service_response(fd, text, sizeof(text)), 200);
	close(fd);
	stop(0);
}

/* More pipelined requests than fit the output buffer at once: all are answered. */
static void test_deep_pipeline(void **state)
{
	char text[TEXT];
	int fd;
	(void)state;
	start_httpd(0, NULL, NULL, NULL, NULL);
	fd = service_connect(&service);
	for (unsigned i = 0; i < 500; i++)
		service_send_text(fd, GET("/"));
	for (unsigned i = 0; i < 500; i++)
		assert_int_equal(service_response(fd, text, sizeof(text)), 200);
	close(fd);
	stop(0);
}

/* A refused request is answered and the connection ends, and the answer arrives although input is left unread. */
static void test_refusal_closes(void **state)
{
	static char junk[20000];
	char text[TEXT];
	int fd;
	(void)state;
	start_httpd(0, NULL, NULL, NULL, NULL);
	fd = service_connect(&service);
	memset(junk, 'x', sizeof(junk));
	service_send_text(fd, GET("/") "GET / HTTP/1.1\r\nHost : a\r\n\r\n");
	service_send(fd, junk, sizeof(junk));
	assert_int_equal(service_response(fd, text, sizeof(text)), 200);
	assert_int_equal(service_response(fd, text, sizeof(text)), 400);
	assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
	assert_int_equal(service_receive_all(fd, text, sizeof(text)), 0);
	close(fd);
	stop(0);
}

/* HTTP/1.0 closes unless it asks for keep-alive. */
static void test_http_1_0(void **state)
{
	char text[TEXT];
	int fd;
	(void)state;
	start_httpd(0, NULL, NULL, NULL, NULL);
	fd = service_connect(&service);
	service_send_text(fd, "GET / HTTP/1.0\r\n\r\n");
	assert_int_equal(service_response(fd, text, sizeof(text)), 200);
	assert_int_equal(service_receive_all(fd, text, sizeof(text)), 0);
	close(fd);
	stop(0);
}

/* A client that waits for leave to send its body gets it; where the answer is no anyway it gets that alone. */
static void test_expect_continue(void **state)
{
	char text[TEXT];
	int fd;
	(void)state;
	start_httpd(0, NULL, NULL, NULL, NULL);
	fd = service_connect(&service);
	service_send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
	assert_int_equal(service_response(fd, text, sizeof(text)), 100);
	service_send_text(fd, "hello");
	assert_int_equal(service_response(fd, text, sizeof(text)), 200);
	service_send_text(fd, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
	assert_int_equal(service_response(fd, text, sizeof(text)), 405);
	assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
	assert_int_equal(service_receive_all(fd, text, sizeof(text)), 0);
	close(fd);
	stop(0);
}

/* A request that comes a byte now and then is answered 408 when its time is over, and others do not wait for it. */
static void test_slow_request(void **state)
{
	char text[TEXT];
	int64_t start;
	int fd;
	(void)state;
	start_httpd(0, "-w", "1", "--request", "300");
	fd = service_connect(&service);
	start = test_now();
	service_send_text(fd, "GET / HTTP/1.1\r\nHo");
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(get(GET("/"), text), 200);
	service_send_text(fd, "st: a\r\nX: ");
	assert_int_equal(service_response(fd, text, sizeof(text)), 408);
	assert_true(test_now() - start >= 300000000);
	assert_int_equal(service_receive_all(fd, text, sizeof(text)), 0);
	close(fd);
	stop(0);
}

/* A connection without a request, new or kept alive, is closed without a word when its time is over. */
static void test_idle_connection(void **state)
{
	char text[TEXT];
	int fresh, used;
	(void)state;
	start_httpd(0, "--idle", "200", NULL, NULL);
	fresh = service_connect(&service);
	used = service_connect(&service);
	service_send_text(used, GET("/"));
	assert_int_equal(service_response(used, text, sizeof(text)), 200);
	assert_int_equal(service_receive_all(fresh, text, sizeof(text)), 0);
	assert_int_equal(service_receive_all(used, text, sizeof(text)), 0);
	close(fresh);
	close(used);
	stop(0);
}

/* Above --max-connections newcomers are answered 503; a place that gets free is given to the next. */
static void test_max_connections(void **state)
{
	char text[TEXT];
	int first, second;
	(void)state;
	start_httpd(0, "--max-connections", "1", NULL, NULL);
	first = service_connect(&service);
	service_send_text(first, GET("/"));
	assert_int_equal(service_response(first, text, sizeof(text)), 200);
	second = service_connect(&service);
	assert_int_equal(service_response(second, text, sizeof(text)), 503);
	close(second);
	service_send_text(first, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
	assert_int_equal(service_response(first, text, sizeof(text)), 200);
	/* its end is seen here before its place is free there, so the next may come too early */
	assert_int_equal(service_receive_all(first, text, sizeof(text)), 0);
	close(first);
	while (get(GET("/"), text) == 503)
		;
	assert_non_null(strstr(text, "hello"));
	stop(0);
}

/*
 * With 24 descriptors, 60 clients that want an answer each: those for whom there is no descriptor wait until others
 * have gone. All are served, and the server lives.
 */
static void test_no_descriptors(void **state)
{
	char text[TEXT];
	int fds[60];
	(void)state;
	start_httpd(24, "-w", "1", NULL, NULL);
	for (unsigned i = 0; i < 60; i++) {
		fds[i] = service_connect(&service);
		service_send_text(fds[i], GET("/"));
	}
	for (unsigned i = 0; i < 60; i++) {
		assert_int_equal(service_response(fds[i], text, sizeof(text)), 200);
		close(fds[i]);
	}
	stop(0);
}

/* ---- httpd: its end ---- */

/* True: nobody accepts there any more. */
static bool is_refused(unsigned port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), failed;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	failed = connect(fd, (struct sockaddr *)&address, sizeof(address));
	close(fd);
	return failed != 0;
}

/*
 * SIGTERM while a request is under way: newcomers are refused and the idle connection ends at once, the request is
 * answered in full with `Connection: close`, then the exit code is 0.
 */
static void test_drain(void **state)
{
	char text[TEXT];
	int busy, idle;
	int64_t start = test_now();
	(void)state;
	start_httpd(0, "-w", "1", NULL, NULL);
	busy = service_connect(&service);
	idle = service_connect(&service);
	service_send_text(busy, GET("/sleep?ms=1500"));
	service_send_text(idle, GET("/")); /* the one thread reads what came first before it: busy is under way */
	assert_int_equal(service_response(idle, text, sizeof(text)), 200);
	service_signal(&service, SIGTERM);
	assert_int_equal(service_receive_all(idle, text, sizeof(text)), 0);
	while (!is_refused(service.port))
		;
	assert_true(test_now() - start < 1500000000);
	assert_int_equal(service_response(busy, text, sizeof(text)), 200);
	assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
	assert_non_null(strstr(text, "slept"));
	assert_int_equal(service_receive_all(busy, text, sizeof(text)), 0);
	assert_int_equal(service_wait(&service), 0);
	close(busy);
	close(idle);
}

/* Draining is bounded: a request that takes a minute does not hold the end up. */
static void test_drain_is_bounded(void **state)
{
	char text[TEXT];
	int busy, other;
	int64_t start = test_now();
	(void)state;
	start_httpd(0, "-w", "1", "--drain", "200");
	busy = service_connect(&service);
	other = service_connect(&service);
	service_send_text(busy, GET("/sleep?ms=60000"));
	service_send_text(other, GET("/"));
	assert_int_equal(service_response(other, text, sizeof(text)), 200);
	stop(0);
	assert_true(test_now() - start < 30000000000);
	close(busy);
	close(other);
}

/* A port in use: the address, the remedy, exit code 1. */
static void test_port_in_use(void **state)
{
	char command[8192], text[TEXT], address[32];
	(void)state;
	start_httpd(0, NULL, NULL, NULL, NULL);
	snprintf(address, sizeof(address), "127.0.0.1:%u", service.port);
	snprintf(command, sizeof(command), "%s %u", test_build_path("examples/httpd"), service.port);
	assert_int_equal(run_failing(command, text, sizeof(text)), 1);
	assert_non_null(strstr(text, address));
	assert_non_null(strstr(text, "in use"));
	assert_non_null(strstr(text, "another port"));
	stop(0);
}

#define WITH_TEARDOWN(f) cmocka_unit_test_teardown(f, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TEARDOWN(test_echo_connections),
		WITH_TEARDOWN(test_echo_end),
		WITH_TEARDOWN(test_echo_port_in_use),
		WITH_TEARDOWN(test_usage),
		WITH_TEARDOWN(test_hello),
		WITH_TEARDOWN(test_sleep),
		WITH_TEARDOWN(test_log),
		WITH_TEARDOWN(test_log_missing),
		WITH_TEARDOWN(test_hash),
		WITH_TEARDOWN(test_errors),
		WITH_TEARDOWN(test_pipelining),
		WITH_TEARDOWN(test_deep_pipeline),
		WITH_TEARDOWN(test_refusal_closes),
		WITH_TEARDOWN(test_http_1_0),
		WITH_TEARDOWN(test_expect_continue),
		WITH_TEARDOWN(test_slow_request),
		WITH_TEARDOWN(test_idle_connection),
		WITH_TEARDOWN(test_max_connections),
		WITH_TEARDOWN(test_no_descriptors),
		WITH_TEARDOWN(test_drain),
		WITH_TEARDOWN(test_drain_is_bounded),
		WITH_TEARDOWN(test_port_in_use),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
