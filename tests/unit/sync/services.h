/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What the tests of supervision share: services that fail and end as they are told, and their owner. */
#ifndef SYNC_SERVICES_H
#define SYNC_SERVICES_H

#include "tests/unit/run.h"

#include "base/lock.h"

#define SERVICES 4u

/* What each is to do, and what it did. Atomic. */
extern struct service {
	unsigned starts, ends;
	unsigned failing; /* 1: it is to fail now */
	unsigned done;    /* 1: it is to return 0 now */
} services[SERVICES];

extern struct services_log {
	struct list_lock lock;
	char text[256]; /* "+1" for a start, "-1" for an end; protected by lock */
} services_log;

extern struct sley_child *handles[SERVICES];

/* The log is empty. */
void forget(void);

/* A service: runs until it is told to fail or to stop, or is cancelled. */
int serves(void *number);

/* Yields until the word is `value`, or the services have been started so often. REQUIRE()s that it comes soon. */
void await(const unsigned *word, unsigned value);
void await_starts(unsigned a, unsigned b, unsigned c, unsigned d);

#define OPTIONS(...) \
	(struct sley_scope_options) \
	{ \
		.size = sizeof(struct sley_scope_options), ##__VA_ARGS__ \
	}

/* Opens a scope, with nothing counted yet; starts a service for each of `services` in it. */
struct sley_scope *open_with(struct sley_scope_options options);
void spawn_services(struct sley_scope *scope);

/*
 * The owner is a task of its own, so that the test can act while it waits. `act` runs when all services have started
 * once; the owner's answer is returned.
 */
extern struct sley_scope *supervised;
extern int answer;
extern unsigned spawned; /* atomic */
int supervise_with(struct sley_scope_options options, void (*act)(sley_task owner));

/* The service fails; it returns 0, and is waited for. */
void crash(unsigned number);
void finish(unsigned number);
void finish_all(void);

#endif
