/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Typed values of columns. */
#ifndef ASYNCTOP_VALUE_H
#define ASYNCTOP_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum value_type {
	VALUE_NULL, /* not known, or not there */
	VALUE_BOOL,
	VALUE_UINT,
	VALUE_INT,
	VALUE_NUMBER,
	VALUE_STRING,
	VALUE_ANY,    /* of a column: an integer, a string or null; no value has it */
	VALUE_RECORD, /* a row that has columns of its own */
	VALUE_LIST,   /* an array of rows, or of strings */
};

#define VALUE_BUFFER 64

struct value {
	enum value_type type;
	union {
		bool boolean;
		uint64_t natural;
		int64_t integer;
		double number;
		const char *string;
		const void *row;
		struct {
			const void *rows;
			size_t size; /* of a row */
			uint32_t count;
		} list;
	};
	char buffer[VALUE_BUFFER]; /* room for a string that the model does not have */
};

static inline void value_null(struct value *v)
{
	v->type = VALUE_NULL;
}

static inline void value_bool(struct value *v, bool boolean)
{
	v->type = VALUE_BOOL;
	v->boolean = boolean;
}

static inline void value_uint(struct value *v, uint64_t n)
{
	v->type = VALUE_UINT;
	v->natural = n;
}

static inline void value_int(struct value *v, int64_t n)
{
	v->type = VALUE_INT;
	v->integer = n;
}

/* A time or a number; a negative one is not known, and becomes null. */
static inline void value_known(struct value *v, int64_t n)
{
	v->type = n < 0 ? VALUE_NULL : VALUE_INT;
	v->integer = n;
}

static inline void value_number(struct value *v, double number)
{
	v->type = VALUE_NUMBER;
	v->number = number;
}

/* NULL: null. */
static inline void value_string(struct value *v, const char *s)
{
	v->type = s == NULL ? VALUE_NULL : VALUE_STRING;
	v->string = s;
}

/* "" is null. */
static inline void value_name(struct value *v, const char *s)
{
	value_string(v, s[0] == '\0' ? NULL : s);
}

static inline void value_row(struct value *v, const void *row)
{
	v->type = VALUE_RECORD;
	v->row = row;
}

static inline void value_list(struct value *v, const void *rows, size_t size, uint32_t count)
{
	v->type = VALUE_LIST;
	v->list.rows = rows;
	v->list.size = size;
	v->list.count = count;
}

#endif
