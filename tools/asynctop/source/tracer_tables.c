/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Reading the counts of the programs.
 *
 * A worker's last block stays in its state until the worker is switched out again, because only then it is known to be
 * over. So totals are the table plus those blocks. Between reading the states and reading the table a block may move
 * from one to the other: the states' sequence numbers tell, and then all is read again, a bounded number of times (a
 * worker that blocks without pause may then be one block off).
 */
#include "source/tracer_private.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define READ_TRIES     64
#define SNAPSHOT_TRIES 8

static uint32_t load_acquire(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

uint32_t tracer_state_seq(struct tracer *tracer, uint32_t slot)
{
	return load_acquire(&tracer->states[slot].seq);
}

bool tracer_read_state(struct tracer *tracer, uint32_t slot, enum worker_phase phase, struct block_record *block,
		       uint32_t *seq)
{
	const struct worker_state *state = &tracer->states[slot];
	for (int i = 0; i < READ_TRIES; i++) {
		*seq = tracer_state_seq(tracer, slot);
		if (*seq & 1) {
			__builtin_ia32_pause();
			continue;
		}
		if (load_acquire(&state->phase) != phase)
			return false;
		memcpy(block, &state->block, sizeof(*block));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&state->seq, __ATOMIC_RELAXED) == *seq)
			return true;
	}
	return false;
}

/* ---- whole tables ---- */

/* With room for all entries one call does; the table is then at its end (-ENOENT). */
int tracer_read_table(int table, uint32_t room, void *keys, void *values)
{
	uint32_t count = room, batch;
	int error = bpf_map_lookup_batch(table, NULL, &batch, keys, values, &count, NULL);
	return error && error != -ENOENT ? error : (int)count;
}

static int read_totals(struct tracer *tracer, const struct tracer_process *process)
{
	return tracer_read_table(process->tables.totals, tracer->config.max_totals, tracer->total_keys, tracer->totals);
}

static int read_switches(struct tracer *tracer, const struct tracer_process *process)
{
	return tracer_read_table(process->tables.switches, tracer->config.max_switches, tracer->switch_keys,
				 tracer->switch_counts);
}

/* ---- a process's own ---- */

/* A hash table in `place` of the array of tables: its descriptor, or a negative errno. */
static int open_table(const struct bpf_map *array, uint32_t place, uint32_t key_size, uint32_t value_size,
		      uint32_t entries, uint32_t flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);
	int table = bpf_map_create(BPF_MAP_TYPE_HASH, NULL, key_size, value_size, entries, &options), error;

	if (table < 0)
		return -errno;
	error = bpf_map_update_elem(bpf_map__fd(array), &place, &table, BPF_ANY);
	if (!error)
		return table;
	close(table);
	return error;
}

static void close_table(int *table)
{
	if (*table >= 0)
		close(*table);
	*table = -1;
}

int tracer_open_tables(struct tracer *tracer, struct tracer_process *process)
{
	const struct tracer_config *config = &tracer->config;
	const struct blocked_bpf *bpf = tracer->bpf;
	struct tracer_tables *tables = &process->tables;
	*tables = (struct tracer_tables){ -1, -1, -1 };
	tables->totals = open_table(bpf->maps.totals, process->place, sizeof(struct block_key),
				    sizeof(struct block_total), config->max_totals, 0);
	if (tables->totals < 0)
		return tables->totals;
	tables->samples = open_table(bpf->maps.samples, process->place, sizeof(struct block_key),
				     sizeof(struct block_record), config->max_samples, BPF_F_NO_PREALLOC);
	if (tables->samples < 0)
		return tables->samples;
	tables->switches = open_table(bpf->maps.switches, process->place, sizeof(struct switch_key), sizeof(uint64_t),
				      config->max_switches, 0);
	return tables->switches < 0 ? tables->switches : 0;
}

/*
 * The kernel's array keeps the tables in their place until those of the next process replace them: each change of the
 * array waits for all running programs, some 10 ms. A program that runs just now may still add to them; nobody reads
 * that.
 */
