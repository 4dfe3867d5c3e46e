/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The sanitizers of the process. A sanitizer comes with the program: the program may be built with -fsanitize=address
 * although this library is not. So every build of the library informs the sanitizers. The references are weak, and null
 * without a sanitizer. A sanitizer's functions are visible to all, so they are found by the linker for libsley.a, and
 * by the loader for libsley.so and for libraries that are loaded later.
 *
 * None of these functions is called during a context switch: see worker_run().
 */
#ifndef BASE_SANITIZER_H
#define BASE_SANITIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#define SANITIZER_WEAK __attribute__((weak))

/* AddressSanitizer: sanitizer/common_interface_defs.h, asan_interface.h */
void __sanitizer_start_switch_fiber(void **fake, const void *bottom, size_t size) SANITIZER_WEAK;
void __sanitizer_finish_switch_fiber(void *fake, const void **bottom, size_t *size) SANITIZER_WEAK;
void __asan_unpoison_memory_region(const volatile void *start, size_t size) SANITIZER_WEAK;
/* Returns the first byte that must not be used, or null. The other two check an access, and report a bad one. */
void *__asan_region_is_poisoned(void *start, size_t size) SANITIZER_WEAK;
void __asan_loadN_noabort(void *start, ptrdiff_t size) SANITIZER_WEAK;
void __asan_storeN_noabort(void *start, ptrdiff_t size) SANITIZER_WEAK;
/* LeakSanitizer, which AddressSanitizer contains: lsan_interface.h */
void __lsan_register_root_region(const void *start, size_t size) SANITIZER_WEAK;
void __lsan_unregister_root_region(const void *start, size_t size) SANITIZER_WEAK;
/* ThreadSanitizer: tsan_interface.h */
void __tsan_switch_to_fiber(void *fiber, unsigned flags) SANITIZER_WEAK;

/*
 * Whether the sanitizer keeps state for each stack outside of the stack's bytes: red zones in a shadow, frames on a
 * fake stack. If so, two tasks must not share a stack, and the sanitizer is informed of every switch.
 */
static inline bool sanitizer_knows_stacks(void)
{
	return __sanitizer_start_switch_fiber != NULL;
}

static inline bool sanitizer_finds_races(void)
{
	return __tsan_switch_to_fiber != NULL;
}

/* A stack whose frames never returned may hold red zones of these frames. This clears them. */
static inline void sanitizer_unpoison(const void *start, size_t size)
{
	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region(start, size);
}

/*
 * Informs AddressSanitizer that a system call has written, or read, the first n bytes of the service's buffers: it
 * reports a buffer that is too small, or was freed. AddressSanitizer does not see the runtime's own system calls. Only
 * the bytes transferred count, not the bytes requested, as for the calls that AddressSanitizer intercepts. If n <= 0,
 * no bytes were transferred.
 */
static inline void sanitizer_transferred(const struct iovec *vector, size_t count, ptrdiff_t n, bool written)
{
	if (!__asan_region_is_poisoned)
		return;
	for (size_t left = n > 0 ? (size_t)n : 0; left > 0 && count > 0; vector++, count--) {
		size_t part = vector->iov_len < left ? vector->iov_len : left;
		char *bad = __asan_region_is_poisoned(vector->iov_base, part);
		if (bad) /* starts at the bad byte, so that the report shows the byte's kind */
			(written ? __asan_storeN_noabort : __asan_loadN_noabort)(bad,
										 (char *)vector->iov_base + part - bad);
		left -= part;
	}
}

/*
 * The leak checker looks for pointers in statics, in memory of malloc() and on the stacks of threads. If exit() is
 * called during a run, it must look in the runtime's memory too. All mapped pages of a registered range must be
 * readable.
 */
static inline bool sanitizer_finds_leaks(void)
{
	return __lsan_register_root_region != NULL;
}

static inline void sanitizer_add_root(const void *start, size_t size)
{
	if (__lsan_register_root_region && size > 0)
		__lsan_register_root_region(start, size);
}

static inline void sanitizer_drop_root(const void *start, size_t size)
{
	if (__lsan_unregister_root_region && size > 0)
		__lsan_unregister_root_region(start, size);
}

#endif
