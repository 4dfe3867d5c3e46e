/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The looker's part of look_parked(): it reads the registers and the stack of a parked task out of the process's memory,
 * on its stack or where that is copied out. The process is not stopped: the entry of the task is read before and after.
 */
#ifndef ASYNCTOP_PARKED_H
#define ASYNCTOP_PARKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "events.h"

/* Whether the process tells where the entries are, and this reader knows how registers are saved there. */
bool parked_known(const struct sley_region_entries *e);

/*
 * Fills in registers and stack of *r. The stack ends at the latest with its room: it may have bytes that lie behind the
 * task's own. 0; -ESTALE: the task is not parked there any more; or another error.
 */
int parked_read(int dir, const struct sley_region_entries *e, uint64_t task, struct block_record *r);

#endif
