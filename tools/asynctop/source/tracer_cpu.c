/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Samples of what the CPUs run. Without them (no CAP_PERFMON, say) the tracer has no CPU times, and all else. */
#include "source/tracer_private.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct bpf_link *sample_one_cpu(const struct bpf_program *program, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = CPU_PERIOD_NS,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	struct bpf_link *link = fd < 0 ? NULL : bpf_program__attach_perf_event(program, fd);
	if (!link && fd >= 0)
		close(fd);
	return link;
}

int tracer_open_samples(struct tracer *tracer)
{
	int cpus = libbpf_num_possible_cpus();
	if (cpus <= 0)
		return 0;
	tracer->samples = calloc((size_t)cpus, sizeof(*tracer->samples));
	tracer->cpu_keys = calloc(CPU_TASKS, sizeof(*tracer->cpu_keys));
	tracer->cpu_times = calloc(CPU_TASKS, sizeof(*tracer->cpu_times));
	if (!tracer->samples || !tracer->cpu_keys || !tracer->cpu_times)
		return -ENOMEM;
	for (int cpu = 0; cpu < cpus; cpu++) {
		struct bpf_link *link = sample_one_cpu(tracer->bpf->progs.on_sample, cpu);
		if (link)
			tracer->samples[tracer->sample_count++] = link;
	}
	return 0;
}

void tracer_close_samples(struct tracer *tracer)
{
	for (unsigned i = 0; i < tracer->sample_count; i++)
		bpf_link__destroy(tracer->samples[i]);
	free(tracer->samples);
	free(tracer->cpu_keys);
	free(tracer->cpu_times);
}

void tracer_read_samples(struct tracer *tracer)
{
	if (tracer->sample_count)
		tracer->cpu_count = tracer_read_table(bpf_map__fd(tracer->bpf->maps.task_cpu), CPU_TASKS,
						      tracer->cpu_keys, tracer->cpu_times);
}

static uint64_t *site_times_of(struct tracer *tracer, const struct tracer_process *process)
{
	return &tracer->site_cpu[process->place * SLEY_REGION_SITES];
}

void tracer_clear_samples(struct tracer *tracer, const struct tracer_process *process)
{
	memset(site_times_of(tracer, process), 0, SLEY_REGION_SITES * sizeof(uint64_t));
}

int tracer_cpu_times(struct tracer *tracer, uint32_t key, tracer_cpu_fn *each, void *context)
{
	const struct tracer_process *process = tracer_find(tracer, key);
	if (!process)
		return -ESRCH;
	if (!tracer->sample_count)
		return -ENOTSUP;
	for (uint32_t site = 0; site < SLEY_REGION_SITES; site++) {
		uint64_t ns = __atomic_load_n(&site_times_of(tracer, process)[site], __ATOMIC_RELAXED);
		if (ns > 0)
			each(context, &(struct tracer_cpu){ 0, site, ns });
	}
	for (int i = 0; i < tracer->cpu_count; i++)
		if (tracer->cpu_keys[i].process == key)
			each(context, &(struct tracer_cpu){ tracer->cpu_keys[i].task, NO_SITE, tracer->cpu_times[i] });
	return 0;
}
