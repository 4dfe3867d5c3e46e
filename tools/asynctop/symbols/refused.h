/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Processes with a file that the reader refused for its size in memory, and the sentence about it. */
#ifndef ASYNCTOP_SYMBOLS_REFUSED_H
#define ASYNCTOP_SYMBOLS_REFUSED_H

#include "symbols/proto.h"

#define REFUSED_TABLE 64

struct refused {
	unsigned next; /* the oldest makes room */
	struct refusal {
		pid_t pid; /* 0: free */
		char why[256];
	} entry[REFUSED_TABLE];
};

/* Notes the refusal that an answer tells of. */
void refused_note(struct refused *refused, pid_t pid, const struct message_answer *answer);

/* A sentence without its end; NULL: nothing was refused. */
const char *refused_why(const struct refused *refused, pid_t pid);

void refused_forget(struct refused *refused, pid_t pid);

#endif
