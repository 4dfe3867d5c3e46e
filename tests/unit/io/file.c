/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Open files: what is read and written, without a thread where the page cache has it, and each documented error. */
#include "tests/unit/run.h"

#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/atomic.h"
#include "io/jobs.h"

#define MIB ((size_t)1 << 20)

static char directory[] = "/tmp/sley-test-file-XXXXXX";
static char path[128];

static unsigned char pattern(size_t i)
{
	return (unsigned char)(i * 31 >> 3);
}

static void fill(unsigned char *bytes, size_t n, size_t from)
{
	for (size_t i = 0; i < n; i++)
		bytes[i] = pattern(from + i);
}

static bool is_filled(const unsigned char *bytes, size_t n, size_t from)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes[i] != pattern(from + i))
			return false;
	}
	return true;
}

/* An empty file: on disk, or in memory, of which the kernel cannot tell whether a read would block. */
static int new_file(bool memory)
{
	int fd = memory ? memfd_create("file", MFD_CLOEXEC) : sley_open(path, O_RDWR | O_CREAT | O_TRUNC, 0600, SOON);
	REQUIRE(fd >= 0);
	REQUIRE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	return fd;
}

/* ---- transfers ---- */

static void check_transfer(int fd, size_t n)
{
	unsigned char *bytes = malloc(n + 100);
	struct stat stat;
	fill(bytes, n, 0);
	REQUIRE(sley_pwrite(fd, bytes, n, 0, SOON) == (ssize_t)n);
	REQUIRE(sley_fstat(fd, &stat, SOON) == 0 && stat.st_size == (off_t)n);
	memset(bytes, 0, n + 100);
	REQUIRE(sley_pread(fd, bytes, n, 0, SOON) == (ssize_t)n && is_filled(bytes, n, 0));
	REQUIRE(sley_pread(fd, bytes, n + 100, 0, SOON) == (ssize_t)n);
	REQUIRE(sley_pread(fd, bytes, 100, (off_t)n, SOON) == 0);
	if (n > 50) {
		REQUIRE(sley_pread(fd, bytes, 100, (off_t)n - 50, SOON) == 50 && is_filled(bytes, 50, n - 50));
		REQUIRE(sley_pread(fd, bytes, n - 50, 50, SOON) == (ssize_t)n - 50 && is_filled(bytes, n - 50, 50));
	}
	free(bytes);
}

static void transfer_all(void *arg)
{
	static const size_t sizes[] = { 0, 1, 511, 4096, 100000, 256 << 10, (256 << 10) + 1, 3 * MIB + 13 };
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		int fd = new_file(arg != NULL);
		check_transfer(fd, sizes[i]);
		REQUIRE(sley_fsync(fd, SOON) == 0 && sley_fdatasync(fd, SOON) == 0);
		REQUIRE(sley_close(fd) == 0);
	}
}

/* Every byte, in one part or several, up to the end of the file and not beyond it. */
TASK_TEST(transfer, 1, 2)
{
	sley_task memory = sley_spawn(transfer_all, "memory"), disk = sley_spawn(transfer_all, NULL);
	REQUIRE(sley_join(memory, SOON) == 0 && sley_join(disk, SOON) == 0);
}

static void check_vectors(int fd)
{
	enum { PARTS = 9 };
	static const size_t lengths[PARTS] = { 0, 1, 0, 300 << 10, 7, 0, 500 << 10, 4096, 0 };
	struct iovec parts[PARTS];
	unsigned char *bytes[PARTS];
	size_t sum = 0;
	for (unsigned i = 0; i < PARTS; i++) {
		bytes[i] = malloc(lengths[i] + 1);
		fill(bytes[i], lengths[i], sum);
		parts[i] = (struct iovec){ lengths[i] ? bytes[i] : NULL, lengths[i] };
		sum += lengths[i];
	}
	REQUIRE(sley_pwritev(fd, parts, PARTS, 0, SOON) == (ssize_t)sum);
	for (unsigned i = 0; i < PARTS; i++)
		memset(bytes[i], 0, lengths[i]);
	REQUIRE(sley_preadv(fd, parts, PARTS, 0, SOON) == (ssize_t)sum);
	for (size_t i = 0, at = 0; i < PARTS; at += lengths[i++])
		REQUIRE(is_filled(bytes[i], lengths[i], at));
	REQUIRE(sley_preadv(fd, parts, PARTS, (off_t)sum - 100, SOON) == 100);
	REQUIRE(bytes[1][0] == pattern(sum - 100) && is_filled(bytes[3], 99, sum - 99));
	REQUIRE(sley_preadv(fd, parts, 0, 0, SOON) == 0 && sley_preadv(fd, NULL, 0, 0, SOON) == 0);
	REQUIRE(sley_pwritev(fd, parts, 1, 0, SOON) == 0);
	for (unsigned i = 0; i < PARTS; i++)
		free(bytes[i]);
}

