/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The memory of the public records comes back, part by part: driven by hand, each in a process of its own. (Under TSan
 * no process can have so many fibers: there the entries are taken from the table without being run.)
 */
#include "task/records.h"

#include "tests/unit/run.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "region/part.h"
#include "run/global.h"
#include "run/queue.h"
#include "run/worker.h"
#include "tests/unit/refuse.h"
#include "watch/memory.h"

#define TASKS 70000 /* the last of them have records in part 1 */

static sley_task ids[2 * TASKS];

#ifndef SLEY_TSAN
static void nothing(void *arg)
{
}
#endif

/* So many at once, which end. */
static void burst(sley_task *some)
{
#ifdef SLEY_TSAN
	static struct task *entries[TASKS];
	struct task_cache *cache = &worker_self()->tasks;
	int error;

	for (unsigned i = 0; i < TASKS; i++) {
		REQUIRE((entries[i] = task_alloc(cache, &error)));
		some[i] = (sley_task)entries[i]->id;
		task_publish(entries[i], NULL, NULL);
	}
	for (unsigned i = 0; i < TASKS; i++)
		task_free(cache, entries[i]);
#else
	for (unsigned i = 0; i < TASKS; i++)
		REQUIRE((some[i] = sley_spawn(nothing, NULL)) > 0);
	for (unsigned i = 0; i < TASKS; i++)
		REQUIRE(sley_join(some[i], SLEY_NEVER) == 0);
#endif
}

/* Takes the pages of all free entries but a few away, and of their records, as the watchdog does after some time. */
static void lose_pages(void)
{
	worker_empty(worker_self());
	for (unsigned i = 0; i <= DECAY_STEPS; i++) {
		slabs_age(&task_slabs);
		slabs_trim(&task_slabs);
	}
	records_trim(&task_slabs, global_shrink);
}

/* How many pages the part's memfd has; what mincore(2) tells of a shared mapping. */
static unsigned pages_of(unsigned part)
{
	static unsigned char present[SLEY_REGION_PART_RECORDS / 64];
	unsigned n = 0;
	REQUIRE(part == 1 && mincore(&region.tasks[part_begin(1)], sizeof(present) * PAGE, present) == 0);
	for (size_t i = 0; i < sizeof(present); i++)
		n += present[i] & 1;
	return n;
}

static uint64_t word_of(unsigned part)
{
	return load(&region.header->parts[part - 1], relaxed);
}

/* Until the part has had its n-th memfd, and that is empty: the watchdog may have taken a slab when we looked. */
static void await_renewed(unsigned n)
{
	sley_time until = SOON;
	while (word_of(1) >> 32 < n || pages_of(1) > 0) {
		REQUIRE(sley_now() < until);
		lose_pages();
		sley_yield();
	}
}

/* The record as a tool reads it, by a descriptor of ours or one of its own. */
static struct sley_region_task read_record(int fd, uint32_t index)
{
	struct sley_region_task record;
	REQUIRE(pread(fd, &record, sizeof(record), (off_t)(region.header->tasks.offset + index * sizeof(record))) ==
		sizeof(record));
	return record;
}

static int reopen(int fd)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	REQUIRE(fd >= 0);
	return fd;
}

