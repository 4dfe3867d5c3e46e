/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/unit/io/offloaded.h"

#include "base/atomic.h"

struct offloaded offloaded;

void offloaded_reset(void)
{
	offloaded = (struct offloaded){ 0 };
	sem_init(&offloaded.gate, 0, 0);
}

void square(void *block)
{
	struct numbers *numbers = block;
	fetch_add(&offloaded.began, 1, relaxed);
	numbers->out = numbers->in * numbers->in;
	fetch_add(&offloaded.ended, 1, release);
}

void square_slowly(void *block)
{
	fetch_add(&offloaded.began, 1, release);
	while (sem_wait(&offloaded.gate) != 0)
		;
	((struct numbers *)block)->out = -1;
	fetch_add(&offloaded.ended, 1, release);
}

static void on_drop(void *block)
{
	store(&offloaded.dropped_out, ((struct numbers *)block)->out, relaxed);
	fetch_add(&offloaded.drops, 1, release);
}

const struct sley_offload_options with_drop = { .size = sizeof(with_drop), .dropped = on_drop };

void open_gate(unsigned n)
{
	while (n-- > 0)
		sem_post(&offloaded.gate);
}

void await_rest(void)
{
	sley_time deadline = SOON;
	while (offload_active() > 0) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}
