/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Generators: items, ends and errors; waits on both sides. */
#include "tests/unit/run.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/compiler.h"

static struct sley_gen *gen;

/* ---- items, the end, errors ---- */

struct plan {
	uint64_t items;
	size_t size;
	int outcome;
};

#define LARGE ((size_t)64 << 10)

static void fill(char *item, size_t size, uint64_t i)
{
	memset(item, (int)(i * 31 + 1), size);
	memcpy(item, &i, size < sizeof(i) ? size : sizeof(i));
}

static int give(void *arg)
{
	const struct plan *plan = arg;
	static char items[2][LARGE]; /* two, as nobody else may change the one that is being yielded */
	REQUIRE((uintptr_t)arg % 16 == 0);
	for (uint64_t i = 0; i < plan->items; i++) {
		fill(items[i % 2], plan->size, i);
		REQUIRE(sley_gen_yield(items[i % 2]) == 0);
		memset(items[i % 2], 0xee, plan->size);
	}
	return plan->outcome;
}

static void expect_plan(struct plan plan, int outcome)
{
	static char item[LARGE + 1], expected[LARGE];
	REQUIRE(sley_gen_new(&gen, give, &plan, sizeof(plan), plan.size) == 0);
	for (uint64_t i = 0; i < plan.items; i++) {
		item[plan.size] = 0x55;
		fill(expected, plan.size, i);
		REQUIRE(sley_gen_next(gen, item, SLEY_NEVER) == 0);
		REQUIRE(memcmp(item, expected, plan.size) == 0 && item[plan.size] == 0x55);
		REQUIRE(sley_gen_ended(gen) == 0);
	}
	for (int i = 0; i < 3; i++)
		REQUIRE(sley_gen_next(gen, item, SLEY_NEVER) == outcome);
	REQUIRE(sley_gen_ended(gen) == 1);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
}

static int main_items(void *arg)
{
	static const size_t sizes[] = { 0, 1, 8, 9, 1000, LARGE };
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		expect_plan((struct plan){ 40, sizes[i], 0 }, SLEY_END);
		expect_plan((struct plan){ 3, sizes[i], -EBADMSG }, -EBADMSG);
	}
	expect_plan((struct plan){ 0, 8, 0 }, SLEY_END);
	expect_plan((struct plan){ 1, 8, 5 }, -EINVAL);
	return 0;
}

/* Items of all sizes arrive whole; the end and errors are told apart, and stay. */
TEST(items)
{
	run_tight(main_items);
}

static unsigned steps;

static int count_steps(void *arg)
{
	for (uint64_t i = 0;; i++) {
		fetch_add(&steps, 1, relaxed);
		if (sley_gen_yield(&i) != 0)
			return 0;
	}
}

static int main_lazy(void *arg)
{
	uint64_t item;
	steps = 0;
	REQUIRE(sley_gen_new(&gen, count_steps, NULL, 0, sizeof(item)) == 0);
	for (int i = 0; i < 20; i++)
		sley_yield();
	REQUIRE(steps == 0 && live_tasks() == 1); /* it does not run before it is asked */
	for (unsigned i = 0; i < 10; i++) {
		REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == i);
		for (int k = 0; k < 5; k++)
			sley_yield();
		REQUIRE(load(&steps, relaxed) == i + 1); /* nor ahead */
	}
	REQUIRE(sley_gen_next(gen, NULL, SLEY_NEVER) == 0); /* an item that is not wanted */
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
	await_live(1);
	return 0;
}

/* It runs when it is asked, and only as far as it is asked. */
TEST(lazy)
{
	run_tight(main_lazy);
}

/* In order, by recursion: yields from any depth. */
static int walk(unsigned low, unsigned high)
{
	char depth[100];
	unsigned middle = (low + high) / 2;
	memset(depth, (int)middle, sizeof(depth));
	if (low >= high)
		return 0;
	int error = walk(low, middle);
	if (error || (error = sley_gen_yield(&middle)) != 0)
		return error;
	REQUIRE(depth[99] == (char)middle);
	return walk(middle + 1, high);
}

static int walk_all(void *high)
{
	return walk(0, *(unsigned *)high);
}

#define MANY 60

static int main_many(void *arg)
{
	struct sley_gen *gens[MANY];
	unsigned item, high = 200;
	for (int i = 0; i < MANY; i++)
		REQUIRE(sley_gen_new(&gens[i], walk_all, &high, sizeof(high), sizeof(item)) == 0);
	for (unsigned n = 0; n < high; n++) {
		for (int i = 0; i < MANY; i++)
			REQUIRE(sley_gen_next(gens[i], &item, SLEY_NEVER) == 0 && item == n);
	}
	for (int i = 0; i < MANY; i++) {
		REQUIRE(sley_gen_next(gens[i], &item, SLEY_NEVER) == SLEY_END);
		REQUIRE(sley_gen_free(gens[i], 0) == 0);
	}
	return 0;
}

/* Many at once, in turns, each with a stack of its own. */
TEST(many)
{
	run_tight(main_many);
}

/* The primes by a generator for each, that filters what the one before it gives. */
struct sieve {
	struct sley_gen *source;
	unsigned prime;
};

