/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Notice of the end of other tasks: by a message (a monitor), or by a cancellation (a link).
 *
 * The notice comes after the task's function has returned, its cleanups have run and its stack is left, and before any
 * task that joins it continues.
 */
#ifndef SLEY_MONITOR_H
#define SLEY_MONITOR_H

#include <sley/task.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sley_reason {
	SLEY_END_RETURNED,  /* its function returned; a scope's child: with 0 or more */
	SLEY_END_FAILED,    /* a scope's child: its function returned a negative result */
	SLEY_END_CANCELLED, /* it was cancelled; a scope's child: and its result is negative */
};

/* How a task ended. */
struct sley_end {
	sley_task task;
	int reason; /* enum sley_reason; all but SLEY_END_RETURNED are failures */
	int result; /* the result of a scope's child; 0 for other tasks */
};

/*
 * A monitor: a mailbox for the ends of tasks. Any tasks and threads may use it at the same time. It belongs to its run
 * and must not be used after it. The memory for each message is allocated when the task is added, so no message is ever
 * lost.
 */
struct sley_monitor;

/* Makes a monitor. Returns 0; -EINVAL: null; -ENOMEM. Any thread. */
SLEY_API int sley_monitor_new(struct sley_monitor **);

/*
 * Frees a monitor. The watched tasks do not learn of it, and unread messages are dropped. Null is a no-op and returns
 * 0. Returns 0; -EBUSY: a task or thread waits for a message, or has ended such a wait early and not run since;
 * -EFAULT. Any thread.
 */
SLEY_API int sley_monitor_free(struct sley_monitor *);

/*
 * Adds a task: the monitor gets one message at the task's end, or at once if the task has ended and was not joined. A
 * task added twice gives two messages. Returns 0; -EINVAL: the monitor is null; -ESRCH: no such task: stale, joined, or
 * ended without being joinable; -ENOMEM; -EFAULT. Any thread.
 */
SLEY_API int sley_monitor_add(struct sley_monitor *, sley_task task);

/*
 * Undoes one sley_monitor_add(): its message will not come. Returns 0; -ENOENT: the task was not added, or its message
 * has arrived or was received; -EINVAL; -EFAULT. Any thread.
 */
SLEY_API int sley_monitor_remove(struct sley_monitor *, sley_task task);

/*
 * Receives the next message, oldest first. Waits for one if necessary. Several waiters get one message each, in the
 * order in which they came. Returns 0; -ENOENT: there is no message, and no task is watched that could send one;
 * -ETIMEDOUT; -EINVAL: a null; -EFAULT. Task, or any thread, which then blocks.
 */
SLEY_API int sley_monitor_wait(struct sley_monitor *, struct sley_end *end, sley_time deadline);

/*
 * Links the calling task and another task while both live: when one of them ends with a failure (see struct sley_end),
 * the other is cancelled, as by sley_cancel(). A second link between them changes nothing. Returns 0; -ESRCH: no such
 * task, or it has ended; -EINVAL: the calling task itself; -ENOMEM. Task.
 */
SLEY_API int sley_task_link(sley_task other);

/*
 * Removes the link: neither task is cancelled for the other any more. Either of them may call it. Returns 0; -ENOENT:
 * they are not linked. Task.
 */
SLEY_API int sley_task_unlink(sley_task other);

#ifdef __cplusplus
}
#endif

#endif
