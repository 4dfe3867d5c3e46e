/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* hiredis, unchanged, against the real redis-server: a thousand blocking commands at once on two threads. */
#include "tests/posix/many.h"
#include "tests/tools/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hiredis/hiredis.h>
#include <sley.h>

/* redis-server under the name that the package redis-tools has it by: see tests/tools/third_party_redis.c. */
#define SERVER "/usr/bin/redis-check-rdb"

static int server;
static char socket_path[128];

static int setup(void **state)
{
	(void)state;
	scratch_make();
	snprintf(socket_path, sizeof(socket_path), "%s", scratch_path("socket"));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (server > 0)
		end_program(server);
	server = 0;
	scratch_remove();
	return 0;
}

static void start_redis(void)
{
	char command[1024];
	char *argv[] = { "bash", "-c", command, NULL };
	int output;
	if (access(SERVER, X_OK) != 0)
		test_skip("needs the package redis-tools");
	snprintf(command, sizeof(command),
		 "exec -a redis-server " SERVER
		 " --port 0 --unixsocket %s --dir %s --save '' --appendonly no --daemonize no",
		 socket_path, scratch_path(""));
	server = start_program(argv, &output);
	await_output(output, "ready to accept connections");
}

/* hiredis dials with a non-blocking socket, so it fails when the server's backlog is full, on a thread too. */
static struct sley_sem dialing = SLEY_SEM_INIT(50);

static redisContext *dial(void)
{
	REQUIRE(sley_sem_acquire(&dialing, 1, SLEY_NEVER) == 0);
	redisContext *context = redisConnectUnix(socket_path);
	if (!context || context->err)
		fprintf(stderr, "redisConnectUnix: %s\n", context ? context->errstr : "no memory");
	REQUIRE(context && !context->err);
	redisReply *reply = redisCommand(context, "PING"); /* answered when the server has accepted */
	REQUIRE(reply && reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "PONG") == 0);
	freeReplyObject(reply);
	REQUIRE(sley_sem_release(&dialing, 1) == 0);
	return context;
}

/* The value of number i: of very different lengths, up to more than a socket takes at once. */
static size_t make_value(unsigned i, char *value)
{
	size_t n = i % 100 == 99 ? 500000 + i : i % 700;
	for (size_t k = 0; k < n; k++)
		value[k] = (char)(i + k * 7);
	return n;
}

#define VALUE_MOST 600000

/* BLPOP waits in the server until there is something in the list. */
static void pops(unsigned i)
{
	redisContext *context = dial();
	char *value = malloc(VALUE_MOST);
	REQUIRE(value != NULL);
	size_t n = make_value(i, value);
	redisReply *reply = redisCommand(context, "BLPOP list:%u 0", i);
	REQUIRE(reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2);
	REQUIRE(reply->element[1]->len == n && memcmp(reply->element[1]->str, value, n) == 0);
	freeReplyObject(reply);
	reply = redisCommand(context, "ECHO %b", value, n);
	REQUIRE(reply && reply->type == REDIS_REPLY_STRING && reply->len == n && memcmp(reply->str, value, n) == 0);
	freeReplyObject(reply);
	redisFree(context);
	free(value);
}

/* When all of them wait in the server, gives each its value. */
static void pushes(void)
{
	redisContext *context = dial();
	char *value = malloc(VALUE_MOST), wanted[64];
	bool all = false;
	REQUIRE(value != NULL);
	snprintf(wanted, sizeof(wanted), "blocked_clients:%d\r\n", TASKS);
	while (!all) {
		redisReply *reply = redisCommand(context, "INFO clients");
		REQUIRE(reply && reply->type == REDIS_REPLY_STRING);
		all = strstr(reply->str, wanted) != NULL;
		freeReplyObject(reply);
		sley_sleep(sley_in(SLEY_MS(1)));
	}
	REQUIRE(count_threads() < 20); /* none was added for them */
	for (unsigned i = 0; i < TASKS; i++) {
		size_t n = make_value(i, value);
		redisReply *reply = redisCommand(context, "RPUSH list:%u %b", i, value, n);
		REQUIRE(reply && reply->type == REDIS_REPLY_INTEGER);
		freeReplyObject(reply);
	}
	redisFree(context);
	free(value);
}

/* All wait in the server at the same time, and each gets its own value, byte by byte. */
TEST_WITH(blocking_commands, setup, teardown)
{
	need_descriptors(4 * TASKS);
	start_redis();
	run_many(TASKS, pops, pushes, 300);
}

static void times_out(unsigned i)
{
	struct timeval time = { .tv_usec = 20000 };
	redisContext *context = dial();
	(void)i;
	REQUIRE(redisSetTimeout(context, time) == REDIS_OK);
	redisReply *reply = redisCommand(context, "BLPOP nothing 0");
	REQUIRE(!reply && context->err == REDIS_ERR_IO);
	REQUIRE(strcmp(context->errstr, "Resource temporarily unavailable") == 0);
	redisFree(context);
}

/* The library's own timeout, by SO_RCVTIMEO, ends a command as it does on a thread. */
TEST_WITH(timeouts, setup, teardown)
{
	start_redis();
	run_many(50, times_out, NULL, 60);
}
