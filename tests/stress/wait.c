/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Ends of waits that race: event, deadline and close come at the same moment, many times over. Exactly one of them
 * wins, and both sides know which: what one counts as given, the other counts as got.
 */
#include "stress.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUNDS test_scale(1000)

/* About now: before, at or after the moment when the other side acts. */
static sley_time soon(uint32_t *seed)
{
	return sley_in(SLEY_US(stress_random(seed) % 60));
}

static void run_pair(void (*a)(void *), void (*b)(void *))
{
	sley_task first = stress_spawn(a, (void *)1), second = stress_spawn(b, (void *)2);
	stress_join(first);
	stress_join(second);
}

static void each_number_of_workers(void (*body)(void))
{
	for (unsigned workers = 1; workers <= STRESS_WORKERS; workers++)
		STRESS_RUN(body, .workers = workers);
}

/* ---- deadline against event: channels ---- */

struct item {
	long sender, number, copy;
};

#define SENDERS 3

static struct sley_chan *chan;
static long sent[SENDERS + 1], got[SENDERS + 1]; /* atomic */
static long timeouts[2];                         /* atomic: of receivers, of senders */
static struct sley_group sending;

static void hasty_sender(void *arg)
{
	long me = (long)(intptr_t)arg;
	uint32_t seed = (uint32_t)me;
	for (long i = 0; i < ROUNDS; i++) {
		struct item item = { me, i, i };
		int answer = sley_chan_send(chan, &item, soon(&seed));
		REQUIRE(answer == 0 || answer == -ETIMEDOUT);
		fetch_add(answer == 0 ? &sent[me] : &timeouts[1], 1, relaxed); /* read after the join */
		stress_progress();
	}
	REQUIRE(sley_group_done(&sending) == 0);
}

static void hasty_receiver(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg + 50;
	long last[SENDERS + 1] = { -1, -1, -1, -1 };
	for (;;) {
		struct item item = { 0 };
		int answer = sley_chan_recv(chan, &item, soon(&seed));
		if (answer == -EPIPE)
			return;
		if (answer == -ETIMEDOUT) {
			fetch_add(&timeouts[0], 1, relaxed);
			continue;
		}
		REQUIRE(answer == 0 && item.number == item.copy && item.sender >= 1 && item.sender <= SENDERS);
		REQUIRE(item.number > last[item.sender]);
		last[item.sender] = item.number;
		fetch_add(&got[item.sender], 1, relaxed);
	}
}

static void chan_deadlines(size_t capacity)
{
	sley_task task[SENDERS + 2];
	memset(sent, 0, sizeof(sent));
	memset(got, 0, sizeof(got));
	REQUIRE(sley_chan_new(&chan, sizeof(struct item), capacity) == 0);
	REQUIRE(sley_group_add(&sending, SENDERS) == 0);
	for (long i = 0; i < SENDERS; i++)
		task[i] = stress_spawn(hasty_sender, (void *)(intptr_t)(i + 1));
	for (long i = 0; i < 2; i++)
		task[SENDERS + i] = stress_spawn(hasty_receiver, (void *)(intptr_t)i);
	stress_wait(&sending);
	REQUIRE(sley_chan_close(chan) == 0); /* what is in the ring is received all the same */
	for (long i = 0; i < SENDERS + 2; i++)
		stress_join(task[i]);
	for (long i = 1; i <= SENDERS; i++)
		REQUIRE(sent[i] == got[i]);
	REQUIRE(sley_chan_free(chan) == 0);
}

static void chan_deadlines_body(void)
{
	chan_deadlines(0);
	chan_deadlines(2);
}

/*
 * Proves that a deadline and a hand-over that come together end a wait once: every item whose send succeeded is
 * received once and in its sender's order, and none whose send timed out.
 *
 *   sender, waiting                timer                         receiver
 *   node linked                    claims: deadline              pops the node, cannot claim it: takes the next
 *   wakes, unlinks nothing
 */
TEST(deadline_against_channel)
{
	timeouts[0] = timeouts[1] = 0;
	each_number_of_workers(chan_deadlines_body);
	print_message("timed out: %ld receives, %ld sends\n", timeouts[0], timeouts[1]);
	assert_true(stress_provoked(timeouts[0] > 0 && timeouts[1] > 0));
}

/* ---- close against wait: channels ---- */

static void closing_sender(void *arg)
{
	long me = (long)(intptr_t)arg;
	struct item item = { me, 0, 0 };
	while (sley_chan_send(chan, &item, SLEY_NEVER) == 0) {
		fetch_add(&sent[me], 1, relaxed);
		item.number = ++item.copy;
	}
}

static void closing_receiver(void *arg)
{
	struct item item;
	while (sley_chan_recv(chan, &item, SLEY_NEVER) == 0) {
		REQUIRE(item.number == item.copy);
		fetch_add(&got[item.sender], 1, relaxed);
	}
}

