/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/unit/sync/stagger.h"

#include <stdint.h>

#include <sley.h>

#include "base/atomic.h"

static uint32_t rounds; /* atomic */

void stagger_begin(void)
{
	fetch_add(&rounds, 1, relaxed);
}

unsigned stagger_round(void)
{
	return load(&rounds, relaxed);
}

void stagger(unsigned side)
{
	uint32_t x = (load(&rounds, relaxed) + side) * 2654435761u;
	for (uint32_t i = x >> 24; i > 0; i--)
		cpu_relax();
	if (x & 256)
		sley_yield();
}
