/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Functions that left no frame, as their last act was a call (a tail call is a jump). */
#ifndef ASYNCTOP_SYMBOLS_TAIL_H
#define ASYNCTOP_SYMBOLS_TAIL_H

#include "symbols/frames.h"

#define TAIL_STEPS 4

struct tail {
	unsigned steps;
	uint64_t returns[TAIL_STEPS]; /* innermost first: the address after the jump out of each function */
	uint64_t
		function; /* if there are no steps: of a function from which it is not known where it jumped; 0: none */
	bool blind;       /* none is known, and there may have been some */
};

/*
 * Looks for them between two frames of a stack. `inner` is an address in the code of the inner frame, `caller` a return
 * address. `entry` is the name of the function that the task runs, or empty.
 */
void tail_find(struct space *space, uint64_t inner, uint64_t caller, const char *entry, struct tail *tail);

#endif
