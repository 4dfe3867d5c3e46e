/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Select over things of every kind: one case is chosen, it alone has its effect, and nothing is left behind. */
#include "tests/unit/run.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/atomic.h"
#include "tests/race.h"

/* One case of each kind, in this order. */
enum { CHAN_IN, CHAN_OUT, FUTURE, EVENT, SEM, TIMER, TIME, TASK, IN, OUT, KINDS };

struct big {
	uint64_t words[20];
};

static struct things {
	struct sley_chan *in, *out;
	struct sley_future *future;
	struct sley_promise *promise;
	struct sley_event event, leave;
	struct sley_sem sem;
	struct sley_timer timer;
	sley_time time;
	sley_task task;
	int pair[2], full[2];
} t;

static void wait_to_leave(void *arg)
{
	REQUIRE(sley_event_wait(&t.leave, SLEY_NEVER) == 0);
}

static void fill(int fd)
{
	static char block[65536];
	while (sley_write(fd, block, sizeof(block), 0) > 0)
		continue;
}

/* Own descriptors, or foreign ones. */
static void make(bool own)
{
	t = (struct things){ .time = SLEY_NEVER };
	REQUIRE(sley_chan_new(&t.in, sizeof(uint64_t), 0) == 0 && sley_chan_new(&t.out, sizeof(struct big), 0) == 0);
	REQUIRE(sley_promise_new(&t.promise, &t.future, sizeof(uint64_t)) == 0);
	t.task = sley_spawn(wait_to_leave, NULL);
	for (int i = 0; i < 2; i++) {
		int *fd = i ? t.full : t.pair;
		REQUIRE(own ? sley_socketpair(SOCK_STREAM, fd) == 0
			    : socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) == 0);
	}
	fill(t.full[0]);
}

static void unmake(void)
{
	sley_event_set(&t.leave);
	int error = sley_join(t.task, SOON);
	REQUIRE(error == 0 || error == -ESRCH);
	REQUIRE(sley_chan_free(t.in) == 0 && sley_chan_free(t.out) == 0); /* not -EBUSY */
	REQUIRE(sley_promise_free(t.promise) == 0 && sley_future_free(t.future) == 0);
	REQUIRE(!t.event.waiters.head && !t.sem.waiters.head && !t.timer.waiters.head);
	for (int i = 0; i < 2; i++)
		REQUIRE(sley_close(t.pair[i]) == 0 && sley_close(t.full[i]) == 0);
}

static uint64_t received, awaited;
static struct big sent;

static void set_cases(struct sley_case cases[KINDS], uint64_t *in, uint64_t *value, const struct big *out)
{
	cases[CHAN_IN] = (struct sley_case){ .chan = t.in, .op = SLEY_RECV, .into = in };
	cases[CHAN_OUT] = (struct sley_case){ .chan = t.out, .op = SLEY_SEND, .from = out };
	cases[FUTURE] = (struct sley_case){ .future = t.future, .op = SLEY_AWAIT, .into = value };
	cases[EVENT] = (struct sley_case){ .event = &t.event, .op = SLEY_EVENT };
	cases[SEM] = (struct sley_case){ .sem = &t.sem, .op = SLEY_ACQUIRE, .permits = 2 };
	cases[TIMER] = (struct sley_case){ .timer = &t.timer, .op = SLEY_TIMER };
	cases[TIME] = (struct sley_case){ .time = t.time, .op = SLEY_AT };
	cases[TASK] = (struct sley_case){ .task = t.task, .op = SLEY_JOIN };
	cases[IN] = (struct sley_case){ .fd = t.pair[0], .op = SLEY_READABLE };
	cases[OUT] = (struct sley_case){ .fd = t.full[0], .op = SLEY_WRITABLE };
}

