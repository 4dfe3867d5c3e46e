/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The calling side of the matrix of waiting calls (matrix.c): all rows, and a task that makes the call of one. */
#ifndef STRESS_MATRIX_CALL_H
#define STRESS_MATRIX_CALL_H

#include "tests/stress/matrix_row.h"

/* All rows, by tables that end with a null name; the list of tables ends with null. */
extern const struct matrix_row *const matrix_tables[];

/* The call that is made, one at a time. */
extern struct matrix_call {
	const struct matrix_row *row;
	sley_time deadline;
	int result;
	bool mask;
	unsigned go;      /* atomic: the call may be made */
	sley_task caller; /* atomic: set when it begins */
} call;

/* Spawns a task that makes the call, when call.go is 1. `mask`: cancellation is masked. */
sley_task start_call(const struct matrix_row *row, sley_time deadline, bool mask, bool go);

/* Yields until the task waits for what the row says. */
void until_it_waits(sley_task task, const struct matrix_row *row);

/*
 * The call has ended with this answer; if it was another, that is said. After one that was done, nothing is ready.
 * expect_answer() joins its task first.
 */
void check_answer(const char *way, int expected);
void expect_answer(sley_task task, const char *way, int expected);

/* For main(), before there is any thread: blocks the signals that rows send. */
void matrix_block_signals(void);

#endif
