/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A process that blocks at made-up places, floods the ring and claims workers that it has not takes nothing from another:
 * that one's blocks are all there, and what was lost is told with whom it was lost of.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/test.h"

#include "tests/bpf/fake.h"
#include "tests/bpf/planted.h"

#define LINES 64 /* of a fake's page */

/* A process with a fake region. It sleeps as often as it is told, each time in another site's task. */
struct actor {
	struct fake fake;
	pid_t pid;
	int orders[2], answers[2];
	uint32_t key;
};

static struct tracer *tracer;

static void act(struct actor *actor)
{
	const struct timespec time = { .tv_nsec = 100000 };
	unsigned sleeps;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	actor->fake.line->thread = (uint64_t)pthread_self();
	actor->fake.line->tid = gettid();
	REQUIRE(write(actor->answers[1], "r", 1) == 1);
	while (read(actor->orders[0], &sleeps, sizeof(sleeps)) == sizeof(sleeps)) {
		for (unsigned site = 0; site < sleeps; site++) {
			actor->fake.line->site = site;
			actor->fake.line->mode = SLEY_WORKER_TASK;
			clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
		}
		actor->fake.line->mode = SLEY_WORKER_GONE;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL); /* the last block is known to be over */
		REQUIRE(write(actor->answers[1], "d", 1) == 1);
	}
	_exit(0);
}

/* Starts one whose region says that it has `workers`: the first is its thread, the others do not exist. */
static void actor_start(struct actor *actor, unsigned workers)
{
	char ready;
	fake_open(&actor->fake);
	actor->fake.line->mode = SLEY_WORKER_GONE;
	for (unsigned i = 1; i < workers; i++)
		actor->fake.line[i] = (struct sley_region_worker){ .thread = 0x1000 + i * 64, .tid = 1, .index = i };
	REQUIRE(pipe(actor->orders) == 0 && pipe(actor->answers) == 0);
	actor->pid = fork();
	REQUIRE(actor->pid >= 0);
	if (actor->pid == 0)
		act(actor);
	REQUIRE(read(actor->answers[0], &ready, 1) == 1);
	close(actor->fake.target.pidfd);
	actor->fake.target.pidfd = syscall(SYS_pidfd_open, actor->pid, 0);
	REQUIRE(actor->fake.target.pidfd >= 0);
	actor->fake.target.workers.capacity = LINES;
	actor->fake.target.worker_count = workers;
	assert_int_equal(tracer_watch(tracer, &actor->fake.target, &actor->key), 0);
}

static void actor_sleep(struct actor *actor, unsigned times)
{
	char done;
	REQUIRE(write(actor->orders[1], &times, sizeof(times)) == sizeof(times));
	REQUIRE(read(actor->answers[0], &done, 1) == 1);
}

static void actor_stop(struct actor *actor)
{
	tracer_unwatch(tracer, actor->key);
	kill(actor->pid, SIGKILL);
	waitpid(actor->pid, NULL, 0);
	for (int i = 0; i < 2; i++) {
		close(actor->orders[i]);
		close(actor->answers[i]);
	}
	fake_close(&actor->fake);
}

struct sums {
	unsigned keys, blocks, stacks;
};

static void add_total(void *context, const struct tracer_total *total)
{
	struct sums *sums = context;
	if (total->key.syscall != SYS_clock_nanosleep)
		return;
	sums->keys++;
	sums->blocks += total->total.count;
	sums->stacks += total->longest != NULL;
}

static struct sums sums_of(const struct actor *actor)
{
	struct sums sums = { 0 };
	assert_int_equal(tracer_totals(tracer, actor->key, add_total, &sums), 0);
	return sums;
}

static void add_switch(void *context, const struct tracer_switch *s)
{
	unsigned *sites = context;
	*sites += s->key.cause == SWITCH_BLOCK && s->key.site != NO_SITE;
}

/* At how many sites tasks of it were switched out because they blocked. */
static unsigned switched_sites_of(const struct actor *actor)
{
	unsigned sites = 0;
	assert_int_equal(tracer_switches(tracer, actor->key, add_switch, &sites), 0);
	return sites;
}

static void assert_nothing_lost(const struct actor *actor)
{
	struct trace_drops drops = tracer_drops(tracer, actor->key);
#define ASSERT_NONE(name, help) assert_int_equal(drops.name, 0);
	TRACE_DROPS(ASSERT_NONE)
#undef ASSERT_NONE
}

