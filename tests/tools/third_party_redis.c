/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The example with hiredis as a user runs it, against the real redis-server, with redis-cli as the witness of what the
 * server has; and against servers of the test's own that break the protocol.
 */
#include "scratch.h"
#include "service.h"
#include "tool.h"

#include "tests/test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static struct service server;
static char program[4096], address[128];

static int setup(void **state)
{
	(void)state;
	snprintf(program, sizeof(program), "%s", test_build_path("examples/third_party/redis_tasks"));
	tool_program = program;
	scratch_make();
	snprintf(address, sizeof(address), "unix:%s", scratch_path("socket"));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	service_kill(&server);
	scratch_remove();
	return 0;
}

/* ---- the real server ---- */

/*
 * redis-server under the name that the package redis-tools has it by: it is one program, which looks at the name it is
 * called by. The package redis-server would add a link, and start a server of the whole machine, which no test may.
 */
#define SERVER "/usr/bin/redis-check-rdb"

__attribute__((noreturn)) static void become_server(int output)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(output, STDOUT_FILENO);
	execl(SERVER, "redis-server", "--port", "0", "--unixsocket", scratch_path("socket"), "--dir", scratch_path(""),
	      "--save", "", "--appendonly", "no", "--daemonize", "no", NULL);
	_exit(127);
}

/* Reads what it logs until a line says that it is ready. */
static void await_ready(int fd)
{
	static char log[16384];
	size_t n = 0;
	ssize_t part;
	log[0] = '\0';
	while (!strstr(log, "ready to accept connections")) {
		part = read(fd, log + n, sizeof(log) - n - 1);
		if (part <= 0)
			fail_msg("redis-server does not start:\n%s", log);
		n += (size_t)part;
		log[n] = '\0';
	}
}

static void start_redis(void)
{
	int ends[2];
	if (access(SERVER, X_OK) != 0)
		test_skip("needs the package redis-tools");
	assert_int_equal(pipe(ends), 0);
	server.pid = fork();
	assert_true(server.pid >= 0);
	if (server.pid == 0)
		become_server(ends[1]);
	close(ends[1]);
	server.output = ends[0];
	await_ready(server.output);
}

/* What redis-cli answers to a command of up to five words, without the newline at its end. */
#define redis_cli(...) redis_cli_words((const char *const[5]){ __VA_ARGS__ })
static const char *redis_cli_words(const char *const words[5])
{
	static char text[64];
	char *argv[] = { "redis-cli", "-s", (char *)scratch_path("socket"), NULL, NULL, NULL, NULL, NULL, NULL };
	for (unsigned i = 0; i < 5; i++)
		argv[3 + i] = (char *)words[i];
	assert_int_equal(test_run(argv, text, sizeof(text)), 0);
	text[strcspn(text, "\n")] = '\0';
	return text;
}

/* ---- what is stored ---- */

/* Values are those that the example documents, the count is exact, and all reports were taken. */
static void check_stored(const char *tasks)
{
	assert_string_equal(redis_cli("get", "sley:count", NULL), tasks);
	assert_string_equal(redis_cli("exists", "sley:done"), "0");
	assert_int_equal(atoi(redis_cli("dbsize")), atoi(tasks) + 1);
	assert_string_equal(redis_cli("get", "sley:0"), "a");
	assert_string_equal(redis_cli("get", "sley:16"), "qqqqqqqrrrrrrrsss");
	assert_string_equal(redis_cli("strlen", "sley:49"), "2000000");
	assert_string_equal(redis_cli("getrange", "sley:49", "1999990", "-1"), "vwwwwwwwxx");
}

static void run_tasks(const char *tasks, const char *connections, const char *workers)
{
	struct tool t;
	tool_run(&t, false, address, "-n", tasks, "-c", connections, "-w", workers, NULL);
	tool_expect(&t, 0, "values, count and reports are right\n");
	tool_free(&t);
}

