/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The commands, with the replies of Redis. */
#include "keyd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void reply(struct client *client, const char *text)
{
	buffer_add(&client->out, text, strlen(text));
}

static void reply_number(struct client *client, int64_t n)
{
	buffer_print(&client->out, ":%lld\r\n", (long long)n);
}

static void reply_bytes(struct client *client, struct bytes bytes)
{
	buffer_print(&client->out, "$%zu\r\n", bytes.n);
	buffer_add(&client->out, bytes.at, bytes.n);
	reply(client, "\r\n");
}

/* For a result below 0 of the store. */
static void reply_failure(struct client *client, int result)
{
	reply(client, result == WRONG_KIND  ? "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
		      : result == NO_NUMBER ? "-ERR value is not an integer or out of range\r\n"
					    : "$-1\r\n");
}

static void reply_count(struct client *client, int result)
{
	if (result < 0)
		reply_failure(client, result);
	else
		reply_number(client, result);
}

/* A number of at most 18 digits. */
static bool number(struct bytes text, int64_t *n)
{
	char digits[20], *end;
	if (text.n == 0 || text.n >= sizeof(digits))
		return false;
	memcpy(digits, text.at, text.n);
	digits[text.n] = '\0';
	*n = strtoll(digits, &end, 10);
	return *end == '\0';
}

static bool is(struct bytes text, const char *word)
{
	return text.n == strlen(word) && strncasecmp(text.at, word, text.n) == 0;
}

/* A duration in `unit` ms; 0 and a reply if it is none. */
static int64_t duration(struct client *client, struct bytes text, int64_t unit)
{
	int64_t n;
	if (number(text, &n) && n > 0 && n <= MOST_SECONDS)
		return n * unit;
	reply(client, "-ERR invalid expire time\r\n");
	return 0;
}

/* ---- the connection ---- */

static void ping(struct client *client)
{
	reply(client, "+PONG\r\n");
}

static void echo(struct client *client)
{
	reply_bytes(client, client->argument[1]);
}

static void quit(struct client *client)
{
	reply(client, "+OK\r\n");
	client->over = true;
}

static void info(struct client *client)
{
	char text[128];
	unsigned keys, waiters;
	store_count(&keys, &waiters);
	int n = snprintf(text, sizeof(text), "clients:%u keys:%u waiting:%u", server_clients(), keys, waiters);
	reply_bytes(client, (struct bytes){ text, (size_t)n });
}

/* ---- strings ---- */

static void set(struct client *client)
{
	struct bytes *argument = client->argument;
	int64_t time = 0;
	if (client->arguments == 5 && (is(argument[3], "EX") || is(argument[3], "PX"))) {
		time = duration(client, argument[4], is(argument[3], "EX") ? 1000 : 1);
		if (!time)
			return;
	} else if (client->arguments != 3) {
		reply(client, "-ERR syntax error\r\n");
		return;
	}
	store_set(argument[1], argument[2], time ? now_ms() + time : NEVER);
	reply(client, "+OK\r\n");
}

static void get(struct client *client)
{
	struct bytes value;
	int result = store_get(client->argument[1], &value);
	if (result < 0) {
		reply_failure(client, result);
		return;
	}
	reply_bytes(client, value);
	free(value.at);
}

static void incr(struct client *client)
{
	int64_t sum;
	int result = store_add(client->argument[1], 1, &sum);
	if (result < 0)
		reply_failure(client, result);
	else
		reply_number(client, sum);
}

/* ---- keys ---- */

static void del(struct client *client)
{
	int n = 0;
	for (int i = 1; i < client->arguments; i++)
		n += store_remove(client->argument[i]);
	reply_number(client, n);
}

static void exists(struct client *client)
{
	int n = 0;
	for (int i = 1; i < client->arguments; i++)
		n += store_has(client->argument[i]);
	reply_number(client, n);
}

static void expire_in(struct client *client, int64_t unit)
{
	int64_t time = duration(client, client->argument[2], unit);
	if (time)
		reply_number(client, store_expire(client->argument[1], now_ms() + time));
}

static void expire(struct client *client)
{
	expire_in(client, 1000);
}

static void pexpire(struct client *client)
{
	expire_in(client, 1);
}

static void pttl(struct client *client)
{
	int64_t expires;
	if (!store_expiry(client->argument[1], &expires))
		reply_number(client, -2);
	else
		reply_number(client, expires ? expires - now_ms() : -1);
}

