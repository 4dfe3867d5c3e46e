/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A directory of the test's own. Assertions are cmocka's. */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

/* Makes it: at the first call of a test. */
void scratch_make(void);

/* Removes it with all that is in it, if there is one: for teardown. */
void scratch_remove(void);

/* The path of a file in it, in one of a few static buffers. Short enough for the address of a socket. */
const char *scratch_path(const char *name);

#endif
