/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What may happen to a process at any time: signals during switches and copies, a cancelled thread, a stop, exit() from a
 * task. Forks and a second run are in runtime.c; a fork in the middle of switches is here.
 */
#include "tests/unit/run.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"

#ifdef SLEY_ASAN
void __asan_handle_no_return(void);
#endif

/* ---- signals ---- */

static unsigned long handled; /* atomic */

/* Uses stack, as a handler may, and floating point. */
static void on_alarm(int signal)
{
	volatile char space[2048];
	volatile double x = (double)load(&handled, relaxed);
	for (unsigned i = 0; i < sizeof(space); i++)
		space[i] = (char)signal;
	x = x * 1.5 + 1;
	fetch_add(&handled, 1, relaxed);
}

static unsigned rounds_done;

/* Its frame is full of values that a lost or mixed byte would change. */
static void keep_values(void *arg)
{
	uint64_t values[32], seed = (uint64_t)(uintptr_t)arg * 0x9e3779b97f4a7c15;
	for (int i = 0; i < 32; i++)
		values[i] = seed + (uint64_t)i;
	/* an emulator may be busy with the first signals alone */
	while (load(&handled, relaxed) < (unsigned long)test_scale(4000) || load(&rounds_done, relaxed) < 1000) {
		sley_yield();
		for (int i = 0; i < 32; i++)
			REQUIRE(values[i] == seed + (uint64_t)i);
		fetch_add(&rounds_done, 1, relaxed);
	}
}

static int main_signals(void *arg)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval every = { { 0, 100 }, { 0, 100 } }, off = { { 0, 0 }, { 0, 0 } };
	sley_task tasks[40];
	handled = rounds_done = 0;
	REQUIRE(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &every, NULL) == 0);
	for (uintptr_t i = 0; i < 40; i++)
		tasks[i] = sley_spawn(keep_values, (void *)(i + 1));
	for (int i = 0; i < 40; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	REQUIRE(setitimer(ITIMER_REAL, &off, NULL) == 0); /* the handler stays: one more may be pending */
	REQUIRE(rounds_done > 0);
	return 0;
}

/*
 * A signal every 100 us, handled on whatever stack the thread is on: in a task, in the switch, in the copy, in the
 * scheduler. A handler's frame lies below the live bytes of the stack that sp is on, and sp always is on one that the
 * thread holds, so no task's bytes are touched. Few slots, so that most switches copy.
 */
TEST(signals)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2, .stack_slots = 4 };
	run_with(main_signals, NULL, &options);
	options.workers = 1;
	run_with(main_signals, NULL, &options);
}

/* ---- a cancelled thread ---- */

static pthread_t runner;
static unsigned steps;

static void step(void *arg)
{
	for (int i = 0; i < 100; i++) {
		REQUIRE(write(*(int *)arg, "x", 1) == 1); /* a cancellation point */
		sley_yield();
		fetch_add(&steps, 1, relaxed);
	}
}

static int main_cancelled(void *arg)
{
	static int ends[2];
	sley_task tasks[4];
	REQUIRE(pipe(ends) == 0);
	REQUIRE(pthread_cancel(runner) == 0);
	for (int i = 0; i < 4; i++)
		tasks[i] = sley_spawn(step, &ends[1]);
	for (int i = 0; i < 4; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static int run_error = 1;

static void *run_and_be_cancelled(void *unused)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2 };
	run_error = sley_run(main_cancelled, NULL, &options, NULL);
#ifdef SLEY_ASAN
	__asan_handle_no_return(); /* it does not know that the next call may not return */
#endif
	pthread_testcancel();
	return unused;
}

/* A cancelled thread of the runtime goes on until the run is over; then it is cancelled. */
TEST(cancelled_thread)
{
	void *answer;
	steps = 0;
	assert_int_equal(pthread_create(&runner, NULL, run_and_be_cancelled, NULL), 0);
	assert_int_equal(pthread_join(runner, &answer), 0);
	assert_ptr_equal(answer, PTHREAD_CANCELED);
	assert_int_equal(run_error, 0);
	assert_int_equal(steps, 400);
}

/* ---- stopped and continued ---- */

