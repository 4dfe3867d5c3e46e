/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Copying stacks: many tasks on few slots, each with a pattern of its own in every frame, which it checks after every
 * wait. A byte that was copied late, early, to the wrong place or from the wrong tenant is seen.
 *
 * ASan builds cannot share a stack between tasks: there each task gets a slot of its own, nothing is copied, and the
 * tests that are about copying check the rest alone.
 */
#include "stress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/block.h"

#ifdef SLEY_ASAN
#define COPYING      0
#define SLOTS(tasks) ((unsigned)(tasks) + 64)
#else
#define COPYING      1
#define SLOTS(tasks) 4u
#endif

static struct sley_group all, gate, breaking;
static struct sley_mutex mutex;
static struct sley_chan *chan;
static long tasks, verified; /* verified: atomic */
static unsigned stop;        /* atomic: what goes on beside the tasks is to end */

/* ---- patterns ---- */

static uint64_t word_of(uint64_t id, unsigned depth, size_t i)
{
	return (id << 20 ^ depth) * 0x9e3779b97f4a7c15u + i;
}

static void fill(volatile uint64_t *frame, size_t n, uint64_t id, unsigned depth)
{
	for (size_t i = 0; i < n; i++)
		frame[i] = word_of(id, depth, i);
}

static void verify(const volatile uint64_t *frame, size_t n, uint64_t id, unsigned depth)
{
	for (size_t i = 0; i < n; i++)
		REQUIRE(frame[i] == word_of(id, depth, i));
}

/* ---- waits ---- */

static void lock_and_yield(void)
{
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
	sley_yield();
	REQUIRE(sley_mutex_unlock(&mutex) == 0);
}

static void child(void *arg)
{
	const uint64_t *block = arg; /* on this task's own stack */
	uint64_t frame[8];
	fill(frame, 8, block[0], 99);
	sley_yield();
	verify(frame, 8, block[0], 99);
	verify(block + 1, 30, block[0], 98);
}

/* A task that ends while others wait for its slot; its argument travels by value. */
static void spawn_and_join(uint64_t id)
{
	uint64_t block[31] = { id };
	fill(block + 1, 30, id, 98);
	sley_task task = sley_spawn_copy(child, block, sizeof(block));
	memset(block, 0, sizeof(block));
	if (task > 0)
		stress_join(task);
	else
		REQUIRE(task == -ENOMEM); /* images are made to fail */
}

/* Gives the slot away in one way or another. */
static void wait_somehow(uint64_t id, uint32_t *seed)
{
	uint64_t item = id;
	switch (stress_random(seed) % 8) {
	case 0:
		REQUIRE(sley_sleep(sley_in(SLEY_US(stress_random(seed) % 2000))) == 0);
		break;
	case 1:
		lock_and_yield();
		break;
	case 2: /* sent by value through the ring, or taken out: whoever waits, another comes */
		if (sley_chan_send(chan, &item, sley_in(SLEY_MS(1))) == 0)
			REQUIRE(sley_chan_recv(chan, &item, SLEY_NEVER) == 0 && item < (uint64_t)tasks);
		break;
	case 3:
		spawn_and_join(id);
		break;
	default:
		sley_yield();
	}
}

/* ---- the tasks ---- */

struct walk {
	uint64_t id;
	uint32_t seed;
	unsigned depth; /* to go down to */
};

/* One frame of `n` words, waits on the way down and on the way up, and everything is still there. */
#define DESCEND(name, n) \
	__attribute__((noinline)) static void name(struct walk *walk, unsigned depth) \
	{ \
		volatile uint64_t frame[n]; \
		fill(frame, n, walk->id, depth); \
		if (depth < walk->depth) \
			descend(walk, depth + 1); \
		else \
			wait_somehow(walk->id, &walk->seed); \
		verify(frame, n, walk->id, depth); \
		if (depth % 4 == 0) { \
			wait_somehow(walk->id, &walk->seed); \
			verify(frame, n, walk->id, depth); \
		} \
	}

