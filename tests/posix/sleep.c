/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Sleeps: a task gets what the kernel gives a thread, while other tasks run. */
#include "tests/posix/both.h"

#include <time.h>
#include <unistd.h>

#include <sley.h>
#undef errno
#define errno (*__errno_location())

#define MS 1000000L

static int acted;

static void acts(void *unused)
{
	acted = 1;
}

static struct timespec after(clockid_t clock, long ns)
{
	struct timespec time;
	clock_gettime(clock, &time);
	time.tv_nsec += ns;
	time.tv_sec += time.tv_nsec / 1000000000;
	time.tv_nsec %= 1000000000;
	return time;
}

static long is_past(clockid_t clock, struct timespec time)
{
	struct timespec now;
	clock_gettime(clock, &now);
	return now.tv_sec > time.tv_sec || (now.tv_sec == time.tv_sec && now.tv_nsec >= time.tv_nsec);
}

/* Each of them sleeps for its time, not shorter, and others run meanwhile. */
BOTH(durations)
{
	struct timespec end = after(CLOCK_MONOTONIC, 20 * MS);
	acted = 0;
	peer_starts(acts, NULL);
	note(nanosleep(&(struct timespec){ .tv_nsec = 20 * MS }, NULL));
	peer_ends();
	note(is_past(CLOCK_MONOTONIC, end) && acted);
	acted = 0;
	peer_starts(acts, NULL);
	end = after(CLOCK_MONOTONIC, 20 * MS);
	note(usleep(20000));
	note(is_past(CLOCK_MONOTONIC, end));
	peer_ends();
	peer_starts(acts, NULL);
	end = after(CLOCK_MONOTONIC, 1000 * MS);
	note(sleep(1));
	note(is_past(CLOCK_MONOTONIC, end));
	peer_ends();
	note(sleep(0));
	note(usleep(0));
	note(nanosleep(&(struct timespec){ 0 }, NULL));
}

/* Until a time of each clock, and for a time by it; a time that has passed ends at once. */
BOTH(clocks)
{
	static const clockid_t clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME, CLOCK_TAI };
	for (unsigned i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		struct timespec end = after(clocks[i], 10 * MS);
		note(clock_nanosleep(clocks[i], TIMER_ABSTIME, &end, NULL));
		note(is_past(clocks[i], end));
		note(clock_nanosleep(clocks[i], TIMER_ABSTIME, &end, NULL));
		end = after(clocks[i], 10 * MS);
		note(clock_nanosleep(clocks[i], 0, &(struct timespec){ .tv_nsec = 10 * MS }, NULL));
		note(is_past(clocks[i], end));
	}
}

/* What the kernel refuses. */
BOTH(refused)
{
	note(nanosleep(&(struct timespec){ .tv_nsec = -1 }, NULL));
	note(nanosleep(&(struct timespec){ .tv_nsec = 1000000000 }, NULL));
	note(nanosleep(&(struct timespec){ .tv_sec = -1 }, NULL));
	note(clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = -1 }, NULL));
	note(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &(struct timespec){ .tv_nsec = 1 }, NULL));
	note(clock_nanosleep(12345, 0, &(struct timespec){ .tv_nsec = 1 }, NULL));
}

/* ---- of tasks alone ---- */

static sley_task sleeper;
static struct timespec rest;
static int result, error;

static void sleeps(void *unused)
{
	result = nanosleep(&(struct timespec){ .tv_sec = 1000 }, &rest);
	error = errno;
}

static int main_cancel(void *unused)
{
	REQUIRE((sleeper = sley_spawn(sleeps, NULL)) > 0);
	sley_yield();
	REQUIRE(sley_cancel(sleeper) == 0 && sley_join(sleeper, SLEY_NEVER) == 0);
	REQUIRE(result == -1 && error == ECANCELED);
	REQUIRE(rest.tv_sec >= 900 && rest.tv_sec < 1000);
	return 0;
}

/* A cancellation ends a sleep as a signal ends a thread's, with another error. */
TEST(cancelled)
{
	struct sley_options one = { .size = sizeof(one), .workers = 1 };
	int value = -1;
	assert_int_equal(sley_run(main_cancel, NULL, &one, &value), 0);
	assert_int_equal(value, 0);
}
