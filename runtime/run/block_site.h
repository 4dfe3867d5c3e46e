/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Spawn sites whose tasks were seen to block their thread. A site is seen to block from the note of a block of one of its
 * tasks on, for BLOCK_SITE_SECONDS after the last such note.
 *
 * Any thread opens a gate by a store, and the watchdog alone counts it down. A note between the load and the store of the
 * watchdog may be lost: the next note opens the gate again.
 *
 * A block that is over before its replacement has begun a task has cost a wake-up and gained nothing. So for each site
 * the runtime learns a time to confirm: a source that can do so lets a block last so long before it notes it. A
 * replacement of a block that is over doubles the time, one that took over halves it. So the time follows the outcome, and
 * not the number of blocks: blocks of 20 us soon wake nobody, and long ones among them are still found. A replacement that
 * found nothing while the block goes on says nothing about its length: a worker that was awake has been faster. The time is
 * forgotten when the gate closes. Two outcomes at the same time may count as one.
 *
 * To ask the kernel whether a thread sleeps takes a sentinel as long as all else from the block to the note. So the tasks
 * of a site are *trusted* to sleep if the last TRUST_LEAST times a sentinel asked they all did, and no time to confirm
 * is needed. Then the block is noted at once. A thread may compute in the middle of a task and be preempted by the
 * sentinel: that would be a wrong note, which lasts until the next scheduling point, and wakes another worker too early.
 * So one of TRUST_SPAN looks asks nevertheless, and a single answer that is no, or a replacement in vain, ends the trust.
 * Each such answer that is yes doubles the span, TRUST_DOUBLINGS times at most. So if one look in n at a site would be
 * wrong, some n looks find that, and where none is, less than one in a hundred has to wait for the answer.
 */
#ifndef RUN_BLOCK_SITE_H
#define RUN_BLOCK_SITE_H

#include <stdbool.h>
#include <stdint.h>

#include <sley/introspect.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/compiler.h"

#define BLOCK_SITE_SECONDS 10
#define CONFIRM_LEAST      16u   /* us: about the time from a note until a replacement runs */
#define CONFIRM_MOST       1024u /* us: the tick looks so often, and finds what lasts longer */
#define TRUST_LEAST        8u
#define TRUST_SPAN         16u
#define TRUST_DOUBLINGS    4u

/* Atomic: seconds until the site is forgotten; 0: it was not seen to block. */
extern HIDDEN uint8_t block_site_gates[SLEY_REGION_SITES];

/* Atomic: time to confirm, us. */
extern HIDDEN uint16_t block_site_confirms[SLEY_REGION_SITES];

/* Whether tasks of this site were seen to block lately. One load: called at dispatches. */
static ALWAYS_INLINE bool block_site_seen(uint32_t site)
{
	return load(&block_site_gates[site], relaxed) > 0;
}

/* Time to confirm a block of a task of this site, ns. Any thread. */
static inline int64_t block_site_confirm(uint32_t site)
{
	return load(&block_site_confirms[site], relaxed) * NS_PER_US;
}

/* Atomic: successive answers that were yes, up to TRUST_LEAST + TRUST_DOUBLINGS. */
extern HIDDEN uint8_t block_site_proofs[SLEY_REGION_SITES];

/* By a sentinel that finds a task of this site: whether to note it without asking. This look counts. */
bool block_site_trust(uint32_t site);

/* It has asked whether the thread sleeps. */
void block_site_answer(uint32_t site, bool sleeps);

/* A replacement of a worker in a task of this site took over, or the block was over before. Any thread; takes no lock. */
void block_site_outcome(uint32_t site, bool took_over);

/* A task of this site blocks its thread. Any thread; takes no lock. */
void block_site_note(uint32_t site);

/* Counts the gates down. Called by the watchdog, at any interval. */
void block_sites_look(int64_t now);

/* A new run begins: no site was seen to block. */
void block_sites_open(int64_t now);

#endif
