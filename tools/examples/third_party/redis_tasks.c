/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * redis_tasks ADDRESS [options]: many tasks share a few connections to a redis server. Each stores a value of its own
 * under sley:NUMBER, counts itself in sley:count, reads its value back, and reports to the list sley:done. One more
 * task takes the reports with BLPOP, a command that has no end until there is one, and holds up nobody meanwhile. How
 * hiredis and sley work together is in redis.c.
 *
 *	ADDRESS         127.0.0.1:PORT, or unix:/PATH
 *	-n TASKS        (500)
 *	-c CONNECTIONS  that they share (8)
 *	-t SECONDS      for each step of a task (10)
 *	-w WORKERS
 *
 * Exit code: 0: all values were read as they were stored, and all tasks were counted and reported; 1: not so, and the
 * first reason; 2: usage.
 */
#include "arguments.h"
#include "redis.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USAGE "redis_tasks ADDRESS [-n TASKS] [-c CONNECTIONS] [-t SECONDS] [-w WORKERS]"

static struct {
	const char *address;
	unsigned tasks, connections;
	long seconds;
} option = { .tasks = 500, .connections = 8, .seconds = 10 };

static struct redis_pool *pool;
static atomic_bool failed;
static atomic_uint reported;

static sley_time soon(void)
{
	return sley_in(SLEY_SEC(option.seconds));
}

/* Tells the first failure only: the others mostly have the same reason. */
static bool fail(const char *what, const char *reason)
{
	if (!atomic_exchange(&failed, true))
		fprintf(stderr, "redis_tasks: %s: %s\n", what, reason);
	return false;
}

/* True: there is a reply, and it is no error. Else says why not, and frees it. (Its address: `error` is a call.) */
static bool is_good(const char *what, int error, redisReply **reply)
{
	if (error)
		return fail(what, strerror(-error));
	if ((*reply)->type != REDIS_REPLY_ERROR)
		return true;
	fail(what, (*reply)->str);
	freeReplyObject(*reply);
	return false;
}

/* A good reply that says nothing more. */
static bool is_done(const char *what, int error, redisReply **reply)
{
	if (!is_good(what, error, reply))
		return false;
	freeReplyObject(*reply);
	return true;
}

/* ---- one task ---- */

struct value {
	unsigned number; /* of the task */
	size_t length;
	char *bytes;
};

/* Mostly short; every 50th has 2 MB, which no socket takes at once. */
static bool make_value(struct value *v)
{
	v->length = v->number % 50 == 49 ? 2000000 : 1 + v->number % 97;
	v->bytes = malloc(v->length);
	for (size_t i = 0; v->bytes && i < v->length; i++)
		v->bytes[i] = (char)('a' + (v->number + i / 7) % 26);
	return v->bytes != NULL;
}

/* Two commands at once, so one round trip: their replies come in this order. */
static bool store(redisContext *c, const struct value *v)
{
	redisReply *reply;
	redisAppendCommand(c, "SET sley:%u %b", v->number, v->bytes, v->length);
	redisAppendCommand(c, "INCR sley:count");
	return is_done("SET", redis_reply(c, &reply, soon()), &reply) &&
	       is_done("INCR", redis_reply(c, &reply, soon()), &reply);
}

static bool compare(redisContext *c, const struct value *v)
{
	redisReply *reply;
	bool same;
	if (!is_good("GET", redis_command(c, &reply, soon(), "GET sley:%u", v->number), &reply))
		return false;
	same = reply->type == REDIS_REPLY_STRING && reply->len == v->length &&
	       memcmp(reply->str, v->bytes, v->length) == 0;
	freeReplyObject(reply);
	return same || fail("GET", "the value is not the one that was stored");
}

static bool report(redisContext *c, const struct value *v)
{
	redisReply *reply;
	return is_done("RPUSH", redis_command(c, &reply, soon(), "RPUSH sley:done %u", v->number), &reply);
}

/* Others use the connection between the steps. After a failed one a second reply may be due: it is not used again. */
static bool step(bool (*what)(redisContext *, const struct value *), const struct value *v)
{
	redisContext *c;
	int error = redis_pool_take(pool, &c, soon());
	bool good;
	if (error)
		return fail(option.address, strerror(-error));
	good = what(c, v);
	if (!good && !c->err)
		c->err = REDIS_ERR_OTHER;
	redis_pool_give(pool, c);
	return good;
}

static void run_task(void *arg)
{
	struct value v = { .number = (unsigned)(uintptr_t)arg };
	sley_set_name("redis");
	if (!make_value(&v))
		fail("memory", strerror(ENOMEM));
	else if (step(store, &v) && step(compare, &v))
		step(report, &v);
	free(v.bytes);
}

/* ---- the task that takes the reports ---- */

