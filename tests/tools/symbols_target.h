/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Processes for the resolver's tests: compiled in several ways, blocked at a known place, and their stacks copied. */
#ifndef SYMBOLS_TARGET_H
#define SYMBOLS_TARGET_H

#include "symbols/symbols.h"

#define SAMPLE  4096 /* bytes of stack that a sample usually has */
#define PLANTED "tests/tools/symbols.planted.c"

/* A directory for the programs of a test run; target_directory_remove() deletes it and all in it. */
const char *target_directory(void);
void target_directory_remove(void);

/* Compiles PLANTED as `name` in the directory, with these options; the path is valid until the program ends. */
const char *target_compile(const char *name, const char *const *options);
const char *target_compile_by(const char *compiler, const char *name, const char *const *options);

/* Runs a program of binutils; fails the test unless it succeeds. */
void target_tool(const char *tool, const char *a, const char *b, const char *c);

/* Copies a file, its mode included. */
void target_copy(const char *from, const char *to);

struct target {
	pid_t pid, tid;
	int input, output;
};

/* Starts it and waits for its announcement: `tid` is the thread that blocks. */
void target_start(struct target *target, const char *program, const char *chain, const char *argument);

/* Waits until the thread is in this system call; if it reads, from descriptor 0. */
void target_wait_blocked(const struct target *target, long call);

/* Lets it go on. */
void target_continue(const struct target *target);
void target_kill(struct target *target);

/* Stops the thread, copies its registers and up to `size` bytes of its stack into a request, lets it go. */
void target_capture(const struct target *target, size_t size, struct symbols_request *request);

/* The same without stopping the thread, by what /proc shows of its call: no registers but rip, rsp and rdi. */
void target_peek(const struct target *target, size_t size, struct symbols_request *request);

/* Asks and waits for the answer; fails the test if none comes in a generous time. */
void target_ask(struct symbols *symbols, const struct symbols_request *request, struct symbols_answer *answer);

/* start, wait_blocked in read, capture SAMPLE bytes, ask: in one. The target stays. */
void target_sample(struct symbols *symbols, struct target *target, const char *program, const char *chain,
		   const char *argument, struct symbols_answer *answer);

/* This frame is in PLANTED, in this function, at the line with this comment. */
void target_assert_frame(const struct symbols_frame *frame, const char *function, const char *mark);

/* The same of the answer's location; and all frames inside of it belong to others. */
void target_assert_location(const struct symbols_answer *answer, const char *function, const char *mark);

void target_print(const struct symbols_answer *answer);

#endif
