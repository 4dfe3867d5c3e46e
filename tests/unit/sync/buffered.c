/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Buffered stages: order, how many run at once and how far ahead, errors, early drops. */
#include "tests/unit/run.h"

#include <pthread.h>

#include "base/atomic.h"
#include "base/block.h"
#include "base/compiler.h"

static struct sley_stream *stream;
static uint32_t seed;

/* ---- a source of numbers, and calls that are counted ---- */

static unsigned asked, source_dropped, running, most_running, began, ended, discarded;

static int count(void *end, void *item, sley_time deadline)
{
	uint64_t i = fetch_add(&asked, 1, relaxed);
	if (i == *(uint64_t *)end)
		return SLEY_END;
	*(uint64_t *)item = i;
	return 0;
}

static int note_drop(void *state, sley_time deadline)
{
	fetch_add(&source_dropped, 1, relaxed);
	return 0;
}

static void enter(void)
{
	unsigned now = fetch_add(&running, 1, relaxed) + 1, most = load(&most_running, relaxed);
	while (now > most && !cas_weak(&most_running, &most, now, relaxed, relaxed))
		;
	fetch_add(&began, 1, relaxed);
}

static void leave(void)
{
	fetch_sub(&running, 1, relaxed);
	fetch_add(&ended, 1, relaxed);
}

/* Takes a while, different for each item; multiples of 13 fail. */
static int triple(void *arg, const void *from, void *to)
{
	uint64_t i = *(const uint64_t *)from;
	enter();
	int error = sley_sleep(sley_in(SLEY_US(i * 7919 % 300)));
	*(uint64_t *)to = 3 * i + *(const uint64_t *)arg;
	leave();
	return error ? error : i % 13 == 12 ? -EDOM : 0;
}

static void discard(void *item)
{
	fetch_add(&discarded, 1, relaxed);
}

static void make(uint64_t end, unsigned most, int (*fn)(void *, const void *, void *))
{
	uint64_t plus = 5;
	asked = source_dropped = running = most_running = began = ended = discarded = 0;
	REQUIRE(sley_stream_new(&stream, count, note_drop, &end, sizeof(end), 8) == 0);
	REQUIRE(sley_stream_buffered(stream, most, fn, &plus, sizeof(plus), 8, discard) == 0);
}

static void expect(uint64_t i)
{
	uint64_t item = 0;
	int error = sley_stream_next(stream, &item, SLEY_NEVER);
	REQUIRE(i % 13 == 12 ? error == -EDOM : error == 0 && item == 3 * i + 5);
}

/* Results come in the order of the items, whatever each takes; errors at their places; never more than that at once. */
TASK_TEST(order, EVERY_WAY)
{
	static const unsigned sizes[] = { 1, 2, 7, 64 };
	uint64_t item;
	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		make(200, sizes[s], triple);
		REQUIRE(asked == 0 && live_tasks() == 1); /* nothing happens before the first call */
		for (uint64_t i = 0; i < 200; i++) {
			expect(i);
			REQUIRE(load(&began, relaxed) <= i + 1 + sizes[s]); /* no further ahead */
		}
		REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == SLEY_END);
		REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == SLEY_END);
		REQUIRE(asked == 201 && began == 200 && ended == 200 && most_running <= sizes[s]);
		REQUIRE(sizes[s] == 1 || most_running > 1);
		REQUIRE(sley_stream_free(stream, SOON) == 0 && source_dropped == 1 && discarded == 0);
		await_live(1);
	}
}

static int at_once(void *arg, const void *from, void *to)
{
	enter();
	*(uint64_t *)to = 3 * *(const uint64_t *)from + 5;
	leave();
	return 0;
}

