/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Tasks that say that they block: what the others do meanwhile, and how many threads there are. */
#include "tests/unit/run.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"
#include "run/idle.h"
#include "run/worker.h"
#include "tests/unit/gate.h"

#define MOST 64

static struct gate gates[MOST];

static void block(void *gate)
{
	sley_block_enter();
	gate_block(gate);
	sley_block_leave();
}

/* All workers and so many more threads are blocked, and this task runs all the same. */
static void block_threads(sley_task *tasks, unsigned n)
{
	gates_open(gates, n);
	for (unsigned i = 0; i < n; i++)
		REQUIRE((tasks[i] = sley_spawn(block, &gates[i])) > 0);
	for (unsigned i = 0; i < n; i++)
		await_at_least(&gates[i].entered, 1);
}

static void join_all(const sley_task *tasks, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	gates_close(gates, n);
}

/* ---- what a blocked worker has ---- */

static struct {
	struct sley_chan *chan;
	int fds[2];
	unsigned seen;        /* atomic: of the three below */
	unsigned from_thread; /* atomic */
} work;

static void take_item(void *unused)
{
	REQUIRE(sley_chan_recv(work.chan, NULL, SOON) == 0);
	fetch_add(&work.seen, 1, acq_rel);
}

static void take_byte(void *unused)
{
	char byte;
	REQUIRE(sley_read(work.fds[0], &byte, 1, SOON) == 1);
	fetch_add(&work.seen, 1, acq_rel);
}

static void take_time(void *unused)
{
	REQUIRE(sley_sleep(sley_in(SLEY_MS(2))) == 0);
	fetch_add(&work.seen, 1, acq_rel);
}

static void take_submitted(void *unused)
{
	store(&work.from_thread, 1, release);
}

/* Comes with work from outside when all is blocked, and lets it go when everything else has run. */
static void *outside(void *gate)
{
	while (!load(&((struct gate *)gate)->entered, acquire))
		sched_yield();
	REQUIRE(write(work.fds[1], "x", 1) == 1);
	REQUIRE(sley_submit(take_submitted, NULL, 0, SOON) == 0);
	while (load(&work.seen, acquire) < 3)
		sched_yield();
	gate_let_go(gate);
	return NULL;
}

/* Blocks with a task in run-next. */
static void send_and_block(void *gate)
{
	REQUIRE(sley_chan_try_send(work.chan, NULL) == 0);
	block(gate);
}

/*
 * The only worker is blocked. What it has in run-next runs all the same, a timer of its tasks, a descriptor that becomes
 * ready then, and a task that a plain thread submits then.
 */
