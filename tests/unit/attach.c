/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* One run for several users: libraries that attach, and sley_run(). */
#include "tests/unit/run.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "base/atomic.h"
#include "region/region.h"
#include "run/worker.h"

static unsigned ran; /* atomic */

static void count_run(void *arg)
{
	fetch_add(&ran, 1, release);
}

/* A task runs. */
static void submit(void)
{
	REQUIRE(sley_submit(count_run, NULL, 0, SOON) == 0);
}

/* The first one to attach makes the run, the last one to detach ends it, and then there may be another one. */
TEST(first_and_last)
{
	for (int i = 0; i < 3; i++) {
		REQUIRE(sley_detach() == -EINVAL);
		REQUIRE(sley_spawn(count_run, NULL) == -ENOTCONN);
		REQUIRE(sley_attach(NULL) == 0);
		submit();
		REQUIRE(sley_attach(NULL) == 0);
		REQUIRE(sley_detach() == 0);
		submit();
		REQUIRE(sley_detach() == 0);
		REQUIRE(!load(&scheduler.running, relaxed));
		REQUIRE(sley_spawn(count_run, NULL) == -ENOTCONN);
	}
}

/* The options of the first one count; wrong ones are refused in any case. */
TEST(options)
{
	struct sley_options two = { .size = sizeof(two), .workers = 2, .name = "first" };
	struct sley_options three = { .size = sizeof(three), .workers = 3 };
	struct sley_options wrong = { .size = sizeof(wrong), .workers = 100000 };
	capture_begin();
	REQUIRE(sley_attach(&wrong) == -EINVAL && !load(&scheduler.running, relaxed));
	REQUIRE(sley_attach(&two) == 0 && sley_attach(&three) == 0);
	REQUIRE(sley_attach(&wrong) == -EINVAL);
	char text[1000];
	capture_end(text, sizeof(text));
	REQUIRE(scheduler.target == 2 && strcmp(region.header->name, "first") == 0);
	REQUIRE(sley_detach() == 0 && sley_detach() == 0 && sley_detach() == -EINVAL);
}

static void look_at_signals(void *arg)
{
	REQUIRE(pthread_sigmask(SIG_SETMASK, NULL, arg) == 0);
}

/* The threads of a run that a library has made take no signal from the service, and still tell of their own faults. */
TEST(signals)
{
	sigset_t mask, before, after;
	REQUIRE(pthread_sigmask(SIG_SETMASK, NULL, &before) == 0);
	REQUIRE(sley_attach(NULL) == 0);
	REQUIRE(sley_submit(look_at_signals, &mask, sizeof(mask), SOON) == 0);
	REQUIRE(sigismember(&mask, SIGTERM) == 1 && sigismember(&mask, SIGCHLD) == 1);
	REQUIRE(sigismember(&mask, SIGSEGV) == 0 && sigismember(&mask, SIGBUS) == 0);
	REQUIRE(sley_detach() == 0);
	REQUIRE(pthread_sigmask(SIG_SETMASK, NULL, &after) == 0);
	for (int i = 1; i < NSIG; i++)
		REQUIRE(sigismember(&before, i) == sigismember(&after, i));
}

/* ---- with sley_run() ---- */

static unsigned go_on; /* atomic */

static void wait_long(void *arg)
{
	while (!load(&go_on, acquire))
		REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
	fetch_add(&ran, 1, release);
}

static int leave_a_task(void *arg)
{
	REQUIRE(strcmp(region.header->name, "host") == 0);
	return sley_spawn(wait_long, NULL) > 0 ? *(int *)arg : -1;
}

/* sley_run() in the run of a library: it has main's result, and what main has left behind goes on. */
TEST(guest)
{
	struct sley_options host = { .size = sizeof(host), .workers = 1, .name = "host" }, wrong = { .size = 1 };
	int seven = 7, result = 0;
	store(&ran, 0, relaxed);
	store(&go_on, 0, relaxed);
	REQUIRE(sley_attach(&host) == 0);
	REQUIRE(sley_run(leave_a_task, &seven, NULL, &result) == 0 && result == 7);
	REQUIRE(sley_run(leave_a_task, &seven, &wrong, &result) == -EINVAL);
	store(&go_on, 1, release);
	for (sley_time end = SOON; load(&ran, acquire) != 1;)
		REQUIRE(sley_now() < end);
	REQUIRE(sley_detach() == 0 && sley_detach() == -EINVAL);
}

