/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A service that computes all the time, in turns of a microsecond or so. */
#include <sley.h>

static int service(void *unused)
{
	(void)unused;
	for (;;)
		sley_yield();
	return 0;
}

int main(void)
{
	const struct sley_options options = { .size = sizeof(options), .name = "throttle", .workers = 1 };
	return sley_run(service, NULL, &options, NULL) ? 1 : 0;
}