void tracer_close_tables(struct tracer *tracer, struct tracer_process *process)
{
	close_table(&process->tables.totals);
	close_table(&process->tables.samples);
	close_table(&process->tables.switches);
	memset(&tracer->accounts[process->place], 0, sizeof(struct process_account));
}

/* ---- totals ---- */

/* The blocks of a process that are over, but not in the table. */
struct pending {
	uint32_t seqs[WATCH_WORKERS]; /* of the workers' states when these were read */
	unsigned count;
	bool given[WATCH_WORKERS];
	struct block_record blocks[WATCH_WORKERS];
};

static void read_pending(struct tracer *tracer, const struct tracer_process *process, struct pending *pending)
{
	pending->count = 0;
	for (unsigned i = 0; i < WATCH_WORKERS; i++) {
		const struct tracer_worker *worker = &process->workers[i];
		struct block_record *block = &pending->blocks[pending->count];
		if (!worker->used || !tracer_read_state(tracer, worker->slot, WORKER_RESUMED, block, &pending->seqs[i]))
			continue;
		tracer_weigh(process, block->end_ns, block);
		pending->given[pending->count++] = false;
	}
}

static bool unchanged(struct tracer *tracer, const struct tracer_process *process, const struct pending *pending)
{
	for (unsigned i = 0; i < WATCH_WORKERS; i++)
		if (process->workers[i].used && tracer_state_seq(tracer, process->workers[i].slot) != pending->seqs[i])
			return false;
	return true;
}

/* Table and pending blocks of one moment. Returns the table's entries. */
static int read_snapshot(struct tracer *tracer, const struct tracer_process *process, struct pending *pending)
{
	int n = 0;
	for (int i = 0; i < SNAPSHOT_TRIES; i++) {
		read_pending(tracer, process, pending);
		n = read_totals(tracer, process);
		if (n < 0 || unchanged(tracer, process, pending))
			break;
	}
	return n;
}

static bool same_block_key(const struct block_key *key, const struct block_record *block)
{
	return key->process == block->process && key->site == block->site && key->syscall == block->syscall &&
	       key->place == (uint32_t)block->place;
}

/* Adds what a pending block has found late for the longest one before it, if that has this key. */
static void add_given(struct tracer *tracer, struct tracer_total *total, const struct block_record *block)
{
	const struct block_key *key = &total->key;
	if (!block->given_tasks || key->site != block->site || key->syscall != block->longest_syscall ||
	    key->place != block->longest_place)
		return;
	total->total.delayed_tasks += block->given_tasks;
	total->total.delayed_ns += block->given_ns;
	if (total->longest != &tracer->sample || tracer->sample.slot != block->slot ||
	    tracer->sample.number != block->longest_number)
		return;
	tracer->sample.delayed_tasks += block->given_tasks;
	tracer->sample.delayed_ns += block->given_ns;
	tracer->sample.late_tasks += block->given_tasks;
}

/* Adds a pending block; `longest` becomes it if it is. */
static void add_pending(struct tracer_total *total, const struct block_record *block)
{
	uint64_t duration = block->end_ns - block->start_ns;
	total->total.count++;
	total->total.total_ns += duration;
	total->total.blocked_ns += block->blocked_ns;
	total->total.cpu_ns += block->cpu_ns;
	total->total.delayed_tasks += block->delayed_tasks;
	total->total.delayed_ns += block->delayed_ns;
	total->total.handed += block->handed_ns != 0;
	total->total.sleeps += block->sleeps;
	if (duration <= total->total.max_ns)
		return;
	total->total.max_ns = duration;
	total->longest = block;
}

/* Gives out one total with the pending blocks of its key. */
static void give_total(struct tracer *tracer, const struct tracer_process *process, struct tracer_total *total,
		       struct pending *pending, tracer_total_fn *each, void *context)
{
	if (total->total.count && !bpf_map_lookup_elem(process->tables.samples, &total->key, &tracer->sample))
		total->longest = &tracer->sample;
	for (unsigned i = 0; i < pending->count; i++)
		add_given(tracer, total, &pending->blocks[i]);
	for (unsigned i = 0; i < pending->count; i++) {
		if (pending->given[i] || !same_block_key(&total->key, &pending->blocks[i]))
			continue;
		pending->given[i] = true;
		add_pending(total, &pending->blocks[i]);
	}
	each(context, total);
}

