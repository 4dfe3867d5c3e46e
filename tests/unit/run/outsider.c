/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/unit/run/outsider.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "tests/unit/run.h"

static struct sley_group under_way;
static sem_t done;

void done_open(void)
{
	REQUIRE(sem_init(&done, 0, 0) == 0);
}

void done_add(void *unused)
{
	sem_post(&done);
}

void done_take(void)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 30; /* a bound that only a lost wake-up meets */
	while (sem_timedwait(&done, &until) != 0)
		REQUIRE(errno == EINTR);
}

void outsider_run(void *(*body)(void *))
{
	pthread_t thread;
	done_open();
	REQUIRE(sley_group_add(&under_way, 1) == 0);
	REQUIRE(pthread_create(&thread, NULL, body, NULL) == 0);
	REQUIRE(sley_group_wait(&under_way, SLEY_NEVER) == 0);
	pthread_join(thread, NULL);
}

void outsider_end(void)
{
	REQUIRE(sley_group_done(&under_way) == 0);
}
