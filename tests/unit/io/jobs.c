/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The pools' threads: how many there are, when they start and end, and what happens when none can be started. */
#include "io/jobs.h"

#include "tests/unit/run.h"

#include <dirent.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "io/offload.h"
#include "tests/race.h"

#define LIMIT 6

static sem_t gate;
static unsigned inside, most, done; /* atomic */

/* Waits for the gate, in the thread. */
static void pass_gate(void *block)
{
	unsigned n = fetch_add(&inside, 1, acq_rel) + 1, seen = load(&most, relaxed);
	while (n > seen && !cas(&most, &seen, n, relaxed, relaxed))
		;
	while (sem_wait(&gate) != 0)
		;
	fetch_sub(&inside, 1, relaxed);
}

static void do_nothing(void *block)
{
}

static int call_error[64];

static void call_gate(void *arg)
{
	call_error[(intptr_t)arg] = sley_offload(pass_gate, NULL, 0, SLEY_NEVER);
	fetch_add(&done, 1, release);
}

static void call_nothing(void *arg)
{
	call_error[(intptr_t)arg] = sley_offload(do_nothing, NULL, 0, SLEY_NEVER);
	fetch_add(&done, 1, release);
}

static void await(const unsigned *word, unsigned n)
{
	sley_time deadline = SOON;
	while (load(word, acquire) != n) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

/* The threads of the process whose name begins so. */
static unsigned count_threads(const char *name)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned n = 0;
	REQUIRE(dir != NULL);
	while ((entry = readdir(dir))) {
		char path[300], text[32] = "";
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm", entry->d_name);
		FILE *file = fopen(path, "r");
		if (!file)
			continue; /* it has ended */
		if (fgets(text, sizeof(text), file) && strncmp(text, name, strlen(name)) == 0)
			n++;
		fclose(file);
	}
	closedir(dir);
	return n;
}

static void begin(void)
{
	inside = most = done = 0;
	sem_init(&gate, 0, 0);
	memset(call_error, 0x55, sizeof(call_error));
}

static struct jobs *const jobs = &jobs_of[POOL_BLOCKING];

static unsigned threads(void)
{
	return load(&jobs->threads, relaxed);
}

static void await_resting(unsigned n)
{
	sley_time deadline = SOON;
	unsigned resting;
	do {
		REQUIRE(sley_now() < deadline);
		sley_yield();
		lock_take(&jobs->lock);
		resting = jobs->resting;
		lock_drop(&jobs->lock);
	} while (resting != n);
}

static int main_grow(void *arg)
{
	enum { CALLS = 3 * LIMIT };
	REQUIRE(count_threads("sley-offload") == 0 && threads() == 0); /* none before the first call */
	for (intptr_t i = 0; i < CALLS; i++)
		REQUIRE(sley_go(call_gate, (void *)i) == 0);
	await(&inside, LIMIT); /* one each, up to the limit */
	REQUIRE(count_threads("sley-offload") == LIMIT);
	for (unsigned i = 0; i < CALLS; i++)
		sem_post(&gate);
	await(&done, CALLS);
	REQUIRE(most == LIMIT && threads() == LIMIT);
	for (unsigned i = 0; i < CALLS; i++)
		REQUIRE(call_error[i] == 0);
	return 0;
}

/* Calls that block get a thread each, but no more than the limit; after the run there is none. */
TEST(grow)
{
	struct sley_options o = { .size = sizeof(o), .offload_threads = LIMIT };
	for (o.workers = 1; o.workers <= 2; o.workers++) {
		begin();
		run_with(main_grow, NULL, &o);
		assert_int_equal(count_threads("sley-offload"), 0);
	}
}

/* For one call after the other a thread is enough, whether it idles already or is on its way to. */
TASK_TEST(reuse, 1, 2)
{
	for (unsigned i = 0; i < 200; i++) {
		REQUIRE(sley_offload(do_nothing, NULL, 0, SOON) == 0);
		if (i % 2)
			await_resting(1);
	}
	REQUIRE(threads() == 1);
}

