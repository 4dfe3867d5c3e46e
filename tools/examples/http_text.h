/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The grammar of HTTP texts below a message: character sets, authorities, lists, chunk extensions, queries, names. */
#ifndef HTTP_TEXT_H
#define HTTP_TEXT_H

#include <stdbool.h>
#include <stdint.h>

#define TEXT_AUTHORITY_MAX 261 /* a name of 255 bytes, a colon, five digits */

/* A set of ASCII characters: bit c of two words. */
struct text_set {
	uint64_t low, high;
};

extern const struct text_set text_token, text_host, text_uri, text_hex, text_digit;

static inline bool text_in(const struct text_set *set, unsigned char c)
{
	return c < 64 ? set->low >> c & 1 : c < 128 && (set->high >> (c - 64) & 1);
}

static inline bool text_is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

/* field-vchar, SP and HTAB: all but the control characters. */
static inline bool text_is_field_char(unsigned char c)
{
	return (c >= ' ' && c != 0x7f) || c == '\t';
}

static inline char text_lower(unsigned char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

/* The first character that is not in the set; the end of a string is in none. */
const char *text_skip(const char *, const struct text_set *);

/* All characters in the set, and each '%' followed by two hexadecimal digits. */
bool text_is_encoded(const char *, const struct text_set *);

/*
 * uri-host [ ":" port ] with a host and a port up to 65535. *port: what follows the colon, maybe nothing; or null. The
 * text is cut into its parts.
 */
bool text_split_authority(char *, const char **port);

/*
 * The path ("/" if empty) and the query ("" if none) of a target in origin-form, or in absolute-form with the scheme
 * http: then its authority, which takes precedence over Host (RFC 9112 section 3.2.2), must be valid too.
 */
bool text_split_target(char *, const char **path, const char **query);

/* Cuts the next element off a comma-separated list; empty elements are passed over. Null at the end. */
char *text_next_item(char **list);

/* *( BWS ";" BWS name [ BWS "=" BWS value ] ), to the end of the text. */
bool text_are_extensions(const char *);

/*
 * The decimal value of `key` in a query "a=1&b=2": 0 and *value; -1: absent, empty, not a number, above `max`, or
 * there twice.
 */
int text_query_number(const char *query, const char *key, uint64_t max, uint64_t *value);

#endif