static void descend(struct walk *walk, unsigned depth);
DESCEND(descend_little, 3)
DESCEND(descend_more, 40)
DESCEND(descend_much, 700)

static void descend(struct walk *walk, unsigned depth)
{
	uint32_t size = stress_random(&walk->seed) % 16;
	if (size < 12)
		descend_little(walk, depth);
	else if (size < 15 || depth > 20)
		descend_more(walk, depth);
	else
		descend_much(walk, depth);
}

/* Most are shallow; one in 50 goes down so far that its image is no pooled one. */
static struct walk walk_of(uint64_t id)
{
	struct walk walk = { .id = id, .seed = (uint32_t)id };
	walk.depth =
		stress_random(&walk.seed) % 50 ? stress_random(&walk.seed) % 5 : 10 + stress_random(&walk.seed) % 20;
	return walk;
}

static void patterned(void *arg)
{
	struct walk walk = walk_of((uint64_t)(uintptr_t)arg);
	volatile uint64_t frame[4];
	fill(frame, 4, walk.id, 1000);
	stress_wait(&gate); /* until all are there */
	verify(frame, 4, walk.id, 1000);
	descend(&walk, 0);
	verify(frame, 4, walk.id, 1000);
	fetch_add(&verified, 1, relaxed); /* read after the group has been waited for */
	if (walk.id % 64 == 0)
		stress_progress();
	REQUIRE(sley_group_done(&all) == 0);
}

/* Every 16th has a stack of its own, every 16th is pinned, every 64th both. */
static void spawn_patterned(long id)
{
	struct sley_task_options options = { .size = sizeof(options), .detached = 1 };
	options.private_stack = id % 16 == 5 && id < 16000;
	options.pinned = id % 16 == 6 || id % 64 == 5;
	sley_task task;
	while ((task = sley_spawn_with(&options, patterned, (void *)(intptr_t)id, SLEY_BY_POINTER)) == -ENOMEM)
		sley_yield();
	REQUIRE(task > 0);
}

static void patterns_body(void)
{
	verified = 0;
	REQUIRE(sley_chan_new(&chan, sizeof(uint64_t), 4) == 0);
	REQUIRE(sley_group_add(&gate, 1) == 0 && sley_group_add(&all, tasks) == 0);
	for (long id = 0; id < tasks; id++) {
		spawn_patterned(id);
		if (id % 1000 == 0) {
			stress_progress();
			sley_yield(); /* it moves between workers, so that the pinned ones are spread */
		}
	}
	REQUIRE(sley_group_done(&gate) == 0);
	stress_wait(&all);
	REQUIRE(verified == tasks);
	REQUIRE(sley_chan_free(chan) == 0);
}

static void run_patterns(unsigned workers)
{
	STRESS_RUN(patterns_body, .workers = workers, .stack_slots = SLOTS(2 * tasks));
}

/*
 * Proves that 100,000 tasks over 4 slots and 8 workers keep every byte of their stacks, shallow and deep, whatever they
 * wait for and wherever they are resumed; and, from the region, that they were copied and that they moved.
 */
TEST(many_tasks_on_four_slots)
{
	tasks = test_scale(100000);
	run_patterns(STRESS_WORKERS);
	uint64_t copies = stress_counted(SLEY_COUNTER_copies), migrations = stress_counted(SLEY_COUNTER_migrations);
	print_message("%ld tasks: %llu copies, %llu migrations, %llu waits for a slot\n", tasks,
		      (unsigned long long)copies, (unsigned long long)migrations,
		      (unsigned long long)stress_counted(SLEY_COUNTER_slot_waits));
	assert_true(!COPYING || stress_provoked(copies > 0));
	assert_true(stress_provoked(migrations > 0));
}

/* Proves the same with 1 to 8 workers, fewer tasks and so a denser mix of newcomers and tasks that end. */
TEST(any_number_of_workers)
{
	uint64_t migrations = 0; /* of all runs: in a short one a busy machine may let one thread do it all */
	tasks = test_scale(10000);
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++) {
		run_patterns(workers);
		assert_true(!COPYING || stress_provoked(stress_counted(SLEY_COUNTER_copies) > 0));
		migrations += stress_counted(SLEY_COUNTER_migrations);
	}
	assert_true(stress_provoked(migrations > 0));
}

