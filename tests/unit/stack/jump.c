/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Frames that are larger than the guard below a stack and were compiled without -fstack-clash-protection, in strict mode.
 * Each scenario is a process of its own, which dies:
 *
 *     lead of the range | guard, slot 0 | ... | guard, slot 8 |
 *            ^--------------------'                  |          by the first task
 *                             ^----------------------'          by one above parked ones
 */
#include "tests/unit/run.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "stack/slot.h"

#define THIS "tests/unit/stack/jump.c"

static bool waits;

NOINLINE static void far_below(void)
{
	char far[700 << 10];
	if (waits)
		sley_yield();
	else
		memset(far, 1, 64);
	__asm__ volatile("" : : "r"(far) : "memory");
}

static void culprit(void *arg)
{
	far_below();
}

static void park(void *arg)
{
	sley_sleep(SLEY_NEVER);
}

/* So many parked tasks have the slots below the culprit's. */
static int main_jump(void *below)
{
	for (int i = 0; i < *(int *)below; i++) {
		sley_go(park, NULL);
		sley_yield();
	}
	return sley_join(sley_spawn(culprit, NULL), SLEY_NEVER); /* the culprit's site */
}

static int jump(int below)
{
	struct sley_options options = { .size = sizeof(options), .workers = 1, .flags = SLEY_RUN_STRICT_STACKS };
	struct rlimit none = { 0, 0 };
	setrlimit(RLIMIT_CORE, &none);
	return sley_run(main_jump, &below, &options, NULL);
}

static int scenario_lead(void)
{
	return jump(0);
}

static int scenario_others(void)
{
	return jump(8);
}

static int scenario_wait(void)
{
	waits = true;
	return jump(0);
}

static const struct scenario scenarios[] = {
	{ "lead", scenario_lead },
	{ "others", scenario_others },
	{ "wait", scenario_wait },
	{ NULL, NULL },
};

/* Any stack pointer of a run that nothing has jumped is none that jumped, and so is null. */
static int main_is_none(void *arg)
{
	const struct slot *slot = slot_at(0);
	bool far = slot_jumped_to(slot, (char *)slot->low - STACK_GUARD - 1) && slot_jumped_to(slot_at(1), slot->low);
	return far && !slot_jumped_to(slot, slot->low) && !slot_jumped_to(slot, NULL) && !slot_jumped_to(slot, &slot)
		       ? 1
		       : 2;
}

TEST(is_none)
{
	int result = 0;
	assert_int_equal(sley_run(main_is_none, NULL, NULL, &result), 0);
	assert_int_equal(result, 1);
}

#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN) /* their code touches the frame first, and they know no lead */
/* Its first touch is named, whether it lands before all stacks or on that of a parked task; a call is one. */
TEST(touch)
{
	static const char *const names[] = { "lead", "others", "wait" };
	char text[8192], site[128];
	snprintf(site, sizeof(site), "spawned at %s:%u as culprit", __FILE__,
		 test_source_line(THIS, "/* the culprit's "
					"site */"));
	for (unsigned i = 0; i < 3; i++) {
		assert_segv(scenario_run(names[i], text, sizeof(text)));
		assert_said(text, "bytes, by a frame that jumped over the guard below it. ", 1);
		assert_said(text, site, 1);
		assert_said(text, "compile with -fstack-clash-protection", 1);
	}
}
#endif

int main(int argc, char **argv)
{
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}
