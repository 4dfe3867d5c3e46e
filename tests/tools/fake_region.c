/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "fake_region.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/test.h"

#define PAGE 4096u

static struct sley_region_table place(size_t *end, size_t stride, size_t capacity)
{
	struct sley_region_table t = { .offset = *end, .stride = (uint32_t)stride, .capacity = (uint32_t)capacity };
	*end = (*end + stride * capacity + PAGE - 1) / PAGE * PAGE;
	return t;
}

static void *map(int fd, size_t size)
{
	void *at;
	REQUIRE(ftruncate(fd, (off_t)size) == 0);
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	REQUIRE(at != MAP_FAILED);
	return at;
}

static int memfd(const char *name)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	REQUIRE(fd >= 0);
	return fd;
}

static void make_header(struct fake *f, const struct sley_region_header *plan)
{
	*f->header = *plan;
	f->header->magic = SLEY_REGION_MAGIC;
	f->header->version = SLEY_REGION_VERSION;
	f->header->header_size = sizeof(*f->header);
	f->header->size = f->size;
	f->header->address = (uintptr_t)f->header;
	f->header->created_ns = test_now();
	f->header->pid = getpid();
	f->header->clock = CLOCK_MONOTONIC;
	f->header->counter_count = SLEY_COUNTER_COUNT;
	strcpy(f->header->name, "fake");
	f->header->phase = SLEY_PHASE_RUNNING;
	f->header->worker_count = FAKE_WORKERS;
	f->header->site_count = FAKE_SITES;
	f->header->task_high = FAKE_LIVE;
}

static void lay_out(struct fake *f, uint32_t task_capacity)
{
	struct sley_region_header plan = { 0 };
	char *base;
	f->size = PAGE;
	plan.workers = place(&f->size, sizeof(*f->workers), SLEY_REGION_WORKERS);
	plan.blocks = place(&f->size, sizeof(*f->blocks), SLEY_REGION_WORKERS);
	plan.counters = place(&f->size, SLEY_COUNTER_COUNT * sizeof(uint64_t), SLEY_REGION_WORKERS + 1);
	plan.live = place(&f->size, sizeof(uint64_t), (task_capacity + 63) / 64);
	plan.sites = place(&f->size, sizeof(*f->sites), SLEY_REGION_SITES);
	plan.site_blocks = place(&f->size, sizeof(*f->site_blocks), SLEY_REGION_SITES);
	plan.tasks = place(&f->size, sizeof(*f->tasks), task_capacity);
	f->fd = memfd(SLEY_REGION_NAME);
	f->header = map(f->fd, f->size);
	base = (char *)f->header;
	f->workers = (void *)(base + plan.workers.offset);
	f->blocks = (void *)(base + plan.blocks.offset);
	f->counters = (void *)(base + plan.counters.offset);
	f->live = (void *)(base + plan.live.offset);
	f->sites = (void *)(base + plan.sites.offset);
	f->site_blocks = (void *)(base + plan.site_blocks.offset);
	f->tasks = (void *)(base + plan.tasks.offset);
	make_header(f, &plan);
}

uint64_t fake_id(uint32_t index)
{
	return 1ULL << SLEY_TASK_INDEX_BITS | (index + 1);
}

static void make_tasks(struct fake *f)
{
	const struct sley_region_task tasks[FAKE_LIVE] = {
		{ .state = SLEY_TASK_RUNNING, .worker = 0, .site = 1, .name = "main" },
		{ .state = SLEY_TASK_WAITING,
		  .wait_kind = SLEY_WAIT_READ,
		  .wait_object = 7,
		  .worker = 1,
		  .site = 2,
		  .wait_pc = 0x1000,
		  .name = "reader",
		  .since_ns = test_now() },
		{ .state = SLEY_TASK_WAITING,
		  .wait_kind = SLEY_WAIT_SLEEP,
		  .site = 2,
		  .wait_pc = 0x2000,
		  .wait_object = (uint64_t)test_now() + 3600000000000ULL,
		  .live16 = 40,
		  .parent_deepest = 3u << SLEY_TASK_INDEX_BITS | 2 },
		{ .state = SLEY_TASK_WAITING,
		  .wait_kind = SLEY_WAIT_JOIN,
		  .wait_object = fake_id(1),
		  .site = 2,
		  .wait_pc = 0x3000,
		  .name = "joiner" },
		{ .state = SLEY_TASK_READY, .worker = 1, .site = 2, .name = "ready" },
	};
	for (uint32_t i = 0; i < FAKE_LIVE; i++) {
		f->tasks[i] = tasks[i];
		f->tasks[i].id = fake_id(i);
	}
	f->live[0] = (1u << FAKE_LIVE) - 1;
}

static void make_rest(struct fake *f)
{
	f->workers[0] = (struct sley_region_worker){ .tid = (uint32_t)getpid(),
						     .mode = SLEY_WORKER_TASK,
						     .task = fake_id(0),
						     .site = 1,
						     .queue = 3,
						     .dispatches = 1000 };
	f->workers[1] = (struct sley_region_worker){ .tid = (uint32_t)getpid(), .mode = SLEY_WORKER_IDLE, .index = 1 };
	f->counters[SLEY_COUNTER_spawned] = 1;                      /* the row of other threads */
	f->counters[SLEY_COUNTER_COUNT + SLEY_COUNTER_spawned] = 4; /* worker 0 */
	f->sites[1] =
		(struct sley_region_site){ .line = 10, .file = "src/app.c", .function = "main", .entry = "serve" };
	f->sites[2] = (struct sley_region_site){
		.line = 20, .file = "src/app.c", .function = "serve", .entry = "work", .live16 = 100, .deepest = 300
	};
	f->control_fd = memfd(SLEY_CONTROL_NAME);
	f->control = map(f->control_fd, PAGE);
	f->control->magic = SLEY_CONTROL_MAGIC;
	f->control->version = SLEY_REGION_VERSION;
}

void fake_make(struct fake *f, uint32_t task_capacity)
{
	*f = (struct fake){ 0 };
	lay_out(f, task_capacity);
	make_tasks(f);
	make_rest(f);
}

/* The runtime's side of a lease, as far as a test can see it. */
static void serve_lease(struct fake *f)
{
	f->header->level = f->control->lease_ns > test_now() ? f->control->level : SLEY_LEVEL_STATES;
}

__attribute__((noreturn)) static void live(const struct fake_options *o, int ready)
{
	struct fake f;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (o->nobody) {
		test_become_nobody();
		prctl(PR_SET_DUMPABLE, 1);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	}
	fake_make(&f, o->task_capacity ? o->task_capacity : FAKE_TASKS);
	if (o->lie != NULL)
		o->lie(&f);
	if (!f.unsealed)
		REQUIRE(fcntl(f.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0);
	REQUIRE(write(ready, "r", 1) == 1);
	close(ready);
	for (;;) {
		if (o->each != NULL) {
			o->each(&f);
			continue;
		}
		if (!f.unsealed && f.header->magic == SLEY_REGION_MAGIC)
			serve_lease(&f);
		nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
	}
}

pid_t fake_start(const struct fake_options *o)
{
	int ready[2];
	char byte;
	pid_t pid;
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ready[0]);
		live(o, ready[1]);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

void fake_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
