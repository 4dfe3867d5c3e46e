/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What unchanged libraries rely on: their thread, their locks, and who waits at all. */
#include "tests/test.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <threads.h>
#include <unistd.h>

#include <sley.h>
#undef errno
#define errno (*__errno_location())

static int fds[2];

static void run(int (*main)(void *), unsigned workers)
{
	struct sley_options options = { .size = sizeof(options), .workers = workers };
	int result = -1;
	assert_int_equal(sley_run(main, NULL, &options, &result), 0);
	assert_int_equal(result, 0);
}

/* ---- the thread ---- */

#define PAIRS  40
#define ROUNDS 200

static __thread unsigned calls; /* as a library's thread-local */

static void answers(void *fd)
{
	char byte;
	while (read(*(int *)fd, &byte, 1) == 1)
		REQUIRE(write(*(int *)fd, &byte, 1) == 1);
	close(*(int *)fd);
}

static void asks(void *unused)
{
	int ends[2];
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	sley_task other = sley_spawn_copy(answers, &ends[1], sizeof(ends[1]));
	REQUIRE(other > 0);
	for (int i = 0; i < ROUNDS; i++) {
		char byte = (char)i;
		unsigned *place = &calls;
		pid_t thread = gettid();
		REQUIRE(write(ends[0], &byte, 1) == 1);
		REQUIRE(read(ends[0], &byte, 1) == 1 && byte == (char)i);
		REQUIRE(gettid() == thread && &calls == place);
		sley_yield(); /* from here on it may move */
	}
	REQUIRE(close(ends[0]) == 0 && sley_join(other, SLEY_NEVER) == 0);
}

static int main_same_thread(void *unused)
{
	sley_task tasks[PAIRS];
	for (int i = 0; i < PAIRS; i++)
		REQUIRE((tasks[i] = sley_spawn(asks, NULL)) > 0);
	for (int i = 0; i < PAIRS; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	return 0;
}

/* A task continues on the thread on which it waited, while others take what is ready from any thread. */
TEST(same_thread)
{
	run(main_same_thread, 4);
}

/* ---- locks ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static mtx_t c11;
static pid_t reader, writer;

static void lets_go(void *unused)
{
	writer = gettid();
	REQUIRE(write(fds[1], "x", 1) == 1);
}

/* Reads a byte that another task writes, which is on another thread if this call blocks its own. */
static void read_byte(bool blocks)
{
	char byte;
	reader = gettid();
	sley_task task = sley_spawn(lets_go, NULL);
	REQUIRE(task > 0);
	REQUIRE(read(fds[0], &byte, 1) == 1 && gettid() == reader);
	REQUIRE(!blocks || writer != reader); /* a spare that is still there may run it at any time */
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
}

static void read_in_once(void)
{
	read_byte(true);
}

static int main_locks(void *unused)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	static once_flag flag = ONCE_FLAG_INIT;
	REQUIRE(sley_pin(1) == 0); /* it joins tasks with a lock held, which belongs to this thread */
	REQUIRE(pipe(fds) == 0 && pthread_spin_init(&spin, 0) == 0 && mtx_init(&c11, mtx_plain) == thrd_success);
	read_byte(false);
	REQUIRE(pthread_mutex_lock(&mutex) == 0);
	read_byte(true);
	REQUIRE(pthread_mutex_unlock(&mutex) == 0);
	read_byte(false);
	REQUIRE(pthread_mutex_trylock(&mutex) == 0 && pthread_mutex_trylock(&mutex) == EBUSY);
	REQUIRE(pthread_rwlock_rdlock(&rwlock) == 0 && pthread_mutex_unlock(&mutex) == 0);
	read_byte(true); /* of two locks one is held */
	REQUIRE(pthread_rwlock_unlock(&rwlock) == 0);
	read_byte(false);
	REQUIRE(pthread_rwlock_wrlock(&rwlock) == 0);
	read_byte(true);
	REQUIRE(pthread_rwlock_unlock(&rwlock) == 0);
	REQUIRE(pthread_spin_lock(&spin) == 0);
	read_byte(true);
	REQUIRE(pthread_spin_unlock(&spin) == 0);
	REQUIRE(mtx_lock(&c11) == thrd_success);
	read_byte(true);
	REQUIRE(mtx_unlock(&c11) == thrd_success);
	REQUIRE(pthread_once(&once, read_in_once) == 0 && pthread_once(&once, read_in_once) == 0);
	call_once(&flag, read_in_once);
	read_byte(false);
	close(fds[0]);
	close(fds[1]);
	return 0;
}