/* Several buffers, empty ones among them, that do not end where the parts of a transfer do. */
TASK_TEST(vectors, 1, 2)
{
	for (int memory = 0; memory <= 1; memory++) {
		int fd = new_file(memory);
		check_vectors(fd);
		REQUIRE(sley_close(fd) == 0);
	}
}

static int main_cached(void *arg)
{
	char bytes[4096] = "";
	struct iovec part = { bytes, sizeof(bytes) };
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0 && write(fd, bytes, sizeof(bytes)) == sizeof(bytes));
	if (preadv2(fd, &part, 1, 0, RWF_NOWAIT) != sizeof(bytes)) {
		*(bool *)arg = false;
		close(fd);
		return 0;
	}
	for (unsigned i = 0; i < 100; i++) /* the deadline has passed: there is no wait */
		REQUIRE(sley_pread(fd, bytes, sizeof(bytes), 0, 0) == sizeof(bytes));
	REQUIRE(sley_cancel(sley_self()) == 0);
	REQUIRE(sley_pread(fd, bytes, sizeof(bytes), 0, SLEY_NEVER) == sizeof(bytes));
	REQUIRE(load(&jobs_of[POOL_BLOCKING].threads, relaxed) == 0);
	close(fd);
	return 0;
}

/* What is in the page cache is read by the task itself: no thread, and no wait that could end early. */
TEST(cached)
{
	struct sley_options o = { .size = sizeof(o), .workers = 1 };
	bool known = true;
	run_with(main_cached, &known, &o);
	if (!known)
		test_skip("the file system of /tmp does not know RWF_NOWAIT");
}

static int main_direct(void *arg)
{
	int fd = sley_open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0600, SOON);
	unsigned char *bytes = aligned_alloc(4096, 64 << 10);
	*(bool *)arg = fd >= 0;
	if (fd < 0)
		return 0;
	fill(bytes, 64 << 10, 0);
	REQUIRE(sley_pwrite(fd, bytes, 64 << 10, 0, SOON) == 64 << 10);
	memset(bytes, 0, 64 << 10);
	REQUIRE(sley_pread(fd, bytes, 64 << 10, 0, SOON) == 64 << 10 && is_filled(bytes, 64 << 10, 0));
	REQUIRE(sley_pread(fd, bytes, 4096, 4096, SOON) == 4096 && is_filled(bytes, 4096, 4096));
	free(bytes);
	REQUIRE(sley_close(fd) == 0);
	return 0;
}

/* Direct I/O, which wants aligned copies. */
TEST(direct)
{
	struct sley_options o = { .size = sizeof(o), .workers = 1 };
	bool known = false;
	run_with(main_direct, &known, &o);
	if (!known)
		test_skip("the file system of /tmp does not know O_DIRECT");
}

/* ---- errors ---- */

