/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Every call that takes an object, made by a plain thread, on objects for which tasks wait: while the run ends, and in a
 * forked child.
 */
#include "run/thread.h"

#include "tests/unit/run.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "sync/chan.h"
#include "sync/children.h"
#include "sync/future.h"
#include "tests/race.h"

static void nothing(void *arg)
{
}

static struct {
	struct sley_chan *empty, *full, *other, *closing, *selected;
	struct sley_cond signal, broadcast;
	struct sley_mutex mutex, held, unlocked;
	struct sley_rwlock rwlock, read, written;
	struct sley_sem sem, none;
	struct sley_once once;
	struct sley_group group, busy;
	struct sley_barrier barrier;
	struct sley_event event, unset;
	struct sley_promise *promise;
	struct sley_future *future;
	struct sley_gen *gen;
	struct sley_monitor *monitor;
	struct sley_scope *scope;
	struct sley_child *child;
	sley_task task;
} with;                          /* made anew by each run's main task */
static unsigned called, calling; /* atomic */
static bool forked;

static const struct sley_task_options detached = { .size = sizeof(detached), .detached = 1 };

/* Waits until `word` is set, by all means that a test's thread has. */
static void await_word(unsigned *word)
{
	sley_time deadline = SOON;
	while (!load(word, acquire)) {
		REQUIRE(sley_now() < deadline);
		sched_yield();
	}
}

/* What comes after it is the call. */
static void ready(void)
{
	store(&called, 1, release);
	await_word(&calling);
}

/* Each waits for what the thread's call gives it, when nobody can run any more. */

static void receives(void *chan)
{
	long item;
	sley_chan_recv(chan, &item, SLEY_NEVER);
}

static void sends(void *chan)
{
	long item = 7;
	sley_chan_send(chan, &item, SLEY_NEVER);
}

static void waits_for_signal(void *cond)
{
	static struct sley_mutex mutex;
	REQUIRE(sley_mutex_lock(&mutex, SOON) == 0);
	sley_cond_wait(cond, &mutex, SLEY_NEVER);
}

static void locks(void *mutex)
{
	sley_mutex_lock(mutex, SLEY_NEVER);
}

static void writes(void *rwlock)
{
	sley_rwlock_wrlock(rwlock, SLEY_NEVER);
}

static void acquires(void *sem)
{
	sley_sem_acquire(sem, 1, SLEY_NEVER);
}

static void waits_for_event(void *event)
{
	sley_event_wait(event, SLEY_NEVER);
}

static void waits_for_group(void *group)
{
	sley_group_wait(group, SLEY_NEVER);
}

static void arrives(void *barrier)
{
	sley_barrier_wait(barrier, SLEY_NEVER);
}

static void awaits(void *future)
{
	sley_await(future, NULL, SLEY_NEVER);
}

static void sleeps(void *unused)
{
	sley_sleep(SLEY_NEVER);
}

static int child(void *unused)
{
	return sley_sleep(SLEY_NEVER);
}

static void owns_scope(void *unused)
{
	static const struct sley_child_options options = { .size = sizeof(options), .child = &with.child };
	REQUIRE(sley_scope_open(&with.scope, NULL) == 0);
	REQUIRE(sley_scope_spawn_with(with.scope, &options, child, NULL, SLEY_BY_POINTER) > 0);
	sley_sleep(SLEY_NEVER);
}

static int gives(void *unused)
{
	return sley_gen_yield(&(long){ 1 });
}

static sley_task waits(void (*fn)(void *), void *object)
{
	sley_task task = sley_spawn_with(&detached, fn, object, SLEY_BY_POINTER);
	REQUIRE(task > 0);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_NONE);
	return task;
}

