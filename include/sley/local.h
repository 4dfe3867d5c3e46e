/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * What a task has of its own: cleanups that run when it ends, and values under keys.
 *
 * A task ends when its function returns; cancelling one ends its waits, never the task itself. What it then does, on its
 * own stack, masked (sley_cancel_mask()), and before anybody is told that it has ended: its cleanups, the latest first,
 * among them the closing of scopes that it left open (sley/scope.h); then the destructors of its values. They may wait.
 * A block that travelled by value to the task still lives then; nothing else on its stack does. Tasks that are abandoned
 * at the end of a run do none of this.
 */
#ifndef SLEY_LOCAL_H
#define SLEY_LOCAL_H

#include <sley/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Has fn(arg) called when the calling task ends, once, unless it is popped before. What a cleanup pushes runs after it.
 * Task. 0; -EINVAL: fn is null; -ENOMEM.
 */
SLEY_API int sley_cleanup_push(void (*fn)(void *arg), void *arg);

/*
 * Takes back the latest cleanup that has not run, and calls it, masked, if `run` is not 0. Task. 0; -ENOENT: there is
 * none; -EBUSY: a scope that the task opened later is still open.
 */
SLEY_API int sley_cleanup_pop(int run);

/*
 * A key for values that belong to one task each. Its address is what counts, and it lives longer than the tasks that
 * have a value under it: static, say. `destroy` is called with the value when the task ends; null: nothing is.
 */
struct sley_local {
	void (*destroy)(void *value);
};

/*
 * Sets the calling task's value; null: it has none any more. The value that it had is the caller's again: nothing
 * destroys it. Tasks that this one spawns do not inherit it, nor do a scope's children: it has one owner. Task.
 * 0; -EINVAL: key is null; -ENOMEM; -EPERM: from a destructor; -EFAULT.
 */
SLEY_API int sley_local_set(const struct sley_local *key, void *value);

/* The calling task's value; null: it has none, or there is no task. Any thread. */
SLEY_API void *sley_local_get(const struct sley_local *key);

#ifdef __cplusplus
}
#endif

#endif
