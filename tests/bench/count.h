/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * bench -c: what a row costs per operation, by counts in the place of times. Counts repeat, so a small change is seen on a
 * busy machine, too.
 *
 *   instructions  of the worker's thread, in functions of runtime/; by valgrind's callgrind
 *   whole         the same with libc, the kernel's vDSO and the row itself
 *   locked        instructions of the program that lock the bus or are a full fence: these are found in its disassembly, and
 *                 callgrind says how often each was run
 *   calls         system calls of all threads; by strace
 *
 * A server row counts its server, per request: a program of its own, under a load that sends a request on each connection,
 * waits for all answers, and sends the next (bench-load --rounds). Lines "raw" are those of the server beside it.
 *
 * A row is run with little work and with more, and the difference counts, so its start and its end do not. There is one
 * worker, and its thread alone is counted. What comes with time, as a look into the reactor does, is kept out by some
 * runs of each, of which the least count is taken.
 */
#ifndef BENCH_COUNT_H
#define BENCH_COUNT_H

#include <stdbool.h>

struct bench_row;

/* Prints the counts of a row. False: it could not be counted, which it has said. */
bool count_row(const struct bench_row *);

/* In the child of a count: runs the row once in this process, and prints the number of its operations. */
void count_operations(const struct bench_row *, unsigned divisor);

#endif