TASK_TEST(takes_everything, 1)
{
	pthread_t thread;
	gates_open(gates, 1);
	work.seen = work.from_thread = 0;
	REQUIRE(sley_chan_new(&work.chan, 0, 1) == 0 && pipe2(work.fds, O_NONBLOCK | O_CLOEXEC) == 0);
	sley_task item = sley_spawn(take_item, NULL), byte = sley_spawn(take_byte, NULL);
	sley_task time = sley_spawn(take_time, NULL);
	await_state(item, SLEY_TASK_WAITING, SLEY_WAIT_RECV);
	await_state(byte, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	await_state_or_end(time, SLEY_TASK_WAITING, SLEY_WAIT_SLEEP);
	REQUIRE(pthread_create(&thread, NULL, outside, &gates[0]) == 0);
	sley_task blocker = sley_spawn(send_and_block, &gates[0]);
	REQUIRE(sley_join(blocker, SOON) == 0 && load(&work.seen, acquire) == 3 && load(&work.from_thread, acquire));
	REQUIRE(sley_join(item, SOON) == 0 && sley_join(byte, SOON) == 0 && sley_join(time, SOON) == 0);
	pthread_join(thread, NULL);
	gates_close(gates, 1);
	REQUIRE(sley_chan_free(work.chan) == 0 && sley_close(work.fds[0]) == 0 && close(work.fds[1]) == 0);
}

static struct {
	unsigned ran; /* atomic */
	pid_t thread;
} pinned;

static void run_pinned(void *unused)
{
	pinned.thread = (pid_t)syscall(SYS_gettid);
	store(&pinned.ran, 1, release);
}

static pid_t blocked_thread;

static void block_named(void *gate)
{
	blocked_thread = (pid_t)syscall(SYS_gettid);
	block(gate);
}

/* A task that is on a spare pins the tasks that it spawns to the worker, as spares come and go. */
TASK_TEST(pinned_to_no_spare, 1)
{
	const struct sley_task_options options = { .size = sizeof(options), .pinned = true };
	gates_open(gates, 1);
	store(&pinned.ran, 0, relaxed);
	sley_task blocker = sley_spawn(block_named, &gates[0]);
	await_at_least(&gates[0].entered, 1);
	REQUIRE((pid_t)syscall(SYS_gettid) != blocked_thread);
	sley_task task = sley_spawn_with(&options, run_pinned, NULL, SLEY_BY_POINTER);
	for (int i = 0; i < 100; i++)
		sley_yield();
	REQUIRE(!load(&pinned.ran, acquire));
	gate_let_go(&gates[0]);
	REQUIRE(sley_join(task, SOON) == 0 && pinned.thread == blocked_thread);
	REQUIRE(sley_join(blocker, SOON) == 0);
	gates_close(gates, 1);
}

/* ---- how many threads ---- */

/* Until no block is seen there is no spare. Then there is one more than are blocked, whatever comes next, and it sleeps. */
TASK_TEST(one_in_hand, 1, 2)
{
	sley_task tasks[8];
	unsigned target = scheduler.target;
	REQUIRE(load(&scheduler.started, relaxed) == target);
	for (unsigned n = 1; n <= 8; n++) {
		sley_time deadline = SOON;
		block_threads(tasks, n);
		while (load(&scheduler.started, relaxed) < target + n + 1 || idle_count() == 0) {
			REQUIRE(sley_now() < deadline);
			sched_yield(); /* by the watchdog alone */
		}
		REQUIRE(load(&scheduler.started, relaxed) == target + n + 1);
		for (unsigned i = 0; i < n; i++)
			gate_let_go(&gates[i]);
		join_all(tasks, n);
	}
}

/* The worker that runs the calling task in the place of the blocked one. */
static unsigned block_one_more(void)
{
	sley_task task;
	block_threads(&task, 1);
	unsigned number = worker_self()->number;
	gate_let_go(&gates[0]);
	join_all(&task, 1);
	return number;
}

/* Of many spares that sleep, the ones that were used last are used again: 100 blocks in turn use few of them. */
TASK_TEST(last_in_first_out, 1)
{
	sley_task tasks[16];
	uint64_t used = 0;
	block_threads(tasks, 16);
	for (unsigned i = 0; i < 16; i++)
		gate_let_go(&gates[i]);
	join_all(tasks, 16);
	for (int i = 0; i < 100; i++)
		used |= (uint64_t)1 << block_one_more();
	REQUIRE(__builtin_popcountll(used) <= 8);
}

/*
 * 64 come back at once: all but as many as there are to be step back, and wake hardly anybody for what they give to others.
 * Whatever they had in their queues runs.
 */
TASK_TEST(burst, 1, 2)
{
	sley_task tasks[MOST];
	for (int round = 0; round < 5; round++) {
		block_threads(tasks, MOST);
		REQUIRE(load(&scheduler.blocked, relaxed) == MOST);
		uint64_t wakes = counter(SLEY_COUNTER_wakes);
		for (unsigned i = 0; i < MOST; i++)
			gate_let_go(&gates[i]);
		join_all(tasks, MOST);
		sley_time deadline = SOON;
		while (load(&scheduler.blocked, relaxed) > 0 || idle_awake() > scheduler.target) {
			REQUIRE(sley_now() < deadline);
			sley_yield();
		}
		REQUIRE(counter(SLEY_COUNTER_wakes) - wakes <= MOST / 4);
	}
	REQUIRE(load(&scheduler.started, relaxed) <= scheduler.target + MOST + 1);
}

/* ---- the calls ---- */

static void call_everywhere(void)
{
	sley_block_leave();
	sley_block_enter();
	sley_block_leave();
}

static void *call_in_thread(void *unused)
{
	call_everywhere();
	return unused;
}

/* Calls that do not pair, that nest, or that a wait comes between, leave the count of the blocked as it was. */
TASK_TEST(count_is_kept, 1, 2)
{
	pthread_t thread;
	for (int i = 0; i < 100; i++) {
		call_everywhere();
		REQUIRE(load(&scheduler.blocked, relaxed) == 0);
		sley_block_enter();
		sley_block_enter();
		sley_block_leave();
		REQUIRE(load(&scheduler.blocked, relaxed) == 1);
		sley_block_leave();
		REQUIRE(load(&scheduler.blocked, relaxed) == 0);
		sley_block_enter();
		sley_yield();
		while (load(&scheduler.blocked, relaxed) > 0) /* this task may be ahead of the worker that it was on */
			sched_yield();
		sley_block_leave();
		REQUIRE(SLEY_BLOCKING(getpid()) == getpid());
	}
	REQUIRE(pthread_create(&thread, NULL, call_in_thread, NULL) == 0);
	pthread_join(thread, NULL);
}

/* Outside of a run they do nothing. */
TEST(outside)
{
	call_everywhere();
}
