/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * hiredis for tasks: a command waits its task, not the thread. And a pool, for tasks that share a few connections.
 *
 *	redisContext *c;
 *
 *	if (redis_pool_take(pool, &c, deadline) == 0) {
 *		if (redis_command(c, &reply, deadline, "GET %s", key) == 0) {
 *			...
 *			freeReplyObject(reply);
 *		}
 *		redis_pool_give(pool, c);
 *	}
 *
 * A connection belongs to one task at a time. The process must ignore SIGPIPE: hiredis writes with write(2).
 *
 * Errors: -EPROTO: what came is no reply; -ECONNRESET: the server ended the connection; -ETIMEDOUT, -ECANCELED;
 * -ENOMEM; what the socket answers. An error reply of the server is a reply (REDIS_REPLY_ERROR), and not an error here.
 * After an error the connection may have a late reply on its way, which would be taken for the next command's. So it
 * is broken (context->err is set), and good for redis_close() and redis_pool_give() only.
 */
#ifndef REDIS_H
#define REDIS_H

#include <hiredis/hiredis.h>

#include <sley.h>

/* Connects to an address as sley_dial() takes it: "127.0.0.1:6379", "unix:/path". */
int redis_dial(redisContext **, const char *address, sley_time deadline);

/* Null is nothing. */
void redis_close(redisContext *);

/* Sends a command, formatted as by redisCommand(), and waits for its reply, which freeReplyObject() frees. 0. */
int redis_command(redisContext *, redisReply **, sley_time deadline, const char *format, ...);

/*
 * The next reply, in the order of the commands; what redisAppendCommand() has gathered is sent first. So n commands go
 * out together and cost one round trip:
 *
 *	redisAppendCommand(c, "INCR %s", key);	n times
 *	redis_reply(c, &reply, deadline);	n times
 */
int redis_reply(redisContext *, redisReply **, sley_time deadline);

/* Up to n connections, made when they are needed. Task, as the rest. */
struct redis_pool;
int redis_pool_new(struct redis_pool **, const char *address, unsigned n);

/* Closes them and frees it; all must have been given back. Null is nothing. */
void redis_pool_free(struct redis_pool *);

/* A connection that no other task has; waits while there is none. 0. */
int redis_pool_take(struct redis_pool *, redisContext **, sley_time deadline);

/* Gives it back. A broken one is closed, and made anew for whoever takes its place. */
void redis_pool_give(struct redis_pool *, redisContext *);

#endif
