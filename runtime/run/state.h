/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The transitions of a task's state. task.h describes the states. */
#ifndef RUN_STATE_H
#define RUN_STATE_H

#include "run/current.h"
#include "task/task.h"

/*
 * Inline, because every switch uses them. `worker` is the number of the acting worker. The public record follows with
 * relaxed stores: readers expect words of different age.
 */
static inline void task_enter_state_at(struct task *task, struct sley_region_task *record, enum sley_task_state state,
				       int64_t since)
{
	task->state = (uint8_t)state;
	store(&record->state, (uint8_t)state, relaxed);
	store(&record->since_ns, since, relaxed);
}

static inline void task_enter_state(struct task *task, enum sley_task_state state)
{
	task_enter_state_at(task, task_record(task), state, region_times() ? worker_stamp() : 0);
}

static inline void task_to_ready_at(struct task *task, unsigned worker, int64_t since)
{
	DCHECK(task->state == SLEY_TASK_FREE || task->state == SLEY_TASK_WAITING || task->state == SLEY_TASK_RUNNING ||
	       task->state == SLEY_TASK_SLOT);
	struct sley_region_task *record = task_record(task);
	store(&record->worker, (uint16_t)worker, relaxed);
	task_enter_state_at(task, record, SLEY_TASK_READY, since);
}

static inline void task_to_ready(struct task *task, unsigned worker)
{
	task_to_ready_at(task, worker, region_times() ? worker_stamp() : 0);
}

/* Of a task that has run on the worker until now, by that worker, whose number its record has. */
static inline void task_to_ready_again(struct task *task, int64_t since)
{
	DCHECK(task->state == SLEY_TASK_RUNNING);
	task_enter_state_at(task, task_record(task), SLEY_TASK_READY, since);
}

static inline void task_to_running(struct task *task, unsigned worker, int64_t since)
{
	/* WAITING: of worker_park_to() */
	DCHECK(task->state == SLEY_TASK_READY || task->state == SLEY_TASK_SLOT || task->state == SLEY_TASK_WAITING);
	struct sley_region_task *record = task_record(task);
	task->worker = (uint16_t)worker;
	store(&record->worker, (uint16_t)worker, relaxed);
	task_enter_state_at(task, record, SLEY_TASK_RUNNING, since);
}

static inline void task_to_waiting_at(struct task *task, enum sley_wait_kind kind, uint64_t object, const void *pc,
				      int64_t since)
{
	struct sley_region_task *record = task_record(task);
	DCHECK(task->state == SLEY_TASK_RUNNING);
	store(&record->wait_kind, (uint8_t)kind, relaxed);
	store(&record->wait_object, object, relaxed);
	store(&record->wait_pc, (uint64_t)(uintptr_t)pc, relaxed);
	task_enter_state_at(task, record, SLEY_TASK_WAITING, since);
}

static inline void task_to_waiting(struct task *task, enum sley_wait_kind kind, uint64_t object, const void *pc)
{
	task_to_waiting_at(task, kind, object, pc, region_times() ? worker_stamp() : 0);
}

/* Called when a wait was begun but the task continues without parking. */
static inline void task_unwait(struct task *task)
{
	DCHECK(task->state == SLEY_TASK_WAITING);
	task_enter_state(task, SLEY_TASK_RUNNING);
}

/* `top`: the end of the stack that the task waits for; null: it waits for memory. */
static inline void task_to_slot(struct task *task, const char *top)
{
	DCHECK(task->state == SLEY_TASK_READY);
	store(&task_record(task)->wait_object, (uint64_t)(uintptr_t)top, relaxed);
	task_enter_state(task, SLEY_TASK_SLOT);
}

/* Makes the task READY with its slot held. */
static inline void task_to_granted(struct task *task, unsigned worker)
{
	task_to_ready(task, worker);
	task->flags |= TASK_GRANTED;
}

static inline void task_to_ended(struct task *task)
{
	DCHECK(task->state == SLEY_TASK_RUNNING);
	task_enter_state(task, SLEY_TASK_ENDED);
}

#endif
