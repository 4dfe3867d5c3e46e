/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Rounds in which a task blocks its thread, and the task behind it runs meanwhile; runs and scenarios with the source bpf.
 */
#ifndef TESTS_BPF_WAY_H
#define TESTS_BPF_WAY_H

#include <stdbool.h>

/* What a task blocks in, and what ends it. */
struct way {
	void (*prepare)(void);
	void (*block)(void);
	/* Called by the task behind. Null: the block ends by itself, and the task blocks again until that one has run. */
	void (*let_go)(void);
	void (*clear)(void);
};

extern const struct way way_pipe; /* a raw read of a pipe */

/* One round, by a task. */
void way_round(const struct way *way);

/* Waits until the runtime's own program is loaded. False: this cannot be had here, and the scenario is to return CANNOT. */
bool way_watched(void);

/* Runs `main` for a scenario; the result of main. */
int way_run(int (*main)(void *), unsigned workers);

/* Runs a scenario with SLEY_ASSIST=bpf and the library of this build, as root, and asserts that it says nothing and returns 0. */
void way_scenario(const char *name);

#endif
