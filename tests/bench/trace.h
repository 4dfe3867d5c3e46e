/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The stores of libsley, by cache line and thread. In a build with TRACE=1 gcc calls a function of this module before each
 * access of the library that is not to the function's own frame, as it does for ThreadSanitizer, whose interface that is.
 * Reads are dropped. What libc, the assembly and the kernel write is not seen.
 *
 * Time is cut into epochs, in which each worker runs some times, but few tasks move from a worker to another one. What all
 * workers write in an epoch is therefore a line that they share, and not one that went round with a task.
 *
 * A process with TRACE_FILE in its environment records its stores from its start on. At its end it writes the sums, a struct
 * trace_sums, to the file of that name; and with TRACE_PLACES, which is the number of operations, the places.
 *
 * In other builds the functions are missing, and their addresses null.
 */
#ifndef BENCH_TRACE_H
#define BENCH_TRACE_H

#include <stdbool.h>
#include <stdio.h>

#define TRACE_EPOCH_NS 100000000
#define TRACE_FILE     "SLEY_TRACE_FILE"
#define TRACE_PLACES   "SLEY_TRACE_PLACES"

#define TRACE_WORKERS 48 /* the number of a worker is less */

struct trace_sums {
	double stores;  /* of workers */
	double several; /* those to lines that more than one thread has written in the same epoch */
	double others;  /* of these, what is not the line's most frequent writer's */
	double all;     /* those to lines that each worker has that was busy then, if at least half of `workers` were */
	double lost;    /* that found no place in the tables */
};

#define TRACE_WEAK __attribute__((weak))

/* From here on stores are recorded, `places`: by the place in the code, too; an epoch begins; they are recorded no more. By one thread, in this order, once. */
void trace_start(bool places) TRACE_WEAK;
void trace_epoch(void) TRACE_WEAK;
void trace_stop(void) TRACE_WEAK;

/* After trace_stop(). */
void trace_sum(unsigned workers, struct trace_sums *) TRACE_WEAK;

/*
 * If they were recorded: prints the places of the code whose stores are to such lines, those with the most first, each with its
 * share of an operation.
 */
void trace_print_places(FILE *, bool all, double operations) TRACE_WEAK;

#endif
