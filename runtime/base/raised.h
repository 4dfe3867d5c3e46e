/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Keeps the signals that a write raises from the service: SIGPIPE with EPIPE, and SIGXFSZ with EFBIG where a file would
 * grow beyond RLIMIT_FSIZE. Such a signal goes to the thread that writes. raised_begin() blocks both signals, and
 * raised_end() removes the raised one from the pending signals, so it is never delivered. That costs two system calls.
 */
#ifndef BASE_RAISED_H
#define BASE_RAISED_H

#include <signal.h>
#include <sys/types.h>

struct raised {
	sigset_t old;
};

/* Called around a system call, with no wait in between. `n` is the call's result; raised_end() returns it. */
void raised_begin(struct raised *raised);
ssize_t raised_end(const struct raised *raised, ssize_t n);

/*
 * Removes the pending signal that a call with the result `n` has raised. The calling thread keeps both signals blocked.
 */
void raised_take(ssize_t n);

#endif
