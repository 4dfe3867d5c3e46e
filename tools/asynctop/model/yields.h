/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Counts tasks by the place where they gave their thread back last: (spawn site, wait kind, return address). */
#ifndef ASYNCTOP_YIELDS_H
#define ASYNCTOP_YIELDS_H

#include "model/model.h"
#include "model/tally.h"

void yields_add(struct tally *y, const struct sley_region_task *t);

/* The at most `limit` places with the most tasks, most first. The array is the caller's to free. */
struct model_yield *yields_top(const struct tally *y, uint32_t limit, uint32_t *count);

#endif
