/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Functions that left no frame. After a tail call the frames say that the caller called the inner function itself:
 *
 *      fsync              save_order() { write(); return fsync(); } was a jump at its end,
 *      task_main          and task_main(), which is the runtime's, seems to have called fsync().
 *
 * The call before the return address tells. If it names its function, and that is not the inner frame's, then the
 * function jumped on. If it calls through a pointer, as the runtime calls what the service gave it, any function may
 * have been there. The task's entry function is known by name, and is tried.
 *
 * The debug information of a function lists its tail calls with their targets. If one way leads by them to the inner
 * function, the lines are known. If several do or none does, the function is known and the line is not.
 */
#include "symbols/tail.h"
#include "symbols/code.h"

#include <dwarf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CANDIDATES 8 /* functions of one name that are looked at */

/* The begin of the function at an address, 0 if there is no symbol. */
static uint64_t begin_of(struct space *s, uint64_t address, const char **name)
{
	const struct module *m = space_module(s, address);
	GElf_Off offset;
	GElf_Sym symbol;
	*name = m && m->dwfl ? dwfl_module_addrinfo(m->dwfl, address, &offset, &symbol, NULL, NULL, NULL) : NULL;
	return *name ? address - offset : 0;
}

/* A part of a function that was moved elsewhere has its name and a suffix (".cold"). */
static bool is_same_function(const char *a, const char *b)
{
	size_t n = strcspn(a, ".");
	return n == strcspn(b, ".") && !strncmp(a, b, n);
}

static enum symbols_owner owner_of(struct space *s, uint64_t address, bool returns)
{
	const struct place *p = space_place(s, address, returns);
	return (enum symbols_owner)p->frame[p->frames - 1].owner;
}

/* ---- ways by tail calls ---- */

struct search {
	struct space *space;
	uint64_t goal; /* the begin of the inner function */
	unsigned found;
	unsigned depth;
	uint64_t way[TAIL_STEPS]; /* outermost first: addresses after the jumps */
	struct tail *tail;        /* the first way that is found */
};

static void search_function(struct search *s, uint64_t function);

static bool symbol_at(const struct module *m, int i, const char **name, uint64_t *address)
{
	GElf_Sym symbol;
	GElf_Addr at;
	*name = dwfl_module_getsym_info(m->dwfl, i, &symbol, &at, NULL, NULL, NULL);
	*address = at;
	return *name && GELF_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_shndx != SHN_UNDEF;
}

/* Whether the symbol is of that function of the source: in C++ it has the name with its length before it. */
static bool is_of(const char *symbol, const char *function)
{
	const char *last = strrchr(function, ':') ? strrchr(function, ':') + 1 : function;
	char mangled[SYMBOLS_ENTRY + 8];
	if (!strcmp(symbol, function))
		return true;
	snprintf(mangled, sizeof(mangled), "%zu%s", strlen(last), last);
	return !strncmp(symbol, "_Z", 2) && strstr(symbol, mangled);
}

/* Functions of that name in a module; `variants`: also parts and copies that the compiler made of one. */
static unsigned functions_named(const struct module *m, const char *wanted, bool variants, uint64_t *address,
				unsigned most)
{
	int symbols = m && m->dwfl ? dwfl_module_getsymtab(m->dwfl) : 0;
	unsigned n = 0;
	for (int i = 1; i < symbols && n < most; i++) {
		const char *name;
		if (symbol_at(m, i, &name, &address[n]) &&
		    (is_of(name, wanted) || (variants && is_same_function(name, wanted))) &&
		    (n == 0 || address[n] != address[n - 1]))
			n++;
	}
	return n;
}

/* Functions have several names. */
static bool goal_is_named(const struct search *s, const char *wanted)
{
	const struct module *m = space_module(s->space, s->goal);
	int symbols = m ? dwfl_module_getsymtab(m->dwfl) : 0;
	for (int i = 1; i < symbols; i++) {
		const char *name;
		uint64_t address;
		if (symbol_at(m, i, &name, &address) && address == s->goal && !strcmp(name, wanted))
			return true;
	}
	return false;
}

static void note_way(struct search *s)
{
	if (s->found++)
		return;
	s->tail->steps = s->depth;
	for (unsigned i = 0; i < s->depth; i++)
		s->tail->returns[i] = s->way[s->depth - 1 - i];
}

static bool has_flag(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute a;
	bool flag;
	return dwarf_attr(die, name, &a) && !dwarf_formflag(&a, &flag) && flag;
}

static bool address_attribute(Dwarf_Die *die, unsigned name, Dwarf_Addr *address)
{
	Dwarf_Attribute a;
	return dwarf_attr(die, name, &a) && !dwarf_formaddr(&a, address);
}

/* The address after the jump, or (of DW_AT_call_pc) in it. */
static bool jump_of(Dwarf_Die *site, Dwarf_Addr *address)
{
	if (address_attribute(site, DW_AT_call_return_pc, address) || address_attribute(site, DW_AT_low_pc, address))
		return true;
	if (!address_attribute(site, DW_AT_call_pc, address))
		return false;
	++*address;
	return true;
}