int tracer_totals(struct tracer *tracer, uint32_t key, tracer_total_fn *each, void *context)
{
	struct tracer_process *process = tracer_find(tracer, key);
	struct pending *pending;
	int n;
	if (!process)
		return -ESRCH;
	pending = malloc(sizeof(*pending));
	if (!pending)
		return -ENOMEM;
	n = read_snapshot(tracer, process, pending);
	for (int i = 0; i < n; i++) {
		struct tracer_total total = { tracer->total_keys[i], tracer->totals[i], NULL };
		give_total(tracer, process, &total, pending, each, context);
	}
	for (unsigned i = 0; n >= 0 && i < pending->count; i++) {
		const struct block_record *block = &pending->blocks[i];
		struct tracer_total total = { .key = { key, block->site, block->syscall, (uint32_t)block->place } };
		if (!pending->given[i])
			give_total(tracer, process, &total, pending, each, context);
	}
	free(pending);
	return n < 0 ? n : 0;
}

/* ---- the others ---- */

static uint64_t monotonic_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Whether the worker has gone on since: its switch in may have been hidden (see bpf/block.h). */
static bool went_on(const struct tracer_process *process, const struct block_record *block)
{
	struct sley_region_worker line;
	return tracer_read_line(process, block->worker, &line) &&
	       (line.task != block->task || line.dispatches != block->dispatches);
}

int tracer_blocked(struct tracer *tracer, uint32_t key, tracer_block_fn *each, void *context)
{
	const struct tracer_process *process = tracer_find(tracer, key);
	struct block_record block;
	uint32_t seq;
	if (!process)
		return -ESRCH;
	for (unsigned i = 0; i < WATCH_WORKERS; i++) {
		const struct tracer_worker *worker = &process->workers[i];
		if (!worker->used || !tracer_read_state(tracer, worker->slot, WORKER_BLOCKED, &block, &seq) ||
		    went_on(process, &block))
			continue;
		tracer_weigh(process, monotonic_ns() + (uint64_t)process->target.ahead_ns, &block);
		each(context, &block);
	}
	return 0;
}

static void give_taskless(struct tracer *tracer, const struct tracer_process *process, unsigned worker,
			  tracer_switch_fn *each, void *context)
{
	const struct worker_state *state = &tracer->states[process->workers[worker].slot];
	for (uint32_t cause = 0; cause < SWITCH_CAUSE_COUNT; cause++) {
		uint64_t count = __atomic_load_n(&state->switches[cause], __ATOMIC_RELAXED);
		if (count)
			each(context, &(struct tracer_switch){ { process->key, worker, NO_SITE, cause }, count });
	}
}

int tracer_switches(struct tracer *tracer, uint32_t key, tracer_switch_fn *each, void *context)
{
	const struct tracer_process *process = tracer_find(tracer, key);
	int n;
	if (!process)
		return -ESRCH;
	n = read_switches(tracer, process);
	for (int i = 0; i < n; i++)
		each(context, &(struct tracer_switch){ tracer->switch_keys[i], tracer->switch_counts[i] });
	for (unsigned i = 0; i < WATCH_WORKERS; i++)
		if (process->workers[i].used)
			give_taskless(tracer, process, i, each, context);
	return n < 0 ? n : 0;
}

struct trace_drops tracer_drops(struct tracer *tracer, uint32_t key)
{
	const struct tracer_process *process = tracer_find(tracer, key);
	struct trace_drops drops = { 0 };
	if (!process)
		return drops;
	memcpy(&drops, &tracer->accounts[process->place].drops, sizeof(drops));
	drops.workers += process->workers_dropped;
	return drops;
}

struct tracer_cost tracer_cost(struct tracer *tracer)
{
	struct tracer_cost cost = { 0, 0 };
	struct bpf_program *program;
	bpf_object__for_each_program(program, tracer->bpf->obj)
	{
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info);
		if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size))
			continue;
		cost.runs += info.run_cnt;
		cost.ns += info.run_time_ns;
	}
	return cost;
}
