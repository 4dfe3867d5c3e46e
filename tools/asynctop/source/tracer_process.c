/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A watched process as the other files of the tracer use it. */
#include "source/tracer_private.h"

#include <unistd.h>

struct tracer_process *tracer_find(struct tracer *tracer, uint32_t key)
{
	struct tracer_process *process = tracer->processes;
	while (process && process->key != key)
		process = process->next;
	return process;
}

bool tracer_read_line(const struct tracer_process *process, uint32_t index, struct sley_region_worker *line)
{
	const struct sley_region_table *table = &process->target.workers;
	return index < table->capacity && pread(process->target.region, line, sizeof(*line),
						table->offset + (uint64_t)index * table->stride) == sizeof(*line);
}

void tracer_read_replaced(const struct tracer_process *process, uint32_t index, struct sley_region_block *replaced)
{
	const struct sley_region_table *table = &process->target.blocks;
	if (index >= table->capacity || pread(process->target.region, replaced, sizeof(*replaced),
					      table->offset + (uint64_t)index * table->stride) != sizeof(*replaced))
		*replaced = (struct sley_region_block){ 0 };
}

void tracer_weigh(const struct tracer_process *process, uint64_t end, struct block_record *block)
{
	struct sley_region_worker line;
	struct sley_region_block replaced;
	tracer_read_replaced(process, block->worker, &replaced);
	if (tracer_read_line(process, block->worker, &line))
		weigh_delay(block, end, &line, &replaced);
}
