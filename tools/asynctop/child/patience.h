/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * How long looking into processes has taken of late, by their users. A process that answers just before it would be taken
 * for blocked, or that has a million descriptors to look through, costs time all the same; and who starts a new one for
 * each that was given up is never known again. So every user has PATIENCE_MOST_NS, which come back as PATIENCE_SHARE of the
 * time that passes, shared by all who have used some. Who has none left is not looked at until there is some again.
 *
 * The time of children's looks and the processor time of taking models (PATIENCE_TICKS_*) are accounted apart: a large
 * service that takes much of the one is not to lose its source lines for that.
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
