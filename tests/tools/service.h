/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * An example as a child process of a test, and plain blocking sockets to talk to it. A socket waits at most 10 s, so a
 * server that does not answer fails the test instead of hanging it. Assertions are cmocka's: for the test's own stack.
 */
#ifndef TESTS_SERVICE_H
#define TESTS_SERVICE_H

#include <stddef.h>
#include <sys/types.h>

struct service {
	pid_t pid; /* 0: ended */
	unsigned port;
	int output; /* its standard output */
};

/*
 * Starts argv (argv[0]: its path) with at most `files` descriptors (0: as many as we) and waits until it says on which
 * port it listens.
 */
void service_start(struct service *, unsigned files, char *const argv[]);

/* Sends the signal. */
void service_signal(struct service *, int signal);

/* Reads what it writes on its standard output until it closes that: as text, cut at `size`. */
void service_receive_output(const struct service *, char *text, size_t size);

/* Waits until it has ended: its exit code, or 128 + the signal that ended it. */
int service_wait(struct service *);

/* Kills it if it still runs: for teardown. */
void service_kill(struct service *);

/* A connection to it. */
int service_connect(const struct service *);

/* Sends all of it. */
void service_send(int fd, const void *bytes, size_t n);
void service_send_text(int fd, const char *text);

/* Receives up to n bytes until the end of the stream: how many. */
size_t service_receive_all(int fd, char *bytes, size_t n);

/* Receives one HTTP response, to its end by Content-Length, into `text` (NUL-terminated): its status. */
int service_response(int fd, char *text, size_t size);

#endif
