/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Lines of text for people. They contain names that the service or its peers have chosen. A name must not end the line,
 * begin another line, or control the terminal that shows the log: so such bytes are written as \xNN. This is done once
 * for all, where lines are written, not where a name is set, because a tool may want the original name.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>

/*
 * Copies `n` bytes of text to `out`, of `size` bytes, and returns the number of bytes written. It writes three kinds of
 * bytes as \xNN: control characters, bytes that are not part of a UTF-8 character, and characters that have no width or
 * change the direction of writing. It stops when `out` is full, and adds no NUL. Async-signal-safe.
 */
size_t text_clean(char *out, size_t size, const char *text, size_t n);

/* Writes `n` bytes, cleaned, and a newline, in one write if the descriptor takes it. 0 or -errno. Async-signal-safe. */
int text_write_line(int fd, const char *line, size_t n);

#endif
