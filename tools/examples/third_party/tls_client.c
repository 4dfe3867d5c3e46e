/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * tls_client PORT CERTIFICATE [options]: many connections at once to an echo server over TLS on 127.0.0.1:PORT, a task
 * each. Every one checks the server's certificate, sends messages of its own, and compares what comes back.
 *
 *	-c CONNECTIONS  (100)
 *	-n MESSAGES     on each connection, of 1 to 20,000 bytes (5)
 *	-H HOST         the name that the certificate must be good for (localhost)
 *	-w WORKERS
 *
 * CERTIFICATE is the file of what is trusted. Exit code: 0: all came back, on every connection, and the server ended
 * each as TLS wants it; 1: not so, and the first reason; 2: usage.
 */
#include "arguments.h"
#include "tls.h"

#include <openssl/err.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USAGE    "tls_client PORT CERTIFICATE [-c CONNECTIONS] [-n MESSAGES] [-H HOST] [-w WORKERS]"
#define LONGEST  20000
#define PATIENCE SLEY_SEC(30) /* for each step */

static struct {
	SSL_CTX *context;
	char address[32];
	const char *host;
	unsigned connections, messages;
} option = { .host = "localhost", .connections = 100, .messages = 5 };

static struct sley_group connecting; /* those that have neither succeeded nor failed to */
static atomic_bool failed;
static atomic_ullong echoed; /* bytes */

/* Says why the first one failed; the others mostly have the same reason. */
static void fail(const char *step, ssize_t error, const struct tls *t)
{
	if (!atomic_exchange(&failed, true))
		fprintf(stderr, "tls_client: %s: %s\n", step, error == -EPROTO ? tls_reason(t) : strerror((int)-error));
}

/* Fills a message with bytes that depend on both numbers: its length. */
static size_t compose(unsigned char *message, unsigned connection, unsigned number)
{
	uint64_t state = ((uint64_t)connection << 32 | number) * 0x9e3779b97f4a7c15ULL + 1;
	size_t n = 1 + (size_t)(state >> 40) % LONGEST;
	for (size_t i = 0; i < n; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		message[i] = (unsigned char)(state >> 32);
	}
	return n;
}

/* Until n bytes have come: n; fewer at the end of the stream. */
static ssize_t read_full(struct tls *t, unsigned char *buffer, size_t n)
{
	size_t done = 0;
	ssize_t part;
	while (done < n) {
		part = tls_read(t, buffer + done, n - done, sley_in(PATIENCE));
		if (part <= 0)
			return part < 0 ? part : (ssize_t)done;
		done += (size_t)part;
	}
	return (ssize_t)done;
}

/* One message there and back: true if it is the same. */
static bool exchange(struct tls *t, unsigned char *sent, unsigned char *received, size_t n)
{
	ssize_t result = tls_write(t, sent, n, sley_in(PATIENCE));
	if (result < 0) {
		fail("write", result, t);
		return false;
	}
	result = read_full(t, received, n);
	if (result < 0) {
		fail("read", result, t);
		return false;
	}
	if ((size_t)result < n || memcmp(sent, received, n) != 0) {
		fail("what came back is not what was sent", -EBADMSG, t);
		return false;
	}
	atomic_fetch_add(&echoed, n);
	return true;
}

/* The messages are on the heap because they are long, not because OpenSSL needed it: see tls.c. */
static void talk(struct tls *t, unsigned connection)
{
	unsigned char *buffers = malloc((size_t)2 * LONGEST);
	bool good = buffers != NULL;
	int error;
	for (unsigned i = 0; good && i < option.messages; i++)
		good = exchange(t, buffers, buffers + LONGEST, compose(buffers, connection, i));
	error = !buffers ? -ENOMEM : good ? tls_end(t, sley_in(PATIENCE)) : 0;
	if (error)
		fail("end", error, t);
	free(buffers);
}

static bool connect_to_server(struct tls *t)
{
	int fd = sley_dial(option.address, sley_in(PATIENCE)), error;
	*t = (struct tls){ .fd = -1 };
	if (fd < 0) {
		fail(option.address, fd, t);
		return false;
	}
	error = tls_connect(t, option.context, fd, option.host, sley_in(PATIENCE));
	if (error)
		fail("handshake", error, t);
	return error == 0;
}

/* None begins to talk before all have connected, so that the connections are there at the same time. */
static void run_connection(void *arg)
{
	struct tls t;
	bool connected = connect_to_server(&t);
	sley_group_done(&connecting);
	sley_group_wait(&connecting, SLEY_NEVER);
	if (connected)
		talk(&t, (unsigned)(uintptr_t)arg);
	tls_close(&t);
}

/* The main task. */
static int run_all(void *arg)
{
	sley_task *tasks = calloc(option.connections, sizeof(*tasks));
	(void)arg;
	if (!tasks) {
		fail("memory", -ENOMEM, NULL);
		return 1;
	}
	sley_group_add(&connecting, option.connections);
	for (unsigned i = 0; i < option.connections; i++) {
		tasks[i] = sley_spawn(run_connection, (void *)(uintptr_t)i);
		if (tasks[i] < 0) {
			fail("spawn", (ssize_t)tasks[i], NULL);
			sley_group_done(&connecting);
		}
	}
	for (unsigned i = 0; i < option.connections; i++)
		if (tasks[i] > 0)
			sley_join(tasks[i], SLEY_NEVER);
	free(tasks);
	if (atomic_load(&failed))
		return 1;
	printf("tls_client: %u connections at once, %llu bytes there and back\n", option.connections,
	       atomic_load(&echoed));
	return 0;
}

static SSL_CTX *make_context(const char *path)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) ||
	    !SSL_CTX_load_verify_locations(context, path, NULL)) {
		fprintf(stderr, "tls_client: no certificate in %s\n", path);
		ERR_print_errors_fp(stderr);
		return NULL;
	}
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	return context;
}

static void parse(int argc, char **argv, struct sley_options *options)
{
	int o;
	while ((o = getopt(argc, argv, "c:n:H:w:")) != -1) {
		if (o == 'H')
			option.host = optarg;
		else if (o == 'c')
			option.connections = (unsigned)argument_number(optarg, 1, 100000, USAGE);
		else if (o == 'n')
			option.messages = (unsigned)argument_number(optarg, 0, 1000000, USAGE);
		else if (o == 'w')
			options->workers = (unsigned)argument_number(optarg, 1, 256, USAGE);
		else
			argument_failed(USAGE);
	}
	if (optind != argc - 2)
		argument_failed(USAGE);
	snprintf(option.address, sizeof(option.address), "127.0.0.1:%ld",
		 argument_number(argv[optind], 1, 65535, USAGE));
}

int main(int argc, char **argv)
{
	struct sley_options options = { .size = sizeof(options), .name = "tls_client" };
	int error, result;
	parse(argc, argv, &options);
	option.context = make_context(argv[optind + 1]);
	if (!option.context)
		return 1;
	signal(SIGPIPE, SIG_IGN); /* OpenSSL does not ask for MSG_NOSIGNAL */
	error = sley_run(run_all, NULL, &options, &result);
	if (error)
		fprintf(stderr, "tls_client: %s\n", strerror(-error));
	SSL_CTX_free(option.context);
	return error ? 1 : result;
}
