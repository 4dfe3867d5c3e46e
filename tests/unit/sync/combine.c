/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* All, any and race: what they give, what they leave at their sources, nesting, and simultaneous completions. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/block.h"
#include "base/compiler.h"
#include "sync/future.h"
#include "tests/race.h"
#include "tests/unit/sync/stagger.h"

#define N 5

static struct sley_future *sources[N];
static struct sley_promise *promises[N];

typedef int combine(struct sley_future **, struct sley_future *const *, size_t);
static combine *const combines[] = { sley_future_all, sley_future_any, sley_future_race };

static void make(void)
{
	for (int i = 0; i < N; i++)
		REQUIRE(sley_promise_new(&promises[i], &sources[i], sizeof(uint64_t)) == 0);
}

static void unmake(void)
{
	for (int i = 0; i < N; i++)
		REQUIRE(sley_promise_free(promises[i]) == 0 && sley_future_free(sources[i]) == 0);
}

static void resolve(unsigned i)
{
	uint64_t value = 100 + i;
	REQUIRE(sley_promise_resolve(promises[i], &value) == 0);
}

static void reject(unsigned i)
{
	REQUIRE(sley_promise_reject(promises[i], -(int)(10 + i)) == 0);
}

/* Nothing is left linked at the sources, and nobody has a handle on them but us. */
static void expect_unlinked(void)
{
	for (int i = 0; i < N; i++) {
		REQUIRE(list_is_empty(&sources[i]->links));
		REQUIRE(load(&sources[i]->refs, relaxed) == FUTURE_HANDLE + FUTURE_PRODUCER);
	}
}

/* ---- outcomes ---- */

/* In the order of the text: digits resolve, letters (a is 0) reject. `before`: combined before, else after. */
static void expect(unsigned kind, const char *order, bool before, int error, int64_t which)
{
	struct sley_future *future;
	uint64_t values[N] = { 0 };
	make();
	if (before) {
		REQUIRE(combines[kind](&future, sources, N) == 0);
		REQUIRE(sley_future_ready(future) == 0 && sley_future_which(future) == -EAGAIN);
	}
	for (const char *p = order; *p; p++) {
		REQUIRE(!before || sley_future_ready(future) == 0); /* the last of them decides */
		if (*p <= '9')
			resolve((unsigned)(*p - '0'));
		else
			reject((unsigned)(*p - 'a'));
	}
	if (!before)
		REQUIRE(combines[kind](&future, sources, N) == 0);
	REQUIRE(sley_future_ready(future) == 1 && sley_await(future, values, 0) == error);
	REQUIRE(sley_future_which(future) == which);
	if (error == 0 && kind > 0)
		REQUIRE(values[0] == 100 + (uint64_t)which && values[1] == 0);
	for (uint64_t i = 0; error == 0 && kind == 0 && i < N; i++)
		REQUIRE(values[i] == 100 + i);
	expect_unlinked();
	REQUIRE(sley_future_free(future) == 0);
	unmake();
}

enum { ALL, ANY, RACE };

/* What each gives for orders of resolving and rejecting, and that nothing is left at sources that go on. */
TASK_TEST(outcomes, 1, 2)
{
	for (int before = 0; before < 2; before++) {
		expect(ALL, "01234", before, 0, -EINVAL);
		expect(ALL, "42031", before, 0, -EINVAL);
		expect(ALL, "24b", before, -11, 1);
		expect(ANY, "3", before, 0, 3);
		expect(ANY, "abde2", before, 0, 2);
		expect(RACE, "4", before, 0, 4);
		expect(RACE, "c", before, -12, 2);
	}
	expect(ANY, "ecabd", true, -13, 3);
	expect(ANY, "ecabd", false, -14, 4); /* all complete already: looked at in their order, the last one counts */
	expect(ANY, "42", false, 0, 2);      /* and the first that decides */
	expect(RACE, "d1", false, 0, 1);
}

/* Values of different sizes, one after the other; of none at all; and where they must be alike. */
TASK_TEST(sizes, 1)
{
	struct {
		char text[3];
		uint32_t number;
		char byte;
	} __attribute__((packed)) got;
	static const size_t sizes[] = { 3, 0, 4, 1 };
	static const char *const values[] = { "abc", "", "\1\2\3\4", "z" };
	struct sley_future *of[4], *future = NULL;
	struct sley_promise *p[4];
	for (int i = 0; i < 4; i++)
		REQUIRE(sley_promise_new(&p[i], &of[i], sizes[i]) == 0);
	REQUIRE(sley_future_any(&future, of, 4) == -EINVAL && sley_future_race(&future, of, 4) == -EINVAL);
	REQUIRE(!future && sley_future_all(&future, of, 4) == 0);
	for (int i = 0; i < 4; i++)
		REQUIRE(sley_promise_resolve(p[i], values[i]) == 0);
	REQUIRE(sley_await(future, &got, 0) == 0);
	REQUIRE(memcmp(got.text, "abc", 3) == 0 && got.number == 0x04030201 && got.byte == 'z');
	REQUIRE(sley_future_free(future) == 0);
	REQUIRE(sley_future_all(&future, of, 0) == 0 && sley_await(future, NULL, 0) == 0);
	REQUIRE(sley_future_which(future) == -EINVAL && sley_future_free(future) == 0);
	for (int i = 0; i < 4; i++)
		REQUIRE(sley_promise_free(p[i]) == 0 && sley_future_free(of[i]) == 0);
}

