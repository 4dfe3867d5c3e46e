/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Running asynctop or another program of this build as a user does, with what it wrote kept. Assertions: cmocka's. */
#ifndef TESTS_TOOL_H
#define TESTS_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define TOOL_SECONDS 60 /* after which a run has hung: the test fails */

/* The program to run: null for asynctop. */
extern const char *tool_program;

struct tool {
	pid_t pid;
	int out_fd, err_fd;
	int code;        /* exit code, or 128 + the signal that ended it */
	char *out, *err; /* what it wrote, NUL-terminated */
	size_t out_size, err_size;
};

/* Starts it with up to 255 arguments, ended by NULL. `nobody`: as that user, without capabilities. */
void tool_start(struct tool *, bool nobody, const char *const *args);

/* Waits until it ends. */
void tool_finish(struct tool *);

void tool_free(struct tool *);

/* All of it: tool_run(&t, false, "-b", "-p", pid, NULL). `nobody` is a truth value: an int, as va_start() wants. */
void tool_run(struct tool *, int nobody, ...) __attribute__((sentinel));

/* Fails unless it ended with that code and wrote that text on either output. */
void tool_expect(const struct tool *, int code, const char *part);

/* A number as text, in one of a few static buffers. */
const char *tool_number(long n);

/* Fails unless every byte is a printable one of UTF-8 or a newline: nothing that acts on a terminal. */
void tool_assert_harmless(const char *bytes, size_t n);

/* Fails unless every line of `json` is an object that the schema allows. */
void tool_assert_schema(const char *json);

#endif