static void chan_close_body(void)
{
	uint32_t seed = 9;
	long rounds = test_scale(300);
	for (long i = 0; i < rounds; i++) {
		sley_task task[4];
		int n = 0;
		memset(sent, 0, sizeof(sent));
		memset(got, 0, sizeof(got));
		REQUIRE(sley_chan_new(&chan, sizeof(struct item), (size_t)i % 3) == 0);
		task[n++] = stress_spawn(closing_sender, (void *)1);
		task[n++] = stress_spawn(closing_receiver, NULL);
		task[n++] = i % 2 ? stress_spawn(closing_sender, (void *)2) : stress_spawn(closing_receiver, NULL);
		sley_yield();
		stress_spin(stress_random(&seed) % 2000);
		REQUIRE(sley_chan_close(chan) == 0 && sley_chan_close(chan) == -EPIPE);
		while (n > 0)
			stress_join(task[--n]);
		REQUIRE(sent[1] == got[1] && sent[2] == got[2]);
		REQUIRE(sley_chan_free(chan) == 0);
		stress_progress();
	}
}

/* Proves that closing a channel wakes all who wait on it, and loses and doubles nothing that was sent before. */
TEST(close_against_channel)
{
	each_number_of_workers(chan_close_body);
}

/* ---- mutex timeouts ---- */

static struct sley_mutex mutex;
static long inside, locked; /* protected by mutex */
static long acquired;       /* atomic */

static void hasty_locker(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;
	for (long i = 0; i < ROUNDS; i++) {
		int answer = sley_mutex_lock(&mutex, soon(&seed));
		REQUIRE(answer == 0 || answer == -ETIMEDOUT);
		if (answer == 0) {
			fetch_add(&acquired, 1, relaxed);
			REQUIRE(inside++ == 0);
			locked++;
			stress_spin(stress_random(&seed) % 500);
			if (i % 4 == 0)
				sley_yield();
			REQUIRE(--inside == 0);
			REQUIRE(sley_mutex_unlock(&mutex) == 0);
		} else {
			REQUIRE(sley_mutex_unlock(&mutex) == -EPERM);
			fetch_add(&timeouts[0], 1, relaxed);
		}
		stress_progress();
	}
}

static void mutex_deadlines_body(void)
{
	sley_task task[5];
	locked = acquired = 0;
	for (uintptr_t i = 0; i < 5; i++)
		task[i] = stress_spawn(hasty_locker, (void *)i);
	for (int i = 0; i < 5; i++)
		stress_join(task[i]);
	REQUIRE(locked == acquired);
	REQUIRE(sley_mutex_trylock(&mutex) == 0 && sley_mutex_unlock(&mutex) == 0);
}

/*
 * Proves that a mutex is neither handed to a task that has given up nor lost on the way.
 *
 *   waiter                         timer                         holder
 *                                  claims: deadline              unlock: pops the waiter, cannot claim it; next
 *   -ETIMEDOUT, does not hold it                                 nobody: free
 */
TEST(deadline_against_mutex)
{
	timeouts[0] = 0;
	each_number_of_workers(mutex_deadlines_body);
	print_message("timed out: %ld locks\n", timeouts[0]);
	assert_true(stress_provoked(timeouts[0] > 0));
}

/* ---- groups ---- */

static struct sley_group group;
static unsigned over; /* atomic */

static void hasty_waiter(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;
	while (!load(&over, acquire)) {
		int answer = sley_group_wait(&group, soon(&seed));
		REQUIRE(answer == 0 || answer == -ETIMEDOUT);
		fetch_add(&timeouts[answer == 0], 1, relaxed);
		if (answer == 0)
			sley_yield();
	}
}

static void up_and_down(void *arg)
{
	uint32_t seed = 77;
	for (long i = 0; i < ROUNDS; i++) {
		REQUIRE(sley_group_add(&group, 2) == 0);
		REQUIRE(sley_sleep(soon(&seed)) == 0);
		REQUIRE(sley_group_done(&group) == 0 && sley_group_done(&group) == 0);
		if (i % 2)
			sley_yield();
		stress_progress();
	}
	store(&over, 1, release);
}

static void group_deadlines_body(void)
{
	sley_task task[4];
	over = 0;
	for (uintptr_t i = 0; i < 4; i++)
		task[i] = i ? stress_spawn(hasty_waiter, (void *)i) : stress_spawn(up_and_down, NULL);
	for (int i = 0; i < 4; i++)
		stress_join(task[i]);
	stress_wait(&group);
}

/*
 * Proves that a group's waiters that time out while its count comes to zero leave it whole, and that both outcomes
 * occur.
 */
TEST(deadline_against_group)
{
	timeouts[0] = timeouts[1] = 0;
	each_number_of_workers(group_deadlines_body);
	assert_true(stress_provoked(timeouts[0] > 0 && timeouts[1] > 0));
}

/* ---- joins ---- */

static long ends; /* atomic */

static void ends_soon(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;
	if (seed % 2)
		sley_sleep(soon(&seed));
	else
		stress_spin(stress_random(&seed) % 3000);
	fetch_add(&ends, 1, relaxed);
}

