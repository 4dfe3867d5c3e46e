/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Tasks that switch to each other without the worker's own stack in between. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "base/atomic.h"
#include "run/worker.h"
#include "tests/race.h"

static unsigned over, done;

static void yield_until_over(void *unused)
{
	sley_time deadline = SOON;
	while (!load(&over, acquire)) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

static void sleep_a_little(void *unused)
{
	REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
	fetch_add(&done, 1, release);
}

static void read_byte(void *pipe)
{
	char byte;
	REQUIRE(sley_read(*(int *)pipe, &byte, 1, SOON) == 1);
	fetch_add(&done, 1, release);
}

static void submitted(void *unused)
{
	fetch_add(&done, 1, release);
}

static void *submit_and_write(void *pipe)
{
	REQUIRE(sley_submit(submitted, NULL, 0, SOON) == 0);
	REQUIRE(write(((int *)pipe)[1], "x", 1) == 1);
	return NULL;
}

/* While `tasks` do nothing but yield, the worker sees to timers, descriptors and the global queue. */
static void see_to_duties(int tasks)
{
	sley_task task[2], others[2];
	pthread_t thread;
	int ends[2];
	over = done = 0;
	REQUIRE(sley_pipe(ends) == 0);
	for (int i = 0; i < tasks; i++)
		task[i] = sley_spawn(yield_until_over, NULL);
	others[0] = sley_spawn(sleep_a_little, NULL);
	others[1] = sley_spawn(read_byte, ends);
	REQUIRE(pthread_create(&thread, NULL, submit_and_write, ends) == 0);
	if (tasks > 0)
		REQUIRE(sley_join(others[0], SOON) == 0 && sley_join(others[1], SOON) == 0);
	await_at_least(&done, 3); /* the calling task yields, too: alone, if there are no others */
	store(&over, 1, release);
	if (tasks == 0)
		REQUIRE(sley_join(others[0], SOON) == 0 && sley_join(others[1], SOON) == 0);
	for (int i = 0; i < tasks; i++)
		REQUIRE(sley_join(task[i], SLEY_NEVER) == 0);
	pthread_join(thread, NULL);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
}

TASK_TEST(duties_of_two, 1)
{
	see_to_duties(2);
}

TASK_TEST(duties_of_one, 1)
{
	see_to_duties(0);
}

static unsigned turns[8];

static void count_turns(void *turn)
{
	while (!load(&over, acquire)) {
		fetch_add((unsigned *)turn, 1, relaxed);
		sley_yield();
	}
}

/* Tasks that wait for the stack of one that yields have their turns, too, although that one is alone in its queue. */
TASK_TEST(alone_on_a_shared_stack, EVERY_WAY)
{
	sley_task task[8];
	over = 0;
	for (int i = 0; i < 8; i++) {
		turns[i] = 0;
		task[i] = sley_spawn(count_turns, &turns[i]);
	}
	for (int i = 0; i < 8; i++)
		await_at_least(&turns[i], 10);
	store(&over, 1, release);
	for (int i = 0; i < 8; i++)
		REQUIRE(sley_join(task[i], SLEY_NEVER) == 0);
}

/* A task that yields has its stack in the queue, too, if nobody else uses that. One that waits gives it back. */
TASK_TEST(keeps_its_stack, 1)
{
	int ends[2];
	over = done = 0;
	REQUIRE(sley_pipe(ends) == 0);
	sley_task yields = sley_spawn(yield_until_over, NULL), waits = sley_spawn(read_byte, ends);
	for (int i = 0; i < 3; i++) {
		sley_yield();
		struct slot *kept = task_find(yields)->tenant.slot, *free = task_find(waits)->tenant.slot;
		REQUIRE(kept->kind == SLOT_STRICT || slot_is_single(kept));
		REQUIRE(state_of(yields) == SLEY_TASK_READY && state_of(waits) == SLEY_TASK_WAITING);
		REQUIRE((load(&kept->word, relaxed) == SLOT_HELD) == slot_is_single(kept));
		REQUIRE(load(&free->word, relaxed) == 0);
	}
	store(&over, 1, release);
	REQUIRE(write(ends[1], "x", 1) == 1);
	REQUIRE(sley_join(yields, SLEY_NEVER) == 0 && sley_join(waits, SOON) == 0);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
}

#if !defined(SLEY_ASAN)

struct ran {
	const void *frame;
	int direct;     /* direct switches since the loop ran a task */
	uint64_t shown; /* the task that the worker's line names, and the end of that one's stack */
	const char *top;
};

static void say_where(void *ran)
{
	const struct worker *worker = worker_self();
	*(struct ran *)ran = (struct ran){ .frame = __builtin_frame_address(0),
					   .direct = worker->direct_most - worker->direct,
					   .shown = worker->line->task,
					   .top = (const char *)(uintptr_t)worker->line->stack_top };
}

/* Whether one of four tasks that ended one after the other took over the stack from the one before, without the loop. */
static bool one_takes_over(void)
{
	static struct ran ran[4];
	bool took = stack_strict;
	sley_task task[4];
	for (int i = 0; i < 4; i++)
		task[i] = sley_spawn(say_where, &ran[i]);
	for (int i = 0; i < 4; i++)
		REQUIRE(sley_join(task[i], SLEY_NEVER) == 0);
	for (int i = 0; i < 4; i++) {
		REQUIRE(ran[i].shown == (uint64_t)task[i]);
		REQUIRE(slot_of(ran[i].frame)->top == ran[i].top);
		took |= i > 0 && ran[i].frame == ran[i - 1].frame && ran[i].direct == ran[i - 1].direct + 1;
	}
	return took;
}

/* A new task takes over the stack of one that ends; the region shows it. Not always: a duty of the loop may be due. */
TASK_TEST(takes_over, 1)
{
	sley_time deadline = SOON;
	while (!one_takes_over())
		REQUIRE(sley_now() < deadline);
}

static int direct_now(void)
{
	const struct worker *worker = worker_self();
	return worker->direct_most - worker->direct;
}

/* A task that waits switches to a new one directly. Not always, as above. */
TASK_TEST(begins_directly, 1)
{
	static struct ran ran;
	sley_time deadline = SOON;
	int before;
	do {
		sley_task task = sley_spawn(say_where, &ran);
		REQUIRE(sley_now() < deadline);
		before = direct_now();
		REQUIRE(sley_join(task, SLEY_NEVER) == 0);
		REQUIRE(ran.shown == (uint64_t)task && slot_of(ran.frame)->top == ran.top);
	} while (ran.direct != before + 1 && !stack_strict);
}

static int direct_at_end;

static void note_direct(void *unused)
{
	direct_at_end = direct_now();
}

/* A task that ends switches directly to one that has run before. It is joined, and its entry and stack serve the next one. */
TASK_TEST(ends_directly, 1)
{
	sley_time deadline = SOON;
	do {
		sley_task task = sley_spawn(note_direct, NULL);
		REQUIRE(sley_now() < deadline);
		sley_yield();
		REQUIRE(state_of(task) == SLEY_TASK_ENDED);
		bool direct = direct_now() == direct_at_end + 1;
		REQUIRE(sley_join(task, SLEY_NEVER) == 0);
		if (direct)
			return;
	} while (!stack_strict);
}

#endif

#if RACE_POINTS

static struct sley_chan *tokens;

#endif

#if RACE_POINTS && !defined(SLEY_ASAN) /* which is told of switches to and from the worker's own stack alone */

static void receive_until_over(void *unused)
{
	while (!load(&over, acquire))
		REQUIRE(sley_chan_recv(tokens, NULL, SOON) == 0);
}

static const struct task *of_main;
static sley_task receiver;

static bool receiver_leaves(void)
{
	const struct worker *worker = worker_self();
	return worker->left->id == (uint64_t)receiver && worker->after == AFTER_WAIT && worker->task != of_main;
}

/*
 *   worker 1                                   worker 2
 *   A waits for a token
 *   holds the slot of B, begins its turn
 *                                              sends the token: A is ready
 *                                              takes A; its slot is held: A waits for it
 *   switches to B, which releases A's slot:
 *   A must be granted it, and be queued
 *
 * There are enough tasks that do nothing but yield to be B, on whichever worker A is.
 */
TASK_TEST(taken_before_it_has_left, 2)
{
	sley_task task[4];
	sley_time deadline = SOON;
	over = 0;
	of_main = worker_self()->task;
	REQUIRE(sley_chan_new(&tokens, 0, 0) == 0);
	for (int i = 0; i < 4; i++)
		task[i] = sley_spawn(yield_until_over, NULL);
	receiver = sley_spawn(receive_until_over, NULL);
	race_stop_if("worker_partner_is_held", receiver_leaves);
	while (!race_reached("worker_partner_is_held")) {
		REQUIRE(sley_now() < deadline);
		sley_chan_try_send(tokens, NULL);
		sley_sleep(sley_in(SLEY_US(100)));
	}
	store(&over, 1, release);
	REQUIRE(sley_chan_send(tokens, NULL, SOON) == 0);
	while (state_of(receiver) != SLEY_TASK_SLOT) {
		REQUIRE(sley_now() < deadline);
		sley_sleep(sley_in(SLEY_US(100)));
	}
	race_go("worker_partner_is_held");
	REQUIRE(sley_join(receiver, SOON) == 0);
	for (int i = 0; i < 4; i++)
		REQUIRE(sley_join(task[i], SLEY_NEVER) == 0);
	REQUIRE(sley_chan_free(tokens) == 0);
}

static sley_task ending;

static bool ending_leaves(void)
{
	const struct worker *worker = worker_self();
	return worker->after == AFTER_END && worker->left->id == (uint64_t)ending;
}

static void yield_and_end(void *unused)
{
	for (int i = 0; i < 4; i++)
		sley_yield();
}

/*
 *   worker 1                                   worker 2
 *   A ends; holds the slot of B, begins its
 *   turn
 *                                              joins A, which has not left its stack: waits
 *   switches to B, which releases A's slot:
 *   A has ended
 *                                              the join ends
 */
TASK_TEST(joined_before_it_has_left, 2)
{
	sley_task task[4];
	sley_time deadline = SOON;
	over = 0;
	for (int i = 0; i < 4; i++)
		task[i] = sley_spawn(yield_until_over, NULL);
	ending = sley_spawn(yield_and_end, NULL);
	race_stop_if("worker_partner_is_held", ending_leaves);
	while (!race_reached("worker_partner_is_held")) {
		REQUIRE(sley_now() < deadline);
		if (state_of(ending) == SLEY_TASK_ENDED) {
			REQUIRE(sley_join(ending, SLEY_NEVER) == 0);
			ending = sley_spawn(yield_and_end, NULL);
		}
		sley_sleep(sley_in(SLEY_US(100)));
	}
	store(&over, 1, release);
	REQUIRE(sley_join(ending, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(state_of(ending) == SLEY_TASK_RUNNING);
	race_go("worker_partner_is_held");
	REQUIRE(sley_join(ending, SOON) == 0);
	for (int i = 0; i < 4; i++)
		REQUIRE(sley_join(task[i], SLEY_NEVER) == 0);
}

#endif

#if RACE_POINTS

static sley_task noted; /* it is on this thread, if at all */

static void wait_noted(void *unused)
{
	sley_time deadline = SOON;
	noted = sley_self();
	sley_block_enter();
	REQUIRE(sley_chan_recv(tokens, NULL, SOON) == 0);
	while (load(&scheduler.blocked, relaxed) > 0) {
		REQUIRE(sley_now() < deadline);
		sched_yield();
	}
	sley_block_leave();
}

static bool noted_leaves(void)
{
	return noted != 0 && worker_self()->task->id == (uint64_t)noted;
}

/*
 *   worker 1                                   worker 2
 *   its note: it is blocked, by A
 *   A waits for a token
 *                                              sends the token: A is ready
 *                                              takes A; its slot is held: A waits for it
 *   leaves A's stack, and releases its slot:
 *   A is granted it, and runs here: not before
 *   the note is taken back
 */
TASK_TEST(note_ends_before_the_grant, 2)
{
	sley_time deadline = SOON;
	REQUIRE(sley_chan_new(&tokens, 0, 0) == 0);
	race_stop_if("worker_is_to_leave", noted_leaves);
	sley_task task = sley_spawn(wait_noted, NULL);
	while (!race_reached("worker_is_to_leave")) {
		REQUIRE(sley_now() < deadline);
		sley_sleep(sley_in(SLEY_US(100)));
	}
	REQUIRE(sley_chan_send(tokens, NULL, SOON) == 0);
	while (state_of(task) != SLEY_TASK_SLOT) {
		REQUIRE(sley_now() < deadline);
		sley_sleep(sley_in(SLEY_US(100)));
	}
	race_go("worker_is_to_leave");
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(sley_chan_free(tokens) == 0);
}

#endif
