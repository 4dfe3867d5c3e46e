/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The request parser: what it accepts, and each thing that RFC 9112 says or allows to be refused.
 *
 * A case is a stream of bytes and the transcript of the events that it must give. One test function runs one case:
 * in one piece, byte by byte, and in random pieces, each in a block of exactly its size, so that a sanitizer sees a
 * read past its end. The transcript must be the same each time.
 */
#include "http_cases.h"

#include "tests/test.h"
#include "tools/examples/http.h"
#include "tools/examples/http_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX      32768
#define TRANSCRIPT_MAX 4096

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
			http_begin(p, &http_case_limits);
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
	http_begin(&p, &http_case_limits);
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

static size_t build(const struct http_case *c, char *input)
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

static void run_case(void **state)
{
	static const size_t most[] = { 0, 1, 2, 3, 7, 50 };
	const struct http_case *c = *state;
	static char input[INPUT_MAX];
	size_t n = build(c, input);
	struct transcript t;
	for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++)
		for (unsigned round = 0; round < (most[i] > 1 ? 10 : 1); round++) {
			transcribe(&t, input, n, most[i]);
			assert_string_equal(t.text, c->transcript);
		}
}

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
TEST(mutations)
{
	static char input[INPUT_MAX + 16];
	struct transcript whole, cut;
	(void)state;
	random_state = 1;
	for (unsigned round = 0; round < 400 * http_case_count; round++) {
		size_t n = build(&http_cases[round % http_case_count], input);
		for (size_t i = random_below(12); i > 0; i--)
			n = mutate(input, n);
		transcribe(&whole, input, n, 0);
		transcribe(&cut, input, n, 1 + random_below(60));
		assert_string_equal(whole.text, cut.text);
	}
}

/* Bytes that come after a refusal change nothing: the first refusal stands. */
TEST(refusal_stands)
{
	static const char good[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	const char *bytes = "GET\r\n", *more = good;
	size_t n = 5, n_more = sizeof(good) - 1;
	struct http_parser p;
	(void)state;
	http_begin(&p, NULL);
	assert_int_equal(http_next(&p, &bytes, &n), HTTP_ERROR);
	assert_int_equal(http_next(&p, &more, &n_more), HTTP_ERROR);
	assert_ptr_equal(more, good);
	assert_int_equal(n_more, sizeof(good) - 1);
	assert_int_equal(p.status, 400);
}

/* The default limits admit what RFC 9112 and common clients need, and end: a head of 64 fields, a body of 1 MiB. */
TEST(default_limits)
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
TEST(query_number)
{
	static const char *const bad[] = {
		"",
		"a",
		"a=",
		"a=x",
		"a=-1",
		"a=1x",
		"a=101",
		"a=1&a=1",
		"b=1",
		"aa=1",
		"a=99999999999999999999999",
		"a=+1",
		"A=1",
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

/* One test for each case, by its name, and the tests above. */
int main(void)
{
	struct test *cases = calloc(http_case_count, sizeof(*cases));
	int failed;
	if (!cases)
		return 1;
	for (size_t i = 0; i < http_case_count; i++) {
		cases[i].unit.name = http_cases[i].name;
		cases[i].unit.test_func = run_case;
		cases[i].unit.initial_state = (void *)&http_cases[i];
		cases[i].line = __LINE__;
		tests_add(&cases[i]);
	}
	failed = tests_main(NULL, NULL);
	free(cases);
	return failed;
}
