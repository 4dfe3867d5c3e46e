/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Tasks that hold locks of libc while they wait, and some that do not: for held.c. Linked with the debug library. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <time.h>

#include <sley.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, other = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t recursive, robust;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static mtx_t mtx;
static uint64_t guard; /* of a C++ static */
static const char *how;

/* What a C++ compiler calls around the initialiser of a static variable of a function; in the debug library. */
int __cxa_guard_acquire(uint64_t *guard);
void __cxa_guard_release(uint64_t *guard);
void __cxa_guard_abort(uint64_t *guard);

static void must(int result)
{
	if (result != 0) {
		fprintf(stderr, "a call failed: %d\n", result);
		exit(1);
	}
}

static void wait_a_little(void)
{
	must(sley_sleep(sley_in(SLEY_US(100)))); /* the wait */
}

static struct timespec soon(clockid_t clock)
{
	struct timespec time;
	clock_gettime(clock, &time);
	time.tv_sec += 10;
	return time;
}

/* Locks in the way wanted, waits, and unlocks. */
static void hold(void *arg)
{
	struct timespec real = soon(CLOCK_REALTIME), monotonic = soon(CLOCK_MONOTONIC);
	void *held = &mutex;
	if (strcmp(how, "lock") == 0) {
		must(pthread_mutex_lock(&mutex)); /* the lock */
	} else if (strcmp(how, "trylock") == 0) {
		must(pthread_mutex_trylock(&mutex));
	} else if (strcmp(how, "timedlock") == 0) {
		must(pthread_mutex_timedlock(&mutex, &real));
	} else if (strcmp(how, "clocklock") == 0) {
		must(pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &monotonic));
	} else if (strcmp(how, "rdlock") == 0) {
		must(pthread_rwlock_rdlock(held = &rwlock));
	} else if (strcmp(how, "wrlock") == 0) {
		must(pthread_rwlock_wrlock(held = &rwlock));
	} else if (strcmp(how, "tryrdlock") == 0) {
		must(pthread_rwlock_tryrdlock(held = &rwlock));
	} else if (strcmp(how, "trywrlock") == 0) {
		must(pthread_rwlock_trywrlock(held = &rwlock));
	} else if (strcmp(how, "timedrdlock") == 0) {
		must(pthread_rwlock_timedrdlock(held = &rwlock, &real));
	} else if (strcmp(how, "timedwrlock") == 0) {
		must(pthread_rwlock_timedwrlock(held = &rwlock, &real));
	} else if (strcmp(how, "clockrdlock") == 0) {
		must(pthread_rwlock_clockrdlock(held = &rwlock, CLOCK_MONOTONIC, &monotonic));
	} else if (strcmp(how, "clockwrlock") == 0) {
		must(pthread_rwlock_clockwrlock(held = &rwlock, CLOCK_MONOTONIC, &monotonic));
	} else if (strcmp(how, "spin") == 0) {
		must(pthread_spin_lock(&spin));
		held = (void *)&spin;
	} else if (strcmp(how, "spin-try") == 0) {
		must(pthread_spin_trylock(&spin));
		held = (void *)&spin;
	} else if (strcmp(how, "mtx") == 0) {
		must(mtx_lock(held = &mtx));
	} else if (strcmp(how, "mtx-try") == 0) {
		must(mtx_trylock(held = &mtx));
	} else if (strcmp(how, "mtx-timed") == 0) {
		must(mtx_timedlock(held = &mtx, &real));
	} else if (strcmp(how, "static") == 0) {
		must(__cxa_guard_acquire(held = &guard) != 1);
	} else if (strcmp(how, "recursive") == 0) {
		must(pthread_mutex_lock(held = &recursive));
		must(pthread_mutex_lock(&recursive));
		must(pthread_mutex_unlock(&recursive)); /* one is left */
	} else if (strcmp(how, "second") == 0) {
		must(pthread_mutex_lock(&mutex));
		must(pthread_mutex_lock(held = &other));
		must(pthread_mutex_unlock(&mutex)); /* not in the order of a stack */
	}
	printf("task %lld holds %p\n", (long long)sley_self(), held);
	fflush(stdout);
	wait_a_little();
	wait_a_little(); /* nothing more is said */
	if (held == &mutex)
		must(pthread_mutex_unlock(&mutex));
	else if (held == &other)
		must(pthread_mutex_unlock(&other));
	else if (held == &recursive)
		must(pthread_mutex_unlock(&recursive));
	else if (held == &rwlock)
		must(pthread_rwlock_unlock(&rwlock));
	else if (held == (void *)&spin)
		must(pthread_spin_unlock(&spin));
	else if (held == &guard)
		__cxa_guard_abort(&guard);
	else
		must(mtx_unlock(&mtx));
}

