/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Character classes are two words of 64 bits: no table, no locale, and what is in one can be read off its definition. */
#include "http_text.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* ---- characters ---- */

#define C(c)       (1ULL << ((c)&63))
#define DIGITS     0x03ff000000000000ULL /* in low */
#define ALPHAS     0x07fffffe07fffffeULL /* in high */
#define SUB_DELIMS (C('!') | C('$') | C('&') | C('\'') | C('(') | C(')') | C('*') | C('+') | C(',') | C(';') | C('='))

const struct text_set text_token = {
	DIGITS | C('!') | C('#') | C('$') | C('%') | C('&') | C('\'') | C('*') | C('+') | C('-') | C('.'),
	ALPHAS | C('^') | C('_') | C('`') | C('|') | C('~'),
};
const struct text_set text_host = { DIGITS | SUB_DELIMS | C('%') | C('-') | C('.'), ALPHAS | C('_') | C('~') };
const struct text_set text_uri = {
	/* of a path and a query */
	DIGITS | SUB_DELIMS | C('%') | C('-') | C('.') | C('/') | C(':') | C('?'),
	ALPHAS | C('@') | C('_') | C('~'),
};
const struct text_set text_hex = { DIGITS, 0x0000007e0000007eULL };
const struct text_set text_digit = { DIGITS, 0 };

const char *text_skip(const char *s, const struct text_set *set)
{
	while (text_in(set, *s))
		s++;
	return s;
}

static const char *skip_blank(const char *s)
{
	while (text_is_blank(*s))
		s++;
	return s;
}

bool text_is_encoded(const char *s, const struct text_set *set)
{
	for (; *s; s++) {
		if (!text_in(set, *s))
			return false;
		if (*s == '%' && !(text_in(&text_hex, s[1]) && text_in(&text_hex, s[2])))
			return false;
	}
	return true;
}

/* ---- authorities and targets ---- */

static bool is_port(const char *s)
{
	const char *end = text_skip(s, &text_digit);
	unsigned value = 0;
	for (; s < end && value <= UINT16_MAX; s++)
		value = value * 10 + (unsigned)(*s - '0');
	return *end == '\0' && value <= UINT16_MAX;
}

/* IP-literal without its brackets: an IPv6 address, or what may come after it. */
static bool is_ip_literal(const char *s)
{
	struct in6_addr address;
	const char *dot;
	if (*s != 'v' && *s != 'V')
		return inet_pton(AF_INET6, s, &address) == 1;
	dot = text_skip(s + 1, &text_hex);
	if (dot == s + 1 || *dot != '.' || dot[1] == '\0')
		return false;
	for (s = dot + 1; *s; s++)
		if (*s == '%' || !(text_in(&text_host, *s) || *s == ':'))
			return false;
	return true;
}

bool text_split_authority(char *s, const char **port)
{
	char *end = *s == '[' ? strchr(s, ']') : s + strcspn(s, ":");
	if (!end || end == s)
		return false;
	if (*s == '[')
		*end++ = '\0';
	*port = *end == ':' ? end + 1 : NULL;
	if (*end != ':' && *end != '\0')
		return false;
	*end = '\0';
	if (*port && !is_port(*port))
		return false;
	return *s == '[' ? is_ip_literal(s + 1) : text_is_encoded(s, &text_host);
}

static bool split_query(char *s, const char **path, const char **query)
{
	char *mark = strchr(s, '?');
	if (!text_is_encoded(s, &text_uri))
		return false;
	if (mark)
		*mark++ = '\0';
	*path = *s ? s : "/";
	*query = mark ? mark : "";
	return true;
}

/* What follows "http://". Its authority is checked in a copy: the parts of a split one would run into the path. */
static bool split_absolute(char *authority, const char **path, const char **query)
{
	char copy[TEXT_AUTHORITY_MAX + 1];
	size_t n = strcspn(authority, "/?");
	const char *port;
	if (n > TEXT_AUTHORITY_MAX)
		return false;
	memcpy(copy, authority, n);
	copy[n] = '\0';
	return text_split_authority(copy, &port) && split_query(authority + n, path, query);
}

bool text_split_target(char *s, const char **path, const char **query)
{
	if (strncasecmp(s, "http://", 7) == 0)
		return split_absolute(s + 7, path, query);
	return *s == '/' && split_query(s, path, query);
}

/* ---- lists, extensions, queries ---- */

char *text_next_item(char **list)
{
	char *item = *list, *end;
	while (text_is_blank(*item) || *item == ',')
		item++;
	if (!*item)
		return NULL;
	end = item + strcspn(item, ",");
	*list = *end ? end + 1 : end;
	while (text_is_blank(end[-1]))
		end--;
	*end = '\0';
	return item;
}

/* token or quoted-string; null if it is neither. */
static const char *skip_extension_value(const char *s)
{
	const char *end = text_skip(s, &text_token);
	if (*s != '"')
		return end > s ? end : NULL;
	for (s++; *s != '"'; s++) {
		if (*s == '\\')
			s++;
		if (!*s)
			return NULL;
	}
	return s + 1;
}

bool text_are_extensions(const char *s)
{
	while (*s) {
		const char *name = skip_blank(s);
		if (*name != ';')
			return false;
		name = skip_blank(name + 1);
		s = text_skip(name, &text_token);
		if (s == name)
			return false;
		if (*skip_blank(s) == '=')
			s = skip_extension_value(skip_blank(skip_blank(s) + 1));
		if (!s)
			return false;
	}
	return true;
}

/* The value of one "key=value", or null. */
static const char *value_of(const char *pair, const char *key)
{
	size_t n = strlen(key);
	return strncmp(pair, key, n) == 0 && pair[n] == '=' ? pair + n + 1 : NULL;
}

static int to_number(const char *s, uint64_t max, uint64_t *value)
{
	const char *end = text_skip(s, &text_digit);
	if (end == s || (*end && *end != '&'))
		return -1;
	for (*value = 0; s < end; s++)
		if (__builtin_mul_overflow(*value, 10, value) || __builtin_add_overflow(*value, *s - '0', value) ||
		    *value > max)
			return -1;
	return 0;
}

int text_query_number(const char *query, const char *key, uint64_t max, uint64_t *value)
{
	const char *found = NULL;
	while (*query) {
		const char *text = value_of(query, key);
		if (text && found)
			return -1;
		if (text)
			found = text;
		query += strcspn(query, "&");
		query += *query == '&';
	}
	return found ? to_number(found, max, value) : -1;
}
