/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The control word: asks the watched process for times and per-site totals, under a lease that is renewed at each
 * tick. A tool that dies leaves nothing on, even if it was killed: the runtime stops when the lease is over.
 */
#ifndef ASYNCTOP_CONTROL_H
#define ASYNCTOP_CONTROL_H

#include <stdint.h>
#include <sys/types.h>

struct control {
	pid_t pid;        /* of the process */
	int fd;           /* -1: could not be opened */
	int error;        /* errno of that, 0: there is no such page */
	int64_t lease_ns; /* the lease this tool wrote last */
};

/* Takes memfd `fd` of process `pid` if it is a control page of this version: 0; else -1, and the caller owns it. */
int control_open(struct control *c, pid_t pid, int fd);

/* Asks for SLEY_LEVEL_TIMES until now + for_ns. 0, -EDEADLK if writing to the page blocks (look.h), or -errno. */
int control_renew(struct control *c, int64_t now_ns, int64_t for_ns);

/* Gives the lease back, unless another tool has taken it over, and closes. */
void control_close(struct control *c);

#endif
