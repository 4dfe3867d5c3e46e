/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The request parser: what it accepts, and each thing that RFC 9112 says or allows to be refused.
 *
 * A case is a stream of bytes and the transcript of the events that it must give. One test function runs one case:
 * in one piece, byte by byte, and in random pieces, each in a block of exactly its size, so that a sanitizer sees a
 * read past its end. The transcript must be the same each time.
 */
#include "tools/examples/http.h"
#include "tools/examples/http_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define INPUT_MAX 32768
#define TRANSCRIPT_MAX 4096

struct text {
	const char *at;
	size_t n;
};

#define T(literal) { literal, sizeof(literal) - 1 }

struct one_case {
	const char *name;
	const char *transcript; /* of a refusal: "400" and so on, after those of the requests before it */
	struct text before;
	struct text fill;       /* repeated `times` between before and after */
	unsigned times;
	struct text after;
};

/* Small limits, so that each is met by a short case. */
static const struct http_limits limits = {
	.target = 40,
	.fields = 5,
	.field_bytes = 600,
	.extension = 40,
	.body = 100,
};

/* ---- transcripts ---- */

struct transcript {
	char text[TRANSCRIPT_MAX];
	size_t n;
};

__attribute__((format(printf, 2, 3))) static void say(struct transcript *t, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	t->n += (size_t)vsnprintf(t->text + t->n, sizeof(t->text) - t->n, format, arguments);
	va_end(arguments);
	if (t->n >= sizeof(t->text))
		t->n = sizeof(t->text) - 1;
}

static void say_head(struct transcript *t, const struct http_parser *p)
{
	say(t, "%s %s%s%s 1.%u%s%s%s ", http_method_name(p->method), p->path, *p->query ? "?" : "", p->query, p->minor,
	    p->keep_alive ? " keep" : "", p->expect_continue ? " expect" : "", p->has_body ? " body:" : "");
}

/* A body of printable characters as it is, others as '?'. */
static void say_body(struct transcript *t, const char *piece, size_t n)
{
	for (size_t i = 0; i < n; i++)
		say(t, "%c", (piece[i] >= ' ' && piece[i] < 0x7f) || piece[i] == '\r' ? piece[i] : '?');
}

/* True: the parser said its last word. */
static bool feed(struct http_parser *p, struct transcript *t, const char *bytes, size_t n)
{
	for (;;) {
		switch (http_next(p, &bytes, &n)) {
		case HTTP_MORE:
			assert_int_equal(n, 0);
			return false;
		case HTTP_HEAD:
			say_head(t, p);
			break;
		case HTTP_BODY:
			assert_true(p->piece_length > 0);
			say_body(t, p->piece, p->piece_length);
			break;
		case HTTP_END:
			say(t, ".\n");
			http_begin(p, &limits);
			break;
		case HTTP_ERROR:
			assert_true(p->reason && *p->reason);
			say(t, "%u", p->status);
			return true;
		}
	}
}

/* Deterministic, and the same everywhere. */
static uint64_t random_state;

static size_t random_below(size_t n)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (size_t)(random_state >> 33) % n;
}

/* Feeds the input in pieces of 1 to `most` bytes (0: in one piece), each in a block of its own. */
static void transcribe(struct transcript *t, const char *bytes, size_t n, size_t most)
{
	struct http_parser p;
	bool ended = false;

	t->n = 0;
	t->text[0] = '\0';
	http_begin(&p, &limits);
	for (size_t at = 0, size; at < n && !ended; at += size) {
		char *piece;

		size = most ? 1 + random_below(most) : n;
		if (size > n - at)
			size = n - at;
		piece = malloc(size);
		assert_non_null(piece);
		memcpy(piece, bytes + at, size);
		ended = feed(&p, t, piece, size);
		free(piece);
	}
	if (!ended && http_started(&p))
		say(t, "...");
}

static size_t build(const struct one_case *c, char *input)
{
	size_t n = c->before.n;

	assert_true(c->before.n + c->times * c->fill.n + c->after.n <= INPUT_MAX);
	memcpy(input, c->before.at, c->before.n);
	for (unsigned i = 0; i < c->times; i++, n += c->fill.n)
		memcpy(input + n, c->fill.at, c->fill.n);
	if (c->after.n)
		memcpy(input + n, c->after.at, c->after.n);
	return n + c->after.n;
}

