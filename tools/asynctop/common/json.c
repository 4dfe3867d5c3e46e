/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The JSON writer. */
#include "common/json.h"

#include <math.h>
#include <string.h>

/* Decodes one character of UTF-8 strictly: its length, or 0 if there is none. */
static size_t decode(const unsigned char *s, uint32_t *c)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = s[0] < 0x80                   ? 1
		   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		   : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
						 : 0;
	if (n <= 1) {
		*c = s[0];
		return n;
	}
	*c = s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (s[i] & 0x3f);
	}
	return *c < least[n] || *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000) ? 0 : n;
}

static bool acts(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c < 0xe0080);
}

static void put_escape(struct text *t, uint32_t c)
{
	if (c < 0x10000)
		text_printf(t, "\\u%04x", c);
	else
		text_printf(t, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
}

/* The length of the part that needs no escape, nearly always all. */
static size_t plain_length(const char *s)
{
	size_t n = 0;
	while (s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
		n++;
	return n;
}

static void put_string(struct text *t, const char *s)
{
	text_puts(t, "\"");
	while (*s) {
		uint32_t c;
		size_t plain = plain_length(s), n;
		text_put(t, s, plain);
		s += plain;
		if (*s == '\0')
			break;
		n = decode((const unsigned char *)s, &c);
		if (n == 0)
			text_puts(t, "\\ufffd");
		else if (c == '"' || c == '\\')
			text_printf(t, "\\%c", (char)c);
		else if (acts(c))
			put_escape(t, c);
		else
			text_put(t, s, n);
		s += n ? n : 1;
	}
	text_puts(t, "\"");
}

static void begin(struct json *j, const char *key)
{
	if (j->comma)
		text_puts(&j->text, ",");
	j->comma = true;
	if (key != NULL) {
		put_string(&j->text, key);
		text_puts(&j->text, ":");
	}
}

static void open_with(struct json *j, const char *key, const char *bracket)
{
	begin(j, key);
	text_puts(&j->text, bracket);
	j->comma = false;
}

static void close_with(struct json *j, const char *bracket)
{
	text_puts(&j->text, bracket);
	j->comma = true;
}

void json_object(struct json *j, const char *key)
{
	open_with(j, key, "{");
}

void json_array(struct json *j, const char *key)
{
	open_with(j, key, "[");
}

void json_end_object(struct json *j)
{
	close_with(j, "}");
}

void json_end_array(struct json *j)
{
	close_with(j, "]");
}

void json_null(struct json *j, const char *key)
{
	begin(j, key);
	text_puts(&j->text, "null");
}

void json_string(struct json *j, const char *key, const char *value)
{
	if (value == NULL) {
		json_null(j, key);
		return;
	}
	begin(j, key);
	put_string(&j->text, value);
}

void json_uint(struct json *j, const char *key, uint64_t value)
{
	begin(j, key);
	text_uint(&j->text, value);
}

void json_int(struct json *j, const char *key, int64_t value)
{
	begin(j, key);
	text_int(&j->text, value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	begin(j, key);
	text_puts(&j->text, value ? "true" : "false");
}

/* The decimal point is a point in every locale: the fraction is written as a whole number. */
void json_number(struct json *j, const char *key, double value)
{
	if (!isfinite(value) || value < 0 || value > 1e9) {
		json_null(j, key);
		return;
	}
	begin(j, key);
	text_printf(&j->text, "%u.%06u", (unsigned)value, (unsigned)((value - (unsigned)value) * 1e6));
}