/* Back-pressure: a consumer that does not come stops the source. */
TASK_TEST(ahead, EVERY_WAY)
{
	sley_time deadline = SOON;
	make(1000, 10, at_once);
	expect(0);
	while (load(&ended, relaxed) < 11) { /* it runs ahead of a consumer that does not come, */
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	for (int i = 0; i < 50; i++)
		sley_yield();
	REQUIRE(load(&asked, relaxed) == 11 && load(&began, relaxed) == 11); /* but no further */
	expect(1);
	while (load(&ended, relaxed) < 12)
		sley_yield();
	for (int i = 0; i < 50; i++)
		sley_yield();
	REQUIRE(load(&asked, relaxed) == 12);
	REQUIRE(sley_stream_free(stream, SOON) == 0 && source_dropped == 1);
	REQUIRE(discarded == 10); /* done, and consumed by nobody */
	await_live(1);
}

/* ---- a slow source ---- */

static unsigned gate;

/* The first call waits for the third: so the source must be asked while the first runs. */
static int need_third(void *arg, const void *from, void *to)
{
	uint64_t i = *(const uint64_t *)from;
	sley_time deadline = SOON;
	if (i == 2)
		store(&gate, 1, release);
	while (i == 0 && !load(&gate, acquire)) {
		REQUIRE(sley_now() < deadline);
		sley_sleep(sley_in(SLEY_US(50)));
	}
	*(uint64_t *)to = 3 * i + 5;
	return 0;
}

static int count_slowly(void *end, void *item, sley_time deadline)
{
	int error = sley_sleep(sley_in(SLEY_MS(1)));
	return error ? error : count(end, item, deadline);
}

/* Waiting for a call does not keep the source from being asked. */
TASK_TEST(slow_source, EVERY_WAY)
{
	uint64_t end = 5, item;
	asked = gate = 0;
	REQUIRE(sley_stream_new(&stream, count_slowly, note_drop, &end, sizeof(end), 8) == 0);
	REQUIRE(sley_stream_buffered(stream, 3, need_third, NULL, 0, 8, NULL) == 0);
	REQUIRE(sley_stream_next(stream, &item, 0) == -ETIMEDOUT);
	REQUIRE(sley_stream_next(stream, &item, sley_in(SLEY_US(100))) == -ETIMEDOUT);
	for (uint64_t i = 0; i < end; i++)
		REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == 0 && item == 3 * i + 5);
	REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == SLEY_END);
	REQUIRE(sley_stream_free(stream, SOON) == 0);
}

/* Deadlines at all moments: no result is lost. */
TASK_TEST(deadlines, EVERY_WAY)
{
	uint64_t item, i = 0;
	unsigned late = 0;
	make((uint64_t)test_scale(1500), 3, triple);
	for (uint64_t n = 0; i < (uint64_t)test_scale(1500); n++) {
		int error = sley_stream_next(stream, &item, sley_in(SLEY_US(n * 31 % 200)));
		if (error == -ETIMEDOUT) {
			late++;
			continue;
		}
		REQUIRE(i % 13 == 12 ? error == -EDOM : error == 0 && item == 3 * i + 5);
		i++;
	}
	REQUIRE(late > 0);
	REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == SLEY_END);
	REQUIRE(sley_stream_free(stream, SOON) == 0);
}

/* ---- errors of the source ---- */

static int count_with_errors(void *end, void *item, sley_time deadline)
{
	int error = count(end, item, deadline);
	return error == 0 && *(uint64_t *)item % 3 == 1 ? -ENETDOWN : error;
}

/* Each at its place among the results, and on behind it. */
TASK_TEST(errors, EVERY_WAY)
{
	uint64_t end = 30, plus = 5, item;
	asked = 0;
	REQUIRE(sley_stream_new(&stream, count_with_errors, note_drop, &end, sizeof(end), 8) == 0);
	REQUIRE(sley_stream_buffered(stream, 4, at_once, &plus, sizeof(plus), 8, NULL) == 0);
	for (uint64_t i = 0; i < end; i++) {
		int error = sley_stream_next(stream, &item, SLEY_NEVER);
		REQUIRE(i % 3 == 1 ? error == -ENETDOWN : error == 0 && item == 3 * i + 5);
	}
	REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == SLEY_END);
	REQUIRE(sley_stream_free(stream, SOON) == 0);
}

static void sleep_for_ever(void *arg)
{
	sley_sleep(SLEY_NEVER);
}

