/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The library links only libc, so the C++ library may be absent: the reference is weak. The reference stays empty if
 * the program itself has no C++ but has loaded a library that does. So the loader is asked, too. In a statically linked
 * program there is no loader to ask, and the weak references to the loader are empty themselves.
 */
#include "context/exceptions.h"

#include <dlfcn.h>
#include <stddef.h>

#define WEAK __attribute__((weak))

extern struct exceptions *__cxa_get_globals(void) WEAK;
extern __typeof__(dlsym) dlsym WEAK;

static __typeof__(__cxa_get_globals) *get; /* constant during a run; null: no C++ library */

/*
 * Searches libraries that are loaded but not visible to all. The library is never closed again, because `get` is its
 * code. dlopen() itself is looked up, because the linker warns of it in static programs.
 */
static void *find_hidden(void)
{
	static const char *const libraries[] = { "libstdc++.so.6", "libc++abi.so.1" };
	__typeof__(dlopen) *open = (__typeof__(dlopen) *)dlsym(RTLD_DEFAULT, "dlopen");
	void *found = NULL;
	for (unsigned i = 0; open && !found && i < ARRAY_SIZE(libraries); i++) {
		void *library = open(libraries[i], RTLD_LAZY | RTLD_NOLOAD);
		found = library ? dlsym(library, "__cxa_get_globals") : NULL;
	}
	return found;
}

void exceptions_open(void)
{
	if (get)
		return;
	get = __cxa_get_globals;
	if (get || !dlsym)
		return;
	void *found = dlsym(RTLD_DEFAULT, "__cxa_get_globals");
	get = (__typeof__(__cxa_get_globals) *)(found ? found : find_hidden());
}

struct exceptions *exceptions_here(void)
{
	static __thread struct exceptions none;
	return get ? get() : &none;
}
