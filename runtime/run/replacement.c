/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/replacement.h"

#include "base/clock.h"
#include "run/block_site.h"
#include "run/worker.h"

#define WOKEN_NEW UINT32_MAX /* in woken_for: a new spare, which has found nothing yet */

static struct sley_region_site_blocks *site_blocks(const struct worker *worker)
{
	return &region.site_blocks[load(&worker->line->site, relaxed)];
}

/* A block that goes on was not too short for a replacement: another worker has been faster. */
static void count_in_vain(const struct worker *worker, bool goes_on)
{
	count_here(SLEY_COUNTER_woken_in_vain, 1);
	fetch_add(&site_blocks(worker)->in_vain, 1, relaxed);
	if (!goes_on)
		block_site_outcome(load(&worker->line->site, relaxed), false);
}

void replacement_noted(const struct worker *worker)
{
	count_here(SLEY_COUNTER_blocks, 1);
	fetch_add(&site_blocks(worker)->noted, 1, relaxed);
}

static void keep_past(const struct worker *worker, uint64_t note, uint32_t replacement)
{
	const struct sley_region_block *block = worker->block;
	struct sley_region_past *past = &worker->block->past;
	bool ran = replacement & SLEY_BLOCK_RAN;
	store(&past->note, 0, relaxed);
	fence(); /* a reader that sees a word below sees the 0, too: it compares the note before and after */
	store(&past->noted_ns, load(&block->noted_ns, relaxed), relaxed);
	store(&past->handed_ns, ran ? load(&block->handed_ns, relaxed) : 0, relaxed);
	store(&past->over_ns, clock_now(), relaxed);
	store(&past->elsewhere, load(&worker->line->elsewhere, relaxed), relaxed);
	store(&past->elsewhere_ns, load(&worker->line->elsewhere_ns, relaxed), relaxed);
	store(&past->pinned_ns, load(&block->pinned_ns, relaxed), relaxed);
	store(&past->pinned, load(&block->pinned, relaxed), relaxed);
	store(&past->replacement, replacement, relaxed);
	store(&past->note, note, release); /* after the words */
}

void replacement_over(const struct worker *worker, uint64_t note)
{
	uint32_t replacement = exchange(&worker->block->replacement, 0, relaxed);
	if (replacement && !(replacement & SLEY_BLOCK_RAN))
		count_in_vain(worker, false);
	if (region_times())
		keep_past(worker, note, replacement);
	store(&worker->block->handed_ns, 0, relaxed);
}

/* Makes `by` the replacement of a worker; returns that one's number plus 1; 0: none needs it. */
static uint32_t replace_one(const struct worker *by)
{
	struct worker *worker;
	if (load(&scheduler.blocked, relaxed) == 0)
		return 0;
	workers_awake(worker) {
		uint32_t none = 0;
		if (load(&worker->block->note, relaxed) && !load(&worker->block->replacement, relaxed) &&
		    cas(&worker->block->replacement, &none, by->number + 1, relaxed, relaxed))
			return worker->number + 1;
	}
	return 0;
}

/* A worker may be woken twice before it runs (idle_wake_unlocked()): the second time it is to keep what it has from the first. */
void replacement_wake(struct worker *by)
{
	uint32_t number = replace_one(by);
	if (!number)
		return;
	store(&by->woken_for, number, relaxed);
	if (region_times()) /* it counts what was late before it takes any of it: see late_first() */
		store(&by->poll_due, 1, relaxed);
}

void replacement_new(struct worker *by)
{
	store(&by->woken_for, WOKEN_NEW, relaxed);
	if (region_times())
		store(&by->poll_due, 1, relaxed);
}

static void publish_handover(struct sley_region_block *block, int64_t noted)
{
	int64_t now = clock_now();
	store(&block->handed_ns, now, relaxed);
	if (noted == 0) /* the thread that makes the note has not come to that yet */
		return;
	uint64_t ns = (uint64_t)MAX(now - noted, 1);
	fetch_add(&region.header->handovers[MIN(63 - __builtin_clzll(ns), SLEY_REGION_HANDOVERS - 1)], 1, relaxed);
}

void replacement_runs(struct worker *by)
{
	uint32_t number = load(&by->woken_for, relaxed), mine = by->number + 1;
	store(&by->woken_for, 0, relaxed);
	if (number == WOKEN_NEW)
		number = replace_one(by);
	if (number == 0)
		return;
	struct worker *worker = worker_get(number - 1);
	struct sley_region_block *block = worker->block;
	int64_t noted = load(&block->noted_ns, relaxed);
	bool blocked = load(&block->note, relaxed);
	if (!cas(&block->replacement, &mine, blocked ? mine | SLEY_BLOCK_RAN : 0, relaxed, relaxed))
		return; /* the worker is back, and has counted this */
	if (!blocked) {
		count_in_vain(worker, false);
		return;
	}
	publish_handover(block, noted);
	COUNT(by, handovers, 1);
	fetch_add(&site_blocks(worker)->handed, 1, relaxed);
	block_site_outcome(load(&worker->line->site, relaxed), true);
}

void replacement_rests(struct worker *by, bool in_vain)
{
	uint32_t number = load(&by->woken_for, relaxed), mine = by->number + 1;
	store(&by->woken_for, 0, relaxed);
	if (number == 0 || number == WOKEN_NEW)
		return;
	struct worker *worker = worker_get(number - 1);
	if (cas(&worker->block->replacement, &mine, 0, relaxed, relaxed) && in_vain)
		count_in_vain(worker, load(&worker->block->note, relaxed) != 0);
}
