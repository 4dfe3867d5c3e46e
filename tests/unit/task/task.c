/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The table of tasks: ids, generations, public records, the live bitmap, and all states as a reader sees them. */
#include "tests/unit/run.h"

#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "run/queue.h"
#include "run/worker.h"
#include "watch/memory.h"

static void nothing(void *arg)
{
}

static int compare(const void *a, const void *b)
{
	const sley_task *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

static int main_unique(void *arg)
{
	enum { ROUNDS = 20, AT_ONCE = 500 };
	static sley_task ids[ROUNDS * AT_ONCE];
	for (int r = 0; r < ROUNDS; r++) {
		for (int i = 0; i < AT_ONCE; i++) {
			sley_task id = sley_spawn(nothing, NULL);
			REQUIRE(id > 0 && ((uint64_t)id & SLEY_TASK_INDEX_MASK) > 0);
			ids[r * AT_ONCE + i] = id;
		}
		for (int i = 0; i < AT_ONCE; i++)
			REQUIRE(sley_join(ids[r * AT_ONCE + i], SLEY_NEVER) == 0);
	}
	for (int i = 0; i < ROUNDS * AT_ONCE; i++)
		REQUIRE(sley_join(ids[i], SLEY_NEVER) == -ESRCH);
	qsort(ids, ROUNDS * AT_ONCE, sizeof(ids[0]), compare);
	for (int i = 1; i < ROUNDS * AT_ONCE; i++)
		REQUIRE(ids[i] != ids[i - 1]);
	*(sley_task *)arg = ids[0];
	return 0;
}

static int main_stale(void *arg)
{
	REQUIRE(sley_join(*(sley_task *)arg, SLEY_NEVER) == -ESRCH);
	for (int i = 0; i < 100; i++) {
		sley_task id = sley_spawn(nothing, NULL);
		REQUIRE(id != *(sley_task *)arg);
		REQUIRE(sley_join(id, SLEY_NEVER) == 0);
	}
	return 0;
}

/* Ids are never used twice, though entries are, not even by a later run; a stale one names nobody. */
TEST(unique)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2 };
	sley_task old;
	run_with(main_unique, &old, &options);
	run_with(main_stale, &old, &options);
}

/* Takes the pages of all free entries but a few away, as the watchdog does after some time. */
static void lose_pages(void)
{
	worker_empty(worker_self());
	for (unsigned i = 0; i <= DECAY_STEPS; i++) {
		slabs_age(&task_slabs);
		slabs_trim(&task_slabs);
	}
}

static int main_given_back(void *arg)
{
	enum { ROUNDS = 4, AT_ONCE = 5000 };
	static sley_task ids[ROUNDS * AT_ONCE];
	for (int r = 0; r < ROUNDS; r++) {
		for (int i = 0; i < AT_ONCE; i++)
			REQUIRE((ids[r * AT_ONCE + i] = sley_spawn(nothing, NULL)) > 0);
		for (int i = 0; i < AT_ONCE; i++)
			REQUIRE(sley_join(ids[r * AT_ONCE + i], SLEY_NEVER) == 0);
		lose_pages();
		/* in the last half of what was used all are free */
		REQUIRE(task_at((uint32_t)(ids[r * AT_ONCE + AT_ONCE / 2] & SLEY_TASK_INDEX_MASK) - 1)->id == 0);
		for (int i = 0; i < (r + 1) * AT_ONCE; i++)
			REQUIRE(sley_join(ids[i], SLEY_NEVER) == -ESRCH && sley_cancel(ids[i]) == -ESRCH);
	}
	qsort(ids, ROUNDS * AT_ONCE, sizeof(ids[0]), compare);
	for (int i = 1; i < ROUNDS * AT_ONCE; i++)
		REQUIRE(ids[i] != ids[i - 1]);
	return 0;
}

/* Ids are never used twice, also if the entry's page was given back in between, and with it the last id. */
TEST(given_back)
{
	store(&memory_interval, SLEY_SEC(1000), relaxed);
	run(main_given_back, 1);
	store(&memory_interval, DECAY_INTERVAL, relaxed);
}

/* The pages of a slab are not given back while somebody holds the lock of an entry. */
static int main_lock_held(void *arg)
{
	enum { AT_ONCE = 5000 };
	static sley_task ids[AT_ONCE];
	for (int i = 0; i < AT_ONCE; i++)
		REQUIRE((ids[i] = sley_spawn(nothing, NULL)) > 0);
	struct task *task = task_find(ids[AT_ONCE / 2]), *other = task_find(ids[AT_ONCE / 4]);
	for (int i = 0; i < AT_ONCE; i++)
		REQUIRE(sley_join(ids[i], SLEY_NEVER) == 0);
	lock_take(&task->lock);
	lose_pages();
	REQUIRE(task->id != 0 && other->id == 0 && other->lock.word == 0);
	lock_drop(&task->lock);
	lose_pages();
	REQUIRE(task->id == 0);
	return 0;
}

