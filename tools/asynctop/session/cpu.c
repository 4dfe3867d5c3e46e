/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "session/cpu.h"

#include <stdlib.h>

#include "common/memory.h"

struct cpus {
	struct model_cpu *times;
	size_t count, room;
};

static void keep_cpu_time(void *context, const struct tracer_cpu *cpu)
{
	struct cpus *cpus = context;
	cpus->times = xgrow(cpus->times, cpus->count, &cpus->room, sizeof(*cpus->times));
	cpus->times[cpus->count++] = (struct model_cpu){ cpu->task, cpu->site, (int64_t)(cpu->ns & INT64_MAX) };
}

static int compare_cpu_times(const void *a, const void *b)
{
	return model_compare_cpu(a, b);
}

void cpu_read(const struct watch *w, struct model *m)
{
	struct cpus cpus = { 0 };
	m->cpu_known = w->traced && tracer_cpu_times(w->tools->tracer, w->key, keep_cpu_time, &cpus) == 0;
	if (cpus.count > 0)
		qsort(cpus.times, cpus.count, sizeof(*cpus.times), compare_cpu_times);
	m->cpu_times = cpus.times;
	m->cpu_time_count = (uint32_t)cpus.count;
}
