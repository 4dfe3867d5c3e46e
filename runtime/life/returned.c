/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "life/returned.h"

#include <unistd.h>

#include <sley.h>

#include "base/check.h"
#include "run/current.h"

/* The child has a copy of the task's stack, but no worker to switch to. */
NOINLINE static void end_forked_child(const char *function)
{
	complain(
		"process %ld, a forked child, returns from %s. sley does not run in a forked child, so the child ends here, "
		"with exit code %d. Let the child call exec or _exit() before it returns",
		(long)getpid(), function, SLEY_EXIT_FORKED);
	_exit(SLEY_EXIT_FORKED);
}

struct task *returned_task(void)
{
	struct task *task = task_self();
	if (unlikely(!task))
		end_forked_child("a task's function");
	return task;
}

void returned_from(const char *function)
{
	if (unlikely(load(&scheduler.forked, relaxed)))
		end_forked_child(function);
}
