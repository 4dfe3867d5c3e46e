/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Writing to a pipe without SIGPIPE. If the kernel has no flag for it, base/raised.h does the work. */
#ifndef IO_SIGPIPE_H
#define IO_SIGPIPE_H

#include <sys/types.h>
#include <sys/uio.h>

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100 /* Linux 6.18 */
#endif

/* Writes to a pipe or FIFO. */
ssize_t sigpipe_writev(int fd, const struct iovec *vector, int count);

#endif
