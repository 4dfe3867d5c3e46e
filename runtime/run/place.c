/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/place.h"

#ifdef SLEY_DEBUG

#include <dlfcn.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/compiler.h"

const char *place_of(char text[PLACE], const void *pc)
{
	Dl_info info;
	const char *call = (const char *)pc - 1;
	if (!dladdr(call, &info)) {
		snprintf(text, PLACE, "%p", (const void *)call);
		return text;
	}
	const char *slash = strrchr(info.dli_fname, '/');
	int n = snprintf(text, PLACE, "%s+%#tx", slash ? slash + 1 : info.dli_fname,
			 call - (const char *)info.dli_fbase);
	if (info.dli_sname && n < PLACE)
		snprintf(text + n, PLACE - (size_t)n, " (%s)", info.dli_sname);
	return text;
}

/*
 * Finds the file that has the code, and the address for addr2line: an offset in the file's image, or, in a program that is
 * linked for a fixed address, the address itself. Returns false if a shell would not take the path as one word.
 */
static bool place_in_file(const void *pc, char file[PLACE], unsigned long *address)
{
	const char *call = (const char *)pc - 1;
	Dl_info info, program;
	if (!dladdr(call, &info))
		return false;
	const ElfW(Ehdr) *header = info.dli_fbase;
	*address = (unsigned long)(header->e_type == ET_EXEC ? (uintptr_t)call : (uintptr_t)call - (uintptr_t)header);
	/* the name of the program itself is as it was called */
	if (dladdr((const void *)getauxval(AT_PHDR), &program) && program.dli_fbase == info.dli_fbase) {
		ssize_t n = readlink("/proc/self/exe", file, PLACE - 1);
		file[MAX(n, 0)] = '\0';
	} else {
		snprintf(file, PLACE, "%s", info.dli_fname);
	}
	if (strlen(file) == PLACE - 1)
		return false; /* it may have been cut */
	return *file == '/' && !strpbrk(file, " \t\n'\"\\$`*?[(){};&|<>!#~");
}

const char *place_command(char text[PLACE_COMMAND], const void *first, const void *second)
{
	char file[PLACE], other[PLACE];
	unsigned long address, next;
	*text = '\0';
	if (!place_in_file(first, file, &address))
		return text;
	int n = snprintf(text, PLACE_COMMAND, " (lines: addr2line -Cfpie %s %#lx", file, address);
	if (second && place_in_file(second, other, &next))
		n += strcmp(file, other) == 0
			     ? snprintf(text + n, PLACE_COMMAND - (size_t)n, " %#lx", next)
			     : snprintf(text + n, PLACE_COMMAND - (size_t)n, "; addr2line -Cfpie %s %#lx", other, next);
	snprintf(text + n, PLACE_COMMAND - (size_t)n, ")");
	return text;
}

#endif
