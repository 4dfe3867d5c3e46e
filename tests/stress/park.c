/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Parking against waking: tasks that hand work to each other through every object, and workers that fall asleep while
 * work arrives. Nothing here has a deadline, so a wake-up that is lost is a hang, which the watchdog reports.
 */
#include "stress.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- hand-offs ---- */

#define LOCKERS 8

static struct sley_mutex mutex;
static long counter;   /* protected by mutex */
static long locked_by; /* protected by mutex: 0, or the number of who holds it */

static void locker(void *arg)
{
	long me = (long)(intptr_t)arg, n = test_scale(2000);
	for (long i = 0; i < n; i++) {
		REQUIRE(sley_mutex_lock(&mutex, SLEY_NEVER) == 0);
		REQUIRE(locked_by == 0);
		locked_by = me;
		counter++;
		if (i % 16 == 0)
			sley_yield(); /* so that others come to wait */
		REQUIRE(locked_by == me);
		locked_by = 0;
		REQUIRE(sley_mutex_unlock(&mutex) == 0);
	}
	stress_progress();
}

static void mutex_body(void)
{
	sley_task task[LOCKERS];
	counter = 0;
	for (long i = 0; i < LOCKERS; i++)
		task[i] = stress_spawn(locker, (void *)(intptr_t)(i + 1));
	for (int i = 0; i < LOCKERS; i++)
		stress_join(task[i]);
	REQUIRE(counter == LOCKERS * test_scale(2000));
}

/* Proves that a mutex excludes and that none of its hand-overs is lost, with waiters that are on any worker. */
TEST(mutex)
{
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++)
		STRESS_RUN(mutex_body, .workers = workers);
}

#define PAIRS 4

static struct sley_chan *there[PAIRS], *back[PAIRS];

/* Larger than a word, so that it travels in a block. */
struct ball {
	long number, copy, inverse;
};

static void answer(void *arg)
{
	long pair = (long)(intptr_t)arg;
	struct ball ball;
	while (sley_chan_recv(there[pair], &ball, SLEY_NEVER) == 0) {
		ball.inverse = ~ball.number;
		REQUIRE(sley_chan_send(back[pair], &ball, SLEY_NEVER) == 0);
	}
}

static void ask(void *arg)
{
	long pair = (long)(intptr_t)arg, n = test_scale(2000);
	for (long i = 0; i < n; i++) {
		struct ball ball = { i, i, 0 };
		REQUIRE(sley_chan_send(there[pair], &ball, SLEY_NEVER) == 0);
		REQUIRE(sley_chan_recv(back[pair], &ball, SLEY_NEVER) == 0);
		REQUIRE(ball.number == i && ball.copy == i && ball.inverse == ~i);
	}
	REQUIRE(sley_chan_close(there[pair]) == 0);
	stress_progress();
}

static void pairs_body(void)
{
	sley_task task[2 * PAIRS];
	for (long i = 0; i < PAIRS; i++) {
		REQUIRE(sley_chan_new(&there[i], sizeof(struct ball), 0) == 0);
		REQUIRE(sley_chan_new(&back[i], sizeof(struct ball), (size_t)i) == 0);
		task[2 * i] = stress_spawn(ask, (void *)(intptr_t)i);
		task[2 * i + 1] = stress_spawn(answer, (void *)(intptr_t)i);
	}
	for (long i = 0; i < 2 * PAIRS; i++)
		stress_join(task[i]);
	for (long i = 0; i < PAIRS; i++)
		REQUIRE(sley_chan_free(there[i]) == 0 && sley_chan_free(back[i]) == 0);
}

/*
 * Proves that pairs of tasks that wait for each other through channels, buffered and not, never miss a turn or mix
 * items.
 */
TEST(channel_pairs)
{
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++)
		STRESS_RUN(pairs_body, .workers = workers);
}

#define CROWD 20

static struct sley_group crowd;
static struct sley_group gone_on;

static void member(void *arg)
{
	stress_spin((uint32_t)(uintptr_t)arg);
	REQUIRE(sley_group_done(&crowd) == 0);
}

static void crowd_waiter(void *arg)
{
	stress_wait(&crowd);
	REQUIRE(sley_group_done(&gone_on) == 0);
}

static void groups_body(void)
{
	uint32_t seed = 1;
	long rounds = test_scale(400);
	for (long i = 0; i < rounds; i++) {
		REQUIRE(sley_group_add(&crowd, CROWD) == 0);
		REQUIRE(sley_group_add(&gone_on, 3) == 0);
		for (int k = 0; k < 3; k++)
			REQUIRE(sley_go(crowd_waiter, NULL) == 0);
		for (int k = 0; k < CROWD; k++)
			REQUIRE(sley_go(member, (void *)(uintptr_t)(stress_random(&seed) % 200)) == 0);
		stress_wait(&crowd);
		stress_wait(&gone_on);
		stress_progress();
	}
}

