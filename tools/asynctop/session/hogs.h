/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Tasks that compute for long without giving their thread back: hogs. They are found by looks at the workers' lines, 50 ms
 * apart, and a child's looks at the threads, so without the tracer too. One is counted when its thread was running, or
 * waited for a CPU, from one look to the next, or when the runtime has noted it. So those are found that last for 150 ms,
 * and some of the shorter ones. When a hog is seen first, samples of its thread begin (source/profile.h), which give its
 * line.
 */
#ifndef ASYNCTOP_HOGS_H
#define ASYNCTOP_HOGS_H

#include "session/watch.h"

#define HOG_NS 40000000 /* the shortest that is looked at */

/* Takes a hog that is over. */
typedef void hog_fn(struct watch *w, const struct block_record *r);

/* A look at the workers' lines [0, n) that were just read. */
void hogs_look(struct watch *w, int n, int64_t now, hog_fn *take);

/* The worker has left the dispatch: its hog, if it was one, is over. */
void hogs_over(struct watch *w, uint32_t worker, int64_t now, hog_fn *take);

/* Puts those that are under way into the model. */
void hogs_read(struct watch *w, struct model *m);

void hogs_free(struct watch *w);

#endif
