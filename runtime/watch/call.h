/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The system call in which a thread of this process is; in the region for tools, which need no privilege to read it.
 *
 * At each of the watchdog's looks that are not short, two calls of workers noted as blocked are read, those that are not
 * known yet; all are read again now and then, as a task may go from one call to the next. So this costs 0.2 % of a CPU at
 * most, and short blocks are a sample. Rejected: a descriptor for each worker that is kept. This one may not be opened by
 * a process that is not dumpable, and what is read of a thread that nobody looks at is not worth a number of the service.
 */
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
	uint64_t first; /* its first arguments */
	uint64_t second;
	uint64_t pc; /* the address at which the thread goes on in user space; 0: it computes, or not known */
};

/* Opens and reads a file of /proc: some 10 us. By the watchdog. */
struct call call_of(uint32_t tid);

/* Puts some calls into the region. By the watchdog. */
void calls_look(void);

/* Writes "in read()", "in system call 435" or the like to `text`, and returns it. */
#define CALL_TEXT 40
const char *call_text(char text[CALL_TEXT], const struct call *call);

/* The same with what the task could do instead: "use sley_read() instead". */
const char *call_remedy(char text[CALL_TEXT], const struct call *call);

#endif
