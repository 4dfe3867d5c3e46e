/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Declarations shared by the files on top of all layers. */
#ifndef RUNTIME_H
#define RUNTIME_H

#include <stdbool.h>

#include <sley.h>

/* options.c: `options` (may be null) merged with the environment and the defaults. Returns 0 or -EINVAL. */
int options_resolve(const struct sley_options *options, struct sley_options *result);

/* dump.c: writes the workers, and up to `most` tasks, as sley_dump(). Returns 0 or the negative errno of write(2). */
int dump_tasks(int fd, unsigned most);

/* dump.c: writes a line about the task with this record. Returns 0, or the negative errno of write(2). */
int dump_task(int fd, uint32_t index);

/*
 * copies.c: keeps the plugin that contains this copy loaded after dlclose(). The copy has descriptors and memory that
 * outlast its runs, and a copy loaded anew would not know of them. libsley.so is linked with the same effect.
 */
void copies_keep(void);

/*
 * A run ends when it has no user left: its main is one until it has returned, the others hold it.
 * runtime_hold(): one more user. False: no run is under way, or it is about to end. Any thread.
 * runtime_release(): one user less of the run with this number. Returns whether it was the last one. Any thread.
 * runtime_run(): as sley_run(); -EBUSY if any run is under way. Calls on_begin(), unless it is null, when it is under way.
 * Without `main` it has one user all the same.
 */
bool runtime_hold(void);
bool runtime_release(unsigned number);
int runtime_run(struct sley_site *site, int (*main)(void *), void *arg, const struct sley_options *options, int *result,
		void (*on_begin)(void));

/* crash.c: names on stderr the task that overflowed its stack, or that touched another stack. Signal-safe. */
struct fault;
bool crash_name(const struct fault *fault);

#endif
