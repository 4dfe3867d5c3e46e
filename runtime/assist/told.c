/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The code itself says that it blocks. Exact, and without the kernel: the note is made before the call, and taken back
 * behind it. If the note was made by another source meanwhile, or before, it is the same note.
 */
#include <sley/blocking.h>

#include "run/blocked.h"
#include "run/worker.h"

void sley_block_enter(void)
{
	struct worker *worker = worker_self();
	if (worker && worker->task && worker->told_blocks++ == 0)
		blocked_note(worker, worker->tick, SLEY_SOURCE_TOLD);
}

/* The task may be behind a call that waited, on another worker: that one was told nothing. */
void sley_block_leave(void)
{
	struct worker *worker = worker_self();
	if (worker && worker->task && worker->told_blocks > 0 && --worker->told_blocks == 0)
		blocked_back(worker);
}