TASK_TEST(bad, 1)
{
	struct sley_future *future = NULL, *two[2];
	make();
	two[0] = sources[0];
	two[1] = NULL;
	for (unsigned i = 0; i < 3; i++) {
		REQUIRE(combines[i](NULL, sources, N) == -EINVAL);
		REQUIRE(combines[i](&future, NULL, N) == -EINVAL);
		REQUIRE(combines[i](&future, two, 2) == -EINVAL);
		REQUIRE(i == 0 || combines[i](&future, sources, 0) == -EINVAL);
		store(&block_test_fail, 1, relaxed);
		REQUIRE(combines[i](&future, sources, N) == -ENOMEM);
		store(&block_test_fail, 0, relaxed);
	}
	REQUIRE(!future);
	expect_unlinked();
	unmake();
}

/* The same future several times. */
TASK_TEST(twice, 1)
{
	struct sley_future *of[3], *future;
	uint64_t values[3] = { 0 };
	for (unsigned kind = 0; kind < 3; kind++) {
		make();
		of[0] = of[1] = of[2] = sources[0];
		REQUIRE(combines[kind](&future, of, 3) == 0);
		resolve(0);
		REQUIRE(sley_await(future, values, 0) == 0 && values[0] == 100);
		REQUIRE(kind != ALL || (values[1] == 100 && values[2] == 100));
		expect_unlinked();
		REQUIRE(sley_future_free(future) == 0);
		unmake();
	}
}

/* ---- dropping and cancelling ---- */

/* A race that nobody wants any more, or that was cancelled, leaves nothing at sources that live on. */
TASK_TEST(dropped, 1)
{
	struct sley_future *future;
	make();
	for (int i = 0; i < 300; i++) {
		REQUIRE(combines[i % 3](&future, sources, N) == 0);
		if (i % 2)
			REQUIRE(sley_await(future, NULL, 0) == -ETIMEDOUT);
		if (i % 5 == 0)
			REQUIRE(sley_future_cancel(future) == 0 && sley_await(future, NULL, 0) == -ECANCELED);
		REQUIRE(sley_future_free(future) == 0);
		expect_unlinked();
	}
	unmake();
}

static int pass(void *arg, int error, const void *value, void *result)
{
	*(uint64_t *)result = value ? *(const uint64_t *)value : 0;
	return error;
}

/* A future that only another one wants goes on. */
TASK_TEST(derived, 1, 2)
{
	struct sley_future *future, *next;
	uint64_t value = 0;
	make();
	REQUIRE(sley_future_race(&future, sources, N) == 0);
	REQUIRE(sley_future_then(&next, future, pass, NULL, 0, 8) == 0);
	REQUIRE(sley_future_free(future) == 0); /* we do not want it, but the other does */
	REQUIRE(!list_is_empty(&sources[1]->links));
	resolve(1);
	REQUIRE(sley_await(next, &value, SOON) == 0 && value == 101);
	REQUIRE(sley_future_free(next) == 0);
	await_live(1);
	expect_unlinked();
	unmake();
}

/* ---- nesting ---- */

static struct sley_future *nest(struct sley_future *first, long depth)
{
	struct sley_future *next;
	for (long i = 0; i < depth; i++) {
		REQUIRE(combines[i % 3](&next, &first, 1) == 0);
		REQUIRE(sley_future_free(first) == 0);
		first = next;
	}
	return first;
}

static int main_nested(void *arg)
{
	long depth = test_scale(100000);
	uint64_t value = 0;
	make();
	struct sley_future *last = nest(sley_future_ref(sources[0]), depth);
	resolve(0); /* completes them all, in this one call */
	REQUIRE(sley_await(last, &value, 0) == 0 && value == 100);
	REQUIRE(sley_future_free(last) == 0);
	last = nest(sley_future_ref(sources[1]), depth);
	reject(1);
	REQUIRE(sley_await(last, &value, 0) == -11);
	REQUIRE(sley_future_free(last) == 0);
	last = nest(sley_future_ref(sources[2]), depth);
	REQUIRE(sley_future_free(last) == 0); /* nobody wants the last, so nobody wants the one before it, and so on */
	expect_unlinked();
	unmake();
	return 0;
}

