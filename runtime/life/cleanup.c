/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "life/cleanup.h"

#include <errno.h>

#include "life/local.h"
#include "life/returned.h"
#include "life/shield.h"
#include "run/worker.h"

/* A cleanup made by sley_cleanup_push(). */
struct pushed {
	struct cleanup cleanup; /* first */
	void (*fn)(void *);
	void *arg;
};

void cleanup_link(struct task_extra *extra, struct cleanup *cleanup)
{
	cleanup->next = extra->cleanups;
	extra->cleanups = cleanup;
}

void cleanup_unlink(struct task_extra *extra, struct cleanup *cleanup)
{
	struct cleanup **link = &extra->cleanups;
	while (*link != cleanup)
		link = &(*link)->next;
	*link = cleanup->next;
}

/* Frees the cleanup before it calls fn: fn may wait, and a waiting task should own little. */
static void run_pushed(struct cleanup *cleanup)
{
	struct pushed pushed = *CONTAINER_OF(cleanup, struct pushed, cleanup);
	block_free(cleanup, sizeof(pushed));
	pushed.fn(pushed.arg);
}

/* Runs the latest cleanup. Returns false if there is none. */
static bool run_latest(struct task_extra *extra)
{
	struct cleanup *cleanup = extra->cleanups;
	if (!cleanup)
		return false;
	extra->cleanups = cleanup->next;
	cleanup->run(cleanup);
	return true;
}

void cleanup_finish(void)
{
	struct task_extra *extra = task_extra(returned_task());
	if (likely(!extra) || (!extra->cleanups && !extra->locals))
		return;
	sley_cancel_mask(1);
	while (run_latest(extra) || local_destroy(extra))
		returned_from("a task's cleanup");
}

int sley_cleanup_push(void (*fn)(void *), void *arg)
{
	struct task *task = task_self();
	if (!task)
		return outside_error();
	if (!fn)
		return -EINVAL;
	struct task_extra *extra = task_extra_own(task);
	struct pushed *pushed = extra ? block_alloc(sizeof(*pushed)) : NULL;
	if (!pushed)
		return -ENOMEM;
	*pushed = (struct pushed){ .cleanup.run = run_pushed, .fn = fn, .arg = arg };
	cleanup_link(extra, &pushed->cleanup);
	return 0;
}

SHIELD(sley_cleanup_pop)
int sley_cleanup_pop(int run)
{
	SHIELDED(sley_cleanup_pop);
	struct task *task = task_self();
	if (!task)
		return outside_error();
	struct task_extra *extra = task_extra(task);
	struct cleanup *cleanup = extra ? extra->cleanups : NULL;
	if (!cleanup)
		return -ENOENT;
	if (cleanup->run != run_pushed)
		return -EBUSY;
	if (run) {
		int masked = sley_cancel_mask(1);
		run_latest(extra);
		sley_cancel_mask(masked);
	} else {
		extra->cleanups = cleanup->next;
		block_free(cleanup, sizeof(struct pushed));
	}
	return 0;
}
