/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/blocked.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/race.h"
#include "run/block_site.h"
#include "run/global.h"
#include "run/idle.h"
#include "run/replacement.h"
#include "run/timer.h"
#include "run/watchdog_wake.h"
#include "run/worker.h"

static struct {
	unsigned any;     /* atomic: a block was seen in this run */
	unsigned refused; /* atomic */
	unsigned hogs;    /* atomic: notes of hogs */
	unsigned convoy;  /* atomic: blocked workers that get no spare */
} seen;

void blocked_open(void)
{
	store(&scheduler.blocked, 0, relaxed);
	store(&seen.any, 0, relaxed);
	store(&seen.refused, 0, relaxed);
	store(&seen.hogs, 0, relaxed);
	block_sites_open(clock_now());
}

void blocked_convoy(unsigned members)
{
	store(&seen.convoy, members, relaxed);
}

void blocked_refused(bool refused)
{
	store(&seen.refused, refused, relaxed);
}

bool blocked_wants_spare(void)
{
	unsigned started = load(&scheduler.started, relaxed);
	return load(&seen.any, relaxed) && started < scheduler.most &&
	       started - scheduler.target + load(&seen.convoy, relaxed) <= load(&scheduler.blocked, relaxed);
}

bool blocked_work_waits(int64_t now)
{
	struct worker *worker;
	if (load(&global_length, relaxed) > 0 || timers_earliest() <= now)
		return true;
	workers_awake(worker) {
		if (deque_length(&worker->deque) > 0 ||
		    (load(&worker->next, relaxed) && load(&worker->block->note, relaxed)))
			return true;
	}
	/* nobody could see new work */
	return idle_none_runs() && !idle_has_poller();
}

bool blocked_all(int64_t now)
{
	unsigned blocked = load(&scheduler.blocked, relaxed);
	return blocked > 0 && load(&seen.convoy, relaxed) == 0 && idle_count() == 0 &&
	       load(&scheduler.started, relaxed) < scheduler.target + blocked && blocked_work_waits(now);
}

static bool put_note(struct worker *worker, uint64_t tick, enum sley_block_source source, enum sley_block_state state)
{
	uint64_t none = 0;
	int64_t now = clock_now();
	fetch_add(&scheduler.blocked, 1, seq_cst); /* first, as the worker may subtract it at once */
	if (!cas(&worker->block->note, &none, SLEY_NOTE(tick, source, state), seq_cst, relaxed)) {
		fetch_sub(&scheduler.blocked, 1, seq_cst);
		return false;
	}
	/* a thread that is held up here stores the time of an old note later: that is seen by tools alone */
	store(&worker->block->noted_ns, now, relaxed);
	RACE_POINT(blocked_noted);
	store(&worker->poll_due, 1, seq_cst); /* after the note: see blocked_back() */
	replacement_noted(worker);
	store(&seen.any, 1, relaxed);
	if (blocked_wants_spare() && !load(&seen.refused, relaxed))
		watchdog_wake();
	fence();                                         /* see blocked.h */
	idle_recall(worker, source != SLEY_SOURCE_IDLE); /* a sentinel takes no lock */
	if (!idle_may_wake() || !blocked_work_waits(now))
		return true;
	if (source == SLEY_SOURCE_IDLE)
		idle_wake_unlocked();
	else
		idle_wake();
	return true;
}

bool blocked_note(struct worker *worker, uint64_t tick, enum sley_block_source source)
{
	block_site_note(load(&worker->line->site, relaxed));
	return put_note(worker, tick, source, SLEY_BLOCK_BLOCKED);
}

unsigned blocked_hogs(void)
{
	return load(&seen.hogs, relaxed);
}

bool hog_note(struct worker *worker, uint64_t tick, enum sley_block_source source)
{
	if (load(&seen.hogs, relaxed) >= 2 * scheduler.target) /* one thread at a time notes hogs */
		return false;
	fetch_add(&seen.hogs, 1, relaxed); /* first, as the worker may subtract it at once */
	bool noted = put_note(worker, tick, source, SLEY_BLOCK_HOG);
	if (!noted)
		fetch_sub(&seen.hogs, 1, relaxed);
	return noted;
}

/* poll_due was cleared before, by an exchange: a note that is not seen here sets it again. */
void blocked_back(struct worker *worker)
{
	struct sley_region_block *block = worker->block;
	uint64_t note = load(&block->note, relaxed);
	if (likely(!note))
		return;
	replacement_over(worker, note);
	store(&block->noted_ns, 0, relaxed);
	store(&block->note, 0, release); /* pairs with the next note: its words are stored after these */
	if (SLEY_NOTE_STATE(note) == SLEY_BLOCK_HOG)
		fetch_sub(&seen.hogs, 1, relaxed);
	worker->told_blocks = 0;
	fetch_sub(&scheduler.blocked, 1, seq_cst);
	watchdog_resume();
	store(&block->call, 0, relaxed); /* after the note, by the locked instruction between: see publish_call() */
}
