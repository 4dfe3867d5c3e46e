/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Requests: what they copy and hold, and that a running one is dropped safely when its call is given up. */
#include "io/request.h"

#include "tests/unit/run.h"

#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/atomic.h"

static sem_t gate;
static unsigned inside, undone; /* atomic */

/* A system call that takes as long as the test wants. */
static ssize_t run_slowly(struct request *request)
{
	fetch_add(&inside, 1, release);
	while (sem_wait(&gate) != 0)
		;
	return negative_errno(pwrite(request->fd, request->data, request->n, 0));
}

static void undo(struct request *request)
{
	REQUIRE(request->result == 4);
	fetch_add(&undone, 1, release);
}

static void await(const unsigned *word, unsigned n)
{
	sley_time deadline = SOON;
	while (load(word, acquire) < n) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

static int result;

static void make_request(void *arg)
{
	const struct pool_wait wait = { SLEY_WAIT_OFFLOAD, 0, NULL };
	struct request *request;
	REQUIRE(request_new(&request, run_slowly, *(int *)arg, 4) == 0);
	memcpy(request->data, "late", 4);
	request->undo = undo;
	result = request_make(&request, &wait, SLEY_NEVER);
	REQUIRE((request == NULL) == (result != 0));
	request_free(request);
}

static int main_running(void *arg)
{
	static int fd;
	char bytes[4];
	inside = undone = 0;
	sem_init(&gate, 0, 0);
	fd = memfd_create("written", MFD_CLOEXEC);
	int number = fd, same = dup(fd);
	sley_task task = sley_spawn(make_request, &fd);
	await(&inside, 1);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0 && result == -ECANCELED);
	REQUIRE(load(&undone, relaxed) == 0);
	REQUIRE(sley_close(fd) == 0);
	int other = memfd_create("other", MFD_CLOEXEC);
	REQUIRE(other != number && write(other, "safe", 4) == 4); /* the number is not free yet */
	sem_post(&gate);
	await(&undone, 1);
	while (fcntl(number, F_GETFD) >= 0) /* closed when the request is freed */
		sley_yield();
	REQUIRE(pread(other, bytes, 4, 0) == 4 && memcmp(bytes, "safe", 4) == 0);
	REQUIRE(pread(same, bytes, 4, 0) == 4 && memcmp(bytes, "late", 4) == 0);
	REQUIRE(close(other) == 0 && close(same) == 0);
	return 0;
}

/* A system call that runs on when its call is cancelled writes to its file, and to no other of that number. */
TEST(running)
{
	for (unsigned i = 0; i < 5; i++) {
		run(main_running, 1);
		run(main_running, 2);
	}
}

/* Alignment, copies, and what is refused. */
TASK_TEST(new, 1)
{
	static const struct {
		size_t n, alignment;
	} cases[] = { { 0, 16 },      { 1, 16 },           { 512, 512 },  { 1536, 512 },
		      { 4096, 4096 }, { 256 << 10, 4096 }, { 100000, 32 } };
	char name[PATH_MAX + 1];
	struct request *request;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		REQUIRE(request_new(&request, run_slowly, -1, cases[i].n) == 0);
		REQUIRE((uintptr_t)request->data % cases[i].alignment == 0 && request->n == cases[i].n);
		REQUIRE(request->data + request->n <= (char *)request + request->size);
		memset(request->data, 1, request->n);
		request_free(request);
	}
	request_free(NULL);
	REQUIRE(request_new(&request, run_slowly, INT_MAX, 0) == -EBADF && !request);
	memset(name, 'a', sizeof(name));
	name[PATH_MAX] = '\0';
	REQUIRE(request_for_path(&request, run_slowly, name, NULL, 0) == -ENAMETOOLONG && !request);
	REQUIRE(request_for_path(&request, run_slowly, "a", name, 0) == -ENAMETOOLONG && !request);
	name[PATH_MAX - 1] = '\0';
	REQUIRE(request_for_path(&request, run_slowly, name, name + 1, 5) == 0);
	REQUIRE(strcmp(request->path, name) == 0 && strcmp(request->other, name + 1) == 0);
	REQUIRE(request->path != name && request->other + PATH_MAX - 1 + 5 <= request->data + request->n);
	request_free(request);
	REQUIRE(request_for_path(&request, run_slowly, NULL, NULL, 0) == -EFAULT && !request);
	store(&block_test_fail, 1, relaxed);
	REQUIRE(request_new(&request, run_slowly, -1, 0) == -ENOMEM && !request);
	store(&block_test_fail, 0, relaxed);
}
