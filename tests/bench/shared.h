/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * bench -s: how much of what a row writes goes to cache lines that several workers write, per operation, by the trace of
 * stores (trace.h). On a machine with as many CPUs each of these may cost a transfer of the line.
 *
 *   stores   all of workers
 *   several  those to lines that more than one thread writes
 *   others   of these, those of others than the line's most frequent writer: the line moves twice as often at most
 *   all      those to lines that each busy worker writes: they bound how far the row can go with the number of CPUs
 *
 * The row runs as often as there are workers, side by side, each copy again and again with a small part of the work. Copies
 * share nothing but the runtime. A row of a server is run as in count.h, but with so many workers, and on all CPUs. Nothing is counted before each of them has begun, nor after one has ended. SLEY_ASSIST is
 * off: with more workers than CPUs, what finds blocks would find more of them than there are.
 *
 * Each sum is the least of some runs. Workers that wait for a CPU are robbed of their tasks, which then go round, so a busy
 * machine with fewer CPUs shows more: only `all` repeats well enough to be compared.
 */
#ifndef BENCH_SHARED_H
#define BENCH_SHARED_H

#include <stdbool.h>
#include <stddef.h>

struct bench_row;

#define SHARED_WORKERS 8

/* Prints the sums of a row; `where`: and the places of the stores. False: it has failed. */
bool shared_row(const struct bench_row *, bool where);

/* Whether this process runs copies of a row. */
extern bool shared_copies;

/* Called by the main task of a run in this process: runs copies of fn, each with a copy of the n bytes `arg`. */
int shared_run(int (*fn)(void *), const void *arg, size_t n);

#endif