static void make_ready(int kind)
{
	static char block[65536];
	uint64_t value = 7;
	struct big big;
	switch (kind) {
	case CHAN_IN:
		REQUIRE(sley_chan_send(t.in, &value, SOON) == 0);
		break;
	case CHAN_OUT:
		REQUIRE(sley_chan_recv(t.out, &big, SOON) == 0 && big.words[0] == 9 && big.words[19] == 9);
		break;
	case FUTURE:
		REQUIRE(sley_promise_resolve(t.promise, &value) == 0);
		break;
	case EVENT:
		REQUIRE(sley_event_set(&t.event) == 0);
		break;
	case SEM:
		REQUIRE(sley_sem_release(&t.sem, 1) == 0 && sley_sem_release(&t.sem, 1) == 0);
		break;
	case TIMER:
		REQUIRE(sley_timer_start(&t.timer, sley_in(SLEY_US(100)), 0) == 0);
		break;
	case TASK:
		REQUIRE(sley_event_set(&t.leave) == 0);
		break;
	case IN:
		REQUIRE(write(t.pair[1], "x", 1) == 1);
		break;
	case OUT:
		while (read(t.full[1], block, sizeof(block)) > 0)
			continue;
		break;
	}
}

static int chosen;

static void select_all(void *arg)
{
	struct sley_case cases[KINDS];
	uint64_t in = 0, value = 0;
	struct big out;
	for (int i = 0; i < 20; i++)
		out.words[i] = 9;
	set_cases(cases, &in, &value, &out);
	chosen = sley_select(cases, KINDS, SOON);
	REQUIRE(chosen >= 0 && cases[chosen].error == 0);
	REQUIRE(in == (chosen == CHAN_IN ? 7 : 0) && value == (chosen == FUTURE ? 7 : 0));
}

/* Each kind alone ends the wait; the others have no effect, so each of them still can be had afterwards. */
static int main_each(void *own)
{
	for (int kind = 0; kind < KINDS; kind++) {
		make(own != NULL);
		if (kind == TIME)
			t.time = sley_in(SLEY_MS(2));
		sley_task task = sley_spawn(select_all, NULL);
		await_state_or_end(task, SLEY_TASK_WAITING, SLEY_WAIT_SELECT); /* the time may have come already */
		make_ready(kind);
		REQUIRE(sley_join(task, SOON) == 0 && chosen == kind);
		REQUIRE(sley_chan_try_send(t.in, &received) == -EAGAIN && sley_chan_try_recv(t.out, &sent) == -EAGAIN);
		REQUIRE(sley_future_ready(t.future) == (kind == FUTURE));
		REQUIRE(sley_sem_value(&t.sem) == 0 && sley_timer_stop(&t.timer) == 0);
		REQUIRE((sley_join(t.task, 0) == -ESRCH) == (kind == TASK));
		unmake();
	}
	return 0;
}

TEST(each)
{
	struct sley_options options = { .size = sizeof(options) };
	for (uintptr_t own = 0; own < 2; own++) {
		for (options.workers = 1; options.workers <= 2; options.workers++) {
			options.stack_slots = 0;
			run_with(main_each, (void *)own, &options);
			options.stack_slots = 2;
			run_with(main_each, (void *)own, &options);
		}
	}
}

/* All are ready at once: each is chosen, as often as any other; what was not chosen is still there. */
TASK_TEST(fair, 1)
{
	struct sley_event events[3] = { SLEY_EVENT_INIT };
	struct sley_sem sem = SLEY_SEM_INIT(10000);
	struct sley_case cases[] = {
		{ .event = &events[0], .op = SLEY_EVENT }, { .sem = &sem, .op = SLEY_ACQUIRE, .permits = 1 },
		{ .event = NULL, .op = SLEY_EVENT },       { .time = 1, .op = SLEY_AT },
		{ .event = &events[2], .op = SLEY_EVENT },
	};
	unsigned counts[5] = { 0 };
	REQUIRE(sley_event_set(&events[0]) == 0 && sley_event_set(&events[2]) == 0);
	for (int i = 0; i < 10000; i++)
		counts[i % 2 ? sley_select(cases, 5, SLEY_NEVER) : sley_try_select(cases, 5)]++;
	for (int i = 0; i < 5; i++)
		REQUIRE(i == 2 ? counts[i] == 0 : counts[i] > 2200 && counts[i] < 2800); /* 2,500, sigma 43 */
	REQUIRE(sley_sem_value(&sem) == 10000 - counts[1]);
}

