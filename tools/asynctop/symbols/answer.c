/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Cleaning the reader's answers, and keeping them for a while. */
#include "symbols/answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

#define CACHE_LIFE_NS 10000000000

static uint64_t digest_bytes(uint64_t h, const void *data, size_t n)
{
	const unsigned char *p = data;
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return h;
}

uint64_t request_digest(const struct symbols_request *r)
{
	const uint64_t head[] = { (uint64_t)r->kind, r->returns, (uint64_t)r->pid, r->address };
	uint64_t h = digest_bytes(0xcbf29ce484222325, head, sizeof(head));
	if (r->kind != SYMBOLS_SAMPLE)
		return h;
	h = digest_bytes(h, &r->registers, sizeof(r->registers));
	h = digest_bytes(h, r->entry, strlen(r->entry));
	return digest_bytes(h, r->stack, r->stack_size);
}

/* The length of a UTF-8 character, by its first byte; 0: it is none. */
static size_t utf8_announced(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first >= 0xf8)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Bytes of the UTF-8 character at s, 0 if there is none: no overlong forms, no surrogates. */
static size_t utf8_length(const unsigned char *s)
{
	static const uint32_t low[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = utf8_announced(s[0]);
	uint32_t c = n > 1 ? s[0] & (0x7f >> n) : s[0];
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (n > 1 && (c < low[n] || c < 0xa0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)))
		return 0;
	return n;
}

void answer_clean(char *text, size_t size)
{
	unsigned char *s = (unsigned char *)text;
	text[size - 1] = '\0';
	while (*s) {
		size_t n = utf8_length(s);
		if (n == 0 || *s < 0x20 || *s == 0x7f) {
			*s = '?';
			n = 1;
		}
		s += n;
	}
}

static struct kept_answer *allocate_answer(const struct symbols_request *r, unsigned frames)
{
	struct kept_answer *a = xcalloc(1, sizeof(*a) + frames * sizeof(a->frame[0]));
	a->key = r->key;
	a->pid = r->pid;
	a->kind = r->kind;
	a->frames = frames;
	a->location = -1;
	return a;
}

struct kept_answer *answer_from(const struct message_answer *m, const struct symbols_request *r)
{
	struct kept_answer *a = allocate_answer(r, m->frames);
	a->status = (enum symbols_status)m->status;
	a->truncated = m->truncated;
	a->location = m->location;
	a->left_out = m->left_out;
	for (unsigned i = 0; i < m->frames; i++) {
		struct symbols_frame *f = &a->frame[i];
		memcpy(f, &m->frame[i], sizeof(*f));
		if (f->owner > SYMBOLS_NOBODY)
			f->owner = SYMBOLS_NOBODY;
		answer_clean(f->module, sizeof(f->module));
		answer_clean(f->function, sizeof(f->function));
		answer_clean(f->file, sizeof(f->file));
	}
	return a;
}

struct kept_answer *answer_failed(const struct symbols_request *r, enum symbols_status status)
{
	struct kept_answer *a = allocate_answer(r, 0);
	a->status = status;
	return a;
}

struct kept_answer *answer_again(const struct kept_answer *answer, uint64_t key)
{
	size_t size = sizeof(*answer) + answer->frames * sizeof(answer->frame[0]);
	struct kept_answer *a = xcalloc(1, size);
	memcpy(a, answer, size);
	a->key = key;
	return a;
}

void answer_give(const struct kept_answer *from, struct symbols_answer *to)
{
	to->key = from->key;
	to->pid = from->pid;
	to->kind = from->kind;
	to->status = from->status;
	to->truncated = from->truncated;
	to->location = from->location;
	to->left_out = from->left_out;
	to->frames = from->frames;
	memcpy(to->frame, from->frame, from->frames * sizeof(from->frame[0]));
}

const struct kept_answer *cache_find(const struct answer_cache *cache, uint64_t digest, pid_t pid, int64_t now)
{
	const struct cached_answer *e = &cache->entry[digest % ANSWER_CACHE];
	return e->answer && e->digest == digest && e->answer->pid == pid && e->expires_ns > now ? e->answer : NULL;
}

void cache_keep(struct answer_cache *cache, uint64_t digest, const struct kept_answer *answer, int64_t now)
{
	struct cached_answer *e = &cache->entry[digest % ANSWER_CACHE];
	if (answer->status != SYMBOLS_RESOLVED && answer->status != SYMBOLS_UNKNOWN)
		return;
	free(e->answer);
	*e = (struct cached_answer){
		.digest = digest,
		.expires_ns = now + CACHE_LIFE_NS,
		.answer = answer_again(answer, answer->key),
	};
}

void cache_forget(struct answer_cache *cache, pid_t pid)
{
	for (unsigned i = 0; i < ANSWER_CACHE; i++) {
		struct cached_answer *e = &cache->entry[i];
		if (e->answer && (pid == 0 || e->answer->pid == pid)) {
			free(e->answer);
			e->answer = NULL;
		}
	}
}

const char *symbols_format(const struct symbols_frame *f, char *buffer, size_t size)
{
	if (f->function[0] && f->line)
		snprintf(buffer, size, "%s at %s:%u", f->function, f->file, f->line);
	else if (f->function[0])
		snprintf(buffer, size, "%s in %s", f->function, f->module);
	else if (f->line)
		snprintf(buffer, size, "%s:%u", f->file, f->line);
	else if (f->module[0])
		snprintf(buffer, size, "%s+0x%" PRIx64, f->module, f->offset);
	else
		snprintf(buffer, size, "0x%" PRIx64, f->address);
	return buffer;
}
