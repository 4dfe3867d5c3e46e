/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "io/request.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/raised.h"
#include "run/worker.h"

#define ALIGN_LEAST ((size_t)16)
#define ALIGN_MOST  ((size_t)4096)

/* Direct I/O needs addresses aligned to the block size, and a length that is a multiple of it. */
static size_t alignment_of(size_t n)
{
	size_t lowest = n & -n;
	return MIN(MAX(lowest, ALIGN_LEAST), ALIGN_MOST);
}

int request_new(struct request **result, ssize_t (*run)(struct request *), int fd, size_t n)
{
	size_t alignment = alignment_of(n), size = sizeof(struct request) + alignment + n;
	struct request *request = block_alloc(size);
	*result = NULL;
	if (!request)
		return -ENOMEM;
	*request = (struct request){ .run = run, .fd = fd, .n = n, .size = size };
	request->data = (char *)(ROUND_UP((uintptr_t)(request + 1), alignment));
	int error = fd == -1 ? 0 : reactor_hold_now(fd, &request->hold);
	if (error)
		block_free(request, size);
	else
		*result = request;
	return error;
}

void request_free(struct request *request)
{
	if (!request)
		return;
	if (request->fd != -1)
		reactor_let_go(request->fd, &request->hold);
	block_free(request, request->size);
}

static void request_run(void *block)
{
	struct request *request = *(struct request **)block;
	request->result = request->run(request);
	raised_take(request->result); /* else it would be delivered when the thread runs a function of the service */
}

static void request_dropped(void *block)
{
	struct request *request = *(struct request **)block;
	if (request->undo)
		request->undo(request);
	request_free(request);
}

int request_make(struct request **request, const struct pool_wait *wait, sley_time deadline)
{
	const struct offload what = { request_run, request_dropped, *wait, POOL_BLOCKING, false };
	(*request)->result = -ECANCELED; /* then there is nothing to undo */
	int error = offload_run(&what, request, sizeof(*request), deadline);
	if (error)
		*request = NULL;
	return error;
}

ssize_t request_finish(struct request *request, const struct pool_wait *wait, sley_time deadline)
{
	ssize_t result = request_make(&request, wait, deadline);
	if (result == 0)
		result = request->result;
	request_free(request);
	return result;
}

int request_finish_stat(struct request *request, const struct pool_wait *wait, sley_time deadline, struct stat *result)
{
	int error = request_make(&request, wait, deadline);
	if (error == 0 && (error = (int)request->result) == 0)
		*result = request->stat;
	request_free(request);
	return error;
}

int request_for_path(struct request **result, ssize_t (*run)(struct request *), const char *path, const char *other,
		     size_t room)
{
	*result = NULL;
	if (!path)
		return -EFAULT;
	size_t n = strnlen(path, PATH_MAX), m = other ? strnlen(other, PATH_MAX) : 0;
	if (n == PATH_MAX || m == PATH_MAX)
		return -ENAMETOOLONG;
	int error = request_new(result, run, -1, n + m + 2 + room);
	if (error)
		return error;
	struct request *request = *result;
	request->path = memcpy(request->data, path, n + 1);
	if (other)
		request->other = memcpy(request->data + n + 1, other, m + 1);
	return 0;
}
