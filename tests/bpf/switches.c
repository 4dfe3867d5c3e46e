/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Independent truth: the kernel counts each thread's context switches in /proc, and what the tracer counted by cause must
 * add up to that. And where nothing blocks, nothing is said to block.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/test.h"

#include "tests/bpf/planted.h"

#define WORKERS 2

struct switches {
	uint64_t voluntary, involuntary;
};

/* ---- the kernel's counts ---- */

static struct switches switches_of(const struct planted *planted, uint32_t tid)
{
	struct switches s = { 0, 0 };
	char path[64], text[128];
	FILE *file;
	snprintf(path, sizeof(path), "/proc/%d/task/%u/status", planted->pid, tid);
	file = fopen(path, "re");
	REQUIRE(file);
	while (fgets(text, sizeof(text), file)) {
		sscanf(text, "voluntary_ctxt_switches: %" SCNu64, &s.voluntary);
		sscanf(text, "nonvoluntary_ctxt_switches: %" SCNu64, &s.involuntary);
	}
	fclose(file);
	return s;
}

static void read_kernel(struct planted *planted, struct switches counts[WORKERS])
{
	struct sley_region_worker lines[SLEY_REGION_WORKERS];
	REQUIRE(region_workers(&planted->process.region, lines) == WORKERS);
	for (unsigned i = 0; i < WORKERS; i++)
		counts[i] = switches_of(planted, lines[i].tid);
}

