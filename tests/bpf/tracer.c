/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The tracer's own rules, with a worker played by the test: what is recorded, told once, dropped, weighed and split. */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/test.h"

#include "source/tracer_private.h"
#include "tests/bpf/fake.h"
#include "tests/bpf/planted.h"

static void sleep_us(long us)
{
	const struct timespec time = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };
	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static struct tracer *tracer;
static struct fake fake;
static uint32_t key;

static void start_fake(const struct tracer_config *config)
{
	tracer = planted_tracer(config);
	fake_open(&fake);
	fake.line->mode = SLEY_WORKER_GONE;
	assert_int_equal(tracer_watch(tracer, &fake.target, &key), 0);
	assert_int_equal(tracer_workers(tracer, key), 1);
}

/* From now on it runs a task. */
static void run_task(void)
{
	fake.line->mode = SLEY_WORKER_TASK;
}

/* The task's blocks are over: what follows is not its. */
static void end_task(void)
{
	fake.line->mode = SLEY_WORKER_GONE;
	sleep_us(1);
}

static void stop_fake(void)
{
	tracer_unwatch(tracer, key);
	tracer_close(tracer);
	fake_close(&fake);
}

static void add_sleeps(void *context, const struct tracer_total *total)
{
	struct block_total *sum = context;
	if (total->key.syscall != SYS_clock_nanosleep)
		return;
	sum->count += total->total.count;
	sum->total_ns += total->total.total_ns;
	sum->blocked_ns += total->total.blocked_ns;
	sum->cpu_ns += total->total.cpu_ns;
	sum->delayed_tasks += total->total.delayed_tasks;
	sum->delayed_ns += total->total.delayed_ns;
}

/* At all places. */
static struct block_total sleeps(void)
{
	struct block_total sum = { 0 };
	assert_int_equal(tracer_totals(tracer, key, add_sleeps, &sum), 0);
	return sum;
}

static void count_block(void *context, const struct block_record *block)
{
	unsigned *count = context;
	(void)block;
	++*count;
}

/* Nothing is recorded of a thread that says it runs no task, and all of one that does. */
TEST(only_in_tasks)
{
	start_fake(NULL);
	for (int i = 0; i < 10; i++)
		sleep_us(1000);
	assert_int_equal(sleeps().count, 0);
	run_task();
	for (int i = 0; i < 10; i++)
		sleep_us(1000);
	assert_int_equal(sleeps().count, 10); /* the last one is still in the worker's state */
	end_task();
	assert_int_equal(sleeps().count, 10);
	stop_fake();
}

struct places {
	unsigned count;
	struct tracer_total total[8];
};

static void keep_place(void *context, const struct tracer_total *total)
{
	struct places *places = context;
	if (total->key.syscall == SYS_clock_nanosleep && places->count < 8)
		places->total[places->count++] = *total;
}

static __attribute__((noinline)) void sleep_here(long us)
{
	const struct timespec time = { .tv_nsec = us * 1000 };
	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
	__asm__ volatile("");
}

static __attribute__((noinline)) void sleep_there(long ms)
{
	const struct timespec time = { .tv_nsec = ms * 1000000 };
	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
	__asm__ volatile("");
}

/* The same call at two places has a total for each, also while the last block is not added up yet. */
TEST(places)
{
	struct places places = { 0 };
	const struct tracer_total *a = &places.total[0], *b = &places.total[1];
	start_fake(NULL);
	fake.line->stack_top = (uint64_t)__builtin_frame_address(0) + 2048;
	run_task();
	for (int i = 0; i < 3; i++) {
		sleep_here(1000);
		sleep_there(3);
	}
	sleep_here(1000);
	assert_int_equal(tracer_totals(tracer, key, keep_place, &places), 0);
	assert_int_equal(places.count, 2);
	if (a->total.count < b->total.count)
		a = &places.total[1], b = &places.total[0];
	assert_int_equal(a->total.count, 4);
	assert_int_equal(b->total.count, 3);
	assert_true(b->total.total_ns >= 3 * 3000000);
	assert_true(a->key.place && b->key.place);
	end_task();
	stop_fake();
}

#define LONG_NS 20000000

/* 1 if the sleep turned out to be a long one, on a busy machine. */
static unsigned sleep_and_see(long us)
{
	int64_t from = test_now();
	sleep_us(us);
	return test_now() - from >= LONG_NS;
}

