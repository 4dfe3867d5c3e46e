/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The command line. */
#ifndef ASYNCTOP_COMMAND_H
#define ASYNCTOP_COMMAND_H

#include <stdio.h>

#include "session/options.h"

#define ASYNCTOP_VERSION "0.1.0"

enum command_result { COMMAND_RUN, COMMAND_DONE /* help or version was asked for and printed */, COMMAND_WRONG };

/* Parses. `terminal`: standard output is a terminal. Complaints go to `errors`, help goes to `out`. */
enum command_result command_parse(struct options *o, int argc, char **argv, bool terminal, FILE *out, FILE *errors);

void command_free(struct options *o);

/* "1.5ms", "2s", "250us", "10" (seconds unless a unit is given): ns, or -1. */
int64_t command_duration(const char *text);

#endif
