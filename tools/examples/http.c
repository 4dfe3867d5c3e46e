/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The parser is a machine of one function per state, fed one byte at a time; only bodies are taken in pieces. That
 * makes every cut of the input equal by construction, and there is no buffer to run over: what must be looked at as a
 * whole (target, version, an interpreted field's value, a chunk-size line) is collected up to a limit in the parser.
 *
 *   START -> METHOD -> TARGET -> VERSION -> LINE_LF -> FIELD
 *   FIELD -> NAME -> SPACE -> VALUE -> VALUE_LF -> FIELD                a line of the head, or of the trailer
 *   FIELD -> HEAD_LF -> HEAD -+-> END                                   no body
 *                             +-> PLAIN_BODY -> END                     Content-Length
 *                             +-> SIZE                                  chunked
 *   SIZE -> SIZE_LF -> CHUNK -> CHUNK_CR -> CHUNK_LF -> SIZE
 *   SIZE_LF -> FIELD ... HEAD_LF -> END                                 the last chunk and the trailer
 *
 * Rejected: a scan over a buffer that holds the whole head (picohttpparser). It is faster for browsers' heads of a
 * kilobyte, but ties the largest head to the size of a buffer on every connection's stack.
 */
#include "http.h"

#include "http_text.h"

#include <string.h>
#include <strings.h>

const struct http_limits http_default_limits = {
	.target = HTTP_TARGET_MAX,
	.fields = 64,
	.field_bytes = 8192,
	.extension = 1024,
	.body = 1 << 20,
};

enum state {
	STATE_START,
	STATE_START_LF,
	STATE_METHOD,
	STATE_TARGET,
	STATE_VERSION,
	STATE_LINE_LF,
	STATE_FIELD, /* from here ... */
	STATE_NAME,
	STATE_SPACE,
	STATE_VALUE,
	STATE_VALUE_LF,
	STATE_HEAD_LF, /* ... to here bytes count against limits.field_bytes */
	STATE_SIZE,
	STATE_SIZE_LF,
	STATE_CHUNK_CR,
	STATE_CHUNK_LF,
	STATE_HEAD, /* from here on http_next() does not call a step */
	STATE_PLAIN_BODY,
	STATE_CHUNK,
	STATE_END,
	STATE_FAILED,
};

static void fail(struct http_parser *p, unsigned status, const char *reason)
{
	p->state = STATE_FAILED;
	p->status = status;
	p->reason = reason;
}

/* ---- request line ---- */

static bool parse_target(struct http_parser *p)
{
	const char *port;
	p->target[p->target_length] = '\0';
	p->path = p->target;
	p->query = "";
	if (p->method == HTTP_METHOD_OPTIONS && strcmp(p->target, "*") == 0)
		return true;
	if (p->method != HTTP_METHOD_CONNECT)
		return text_split_target(p->target, &p->path, &p->query);
	p->path = "";
	return text_split_authority(p->target, &port) && port && *port;
}

const char *http_method_name(enum http_method method)
{
	static const char *const names[] = {
#define HTTP_METHOD_NAME(name) #name,
		HTTP_METHODS(HTTP_METHOD_NAME)
#undef HTTP_METHOD_NAME
	};
	return method < HTTP_METHOD_UNKNOWN ? names[method] : "UNKNOWN";
}

static enum http_method find_method(const char *name, size_t n)
{
	for (enum http_method m = 0; m < HTTP_METHOD_UNKNOWN; m++)
		if (strlen(http_method_name(m)) == n && memcmp(name, http_method_name(m), n) == 0)
			return m;
	return HTTP_METHOD_UNKNOWN;
}

static void on_method(struct http_parser *p, unsigned char c)
{
	if (c == ' ' && p->name_length > 0) {
		p->method = find_method(p->name, p->name_length);
		p->state = STATE_TARGET;
	} else if (!text_in(&text_token, c)) {
		fail(p, 400, "The method is not a token followed by one space");
	} else if (p->name_length == sizeof(p->name)) {
		fail(p, 501, "The method is longer than any that is implemented");
	} else {
		p->name[p->name_length++] = (char)c;
	}
}

/* RFC 9112 section 2.2: an empty line before the request line is ignored. One. */
static void on_start(struct http_parser *p, unsigned char c)
{
	p->state = STATE_METHOD;
	if (c == '\r' && !p->blank_seen)
		p->state = STATE_START_LF;
	else
		on_method(p, c);
}

static void on_start_lf(struct http_parser *p, unsigned char c)
{
	p->blank_seen = true;
	p->state = STATE_START;
	if (c != '\n')
		fail(p, 400, "A bare CR before the request line");
}

static void on_target(struct http_parser *p, unsigned char c)
{
	if (c == ' ' && p->target_length > 0)
		p->state = STATE_VERSION;
	else if (c == '\r')
		fail(p, 400, "The request line has no HTTP version");
	else if (!text_in(&text_uri, c) && c != '[' && c != ']')
		fail(p, 400, "The request target has a character that no URI has");
	else if (p->target_length == p->limits->target || p->target_length == HTTP_TARGET_MAX)
		fail(p, 414, "The request target is too long");
	else
		p->target[p->target_length++] = (char)c;
}

static void on_version(struct http_parser *p, unsigned char c)
{
	static const char form[] = "HTTP/0.0";
	size_t i = p->value_length;
	if (c == '\r' && i == sizeof(form) - 1)
		p->state = STATE_LINE_LF;
	else if (i < sizeof(form) - 1 && (form[i] == '0' ? text_in(&text_digit, c) : c == form[i]))
		p->value[p->value_length++] = (char)c;
	else
		fail(p, 400, "The request line does not end in HTTP/ digit . digit CRLF");
}

static void on_line_lf(struct http_parser *p, unsigned char c)
{
	p->state = STATE_FIELD;
	p->minor = (unsigned)(p->value[7] - '0');
	if (c != '\n')
		fail(p, 400, "A bare CR in the request line");
	else if (p->value[5] != '1')
		fail(p, 505, "Only HTTP/1.0 and HTTP/1.1 are spoken here");
	else if (!parse_target(p))
		fail(p, 400, "The request target is not valid for this method");
}

/* ---- fields ---- */

static void end_host(struct http_parser *p)
{
	const char *port;
	if (p->host_seen)
		fail(p, 400, "There is more than one Host");
	else if (!text_split_authority(p->value, &port))
		fail(p, 400, "Host is not a host with an optional port");
	p->host_seen = true;
}

static void end_content_length(struct http_parser *p)
{
	uint64_t value = 0;
	const char *s = p->value;
	for (; text_in(&text_digit, *s); s++)
		if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *s - '0', &value))
			break;
	if (p->length_seen)
		fail(p, 400, "There is more than one Content-Length");
	else if (*s || s == p->value)
		fail(p, 400, "Content-Length is not a number, or too large to be one");
	p->length_seen = true;
	p->content_length = value;
}