/* Proves that all who wait for a group wake when its count comes to zero, however the last ones arrive. */
TEST(groups)
{
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++)
		STRESS_RUN(groups_body, .workers = workers);
}

static void short_life(void *arg)
{
	stress_spin((uint32_t)(uintptr_t)arg);
}

static void joins(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;
	long rounds = test_scale(1000);
	for (long i = 0; i < rounds; i++) {
		sley_task child = stress_spawn(short_life, (void *)(uintptr_t)(stress_random(&seed) % 300));
		stress_spin(stress_random(&seed) % 300);
		stress_join(child);
	}
	stress_progress();
}

static void joins_body(void)
{
	sley_task task[4];
	for (uintptr_t i = 0; i < 4; i++)
		task[i] = stress_spawn(joins, (void *)i);
	for (int i = 0; i < 4; i++)
		stress_join(task[i]);
}

/*
 * Proves that a join and the end that it waits for never miss each other.
 *
 *   joiner                           task that ends
 *   lock; not ended; joiner = me     (its stack is left)
 *   unlock                           lock; ended; claims the joiner; unlock
 *   parks                            readies the joiner, who may still be on its way out
 */
TEST(joins)
{
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++)
		STRESS_RUN(joins_body, .workers = workers);
}

/* ---- woken before it has left its stack ---- */

#define HOT_PAIRS  4
#define HOT_ROUNDS test_scale(2000)

static struct sley_chan *hot[HOT_PAIRS];

/* With a deadline, which never comes: arming its timer makes the way out longer. */
static void hot_sleeper(void *arg)
{
	struct sley_chan *chan = arg;
	long item, last = -1;
	while (sley_chan_recv(chan, &item, sley_in(SLEY_SEC(1000))) == 0) {
		REQUIRE(item == last + 1);
		last = item;
	}
	REQUIRE(last + 1 == HOT_ROUNDS);
}

/*
 * Sends the moment somebody waits (the channel has no buffer, so the call succeeds only then), and gets out of the
 * way.
 */
static void hot_waker(void *arg)
{
	struct sley_chan *chan = arg;
	for (long i = 0; i < HOT_ROUNDS; i++) {
		for (unsigned tries = 1; sley_chan_try_send(chan, &i) != 0; tries++) {
			if (tries % 100 == 0)
				sley_yield();
			cpu_relax();
		}
		sley_yield();
		if (i % 64 == 0)
			stress_progress();
	}
	REQUIRE(sley_chan_close(chan) == 0);
}

static void held_body(void)
{
	sley_task task[2 * HOT_PAIRS];
	for (unsigned i = 0; i < HOT_PAIRS; i++) {
		REQUIRE(sley_chan_new(&hot[i], sizeof(long), 0) == 0);
		task[2 * i] = stress_spawn(hot_sleeper, hot[i]);
		task[2 * i + 1] = stress_spawn(hot_waker, hot[i]);
	}
	for (unsigned i = 0; i < 2 * HOT_PAIRS; i++)
		stress_join(task[i]);
	for (unsigned i = 0; i < HOT_PAIRS; i++)
		REQUIRE(sley_chan_free(hot[i]) == 0);
}

/*
 * Proves that no item is lost or doubled where tasks are woken before they have left their stacks. Every task here has a
 * slot of its own, so a slot that was found held (counter slot_waits) was this race, which tests/unit/run/park.c has for
 * certain.
 *
 *   sleeper, worker 1              waker, worker 2
 *   links its node, unlocks
 *                                  claims it, readies it: run-next
 *                                  yields; the worker takes the sleeper: its slot is held, so it waits there
 *   switches away, lands,
 *   releases: it is handed on
 */
TEST(woken_before_it_has_left)
{
	uint64_t caught = 0;
	for (unsigned workers = 2; workers <= STRESS_WORKERS; workers++) {
		STRESS_RUN(held_body, .workers = workers);
		caught += stress_counted(SLEY_COUNTER_slot_waits);
	}
	print_message("woken before it had left: %llu\n", (unsigned long long)caught);
}

/* ---- idle workers ---- */

static sem_t burst_done;

static void one_of_burst(void *arg)
{
	stress_spin((uint32_t)(uintptr_t)arg);
	REQUIRE(sem_post(&burst_done) == 0);
}

static void bursts_from_thread(unsigned number)
{
	uint32_t seed = number;
	long rounds = test_scale(600);
	for (long i = 0; i < rounds; i++) {
		unsigned n = 1 + stress_random(&seed) % 12;
		if (i % 4 == 0)
			stress_until_idle();
		else
			stress_spin(stress_random(&seed) % 4000); /* about when the workers fall asleep */
		for (unsigned k = 0; k < n; k++)
			REQUIRE(sley_go(one_of_burst, (void *)(uintptr_t)(stress_random(&seed) % 500)) == 0);
		while (n-- > 0)
			REQUIRE(sem_wait(&burst_done) == 0);
		stress_progress();
	}
}

