/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/unit/gate.h"

#include <unistd.h>

#include "base/atomic.h"
#include "tests/unit/run.h"

void gates_open(struct gate *gates, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		REQUIRE(pipe(gates[i].ends) == 0);
		store(&gates[i].entered, 0, relaxed);
	}
}

void gates_close(struct gate *gates, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		REQUIRE(close(gates[i].ends[0]) == 0 && close(gates[i].ends[1]) == 0);
}

void gate_block(void *arg)
{
	struct gate *gate = arg;
	char byte;
	store(&gate->entered, 1, release);
	REQUIRE(read(gate->ends[0], &byte, 1) == 1);
}

void gate_let_go(struct gate *gate)
{
	REQUIRE(write(gate->ends[1], "x", 1) == 1);
}
