/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Streams: from functions, by map, filter and take; errors and ends; one at a time; freeing. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <string.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "stack/slot.h"

static struct sley_stream *stream;

/* ---- a source that counts, and notes what is done to it ---- */

struct counter {
	uint64_t next, end;
};

static unsigned asked, dropped;
static sley_time drop_deadline;

static int count(void *state, void *item, sley_time deadline)
{
	struct counter *counter = state;
	REQUIRE((uintptr_t)state % 16 == 0 && !stack_is_copying(state));
	asked++;
	if (counter->next == counter->end)
		return SLEY_END;
	*(uint64_t *)item = counter->next++;
	return 0;
}

static int note_drop(void *state, sley_time deadline)
{
	REQUIRE(((struct counter *)state)->end > 0);
	dropped++;
	drop_deadline = deadline;
	return 0;
}

static void make(uint64_t end)
{
	struct counter counter = { 0, end };
	asked = dropped = 0;
	REQUIRE(sley_stream_new(&stream, count, note_drop, &counter, sizeof(counter), sizeof(uint64_t)) == 0);
}

static void expect(uint64_t expected)
{
	uint64_t item = 0;
	REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == 0 && item == expected);
}

static void expect_error(int error)
{
	uint64_t item = 77;
	REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == error);
}

static void unmake(void)
{
	REQUIRE(dropped == 0);
	REQUIRE(sley_stream_free(stream, SLEY_NEVER) == 0 && dropped == 1 && drop_deadline == SLEY_NEVER);
}

/* From a function: its items, its end, once; its drop, once, early, late, or before anything. */
TASK_TEST(source, 1)
{
	make(3);
	for (uint64_t i = 0; i < 3; i++)
		expect(i);
	for (int i = 0; i < 3; i++)
		expect_error(SLEY_END);
	REQUIRE(asked == 4); /* not again after its end */
	unmake();
	make(3);
	expect(0);
	REQUIRE(sley_stream_free(stream, 12345) == 0 && dropped == 1 && drop_deadline == 12345);
	make(1);
	unmake();
}

/* ---- stages ---- */

struct point {
	uint64_t x, square;
	char pad[100];
};

static int to_point(void *scale, const void *from, void *to)
{
	uint64_t x = *(const uint64_t *)from;
	struct point *point = to;
	sley_yield(); /* it may wait */
	point->x = x;
	point->square = x * x * *(const uint64_t *)scale;
	return x % 10 == 7 ? -EDOM : 0;
}

static int is_even(void *arg, const void *item)
{
	return ((const struct point *)item)->x % 2 == 0;
}

static int fail_at_four(void *arg, const void *item)
{
	uint64_t x = ((const struct point *)item)->x;
	return x == 4 ? -EXDEV : 5;
}

static int to_square(void *arg, const void *from, void *to)
{
	*(uint64_t *)to = ((const struct point *)from)->square;
	return 0;
}

/* Map, filter and take, on each other; sizes change; an error takes one item's place and ends nothing. */
TASK_TEST(stages, 1)
{
	uint64_t scale = 3;
	make(20);
	REQUIRE(sley_stream_map(stream, to_point, &scale, sizeof(scale), sizeof(struct point)) == 0);
	scale = 0; /* ours again */
	REQUIRE(sley_stream_filter(stream, is_even, NULL, 0) == 0);
	REQUIRE(sley_stream_filter(stream, fail_at_four, NULL, 0) == 0);
	REQUIRE(sley_stream_map(stream, to_square, NULL, 0, 8) == 0);
	REQUIRE(asked == 0);
	expect(0);
	expect(3 * 4);
	REQUIRE(asked == 3);  /* by pulling alone */
	expect_error(-EXDEV); /* instead of 4 */
	expect(3 * 36);
	expect_error(-EDOM); /* instead of 7, which would not have come through */
	expect(3 * 64);
	REQUIRE(sley_stream_take(stream, 2) == 0); /* of those to come */
	expect(3 * 100);
	expect(3 * 144);
	expect_error(SLEY_END);
	REQUIRE(asked == 13); /* what is before take is not asked for more */
	unmake();
	make(3);
	REQUIRE(sley_stream_take(stream, 0) == 0);
	expect_error(SLEY_END);
	REQUIRE(asked == 0);
	unmake();
	make(3);
	REQUIRE(sley_stream_take(stream, 10) == 0); /* fewer come */
	expect(0), expect(1), expect(2);
	expect_error(SLEY_END);
	unmake();
}

static int one(void *arg, const void *from, void *to)
{
	return 1;
}

