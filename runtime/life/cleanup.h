/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* What a task does when its function has returned: its cleanups, the latest first, and the destructors of its values. */
#ifndef LIFE_CLEANUP_H
#define LIFE_CLEANUP_H

#include <stdbool.h>

struct task;
struct task_extra;

/* A cleanup in general; part of whoever wants to be run. */
struct cleanup {
	struct cleanup *next; /* owned by the task */
	/* On the task, masked, once it is out of the list: it owns the cleanup. */
	void (*run)(struct cleanup *cleanup);
};

/* By the task that `extra` is of. Unlink: it is in the list. */
void cleanup_link(struct task_extra *extra, struct cleanup *cleanup);
void cleanup_unlink(struct task_extra *extra, struct cleanup *cleanup);

/* By the calling task, whose function has returned: all of it. Cheap if there is nothing. */
void cleanup_finish(void);

#endif