static void thread_bursts_body(void)
{
	stress_threads_start(1, bursts_from_thread);
	stress_threads_join();
}

/*
 * Proves that work from a plain thread finds a worker, asleep, falling asleep or searching.
 *
 *   plain thread                     worker
 *                                    finds nothing
 *   pushes; fence                    joins the idle list; fence
 *   looks at the idle list           looks at the queues
 */
TEST(bursts_from_a_thread)
{
	REQUIRE(sem_init(&burst_done, 0, 0) == 0);
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++)
		STRESS_RUN(thread_bursts_body, .workers = workers);
	sem_destroy(&burst_done);
}

static void inner_member(void *arg)
{
	stress_spin((uint32_t)(uintptr_t)arg);
	REQUIRE(sley_group_done(&crowd) == 0);
}

/* Sleeps, so that all workers do, and then has work for several. */
static void timed_bursts_body(void)
{
	uint32_t seed = 3;
	long rounds = test_scale(400);
	for (long i = 0; i < rounds; i++) {
		unsigned n = 1 + stress_random(&seed) % 12;
		REQUIRE(sley_sleep(sley_in(SLEY_US(stress_random(&seed) % 150))) == 0);
		REQUIRE(sley_group_add(&crowd, n) == 0);
		for (unsigned k = 0; k < n; k++)
			REQUIRE(sley_go(inner_member, (void *)(uintptr_t)(stress_random(&seed) % 500)) == 0);
		stress_wait(&crowd);
		stress_progress();
	}
}

/* Proves that work that a deadline brings about while all workers sleep is done, and by any of them. */
TEST(bursts_from_inside)
{
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++)
		STRESS_RUN(timed_bursts_body, .workers = workers);
}

static void sleeps(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;
	long rounds = test_scale(200);
	for (long i = 0; i < rounds; i++) {
		sley_time until = sley_in(SLEY_US(stress_random(&seed) % 300));
		REQUIRE(sley_sleep(until) == 0);
		REQUIRE(sley_now() >= until);
	}
	stress_progress();
}

static void sleeps_body(void)
{
	sley_task task[10];
	for (uintptr_t i = 0; i < 10; i++)
		task[i] = stress_spawn(sleeps, (void *)i);
	for (int i = 0; i < 10; i++)
		stress_join(task[i]);
}

/*
 * Proves that no deadline is slept through: a worker that arms an earlier one than the poller knows wakes it.
 *
 *   worker 1                          poller
 *   arms a timer                      reads the earliest of all timers
 *   falls asleep: fence               stores until when it will sleep; fence
 *   reads until when the poller does  reads the timers again
 */
TEST(deadlines_while_idle)
{
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++)
		STRESS_RUN(sleeps_body, .workers = workers);
}

/* ---- the poller ---- */

static int ends[2];

static void byte_echo(void *arg)
{
	char c;
	while (sley_read(ends[1], &c, 1, SLEY_NEVER) == 1)
		REQUIRE(sley_write(ends[1], &c, 1, SLEY_NEVER) == 1);
}

static void bytes_from_thread(unsigned number)
{
	uint32_t seed = 17;
	long rounds = test_scale(800);
	for (long i = 0; i < rounds; i++) {
		char sent = (char)i, got = 0;
		if (i % 4 == 0)
			stress_until_idle();
		else
			stress_spin(stress_random(&seed) % 3000);
		REQUIRE(write(ends[0], &sent, 1) == 1);
		if (i % 3 == 0)
			REQUIRE(sley_go(one_of_burst, NULL) == 0);
		REQUIRE(read(ends[0], &got, 1) == 1 && got == sent);
		if (i % 3 == 0)
			REQUIRE(sem_wait(&burst_done) == 0);
		stress_progress();
	}
	REQUIRE(shutdown(ends[0], SHUT_WR) == 0);
}

static void poller_body(void)
{
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	sley_task echo = stress_spawn(byte_echo, NULL);
	stress_threads_start(1, bytes_from_thread);
	stress_threads_join();
	stress_join(echo);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
}

/*
 * Proves that there is always somebody to notice a descriptor, and that the poller hears of work from plain threads:
 * a byte, a spawn, or both arrive while workers fall asleep, one of them in the reactor.
 */
TEST(bytes_and_spawns_while_idle)
{
	REQUIRE(sem_init(&burst_done, 0, 0) == 0);
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++)
		STRESS_RUN(poller_body, .workers = workers);
	sem_destroy(&burst_done);
}
