/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Spawn sites whose tasks were seen to block their thread. A site is seen to block from the note of a block of one of its
 * tasks on, for BLOCK_SITE_SECONDS after the last such note.
 *
 * Any thread opens a gate by a store, and the watchdog alone counts it down. A note between the load and the store of the
 * watchdog may be lost: the next note opens the gate again.
 */
#ifndef RUN_BLOCK_SITE_H
#define RUN_BLOCK_SITE_H

#include <stdbool.h>
#include <stdint.h>

#include <sley/introspect.h>

#include "base/atomic.h"
#include "base/compiler.h"

#define BLOCK_SITE_SECONDS 10

/* Atomic: seconds until the site is forgotten; 0: it was not seen to block. */
extern HIDDEN uint8_t block_site_gates[SLEY_REGION_SITES];

/* Whether tasks of this site were seen to block lately. One load: called at dispatches. */
static ALWAYS_INLINE bool block_site_seen(uint32_t site)
{
	return load(&block_site_gates[site], relaxed) > 0;
}

/* A task of this site blocks its thread. Any thread; takes no lock. */
void block_site_note(uint32_t site);

/* Counts the gates down. Called by the watchdog, at any interval. */
void block_sites_look(int64_t now);

/* A new run begins: no site was seen to block. */
void block_sites_open(int64_t now);

#endif
