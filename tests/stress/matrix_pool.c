/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/stress/matrix_pool.h"

#include <semaphore.h>

#include <sley.h>

#include "tests/stress/stress.h"

static sley_task keeper; /* 0: the thread is free */
static sem_t gate;
static struct sley_promise *taken;
static struct sley_future *is_taken;

static void wait_at_gate(void *block)
{
	REQUIRE(sley_promise_resolve(taken, NULL) == 0);
	while (sem_wait(&gate) != 0)
		continue;
}

static void keep(void *arg)
{
	REQUIRE(sley_offload(wait_at_gate, NULL, 0, SLEY_NEVER) == 0);
}

void pool_keep(void)
{
	REQUIRE(keeper == 0 && sem_init(&gate, 0, 0) == 0 && sley_promise_new(&taken, &is_taken, 0) == 0);
	keeper = stress_spawn(keep, NULL);
	REQUIRE(sley_await(is_taken, NULL, SLEY_NEVER) == 0);
}

void pool_let_go(void)
{
	if (keeper == 0)
		return;
	sem_post(&gate);
	stress_join(keeper);
	REQUIRE(sley_promise_free(taken) == 0 && sley_future_free(is_taken) == 0);
	keeper = 0;
}