static int two(void *state, void *item, sley_time deadline)
{
	return 2;
}

/* Functions that answer what means nothing. */
TASK_TEST(positive, 1)
{
	make(2);
	REQUIRE(sley_stream_map(stream, one, NULL, 0, 8) == 0);
	expect_error(-EINVAL); /* and not SLEY_END */
	expect_error(-EINVAL);
	expect_error(SLEY_END);
	unmake();
	REQUIRE(sley_stream_new(&stream, two, NULL, NULL, 0, 8) == 0);
	expect_error(-EINVAL);
	REQUIRE(sley_stream_free(stream, SLEY_NEVER) == 0);
}

/* ---- filters that let nothing through ---- */

static int never(void *arg, const void *item)
{
	return 0;
}

static unsigned others;

static void other(void *arg)
{
	while (load(&others, relaxed) < 1000) {
		fetch_add(&others, 1, relaxed);
		sley_yield();
	}
}

static void filter_until_cancelled(void *arg)
{
	expect_error(-ECANCELED);
	store(&others, 2000, relaxed);
}

/* The deadline, cancellation and the other tasks come to their right all the same. */
TASK_TEST(filter, 1)
{
	uint64_t item;
	make(UINT64_MAX);
	REQUIRE(sley_stream_filter(stream, never, NULL, 0) == 0);
	REQUIRE(sley_stream_next(stream, &item, 0) == -ETIMEDOUT);
	REQUIRE(sley_stream_next(stream, &item, sley_in(SLEY_MS(2))) == -ETIMEDOUT);
	others = 0;
	sley_task task = sley_spawn(other, NULL), loop = sley_spawn(filter_until_cancelled, NULL);
	REQUIRE(sley_join(task, SOON) == 0); /* it runs although the source is always ready */
	REQUIRE(sley_cancel(loop) == 0);
	REQUIRE(sley_join(loop, SOON) == 0 && others == 2000);
	unmake();
}

/* ---- for each ---- */

static int add(void *sum, void *item)
{
	*(uint64_t *)sum += *(uint64_t *)item;
	return *(uint64_t *)item == 50 ? SLEY_END : *(uint64_t *)item == 60 ? -EPROTO : 0;
}

static void for_each(void *arg)
{
	uint64_t sum = 0; /* on the task's own stack, as the function is called by it */
	make(40);
	REQUIRE(sley_stream_for_each(stream, add, &sum, SLEY_NEVER) == 0 && sum == 39 * 40 / 2);
	REQUIRE(sley_stream_for_each(stream, add, &sum, SLEY_NEVER) == 0 && sum == 39 * 40 / 2);
	unmake();
	sum = 0;
	make(100);
	REQUIRE(sley_stream_for_each(stream, add, &sum, SLEY_NEVER) == SLEY_END && sum == 50 * 51 / 2);
	REQUIRE(sley_stream_for_each(stream, add, &sum, SLEY_NEVER) == -EPROTO);
	expect(61);
	unmake();
	make(100);
	uint64_t scale = 1;
	REQUIRE(sley_stream_map(stream, to_point, &scale, sizeof(scale), sizeof(struct point)) == 0);
	REQUIRE(sley_stream_for_each(stream, add, &sum, SLEY_NEVER) == -EDOM);
	REQUIRE(sley_stream_for_each(stream, NULL, &sum, SLEY_NEVER) == -EINVAL);
	unmake();
}

/* To the end, until the function has enough, until something fails; and on from there. */
TASK_TEST(for_each, 1)
{
	REQUIRE(sley_join(sley_spawn(for_each, NULL), SLEY_NEVER) == 0);
}

/* ---- misuse ---- */

static unsigned inside;

static int wait_inside(void *state, void *item, sley_time deadline)
{
	store(&inside, 1, release);
	return sley_sleep(SLEY_NEVER);
}

static void next_cancelled(void *arg)
{
	expect_error(-ECANCELED);
}

static int main_busy(void *arg)
{
	uint64_t item;
	inside = 0;
	REQUIRE(sley_stream_new(&stream, wait_inside, NULL, NULL, 0, 8) == 0);
	sley_task task = sley_spawn(next_cancelled, NULL);
	while (!load(&inside, acquire))
		sley_yield();
	REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == -EBUSY);
	REQUIRE(sley_stream_for_each(stream, add, &item, SLEY_NEVER) == -EBUSY);
	REQUIRE(sley_stream_map(stream, one, NULL, 0, 8) == -EBUSY);
	REQUIRE(sley_stream_filter(stream, never, NULL, 0) == -EBUSY);
	REQUIRE(sley_stream_take(stream, 1) == -EBUSY);
	REQUIRE(sley_stream_buffered(stream, 1, one, NULL, 0, 8, NULL) == -EBUSY);
	REQUIRE(sley_stream_free(stream, SLEY_NEVER) == -EBUSY);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(sley_stream_free(stream, SLEY_NEVER) == 0);
	return 0;
}

