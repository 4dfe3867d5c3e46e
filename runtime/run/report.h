/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Checks of addresses in the arguments of calls. An object that several tasks use must not lie on a copying stack:
 * -EFAULT. A block that is passed by value should not hold addresses of the sender's stack: reported in strict mode.
 */
#ifndef RUN_REPORT_H
#define RUN_REPORT_H

#include <errno.h>

#include "region/region.h"
#include "stack/slot.h"

/*
 * Reports `p`, handed to `call` as `what`: one line on stderr, once per spawn site of the calling task. Returns
 * -EFAULT.
 */
int report_shared(const void *p, const char *call, const char *what, const char *remedy);

/* Writes "task 7 name, spawned at file.c:12 as function" to `text`, and returns it. Signal-safe. */
#define TASK_TEXT 256
const char *task_text(char text[TASK_TEXT], uint64_t id, uint32_t site);

/* One bit per spawn site that has been reported. Atomic. */
typedef uint64_t told_sites[SLEY_REGION_SITES / 64];

/* Whether this is the first report for the site: each message is printed once per site. */
bool report_first_time(told_sites told, uint32_t site);

#define SHARED_REMEDY "put it on the heap, into a static variable, or on a private stack (option private_stack)"

/* 0, or -EFAULT if the shared object lies on a copying stack. */
static inline int check_shared(const void *object, const char *call, const char *what)
{
	return likely(!stack_is_copying(object)) ? 0 : report_shared(object, call, what, SHARED_REMEDY);
}

/* Like check_shared(), and -EINVAL for null. */
static inline int check_object(const void *object, const char *call, const char *what)
{
	return likely(object != NULL) ? check_shared(object, call, what) : -EINVAL;
}

/* Reports the first word of the block that is the address of a live byte on the calling task's copying stack. */
void report_block(const void *block, size_t n, const char *call, const char *what);

/* In strict mode: searches a block that `call` is about to copy for another task. The block is copied in any case. */
static inline void check_block(const void *block, size_t n, const char *call, const char *what)
{
	if (unlikely(stack_strict))
		report_block(block, n, call, what);
}

#endif