/* In order: of what is ready the first, with channels alone too; without a wait, and with one. */
TASK_TEST(ordered, 1, 2)
{
	uint64_t in = 0, out = 1;
	make(true);
	struct sley_chan *first;
	REQUIRE(sley_chan_new(&first, 8, 1) == 0);
	struct sley_case cases[] = {
		{ .event = &t.event, .op = SLEY_EVENT },
		{ .chan = first, .op = SLEY_RECV, .into = &in },
		{ .chan = first, .op = SLEY_SEND, .from = &out },
	};
	REQUIRE(sley_try_select_ordered(cases, 2) == -EAGAIN && sley_select_ordered(cases, 2, 0) == -ETIMEDOUT);
	for (int i = 0; i < 100; i++) {
		REQUIRE(sley_select_ordered(cases, 3, SLEY_NEVER) == 2 && sley_try_select_ordered(cases + 1, 2) == 0);
		REQUIRE(sley_select_ordered(cases + 1, 2, SLEY_NEVER) == 1 && sley_chan_length(first) == 1);
		REQUIRE(sley_event_set(&t.event) == 0 && sley_select_ordered(cases, 3, SLEY_NEVER) == 0);
		REQUIRE(sley_event_reset(&t.event) == 0 && sley_try_select_ordered(cases, 3) == 1);
	}
	REQUIRE(sley_chan_free(first) == 0);
	unmake();
}

/* What a case alone would answer at once, is its error: it is chosen. */
TASK_TEST(errors, 1, 2)
{
	uint64_t value = 0;
	sley_task ended = t.task;
	make(true);
	struct sley_case c = { .task = ended ? ended : 1 << 30, .op = SLEY_JOIN };
	REQUIRE(sley_select(&c, 1, SOON) == 0 && c.error == -ESRCH);
	c.task = sley_self();
	REQUIRE(sley_select(&c, 1, SOON) == 0 && c.error == -EDEADLK);
	c = (struct sley_case){ .fd = 1 << 20, .op = SLEY_READABLE };
	REQUIRE(sley_select(&c, 1, SOON) == 0 && c.error == -EBADF);
	REQUIRE(sley_promise_reject(t.promise, -EAGAIN) == 0);
	c = (struct sley_case){ .future = t.future, .op = SLEY_AWAIT, .into = &value };
	REQUIRE(sley_select(&c, 1, SOON) == 0 && c.error == -EAGAIN);
	REQUIRE(sley_try_select(&c, 1) == 0 && c.error == -EAGAIN && value == 0);
	REQUIRE(sley_chan_close(t.in) == 0);
	struct sley_case two[] = { { .event = &t.event, .op = SLEY_EVENT },
				   { .chan = t.in, .op = SLEY_RECV, .into = &value } };
	REQUIRE(sley_select(two, 2, SOON) == 1 && two[1].error == -EPIPE);
	unmake();
}

static int select_error;

static void select_two(void *arg)
{
	struct sley_case *cases = arg;
	int i = sley_select(cases, 2, SOON);
	select_error = i < 0 ? i : cases[i].error;
}

static sley_task start_select(struct sley_case *cases)
{
	sley_task task = sley_spawn(select_two, cases);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SELECT);
	return task;
}

static void reject(void)
{
	REQUIRE(sley_promise_reject(t.promise, -EBADMSG) == 0);
}

static void close_chan(void)
{
	REQUIRE(sley_chan_close(t.in) == 0);
}

static void close_fd(void)
{
	REQUIRE(sley_close(t.pair[0]) == 0 && sley_socketpair(SOCK_STREAM, t.pair) == 0);
}

/* Closed, rejected and cancelled during the wait; the descriptor's number is another one's by then. */
TASK_TEST(ended_meanwhile, 1, 2)
{
	static struct sley_case cases[2];
	static uint64_t place;
	void (*const ends[])(void) = { close_chan, reject, close_fd, NULL };
	const int expected[] = { -EPIPE, -EBADMSG, -EBADF, -ECANCELED };
	for (int i = 0; i < 4; i++) {
		make(true);
		struct sley_case kinds[] = {
			{ .chan = t.in, .op = SLEY_RECV, .into = &place },
			{ .future = t.future, .op = SLEY_AWAIT, .into = &place },
			{ .fd = t.pair[0], .op = SLEY_READABLE },
			{ .sem = &t.sem, .op = SLEY_ACQUIRE, .permits = 1 },
		};
		cases[0] = (struct sley_case){ .event = &t.event, .op = SLEY_EVENT };
		cases[1] = kinds[i];
		int other = t.pair[1];
		sley_task task = start_select(cases);
		if (ends[i])
			ends[i]();
		else
			REQUIRE(sley_cancel(task) == 0);
		REQUIRE(sley_join(task, SOON) == 0 && select_error == expected[i]);
		if (ends[i] == close_fd)
			REQUIRE(sley_close(other) == 0);
		unmake();
	}
}

