/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The runtime's few messages on stderr. */
#include "base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/text.h"

static unsigned no_stderr; /* atomic: stderr was closed when the run began */

void complaints_open(void)
{
	int saved = errno;
	store(&no_stderr, fcntl(STDERR_FILENO, F_GETFD) < 0, relaxed);
	errno = saved;
}

int complaint_fd(void)
{
	return load(&no_stderr, relaxed) ? -1 : STDERR_FILENO;
}

void complain(const char *format, ...)
{
	char line[1024];
	va_list args;
	int saved = errno;
	int n = snprintf(line, sizeof(line), "sley: ");
	va_start(args, format);
	int more = vsnprintf(line + n, sizeof(line) - (size_t)n, format, args);
	va_end(args);
	n += more < 0 ? 0 : MIN(more, (int)sizeof(line) - n - 1);
	text_write_line(complaint_fd(), line, (size_t)n);
	errno = saved;
}

void check_failed(const char *file, int line, const char *what)
{
	complain(
		"broken invariant at %s:%d: %s. The process ends here (abort). This is a mistake in sley, or the service has "
		"overwritten its memory",
		file, line, what);
	abort();
}
