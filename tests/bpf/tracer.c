/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What the tracer does besides telling the truth about blocks: privileges, limits, processes that end, lie or hang. */
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/test.h"

#include "tests/bpf/fake.h"
#include "tests/bpf/planted.h"

#define NOBODY 65534

static void sleep_us(long us)
{
	const struct timespec time = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

/* ---- privileges ---- */

/* Runs `body` in a child; it REQUIRE()s. */
static void in_child(void (*body)(void))
{
	pid_t child = fork();
	int status;

	REQUIRE(child >= 0);
	if (!child) {
		body();
		_exit(0);
	}
	REQUIRE(waitpid(child, &status, 0) == child);
	assert_int_equal(status, 0);
}

static void open_as_nobody(void)
{
	struct tracer *tracer;
	char why[256] = "";

	test_become_nobody();
	REQUIRE(tracer_open(&tracer, NULL, why, sizeof(why)) == -EPERM);
	REQUIRE(strstr(why, "setcap cap_bpf,cap_perfmon=ep "));
	REQUIRE(!strchr(why, '\n'));
}

/* Without privilege the answer is -EPERM and says how to get it. */
static void test_nobody(void **state)
{
	test_need_root();
	in_child(open_as_nobody);
}

/* Becomes nobody with CAP_BPF and CAP_PERFMON alone, as a program with these file capabilities run by nobody. */
static void keep_two_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	data[CAP_TO_INDEX(CAP_BPF)].permitted = CAP_TO_MASK(CAP_BPF) | CAP_TO_MASK(CAP_PERFMON);
	data[CAP_TO_INDEX(CAP_BPF)].effective = data[CAP_TO_INDEX(CAP_BPF)].permitted;
	REQUIRE(!prctl(PR_SET_KEEPCAPS, 1) && !setresgid(NOBODY, NOBODY, NOBODY) && !setresuid(NOBODY, NOBODY, NOBODY));
	REQUIRE(!syscall(SYS_capset, &header, data));
	REQUIRE(!prctl(PR_SET_DUMPABLE, 1));
}

static void trace_with_two_capabilities(void)
{
	struct planted planted;
	struct tracer *tracer;
	struct report report;
	char why[256];

	keep_two_capabilities();
	REQUIRE(tracer_open(&tracer, NULL, why, sizeof(why)) == 0);
	planted_start_named(&planted, "blocks", "nanosleep", "20", NULL);
	planted_watch(&planted, tracer);
	planted_order(&planted);
	planted_answer(&planted);
	planted_answer(&planted);
	planted_report(&planted, SYS_clock_nanosleep, &report);
	REQUIRE(report.total.count == 20);
	planted_stop(&planted, false);
	tracer_close(tracer);
}

/* CAP_BPF and CAP_PERFMON are enough to watch a process of the same user. */
static void test_two_capabilities(void **state)
{
	tracer_close(planted_tracer(NULL));
	if (access(test_build_path("tests/bpf/blocks.planted"), X_OK))
		test_skip("the build directory is not open to others");
	in_child(trace_with_two_capabilities);
}

/* ---- one worker by hand ---- */

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

static void keep_total(void *context, const struct tracer_total *total)
{
	struct tracer_total *kept = context;

	if (total->key.syscall == SYS_clock_nanosleep)
		*kept = *total;
}

static struct block_total sleeps(void)
{
	struct tracer_total total;

	memset(&total, 0, sizeof(total));
	assert_int_equal(tracer_totals(tracer, key, keep_total, &total), 0);
	return total.total;
}

static void count_block(void *context, const struct block_record *block)
{
	unsigned *count = context;

	(void)block;
	++*count;
}

/* Nothing is recorded of a thread that says it runs no task, and all of one that does. */
static void test_only_in_tasks(void **state)
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

#define LONG_NS 20000000

/* 1 if the sleep turned out to be a long one, on a busy machine. */
static unsigned sleep_and_see(long us)
{
	int64_t from = test_now();

	sleep_us(us);
	return test_now() - from >= LONG_NS;
}

/* A reader between two switches and after them sees the same single events, each once, in order. */
static void test_events_once(void **state)
{
	const struct tracer_config config = { .min_block_ns = LONG_NS };
	unsigned count = 0, expected;

	start_fake(&config);
	run_task();
	expected = sleep_and_see(LONG_NS / 1000 * 3 / 2);
	assert_int_equal(tracer_poll(tracer, count_block, &count), 1);
	assert_int_equal(tracer_poll(tracer, count_block, &count), 0);
	expected += sleep_and_see(1000);
	expected += sleep_and_see(LONG_NS / 1000 * 3 / 2);
	end_task();
	assert_int_equal(tracer_poll(tracer, count_block, &count), expected - 1);
	assert_int_equal(count, expected);
	assert_int_equal(sleeps().count, 3);
	stop_fake();
}

