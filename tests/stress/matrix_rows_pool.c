/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Rows of what is done by the pool for what blocks. */
#include "tests/stress/matrix_rows_pool.h"

#include <string.h>
#include <unistd.h>

#include "tests/stress/stress.h"

/* ---- offload ---- */

/* Each call has a gate of its own, which its function waits at; also one that was given up, so it is opened then. */
static unsigned gates[1 << 16]; /* atomic */
static unsigned gate;

static void pass_gate(void *block)
{
	while (!load(*(unsigned **)block, acquire))
		usleep(100);
}

static void offload_open(void)
{
	memset(gates, 0, sizeof(gates));
	gate = 0;
}

static void offload_ready(void)
{
	store(&gates[gate], 1, release);
}

static int offload_call(sley_time deadline)
{
	unsigned *mine = &gates[gate];
	int error = sley_offload(pass_gate, &mine, sizeof(mine), deadline);

	store(mine, 1, release);
	gate++;
	return error;
}

const struct matrix_row matrix_rows_pool[] = {
	{ "offload", SLEY_WAIT_OFFLOAD, offload_open, nothing, offload_call, offload_ready, .in_thread = -EDEADLK,
	  .always_waits = true },
	{ NULL },
};
