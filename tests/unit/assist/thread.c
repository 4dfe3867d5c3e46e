/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The states of workers' threads, as the kernel gives them. No source is on here: the test is the one who looks. */
#include "tests/unit/run.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "assist/thread.h"
#include "base/atomic.h"
#include "tests/race.h"

static int ends[2];
static unsigned over; /* atomic */

static void block(void *unused)
{
	char byte;
	REQUIRE(read(ends[0], &byte, 1) == 1);
}

static void compute(void *unused)
{
	while (!load(&over, acquire))
		cpu_relax();
}

/* The worker besides this one that is in a task, once there is one. */
static struct worker *other_in_task(void)
{
	for (sley_time end = SOON; sley_now() < end; sched_yield()) {
		for (unsigned i = 0; i < load(&scheduler.made, acquire); i++) {
			struct worker *worker = worker_get(i);
			if (worker != worker_self() && load(&worker->line->mode, acquire) == SLEY_WORKER_TASK)
				return worker;
		}
	}
	REQUIRE(false);
	return NULL;
}

static void await_letter(struct worker *worker, char letter)
{
	char state = '?';
	for (sley_time end = SOON; state != letter && sley_now() < end;) {
		sched_yield();
		state = thread_state(worker, LOOKER_WATCHDOG);
	}
	REQUIRE(state == letter);
}

static struct worker *begin(sley_task *task, void (*function)(void *))
{
	REQUIRE(pipe(ends) == 0);
	store(&over, 0, relaxed);
	REQUIRE((*task = sley_spawn(function, NULL)) > 0);
	return other_in_task();
}

static void end(sley_task task)
{
	store(&over, 1, release);
	REQUIRE(write(ends[1], "x", 1) == 1);
	REQUIRE(sley_join(task, SOON) == 0);
	close(ends[0]);
	close(ends[1]);
}

