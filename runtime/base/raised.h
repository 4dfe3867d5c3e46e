/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The signals that a write raises, kept from the service: SIGPIPE with EPIPE, and SIGXFSZ with EFBIG, where a file would
 * grow beyond RLIMIT_FSIZE. They go to the thread that writes: blocked around the call, and taken back if the call says
 * so, they are never delivered. That costs two system calls.
 */
#ifndef BASE_RAISED_H
#define BASE_RAISED_H

#include <signal.h>
#include <sys/types.h>

struct raised {
	sigset_t old;
};

/* Around a call that may raise one, with no wait in between. `n` is what the call answered; raised_end() returns it. */
void raised_begin(struct raised *raised);
ssize_t raised_end(const struct raised *raised, ssize_t n);

/* On a thread that has both blocked for itself: takes back what a call has raised that answered `n`. */
void raised_take(ssize_t n);

#endif
