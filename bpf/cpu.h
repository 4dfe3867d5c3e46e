/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The CPU time of tasks and of their spawn sites: samples. The runtime switches between tasks without the kernel, so the
 * switches of threads do not tell how long each task ran. Rejected: stamps at each switch between tasks, which cost the
 * service its time whether anybody looks or not.
 */
#ifndef SLEY_BPF_CPU_H
#define SLEY_BPF_CPU_H

#include "kernel.h"

#include <bpf/bpf_helpers.h>

#include "events.h"
#include "sley/introspect.h"
#include "threads.h"
#include "totals.h"

#define CPU_GAP_NS 100000000 /* after that, a sample stands for no more than its period */

/*
 * By place of the process and site, and by task: those that were seen last. Rejected: tables of each process, as in totals.h.
 * The kernel waits for all programs whenever one is put into its place.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, WATCH_PROCESSES *SLEY_REGION_SITES);
	__type(key, uint32_t);
	__type(value, uint64_t);
} site_cpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CPU_TASKS);
	__type(key, struct cpu_key);
	__type(value, uint64_t);
} task_cpu SEC(".maps");

/* The time of the last sample. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, uint64_t);
} sampled SEC(".maps");

/*
 * The time for which this sample stands: since the CPU's last one, as a virtual CPU that was not run misses some, as does one
 * with interrupts disabled. An idle CPU takes none either, so it is no more than the thread has had the CPU without a break,
 * as its clock says, which lags by up to a tick; or than a period.
 */
static uint64_t stands_for(const struct task_struct *task)
{
	uint64_t now = bpf_ktime_get_ns(), gap = CPU_PERIOD_NS, *last;
	uint64_t here = task->se.sum_exec_runtime - task->se.prev_sum_exec_runtime;
	uint32_t zero = 0;
	last = bpf_map_lookup_elem(&sampled, &zero);
	if (last) {
		if (now - *last < CPU_GAP_NS)
			gap = now - *last;
		*last = now;
	}
	if (here < CPU_PERIOD_NS)
		here = CPU_PERIOD_NS;
	return gap < here ? gap : here;
}

/* If another CPU makes the entry at the same moment, this finds it the second time. */
static void add_to_task(const struct cpu_key *key, uint64_t ns)
{
	uint64_t *sum = bpf_map_lookup_elem(&task_cpu, key);
	if (!sum && bpf_map_update_elem(&task_cpu, key, &ns, BPF_NOEXIST))
		sum = bpf_map_lookup_elem(&task_cpu, key);
	if (sum)
		add(sum, ns);
}

/* A CPU has run the current thread at the end of a period. */
static void sample_cpu(void)
{
	struct sley_region_worker line;
	struct task_struct *task = bpf_get_current_task_btf();
	const struct thread *thread = read_task(task, &line);
	uint64_t since = stands_for(task), *site;
	uint32_t index;
	if (!thread)
		return;
	index = (thread->place & (WATCH_PROCESSES - 1)) * SLEY_REGION_SITES;
	if (line.site < SLEY_REGION_SITES)
		index += line.site;
	site = bpf_map_lookup_elem(&site_cpu, &index);
	if (site)
		add(site, since);
	add_to_task(&(struct cpu_key){ .task = line.task, .process = thread->process }, since);
}

#endif
