/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The system call in which a thread of this process is. */
#ifndef WATCH_CALL_H
#define WATCH_CALL_H

#include <stdbool.h>
#include <stdint.h>

enum call_kind {
	CALL_UNKNOWN,
	CALL_SYSTEM,   /* in a system call */
	CALL_CODE,     /* blocked elsewhere: a page fault */
	CALL_COMPUTES, /* on a CPU, or waits for one */
};

struct call {
	enum call_kind kind;
	long number;    /* of the system call */
	uint64_t first; /* its first argument */
};

/* Opens and reads a file of /proc: some 10 us. By the watchdog. */
struct call call_of(uint32_t tid);

/* Writes "in system call 202" or the like to `text`, and returns it. */
#define CALL_TEXT 40
const char *call_text(char text[CALL_TEXT], const struct call *call);

/* Names sley's call that a task could make in the place of this one: "sley_read()"; null: not known. */
const char *call_instead(const struct call *call);

#endif
