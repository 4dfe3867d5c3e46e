/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The memory of the public records: present before they are used, and given back. For the task table. */
#ifndef TASK_RECORDS_H
#define TASK_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slabs;

/* With the table's growth lock held: [0, high), or [begin, end) again, are about to be used. 0 or -ENOMEM. */
int records_grow(uint32_t high);
int records_again(uint32_t begin, uint32_t end);

/*
 * Gives back parts none of whose `entries` is in use, nor about to be, and has `shrink` give back what is for more than so
 * many tasks; returns the bytes. By the watchdog.
 */
size_t records_trim(struct slabs *entries, size_t (*shrink)(uint32_t tasks));

/* The same after a run, whose entries are all gone. */
void records_close(void);

#endif
