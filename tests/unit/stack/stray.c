/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/unit/stack/stray.h"

#include <sley.h>

int run_strict(int (*main)(void *))
{
	struct sley_options options = { .size = sizeof(options), .workers = 2, .flags = SLEY_RUN_STRICT_STACKS };
	int result = -1;
	int error = sley_run(main, NULL, &options, &result);
	return error ? 100 : result;
}
