/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Runs in strict mode, in which tests use addresses of stacks that they may not use. */
#ifndef STRAY_H
#define STRAY_H

/* Runs `main` in strict mode with two workers. What it returned; 100: it did not run. */
int run_strict(int (*main)(void *));

/* The pointer, of which the compiler knows nothing any more: it would warn of what is done with it. */
static inline void *launder(void *pointer)
{
	__asm__ volatile("" : "+r"(pointer));
	return pointer;
}

#endif
