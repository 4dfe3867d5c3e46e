/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * assist.bpf.c and its loader. The loader is libsley_assist, which the runtime opens at run time (runtime/assist/
 * outside.c), and is a part of asynctop, for `asynctop assist`.
 */
#ifndef SLEY_BPF_ASSIST_H
#define SLEY_BPF_ASSIST_H

#ifdef __bpf__
#include "kernel.h"
#else
#include <stdint.h>
#endif

#include "sley/introspect.h"

#define ASSIST_WORKERS SLEY_REGION_WORKERS

/* Where the program finds in the process whether work waits. All are addresses in that process, and not trusted. */
struct assist_place {
	uint64_t lines; /* of the worker table */
	uint32_t stride;
	uint32_t count;         /* its first lines, which are looked at */
	uint64_t poller;        /* as in struct sley_region_header */
	uint64_t global_length; /* the same */
};

/* What the program `watch` is to mark. */
struct assist_request {
	uint32_t count;
	uint32_t marked;                     /* threads that were found; set by the program */
	uint64_t threads[ASSIST_WORKERS];    /* thread pointer of each worker; 0: it has no thread */
	uint64_t dispatches[ASSIST_WORKERS]; /* of those marked before: the dispatch that goes on; 0: none */
};

#ifndef __bpf__

/* ---- the loader ---- */

struct assist;

/*
 * The loader's functions. The version is SLEY_REGION_VERSION: the program reads the region, so runtime and library belong
 * together. One thread at a time makes each call; wait() and wake() may run beside watch().
 */
struct assist_library {
	uint32_t version;
	/*
	 * Loads and attaches the program for one process, of which no thread is watched yet. The descriptor of the
	 * process stays the caller's, and open until close(). 0 or a negative errno value; -EPERM: no privilege.
	 */
	int (*open)(struct assist **, int pidfd, const struct assist_place *);
	void (*close)(struct assist *);
	/*
	 * From now on watches the threads of these workers, `count` from the first one, unless it does already. Those that
	 * are blocked by a task at that moment get a level, too. Returns the number of watched threads, or a negative errno
	 * value.
	 */
	int (*watch)(struct assist *, const struct sley_region_worker *lines, uint32_t count);
	/*
	 * ASSIST_WORKERS words that the program writes. Word i: the dispatch of worker i in which its task has blocked the
	 * thread; 0: it runs, or sleeps in the runtime. Valid until close().
	 */
	const uint64_t *(*levels)(struct assist *);
	/*
	 * Sleeps until the program rings, for at most `timeout` ms (-1: for ever). Returns the number of bells; 0: there was
	 * none, or a signal; -ECANCELED: wake() was called.
	 */
	int (*wait)(struct assist *, int timeout);
	void (*wake)(struct assist *); /* ends this wait, and all later ones */
};

/* The name under which libsley_assist exports it. */
#define ASSIST_LIBRARY_SYMBOL "sley_assist_library"
extern const struct assist_library sley_assist_library;

#endif

#endif
