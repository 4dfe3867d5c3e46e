/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Names of Unix sockets, by sock_diag(7). (Rejected: /proc/net/unix. It shows paths raw, with newlines: a process that
 * binds a socket could forge the lines of others.)
 */
#ifndef ASYNCTOP_TARGET_UNIX_H
#define ASYNCTOP_TARGET_UNIX_H

#include <stdbool.h>
#include <stdint.h>

#include "common/text.h"

/*
 * Appends "unix NAME" of the socket with that inode, or "unix to NAME" of its peer if it has no name itself. `dir` is
 * the process's /proc directory: the inode is one of its network namespace. An abstract name begins with "@". False and
 * nothing: it is no such socket, or the namespace is another than ours and may not be entered.
 */
bool target_unix(struct text *out, int dir, uint64_t inode);

#endif
