/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A strict, incremental parser of HTTP/1.1 requests (RFC 9112, and RFC 9110 for the fields that it interprets).
 *
 * Bytes go in as they arrive, cut anywhere; events come out. It does no I/O and allocates nothing: all state is in
 * struct http_parser, and what it says does not depend on where the bytes were cut.
 *
 *	http_begin(&parser, &limits);
 *	for (;;) {
 *		switch (http_next(&parser, &bytes, &n)) {
 *		case HTTP_MORE:  read more into bytes, n; break;
 *		case HTTP_HEAD:  parser.method, parser.path ... hold from here on; break;
 *		case HTTP_BODY:  use parser.piece, parser.piece_length; break;
 *		case HTTP_END:   answer, then http_begin() and go on with what is left of bytes, n; break;
 *		case HTTP_ERROR: answer parser.status, then close;
 *		}
 *	}
 *
 * Where the RFC leaves a choice between repairing and refusing, it refuses: two programs that repair differently are
 * what request smuggling is made of. So lines end in CRLF, a bare CR or LF is an error, folded lines are an error,
 * Content-Length comes once and alone, and the framing fields have no place in a trailer.
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 9112 recommends 8,000. A connection's state lies on a task's stack here, and no path of the server has over 6. */
#define HTTP_TARGET_MAX 1024
#define HTTP_NAME_MAX   20  /* of the fields that are interpreted; others may be longer */
#define HTTP_VALUE_MAX  256 /* the same */

/* X(name): the methods of RFC 9110 and PATCH. */
#define HTTP_METHODS(X) X(GET) X(HEAD) X(POST) X(PUT) X(DELETE) X(CONNECT) X(OPTIONS) X(TRACE) X(PATCH)

enum http_method {
#define HTTP_METHOD_ENUM(name) HTTP_METHOD_##name,
	HTTP_METHODS(HTTP_METHOD_ENUM)
#undef HTTP_METHOD_ENUM
		HTTP_METHOD_UNKNOWN, /* a token that is none of them: answer 501 */
};

enum http_event {
	HTTP_MORE,  /* all bytes are used up */
	HTTP_HEAD,  /* the head is complete */
	HTTP_BODY,  /* a piece of the body */
	HTTP_END,   /* the request is complete */
	HTTP_ERROR, /* it is refused; nothing after it on this connection can be understood */
};

struct http_limits {
	size_t target;      /* bytes of the request target, up to HTTP_TARGET_MAX: 414 */
	size_t fields;      /* field lines, those of the trailer included: 431 */
	size_t field_bytes; /* bytes of all of them: 431 */
	size_t extension;   /* bytes of all chunk extensions: 413 */
	uint64_t body;      /* bytes of the decoded body: 413 */
};

extern const struct http_limits http_default_limits;

struct http_parser {
	/* valid from HTTP_HEAD on */
	enum http_method method;
	const char *path;     /* absolute, as received (not decoded), NUL-terminated; "*" for OPTIONS; "" for CONNECT */
	const char *query;    /* what follows '?', else "" */
	unsigned minor;       /* HTTP/1.minor */
	bool keep_alive;      /* the connection persists after this request */
	bool expect_continue; /* the client waits for 100 before it sends the body */
	bool has_body;
	/* valid at HTTP_BODY */
	const char *piece; /* points into the bytes that were passed */
	size_t piece_length;
	/* valid at HTTP_ERROR */
	unsigned status;
	const char *reason; /* one English sentence without its full stop */
	/* private */
	const struct http_limits *limits;
	unsigned state;
	bool in_trailer, blank_seen, host_seen, length_seen, coding_seen, coding_chunked, coding_unknown;
	bool connection_close, connection_keep;
	const struct http_field *field; /* being read; null: not interpreted */
	size_t target_length, name_length, value_length, value_end;
	size_t field_count, field_bytes, extension_bytes;
	uint64_t content_length, remaining, received;
	char target[HTTP_TARGET_MAX + 1];
	char name[HTTP_NAME_MAX];
	char value[HTTP_VALUE_MAX + 1];
};

/* Starts a request. `limits` must stay valid; null: http_default_limits. */
void http_begin(struct http_parser *, const struct http_limits *limits);

/* Takes bytes from the front of (*bytes, *n) up to the next event. After HTTP_END and HTTP_ERROR it takes none. */
enum http_event http_next(struct http_parser *, const char **bytes, size_t *n);

/* True from the first byte of a request's line on: what is being waited for is a request, no longer the next one. */
bool http_started(const struct http_parser *);

/* "GET" and so on; "UNKNOWN". */
const char *http_method_name(enum http_method);

#endif