static void mark(bool *seen, const redisReply *pair)
{
	unsigned long number = pair->type == REDIS_REPLY_ARRAY && pair->elements == 2
				       ? strtoul(pair->element[1]->str, NULL, 10)
				       : option.tasks;
	if (number >= option.tasks || seen[number]) {
		fail("BLPOP", "this report was not expected");
		return;
	}
	seen[number] = true;
	atomic_fetch_add(&reported, 1);
}

/* BLPOP's own timeout is 0, for ever, and so is ours. If a task has failed its report never comes: -ECANCELED. */
static void take_reports(void *arg)
{
	bool *seen = calloc(option.tasks, sizeof(*seen));
	redisContext *c = NULL;
	redisReply *reply;
	int error = seen ? redis_dial(&c, option.address, soon()) : -ENOMEM;
	(void)arg;
	sley_set_name("reports");
	while (!error && atomic_load(&reported) < option.tasks && !atomic_load(&failed)) {
		error = redis_command(c, &reply, SLEY_NEVER, "BLPOP sley:done 0");
		if (error || !is_good("BLPOP", 0, &reply))
			break;
		mark(seen, reply);
		freeReplyObject(reply);
	}
	if (error)
		fail("BLPOP", strerror(-error));
	redis_close(c);
	free(seen);
}

/* ---- all ---- */

static bool forget_last_run(void)
{
	redisContext *c;
	redisReply *reply;
	int error = redis_pool_take(pool, &c, soon());
	bool good;
	if (error)
		return fail(option.address, strerror(-error));
	good = is_done("DEL", redis_command(c, &reply, soon(), "DEL sley:count sley:done"), &reply);
	redis_pool_give(pool, c);
	return good;
}

static bool check_count(void)
{
	redisContext *c;
	redisReply *reply;
	int error = redis_pool_take(pool, &c, soon());
	bool good;
	if (error)
		return fail(option.address, strerror(-error));
	good = is_good("GET", redis_command(c, &reply, soon(), "GET sley:count"), &reply);
	if (good) {
		good = reply->type == REDIS_REPLY_STRING && strtoul(reply->str, NULL, 10) == option.tasks;
		freeReplyObject(reply);
		if (!good)
			fail("GET", "the count is not the number of tasks");
	}
	redis_pool_give(pool, c);
	return good;
}

static void run_tasks(sley_task *tasks)
{
	sley_task reports = sley_spawn(take_reports, NULL);
	for (unsigned i = 0; i < option.tasks; i++) {
		tasks[i] = sley_spawn(run_task, (void *)(uintptr_t)i);
		if (tasks[i] < 0)
			fail("spawn", strerror((int)-tasks[i]));
	}
	for (unsigned i = 0; i < option.tasks; i++)
		sley_join(tasks[i], SLEY_NEVER);
	if (atomic_load(&failed))
		sley_cancel(reports);
	sley_join(reports, SLEY_NEVER);
}

/* The main task. */
static int run(void *arg)
{
	sley_task *tasks = calloc(option.tasks, sizeof(*tasks));
	(void)arg;
	if (!tasks || redis_pool_new(&pool, option.address, option.connections)) {
		fail("memory", strerror(ENOMEM));
	} else if (forget_last_run()) {
		run_tasks(tasks);
		if (!atomic_load(&failed) && check_count())
			printf("redis_tasks: %u tasks over %u connections: values, count and reports are right\n",
			       option.tasks, option.connections);
	}
	redis_pool_free(pool);
	free(tasks);
	return atomic_load(&failed);
}

static void parse(int argc, char **argv, struct sley_options *options)
{
	int o;
	while ((o = getopt(argc, argv, "n:c:t:w:")) != -1) {
		if (o == 'n')
			option.tasks = (unsigned)argument_number(optarg, 1, 1000000, USAGE);
		else if (o == 'c')
			option.connections = (unsigned)argument_number(optarg, 1, 10000, USAGE);
		else if (o == 't')
			option.seconds = argument_number(optarg, 1, 86400, USAGE);
		else if (o == 'w')
			options->workers = (unsigned)argument_number(optarg, 1, 256, USAGE);
		else
			argument_failed(USAGE);
	}
	if (optind != argc - 1)
		argument_failed(USAGE);
	option.address = argv[optind];
}

int main(int argc, char **argv)
{
	struct sley_options options = { .size = sizeof(options), .name = "redis_tasks" };
	int error, result;
	parse(argc, argv, &options);
	signal(SIGPIPE, SIG_IGN); /* hiredis does not ask for MSG_NOSIGNAL */
	error = sley_run(run, NULL, &options, &result);
	if (error)
		fprintf(stderr, "redis_tasks: %s\n", strerror(-error));
	return error ? 1 : result;
}