/* Page faults that had to read from a disk. */
static unsigned long major_faults(const struct planted *planted)
{
	unsigned long faults = 0;
	char path[64];
	FILE *file;
	snprintf(path, sizeof(path), "/proc/%d/stat", planted->pid);
	file = fopen(path, "re");
	REQUIRE(file && fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %lu", &faults) == 1);
	fclose(file);
	return faults;
}

/* ---- the tracer's ---- */

struct counts {
	struct switches workers[WORKERS];
	uint64_t causes[SWITCH_CAUSE_COUNT];
};

/* The kernel calls a switch involuntary when the thread could have gone on: the tracer's preemption. */
static void add_switch(void *context, const struct tracer_switch *s)
{
	struct counts *counts = context;
	REQUIRE(s->key.worker < WORKERS && s->key.cause < SWITCH_CAUSE_COUNT);
	counts->causes[s->key.cause] += s->count;
	if (s->key.cause == SWITCH_PREEMPT)
		counts->workers[s->key.worker].involuntary += s->count;
	else
		counts->workers[s->key.worker].voluntary += s->count;
}

static void read_tracer(struct planted *planted, struct counts *counts)
{
	memset(counts, 0, sizeof(*counts));
	REQUIRE(tracer_switches(planted->tracer, planted->key, add_switch, counts) == 0);
}

static void check_close(const char *what, unsigned worker, uint64_t seen, uint64_t counted)
{
	uint64_t off = seen > counted ? seen - counted : counted - seen;
	print_message("worker %u: %" PRIu64 " %s switches seen, %" PRIu64 " counted by the kernel\n", worker, seen,
		      what, counted);
	assert_true(off <= counted / 100 + 2); /* the two are not read at the same moment */
}

/* ---- the tests ---- */

struct run {
	struct planted planted;
	struct switches before[WORKERS], after[WORKERS];
	struct counts counts_before, counts;
	unsigned long faults;
};

static void run_load(struct run *run, const char *mix, const char *seconds)
{
	struct planted *planted = &run->planted;
	planted_start_named(planted, "switches", mix, seconds, NULL);
	planted_watch(planted, planted_tracer(NULL));
	run->faults = major_faults(planted);
	read_tracer(planted, &run->counts_before);
	read_kernel(planted, run->before);
	planted_order(planted);
	assert_string_equal(planted_answer(planted), "done");
	read_kernel(planted, run->after);
	read_tracer(planted, &run->counts);
	run->faults = major_faults(planted) - run->faults;
}

static void end_load(struct run *run)
{
	struct tracer *tracer = run->planted.tracer;
	planted_stop(&run->planted, false);
	tracer_close(tracer);
}

static void check_sums(const struct run *run)
{
	uint64_t switched = 0;
	for (unsigned i = 0; i < WORKERS; i++) {
		const struct switches *kernel = &run->after[i], *before = &run->before[i];
		const struct switches *seen = &run->counts.workers[i], *seen_before = &run->counts_before.workers[i];
		check_close("voluntary", i, seen->voluntary - seen_before->voluntary,
			    kernel->voluntary - before->voluntary);
		check_close("involuntary", i, seen->involuntary - seen_before->involuntary,
			    kernel->involuntary - before->involuntary);
		switched += seen->voluntary + seen->involuntary;
	}
	assert_true(switched > 1000);
}

/* Sets whether the kernel measures programs, and returns whether it did. */
static char set_bpf_stats(char value)
{
	FILE *file = fopen("/proc/sys/kernel/bpf_stats_enabled", "r+e");
	int old = '0';
	if (!file)
		return old;
	old = getc(file);
	rewind(file);
	putc(value, file);
	fclose(file);
	return old;
}

/* Under a mix of everything, each worker's switches by cause add up to what the kernel counted, of both of its kinds. */
TEST(sums)
{
	struct run run;
	struct tracer_cost cost;
	char measured;
	memset(&run, 0, sizeof(run));
	test_need_root();
	measured = set_bpf_stats('1');
	run_load(&run, "mixed", "5");
	set_bpf_stats(measured);
	check_sums(&run);
	assert_true(run.counts.causes[SWITCH_BLOCK] > 1000);
	assert_true(run.counts.causes[SWITCH_IDLE] > 0);
	cost = tracer_cost(run.planted.tracer);
	print_message("%" PRIu64 " runs of the programs, host-wide, %.0f ns each\n", cost.runs,
		      (double)cost.ns / (cost.runs ?: 1));
	end_load(&run);
}

struct long_blocks {
	int memory; /* of the process */
	unsigned calls, faults;
	unsigned unreal; /* calls that were none: no system call instruction there */
};

/* Whether the thread's code is just behind a `syscall` instruction. */
static bool after_syscall(int memory, const struct block_record *block)
{
	unsigned char code[2];
	return pread(memory, code, sizeof(code), block->regs[BLOCK_REG_IP] - 2) == sizeof(code) && code[0] == 0x0f &&
	       code[1] == 0x05;
}

static void classify(void *context, const struct block_record *block)
{
	struct long_blocks *blocks = context;
	if (block->syscall == SYSCALL_FAULT)
		blocks->faults++;
	else
		blocks->calls++;
	if (block->syscall != SYSCALL_FAULT && !after_syscall(blocks->memory, block))
		blocks->unreal++;
	print_message("blocked %.3f ms (%.3f ms asleep, %u times) in call %d of task %#lx\n",
		      (block->end_ns - block->start_ns) / 1e6, block->blocked_ns / 1e6, block->sleeps, block->syscall,
		      (long)block->task);
}

static int open_memory(const struct planted *planted)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/mem", planted->pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/*
 * Tasks that only use the runtime's calls do not block, unless really: there is no block of 1 ms or more but in a system
 * call that the code at that place makes (the runtime's own: on a crowded machine one of its locks may have to wait), or
 * in a page fault that the kernel says it had to read from a disk.
 */
TEST(cooperative)
{
	struct long_blocks blocks = { 0 };
	char seconds[16];
	struct run run;
	memset(&run, 0, sizeof(run));
	snprintf(seconds, sizeof(seconds), "%ld", test_scale(30));
	run_load(&run, "cooperative", seconds);
	blocks.memory = open_memory(&run.planted);
	assert_true(blocks.memory >= 0);
	assert_true(tracer_poll(run.planted.tracer, classify, &blocks) >= 0);
	close(blocks.memory);
	check_sums(&run);
	assert_int_equal(tracer_drops(run.planted.tracer, run.planted.key).ring, 0);
	assert_int_equal(blocks.unreal, 0);
	assert_true(blocks.calls <= 30); /* one a second */
	assert_true(blocks.faults <= run.faults);
	end_load(&run);
}
