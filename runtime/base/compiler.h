/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Shorthands for features of the compiler and the processor. */
#ifndef BASE_COMPILER_H
#define BASE_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#define CACHE_LINE 64

#define likely(x)          __builtin_expect(!!(x), 1)
#define unlikely(x)        __builtin_expect(!!(x), 0)
#define NOINLINE           __attribute__((noinline))
#define ALWAYS_INLINE      inline __attribute__((always_inline))
#define NORETURN           __attribute__((noreturn))
#define HIDDEN             __attribute__((visibility("hidden"))) /* data: addressed directly in the shared library too */
#define PRINTF(text, args) __attribute__((format(printf, text, args)))
#define CACHE_ALIGNED      __attribute__((aligned(CACHE_LINE)))

#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))
#define ARRAY_SIZE(a)                       (sizeof(a) / sizeof((a)[0]))
#define ROUND_UP(n, to)                     (((n) + (to)-1) / (to) * (to))
#define MIN(a, b)                           ((a) < (b) ? (a) : (b))
#define MAX(a, b)                           ((a) > (b) ? (a) : (b))

/* The compiler keeps no value of memory in a register across this. */
#define COMPILER_BARRIER() __asm__ volatile("" ::: "memory")

#if defined(__SANITIZE_ADDRESS__)
#define SLEY_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLEY_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define SLEY_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SLEY_TSAN 1
#endif
#endif

static inline void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