/* ---- no memory for images ---- */

/* Images fail and come back, at any moment. */
static void break_images(unsigned number)
{
	uint32_t seed = number;
	REQUIRE(sley_group_done(&breaking) == 0);
	while (!load(&stop, acquire)) {
		store(&block_test_fail, 1, relaxed); /* an allocation sees it or not: both are to work */
		stress_spin(stress_random(&seed) % 20000);
		store(&block_test_fail, 0, relaxed);
		stress_spin(stress_random(&seed) % 20000);
	}
}

static void failing_body(void)
{
	store(&stop, 0, relaxed);
	REQUIRE(sley_group_add(&breaking, 1) == 0);
	stress_threads_start(1, break_images);
	stress_wait(&breaking); /* in a short run it would come too late each time */
	patterns_body();
	store(&stop, 1, release);
	stress_threads_join();
}

/*
 * Proves that tasks keep their stacks and all get on while images cannot be allocated now and then: the newcomer waits,
 * or they swap through a worker's reserve.
 */
TEST(images_that_fail)
{
	uint64_t failures = 0;
	tasks = test_scale(2000);
	do { /* in short runs that thread may have no turn while tasks need images */
		for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++) {
			STRESS_RUN(failing_body, .workers = workers, .stack_slots = SLOTS(2 * tasks));
			failures += stress_counted(SLEY_COUNTER_image_failures);
		}
	} while (COPYING && failures == 0);
	print_message("%llu images failed\n", (unsigned long long)failures);
}

/* Depends on nobody: so it must get through with the workers' reserves alone. */
static void independent(void *arg)
{
	volatile uint64_t frame[50];
	uint64_t id = (uint64_t)(uintptr_t)arg;
	fill(frame, 50, id, 7);
	for (int i = 0; i < 10; i++) {
		sley_yield();
		verify(frame, 50, id, 7);
	}
	stress_progress();
	REQUIRE(sley_group_done(&all) == 0);
}

static void reserves_body(void)
{
	REQUIRE(sley_group_add(&all, tasks) == 0);
	for (long id = 0; id < tasks; id++)
		REQUIRE(sley_go(independent, (void *)(intptr_t)id) == 0);
	store(&block_test_fail, 1, relaxed);
	stress_wait(&all);
	store(&block_test_fail, 0, relaxed);
}

/* Proves that the reserve of the workers is enough for progress when no image can be allocated at all. */
TEST(reserves_alone)
{
	tasks = test_scale(500);
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++)
		STRESS_RUN(reserves_body, .workers = workers, .stack_slots = SLOTS(tasks));
}

/* ---- who waits for a slot ---- */

static void passing(void *arg)
{
	uint64_t id = (uint64_t)(uintptr_t)arg;
	volatile uint64_t frame[20];
	fill(frame, 20, id, 5);
	if (id % 2)
		stress_spin(50); /* keeps the slot while the others come for it */
	if (id % 3 == 0)
		sley_yield();
	verify(frame, 20, id, 5);
	REQUIRE(sley_group_done(&all) == 0);
}

static void one_slot_body(void)
{
	for (int round = 0; round < 10; round++) {
		REQUIRE(sley_group_add(&all, tasks) == 0);
		for (long id = 0; id < tasks; id++)
			REQUIRE(sley_go(passing, (void *)(intptr_t)id) == 0);
		stress_wait(&all);
		stress_progress();
	}
}

/*
 * Proves that all who wait for the one slot get it, whether its holder parks, yields or ends.
 *
 *   worker 1: tenant A             worker 2: tenant B             worker 3: tenant C
 *   runs                           slot held: pushes B
 *   ends; releases: takes waiters                                 pushes C, finds the word changed, pushes again
 *   is handed B, which holds it
 *   runs B; releases: C
 */
