/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Making the two memfds. The order makes the region safe to share: size, map, fill in the constant part of the header,
 * seal, and only then store the magic. After F_SEAL_FUTURE_WRITE no process can get a second writable mapping, not even
 * through /proc/PID/fd. The first mapping is ours and stays writable.
 *
 * If no memfd can be made, the same memory is private to the process: everything works except for other processes' view
 * of it.
 */
#include "region/region.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/descriptor.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

struct region region;

__thread uint32_t region_worker_word; /* initial-exec model, as this_worker: the same offset in all threads */

static struct sley_control *control;

static struct sley_region_table table_place(uint64_t *end, size_t stride, size_t capacity)
{
	struct sley_region_table table = { .offset = *end, .stride = (uint32_t)stride, .capacity = (uint32_t)capacity };
	*end = ROUND_UP(*end + stride * capacity, PAGE);
	return table;
}

static void lay_out(struct sley_region_header *header, uint32_t max_tasks)
{
	uint64_t end = PAGE;
	header->version = SLEY_REGION_VERSION;
	header->header_size = sizeof(*header);
	header->clock = CLOCK_MONOTONIC;
	header->worker_word = (char *)&region_worker_word - (char *)__builtin_thread_pointer();
	header->counter_count = SLEY_COUNTER_COUNT;
	header->workers = table_place(&end, sizeof(struct sley_region_worker), SLEY_REGION_WORKERS);
	header->blocks = table_place(&end, sizeof(struct sley_region_block), SLEY_REGION_WORKERS);
	header->counters = table_place(&end, COUNTER_STRIDE, SLEY_REGION_WORKERS + 1);
	header->live = table_place(&end, sizeof(uint64_t), ROUND_UP(max_tasks, 64) / 64);
	header->sites = table_place(&end, sizeof(struct sley_region_site), SLEY_REGION_SITES);
	header->site_blocks = table_place(&end, sizeof(struct sley_region_site_blocks), SLEY_REGION_SITES);
	header->tasks = table_place(&end, sizeof(struct sley_region_task), max_tasks);
	header->size = end;
}

/* The file size limit applies to a memfd: ftruncate(2) beyond it raises SIGXFSZ. */
static bool exceeds_limit(uint64_t size)
{
	struct rlimit limit;
	return getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size;
}

int memfd_open(const char *name, uint64_t size)
{
	int fd = descriptor_lift((int)syscall(SYS_memfd_create, name, 3u /* MFD_CLOEXEC | MFD_ALLOW_SEALING */));
	if (fd < 0)
		return -errno;
	int error = exceeds_limit(size) ? EFBIG : ftruncate(fd, (off_t)size) != 0 ? errno : 0;
	if (error == 0)
		return fd;
	close(fd);
	return -error;
}

void memfd_seal(int fd)
{
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
}

/* A memfd of `size` bytes, mapped; 0 or a negative errno value. The mapping does not go into forked children. */
static int memfd_map(const char *name, uint64_t size, int *fd, void **address)
{
	*fd = memfd_open(name, size);
	if (*fd < 0)
		return *fd;
	*address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, *fd, 0);
	if (*address == MAP_FAILED) {
		int error = -errno;
		close(*fd);
		return error;
	}
	madvise(*address, size, MADV_DONTFORK);
	return 0;
}

/* Maps a memfd like memfd_map(), or private memory with *fd == -1. */
static int memory_map(const char *name, uint64_t size, int *fd, void **address)
{
	static bool told;
	int error = memfd_map(name, size, fd, address);
	if (error == 0)
		return 0;
	*fd = -1;
	*address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (*address == MAP_FAILED)
		return -ENOMEM;
	madvise(*address, size, MADV_DONTFORK);
	if (!told)
		complain("asynctop cannot see this process, because a memfd of %llu bytes could not be made: %s. Allow "
			 "memfd_create(2), and files of that size (ulimit -f)",
			 (unsigned long long)size, strerror(-error));
	told = true;
	return 0;
}

