/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Cases: locks of the C library, and of the kernel. */
#include "service.h"

#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <threads.h>
#include <unistd.h>

#define TIMES 3

static unsigned word;

static void wake_word(void *unused)
{
	(void)unused;
	__atomic_store_n(&word, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

PLANTED(futex, "futex")
{
	for (int i = 0; i < TIMES; i++) {
		__atomic_store_n(&word, 0, __ATOMIC_RELAXED);
		later(PAUSE_US, wake_word, NULL);
		BLOCK(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));
		while (!__atomic_load_n(&word, __ATOMIC_ACQUIRE))
			__builtin_ia32_pause();
	}
}

/* A lock that another thread holds as its owner, for a while. */
struct held {
	int (*lock)(void *);
	int (*unlock)(void *);
	void *what;
	bool locked;
};

static void hold(void *arg)
{
	struct held *held = arg;
	held->lock(held->what);
	__atomic_store_n(&held->locked, true, __ATOMIC_RELEASE);
	nanosleep(&pause_time, NULL);
	held->unlock(held->what);
}

static void until_held(struct held *held)
{
	__atomic_store_n(&held->locked, false, __ATOMIC_RELAXED);
	later(0, hold, held);
	while (!__atomic_load_n(&held->locked, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}

#define HOLDER(name, type) \
	static int name(void *what) \
	{ \
		return pthread_##name((type *)what); \
	}
HOLDER(mutex_lock, pthread_mutex_t)
HOLDER(mutex_unlock, pthread_mutex_t)
HOLDER(rwlock_rdlock, pthread_rwlock_t)
HOLDER(rwlock_wrlock, pthread_rwlock_t)
HOLDER(rwlock_unlock, pthread_rwlock_t)

PLANTED(mutex, "futex")
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	static struct held held = { mutex_lock, mutex_unlock, &mutex, false };
	for (int i = 0; i < TIMES; i++) {
		until_held(&held);
		BLOCK(pthread_mutex_lock(&mutex));
		pthread_mutex_unlock(&mutex);
	}
}

PLANTED(pi_mutex, "futex")
{
	static pthread_mutex_t mutex;
	static struct held held = { mutex_lock, mutex_unlock, &mutex, false };
	pthread_mutexattr_t attr;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&mutex, &attr);
	for (int i = 0; i < TIMES; i++) {
		until_held(&held);
		BLOCK(pthread_mutex_lock(&mutex));
		pthread_mutex_unlock(&mutex);
	}
}

PLANTED(mutex_timed, "futex")
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_lock(&mutex);
	for (int i = 0; i < TIMES; i++) {
		int64_t at = sley_now() + PAUSE_US * 1000L;
		struct timespec until = { at / 1000000000, at % 1000000000 };
		BLOCK(pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &until));
	}
	pthread_mutex_unlock(&mutex);
}

static mtx_t c11_mutex;

static int c11_lock(void *mutex)
{
	return mtx_lock(mutex);
}

static int c11_unlock(void *mutex)
{
	return mtx_unlock(mutex);
}

PLANTED(mtx, "futex")
{
	static struct held held = { c11_lock, c11_unlock, &c11_mutex, false };
	mtx_init(&c11_mutex, mtx_plain);
	for (int i = 0; i < TIMES; i++) {
		until_held(&held);
		BLOCK(mtx_lock(&c11_mutex));
		mtx_unlock(&c11_mutex);
	}
}

PLANTED(rwlock_read, "futex")
{
	static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
	static struct held held = { rwlock_wrlock, rwlock_unlock, &lock, false };
	for (int i = 0; i < TIMES; i++) {
		until_held(&held);
		BLOCK(pthread_rwlock_rdlock(&lock));
		pthread_rwlock_unlock(&lock);
	}
}

