/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/unit/assist/sources.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/gate.h"

static const char *used;

void source_use(const char *name)
{
	used = name;
	setenv("SLEY_ASSIST", name && strcmp(name, "told") != 0 ? name : "off", 1);
}

const char *source_name(void)
{
	return used;
}

static bool is_told(void)
{
	return used && strcmp(used, "told") == 0;
}

void source_enter(void)
{
	if (is_told())
		sley_block_enter();
}

void source_leave(void)
{
	if (is_told())
		sley_block_leave();
}

void source_block(void *gate)
{
	source_enter();
	gate_block(gate);
	source_leave();
}
