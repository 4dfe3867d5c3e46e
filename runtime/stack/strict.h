/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Strict mode (SLEY_STACK_CHECK=strict): every task has addresses of its own in the copying range, and they can be
 * accessed only while it runs. So whoever uses a pointer into the stack of a task that is parked, or has ended, dies
 * at once instead of finding another tenant's bytes on the day that the stack is shared.
 *
 * The whole range is one inaccessible mapping. slot_exchange() makes the stack of the task that is to run accessible,
 * slot_hide() takes that back when its stack has been left. As all that is parked has the same protection, the kernel
 * merges it again, and there are never more than 2 * workers + 1 mappings, however many tasks there are: a million is
 * as good as ten, and vm.max_map_count does not matter. The price is a pair of mprotect(2) a switch, about as much as
 * 50 other system calls. Rejected: copying the live bytes out and MADV_GUARD_INSTALL instead, which measured the same
 * (the flush of the TLB and the page fault are what costs) and needs Linux 6.13.
 *
 * Nobody is resident in a strict slot while its tenant is parked, though its bytes stay where they are.
 */
#ifndef STACK_STRICT_H
#define STACK_STRICT_H

#include <stdbool.h>

#include "stack/slot.h"

/* Instead of slots_open(): address space for `most` stacks, or less if there is not that much. 0 or -ENOMEM. */
int strict_open(unsigned most, size_t stack_size);
void strict_close(void); /* by slots_close() */

/* Stacks that were never used come first, then those that were left the longest ago. Null: all are in use. */
struct slot *strict_pick(void);
void strict_put(struct slot *slot);

/* Makes the stack accessible, inaccessible. With the slot held. 0 or -ENOMEM: too many mappings. */
int strict_show(struct slot *slot);
void strict_hide(struct slot *slot);

#endif
