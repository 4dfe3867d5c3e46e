/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The memory of the public records: populated before use, and given back. Used by the task table. */
#ifndef TASK_RECORDS_H
#define TASK_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slabs;

/*
 * With the table's growth lock held: records_grow() prepares [0, high) for use, records_again() a range that was given
 * back. 0 or -ENOMEM.
 */
int records_grow(uint32_t high);
int records_again(uint32_t begin, uint32_t end);

/*
 * Gives back the parts whose `entries` are all unused and stay so. Calls `shrink` with the number of usable entries, to
 * give back memory for more tasks. Returns the bytes. Called by the watchdog.
 */
size_t records_trim(struct slabs *entries, size_t (*shrink)(uint32_t tasks));

/* Gives back all parts after a run, when no entry is left. */
void records_close(void);

#endif
