/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Being told of how other tasks end: by a message (a monitor), or by being cancelled with them (a link).
 *
 * A task's end is told once its function has returned, its cleanups have run and its stack is left, and before anybody
 * who joins it goes on.
 */
#ifndef SLEY_MONITOR_H
#define SLEY_MONITOR_H

#include <sley/task.h>

#ifdef __cplusplus
extern "C" {
#endif

enum sley_reason {
	SLEY_END_RETURNED,  /* its function returned; of a scope's child: 0 or more */
	SLEY_END_FAILED,    /* a scope's child: its function returned a negative result */
	SLEY_END_CANCELLED, /* it had been cancelled; of a scope's child: and its result is negative */
};

/* How a task ended. */
struct sley_end {
	sley_task task;
	int reason; /* enum sley_reason; all but SLEY_END_RETURNED are failures */
	int result; /* what a scope's child returned; 0 for other tasks */
};

/*
 * A monitor: a mailbox for the ends of tasks. It may be used by any tasks and threads at once, and is of its run: after
 * that it must not be used. The place for each message is made when its task is added, so none is ever lost.
 */
struct sley_monitor;

/* Any thread. 0; -EINVAL: null; -ENOMEM. */
SLEY_API int sley_monitor_new(struct sley_monitor **);

/* Ends it; tasks that it watches are not told of that, and messages in it are dropped. Null does nothing. Any thread.
 * 0; -EBUSY: somebody waits for a message of it, or has given that up and not run since; -EFAULT. */
SLEY_API int sley_monitor_free(struct sley_monitor *);

/*
 * There will be one message of the task's end; at once if it has ended and was not joined. Adding it twice makes two.
 * Any thread. 0; -EINVAL: the monitor is null; -ESRCH: no such task: stale, joined, or ended without anybody to join
 * it; -ENOMEM; -EFAULT.
 */
SLEY_API int sley_monitor_add(struct sley_monitor *, sley_task task);

/*
 * Takes one adding back: there will be no message of it. Any thread. 0; -ENOENT: the task was not added, or its message
 * is there, or has been received; -EINVAL; -EFAULT.
 */
SLEY_API int sley_monitor_remove(struct sley_monitor *, sley_task task);

/*
 * Receives the next message, oldest first; waits for it if need be, a plain thread by blocking. Several that wait get
 * one each in the order in which they came. 0; -ENOENT: there is none, and no task is watched of which one could come;
 * -ETIMEDOUT; -EINVAL: a null; -EFAULT.
 */
SLEY_API int sley_monitor_wait(struct sley_monitor *, struct sley_end *end, sley_time deadline);

/*
 * Links the calling task and another for as long as both live: when one of them ends with a failure (see struct
 * sley_end) the other is cancelled, as by sley_cancel(). Linking them again changes nothing. Task.
 * 0; -ESRCH: no such task, or it has ended; -EINVAL: itself; -ENOMEM.
 */
SLEY_API int sley_task_link(sley_task other);

/* Takes it back: from here on neither is cancelled for it. Task, either of them. 0; -ENOENT: they are not linked. */
SLEY_API int sley_task_unlink(sley_task other);

#ifdef __cplusplus
}
#endif

#endif
