/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What happens around a block: before it in the same task, to the thread's CPU, and the work that comes when all workers are
 * blocked.
 *
 * A block with a lock of the runtime held has no test, as there is none: nothing under such a lock is a system call or
 * touches memory for the first time, so from outside no test can make one.
 */
#include "tests/unit/assist/sources.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"
#include "run/idle.h"
#include "tests/race.h"
#include "tests/unit/gate.h"

#define MOST 4

static struct gate gates[MOST];

static void spawn_each(void (*fn)(void *), sley_task *tasks)
{
	gates_open(gates, scheduler.target);
	for (unsigned i = 0; i < scheduler.target; i++)
		REQUIRE((tasks[i] = sley_spawn(fn, &gates[i])) > 0);
}

static void join_each(const sley_task *tasks)
{
	for (unsigned i = 0; i < scheduler.target; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	gates_close(gates, scheduler.target);
}

/* This task runs though as many are blocked as there are workers. */
static void await_entered(void)
{
	for (unsigned i = 0; i < scheduler.target; i++)
		await_at_least(&gates[i].entered, 1);
}

static void let_go_each(void)
{
	for (unsigned i = 0; i < scheduler.target; i++)
		gate_let_go(&gates[i]);
}

static void compute_until(sley_time end)
{
	while (sley_now() < end)
		cpu_relax();
}

/* ---- blocks of one task ---- */

static struct {
	int question[2], answer[2]; /* pipes */
	pthread_t thread;
} echo;

/* Answers at once. */
static void *echo_main(void *unused)
{
	char byte;
	while (read(echo.question[0], &byte, 1) == 1)
		REQUIRE(write(echo.answer[1], &byte, 1) == 1);
	return NULL;
}

static void block_twice(void *gate)
{
	char byte;
	source_enter();
	REQUIRE(write(echo.question[1], "x", 1) == 1 && read(echo.answer[0], &byte, 1) == 1);
	source_leave();
	compute_until(sley_in(SLEY_MS(1)));
	source_block(gate);
}

/* A block that ends soon, computing, and a block that only this task ends, without a scheduling point in between. */
SOURCE_TASK_TEST(short_and_long, 1, 2)
{
	sley_task tasks[MOST];
	REQUIRE(pipe(echo.question) == 0 && pipe(echo.answer) == 0);
	REQUIRE(pthread_create(&echo.thread, NULL, echo_main, NULL) == 0);
	for (int round = 0; round < 20; round++) {
		spawn_each(block_twice, tasks);
		await_entered();
		let_go_each();
		join_each(tasks);
	}
	REQUIRE(close(echo.question[1]) == 0 && pthread_join(echo.thread, NULL) == 0);
	REQUIRE(close(echo.question[0]) == 0 && close(echo.answer[0]) == 0 && close(echo.answer[1]) == 0);
}

/* ---- CPUs ---- */

static struct {
	cpu_set_t all;        /* that the test may use */
	pid_t thread;         /* atomic; the one to be moved; 0: none yet */
	unsigned moves, stop; /* atomic */
} cpus;

static void cpus_open(void)
{
	REQUIRE(sched_getaffinity(0, sizeof(cpus.all), &cpus.all) == 0);
	store(&cpus.thread, 0, relaxed);
	store(&cpus.moves, 0, relaxed);
	store(&cpus.stop, 0, relaxed);
}

/* A thread that has ended is moved by nobody. */
static void move_to(pid_t thread, unsigned nth)
{
	cpu_set_t one;
	int cpu = -1;
	for (unsigned i = 0; i <= nth % (unsigned)CPU_COUNT(&cpus.all); i++) {
		while (!CPU_ISSET(++cpu, &cpus.all))
			;
	}
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	(void)sched_setaffinity(thread, sizeof(one), &one);
}

static char state_of_thread(pid_t thread)
{
	char path[64], line[512];
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", thread);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0);
	ssize_t n = read(fd, line, sizeof(line) - 1);
	REQUIRE(n > 0 && close(fd) == 0);
	line[n] = '\0';
	return strrchr(line, ')')[2];
}

/* Moves the thread of the task to each CPU while it computes, and again when it is in its call. */
static void *mover(void *unused)
{
	pid_t thread;
	while (!(thread = load(&cpus.thread, acquire)))
		sched_yield();
	for (unsigned i = 0; i < 2 * (unsigned)CPU_COUNT(&cpus.all); i++)
		move_to(thread, i);
	store(&cpus.moves, 1, release);
	while (!load(&gates[0].entered, acquire) || state_of_thread(thread) != 'S')
		sched_yield();
	for (unsigned i = 0; i < 2 * (unsigned)CPU_COUNT(&cpus.all) - 1; i++)
		move_to(thread, i);
	store(&cpus.moves, 2, release);
	return NULL;
}

static void be_moved_and_block(void *gate)
{
	if (gate == &gates[0]) {
		store(&cpus.thread, (pid_t)syscall(SYS_gettid), release);
		while (load(&cpus.moves, acquire) < 1)
			cpu_relax();
	}
	source_block(gate);
	if (gate == &gates[0])
		REQUIRE(sched_setaffinity(0, sizeof(cpus.all), &cpus.all) == 0);
}

/* The thread is moved between CPUs in the middle of the task and inside of the call. */
SOURCE_TASK_TEST(moved, 1, 2)
{
	sley_task tasks[MOST];
	pthread_t thread;
	for (int round = 0; round < 5; round++) {
		cpus_open();
		spawn_each(be_moved_and_block, tasks);
		REQUIRE(pthread_create(&thread, NULL, mover, NULL) == 0);
		await_entered();
		await_at_least(&cpus.moves, 2);
		let_go_each();
		join_each(tasks);
		REQUIRE(pthread_join(thread, NULL) == 0);
	}
}

/* All threads, those of the runtime too. */
static void change_affinity(unsigned nth)
{
	struct dirent *entry;
	DIR *directory = opendir("/proc/self/task");
	REQUIRE(directory != NULL);
	while ((entry = readdir(directory))) {
		pid_t thread = atoi(entry->d_name);
		if (thread > 0 && nth > 0)
			move_to(thread, nth);
		else if (thread > 0)
			(void)sched_setaffinity(thread, sizeof(cpus.all), &cpus.all);
	}
	closedir(directory);
}

static void *change_until_stop(void *unused)
{
	for (unsigned i = 0; !load(&cpus.stop, acquire); i++)
		change_affinity(i);
	for (int i = 0; i < 2; i++) /* a thread made meanwhile has its maker's */
		change_affinity(0);
	return NULL;
}

/* As `taskset -ap` does it, again and again, while workers block and spares come. */
SOURCE_TASK_TEST(affinity_changes, 1, 2)
{
	sley_task tasks[MOST];
	pthread_t thread;
	cpus_open();
	REQUIRE(pthread_create(&thread, NULL, change_until_stop, NULL) == 0);
	for (int round = 0; round < 20; round++) {
		spawn_each(source_block, tasks);
		await_entered();
		let_go_each();
		join_each(tasks);
	}
	store(&cpus.stop, 1, release);
	REQUIRE(pthread_join(thread, NULL) == 0);
}

/* ---- what comes when all are blocked ---- */

static struct {
	bool noted;         /* it comes when all are noted; else at once */
	void (*come)(void); /* by a plain thread; may be null */
	int fds[2];
	unsigned sleeps; /* atomic */
} work;

static void let_go_task(void *unused)
{
	let_go_each();
}

static void *work_comes(void *unused)
{
	for (unsigned i = 0; i < scheduler.target; i++) {
		while (!load(&gates[i].entered, acquire))
			sched_yield();
	}
	while (work.noted && load(&scheduler.blocked, relaxed) < scheduler.target)
		sched_yield();
	work.come();
	return NULL;
}

/* The gates are open. This task blocks, too, until the work has been done: it is what lets all go. `waiter` waits for it; 0: nobody. */
static void block_all(void (*come)(void), sley_task waiter)
{
	sley_task tasks[MOST];
	pthread_t thread;
	work.come = come;
	for (unsigned i = 1; i < scheduler.target; i++)
		REQUIRE((tasks[i] = sley_spawn(source_block, &gates[i])) > 0);
	if (come)
		REQUIRE(pthread_create(&thread, NULL, work_comes, NULL) == 0);
	source_block(&gates[0]);
	for (unsigned i = 1; i < scheduler.target; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	if (come)
		REQUIRE(pthread_join(thread, NULL) == 0);
	if (waiter)
		REQUIRE(sley_join(waiter, SOON) == 0);
	gates_close(gates, scheduler.target);
}

static void submit_work(void)
{
	REQUIRE(sley_submit(let_go_task, NULL, 0, SOON) == 0);
}

/* A plain thread submits a task when the last worker is blocked. */
SOURCE_TASK_TEST(submitted, 1, 2)
{
	for (int round = 0; round < 10; round++) {
		work.noted = round % 2;
		gates_open(gates, scheduler.target);
		block_all(submit_work, 0);
	}
}

static void write_byte(void)
{
	REQUIRE(write(work.fds[1], "x", 1) == 1);
}

static void take_byte(void *unused)
{
	char byte;
	REQUIRE(sley_read(work.fds[0], &byte, 1, SOON) == 1);
	let_go_each();
}

/* A descriptor becomes ready when the last worker is blocked. */
SOURCE_TASK_TEST(descriptor, 1, 2)
{
	REQUIRE(pipe2(work.fds, O_NONBLOCK | O_CLOEXEC) == 0);
	for (int round = 0; round < 10; round++) {
		gates_open(gates, scheduler.target);
		sley_task task = sley_spawn(take_byte, NULL);
		await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
		work.noted = round % 2;
		block_all(write_byte, task);
	}
	REQUIRE(sley_close(work.fds[0]) == 0 && close(work.fds[1]) == 0);
}

static void take_time(void *time)
{
	store(&work.sleeps, 1, release);
	REQUIRE(sley_sleep(*(sley_time *)time) == 0);
	for (unsigned i = 0; i < scheduler.target; i++) {
		while (!load(&gates[i].entered, acquire))
			sley_yield();
	}
	let_go_each();
}

/* A timer is due soon after the last worker is blocked. */
SOURCE_TASK_TEST(timer, 1, 2)
{
	for (int round = 0; round < 10; round++) {
		sley_time time = sley_in(SLEY_MS(1 + round));
		gates_open(gates, scheduler.target);
		store(&work.sleeps, 0, relaxed);
		sley_task task = sley_spawn_copy(take_time, &time, sizeof(time));
		await_at_least(&work.sleeps, 1);
		block_all(NULL, task);
	}
}

/* ---- pinned tasks ---- */

static struct {
	unsigned ran; /* atomic */
	pid_t thread;
} pinned;

static void run_pinned(void *unused)
{
	pinned.thread = (pid_t)syscall(SYS_gettid);
	store(&pinned.ran, 1, release);
}

static void run_beside(void *gate)
{
	await_at_least(&gates[0].entered, 1);
	for (int i = 0; i < 100; i++)
		sley_yield();
	REQUIRE(!load(&pinned.ran, acquire));
	gate_let_go(gate);
}

/* A task that is pinned to a blocked worker waits for that one, and runs there; others go on. */
SOURCE_TASK_TEST(pinned, 1, 2)
{
	const struct sley_task_options options = { .size = sizeof(options), .pinned = true };
	pid_t own = (pid_t)syscall(SYS_gettid);
	gates_open(gates, 1);
	store(&pinned.ran, 0, relaxed);
	sley_task task = sley_spawn_with(&options, run_pinned, NULL, SLEY_BY_POINTER);
	sley_task beside = sley_spawn(run_beside, &gates[0]);
	REQUIRE(task > 0 && beside > 0);
	source_block(&gates[0]);
	REQUIRE(sley_join(task, SOON) == 0 && pinned.thread == own && sley_join(beside, SOON) == 0);
	gates_close(gates, 1);
}

/* ---- another worker that searches ---- */

#if RACE_POINTS
static unsigned found; /* atomic */

static void be_found(void *unused)
{
	store(&found, 1, release);
}

/*
 * Another worker stops in its search, which keeps pushes of work from waking a third one. A worker may find the task
 * without a search: a new spare, or one that is about to sleep. Then there is another task.
 */
static sley_task stop_search(void)
{
	sley_task task = 0;
	race_stop("spinner_has_found");
	while (!race_reached("spinner_has_found")) {
		if (task && !load(&found, acquire)) {
			sched_yield();
			continue;
		}
		REQUIRE(task == 0 || sley_join(task, SOON) == 0);
		store(&found, 0, relaxed);
		REQUIRE((task = sley_spawn(be_found, NULL)) > 0);
	}
	return task;
}

static void go_on(void *unused)
{
	race_go("spinner_has_found");
	gate_let_go(&gates[0]);
}

/*
 * A worker blocks while another one searches, and does not come to an end of that.
 *
 *   worker 1: searches, has found a task | stops there
 *   worker 0:                              pushes go_on(), blocks
 *   a spare:                                                      runs go_on(), which lets both go
 */
SOURCE_TASK_TEST(searching, 2)
{
	for (int round = 0; round < 5; round++) {
		gates_open(gates, 1);
		sley_task task = stop_search(), end = sley_spawn(go_on, NULL);
		source_block(&gates[0]);
		REQUIRE(end > 0 && sley_join(task, SOON) == 0 && sley_join(end, SOON) == 0);
		gates_close(gates, 1);
	}
}

static void *submit_when_blocked(void *unused)
{
	while (!load(&gates[0].entered, acquire) || load(&scheduler.blocked, relaxed) == 0)
		sched_yield();
	REQUIRE(sley_submit(go_on, NULL, 0, SOON) == 0);
	return NULL;
}

/* The same, and go_on() comes when worker 0 is blocked. */
SOURCE_TASK_TEST(searching_submitted, 2)
{
	for (int round = 0; round < 5; round++) {
		pthread_t thread;
		gates_open(gates, 1);
		sley_task task = stop_search();
		REQUIRE(pthread_create(&thread, NULL, submit_when_blocked, NULL) == 0);
		source_block(&gates[0]);
		REQUIRE(pthread_join(thread, NULL) == 0 && sley_join(task, SOON) == 0);
		gates_close(gates, 1);
	}
}
#endif
