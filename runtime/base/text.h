/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Lines for people, with names in them that the service, or whoever talks to it, has chosen. A name must not end the
 * line, begin another one, or steer the terminal on which a log is read: so what could is shown as \xNN. That is done
 * where lines are written, once for all, and not where a name is set: a tool may want it as it is.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stddef.h>

/*
 * Copies `n` bytes with every control character, every byte that is not part of a character in UTF-8, and every
 * character that has no width or changes the direction of writing as \xNN for each of its bytes. It stops where `out`,
 * of `size` bytes, is full; no NUL is added. How many bytes it has written. Async-signal-safe.
 */
size_t text_clean(char *out, size_t size, const char *text, size_t n);

/* Writes `n` bytes, cleaned, and a newline, in one write if the descriptor takes it. 0 or -errno. Async-signal-safe. */
int text_write_line(int fd, const char *line, size_t n);

#endif