static void use_stack(void *arg)
{
	char block[100] = { 0 };
	REQUIRE(sley_stream_new(&stream, two, NULL, block, SLEY_BY_POINTER, 8) == -EFAULT);
	REQUIRE(sley_stream_next((void *)block, block, 0) == -EFAULT && sley_stream_free((void *)block, 0) == -EFAULT);
}

static int main_bad(void *arg)
{
	size_t large = (64 << 10) + 1;
	uint64_t item = 0;
	REQUIRE(sley_stream_new(NULL, two, NULL, NULL, 0, 8) == -EINVAL);
	REQUIRE(sley_stream_new(&stream, NULL, NULL, NULL, 0, 8) == -EINVAL);
	REQUIRE(sley_stream_new(&stream, two, NULL, NULL, 8, 8) == -EINVAL);
	REQUIRE(sley_stream_new(&stream, two, NULL, NULL, 0, large) == -EINVAL);
	REQUIRE(sley_stream_new(&stream, two, NULL, &item, SIZE_MAX - 1, 8) == -EOVERFLOW);
	REQUIRE(sley_stream_next(NULL, &item, 0) == -EINVAL && sley_stream_take(NULL, 1) == -EINVAL);
	REQUIRE(sley_stream_free(NULL, 0) == 0);
	make(5);
	REQUIRE(sley_stream_next(stream, NULL, 0) == -EINVAL);
	REQUIRE(sley_stream_map(stream, NULL, NULL, 0, 8) == -EINVAL);
	REQUIRE(sley_stream_map(stream, one, NULL, 0, large) == -EINVAL);
	REQUIRE(sley_stream_map(stream, one, &item, SIZE_MAX - 1, 8) == -EOVERFLOW);
	REQUIRE(sley_stream_filter(stream, NULL, NULL, 0) == -EINVAL);
	expect(0); /* as if nothing had been tried */
	unmake();
	sley_task task = sley_spawn(use_stack, NULL);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	return 0;
}

TEST(misuse)
{
	char text[1024];
	run(main_busy, 1);
	run(main_busy, 2);
	capture_begin();
	run(main_bad, 1);
	capture_end(text, sizeof(text));
	assert_int_equal(occurrences(text, "sley_stream_new() fails with -EFAULT: the argument"), 1);
}

/* ---- outside of tasks ---- */

static void *thread_consumes(void *arg)
{
	for (uint64_t i = 0; i < 5; i++)
		expect(i);
	expect_error(SLEY_END);
	return NULL;
}

static int main_threads(void *arg)
{
	pthread_t thread;
	make(5);
	REQUIRE(pthread_create(&thread, NULL, thread_consumes, NULL) == 0);
	pthread_join(thread, NULL);
	unmake();
	return 0;
}

/* A plain thread consumes; and a stream whose source needs no run works without one. */
TEST(threads)
{
	run(main_threads, 1);
	make(2);
	expect(0);
	expect(1);
	expect_error(SLEY_END);
	unmake();
}

/* ---- a source that is always ready ---- */

#define ENOUGH 100000

static int count_items(void *seen, void *item)
{
	return ++*(unsigned *)seen < ENOUGH ? 0 : 77;
}

static int cancel_self(void *seen, void *item)
{
	if (++*(unsigned *)seen == 3)
		REQUIRE(sley_cancel(sley_self()) == 0);
	return *(unsigned *)seen < ENOUGH ? 0 : 77;
}

static void cancelled(void *unused)
{
	static unsigned seen;
	seen = 0;
	make(UINT64_MAX);
	REQUIRE(sley_stream_for_each(stream, cancel_self, &seen, SLEY_NEVER) == -ECANCELED && seen == 3);
	expect(3);
	unmake();
}

/* Deadline and cancellation are seen between two items, as if the second had been waited for; none is lost. */
TASK_TEST(ready, 1, 2)
{
	static unsigned seen;
	seen = 0;
	make(UINT64_MAX);
	REQUIRE(sley_stream_for_each(stream, count_items, &seen, sley_now()) == -ETIMEDOUT && seen == 1);
	expect(1);
	unmake();
	sley_task task = sley_spawn(cancelled, NULL);
	REQUIRE(sley_join(task, SOON) == 0);
}
