/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Workers that do not come back from a task, in a call that began before the tracer watched, or stopped from outside. Their
 * threads are looked at by way of /proc.
 */
#ifndef ASYNCTOP_STUCK_H
#define ASYNCTOP_STUCK_H

#include "session/watch.h"

/*
 * Weighs the delay of the record, which is about the dispatch, until `end`. `line` and `block` are the worker's, read last
 * in that dispatch.
 */
void dispatch_weigh(const struct dispatch *d, struct block_record *r, int64_t end,
		    const struct sley_region_worker *line, const struct sley_region_block *block);

/* Fills in calls and stops of the model's workers, and takes the calls for blocks. */
void stuck_read(struct watch *w, struct model *m);

#endif