static void make(void)
{
	long item = 1;
	memset(&with, 0, sizeof(with));
	REQUIRE(sley_chan_new(&with.empty, sizeof(item), 0) == 0 && sley_chan_new(&with.full, sizeof(item), 1) == 0);
	REQUIRE(sley_chan_new(&with.other, sizeof(item), 0) == 0 && sley_chan_new(&with.closing, sizeof(item), 0) == 0);
	REQUIRE(sley_chan_new(&with.selected, sizeof(item), 0) == 0);
	REQUIRE(sley_chan_send(with.full, &item, SOON) == 0);
	REQUIRE(sley_rwlock_rdlock(&with.read, SOON) == 0 && sley_mutex_lock(&with.held, SOON) == 0);
	REQUIRE(sley_group_add(&with.group, 1) == 0 && sley_group_add(&with.busy, 1) == 0);
	with.barrier = (struct sley_barrier)SLEY_BARRIER_INIT(2);
	REQUIRE(sley_promise_new(&with.promise, &with.future, sizeof(item)) == 0);
	REQUIRE(sley_gen_new(&with.gen, gives, NULL, SLEY_BY_POINTER, sizeof(item)) == 0);
	REQUIRE(sley_monitor_new(&with.monitor) == 0);
	waits(owns_scope, NULL);
	waits(receives, with.empty), waits(sends, with.full), waits(receives, with.closing);
	waits(receives, with.selected);
	waits(waits_for_signal, &with.signal), waits(waits_for_signal, &with.broadcast);
	waits(writes, &with.read), waits(acquires, &with.sem), waits(waits_for_group, &with.group);
	waits(arrives, &with.barrier), waits(waits_for_event, &with.event), waits(awaits, with.future);
	with.task = waits(sleeps, NULL);
	REQUIRE(sley_monitor_add(with.monitor, with.task) == 0);
}

static void nothing_of(void *block)
{
}

static int async_nothing(void *arg, void *result)
{
	return 0;
}

static int then_nothing(void *arg, int error, const void *value, void *result)
{
	return 0;
}

static int map_nothing(void *arg, const void *value, void *result)
{
	return 0;
}

static int and_then_nothing(void *arg, const void *value, struct sley_future **next)
{
	return -EIO;
}

static int once_nothing(void *unused)
{
	ready();
	return 0;
}

static int64_t no_id(sley_task task)
{
	return task > 0 ? 0 : task;
}

#define CALL(name, expression) \
	static int64_t call_##name(void) \
	{ \
		long item = 3; \
		struct sley_future *future = with.future; \
		(void)item, (void)future; \
		ready(); \
		return expression; \
	}
#define AFTER(name, before, expression) \
	static int64_t call_##name(void) \
	{ \
		if (!forked) \
			before; \
		ready(); \
		return expression; \
	}

CALL(chan_try_send, sley_chan_try_send(with.empty, &item))
CALL(chan_try_recv, sley_chan_try_recv(with.full, &item))
CALL(chan_send, sley_chan_send(with.empty, &item, SLEY_NEVER))
CALL(chan_send_wait, sley_chan_send(with.other, &item, SLEY_NEVER))
CALL(chan_recv, sley_chan_recv(with.full, &item, SLEY_NEVER))
CALL(chan_recv_wait, sley_chan_recv(with.other, &item, SOON))
CALL(chan_close, sley_chan_close(with.closing))
CALL(chan_free, sley_chan_free(with.other))
CALL(chan_free_busy, sley_chan_free(with.closing))
CALL(try_select, sley_try_select((&(struct sley_case){ .chan = with.selected, .op = SLEY_SEND, .from = &item }), 1))
CALL(select_wait, sley_select((&(struct sley_case){ .chan = with.other, .op = SLEY_RECV, .into = &item }), 1, SOON))
CALL(cond_signal, sley_cond_signal(&with.signal))
CALL(cond_broadcast, sley_cond_broadcast(&with.broadcast))
CALL(mutex_trylock, sley_mutex_trylock(&with.mutex))
CALL(mutex_lock, sley_mutex_lock(&with.held, SLEY_NEVER))
AFTER(mutex_unlock, (sley_mutex_trylock(&with.unlocked), waits(locks, &with.unlocked)),
      sley_mutex_unlock(&with.unlocked))
