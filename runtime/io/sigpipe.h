/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Writing without SIGPIPE where the system call has no flag for it. A signal that a write raises goes to its own
 * thread: blocked around the call, and taken back if the call says EPIPE, it is never delivered. That costs two
 * system calls.
 */
#ifndef IO_SIGPIPE_H
#define IO_SIGPIPE_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100 /* Linux 6.18 */
#endif

struct sigpipe {
	sigset_t old;
};

/* Around a call that may raise it, with no wait in between. `n` is what the call answered; sigpipe_end() returns it. */
void sigpipe_begin(struct sigpipe *s);
ssize_t sigpipe_end(const struct sigpipe *s, ssize_t n);

/* Writes to a pipe or FIFO. */
ssize_t sigpipe_writev(int fd, const struct iovec *vector, int count);

#endif