static void tick(void *arg)
{
	sley_time last = sley_now();
	for (int i = 0; i < 50; i++) {
		REQUIRE(sley_sleep(sley_in(SLEY_MS(2))) == 0);
		REQUIRE(sley_now() >= last + SLEY_MS(2));
		last = sley_now();
	}
}

static int main_stopped(void *arg)
{
	sley_task tasks[20];
	REQUIRE(write(STDERR_FILENO, "up\n", 3) == 3);
	for (int i = 0; i < 20; i++)
		tasks[i] = sley_spawn(tick, NULL);
	for (int i = 0; i < 20; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	return 0;
}

static int scenario_stopped(void)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2 };
	int result = 1;
	return sley_run(main_stopped, NULL, &options, &result) != 0 || result != 0;
}

/* Stops and continues the process a hundred times, or until it ends; then lets it end by itself: its status. */
static int stop_and_go(pid_t child)
{
	int status;
	for (int i = 0; i < 100; i++) {
		kill(child, SIGSTOP);
		REQUIRE(waitpid(child, &status, WUNTRACED) == child);
		if (!WIFSTOPPED(status))
			return status;
		usleep(i % 5 * 3000);
		kill(child, SIGCONT);
		usleep(i % 7 * 500);
	}
	REQUIRE(waitpid(child, &status, 0) == child);
	return status;
}

/* SIGSTOP in the middle of anything: after SIGCONT all goes on, deadlines that passed meanwhile included. */
TEST(stopped)
{
	int ends[2];
	char byte;
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) { /* anew, as a forked child cannot run again what its parent ran */
		dup2(ends[1], STDERR_FILENO);
		scenario_exec("stopped");
		_exit(127);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	int status = stop_and_go(child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(ends[0]);
}

/* ---- exit() ---- */

static void leave(void *arg)
{
	exit(42);
}

static void at_exit(void)
{
	fprintf(stderr, "the handlers ran\n");
}

static int main_exit(void *arg)
{
	atexit(at_exit);
	sley_go(leave, NULL);
	while (sley_sleep(sley_in(SLEY_MS(1))) == 0)
		continue;
	return 1;
}

static int scenario_exit(void)
{
	struct sley_options options = { .size = sizeof(options), .workers = 2 };
	return sley_run(main_exit, NULL, &options, NULL);
}

/* exit() in a task ends the process with its code and its handlers, whatever the other tasks do. */
TEST(exit)
{
	char text[1024];
	for (int i = 0; i < 10; i++) {
		int status = scenario_run("exit", text, sizeof(text));
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 42);
		assert_int_equal(occurrences(text, "the handlers ran"), 1);
	}
}

/* ---- fork ---- */

static void churn(void *arg)
{
	while (!load((unsigned *)arg, relaxed))
		sley_yield();
}

static int main_fork(void *arg)
{
	static unsigned stop;
	sley_task tasks[8];
	int status;
	stop = 0;
	for (int i = 0; i < 8; i++)
		tasks[i] = sley_spawn(churn, &stop);
	for (int i = 0; i < 30; i++) {
		pid_t child = fork();
		if (child == 0) /* on this task's stack, its only thread */
			_exit(sley_spawn(leave, NULL) != -ECHILD || sley_sleep(0) != -ECHILD ||
			      sley_cancel(1) != -ECHILD || sley_self() != 0 ||
			      sley_run(main_exit, NULL, NULL, NULL) != -ECHILD);
		REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
		REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		sley_yield();
	}
	store(&stop, 1, relaxed);
	for (int i = 0; i < 8; i++)
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
	return 0;
}

/* A fork without exec from a task, while the other workers switch: in the child the calls say so, and the parent goes on. */
TEST(fork)
{
	test_need_kernel("a process with threads that qemu-user forks may hang");
	run(main_fork, 2);
}

/* ---- a forked child that returns ---- */