static int main_shrink(void *arg)
{
	for (unsigned round = 0; round < 3; round++) {
		begin();
		store(&jobs_idle_time, SLEY_SEC(600), relaxed);
		for (intptr_t i = 0; i < LIMIT; i++)
			REQUIRE(sley_go(call_gate, (void *)i) == 0);
		await(&inside, LIMIT);
		store(&jobs_idle_time, SLEY_MS(1), relaxed);
		for (unsigned i = 0; i < LIMIT; i++)
			sem_post(&gate);
		await(&done, LIMIT);
		await(&jobs->threads, 0); /* all have ended */
		store(&jobs_idle_time, SLEY_SEC(600), relaxed);
		REQUIRE(sley_offload(do_nothing, NULL, 0, SOON) == 0); /* and come back */
		await_resting(1);
		REQUIRE(threads() == 1);
	}
	return 0;
}

/* Idle threads end after a while; those that slept longest first. New work finds new ones. */
TEST(shrink)
{
	struct sley_options o = { .size = sizeof(o), .workers = 1, .offload_threads = LIMIT };
	int64_t before = jobs_idle_time;
	run_with(main_shrink, NULL, &o);
	jobs_idle_time = before;
}

#if RACE_POINTS

static int main_idled(void *unused)
{
	begin();
	store(&jobs_idle_time, SLEY_MS(1), relaxed);
	race_stop("jobs_thread_has_idled");
	REQUIRE(sley_offload(do_nothing, NULL, 0, SOON) == 0);
	race_wait("jobs_thread_has_idled");
	sley_task task = sley_spawn(call_nothing, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_OFFLOAD);
	race_go("jobs_thread_has_idled");
	REQUIRE(sley_join(task, SOON) == 0 && call_error[0] == 0);
	await(&jobs->threads, 0); /* it was counted once, and has gone once */
	REQUIRE(jobs->coming == 0 && jobs->resting == 0);
	return 0;
}

/*
 *   thread                               task
 *   its time is over
 *                                        lock; it idles: wakes it
 *   lock; it idles no more: takes the job
 */
TEST(idled)
{
	int64_t before = jobs_idle_time;
	run(main_idled, 1);
	run(main_idled, 2);
	jobs_idle_time = before;
}

#endif

/* Threads that idle for no time at all, against calls that come at that moment. */
static int main_race_idle(void *arg)
{
	for (long i = 0; i < test_scale(1000); i++) {
		store(&jobs_idle_time, SLEY_US(i % 50), relaxed);
		REQUIRE(sley_offload(do_nothing, NULL, 0, SOON) == 0);
		for (long spin = i * 7 % 700; spin > 0; spin--)
			cpu_relax();
	}
	return 0;
}

TEST(race_idle)
{
	int64_t before = jobs_idle_time;
	run(main_race_idle, 1);
	run(main_race_idle, 2);
	jobs_idle_time = before;
}

static int main_no_thread(void *arg)
{
	store(&jobs_test_fail, 1, relaxed);
	for (intptr_t i = 0; i < 32; i++)
		REQUIRE(sley_go(call_nothing, (void *)i) == 0);
	await(&done, 32); /* also those that waited for a place */
	for (unsigned i = 0; i < 32; i++)
		REQUIRE(call_error[i] == -EAGAIN);
	lock_take(&jobs->lock);
	REQUIRE(jobs->threads == 0 && jobs->coming == 0 && jobs->length == 0 && jobs->handed == 0);
	lock_drop(&jobs->lock);
	store(&jobs_test_fail, 0, relaxed);
	REQUIRE(sley_offload(do_nothing, NULL, 0, SOON) == 0);
	return 0;
}