/* One that waits for many permits keeps those behind it waiting only while it waits. */
TASK_TEST(semaphore_queue, 1, 2)
{
	static struct sley_case cases[2], few[2];
	make(true);
	cases[0] = (struct sley_case){ .event = &t.event, .op = SLEY_EVENT };
	cases[1] = (struct sley_case){ .sem = &t.sem, .op = SLEY_ACQUIRE, .permits = 10 };
	sley_task many = start_select(cases);
	few[0] = (struct sley_case){ .sem = &t.sem, .op = SLEY_ACQUIRE, .permits = 1 };
	sley_task one = start_select(few);
	REQUIRE(sley_sem_release(&t.sem, 1) == 0 && sley_sem_try_acquire(&t.sem, 1) == -EAGAIN);
	REQUIRE(sley_event_set(&t.event) == 0);
	REQUIRE(sley_join(many, SOON) == 0 && sley_join(one, SOON) == 0);
	REQUIRE(sley_sem_value(&t.sem) == 0);
	unmake();
}

/* The timer is put off during the wait, stopped, and started again; the deadline holds meanwhile. */
TASK_TEST(moved_timer, 1, 2)
{
	static struct sley_case cases[2];
	make(true);
	cases[0] = (struct sley_case){ .timer = &t.timer, .op = SLEY_TIMER };
	REQUIRE(sley_timer_start(&t.timer, sley_in(SLEY_US(500)), 0) == 0);
	sley_task task = sley_spawn(select_two, cases);
	if (sley_timer_start(&t.timer, sley_in(SLEY_SEC(600)), 0) == 1) {
		await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SELECT);
		REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
		await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_SELECT);
		REQUIRE(sley_timer_stop(&t.timer) == 1 && sley_timer_start(&t.timer, sley_in(SLEY_US(50)), 0) == 0);
		REQUIRE(sley_join(task, SOON) == 0 && select_error == 0);
	} else {
		REQUIRE(sley_join(task, SOON) == 0 && select_error == 0);
	}
	sley_timer_start(&t.timer, sley_in(SLEY_SEC(600)), 0);
	REQUIRE(sley_select(cases, 1, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	struct sley_case at = { .time = sley_in(SLEY_MS(1)), .op = SLEY_AT };
	REQUIRE(sley_select(&at, 1, at.time) == 0);
	at.time = SLEY_NEVER;
	REQUIRE(sley_select(&at, 1, sley_in(SLEY_MS(1))) == -ETIMEDOUT && sley_try_select(&at, 1) == -EAGAIN);
	sley_timer_stop(&t.timer);
	unmake();
}

/* The same thing twice in a list, of each kind. */
TASK_TEST(twice, 1, 2)
{
	for (int kind = 0; kind < KINDS; kind++) {
		static struct sley_case all[KINDS], cases[2];
		make(true);
		if (kind == TIME)
			t.time = sley_in(SLEY_MS(1));
		set_cases(all, &received, &awaited, &sent);
		for (int i = 0; i < 20; i++)
			sent.words[i] = 9;
		cases[0] = cases[1] = all[kind];
		sley_task task = start_select(cases);
		make_ready(kind);
		if (kind == SEM) /* the first place in the queue is enough */
			REQUIRE(sley_sem_value(&t.sem) == 0);
		REQUIRE(sley_join(task, SOON) == 0 && select_error == 0);
		unmake();
	}
}

/* ---- plain threads ---- */

static void *select_in_thread(void *arg)
{
	struct sley_case cases[2] = { { .event = &t.event, .op = SLEY_EVENT },
				      { .timer = &t.timer, .op = SLEY_TIMER } };
	struct sley_case not [2] = { { .fd = 0, .op = SLEY_READABLE }, { .task = t.task, .op = SLEY_JOIN } };
	REQUIRE(sley_select(&not [0], 1, 0) == -EDEADLK && sley_try_select(&not [1], 1) == -EDEADLK);
	REQUIRE(sley_try_select(cases, 2) == -EAGAIN && sley_select(cases, 2, 0) == -ETIMEDOUT);
	fetch_add((unsigned *)arg, 1, relaxed);
	REQUIRE(sley_select(cases, 2, SOON) == 1);
	fetch_add((unsigned *)arg, 1, relaxed);
	REQUIRE(sley_select(cases, 2, SOON) == 0);
	fetch_add((unsigned *)arg, 1, relaxed);
	return NULL;
}

TASK_TEST(thread, 1, 2)
{
	static unsigned stage;
	pthread_t thread;
	stage = 0;
	make(true);
	REQUIRE(pthread_create(&thread, NULL, select_in_thread, &stage) == 0);
	await_at_least(&stage, 1);
	REQUIRE(sley_timer_start(&t.timer, sley_in(SLEY_MS(1)), 0) == 0);
	await_at_least(&stage, 2);
	REQUIRE(sley_event_set(&t.event) == 0);
	await_at_least(&stage, 3);
	pthread_join(thread, NULL);
	unmake();
}

/* ---- races ---- */

static void set_event(void *arg)
{
	REQUIRE(sley_event_set(&t.event) == 0);
}

#if RACE_POINTS
/*
 *   select                              another
 *   looks: nothing is ready
 *                                       makes the thing ready
 *   links: it is ready, gives up, looks again
 *
 * and, with `linked`: the case that is linked first is done while the other is not linked yet.
 */
static int main_races(void *linked)
{
	const char *point = linked ? "select_has_linked" : "select_has_looked";
	for (int kind = 0; kind < KINDS; kind++) {
		if (kind == CHAN_IN || kind == CHAN_OUT || kind == TIME || kind == TASK)
			continue; /* these need another task on the stopped worker, or nobody */
		make(true);
		race_stop(point);
		sley_task task = sley_spawn(select_all, NULL);
		race_wait(point);
		make_ready(kind);
		race_go(point);
		REQUIRE(sley_join(task, SOON) == 0 && chosen == kind);
		unmake();
	}
	return 0;
}

TEST(races)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2 };
	run_with(main_races, NULL, &options);
	run_with(main_races, (void *)1, &options);
}
#endif

