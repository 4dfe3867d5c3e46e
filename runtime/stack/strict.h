/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Strict mode (SLEY_CHECK=strict): every task has addresses of its own in the copying range. They are accessible
 * only while the task runs. So a use of a pointer into the stack of a task that is parked, or has ended, ends the
 * process at once. Otherwise it would read another tenant's bytes, and only when the stack happens to be shared.
 *
 * The whole range is one inaccessible mapping. slot_exchange() makes the stack of the next task accessible, and
 * slot_hide() makes it inaccessible after the task has left it. All parked stacks have the same protection, so the
 * kernel merges them again. There are never more than 2 * workers + 1 mappings, however many tasks exist, so
 * vm.max_map_count does not matter. The price is a pair of mprotect(2) per switch, about as much as 50 other system
 * calls. Rejected: copying the live bytes out, and MADV_GUARD_INSTALL instead of mprotect(2). It took the same time in
 * measurements (the flush of the TLB and the page fault are the costs), and needs Linux 6.13.
 *
 * A strict slot has no resident while its tenant is parked, although the tenant's bytes stay in the slot.
 */
#ifndef STACK_STRICT_H
#define STACK_STRICT_H

#include <stdbool.h>

#include "stack/slot.h"

/*
 * Called instead of slots_open(): reserves address space for `most` stacks, or for fewer if there is not enough. 0 or
 * -ENOMEM.
 */
int strict_open(unsigned most, size_t stack_size);
void strict_close(void); /* called by slots_close() */

/*
 * strict_pick() takes stacks that were never used first, then those that were left the longest ago. Null: all are in
 * use.
 */
struct slot *strict_pick(void);
void strict_put(struct slot *slot);

/*
 * strict_show() makes the stack accessible, strict_hide() makes it inaccessible. With the slot held. 0 or -ENOMEM: too
 * many mappings.
 */
int strict_show(struct slot *slot);
void strict_hide(struct slot *slot);

#endif
