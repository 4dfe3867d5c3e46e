/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Responses are collected in the output and sent when the task is about to wait: for input (so pipelined requests that
 * came in one segment are answered in one), or in a handler, which flushes before it does.
 */
#include "exchange.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define RESPONSE_MAX 512   /* any one response: they are all short */
#define LINGER_BYTES 65536 /* what is read and dropped after the last answer */
#define DATES        16

/* ---- output ---- */

void exchange_flush(struct exchange *x)
{
	if (x->filled > 0 && !x->broken)
		x->broken = sley_write_full(x->fd, x->output, x->filled, sley_in(x->times->request)) < 0;
	x->filled = 0;
}

static void put(struct exchange *x, const char *text, size_t n)
{
	memcpy(x->output + x->filled, text, n);
	x->filled += n;
}

static void put_text(struct exchange *x, const char *text)
{
	put(x, text, strlen(text));
}

/* ---- responses ---- */

/* The date is written into the next of some buffers, so that a response needs neither a format nor a lock. */
static char dates[DATES][48];
static atomic_uint date;

void exchange_write_date(void)
{
	unsigned next = (atomic_load_explicit(&date, memory_order_relaxed) + 1) % DATES; /* only this task stores it */
	time_t now = time(NULL);
	struct tm tm;
	strftime(dates[next], sizeof(dates[next]), "\r\nDate: %a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	atomic_store_explicit(&date, next, memory_order_release); /* pairs with put_date() */
}

void exchange_keep_date(void *arg)
{
	(void)arg;
	sley_set_name("date");
	for (;;) {
		exchange_write_date();
		sley_sleep(sley_in(SLEY_SEC(1)));
	}
}

static void put_date(struct exchange *x)
{
	put_text(x, dates[atomic_load_explicit(&date, memory_order_acquire)]);
}

static const char *status_line(unsigned status)
{
	static const struct {
		unsigned status;
		const char *line;
	} lines[] = {
		{ 200, "HTTP/1.1 200 OK" },
		{ 404, "HTTP/1.1 404 Not Found" },
		{ 405, "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD" },
		{ 408, "HTTP/1.1 408 Request Timeout" },
		{ 413, "HTTP/1.1 413 Content Too Large" },
		{ 414, "HTTP/1.1 414 URI Too Long" },
		{ 417, "HTTP/1.1 417 Expectation Failed" },
		{ 431, "HTTP/1.1 431 Request Header Fields Too Large" },
		{ 500, "HTTP/1.1 500 Internal Server Error" },
		{ 501, "HTTP/1.1 501 Not Implemented" },
		{ 505, "HTTP/1.1 505 HTTP Version Not Supported" },
	};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (lines[i].status == status)
			return lines[i].line;
	return "HTTP/1.1 400 Bad Request";
}

void exchange_respond(struct exchange *x, unsigned status, const char *text)
{
	size_t n = strlen(text);
	char length[48];
	x->closing |= atomic_load_explicit(x->stopping, memory_order_relaxed); /* if it misses it, the wait sees it */
	if (x->filled + RESPONSE_MAX > sizeof(x->output))
		exchange_flush(x);
	put_text(x, status_line(status));
	put_date(x);
	put(x, length, (size_t)snprintf(length, sizeof(length), "\r\nContent-Length: %zu", n + 1));
	put_text(x, "\r\nContent-Type: text/plain");
	put_text(x, x->closing ? "\r\nConnection: close\r\n\r\n" : "\r\n\r\n");
	if (x->parser.method != HTTP_METHOD_HEAD) {
		put(x, text, n);
		put(x, "\n", 1);
	}
}

static void refuse(struct exchange *x, unsigned status, const char *reason)
{
	x->closing = true;
	exchange_respond(x, status, reason);
}

/* ---- input ---- */

/*
 * Waits for the next request, or for the rest of the one under way: the count, 0 or negative. Whoever stops the
 * service stores `stopping` before it looks at `idle`; here it is the other way round, so that one of them sees the
 * other (all four are sequentially consistent).
 */
static ssize_t wait_for_input(struct exchange *x)
{
	bool idle = !http_started(&x->parser);
	ssize_t n;
	exchange_flush(x);
	if (x->broken)
		return -EPIPE;
	if (!idle && x->deadline == SLEY_NEVER)
		x->deadline = sley_in(x->times->request);
	if (idle) {
		atomic_store(x->idle, true);
		if (atomic_load(x->stopping))
			return 0;
	}
	n = sley_read(x->fd, x->input, sizeof(x->input), idle ? sley_in(x->times->idle) : x->deadline);
	atomic_store_explicit(x->idle, false, memory_order_relaxed); /* too late to matter is no harm */
	x->next = x->input;
	x->left = n > 0 ? (size_t)n : 0;
	return n;
}

/*
 * The client waits for leave to send the body, which is read and dropped here. It gets it, unless the answer is no
 * anyway: then it gets that, and as nobody can know whether it sends the body after all, the connection ends.
 */
static bool on_expectation(struct exchange *x)
{
	if (x->is_served(&x->parser))
		put_text(x, "HTTP/1.1 100 Continue\r\n\r\n");
	else
		x->closing = true;
	return !x->closing;
}

bool exchange_read(struct exchange *x)
{
	ssize_t n;
	if (x->closing || x->broken)
		return false;
	http_begin(&x->parser, NULL);
	x->deadline = SLEY_NEVER;
	for (;;) {
		switch (http_next(&x->parser, &x->next, &x->left)) {
		case HTTP_END:
			return true;
		case HTTP_ERROR:
			refuse(x, x->parser.status, x->parser.reason);
			return false;
		case HTTP_HEAD:
			if (x->parser.expect_continue && x->left == 0 && !on_expectation(x))
				return true;
			break;
		case HTTP_BODY:
			break;
		case HTTP_MORE:
			n = wait_for_input(x);
			if (n == -ETIMEDOUT && http_started(&x->parser))
				refuse(x, 408, "The request did not arrive in time");
			if (n <= 0)
				return false;
		}
	}
}

void exchange_linger(struct exchange *x)
{
	sley_time deadline = sley_in(SLEY_SEC(1));
	size_t dropped = 0;
	ssize_t n;
	if (!x->closing || x->broken)
		return;
	shutdown(x->fd, SHUT_WR);
	while (dropped < LINGER_BYTES && (n = sley_read(x->fd, x->input, sizeof(x->input), deadline)) > 0)
		dropped += (size_t)n;
}