/* No thread can be started, and there is none: -EAGAIN. Later it works. */
TEST(no_thread)
{
	struct sley_options o = { .size = sizeof(o), .offload_queue = 2 };
	for (o.workers = 1; o.workers <= 2; o.workers++) {
		begin();
		run_with(main_no_thread, NULL, &o);
	}
}

static int main_few_threads(void *arg)
{
	REQUIRE(sley_offload(do_nothing, NULL, 0, SOON) == 0); /* there is one */
	store(&jobs_test_fail, 1, relaxed);
	for (intptr_t i = 0; i < 32; i++)
		REQUIRE(sley_go(call_gate, (void *)i) == 0);
	await(&inside, 1);
	for (unsigned i = 0; i < 32; i++)
		sem_post(&gate);
	await(&done, 32);
	for (unsigned i = 0; i < 32; i++)
		REQUIRE(call_error[i] == 0);
	REQUIRE(most == 1 && threads() == 1);
	store(&jobs_test_fail, 0, relaxed);
	return 0;
}

/* No further thread can be started: those that there are do all the work. */
TEST(few_threads)
{
	struct sley_options o = { .size = sizeof(o), .offload_queue = 2 };
	for (o.workers = 1; o.workers <= 2; o.workers++) {
		begin();
		run_with(main_few_threads, NULL, &o);
	}
}

/* ---- functions that wait for tasks ---- */

/* A chain of calls: fn on a thread submits a task, which offloads the next, in turn to both pools or to the one. */
struct chain {
	unsigned depth;
	bool cpu, other;
	unsigned sum;
};

static void on_thread(void *block);

static void as_task(void *block)
{
	struct chain *chain = block;
	struct sley_offload_options o = { .size = sizeof(o), .cpu = chain->cpu };
	REQUIRE(sley_offload_with(&o, on_thread, chain, sizeof(*chain), SLEY_NEVER) == 0);
}

static void on_thread(void *block)
{
	struct chain *chain = block;
	chain->sum++;
	if (chain->depth-- == 0)
		return;
	chain->cpu ^= chain->other;
	REQUIRE(sley_submit(as_task, chain, sizeof(*chain), SLEY_NEVER) == 0);
}

static void call_chain(void *arg)
{
	uintptr_t kind = (uintptr_t)arg;
	struct chain chain = { .depth = 3, .cpu = kind & 1, .other = kind & 2 };
	as_task(&chain);
	REQUIRE(chain.sum == 4);
	fetch_add(&done, 1, release);
}

/* At most `limit` threads that are not away are left in the pool. */
static void check_calm(struct jobs *p)
{
	lock_take(&p->lock);
	REQUIRE(p->away == 0 && p->coming == 0 && p->length == 0 && p->nested_length == 0 && p->handed == 0);
	lock_drop(&p->lock);
}

static int main_nested(void *arg)
{
	enum { CALLS = 12 };
	for (uintptr_t kind = 0; kind < 4; kind++) {
		done = 0;
		for (unsigned i = 0; i < CALLS; i++)
			REQUIRE(sley_go(call_chain, (void *)kind) == 0);
		await(&done, CALLS);
	}
	REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
	sley_time deadline = SOON;
	while (offload_active() > 0) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	return 0;
}

static int main_nested_calm(void *arg)
{
	REQUIRE(main_nested(arg) == 0);
	for (unsigned i = 0; i < 4; i++) /* the calls that follow find the limit again */
		REQUIRE(sley_offload(do_nothing, NULL, 0, SOON) == 0);
	await_resting(1);
	check_calm(jobs);
	return 0;
}

/* Calls that wait for tasks whose calls wait for a thread: to any depth, of one pool and between both. */
TEST(nested)
{
	struct sley_options o = { .size = sizeof(o), .offload_threads = 1, .compute_threads = 1, .offload_queue = 1 };
	for (o.workers = 1; o.workers <= 4; o.workers *= 2) {
		begin();
		run_with(main_nested, NULL, &o);
	}
	o.workers = 1;
	begin();
	int64_t before = jobs_idle_time;
	run_with(main_nested_calm, NULL, &o);
	jobs_idle_time = before;
}