static void end_transfer_encoding(struct http_parser *p)
{
	char *list = p->value, *item;
	p->coding_seen = true;
	while ((item = text_next_item(&list))) {
		if (p->coding_chunked)
			fail(p, 400, "A transfer coding after chunked");
		else if (strcasecmp(item, "chunked") == 0)
			p->coding_chunked = true;
		else
			p->coding_unknown = true;
	}
}

static void end_connection(struct http_parser *p)
{
	char *list = p->value, *item;
	while ((item = text_next_item(&list))) {
		if (*text_skip(item, &text_token))
			fail(p, 400, "Connection is not a list of tokens");
		p->connection_close |= strcasecmp(item, "close") == 0;
		p->connection_keep |= strcasecmp(item, "keep-alive") == 0;
	}
}

static void end_expect(struct http_parser *p)
{
	char *list = p->value, *item;
	while ((item = text_next_item(&list))) {
		if (strcasecmp(item, "100-continue") != 0)
			fail(p, 417, "Only 100-continue can be expected here");
		p->expect_continue = true;
	}
}

static const struct http_field {
	const char *name;
	void (*end)(struct http_parser *);
	bool framing; /* must not be in a trailer */
} fields[] = {
	{ "host", end_host, true },
	{ "content-length", end_content_length, true },
	{ "transfer-encoding", end_transfer_encoding, true },
	{ "connection", end_connection, false },
	{ "expect", end_expect, false },
};

