/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Text: a growing buffer, and the cleaning of foreign bytes before they are sent to a terminal.
 *
 * Names and paths come from the watched process, which may be hostile. A character that the locale cannot print is
 * shown as \xNN; so is one without a width (combining and direction marks, which could disguise a line). All output of
 * the view goes through text_clean() or text_cell().
 */
#ifndef ASYNCTOP_TEXT_H
#define ASYNCTOP_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *data; /* NUL-terminated once something was put */
	size_t length;
	size_t room;
};

void text_free(struct text *t);
void text_clear(struct text *t);
const char *text_string(const struct text *t);

void text_put(struct text *t, const char *s, size_t n);
void text_puts(struct text *t, const char *s);
void text_printf(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_uint(struct text *t, uint64_t n);
void text_int(struct text *t, int64_t n);
void text_spaces(struct text *t, int n);

/* Appends `s` with every unprintable byte as \xNN. */
void text_clean(struct text *t, const char *s);

/* The columns that text_clean(s) takes. */
int text_width(const char *s);

enum text_align { TEXT_LEFT, TEXT_RIGHT, TEXT_TAIL /* left, and cut at the front: the end of a path says more */ };

/* Appends `s`, cleaned, in exactly `width` columns: padded, or cut, with "~" for the missing part. */
void text_cell(struct text *t, const char *s, int width, enum text_align align);

#define TEXT_SHORT 16

/* A duration for humans, at most 7 columns: 512ns 3.2us 15.0ms 2.51s 4m03s 2h05m 3d04h. */
const char *text_duration(char out[TEXT_SHORT], int64_t ns);

/* A count for humans, at most 6 columns: 99999, 123k, 45.6M. */
const char *text_count(char out[TEXT_SHORT], uint64_t n);

/* A size for humans: 512B 14.2KiB 3.0MiB. */
const char *text_size(char out[TEXT_SHORT], uint64_t bytes);

#endif