/* How many the reader between two switches was given. */
static unsigned poll_between_and_after(void)
{
	const struct tracer_config config = { .min_block_ns = LONG_NS };
	unsigned count = 0, expected, between;
	start_fake(&config);
	run_task();
	expected = sleep_and_see(LONG_NS / 1000 * 3 / 2);
	tracer_poll(tracer, count_block, &count);
	tracer_poll(tracer, count_block, &count);
	between = count;
	assert_true(between <= expected);
	expected += sleep_and_see(1000);
	expected += sleep_and_see(LONG_NS / 1000 * 3 / 2);
	end_task();
	assert_int_equal(tracer_poll(tracer, count_block, &count), expected - between);
	assert_int_equal(count, expected);
	assert_int_equal(sleeps().count, 3);
	stop_fake();
	return between;
}

/*
 * A reader between two switches and after them sees the same single events, each once, in order. Some kernels do not
 * show every switch in (see unseen_switch_in()): until the next one out the block is not over then, so the reader
 * between sees it most times, not each time.
 */
TEST(events_once)
{
	enum { ROUNDS = 10 };
	unsigned between = 0;
	for (int i = 0; i < ROUNDS; i++)
		between += poll_between_and_after();
	assert_true(between > ROUNDS / 2);
}

/* A ring that is too small drops events, and says how many. */
TEST(ring_drops)
{
	const struct tracer_config config = { .min_block_ns = 1, .ring_size = 4096 };
	unsigned count = 0;
	start_fake(&config);
	fake.line->stack_top = (uint64_t)__builtin_frame_address(0) + 2048;
	run_task();
	for (int i = 0; i < 50; i++)
		sleep_us(1000);
	end_task();
	tracer_poll(tracer, count_block, &count);
	assert_int_equal(sleeps().count, 50);
	assert_true(tracer_drops(tracer, key).ring > 0);
	assert_int_equal(count + tracer_drops(tracer, key).ring, 50);
	stop_fake();
}

/* So does a table that is too small; switches are counted all the same. */
TEST(table_drops)
{
	const struct tracer_config config = { .max_totals = 4 };
	start_fake(&config);
	run_task();
	for (unsigned site = 0; site < 32; site++) {
		fake.line->site = site;
		sleep_us(1000);
	}
	end_task();
	assert_true(tracer_drops(tracer, key).totals >= 32 - 4 - 4); /* the kernel keeps a few spare entries per CPU */
	stop_fake();
}

/* ---- what a block delays ---- */

#define DISPATCH 7 /* of the fake worker */

static uint64_t slack_ns; /* the longest time from `from` to the start of the block */

/*
 * A block of 10 ms with `queued` tasks behind it, where `before` says what others had taken at its start, and `later`
 * at its end. What they began, they began `after_ns` after its start.
 */
static struct block_total block_with(uint32_t queued, uint64_t before, uint64_t later, uint64_t after_ns)
{
	struct block_total total;
	uint64_t from;
	start_fake(NULL);
	fake.line->dispatches = DISPATCH;
	fake.line->queue = queued;
	fake.line->elsewhere = before;
	fake.line->elsewhere_ns = 0;
	from = test_now();
	run_task();
	sleep_us(10000);
	fake.line->elsewhere_ns = SLEY_ELSEWHERE_BEGUN(later) * (from + after_ns);
	fake.line->elsewhere = later;
	end_task();
	total = sleeps();
	slack_ns = test_now() - from - total.total_ns;
	assert_int_equal(total.count, 1);
	assert_int_equal(total.delayed_tasks, queued);
	stop_fake();
	return total;
}

/* The delay is that of `whole` tasks for the whole block and of `part` tasks for `after_ns`. */
static void assert_delay(const struct block_total *total, uint64_t whole, uint64_t part, uint64_t after_ns)
{
	assert_true(total->delayed_ns <= whole * total->total_ns + part * after_ns);
	assert_true(total->delayed_ns + part * slack_ns >= whole * total->total_ns + part * after_ns);
}

#define AFTER_NS 2000000

/*
 * Three tasks are queued at the start of a block; during it another worker begins one of them:
 *
 *	start       t            end
 *	  ├─ task 1 ┤ begun elsewhere
 *	  ├─ task 2 ─────────────┤
 *	  ├─ task 3 ─────────────┤
 */
