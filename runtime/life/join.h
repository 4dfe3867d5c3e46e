/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A join in parts, for a task that waits for other things besides (sync/select_any.c). The calling task joins the task of
 * that id, or learns why it cannot: the errors of sley_join().
 */
#ifndef LIFE_JOIN_H
#define LIFE_JOIN_H

#include "task/task.h"

/* Whether join_try() would do more than to say that the task has not ended. */
bool join_ready(sley_task id);

/* Joins the task if it has ended. Returns 0; -EAGAIN: it has not. */
int join_try(sley_task id);

/*
 * Makes the end of the task claim the caller's wait, which has begun: then it is joined by that. Returns 0; -EAGAIN: it has
 * ended, and nothing is linked.
 */
int join_link(sley_task id);

/* After the wait. Returns whether the end of the task has claimed it: the task is joined. Else it may be joined again. */
bool join_unlink(sley_task id);

#endif
