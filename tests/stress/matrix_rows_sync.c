/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Rows of what tasks wait for each other with: mutex, group, condition, locks, semaphore, once, barrier. */
#include "tests/stress/matrix_rows_sync.h"

#include "tests/stress/stress.h"

/* ---- mutex and group ---- */

static struct sley_mutex mutex;
static struct sley_group group;

static void mutex_hold(void)
{
	REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
}

static void mutex_ready(void)
{
	REQUIRE(sley_mutex_unlock(&mutex) == 0);
}

static int mutex_call(sley_time deadline)
{
	int error = sley_mutex_lock(&mutex, deadline);
	if (error == 0)
		REQUIRE(sley_mutex_unlock(&mutex) == 0);
	return error;
}

static void group_more(void)
{
	REQUIRE(sley_group_add(&group, 1) == 0);
}

static void group_ready(void)
{
	REQUIRE(sley_group_done(&group) == 0);
}

static int group_call(sley_time deadline)
{
	return sley_group_wait(&group, deadline);
}

/* ---- the other ways to wait for each other ---- */

static struct sley_mutex state_mutex;
static struct sley_cond cond;
static struct sley_rwlock rwlock;
static struct sley_sem sem;
static bool state; /* protected by state_mutex */

static void cond_ready(void)
{
	REQUIRE(sley_mutex_lock(&state_mutex, SLEY_NEVER) == 0);
	state = true;
	REQUIRE(sley_cond_signal(&cond) == 0);
	REQUIRE(sley_mutex_unlock(&state_mutex) == 0);
}

static int cond_call(sley_time deadline)
{
	int error = 0;
	while (sley_mutex_trylock(&state_mutex) != 0) /* as cancelled tasks do not wait */
		sley_yield();
	while (!state && error == 0)
		error = sley_cond_wait(&cond, &state_mutex, deadline);
	if (error == 0)
		state = false;
	REQUIRE(sley_mutex_unlock(&state_mutex) == 0);
	return error;
}

static void rw_ready(void)
{
	REQUIRE(sley_rwlock_unlock(&rwlock) == 0);
}

static void rdlock_hold(void)
{
	REQUIRE(sley_rwlock_wrlock(&rwlock, SLEY_NEVER) == 0);
}

static void wrlock_hold(void)
{
	REQUIRE(sley_rwlock_rdlock(&rwlock, SLEY_NEVER) == 0);
}

static int rdlock_call(sley_time deadline)
{
	int error = sley_rwlock_rdlock(&rwlock, deadline);
	if (error == 0)
		rw_ready();
	return error;
}

static int wrlock_call(sley_time deadline)
{
	int error = sley_rwlock_wrlock(&rwlock, deadline);
	if (error == 0)
		rw_ready();
	return error;
}

static void sem_ready(void)
{
	REQUIRE(sley_sem_release(&sem, 2) == 0);
}

static int sem_call(sley_time deadline)
{
	return sley_sem_acquire(&sem, 2, deadline);
}

/* Another task runs the function, until it may leave. */
static struct sley_chan *leave;
static struct sley_once once;
static sley_task other_task;

static int run_once(void *arg)
{
	return sley_chan_recv(leave, NULL, SLEY_NEVER);
}

static void once_runner(void *arg)
{
	REQUIRE(sley_once(&once, run_once, NULL, SLEY_NEVER) == 0);
}

static void once_reset(void)
{
	once = (struct sley_once)SLEY_ONCE_INIT;
	other_task = stress_spawn(once_runner, NULL);
	while (load(&stress_record(other_task)->state, relaxed) != SLEY_TASK_WAITING)
		sley_yield();
}

static void once_open(void)
{
	REQUIRE(sley_chan_new(&leave, 0, 1) == 0);
	once_reset();
}

static void once_ready(void)
{
	REQUIRE(sley_chan_send(leave, NULL, SLEY_NEVER) == 0);
	stress_join(other_task);
}

static void once_end(void)
{
	once_ready();
	REQUIRE(sley_chan_free(leave) == 0);
}

static int once_call(sley_time deadline)
{
	return sley_once(&once, run_once, NULL, deadline);
}

