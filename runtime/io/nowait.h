/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Reading and writing files of any kind without blocking, by RWF_NOWAIT. */
#ifndef IO_NOWAIT_H
#define IO_NOWAIT_H

#include <sys/types.h>
#include <sys/uio.h>

/*
 * As preadv2(2) and pwritev2(2); offset -1: the file's own position. -EAGAIN: the call would block; -EOPNOTSUPP:
 * unknown, as the file, the kernel or a filter of system calls does not support the flag.
 */
ssize_t nowait_readv(int fd, const struct iovec *vector, int count, off_t offset);
ssize_t nowait_writev(int fd, const struct iovec *vector, int count, off_t offset);

/* Writes at the file's own position without SIGPIPE, to a pipe or another file that may raise it. */
ssize_t nowait_writev_nosignal(int fd, const struct iovec *vector, int count);

#endif
