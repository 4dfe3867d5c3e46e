/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "sync/park.h"

/* Apart from the calls, as a thread's record is no part of a task's live bytes. */
int park_thread(park_fn *call, void *object, int64_t n, sley_time deadline)
{
	struct thread thread;
	int error = thread_enter(&thread);
	if (error)
		return error;
	error = call(&thread.task, object, n, deadline, NULL);
	thread_leave();
	return error;
}

uint64_t park_caller(int *error)
{
	struct task *task = task_self();
	*error = 0;
	if (task)
		return task->id;
	*error = worker_self() ? outside_error() : thread_visit();
	return *error ? 0 : thread_id();
}
