/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Children that do what may block: who is taken for blocked, and what happens to those they were blocked by. */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child/abandoned.h"
#include "child/child.h"
#include "child/patience.h"
#include "common/interrupt.h"
#include "source/look.h"
#include "symbols/proto.h"
#include "tests/test.h"

#define LATE_NS 30000000000
#define SOON_NS 600000000 /* twice CHILD_SLEEP_NS */

static union message message;

__attribute__((noreturn)) static void sleeps(int socket, const void *unused)
{
	for (;;)
		pause();
}

__attribute__((noreturn)) static void computes(int socket, const void *unused)
{
	for (;;)
		;
}

/* Sleeps all the time, but never long. */
__attribute__((noreturn)) static void naps(int socket, const void *unused)
{
	for (;;)
		poll(NULL, 0, 20);
}

__attribute__((noreturn)) static void answers(int socket, const void *unused)
{
	struct message_file m = { .head = { .type = MESSAGE_FILE, .size = sizeof(m) } };
	poll(NULL, 0, 20);
	message_send(socket, &m, -1, MESSAGE_FOREVER);
	for (;;)
		pause();
}

static int outcome(child_body *body, int64_t patience_ns)
{
	struct child c;
	pid_t pid;
	int got;
	assert_int_equal(child_start(&c, "a test's", body, NULL), 0);
	pid = c.pid;
	child_expect(&c);
	got = child_receive(&c, &message, sizeof(message), NULL, message_clock() + patience_ns);
	child_end(&c);
	assert_int_equal(c.pid, 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return got;
}

/* Only one that stays in one sleep is blocked; who computes, or goes on, has its time. */
static void test_sleep(void **state)
{
	assert_int_equal(outcome(sleeps, LATE_NS), -EDEADLK);
	assert_int_equal(outcome(computes, SOON_NS), -EAGAIN);
	assert_int_equal(outcome(naps, SOON_NS), -EAGAIN);
	assert_int_equal(outcome(answers, LATE_NS), 1);
}

/* A process that nobody has abandoned yet, and that does not end by itself: a stand-in for both kinds. */
static pid_t start(void)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

/* It is reaped by the table. */
static void until_counted(unsigned n)
{
	while (abandoned_count() != n)
		sched_yield();
}

#define TARGETS (ABANDONED_PER_USER + 1)

/* Its process is not read while its child is there, nor soon after; too many are its user's concern. */
static void test_quota(void **state)
{
	pid_t target[TARGETS], child[TARGETS];
	for (int i = 0; i < TARGETS; i++) {
		target[i] = start();
		child[i] = start();
	}
	assert_null(abandoned_why(target[0]));
	for (int i = 0; i < ABANDONED_PER_USER; i++) {
		assert_null(abandoned_why(target[i]));
		abandoned_child(child[i], target[i]);
		assert_non_null(strstr(abandoned_why(target[i]), "because reading its memory blocks"));
	}
	assert_int_equal(abandoned_count(), ABANDONED_PER_USER);
	assert_non_null(strstr(abandoned_why(target[TARGETS - 1]), "others of its user"));
	kill(child[0], SIGKILL);
	until_counted(ABANDONED_PER_USER - 1);
	assert_null(abandoned_why(target[TARGETS - 1]));
	assert_non_null(abandoned_why(target[0])); /* not yet */
	abandoned_forget(target[0]);
	assert_null(abandoned_why(target[0]));
	for (int i = 1; i < ABANDONED_PER_USER; i++) {
		kill(child[i], SIGKILL);
		abandoned_forget(target[i]);
	}
	until_counted(0);
	for (int i = 0; i < TARGETS; i++) {
		kill(target[i], SIGKILL);
		waitpid(target[i], NULL, 0);
	}
	kill(child[TARGETS - 1], SIGKILL);
	waitpid(child[TARGETS - 1], NULL, 0);
}

/* With the most there may be, nobody is read. A child that died in the normal course is no matter. */
static void test_bound(void **state)
{
	pid_t child[ABANDONED_MAX], other = start();
	abandoned_child(start(), 0);
	for (int i = 0; i < ABANDONED_MAX; i++) {
		child[i] = start();
		abandoned_child(child[i], 1 << 30 | i); /* processes that there are not */
	}
	assert_int_equal(abandoned_count(), ABANDONED_MAX);
	assert_non_null(strstr(abandoned_why(other), "too many processes"));
	for (int i = 0; i < ABANDONED_MAX; i++)
		kill(child[i], SIGKILL);
	until_counted(0);
	assert_null(abandoned_why(other));
	kill(other, SIGKILL);
	waitpid(other, NULL, 0);
}

/* What a user's processes take is that user's; it comes back with time, the slower the more users there are. */
static void test_patience(void **state)
{
	int64_t now = 1000;
	patience_charge(PATIENCE_LOOKS, 1, PATIENCE_FREE, now);
	patience_charge(PATIENCE_LOOKS, 2, PATIENCE_MOST_NS, now);
	assert_true(patience_left(PATIENCE_LOOKS, 1, now) && patience_left(PATIENCE_LOOKS, 2, now));
	patience_charge(PATIENCE_LOOKS, 2, 2 * PATIENCE_FREE, now);
	assert_true(patience_left(PATIENCE_LOOKS, 1, now) && !patience_left(PATIENCE_LOOKS, 2, now));
	now += (PATIENCE_SHARE + 1) * PATIENCE_FREE;
	assert_true(patience_left(PATIENCE_LOOKS, 2, now));
	for (long user = 100; user < 1000; user++) /* they do not make each other forgotten for nothing */
		patience_charge(PATIENCE_LOOKS, user, PATIENCE_FREE + 1, now);
	patience_charge(PATIENCE_LOOKS, 2, 3 * PATIENCE_FREE, now);
	assert_false(patience_left(PATIENCE_LOOKS, 2, now));
	patience_charge(PATIENCE_LOOKS, 3, 2 * PATIENCE_MOST_NS, now);
	now += (int64_t)PATIENCE_SHARE * PATIENCE_MOST_NS;
	assert_true(patience_left(PATIENCE_LOOKS, 2, now) && !patience_left(PATIENCE_LOOKS, 3, now));
}

/* A signal that waits ends the looking, and so does a key; without, there is none. */
static void test_interrupted(void **state)
{
	sigset_t signals, before;
	int keys[2], got;
	char key;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, &before);
	assert_int_equal(pipe(keys), 0);
	assert_false(interrupted());
	interrupt_by(&signals, keys[0]);
	assert_false(interrupted());
	raise(SIGTERM);
	assert_true(interrupted());
	assert_int_equal(look_control(getpid(), -1, &got), -EINTR);
	assert_int_equal(sigwait(&signals, &got), 0);
	assert_false(interrupted());
	assert_int_equal(write(keys[1], "q", 1), 1);
	assert_true(interrupted());
	assert_int_equal(read(keys[0], &key, 1), 1);
	assert_false(interrupted());
	interrupt_by(&signals, -1);
	close(keys[0]);
	close(keys[1]);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sleep),    cmocka_unit_test(test_quota),       cmocka_unit_test(test_bound),
		cmocka_unit_test(test_patience), cmocka_unit_test(test_interrupted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
