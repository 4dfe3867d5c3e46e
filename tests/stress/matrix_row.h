/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A row of the matrix of waiting calls: see matrix.c. */
#ifndef STRESS_MATRIX_ROW_H
#define STRESS_MATRIX_ROW_H

#include <stdbool.h>

#include <sley.h>
#include <sley/introspect.h>

/* One call that waits, for one object. All but `call` run in the main task. */
struct matrix_row {
	const char *name;
	enum sley_wait_kind kind;
	void (*open)(void); /* makes the object; nothing is ready */
	void (*end)(void);  /* frees it: nobody may be left in it */
	int (*call)(sley_time deadline);
	void (*ready)(void); /* makes one call possible; null: nothing can */
	void (*reset)(void); /* after a call that was done: nothing is ready again; may be null */
	void (*close)(void); /* closes the object under the call; null: it cannot be */
	void (*reopen)(void);
	int done;          /* the answer of a call that was done */
	int closed;        /* and of one whose object was closed */
	int in_thread;     /* what a plain thread gets at once; 0: it waits as a task does */
	int in_task;       /* the same of a task */
	bool always_waits; /* it is never done at once: a deadline in the past or a cancellation comes first */
	bool waits_before; /* the call has waits before the one that the row is about */
	bool each_anew;    /* what ready() makes possible is the call that waits, and none after it */
};

/* What a row has to open, or to end. */
static inline void nothing(void)
{
}

#endif
