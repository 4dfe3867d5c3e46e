/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Where blocks that are over go: sums by (process, site, call), the longest of each, and single events. */
#ifndef SLEY_BPF_TOTALS_H
#define SLEY_BPF_TOTALS_H

#include "kernel.h"

#include <bpf/bpf_helpers.h>

#include "events.h"

/* Set by user space before loading; the sizes of the maps as well. */
const volatile uint64_t min_block_ns = 1000000;
const volatile uint64_t ring_wakeup_bytes = 1 << 20;

struct trace_drops drops = {};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct block_key);
	__type(value, struct block_total);
} totals SEC(".maps");

/* The longest block of each total. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct block_key);
	__type(value, struct block_record);
} samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 2 << 20);
} events SEC(".maps");

static void add(uint64_t *counter, uint64_t n)
{
	__sync_fetch_and_add(counter, n);
}

static struct block_total *total_of(const struct block_key *key)
{
	struct block_total *total = bpf_map_lookup_elem(&totals, key);
	struct block_total none = {};

	if (total)
		return total;
	bpf_map_update_elem(&totals, key, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&totals, key);
}

/* Whether this is the longest so far; it is then recorded as such. */
static bool raise_max(uint64_t *max, uint64_t value)
{
	uint64_t seen = *max;

	for (int i = 0; i < 8 && value > seen; i++) {
		uint64_t now = __sync_val_compare_and_swap(max, seen, value);

		if (now == seen)
			return true;
		seen = now;
	}
	return false;
}

static void add_up(const struct block_record *block)
{
	struct block_key key = { .process = block->process, .site = block->site, .syscall = block->syscall };
	uint64_t duration = block->end_ns - block->start_ns;
	struct block_total *total = total_of(&key);

	if (!total) {
		add(&drops.totals, 1);
		return;
	}
	add(&total->count, 1);
	add(&total->total_ns, duration);
	add(&total->blocked_ns, block->blocked_ns);
	add(&total->cpu_ns, block->cpu_ns);
	add(&total->delayed_tasks, block->delayed_tasks);
	add(&total->delayed_ns, block->delayed_ns);
	add(&total->sleeps, block->sleeps);
	if (raise_max(&total->max_ns, duration) && bpf_map_update_elem(&samples, &key, block, BPF_ANY))
		add(&drops.samples, 1);
}

/*
 * The longer ones are single events. User space reads the ring at its own pace, and is woken only when that may be too
 * slow.
 */
static void report(struct block_record *block)
{
	uint64_t wake = bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) >= ring_wakeup_bytes ? BPF_RB_FORCE_WAKEUP
											   : BPF_RB_NO_WAKEUP;
	uint64_t size = block->stack_size;

	if (size > BLOCK_STACK_MAX || block->end_ns - block->start_ns < min_block_ns)
		return;
	if (bpf_ringbuf_output(&events, block, __builtin_offsetof(struct block_record, stack) + size, wake))
		add(&drops.ring, 1);
}

#endif
