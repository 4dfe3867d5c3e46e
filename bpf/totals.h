/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The destinations of finished blocks: sums by (process, site, call, place), the longest block of each sum, and single
 * events.
 */
#ifndef SLEY_BPF_TOTALS_H
#define SLEY_BPF_TOTALS_H

#include "kernel.h"

#include <bpf/bpf_helpers.h>

#include "events.h"

/* Set by user space before loading. */
const volatile uint64_t min_block_ns = 1000000;

/* Set by user space at run time: the bytes of the ring that a process may fill between two polls. */
uint64_t ring_share = 0;

/*
 * Every watched process has tables of its own. User space makes them, and the process's place selects them. So no
 * process can fill another's tables, and its losses are reported with its own figures. Rejected: one table for all
 * processes, with quotas. User space would have to read all of it to show one process, and to search it when a process
 * goes. (Sizes instead of types of keys and values: clang 14 emits no type that only an inner map names.)
 */
struct totals_table {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(struct block_key));
	__uint(value_size, sizeof(struct block_total));
};

/* The longest block of each total. Entries are large, so they are allocated on demand. */
struct samples_table {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(key_size, sizeof(struct block_key));
	__uint(value_size, sizeof(struct block_record));
};

struct switches_table {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(struct switch_key));
	__uint(value_size, sizeof(uint64_t));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, WATCH_PROCESSES);
	__uint(key_size, sizeof(uint32_t));
	__array(values, struct totals_table);
} totals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, WATCH_PROCESSES);
	__uint(key_size, sizeof(uint32_t));
	__array(values, struct samples_table);
} samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, WATCH_PROCESSES);
	__uint(key_size, sizeof(uint32_t));
	__array(values, struct switches_table);
} switches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, WATCH_PROCESSES);
	__type(key, uint32_t);
	__type(value, struct process_account);
} accounts SEC(".maps");

/* Shared by all processes; each has its share. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 2 << 20);
} events SEC(".maps");

static void add(uint64_t *counter, uint64_t n)
{
	__sync_fetch_and_add(counter, n);
}

/* Counts one loss of the process at that place. */
#define DROP(place, name) \
	do { \
		uint32_t place_ = (place); \
		struct process_account *account_ = bpf_map_lookup_elem(&accounts, &place_); \
\
		if (account_) \
			add(&account_->drops.name, 1); \
	} while (0)

static struct block_total *total_of(void *table, const struct block_key *key)
{
	struct block_total *total = bpf_map_lookup_elem(table, key);
	struct block_total none = {};
	if (total)
		return total;
	bpf_map_update_elem(table, key, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(table, key);
}

/* Raises *max to `value`. Returns whether it did, so that the block is the longest so far. */
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

static void keep_longest(uint32_t place, const struct block_key *key, const struct block_record *block)
{
	void *table = bpf_map_lookup_elem(&samples, &place);
	if (!table || bpf_map_update_elem(table, key, block, BPF_ANY))
		DROP(place, samples);
}

/* Adds what was found late to the longest block before in the dispatch, whose key has the same site. */
static void add_given(uint32_t place, const struct block_record *block)
{
	struct block_key key = { block->process, block->site, block->longest_syscall, block->longest_place };
	void *table = bpf_map_lookup_elem(&totals, &place), *longest = bpf_map_lookup_elem(&samples, &place);
	struct block_total *total = table ? bpf_map_lookup_elem(table, &key) : NULL;
	struct block_record *sample = longest ? bpf_map_lookup_elem(longest, &key) : NULL;
	if (total) {
		add(&total->delayed_ns, block->given_ns);
		add(&total->delayed_tasks, block->given_tasks);
	}
	if (sample && sample->slot == block->slot && sample->number == block->longest_number) {
		sample->delayed_ns += block->given_ns;
		sample->delayed_tasks += block->given_tasks;
		sample->late_tasks += block->given_tasks;
	}
}

static void add_up(uint32_t place, const struct block_record *block)
{
	struct block_key key = { block->process, block->site, block->syscall, (uint32_t)block->place };
	uint64_t duration = block->end_ns - block->start_ns;
	void *table = bpf_map_lookup_elem(&totals, &place);
	struct block_total *total = table ? total_of(table, &key) : NULL;
	if (!total) {
		DROP(place, totals);
		return;
	}
	add(&total->total_ns, duration);
	add(&total->blocked_ns, block->blocked_ns);
	add(&total->cpu_ns, block->cpu_ns);
	if (block->given_tasks)
		add_given(place, block);
	add(&total->delayed_tasks, block->delayed_tasks);
	add(&total->delayed_ns, block->delayed_ns);
	if (block->handed_ns)
		add(&total->handed, 1);
	add(&total->sleeps, block->sleeps);
	add(&total->count, 1); /* after the sums: a reader that sees it sees them */
	if (raise_max(&total->max_ns, duration))
		keep_longest(place, &key, block);
}

/*
 * Reports a long block as a single event, or one that says what an earlier one has delayed. User space reads the ring at its own pace, and is woken only when that may be
 * too slow for a process's share. Workers of a process may add records at once, so a few records may exceed the share.
 */
static void report(uint32_t place, struct block_record *block)
{
	struct process_account *account = bpf_map_lookup_elem(&accounts, &place);
	uint64_t size = block->stack_size, bytes = __builtin_offsetof(struct block_record, stack) + size, wake;
	if (!account || size > BLOCK_STACK_MAX ||
	    (block->end_ns - block->start_ns < min_block_ns && !block->given_tasks))
		return;
	wake = account->ring_bytes + bytes >= ring_share / 2 ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
	if (account->ring_bytes + bytes > ring_share ||
	    bpf_ringbuf_output(&events, block, __builtin_offsetof(struct block_record, stack) + size, wake))
		add(&account->drops.ring, 1);
	else
		add(&account->ring_bytes, bytes);
}

#endif
