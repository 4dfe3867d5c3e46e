/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * From one address to its frames. With inlined functions, one physical frame is several logical ones. The line table
 * gives the line in the innermost function; the entry of each inlined call gives the line in the next.
 */
#include "symbols/frames.h"

#include <dwarf.h>
#include <stdlib.h>
#include <string.h>

/* Keeps the end of a string that is too long: the end of a path says more. */
static void copy_tail(char *out, size_t size, const char *s)
{
	size_t n = strlen(s);
	if (n >= size) {
		s += n - size + 1;
		n = size - 1;
	}
	memcpy(out, s, n);
	out[n] = '\0';
}

static void copy_head(char *out, size_t size, const char *s)
{
	size_t n = strnlen(s, size - 1);
	memcpy(out, s, n);
	out[n] = '\0';
}

/* The path as the compiler got it: without the directory of compilation, if the file lies in it. */
static void set_file(struct symbols_frame *f, Dwarf_Die *unit, const char *path)
{
	Dwarf_Attribute a;
	const char *directory = dwarf_attr(unit, DW_AT_comp_dir, &a) ? dwarf_formstring(&a) : NULL;
	size_t n = directory ? strlen(directory) : 0;
	if (n > 1 && !strncmp(path, directory, n) && path[n] == '/')
		path += n + 1;
	copy_tail(f->file, sizeof(f->file), path);
}

static void name_function(struct symbols_frame *f, const struct module *m, uint64_t at, const char *name)
{
	GElf_Off offset;
	GElf_Sym symbol;
	if (!name)
		name = dwfl_module_addrinfo(m->dwfl, at, &offset, &symbol, NULL, NULL, NULL);
	if (name)
		copy_head(f->function, sizeof(f->function), name);
}

/* One address being looked up. */
struct lookup {
	struct module *module;
	uint64_t at;
	Dwarf_Die *unit;
	Dwarf_Files *files;
	const char *path; /* source position of the frame that is next */
	int line;
	unsigned count;
	struct symbols_frame frame[ADDRESS_FRAMES];
};

static struct symbols_frame *add_logical_frame(struct lookup *l, const char *function)
{
	struct symbols_frame *f;
	if (l->count == ADDRESS_FRAMES)
		l->count--;
	f = &l->frame[l->count++];
	*f = (struct symbols_frame){ .address = l->at, .offset = l->at - l->module->bias };
	copy_head(f->module, sizeof(f->module), l->module->name);
	name_function(f, l->module, l->at, function);
	if (l->path && l->line > 0) {
		set_file(f, l->unit, l->path);
		f->line = (uint32_t)l->line;
	}
	return f;
}

static Dwarf_Word unsigned_attribute(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute a;
	Dwarf_Word value;
	return dwarf_attr(die, name, &a) && !dwarf_formudata(&a, &value) ? value : 0;
}

/* Adds a frame for the inlined function `die`. The next frame's position is that of its call. */
static void add_inlined(struct lookup *l, Dwarf_Die *die)
{
	struct symbols_frame *f = add_logical_frame(l, dwarf_diename(die));
	f->inlined = true;
	f->owner = (uint8_t)inlined_owner(l->module, l->path, f->function);
	l->path = l->files ? dwarf_filesrc(l->files, unsigned_attribute(die, DW_AT_call_file), NULL, NULL) : NULL;
	l->line = (int)unsigned_attribute(die, DW_AT_call_line);
}

/* Walks from the innermost scope outwards to the function. Returns its name, NULL if it is not described. */
static const char *walk_scopes(struct lookup *l, Dwarf_Addr address)
{
	Dwarf_Die *inner = NULL, *scopes = NULL;
	const char *function = NULL;
	int n = dwarf_getscopes(l->unit, address, &inner);
	if (n > 0) /* the chain of dwarf_getscopes() leaves for the abstract instance: take that of the DIE itself */
		n = dwarf_getscopes_die(&inner[0], &scopes);
	for (int i = 0; i < n && !function; i++) {
		int tag = dwarf_tag(&scopes[i]);
		if (tag == DW_TAG_inlined_subroutine)
			add_inlined(l, &scopes[i]);
		else if (tag == DW_TAG_subprogram || tag == DW_TAG_entry_point)
			function = dwarf_diename(&scopes[i]);
	}
	free(scopes);
	free(inner);
	return function;
}

static void look_up_module(struct lookup *l)
{
	const char *function = NULL;
	struct symbols_frame *f;
	Dwarf_Addr bias = 0;
	enum symbols_owner owner;
	size_t files;
	module_classify(l->module);
	l->unit = module_unit(l->module, l->at, &bias);
	if (l->unit) {
		Dwarf_Line *line = dwarf_getsrc_die(l->unit, l->at - bias);
		if (line) {
			l->path = dwarf_linesrc(line, NULL, NULL);
			dwarf_lineno(line, &l->line);
		}
		if (dwarf_getsrcfiles(l->unit, &l->files, &files))
			l->files = NULL;
		function = walk_scopes(l, l->at - bias);
	}
	f = add_logical_frame(l, function);
	owner = module_owner(l->module, l->at, l->path, f->function);
	f->owner = (uint8_t)owner;
	for (unsigned i = 0; owner != SYMBOLS_USER && i < l->count; i++)
		l->frame[i].owner = (uint8_t)owner;
}

struct module *space_module(struct space *s, uint64_t at)
{
	Dwfl_Module *dwfl = dwfl_addrmodule(s->dwfl, at);
	void **data = NULL;
	if (dwfl)
		dwfl_module_info(dwfl, &data, NULL, NULL, NULL, NULL, NULL, NULL);
	if (data && *data)
		return *data;
	for (unsigned i = 0; i < s->modules; i++) {
		if (!s->module[i].dwfl && at >= s->module[i].start && at < s->module[i].end)
			return &s->module[i];
	}
	return NULL;
}

static void look_up(struct space *s, struct lookup *l)
{
	l->module = space_module(s, l->at);
	if (l->module && l->module->dwfl) {
		look_up_module(l);
		return;
	}
	l->frame[0] = (struct symbols_frame){ .address = l->at, .owner = SYMBOLS_NOBODY };
	l->count = 1;
	if (l->module) {
		l->frame[0].offset = l->at - l->module->bias;
		l->frame[0].owner = (uint8_t)l->module->owner;
		copy_head(l->frame[0].module, sizeof(l->frame[0].module), l->module->name);
	}
}

const struct place *space_place(struct space *s, uint64_t address, bool returns)
{
	uint64_t at = address - returns;
	struct place *p = &s->cache[(at * 0x9e3779b97f4a7c15) >> 52];
	struct lookup l = { .at = at };
	_Static_assert(SPACE_CACHE == 1 << (64 - 52), "the hash has the cache's size");
	if (p->frames && p->address == at)
		return p;
	look_up(s, &l);
	for (unsigned i = 0; i < l.count; i++)
		l.frame[i].address = address;
	free(p->frame);
	*p = (struct place){ .address = at, .frames = l.count, .frame = calloc(l.count, sizeof(l.frame[0])) };
	if (!p->frame)
		abort(); /* the broker starts another reader, with empty caches */
	memcpy(p->frame, l.frame, l.count * sizeof(l.frame[0]));
	return p;
}

void space_reset(struct space *s)
{
	if (s->dwfl)
		dwfl_end(s->dwfl);
	for (unsigned i = 0; i < SPACE_CACHE; i++)
		free(s->cache[i].frame);
	for (unsigned i = 0; i < s->modules; i++) {
		free(s->module[i].sley_root);
		free(s->module[i].function);
	}
	memset(s, 0, sizeof(*s));
}
