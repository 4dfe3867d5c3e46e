/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Strikes: a process is not asked about for a while after its questions have killed or hung the reader. Each such
 * question costs its whole time bound, and no other is answered meanwhile.
 */
#ifndef ASYNCTOP_SYMBOLS_STRIKES_H
#define ASYNCTOP_SYMBOLS_STRIKES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define STRIKES_OUT    3 /* failures, each within STRIKE_LIFE_NS of the one before */
#define STRIKE_LIFE_NS 60000000000
#define STRIKE_TABLE   32

struct strikes {
	struct strike {
		pid_t pid;
		unsigned count;
		int64_t until_ns;
	} entry[STRIKE_TABLE];
};

void strikes_note(struct strikes *strikes, pid_t pid, int64_t now);
bool strikes_out(const struct strikes *strikes, pid_t pid, int64_t now);

#endif
