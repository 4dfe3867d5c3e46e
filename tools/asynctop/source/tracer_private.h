/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Declarations for the tracer's own files. */
#ifndef ASYNCTOP_TRACER_PRIVATE_H
#define ASYNCTOP_TRACER_PRIVATE_H

#include "delay.h"
#include "source/tracer.h"

#include "blocked.skel.h" /* uses the records' types */

#define SITE_CPU_SIZE (WATCH_PROCESSES * SLEY_REGION_SITES * sizeof(uint64_t))

/* A worker of a watched process: the thread that its line named when it was marked last. */
struct tracer_worker {
	uint64_t thread;
	uint32_t tid;
	uint32_t slot; /* of its state, when `used` */
	bool used;
};

/* A process's own tables in the kernel: descriptors. */
struct tracer_tables {
	int totals, samples, switches;
};

struct tracer_process {
	struct tracer_process *next;
	uint32_t key;
	uint32_t place; /* of its tables and account in the kernel's arrays */
	uint64_t workers_dropped;
	struct tracer_tables tables;
	bool walked; /* the iterator was run over its threads */
	bool marked; /* and found a worker, once */
	struct tracer_target target;
	struct tracer_worker workers[WATCH_WORKERS];
};

struct tracer {
	struct tracer_config config;
	struct blocked_bpf *bpf;
	struct ring_buffer *ring;
	struct worker_state *states;      /* config.max_workers of them, shared with the kernel */
	struct process_account *accounts; /* WATCH_PROCESSES of them, shared with the kernel */
	bool *slot_used;
	uint32_t slots_free;
	uint64_t *reported; /* by slot: number of the last block that tracer_poll() gave out */
	struct tracer_process *processes;
	uint32_t process_count;
	bool place_used[WATCH_PROCESSES];
	uint32_t last_key;
	struct block_key *total_keys; /* room for whole tables */
	struct block_total *totals;
	struct switch_key *switch_keys;
	uint64_t *switch_counts;
	struct block_record sample; /* read from the kernel */
	struct bpf_link **samples;  /* of the CPUs */
	unsigned sample_count;
	uint64_t *site_cpu;       /* SLEY_REGION_SITES for each place, shared with the kernel */
	struct cpu_key *cpu_keys; /* room for CPU_TASKS */
	uint64_t *cpu_times;
	int cpu_count;              /* of these; negative: they could not be read */
	tracer_block_fn *poll_each; /* during tracer_poll() */
	void *poll_context;
	int poll_count;
};

/* Fills the programs' table of system calls with pointer arguments. */
void tracer_fill_pointer_args(uint8_t codes[POINTER_ARG_CALLS]);

struct tracer_process *tracer_find(struct tracer *, uint32_t process);

/*
 * Copies the block of a state that is in `phase`, and the sequence number it had. False: it is in another phase, or
 * changes too fast.
 */
bool tracer_read_state(struct tracer *, uint32_t slot, enum worker_phase phase, struct block_record *, uint32_t *seq);
uint32_t tracer_state_seq(struct tracer *, uint32_t slot);

bool tracer_read_line(const struct tracer_process *, uint32_t index, struct sley_region_worker *);

/* All zero if there is none. */
void tracer_read_replaced(const struct tracer_process *, uint32_t index, struct sley_region_block *);

/* Fills in the delay until `end` of a block that the kernel has not added up yet. */
void tracer_weigh(const struct tracer_process *, uint64_t end, struct block_record *);

/*
 * Makes the tables of a process and puts them in its place. 0 or a negative errno; the tables are to be closed then
 * too.
 */
int tracer_open_tables(struct tracer *, struct tracer_process *);
void tracer_close_tables(struct tracer *, struct tracer_process *);

/* Reads a whole hash table, of at most `room` entries. Their number, or a negative errno. */
int tracer_read_table(int table, uint32_t room, void *keys, void *values);

/* Samples all CPUs, as far as the kernel allows it. 0 or a negative errno. */
int tracer_open_samples(struct tracer *);

/* Reads the CPU times of tasks, of all processes. */
void tracer_read_samples(struct tracer *);

/* The process has a place in which another one may have been. */
void tracer_clear_samples(struct tracer *, const struct tracer_process *);
void tracer_close_samples(struct tracer *);

/* Walks over the process's threads: marks and unmarks them as bss->request says. */
int tracer_mark_threads(struct tracer *, int pidfd);

/* Walk over them again. The first fills bss->sleepers; the second makes bss->early a block. */
int tracer_look_blocked(struct tracer *, int pidfd);
int tracer_catch_early(struct tracer *, int pidfd);

/*
 * To be called after marking: workers that are blocked at this moment get a block that begins now. 0 or a negative
 * errno.
 */
int tracer_catch_blocked(struct tracer *, const struct tracer_process *);

/* Finds the thread flags by which the kernel marks a thread that was switched out and is not yet back in user mode. */
int tracer_calibrate(struct tracer *);

#endif