/* While a task holds a lock of libc its calls block the thread, and a spare runs the others. */
TEST(locks)
{
	setenv("SLEY_ASSIST", "tick", 1);
	run(main_locks, 1);
	unsetenv("SLEY_ASSIST");
}

static int main_unlocked(void *unused)
{
	REQUIRE(pipe(fds) == 0 && pthread_spin_init(&spin, 0) == 0 && mtx_init(&c11, mtx_plain) == thrd_success);
	REQUIRE(pthread_mutex_lock(&mutex) == 0 && pthread_mutex_trylock(&mutex) == EBUSY);
	REQUIRE(pthread_rwlock_rdlock(&rwlock) == 0 && pthread_rwlock_trywrlock(&rwlock) == EBUSY);
	REQUIRE(pthread_spin_lock(&spin) == 0 && pthread_spin_trylock(&spin) == EBUSY);
	REQUIRE(mtx_lock(&c11) == thrd_success && mtx_trylock(&c11) == thrd_busy);
	REQUIRE(pthread_mutex_unlock(&mutex) == 0 && pthread_rwlock_unlock(&rwlock) == 0);
	REQUIRE(pthread_spin_unlock(&spin) == 0 && mtx_unlock(&c11) == thrd_success);
	read_byte(false);
	close(fds[0]);
	close(fds[1]);
	return 0;
}

/* When all locks are released, and some could not be taken, a call waits again: there is no spare that runs the other. */
TEST(unlocked)
{
	setenv("SLEY_ASSIST", "off", 1);
	alarm(60);
	run(main_unlocked, 1);
	alarm(0);
	unsetenv("SLEY_ASSIST");
}

/* ---- who does not wait ---- */

static unsigned done;

static void *plain_reader(void *unused)
{
	char byte;
	REQUIRE(sley_self() == 0);
	REQUIRE(read(fds[0], &byte, 1) == 1);
	__atomic_store_n(&done, 1, __ATOMIC_RELEASE);
	return NULL;
}

static int main_plain(void *unused)
{
	pthread_t thread;
	REQUIRE(pipe(fds) == 0 && pthread_create(&thread, NULL, plain_reader, NULL) == 0);
	usleep(1000);
	REQUIRE(write(fds[1], "x", 1) == 1);
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE))
		usleep(1000);
	REQUIRE(pthread_join(thread, NULL) == 0);
	close(fds[0]);
	close(fds[1]);
	return 0;
}

/* A plain thread of the service blocks as it always did. */
TEST(plain_thread)
{
	run(main_plain, 1);
}

/* ---- what ends a wait ---- */

static int result, error;

static void reads(void *unused)
{
	char byte;
	result = (int)read(fds[0], &byte, 1);
	error = errno;
}

static int main_cancel(void *unused)
{
	REQUIRE(pipe(fds) == 0);
	sley_task task = sley_spawn(reads, NULL);
	REQUIRE(task > 0);
	sley_yield();
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(result == -1 && error == ECANCELED);
	close(fds[0]);
	close(fds[1]);
	return 0;
}

/* A cancellation ends a call with ECANCELED. */
TEST(cancelled)
{
	run(main_cancel, 1);
}

/* ---- fairness ---- */

static void sets(void *unused)
{
	done = 1;
}

static int main_fair(void *unused)
{
	int ends[2];
	char byte = 'x';
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	done = 0;
	REQUIRE(sley_go(sets, NULL) == 0);
	for (int i = 0; !done; i++) {
		REQUIRE(i < 1000);
		REQUIRE(write(ends[0], &byte, 1) == 1 && read(ends[1], &byte, 1) == 1);
	}
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/* Calls in a row that never have to wait let the others run. */
TEST(fairness)
{
	setenv("SLEY_ASSIST", "off", 1);
	run(main_fair, 1);
	unsetenv("SLEY_ASSIST");
}
