/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What tests/tools/symbols.c looks at: known chains of calls that block in a read of standard input.
 *
 *      symbols.planted CHAIN [ARGUMENT]
 *
 * prints "TID\n" and blocks; when a byte comes it goes on. The test finds lines by the comments that begin with MARK.
 * It also compiles this file itself, in several ways: with -DPLAIN without sley, with -DLIBRARY as what `dlopen` opens.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#if !defined(PLAIN) && !defined(LIBRARY)
#include <sley.h>
#endif

#define NOINLINE __attribute__((noinline))

static volatile int sink; /* after a call, so that it is no tail call */

#ifdef LIBRARY
void library_call(void);
void library_call(void)
{
	char byte;
	sink = (int)read(STDIN_FILENO, &byte, 1); /* MARK library */
}
#else

static const char *argument;

static void announce(void)
{
	dprintf(STDOUT_FILENO, "%d\n", (int)gettid());
}

static NOINLINE void deep(int level)
{
	char byte, filler[64];
	memset(filler, level, sizeof(filler));
	sink = filler[level];
	if (level > 0)
		deep(level - 1); /* MARK recursion */
	else
		sink = (int)read(STDIN_FILENO, &byte, 1); /* MARK deep */
	sink = filler[level / 2];
}

static void *run_deep(void *unused)
{
	announce();
	deep(9); /* MARK deepest */
	sink++;
	return unused;
}

static void *run_deeper(void *unused)
{
	announce();
	deep(39); /* more than fits into the copy */
	sink++;
	return unused;
}

/* A frame larger than a copied stack. */
static NOINLINE void wide(void)
{
	char filler[6000];
	memset(filler, 1, sizeof(filler));
	sink = filler[sink & 1023];
	deep(0); /* MARK wide */
	sink = filler[sink & 511];
}

static void *run_wide(void *unused)
{
	announce();
	wide(); /* MARK widest */
	sink++;
	return unused;
}

/* libc opens the file: its own frames lie between this one and the system call. */
static NOINLINE void open_stream(void)
{
	FILE *f = fopen(argument, "r"); /* MARK fopen */
	sink = f != NULL;
}

static void *run_fopen(void *unused)
{
	announce();
	open_stream();
	sink++;
	return unused;
}

/* libc calls back: the location is inside libc's caller and outside its frames. */
static int compare(const void *a, const void *b)
{
	char byte;
	sink = (int)read(STDIN_FILENO, &byte, 1); /* MARK compare */
	return *(const int *)a - *(const int *)b;
}

static void *run_qsort(void *unused)
{
	int list[] = { 3, 1, 2 };
	announce();
	qsort(list, 3, sizeof(list[0]), compare); /* MARK qsort */
	sink = list[0];
	return unused;
}

static inline __attribute__((always_inline)) void inner(struct iovec *io)
{
	sink = (int)readv(STDIN_FILENO, io, 1); /* MARK inner */
}

static inline __attribute__((always_inline)) void middle(struct iovec *io)
{
	sink++;
	inner(io); /* MARK middle */
}

static NOINLINE void *run_inlined(void *unused)
{
	char byte;
	struct iovec io = { .iov_base = &byte, .iov_len = 1 };
	announce();
	middle(&io); /* MARK outer */
	sink++;
	return unused;
}

/* No call at all: the address is that of an instruction, not of a return. */
static NOINLINE void *run_spin(void *unused)
{
	announce();
	for (;;) /* MARK spin */
		sink++;
	return unused;
}

/* A library that comes after the resolver has seen the process. */
static void *run_dlopen(void *unused)
{
	void (*call)(void);
	void *library;
	announce();
	deep(0);
	library = dlopen(argument, RTLD_NOW);
	call = library ? (void (*)(void))dlsym(library, "library_call") : NULL;
	if (call)
		call();
	sink++;
	return unused;
}

/* Another program in the same process. */
static void *run_exec(void *unused)
{
	announce();
	deep(0);
	execl(argument, argument, "deep", (char *)NULL);
	return unused;
}

/* The child runs on this stack until its byte comes. libc keeps the return address in a register meanwhile. */
static NOINLINE void run_child(void)
{
	char byte;
	pid_t child = vfork(); /* MARK vfork */
	if (child == 0)
		_exit(read(STDIN_FILENO, &byte, 1) != 1);
	sink = child > 0;
}

static void *run_vfork(void *unused)
{
	announce();
	run_child();
	sink++;
	return unused;
}

/* The child opens a FIFO before it executes its program. */
static NOINLINE void start_program(void)
{
	char *const argv[] = { "true", NULL };
	posix_spawn_file_actions_t actions;
	pid_t child;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, argument, O_RDONLY, 0);
	sink = posix_spawn(&child, "/bin/true", &actions, NULL, argv, argv + 1); /* MARK posix_spawn */
	posix_spawn_file_actions_destroy(&actions);
}

