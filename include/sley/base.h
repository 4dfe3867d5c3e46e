/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Time, and what every other header of sley needs. */
#ifndef SLEY_BASE_H
#define SLEY_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef SLEY_API
#define SLEY_API __attribute__((visibility("default")))
#endif

typedef int64_t sley_time; /* CLOCK_MONOTONIC, ns */

#define SLEY_NEVER  INT64_MAX
#define SLEY_US(n)  ((sley_time)(n)*1000)
#define SLEY_MS(n)  ((sley_time)(n)*1000000)
#define SLEY_SEC(n) ((sley_time)(n)*1000000000)

/* The time now. Any thread, signal handlers too, outside of sley_run() too. */
SLEY_API sley_time sley_now(void);

/* The time `duration` ns from now; saturates at SLEY_NEVER. As sley_now(). */
SLEY_API sley_time sley_in(sley_time duration);

/* The place of a spawn in the source. Static, filled in by the macros below; `id` is the runtime's. */
struct sley_site {
	const char *file;
	const char *function;
	const char *entry;
	unsigned line;
	unsigned id;
};

#define SLEY_SITE(entry_name) \
	(__extension__({ \
		static struct sley_site sley_site_ = { __FILE__, __func__, entry_name, __LINE__, 0 }; \
		&sley_site_; \
	}))

#ifdef __cplusplus
}
#endif

#endif
