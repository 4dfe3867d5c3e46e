/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Names of Unix sockets, asked of the kernel by sock_diag(7). /proc/net/unix is no source for them: it shows paths raw,
 * with newlines, so that whoever binds a socket can write lines of others into it.
 */
#ifndef ASYNCTOP_TARGET_UNIX_H
#define ASYNCTOP_TARGET_UNIX_H

#include <stdbool.h>
#include <stdint.h>

#include "common/text.h"

/*
 * Appends "unix NAME" of the socket with that inode in the network namespace of the process whose /proc directory is
 * `dir`, or, if it has no name, "unix to NAME" of what it is connected to; an abstract name begins with "@". False and
 * nothing: it is no such socket, or the namespace is another than ours and not ours to enter.
 */
bool target_unix(struct text *out, int dir, uint64_t inode);

#endif
