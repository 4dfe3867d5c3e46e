/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "arguments.h"

#include <stdio.h>
#include <stdlib.h>

void argument_failed(const char *usage)
{
	fprintf(stderr, "usage: %s\n", usage);
	exit(2);
}

long argument_number(const char *text, long low, long high, const char *usage)
{
	char *end;
	long value = strtol(text, &end, 10);
	if (end == text || *end || value < low || value > high)
		argument_failed(usage);
	return value;
}
