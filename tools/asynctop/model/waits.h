/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Counts the tasks that wait for the same lock, channel or task: by (wait kind, object). */
#ifndef ASYNCTOP_WAITS_H
#define ASYNCTOP_WAITS_H

#include "model/model.h"
#include "model/tally.h"

#define WAITS_BRIEF_NS 100000000  /* a wait that is no longer is not looked at */
#define WAITS_LONG_NS  1000000000 /* one that is worth a warning */

/* How long the task has waited, at least. */
int64_t waits_ns(const struct model *m, const struct sley_region_task *t);

/* The kind by which the waits for an object of `kind` are counted: both of an rwlock are one. */
uint32_t waits_kind(uint32_t kind);

/* Counts the task if it has waited for some time for something that another task has to do. */
void waits_add(struct tally *waits, const struct model *m, const struct sley_region_task *t);

/* A tally's slots, the most time together first. The array is the caller's to free. */
struct tally_slot *waits_worst(const struct tally *waits, uint32_t *count);

#endif
