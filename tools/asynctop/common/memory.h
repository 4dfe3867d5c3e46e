/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Allocation that does not fail: a tool without memory says so and ends with exit code 1 (atexit restores the screen). */
#ifndef ASYNCTOP_MEMORY_H
#define ASYNCTOP_MEMORY_H

#include <stddef.h>

void *xcalloc(size_t n, size_t size);

/* realloc(old, n * size), with the multiplication checked. */
void *xresize(void *old, size_t n, size_t size);

char *xstrdup(const char *s);

/*
 * Makes room for one more element in an array that doubles: returns the (moved) array, updates *room.
 * `count` is the number in use.
 */
void *xgrow(void *array, size_t count, size_t *room, size_t size);

#endif
