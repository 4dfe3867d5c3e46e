/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The call that a thread is stuck in, without the tracer: /proc/PID/task/TID/syscall names the call, and /proc/PID/mem
 * has the stack. This finds a block that began before asynctop attached, which the tracer does not know, and it is the
 * only way without capabilities. It sees only blocks that are under way at a tick. Reading either file may block, so
 * the looker reads them (thread.h).
 */
#ifndef ASYNCTOP_SAMPLER_H
#define ASYNCTOP_SAMPLER_H

#include "source/process.h"
#include "source/thread.h"

/*
 * Looks at the thread of worker line `w`, which runs a task. Fills task, site, worker, syscall, arguments, descriptor,
 * memory, instruction and stack pointers and the stack of *r, and leaves times and counts to the caller.
 */
enum sample sampler_look(struct process *p, const struct sley_region_worker *w, struct block_record *r);

#endif
