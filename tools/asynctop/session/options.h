/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The command line. */
#ifndef ASYNCTOP_OPTIONS_H
#define ASYNCTOP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "view/select.h"

#define ASYNCTOP_VERSION "0.1.0"

enum exit_code { EXIT_FINE, EXIT_RUNTIME, EXIT_USAGE, EXIT_TARGET, EXIT_PRIVILEGE, EXIT_VERSION };

enum output { OUTPUT_SCREEN, OUTPUT_TEXT, OUTPUT_JSON };

#define ROWS_DEFAULT  100
#define ROWS_MAX      100000
#define TICKS_ENDLESS 0

struct options {
	enum output output;
	pid_t pid; /* 0: all that there are */
	int64_t interval_ns;
	uint64_t ticks; /* TICKS_ENDLESS, or so many */
	uint32_t rows;
	int64_t min_block_ns;
	struct order orders[TABLES];
	struct filter *filters; /* FILTERS_MAX */
	unsigned filter_count;
	bool colour;
};

enum options_result { OPTIONS_RUN, OPTIONS_DONE /* help or version was asked for and printed */, OPTIONS_WRONG };

/* Parses; `terminal`: standard output is one. Complains on `errors` and prints help on `out`. */
enum options_result options_parse(struct options *o, int argc, char **argv, bool terminal, FILE *out, FILE *errors);

void options_free(struct options *o);

/* "1.5ms", "2s", "250us", "10" (seconds unless a unit is given): ns, or -1. */
int64_t options_duration(const char *text);

#endif
