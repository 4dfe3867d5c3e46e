/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A run in which nothing can ever happen again ends with -EDEADLK and names its tasks; one in which something still can
 * goes on. The detector looks four times a second and needs two looks, so what it must not find lasts longer than that.
 */
#include "tests/unit/run.h"

#include <pthread.h>
#include <string.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "run/worker.h"
#include "tests/race.h"

#define LOOKS SLEY_MS(1100) /* four of them */

static struct sley_group group;
static struct sley_chan *chan;

/* ---- found ---- */

static void join_main(void *main)
{
	sley_join(*(const sley_task *)main, SLEY_NEVER); /* detached: -EINVAL, so it waits for the group */
	sley_set_name("second");
	sley_group_wait(&group, SLEY_NEVER);
}

static void nothing(void *arg)
{
}

static int main_stuck(void *arg)
{
	REQUIRE(sley_offload(nothing, NULL, 0, SLEY_NEVER) == 0); /* its thread stays, idle, and counts for nothing */
	group = (struct sley_group)SLEY_GROUP_INIT;
	REQUIRE(sley_group_add(&group, 1) == 0);
	sley_task self = sley_self(), task = sley_spawn_copy(join_main, &self, sizeof(self));
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	return 0;
}

static void expect_deadlock(int (*main)(void *), unsigned workers, char *text, size_t size)
{
	struct sley_options options = { .size = sizeof(options), .workers = workers };
	int result = 77;
	capture_begin();
	int error = sley_run(main, NULL, &options, &result);
	capture_end(text, size);
	assert_int_equal(error, -EDEADLK);
	assert_int_equal(result, 77);
	assert_int_equal(occurrences(text, "deadlock: every task waits for another task"), 1);
}

/* Two tasks that wait for each other: reported with what each waits for; a new run works. */
TEST(found)
{
	static char text[8192];
	test_need_kernel("qemu-user has a thread of its own in the process");
	for (unsigned workers = 1; workers <= 4; workers *= 2) {
		expect_deadlock(main_stuck, workers, text, sizeof(text));
		assert_int_equal(occurrences(text, "main waiting for join"), 1);
		assert_int_equal(occurrences(text, "second waiting for group"), 1);
	}
}

static void *receive(void *answer)
{
	char byte;
	*(int *)answer = sley_chan_recv(chan, &byte, SLEY_NEVER);
	return NULL;
}

static pthread_t thread;
static int answer;

static int main_thread_stuck(void *arg)
{
	REQUIRE(sley_chan_new(&chan, 1, 0) == 0);
	REQUIRE(pthread_create(&thread, NULL, receive, &answer) == 0);
	sley_sleep(SLEY_NEVER);
	return 0;
}

/* A thread that waits for a task without a deadline is no hope either; it is told that the run is over. */
TEST(thread_stuck)
{
	static char text[8192];
	test_need_kernel("qemu-user has a thread of its own in the process");
	answer = 1;
	expect_deadlock(main_thread_stuck, 2, text, sizeof(text));
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(answer, -ENOTCONN);
	assert_int_equal(sley_chan_free(chan), 0);
}

static void stuck(void *arg)
{
	sley_group_wait(&group, SLEY_NEVER);
}

static int main_many(void *arg)
{
	group = (struct sley_group)SLEY_GROUP_INIT;
	REQUIRE(sley_group_add(&group, 1) == 0);
	for (int i = 0; i < 500; i++)
		REQUIRE(sley_go(stuck, NULL) == 0);
	stuck(NULL);
	return 0;
}

/* A hundred of many tasks are named, and the others counted. */
TEST(many)
{
	static char text[65536];
	test_need_kernel("qemu-user has a thread of its own in the process");
	expect_deadlock(main_many, 2, text, sizeof(text));
	assert_int_equal(occurrences(text, "waiting for group"), 100);
	assert_int_equal(occurrences(text, "and 401 more"), 1);
}

static void receive_forever(void *block)
{
	*(int *)block = sley_chan_recv(chan, NULL, SLEY_NEVER);
}

static int main_offloaded(void *arg)
{
	int error = 0;
	REQUIRE(sley_chan_new(&chan, 0, 0) == 0);
	sley_offload(receive_forever, &error, sizeof(error), SLEY_NEVER);
	return 1; /* it never comes back */
}

/* An offloaded function waits for a task, and no task is left that could come: its call is no hope. */
TEST(found_offloaded)
{
	char text[10000];
	test_need_kernel("qemu-user has a thread of its own in the process");
	for (unsigned workers = 1; workers <= 2; workers++) {
		expect_deadlock(main_offloaded, workers, text, sizeof(text));
		assert_int_equal(sley_chan_free(chan), 0);
	}
}

/* ---- not found ---- */

static int main_timer(void *arg)
{
	return sley_sleep(sley_in(LOOKS));
}

static void *done_later(void *arg)
{
	usleep(LOOKS / 1000);
	REQUIRE(sley_group_done(&group) == 0);
	return NULL;
}