CALL(rwlock_tryrdlock, sley_rwlock_tryrdlock(&with.rwlock))
CALL(rwlock_wrlock, sley_rwlock_wrlock(&with.read, SLEY_NEVER))
CALL(rwlock_unlock, sley_rwlock_unlock(&with.read))
CALL(sem_release, sley_sem_release(&with.sem, 1))
CALL(sem_try_acquire, sley_sem_try_acquire(&with.none, 1))
CALL(sem_acquire, sley_sem_acquire(&with.none, 1, SLEY_NEVER))
CALL(sem_value, sley_sem_value(&with.none))
CALL(group_done, sley_group_done(&with.group))
CALL(group_wait, sley_group_wait(&with.busy, SLEY_NEVER))
CALL(barrier_wait, sley_barrier_wait(&with.barrier, SLEY_NEVER))
CALL(event_set, sley_event_set(&with.event))
CALL(event_reset, sley_event_reset(&with.unset))
CALL(event_wait, sley_event_wait(&with.unset, SLEY_NEVER))
CALL(promise_resolve, sley_promise_resolve(with.promise, &item))
CALL(promise_reject, sley_promise_reject(with.promise, -EIO))
CALL(promise_free, sley_promise_free(with.promise))
CALL(future_cancel, sley_future_cancel(with.future))
CALL(future_free, sley_future_free(with.future))
CALL(future_await, sley_await(with.future, &item, SLEY_NEVER))
CALL(future_then, sley_future_then(&future, with.future, then_nothing, NULL, SLEY_BY_POINTER, 0))
CALL(future_map, sley_future_map(&future, with.future, map_nothing, NULL, SLEY_BY_POINTER, 0))
CALL(future_and_then, sley_future_and_then(&future, with.future, and_then_nothing, NULL, SLEY_BY_POINTER, 0))
CALL(future_all, sley_future_all(&future, &with.future, 1))
CALL(future_timeout, sley_future_timeout(&future, with.future, SLEY_NEVER))
CALL(async, sley_async(&future, async_nothing, NULL, SLEY_BY_POINTER, 0))
CALL(spawn, no_id(sley_spawn(nothing, NULL)))
CALL(cancel, sley_cancel(with.task))
CALL(submit, sley_submit(nothing_of, NULL, 0, SLEY_NEVER))
CALL(gen_next, sley_gen_next(with.gen, &item, SLEY_NEVER))
CALL(gen_free, sley_gen_free(with.gen, SLEY_NEVER))
CALL(monitor_add, sley_monitor_add(with.monitor, with.task))
CALL(monitor_remove, sley_monitor_remove(with.monitor, with.task))
CALL(monitor_free, sley_monitor_free(with.monitor))
CALL(scope_spawn, no_id(sley_scope_spawn(with.scope, child, NULL)))
CALL(scope_cancel, sley_scope_cancel(with.scope))
CALL(child_result, sley_child_result(with.child, &(int){ 0 }, NULL, 0))
CALL(child_task, no_id(sley_child_task(with.child)))

static int64_t call_once(void)
{
	return sley_once(&with.once, once_nothing, NULL, SLEY_NEVER);
}

#define OVER(name) \
	{ \
#name, call_##name, -ENOTCONN \
	}
#define GIVES(name, answer) \
	{ \
#name, call_##name, answer \
	}

static const struct visit {
	const char *name;
	int64_t (*call)(void);
	int64_t answer;
} visits[] = {
	/* clang-format off */
	GIVES(chan_try_send, 0), GIVES(chan_try_recv, 0), GIVES(chan_send, 0), OVER(chan_send_wait),
	GIVES(chan_recv, 0), OVER(chan_recv_wait), GIVES(chan_close, 0), GIVES(chan_free, 0),
	GIVES(chan_free_busy, -EBUSY), GIVES(try_select, 0), OVER(select_wait), GIVES(cond_signal, 0),
	GIVES(cond_broadcast, 0), GIVES(mutex_trylock, 0), OVER(mutex_lock), GIVES(mutex_unlock, 0),
	GIVES(rwlock_tryrdlock, 0), OVER(rwlock_wrlock), GIVES(rwlock_unlock, 0), GIVES(sem_release, 0),
	GIVES(sem_try_acquire, -EAGAIN), OVER(sem_acquire), GIVES(sem_value, 0), GIVES(once, 0), GIVES(group_done, 0),
	OVER(group_wait), GIVES(barrier_wait, SLEY_BARRIER_SERIAL), GIVES(event_set, 0), GIVES(event_reset, 0),
	OVER(event_wait), GIVES(promise_resolve, 0),
	GIVES(promise_reject, 0), GIVES(promise_free, 0), GIVES(future_cancel, 0), GIVES(future_free, 0),
	OVER(future_await), GIVES(future_then, 0), GIVES(future_map, 0), GIVES(future_and_then, 0),
	GIVES(future_all, 0), GIVES(future_timeout, 0), GIVES(async, 0), GIVES(spawn, 0), GIVES(cancel, 0),
	OVER(submit), OVER(gen_next), GIVES(gen_free, 0), GIVES(monitor_add, 0), GIVES(monitor_remove, 0),
	GIVES(monitor_free, 0), GIVES(scope_spawn, 0), GIVES(scope_cancel, 0), GIVES(child_result, -EAGAIN),
	GIVES(child_task, 0),
	/* clang-format on */
};

