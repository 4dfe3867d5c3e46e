/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A service that is built with -fsanitize=address and linked with the ordinary libsley (tests/check/asan_test.sh): one
 * that gives nothing to report, whatever its tasks do; or one with a mistake in a task. With -DPLUGIN it is loaded by a
 * program that knows nothing of sley, and libsley.so with it.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sanitizer/lsan_interface.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sley.h>

#define TASKS 300
#define TURNS 20

#define NOINLINE __attribute__((noinline))
#define CHECK(x) ((x) ? (void)0 : (fprintf(stderr, "line %d: %s\n", __LINE__, #x), abort()))

static struct sley_chan *turns; /* of ints */
static volatile int sink;
static unsigned migrations; /* atomic: turns on another thread than the one before */

/* Not inlined: its thread may change. */
NOINLINE static pthread_t here(void)
{
	__asm__ volatile("" ::: "memory");
	return pthread_self();
}

/* ---- nothing to report ---- */

/* Frames of many sizes with red zones, whole after each wait. */
NOINLINE static int deep(unsigned depth, unsigned turn)
{
	char bytes[100], other[7];
	int item = (int)turn;
	memset(bytes, (int)(depth + turn), sizeof(bytes));
	memset(other, (int)turn, sizeof(other));
	if (depth > 0) {
		sink = deep(depth - 1, turn);
	} else if (turn % 4 == 0) {
		CHECK(sley_chan_send(turns, &item, SLEY_NEVER) == 0);
	} else if (turn % 4 == 1) {
		CHECK(sley_chan_recv(turns, &item, SLEY_NEVER) == 0);
	} else if (turn % 4 == 2) {
		CHECK(sley_sleep(sley_in(SLEY_US(100))) == 0);
	} else {
		sley_yield();
	}
	for (unsigned i = 0; i < sizeof(bytes); i++)
		CHECK(bytes[i] == (char)(depth + turn));
	return other[depth % 7];
}

static void many_turns(void *arg)
{
	pthread_t thread = here();
	jmp_buf out;
	for (unsigned turn = 0; turn < TURNS; turn++) {
		deep((unsigned)(intptr_t)arg % 9, turn);
		if (setjmp(out) == 0) { /* the sanitizer looks at the stack's bounds then */
			deep(2, 3);
			longjmp(out, 1);
		}
		if (here() != thread)
			__atomic_fetch_add(&migrations, 1, __ATOMIC_RELAXED);
		thread = here();
	}
}

/* It ends where it was cancelled, in a deep frame that never returns to its end. */
static void until_cancelled(void *arg)
{
	char bytes[64];
	memset(bytes, 1, sizeof(bytes));
	CHECK(sley_sleep(SLEY_NEVER) == -ECANCELED);
	sink = bytes[(intptr_t)arg % 64];
}

static int count_up(void *arg)
{
	char bytes[50];
	for (int i = 0; i < 20; i++) {
		memset(bytes, i, sizeof(bytes));
		CHECK(sley_gen_yield(&i) == 0);
		CHECK(bytes[49] == i);
	}
	return 0;
}

static void generate(void *arg)
{
	struct sley_gen *gen;
	int item, n = 0;
	CHECK(sley_gen_new(&gen, count_up, NULL, 0, sizeof(int)) == 0);
	while (sley_gen_next(gen, &item, SLEY_NEVER) == 0)
		CHECK(item == n++);
	CHECK(n == 20 && sley_gen_free(gen, SLEY_NEVER) == 0);
}

static void offloaded(void *block)
{
	char bytes[64];
	memset(bytes, *(int *)block, sizeof(bytes));
	*(int *)block += bytes[63];
}

/* A plain thread waits on a stack of its own. */
static void *plain_thread(void *arg)
{
	int item[4] = { 1, 2, 3, 4 };
	CHECK(sley_chan_send(arg, &item[3], SLEY_NEVER) == 0);
	return NULL;
}

static void with_thread(void)
{
	struct sley_chan *chan;
	pthread_t thread;
	int item = 0;
	CHECK(sley_chan_new(&chan, sizeof(int), 0) == 0);
	CHECK(pthread_create(&thread, NULL, plain_thread, chan) == 0);
	CHECK(sley_chan_recv(chan, &item, SLEY_NEVER) == 0 && item == 4);
	pthread_join(thread, NULL);
	sley_chan_free(chan);
}