static void hasty_joiner(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;
	for (long i = 0; i < ROUNDS; i++) {
		sley_task child = stress_spawn(ends_soon, (void *)(uintptr_t)stress_random(&seed));
		int answer;
		while ((answer = sley_join(child, soon(&seed))) == -ETIMEDOUT)
			fetch_add(&timeouts[0], 1, relaxed);
		REQUIRE(answer == 0);
		REQUIRE(sley_join(child, soon(&seed)) == -ESRCH);
		stress_progress();
	}
}

static void join_deadlines_body(void)
{
	ends = 0;
	run_pair(hasty_joiner, hasty_joiner);
	REQUIRE(ends == 2 * ROUNDS);
}

/*
 * Proves that a join that times out while its task ends can be repeated, and succeeds once.
 *
 *   joiner                         timer                         task that ends
 *   joiner = me; parks             claims: deadline              cannot claim the joiner: leaves it alone; ended
 *   -ETIMEDOUT; joins again: ended
 */
TEST(deadline_against_join)
{
	timeouts[0] = 0;
	each_number_of_workers(join_deadlines_body);
	print_message("timed out: %ld joins\n", timeouts[0]);
	assert_true(stress_provoked(timeouts[0] > 0));
}

/* ---- descriptors: event, deadline and close ---- */

static int socket_ends[2];
static sley_task reader;   /* of the round; atomic */
static unsigned read_over; /* atomic: its read has returned */
static long outcomes[4];   /* atomic: data, timed out, closed, end of stream */

static void one_reader(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;
	long number = -1;
	ssize_t n = sley_read(socket_ends[0], &number, sizeof(number), sley_in(SLEY_US(stress_random(&seed) % 150)));
	store(&read_over, 1, release);
	REQUIRE(n == sizeof(number) || n == 0 || n == -ETIMEDOUT || n == -EBADF);
	if (n > 0)
		REQUIRE(number == (long)(intptr_t)arg);
	fetch_add(&outcomes[n > 0 ? 0 : n == -ETIMEDOUT ? 1 : n == -EBADF ? 2 : 3], 1, relaxed);
}

static void one_writer(void *arg)
{
	uint32_t seed = ~(uint32_t)(uintptr_t)arg;
	long number = (long)(intptr_t)arg;
	stress_spin(stress_random(&seed) % 1500);
	REQUIRE(send(socket_ends[1], &number, sizeof(number), MSG_NOSIGNAL) == sizeof(number) || errno == EPIPE);
}

/* Only a call that waits (or has waited) may be closed under: before that the number could be another's already. */
static void one_closer(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg + 12345;
	struct sley_region_task *record = stress_record(load(&reader, relaxed));
	while (load(&record->wait_kind, relaxed) != SLEY_WAIT_READ && !load(&read_over, acquire))
		sley_yield();
	stress_spin(stress_random(&seed) % 1500);
	REQUIRE(sley_close(socket_ends[0]) == 0);
}

/* Nothing else opens descriptors, so no number is reused before the round is over. */
static void socket_body(void)
{
	for (long i = 1; i <= ROUNDS; i++) {
		REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, socket_ends) == 0);
		read_over = 0;
		store(&reader, stress_spawn(one_reader, (void *)(intptr_t)i), relaxed);
		sley_task task[] = {
			reader,
			stress_spawn(i % 4 ? one_writer : one_closer, (void *)(intptr_t)i),
			stress_spawn(i % 4 ? one_closer : one_writer, (void *)(intptr_t)i),
		};
		for (int k = 0; k < 3; k++)
			stress_join(task[k]);
		REQUIRE(sley_close(socket_ends[1]) == 0);
		stress_progress();
	}
}

/*
 * Proves that a read which data, its deadline and a close end at the same moment answers one of them, once. Every
 * outcome occurs, and none but these.
 */
TEST(descriptor_races)
{
	memset(outcomes, 0, sizeof(outcomes));
	each_number_of_workers(socket_body);
	print_message("data %ld, timed out %ld, closed %ld\n", outcomes[0], outcomes[1], outcomes[2]);
	assert_true(stress_provoked(outcomes[0] > 0 && outcomes[1] > 0 && outcomes[2] > 0));
	assert_int_equal(outcomes[0] + outcomes[1] + outcomes[2] + outcomes[3], STRESS_WORKERS * ROUNDS);
}

/* ---- many deadlines at once ---- */

#define CROWD test_scale(20000)

static void sleeper(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;
	for (int i = 0; i < 3; i++) {
		sley_time until = sley_in(SLEY_US(stress_random(&seed) % 20000));
		REQUIRE(sley_sleep(until) == 0 && sley_now() >= until);
	}
	fetch_add(&ends, 1, relaxed);
	if (seed % 16 == 0)
		stress_progress();
	REQUIRE(sley_group_done(&group) == 0);
}

static void sleepers_body(void)
{
	ends = 0;
	REQUIRE(sley_group_add(&group, CROWD) == 0);
	for (long i = 0; i < CROWD; i++)
		REQUIRE(sley_go(sleeper, (void *)(intptr_t)i) == 0);
	stress_wait(&group);
	REQUIRE(ends == CROWD);
}

/* Proves that heaps of many deadlines, run and armed by several workers at once, wake each task once and not early. */
TEST(many_sleepers)
{
	each_number_of_workers(sleepers_body);
}
