/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The introspection region as another process finds it: its seals, its layout, the control word, and what adds up in it. */
#include "region/region.h"

#include "tests/unit/run.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* The descriptor of one of this process's memfds, by its name in /proc; asserts that there is exactly one. */
static int find_memfd(const char *name)
{
	char path[300], target[300], expected[64];
	DIR *directory = opendir("/proc/self/fd");
	int found = -1;
	REQUIRE(directory != NULL);
	snprintf(expected, sizeof(expected), "/memfd:%s (deleted)", name);
	for (struct dirent *entry; (entry = readdir(directory));) {
		snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		if (strcmp(target, expected) == 0) {
			REQUIRE(found < 0);
			found = atoi(entry->d_name);
		}
	}
	closedir(directory);
	REQUIRE(found >= 0);
	return found;
}

static int main_nothing(void *arg)
{
	return 0;
}

/* Opens it as a tool does, by /proc; -1 with errno. */
static int reopen(pid_t pid, int fd, int flags)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	return open(path, flags | O_CLOEXEC);
}

/* What a foreign process of the same user can do to the region; 0: nothing that it must not. */
static int attack(pid_t owner, int fd)
{
	struct sley_region_header header;
	int writable = reopen(owner, fd, O_RDWR), readable = reopen(owner, fd, O_RDONLY);
	if (writable < 0 || readable < 0)
		return 1;
	if (pread(readable, &header, sizeof(header), 0) != sizeof(header) || header.magic != SLEY_REGION_MAGIC)
		return 2;
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, writable, 0) != MAP_FAILED)
		return 3;
	if (ftruncate(writable, 4096) == 0 || ftruncate(writable, (off_t)header.size * 2) == 0)
		return 4;
	if (fallocate(writable, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == 0)
		return 5;
	if (pwrite(writable, "x", 1, 0) == 1)
		return 6;
	if (fcntl(writable, F_ADD_SEALS, F_SEAL_WRITE) == 0)
		return 7;
	char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, readable, 0);
	if (map == MAP_FAILED || memcmp(map, &header, sizeof(header.magic)) != 0)
		return 8;
	if (mprotect(map, 4096, PROT_READ | PROT_WRITE) == 0 || madvise(map, 4096, MADV_REMOVE) == 0)
		return 9;
	return 0;
}

/* Another process can read the region, but not map it writable, write, truncate, punch holes into it or seal it further. */
TEST(seals)
{
	int status;
	run(main_nothing, 1);
	test_need_kernel("qemu-user drops MADV_REMOVE");
	pid_t owner = getpid();
	int fd = find_memfd(SLEY_REGION_NAME);
	int expected = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | 0x10 /* F_SEAL_FUTURE_WRITE */;
	assert_int_equal(fcntl(fd, F_GET_SEALS) & expected, expected);
	pid_t child = fork();
	if (child == 0)
		_exit(attack(owner, fd));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	int control = find_memfd(SLEY_CONTROL_NAME);
	assert_int_equal(ftruncate(control, 0), -1);
	assert_int_equal(ftruncate(control, 8192), -1);
}

/* A table lies within the region, behind the one before it, with room for its records. */
static uint64_t check_table(const struct sley_region_table *table, uint64_t end, size_t record, uint64_t size)
{
	assert_true(table->offset >= end && table->offset % 4096 == 0);
	assert_true(table->stride >= record && table->stride % 8 == 0);
	end = table->offset + (uint64_t)table->stride * table->capacity;
	assert_true(end <= size);
	return end;
}

/* The header is complete and its tables do not overlap; a second run keeps it, with a new name. */
TEST(layout)
{
	struct sley_region_header header;
	struct sley_options options = { .size = sizeof(options),
					.name = "a name that is longer than 31 bytes",
					.workers = 2 };
	int fd = find_memfd(SLEY_REGION_NAME);
	run_with(main_nothing, NULL, &options);
	assert_int_equal(fd, find_memfd(SLEY_REGION_NAME));
	assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(header.magic, SLEY_REGION_MAGIC);
	assert_int_equal(header.version, SLEY_REGION_VERSION);
	assert_int_equal(header.header_size, sizeof(header));
	assert_int_equal(header.size, lseek(fd, 0, SEEK_END));
	assert_int_equal(header.pid, getpid());
	assert_int_equal(header.clock, CLOCK_MONOTONIC);
	assert_int_equal(header.counter_count, SLEY_COUNTER_COUNT);
	assert_int_equal(header.phase, SLEY_PHASE_NONE);
	assert_true(header.created_ns > 0 && header.created_ns <= sley_now());
	assert_string_equal(header.name, "a name that is longer than 31 b");
	uint64_t end = check_table(&header.workers, sizeof(header), 64, header.size);
	assert_int_equal(header.workers.capacity, SLEY_REGION_WORKERS);
	end = check_table(&header.blocks, end, 192, header.size);
	assert_int_equal(header.blocks.capacity, SLEY_REGION_WORKERS);
	end = check_table(&header.counters, end, SLEY_COUNTER_COUNT * 8, header.size);
	assert_int_equal(header.counters.capacity, SLEY_REGION_WORKERS + 1);
	end = check_table(&header.live, end, 8, header.size);
	end = check_table(&header.sites, end, 256, header.size);
	end = check_table(&header.site_blocks, end, 32, header.size);
	assert_int_equal(header.site_blocks.capacity, header.sites.capacity);
	end = check_table(&header.tasks, end, 64, header.size);
	assert_true(header.live.capacity * 64ull >= header.tasks.capacity);
}

