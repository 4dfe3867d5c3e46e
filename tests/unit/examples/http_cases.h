/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The cases of the request parser's tests: a stream of bytes, and the transcript of the events that it must give.
 */
#ifndef HTTP_CASES_H
#define HTTP_CASES_H

#include <stddef.h>

#include "tools/examples/http.h"

struct case_text {
	const char *at;
	size_t n;
};

struct http_case {
	const char *name;
	const char *transcript; /* of a refusal: "400" and so on, after those of the requests before it */
	struct case_text before;
	struct case_text fill; /* repeated `times` between before and after */
	unsigned times;
	struct case_text after;
};

/* Small limits, so that each is met by a short case. */
extern const struct http_limits http_case_limits;

extern const struct http_case http_cases[];
extern const size_t http_case_count;

#endif
