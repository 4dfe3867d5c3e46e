/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Scenarios of libc's calls that run twice: on a plain thread, where the kernel answers, and in a task on the only worker.
 * What they note has to be the same.
 *
 * A scenario may have a peer, which acts when the scenario's call waits. On the thread that is another thread, which looks
 * until the first one sleeps. In the run it is a task of the same worker, so it runs only if the call has let it: a call
 * that blocks the thread stops all, and the process ends by SIGALRM with the scenario's name.
 */
#ifndef BOTH_H
#define BOTH_H

#include "tests/test.h"

#include <errno.h>

/* Notes a result, with errno if it is negative. A peer notes only while the scenario waits for it. */
#define note(value) note_as(#value, (value))
long note_as(const char *what, long value);

/* Notes bytes by their sum. */
void note_bytes(const void *bytes, size_t n);

/* Starts the peer; ends when it has acted. */
void peer_starts(void (*act)(void *arg), void *arg);
void peer_ends(void);

/* Whether the scenario runs in a task. */
bool in_task(void);

/* Runs the scenario in both ways. */
void run_both(const char *name, void (*scenario)(void));

/* BOTH(name) { ... } is a test: a scenario that runs in both ways. */
#define BOTH(name) \
	static void scenario_##name(void); \
	TEST_ENTRY(test_##name, __LINE__, NULL, NULL) \
	{ \
		run_both(#name, scenario_##name); \
	} \
	static void scenario_##name(void)

/* Sockets and pipes of a scenario, which ends the process if there are none. */
void make_pair(int type, int ends[2]);
void make_pipe(int ends[2]);
void close_both(const int ends[2]);

#endif
