/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * CHECK tests the runtime's own invariants: it is cheap and always on. DCHECK is the same in debug builds (make
 * DEBUG=1). Neither is for a mistake of the user, which gets an errno value.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include "base/compiler.h"

/* Prints one line on stderr and aborts. */
NORETURN void check_failed(const char *file, int line, const char *what);

/* Prints one line "sley: ..." on stderr, in one write. */
void complain(const char *format, ...) PRINTF(1, 2);

/*
 * complaints_open() checks, when a run begins, that descriptor 2 is open. If it is closed, the service may open a file
 * of its own under that number, so the runtime writes nothing to it and complaint_fd() returns -1. complaint_fd() is
 * for messages of more than a line.
 */
void complaints_open(void);
int complaint_fd(void);

#define CHECK(x) (likely(x) ? (void)0 : check_failed(__FILE__, __LINE__, #x))

#ifdef SLEY_DEBUG
#define DCHECK(x) CHECK(x)
#else
#define DCHECK(x) ((void)sizeof(!(x)))
#endif

#endif
