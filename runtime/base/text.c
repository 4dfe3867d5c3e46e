/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "base/text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/raised.h"

#define LINE_MOST 1024 /* bytes of a line that is written, cleaned */

/* The length of the UTF-8 sequence that starts with `lead`; 0: `lead` starts none. */
static size_t sequence_length(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead < 0xe0)
		return 2;
	if (lead >= 0xe0 && lead < 0xf0)
		return 3;
	return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

/* The character at `text`, with its length in bytes in *length; length 0: there is none. */
static uint32_t text_decode(const unsigned char *text, size_t n, size_t *length)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t bytes = sequence_length(text[0]);
	*length = 0;
	if (bytes == 0 || bytes > n)
		return 0;
	uint32_t c = bytes == 1 ? text[0] : text[0] & (0x7fu >> bytes);
	for (size_t i = 1; i < bytes; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (text[i] & 0x3fu);
	}
	if (c < least[bytes] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*length = bytes;
	return c;
}

/* Whether the character can be written to a line unchanged. */
static bool is_plain_character(uint32_t c)
{
	/* controls; marks of direction, separators of lines, joiners, tags and others without a width */
	static const struct {
		uint32_t first, last;
	} others[] = { { 0, 0x1f },        { 0x7f, 0x9f },     { 0xad, 0xad },      { 0x34f, 0x34f },
		       { 0x61c, 0x61c },   { 0x115f, 0x1160 }, { 0x17b4, 0x17b5 },  { 0x180b, 0x180f },
		       { 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f },  { 0xfe00, 0xfe0f },
		       { 0xfeff, 0xfeff }, { 0xfff0, 0xfffb }, { 0xe0000, 0xe0fff } };
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		if (c >= others[i].first && c <= others[i].last)
			return false;
	}
	return true;
}

size_t text_clean(char *out, size_t size, const char *text, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *from = (const unsigned char *)text;
	size_t used = 0, length;
	for (size_t i = 0; i < n; i += length) {
		uint32_t c = text_decode(from + i, n - i, &length);
		if (length > 0 && is_plain_character(c)) {
			if (size - used < length)
				break;
			memcpy(out + used, from + i, length);
			used += length;
			continue;
		}
		length = 1; /* one byte: its continuation bytes start no character either, and come here too */
		if (size - used < 4)
			break;
		memcpy(out + used, "\\x", 2);
		out[used + 2] = digits[from[i] >> 4];
		out[used + 3] = digits[from[i] & 15];
		used += 4;
	}
	return used;
}

/* The write must not end the service by a signal. */
static ssize_t write_quietly(int fd, const char *text, size_t n)
{
	struct raised raised;
	raised_begin(&raised);
	ssize_t done = write(fd, text, n);
	return raised_end(&raised, done < 0 ? -errno : done);
}

int text_write_line(int fd, const char *line, size_t n)
{
	char clean[LINE_MOST];
	size_t left = text_clean(clean, sizeof(clean) - 1, line, n), at = 0;
	clean[left++] = '\n';
	while (left > 0) {
		ssize_t done = write_quietly(fd, clean + at, left);
		if (done < 0 && done != -EINTR)
			return (int)done;
		if (done > 0) {
			at += (size_t)done;
			left -= (size_t)done;
		}
	}
	return 0;
}
