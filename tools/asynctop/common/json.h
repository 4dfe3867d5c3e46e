/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A JSON writer. It adds commas and escapes; the caller opens and closes objects and arrays. Strings may be any bytes:
 * a byte that is not UTF-8 becomes U+FFFD, and a character that could act on a terminal (control, direction, format) is
 * escaped as \uXXXX.
 */
#ifndef ASYNCTOP_JSON_H
#define ASYNCTOP_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "common/text.h"

struct json {
	struct text text;
	bool comma; /* before the next value */
};

/* `key` is NULL inside an array. */
void json_object(struct json *j, const char *key);
void json_array(struct json *j, const char *key);
void json_end_object(struct json *j);
void json_end_array(struct json *j);

void json_string(struct json *j, const char *key, const char *value); /* NULL: null */
void json_uint(struct json *j, const char *key, uint64_t value);
void json_int(struct json *j, const char *key, int64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_number(struct json *j, const char *key, double value);
void json_null(struct json *j, const char *key);

#endif
