/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * hiredis on sley: an example of a library whose parts can be used without its event loop. Its blocking calls are
 * redisBufferWrite(), redisBufferRead() and redisGetReplyFromReader() with a blocking socket; here is the same loop
 * around them, with a non-blocking socket and sley_poll() where it would block. The asynchronous interface of hiredis
 * (redisAsyncContext) was rejected: it has a callback for each reply, and what a task wants is the reply.
 *
 * Stack: redisBufferRead() has a buffer of 16 KiB in its frame. It is gone when it returns, so it never is part of what
 * a parked task has alive; and it fits into the stack of a task well (256 KiB by default). All that hiredis keeps is on
 * the heap. Thread-locals: it has none but errno, which is read on the thread that it was set on, before any wait.
 */
#include "redis.h"

#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct redis_pool {
	const char *address;
	unsigned n;
	struct sley_chan *free; /* of redisContext *; null: a connection that is yet to be made */
};

/* A context of our socket. hiredis expects it to be a blocking one unless it is told. */
int redis_dial(redisContext **context, const char *address, sley_time deadline)
{
	int fd = sley_dial(address, deadline);
	*context = NULL;
	if (fd < 0)
		return fd;
	*context = redisConnectFd(fd);
	if (!*context) {
		sley_close(fd);
		return -ENOMEM;
	}
	(*context)->flags &= ~REDIS_BLOCK;
	return 0;
}

/* sley has waited for the descriptor, so it is the one to close it. */
void redis_close(redisContext *c)
{
	if (c)
		sley_close(redisFreeKeepFd(c));
}

/* What a call of hiredis failed with. */
static int failure(const redisContext *c)
{
	switch (c->err) {
	case REDIS_ERR_IO:
		return errno ? -errno : -EIO;
	case REDIS_ERR_EOF:
		return -ECONNRESET;
	case REDIS_ERR_OOM:
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

static int break_off(redisContext *c, int error)
{
	if (!c->err)
		c->err = REDIS_ERR_OTHER;
	return error;
}

static int send_all(redisContext *c, sley_time deadline)
{
	int done = 0, ready;
	for (;;) {
		if (redisBufferWrite(c, &done) != REDIS_OK)
			return failure(c);
		if (done)
			return 0;
		ready = sley_poll(c->fd, POLLOUT, deadline);
		if (ready < 0)
			return ready;
	}
}

/*
 * Of what has been received first. In the loop the wait comes before the read, the other way round than usual: a reply
 * takes a round trip, so the first read would nearly always be in vain.
 */
static int receive(redisContext *c, redisReply **reply, sley_time deadline)
{
	void *next = NULL;
	int ready;
	for (;;) {
		if (redisGetReplyFromReader(c, &next) != REDIS_OK)
			return failure(c);
		*reply = next;
		if (next)
			return 0;
		ready = sley_poll(c->fd, POLLIN, deadline);
		if (ready < 0)
			return ready;
		if (redisBufferRead(c) != REDIS_OK)
			return failure(c);
	}
}

int redis_reply(redisContext *c, redisReply **reply, sley_time deadline)
{
	int error;
	*reply = NULL;
	if (c->err)
		return -ENOTCONN;
	error = send_all(c, deadline);
	if (!error)
		error = receive(c, reply, deadline);
	return error ? break_off(c, error) : 0;
}

int redis_command(redisContext *c, redisReply **reply, sley_time deadline, const char *format, ...)
{
	va_list arguments;
	int appended;
	*reply = NULL;
	va_start(arguments, format);
	appended = redisvAppendCommand(c, format, arguments);
	va_end(arguments);
	return appended == REDIS_OK ? redis_reply(c, reply, deadline) : break_off(c, -ENOMEM);
}

/* ---- the pool: a channel of what is free ---- */

int redis_pool_new(struct redis_pool **pool, const char *address, unsigned n)
{
	struct redis_pool *p = calloc(1, sizeof(*p));
	redisContext *none = NULL;
	if (!p || sley_chan_new(&p->free, sizeof(redisContext *), n)) {
		free(p);
		return -ENOMEM;
	}
	p->address = address;
	p->n = n;
	for (unsigned i = 0; i < n; i++)
		sley_chan_try_send(p->free, &none);
	*pool = p;
	return 0;
}

void redis_pool_free(struct redis_pool *p)
{
	redisContext *c;
	if (!p)
		return;
	while (sley_chan_try_recv(p->free, &c) == 0)
		redis_close(c);
	sley_chan_free(p->free);
	free(p);
}

int redis_pool_take(struct redis_pool *p, redisContext **c, sley_time deadline)
{
	int error = sley_chan_recv(p->free, c, deadline);
	if (error || *c)
		return error;
	error = redis_dial(c, p->address, deadline);
	if (error)
		sley_chan_try_send(p->free, c); /* it is null, and there is room: its own */
	return error;
}

void redis_pool_give(struct redis_pool *p, redisContext *c)
{
	if (c->err) {
		redis_close(c);
		c = NULL;
	}
	sley_chan_try_send(p->free, &c);
}
