/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * An account per user: the time that looking into the user's processes has taken of late. A process costs time without
 * being blocked if it answers just in time, or has a million descriptors; and a user can start a new process for each
 * one that was given up. So each user has a budget of PATIENCE_MOST_NS. Of the time that passes, one part in
 * PATIENCE_SHARE is given back, shared by all users that owe some. A user without budget is not looked at until some is
 * back.
 *
 * Looks of children and the processor time of ticks (PATIENCE_TICKS_*) have separate accounts, so that a large service
 * does not lose its source lines because its ticks are long.
 */
#ifndef ASYNCTOP_PATIENCE_H
#define ASYNCTOP_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

#define PATIENCE_MOST_NS       500000000
#define PATIENCE_SHARE         4 /* a fourth */
#define PATIENCE_TICKS_MOST_NS 200000000
#define PATIENCE_TICKS_SHARE   6 /* more than the ticks' part of the time (session.c): else they are stretched for all */
#define PATIENCE_FREE          100000 /* that every look may take, ns: most take less */

enum patience {
	PATIENCE_LOOKS,
	PATIENCE_TICKS,
	PATIENCE_KINDS,
};

/* A look at one of the user's processes took so long. */
void patience_charge(enum patience kind, long user, int64_t took_ns, int64_t now_ns);

bool patience_left(enum patience kind, long user, int64_t now_ns);

#endif