#if RACE_POINTS

/* ---- stopped in its middle, while the run ends ---- */

static unsigned made, ending, ended; /* atomic */

static int main_with(void *unused)
{
	make();
	store(&made, 1, release);
	while (!load(&ending, acquire))
		sley_yield();
	return 0;
}

static void *run_main(void *main)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2, .max_tasks = 1000 };
	int result;
	REQUIRE(sley_run((int (*)(void *))(uintptr_t)main, NULL, &options, &result) == 0 && result == 0);
	store(&ended, 1, release);
	return NULL;
}

static int64_t answer;

static void *visit(void *v)
{
	answer = ((const struct visit *)v)->call();
	return NULL;
}

static void await_point(const char *call, const char *point)
{
	sley_time deadline = SOON;
	while (!race_reached(point)) {
		if (sley_now() > deadline)
			print_error("%s does not come to %s\n", call, point);
		REQUIRE(sley_now() < deadline);
		sched_yield();
	}
}

/*
 *   a plain thread                       the run
 *   visits: there is a run
 *                                        its main task returns; running = 0
 *   readies who waited                   its memory is there until the thread has left
 */
TEST(visits)
{
	for (size_t i = 0; i < sizeof(visits) / sizeof(*visits); i++) {
		pthread_t runner, visitor;
		made = called = calling = ending = ended = 0;
		REQUIRE(pthread_create(&runner, NULL, run_main, (void *)(uintptr_t)main_with) == 0);
		await_word(&made);
		REQUIRE(pthread_create(&visitor, NULL, visit, (void *)(uintptr_t)&visits[i]) == 0);
		await_word(&called);
		race_stop("thread_visits");
		race_stop("threads_close");
		store(&calling, 1, release);
		await_point(visits[i].name, "thread_visits");
		store(&ending, 1, release);
		await_point(visits[i].name, "threads_close");
		race_go("threads_close");
		for (int yields = 0; yields < 10; yields++)
			sched_yield();
		assert_int_equal(load(&ended, acquire), 0);
		race_go("thread_visits");
		pthread_join(visitor, NULL);
		pthread_join(runner, NULL);
		if (answer != visits[i].answer)
			print_error("%s answers %lld\n", visits[i].name, (long long)answer);
		assert_int_equal(answer, visits[i].answer);
	}
}

#endif

/* ---- in a forked child, every lock of which is held by a thread that is not there ---- */

static void hold(void *lock)
{
	store((unsigned *)lock, 1, relaxed);
}

static void hold_all(void)
{
	struct sley_chan *const chans[] = { with.empty, with.full, with.other, with.closing, with.selected };
	unsigned *const locks[] = { &with.signal.lock,  &with.broadcast.lock, &with.mutex.lock,   &with.held.lock,
				    &with.rwlock.lock,  &with.read.lock,      &with.written.lock, &with.sem.lock,
				    &with.none.lock,    &with.once.lock,      &with.group.lock,   &with.busy.lock,
				    &with.barrier.lock, &with.event.lock,     &with.unset.lock };
	for (size_t i = 0; i < sizeof(chans) / sizeof(*chans); i++)
		hold(&chans[i]->lock);
	for (size_t i = 0; i < sizeof(locks) / sizeof(*locks); i++)
		hold(locks[i]);
	hold(&with.future->lock);
	hold(&with.scope->lock);
	hold(with.gen); /* the lock is the first in it, and in a monitor */
	hold(with.monitor);
}