/* Whoever may map it writable, or punch a hole, could do so by such a descriptor. */
static void check_seals(int fd)
{
	int expected = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | 0x10 /* F_SEAL_FUTURE_WRITE */;
	REQUIRE((fcntl(fd, F_GET_SEALS) & expected) == expected);
	REQUIRE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static int compare(const void *a, const void *b)
{
	const sley_task *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

/* The second half of the tasks finds no id of the first. */
static void check_ids(void)
{
	for (unsigned i = 0; i < 2 * TASKS; i++)
		REQUIRE(sley_join(ids[i], SLEY_NEVER) == -ESRCH && sley_cancel(ids[i]) == -ESRCH);
	qsort(ids, 2 * TASKS, sizeof(ids[0]), compare);
	for (unsigned i = 1; i < 2 * TASKS; i++)
		REQUIRE(ids[i] != ids[i - 1]);
}

#ifndef SLEY_TSAN
/* One that lives: a tool finds it in the new memfd, and a free record in the old one, and its part stays as long. */
static void check_living(int old, uint64_t second)
{
	uint32_t high = 0;
	for (unsigned i = 0; i < TASKS; i++)
		REQUIRE((ids[i] = sley_spawn(nothing, NULL)) > 0);
	for (unsigned i = 0; i < TASKS; i++) {
		uint32_t index = (uint32_t)((uint64_t)ids[i] & SLEY_TASK_INDEX_MASK) - 1;
		if (index >= part_begin(1)) {
			struct sley_region_task record = read_record(SLEY_PART_FD(second), index);
			REQUIRE(record.id == (uint64_t)ids[i] && record.state == SLEY_TASK_READY);
			REQUIRE(read_record(old, index).id == 0);
			high = index;
		}
	}
	REQUIRE(high > 0);
	for (unsigned i = 0; i < TASKS; i++)
		if (task_find(ids[i]) != task_at(high))
			REQUIRE(sley_join(ids[i], SLEY_NEVER) == 0);
	lose_pages();
	REQUIRE(word_of(1) == second && read_record(SLEY_PART_FD(second), high).id == task_at(high)->id);
	REQUIRE(sley_join((sley_task)task_at(high)->id, SLEY_NEVER) == 0);
	await_renewed(3);
}
#endif

static int main_renewed(void *arg)
{
	REQUIRE(word_of(1) == 0);
	burst(ids);
	uint64_t first = word_of(1);
	unsigned descriptors = open_descriptors();
	REQUIRE(first >> 32 == 1 && word_of(2) == 0 && pages_of(1) > 50);
	check_seals(SLEY_PART_FD(first));
	int old = reopen(SLEY_PART_FD(first));
	await_renewed(2);
	uint64_t second = word_of(1);
	lose_pages(); /* once is enough */
	REQUIRE(word_of(1) == second && SLEY_PART_FD(second) > 2 && open_descriptors() == descriptors + 1);
	check_seals(SLEY_PART_FD(second));
	burst(ids + TASKS);
	REQUIRE(word_of(1) == second && pages_of(1) > 50);
	check_ids();
#ifndef SLEY_TSAN
	check_living(old, second);
#endif
	close(old);
	return 0;
}

/* After a run, which used the part, nothing of it stays. */
static int main_left(void *arg)
{
	burst(ids);
	REQUIRE(pages_of(1) > 50);
	return 0;
}

/* There are no more descriptors when it is to be replaced, and later there are. */
static int main_no_descriptor(void *arg)
{
	struct rlimit all, few;
	burst(ids);
	uint64_t word = word_of(1);
	REQUIRE(getrlimit(RLIMIT_NOFILE, &all) == 0);
	few = (struct rlimit){ 3, all.rlim_max };
	REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
	lose_pages();
	REQUIRE(word_of(1) == word);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &all) == 0);
	burst(ids + TASKS);
	check_ids();
	await_renewed(2);
	return 0;
}

/* There are none when it is first used: the records are in the region, and stay. */
static int main_in_region(void *arg)
{
	struct rlimit all, few;
	REQUIRE(getrlimit(RLIMIT_NOFILE, &all) == 0);
	few = (struct rlimit){ 3, all.rlim_max };
	REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
	burst(ids);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &all) == 0);
	REQUIRE(word_of(1) == 0 && pages_of(1) > 50);
	lose_pages();
	burst(ids + TASKS);
	check_ids();
	return 0;
}

