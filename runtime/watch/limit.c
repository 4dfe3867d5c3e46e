/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "watch/limit.h"

#include "base/check.h"
#include "run/blocked.h"
#include "run/report.h"
#include "run/worker.h"
#include "watch/call.h"
#include "watch/stuck.h"

#define GROUPS 8u /* lines of a report, at most */

static struct {        /* owned by the watchdog */
	int64_t since; /* 0: there are threads enough */
	bool counted;  /* this time */
	bool told;     /* in this run */
} limit;

void limit_open(void)
{
	limit.since = 0;
	limit.told = false;
}

/* Tasks of the same site that are in the same call. */
struct group {
	struct call call;
	uint32_t site;
	uint64_t example; /* the id of one of them */
	unsigned count;
};

static bool belongs(const struct group *group, const struct call *call, uint32_t site)
{
	return group->site == site && group->call.kind == call->kind && group->call.number == call->number;
}

/* Adds a worker to its group, and returns the number of groups; a worker that finds no place is left out. */
static unsigned group_add(struct group *groups, unsigned n, const struct worker *worker)
{
	uint64_t id = load(&worker->line->task, relaxed);
	uint32_t site = load(&worker->line->site, relaxed);
	struct call call = call_of(load(&worker->line->tid, relaxed));
	unsigned i = 0;
	while (i < n && !belongs(&groups[i], &call, site))
		i++;
	if (id == 0 || i == GROUPS) /* 0: it has just come back */
		return n;
	if (i == n)
		groups[n++] = (struct group){ .call = call, .site = site, .example = id };
	groups[i].count++;
	return n;
}

static void tell_holders(void)
{
	struct group groups[GROUPS];
	unsigned n = 0, spares = scheduler.most - scheduler.target;
	struct worker *worker;
	char who[TASK_TEXT], call[CALL_TEXT], use[CALL_TEXT];
	if (load(&scheduler.started, relaxed) == scheduler.most)
		complain(
			"tasks wait, and no thread is left for them: the workers and %u spare thread%s, as many as the "
			"option max_threads allows, are blocked. Raise it, or make other calls in the place of these:",
			spares, spares == 1 ? "" : "s");
	else
		complain(
			"tasks wait, and no thread is left for them: all threads are blocked, and the system refuses more. "
			"Raise its limit (ulimit -u, pids.max), or make other calls in the place of these:");
	workers_awake(worker) {
		if (load(&worker->block->note, relaxed))
			n = group_add(groups, n, worker);
	}
	for (unsigned i = 0; i < n; i++)
		complain("%u task%s %s: %s%s. Remedy: %s", groups[i].count, groups[i].count == 1 ? "" : "s",
			 call_text(call, &groups[i].call), groups[i].count > 1 ? "for example " : "",
			 task_text(who, groups[i].example, groups[i].site), call_remedy(use, &groups[i].call));
}

void limit_look(int64_t now)
{
	if (!blocked_all(now)) {
		limit.since = 0;
		limit.counted = false;
		return;
	}
	if (limit.since == 0)
		limit.since = now;
	if (limit.counted || now - limit.since < load(&hold_long, relaxed))
		return;
	limit.counted = true;
	if (!limit.told)
		tell_holders();
	limit.told = true;
	count_here(SLEY_COUNTER_threads_short, 1);
}
