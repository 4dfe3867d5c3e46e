/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/place.h"

#ifdef SLEY_DEBUG

#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

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

#endif
