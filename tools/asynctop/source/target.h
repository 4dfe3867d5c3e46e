/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The name of a descriptor of the watched process: a path, or a socket with its peer. The kernel recorded inode and
 * device at the block; a name is given only while the descriptor still leads to that inode. No file system is asked, so
 * that a hung or hostile one cannot hang the tool.
 */
#ifndef ASYNCTOP_TARGET_H
#define ASYNCTOP_TARGET_H

#include <stdbool.h>

#include "common/text.h"
#include "events.h"

#define TARGET_CLOSED "(closed)"

/*
 * Appends the name of descriptor r->fd; `dir` is the process's /proc directory. True, or false with "(closed)" if it is
 * closed or another file by now, or false with nothing if the call took no descriptor.
 */
bool target_name(struct text *out, int dir, const struct block_record *r);

/* Whether the descriptor still leads to that inode; much cheaper than the name of a socket among many. */
bool target_same(int dir, const struct block_record *r);

/* Fills in descriptor, inode, device and mode of the call's descriptor as it is now. */
void target_identify(int dir, struct block_record *r);

#endif