static struct sley_chan *gate_chan;

static void wait_for_item(void *block)
{
	fetch_add(&inside, 1, release);
	*(int *)block = sley_chan_recv(gate_chan, NULL, SLEY_NEVER);
}

static void call_wait(void *arg)
{
	int error = 1;
	call_error[(intptr_t)arg] = sley_offload(wait_for_item, &error, sizeof(error), SLEY_NEVER);
	REQUIRE(error == 0);
	fetch_add(&done, 1, release);
}

static int main_wait(void *arg)
{
	REQUIRE(sley_chan_new(&gate_chan, 0, 0) == 0);
	for (intptr_t i = 0; i < 3 * LIMIT; i++)
		REQUIRE(sley_go(call_wait, (void *)i) == 0);
	await(&inside, 3 * LIMIT);
	REQUIRE(sley_offload(do_nothing, NULL, 0, SOON) == 0);
	for (unsigned i = 0; i < 3 * LIMIT; i++)
		REQUIRE(sley_chan_send(gate_chan, NULL, SOON) == 0);
	await(&done, 3 * LIMIT);
	sley_time deadline = SOON;
	while (threads() > LIMIT) { /* those that are too many end when they are back */
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	REQUIRE(sley_chan_free(gate_chan) == 0);
	return 0;
}

/* Threads that all wait at a channel: the next call finds one all the same, and afterwards there are not too many. */
TEST(all_away)
{
	struct sley_options o = { .size = sizeof(o), .offload_threads = LIMIT };
	for (o.workers = 1; o.workers <= 2; o.workers++) {
		begin();
		run_with(main_wait, NULL, &o);
	}
}

static int main_away_failed(void *arg)
{
	REQUIRE(sley_chan_new(&gate_chan, 0, 0) == 0);
	REQUIRE(sley_go(call_wait, (void *)0) == 0);
	await(&inside, 1);
	store(&jobs_test_fail, 1, relaxed);
	REQUIRE(sley_go(call_nothing, (void *)1) == 0);
	REQUIRE(sley_go(call_nothing, (void *)2) == 0);
	await(&done, 2);
	REQUIRE(call_error[1] == -EAGAIN && call_error[2] == -EAGAIN);
	store(&jobs_test_fail, 0, relaxed);
	REQUIRE(sley_offload(do_nothing, NULL, 0, SOON) == 0);
	REQUIRE(sley_chan_send(gate_chan, NULL, SOON) == 0);
	await(&done, 3);
	REQUIRE(call_error[0] == 0);
	REQUIRE(sley_chan_free(gate_chan) == 0);
	return 0;
}

/* No thread can be started, and those that there are wait for tasks: -EAGAIN, for all that is queued. */
TEST(away_failed)
{
	struct sley_options o = { .size = sizeof(o), .workers = 1, .offload_threads = 1 };
	begin();
	run_with(main_away_failed, NULL, &o);
}

static int main_retry(void *arg)
{
	REQUIRE(sley_go(call_gate, (void *)0) == 0);
	await(&inside, 1);
	store(&jobs_test_fail, 1, relaxed);
	REQUIRE(sley_go(call_nothing, (void *)1) == 0);
	await(&jobs->short_of, 1); /* it tried in vain: the call waits for the first one */
	REQUIRE(load(&done, relaxed) == 0);
	store(&jobs_test_fail, 0, relaxed);
	await(&done, 1); /* although nobody has come since */
	REQUIRE(call_error[1] == 0 && load(&inside, relaxed) == 1);
	sem_post(&gate);
	await(&done, 2);
	return 0;
}

/* A thread that could not be started is started as soon as one can be. */
TEST(retry)
{
	struct sley_options o = { .size = sizeof(o), .workers = 1, .offload_threads = 2 };
	begin();
	run_with(main_retry, NULL, &o);
}
