/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The examples with OpenSSL as a user runs them: against each other, and against a client that is not ours. */
#include "scratch.h"
#include "service.h"
#include "tool.h"

#include "tests/test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static struct service server;
static char client_path[4096], port[16];

static int setup(void **state)
{
	(void)state;
	snprintf(client_path, sizeof(client_path), "%s", test_build_path("examples/third_party/tls_client"));
	tool_program = client_path;
	scratch_make();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	service_kill(&server);
	scratch_remove();
	return 0;
}

static void start(const char *workers, const char *seconds)
{
	char path[4096];
	char *argv[] = { path, "0", (char *)scratch_path("certificate"), "-w", (char *)workers, "-t", (char *)seconds,
			 NULL };
	snprintf(path, sizeof(path), "%s", test_build_path("examples/third_party/tls_server"));
	service_start(&server, 0, argv);
	snprintf(port, sizeof(port), "%u", server.port);
}

/* What it says at its end: how many connections were served to their end, how many there were at once, were refused. */
static void stop(unsigned *served, unsigned *most, unsigned *refused)
{
	char text[256] = "";
	service_signal(&server, SIGTERM);
	service_receive_output(&server, text, sizeof(text));
	assert_int_equal(service_wait(&server), 0);
	assert_int_equal(sscanf(text, "tls_server: %u connections served to their end, at most %u at once, %u refused",
				served, most, refused),
			 3);
}

/* Runs the client with up to three more arguments. */
static void run_client(struct tool *t, const char *certificate, const char *a, const char *b, const char *c)
{
	tool_run(t, false, port, scratch_path(certificate), "-w", "2", "-c", a, b, c, NULL);
}

/* 300 connections are there at once, over two threads at each end, and each gets back all bytes that it sent. */
static void test_many(void **state)
{
	struct tool client;
	unsigned served, most, refused;
	(void)state;
	start("2", "30");
	run_client(&client, "certificate", "300", NULL, NULL);
	tool_expect(&client, 0, "tls_client: 300 connections at once, ");
	tool_free(&client);
	stop(&served, &most, &refused);
	assert_int_equal(served, 300);
	assert_int_equal(most, 300);
	assert_int_equal(refused, 0);
}

/*
 * Python's client writes until nothing more fits, at both ends: then the server waits to write, and uses no CPU. It
 * checks the certificate by itself, compares all bytes, and says and waits for the end. With both versions of TLS.
 */
static const char python_client[] =
	"import os, select, socket, ssl, sys, time\n"
	"def cpu():\n"
	"    fields = open('/proc/%s/stat' % sys.argv[3]).read().rsplit(')', 1)[1].split()\n"
	"    return int(fields[11]) + int(fields[12])\n"
	"def await_quiet():\n"
	"    for attempt in range(75):\n"
	"        before = cpu()\n"
	"        time.sleep(0.2)\n"
	"        if cpu() == before:\n"
	"            return\n"
	"    sys.exit('the server computes while it waits to write')\n"
	"sent = os.urandom(20000000)\n"
	"for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:\n"
	"    context = ssl.create_default_context(cafile=sys.argv[2])\n"
	"    context.minimum_version = context.maximum_version = version\n"
	"    plain = socket.socket()\n"
	"    plain.settimeout(30)\n"
	"    plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)\n"
	"    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)\n"
	"    plain.connect(('127.0.0.1', int(sys.argv[1])))\n"
	"    s = context.wrap_socket(plain, server_hostname='localhost')\n"
	"    s.setblocking(False)\n"
	"    done, received, filled = 0, bytearray(), False\n"
	"    while len(received) < len(sent):\n"
	"        try:\n"
	"            while done < len(sent):\n"
	"                done += s.send(sent[done:done + 100000])\n"
	"        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):\n"
	"            if not filled:\n"
	"                await_quiet()\n"
	"                filled = True\n"
	"                continue\n"
	"        try:\n"
	"            while len(received) < len(sent):\n"
	"                piece = s.recv(100000)\n"
	"                assert piece, 'the stream ended'\n"
	"                received += piece\n"
	"        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):\n"
	"            pass\n"
	"        if len(received) < len(sent):\n"
	"            ready = select.select([s], [s] if done < len(sent) else [], [], 30)\n"
	"            assert any(ready), 'nothing came'\n"
	"    assert filled, 'the server took all without waiting'\n"
	"    assert received == sent, 'the bytes differ'\n"
	"    s.settimeout(30)\n"
	"    s.unwrap().close()\n"
	"    print(version.name, 'same')\n";

static void run_python(const char *program, char *text, size_t size)
{
	char pid[16];
	char *argv[] = {
		"/usr/bin/python3", "-c", (char *)program, port, (char *)scratch_path("certificate"), pid, NULL
	};
	snprintf(pid, sizeof(pid), "%d", (int)server.pid);
	assert_int_equal(test_run(argv, text, size), 0);
}

static void test_other_client(void **state)
{
	char text[256];
	unsigned served, most, refused;
	(void)state;
	start("2", "30");
	run_python(python_client, text, sizeof(text));
	assert_string_equal(text, "TLSv1_2 same\nTLSv1_3 same\n");
	stop(&served, &most, &refused);
	assert_int_equal(served, 2);
	assert_int_equal(refused, 0);
}

