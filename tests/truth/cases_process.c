/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Cases: children, and operations that the kernel makes beside the thread. */
#include "service.h"

#include <linux/io_uring.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMES 3

static char *const rest_argv[] = { "sleep", "0.02", NULL };
static char *const no_environment[] = { NULL };

/* For on_thread(), so that nothing else blocks the task. */
static void start_child(void *pid)
{
	if (posix_spawn(pid, "/bin/sleep", NULL, NULL, rest_argv, no_environment))
		abort();
}

static void reap(void *pid)
{
	waitpid((pid_t)(intptr_t)pid, NULL, 0);
}

PLANTED(waitpid_, "wait4")
{
	pid_t own = -1;
	on_thread(start_child, &own);
	BLOCK(waitpid(own, NULL, 0));
}

PLANTED(waitid_, "waitid")
{
	siginfo_t info;
	pid_t own = -1;
	on_thread(start_child, &own);
	BLOCK(waitid(P_PID, (id_t)own, &info, WEXITED));
}

PLANTED(posix_spawn_, "clone|clone3|vfork")
{
	pid_t own = -1;
	char *argv[] = { "true", NULL };
	BLOCK(posix_spawn(&own, "/bin/true", NULL, NULL, argv, no_environment));
	on_thread(reap, (void *)(intptr_t)own);
}

PLANTED(vfork_, "vfork")
{
	for (int i = 0; i < TIMES; i++) {
		struct reading *r = reading_begin(__func__, __LINE__ + 1);
		pid_t own = vfork();
		if (!own) {
			syscall(SYS_nanosleep, &pause_time, NULL);
			_exit(0);
		}
		reading_end(r);
		on_thread(reap, (void *)(intptr_t)own);
	}
}

PLANTED(system_, "wait4|clone|clone3|vfork", .many = true)
{
	BLOCK(if (system("sleep 0.02")) not_here("system"));
}

/* ---- io_uring ---- */

struct ring {
	int fd;
	unsigned *tail, *array;
	struct io_uring_sqe *entry;
};

static bool open_ring(struct ring *ring)
{
	struct io_uring_params p = { 0 };
	size_t size;
	char *sq;
	ring->fd = (int)syscall(SYS_io_uring_setup, 4, &p);
	if (ring->fd < 0) {
		not_here("no io_uring");
		return false;
	}
	size = p.sq_off.array + p.sq_entries * sizeof(unsigned);
	sq = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQ_RING);
	ring->tail = (unsigned *)(sq + p.sq_off.tail);
	ring->array = (unsigned *)(sq + p.sq_off.array);
	ring->entry = mmap(NULL, p.sq_entries * sizeof(*ring->entry), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			   ring->fd, IORING_OFF_SQES);
	return true;
}

static void submit(const struct ring *ring, const struct io_uring_sqe *entry)
{
	*ring->entry = *entry;
	ring->array[*ring->tail & 3] = 0;
	__atomic_store_n(ring->tail, *ring->tail + 1, __ATOMIC_RELEASE);
}

PLANTED(io_uring, "io_uring_enter")
{
	const struct __kernel_timespec pause = { .tv_nsec = PAUSE_US * 1000L };
	const struct io_uring_sqe wait = { .opcode = IORING_OP_TIMEOUT, .fd = -1, .addr = (uintptr_t)&pause, .len = 1 };
	struct ring ring;
	if (!open_ring(&ring))
		return;
	for (unsigned i = 0; i < TIMES; i++) {
		submit(&ring, &wait);
		BLOCK(syscall(SYS_io_uring_enter, ring.fd, 1, i + 1, IORING_ENTER_GETEVENTS, NULL, 0));
	}
	on_thread(close_it, (void *)(intptr_t)ring.fd);
}

/* ---- signals that nobody handles ---- */

/* The end of a child interrupts the only thread that does not block SIGCHLD (main() does). */
static void take_child_signals(int how)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	pthread_sigmask(how, &set, NULL);
}

/* The kernel restarts the sleep by another call. */
PLANTED(restarted_sleep, "clock_nanosleep")
{
	const struct timespec pause = { .tv_nsec = 12 * PAUSE_US * 1000L };
	pid_t own;
	take_child_signals(SIG_UNBLOCK);
	on_thread(start_child, &own);
	BLOCK(nanosleep(&pause, NULL));
	take_child_signals(SIG_BLOCK);
	on_thread(reap, (void *)(intptr_t)own);
}