/* A ring that is too small drops events, and says how many. */
static void test_ring_drops(void **state)
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
	assert_true(tracer_drops(tracer).ring > 0);
	assert_int_equal(count + tracer_drops(tracer).ring, 50);
	stop_fake();
}

/* So does a table that is too small; switches are counted all the same. */
static void test_table_drops(void **state)
{
	const struct tracer_config config = { .max_totals = 4 };

	start_fake(&config);
	run_task();
	for (unsigned site = 0; site < 32; site++) {
		fake.line->site = site;
		sleep_us(1000);
	}
	end_task();
	assert_true(tracer_drops(tracer).totals >= 32 - 4 - 4); /* the kernel keeps a few spare entries per CPU */
	stop_fake();
}

/*
 * What a block delays. Three tasks are queued at its start; during it another worker begins one of them:
 *
 *	start       t            end
 *	  ├─ task 1 ┤ begun elsewhere
 *	  ├─ task 2 ─────────────┤
 *	  ├─ task 3 ─────────────┤
 */
static void test_delay(void **state)
{
	struct block_total total;
	uint64_t after_ns = 2000000, from, duration;

	start_fake(NULL);
	fake.line->queue = 3;
	from = test_now();
	run_task();
	sleep_us(10000);
	duration = test_now() - from;
	fake.line->elsewhere = 1;
	fake.line->elsewhere_ns = from + after_ns;
	end_task();
	total = sleeps();
	assert_int_equal(total.count, 1);
	assert_int_equal(total.delayed_tasks, 3);
	assert_true(total.delayed_ns >= 2 * total.total_ns + after_ns - 1000000);
	assert_true(total.delayed_ns <= 2 * duration + after_ns);
	stop_fake();
}

/* Addresses that lead nowhere are counted as such and do no harm. */
static void test_unreadable_line(void **state)
{
	tracer = planted_tracer(NULL);
	fake_open(&fake);
	fake.target.address = 0xdead0000;
	assert_int_equal(tracer_watch(tracer, &fake.target, &key), 0);
	for (int i = 0; i < 10; i++)
		sleep_us(1000);
	assert_true(tracer_drops(tracer).lines >= 10);
	assert_int_equal(sleeps().count, 0);
	stop_fake();
}

/* Time asleep and time waiting for a CPU are told apart: the kernel's own account of the latter is the truth. */
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

static void test_waiting_for_cpu(void **state)
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
	assert_true(total.cpu_ns <= delay + 2000000);
	assert_true(total.cpu_ns + total.cpu_ns / 10 + 2000000 >= delay);
	stop_fake();
}

/* ---- processes ---- */

/* A program that executes another is no longer watched, and the new one is not taken for it. */
static void test_exec(void **state)
{
	struct planted planted;
	struct report report;

	tracer = planted_tracer(NULL);
	planted_start_named(&planted, "blocks", "exec", "1", NULL);
	planted_watch(&planted, tracer);
	planted_order(&planted);
	assert_string_not_equal(planted_answer(&planted), "ready"); /* the task's id */
	assert_string_equal(planted_answer(&planted), "ready");	    /* the new program */
	assert_int_equal(tracer_workers(tracer, planted.key), 0);
	assert_int_equal(tracer_refresh(tracer, planted.key, 2), -ESRCH);
	planted_order(&planted);
	planted_answer(&planted);
	planted_answer(&planted);
	planted_report(&planted, ANY_SYSCALL, &report);
	assert_int_equal(report.total.count, 0);
	planted_stop(&planted, false);
	tracer_close(tracer);
}

/* A process that ends is noticed, and what was counted of it can still be read. */
static void test_exit(void **state)
{
	struct planted planted;
	struct report report;

	tracer = planted_tracer(NULL);
	planted_start_named(&planted, "blocks", "nanosleep", "20", NULL);
	planted_watch(&planted, tracer);
	planted_order(&planted);
	planted_answer(&planted);
	planted_answer(&planted);
	kill(planted.pid, SIGKILL);
	siginfo_t how;
	assert_int_equal(waitid(P_PID, planted.pid, &how, WEXITED | WNOWAIT), 0);
	assert_int_equal(tracer_workers(tracer, planted.key), 0);
	assert_int_equal(tracer_refresh(tracer, planted.key, 2), -ESRCH);
	planted_report(&planted, SYS_clock_nanosleep, &report);
	assert_int_equal(report.total.count, 20);
	planted_stop(&planted, true);
	tracer_close(tracer);
}