static int main_no_tasks(void *arg)
{
	sley_task tasks[20];
	uint64_t item;
	int n = 0, error;
	make(1000, 2, at_once);
	while ((tasks[n] = sley_spawn(sleep_for_ever, NULL)) > 0)
		n++;
	REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == -EAGAIN && asked == 0);
	REQUIRE(sley_cancel(tasks[--n]) == 0 && sley_join(tasks[n], SLEY_NEVER) == 0);
	error = sley_stream_next(stream, &item, SLEY_NEVER);
	REQUIRE(error == -EAGAIN && asked > 0); /* that one is the feeder's: none is left for calls */
	while (n-- > 0)
		REQUIRE(sley_cancel(tasks[n]) == 0 && sley_join(tasks[n], SLEY_NEVER) == 0);
	while ((error = sley_stream_next(stream, &item, SLEY_NEVER)) == -EAGAIN)
		;
	REQUIRE(error == 0 && item % 3 == 2);
	REQUIRE(sley_stream_free(stream, SOON) == 0);
	await_live(1);
	return 0;
}

/* No task for the feeder: the call may be tried again. No task for a call: its item's place has the error. */
TEST(no_tasks)
{
	struct sley_options ten = { .size = sizeof(ten), .workers = 1, .max_tasks = 10 };
	run_with(main_no_tasks, NULL, &ten);
}

/* ---- dropping ---- */

static int wait_for_ever(void *arg, const void *from, void *to)
{
	enter();
	int error = sley_sleep(SLEY_NEVER);
	sley_cancel_mask(1);
	sley_sleep(sley_in(SLEY_US(200))); /* cleaning up */
	*(uint64_t *)to = 1;
	leave();
	return *(const uint64_t *)from % 2 ? 0 : error; /* some give a result all the same */
}

/* Calls under way are cancelled and waited for, the source is dropped, results are discarded. */
TASK_TEST(drop, EVERY_WAY)
{
	uint64_t item;
	make(1000, 8, wait_for_ever);
	REQUIRE(sley_stream_next(stream, &item, 0) == -ETIMEDOUT);
	while (load(&began, relaxed) < 8)
		sley_yield();
	REQUIRE(sley_stream_free(stream, SOON) == 0);
	REQUIRE(ended == 8 && source_dropped == 1); /* all have ended by now */
	REQUIRE(discarded == 4);                    /* and nothing that they gave is lost */
	await_live(1);
	make(1000, 8, wait_for_ever);
	REQUIRE(sley_stream_free(stream, SOON) == 0); /* never begun */
	REQUIRE(began == 0 && source_dropped == 1 && live_tasks() == 1);
	make(1000, 3, wait_for_ever);
	REQUIRE(sley_stream_next(stream, &item, sley_in(SLEY_US(300))) == -ETIMEDOUT);
	int error = sley_stream_free(stream, 0); /* freed; it ends by itself */
	REQUIRE(error == 0 || error == -ETIMEDOUT);
	await_live(1);
	REQUIRE(began == ended && source_dropped == 1);
}

/* Freed at random moments of the source's, the calls' and the feeder's life. */
TASK_TEST(drop_race, EVERY_WAY)
{
	for (long n = 0; n < test_scale(1500); n++) {
		seed = seed * 1664525 + 1013904223;
		uint64_t end = seed >> 28, item, want = seed >> 20 & 15;
		make(end, 1 + (seed >> 12 & 3), seed & 1024 ? at_once : triple);
		bool fails = !(seed & 1024); /* triple() does at 12 */
		for (uint64_t i = 0; i < want && i < end; i++) {
			int error = sley_stream_next(stream, &item, SLEY_NEVER);
			REQUIRE(fails && i == 12 ? error == -EDOM : error == 0 && item == 3 * i + 5);
		}
		if (seed & 2048)
			REQUIRE(sley_stream_next(stream, &item, 0) <= SLEY_END);
		REQUIRE(sley_stream_free(stream, SLEY_NEVER) == 0);
		REQUIRE(began == ended && source_dropped == 1 && running == 0);
		REQUIRE(load(&asked, relaxed) <= end + 1);
	}
	await_live(1);
}

/* ---- stages below and above, sources with tasks of their own ---- */

static int give(void *cleaned)
{
	int error = 0;
	for (uint64_t i = 0; error == 0; i++)
		error = sley_gen_yield(&i);
	**(unsigned **)cleaned += 1;
	return error;
}

static int add_one(void *arg, const void *from, void *to)
{
	*(uint64_t *)to = *(const uint64_t *)from + 1;
	return 0;
}