static void dbsize(struct client *client)
{
	unsigned keys, waiters;
	store_count(&keys, &waiters);
	reply_number(client, keys);
}

static void flushall(struct client *client)
{
	store_clear();
	reply(client, "+OK\r\n");
}

static void save(struct client *client)
{
	if (snapshot_save() < 0)
		buffer_print(&client->out, "-ERR %s\r\n", strerror(errno));
	else
		reply(client, "+OK\r\n");
}

/* ---- lists ---- */

static void push(struct client *client, bool first)
{
	int result = 0;
	for (int i = 2; i < client->arguments && result >= 0; i++)
		result = store_push(client->argument[1], client->argument[i], first);
	reply_count(client, result);
}

static void lpush(struct client *client)
{
	push(client, true);
}

static void rpush(struct client *client)
{
	push(client, false);
}

static void lpop(struct client *client)
{
	struct bytes value;
	int result = store_pop(client->argument[1], &value);
	if (result < 0) {
		reply_failure(client, result);
		return;
	}
	reply_bytes(client, value);
	free(value.at);
}

static void llen(struct client *client)
{
	reply_count(client, store_length(client->argument[1]));
}

static void blpop(struct client *client)
{
	struct bytes value;
	int64_t seconds;
	if (!number(client->argument[2], &seconds) || seconds < 0 || seconds > MOST_SECONDS) {
		reply(client, "-ERR timeout is not an integer or out of range\r\n");
		return;
	}
	int result = store_wait_pop(client, client->argument[1], seconds ? now_ms() + seconds * 1000 : NEVER, &value);
	if (result == NOTHING) {
		reply(client, "*-1\r\n");
	} else if (result == STOPPED) {
		client->over = true;
	} else if (result < 0) {
		reply_failure(client, result);
	} else {
		reply(client, "*2\r\n");
		reply_bytes(client, client->argument[1]);
		reply_bytes(client, value);
		free(value.at);
	}
}

/* ---- publishing ---- */

static void subscribe_all(struct client *client)
{
	for (int i = 1; i < client->arguments; i++) {
		if (!subscribe(client, client->argument[i])) {
			reply(client, "-ERR too many channels\r\n");
			return;
		}
		reply(client, "*3\r\n$9\r\nsubscribe\r\n");
		reply_bytes(client, client->argument[i]);
		reply_number(client, client->channels);
	}
}

static void publish_text(struct client *client)
{
	reply_number(client, publish(client->argument[1], client->argument[2]));
}

/* ---- all of them ---- */

static const struct command {
	const char *name;
	int least, most; /* arguments, with the name */
	void (*run)(struct client *);
} commands[] = {
	{ "blpop", 3, 3, blpop },
	{ "dbsize", 1, 1, dbsize },
	{ "del", 2, ARGUMENTS, del },
	{ "echo", 2, 2, echo },
	{ "exists", 2, ARGUMENTS, exists },
	{ "expire", 3, 3, expire },
	{ "flushall", 1, 1, flushall },
	{ "get", 2, 2, get },
	{ "incr", 2, 2, incr },
	{ "info", 1, 2, info },
	{ "llen", 2, 2, llen },
	{ "lpop", 2, 2, lpop },
	{ "lpush", 3, ARGUMENTS, lpush },
	{ "pexpire", 3, 3, pexpire },
	{ "ping", 1, 1, ping },
	{ "pttl", 2, 2, pttl },
	{ "publish", 3, 3, publish_text },
	{ "quit", 1, 1, quit },
	{ "rpush", 3, ARGUMENTS, rpush },
	{ "save", 1, 1, save },
	{ "set", 3, 5, set },
	{ "subscribe", 2, 1 + CHANNELS, subscribe_all },
};

void command_run(struct client *client)
{
	struct bytes name = client->argument[0];
	const struct command *command = NULL;
	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]) && !command; i++) {
		if (is(name, commands[i].name))
			command = &commands[i];
	}
	if (!command)
		buffer_print(&client->out, "-ERR unknown command '%.*s'\r\n", (int)(name.n < 64 ? name.n : 64),
			     name.at);
	else if (client->arguments < command->least || client->arguments > command->most)
		buffer_print(&client->out, "-ERR wrong number of arguments for '%s' command\r\n", command->name);
	else
		command->run(client);
}
