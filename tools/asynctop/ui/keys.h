/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The list of keys, for help. */
#ifndef ASYNCTOP_KEYS_H
#define ASYNCTOP_KEYS_H

/* Calls `each` for each line of help: the names of some keys, and their help. */
void keys_help(void (*each)(void *context, const char *names, const char *help), void *context);

#endif
