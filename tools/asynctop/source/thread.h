/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What the looker does of sampler.h: reading what a thread is in. */
#ifndef ASYNCTOP_THREAD_H
#define ASYNCTOP_THREAD_H

#include <stdint.h>

#include "events.h"

enum sample {
	SAMPLE_NONE,    /* it cannot be told */
	SAMPLE_RUNNING, /* it computes, or waits for a CPU */
	SAMPLE_BLOCKED, /* it sleeps in a call: the record says in which */
};

/*
 * `dir` is a descriptor of /proc/PID. Fills in of a thread: syscall, arguments, descriptor,
 * instruction and stack pointers, and what thread_memory() does.
 */
enum sample thread_sample(int dir, uint32_t tid, struct block_record *r);

/* The stack from the stack pointer to stack_top, and what the call's pointer argument leads to. */
void thread_memory(int dir, struct block_record *r);

#endif
