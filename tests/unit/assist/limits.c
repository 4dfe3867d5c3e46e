/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Where spares end: max_threads, a system that refuses threads, one CPU, a forked child. */
#include "tests/unit/assist/sources.h"

#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "run/idle.h"
#include "run/worker.h"
#include "run/workers.h"
#include "tests/unit/gate.h"

#define MOST 8

static struct gate gates[MOST];

/* As many tasks block at the same time, and this task runs all the same and lets them go. */
static void block_many(unsigned n)
{
	sley_task tasks[MOST];
	gates_open(gates, n);
	for (unsigned i = 0; i < n; i++)
		REQUIRE((tasks[i] = sley_spawn(source_block, &gates[i])) > 0);
	for (unsigned i = 0; i < n; i++)
		await_at_least(&gates[i].entered, 1);
	for (unsigned i = 0; i < n; i++)
		gate_let_go(&gates[i]);
	for (unsigned i = 0; i < n; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	gates_close(gates, n);
}

/* More tasks block than there are workers: spares that are blocked are found, too. */
SOURCE_TASK_TEST(spares, 1, 2, 4)
{
	for (int round = 0; round < 3; round++)
		block_many(2 * scheduler.target);
}

/* At most so many, but for those that come and go with this task. */
static void await_started(unsigned n)
{
	sley_time deadline = SOON;
	while (load(&scheduler.started, relaxed) > n) {
		REQUIRE(sley_now() < deadline);
		REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
	}
}

/* Spares end while they are looked at, as their tasks were blocked just now; more are made when tasks block again. */
SOURCE_TASK_TEST(spares_end, 1, 2)
{
	int64_t usual = spare_idle;
	for (int round = 0; round < 10; round++) {
		store(&spare_idle, usual, relaxed);
		block_many(MOST);
		store(&spare_idle, SLEY_US(100), relaxed);
		block_many(scheduler.target);
		await_started(scheduler.target + MOST / 2);
	}
	store(&spare_idle, usual, relaxed);
}

/* ---- max_threads ---- */

static unsigned ran; /* atomic */

static void run_one(void *unused)
{
	store(&ran, 1, release);
}

/* In whatever order they come. */
static void *let_go_all(void *unused)
{
	for (unsigned i = 0, left = MOST; left > 0; i = (i + 1) % MOST) {
		if (exchange(&gates[i].entered, 0, acquire)) {
			gate_let_go(&gates[i]);
			left--;
		}
		sched_yield();
	}
	return NULL;
}

/* More tasks block than there may be threads: what waits is run when one comes back. */
static int main_too_many(void *most)
{
	pthread_t thread;
	sley_task tasks[MOST + 1];
	source_await();
	gates_open(gates, MOST);
	store(&ran, 0, relaxed);
	for (unsigned i = 0; i < MOST; i++)
		REQUIRE((tasks[i] = sley_spawn(source_block, &gates[i])) > 0);
	REQUIRE((tasks[MOST] = sley_spawn(run_one, NULL)) > 0);
	REQUIRE(pthread_create(&thread, NULL, let_go_all, NULL) == 0);
	for (unsigned i = 0; i <= MOST; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	pthread_join(thread, NULL);
	gates_close(gates, MOST);
	REQUIRE(load(&ran, acquire) && load(&scheduler.started, relaxed) <= *(unsigned *)most);
	return 0;
}

/* There are never more than max_threads spares, and nothing is lost where they do not suffice. */
SOURCE_TEST(too_many)
{
	struct sley_options options = { .size = sizeof(options), .workers = 1, .max_threads = 2 };
	unsigned most = 3;
	run_with(main_too_many, &most, &options);
	options.workers = 2;
	options.max_threads = 1;
	run_with(main_too_many, &most, &options);
}

/* ---- the system refuses a thread ---- */

static struct {
	unsigned armed;  /* atomic: a refusal after `before` lets go */
	uint64_t before; /* spares refused */
} refusal;

static void *let_go_when_refused(void *unused)
{
	while (!load(&refusal.armed, acquire) || counter(SLEY_COUNTER_spares_refused) == refusal.before)
		sched_yield();
	gate_let_go(&gates[0]);
	return NULL;
}

/*
 * Blocks a thread for each spare that there is, and returns how many: any wait of this task's thread may have been taken for
 * a block before, of a page or of a lock of a sanitizer. No spare comes while they are refused; one that is refused counts
 * for a moment.
 */
static unsigned use_up_spares(sley_task *tasks)
{
	unsigned n = 0;
	while (load(&scheduler.started, relaxed) > n + 1) {
		if (idle_count() == 0) {
			sley_yield();
			continue;
		}
		REQUIRE(++n < MOST && (tasks[n] = sley_spawn(source_block, &gates[n])) > 0);
		await_at_least(&gates[n].entered, 1);
	}
	return n;
}

/*
 * A block of the last thread while the system refuses more: it is counted, nothing is lost, and after a second the next
 * block gets a spare.
 */
static void block_refused(void (*refuse)(bool))
{
	pthread_t thread;
	sley_task tasks[MOST];
	gates_open(gates, MOST);
	store(&ran, 0, relaxed);
	store(&refusal.armed, 0, relaxed);
	REQUIRE(pthread_create(&thread, NULL, let_go_when_refused, NULL) == 0);
	refuse(true);
	unsigned spares = use_up_spares(tasks);
	REQUIRE((tasks[0] = sley_spawn(run_one, NULL)) > 0);
	refusal.before = counter(SLEY_COUNTER_spares_refused);
	store(&refusal.armed, 1, release);
	source_block(&gates[0]);
	REQUIRE(!load(&ran, acquire));
	refuse(false);
	for (unsigned i = 1; i <= spares; i++)
		gate_let_go(&gates[i]);
	for (unsigned i = 0; i <= spares; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	REQUIRE(load(&ran, acquire));
	pthread_join(thread, NULL);
	gates_close(gates, MOST);
	block_many(scheduler.target);
}

static void refuse_by_fault(bool refuses)
{
	store(&spare_test_fail, refuses, relaxed);
}

SOURCE_TASK_TEST(refused, 1)
{
	block_refused(refuse_by_fault);
}

#define REFUSED_TIME SLEY_MS(1300)

/* The thread is blocked, and a task waits. */
static int main_refused_rarely(void *unused)
{
	uint64_t refused = counter(SLEY_COUNTER_spares_refused);
	sley_task task = sley_spawn(run_one, NULL);
	REQUIRE(task > 0);
	sley_time since = sley_now();
	sley_block_enter();
	while (sley_now() - since < REFUSED_TIME)
		usleep(1000);
	sley_block_leave();
	refused = counter(SLEY_COUNTER_spares_refused) - refused;
	REQUIRE(refused > 0 && refused <= (uint64_t)((sley_now() - since) / SLEY_SEC(1)) + 1);
	REQUIRE(sley_join(task, SOON) == 0);
	return 0;
}

/* After a refusal the system is asked again once a second, however many looks find that a spare is wanted. */
TEST(refused_rarely)
{
	source_use(NULL);
	store(&spare_test_fail, true, relaxed);
	run(main_refused_rarely, 1);
	store(&spare_test_fail, false, relaxed);
}

/* A user with as many processes as he may have. */
static void refuse_by_limit(bool refuses)
{
	struct rlimit limit;
	REQUIRE(getrlimit(RLIMIT_NPROC, &limit) == 0);
	limit.rlim_cur = refuses ? 1 : limit.rlim_max;
	REQUIRE(setrlimit(RLIMIT_NPROC, &limit) == 0);
}

static int main_limit(void *unused)
{
	source_await();
	block_refused(refuse_by_limit);
	return 0;
}

#define SOURCE_VARIABLE "SLEY_TEST_SOURCE"

/* Root and who has CAP_SYS_RESOURCE have no limit. What loads an eBPF program is kept. */
static void become_limited(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 },
						  { .permitted = 1 << (CAP_BPF - 32) | 1 << (CAP_PERFMON - 32) } };
	data[1].effective = data[1].permitted;
	REQUIRE(prctl(PR_SET_KEEPCAPS, 1) == 0);
	test_become_nobody();
	REQUIRE(syscall(SYS_capset, &header, data) == 0 || strcmp(source_name(), "bpf") != 0);
}

static int scenario_limit(void)
{
	source_use(getenv(SOURCE_VARIABLE));
	if (geteuid() == 0)
		become_limited();
	run(main_limit, 1);
	return 0;
}

SOURCE_TEST(limit)
{
	char text[1000];
	test_need_kernel("qemu-user does not keep RLIMIT_NPROC");
	setenv(SOURCE_VARIABLE, source_name(), 1);
	int status = scenario_run("limit", text, sizeof(text));
	if (status != 0)
		print_error("%s", text);
	assert_int_equal(status, 0);
}

/* ---- one CPU ---- */

static int main_one_cpu(void *unused)
{
	REQUIRE(scheduler.target == 1);
	source_await();
	for (int i = 0; i < 3; i++)
		block_many(scheduler.target);
	return 0;
}

/* A process with one CPU has one worker, whose spare, and whatever finds that it is blocked, is on the same CPU. */
SOURCE_TEST(one_cpu)
{
	struct sley_options options = { .size = sizeof(options) };
	cpu_set_t before, one;
	int cpu = 0;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	while (!CPU_ISSET(cpu, &before))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	run_with(main_one_cpu, NULL, &options);
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

/* ---- a forked child ---- */

static int main_never(void *unused)
{
	return 1;
}

static void in_child(void)
{
	source_enter();
	source_leave();
	_exit(sley_spawn(run_one, NULL) == -ECHILD && sley_run(main_never, NULL, NULL, NULL) == -ECHILD ? 0 : 1);
}

/* A task forks while a worker is noted as blocked: in the child there is no run, and no call waits for that worker. */
SOURCE_TASK_TEST(forked, 1, 2)
{
	sley_task task;
	int status;
	sley_time deadline = SOON;
	gates_open(gates, 1);
	REQUIRE((task = sley_spawn(source_block, &gates[0])) > 0);
	await_at_least(&gates[0].entered, 1);
	while (load(&scheduler.blocked, relaxed) == 0) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	pid_t child = fork();
	REQUIRE(child >= 0);
	if (child == 0)
		in_child();
	REQUIRE(waitpid(child, &status, 0) == child && status == 0);
	gate_let_go(&gates[0]);
	REQUIRE(sley_join(task, SOON) == 0);
	gates_close(gates, 1);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = { { "limit", scenario_limit }, { NULL, NULL } };
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}
