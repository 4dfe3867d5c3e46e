/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * How much of a stock of free memory nobody has needed for a while, so that it can go back to the kernel. What a step
 * finds is the least that the stock held at any time in the last DECAY_STEPS steps: so a load that comes back within
 * that time finds its memory still populated, and a burst's memory is gone a step later than that after its end.
 *
 * Rejected: ages of the single pieces. The stock is a LIFO, so which pieces were used says nothing of how many are.
 */
#ifndef BASE_DECAY_H
#define BASE_DECAY_H

#include "base/compiler.h"

#define DECAY_STEPS    4
#define DECAY_INTERVAL ((int64_t)500000000) /* ns between two steps */

struct decay {
	unsigned low; /* the least since the last step */
	unsigned past[DECAY_STEPS - 1];
};

/* The stock has shrunk to n. */
static inline void decay_note(struct decay *decay, unsigned n)
{
	decay->low = MIN(decay->low, n);
}

/* A step ends, and the stock is n now: how much of it has been there all the time. */
static inline unsigned decay_step(struct decay *decay, unsigned n)
{
	unsigned least = decay->low;
	for (unsigned i = DECAY_STEPS - 1; i-- > 0;) {
		least = MIN(least, decay->past[i]);
		decay->past[i] = i == 0 ? decay->low : decay->past[i - 1];
	}
	decay->low = n;
	return least;
}

#endif