static const char *origin_name(Dwarf_Die *die)
{
	Dwarf_Attribute a;
	const char *linkage = dwarf_attr_integrate(die, DW_AT_linkage_name, &a) ? dwarf_formstring(&a) : NULL;
	return linkage ? linkage : dwarf_diename(die);
}

/* One call; `bias` is of the module's debug information. */
static void follow(struct search *s, const struct module *m, Dwarf_Die *site, Dwarf_Addr bias)
{
	Dwarf_Attribute a;
	Dwarf_Die origin;
	Dwarf_Addr jump;
	const char *name;
	uint64_t next;
	if (!has_flag(site, DW_AT_call_tail_call) && !has_flag(site, DW_AT_GNU_tail_call))
		return;
	if (!dwarf_attr(site, DW_AT_call_origin, &a) && !dwarf_attr(site, DW_AT_abstract_origin, &a))
		return;
	if (s->depth == TAIL_STEPS || !jump_of(site, &jump) || !dwarf_formref_die(&a, &origin))
		return;
	name = origin_name(&origin);
	if (!name)
		return;
	s->way[s->depth++] = jump + bias;
	if (goal_is_named(s, name))
		note_way(s);
	else if (functions_named(m, name, true, &next, 1))
		search_function(s, next);
	s->depth--;
}

static void follow_all(struct search *s, const struct module *m, Dwarf_Die *scope, Dwarf_Addr bias)
{
	Dwarf_Die child;
	if (dwarf_child(scope, &child))
		return;
	do {
		int tag = dwarf_tag(&child);
		if (tag == DW_TAG_call_site || tag == DW_TAG_GNU_call_site)
			follow(s, m, &child, bias);
		else if (tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine)
			follow_all(s, m, &child, bias);
	} while (!dwarf_siblingof(&child, &child));
}

static void search_function(struct search *s, uint64_t function)
{
	const struct module *m = space_module(s->space, function);
	Dwarf_Die *unit, *scopes = NULL;
	Dwarf_Addr bias;
	int n;
	unit = m && m->dwfl ? module_unit(m, function, &bias) : NULL;
	n = unit ? dwarf_getscopes(unit, function - bias, &scopes) : 0;
	for (int i = 0; i < n; i++) {
		if (dwarf_tag(&scopes[i]) == DW_TAG_subprogram) {
			follow_all(s, m, &scopes[i], bias);
			break;
		}
	}
	free(scopes);
}

/* ---- the two kinds of calls ---- */

/* The call named its function. */
static void from_function(struct space *s, uint64_t inner, uint64_t function, struct tail *tail)
{
	struct search search = { .space = s, .tail = tail };
	const char *name, *inner_name;
	uint64_t begin = begin_of(s, function, &name);
	search.goal = begin_of(s, inner, &inner_name);
	if (begin != function || !search.goal || search.goal == function || is_same_function(name, inner_name) ||
	    owner_of(s, function, false) != SYMBOLS_USER)
		return;
	search_function(&search, function);
	if (search.found != 1) {
		tail->steps = 0;
		tail->function = function;
	}
}

/* These call the entry function and nothing else through a pointer. */
static bool runs_entry(struct space *s, uint64_t caller)
{
	const struct place *p = space_place(s, caller, true);
	return !strcmp(p->frame[0].function, "task_main") || !strcmp(p->frame[0].function, "call_by_value");
}

/*
 * The runtime called through a pointer, and no frame of the service's is there. `certain`: the entry function did jump on
 * if it was called at all.
 */
static void from_entry(struct space *s, uint64_t inner, const char *entry, bool certain, struct tail *tail)
{
	struct search search = { .space = s, .tail = tail };
	uint64_t function[CANDIDATES];
	unsigned n = 0;
	const char *name;
	for (unsigned i = 0; *entry && i < s->modules && n < CANDIDATES; i++) {
		if (s->module[i].owner == SYMBOLS_USER)
			n += functions_named(&s->module[i], entry, false, function + n, CANDIDATES - n);
	}
	search.goal = begin_of(s, inner, &name);
	for (unsigned i = 0; search.goal && i < n; i++)
		search_function(&search, function[i]);
	if (search.found == 1)
		return;
	tail->steps = 0;
	if (n == 1 && (search.found || certain))
		tail->function = function[0];
	else
		tail->blind = true;
}

/* A function of the runtime's that the service calls. */
static bool is_public(struct space *s, uint64_t address)
{
	const char *name;
	return begin_of(s, address, &name) && !strncmp(name, "sley_", 5);
}

void tail_find(struct space *s, uint64_t inner, uint64_t caller, const char *entry, struct tail *tail)
{
	const struct module *m = space_module(s, caller - 1);
	enum symbols_owner owner = owner_of(s, inner, false);
	uint64_t function;
	enum call call = m && m->dwfl ? code_call(m, caller, &function) : CALL_NONE;
	*tail = (struct tail){ 0 };
	if (call == CALL_DIRECT)
		from_function(s, inner, function, tail);
	else if (owner_of(s, caller, true) == SYMBOLS_SLEY && owner != SYMBOLS_USER &&
		 (owner != SYMBOLS_SLEY || is_public(s, inner)))
		from_entry(s, inner, entry, owner != SYMBOLS_SLEY && runs_entry(s, caller), tail);
}
