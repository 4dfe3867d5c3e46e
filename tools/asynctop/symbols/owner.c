/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The owner of code. A shared library tells it by its name. Linked-in code is told apart by
 *
 *   1. debug information: the line of sley_run() shows where the runtime's sources were, and all code from below that
 *      directory is the runtime's. A service's own runtime/ elsewhere is not.
 *   2. without it: the symbols of functions, and what its code refers to (members.c). With -flto that is not known;
 *      then debug information decides.
 *
 * A static executable is taken to be linked in the order service, libsley.a, libc.a. Code between the first and the last
 * of libc's known functions is libc's. Code with a line is the service's own: libc.a comes without debug information.
 *
 * The debug library defines functions of libc and of the C++ library to look on (run/libc_locks.c). They do what the
 * service asked libc for, so they count as libc's.
 */
#include "symbols/frames.h"

#include <stdio.h>
#include <string.h>

static bool begins(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static bool begins_with_any(const char *s, const char *const *prefix, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (begins(s, prefix[i]))
			return true;
	}
	return false;
}

#define BEGINS_WITH_ANY(s, list) begins_with_any(s, list, sizeof(list) / sizeof((list)[0]))

static const char *const libc_names[] = {
	"libc.so",   "libc-",    "libc.musl-",      "libpthread.", "libpthread-",  "librt.",     "librt-",
	"libdl.",    "libdl-",   "libm.",           "libm-",       "libmvec",      "libutil.",   "libanl",
	"libresolv", "libnss_",  "libBrokenLocale", "libstdc++.",  "libc++.",      "libc++abi.", "libgcc_s.",
	"libasan.",  "libtsan.", "libubsan.",       "liblsan.",    "libclang_rt.",
};
static const char *const sley_names[] = { "libsley.so",       "libsley-debug.so",  "libsley-asan.so", "libsley-tsan.so",
					  "libsley-ubsan.so", "libsley_assist.so", "libsley-posix.so" };
static const char *const loader_names[] = { "ld-linux", "ld-musl-", "ld-2.", "ld64.", "ld.so" };
static const char *const interposed[] = { "pthread_", "mtx_", "__cxa_guard_" };
static const char *const sanitizer_functions[] = { "__interceptor_", "___interceptor_", "__sanitizer", "__asan",
						   "__tsan" };

void module_name_owner(struct module *m, const char *path)
{
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	snprintf(m->name, sizeof(m->name), "%s", base);
	m->owner = SYMBOLS_USER;
	if (!strcmp(base, "[vdso]"))
		m->owner = SYMBOLS_VDSO;
	else if (BEGINS_WITH_ANY(base, libc_names))
		m->owner = SYMBOLS_LIBC;
	else if (BEGINS_WITH_ANY(base, loader_names))
		m->owner = SYMBOLS_LOADER;
	else if (BEGINS_WITH_ANY(base, sley_names))
		m->owner = SYMBOLS_SLEY;
}

static void extend(struct range *r, uint64_t begin, uint64_t size)
{
	if (!r->end || begin < r->begin)
		r->begin = begin;
	if (begin + size > r->end)
		r->end = begin + size;
}

static bool in_range(const struct range *r, uint64_t address)
{
	return address >= r->begin && address < r->end;
}

/* A function in a place of its own; a dot names a part that was moved elsewhere (".cold"). */
static bool is_function(const GElf_Sym *symbol, const char *name)
{
	return GELF_ST_TYPE(symbol->st_info) == STT_FUNC && symbol->st_shndx != SHN_UNDEF && !strchr(name, '.');
}

static void note_known(struct module *m, const char *name, const GElf_Sym *symbol, uint64_t address)
{
	if (!is_function(symbol, name))
		return;
	if (!strcmp(name, "sley_run_at"))
		m->sley_run = address;
	else if (m->static_libc && (begins(name, "_IO_") || begins(name, "__libc_")))
		extend(&m->libc, address, symbol->st_size);
}

static void note_function(struct module *m, const char *name, const GElf_Sym *symbol, uint64_t address)
{
	bool global = GELF_ST_BIND(symbol->st_info) != STB_LOCAL;
	if (GELF_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF)
		return;
	members_add(m, address, symbol->st_size, global && !BEGINS_WITH_ANY(name, interposed),
		    global && begins(name, "sley_"));
}

typedef void note_fn(struct module *m, const char *name, const GElf_Sym *symbol, uint64_t address);

static void each_symbol(struct module *m, note_fn *note)
{
	int n = dwfl_module_getsymtab(m->dwfl);
	for (int i = 1; i < n; i++) {
		GElf_Sym symbol;
		GElf_Addr address;
		const char *name = dwfl_module_getsym_info(m->dwfl, i, &symbol, &address, NULL, NULL, NULL);
		if (name)
			note(m, name, &symbol, address);
	}
}

/* The directory of the source of sley_run(), with its slash. */
static char *find_sley_root(const struct module *m)
{
	Dwarf_Addr bias;
	Dwarf_Die *unit = m->sley_run ? module_unit(m, m->sley_run, &bias) : NULL;
	Dwarf_Line *line = unit ? dwarf_getsrc_die(unit, m->sley_run - bias) : NULL;
	const char *path = line ? dwarf_linesrc(line, NULL, NULL) : NULL;
	return path && strchr(path, '/') ? strndup(path, (size_t)(strrchr(path, '/') + 1 - path)) : NULL;
}

static bool has_libc(const struct space *s)
{
	for (unsigned i = 0; i < s->modules; i++) {
		if (s->module[i].owner == SYMBOLS_LIBC && begins(s->module[i].name, "libc"))
			return true;
	}
	return false;
}

void module_classify(struct module *m)
{
	Dwarf_Addr bias;
	if (m->classified)
		return;
	m->classified = true;
	if (m->owner != SYMBOLS_USER)
		return;
	m->has_dwarf = dwfl_module_nextcu(m->dwfl, NULL, &bias) != NULL;
	m->static_libc = !has_libc(m->space);
	each_symbol(m, note_known);
	m->sley_root = find_sley_root(m);
	if (m->sley_run && !m->sley_root) {
		each_symbol(m, note_function);
		members_find(m);
	}
}

enum symbols_owner module_owner(const struct module *m, uint64_t address, const char *path, const char *function)
{
	if (BEGINS_WITH_ANY(function, interposed))
		return SYMBOLS_LIBC;
	if (m->owner != SYMBOLS_USER)
		return m->owner;
	if (begins(function, "sley_")) /* also the inline functions of sley.h */
		return SYMBOLS_SLEY;
	if (path)
		return m->sley_root && begins(path, m->sley_root) ? SYMBOLS_SLEY : SYMBOLS_USER;
	if (members_have(m, address))
		return SYMBOLS_SLEY;
	if (in_range(&m->libc, address) || (m->static_libc && m->has_dwarf) ||
	    BEGINS_WITH_ANY(function, sanitizer_functions))
		return SYMBOLS_LIBC;
	return SYMBOLS_USER;
}

enum symbols_owner inlined_owner(const struct module *m, const char *path, const char *function)
{
	if (begins(function, "sley_") || (path && m->sley_root && begins(path, m->sley_root)))
		return SYMBOLS_SLEY;
	if (path && begins(path, "/usr/include/") && (strstr(path, "/bits/") || strstr(path, "/c++/")))
		return SYMBOLS_LIBC; /* _FORTIFY_SOURCE and templates put it into the caller */
	return SYMBOLS_USER;
}
