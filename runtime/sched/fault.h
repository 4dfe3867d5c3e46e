/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The -EFAULT checks: addresses that several tasks use must not lie on a copying stack. */
#ifndef SCHED_FAULT_H
#define SCHED_FAULT_H

#include "stack/slot.h"

/*
 * Reports `p`, handed to `call` as `what`: one line on stderr, once per spawn site of the calling task. Returns
 * -EFAULT.
 */
int fault_report(const void *p, const char *call, const char *what, const char *remedy);

#define SHARED_REMEDY "put it on the heap, into a static, or onto a private stack"

/* 0, or -EFAULT if the shared object lies on a copying stack. */
static inline int fault_check(const void *object, const char *call, const char *what)
{
	return likely(!stack_is_copying(object)) ? 0 : fault_report(object, call, what, SHARED_REMEDY);
}

#endif