static int control_open(void)
{
	int fd;
	void *address;
	int error = memory_map(SLEY_CONTROL_NAME, SLEY_CONTROL_SIZE, &fd, &address);
	if (error)
		return error;
	fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	control = address;
	control->version = SLEY_REGION_VERSION;
	store(&control->magic, SLEY_CONTROL_MAGIC, release);
	return 0; /* the descriptor stays open: readers find the memfd through it */
}

static void publish(struct sley_region_header *header, int fd)
{
	char *base = (char *)header;
	header->address = (uint64_t)(uintptr_t)base;
	header->created_ns = clock_now();
	header->pid = (int32_t)getpid();
	header->site_count = 1;
	region = (struct region){
		.header = header,
		.workers = (void *)(base + header->workers.offset),
		.blocks = (void *)(base + header->blocks.offset),
		.counters = (void *)(base + header->counters.offset),
		.live = (void *)(base + header->live.offset),
		.sites = (void *)(base + header->sites.offset),
		.site_blocks = (void *)(base + header->site_blocks.offset),
		.tasks = (void *)(base + header->tasks.offset),
		.control = control,
		.max_tasks = header->tasks.capacity,
		.shared = fd >= 0,
	};
	snprintf(region.sites[0].file, sizeof(region.sites[0].file), "(more than %d spawn sites)", SLEY_REGION_SITES);
	memfd_seal(fd);
	store(&header->magic, SLEY_REGION_MAGIC, release); /* last: a reader that sees the magic sees the rest */
}

int region_open(uint32_t max_tasks)
{
	if (region.header)
		return 0;
	int saved = errno;
	struct sley_region_header plan = { 0 };
	lay_out(&plan, max_tasks);
	int error = control ? 0 : control_open();
	if (error == 0) {
		int fd;
		void *address;
		error = memory_map(SLEY_REGION_NAME, plan.size, &fd, &address);
		if (error == 0) {
			*(struct sley_region_header *)address = plan;
			publish(address, fd);
			memory_dump(region.tasks, plan.size - plan.tasks.offset,
				    false); /* excluded until populated: see task/task.c */
		}
	}
	errno = saved;
	return error;
}

void region_begin(const char *name, uintptr_t stacks_begin, uintptr_t stacks_end, size_t stack_size, unsigned slots)
{
	struct sley_region_header *header = region.header;
	snprintf(header->name, sizeof(header->name), "%s", name);
	header->stacks_begin = stacks_begin;
	header->stacks_end = stacks_end;
	header->stack_size = stack_size;
	header->slots = slots;
	store(&header->sources, 1u << SLEY_SOURCE_TOLD, relaxed);
	store(&header->phase, SLEY_PHASE_RUNNING, release);
}

void region_end(void)
{
	store(&region.header->phase, SLEY_PHASE_NONE, release);
	store(&region.header->sources, 0, relaxed);
	store(&region.level, SLEY_LEVEL_STATES, relaxed);
	store(&region.header->level, SLEY_LEVEL_STATES, relaxed);
}

void region_source(enum sley_block_source source, bool on)
{
	uint32_t bit = 1u << source;
	if (on)
		fetch_or(&region.header->sources, bit, relaxed);
	else
		fetch_and(&region.header->sources, ~bit, relaxed);
}

void region_control(int64_t now)
{
	/* foreign input: each word is loaded once, and clamped */
	int64_t lease = load(&control->lease_ns, relaxed);
	unsigned level = load(&control->level, relaxed);
	if (lease <= now || lease - now > SLEY_LEASE_MAX_NS)
		level = SLEY_LEVEL_STATES;
	level = MIN(level, (unsigned)SLEY_LEVEL_TIMES);
	if (level != load(&region.level, relaxed)) {
		store(&region.level, level, relaxed);
		store(&region.header->level, level, relaxed);
	}
}