TEST(delay)
{
	struct block_total total =
		block_with(3, SLEY_ELSEWHERE(DISPATCH - 1, 9, 9), SLEY_ELSEWHERE(DISPATCH, 1, 1), AFTER_NS);
	assert_delay(&total, 2, 1, AFTER_NS);
}

/* A hand-over of the whole queue ends the delay of all. */
TEST(delay_of_all)
{
	struct block_total total = block_with(5, 0, SLEY_ELSEWHERE(DISPATCH, 5, 5), AFTER_NS);
	assert_delay(&total, 0, 5, AFTER_NS);
}

/* Two tasks were taken before the block, and are begun in it: that relieves none of the three that are behind it. */
TEST(delay_taken_before)
{
	struct block_total total =
		block_with(3, SLEY_ELSEWHERE(DISPATCH, 2, 0), SLEY_ELSEWHERE(DISPATCH, 2, 2), AFTER_NS);
	assert_delay(&total, 3, 0, 0);
}

/* What others have taken in a later dispatch, before the worker was switched out, does not count for the block. */
TEST(delay_later_dispatch)
{
	struct block_total total = block_with(3, 0, SLEY_ELSEWHERE(DISPATCH + 1, 3, 3), AFTER_NS);
	assert_delay(&total, 3, 0, 0);
}

/* Addresses that lead nowhere are counted as such and do no harm. */
TEST(unreadable_line)
{
	tracer = planted_tracer(NULL);
	fake_open(&fake);
	fake.target.address = 0xdead0000;
	assert_int_equal(tracer_watch(tracer, &fake.target, &key), 0);
	for (int i = 0; i < 10; i++)
		sleep_us(1000);
	assert_true(tracer_drops(tracer, key).lines >= 10);
	assert_int_equal(sleeps().count, 0);
	stop_fake();
}

/*
 * Time asleep and time waiting for a CPU are told apart: the kernel's own account of the latter is the truth, within 10 %. That
 * begins when the thread is in a CPU's queue, to which another CPU may have to send it first.
 */
static uint64_t run_delay_ns(void)
{
	FILE *file = fopen("/proc/thread-self/schedstat", "re");
	unsigned long ran, delay;
	if (!file || fscanf(file, "%lu %lu", &ran, &delay) != 2)
		test_skip("the kernel does not account scheduling delays");
	fclose(file);
	return delay;
}

static void spin_on_cpu(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sched_setaffinity(0, sizeof(set), &set);
	for (;;)
		;
}

TEST(waiting_for_cpu)
{
	const struct sched_param none = { 0 };
	struct block_total total;
	cpu_set_t all, one;
	uint64_t delay;
	pid_t spinner;
	sched_getaffinity(0, sizeof(all), &all);
	start_fake(NULL);
	spinner = fork();
	if (!spinner)
		spin_on_cpu(0);
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	sched_setscheduler(0, SCHED_BATCH, &none);
	delay = run_delay_ns();
	run_task();
	for (int i = 0; i < 100; i++)
		sleep_us(1000);
	end_task();
	delay = run_delay_ns() - delay;
	kill(spinner, SIGKILL);
	waitpid(spinner, NULL, 0);
	sched_setscheduler(0, SCHED_OTHER, &none);
	sched_setaffinity(0, sizeof(all), &all);
	total = sleeps();
	print_message("waiting for a CPU: %.3f ms of %.3f ms, the scheduler says %.3f ms\n", total.cpu_ns / 1e6,
		      total.total_ns / 1e6, delay / 1e6);
	assert_true(total.blocked_ns >= 100 * 1000000ULL);
	assert_true(total.cpu_ns > 0);
	assert_true(total.cpu_ns <= delay + delay / 10 + 2000000);
	assert_true(total.cpu_ns + total.cpu_ns / 10 + 2000000 >= delay);
	stop_fake();
}

/* A program that sleeps may sleep for ever in a process's memory, and then much of the kernel waits for it. */
TEST(no_program_sleeps)
{
	struct blocked_bpf *bpf = blocked_bpf__open();
	struct bpf_program *program;
	unsigned programs = 0;
	assert_non_null(bpf);
	bpf_object__for_each_program(program, bpf->obj)
	{
		assert_null(strstr(bpf_program__section_name(program), ".s/"));
		programs++;
	}
	assert_true(programs >= 6);
	blocked_bpf__destroy(bpf);
}
