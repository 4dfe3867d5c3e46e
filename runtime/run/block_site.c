/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "run/block_site.h"

#include <string.h>

uint8_t block_site_gates[SLEY_REGION_SITES];
uint16_t block_site_confirms[SLEY_REGION_SITES];
uint8_t block_site_proofs[SLEY_REGION_SITES];
static uint16_t unasked[SLEY_REGION_SITES]; /* atomic: looks since the last answer */

static struct {
	unsigned any;    /* atomic: a gate may be open */
	int64_t counted; /* owned by the watchdog: time of the last count */
} gates;

void block_sites_open(int64_t now)
{
	memset(block_site_gates, 0, sizeof(block_site_gates));
	memset(block_site_confirms, 0, sizeof(block_site_confirms));
	memset(block_site_proofs, 0, sizeof(block_site_proofs));
	store(&gates.any, 0, relaxed);
	gates.counted = now;
}

void block_site_note(uint32_t site)
{
	if (site >= SLEY_REGION_SITES)
		return;
	store(&block_site_gates[site], BLOCK_SITE_SECONDS, relaxed);
	/* after the gate: block_sites_look() clears the word before it reads the gates */
	store(&gates.any, 1, release);
}

bool block_site_trust(uint32_t site)
{
	unsigned proofs = load(&block_site_proofs[site], relaxed);
	if (proofs < TRUST_LEAST)
		return false;
	unsigned looks = load(&unasked[site], relaxed) + 1;
	if (looks >= TRUST_SPAN << (proofs - TRUST_LEAST))
		return false; /* until it is asked */
	store(&unasked[site], (uint16_t)looks, relaxed);
	return block_site_confirm(site) == 0;
}

void block_site_answer(uint32_t site, bool sleeps)
{
	unsigned proofs = load(&block_site_proofs[site], relaxed);
	proofs = sleeps ? MIN(proofs + 1, TRUST_LEAST + TRUST_DOUBLINGS) : 0;
	store(&unasked[site], 0, relaxed);
	store(&block_site_proofs[site], (uint8_t)proofs, relaxed);
}

void block_site_outcome(uint32_t site, bool took_over)
{
	if (!took_over)
		store(&block_site_proofs[site], 0, relaxed);
	unsigned confirm = load(&block_site_confirms[site], relaxed);
	if (took_over && confirm == 0)
		return;
	if (took_over)
		confirm = confirm > CONFIRM_LEAST ? confirm / 2 : 0;
	else
		confirm = confirm > 0 ? MIN(2 * confirm, CONFIRM_MOST) : CONFIRM_LEAST;
	store(&block_site_confirms[site], (uint16_t)confirm, relaxed);
}

static void forget_site(unsigned i)
{
	store(&block_site_confirms[i], 0, relaxed);
	store(&block_site_proofs[i], 0, relaxed);
}

void block_sites_look(int64_t now)
{
	if (now - gates.counted < NS_PER_SEC)
		return;
	gates.counted = now;
	if (!exchange(&gates.any, 0, acquire))
		return;
	for (unsigned i = 0; i < SLEY_REGION_SITES; i++) {
		unsigned seconds = load(&block_site_gates[i], relaxed);
		if (seconds == 0)
			continue;
		store(&block_site_gates[i], (uint8_t)(seconds - 1), relaxed);
		if (seconds > 1)
			store(&gates.any, 1, relaxed);
		else
			forget_site(i);
	}
}
