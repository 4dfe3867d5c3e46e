/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Cases: how the call is come to, when, and by how many. */
#include "service.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

/* ---- when ---- */

PLANTED(under_way, "read", .early = true)
{
	char byte;
	say_blocked();
	BLOCK(if (read(early_gate, &byte, 1) != 1) not_here("pipe"));
}

PLANTED(unended, "read", .stuck = true)
{
	char byte;
	BLOCK(if (read(stuck_gate, &byte, 1) != 1) not_here("pipe"));
}

/* ---- how many ---- */

PLANTED(four_tasks, "clock_nanosleep", .tasks = 4)
{
	BLOCK(nanosleep(&pause_time, NULL));
}

/* ---- where ---- */

PLANTED(two_lines, "clock_nanosleep")
{
	const struct timespec longer = { .tv_nsec = 3000000 + PAUSE_US * 1000L };
	for (int i = 0; i < 3; i++) {
		BLOCK(nanosleep(&pause_time, NULL));
		BLOCK(nanosleep(&longer, NULL));
	}
	BLOCK(nanosleep(&pause_time, NULL));
}

/* One place with two return addresses. */
PLANTED(one_line, "clock_nanosleep")
{
	/* clang-format off */
	BLOCK(nanosleep(&pause_time, NULL)); BLOCK(nanosleep(&pause_time, NULL));
	/* clang-format on */
}

static struct timespec in_us(long us)
{
	int64_t at = sley_now() + us * 1000;
	return (struct timespec){ at / 1000000000, at % 1000000000 };
}

/* libc's frames have pointers to the service's functions. */
PLANTED(lines_of_locks, "futex")
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
	struct timespec until;
	pthread_mutex_lock(&mutex);
	for (int i = 0; i < 2; i++) {
		until = in_us(PAUSE_US);
		BLOCK(while (!pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &until)));
		until = in_us(2 * PAUSE_US);
		BLOCK(while (!pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &until)));
	}
	pthread_mutex_unlock(&mutex);
}

/* ---- names ---- */

PLANTED(longest_of_names, "clock_nanosleep")
{
	BLOCK(nanosleep(&pause_time, NULL));
}

PLANTED(no_name, "clock_nanosleep", .unnamed = true)
{
	BLOCK(nanosleep(&pause_time, NULL));
}

/* Its name is the one that it had then. */
PLANTED(renamed, "clock_nanosleep")
{
	BLOCK(nanosleep(&pause_time, NULL));
	sley_set_name("another");
}

/* ---- the way to the call ---- */

static NOINLINE int descend(int depth)
{
	int below;
	if (depth == 0) {
		BLOCK(nanosleep(&pause_time, NULL));
		return 0;
	}
	below = descend(depth - 1);
	__asm__ volatile("" : "+r"(below));
	return below + 1;
}

PLANTED(deep, "clock_nanosleep")
{
	if (descend(20) != 20)
		abort();
}

static inline __attribute__((always_inline)) void inlined_wait(void)
{
	BLOCK(nanosleep(&pause_time, NULL));
}

PLANTED(inlined, "clock_nanosleep")
{
	inlined_wait();
	inlined_wait();
}

static NOINLINE void shared_wait(void)
{
	BLOCK(nanosleep(&pause_time, NULL));
}

PLANTED(shared_one, "clock_nanosleep")
{
	shared_wait();
	__asm__ volatile(""); /* no tail call: its frame is to be there */
}

PLANTED(shared_two, "clock_nanosleep")
{
	shared_wait();
	shared_wait();
	__asm__ volatile("");
}

static int compare_slowly(const void *a, const void *b)
{
	BLOCK(nanosleep(&pause_time, NULL));
	return *(const int *)a - *(const int *)b;
}

PLANTED(callback, "clock_nanosleep")
{
	int numbers[] = { 2, 1 };
	qsort(numbers, 2, sizeof(numbers[0]), compare_slowly);
}

PLANTED(big_frame, "read")
{
	char buffer[40000];
	int ends[2];
	make_pipe(ends);
	for (int i = 0; i < 3; i++) {
		write_later(ends[1]);
		BLOCK(if (read(ends[0], buffer, sizeof(buffer)) != 1) not_here("pipe"));
	}
}

/* The last call of a task, and of a function of it, leave no frame of their own (with -O2). */
PLANTED(tail_call, "clock_nanosleep", .unnamed = true)
{
	BLOCK_LAST(PAUSE_US);
	usleep(PAUSE_US);
}

static NOINLINE void wait_last(void)
{
	BLOCK_LAST(PAUSE_US);
	usleep(PAUSE_US);
}

PLANTED(tail_of_two, "clock_nanosleep", .unnamed = true)
{
	__asm__ volatile("");
	wait_last();
}

static NOINLINE void keep_waiting(void)
{
	BLOCK_LAST(PAUSE_US);
	usleep(PAUSE_US);
}

PLANTED(tail_inside, "clock_nanosleep")
{
	keep_waiting();
	__asm__ volatile("");
}

static void interrupt(void *thread)
{
	syscall(SYS_tgkill, getpid(), (int)(intptr_t)thread, SIGALRM);
}

static struct reading *interrupted;

static void handle(int number)
{
	(void)number;
	reading_end(interrupted);
	BLOCK(syscall(SYS_nanosleep, &pause_time, NULL));
}

/* A handler that blocks, in a call that blocks. The latter's block is over when the handler begins. */
PLANTED(in_handler, "nanosleep|rt_sigsuspend")
{
	struct sigaction action = { .sa_handler = handle };
	sigset_t none, before;
	sigaction(SIGALRM, &action, NULL);
	sigfillset(&none);
	pthread_sigmask(SIG_BLOCK, &none, &before);
	sigdelset(&none, SIGALRM);
	later(PAUSE_US, interrupt, (void *)(intptr_t)syscall(SYS_gettid));
	interrupted = reading_begin(__func__, __LINE__ + 1);
	sigsuspend(&none);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}
