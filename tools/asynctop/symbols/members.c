/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Which functions of an executable are the runtime's, if it was linked in and has no debug information. A stripped
 * program (strip -g) has lost the names of source files with it, so nothing says which file a local function is from.
 *
 *   1. Global functions sley_*() are the runtime's. Other global functions are not: the runtime's are hidden, and so the
 *      linker made them local.
 *   2. A linker places the members of an archive together. So a local function between two of the runtime's is the
 *      runtime's, if no global function of others is between them.
 *   3. The runtime was compiled before the service. So a local function that code of the runtime calls, jumps to or
 *      takes the address of is the runtime's.
 *
 * No rule takes a function of the service for the runtime's. One of the runtime's that is only named in data, outside
 * of those of rule 2, is taken for the service's. Rejected: to take all local functions from the first to the last of a
 * source file, which are the whole program's where the names of files are missing.
 */
#include "symbols/code.h"

#include <stdlib.h>
#include <string.h>

enum kind { KIND_LOCAL, KIND_OTHERS, KIND_MEMBER };

static int by_start(const void *a, const void *b)
{
	const struct function *f = a, *g = b;
	return f->start < g->start ? -1 : f->start > g->start;
}

void members_add(struct module *m, uint64_t start, uint64_t size, bool global, bool ours)
{
	struct function *grown;
	if (m->functions == m->function_room) {
		m->function_room = m->function_room ? 2 * m->function_room : 1024;
		grown = realloc(m->function, m->function_room * sizeof(*grown));
		if (!grown)
			abort(); /* the broker starts another reader, with empty caches */
		m->function = grown;
	}
	m->function[m->functions++] = (struct function){
		.start = start,
		.size = (uint32_t)size,
		.kind = ours     ? KIND_MEMBER
			: global ? KIND_OTHERS
				 : KIND_LOCAL,
	};
}

/* The function that covers the address, NULL if there is none. */
static struct function *function_at(const struct module *m, uint64_t address)
{
	size_t low = 0, high = m->functions;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (m->function[middle].start <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || address - m->function[low - 1].start >= m->function[low - 1].size)
		return NULL;
	return &m->function[low - 1];
}

/* Several names of one function: its local ones say nothing. */
static void merge_names(struct module *m)
{
	size_t n = 0;
	for (size_t i = 0; i < m->functions; i++) {
		struct function *last = n ? &m->function[n - 1] : NULL, *f = &m->function[i];
		if (!last || last->start != f->start) {
			m->function[n++] = *f;
			continue;
		}
		if (last->kind == KIND_LOCAL)
			last->kind = f->kind;
		if (last->size < f->size)
			last->size = f->size;
	}
	m->functions = n;
}

/* Rule 2. */
static void take_those_between(struct module *m)
{
	size_t member = SIZE_MAX;
	for (size_t i = 0; i < m->functions; i++) {
		if (m->function[i].kind == KIND_OTHERS)
			member = SIZE_MAX;
		if (m->function[i].kind != KIND_MEMBER)
			continue;
		for (size_t j = member; j < i; j++)
			m->function[j].kind = KIND_MEMBER;
		member = i;
	}
}

/* How far from `p` the code is that the instruction there refers to; 0: it is none that does. */
static int64_t referred(const uint8_t *p, size_t size)
{
	if (size >= 5 && (p[0] == 0xe8 || p[0] == 0xe9)) /* call, jmp */
		return 5 + code_offset(p + 1);
	if (size >= 6 && p[0] == 0x0f && (p[1] & 0xf0) == 0x80) /* jcc */
		return 6 + code_offset(p + 2);
	if (size >= 7 && (p[0] & 0xfb) == 0x48 && p[1] == 0x8d && (p[2] & 0xc7) == 5) /* lea */
		return 7 + code_offset(p + 3);
	return 0;
}

/*
 * Rule 3, for one function. All bytes are looked at, as the ends of instructions are not known. Bytes that are no
 * instruction hit the begin of a function by chance once in millions.
 */
static bool take_those_referred(struct module *m, const struct function *from)
{
	const uint8_t *code = code_bytes(m, from->start, from->size);
	bool found = false;
	for (uint32_t i = 0; code && i < from->size; i++) {
		int64_t offset = referred(code + i, from->size - i);
		struct function *f = offset ? function_at(m, from->start + i + (uint64_t)offset) : NULL;
		if (!f || f->kind != KIND_LOCAL || f->start != from->start + i + (uint64_t)offset)
			continue;
		f->kind = KIND_MEMBER;
		found = true;
	}
	return found;
}

void members_find(struct module *m)
{
	bool found = true;
	if (m->functions)
		qsort(m->function, m->functions, sizeof(*m->function), by_start);
	merge_names(m);
	take_those_between(m);
	while (found) {
		found = false;
		for (size_t i = 0; i < m->functions; i++) {
			struct function *f = &m->function[i];
			if (f->kind != KIND_MEMBER || f->searched)
				continue;
			f->searched = true;
			found |= take_those_referred(m, f);
		}
	}
}

bool members_have(const struct module *m, uint64_t address)
{
	const struct function *f = function_at(m, address);
	return f && f->kind == KIND_MEMBER;
}
