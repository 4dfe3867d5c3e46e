/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What the files on top of all layers share. */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stdbool.h>

#include <sley.h>

/* options.c: `options` (may be null) with the environment and the defaults worked in. 0 or -EINVAL. */
int options_resolve(const struct sley_options *options, struct sley_options *result);

/* dump.c: the workers, and up to `most` tasks, as sley_dump() writes them. 0 or the negative errno of write(2). */
int dump_tasks(int fd, unsigned most);

/* dump.c: a line about the task with this record. 0, or the negative errno of write(2). */
int dump_task(int fd, uint32_t index);

/*
 * copies.c: the plugin that contains this copy stays loaded when it is closed: it has descriptors and memory that outlast
 * its runs, and the next time that it is loaded would begin without them. libsley.so is linked so that it does.
 */
void copies_keep(void);

/* crash.c: names who overflowed its stack, or touched another's, on stderr. Signal-safe. */
struct fault;
bool crash_name(const struct fault *fault);

#endif
