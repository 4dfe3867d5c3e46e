/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Servers and load generators as child processes of a row, and what processes cost. Failures end the child (bench_fail). */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdint.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/types.h>

struct process {
	pid_t pid;
	FILE *output; /* its standard output */
};

/* The path of a product of the build: under $SLEY_BUILD, else where this program lies. In a static buffer. */
const char *process_build_path(const char *name);

/* Starts argv (argv[0]: a path) on this CPU alone. It dies with its parent. */
void process_start(struct process *, int cpu, char *const argv[]);

/* Reads "... listening on 127.0.0.1:PORT" from its output: the port. */
unsigned process_port(struct process *);

/* Ends it with SIGTERM and waits for it, `usage` may be null. */
void process_stop(struct process *, struct rusage *usage);

/* Waits until it has ended by itself with exit code 0. */
void process_wait(struct process *);

/* Resident bytes: anonymous, file and shared memory, memfd pages that are not mapped, page tables. */
int64_t process_resident(pid_t);

#endif