static void *attach_here(void *arg)
{
	REQUIRE(sley_attach(NULL) == 0);
	store((unsigned *)arg, 1, release);
	return NULL;
}

static int main_attaches(void *arg)
{
	unsigned attached = 0;
	pthread_t thread;
	REQUIRE(sley_attach(NULL) == 0); /* by a task */
	REQUIRE(pthread_create(&thread, NULL, attach_here, &attached) == 0);
	while (!load(&attached, acquire))
		sley_yield();
	REQUIRE(pthread_join(thread, NULL) == 0);
	REQUIRE(sley_detach() == 0); /* by another thread than that which has attached */
	return sley_spawn(wait_long, NULL) > 0 ? 0 : 1;
}

static void *run_service(void *arg)
{
	int result = 1;
	REQUIRE(sley_run(main_attaches, NULL, arg, &result) == 0 && result == 0);
	store(&go_on, 2, release);
	return NULL;
}

/* sley_run() does not return while somebody is attached, and says so after a second. */
TEST(held)
{
	struct sley_options service = { .size = sizeof(service), .workers = 1 };
	char text[1000] = "";
	pthread_t thread;
	store(&go_on, 0, relaxed);
	store(&ran, 0, relaxed);
	capture_begin();
	REQUIRE(pthread_create(&thread, NULL, run_service, &service) == 0);
	for (sley_time end = SOON; !strstr(text, "main has returned"); capture_peek(text, sizeof(text)))
		REQUIRE(sley_now() < end);
	REQUIRE(load(&go_on, acquire) == 0);
	submit(); /* all works still */
	REQUIRE(sley_detach() == 0);
	REQUIRE(pthread_join(thread, NULL) == 0 && load(&go_on, acquire) == 2);
	capture_end(text, sizeof(text));
	REQUIRE(strstr(text, "main has returned, but sley_run() waits for 1 call of sley_detach(), ") != NULL);
}

/* ---- the end ---- */

static void detach_here(void *arg)
{
	REQUIRE(sley_detach() == 0);
	REQUIRE(sley_attach(NULL) == -ENOTCONN); /* the run is about to end */
	fetch_add(&ran, 1, release);
}

/* A task may end the run. The next one to attach waits for the end, and makes another run. */
TEST(last_is_a_task)
{
	store(&ran, 0, relaxed);
	for (unsigned i = 1; i <= 20; i++) {
		REQUIRE(sley_attach(NULL) == 0);
		unsigned number = scheduler.run;
		REQUIRE(sley_spawn(detach_here, NULL) > 0);
		while (load(&ran, acquire) < i)
			sched_yield();
		REQUIRE(sley_attach(NULL) == 0);
		REQUIRE(scheduler.run == number + 1);
		REQUIRE(sley_detach() == 0);
	}
}

#define THREADS 4

static void *come_and_go(void *arg)
{
	for (int i = 0; i < 50; i++) {
		REQUIRE(sley_attach(NULL) == 0);
		submit();
		REQUIRE(sley_detach() == 0);
	}
	return NULL;
}

/* Threads attach and detach at any time: each finds a run in between, and no task is lost. */
TEST(come_and_go)
{
	pthread_t threads[THREADS];
	store(&ran, 0, relaxed);
	for (int i = 0; i < THREADS; i++)
		REQUIRE(pthread_create(&threads[i], NULL, come_and_go, NULL) == 0);
	for (int i = 0; i < THREADS; i++)
		REQUIRE(pthread_join(threads[i], NULL) == 0);
	REQUIRE(load(&ran, acquire) == 50 * THREADS);
	REQUIRE(sley_detach() == -EINVAL && !load(&scheduler.running, relaxed));
}
