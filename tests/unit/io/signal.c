/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Signals as values: none is lost or has its own effect, whichever thread it could have gone to. */
#include "tests/unit/run.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"

static sigset_t set_of(int first, ...)
{
	sigset_t set;
	va_list list;
	sigemptyset(&set);
	va_start(list, first);
	for (int s = first; s; s = va_arg(list, int))
		sigaddset(&set, s);
	va_end(list);
	return set;
}

static int open_signals(int first, int second)
{
	sigset_t set = set_of(first, second, 0);
	int fd = sley_signal_open(&set);
	REQUIRE(fd >= 0);
	return fd;
}

/* ---- values ---- */

static int main_values(void *arg)
{
	struct signalfd_siginfo info;
	union sigval value = { .sival_int = 4711 };
	int fd = open_signals(SIGUSR1, SIGTERM);
	REQUIRE(sley_signal_next(fd, &info, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(kill(getpid(), SIGTERM) == 0);
	REQUIRE(sley_signal_next(fd, &info, 0) == SIGTERM); /* it is there */
	REQUIRE(info.ssi_signo == SIGTERM && info.ssi_pid == (uint32_t)getpid() && info.ssi_code == SI_USER);
	REQUIRE(sigqueue(getpid(), SIGUSR1, value) == 0);
	REQUIRE(sley_signal_next(fd, &info, SOON) == SIGUSR1 && info.ssi_int == 4711 && info.ssi_code == SI_QUEUE);
	REQUIRE(kill(getpid(), SIGTERM) == 0 && kill(getpid(), SIGUSR1) == 0 && kill(getpid(), SIGTERM) == 0);
	REQUIRE(sley_signal_next(fd, NULL, SOON) == SIGUSR1); /* by number; twice is once */
	REQUIRE(sley_signal_next(fd, NULL, SOON) == SIGTERM);
	REQUIRE(sley_signal_next(fd, NULL, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_close(fd) == 0);
	return 0;
}

/* The signal and what came with it, in the order of their numbers. */
TEST(values)
{
	sigset_t set = set_of(SIGUSR1, SIGTERM, 0);
	struct sley_options o = { .size = sizeof(o), .signals = &set };
	for (o.workers = 1; o.workers <= 2; o.workers++)
		run_with(main_values, NULL, &o);
}

static int main_queued(void *arg)
{
	union sigval value;
	struct signalfd_siginfo info;
	int fd = open_signals(SIGRTMIN, SIGRTMIN + 1);
	for (value.sival_int = 0; value.sival_int < 20; value.sival_int++)
		REQUIRE(sigqueue(getpid(), SIGRTMIN + value.sival_int % 2, value) == 0);
	for (int i = 0; i < 20; i++) { /* by number, then in order */
		REQUIRE(sley_signal_next(fd, &info, SOON) == SIGRTMIN + (i >= 10));
		REQUIRE(info.ssi_int == i % 10 * 2 + (i >= 10));
	}
	REQUIRE(sley_signal_next(fd, NULL, 0) == -ETIMEDOUT);
	REQUIRE(sley_close(fd) == 0);
	return 0;
}

/* Real-time signals come as often as they were sent. */
TEST(queued)
{
	sigset_t set = set_of(SIGRTMIN, SIGRTMIN + 1, 0);
	struct sley_options o = { .size = sizeof(o), .signals = &set, .workers = 1 };
	if (getenv("SLEY_TEST_EMULATOR"))
		test_skip("qemu gives the numbers of the host's real-time signals");
	run_with(main_queued, NULL, &o);
}

static int main_ignored(void *arg)
{
	int fd = open_signals(SIGUSR1, SIGCHLD);
	REQUIRE(kill(getpid(), SIGUSR1) == 0);
	REQUIRE(sley_signal_next(fd, NULL, SOON) == SIGUSR1);
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	struct signalfd_siginfo info;
	REQUIRE(sley_signal_next(fd, &info, SOON) == SIGCHLD && info.ssi_pid == (uint32_t)child);
	REQUIRE(waitpid(child, NULL, 0) == child);
	REQUIRE(sley_close(fd) == 0);
	return 0;
}

/* What is ignored, by choice or by default, comes all the same. */
TEST(ignored)
{
	sigset_t set = set_of(SIGUSR1, SIGCHLD, 0);
	struct sley_options o = { .size = sizeof(o), .signals = &set, .workers = 1 };
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	sigaction(SIGUSR1, &ignore, &before);
	run_with(main_ignored, NULL, &o);
	sigaction(SIGUSR1, &before, NULL);
}

static int fds[2];
static int taken; /* by wait_for_signal() */

static void wait_for_signal(void *arg)
{
	taken = sley_signal_next(fds[(intptr_t)arg], NULL, SLEY_NEVER);
}

static int main_wait(void *arg)
{
	fds[0] = open_signals(SIGUSR1, SIGUSR2);
	sley_task task = sley_spawn(wait_for_signal, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_NONE);
	REQUIRE(sley_signal_next(fds[0], NULL, SOON) == -EBUSY);
	REQUIRE(kill(getpid(), SIGUSR2) == 0);
	REQUIRE(sley_join(task, SOON) == 0 && taken == SIGUSR2);
	task = sley_spawn(wait_for_signal, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_NONE);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0 && taken == -ECANCELED);
	task = sley_spawn(wait_for_signal, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_NONE);
	REQUIRE(sley_close(fds[0]) == 0 && sley_join(task, SOON) == 0 && taken == -EBADF);
	REQUIRE(sley_signal_next(fds[0], NULL, SOON) == -EBADF);
	return 0;
}

/* A task waits for a signal, and until a cancellation or a close. */
TEST(wait)
{
	sigset_t set = set_of(SIGUSR1, SIGUSR2, 0);
	struct sley_options o = { .size = sizeof(o), .signals = &set };
	for (o.workers = 1; o.workers <= 2; o.workers++)
		run_with(main_wait, NULL, &o);
}

/* ---- every thread ---- */

static void block_thread(void *block)
{
	usleep(20000);
}

/* Keeps the workers and the pool's threads in and out of their waits. */
static void be_busy(void *arg)
{
	unsigned *stop = arg;
	for (unsigned i = 0; !load(stop, relaxed); i++) {
		if (i % 64 == 0)
			sley_sleep(sley_in(SLEY_US(200)));
		else if (i % 1000 == 1)
			REQUIRE(sley_offload(block_thread, NULL, 0, SLEY_NEVER) == 0);
		else
			sley_yield();
	}
}

static int main_many(void *arg)
{
	static unsigned stop;
	union sigval value;
	struct signalfd_siginfo info;
	sley_task tasks[8];
	int fd = open_signals(SIGUSR1, SIGTERM), n = (int)test_scale(3000);
	store(&stop, 0, relaxed);
	for (unsigned i = 0; i < 8; i++)
		tasks[i] = sley_spawn(be_busy, &stop);
	for (int i = 0; i < n; i++) {
		value.sival_int = i;
		REQUIRE(sigqueue(getpid(), SIGUSR1, value) == 0);
		if (i % 10 == 0)
			REQUIRE(kill(getpid(), SIGTERM) == 0); /* which would end the process */
		REQUIRE(sley_signal_next(fd, &info, SOON) == SIGUSR1 && info.ssi_int == i);
		if (i % 10 == 0)
			REQUIRE(sley_signal_next(fd, &info, SOON) == SIGTERM);
	}
	store(&stop, 1, relaxed);
	for (unsigned i = 0; i < 8; i++)
		REQUIRE(sley_join(tasks[i], SOON) == 0);
	REQUIRE(sley_close(fd) == 0);
	return 0;
}

/* Whatever the runtime's threads do, each signal comes to the task: the process would end otherwise. */
TEST(many)
{
	sigset_t set = set_of(SIGUSR1, SIGTERM, 0), before, after;
	struct sley_options o = { .size = sizeof(o), .signals = &set, .workers = 4 };
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(sigismember(&before, SIGTERM), 0);
	run_with(main_many, NULL, &o);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_int_equal(sigismember(&after, SIGTERM), 0); /* as before the run */
}

/* ---- what is refused ---- */

static int main_refused(void *arg)
{
	static const int never[] = { SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS };
	sigset_t set, two = set_of(SIGUSR1, SIGUSR2, 0), none = set_of(0);
	char byte[128] = "";
	int ends[2];
	REQUIRE(sley_signal_open(NULL) == -EFAULT);
	REQUIRE(sley_signal_open(&none) == -EINVAL);
	for (unsigned i = 0; i < ARRAY_SIZE(never); i++) {
		set = set_of(SIGUSR1, never[i], 0);
		REQUIRE(sley_signal_open(&set) == -EINVAL);
	}
	REQUIRE(sley_signal_open(&two) == -EPERM); /* SIGUSR2 is not blocked */
	REQUIRE(pthread_sigmask(SIG_BLOCK, &two, NULL) == 0);
	REQUIRE(sley_signal_open(&two) == -EPERM); /* it is in this worker, but who knows the others */
	set = set_of(SIGUSR1, 0);
	struct rlimit old, low;
	REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
	low = old;
	low.rlim_cur = 3;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
	int error = sley_signal_open(&set);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0 && error == -EMFILE);
	set = set_of(SIGUSR2, 0);
	REQUIRE(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
	REQUIRE(pipe(ends) == 0 && write(ends[1], byte, sizeof(byte)) == sizeof(byte));
	REQUIRE(sley_signal_next(ends[0], NULL, SOON) == -EINVAL);
	REQUIRE(sley_signal_next(-1, NULL, SOON) == -EBADF);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
	return 0;
}

TEST(refused)
{
	static const int never[] = { SIGKILL, SIGSTOP, SIGSEGV };
	sigset_t set = set_of(SIGUSR1, 0);
	struct sley_options o = { .size = sizeof(o), .signals = &set, .workers = 1 };
	assert_int_equal(sley_signal_open(&set), -ENOTCONN);
	assert_int_equal(sley_signal_next(0, NULL, SOON), -EDEADLK);
	run_with(main_refused, NULL, &o);
	for (unsigned i = 0; i < ARRAY_SIZE(never); i++) {
		set = set_of(never[i], 0);
		assert_int_equal(sley_run(main_refused, NULL, &o, NULL), -EINVAL);
	}
	set = set_of(SIGQUIT, 0);
	o.flags = SLEY_RUN_DUMP_ON_SIGQUIT;
	assert_int_equal(sley_run(main_refused, NULL, &o, NULL), -EINVAL);
}

static int main_blocked_before(void *arg)
{
	int fd = open_signals(SIGUSR1, 0);
	REQUIRE(kill(getpid(), SIGUSR1) == 0);
	REQUIRE(sley_signal_next(fd, NULL, SOON) == SIGUSR1);
	REQUIRE(sley_close(fd) == 0);
	return 0;
}

/* Without the option: blocked by the service itself before the run. */
TEST(blocked_before)
{
	sigset_t set = set_of(SIGUSR1, 0), before;
	struct sley_options o = { .size = sizeof(o), .workers = 2 };
	pthread_sigmask(SIG_BLOCK, &set, &before);
	run_with(main_blocked_before, NULL, &o);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static unsigned handled; /* atomic */

static void on_signal(int signal)
{
	fetch_add(&handled, 1, relaxed);
}

static int main_pending(void *arg)
{
	REQUIRE(kill(getpid(), SIGUSR1) == 0);
	REQUIRE(load(&handled, relaxed) == 0);
	return 0;
}

/* A signal that nobody took has its effect when the run is over. */
TEST(pending)
{
	sigset_t set = set_of(SIGUSR1, 0);
	struct sley_options o = { .size = sizeof(o), .signals = &set, .workers = 2 };
	struct sigaction action = { .sa_handler = on_signal }, before;
	sigaction(SIGUSR1, &action, &before);
	handled = 0;
	run_with(main_pending, NULL, &o);
	assert_int_equal(handled, 1);
	sigaction(SIGUSR1, &before, NULL);
}
