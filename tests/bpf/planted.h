/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A planted service under test: it says "ready", takes orders as lines and answers with lines. */
#ifndef TESTS_BPF_PLANTED_H
#define TESTS_BPF_PLANTED_H

#include <stdio.h>
#include <sys/types.h>

#include "source/process.h"
#include "source/tracer.h"

struct planted {
	pid_t pid;
	int input;
	FILE *output;
	struct process process;
	struct tracer *tracer;
	uint32_t key;
};

/* Starts argv[0] and waits until it is ready. REQUIRE()s that it works. */
void planted_start(struct planted *, char *const argv[]);

/* Starts a program of this build, "tests/bpf/NAME.planted", with up to three arguments (null: no more). */
void planted_start_named(struct planted *, const char *name, const char *a, const char *b, const char *c);

/* Watches it from now on. */
void planted_watch(struct planted *, struct tracer *);

/* Asks it for the times too, for the next minute, and waits until it gives them. */
void planted_times(struct planted *);

/* Watches its new threads too. */
void planted_refresh(struct planted *);

/* Gives it one line. */
void planted_order(struct planted *);

/* Its next line, without the newline, in a static buffer. */
const char *planted_answer(struct planted *);

/* Ends it, by the end of its input or, if `kill` is set, by SIGKILL, and what was watched of it. */
void planted_stop(struct planted *, bool kill);

/* Opens a tracer, or skips the test: no root, or no eBPF here. Call it on the test's own stack. */
struct tracer *planted_tracer(const struct tracer_config *);

/* What the tracer reports of the service: totals of a system call at any site, added up, and the longest block. */
struct report {
	unsigned keys;
	struct block_total total;
	struct block_record longest;
};
void planted_report(struct planted *, int syscall, struct report *);

/* The same of all blocks. */
#define ANY_SYSCALL (-2)

/* The spawn site of a number. */
struct region_site planted_site(struct planted *, uint32_t site);

#endif