static void test_case(void **state)
{
	static const size_t most[] = { 0, 1, 2, 3, 7, 50 };
	const struct one_case *c = *state;
	static char input[INPUT_MAX];
	size_t n = build(c, input);
	struct transcript t;

	for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++)
		for (unsigned round = 0; round < (most[i] > 1 ? 10 : 1); round++) {
			transcribe(&t, input, n, most[i]);
			assert_string_equal(t.text, c->transcript);
		}
}

/* ---- cases ---- */

#define LINE "GET / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

#define ACCEPT(name, text, transcript) { "accepts " name, transcript, T(text), T(""), 0, T("") }
#define REFUSE(status, name, text) { "refuses " name, #status, T(text), T(""), 0, T("") }
/* A refusal after the head was accepted. */
#define REFUSE_BODY(status, name, text) \
	{ "refuses " name, "POST / 1.1 keep body: " #status, T(CHUNKED text), T(""), 0, T("") }
/* `times` of `fill` are just within a limit; `cases` has one more of each beyond it. */
#define REPEAT(name, transcript, before, fill, times, after) { name, transcript, T(before), T(fill), times, T(after) }

static const struct one_case cases[] = {
	/* the request line: RFC 9112 section 3 */
	ACCEPT("a minimal request", LINE HOST "\r\n", "GET / 1.1 keep .\n"),
	ACCEPT("two requests in one piece", LINE HOST "\r\n" "HEAD /b HTTP/1.1\r\n" HOST "\r\n",
	       "GET / 1.1 keep .\nHEAD /b 1.1 keep .\n"),
	ACCEPT("one empty line before the request", "\r\n" LINE HOST "\r\n", "GET / 1.1 keep .\n"),
	ACCEPT("an unfinished head as unfinished", LINE HOST, "..."),
	ACCEPT("nothing as nothing", "\r\n", ""),
	REFUSE(400, "a second empty line before the request", "\r\n\r\n" LINE HOST "\r\n"),
	REFUSE(400, "a bare LF before the request", "\n" LINE HOST "\r\n"),
	REFUSE(400, "a bare CR before the request", "\rG" LINE HOST "\r\n"),
	REFUSE(400, "white space before the request", " " LINE HOST "\r\n"),
	REFUSE(400, "a TLS greeting", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
	REFUSE(505, "the HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	ACCEPT("an unknown method as a token", "BREW / HTTP/1.1\r\n" HOST "\r\n", "UNKNOWN / 1.1 keep .\n"),
	ACCEPT("methods with regard to case", "get / HTTP/1.1\r\n" HOST "\r\n", "UNKNOWN / 1.1 keep .\n"),
	REFUSE(400, "an empty method", " / HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "a method that is no token", "G(T / HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "a method with a byte over 127", "G\xc3\x89T / HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "a NUL in the method", "G\0T / HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "a line of a method alone", "GET\r\n" HOST "\r\n"),
	REFUSE(501, "a method longer than any", "AAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "two spaces after the method", "GET  / HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "a tab after the method", "GET\t/ HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "two spaces after the target", "GET /  HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "a space at the end of the line", "GET / HTTP/1.1 \r\n" HOST "\r\n"),
	REFUSE(400, "a bare LF after the request line", "GET / HTTP/1.1\n" HOST "\r\n"),
	REFUSE(400, "a bare CR after the request line", "GET / HTTP/1.1\r" HOST "\r\n"),

	/* versions: section 2.3, RFC 9110 section 2.5 */
	ACCEPT("HTTP/1.0, which closes", "GET / HTTP/1.0\r\n\r\n", "GET / 1.0 .\n"),
	ACCEPT("HTTP/1.0 with keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET / 1.0 keep .\n"),
	ACCEPT("a later minor version", "GET / HTTP/1.7\r\n" HOST "\r\n", "GET / 1.7 keep .\n"),
	REFUSE(400, "a request without a version (HTTP/0.9)", "GET /\r\n"),
	REFUSE(400, "a version in lower case", "GET / http/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "a version without a minor number", "GET / HTTP/1\r\n" HOST "\r\n"),
	REFUSE(400, "a version of two digits", "GET / HTTP/1.10\r\n" HOST "\r\n"),
	REFUSE(400, "a version that is no number", "GET / HTTP/1.x\r\n" HOST "\r\n"),
	REFUSE(400, "another protocol", "GET / ICAP/1.1\r\n" HOST "\r\n"),
	REFUSE(505, "HTTP/2.0 in HTTP/1 syntax", "GET / HTTP/2.0\r\n" HOST "\r\n"),
	REFUSE(505, "HTTP/0.9 spelled out", "GET / HTTP/0.9\r\n" HOST "\r\n"),

	/* request targets: section 3.2 */
	ACCEPT("a path with a query", "GET /a/b;c?d=%20&e=/? HTTP/1.1\r\n" HOST "\r\n", "GET /a/b;c?d=%20&e=/? 1.1 keep .\n"),
	ACCEPT("an absolute target", "GET http://a:80/b?c HTTP/1.1\r\n" HOST "\r\n", "GET /b?c 1.1 keep .\n"),
	ACCEPT("an absolute target without a path", "GET HTTP://a?c HTTP/1.1\r\n" HOST "\r\n", "GET /?c 1.1 keep .\n"),
	ACCEPT("an absolute target of an IPv6 address", "GET http://[::1]/b HTTP/1.1\r\n" HOST "\r\n", "GET /b 1.1 keep .\n"),
	ACCEPT("OPTIONS *", "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "OPTIONS * 1.1 keep .\n"),
	ACCEPT("CONNECT host:port", "CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n", "CONNECT  1.1 keep .\n"),
	REFUSE(400, "a relative target", "GET a HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "* for another method than OPTIONS", "GET * HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "CONNECT without a port", "CONNECT a HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "CONNECT with an empty port", "CONNECT a: HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "CONNECT with a path", "CONNECT /a HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "host:port for another method than CONNECT", "GET a:1 HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "an absolute target of another scheme", "GET ftp://a/ HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "an absolute target without a host", "GET http:///b HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "an absolute target with user information", "GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "an absolute target with a bad port", "GET http://a:70000/ HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "a fragment", "GET /#a HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "a backslash in the target", "GET /\\a HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "a quote in the target", "GET /\"a HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "a bracket in a path", "GET /[a] HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "a control character in the target", "GET /\x01 HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "a NUL in the target", "GET /\0 HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "a byte over 127 in the target", "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "a percent sign without two digits", "GET /%4 HTTP/1.1\r\n" HOST "\r\n"),
	REFUSE(400, "a percent sign with other letters", "GET /%zz HTTP/1.1\r\n" HOST "\r\n"),
	REPEAT("accepts the longest target", "GET /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx 1.1 keep .\n", "GET /", "x", 39,
	       " HTTP/1.1\r\n" HOST "\r\n"),
	REPEAT("refuses a longer target", "414", "GET /", "x", 40, " HTTP/1.1\r\n" HOST "\r\n"),

	/* field lines: section 5 */
	ACCEPT("white space around a value", LINE "Host:\t a \t \r\n\r\n", "GET / 1.1 keep .\n"),
	ACCEPT("no white space before a value", LINE "Host:a\r\n\r\n", "GET / 1.1 keep .\n"),
	ACCEPT("names without regard to case", LINE "hOsT: a\r\n\r\n", "GET / 1.1 keep .\n"),
	ACCEPT("an empty value", LINE HOST "X:\r\n\r\n", "GET / 1.1 keep .\n"),
	ACCEPT("bytes over 127 in a value", LINE HOST "X: \xc3\xa9\r\n\r\n", "GET / 1.1 keep .\n"),
	ACCEPT("a long name", LINE HOST "X-Content-Length-Of-Something-Else: a\r\n\r\n", "GET / 1.1 keep .\n"),
	ACCEPT("a name that begins like another", LINE HOST "Hos: b\r\nHosts: c\r\n\r\n", "GET / 1.1 keep .\n"),
	REFUSE(400, "a space before the colon", LINE HOST "X : a\r\n\r\n"),
	REFUSE(400, "a tab before the colon", LINE HOST "X\t: a\r\n\r\n"),
	REFUSE(400, "a space before the colon of Host", LINE "Host : a\r\n\r\n"),
	REFUSE(400, "an empty name", LINE HOST ": a\r\n\r\n"),
	REFUSE(400, "a name that is no token", LINE HOST "X(a): a\r\n\r\n"),
	REFUSE(400, "a name with a byte over 127", LINE HOST "X\xe9: a\r\n\r\n"),
	REFUSE(400, "a NUL in a name", LINE HOST "X\0: a\r\n\r\n"),
	REFUSE(400, "a line without a colon", LINE HOST "X\r\n\r\n"),
	REFUSE(400, "a folded line", LINE HOST "X: a\r\n b\r\n\r\n"),
	REFUSE(400, "a line folded with a tab", LINE HOST "X: a\r\n\tb\r\n\r\n"),
	REFUSE(400, "white space before the first field", LINE " " HOST "\r\n"),
	REFUSE(400, "a bare LF after a value", LINE "Host: a\n\r\n"),
	REFUSE(400, "a bare LF as the empty line", LINE HOST "\n"),
	REFUSE(400, "a bare CR in a value", LINE HOST "X: a\rb\r\n\r\n"),
	REFUSE(400, "a bare CR as the empty line", LINE HOST "\rX"),
	REFUSE(400, "two CRs after a value", LINE HOST "X: a\r\r\n\r\n"),
	REFUSE(400, "a NUL in a value", LINE HOST "X: a\0b\r\n\r\n"),
	REFUSE(400, "a control character in a value", LINE HOST "X: a\x1b[2Jb\r\n\r\n"),
	REFUSE(400, "a DEL in a value", LINE HOST "X: a\x7f" "b\r\n\r\n"),
	REPEAT("accepts the largest number of fields", "GET / 1.1 keep .\n", LINE HOST, "X: a\r\n", 4, "\r\n"),
	REPEAT("refuses one field more", "431", LINE HOST, "X: a\r\n", 5, "\r\n"),
	REPEAT("accepts fields of the largest size", "GET / 1.1 keep .\n", LINE HOST "X: ", "x", 600 - 9 - 5 - 2, "\r\n\r\n"),
	REPEAT("refuses fields one byte larger", "431", LINE HOST "X: ", "x", 600 - 9 - 5 - 1, "\r\n\r\n"),
	REPEAT("refuses a name without end", "431", LINE HOST, "x", 700, ""),
	REPEAT("refuses blanks without end", "431", LINE "Host:", " ", 700, ""),
	REPEAT("refuses an interpreted value over its limit", "431", LINE HOST "Connection: ", "x", HTTP_VALUE_MAX + 1, "\r\n\r\n"),

	/* Host: section 3.2, RFC 3986 section 3.2 */
	ACCEPT("a host with a port", LINE "Host: a.example:8080\r\n\r\n", "GET / 1.1 keep .\n"),
	ACCEPT("a host with an empty port", LINE "Host: a:\r\n\r\n", "GET / 1.1 keep .\n"),
	ACCEPT("an IPv4 address as host", LINE "Host: 127.0.0.1:65535\r\n\r\n", "GET / 1.1 keep .\n"),
	ACCEPT("an IPv6 address as host", LINE "Host: [2001:db8::1]:80\r\n\r\n", "GET / 1.1 keep .\n"),
	ACCEPT("an IP address of a future version", LINE "Host: [v7.a:b]\r\n\r\n", "GET / 1.1 keep .\n"),
	ACCEPT("an encoded host", LINE "Host: a%2db\r\n\r\n", "GET / 1.1 keep .\n"),
	ACCEPT("HTTP/1.0 without a host", "GET /a HTTP/1.0\r\n\r\n", "GET /a 1.0 .\n"),
	REFUSE(400, "a missing Host", LINE "\r\n"),
	REFUSE(400, "a missing Host with an absolute target", "GET http://a/ HTTP/1.1\r\n\r\n"),
	REFUSE(400, "two Hosts", LINE HOST HOST "\r\n"),
	REFUSE(400, "two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\n" HOST HOST "\r\n"),
	REFUSE(400, "an empty Host", LINE "Host:\r\n\r\n"),
	REFUSE(400, "a Host of a port alone", LINE "Host: :80\r\n\r\n"),
	REFUSE(400, "a Host with a space", LINE "Host: a b\r\n\r\n"),
	REFUSE(400, "a Host that is a list", LINE "Host: a, b/\r\n\r\n"),
	REFUSE(400, "a Host with a path", LINE "Host: a/b\r\n\r\n"),
	REFUSE(400, "a Host with user information", LINE "Host: u@a\r\n\r\n"),
	REFUSE(400, "a Host with a byte over 127", LINE "Host: \xc3\xa9\r\n\r\n"),
	REFUSE(400, "a Host with a port over 65535", LINE "Host: a:65536\r\n\r\n"),
	REFUSE(400, "a Host with a huge port", LINE "Host: a:99999999999999999999\r\n\r\n"),
	REFUSE(400, "a Host with a port that is no number", LINE "Host: a:8o\r\n\r\n"),
	REFUSE(400, "a Host with two ports", LINE "Host: a:1:2\r\n\r\n"),
	REFUSE(400, "a Host with a percent sign alone", LINE "Host: a%2\r\n\r\n"),
	REFUSE(400, "a Host that is a bare IPv6 address", LINE "Host: ::1\r\n\r\n"),
	REFUSE(400, "a Host with an open bracket", LINE "Host: [::1\r\n\r\n"),
	REFUSE(400, "a Host with empty brackets", LINE "Host: []\r\n\r\n"),
	REFUSE(400, "a Host with no IP address in brackets", LINE "Host: [a]\r\n\r\n"),
	REFUSE(400, "a Host with text after the brackets", LINE "Host: [::1]a\r\n\r\n"),
	REFUSE(400, "a Host with an empty future address", LINE "Host: [v7.]\r\n\r\n"),
	REFUSE(400, "a Host with a future address without a version", LINE "Host: [v.a]\r\n\r\n"),

	/* Connection, Expect: RFC 9110 sections 7.6.1 and 10.1.1 */
	ACCEPT("Connection: close", LINE HOST "Connection: close\r\n\r\n", "GET / 1.1 .\n"),
	ACCEPT("close in a list, in any case", LINE HOST "Connection: , te ,CLOSE,\r\n\r\n", "GET / 1.1 .\n"),
	ACCEPT("close over keep-alive", LINE HOST "Connection: keep-alive\r\nConnection: close\r\n\r\n", "GET / 1.1 .\n"),
	ACCEPT("Expect: 100-continue", POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\na", "POST / 1.1 keep expect body: a.\n"),
	ACCEPT("an expectation without a body as none", LINE HOST "Expect: 100-continue\r\n\r\n", "GET / 1.1 keep .\n"),
	ACCEPT("an expectation of HTTP/1.0 as none", "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na",
	       "POST / 1.0 body: a.\n"),
	REFUSE(417, "another expectation", POST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\na"),
	REFUSE(400, "a Connection that is no list of tokens", LINE HOST "Connection: a b\r\n\r\n"),

	/* Content-Length: section 6.2, RFC 9110 section 8.6 */
	ACCEPT("a body", POST "Content-Length: 5\r\n\r\nhello" LINE HOST "\r\n", "POST / 1.1 keep body: hello.\nGET / 1.1 keep .\n"),
	ACCEPT("an empty body", POST "Content-Length: 0\r\n\r\n" LINE HOST "\r\n", "POST / 1.1 keep .\nGET / 1.1 keep .\n"),
	ACCEPT("leading zeros in a length", POST "Content-Length: 0000000000000000000000005\r\n\r\nhello", "POST / 1.1 keep body: hello.\n"),
	ACCEPT("a body cut short as unfinished", POST "Content-Length: 6\r\n\r\nhello", "POST / 1.1 keep body: hello..."),
	REFUSE(400, "an empty length", POST "Content-Length:\r\n\r\n"),
	REFUSE(400, "a negative length", POST "Content-Length: -1\r\n\r\n"),
	REFUSE(400, "a length with a plus sign", POST "Content-Length: +1\r\n\r\na"),
	REFUSE(400, "a hexadecimal length", POST "Content-Length: 0x5\r\n\r\nhello"),
	REFUSE(400, "a length with a fraction", POST "Content-Length: 5.0\r\n\r\nhello"),
	REFUSE(400, "a length with a space in it", POST "Content-Length: 5 5\r\n\r\nhello"),
	REFUSE(400, "a list of lengths", POST "Content-Length: 5, 5\r\n\r\nhello"),
	REFUSE(400, "conflicting lengths", POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
	REFUSE(400, "the same length twice", POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
	REFUSE(400, "a length of 2^64", POST "Content-Length: 18446744073709551616\r\n\r\n"),
	REFUSE(400, "a length of many digits", POST "Content-Length: 99999999999999999999999999999999\r\n\r\n"),
	REFUSE(413, "a length over the limit", POST "Content-Length: 101\r\n\r\n"),
	REFUSE(413, "a length of 2^64 - 1", POST "Content-Length: 18446744073709551615\r\n\r\n"),

	/* Transfer-Encoding: sections 6.1 and 6.3 */
	ACCEPT("a coding in any case, in a list", POST "Transfer-Encoding: , CHUNKED ,\r\n\r\n0\r\n\r\n", "POST / 1.1 keep body: .\n"),
	REFUSE(400, "Transfer-Encoding with Content-Length", POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
	REFUSE(400, "Content-Length with Transfer-Encoding", POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	REFUSE(400, "Transfer-Encoding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	REFUSE(400, "an empty Transfer-Encoding", POST "Transfer-Encoding:\r\n\r\n"),
	REFUSE(400, "an unknown last coding", POST "Transfer-Encoding: gzip\r\n\r\n"),
	REFUSE(400, "a coding that only looks like chunked", POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
	REFUSE(400, "chunked with a vertical tab", POST "Transfer-Encoding: \x0b" "chunked\r\n\r\n0\r\n\r\n"),
	REFUSE(400, "chunked with a parameter", POST "Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n"),
	REFUSE(400, "chunked twice", POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
	REFUSE(400, "chunked twice in two lines", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	REFUSE(400, "a coding after chunked", POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
	REFUSE(400, "identity after chunked", POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
	REFUSE(501, "an unknown coding before chunked", POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),

	/* chunks: section 7.1 */
	ACCEPT("chunks", CHUNKED "5\r\nhello\r\n00C\r\n, my friends\r\n0\r\n\r\n" LINE HOST "\r\n",
	       "POST / 1.1 keep body: hello, my friends.\nGET / 1.1 keep .\n"),
	ACCEPT("chunk extensions", CHUNKED "5;a\r\nhello\r\n1 ; b = \"c;\\\"\";d=e\r\n!\r\n0;f\r\n\r\n",
	       "POST / 1.1 keep body: hello!.\n"),
	ACCEPT("a trailer", CHUNKED "1\r\na\r\n0\r\nX: b\r\nY: c\r\n\r\n" LINE HOST "\r\n", "POST / 1.1 keep body: a.\nGET / 1.1 keep .\n"),
	ACCEPT("a chunk cut short as unfinished", CHUNKED "6\r\nhello", "POST / 1.1 keep body: hello..."),
	REFUSE_BODY(400, "an empty chunk size", "\r\nhello\r\n0\r\n\r\n"),
	REFUSE_BODY(400, "a chunk size that is no number", "g\r\n"),
	REFUSE_BODY(400, "a negative chunk size", "-1\r\n"),
	REFUSE_BODY(400, "a chunk size with a prefix", "0x5\r\nhello\r\n"),
	REFUSE_BODY(400, "a chunk size with white space before it", " 5\r\nhello\r\n"),
	REFUSE_BODY(400, "a chunk size with white space after it", "5 \r\nhello\r\n"),
	REFUSE_BODY(400, "a chunk size that overflows", "10000000000000000\r\n"),
	REFUSE_BODY(400, "a chunk size of many zeros", "00000000000000005\r\nhello\r\n"),
	REFUSE_BODY(413, "a chunk size of 2^64 - 1", "ffffffffffffffff\r\n"),
	REFUSE_BODY(413, "a chunk over the limit of the body", "65\r\n"),
	{ "refuses chunks over the limit of the body", "POST / 1.1 keep body: hello413",
	  T(CHUNKED "5\r\nhello\r\n60\r\n"), T(""), 0, T("") },
	{ "refuses a chunk longer than its size", "POST / 1.1 keep body: hell400", T(CHUNKED "4\r\nhello\r\n"), T(""), 0, T("") },
	{ "refuses a chunk shorter than its size", "POST / 1.1 keep body: hello\r400", T(CHUNKED "6\r\nhello\r\n0\r\n\r\n"), T(""), 0, T("") },
	{ "refuses a bare LF after a chunk", "POST / 1.1 keep body: hello400", T(CHUNKED "5\r\nhello\n0\r\n\r\n"), T(""), 0, T("") },
	{ "refuses a bare CR after a chunk", "POST / 1.1 keep body: hello400", T(CHUNKED "5\r\nhello\r0\r\n\r\n"), T(""), 0, T("") },
	REFUSE_BODY(400, "a bare LF after a chunk size", "5\nhello\r\n0\r\n\r\n"),
	REFUSE_BODY(400, "a bare CR after a chunk size", "5\rhello\r\n0\r\n\r\n"),
	REFUSE_BODY(400, "an extension without a name", "5;\r\nhello\r\n"),
	REFUSE_BODY(400, "an extension without a value", "5;a=\r\nhello\r\n"),
	REFUSE_BODY(400, "an extension with an open quote", "5;a=\"b\r\nhello\r\n"),
	REFUSE_BODY(400, "an extension with an open quoted pair", "5;a=\"b\\\r\nhello\r\n"),
	REFUSE_BODY(400, "an extension with text after its quote", "5;a=\"b\"c\r\nhello\r\n"),
	REFUSE_BODY(400, "an extension with white space after it", "5;a \r\nhello\r\n"),
	REFUSE_BODY(400, "an extension with a bare LF", "5;a\n\r\nhello\r\n"),
	REFUSE_BODY(400, "an extension with a NUL", "5;a\0\r\nhello\r\n"),
	REFUSE_BODY(413, "a long chunk extension", "5;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nhello\r\n"),
	REPEAT("refuses an extension without end", "POST / 1.1 keep body: 413", CHUNKED "5;", "a", 1000, ""),
	REPEAT("refuses many chunk extensions", "POST / 1.1 keep body: xxxx413", CHUNKED, "1;a=bcdefg\r\nx\r\n", 5, "0\r\n\r\n"),

	/* trailers: section 7.1.2 */
	REFUSE_BODY(400, "Content-Length in a trailer", "0\r\nContent-Length: 5\r\n\r\n"),
	REFUSE_BODY(400, "Transfer-Encoding in a trailer", "0\r\nTransfer-Encoding: chunked\r\n\r\n"),
	REFUSE_BODY(400, "Host in a trailer", "0\r\nHost: b\r\n\r\n"),
	REFUSE_BODY(400, "a folded line in a trailer", "0\r\nX: a\r\n b\r\n\r\n"),
	REFUSE_BODY(400, "white space before a colon in a trailer", "0\r\nX : a\r\n\r\n"),
	REFUSE_BODY(400, "a bare LF at the end of a trailer", "0\r\nX: a\r\n\n"),
	REPEAT("refuses too many fields with the trailer's", "POST / 1.1 keep body: 431", CHUNKED "0\r\n", "X: a\r\n", 4, "\r\n"),
	REPEAT("refuses too long fields with the trailer's", "POST / 1.1 keep body: 431", CHUNKED "0\r\nX: ", "x", 600, "\r\n\r\n"),
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

/* ---- mutations ---- */

static size_t mutate(char *input, size_t n)
{
	static const char telling[] = "\r\n \t:;,=/?%\"\\0159afAFX\x00\x7f\x80\xff";
	size_t at = n ? random_below(n) : 0, other = n ? random_below(n) : 0;
	size_t run = 1 + random_below(8);

	switch (random_below(5)) {
	case 0: /* replace */
		if (n)
			input[at] = telling[random_below(sizeof(telling))];
		break;
	case 1: /* flip */
		if (n)
			input[at] ^= (char)(1 << random_below(8));
		break;
	case 2: /* insert */
		memmove(input + at + 1, input + at, n - at);
		input[at] = telling[random_below(sizeof(telling))];
		return n + 1;
	case 3: /* delete a run */
		if (run > n - at)
			run = n - at;
		memmove(input + at, input + at + run, n - at - run);
		return n - run;
	case 4: /* copy a run over another place */
		if (run > n - (at > other ? at : other))
			run = n - (at > other ? at : other);
		memmove(input + at, input + other, run);
		break;
	}
	return n;
}

/* Whatever the bytes, the parser reads within them, and where they are cut changes nothing. */
static void test_mutations(void **state)
{
	static char input[INPUT_MAX + 16];
	struct transcript whole, cut;

	(void)state;
	random_state = 1;
	for (unsigned round = 0; round < 400 * CASES; round++) {
		size_t n = build(&cases[round % CASES], input);

		for (size_t i = random_below(12); i > 0; i--)
			n = mutate(input, n);
		transcribe(&whole, input, n, 0);
		transcribe(&cut, input, n, 1 + random_below(60));
		assert_string_equal(whole.text, cut.text);
	}
}

/* Bytes that come after a refusal change nothing: the first refusal stands. */
static void test_refusal_stands(void **state)
{
	const char *bytes = "GET\r\n", *more = LINE HOST "\r\n";
	size_t n = 5, n_more = strlen(more);
	struct http_parser p;

	(void)state;
	http_begin(&p, NULL);
	assert_int_equal(http_next(&p, &bytes, &n), HTTP_ERROR);
	assert_int_equal(http_next(&p, &more, &n_more), HTTP_ERROR);
	assert_int_equal(n_more, strlen(LINE HOST "\r\n"));
	assert_int_equal(p.status, 400);
}

/* The default limits admit what RFC 9112 and common clients need, and end: a head of 64 fields, a body of 1 MiB. */
static void test_default_limits(void **state)
{
	static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048576\r\n\r\n";
	static const char over[] = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n";
	const char *bytes = head;
	size_t n = sizeof(head) - 1;
	struct http_parser p;

	(void)state;
	http_begin(&p, NULL);
	assert_int_equal(http_next(&p, &bytes, &n), HTTP_HEAD);
	http_begin(&p, NULL);
	bytes = over;
	n = sizeof(over) - 1;
	assert_int_equal(http_next(&p, &bytes, &n), HTTP_ERROR);
	assert_int_equal(p.status, 413);
}

/* A number in a query is taken only if it is one, is there once and is within its bound. */
static void test_query_number(void **state)
{
	static const char *const bad[] = {
		"", "a", "a=", "a=x", "a=-1", "a=1x", "a=101", "a=1&a=1", "b=1", "aa=1", "a=99999999999999999999999", "a=+1", "A=1",
	};
	uint64_t value;

	(void)state;
	assert_int_equal(text_query_number("a=100", "a", 100, &value), 0);
	assert_int_equal(value, 100);
	assert_int_equal(text_query_number("b=7&&a=5&c", "a", 100, &value), 0);
	assert_int_equal(value, 5);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(text_query_number(bad[i], "a", 100, &value), -1);
}

/* One test for each case, by its name. */
int main(void)
{
	static struct CMUnitTest tests[CASES + 4] = {
		cmocka_unit_test(test_mutations),
		cmocka_unit_test(test_refusal_stands),
		cmocka_unit_test(test_default_limits),
		cmocka_unit_test(test_query_number),
	};

	for (size_t i = 0; i < CASES; i++)
		tests[4 + i] = (struct CMUnitTest){ cases[i].name, test_case, NULL, NULL, (void *)&cases[i] };
	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
