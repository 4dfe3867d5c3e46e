/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The verdict: one sentence that names the task, the blocked thread, the call and its line, the tasks that were
 * delayed, and the call to use instead. Pure.
 */
#ifndef ASYNCTOP_VERDICT_H
#define ASYNCTOP_VERDICT_H

#include "common/text.h"
#include "model/model.h"

void verdict_put(struct text *out, const struct model *m, const struct model_blocker *b);

/* One about a worker. False: there is nothing to tell. */
bool verdict_put_worker(struct text *out, const struct model *m, const struct model_worker *w);

/* task 16777218 "conn" (spawned at httpd.c:120 by serve); 0: not known which of that site */
void verdict_put_task(struct text *out, const struct model *m, uint64_t task, const char *name, uint32_t site);

/* "fsync(7</srv/log>)": the call as strace -y writes it. */
void verdict_put_call(struct text *out, const struct model_block *b);

/* Only the remedy, without a full stop. */
void verdict_put_remedy(struct text *out, const struct model_block *b);

#endif