/* ---- many at once ---- */

static uint64_t permits_taken, items_in, items_out;

static void mix(void *arg)
{
	uint32_t random = (uint32_t)(uintptr_t)arg * 2654435761u + 1;
	uint64_t in;
	struct big out = { { 0 } };
	for (long rounds = test_scale(3000); rounds > 0; rounds--) {
		random = random * 1664525 + 1013904223;
		struct sley_case cases[] = {
			{ .sem = &t.sem, .op = SLEY_ACQUIRE, .permits = 1 + random % 2 },
			{ .chan = t.in, .op = SLEY_RECV, .into = &in },
			{ .chan = t.in, .op = SLEY_SEND, .from = &out },
			{ .chan = t.out, .op = SLEY_SEND, .from = &out },
			{ .chan = t.out, .op = SLEY_RECV, .into = &out },
			{ .event = &t.event, .op = SLEY_EVENT },
		};
		int i = random % 3 ? sley_select(cases, 6, sley_in(SLEY_US(random % 300)))
				   : sley_select_ordered(cases, 6, sley_in(SLEY_US(random % 300)));
		REQUIRE(i == -ETIMEDOUT || (i >= 0 && cases[i].error == 0));
		if (i == 0) {
			fetch_add(&permits_taken, (uint64_t)cases[0].permits, relaxed);
			sley_yield();
			REQUIRE(sley_sem_release(&t.sem, cases[0].permits) == 0);
		}
		if (i == 1 || i == 4)
			fetch_add(&items_in, 1, relaxed);
		if (i == 2 || i == 3)
			fetch_add(&items_out, 1, relaxed);
		if (random % 64 == 0)
			REQUIRE(sley_event_set(&t.event) == 0 && sley_event_reset(&t.event) == 0);
	}
}