/* A stream that stops without a word from TLS may have been cut by somebody on the way: it is not served to its end. */
static void test_cut_stream(void **state)
{
	static const char program[] =
		"import socket, ssl, sys\n"
		"context = ssl.create_default_context(cafile=sys.argv[2])\n"
		"s = context.wrap_socket(socket.create_connection(('127.0.0.1', int(sys.argv[1])), 30),"
		" server_hostname='localhost')\n"
		"s.sendall(b'hello')\n"
		"print(s.recv(5).decode())\n"
		"s.close()\n";
	char text[64];
	unsigned served, most, refused;
	(void)state;
	start("1", "30");
	run_python(program, text, sizeof(text));
	assert_string_equal(text, "hello\n");
	stop(&served, &most, &refused);
	assert_int_equal(served, 0);
	assert_int_equal(most, 1);
}

/* A server whose certificate is not among the trusted ones, or is for another host, is not talked to. */
static void test_verification(void **state)
{
	struct tool client;
	unsigned served, most, refused;
	(void)state;
	start("1", "30");
	assert_int_equal(rename(scratch_path("certificate"), scratch_path("other")), 0);
	service_kill(&server);
	start("1", "30");
	run_client(&client, "other", "3", NULL, NULL);
	tool_expect(&client, 1, "tls_client: handshake: self-signed certificate\n");
	tool_free(&client);
	run_client(&client, "certificate", "3", "-H", "example.com");
	tool_expect(&client, 1, "tls_client: handshake: hostname mismatch\n");
	tool_free(&client);
	run_client(&client, "certificate", "3", NULL, NULL);
	tool_expect(&client, 0, "3 connections at once");
	tool_free(&client);
	stop(&served, &most, &refused);
	assert_int_equal(served, 3);
}

/* What is no TLS, in a connection of its own. */
static void send_junk(const char *text)
{
	char answer[256];
	int fd = service_connect(&server);
	service_send_text(fd, text);
	shutdown(fd, SHUT_WR);
	while (recv(fd, answer, sizeof(answer), 0) > 0)
		;
	close(fd);
}

static bool is_running(pid_t pid)
{
	siginfo_t end = { 0 };
	assert_int_equal(waitid(P_PID, (id_t)pid, &end, WEXITED | WNOWAIT | WNOHANG), 0);
	return end.si_pid == 0;
}

/*
 * On one thread, good connections between others that fail in their handshake, and so leave errors in the thread's
 * queue, or say nothing at all: none of the good ones takes harm.
 */
static void test_bad_neighbours(void **state)
{
	const char *args[] = { port, scratch_path("certificate"), "-c", "100", "-n", "20", NULL };
	struct tool client;
	unsigned served, most, refused, junk = 0;
	int silent[20];
	(void)state;
	start("1", "30");
	for (unsigned i = 0; i < 20; i++)
		silent[i] = service_connect(&server);
	tool_start(&client, false, args);
	do {
		send_junk("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
		send_junk("\x16\x03\x01\x02");
		junk += 2;
	} while (junk < 20 || is_running(client.pid));
	tool_finish(&client);
	tool_expect(&client, 0, "tls_client: 100 connections at once, ");
	tool_free(&client);
	for (unsigned i = 0; i < 20; i++)
		close(silent[i]);
	stop(&served, &most, &refused);
	assert_int_equal(served, 100);
	assert_int_equal(refused, junk + 20);
}

/* A client that says nothing is sent away when its time for the handshake is over; others are served meanwhile. */
static void test_silent_client(void **state)
{
	struct tool client;
	unsigned served, most, refused;
	char byte;
	int fd;
	(void)state;
	start("1", "3");
	fd = service_connect(&server);
	run_client(&client, "certificate", "1", NULL, NULL);
	tool_expect(&client, 0, "1 connections at once");
	tool_free(&client);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
	stop(&served, &most, &refused);
	assert_int_equal(served, 1);
	assert_int_equal(refused, 1);
}

/* Anything else than its arguments is exit code 2 and the usage; what cannot be done is 1 and names it. */
static void test_failures(void **state)
{
	struct tool t;
	(void)state;
	start("1", "30");
	tool_run(&t, false, port, NULL);
	tool_expect(&t, 2, "usage: tls_client PORT CERTIFICATE");
	tool_free(&t);
	tool_run(&t, false, port, scratch_path("nothing"), NULL);
	tool_expect(&t, 1, scratch_path("nothing"));
	tool_free(&t);
	service_kill(&server);
	tool_run(&t, false, port, scratch_path("certificate"), NULL);
	tool_expect(&t, 1, "Connection refused");
	tool_free(&t);

	snprintf(client_path, sizeof(client_path), "%s", test_build_path("examples/third_party/tls_server"));
	tool_run(&t, false, "x", "y", NULL);
	tool_expect(&t, 2, "usage: tls_server PORT CERTIFICATE");
	tool_free(&t);
	tool_run(&t, false, "0", "/nonexistent/certificate", NULL);
	tool_expect(&t, 1, "/nonexistent/certificate");
	tool_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_client, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(test_verification, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_neighbours, setup, teardown),
		cmocka_unit_test_setup_teardown(test_silent_client, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
