/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The tasks as text. It reads the region as an external reader does. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "run/thread.h"
#include "runtime.h"
#include "watch/stuck.h"

#define LINE 512

static const char *const state_names[] = { "free", "ready", "running", "waiting", "slot", "ended" };

static const char *const wait_names[] = {
#define WAIT_NAME(name, text, object) text,
	SLEY_WAITS(WAIT_NAME)
#undef WAIT_NAME
};

static int put_line(int fd, const char *line, int n)
{
	return n < 0 ? 0 : text_write_line(fd, line, (size_t)MIN(n, LINE - 1));
}

/* That the worker is stopped; or noted as blocked, since when, who found it, and which worker is in its place. */
static void put_block(char *text, size_t size, const struct sley_region_block *block)
{
	static const char *const sources[] = { "",
#define SOURCE_NAME(name, text, help) text,
					       SLEY_BLOCK_SOURCES(SOURCE_NAME)
#undef SOURCE_NAME
	};
	uint64_t note = load(&block->note, acquire);
	unsigned source = SLEY_NOTE_SOURCE(note);
	int64_t noted = load(&block->noted_ns, relaxed);
	uint32_t replacement = load(&block->replacement, relaxed);
	if (load(&block->stopped, relaxed))
		snprintf(text, size, ", stopped by a signal or a debugger");
	if (!note || source >= ARRAY_SIZE(sources))
		return;
	int n = snprintf(text, size, ", %s for %lld us (%s)",
			 SLEY_NOTE_STATE(note) == SLEY_BLOCK_HOG ? "computing" : "blocked",
			 noted ? (long long)(clock_now() - noted) / NS_PER_US : 0, sources[source]);
	if (replacement)
		snprintf(text + n, size - (size_t)n, ", replaced by worker %u", (replacement & ~SLEY_BLOCK_RAN) - 1);
}

static int put_worker(int fd, unsigned number)
{
	const struct sley_region_worker *w = &region.workers[number];
	static const char *const modes[] = { "gone", "scheduling", "running", "idle" };
	char line[LINE], block[128] = "";
	unsigned mode = load(&w->mode, relaxed);
	put_block(block, sizeof(block), &region.blocks[number]);
	return put_line(fd, line,
			snprintf(line, sizeof(line), "worker %u thread %u %s task %llu queue %u dispatches %llu%s",
				 number, load(&w->tid, relaxed), modes[mode & 3],
				 (unsigned long long)load(&w->task, relaxed), load(&w->queue, relaxed),
				 (unsigned long long)load(&w->dispatches, relaxed), block));
}

/* Names the task that keeps the stack which the task waits for. */
static void put_stack_holder(char *text, size_t size, uint32_t index)
{
	struct slot *slot = hold_slot(task_at(index));
	struct worker *worker = slot ? hold_worker(slot) : NULL;
	if (worker)
		snprintf(text, size, " taken by task %llu", (unsigned long long)load(&worker->line->task, relaxed));
}

/* The same of the thread, for a task that is pinned to it. */
static void put_thread_holder(char *text, size_t size, unsigned number)
{
	bool made = number < load(&scheduler.made, acquire); /* pairs with idle_add() */
	uint64_t holder = made ? load(&region.workers[number].task, relaxed) : 0;
	if (holder)
		snprintf(text, size, " pinned to the thread of task %llu", (unsigned long long)holder);
}

int dump_task(int fd, uint32_t index)
{
	const struct sley_region_task *t = &region.tasks[index];
	const struct sley_region_site *site = &region.sites[load(&t->site, relaxed) % SLEY_REGION_SITES];
	char line[LINE], wait[64] = "";
	uint64_t name[2] = { load((const uint64_t *)(const void *)t->name, relaxed),
			     load((const uint64_t *)(const void *)t->name + 1, relaxed) };
	uint64_t id = load(&t->id, acquire);
	unsigned state = load(&t->state, relaxed), kind = load(&t->wait_kind, relaxed);
	if (id == 0 || state >= ARRAY_SIZE(state_names))
		return 0;
	if (state == SLEY_TASK_WAITING && kind > SLEY_WAIT_NONE && kind < SLEY_WAIT_KINDS)
		snprintf(wait, sizeof(wait), " for %s %llu", wait_names[kind],
			 (unsigned long long)load(&t->wait_object, relaxed));
	unsigned worker = load(&t->worker, relaxed);
	if (state == SLEY_TASK_SLOT)
		put_stack_holder(wait, sizeof(wait), index);
	if (state == SLEY_TASK_READY && worker & SLEY_TASK_PINNED)
		put_thread_holder(wait, sizeof(wait), SLEY_TASK_WORKER(worker));
	return put_line(
		fd, line,
		snprintf(line, sizeof(line),
			 "task %llu %.16s%s%s%s, worker %u, stack %u live, %u KiB deepest, spawned at %s:%u as %s",
			 (unsigned long long)id, (const char *)name, name[0] ? " " : "", state_names[state], wait,
			 SLEY_TASK_WORKER(worker), load(&t->live16, relaxed) * 16u,
			 SLEY_TASK_DEEPEST(load(&t->parent_deepest, relaxed)) * 4, site->file, site->line,
			 site->entry));
}

int dump_tasks(int fd, unsigned most)
{
	int error = 0, saved = errno;
	unsigned n = 0;
	char line[LINE];
	unsigned made = load(&scheduler.made, acquire); /* pairs with idle_add() */
	for (unsigned i = 0; error == 0 && i < made; i++)
		error = put_worker(fd, i);
	uint32_t high = load(&region.header->task_high, relaxed);
	for (uint32_t word = 0; word < ROUND_UP(high, 64) / 64; word++) {
		uint64_t bits =
			load(&region.live[word], acquire); /* pairs with region_live_set(): the record has memory */
		for (; error == 0 && bits; bits &= bits - 1) {
			uint32_t index = word * 64 + (uint32_t)__builtin_ctzll(bits);
			if (load(&region.tasks[index].id, acquire) != 0 && n++ < most) /* pairs with task_publish() */
				error = dump_task(fd, index);
		}
	}
	if (error == 0 && n > most)
		error = put_line(fd, line, snprintf(line, sizeof(line), "and %u more", n - most));
	errno = saved;
	return error;
}

int sley_dump(int fd)
{
	int error = thread_visit();
	if (error)
		return error;
	error = dump_tasks(fd, UINT_MAX);
	thread_depart();
	return error;
}
