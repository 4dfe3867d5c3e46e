/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Rows of what is done by the pool for what blocks. */
#include "tests/stress/matrix_rows_pool.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/stress/matrix_pool.h"
#include "tests/stress/stress.h"

/* ---- offload ---- */

/* Each call has a gate of its own, which its function waits at; also one that was given up, so it is opened then. */
static unsigned gates[1 << 16]; /* atomic */
static unsigned gate;

static void pass_gate(void *block)
{
	while (!load(*(unsigned **)block, acquire))
		usleep(100);
}

static void offload_open(void)
{
	memset(gates, 0, sizeof(gates));
	gate = 0;
}

static void offload_ready(void)
{
	store(&gates[gate], 1, release);
}

/* A call that is made again and again until another task has its turn may come round. */
static void next_gate(void)
{
	gate = (gate + 1) % ARRAY_SIZE(gates);
	store(&gates[gate], 0, relaxed);
}

static int offload_call(sley_time deadline)
{
	unsigned *mine = &gates[gate];
	int error = sley_offload(pass_gate, &mine, sizeof(mine), deadline);
	store(mine, 1, release);
	next_gate();
	return error;
}

/* The same by the pool for what computes. */
static int compute_call(sley_time deadline)
{
	static const struct sley_offload_options options = { .size = sizeof(options), .cpu = 1 };
	unsigned *mine = &gates[gate];
	int error = sley_offload_with(&options, pass_gate, &mine, sizeof(mine), deadline);
	store(mine, 1, release);
	next_gate();
	return error;
}

/* ---- names: the call that asks, and one that waits for the answer to another's question ---- */

static char host[16];
static unsigned hosts;
static sley_task asker;
static unsigned asked, may_answer; /* atomic */

static int get(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	static struct sockaddr_in in = { .sin_family = AF_INET };
	static struct addrinfo answer = { .ai_family = AF_INET, .ai_addr = (void *)&in, .ai_addrlen = sizeof(in) };
	store(&asked, 1, release);
	while (!load(&may_answer, acquire))
		usleep(100);
	*result = &answer;
	return 0;
}

static void put(struct addrinfo *result)
{
}

static int resolve_call(sley_time deadline)
{
	struct addrinfo *result;
	int error = sley_resolve(host, NULL, NULL, &result, deadline);
	REQUIRE(error ? !result : result->ai_family == AF_INET && !result->ai_next);
	sley_resolve_free(result);
	return error;
}

/* Nobody has been asked for the next host yet. */
static void next_host(void)
{
	snprintf(host, sizeof(host), "host-%u", hosts++);
	store(&asked, 0, relaxed);
	store(&may_answer, 0, relaxed);
}

static void ask_open(void)
{
	REQUIRE(sley_resolver_set(get, put) == 0);
	pool_keep();
	next_host();
}

static void ask_ready(void)
{
	store(&may_answer, 1, release);
	pool_let_go();
}

static void ask_reset(void)
{
	next_host();
	pool_keep();
}

static void ask_end(void)
{
	pool_let_go();
	REQUIRE(sley_resolver_set(NULL, NULL) == 0);
}

static void ask(void *arg)
{
	REQUIRE(resolve_call(SLEY_NEVER) == 0);
}

static void shared_reset(void)
{
	next_host();
	asker = stress_spawn(ask, NULL);
	while (!load(&asked, acquire))
		sley_yield();
}

static void shared_open(void)
{
	REQUIRE(sley_resolver_set(get, put) == 0);
	shared_reset();
}

/* The answer is kept when who asked has it. */
static void shared_ready(void)
{
	store(&may_answer, 1, release);
	stress_join(asker);
}

static void shared_end(void)
{
	shared_ready();
	REQUIRE(sley_resolver_set(NULL, NULL) == 0);
}

/* ---- the other way round ---- */

/* Each call has a channel of its own: a task that was given up may still look into its one. */
static struct sley_chan *leave[64];
static unsigned submission;

static void wait_to_leave(void *block)
{
	sley_chan_recv(*(struct sley_chan **)block, NULL, SLEY_NEVER); /* or it is cancelled */
}

static void submit_open(void)
{
	submission = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(leave); i++)
		REQUIRE(sley_chan_new(&leave[i], 0, 1) == 0);
}

static int submit_call(sley_time deadline)
{
	struct sley_chan *mine = leave[submission];
	int error = sley_submit(wait_to_leave, &mine, sizeof(mine), deadline);
	submission = (submission + 1) % ARRAY_SIZE(leave);
	return error;
}

static void submit_ready(void)
{
	REQUIRE(sley_chan_send(leave[submission], NULL, SLEY_NEVER) == 0);
}

static void submit_end(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(leave); i++)
		while (sley_chan_free(leave[i]) != 0) /* one that was given up ends by itself */
			sley_yield();
}

const struct matrix_row matrix_rows_pool[] = {
	{ "submit", SLEY_WAIT_RECV, submit_open, submit_end, submit_call, submit_ready, .in_task = -EDEADLK },
	{ "offload", SLEY_WAIT_OFFLOAD, offload_open, nothing, offload_call, offload_ready, .in_thread = -EDEADLK,
	  .always_waits = true, .each_anew = true },
	{ "offload, computing", SLEY_WAIT_OFFLOAD, offload_open, nothing, compute_call, offload_ready,
	  .in_thread = -EDEADLK, .always_waits = true, .each_anew = true },
	{ "resolve", SLEY_WAIT_RESOLVE, ask_open, ask_end, resolve_call, ask_ready, ask_reset, .in_thread = -EDEADLK,
	  .always_waits = true },
	{ "resolve, shared", SLEY_WAIT_RESOLVE, shared_open, shared_end, resolve_call, shared_ready, shared_reset,
	  .in_thread = -EDEADLK },
	{ NULL },
};
