/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The sanitizers of the process. They come with the program, which may be built with -fsanitize=address although this
 * library is not: what they must be told is told in every build. The references are weak, and null where there is no
 * sanitizer. The linker finds those of a program's sanitizer for libsley.a, and the loader for libsley.so and for what
 * is loaded later, as a sanitizer's functions are visible to all.
 *
 * None of this is asked on the way of a switch: see worker_run().
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
/* The first byte that must not be used, or null. What a compiler calls to have an access checked, and reported. */
void *__asan_region_is_poisoned(void *start, size_t size) SANITIZER_WEAK;
void __asan_loadN_noabort(void *start, ptrdiff_t size) SANITIZER_WEAK;
void __asan_storeN_noabort(void *start, ptrdiff_t size) SANITIZER_WEAK;
/* LeakSanitizer, which AddressSanitizer contains: lsan_interface.h */
void __lsan_register_root_region(const void *start, size_t size) SANITIZER_WEAK;
void __lsan_unregister_root_region(const void *start, size_t size) SANITIZER_WEAK;
/* ThreadSanitizer: tsan_interface.h */
void __tsan_switch_to_fiber(void *fiber, unsigned flags) SANITIZER_WEAK;

/*
 * Whether what is kept for each stack is not in its bytes: red zones in a shadow, frames on a fake stack. Then no two
 * tasks may share a stack, and every switch is told.
 */
static inline bool sanitizer_knows_stacks(void)
{
	return __sanitizer_start_switch_fiber != NULL;
}

static inline bool sanitizer_finds_races(void)
{
	return __tsan_switch_to_fiber != NULL;
}

/* A stack that is left for good may hold the red zones of frames that never returned. */
static inline void sanitizer_unpoison(const void *start, size_t size)
{
	if (__asan_unpoison_memory_region)
		__asan_unpoison_memory_region(start, size);
}

/*
 * The kernel has written, or read, the first n bytes of the service's buffers, in a system call that AddressSanitizer has
 * not seen: it reports one that is too small, or was freed. As for the calls that it sees, what was asked for is no
 * matter, only what was transferred. n <= 0: nothing was.
 */
static inline void sanitizer_transferred(const struct iovec *vector, size_t count, ptrdiff_t n, bool written)
{
	if (!__asan_region_is_poisoned)
		return;
	for (size_t left = n > 0 ? (size_t)n : 0; left > 0 && count > 0; vector++, count--) {
		size_t part = vector->iov_len < left ? vector->iov_len : left;
		char *bad = __asan_region_is_poisoned(vector->iov_base, part);
		if (bad) /* from there on, so that the report tells of what kind the byte is */
			(written ? __asan_storeN_noabort : __asan_loadN_noabort)(bad,
										 (char *)vector->iov_base + part - bad);
		left -= part;
	}
}

/*
 * The leak checker looks for pointers in statics, in what malloc gave and on the stacks of threads. It must look here as
 * well, when exit() is called during a run. All of it that is mapped as readable must be so.
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