/* What needs no run. */
static void answers(void)
{
	static struct sley_local key;
	struct sley_stream *stream;
	long item;
	REQUIRE(sley_chan_length(with.full) == 1 && sley_chan_capacity(with.full) == 1);
	REQUIRE(sley_future_ready(with.future) == 0 && sley_future_which(with.future) == -EAGAIN);
	REQUIRE(sley_future_ref(with.future) == with.future && sley_promise_ref(with.promise) == with.promise);
	REQUIRE(sley_gen_ended(with.gen) == 0 && sley_self() == 0 && sley_cancelled() == 0);
	REQUIRE(sley_cancel_mask(1) == -ECHILD && sley_join(with.task, SLEY_NEVER) == -ECHILD);
	REQUIRE(sley_local_get(&key) == NULL && sley_local_set(&key, &item) == -ECHILD);
	REQUIRE(sley_cleanup_push(nothing, NULL) == -ECHILD && sley_cleanup_pop(1) == -ECHILD);
	REQUIRE(sley_deadline() == SLEY_NEVER && sley_sleep(SLEY_NEVER) == -ECHILD);
	REQUIRE(sley_task_link(with.task) == -ECHILD && sley_task_unlink(with.task) == -ECHILD);
	REQUIRE(sley_gen_yield(&item) == -ECHILD);
	REQUIRE(sley_stream_from_chan(&stream, with.full) == 0);
	REQUIRE(sley_stream_next(stream, &item, SLEY_NEVER) == -ECHILD && sley_stream_free(stream, SLEY_NEVER) == 0);
	sley_resolve_free(NULL);
	sley_resolve_flush();
	REQUIRE(sley_resolver_set(NULL, NULL) == -ECHILD);
}

/* Calls it in a child: -ECHILD, or it is freed. */
static void fork_and(const struct visit *v)
{
	int status;
	pid_t pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		alarm(30);
		forked = true;
		calling = 1;
		hold_all();
		int64_t result = v ? v->call() : (answers(), -ECHILD);
		_exit(result == -ECHILD || (result == 0 && strstr(v->name, "free")) ? 0 : 1);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	if (status)
		print_error("%s in a child: status %#x\n", v ? v->name : "what needs no run", status);
	REQUIRE(status == 0);
}

static int main_forks(void *unused)
{
	make();
	for (size_t i = 0; i < sizeof(visits) / sizeof(*visits); i++)
		fork_and(&visits[i]);
	fork_and(NULL);
	return 0;
}

TEST_FIRST(forked)
{
	run(main_forks, 2);
}

#if RACE_POINTS

static void *flush(void *unused)
{
	sley_resolve_flush();
	return NULL;
}

/* The same with the lock of the resolver's cache, which no test can reach. */
TASK_TEST(forked_locked, 2)
{
	pthread_t thread;
	make();
	race_stop("resolve_flush_locked");
	REQUIRE(pthread_create(&thread, NULL, flush, NULL) == 0);
	race_wait("resolve_flush_locked");
	fork_and(NULL);
	race_go("resolve_flush_locked");
	REQUIRE(pthread_join(thread, NULL) == 0);
}

#endif

/* ---- from one run to the next ---- */

static unsigned runs_over; /* atomic */

static void *call_always(void *unused)
{
	static struct sley_mutex mutex;
	static struct sley_sem sem;
	while (!load(&runs_over, acquire)) {
		int error = sley_mutex_trylock(&mutex);
		REQUIRE(error == -ENOTCONN || error == 0);
		REQUIRE(error || (error = sley_mutex_unlock(&mutex)) == 0 || error == -ENOTCONN);
		memset(&mutex, 0, sizeof(mutex));
		error = sley_sem_release(&sem, 1);
		REQUIRE(error == -ENOTCONN || error == 0);
	}
	return NULL;
}

static int main_short(void *arg)
{
	return sley_sleep(sley_in(SLEY_US(100)));
}

/* Whether there is a run is the one question, and nothing else of it is looked at before. */
TEST(between_runs)
{
	pthread_t thread;
	store(&runs_over, 0, relaxed);
	assert_int_equal(pthread_create(&thread, NULL, call_always, NULL), 0);
	for (int i = 0; i < 20; i++)
		run(main_short, 2);
	store(&runs_over, 1, release);
	pthread_join(thread, NULL);
}

#ifdef SLEY_ASAN
/* Objects are left behind in every run, as the calls come while it ends: that is what these tests are about. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif
