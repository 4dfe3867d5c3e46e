/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Arenas: address space that is taken into use step by step. */
#include "base/arena.h"

#include "tests/test.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"

static size_t resident(struct arena *arena)
{
	static unsigned char pages[(64u << 20) / 4096];
	size_t n = 0;
	assert_int_equal(mincore(arena->base, arena->reserved, pages), 0);
	for (size_t i = 0; i < arena->reserved / PAGE; i++)
		n += pages[i] & 1;
	return n * PAGE;
}

/* What was grown is zero, writable, populated ahead and where it was; the rest costs nothing. */
TEST(grow)
{
	struct arena arena;
	test_need_kernel("qemu-user drops MADV_POPULATE_WRITE");
	assert_int_equal(arena_reserve(&arena, 64u << 20), 0);
	assert_int_equal(arena.populated, 0);
	assert_int_equal(resident(&arena), 0);
	char *base = arena.base;
	size_t before = 0;
	for (size_t size = 1; size < 20u << 20; size = size * 3 + 1000) {
		assert_int_equal(arena_grow(&arena, size), 0);
		assert_ptr_equal(arena.base, base);
		assert_true(arena.populated >= size && arena.populated <= size + (2u << 20));
		assert_true(resident(&arena) >= arena.populated);
		for (size_t i = before; i < size; i++)
			assert_int_equal(base[i], 0);
		memset(base + before, 0x5a, size - before);
		before = size;
	}
	for (size_t i = 0; i < before; i++)
		assert_int_equal(base[i], 0x5a);
	assert_int_equal(arena_grow(&arena, 1), 0); /* less than there is: nothing */
	arena_free(&arena);
	assert_null(arena.base);
	arena_free(&arena); /* twice does no harm */
}

/* Small at first: 64 KiB steps, so that a small service stays small. */
TEST(steps)
{
	struct arena arena;
	assert_int_equal(arena_reserve(&arena, 64u << 20), 0);
	assert_int_equal(arena_grow(&arena, 1), 0);
	assert_int_equal(arena.populated, 64u << 10);
	assert_int_equal(arena_grow(&arena, (64u << 10) + 1), 0);
	assert_int_equal(arena.populated, 128u << 10);
	assert_int_equal(arena_grow(&arena, 3u << 20), 0);
	assert_int_equal(arena.populated, 4u << 20);
	arena_free(&arena);
}

/* Beyond what was reserved: -ENOMEM, and the rest is as it was. So for more address space than there is. */
TEST(limits)
{
	struct arena arena, none;
	assert_int_equal(arena_reserve(&arena, 5u << 20), 0);
	assert_true(arena.reserved >= 5u << 20);
	assert_int_equal((uintptr_t)arena.base % (2u << 20), 0);
	errno = 77;
	assert_int_equal(arena_grow(&arena, arena.reserved + 1), -ENOMEM);
	assert_int_equal(arena_grow(&arena, arena.reserved), 0);
	arena.base[arena.reserved - 1] = 1;
	assert_int_equal(arena_reserve(&none, (size_t)1 << 60), -ENOMEM);
	assert_int_equal(errno, 77);
	arena_free(&arena);
}

#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN)
/* No memory to grow: -ENOMEM, what was there stays usable, and with memory it grows. */
TEST(no_memory)
{
	struct arena arena;
	struct rlimit old, low;
	test_need_kernel("qemu-user does not keep RLIMIT_DATA");
	assert_int_equal(arena_reserve(&arena, 64u << 20), 0);
	assert_int_equal(arena_grow(&arena, 1000), 0);
	assert_int_equal(getrlimit(RLIMIT_DATA, &old), 0);
	low = old;
	low.rlim_cur = 4096;
	assert_int_equal(setrlimit(RLIMIT_DATA, &low), 0);
	int error = arena_grow(&arena, 10u << 20);
	assert_int_equal(setrlimit(RLIMIT_DATA, &old), 0);
	assert_int_equal(error, -ENOMEM);
	arena.base[999] = 1;
	assert_int_equal(arena_grow(&arena, 10u << 20), 0);
	arena.base[(10u << 20) - 1] = 1;
	arena_free(&arena);
}
#endif

/* Populating touches every page of a mapping, and says so if it cannot. */
TEST(populate)
{
	char *map = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char pages[16];
	test_need_kernel("qemu-user drops MADV_POPULATE_WRITE");
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_int_equal(memory_populate(map, 16 * PAGE), 0);
	assert_int_equal(mincore(map, 16 * PAGE, pages), 0);
	for (int i = 0; i < 16; i++)
		assert_true(pages[i] & 1);
	munmap(map, 16 * PAGE);
	assert_int_equal(memory_populate(map, 16 * PAGE), -ENOMEM);
}

#if !defined(SLEY_ASAN) && !defined(SLEY_TSAN)
static struct {
	size_t longest;            /* piece that was populated at once */
	unsigned calls, untouched; /* with nothing of a huge page there yet */
} populated;

/* libc's, in its place: a call that populates holds up all other threads. */
int madvise(void *start, size_t size, int advice)
{
	unsigned char page;
	if (advice == MADV_POPULATE_WRITE) {
		populated.calls++;
		populated.longest = MAX(populated.longest, size);
		if ((uintptr_t)start % (2u << 20) == 0)
			populated.untouched += mincore(start, 1, &page) == 0 && !(page & 1);
	}
	return (int)syscall(SYS_madvise, start, size, advice);
}

/* Others do not wait until much is populated, nor for a huge page. */
TEST(pieces)
{
	struct arena arena;
	size_t size = 16u << 20;
	char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	test_need_kernel("qemu-user drops MADV_POPULATE_WRITE");
	assert_ptr_not_equal(map, MAP_FAILED);
	memset(&populated, 0, sizeof(populated));
	assert_int_equal(memory_populate(map, size), 0);
	assert_in_range(populated.longest, PAGE, 256u << 10);
	assert_int_equal(arena_reserve(&arena, size), 0);
	memset(&populated, 0, sizeof(populated));
	assert_int_equal(arena_grow(&arena, size), 0);
	assert_in_range(populated.longest, PAGE, 256u << 10);
	assert_int_equal(populated.untouched, 0);
	arena_free(&arena);
	munmap(map, size);
}
#endif
