/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/bpf/fake.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/test.h"

#define PAGE 4096

void fake_open(struct fake *fake)
{
	fake->region = memfd_create("fake", MFD_CLOEXEC);
	REQUIRE(fake->region >= 0 && !ftruncate(fake->region, PAGE));
	fake->line = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fake->region, 0);
	REQUIRE(fake->line != MAP_FAILED);
	*fake->line = (struct sley_region_worker){
		.thread = (uint64_t)pthread_self(),
		.tid = gettid(),
		.mode = SLEY_WORKER_TASK,
		.task = 1,
		.site = 1,
	};
	fake->target = (struct tracer_target){
		.pidfd = syscall(SYS_pidfd_open, getpid(), 0),
		.region = fake->region,
		.address = (uint64_t)fake->line,
		.workers = { .stride = sizeof(*fake->line), .capacity = 1 },
		.worker_count = 1,
	};
	REQUIRE(fake->target.pidfd >= 0);
}

void fake_close(struct fake *fake)
{
	munmap(fake->line, PAGE);
	close(fake->target.pidfd);
	close(fake->region);
}
