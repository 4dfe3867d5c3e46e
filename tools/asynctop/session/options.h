/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The options that the user gave. */
#ifndef ASYNCTOP_OPTIONS_H
#define ASYNCTOP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "export/export.h"
#include "view/select.h"

enum exit_code { EXIT_FINE, EXIT_RUNTIME, EXIT_USAGE, EXIT_TARGET, EXIT_PRIVILEGE, EXIT_VERSION };

#define ROWS_DEFAULT  100
#define ROWS_MAX      100000
#define TICKS_ENDLESS 0

struct options {
	bool assist;                     /* help the runtime of `pid`, and show nothing */
	bool dump;                       /* show the stacks of the tasks of `pid`, once */
	const struct exporter *exporter; /* NULL: the screen */
	pid_t pid;                       /* 0: all that there are */
	int64_t interval_ns;
	uint64_t ticks; /* TICKS_ENDLESS, or so many */
	uint32_t rows;
	int64_t min_block_ns;
	struct order orders[TABLES];
	struct filter *filters; /* FILTERS_MAX */
	unsigned filter_count;
	bool colour;
};

#endif
