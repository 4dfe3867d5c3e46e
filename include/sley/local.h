/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * State of one task: cleanups that run at its end, and values under keys.
 *
 * A task ends when its function returns. Cancellation ends its waits, never the task itself. At its end the task runs
 * its cleanups, the latest first; the closing of scopes that it left open (sley/scope.h) is among them. Then it runs
 * the destructors of its values. All this happens on its own stack, masked (sley_cancel_mask()), and before others
 * learn of its end. Cleanups and destructors may wait. A block that was passed by value to the task is still valid
 * then; nothing else on its stack is. Tasks that are abandoned at the end of a run do none of this.
 */
#ifndef SLEY_LOCAL_H
#define SLEY_LOCAL_H

#include <sley/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Registers fn(arg) to be called once, at the end of the calling task, unless it is popped before. If a cleanup pushes
 * another one, that one runs after it. Returns 0; -EINVAL: fn is null; -ENOMEM. Task.
 */
SLEY_API int sley_cleanup_push(void (*fn)(void *arg), void *arg);

/*
 * Removes the latest cleanup that has not run. If `run` is not 0, calls it, masked. Returns 0; -ENOENT: there is none;
 * -EBUSY: a scope that the task opened later is still open. Task.
 */
SLEY_API int sley_cleanup_pop(int run);

/*
 * A key for values that belong to one task each. The address of the key identifies it. The key must outlive the tasks
 * that have a value under it, as a static does. `destroy` is called with the value at the end of the task; null: no
 * destructor.
 */
struct sley_local {
	void (*destroy)(void *value);
};

/*
 * Sets the calling task's value; null removes it. The previous value returns to the caller and is not destroyed. A
 * value has one owner: spawned tasks and a scope's children do not inherit it. Returns 0; -EINVAL: key is null;
 * -ENOMEM; -EPERM: from a destructor; -EFAULT. Task.
 */
SLEY_API int sley_local_set(const struct sley_local *key, void *value);

/* Gets the calling task's value. Returns it; null: no value, or no task. Any thread. */
SLEY_API void *sley_local_get(const struct sley_local *key);

#ifdef __cplusplus
}
#endif

#endif
