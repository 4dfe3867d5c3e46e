/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Reading and writing for other calls: `pc` is the place of the outer call, shown by tools. */
#ifndef IO_IO_H
#define IO_IO_H

#include <sley.h>

ssize_t io_read(int fd, void *buffer, size_t n, sley_time deadline, const void *pc);
ssize_t io_read_full(int fd, void *buffer, size_t n, sley_time deadline, const void *pc);
ssize_t io_writev(int fd, const struct iovec *vector, int count, sley_time deadline, const void *pc);

#endif
