/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The looker's part of sampler.h: it reads the state of a thread. */
#ifndef ASYNCTOP_THREAD_H
#define ASYNCTOP_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "events.h"

enum sample {
	SAMPLE_NONE,    /* it cannot be told */
	SAMPLE_RUNNING, /* it computes, or waits for a CPU */
	SAMPLE_BLOCKED, /* it sleeps in a call: the record says in which */
	SAMPLE_STOPPED, /* stopped by a signal, */
	SAMPLE_TRACED,  /* held by a debugger, */
	SAMPLE_FROZEN,  /* frozen with its cgroup: its task and its call are not to blame for any of these */
};

/* Whether the thread is stopped: SAMPLE_STOPPED, TRACED, FROZEN, else BLOCKED, RUNNING or NONE. */
enum sample thread_state(int dir, uint32_t tid);

/* The times of a thread since it began: on a CPU, and ready without one. */
struct computing {
	uint64_t ran_ns, waited_ns;
	uint64_t sleeps; /* voluntary context switches; 0: not known */
};

/* thread_state(), and the times if it is SAMPLE_RUNNING. */
enum sample thread_computing(int dir, uint32_t tid, struct computing *times);

/* profile_event() of a thread of that process; -1: it cannot be had. */
int thread_event(int dir, uint32_t tid);

/*
 * Fills in the call of a thread: number, arguments, descriptor, instruction and stack pointers, and the fields of
 * thread_memory(). `dir` is a descriptor of /proc/PID.
 */
enum sample thread_sample(int dir, uint32_t tid, struct block_record *r);

/* Copies the bytes at an address of the process. False: they are not all there. */
bool thread_bytes(int dir, uint64_t address, void *to, size_t size);

/* Reads memory by pages, up to the first that is not there: the bytes that were read. */
size_t thread_pages(int mem, uint8_t *to, size_t n, uint64_t address);

/* Fills in the stack, from the stack pointer to stack_top, and the memory behind the call's pointer argument. */
void thread_memory(int dir, struct block_record *r);

#endif
