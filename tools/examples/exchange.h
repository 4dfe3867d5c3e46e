/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * One connection of an HTTP server in a task: requests in, responses out, with deadlines.
 *
 *	while (exchange_read(&x))
 *		exchange_respond(&x, 200, "text");
 *	exchange_flush(&x);
 *	exchange_linger(&x);
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include "http.h"

#include <stdatomic.h>

#include <sley.h>

#define EXCHANGE_INPUT  1024
#define EXCHANGE_OUTPUT 1024

/* Durations. */
struct exchange_times {
	sley_time idle;    /* how long to wait for the next request */
	sley_time request; /* in which a request must have come whole, and an answer must have been taken */
};

struct exchange {
	/* set by the owner, the rest zero */
	int fd;
	const struct exchange_times *times;
	atomic_bool *idle;           /* stored here: waits for the next request, so the connection may be shut down */
	const atomic_bool *stopping; /* no further request is to be read */
	bool (*is_served)(const struct http_parser *); /* false: it will be answered with an error */
	/* the request that was read, and whether its answer is the last */
	struct http_parser parser;
	bool closing; /* may be set by the owner too, before it responds */
	/* private */
	bool broken;         /* nothing more can be sent */
	sley_time deadline;  /* of the request under way; SLEY_NEVER until it has begun */
	const char *next;    /* input that is not parsed yet */
	size_t left, filled; /* filled: bytes in output */
	char input[EXCHANGE_INPUT];
	char output[EXCHANGE_OUTPUT];
};

/* Reads the next request. False: there is none, and the connection ends once the output is flushed. */
bool exchange_read(struct exchange *);

/* Appends a response of one line of text. It is sent by a flush, or when the next request is waited for. */
void exchange_respond(struct exchange *, unsigned status, const char *text);

/* Sends what was appended. Call it before anything that takes long. */
void exchange_flush(struct exchange *);

/*
 * A socket that is closed with unread input is reset, and the reset may overtake the last answer. So after one, only
 * our side is closed, and what still comes is dropped, within bounds.
 */
void exchange_linger(struct exchange *);

/* Writes the date that responses carry. Once before the first, then by a task that runs exchange_keep_date(). */
void exchange_write_date(void);
void exchange_keep_date(void *);

#endif