/* Null for a field that is not interpreted. */
static const struct http_field *find_field(const struct http_parser *p)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strlen(fields[i].name) == p->name_length && memcmp(fields[i].name, p->name, p->name_length) == 0)
			return &fields[i];
	return NULL;
}

static void on_name(struct http_parser *p, unsigned char c)
{
	if (c == ':' && p->name_length > 0) {
		p->state = STATE_SPACE;
		p->field = find_field(p);
	} else if (!text_in(&text_token, c)) {
		fail(p, 400, "A field name is not a token followed by a colon");
	} else if (p->name_length < sizeof(p->name)) {
		p->name[p->name_length++] = text_lower(c);
	}
}

static void on_field(struct http_parser *p, unsigned char c)
{
	p->state = STATE_NAME;
	p->name_length = p->value_length = p->value_end = 0;
	if (c == '\r')
		p->state = STATE_HEAD_LF;
	else if (text_is_blank(c))
		fail(p, 400, "A line is folded, or begins with white space");
	else if (p->field_count++ == p->limits->fields)
		fail(p, 431, "There are too many fields");
	else
		on_name(p, c);
}

static void on_value(struct http_parser *p, unsigned char c)
{
	if (c == '\r') {
		p->state = STATE_VALUE_LF;
	} else if (!text_is_field_char(c)) {
		fail(p, 400, "A field value has a control character");
	} else if (p->field && p->value_length == HTTP_VALUE_MAX) {
		fail(p, 431, "The value of an interpreted field is too long");
	} else if (p->field) {
		p->value[p->value_length++] = (char)c;
		if (!text_is_blank(c))
			p->value_end = p->value_length;
	}
}

static void on_space(struct http_parser *p, unsigned char c)
{
	if (text_is_blank(c))
		return;
	p->state = STATE_VALUE;
	on_value(p, c);
}

static void on_value_lf(struct http_parser *p, unsigned char c)
{
	const struct http_field *field = p->field;
	p->value[p->value_end] = '\0';
	p->state = STATE_FIELD;
	if (c != '\n')
		fail(p, 400, "A bare CR in a field value");
	else if (field && !p->in_trailer)
		field->end(p);
	else if (field && field->framing)
		fail(p, 400, "A field of message framing in the trailer");
}

static void check_framing(struct http_parser *p)
{
	if (p->minor >= 1 && !p->host_seen)
		fail(p, 400, "Host is missing");
	else if (p->coding_seen && p->length_seen)
		fail(p, 400, "There are both Transfer-Encoding and Content-Length");
	else if (p->coding_seen && p->minor == 0)
		fail(p, 400, "HTTP/1.0 has no Transfer-Encoding");
	else if (p->coding_seen && !p->coding_chunked)
		fail(p, 400, "The last transfer coding of a request must be chunked");
	else if (p->coding_unknown)
		fail(p, 501, "Only the transfer coding chunked is implemented");
	else if (p->content_length > p->limits->body)
		fail(p, 413, "The body is too large");
}

static void on_head_lf(struct http_parser *p, unsigned char c)
{
	p->state = p->in_trailer ? STATE_END : STATE_HEAD;
	p->has_body = p->coding_seen || p->content_length > 0;
	p->expect_continue &= p->has_body && p->minor >= 1;
	p->keep_alive = !p->connection_close && (p->minor >= 1 || p->connection_keep);
	if (c != '\n')
		fail(p, 400, "A bare CR before the end of the head");
	else if (!p->in_trailer)
		check_framing(p);
}

/* ---- chunks ---- */

/* Leading zeros count as digits: 16 of them cannot overflow, and nobody needs more. */
static bool parse_size(struct http_parser *p)
{
	const char *end;
	p->value[p->value_length] = '\0';
	end = text_skip(p->value, &text_hex);
	p->remaining = 0;
	for (const char *s = p->value; s < end; s++)
		p->remaining = p->remaining << 4 | (uint64_t)(*s <= '9' ? *s - '0' : text_lower(*s) - 'a' + 10);
	return end > p->value && end - p->value <= 16 && text_are_extensions(end);
}

static void on_size(struct http_parser *p, unsigned char c)
{
	if (c == '\r')
		p->state = STATE_SIZE_LF;
	else if (!text_is_field_char(c))
		fail(p, 400, "A control character in a chunk's size line");
	else if (p->value_length == HTTP_VALUE_MAX)
		fail(p, 413, "A chunk's size line is too long");
	else
		p->value[p->value_length++] = (char)c;
}