/* 100,000 deep: no recursion, neither in completing nor in dropping. */
TEST(nested)
{
	struct sley_options small = { .size = sizeof(small), .workers = 1, .stack_size = 64 << 10 };
	run_with(main_nested, NULL, &small);
}

static int add_one(void *arg, void *result)
{
	*(uint64_t *)result = *(const uint64_t *)arg + 1;
	return 0;
}

/* All of 100,000 tasks' results. */
TASK_TEST(wide, 1, 2)
{
	size_t n = (size_t)test_scale(100000);
	struct sley_future **futures = calloc(n, sizeof(*futures)), *all;
	uint64_t *values = calloc(n, sizeof(*values));
	for (uint64_t i = 0; i < n; i++)
		REQUIRE(sley_async(&futures[i], add_one, &i, sizeof(i), sizeof(i)) == 0);
	REQUIRE(sley_future_all(&all, futures, n) == 0);
	for (size_t i = 0; i < n; i++)
		REQUIRE(sley_future_free(futures[i]) == 0);
	REQUIRE(sley_await(all, values, SOON) == 0);
	for (size_t i = 0; i < n; i++)
		REQUIRE(values[i] == i + 1);
	REQUIRE(sley_future_free(all) == 0);
	free(futures);
	free(values);
	await_live(1);
}

/* ---- from plain threads ---- */

static void *thread_combines(void *arg)
{
	struct sley_future *future;
	uint64_t value = 0;
	REQUIRE(sley_future_race(&future, sources, N) == 0);
	REQUIRE(sley_await(future, &value, SOON) == 0 && value == 103 && sley_future_which(future) == 3);
	REQUIRE(sley_future_free(future) == 0);
	return NULL;
}

static bool is_linked(struct sley_future *source)
{
	lock_take(&source->lock);
	bool linked = !list_is_empty(&source->links);
	lock_drop(&source->lock);
	return linked;
}

TASK_TEST(threads, 1, 2)
{
	pthread_t thread;
	make();
	REQUIRE(pthread_create(&thread, NULL, thread_combines, NULL) == 0);
	while (!is_linked(sources[4]))
		sley_yield();
	resolve(3);
	pthread_join(thread, NULL);
	expect_unlinked();
	unmake();
}

#if RACE_POINTS

/* ---- complete before all sources are linked ---- */

static struct sley_future *combined;

static void combine_all(void *fn)
{
	combine *const *combines_them = fn;
	REQUIRE((*combines_them)(&combined, sources, N) == 0);
}

/*
 *   combines                             completes a source
 *   links itself to the first source
 *                                        runs that link: the future is complete; detaches the links that it finds
 *   links itself to the others
 *   looks at the future: detaches those
 */
TASK_TEST(complete_while_linking, 2)
{
	for (size_t i = 1; i < ARRAY_SIZE(combines); i++) { /* one source is enough for any and race */
		uint64_t value = 0;
		make();
		race_stop("derivation_is_being_linked");
		sley_task task = sley_spawn(combine_all, (void *)(uintptr_t)&combines[i]);
		race_wait("derivation_is_being_linked");
		resolve(0);
		race_go("derivation_is_being_linked");
		REQUIRE(sley_join(task, SOON) == 0);
		expect_unlinked();
		REQUIRE(sley_await(combined, &value, SOON) == 0 && value == 100);
		REQUIRE(sley_future_free(combined) == 0);
		unmake();
	}
}

#endif

/* ---- races ---- */

#define ROUNDS test_scale(2000)

/* Source i: resolved, but the odd ones of rounds that say so are rejected. */
static void complete(void *number)
{
	unsigned i = (unsigned)(uintptr_t)number;
	stagger(i);
	if (stagger_round() % 3 == 0 && i % 2)
		reject(i);
	else
		resolve(i);
}

static struct sley_future *combined;
static int cancelled;

static void cancel(void *arg)
{
	stagger(99);
	cancelled = sley_future_cancel(combined);
}

/* Whether the outcome of a round is one that may be. */
static void check_outcome(unsigned kind, int error, const uint64_t *values)
{
	int64_t which = sley_future_which(combined);
	bool rejecting = stagger_round() % 3 == 0;
	if (cancelled == 0) {
		REQUIRE(error == -ECANCELED && which == -EINVAL);
	} else if (kind == ALL && !rejecting) {
		REQUIRE(error == 0 && which == -EINVAL);
		for (uint64_t i = 0; i < N; i++)
			REQUIRE(values[i] == 100 + i);
	} else {
		REQUIRE(which >= 0 && which < N);
		REQUIRE(error == (rejecting && which % 2 ? -(10 + (int)which) : 0));
		REQUIRE(error || values[0] == 100 + (uint64_t)which);
		REQUIRE(kind != ALL || error);
		REQUIRE(kind != ANY || !error);
	}
}