/* Forks, and says in the parent how the child ended: by its exit code, or 1000 and the status. */
static int fork_here(void)
{
	int status;
	pid_t child = fork();
	if (child == 0)
		return 0;
	REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

static int returned; /* atomic: what fork_here() said last */

static void fork_in_task(void *arg)
{
	store(&returned, fork_here(), relaxed);
}

static int fork_in_child(void *arg)
{
	store(&returned, fork_here(), relaxed);
	return 0;
}

static int fork_in_future(void *arg, void *result)
{
	return fork_in_child(NULL);
}

static int fork_in_callback(void *arg, int error, const void *value, void *result)
{
	return fork_in_child(NULL);
}

static void fork_in_cleanup(void *arg)
{
	REQUIRE(sley_cleanup_push(fork_in_task, NULL) == 0);
}

static void fork_in_destructor(void *arg)
{
	static const struct sley_local key = { fork_in_task };
	REQUIRE(sley_local_set(&key, &returned) == 0);
}

static int fork_in_resolver(const char *host, const char *service, const struct addrinfo *hints,
			    struct addrinfo **result)
{
	fork_in_task(NULL);
	return EAI_AGAIN;
}

static void free_nothing(struct addrinfo *result)
{
}

static void assert_returned(void)
{
	REQUIRE(load(&returned, relaxed) == SLEY_EXIT_FORKED);
	store(&returned, 0, relaxed);
}

/* Functions that threads of the pools run. */
static void fork_in_pools(void)
{
	const struct sley_offload_options compute = { .size = sizeof(compute), .cpu = 1 };
	struct addrinfo *addresses;
	REQUIRE(sley_offload(fork_in_task, NULL, 0, SOON) == 0);
	assert_returned();
	REQUIRE(sley_offload_with(&compute, fork_in_task, NULL, 0, SOON) == 0);
	assert_returned();
	REQUIRE(sley_resolver_set(fork_in_resolver, free_nothing) == 0);
	REQUIRE(sley_resolve("host", "1", NULL, &addresses, SOON) == -EAGAIN);
	assert_returned();
	REQUIRE(sley_resolver_set(NULL, NULL) == 0);
}

static int main_fork_returns(void *arg)
{
	struct sley_scope *scope;
	struct sley_future *future, *then;
	struct sley_gen *gen;
	char block[8] = { 0 };
	REQUIRE(sley_join(sley_spawn(fork_in_task, NULL), SOON) == 0);
	assert_returned();
	REQUIRE(sley_join(sley_spawn_copy(fork_in_task, block, sizeof(block)), SOON) == 0);
	assert_returned();
	REQUIRE(sley_scope_open(&scope, NULL) == 0);
	REQUIRE(sley_scope_spawn(scope, fork_in_child, NULL) >= 0);
	REQUIRE(sley_scope_close(scope, SOON) == 0);
	assert_returned();
	REQUIRE(sley_async(&future, fork_in_future, NULL, 0, 0) == 0);
	REQUIRE(sley_await(future, NULL, SOON) == 0);
	assert_returned();
	REQUIRE(sley_future_then(&then, future, fork_in_callback, NULL, 0, 0) == 0);
	REQUIRE(sley_await(then, NULL, SOON) == 0);
	assert_returned();
	sley_future_free(then);
	sley_future_free(future);
	REQUIRE(sley_gen_new(&gen, fork_in_child, NULL, 0, 0) == 0);
	REQUIRE(sley_gen_next(gen, NULL, SOON) == SLEY_END);
	REQUIRE(sley_gen_free(gen, SOON) == 0);
	assert_returned();
	REQUIRE(sley_join(sley_spawn(fork_in_cleanup, NULL), SOON) == 0);
	assert_returned();
	REQUIRE(sley_join(sley_spawn(fork_in_destructor, NULL), SOON) == 0);
	assert_returned();
	fork_in_pools();
	store(&returned, fork_here(), relaxed);
	return 0;
}

static int scenario_fork_returns(void)
{
	int error = sley_run(main_fork_returns, NULL, NULL, NULL);
	assert_returned();
	return error;
}

/* A forked child that returns from a function that the runtime called says so, and ends with the documented code. */
TEST(fork_returns)
{
	char text[8192];
	test_need_kernel("a process with threads that qemu-user forks may hang");
	int status = scenario_run("fork_returns", text, sizeof(text));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("status %x: %s", status, text);
	assert_said(text, "returns from a task's function", 7);
}

int main(int argc, char **argv)
{
	static const struct scenario scenarios[] = { { "exit", scenario_exit },
						     { "stopped", scenario_stopped },
						     { "fork_returns", scenario_fork_returns },
						     { NULL, NULL } };
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}