TEST(lock_held)
{
	store(&memory_interval, SLEY_SEC(1000), relaxed);
	run(main_lock_held, 1);
	store(&memory_interval, DECAY_INTERVAL, relaxed);
}

/* An id finds its entry; numbers that are no ids find none. */
TASK_TEST(find, 1)
{
	sley_task id = sley_spawn(nothing, NULL);
	REQUIRE(task_find(id) && task_find(id)->id == (uint64_t)id);
	REQUIRE(!task_find(0) && !task_find(-1) && !task_find(SLEY_TASK_INDEX_MASK) && !task_find(INT64_MIN));
	REQUIRE(!task_find((int64_t)5 << SLEY_TASK_INDEX_BITS));
	REQUIRE(sley_join(id, SLEY_NEVER) == 0);
}

/* ---- records ---- */

static struct sley_mutex mutex;
static struct sley_group group;
static struct sley_chan *chan;

static void waits_for_mutex(void *arg)
{
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0 && sley_mutex_unlock(&mutex) == 0);
}

static void waits_for_group(void *arg)
{
	REQUIRE(sley_group_wait(&group, SLEY_NEVER) == 0);
}

static void waits_to_receive(void *arg)
{
	REQUIRE(sley_chan_recv(chan, NULL, SLEY_NEVER) == -EPIPE);
}

static void sleeps(void *until)
{
	sley_sleep(*(sley_time *)until);
}

static void joins(void *task)
{
	REQUIRE(sley_join(*(sley_task *)task, SLEY_NEVER) == 0);
}

static void check_wait(sley_task task, enum sley_wait_kind kind, uint64_t object)
{
	const struct sley_region_task *record = record_of(task);
	await_state(task, SLEY_TASK_WAITING, kind);
	REQUIRE(record->id == (uint64_t)task);
	REQUIRE(record->wait_object == object);
	REQUIRE(record->wait_pc != 0 && record->live16 > 0 && record->image16 == 0);
	REQUIRE(SLEY_TASK_PARENT(record->parent_deepest) == ((uint64_t)sley_self() & SLEY_TASK_INDEX_MASK));
}

/* A reader sees each state and wait with its object; the live bitmap has as many bits as there are tasks. */
TASK_TEST(records, 1)
{
	static sley_time until;
	static sley_task sleeper;
	group = (struct sley_group)SLEY_GROUP_INIT;
	REQUIRE(sley_chan_new(&chan, 0, 0) == 0);
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
	REQUIRE(sley_group_add(&group, 1) == 0);
	until = sley_in(SLEY_MS(100));
	sley_task by_mutex = sley_spawn(waits_for_mutex, NULL), by_group = sley_spawn(waits_for_group, NULL);
	sley_task by_chan = sley_spawn(waits_to_receive, NULL);
	sleeper = sley_spawn(sleeps, &until);
	check_wait(sleeper, SLEY_WAIT_SLEEP, (uint64_t)until);
	sley_task joiner = sley_spawn(joins, &sleeper), ended = sley_spawn(nothing, NULL);
	check_wait(by_mutex, SLEY_WAIT_MUTEX, (uint64_t)(uintptr_t)&mutex);
	check_wait(by_group, SLEY_WAIT_GROUP, (uint64_t)(uintptr_t)&group);
	check_wait(by_chan, SLEY_WAIT_RECV, (uint64_t)(uintptr_t)chan);
	check_wait(joiner, SLEY_WAIT_JOIN, (uint64_t)sleeper);
	await_state(ended, SLEY_TASK_ENDED, SLEY_WAIT_NONE);
	REQUIRE(state_of(sley_self()) == SLEY_TASK_RUNNING);
	REQUIRE(strcmp(record_of(sley_self())->name, "main") == 0);
	REQUIRE(live_tasks() == 7);
	REQUIRE(sley_mutex_unlock(&mutex) == 0 && sley_group_done(&group) == 0 && sley_chan_close(chan) == 0);
	REQUIRE(sley_join(by_mutex, SLEY_NEVER) == 0 && sley_join(by_group, SLEY_NEVER) == 0);
	REQUIRE(sley_join(by_chan, SLEY_NEVER) == 0 && sley_join(joiner, SLEY_NEVER) == 0);
	REQUIRE(sley_join(ended, SLEY_NEVER) == 0);
	REQUIRE(live_tasks() == 1);
	sley_task fresh = sley_spawn(nothing, NULL); /* one worker: it has not run yet */
	REQUIRE(state_of(fresh) == SLEY_TASK_READY && record_of(fresh)->wait_kind == SLEY_WAIT_NONE);
	REQUIRE(sley_join(fresh, SLEY_NEVER) == 0);
	REQUIRE(sley_chan_free(chan) == 0);
}