/* Of a process that is not watched nothing is recorded, whatever it does; nor of one that no longer is. */
static void test_unwatched(void **state)
{
	struct planted watched, other;
	struct report report;
	unsigned events = 0;
	const struct tracer_config config = { .min_block_ns = 1 };

	tracer = planted_tracer(&config);
	planted_start_named(&watched, "blocks", "nanosleep", "20", NULL);
	planted_start_named(&other, "blocks", "nanosleep", "20", NULL);
	planted_watch(&watched, tracer);
	planted_order(&other);
	planted_answer(&other);
	planted_answer(&other);
	planted_report(&watched, ANY_SYSCALL, &report);
	assert_int_equal(report.total.count, 0);
	assert_int_equal(tracer_poll(tracer, count_block, &events), 0);
	planted_watch(&other, tracer);
	tracer_unwatch(tracer, watched.key);
	watched.tracer = NULL;
	planted_order(&watched);
	planted_answer(&watched);
	planted_answer(&watched);
	planted_report(&other, ANY_SYSCALL, &report);
	assert_int_equal(report.total.count, 0);
	planted_stop(&watched, false);
	planted_stop(&other, false);
	tracer_close(tracer);
}

/* ---- blocks that do not end ---- */

struct seen {
	unsigned count;
	struct block_record block;
};

static void keep_block(void *context, const struct block_record *block)
{
	struct seen *seen = context;

	seen->count++;
	seen->block = *block;
}

/* Until the planted task is seen to be blocked. */
static struct block_record wait_until_blocked(struct planted *planted)
{
	int64_t give_up = test_now() + 10000000000;
	struct seen seen = { 0 };

	while (!seen.count) {
		REQUIRE(test_now() < give_up);
		REQUIRE(tracer_blocked(tracer, planted->key, keep_block, &seen) == 0);
	}
	REQUIRE(seen.count == 1);
	return seen.block;
}

static long planted_task(struct planted *planted)
{
	long task = 0;

	REQUIRE(sscanf(planted_answer(planted), "task %ld", &task) == 1);
	return task;
}

static void check_forever(const struct block_record *block, long task)
{
	assert_int_equal(block->task, task);
	assert_int_equal(block->syscall, SYS_read);
	assert_true(S_ISFIFO(block->fd_mode));
	assert_int_equal(block->end_ns, 0);
	assert_true(block->start_ns <= (uint64_t)test_now());
	assert_true(block->stack_size >= 64);
}

/* A task that blocks for ever is seen while it does. */
static void test_forever(void **state)
{
	struct block_record first, later;
	struct planted planted;
	long task;

	tracer = planted_tracer(NULL);
	planted_start_named(&planted, "blocks", "forever", "1", NULL);
	planted_watch(&planted, tracer);
	planted_order(&planted);
	task = planted_task(&planted);
	first = wait_until_blocked(&planted);
	check_forever(&first, task);
	assert_int_equal(first.flags & BLOCK_EARLY, 0);
	later = wait_until_blocked(&planted);
	assert_int_equal(later.number, first.number);
	assert_int_equal(later.start_ns, first.start_ns);
	planted_stop(&planted, true);
	tracer_close(tracer);
}

/* Whether a thread of the process sleeps in read(2). */
static bool reads(pid_t pid)
{
	char path[300];
	struct dirent *entry;
	bool found = false;
	long call;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/syscall", pid, entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		found |= fscanf(file, "%ld", &call) == 1 && call == SYS_read;
		fclose(file);
	}
	closedir(tasks);
	return found;
}

/* So is one that was blocked before anybody looked, with its place, from the moment of looking. */
static void test_blocked_before(void **state)
{
	struct block_record block;
	struct planted planted;
	long task;

	tracer = planted_tracer(NULL);
	planted_start_named(&planted, "blocks", "forever", "1", NULL);
	planted_order(&planted);
	task = planted_task(&planted);
	while (!reads(planted.pid))
		sched_yield();
	planted_watch(&planted, tracer);
	block = wait_until_blocked(&planted);
	check_forever(&block, task);
	assert_int_equal(block.flags & BLOCK_EARLY, BLOCK_EARLY);
	planted_stop(&planted, true);
	tracer_close(tracer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_two_capabilities),
		cmocka_unit_test(test_only_in_tasks),
		cmocka_unit_test(test_events_once),
		cmocka_unit_test(test_ring_drops),
		cmocka_unit_test(test_table_drops),
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_unreadable_line),
		cmocka_unit_test(test_waiting_for_cpu),
		cmocka_unit_test(test_exec),
		cmocka_unit_test(test_exit),
		cmocka_unit_test(test_unwatched),
		cmocka_unit_test(test_forever),
		cmocka_unit_test(test_blocked_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