static void on_size_lf(struct http_parser *p, unsigned char c)
{
	size_t digits;
	p->state = STATE_CHUNK;
	if (c != '\n' || !parse_size(p)) {
		fail(p, 400, "A chunk's size line is malformed");
		return;
	}
	digits = (size_t)(text_skip(p->value, &text_hex) - p->value);
	p->extension_bytes += p->value_length - digits;
	if (p->extension_bytes > p->limits->extension) {
		fail(p, 413, "The chunk extensions are too long");
	} else if (p->remaining > p->limits->body - p->received) {
		fail(p, 413, "The body is too large");
	} else if (p->remaining == 0) {
		p->in_trailer = true;
		p->state = STATE_FIELD;
	}
	p->received += p->remaining;
}

static void on_chunk_cr(struct http_parser *p, unsigned char c)
{
	p->state = STATE_CHUNK_LF;
	if (c != '\r')
		fail(p, 400, "A chunk is longer than its size says");
}

static void on_chunk_lf(struct http_parser *p, unsigned char c)
{
	p->state = STATE_SIZE;
	p->value_length = 0;
	if (c != '\n')
		fail(p, 400, "A bare CR after a chunk");
}

/* ---- the machine ---- */

static void (*const steps[])(struct http_parser *, unsigned char) = {
	[STATE_START] = on_start,       [STATE_START_LF] = on_start_lf, [STATE_METHOD] = on_method,
	[STATE_TARGET] = on_target,     [STATE_VERSION] = on_version,   [STATE_LINE_LF] = on_line_lf,
	[STATE_FIELD] = on_field,       [STATE_NAME] = on_name,         [STATE_SPACE] = on_space,
	[STATE_VALUE] = on_value,       [STATE_VALUE_LF] = on_value_lf, [STATE_HEAD_LF] = on_head_lf,
	[STATE_SIZE] = on_size,         [STATE_SIZE_LF] = on_size_lf,   [STATE_CHUNK_CR] = on_chunk_cr,
	[STATE_CHUNK_LF] = on_chunk_lf,
};

static enum http_event begin_body(struct http_parser *p)
{
	p->value_length = 0;
	p->remaining = p->content_length;
	p->state = p->coding_seen ? STATE_SIZE : p->has_body ? STATE_PLAIN_BODY : STATE_END;
	return HTTP_HEAD;
}

static enum http_event take_body(struct http_parser *p, const char **bytes, size_t *n)
{
	p->piece = *bytes;
	p->piece_length = *n < p->remaining ? *n : (size_t)p->remaining;
	*bytes += p->piece_length;
	*n -= p->piece_length;
	p->remaining -= p->piece_length;
	if (p->remaining == 0)
		p->state = p->state == STATE_CHUNK ? STATE_CHUNK_CR : STATE_END;
	return HTTP_BODY;
}

static void take_byte(struct http_parser *p, unsigned char c)
{
	if (p->state >= STATE_FIELD && p->state <= STATE_HEAD_LF && p->field_bytes++ == p->limits->field_bytes)
		fail(p, 431, "The fields are too long");
	else
		steps[p->state](p, c);
}

/* The collected texts need no clearing: each is written before it is read. */
void http_begin(struct http_parser *p, const struct http_limits *limits)
{
	memset(p, 0, offsetof(struct http_parser, target));
	p->limits = limits ? limits : &http_default_limits;
}

enum http_event http_next(struct http_parser *p, const char **bytes, size_t *n)
{
	for (;;) {
		if (p->state == STATE_HEAD)
			return begin_body(p);
		if (p->state == STATE_END)
			return HTTP_END;
		if (p->state == STATE_FAILED)
			return HTTP_ERROR;
		if (*n == 0)
			return HTTP_MORE;
		if (p->state == STATE_PLAIN_BODY || p->state == STATE_CHUNK)
			return take_body(p, bytes, n);
		take_byte(p, (unsigned char)**bytes);
		++*bytes;
		--*n;
	}
}

bool http_started(const struct http_parser *p)
{
	return p->state >= STATE_METHOD;
}