#ifndef SLEY_ASAN
static void yields(void *stop)
{
	while (!load((unsigned *)stop, acquire))
		sley_yield();
}

static int main_slot(void *arg)
{
	static unsigned stop;
	bool seen_image = false, seen_copy = false;
	sley_task tasks[3];
	sley_time deadline = SOON;
	stop = 0;
	uint64_t copies = counter(SLEY_COUNTER_copies), bytes = counter(SLEY_COUNTER_copied_bytes);
	for (int i = 0; i < 3; i++)
		tasks[i] = sley_spawn(yields, &stop);
	while (!(seen_image && seen_copy)) {
		REQUIRE(sley_now() < deadline);
		for (int i = 0; i < 3; i++)
			seen_image |= record_of(tasks[i])->image16 > 0;
		seen_copy = counter(SLEY_COUNTER_copies) >= copies + 100 && counter(SLEY_COUNTER_copied_bytes) > bytes;
		sley_yield();
	}
	store(&stop, 1, release);
	for (int i = 0; i < 3; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	return 0;
}

static int main_slot_wait(void *arg)
{
	static unsigned stop;
	uint64_t waits = counter(SLEY_COUNTER_slot_waits);
	sley_task tasks[2];
	stop = 0;
	for (int i = 0; i < 2; i++)
		tasks[i] = sley_spawn(yields, &stop);
	sley_time deadline = SOON;
	/* two workers, one slot: who is not on it waits for it */
	while (state_of(tasks[0]) != SLEY_TASK_SLOT && state_of(tasks[1]) != SLEY_TASK_SLOT) {
		REQUIRE(sley_now() < deadline);
		cpu_relax();
	}
	REQUIRE(counter(SLEY_COUNTER_slot_waits) > waits);
	store(&stop, 1, release);
	for (int i = 0; i < 2; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	return 0;
}

/* Tenants of one slot are seen copied out, and waiting for it. */
TEST(slot_states)
{
	struct sley_options one = { .size = sizeof(one), .workers = 1, .stack_slots = 1 };
	run_with(main_slot, NULL, &one);
	one.workers = 3;
	run_with(main_slot_wait, NULL, &one);
}
#endif

/* Ids stay positive when an entry has served as many tasks as there are generations. */
TASK_TEST(wrapped, 1)
{
	sley_task id = sley_spawn(nothing, NULL), next;
	struct task *task = task_find(id);
	REQUIRE(id > 0 && sley_join(id, SOON) == 0);
	task->id |= INT64_MAX & ~(uint64_t)SLEY_TASK_INDEX_MASK; /* it is free, and the next to be used */
	id = sley_spawn(nothing, NULL);
	REQUIRE(id > 0 && task_find(id) == task && id >> SLEY_TASK_INDEX_BITS == INT64_MAX >> SLEY_TASK_INDEX_BITS);
	REQUIRE(sley_join(id, SOON) == 0);
	next = sley_spawn(nothing, NULL);
	REQUIRE(next > 0 && task_find(next) == task && next >> SLEY_TASK_INDEX_BITS == 0);
	REQUIRE(sley_join(id, SOON) == -ESRCH && sley_join(next, SOON) == 0);
}

/* An entry serves any number of tasks, with the same fibre of ThreadSanitizer, which has room for 65,536 frames. */
TASK_TEST(reused, 1)
{
	uint64_t entry = 0;
#ifdef SLEY_TSAN
	const struct task *task = NULL;
	const void *fiber = NULL;
#endif

	for (int i = 0; i < 100000; i++) {
		sley_task id = sley_spawn(nothing, NULL);
		REQUIRE(id > 0 && sley_join(id, SOON) == 0);
		if (i == 0) {
			entry = (uint64_t)id & SLEY_TASK_INDEX_MASK;
#ifdef SLEY_TSAN
			task = task_at((uint32_t)entry - 1);
			fiber = task->fiber.tsan;
#endif
		}
		REQUIRE(((uint64_t)id & SLEY_TASK_INDEX_MASK) == entry);
	}
#ifdef SLEY_TSAN
	REQUIRE(fiber && task->fiber.tsan == fiber);
#endif
}
