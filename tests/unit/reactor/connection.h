/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What the tests of the reactor share: a connection, and tasks that wait for one. */
#ifndef REACTOR_CONNECTION_H
#define REACTOR_CONNECTION_H

#include <sley.h>

/* What needs the watchdog to look after old waits (those of a second and more) was not delivered by its event. */
#define BEFORE_REARM sley_in(SLEY_MS(500))

/* A connection over TCP: `ours` was dialled by sley, `theirs` is a plain blocking socket. */
struct connection {
	int ours, theirs;
};

struct connection connect_pair(void);
void disconnect(struct connection c);

struct waiting {
	int fd;
	ssize_t first; /* atomic */
	ssize_t result;
};

/* Tasks: read a byte; write more than fits. */
void wait_to_read(void *waiting);
void wait_to_write(void *waiting);

#endif
