/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The examples of sockets as a user runs them: datagrams, descriptors that are passed, and a protocol of lines. */
#include "service.h"

#include "tests/test.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static struct service service;

static int teardown(void **state)
{
	(void)state;
	service_kill(&service);
	return 0;
}

static void start(const char *name)
{
	char path[4096];
	char *argv[] = { path, "0", NULL };
	snprintf(path, sizeof(path), "%s", test_build_path(name));
	service_start(&service, 0, argv);
}

/* Ends it: what it still printed is in `text`. */
static void stop(char *text, size_t size)
{
	service_signal(&service, SIGTERM);
	service_receive_output(&service, text, size);
	assert_int_equal(service_wait(&service), 0);
}

/* ---- udp_echo ---- */

static int udp_client(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)service.port) };
	const struct timeval patience = { .tv_sec = 10 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Datagrams of all sizes come back to who sent them, and one who is gone does not end the service. */
static void test_udp_echo(void **state)
{
	static const size_t sizes[] = { 0, 1, 1400, 60000 };
	static char sent[60000], received[60001];
	char text[200];
	int fds[10];
	(void)state;
	start("examples/udp_echo");
	for (unsigned i = 0; i < 10; i++)
		fds[i] = udp_client();
	for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (unsigned i = 0; i < 10; i++) {
			memset(sent, (int)(i + s), sizes[s]);
			assert_int_equal(send(fds[i], sent, sizes[s], 0), sizes[s]);
			assert_int_equal(recv(fds[i], received, sizeof(received), 0), sizes[s]);
			assert_memory_equal(received, sent, sizes[s]);
		}
	}
	assert_int_equal(send(fds[0], "gone", 4, 0), 4);
	close(fds[0]);
	for (unsigned i = 1; i < 10; i++) {
		assert_int_equal(send(fds[i], "here", 4, 0), 4);
		assert_int_equal(recv(fds[i], received, sizeof(received), 0), 4);
		close(fds[i]);
	}
	stop(text, sizeof(text));
	assert_string_equal(text, "udp_echo: answered 50\n");
}

/* ---- handoff ---- */

/* Reads a line. */
static void receive_line(int fd, char *text, size_t size)
{
	size_t n = 0;
	while (n + 1 < size && service_receive_all(fd, text + n, 1) == 1 && text[n++] != '\n')
		;
	text[n] = '\0';
}

/* Many connections at once are served, by a process that is not the one that accepted them; with its front they end. */
static void test_handoff(void **state)
{
	char text[200];
	int fds[100], served, last = 0;
	(void)state;
	start("examples/handoff");
	for (int i = 0; i < 100; i++)
		fds[i] = service_connect(&service);
	for (int i = 0; i < 100; i++) {
		receive_line(fds[i], text, sizeof(text));
		assert_int_equal(sscanf(text, "served by %d\n", &served), 1);
		assert_true(served != service.pid && (i == 0 || served == last));
		last = served;
		snprintf(text, sizeof(text), "connection %d\n", i);
		service_send_text(fds[i], text);
	}
	for (int i = 99; i >= 0; i--) {
		char expected[200];
		snprintf(expected, sizeof(expected), "connection %d\n", i);
		receive_line(fds[i], text, sizeof(text));
		assert_string_equal(text, expected);
	}
	for (int i = 0; i < 100; i++)
		close(fds[i]);
	stop(text, sizeof(text));
}

/* ---- lines ---- */

static void expect_answers(const char *requests, const char *answers)
{
	char text[1000];
	int fd = service_connect(&service);
	service_send_text(fd, requests);
	shutdown(fd, SHUT_WR);
	size_t n = service_receive_all(fd, text, sizeof(text) - 1);
	text[n] = '\0';
	assert_string_equal(text, answers);
	close(fd);
}

/* Requests one by one and all at once, bytes behind a line, a file, and what is no request. */
static void test_lines(void **state)
{
	char text[2000], expected[100];
	int fd;
	(void)state;
	start("examples/lines");
	fd = service_connect(&service);
	for (int i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "ADD %d 1000\r\n", i);
		snprintf(expected, sizeof(expected), "OK %d\n", i + 1000);
		service_send_text(fd, text);
		receive_line(fd, text, sizeof(text));
		assert_string_equal(text, expected);
	}
	close(fd);
	expect_answers("ADD 1 2\nTAKE 5\na1b2\nADD 3 4\nTAKE 0\nQUIT\nADD 5 6\n", "OK 3\nOK 2\nOK 7\nOK 0\n");
	expect_answers("ADD 1\nADD 9223372036854775807 1\nTAKE 1001\nX\n\nADDER 1 1\nADD -1 2",
		       "ERROR two numbers are to be added\nERROR two numbers are to be added\nERROR at most 1000\n"
		       "ERROR no such command\nERROR no such command\nERROR no such command\nOK 1\n");
	expect_answers("TAKE 10\nshort", "");
	fd = service_connect(&service);
	service_send_text(fd, "ADD 1 1\nSHOW\nADD 2 2\n");
	assert_int_equal(service_receive_all(fd, text, 5 + 3 + 16 + 1 + 5), 30);
	assert_memory_equal(text, "OK 2\nOK \177ELF", 12);
	assert_memory_equal(text + 24, "\nOK 4\n", 6);
	/* a line that does not fit ends the connection */
	memset(text, 'x', sizeof(text));
	service_send(fd, text, sizeof(text));
	shutdown(fd, SHUT_WR);
	ssize_t n = recv(fd, text, sizeof(text), 0);
	assert_true(n == 0 || n < 0); /* the rest of it may be answered by a reset */
	close(fd);
	stop(text, sizeof(text));
}

/* ---- usage ---- */

/* Anything else than its arguments is exit code 2 and the usage; an address in use is 1, and said. */
static void test_usage(void **state)
{
	static const char *const names[] = { "udp_echo", "handoff", "lines" };
	static const char *const bad[] = { "", "x", "70000", "0 1", "-1x" };
	char path[100], line[8192], text[1000];
	char *argv[] = { "sh", "-c", line, NULL };
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "examples/%s", names[i]);
		for (unsigned b = 0; b < sizeof(bad) / sizeof(bad[0]); b++) {
			snprintf(line, sizeof(line), "exec %s %s 2>&1", test_build_path(path), bad[b]);
			assert_int_equal(test_run(argv, text, sizeof(text)), 2);
			assert_non_null(strstr(text, "usage: "));
		}
		start(path);
		snprintf(line, sizeof(line), "exec %s %u 2>&1", test_build_path(path), service.port);
		assert_int_equal(test_run(argv, text, sizeof(text)), 1);
		assert_non_null(strstr(text, "in use"));
		stop(text, sizeof(text));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_udp_echo, teardown),
		cmocka_unit_test_teardown(test_handoff, teardown),
		cmocka_unit_test_teardown(test_lines, teardown),
		cmocka_unit_test_teardown(test_usage, teardown),
	};
	return cmocka_run_group_tests_name("examples_io", tests, NULL, NULL);
}
