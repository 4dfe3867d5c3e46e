/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * CHECK is for what cannot happen: the runtime's own invariants, cheap ones, always on. DCHECK is the same in debug
 * builds (make DEBUG=1). Neither is for a mistake of the user: that gets an errno value.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include "base/compiler.h"

/* Prints one line on stderr and aborts. */
NORETURN void check_failed(const char *file, int line, const char *what);

/* Prints one line "sley: ..." on stderr, in one write. For the few messages that the runtime is allowed. */
void complain(const char *format, ...) PRINTF(1, 2);

/*
 * Whether descriptor 2 is a standard error is asked when a run begins. If it is not open then, the number becomes that
 * of a file of the service, and nothing is written to it: complaint_fd() is -1 for whoever writes more than a line.
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