/* Selects that meet each other, on unbuffered channels: what was sent was received, and every permit is back. */
TASK_TEST(many, 1, 2, 4)
{
	sley_task tasks[6];
	make(true);
	permits_taken = items_in = items_out = 0;
	REQUIRE(sley_sem_release(&t.sem, 2) == 0);
	for (uintptr_t i = 0; i < 6; i++)
		tasks[i] = sley_spawn(mix, (void *)i);
	for (int i = 0; i < 6; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(items_in == items_out && items_in > 0 && permits_taken > 0 && sley_sem_value(&t.sem) == 2);
	unmake();
}

/* ---- answers ---- */

static void on_copying_stack(void *arg)
{
	uint64_t space[16] = { 0 };
	const int ops[] = { SLEY_RECV, SLEY_AWAIT, SLEY_EVENT, SLEY_ACQUIRE, SLEY_TIMER };
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		struct sley_case c = { .event = (struct sley_event *)(void *)space, .op = ops[i], .permits = 1 };
		REQUIRE(sley_select_ordered(&c, 1, 0) == -EFAULT && sley_try_select_ordered(&c, 1) == -EFAULT);
	}
}

TASK_TEST(answers, 1)
{
	static char text[4096];
	make(true);
	struct sley_case c = { .sem = &t.sem, .op = SLEY_ACQUIRE };
	REQUIRE(sley_select(&c, 1, 0) == -EINVAL && sley_try_select(&c, 1) == -EINVAL);
	c = (struct sley_case){ .chan = t.in, .op = SLEY_RECV };
	REQUIRE(sley_select_ordered(&c, 1, 0) == -EFAULT && sley_try_select_ordered(&c, 1) == -EFAULT);
	c.op = -1;
	REQUIRE(sley_select_ordered(&c, 1, 0) == -EINVAL && sley_select_ordered(&c, -1, 0) == -EINVAL);
	REQUIRE(sley_select_ordered(NULL, 1, 0) == -EINVAL && sley_select_ordered(&c, 65536, 0) == -EINVAL);
	REQUIRE(sley_select_ordered(NULL, 0, 0) == -ETIMEDOUT && sley_try_select_ordered(NULL, 0) == -EAGAIN);
	for (int op = 0; op <= SLEY_TIMER; op++) { /* switched off */
		c = (struct sley_case){ .op = op, .permits = 1 };
		REQUIRE(sley_select_ordered(&c, 1, 0) == -ETIMEDOUT);
	}
	c = (struct sley_case){ .op = SLEY_JOIN };
	REQUIRE(sley_select(&c, 1, 0) == -ETIMEDOUT);
	c = (struct sley_case){ .fd = -1, .op = SLEY_READABLE };
	REQUIRE(sley_select(&c, 1, 0) == -ETIMEDOUT);
	capture_begin();
	sley_task task = sley_spawn(on_copying_stack, NULL);
	REQUIRE(sley_join(task, SOON) == 0);
	capture_end(text, sizeof(text));
	REQUIRE(occurrences(text, "sley_select_ordered() fails with -EFAULT: the channel") == 1);
	unmake();
}

/* Another task waits for the descriptor: that is the answer of the case. */
static void read_one(void *arg)
{
	char byte;
	REQUIRE(sley_read(t.pair[0], &byte, 1, SOON) == 1);
}

TASK_TEST(busy, 1, 2)
{
	make(true);
	sley_task task = sley_spawn(read_one, NULL), setter = 0;
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	struct sley_case cases[] = { { .fd = t.pair[0], .op = SLEY_READABLE },
				     { .event = &t.event, .op = SLEY_EVENT } };
	REQUIRE(sley_select(cases, 2, SOON) == 0 && cases[0].error == -EBUSY);
	cases[0].fd = t.full[0]; /* readable it is not */
	setter = sley_spawn(set_event, NULL);
	REQUIRE(sley_select(cases, 2, SOON) == 1 && sley_join(setter, SOON) == 0);
	REQUIRE(write(t.pair[1], "x", 1) == 1 && sley_join(task, SOON) == 0);
	unmake();
}
