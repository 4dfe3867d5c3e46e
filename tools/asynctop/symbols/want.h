/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The reader's state, and its requests to the broker for more files. */
#ifndef ASYNCTOP_SYMBOLS_WANT_H
#define ASYNCTOP_SYMBOLS_WANT_H

#include "symbols/frames.h"

/* There is one, and it is a process. */
struct reader {
	int broker;          /* its socket */
	uint64_t request_id; /* of the question that is being answered */
	struct space *slots[IMAGE_SLOTS];
};

extern struct reader reader;

/* Asks the broker, during a request. A descriptor, -1, or -ENOENT past the last place. */
int reader_want(const struct module *module, enum want how, const char *name, unsigned nth);

/* Whether the module may read this file; takes its weight into account, or notes that it is refused. */
bool reader_affords(const struct module *module, int fd);

#endif