static int main_errors(void *arg)
{
	char bytes[16] = "";
	struct iovec part = { bytes, sizeof(bytes) }, huge[2] = { { bytes, SSIZE_MAX }, { bytes, 1 } },
		     null = { NULL, 1 };
	struct stat stat;
	int ends[2], fd = new_file(false), reader = open(path, O_RDONLY | O_CLOEXEC);
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), closed = dup(fd);
	REQUIRE(pipe(ends) == 0);
	close(closed);
	static const int bad[] = { -1, INT_MIN, INT_MAX };
	for (unsigned i = 0; i <= ARRAY_SIZE(bad); i++) {
		int none = i < ARRAY_SIZE(bad) ? bad[i] : closed;
		REQUIRE(sley_pread(none, bytes, 1, 0, SOON) == -EBADF &&
			sley_pwrite(none, bytes, 1, 0, SOON) == -EBADF);
		REQUIRE(sley_fsync(none, SOON) == -EBADF && sley_fdatasync(none, SOON) == -EBADF);
		REQUIRE(sley_ftruncate(none, 0, SOON) == -EBADF && sley_fstat(none, &stat, SOON) == -EBADF);
	}
	REQUIRE(sley_pread(reader, bytes, 1, -1, SOON) == -EINVAL && sley_pwrite(fd, bytes, 1, -1, SOON) == -EINVAL);
	REQUIRE(sley_pread(fd, bytes, 1, INT64_MAX, SOON) == -EINVAL);
	REQUIRE(sley_pread(fd, bytes, (size_t)SSIZE_MAX + 1, 0, SOON) == -EINVAL);
	REQUIRE(sley_pread(fd, bytes, SIZE_MAX, 0, SOON) == -EINVAL);
	REQUIRE(sley_preadv(fd, &part, -1, 0, SOON) == -EINVAL);
	REQUIRE(sley_preadv(fd, &part, IOV_MAX + 1, 0, SOON) == -EINVAL);
	REQUIRE(sley_pwritev(fd, huge, 2, 0, SOON) == -EINVAL);
	REQUIRE(sley_preadv(fd, NULL, 1, 0, SOON) == -EFAULT && sley_preadv(fd, &null, 1, 0, SOON) == -EFAULT);
	REQUIRE(sley_pread(fd, NULL, 1, 0, SOON) == -EFAULT && sley_pwrite(fd, NULL, 1, 0, SOON) == -EFAULT);
	REQUIRE(sley_pread(fd, NULL, 0, 0, SOON) == 0 && sley_fstat(fd, NULL, SOON) == -EFAULT);
	REQUIRE(sley_pwrite(reader, bytes, 1, 0, SOON) == -EBADF);
	REQUIRE(sley_pread(ends[0], bytes, 1, 0, SOON) == -ESPIPE);
	REQUIRE(sley_pwrite(ends[1], bytes, 1, 0, SOON) == -ESPIPE);
	REQUIRE(sley_ftruncate(fd, -1, SOON) == -EINVAL && sley_ftruncate(reader, 0, SOON) == -EINVAL);
	REQUIRE(sley_ftruncate(fd, 1000, SOON) == 0 && sley_fstat(fd, &stat, SOON) == 0 && stat.st_size == 1000);
	REQUIRE(full < 0 || sley_pwrite(full, bytes, 1, 0, SOON) == -ENOSPC);
	REQUIRE(sley_fsync(ends[0], SOON) == -EINVAL);
	REQUIRE(sley_close(fd) == 0 && sley_close(reader) == 0 && sley_close(full) == 0);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
	return 0;
}

/* What a caller can get wrong, and what the file answers. */
TEST(errors)
{
	char byte;
	run(main_errors, 1);
	assert_int_equal(sley_pread(0, &byte, 1, 0, SOON), -EDEADLK);
	assert_int_equal(sley_pwrite(0, &byte, 1, 0, SOON), -EDEADLK);
	assert_int_equal(sley_preadv(0, NULL, 0, 0, SOON), -EDEADLK);
	assert_int_equal(sley_pwritev(0, NULL, 0, 0, SOON), -EDEADLK);
	assert_int_equal(sley_fsync(0, SOON), -EDEADLK);
	assert_int_equal(sley_fdatasync(0, SOON), -EDEADLK);
	assert_int_equal(sley_ftruncate(0, 0, SOON), -EDEADLK);
	assert_int_equal(sley_fstat(0, NULL, SOON), -EDEADLK);
}

/* ---- calls that are given up ---- */

