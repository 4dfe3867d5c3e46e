/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The runtime's few words on stderr. */
#include "base/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/text.h"

void complain(const char *format, ...)
{
	char line[512];
	va_list args;
	int n = snprintf(line, sizeof(line), "sley: ");

	va_start(args, format);
	int more = vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
	va_end(args);
	n += more < 0 ? 0 : MIN(more, (int)sizeof(line) - n - 1);
	text_write_line(STDERR_FILENO, line, (size_t)n);
}

void check_failed(const char *file, int line, const char *what)
{
	complain("broken invariant at %s:%d: %s", file, line, what);
	abort();
}