#ifdef SLEY_ASAN
#define SLOTS 16384 /* none is shared, and none is for blocking tasks alone */
#else
#define SLOTS (4096 + 1024) /* 1024: for blocking tasks alone */
#endif

static int main_phase(void *arg)
{
	struct sley_region_header *header = region.header;
	bool seen = false;
	REQUIRE(load(&header->phase, relaxed) == SLEY_PHASE_RUNNING);
	REQUIRE(header->worker_count >= 2 && header->stack_size == 256 << 10 && header->slots == SLOTS);
	REQUIRE(header->stacks_end > header->stacks_begin);
	for (unsigned i = 0; i < header->worker_count; i++) {
		struct sley_region_worker *line = &region.workers[i];
		if (load(&line->task, relaxed) != (uint64_t)sley_self())
			continue;
		seen = true;
		REQUIRE(line->tid == (uint32_t)gettid() && line->mode == SLEY_WORKER_TASK && line->index == i);
		REQUIRE(line->thread == (uint64_t)(uintptr_t)__builtin_thread_pointer());
		REQUIRE(line->stack_top > (uintptr_t)&seen && line->stack_top - (uintptr_t)&seen < 256 << 10);
		REQUIRE(line->dispatches > 0);
	}
	REQUIRE(seen);
	return 0;
}

/* During a run the worker's line says which task runs where on which thread; afterwards all workers are gone. */
TEST(workers)
{
	for (int i = 0; i < 5; i++)
		run(main_phase, 2);
	for (unsigned i = 0; i < load(&region.header->worker_count, acquire); i++) {
		assert_int_equal(region.workers[i].mode, SLEY_WORKER_GONE);
		assert_int_equal(region.workers[i].task, 0);
		assert_int_equal(region.workers[i].thread, 0);
	}
}

/* ---- entries ---- */

static uint64_t word_of(uint64_t entry, uint16_t offset)
{
	return *(const uint64_t *)(uintptr_t)(entry + offset);
}

static void sleep_long(void *arg)
{
	(void)arg;
	sley_sleep(sley_in(SLEY_SEC(1000)));
}