static int main_thread(void *arg)
{
	group = (struct sley_group)SLEY_GROUP_INIT;
	REQUIRE(sley_group_add(&group, 1) == 0);
	REQUIRE(pthread_create(&thread, NULL, done_later, NULL) == 0);
	REQUIRE(sley_group_wait(&group, SLEY_NEVER) == 0);
	return pthread_join(thread, NULL);
}

static void *time_out(void *arg)
{
	char byte = 1;
	REQUIRE(sley_chan_recv(chan, &byte, sley_in(LOOKS)) == -ETIMEDOUT);
	REQUIRE(sley_chan_send(chan, &byte, SLEY_NEVER) == 0);
	return NULL;
}

static int main_thread_deadline(void *arg)
{
	char byte;
	REQUIRE(sley_chan_new(&chan, 1, 0) == 0);
	REQUIRE(pthread_create(&thread, NULL, time_out, NULL) == 0);
	sley_sleep(SLEY_MS(1));
	/* not the receiver of what it sends until it does: it waits on the channel, too */
	REQUIRE(sley_chan_recv(chan, &byte, SLEY_NEVER) == 0);
	REQUIRE(pthread_join(thread, NULL) == 0);
	return sley_chan_free(chan);
}

static int main_pipe(void *arg)
{
	int ends[2];
	char byte;
	REQUIRE(pipe(ends) == 0);
	pid_t child = fork();
	if (child == 0) {
		usleep(LOOKS / 1000);
		_exit(write(ends[1], "x", 1) != 1);
	}
	REQUIRE(sley_read(ends[0], &byte, 1, SLEY_NEVER) == 1);
	REQUIRE(waitpid(child, NULL, 0) == child);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void sleep_long(void *arg)
{
	usleep(LOOKS / 1000);
}

static int main_offload(void *arg)
{
	return sley_offload(sleep_long, NULL, 0, SLEY_NEVER);
}

static int main_computes(void *arg)
{
	for (sley_time until = sley_in(LOOKS); sley_now() < until;)
		cpu_relax();
	return 0;
}

/* A timer, a thread that can call in or whose wait has a deadline, another process, an offloaded call, a task that computes. */
TEST(not_found)
{
	int (*const mains[])(void *) = { main_timer, main_thread,  main_thread_deadline,
					 main_pipe,  main_offload, main_computes };

	for (unsigned i = 0; i < ARRAY_SIZE(mains); i++)
		run(mains[i], 1 + i % 2);
}

/* ---- not found, though all that is left to do is in somebody's hands ---- */

#if RACE_POINTS
static struct {
	const char *point;
	unsigned looks;
} held;

/*
 * By the watchdog, before it looks for a deadlock: whoever stands at the point is kept there for some looks. Nobody else
 * can do that: any other thread would be a hope.
 */
static bool hold_for_some_looks(int64_t now)
{
	if (race_reached(held.point) && ++held.looks == 5)
		race_go(held.point);
	return false;
}

static void hold_at(const char *point)
{
	held.point = point;
	held.looks = 0;
	race_stop(point);
	store(&sched_hooks.tick, hold_for_some_looks, release);
}

static int main_timer_held(void *arg)
{
	hold_at("timer_taken");
	REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
	REQUIRE(held.looks >= 5);
	return 0;
}

/* A timer was taken out of the wheel by a worker that stalls before its task is ready. */
TEST(timer_held)
{
	for (unsigned workers = 1; workers <= 4; workers *= 2)
		run(main_timer_held, workers);
}

static int main_event_held(void *arg)
{
	struct itimerspec soon = { .it_value.tv_nsec = SLEY_MS(1) };
	uint64_t times;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	REQUIRE(fd >= 0 && timerfd_settime(fd, 0, &soon, NULL) == 0);
	hold_at("event_taken");
	REQUIRE(sley_read(fd, &times, sizeof(times), SLEY_NEVER) == sizeof(times));
	REQUIRE(held.looks >= 5);
	return close(fd);
}

/* The same with an event of the reactor. */
TEST(event_held)
{
	for (unsigned workers = 1; workers <= 4; workers *= 2)
		run(main_event_held, workers);
}

static void *receive_then_done(void *unused)
{
	char byte;
	REQUIRE(sley_chan_recv(chan, &byte, SLEY_NEVER) == 0);
	REQUIRE(sley_group_done(&group) == 0);
	return NULL;
}

/* A plain thread was given what it waits for, and stalls between that and its call's return. */
TASK_TEST(thread_held, 1, 2)
{
	char byte = 0;
	group = (struct sley_group)SLEY_GROUP_INIT;
	REQUIRE(sley_chan_new(&chan, 1, 0) == 0 && sley_group_add(&group, 1) == 0);
	hold_at("thread_counts");
	REQUIRE(pthread_create(&thread, NULL, receive_then_done, NULL) == 0);
	while (!race_reached("thread_counts") && held.looks == 0)
		sley_yield();
	REQUIRE(sley_chan_send(chan, &byte, SLEY_NEVER) == 0);
	REQUIRE(sley_group_wait(&group, SLEY_NEVER) == 0);
	REQUIRE(held.looks >= 5);
	REQUIRE(pthread_join(thread, NULL) == 0);
	REQUIRE(sley_chan_free(chan) == 0);
}
#endif