static int main_clean(void *arg)
{
	static const struct sley_task_options private = { .size = sizeof(private), .private_stack = 1 };
	sley_task tasks[TASKS], cancelled[20], generators[5];
	int block = 7;
	CHECK(sley_chan_new(&turns, sizeof(int), TASKS) == 0);
	for (int i = 0; i < TASKS; i++)
		CHECK((tasks[i] = i % 10 ? sley_spawn(many_turns, (void *)(intptr_t)i)
					 : sley_spawn_with(&private, many_turns, (void *)(intptr_t)i,
							   SLEY_BY_POINTER)) > 0);
	for (int i = 0; i < 20; i++)
		CHECK((cancelled[i] = sley_spawn(until_cancelled, (void *)(intptr_t)i)) > 0);
	for (int i = 0; i < 5; i++)
		CHECK((generators[i] = sley_spawn(generate, NULL)) > 0);
	with_thread();
	CHECK(sley_offload(offloaded, &block, sizeof(block), SLEY_NEVER) == 0 && block == 14);
	for (int i = 0; i < TASKS; i++)
		CHECK(sley_join(tasks[i], SLEY_NEVER) == 0);
	for (int i = 0; i < 20; i++)
		CHECK(sley_cancel(cancelled[i]) == 0 && sley_join(cancelled[i], SLEY_NEVER) == 0);
	for (int i = 0; i < 5; i++)
		CHECK(sley_join(generators[i], SLEY_NEVER) == 0);
	sley_chan_free(turns);
	return 0;
}

/* ---- runs that leave tasks behind: the next one finds their addresses without their red zones ---- */

static void abandoned(void *arg)
{
	deep(8, 2);
	sley_sleep(SLEY_NEVER);
	deep(8, 2);
}

static int main_abandon(void *arg)
{
	for (int i = 0; i < 50; i++)
		CHECK(sley_go(abandoned, NULL) == 0);
	return sley_sleep(sley_in(SLEY_MS(1)));
}

/* ---- pointers that only parked tasks have ---- */

static char *give(void)
{
	return strdup("kept by a task");
}

static void keep(void *arg)
{
	char *volatile mine = give();

	CHECK(sley_chan_send(turns, &(int){ 0 }, SLEY_NEVER) == 0);
	CHECK(sley_sleep(SLEY_NEVER) == -ECANCELED);
	free(mine);
}

static void keep_in_use(sley_task *tasks, int n)
{
	int item;
	CHECK(sley_chan_new(&turns, sizeof(int), 0) == 0);
	for (int i = 0; i < n; i++)
		CHECK((tasks[i] = sley_spawn(keep, NULL)) > 0);
	for (int i = 0; i < n; i++)
		CHECK(sley_chan_recv(turns, &item, SLEY_NEVER) == 0);
}

static int main_keep(void *arg)
{
	sley_task tasks[100];
	char *volatile own = give();

	keep_in_use(tasks, 100);
	CHECK(__lsan_do_recoverable_leak_check() == 0);
	if (arg) /* the checker looks when the program ends, and finds what the caller of sley_run() has, too */
		exit(0);
	for (int i = 0; i < 100; i++)
		CHECK(sley_cancel(tasks[i]) == 0 && sley_join(tasks[i], SLEY_NEVER) == 0);
	sley_chan_free(turns);
	free(own);
	return 0;
}

NOINLINE static void lose(void)
{
	char *volatile lost = give(); /* the lost block */

	lost = NULL;
	sink = lost == NULL;
}

static int main_lose(void *arg)
{
	lose();
	sley_yield();
	return 0;
}

/* ---- mistakes ---- */

NOINLINE static void write_beyond(unsigned n)
{
	volatile char buffer[16];
	sley_yield();
	for (unsigned i = 0; i < n; i++)
		buffer[i] = 1; /* the overflow */
	sink = buffer[3];
}

static void overflow(void *arg)
{
	write_beyond(17);
}

NOINLINE static char *returned(void)
{
	char buffer[16];
	char *volatile place = buffer;

	memset(buffer, 0, sizeof(buffer));
	sley_yield();
	return place;
}

static void use_after_return(void *arg)
{
	char *place = returned();
	sley_yield();
	sink = place[3]; /* the use after return */
}

