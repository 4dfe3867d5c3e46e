/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/unit/assist/sources.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "assist/outside.h"
#include "tests/unit/gate.h"

static const char *used;

static bool is_used(const char *name)
{
	return used && strcmp(used, name) == 0;
}

/* The library of this build, in memory from here on: the runtime finds it by its name. */
static bool load_library(void)
{
	return dlopen(test_build_path("libsley_assist.so.0"), RTLD_NOW | RTLD_LOCAL) != NULL;
}

void source_use(const char *name)
{
	used = name;
	if (is_used("bpf"))
		load_library();
	setenv("SLEY_ASSIST", name && !is_used("told") ? name : "off", 1);
}

static int main_await(void *watches)
{
	sley_time deadline = SOON;
	while (outside_state() == OUTSIDE_OPENS) {
		REQUIRE(sley_now() < deadline);
		REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
	}
	*(bool *)watches = outside_state() == OUTSIDE_WATCHES;
	return 0;
}

void source_await(void)
{
	bool watches;
	if (!is_used("bpf"))
		return;
	main_await(&watches);
	REQUIRE(watches);
}

void source_need(const char *name)
{
	struct sley_options options = { .size = sizeof(options), .workers = 1 };
	static bool watches;
	if (strcmp(name, "bpf") != 0 || watches)
		return;
	test_need_root();
	test_need_kernel("it loads no eBPF programs");
	if (!load_library())
		fail_msg("%s", dlerror());
	source_use(name);
	run_with(main_await, &watches, &options);
	source_use(NULL);
	if (!watches)
		test_skip("the kernel does not load the eBPF program");
}

const char *source_name(void)
{
	return used;
}

void source_enter(void)
{
	if (is_used("told"))
		sley_block_enter();
}

void source_leave(void)
{
	if (is_used("told"))
		sley_block_leave();
}

void source_block(void *gate)
{
	source_enter();
	gate_block(gate);
	source_leave();
}