/* A service has closed it, and has a file of its own there: that is left alone. */
static int main_closed(void *arg)
{
	int fd;
	burst(ids);
	fd = SLEY_PART_FD(word_of(1));
	int own = open("/dev/null", O_RDONLY | O_CLOEXEC);
	REQUIRE(own >= 0 && dup3(own, fd, O_CLOEXEC) == fd);
	await_renewed(2);
	REQUIRE(SLEY_PART_FD(word_of(1)) != fd);
	REQUIRE(fcntl(fd, F_GETFD) == FD_CLOEXEC);
	burst(ids + TASKS);
	check_ids();
	return 0;
}

/* Without a memfd the records are private memory, and come back all the same. */
static int main_private(void *arg)
{
	burst(ids);
	REQUIRE(word_of(1) == 0 && !region.shared && pages_of(1) > 50);
	await_renewed(0);
	burst(ids + TASKS);
	check_ids();
	return 0;
}

/* ---- a reader meanwhile ---- */

static unsigned done; /* atomic */

/* Reads as a tool does; returns how many records it saw that no task can have. */
static void *read_all(void *arg)
{
	uintptr_t wrong = 0, seen = 0;
	while (!load(&done, acquire)) {
		uint64_t word = load(&region.header->parts[0], acquire);
		if (word == 0)
			continue;
		char path[64];
		snprintf(path, sizeof(path), "/proc/self/fd/%d", SLEY_PART_FD(word));
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0) /* replaced at this moment */
			continue;
		for (uint32_t i = part_begin(1); i < TASKS; i++) {
			if (!region_is_live(i))
				continue;
			struct sley_region_task record = read_record(fd, i);
			seen++;
			wrong += record.id != 0 && (record.id & SLEY_TASK_INDEX_MASK) != i + 1;
		}
		close(fd);
	}
	REQUIRE(seen > 0);
	return (void *)wrong;
}

static int main_read(void *arg)
{
	pthread_t reader;
	void *wrong;
	burst(ids);
	REQUIRE(pthread_create(&reader, NULL, read_all, NULL) == 0);
	for (int i = 0; i < 20; i++) {
		burst(ids);
		await_renewed((unsigned)i + 2);
	}
	store(&done, 1, release);
	REQUIRE(pthread_join(reader, &wrong) == 0 && wrong == NULL);
	return 0;
}

/* ---- */

static int (*const mains[])(void *) = { main_renewed, main_left,    main_no_descriptor, main_in_region,
					main_closed,  main_private, main_read };

static int scenario_one(void)
{
	static const struct call memfd_create = { "memfd_create", SYS_memfd_create, 0, 0 };
	struct sley_options options = { .size = sizeof(options), .workers = 1 };
	int (*main)(void *) = mains[atoi(getenv("RECORDS_CASE"))];
	int result = 1;
	store(&memory_interval, SLEY_SEC(1000), relaxed); /* the watchdog gives nothing back */
	if (main == main_private)
		refuse(&memfd_create, EPERM);
	if (sley_run(main, NULL, &options, &result) != 0 || result != 0)
		return 1;
	if (word_of(1) != 0 && pages_of(1) != 0)
		return 2;
	return sley_run(main_left, NULL, &options, &result) != 0 || result != 0; /* and again */
}

static void check(unsigned number)
{
	char text[4096], value[16];
	test_need_kernel("qemu-user knows no filters, and has descriptors of its own");
	snprintf(value, sizeof(value), "%u", number);
	setenv("RECORDS_CASE", value, 1);
	int status = scenario_run("one", text, sizeof(text));
	if (status != 0)
		fail_msg("status %#x\n%s", status, text);
}

/*
 * A part that nobody uses is mapped anew, with all seals, and its memory is free; ids do not come again, and a tool finds
 * what lives.
 */
TEST(renewed)
{
	check(0);
}

TEST(left)
{
	check(1);
}

TEST(no_descriptor)
{
	check(2);
}

TEST(in_region)
{
	check(3);
}

TEST(closed)
{
	check(4);
}

TEST(private)
{
	check(5);
}

/* A reader sees each record that is marked as live whole or not at all, while parts are replaced. */
TEST(read)
{
	check(6);
}

static const struct scenario scenarios[] = {
	{ "one", scenario_one },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}
