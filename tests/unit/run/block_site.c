/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/unit/run.h"

#include "run/block_site.h"
#include "run/worker.h"

/* A site is seen to block for ten seconds after its last note, and no other site is. */
TEST(decay)
{
	int64_t now = 1000;
	block_sites_open(now);
	REQUIRE(!block_site_seen(7));
	block_site_note(7);
	for (int i = 0; i < BLOCK_SITE_SECONDS; i++) {
		REQUIRE(block_site_seen(7) && !block_site_seen(6) && !block_site_seen(8));
		block_sites_look(now += SLEY_SEC(1) - 1); /* not yet a second */
		block_sites_look(now += 1);
	}
	REQUIRE(!block_site_seen(7));
	block_site_note(SLEY_REGION_SITES - 1);
	block_site_note(SLEY_REGION_SITES); /* no site */
	block_sites_look(now += SLEY_SEC(5));
	block_site_note(SLEY_REGION_SITES - 1);
	for (int i = 0; i < BLOCK_SITE_SECONDS; i++) {
		REQUIRE(block_site_seen(SLEY_REGION_SITES - 1));
		block_sites_look(now += SLEY_SEC(1));
	}
	REQUIRE(!block_site_seen(SLEY_REGION_SITES - 1));
}

/*
 * Wake-ups in vain double the time to confirm, up to a bound, and hand-overs halve it, down to none: by the outcome alone,
 * whatever the number of blocks. Other sites have a time of their own, and the time is forgotten with the site.
 */
TEST(confirm)
{
	int64_t now = 1000, before = 0;
	block_sites_open(now);
	block_site_outcome(7, true);
	REQUIRE(block_site_confirm(7) == 0);
	for (int i = 0; i < 20; i++) {
		block_site_note(7);
		block_site_outcome(7, false);
		int64_t confirm = block_site_confirm(7);
		REQUIRE(confirm == 2 * before || (before == 0 && confirm == SLEY_US(CONFIRM_LEAST)) ||
			(confirm == before && confirm == SLEY_US(CONFIRM_MOST)));
		before = confirm;
	}
	REQUIRE(before == SLEY_US(CONFIRM_MOST) && block_site_confirm(6) == 0);
	for (int i = 0; i < 10; i++) {
		block_site_note(7);
		REQUIRE(block_site_confirm(7) == before);
		block_site_outcome(7, true);
		REQUIRE(block_site_confirm(7) == (before == SLEY_US(CONFIRM_LEAST) ? 0 : before / 2));
		before = block_site_confirm(7);
	}
	REQUIRE(before == 0);
	block_site_outcome(7, false);
	for (int i = 0; i < BLOCK_SITE_SECONDS; i++) {
		REQUIRE(block_site_confirm(7) > 0);
		block_sites_look(now += SLEY_SEC(1));
	}
	REQUIRE(block_site_confirm(7) == 0);
}

static void make_trusted(uint32_t site)
{
	block_site_answer(site, false);
	for (unsigned i = 0; i < TRUST_LEAST; i++)
		block_site_answer(site, true);
	REQUIRE(block_site_proofs[site] == TRUST_LEAST);
}

/*
 * A site is trusted after enough answers that were yes, for all looks but one of so many, and each yes then doubles how
 * many, up to a limit; unless it has a time to confirm. One no ends that, and so do a replacement in vain and the end of the gate.
 */
TEST(trust)
{
	int64_t now = 1000;
	block_sites_open(now);
	for (unsigned i = 0; i < TRUST_LEAST; i++) {
		REQUIRE(!block_site_trust(7));
		block_site_answer(7, true);
	}
	for (unsigned round = 0; round < TRUST_DOUBLINGS + 3; round++) {
		for (unsigned i = 1; i < TRUST_SPAN << MIN(round, TRUST_DOUBLINGS); i++)
			REQUIRE(block_site_trust(7) && !block_site_trust(6));
		REQUIRE(!block_site_trust(7));
		REQUIRE(!block_site_trust(7)); /* not before it was asked */
		block_site_answer(7, true);
	}
	block_site_answer(7, false);
	for (unsigned i = 1; i < TRUST_LEAST; i++)
		block_site_answer(7, true);
	REQUIRE(!block_site_trust(7));
	make_trusted(7);
	block_site_outcome(7, false);
	make_trusted(7);
	REQUIRE(!block_site_trust(7)); /* blocks are to be confirmed */
	block_site_outcome(7, true);
	REQUIRE(block_site_trust(7));
	block_site_outcome(7, false);
	block_site_outcome(7, true);
	REQUIRE(block_site_confirm(7) == 0 && !block_site_trust(7));
	make_trusted(7);
	block_site_note(7);
	for (int i = 0; i < BLOCK_SITE_SECONDS; i++) {
		REQUIRE(block_site_trust(7));
		block_sites_look(now += SLEY_SEC(1));
	}
	REQUIRE(!block_site_trust(7));
}

static int main_blocks(void *unused)
{
	uint32_t site = load(&worker_self()->line->site, relaxed);
	REQUIRE(!block_site_seen(site));
	sley_block_enter();
	REQUIRE(block_site_seen(site));
	sley_block_leave();
	REQUIRE(block_site_seen(site));
	return 0;
}

/* The site of a task that blocks is seen, and is forgotten with the run. */
TEST(noted)
{
	for (int i = 0; i < 2; i++)
		run(main_blocks, 1);
}
