/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The looker's sample of a thread is taken if the worker is still in the same task. */
#include "source/sampler.h"

#include <string.h>
#include <unistd.h>

#include "source/look.h"

/* Whether the line is still the same dispatch: then the words read in between belong to it. */
static bool still(struct process *p, const struct sley_region_worker *w)
{
	struct sley_region_worker now;
	return pread(p->region.fd, &now, sizeof(now),
		     (off_t)(p->region.header.workers.offset + w->index * sizeof(now))) == (ssize_t)sizeof(now) &&
	       now.dispatches == w->dispatches && now.mode == SLEY_WORKER_TASK && now.task == w->task;
}

enum sample sampler_look(struct process *p, const struct sley_region_worker *w, struct block_record *r)
{
	uint32_t sample;
	memset(r, 0, sizeof(*r));
	r->fd = -1;
	r->task = w->task;
	r->site = w->site;
	r->worker = w->index;
	r->dispatches = w->dispatches;
	r->stack_top = w->stack_top;
	if (look_call(p->pid, p->dir, w->tid, r, &sample) || !still(p, w))
		return SAMPLE_NONE;
	return (enum sample)sample;
}
