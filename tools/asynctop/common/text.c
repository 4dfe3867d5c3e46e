/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The text buffer, cleaning, cells and figures for humans. */
#include "common/text.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "common/memory.h"

void text_free(struct text *t)
{
	free(t->data);
	*t = (struct text){ 0 };
}

void text_clear(struct text *t)
{
	t->length = 0;
	if (t->data)
		t->data[0] = '\0';
}

const char *text_string(const struct text *t)
{
	return t->data ? t->data : "";
}

static void reserve(struct text *t, size_t n)
{
	size_t need = t->length + n + 1;
	if (need <= t->room)
		return;
	t->room = need < 128 ? 128 : need * 2;
	t->data = xresize(t->data, t->room, 1);
}

void text_put(struct text *t, const char *s, size_t n)
{
	reserve(t, n);
	memcpy(t->data + t->length, s, n);
	t->length += n;
	t->data[t->length] = '\0';
}

void text_puts(struct text *t, const char *s)
{
	text_put(t, s, strlen(s));
}

void text_printf(struct text *t, const char *format, ...)
{
	va_list args;
	int n;
	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		return;
	reserve(t, (size_t)n);
	va_start(args, format);
	vsnprintf(t->data + t->length, (size_t)n + 1, format, args);
	va_end(args);
	t->length += (size_t)n;
}

/* Printed without printf(): reports are mostly numbers. */
void text_uint(struct text *t, uint64_t n)
{
	char digits[20];
	size_t first = sizeof(digits);
	do
		digits[--first] = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	text_put(t, digits + first, sizeof(digits) - first);
}

void text_int(struct text *t, int64_t n)
{
	if (n < 0)
		text_puts(t, "-");
	text_uint(t, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

void text_spaces(struct text *t, int n)
{
	for (; n > 0; n--)
		text_put(t, " ", 1);
}

/* One unit of cleaned text: a printable character, or one byte's escape. */
struct glyph {
	size_t bytes; /* consumed of the source */
	int width;    /* columns */
	char text[MB_LEN_MAX > 5 ? MB_LEN_MAX : 5];
	size_t length; /* of text */
};

static struct glyph next_glyph(const char *s)
{
	struct glyph g = { .bytes = 1, .width = 4, .length = 4 };
	unsigned char c = (unsigned char)s[0];
	mbstate_t state = { 0 };
	wchar_t wide;
	size_t n;
	if (c >= 0x20 && c < 0x7f) {
		g.text[0] = s[0];
		g.width = 1;
		g.length = 1;
		return g;
	}
	n = c < 0x80 ? (size_t)-1 : mbrtowc(&wide, s, strnlen(s, MB_LEN_MAX), &state);
	if (n != (size_t)-1 && n != (size_t)-2 && iswprint((wint_t)wide) && wcwidth(wide) > 0) {
		memcpy(g.text, s, n);
		g.bytes = g.length = n;
		g.width = wcwidth(wide);
		return g;
	}
	snprintf(g.text, sizeof(g.text), "\\x%02x", c);
	return g;
}

void text_clean(struct text *t, const char *s)
{
	while (*s) {
		struct glyph g = next_glyph(s);
		text_put(t, g.text, g.length);
		s += g.bytes;
	}
}

int text_width(const char *s)
{
	long width = 0;
	while (*s && width < INT_MAX - 8) {
		struct glyph g = next_glyph(s);
		width += g.width;
		s += g.bytes;
	}
	return (int)width;
}

/* Appends as much as fits into `width` columns; returns the columns used. */
static int put_fitting(struct text *t, const char *s, int width)
{
	int used = 0;
	while (*s) {
		struct glyph g = next_glyph(s);
		if (used + g.width > width)
			break;
		text_put(t, g.text, g.length);
		used += g.width;
		s += g.bytes;
	}
	return used;
}

static void put_tail(struct text *t, const char *s, int width)
{
	int whole = text_width(s);
	while (*s && whole > width - 1) {
		struct glyph g = next_glyph(s);
		whole -= g.width;
		s += g.bytes;
	}
	text_put(t, "~", 1);
	text_spaces(t, width - 1 - put_fitting(t, s, width - 1));
}

void text_cell(struct text *t, const char *s, int width, enum text_align align)
{
	int whole = text_width(s);
	if (width <= 0)
		return;
	if (whole <= width) {
		if (align == TEXT_RIGHT)
			text_spaces(t, width - whole);
		text_clean(t, s);
		if (align != TEXT_RIGHT)
			text_spaces(t, width - whole);
	} else if (align == TEXT_TAIL) {
		put_tail(t, s, width);
	} else {
		int used = put_fitting(t, s, width - 1);
		text_put(t, "~", 1);
		text_spaces(t, width - 1 - used);
	}
}

const char *text_duration(char out[TEXT_SHORT], int64_t ns)
{
	double v = (double)ns;
	long long s = ns / 1000000000;

	if (ns < 0)
		snprintf(out, TEXT_SHORT, "?");
	else if (ns < 1000)
		snprintf(out, TEXT_SHORT, "%dns", (int)ns);
	else if (ns < 999950)
		snprintf(out, TEXT_SHORT, "%.1fus", v / 1e3);
	else if (ns < 999950000)
		snprintf(out, TEXT_SHORT, "%.1fms", v / 1e6);
	else if (ns < 59995000000)
		snprintf(out, TEXT_SHORT, "%.2fs", v / 1e9);
	else if (s < 3600)
		snprintf(out, TEXT_SHORT, "%dm%02ds", (int)(s / 60), (int)(s % 60));
	else if (s < 86400)
		snprintf(out, TEXT_SHORT, "%dh%02dm", (int)(s / 3600), (int)(s / 60 % 60));
	else
		snprintf(out, TEXT_SHORT, "%lldd%02dh", s / 86400, (int)(s / 3600 % 24));
	return out;
}

const char *text_count(char out[TEXT_SHORT], uint64_t n)
{
	static const char unit[] = "kMGTPE";
	double v = (double)n;
	int i = -1;
	if (n < 100000) {
		snprintf(out, TEXT_SHORT, "%d", (int)n);
		return out;
	}
	for (; v >= 1000 && unit[i + 1]; i++)
		v /= 1000;
	snprintf(out, TEXT_SHORT, v < 99.95 ? "%.1f%c" : "%.0f%c", v, unit[i]);
	return out;
}

const char *text_size(char out[TEXT_SHORT], uint64_t bytes)
{
	static const char *const unit[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes / 1024;
	int i = 0;
	if (bytes < 1024) {
		snprintf(out, TEXT_SHORT, "%dB", (int)bytes);
		return out;
	}
	for (; v >= 1024 && i < 5; i++)
		v /= 1024;
	snprintf(out, TEXT_SHORT, "%.1f%s", v, unit[i]);
	return out;
}
