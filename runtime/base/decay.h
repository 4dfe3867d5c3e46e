/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Computes the part of a stock of free memory that has been unused for a while and can go back to the kernel.
 * decay_step() returns the minimum of the stock over the last DECAY_STEPS steps. So a load that returns within that
 * time finds its memory still populated, and the memory of a burst is returned one step after that time.
 *
 * Rejected: an age for each piece. The stock is a LIFO, so the ages of the pieces do not tell the number of unneeded
 * ones.
 */
#ifndef BASE_DECAY_H
#define BASE_DECAY_H

#include "base/compiler.h"

#define DECAY_STEPS    4
#define DECAY_INTERVAL ((int64_t)500000000) /* ns between two steps */

struct decay {
	unsigned low; /* the minimum since the last step */
	unsigned past[DECAY_STEPS - 1];
};

/* Called when the stock has shrunk to n. */
static inline void decay_note(struct decay *decay, unsigned n)
{
	decay->low = MIN(decay->low, n);
}

/* Ends a step; the stock is n now. Returns the part of it that was unused during all DECAY_STEPS steps. */
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