static void await_wait(sley_task task)
{
	sley_time deadline = SOON;
	while (load(&region.tasks[(task & SLEY_TASK_INDEX_MASK) - 1].state, relaxed) != SLEY_TASK_WAITING) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

static int main_entries(void *arg)
{
	const struct sley_region_entries *e = &region.header->entries;
	sley_task task = sley_spawn(sleep_long, NULL);
	uint64_t entry = e->address + (uint64_t)((task & SLEY_TASK_INDEX_MASK) - 1) * e->stride, sp, wait;
	(void)arg;
	await_wait(task);
	sp = word_of(entry, e->sp);
	wait = word_of(entry, e->wait);
	REQUIRE(word_of(entry, e->id) == (uint64_t)task);
	REQUIRE(sp > region.header->stacks_begin && sp < region.header->stacks_end);
	REQUIRE(word_of(entry, e->image) == 0); /* nobody else has wanted its stack */
	sley_cancel(task);
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	REQUIRE(word_of(entry, e->wait) != wait);
	return 0;
}

/* A reader finds a parked task's stack pointer, and that its wait is over, by the published offsets. */
TEST(entries)
{
	run(main_entries, 2);
	assert_int_equal(region.header->entries.address, 0);
}

/* ---- the control word ---- */

static void await_level(unsigned level)
{
	sley_time deadline = SOON;
	while (load(&region.header->level, relaxed) != level) {
		REQUIRE(sley_now() < deadline);
		REQUIRE(sley_sleep(sley_in(SLEY_MS(1))) == 0);
	}
}

static void ask(struct sley_control *control, unsigned level, sley_time lease)
{
	store(&control->level, level, relaxed);
	store(&control->lease_ns, lease, relaxed);
}

static void yield_some(void *arg)
{
	for (int i = 0; i < 100; i++)
		sley_yield();
}

/* A level is in force under a lease and no longer; what is asked for is clamped; times and site totals are kept then. */
TASK_TEST(control, 1)
{
	int fd = reopen(getpid(), find_memfd(SLEY_CONTROL_NAME), O_RDWR);
	struct sley_control *control = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(fd >= 0 && control != MAP_FAILED);
	REQUIRE(control->magic == SLEY_CONTROL_MAGIC && control->version == SLEY_REGION_VERSION);
	REQUIRE(load(&region.header->level, relaxed) == SLEY_LEVEL_STATES);
	REQUIRE(record_of(sley_self())->since_ns == 0);
	/* no lease, one that is over, one too far in the future: nothing */
	ask(control, SLEY_LEVEL_TIMES, 0);
	REQUIRE(sley_sleep(sley_in(SLEY_MS(300))) == 0); /* more than one look of an idle monitor */
	REQUIRE(load(&region.header->level, relaxed) == SLEY_LEVEL_STATES);
	ask(control, SLEY_LEVEL_TIMES, sley_in(SLEY_LEASE_MAX_NS + SLEY_SEC(100)));
	REQUIRE(sley_sleep(sley_in(SLEY_MS(300))) == 0);
	REQUIRE(load(&region.header->level, relaxed) <= SLEY_LEVEL_TIMES);
	ask(control, SLEY_LEVEL_STATES, 0);
	await_level(SLEY_LEVEL_STATES);
	/* a lease: the level rises, times and totals are kept */
	sley_time end = sley_in(SLEY_MS(700));
	ask(control, 12345, end); /* clamped to the highest that there is */
	await_level(SLEY_LEVEL_TIMES);
	REQUIRE(sley_now() < end);
	sley_time before = sley_now();
	sley_task task = sley_spawn(yield_some, NULL);
	const struct sley_region_site *site = &region.sites[record_of(task)->site];
	REQUIRE(sley_join(task, SLEY_NEVER) == 0);
	if (load(&region.header->level, relaxed) ==
	    SLEY_LEVEL_TIMES) { /* else this machine was too slow for the lease */
		REQUIRE(record_of(sley_self())->since_ns >= before && record_of(sley_self())->since_ns <= sley_now());
		REQUIRE(site->spawned == 1 && site->yields == 100 && site->waits == 0);
	}
	/* it falls by itself when the lease is over, not before */
	await_level(SLEY_LEVEL_STATES);
	REQUIRE(sley_now() >= end);
	munmap(control, 4096);
	close(fd);
}

/* ---- what adds up ---- */

static void sleep_once(void *arg)
{
	REQUIRE(sley_sleep(sley_in(SLEY_US(200))) == 0);
}

static int main_sums(void *arg)
{
	enum { TASKS = 300 };
	sley_task tasks[TASKS];
	uint64_t spawned = counter(SLEY_COUNTER_spawned), ended = counter(SLEY_COUNTER_ended);
	uint64_t yields = counter(SLEY_COUNTER_yields);
	REQUIRE(spawned - ended == 1 && live_tasks() == 1);
	for (int i = 0; i < TASKS; i++) {
		tasks[i] = sley_spawn_at(SLEY_SITE("either"), NULL, i % 2 ? yield_some : sleep_once, NULL,
					 SLEY_BY_POINTER);
		REQUIRE(live_tasks() == (unsigned)i + 2);
	}
	for (int i = 0; i < TASKS; i++) {
		REQUIRE(sley_join(tasks[i], SLEY_NEVER) == 0);
		REQUIRE(live_tasks() == (unsigned)(TASKS - i));
	}
	REQUIRE(counter(SLEY_COUNTER_spawned) == spawned + TASKS);
	REQUIRE(counter(SLEY_COUNTER_ended) == ended + TASKS);
	REQUIRE(counter(SLEY_COUNTER_yields) >= yields + TASKS / 2 * 100);
	REQUIRE(counter(SLEY_COUNTER_timers) > 0);
	REQUIRE(region.header->task_high > TASKS);
	return 0;
}

/* The live bitmap has a bit for each living task, and the counters of what began and ended add up over the workers. */
TEST(sums)
{
	/* abandoned ones of earlier runs would count as begun and not as ended: there are none in this program */
	run(main_sums, 1);
	run(main_sums, 3);
	assert_int_equal(live_tasks(), 0);
}
