/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Servers and load generators as child processes of a row, and what processes cost. Failures end the child (bench_fail). */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

#include <stdbool.h>
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

/* Sets of CPUs, as bits. */
#define SERVER_CPU 1u
#define LOAD_CPU   2u

/* Starts argv (argv[0]: a path) on these CPUs alone. It dies with its parent. */
void process_start(struct process *, unsigned cpus, char *const argv[]);

/* The same for a function, which runs in a copy of this process, and does not return for long. */
void process_fork(struct process *, unsigned cpus, void (*function)(void *), void *arg);

/* Reads "... listening on 127.0.0.1:PORT" from its output: the port. */
unsigned process_port(struct process *);

/* Ends it with SIGTERM and waits for it, `usage` may be null. */
void process_stop(struct process *, struct rusage *usage);

/* A run of bench-load against a server on this machine. */
struct load {
	unsigned port, connections, cpus;
	pid_t server;
	bool http, quick;
	unsigned block;  /* see bench-load --block; 0: none */
	unsigned rounds; /* see bench-load --rounds; 0: it is bounded by time */
	/* results; latencies are those of the requests that are not to block */
	double requests, rps, p50_us, p99_us, p999_us;
	double cpu; /* the server's CPU seconds per million requests */
};

void process_load(struct load *);

/* Resident bytes: anonymous, file and shared memory, memfd pages that are not mapped, page tables. */
int64_t process_resident(pid_t);

#endif
