/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Allocation that ends the program instead of failing. */
#include "common/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_exit(void *p)
{
	if (p == NULL) {
		fputs("asynctop: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

void *xcalloc(size_t n, size_t size)
{
	return or_exit(calloc(n ? n : 1, size ? size : 1));
}

void *xresize(void *old, size_t n, size_t size)
{
	return or_exit(reallocarray(old, n ? n : 1, size ? size : 1));
}

char *xstrdup(const char *s)
{
	return or_exit(strdup(s));
}

void *xgrow(void *array, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return array;
	*room = *room ? *room * 2 : 16;
	return xresize(array, *room, size);
}
