/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Unchanged client libraries against real servers: many tasks at once on two threads. The runtime finds no blocked threads,
 * so a call that blocks its thread stops half of all, and two stop the test.
 */
#ifndef MANY_H
#define MANY_H

#include "tests/test.h"

#define TASKS 1000

/* Runs request(i) for i from 0 to n - 1, each as a task, and `main` (may be null) beside them. `seconds`: at most. */
void run_many(unsigned n, void (*request)(unsigned i), void (*main)(void), unsigned seconds);

/* Skips the test unless the process may have so many descriptors. */
void need_descriptors(unsigned n);

/* How many threads this process has. */
unsigned count_threads(void);

/* A program as a child, which dies with this one; its standard output and error can be read from *output. */
int start_program(char *const argv[], int *output);
void end_program(int pid);

/* Reads output until it contains the text; fails the test if it ends before. */
void await_output(int output, const char *text);

#endif