TEST(one_slot)
{
	tasks = test_scale(10000);
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++)
		STRESS_RUN(one_slot_body, .workers = workers, .stack_slots = COPYING ? 1 : SLOTS(tasks));
}

/* ---- cancellation ---- */

#define VICTIMS 20000
static sley_task victims[VICTIMS];
static struct sley_chan *pairs;

/* For ever, or until another comes, or about now. */
static void wait_and_be_cancelled(uint64_t id, uint32_t *seed)
{
	uint64_t pair[2] = { id, ~id }; /* larger than a word: it travels in a block */
	int error;
	switch (stress_random(seed) % 4) {
	case 0:
		error = sley_sleep(sley_in(SLEY_US(stress_random(seed) % 1000)));
		break;
	case 1:
		error = sley_chan_send(pairs, pair, SLEY_NEVER);
		break;
	case 2:
		error = sley_chan_recv(pairs, pair, SLEY_NEVER);
		break;
	default:
		error = sley_group_wait(&gate, SLEY_NEVER);
	}
	REQUIRE(error == 0 || error == -ECANCELED);
	REQUIRE(pair[1] == ~pair[0]);
}

static void be_cancelled(void *arg)
{
	uint64_t id = (uint64_t)(uintptr_t)arg;
	uint32_t seed = (uint32_t)id;
	volatile uint64_t frame[60];
	fill(frame, 60, id, 11);
	while (!sley_cancelled()) {
		wait_and_be_cancelled(id, &seed);
		verify(frame, 60, id, 11);
	}
	int old = sley_cancel_mask(1);
	REQUIRE(old == 0 && sley_sleep(sley_in(SLEY_US(1))) == 0); /* its cleanup waits, so the slot goes once more */
	verify(frame, 60, id, 11);
	REQUIRE(sley_cancel_mask(old) == 1 && sley_sleep(SLEY_NEVER) == -ECANCELED);
	verify(frame, 60, id, 11);
	fetch_add(&verified, 1, relaxed);
}

static void cancel_all(void *from)
{
	for (long i = 0; i < tasks; i++) {
		REQUIRE(sley_cancel(victims[((long)(intptr_t)from + i) % tasks]) == 0);
		if (i % 16 == 0) {
			stress_progress();
			sley_yield();
		}
	}
}

static void cancelled_body(void)
{
	sley_task cancellers[2];
	verified = 0;
	REQUIRE(sley_chan_new(&pairs, 2 * sizeof(uint64_t), 0) == 0);
	REQUIRE(sley_group_add(&gate, 1) == 0);
	for (long id = 0; id < tasks; id++)
		victims[id] = stress_spawn(be_cancelled, (void *)(intptr_t)id);
	for (long i = 0; i < 2; i++)
		cancellers[i] = stress_spawn(cancel_all, (void *)(intptr_t)(tasks / 2 * i));
	stress_join(cancellers[0]); /* before the victims, whose ids must not be stale */
	stress_join(cancellers[1]);
	for (long id = 0; id < tasks; id++) {
		stress_join(victims[id]);
		stress_progress();
	}
	REQUIRE(verified == tasks);
	REQUIRE(sley_group_done(&gate) == 0 && sley_chan_free(pairs) == 0);
}

/*
 * Proves that a cancelled task finds its frames, whether the cancellation comes before its first run, on its way out,
 * in the slot, in an image or while it waits for the slot, and whatever ends the wait at the same moment.
 *
 *   worker 1: victim               worker 2: canceller              worker 3: co-tenant
 *   links its node, leaves
 *                                  claims its wait, readies it      takes it: the slot is held, it waits for that
 *   lands, releases: handed on                                      or finds it free: copies the resident out
 */
TEST(cancelled)
{
	tasks = MIN(test_scale(VICTIMS), VICTIMS);
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers *= 2) {
		STRESS_RUN(cancelled_body, .workers = workers, .stack_slots = SLOTS(tasks));
		assert_true(!COPYING || stress_provoked(stress_counted(SLEY_COUNTER_copies) > 0));
	}
}