static int filter(void *arg)
{
	const struct sieve *sieve = arg;
	unsigned n;
	int end;
	while ((end = sley_gen_next(sieve->source, &n, SLEY_NEVER)) == 0) {
		if (n % sieve->prime && (end = sley_gen_yield(&n)) != 0)
			break;
	}
	int old = sley_cancel_mask(1);
	REQUIRE(sley_gen_free(sieve->source, SLEY_NEVER) == 0);
	sley_cancel_mask(old);
	return end;
}

static int from_two(void *arg)
{
	for (unsigned n = 2; sley_gen_yield(&n) == 0; n++)
		;
	return -ECANCELED;
}

static int main_sieve(void *arg)
{
	static const unsigned primes[] = { 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53 };
	unsigned n;
	REQUIRE(sley_gen_new(&gen, from_two, NULL, 0, sizeof(n)) == 0);
	for (size_t i = 0; i < ARRAY_SIZE(primes); i++) {
		REQUIRE(sley_gen_next(gen, &n, SLEY_NEVER) == 0 && n == primes[i]);
		struct sieve sieve = { gen, n };
		REQUIRE(sley_gen_new(&gen, filter, &sieve, sizeof(sieve), sizeof(n)) == 0);
	}
	REQUIRE(sley_gen_next(gen, &n, SLEY_NEVER) == 0 && n == 59); /* starts the last one */
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
	REQUIRE(live_tasks() == 1 || (await_live(1), true)); /* each has freed its own source */
	return 0;
}

/* Generators that consume generators, and drop them in turn. */
TEST(sieve)
{
	run_tight(main_sieve);
}

/* ---- waiting on both sides ---- */

static int ends[2];

static int read_bytes(void *arg)
{
	char byte;
	ssize_t n;
	while ((n = sley_read(ends[0], &byte, 1, SLEY_NEVER)) == 1) {
		int error = sley_gen_yield(&byte);
		if (error)
			return error;
	}
	return (int)n;
}

static int main_io(void *arg)
{
	char byte;
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	REQUIRE(sley_gen_new(&gen, read_bytes, NULL, 0, 1) == 0);
	REQUIRE(sley_gen_next(gen, &byte, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(write(ends[1], "abc", 3) == 3);
	REQUIRE(sley_gen_next(gen, &byte, SOON) == 0 && byte == 'a'); /* not lost with the call that gave up */
	REQUIRE(sley_gen_next(gen, &byte, SOON) == 0 && byte == 'b');
	REQUIRE(sley_gen_next(gen, &byte, SOON) == 0 && byte == 'c');
	REQUIRE(sley_close(ends[1]) == 0);
	REQUIRE(sley_gen_next(gen, &byte, SOON) == SLEY_END);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0 && sley_close(ends[0]) == 0);
	return 0;
}

/* A generator that waits for a descriptor. */
TEST(io)
{
	run_tight(main_io);
}

static int sleep_and_give(void *arg)
{
	for (uint64_t i = 0;; i++) {
		sley_sleep(sley_in(SLEY_US(i * 7 % 60)));
		int error = sley_gen_yield(&i);
		if (error)
			return error;
	}
}

static int main_deadlines(void *arg)
{
	uint64_t item, expected = 0;
	unsigned late = 0;
	REQUIRE(sley_gen_new(&gen, sleep_and_give, NULL, 0, sizeof(item)) == 0);
	for (uint64_t i = 0; expected < (uint64_t)test_scale(2000); i++) {
		item = UINT64_MAX;
		int error = sley_gen_next(gen, &item, i % 5 == 0 ? 0 : sley_in(SLEY_US(i * 11 % 70)));
		REQUIRE(error == 0 ? item == expected : error == -ETIMEDOUT && item == UINT64_MAX);
		expected += error == 0;
		late += error != 0;
	}
	REQUIRE(late > 0);
	REQUIRE(sley_gen_free(gen, SOON) == 0);
	return 0;
}

/*
 * Deadlines end the wait just before, while and just after the generator yields: no item is lost, doubled or torn.
 *     body: lock; there = 1; claim the consumer: lost       consumer: claimed by the timer; lock; unname itself
 *                                                           the next call finds the item there
 */
TEST(deadlines)
{
	run_tight(main_deadlines);
}

static void consume_cancelled(void *arg)
{
	uint64_t item;
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == -ECANCELED);
	REQUIRE(sley_gen_ended(gen) == 0);
}

static int sleep_until_dropped(void *arg)
{
	uint64_t item = 5;
	sley_sleep(SLEY_NEVER);
	return sley_gen_yield(&item);
}

static int main_cancelled_consumer(void *arg)
{
	REQUIRE(sley_gen_new(&gen, sleep_until_dropped, NULL, 0, 8) == 0);
	sley_task task = sley_spawn(consume_cancelled, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_GENERATOR);
	REQUIRE(sley_cancel(task) == 0);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(sley_gen_free(gen, SOON) == 0);
	return 0;
}

/* A consumer that is cancelled leaves the generator as it is, for others. */
TEST(cancelled_consumer)
{
	run_tight(main_cancelled_consumer);
}