static sem_t gate;
static unsigned inside; /* atomic */

static void wait_at_gate(void *block)
{
	fetch_add(&inside, 1, release);
	while (sem_wait(&gate) != 0)
		;
}

static void occupy(void *arg)
{
	REQUIRE(sley_offload(wait_at_gate, NULL, 0, SLEY_NEVER) == 0);
}

/* With the one thread of the pool busy until the gate is opened. */
static sley_task occupy_pool(void)
{
	sley_time deadline = SOON;
	inside = 0;
	sem_init(&gate, 0, 0);
	sley_task task = sley_spawn(occupy, NULL);
	while (load(&inside, acquire) == 0) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
	return task;
}

static int results[3];

static void write_and_truncate(void *arg)
{
	int fd = *(int *)arg;
	results[0] = (int)sley_pwrite(fd, "lost", 4, 0, SLEY_NEVER);
	results[1] = sley_ftruncate(fd, 0, SLEY_NEVER);
	results[2] = sley_fsync(fd, SLEY_NEVER);
}

static int main_given_up(void *arg)
{
	static int fd;
	char bytes[4];
	fd = new_file(true);
	REQUIRE(write(fd, "kept", 4) == 4);
	sley_task busy = occupy_pool();
	REQUIRE(sley_pwrite(fd, "lost", 4, 0, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_pwrite(fd, "lost", 4, 0, 0) == -ETIMEDOUT);
	REQUIRE(sley_ftruncate(fd, 0, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	sley_task task = sley_spawn(write_and_truncate, &fd);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_WRITE);
	REQUIRE(load(&record_of(task)->wait_object, relaxed) == (uint64_t)fd);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0);
	REQUIRE(results[0] == -ECANCELED && results[1] == -ECANCELED && results[2] == -ECANCELED);
	sem_post(&gate);
	REQUIRE(sley_join(busy, SOON) == 0);
	REQUIRE(sley_pread(fd, bytes, 4, 0, SOON) == 4 && memcmp(bytes, "kept", 4) == 0);
	REQUIRE(sley_close(fd) == 0);
	return 0;
}

/* A call that is given up before a thread took it has no effect, and leaves the descriptor free. */
TEST(given_up)
{
	for (unsigned workers = 1; workers <= 2; workers++) {
		struct sley_options o = { .size = sizeof(o), .workers = workers, .offload_threads = 1 };
		run_with(main_given_up, NULL, &o);
	}
}

static int main_close_queued(void *arg)
{
	static int fd;
	fd = new_file(true);
	int number = fd;
	struct stat before, now;
	REQUIRE(write(fd, "kept", 4) == 4 && fstat(fd, &before) == 0);
	sley_task busy = occupy_pool(), task = sley_spawn(write_and_truncate, &fd);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_WRITE);
	REQUIRE(sley_close(fd) == 0); /* the write has it still */
	int other = memfd_create("other", MFD_CLOEXEC);
	REQUIRE(other != number);
	REQUIRE(sley_fsync(number, SOON) == -EBADF);
	sem_post(&gate);
	REQUIRE(sley_join(busy, SOON) == 0 && sley_join(task, SOON) == 0);
	REQUIRE(results[0] == 4); /* into the file that it was made for */
	REQUIRE(results[1] == -EBADF && results[2] == -EBADF);
	REQUIRE(fstat(number, &now) != 0 || now.st_ino != before.st_ino); /* closed by then */
	REQUIRE(close(other) == 0);
	return 0;
}

/* A descriptor that is closed while a call for it is queued stays that file until the call is over. */
TEST(close_queued)
{
	for (unsigned workers = 1; workers <= 2; workers++) {
		struct sley_options o = { .size = sizeof(o), .workers = workers, .offload_threads = 1 };
		run_with(main_close_queued, NULL, &o);
	}
}

static int make_directory(void **state)
{
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/file", directory);
	return 0;
}

static int remove_directory(void **state)
{
	unlink(path);
	return rmdir(directory);
}

int main(void)
{
	return tests_main(make_directory, remove_directory);
}
