/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A call that blocks its thread until gate_let_go(): a raw read of a pipe. */
#ifndef GATE_H
#define GATE_H

struct gate {
	int ends[2];
	unsigned entered; /* atomic */
};

void gates_open(struct gate *gates, unsigned n);
void gates_close(struct gate *gates, unsigned n);

/* A task that blocks there; also for a call in a task. It does not say so. */
void gate_block(void *gate);

/* Any thread; before the task blocks, too. */
void gate_let_go(struct gate *gate);

#endif
