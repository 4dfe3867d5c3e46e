/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What a thread is stuck in, without the kernel's help: /proc/PID/task/TID/syscall says in which call it sleeps, and
 * /proc/PID/mem has its stack. This finds a block that began before asynctop attached, which the tracer cannot know,
 * and it is all there is without capabilities. It sees only what is there at a tick. Both may block: the looker reads
 * them.
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