static void race_once(unsigned kind, bool cancelling, bool early)
{
	sley_task tasks[N + 1];
	uint64_t values[N] = { 0 };
	int n = 0;
	cancelled = -EALREADY;
	make();
	if (early)
		REQUIRE(combines[kind](&combined, sources, N) == 0);
	for (uintptr_t i = 0; i < N; i++)
		tasks[n++] = sley_spawn(complete, (void *)i);
	if (!early) { /* linked while they are completed */
		stagger(50);
		REQUIRE(combines[kind](&combined, sources, N) == 0);
	}
	if (cancelling)
		tasks[n++] = sley_spawn(cancel, NULL);
	int error = sley_await(combined, values, SOON);
	for (int i = 0; i < n; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	check_outcome(kind, error, values);
	expect_unlinked();
	REQUIRE(sley_future_free(combined) == 0);
	unmake();
}

/*
 * The sources are completed at once by five tasks, and the future is cancelled, also while it is linked to them: one
 * outcome, which fits its deciding source, and no link is left.
 *     completer of i                     completer of j                    combining, cancelling
 *     DONE, takes link i                 DONE, takes link j                link k
 *     claim: won; publish                claim: lost, gives link j up      looks again: complete? unlink all
 *     unlink the others but j, which it finds DONE
 */
TASK_TEST(races, EVERY_WAY)
{
	for (long i = 0; i < ROUNDS; i++) {
		stagger_begin();
		race_once((unsigned)(i % 3), i / 3 % 2, i / 6 % 2);
	}
}

#define WIDE 100

static struct sley_future *wide[WIDE];
static struct sley_promise *wide_promises[WIDE];

static void resolve_one(void *which)
{
	uint64_t value = 1;
	stagger(44);
	REQUIRE(sley_promise_resolve(wide_promises[(uintptr_t)which], &value) == 0);
}

/*
 * One of the first sources is completed while the race is still being linked to the others, which live on:
 *     completer                           combining
 *     claim; publish                      link 0 .. 40
 *     unlink 1 .. 40                      link 41 .. 99
 *                                         complete? unlink all that is left
 */
TASK_TEST(attach_race, 1, 2, 4)
{
	for (int i = 0; i < WIDE; i++)
		REQUIRE(sley_promise_new(&wide_promises[i], &wide[i], 8) == 0);
	for (long round = 0; round < ROUNDS; round++) {
		uintptr_t which = (uintptr_t)round % 3;
		stagger_begin();
		sley_task task = sley_spawn(resolve_one, (void *)which);
		stagger(45);
		REQUIRE(sley_future_race(&combined, wide, WIDE) == 0);
		REQUIRE(sley_join(task, SLEY_NEVER) == 0);
		REQUIRE(sley_await(combined, NULL, 0) == 0 && sley_future_which(combined) == (int64_t)which);
		REQUIRE(sley_future_free(combined) == 0);
		for (int i = 0; i < WIDE; i++) /* none was linked too late to be unlinked */
			REQUIRE(list_is_empty(&wide[i]->links));
		REQUIRE(sley_promise_free(wide_promises[which]) == 0 && sley_future_free(wide[which]) == 0);
		REQUIRE(sley_promise_new(&wide_promises[which], &wide[which], 8) == 0);
	}
	for (int i = 0; i < WIDE; i++)
		REQUIRE(sley_promise_free(wide_promises[i]) == 0 && sley_future_free(wide[i]) == 0);
}

static void drop_combined(void *arg)
{
	stagger(77);
	REQUIRE(sley_future_free(combined) == 0);
}

/* Two owners drop it while sources complete it: nothing is left, and (AddressSanitizer) it is freed once. */
TASK_TEST(drop_race, EVERY_WAY)
{
	for (long i = 0; i < ROUNDS; i++) {
		sley_task tasks[4];
		stagger_begin();
		make();
		REQUIRE(combines[i % 3](&combined, sources, N) == 0);
		sley_future_ref(combined);
		tasks[0] = sley_spawn(drop_combined, NULL);
		tasks[1] = sley_spawn(drop_combined, NULL);
		tasks[2] = sley_spawn(complete, (void *)0);
		tasks[3] = sley_spawn(complete, (void *)1);
		for (int k = 0; k < 4; k++)
			REQUIRE(sley_join(tasks[k], SLEY_NEVER) == 0);
		expect_unlinked();
		unmake();
	}
}