/* Of a pipe, a socket or a file, by calls of each kind: the kernel writes 17 bytes where there are 16. */
NOINLINE static void transfer_beyond(void *arg)
{
	static const char all[32];
	char buffer[16];
	struct iovec v = { buffer, 17 };
	struct msghdr message = { .msg_iov = &v, .msg_iovlen = 1 };
	int pipe[2], socket[2], fd = sley_open("/dev/zero", O_RDWR, 0, SLEY_NEVER);
	CHECK(sley_pipe(pipe) == 0 && sley_socketpair(SOCK_STREAM, socket) == 0 && fd >= 0);
	CHECK(sley_write(pipe[1], all, 32, SLEY_NEVER) == 32 && sley_write(socket[1], all, 32, SLEY_NEVER) == 32);
	switch ((int)(intptr_t)arg) {
	case 0:
		sink = (int)sley_read(pipe[0], buffer, 17, SLEY_NEVER);
		break;
	case 1:
		sink = (int)sley_readv(pipe[0], &v, 1, SLEY_NEVER);
		break;
	case 2:
		sink = (int)sley_read_full(socket[0], buffer, 17, SLEY_NEVER);
		break;
	case 3:
		sink = (int)sley_recv(socket[0], buffer, 17, 0, SLEY_NEVER);
		break;
	case 4:
		sink = (int)sley_recvmsg(socket[0], &message, 0, SLEY_NEVER);
		break;
	case 5:
		sink = (int)sley_write(pipe[1], buffer, 17, SLEY_NEVER);
		break;
	case 6:
		sink = (int)sley_send(socket[1], buffer, 17, 0, SLEY_NEVER);
		break;
	case 7:
		sink = (int)sley_pread(fd, buffer, 17, 0, SLEY_NEVER);
		break;
	default:
		sink = (int)sley_writev(socket[1], &v, 1, SLEY_NEVER);
		break;
	}
	CHECK(sink == 17); /* nothing was reported */
}

static int main_transfer(void *call)
{
	sley_task task = sley_spawn(transfer_beyond, call);
	return sley_join(task, SLEY_NEVER);
}

static int main_beside(void *task)
{
	sley_task tasks[4];
	for (int i = 0; i < 3; i++)
		CHECK((tasks[i] = sley_spawn(abandoned, NULL)) > 0);
	CHECK((tasks[3] = sley_spawn((void (*)(void *))(uintptr_t)task, NULL)) > 0);
	return sley_join(tasks[3], SLEY_NEVER);
}

/* ---- a forked child ---- */

static void fork_here(void *arg)
{
	char bytes[64];
	int status;
	memset(bytes, 1, sizeof(bytes));
	pid_t child = fork();
	if (child == 0) {
		jmp_buf out;
		if (setjmp(out) == 0)
			longjmp(out, 1);
		arg ? exit(bytes[3]) : _exit(bytes[3]);
	}
	CHECK(child > 0);
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

static int main_fork(void *arg)
{
	sley_task tasks[2];
	sley_yield();
	for (int i = 0; i < 2; i++) {
		tasks[i] = sley_spawn(fork_here, i ? &migrations : NULL);
		CHECK(sley_join(tasks[i], SLEY_NEVER) == 0);
	}
	return 0;
}

static int service(const char *how)
{
	static const struct {
		const char *name;
		int (*main)(void *);
		void *arg;
	} all[] = {
		{ "clean", main_clean, NULL },
		{ "keep", main_keep, NULL },
		{ "exit", main_keep, &turns },
		{ "lose", main_lose, NULL },
		{ "overflow", main_beside, (void *)overflow },
		{ "read", main_transfer, (void *)0 },
		{ "readv", main_transfer, (void *)1 },
		{ "read_full", main_transfer, (void *)2 },
		{ "recv", main_transfer, (void *)3 },
		{ "recvmsg", main_transfer, (void *)4 },
		{ "write", main_transfer, (void *)5 },
		{ "send", main_transfer, (void *)6 },
		{ "pread", main_transfer, (void *)7 },
		{ "writev", main_transfer, (void *)8 },
		{ "use_after_return", main_beside, (void *)use_after_return },
		{ "fork", main_fork, NULL },
	};
	char *volatile callers = give();
	int result = -1, runs = 0;

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(how, all[i].name) == 0)
			CHECK(sley_run(all[i].main, all[i].arg, NULL, &result) == 0 && ++runs);
	if (strcmp(how, "abandon") == 0) {
		for (runs = 0; runs < 3; runs++)
			CHECK(sley_run(main_abandon, NULL, NULL, &result) == 0);
		CHECK(sley_run(main_clean, NULL, NULL, &result) == 0);
	}
	CHECK(runs > 0 && result == 0);
	printf("%u migrations\n", migrations);
	free(callers);
	return 0;
}

#ifdef PLUGIN
int plugin(const char *how)
{
	return service(how);
}
#else
int main(int argc, char **argv)
{
	return service(argc > 1 ? argv[1] : "clean");
}
#endif