/* Made-up places fill the tables of whoever makes them up. */
TEST(tables)
{
	const struct tracer_config config = { .max_totals = 16, .max_samples = 8, .max_switches = 16 };
	struct actor loud, quiet;
	tracer = planted_tracer(&config);
	actor_start(&loud, 1);
	actor_start(&quiet, 1);
	actor_sleep(&loud, 200);
	actor_sleep(&quiet, 6);
	struct sums sums = sums_of(&quiet);
	assert_int_equal(sums.keys, 6);
	assert_int_equal(sums.blocks, 6);
	assert_int_equal(sums.stacks, 6);
	assert_int_equal(switched_sites_of(&quiet), 6);
	assert_nothing_lost(&quiet);
	struct trace_drops drops = tracer_drops(tracer, loud.key);
	assert_true(drops.totals > 100);
	assert_true(drops.switches > 100);
	assert_true(drops.samples > 0);
	assert_true(sums_of(&loud).keys >= 16);
	actor_stop(&loud);
	actor_stop(&quiet);
	tracer_close(tracer);
}

struct events {
	uint32_t key;
	unsigned mine, others;
};

static void count_event(void *context, const struct block_record *block)
{
	struct events *events = context;
	if (block->process == events->key)
		events->mine++;
	else
		events->others++;
}

/* Who floods the ring loses its own events. A poll makes room for as many again. */
TEST(ring)
{
	/* the share of each, 64 KiB, has room for five events with the longest stacks, and not for a hundred */
	const struct tracer_config config = { .min_block_ns = 1, .ring_size = 128 << 10 };
	struct actor loud, quiet;
	tracer = planted_tracer(&config);
	actor_start(&loud, 1);
	actor_start(&quiet, 1);
	for (int round = 0; round < 2; round++) {
		struct events events = { .key = quiet.key };
		uint64_t lost = tracer_drops(tracer, loud.key).ring;
		actor_sleep(&loud, 100);
		actor_sleep(&quiet, 5);
		assert_true(tracer_poll(tracer, count_event, &events) > 0);
		assert_int_equal(events.mine, 5);
		lost = tracer_drops(tracer, loud.key).ring - lost;
		assert_true(lost > 0);
		assert_in_range(events.others, 1, 99);
		assert_int_equal(events.others + lost, 100);
		assert_nothing_lost(&quiet);
	}
	assert_int_equal(sums_of(&loud).blocks, 200); /* sums do not need the ring */
	actor_stop(&loud);
	actor_stop(&quiet);
	tracer_close(tracer);
}

/* Who claims many workers has them as long as nobody else wants the room, and gets it back. */
TEST(workers)
{
	const struct tracer_config config = { .max_workers = 8 };
	struct actor loud, quiet;
	tracer = planted_tracer(&config);
	actor_start(&loud, LINES);
	uint64_t before = tracer_drops(tracer, loud.key).workers;
	assert_int_equal(before, LINES - 8);
	actor_start(&quiet, 3);
	assert_int_equal(tracer_drops(tracer, loud.key).workers, before + 3);
	actor_sleep(&loud, 4);
	actor_sleep(&quiet, 4);
	assert_int_equal(sums_of(&quiet).blocks, 4);
	assert_int_equal(sums_of(&loud).blocks, 4);
	assert_nothing_lost(&quiet);
	actor_stop(&quiet);

	/* two that claim many share what there is */
	struct actor other;
	actor_start(&other, LINES);
	assert_int_equal(tracer_drops(tracer, other.key).workers, LINES - 4);
	actor_sleep(&other, 2);
	assert_int_equal(sums_of(&other).blocks, 2);
	actor_stop(&other);
	actor_stop(&loud);
	tracer_close(tracer);
}

/* As many as are told at once; then one must go before another comes. */
TEST(processes)
{
	uint32_t keys[WATCH_PROCESSES], more;
	struct fake fake;
	tracer = planted_tracer(NULL);
	fake_open(&fake);
	for (unsigned i = 0; i < WATCH_PROCESSES; i++)
		assert_int_equal(tracer_watch(tracer, &fake.target, &keys[i]), 0);
	assert_int_equal(tracer_watch(tracer, &fake.target, &more), -ENOSPC);
	tracer_unwatch(tracer, keys[7]);
	assert_int_equal(tracer_watch(tracer, &fake.target, &more), 0);
	assert_int_equal(tracer_watch(tracer, &fake.target, &keys[7]), -ENOSPC);
	tracer_close(tracer);
	fake_close(&fake);
}