static void *run_spawn(void *unused)
{
	announce();
	start_program();
	sink++;
	return unused;
}

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

#ifndef PLAIN
static NOINLINE void take_lock(void)
{
	pthread_mutex_lock(&held); /* MARK lock */
	sink++;
}

static void task(void *unused)
{
	deep(0);
	sink++;
	(void)unused;
}

static int spawn_main(void *unused)
{
	sley_task t = sley_spawn(task, unused);
	announce();
	return sley_join(t, SLEY_NEVER);
}

static void locker(void *unused)
{
	take_lock();
	sink++;
	(void)unused;
}

static int lock_main(void *unused)
{
	sley_task t = sley_spawn(locker, unused);
	announce();
	return sley_join(t, SLEY_NEVER);
}

/* Functions whose last act is a call: with -O2 it is a jump, and they leave no frame. */
static struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

static void poll_last(void *arg)
{
	sink += arg != NULL;
	poll(&input, 1, -1); /* MARK last act */
}

static NOINLINE void jump_to_poll(int timeout)
{
	sink++;
	poll(&input, 1, timeout); /* MARK jump to poll */
}

static NOINLINE void jump_elsewhere(int timeout)
{
	sink--;
	poll(&input, 1, timeout);
}

static void jump_on(void *arg)
{
	sink += arg != NULL;
	jump_to_poll(-1); /* MARK jump on */
}

/* Two ways lead from here to poll(). */
static void jump_either(void *arg)
{
	if (arg == NULL)
		jump_to_poll(-1);
	else
		jump_elsewhere(-2);
}

/* The caller of the function that jumps is the service's. */
static void call_and_jump(void *arg)
{
	jump_to_poll(-1); /* MARK no last act */
	sink += arg != NULL;
}

static int poll_once(void *arg)
{
	sink += arg != NULL;
	return poll(&input, 1, -1);
}

static void once_last(void *arg)
{
	static struct sley_once once = SLEY_ONCE_INIT;
	sink++;
	sley_once(&once, poll_once, arg, SLEY_NEVER); /* MARK once */
}

static int jump_main(void *unused)
{
	static void (*const functions[])(void *) = { poll_last, jump_on, jump_either, call_and_jump, once_last };
	sley_task t = sley_spawn(functions[atoi(argument)], unused);
	announce();
	return sley_join(t, SLEY_NEVER);
}

static void *run_main(int (*main)(void *))
{
	struct sley_options options = { .size = sizeof(options), .workers = 1 };
	sley_run(main, NULL, &options, NULL);
	return NULL;
}

/* A task blocks its thread. */
static void *run_sley(void *unused)
{
	(void)unused;
	return run_main(spawn_main);
}

static void *run_jump(void *unused)
{
	(void)unused;
	return run_main(jump_main);
}

/* A task waits for a lock that a thread holds. */
static void *run_lock(void *unused)
{
	(void)unused;
	return run_main(lock_main);
}

/* The runtime itself blocks on behalf of its caller: a dump into a pipe that is full. */
static int dump_main(void *unused)
{
	static const char filler[4096] = { 0 };
	int ends[2];
	if (pipe2(ends, O_NONBLOCK))
		return 1;
	while (write(ends[1], filler, sizeof(filler)) > 0)
		sink++;
	fcntl(ends[1], F_SETFL, 0);
	announce();
	sink = sley_dump(ends[1]); /* MARK dump */
	(void)unused;
	return 0;
}

static void *run_dump(void *unused)
{
	(void)unused;
	return run_main(dump_main);
}
#endif

static const struct chain {
	const char *name;
	void *(*run)(void *);
} chains[] = {
	{ "deep", run_deep },       { "deeper", run_deeper }, { "fopen", run_fopen },   { "qsort", run_qsort },
	{ "inlined", run_inlined }, { "spin", run_spin },     { "dlopen", run_dlopen }, { "exec", run_exec },
	{ "wide", run_wide },       { "vfork", run_vfork },   { "spawn", run_spawn },
#ifndef PLAIN
	{ "sley", run_sley },       { "dump", run_dump },     { "lock", run_lock },     { "jump", run_jump },
#endif
};

int main(int argc, char **argv)
{
	pthread_t thread;
	argument = argc > 2 ? argv[2] : NULL;
	pthread_mutex_lock(&held);
	for (size_t i = 0; argc > 1 && i < sizeof(chains) / sizeof(chains[0]); i++) {
		if (strcmp(chains[i].name, argv[1]))
			continue;
		if (pthread_create(&thread, NULL, chains[i].run, NULL))
			return 1;
		pthread_join(thread, NULL);
		return 0;
	}
	fprintf(stderr, "symbols.planted: unknown chain\n");
	return 2;
}
#endif