static void yield_with_it(void *arg)
{
	must(pthread_mutex_lock(&mutex));
	printf("task %lld holds %p\n", (long long)sley_self(), (void *)&mutex);
	fflush(stdout);
	sley_yield();
	must(pthread_mutex_unlock(&mutex));
}

static void end_with_it(void *arg)
{
	must(pthread_mutex_lock(&mutex));
	printf("task %lld holds %p\n", (long long)sley_self(), (void *)&mutex);
	fflush(stdout);
}

static void *die_with_it(void *arg)
{
	must(pthread_mutex_lock(&robust));
	return NULL;
}

static void inherit(void *arg)
{
	pthread_t thread;
	must(pthread_create(&thread, NULL, die_with_it, NULL));
	must(pthread_join(thread, NULL));
	int error = pthread_mutex_lock(&robust);
	printf("task %lld holds %p\n", (long long)sley_self(), (void *)&robust);
	fflush(stdout);
	must(error == EOWNERDEAD ? pthread_mutex_consistent(&robust) : 1);
	wait_a_little();
	must(pthread_mutex_unlock(&robust));
}

/* The initialiser ends by an exception, and then as it should. */
static void initialise(void)
{
	uint64_t fresh = 0;
	must(__cxa_guard_acquire(&fresh) != 1);
	__cxa_guard_abort(&fresh);
	must(__cxa_guard_acquire(&fresh) != 1);
	__cxa_guard_release(&fresh);
	must(__cxa_guard_acquire(&fresh));
}

/* Locks, failures and a condition, and nothing held at any wait. */
static void behave(void *arg)
{
	struct timespec past = { 0 };
	for (int i = 0; i < 20; i++) {
		must(pthread_mutex_lock(&mutex));
		must(pthread_mutex_trylock(&mutex) == EBUSY ? 0 : 1);
		must(pthread_cond_timedwait(&cond, &mutex, &past) == ETIMEDOUT ? 0 : 1);
		must(pthread_rwlock_rdlock(&rwlock));
		must(pthread_rwlock_rdlock(&rwlock));
		must(pthread_rwlock_unlock(&rwlock));
		must(pthread_rwlock_unlock(&rwlock));
		must(pthread_mutex_unlock(&mutex));
		initialise();
		wait_a_little();
	}
}

static void *lock_elsewhere(void *stop)
{
	while (!__atomic_load_n((int *)stop, __ATOMIC_ACQUIRE)) {
		must(pthread_mutex_lock(&other));
		must(pthread_mutex_unlock(&other));
	}
	initialise();
	must(pthread_mutex_lock(&other)); /* for good: a thread may */
	return NULL;
}

static void run_task(sley_task task)
{
	must(task > 0 ? sley_join(task, SLEY_NEVER) : 1);
}

static int service(void *arg)
{
	if (strcmp(how, "yield") == 0) {
		run_task(sley_spawn(yield_with_it, NULL));
	} else if (strcmp(how, "end") == 0) {
		run_task(sley_spawn(end_with_it, NULL));
	} else if (strcmp(how, "robust") == 0) {
		run_task(sley_spawn(inherit, NULL));
	} else if (strcmp(how, "legal") == 0) {
		pthread_t thread;
		int stop = 0;
		must(pthread_create(&thread, NULL, lock_elsewhere, &stop));
		for (int i = 0; i < 10; i++)
			run_task(sley_spawn(behave, NULL));
		__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
		pthread_join(thread, NULL);
	} else {
		for (int i = 0; i < 3; i++)
			run_task(sley_spawn(hold, NULL)); /* the spawn */
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct sley_options options = { .size = sizeof(options), .workers = 1 };
	pthread_mutexattr_t attributes;
	how = argc > 1 ? argv[1] : "lock";
	must(pthread_mutexattr_init(&attributes));
	must(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE));
	must(pthread_mutex_init(&recursive, &attributes));
	must(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST));
	must(pthread_mutex_init(&robust, &attributes));
	must(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE));
	must(mtx_init(&mtx, mtx_timed));
	must(pthread_mutex_lock(&mutex)); /* before the run, by no task */
	must(pthread_mutex_unlock(&mutex));
	return sley_run(service, NULL, &options, NULL);
}