static int is_odd(void *arg, const void *item)
{
	return *(const uint64_t *)item & 1;
}

/* Two buffered stages in a pile over a generator. */
TASK_TEST(pile, EVERY_WAY)
{
	static unsigned cleaned;
	unsigned *counter = &cleaned;
	struct sley_gen *gen;
	uint64_t item, plus = 5;
	cleaned = 0;
	REQUIRE(sley_gen_new(&gen, give, &counter, sizeof(counter), 8) == 0);
	REQUIRE(sley_stream_from_gen(&stream, gen) == 0);
	REQUIRE(sley_stream_filter(stream, is_odd, NULL, 0) == 0);                            /* 1 3 5 */
	REQUIRE(sley_stream_buffered(stream, 3, at_once, &plus, sizeof(plus), 8, NULL) == 0); /* 8 14 20 */
	REQUIRE(sley_stream_map(stream, add_one, NULL, 0, 8) == 0);                           /* 9 15 21 */
	REQUIRE(sley_stream_buffered(stream, 2, at_once, &plus, sizeof(plus), 8, NULL) == 0); /* 32 50 68 */
	REQUIRE(sley_stream_take(stream, 50) == 0);
	for (uint64_t i = 0; i < 50; i++)
		REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == 0 && item == 32 + 18 * i);
	REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == SLEY_END);
	REQUIRE(sley_stream_free(stream, SOON) == 0);
	REQUIRE(cleaned == 1); /* all the way down */
	await_live(1);
}

/* ---- plain threads, and the end of the run ---- */

static void *thread_consumes(void *arg)
{
	for (uint64_t i = 0; i < 100; i++)
		expect(i);
	REQUIRE(sley_stream_free(stream, SOON) == 0);
	return NULL;
}

static int main_threads(void *arg)
{
	pthread_t thread;
	make(1000, 5, triple);
	REQUIRE(pthread_create(&thread, NULL, thread_consumes, NULL) == 0);
	while (load(&source_dropped, relaxed) == 0)
		sley_sleep(sley_in(SLEY_MS(1)));
	pthread_join(thread, NULL);
	return 0;
}

static int main_leaves(void *arg)
{
	uint64_t item;
	make(1000, 5, wait_for_ever);
	REQUIRE(sley_stream_next(stream, &item, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	return 0;
}

/* A plain thread consumes. A stream that is left when its run is over can be freed, and its source is dropped. */
TEST(threads)
{
	uint64_t item;
	run(main_threads, 1);
	run(main_threads, 2);
	run(main_leaves, 2);
	assert_int_equal(sley_stream_next(stream, &item, 0), -ENOTCONN);
	assert_int_equal(sley_stream_free(stream, SLEY_NEVER), 0);
	assert_int_equal(source_dropped, 1);
}

TASK_TEST(bad, 1)
{
	uint64_t end = 5, item;
	asked = source_dropped = 0;
	REQUIRE(sley_stream_new(&stream, count, note_drop, &end, sizeof(end), 8) == 0);
	REQUIRE(sley_stream_buffered(stream, 0, at_once, NULL, 0, 8, NULL) == -EINVAL);
	REQUIRE(sley_stream_buffered(stream, 65536, at_once, NULL, 0, 8, NULL) == -EINVAL);
	REQUIRE(sley_stream_buffered(stream, 1, NULL, NULL, 0, 8, NULL) == -EINVAL);
	REQUIRE(sley_stream_buffered(stream, 1, at_once, NULL, 0, (64 << 10) + 1, NULL) == -EINVAL);
	REQUIRE(sley_stream_buffered(stream, 1, at_once, &end, SIZE_MAX - 1, 8, NULL) == -EOVERFLOW);
	REQUIRE(sley_stream_buffered(NULL, 1, at_once, NULL, 0, 8, NULL) == -EINVAL);
	REQUIRE(sley_stream_next(stream, &item, 0) == 0 && item == 0); /* as it was */
	REQUIRE(sley_stream_buffered(stream, 65535, at_once, &end, sizeof(end), 8, NULL) == 0);
	REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == 0 && item == 3 * 1 + 5);
	REQUIRE(sley_stream_free(stream, SOON) == 0 && source_dropped == 1);
}
