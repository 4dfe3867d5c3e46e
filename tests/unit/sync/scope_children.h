/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What the tests of scopes share: children that end in different ways, and are counted. */
#ifndef SYNC_SCOPE_CHILDREN_H
#define SYNC_SCOPE_CHILDREN_H

#include "tests/unit/run.h"

extern struct children {
	unsigned started, ended; /* atomic */
	struct sley_group gate;
	struct sley_chan *never; /* nobody sends on it */
} children;

/* Waits until so many children are in a wait, or at least begun. */
void await_started(unsigned n);

/* Yields once, and returns its argument as a number. */
int works(void *result);

/* Ends only when it is cancelled, and takes its time then. */
int waits(void *arg);

/* Waits for the gate. */
int waits_for_gate(void *arg);

struct sley_scope *open_scope(const struct sley_scope_options *options);
void spawn_some(struct sley_scope *scope, int (*fn)(void *), unsigned n);

/* A run of `main` on 1, 2 and 4 workers, with everything as at the start. */
void run_fresh(int (*main)(void *));

#endif
