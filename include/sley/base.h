/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Time, and common declarations of the other headers. */
#ifndef SLEY_BASE_H
#define SLEY_BASE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifndef SLEY_API
#define SLEY_API __attribute__((visibility("default")))
#endif

typedef int64_t sley_time; /* CLOCK_MONOTONIC, ns */

#define SLEY_NEVER INT64_MAX

/*
 * Durations of n microseconds, milliseconds or seconds. n is of any arithmetic type and is evaluated once.
 * SLEY_SEC(0.5) is half a second, rounded to the next nanosecond. A value that does not fit saturates at INT64_MAX or
 * INT64_MIN. With a constant n the macros are constant expressions and may initialise a static; with an integer
 * constant n they are integer constant expressions. C99, or C++11.
 */
#define SLEY_US(n)  SLEY_TIME_(n, 1000)
#define SLEY_MS(n)  SLEY_TIME_(n, 1000000)
#define SLEY_SEC(n) SLEY_TIME_(n, 1000000000)

/* Private, down to sley_now(). The type holds every 64-bit count of every unit. */
__extension__ typedef __int128 sley_wide_;

#ifdef __cplusplus
#define SLEY_CAST_(type, x) static_cast<type>(x)
#else
#define SLEY_CAST_(type, x) ((type)(x))
#endif

#define SLEY_CLAMP_(x, number) \
	((x) > SLEY_CAST_(number, INT64_MAX)   ? INT64_MAX \
	 : (x) < SLEY_CAST_(number, INT64_MIN) ? INT64_MIN \
					       : SLEY_CAST_(sley_time, x))
#define SLEY_WHOLE_(n, unit) SLEY_CLAMP_(SLEY_CAST_(sley_wide_, n) * (unit), sley_wide_)
#define SLEY_REAL_(n, unit) \
	SLEY_CLAMP_(SLEY_CAST_(long double, n) * (unit) + (SLEY_CAST_(long double, n) < 0 ? -0.5L : 0.5L), long double)

#ifdef __cplusplus
extern "C++" { /* needed where a program includes this file inside extern "C" */
template <class number> constexpr sley_time sley_time_(number n, int unit)
{
	return static_cast<number>(0.5) > static_cast<number>(0) ? SLEY_REAL_(n, unit) : SLEY_WHOLE_(n, unit);
}
}
#define SLEY_TIME_(n, unit) sley_time_((n), (unit))
#else
static inline sley_time sley_whole_(sley_wide_ n, int unit)
{
	return SLEY_WHOLE_(n, unit);
}
static inline sley_time sley_real_(long double n, int unit)
{
	return SLEY_REAL_(n, unit);
}
#define SLEY_IS_REAL_(n) \
	(__builtin_types_compatible_p(__typeof__((n) + 0), double) || \
	 __builtin_types_compatible_p(__typeof__((n) + 0), float) || \
	 __builtin_types_compatible_p(__typeof__((n) + 0), long double))
/* The compiler keeps one of the four branches, and chooses it before it checks for constants. */
#define SLEY_TIME_(n, unit) \
	__builtin_choose_expr(__builtin_constant_p(n), \
			      __builtin_choose_expr(SLEY_IS_REAL_(n), SLEY_REAL_(n, unit), SLEY_WHOLE_(n, unit)), \
			      __builtin_choose_expr(SLEY_IS_REAL_(n), sley_real_((long double)(n), unit), \
						    sley_whole_((sley_wide_)(n), unit)))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Gets the time. Returns CLOCK_MONOTONIC in nanoseconds. Callable from any thread and from signal handlers, also
 * outside of sley_run().
 */
SLEY_API sley_time sley_now(void);

/*
 * Gets the time `duration` ns from now, saturated at SLEY_NEVER: a deadline for the calls that wait. Returns it.
 * Callable as sley_now().
 */
SLEY_API sley_time sley_in(sley_time duration);

/* The place of a spawn in the source. Static, filled in by the macros below. `id` belongs to the runtime. */
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