/* Also those of /proc. */
static unsigned open_now(void)
{
	unsigned n = 0;
	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* A thread in a system call sleeps, one that computes runs; without a descriptor nothing is known, and nothing is opened. */
TASK_TEST(letters, 2)
{
	sley_task task;
	struct worker *worker = begin(&task, block);
	unsigned before = open_descriptors();
	REQUIRE(thread_state(worker, LOOKER_WATCHDOG) == '?' && worker->files[LOOKER_WATCHDOG].fd == 0);
	REQUIRE(thread_prepare(worker, LOOKER_WATCHDOG));
	REQUIRE(thread_state(worker, LOOKER_SENTINEL) == '?');
	await_letter(worker, 'S');
	REQUIRE(worker->files[LOOKER_WATCHDOG].fd > STDERR_FILENO && open_descriptors() == before);
	REQUIRE(fcntl(worker->files[LOOKER_WATCHDOG].fd, F_GETFD) == FD_CLOEXEC);
	end(task);
	worker = begin(&task, compute);
	REQUIRE(thread_prepare(worker, LOOKER_WATCHDOG));
	await_letter(worker, 'R');
	REQUIRE(thread_cpu(worker) > 0);
	end(task);
}

/* As in assist/thread.c: without it, all that is known is that the thread uses no CPU time. */
extern const unsigned __rseq_size __attribute__((weak));

static bool has_rseq(void)
{
	return &__rseq_size && __rseq_size > 0;
}

static unsigned blocks_on; /* atomic */

static void block_on_one_cpu(void *arg)
{
	cpu_set_t before, one;
	unsigned cpu = (unsigned)sched_getcpu();
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	REQUIRE(sched_getaffinity(0, sizeof(before), &before) == 0);
	REQUIRE(sched_setaffinity(0, sizeof(one), &one) == 0);
	store(&blocks_on, cpu, release);
	block(arg);
	REQUIRE(sched_setaffinity(0, sizeof(before), &before) == 0);
}

/* A thread that sleeps has left its CPU, and was on no other one. */
TASK_TEST(left, 2)
{
	sley_task task;
	struct worker *worker = begin(&task, block_on_one_cpu);
	REQUIRE(thread_prepare(worker, LOOKER_WATCHDOG));
	await_letter(worker, 'S');
	unsigned cpu = load(&blocks_on, acquire);
	for (sley_time until = SOON; !thread_left(worker, cpu);) /* it sleeps before it gives its CPU away */
		REQUIRE(sley_now() < until);
	REQUIRE(thread_left(worker, cpu + 1) == !has_rseq());
	end(task);
}

/* A thread that computes has not left the CPU on which the kernel runs another thread, some of the time. */
TASK_TEST(not_left, 2)
{
	sley_task task;
	struct worker *worker = begin(&task, compute);
	for (sley_time until = SOON; thread_left(worker, (unsigned)sched_getcpu());)
		REQUIRE(sley_now() < until);
	end(task);
}

/* Of a thread that has ended nothing is known: its memory may be gone, or have something else in it. */
TASK_TEST(left_for_ever, 2)
{
	static struct sley_region_worker no_line;
	static struct worker none = { .line = &no_line };
	no_line.tid = 1 << 22; /* the first number that no thread can have */
	REQUIRE(!thread_left(&none, 0));
	/* it cannot be read; where nothing is mapped, another thread could map something */
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(page != MAP_FAILED);
	no_line.thread = (uint64_t)(uintptr_t)(page + 64);
	for (unsigned cpu = 0; cpu < 4; cpu++)
		REQUIRE(!thread_left(&none, cpu));
	munmap(page, 4096);
}

/*
 * The service closes the runtime's descriptor, and its own file gets the number. That file is not read, so what a pipe
 * and a file have stays there, and it is not closed. The runtime opens its own again.
 */
TASK_TEST(closed_behind, 2)
{
	sley_task task;
	int other[2];
	char byte;
	struct worker *worker = begin(&task, block);
	REQUIRE(thread_prepare(worker, LOOKER_WATCHDOG));
	int fd = worker->files[LOOKER_WATCHDOG].fd;
	close(fd);
	REQUIRE(thread_state(worker, LOOKER_WATCHDOG) == '?');
	/* what it would read looks the same */
	int file = memfd_create("stat", 0);
	dprintf(file, "%u (x) S", worker->line->tid);
	REQUIRE(pipe(other) == 0 && write(other[1], "a", 1) == 1 && dup2(file, fd) == fd);
	REQUIRE(thread_state(worker, LOOKER_WATCHDOG) == '?');
	REQUIRE(dup2(other[0], fd) == fd && thread_state(worker, LOOKER_WATCHDOG) == '?');
	REQUIRE(thread_prepare(worker, LOOKER_WATCHDOG) && worker->files[LOOKER_WATCHDOG].fd != fd);
	await_letter(worker, 'S');
	REQUIRE(read(fd, &byte, 1) == 1 && byte == 'a');
	close(file);
	close(fd);
	close(other[0]);
	close(other[1]);
	end(task);
}

/* Where the runtime may keep no further descriptor it opens one for each look, and says the same. */
static int main_few(void *unused)
{
	sley_task task;
	struct worker *worker = begin(&task, block);
	unsigned kept = 0;
	char state = '?';
	for (unsigned i = 0; i < 4; i++) {
		struct worker *each = worker_get(worker->number ^ i);
		while (!load(&each->line->tid, relaxed)) /* its thread begins */
			sched_yield();
		kept += thread_prepare(each, LOOKER_SENTINEL) + (i > 0 && thread_prepare(each, LOOKER_WATCHDOG));
	}
	REQUIRE(kept == 7 && !thread_prepare(worker, LOOKER_WATCHDOG));
	unsigned before = open_now();
	for (sley_time end = SOON; state != 'S' && sley_now() < end;)
		state = thread_state_now(worker);
	REQUIRE(state == 'S' && thread_state(worker, LOOKER_WATCHDOG) == '?' && open_now() == before);
	end(task);
	return 0;
}

TEST(few_kept)
{
	struct rlimit old, limit;
	struct sley_options options = { .size = sizeof(options), .workers = 4 };
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	limit = old;
	limit.rlim_cur = 7 * 8;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	run_with(main_few, NULL, &options);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

#if RACE_POINTS

static struct {
	struct worker *worker;
	char state;
} look;

static void *look_once(void *unused)
{
	look.state = thread_state(look.worker, LOOKER_SENTINEL);
	return unused;
}

/*
 *   who looks                        the watchdog
 *   the file is the thread's own
 *                                    the record is another thread's: closes the file? not while somebody looks
 *   reads it
 *                                    closes it, opens another one
 */
TASK_TEST(changes_meanwhile, 2)
{
	sley_task task;
	pthread_t thread;
	struct worker *worker = look.worker = begin(&task, block);
	struct thread_file *file = &worker->files[LOOKER_SENTINEL];
	REQUIRE(thread_prepare(worker, LOOKER_SENTINEL));
	int fd = file->fd;
	race_stop("thread_is_looked_at");
	REQUIRE(pthread_create(&thread, NULL, look_once, NULL) == 0);
	race_wait("thread_is_looked_at");
	file->tid++;
	REQUIRE(!thread_prepare(worker, LOOKER_SENTINEL) && file->fd == fd && fcntl(fd, F_GETFD) >= 0);
	race_go("thread_is_looked_at");
	pthread_join(thread, NULL);
	REQUIRE(look.state != '?');
	REQUIRE(thread_prepare(worker, LOOKER_SENTINEL) && file->tid == worker->line->tid && file->looks == 0);
	end(task);
}

#endif

static int main_closes(void *unused)
{
	sley_task task;
	struct worker *worker = begin(&task, block);
	for (int i = 0; i < LOOKERS; i++)
		REQUIRE(thread_prepare(worker, (enum looker)i));
	end(task);
	return 0;
}

/* The end of the run closes what was kept. */
TEST(closed_at_the_end)
{
	run(main_closes, 2);
	unsigned before = open_now();
	run(main_closes, 2);
	assert_int_equal(open_now(), before);
}