/* 500 tasks on two threads share 8 connections. A second time too, over what the first left there. */
static void test_many_tasks(void **state)
{
	(void)state;
	start_redis();
	run_tasks("500", "8", "2");
	check_stored("500");
	run_tasks("500", "8", "2");
	check_stored("500");
}

/* One thread and one connection for all: BLPOP waits beside them, and keeps neither. */
static void test_one_connection(void **state)
{
	(void)state;
	start_redis();
	run_tasks("60", "1", "1");
	check_stored("60");
}

/* ---- what the server refuses ---- */

/* What the server answers is what is said, and the exit code is 1. */
static void test_error_reply(void **state)
{
	struct tool t;
	(void)state;
	start_redis();
	assert_string_equal(redis_cli("config", "set", "requirepass", "x"), "OK");
	tool_run(&t, false, address, NULL);
	tool_expect(&t, 1, "NOAUTH");
	tool_free(&t);
}

/* Nobody may report, so the BLPOP for the reports would last for ever: it is cancelled. */
static void test_cancelled_wait(void **state)
{
	struct tool t;
	(void)state;
	start_redis();
	assert_string_equal(redis_cli("acl", "setuser", "default", "-rpush"), "OK");
	tool_run(&t, false, address, "-n", "20", NULL);
	tool_expect(&t, 1, "NOPERM");
	tool_free(&t);
}

/* A server that does not answer is waited for as long as was said. */
static void test_no_answer(void **state)
{
	struct tool t;
	int64_t start;
	(void)state;
	start_redis();
	assert_int_equal(kill(server.pid, SIGSTOP), 0);
	start = test_now();
	tool_run(&t, false, address, "-t", "1", NULL);
	assert_true(test_now() - start >= 1000000000);
	tool_expect(&t, 1, "Connection timed out\n");
	tool_free(&t);
}

/* ---- servers of our own ---- */

static int listen_here(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", scratch_path("socket"));
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* Runs the example against a server that answers its first command with these pieces and ends. */
static void run_against(const char *const *pieces, int code, const char *part)
{
	const char *args[] = { address, "-t", "10", NULL };
	const struct timeval patience = { .tv_sec = 10 };
	char command[256];
	struct tool t;
	int listener = listen_here(), fd;
	setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	tool_start(&t, false, args);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	assert_true(recv(fd, command, sizeof(command), 0) > 0);
	for (unsigned i = 0; pieces[i]; i++)
		service_send_text(fd, pieces[i]);
	close(fd);
	close(listener);
	tool_finish(&t);
	tool_expect(&t, code, part);
	tool_free(&t);
	unlink(scratch_path("socket"));
}

static void test_broken_server(void **state)
{
	static const char *const silent[] = { NULL };
	static const char *const nonsense[] = { "nonsense\r\n", NULL };
	static const char *const cut[] = { "$10\r\nabc", NULL };
	static const char *const error[] = { "-ER", "R no", " such thing\r", "\n", NULL };
	(void)state;
	run_against(silent, 1, "redis_tasks: DEL: Connection reset by peer\n");
	run_against(nonsense, 1, "redis_tasks: DEL: Protocol error\n");
	run_against(cut, 1, "redis_tasks: DEL: Connection reset by peer\n");
	run_against(error, 1, "redis_tasks: DEL: ERR no such thing\n");
}

/* Nobody there: exit code 1. No such arguments: 2, and the usage. */
static void test_failures(void **state)
{
	struct tool t;
	(void)state;
	tool_run(&t, false, address, NULL);
	tool_expect(&t, 1, "No such file or directory\n");
	tool_free(&t);
	tool_run(&t, false, "a", "b", NULL);
	tool_expect(&t, 2, "usage: redis_tasks ADDRESS");
	tool_free(&t);
	tool_run(&t, false, address, "-n", "0", NULL);
	tool_expect(&t, 2, "usage: redis_tasks ADDRESS");
	tool_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many_tasks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_error_reply, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancelled_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_server, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