PLANTED(rwlock_write, "futex")
{
	static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
	static struct held held = { rwlock_rdlock, rwlock_unlock, &lock, false };
	for (int i = 0; i < TIMES; i++) {
		until_held(&held);
		BLOCK(pthread_rwlock_wrlock(&lock));
		pthread_rwlock_unlock(&lock);
	}
}

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool set;
} condition = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false };

static void set_condition(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&condition.mutex);
	condition.set = true;
	pthread_mutex_unlock(&condition.mutex);
	pthread_cond_signal(&condition.changed);
}

PLANTED(condvar, "futex", .many = true)
{
	for (int i = 0; i < TIMES; i++) {
		pthread_mutex_lock(&condition.mutex);
		later(PAUSE_US, set_condition, NULL);
		while (!condition.set)
			BLOCK(pthread_cond_wait(&condition.changed, &condition.mutex));
		condition.set = false;
		pthread_mutex_unlock(&condition.mutex);
	}
}

static void post(void *sem)
{
	sem_post(sem);
}

PLANTED(semaphore, "futex")
{
	static sem_t sem;
	sem_init(&sem, 0, 0);
	for (int i = 0; i < TIMES; i++) {
		later(PAUSE_US, post, &sem);
		BLOCK(sem_wait(&sem));
	}
}

static void arrive(void *barrier)
{
	pthread_barrier_wait(barrier);
}

PLANTED(barrier, "futex")
{
	static pthread_barrier_t barrier;
	pthread_barrier_init(&barrier, NULL, 2);
	for (int i = 0; i < TIMES; i++) {
		later(PAUSE_US, arrive, &barrier);
		BLOCK(pthread_barrier_wait(&barrier));
	}
}

static void *rest(void *unused)
{
	(void)unused;
	nanosleep(&pause_time, NULL);
	return NULL;
}

static pthread_t to_join;

static void start_rest(void *unused)
{
	(void)unused;
	if (pthread_create(&to_join, NULL, rest, NULL))
		__builtin_trap();
}

PLANTED(thread_join, "futex")
{
	for (int i = 0; i < TIMES; i++) {
		on_thread(start_rest, NULL);
		BLOCK(pthread_join(to_join, NULL));
	}
}

/* ---- the kernel's ---- */

struct message {
	long type;
	char text[8];
};

static void send_message(void *queue)
{
	const struct message m = { 1, "x" };
	if (msgsnd((int)(intptr_t)queue, &m, 1, 0))
		__builtin_trap();
}

PLANTED(msgrcv_, "msgrcv")
{
	int queue = msgget(IPC_PRIVATE, 0600);
	struct message m;
	if (queue < 0) {
		not_here("no message queues");
		return;
	}
	for (int i = 0; i < TIMES; i++) {
		later(PAUSE_US, send_message, (void *)(intptr_t)queue);
		BLOCK(msgrcv(queue, &m, sizeof(m.text), 0, 0));
	}
	msgctl(queue, IPC_RMID, NULL);
}

static void raise_semaphore(void *set)
{
	struct sembuf up = { 0, 1, 0 };
	semop((int)(intptr_t)set, &up, 1);
}

PLANTED(semop_, "semop|semtimedop")
{
	int set = semget(IPC_PRIVATE, 1, 0600);
	struct sembuf down = { 0, -1, 0 };
	if (set < 0) {
		not_here("no semaphores");
		return;
	}
	for (int i = 0; i < TIMES; i++) {
		later(PAUSE_US, raise_semaphore, (void *)(intptr_t)set);
		BLOCK(semop(set, &down, 1));
	}
	semctl(set, 0, IPC_RMID);
}

PLANTED(semtimedop_, "semtimedop")
{
	int set = semget(IPC_PRIVATE, 1, 0600);
	struct sembuf down = { 0, -1, 0 };
	if (set < 0) {
		not_here("no semaphores");
		return;
	}
	for (int i = 0; i < TIMES; i++)
		BLOCK(semtimedop(set, &down, 1, &pause_time));
	semctl(set, 0, IPC_RMID);
}
