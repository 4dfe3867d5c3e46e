/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Sleeps. No signal ends them, as none interrupts a task. What ends one early is a cancellation of the task, or its own
 * deadline: then the rest is given back as after a signal, with ECANCELED or ETIMEDOUT in the place of EINTR.
 */
#include "posix/posix.h"

#include <unistd.h>

#include "base/clock.h"

#define LOOK NS_PER_SEC /* how often a clock is looked at that may be set */

static int64_t ns_of(const struct timespec *time)
{
	return time->tv_sec >= INT64_MAX / NS_PER_SEC ? INT64_MAX : time->tv_sec * NS_PER_SEC + time->tv_nsec;
}

/* Sleeps so long. Returns the rest if it ends early, with errno; else 0. */
static int64_t sleep_for(int64_t duration, const void *pc)
{
	sley_time until = sley_in(duration);
	if (posix_sleep_until(until, pc))
		return 0;
	int64_t rest = until - sley_now();
	return rest > 0 ? rest : 1;
}

unsigned posix_sleep(unsigned seconds, const void *pc)
{
	return (unsigned)(sleep_for(seconds * NS_PER_SEC, pc) / NS_PER_SEC);
}

int posix_usleep(useconds_t us, const void *pc)
{
	return sleep_for(us * NS_PER_US, pc) > 0 ? -1 : 0;
}

int posix_nanosleep(const struct timespec *duration, struct timespec *rest, const void *pc)
{
	if (!duration || posix_time_is_wrong(duration))
		return NEXT(nanosleep)(duration, rest);
	int64_t left = sleep_for(ns_of(duration), pc);
	if (left > 0 && rest)
		*rest = clock_timespec(left);
	return left > 0 ? -1 : 0;
}

/* Until a time of a clock that may be set meanwhile. Returns 0, or the error. */
static int sleep_until_clock(clockid_t clock, int64_t until, const void *pc)
{
	for (;;) {
		struct timespec now = { 0 };
		clock_gettime(clock, &now);
		int64_t left = until - ns_of(&now);
		if (clock != CLOCK_MONOTONIC && left > LOOK)
			left = LOOK;
		if (!posix_sleep_until(sley_in(left > 0 ? left : 0), pc))
			return errno;
		if (left < LOOK)
			return 0;
	}
}

int posix_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *rest,
			  const void *pc)
{
	bool known =
		clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME || clock == CLOCK_TAI;
	if (!known || !time || posix_time_is_wrong(time))
		return NEXT(clock_nanosleep)(clock, flags, time, rest);
	int saved = errno, error = 0;
	if (flags & TIMER_ABSTIME)
		error = sleep_until_clock(clock, ns_of(time), pc);
	else if (posix_nanosleep(time, rest, pc) != 0)
		error = errno;
	errno = saved;
	return error;
}