static struct sley_barrier barrier = SLEY_BARRIER_INIT(2);

static void meet(void *arg)
{
	REQUIRE(sley_barrier_wait(&barrier, SLEY_NEVER) >= 0);
}

static void barrier_ready(void)
{
	other_task = stress_spawn(meet, NULL);
	for (;;) {
		unsigned now = load(&stress_record(other_task)->state, relaxed);
		if (now == SLEY_TASK_WAITING || now == SLEY_TASK_ENDED)
			return;
		sley_yield();
	}
}

static void barrier_reset(void)
{
	stress_join(other_task);
}

static int barrier_call(sley_time deadline)
{
	int answer = sley_barrier_wait(&barrier, deadline);
	return answer == SLEY_BARRIER_SERIAL ? 0 : answer;
}

static struct sley_event event;

static void event_set(void)
{
	REQUIRE(sley_event_set(&event) == 0);
}

static void event_reset(void)
{
	REQUIRE(sley_event_reset(&event) == 0);
}

static int event_call(sley_time deadline)
{
	return sley_event_wait(&event, deadline);
}

/* ---- timer, and a select over several of these ---- */

static struct sley_timer timer;

static void timer_ready(void)
{
	REQUIRE(sley_timer_start(&timer, sley_now(), 0) >= 0);
}

static int timer_call(sley_time deadline)
{
	return sley_timer_wait(&timer, deadline);
}

static void select_open(void)
{
	REQUIRE(sley_event_reset(&event) == 0);
}

static int select_of(int op, sley_time deadline)
{
	struct sley_case cases[] = {
		{ .event = &event, .op = SLEY_EVENT },
		{ .time = SLEY_NEVER, .op = SLEY_AT },
		{ .event = &event, .op = SLEY_EVENT },
		{ .event = NULL, .op = SLEY_EVENT },
	};
	if (op == SLEY_ACQUIRE)
		cases[1] = (struct sley_case){ .sem = &sem, .op = SLEY_ACQUIRE, .permits = 2 };
	else
		cases[1] = (struct sley_case){ .timer = &timer, .op = SLEY_TIMER };
	return op == SLEY_TIMER ? sley_select(cases, 4, deadline) : sley_select_ordered(cases, 4, deadline);
}

static int select_sem_call(sley_time deadline)
{
	return select_of(SLEY_ACQUIRE, deadline);
}

static int select_timer_call(sley_time deadline)
{
	return select_of(SLEY_TIMER, deadline);
}

const struct matrix_row matrix_rows_sync[] = {
	{ "mutex_lock", SLEY_WAIT_MUTEX, mutex_hold, mutex_ready, mutex_call, mutex_ready, mutex_hold },
	{ "group_wait", SLEY_WAIT_GROUP, group_more, group_ready, group_call, group_ready, group_more },
	{ "cond_wait", SLEY_WAIT_COND, nothing, nothing, cond_call, cond_ready },
	{ "rwlock_rdlock", SLEY_WAIT_RDLOCK, rdlock_hold, rw_ready, rdlock_call, rw_ready, rdlock_hold },
	{ "rwlock_wrlock", SLEY_WAIT_WRLOCK, wrlock_hold, rw_ready, wrlock_call, rw_ready, wrlock_hold },
	{ "sem_acquire", SLEY_WAIT_SEM, nothing, nothing, sem_call, sem_ready },
	{ "once", SLEY_WAIT_ONCE, once_open, once_end, once_call, once_ready, once_reset },
	{ "barrier_wait", SLEY_WAIT_BARRIER, nothing, nothing, barrier_call, barrier_ready, barrier_reset },
	{ "event_wait", SLEY_WAIT_EVENT, event_reset, event_set, event_call, event_set, event_reset },
	{ "timer_wait", SLEY_WAIT_SLEEP, nothing, nothing, timer_call, timer_ready },
	{ "select_ordered, semaphore", SLEY_WAIT_SELECT, select_open, nothing, select_sem_call, sem_ready, .done = 1 },
	{ "select, timer", SLEY_WAIT_SELECT, select_open, nothing, select_timer_call, timer_ready, .done = 1 },
	{ NULL },
};
