/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Generators: items, ends and errors; waits on both sides; early drops; misuse; races. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/block.h"
#include "base/compiler.h"

static struct sley_gen *gen;

static void run_tight(int (*main)(void *))
{
	struct sley_options one = { .size = sizeof(one), .workers = 1, .stack_slots = 1 };
	run_all(main);
#ifndef SLEY_ASAN
	run_with(main, NULL, &one);
#else
	(void)one;
#endif
}

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

/* ---- early drop ---- */

static unsigned cleaned;

/* Gives words until it is dropped; then cleans up, which takes a while. */
static int give_and_clean(void *masked)
{
	int error = 0;
	if (*(const int *)masked)
		sley_cancel_mask(1);
	for (uint64_t i = 0; error == 0; i++)
		error = sley_gen_yield(&i);
	REQUIRE(error == -ECANCELED);
	sley_cancel_mask(1);
	REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
	REQUIRE(sley_gen_yield(&error) == -ECANCELED); /* still */
	fetch_add(&cleaned, 1, relaxed);
	return -EIO; /* nobody hears it */
}

static int main_drop(void *arg)
{
	uint64_t item;
	for (int masked = 0; masked < 2; masked++) {
		cleaned = 0;
		REQUIRE(sley_gen_new(&gen, give_and_clean, &masked, sizeof(masked), sizeof(item)) == 0);
		REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0 && live_tasks() == 1); /* never started: nothing to clean */
		REQUIRE(sley_gen_new(&gen, give_and_clean, &masked, sizeof(masked), sizeof(item)) == 0);
		REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0);
		REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == 1);
		REQUIRE(cleaned == 0);
		REQUIRE(sley_gen_free(gen, SOON) == 0);
		REQUIRE(load(&cleaned, relaxed) == 1); /* when it returns all is done */
		REQUIRE(sley_gen_new(&gen, give_and_clean, &masked, sizeof(masked), sizeof(item)) == 0);
		int error = sley_gen_next(gen, &item, 0); /* an item will be there that nobody takes, if it is late */
		REQUIRE(error == 0 || error == -ETIMEDOUT);
		error = sley_gen_free(gen, 0); /* freed; it ends when it has */
		REQUIRE(error == 0 || error == -ETIMEDOUT);
		await_live(1);
		REQUIRE(load(&cleaned, relaxed) == 2);
	}
	return 0;
}

static int sleep_and_clean(void *arg)
{
	REQUIRE(sley_sleep(SLEY_NEVER) == -ECANCELED);
	fetch_add(&cleaned, 1, relaxed);
	return 0;
}

static void cancelled_owner(void *arg)
{
	uint64_t item;
	int masked = 0;
	REQUIRE(sley_gen_new(&gen, give_and_clean, &masked, sizeof(masked), 8) == 0);
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0);
	REQUIRE(sley_cancel(sley_self()) == 0);
	int error = sley_gen_free(gen, SLEY_NEVER); /* the wait ends at once, unless it was over at once; it is freed */
	REQUIRE(error == -ECANCELED || error == 0);
}

static struct sley_chan *leave;

/* Its cleanup waits until it is told to go on. */
static int give_and_linger(void *arg)
{
	REQUIRE(sley_gen_yield(&cleaned) == -ECANCELED);
	REQUIRE(sley_cancel_mask(1) == 0 && sley_chan_recv(leave, NULL, SOON) == 0);
	fetch_add(&cleaned, 1, relaxed);
	return 0;
}

static void make_lingering(void)
{
	unsigned item;
	REQUIRE(sley_gen_new(&gen, give_and_linger, NULL, 0, sizeof(item)) == 0);
	REQUIRE(sley_gen_next(gen, &item, SOON) == 0);
}

static void frees(void *arg)
{
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == -ECANCELED);
}

static int main_drop_lingering(void *arg)
{
	cleaned = 0;
	REQUIRE(sley_chan_new(&leave, 0, 2) == 0);
	make_lingering();
	REQUIRE(sley_gen_free(gen, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	make_lingering();
	sley_task task = sley_spawn(frees, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_GENERATOR);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0);
	REQUIRE(load(&cleaned, relaxed) == 0 && sley_chan_send(leave, NULL, 0) == 0 &&
		sley_chan_send(leave, NULL, 0) == 0);
	await_live(1);
	REQUIRE(load(&cleaned, relaxed) == 2 && sley_chan_free(leave) == 0);
	return 0;
}

static int main_drop_waiting(void *arg)
{
	uint64_t item;
	cleaned = 0;
	REQUIRE(sley_gen_new(&gen, sleep_and_clean, NULL, 0, 8) == 0);
	REQUIRE(sley_gen_next(gen, &item, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_gen_free(gen, SOON) == 0 && load(&cleaned, relaxed) == 1);
	sley_task task = sley_spawn(cancelled_owner, NULL);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	await_live(1);
	return 0;
}

/* Dropped early: yield, or whatever it waits for, returns -ECANCELED, and it cleans up, also where it has masked that. */
TEST(drop)
{
	run_tight(main_drop);
	run_tight(main_drop_waiting);
	run_tight(main_drop_lingering);
}

/* ---- a generator that is cancelled ---- */

static sley_task body;
static unsigned stage;

static int give_until_cancelled(void *arg)
{
	uint64_t i = 0;
	int error;
	REQUIRE(sley_deadline() == SLEY_NEVER); /* not its consumer's */
	body = sley_self();
	while ((error = sley_gen_yield(&i)) == 0)
		i++;
	REQUIRE(error == -ECANCELED && sley_cancelled() == 1);
	return -ENOLINK;
}

static int consume_as_child(void *arg)
{
	uint64_t item;
	REQUIRE(sley_deadline() != SLEY_NEVER);
	REQUIRE(sley_gen_new(&gen, give_until_cancelled, NULL, 0, 8) == 0);
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == 0);
	REQUIRE(sley_cancel(body) == 0);
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == -ENOLINK);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
	return 0;
}

static int main_cancelled(void *arg)
{
	struct sley_scope_options options = { .size = sizeof(options), .deadline = SOON };
	struct sley_scope *scope;
	REQUIRE(sley_scope_open(&scope, &options) == 0 && sley_scope_spawn(scope, consume_as_child, NULL) > 0);
	REQUIRE(sley_scope_close(scope, SLEY_NEVER) == 0);
	return 0;
}

/* Cancelled by its id: it ends as it likes, and its consumer is told how. The consumer's deadline is not its own. */
TEST(cancelled)
{
	run_tight(main_cancelled);
}

static int give_stubbornly(void *arg)
{
	uint64_t item = 1;
	body = sley_self();
	REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
	REQUIRE(sley_gen_yield(&item) == -ECANCELED); /* nobody has taken it yet */
	for (item = 2; item < 5; item++)
		REQUIRE(sley_gen_yield(&item) == -ECANCELED); /* no place for another */
	store(&stage, 1, release);
	return 0;
}

static int main_stubborn(void *arg)
{
	uint64_t item;
	stage = 0;
	REQUIRE(sley_gen_new(&gen, give_stubbornly, NULL, 0, 8) == 0);
	REQUIRE(sley_gen_next(gen, &item, 0) == -ETIMEDOUT);
	while (body == 0)
		sley_yield();
	await_state(body, SLEY_TASK_WAITING, SLEY_WAIT_GENERATOR);
	REQUIRE(sley_cancel(body) == 0);
	while (!load(&stage, acquire))
		sley_yield();
	REQUIRE(sley_gen_ended(gen) == 0); /* there still is an item: */
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == 1);
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == SLEY_END);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
	return 0;
}

/* A cancelled generator that goes on yielding does not overwrite the item that was not taken yet. */
TEST(stubborn)
{
	body = 0;
	run(main_stubborn, 1);
}

static int give_later(void *arg)
{
	uint64_t item = 6;
	while (load(&stage, acquire) == 0)
		sley_sleep(sley_in(SLEY_US(200)));
	int error = sley_gen_yield(&item);
	REQUIRE(sley_sleep(SLEY_NEVER) == -ECANCELED); /* not ended by a next that is none of its business */
	return error;
}

static int main_stale(void *arg)
{
	uint64_t item;
	stage = 0;
	REQUIRE(sley_gen_new(&gen, give_later, NULL, 0, 8) == 0);
	REQUIRE(sley_gen_next(gen, &item, sley_in(SLEY_US(500))) == -ETIMEDOUT);
	store(&stage, 1, release);
	sley_time until = sley_in(SLEY_MS(30)); /* while we sleep it yields: that is no reason to wake us */
	REQUIRE(sley_sleep(until) == 0 && sley_now() >= until);
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == 6);
	REQUIRE(sley_gen_next(gen, &item, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_gen_free(gen, SOON) == 0);
	return 0;
}

/* A consumer that gave up is not woken, whatever it waits for then. */
TEST(stale)
{
	run_tight(main_stale);
}

/* ---- misuse ---- */

static void next_is_busy(void *arg)
{
	uint64_t item;
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == 9);
}

static int sleep_then_nine(void *arg)
{
	uint64_t item = 9;
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == -EBUSY); /* our consumer is in there */
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == -EBUSY);
	sley_sleep(sley_in(SLEY_MS(20)));
	return sley_gen_yield(&item);
}

static int main_busy(void *arg)
{
	uint64_t item;
	REQUIRE(sley_gen_new(&gen, sleep_then_nine, NULL, 0, 8) == 0);
	sley_task task = sley_spawn(next_is_busy, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_GENERATOR);
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == -EBUSY);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == -EBUSY);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(sley_gen_free(gen, SOON) == 0);
	return 0;
}

static int call_itself(void *arg)
{
	uint64_t item = 1;
	while (load(&stage, acquire) == 0) /* until our consumer has given up */
		sley_yield();
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == -EDEADLK);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == -EDEADLK);
	return 0;
}

static int main_itself(void *arg)
{
	uint64_t item;
	stage = 0;
	REQUIRE(sley_gen_new(&gen, call_itself, NULL, 0, 8) == 0);
	REQUIRE(sley_gen_next(gen, &item, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	store(&stage, 1, release);
	while (sley_gen_ended(gen) == 0)
		sley_yield();
	REQUIRE(sley_gen_next(gen, &item, SOON) == SLEY_END);
	REQUIRE(sley_gen_free(gen, SOON) == 0);
	return 0;
}

/* Two consumers at once; a generator that calls itself. */
TEST(busy)
{
	run(main_busy, 1);
	run(main_busy, 2);
	run(main_itself, 1);
}

static void *thread_yields(void *arg)
{
	REQUIRE(sley_gen_yield(arg) == -EDEADLK);
	return NULL;
}

static int none(void *arg)
{
	return 0;
}

static void use_stack(void *arg)
{
	char block[300] = { 0 };
	REQUIRE(sley_gen_new(&gen, none, block, SLEY_BY_POINTER, 8) == -EFAULT);
	REQUIRE(sley_gen_next((void *)block, NULL, 0) == -EFAULT && sley_gen_ended((void *)block) == -EFAULT);
	REQUIRE(sley_gen_free((void *)block, 0) == -EFAULT);
}

static int main_bad(void *arg)
{
	int (*no_function)(void *) = NULL;
	struct sley_gen *made = NULL;
	uint64_t item = 0;
	pthread_t thread;
	REQUIRE(sley_gen_new(&made, no_function, NULL, 0, 8) == -EINVAL);
	REQUIRE(sley_gen_new(&made, none, NULL, 8, 8) == -EINVAL);
	REQUIRE(sley_gen_new(&made, none, NULL, 0, LARGE + 1) == -EINVAL);
	REQUIRE(sley_gen_new((struct sley_gen **)NULL, none, NULL, 0, 8) == -EINVAL);
	REQUIRE(sley_gen_new(&made, none, &item, SIZE_MAX - 1, 8) == -EOVERFLOW && !made);
	REQUIRE(sley_gen_next(NULL, &item, 0) == -EINVAL && sley_gen_ended(NULL) == -EINVAL);
	REQUIRE(sley_gen_free(NULL, 0) == 0);
	REQUIRE(sley_gen_yield(&item) == -EPERM);
	REQUIRE(pthread_create(&thread, NULL, thread_yields, &item) == 0);
	pthread_join(thread, NULL);
	sley_task task = sley_spawn(use_stack, NULL);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	return 0;
}

static void sleep_for_ever(void *arg)
{
	sley_sleep(SLEY_NEVER);
}

static int main_no_task(void *arg)
{
	sley_task tasks[20];
	uint64_t item;
	int n = 0;
	steps = 0;
	REQUIRE(sley_gen_new(&gen, count_steps, NULL, 0, 8) == 0);
	while ((tasks[n] = sley_spawn(sleep_for_ever, NULL)) > 0)
		n++;
	REQUIRE(tasks[n] == -EAGAIN && sley_gen_next(gen, &item, SLEY_NEVER) == -EAGAIN);
	while (n-- > 0)
		REQUIRE(sley_cancel(tasks[n]) == 0 && sley_join(tasks[n], SLEY_NEVER) == 0);
	store(&block_test_fail, 1, relaxed);
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == -ENOMEM);
	store(&block_test_fail, 0, relaxed);
	REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == 0);
	REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
	return 0;
}

/* What cannot be, and no task to start it with, after which it can be tried again. */
TEST(bad)
{
	struct sley_options ten = { .size = sizeof(ten), .workers = 1, .max_tasks = 10 };
	char text[2048];
	capture_begin();
	run(main_bad, 1);
	capture_end(text, sizeof(text));
	assert_int_equal(occurrences(text, "sley_gen_new: the argument"), 1);
	run_with(main_no_task, NULL, &ten);
}

/* ---- plain threads, and the end of the run ---- */

static void *thread_consumes(void *arg)
{
	uint64_t item;
	REQUIRE(sley_gen_new(&gen, sleep_and_give, NULL, 0, 8) == 0);
	for (uint64_t i = 0; i < 200; i++)
		REQUIRE(sley_gen_next(gen, &item, SOON) == 0 && item == i);
	REQUIRE(sley_gen_next(gen, &item, 0) == -ETIMEDOUT || item == 200);
	REQUIRE(sley_gen_free(gen, SOON) == 0);
	store(&stage, 1, release);
	return NULL;
}

static int main_threads(void *arg)
{
	pthread_t thread;
	stage = 0;
	REQUIRE(pthread_create(&thread, NULL, thread_consumes, NULL) == 0);
	while (!load(&stage, acquire))
		sley_sleep(sley_in(SLEY_MS(1)));
	pthread_join(thread, NULL);
	await_live(1);
	return 0;
}

static struct sley_gen *left[3];

static int main_leaves(void *arg)
{
	uint64_t item;
	for (int i = 0; i < 3; i++) {
		REQUIRE(sley_gen_new(&left[i], count_steps, NULL, 0, 8) == 0);
		if (i > 0)
			REQUIRE(sley_gen_next(left[i], &item, SLEY_NEVER) == 0);
	}
	return 0;
}

static int main_later(void *arg)
{
	uint64_t item;
	REQUIRE(sley_gen_next(left[1], &item, 0) == -ENOTCONN);
	REQUIRE(sley_gen_free(left[1], SLEY_NEVER) == 0);
	return 0;
}

/* Plain threads consume, too. What is left when the run is over can be freed, at any time, and does nothing else. */
TEST(threads)
{
	uint64_t item;
	run(main_threads, 1);
	run(main_threads, 2);
	run(main_leaves, 2);
	assert_int_equal(sley_gen_next(left[2], &item, SLEY_NEVER), -ENOTCONN);
	assert_int_equal(sley_gen_free(left[2], SLEY_NEVER), 0);
	run(main_later, 1);
	assert_int_equal(sley_gen_free(left[0], 0), 0);
	assert_int_equal(sley_gen_new(&gen, none, NULL, 0, 8), -ENOTCONN);
}

/* ---- races ---- */

#define ROUNDS test_scale(5000)

static uint32_t seed;

static void stagger(uint32_t salt)
{
	uint32_t x = (load(&seed, relaxed) + salt) * 2654435761u;
	for (uint32_t i = x >> 24; i > 0; i--)
		cpu_relax();
	if (x & 256)
		sley_yield();
}

static int give_staggered(void *arg)
{
	uint64_t i = 0;
	int error = 0;
	while (error == 0) {
		stagger((uint32_t)i);
		error = sley_gen_yield(&i);
		i++;
	}
	fetch_add(&cleaned, 1, relaxed);
	return error;
}

static int main_drop_race(void *arg)
{
	cleaned = 0;
	for (long i = 0; i < ROUNDS; i++) {
		uint64_t item;
		fetch_add(&seed, 1, relaxed); /* the last round's body may still read it */
		REQUIRE(sley_gen_new(&gen, give_staggered, NULL, 0, 8) == 0);
		REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0);
		int error = sley_gen_next(gen, &item, 0); /* it may run on, on another worker */
		REQUIRE(error == 0 || error == -ETIMEDOUT);
		stagger(100);
		REQUIRE(sley_gen_free(gen, i % 2 ? SLEY_NEVER : 0) == 0 || i % 2 == 0);
		REQUIRE(i % 2 == 0 || load(&cleaned, relaxed) >= (unsigned)i / 2 + 1);
	}
	await_live(1);
	REQUIRE(load(&cleaned, relaxed) == (unsigned)ROUNDS); /* once each */
	return 0;
}

/* Freed while it runs on another worker, yields there, or waits: it ends once, and cleans up once. */
TEST(drop_race)
{
	run_tight(main_drop_race);
}

static void cancel_body(void *task)
{
	stagger(200);
	sley_cancel(*(sley_task *)task);
}

static int main_cancel_race(void *arg)
{
	for (long i = 0; i < ROUNDS; i++) {
		uint64_t item;
		int error;
		fetch_add(&seed, 1, relaxed);
		REQUIRE(sley_gen_new(&gen, give_until_cancelled, NULL, 0, 8) == 0);
		REQUIRE(sley_gen_next(gen, &item, SLEY_NEVER) == 0 && item == 0);
		sley_task task = sley_spawn_copy(cancel_body, &body, sizeof(body));
		uint64_t expected = 1;
		while ((error = sley_gen_next(gen, &item, SLEY_NEVER)) == 0) {
			REQUIRE(item == expected);
			expected++;
			stagger((uint32_t)expected);
		}
		REQUIRE(error == -ENOLINK);
		REQUIRE(sley_join(task, SLEY_NEVER) == 0);
		REQUIRE(sley_gen_free(gen, SLEY_NEVER) == 0);
	}
	return 0;
}

/*
 * The body is cancelled while it hands items over: the consumer gets all items that were yielded, then the outcome. An
 * item is still being copied when the body, woken by the canceller, already goes on: `there` keeps it.
 */
TEST(cancel_race)
{
	run_tight(main_cancel_race);
}
