/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Files by name: each call is one system call on a thread of the pool. */
#include <sley/file.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "io/request.h"
#include "run/worker.h"

/* ---- on the thread ---- */

static ssize_t run_open(struct request *r)
{
	return negative_errno(open(r->path, r->flags | O_CLOEXEC, r->mode));
}

static void undo_open(struct request *r)
{
	if (r->result >= 0)
		close((int)r->result);
}

static ssize_t run_stat(struct request *r)
{
	return negative_errno(stat(r->path, &r->stat));
}

static ssize_t run_lstat(struct request *r)
{
	return negative_errno(lstat(r->path, &r->stat));
}

static ssize_t run_truncate(struct request *r)
{
	return negative_errno(truncate(r->path, r->offset));
}

static ssize_t run_chmod(struct request *r)
{
	return negative_errno(chmod(r->path, r->mode));
}

static ssize_t run_unlink(struct request *r)
{
	return negative_errno(unlink(r->path));
}

static ssize_t run_rename(struct request *r)
{
	return negative_errno(rename(r->path, r->other));
}

static ssize_t run_link(struct request *r)
{
	return negative_errno(link(r->path, r->other));
}

static ssize_t run_symlink(struct request *r)
{
	return negative_errno(symlink(r->path, r->other));
}

static ssize_t run_mkdir(struct request *r)
{
	return negative_errno(mkdir(r->path, r->mode));
}

static ssize_t run_rmdir(struct request *r)
{
	return negative_errno(rmdir(r->path));
}

/* Reads the target into the room at the end of the data. */
static ssize_t run_readlink(struct request *r)
{
	return negative_errno(readlink(r->path, r->data + r->n - PATH_MAX, PATH_MAX));
}

/* ---- the calls ---- */

/* Makes a call that returns only a result. `with` has the other arguments, `wait` the wait shown to tools. */
static ssize_t path_call(ssize_t (*run)(struct request *), const char *path, const struct request *with,
			 struct pool_wait wait, sley_time deadline)
{
	struct request *request;
	if (!task_self())
		return outside_error();
	int error = request_for_path(&request, run, path, with->other, 0);
	if (error)
		return error;
	request->undo = with->undo;
	request->flags = with->flags;
	request->mode = with->mode;
	request->offset = with->offset;
	return request_finish(request, &wait, deadline);
}

#define CALL(name, path, ...) \
	((int)path_call(run_##name, (path), &(struct request){ __VA_ARGS__ }, CALL_WAIT(sley_##name), deadline))

/* A call with two names. Rejects a null second name. */
#define CALL_TWO(name, path, second) \
	((second) ? CALL(name, path, .other = (second)) : task_self() ? -EFAULT : outside_error())

int sley_open(const char *path, int flags, mode_t mode, sley_time deadline)
{
	return CALL(open, path, .undo = undo_open, .flags = flags, .mode = mode);
}

int sley_truncate(const char *path, off_t length, sley_time deadline)
{
	return CALL(truncate, path, .offset = length);
}

int sley_chmod(const char *path, mode_t mode, sley_time deadline)
{
	return CALL(chmod, path, .mode = mode);
}

int sley_unlink(const char *path, sley_time deadline)
{
	return CALL(unlink, path, 0);
}

int sley_rename(const char *from, const char *to, sley_time deadline)
{
	return CALL_TWO(rename, from, to);
}

int sley_link(const char *from, const char *to, sley_time deadline)
{
	return CALL_TWO(link, from, to);
}

int sley_symlink(const char *target, const char *path, sley_time deadline)
{
	return CALL_TWO(symlink, target, path);
}

int sley_mkdir(const char *path, mode_t mode, sley_time deadline)
{
	return CALL(mkdir, path, .mode = mode);
}

int sley_rmdir(const char *path, sley_time deadline)
{
	return CALL(rmdir, path, 0);
}

/* ---- calls with an output argument ---- */

static int stat_by(ssize_t (*run)(struct request *), const char *path, struct stat *result, struct pool_wait wait,
		   sley_time deadline)
{
	struct request *request;
	if (!task_self())
		return outside_error();
	int error = result ? request_for_path(&request, run, path, NULL, 0) : -EFAULT;
	return error ? error : request_finish_stat(request, &wait, deadline, result);
}

int sley_stat(const char *path, struct stat *result, sley_time deadline)
{
	return stat_by(run_stat, path, result, CALL_WAIT(sley_stat), deadline);
}

int sley_lstat(const char *path, struct stat *result, sley_time deadline)
{
	return stat_by(run_lstat, path, result, CALL_WAIT(sley_lstat), deadline);
}

ssize_t sley_readlink(const char *path, char *buffer, size_t n, sley_time deadline)
{
	struct request *request;
	if (!task_self())
		return outside_error();
	if (!buffer || n == 0)
		return buffer ? -EINVAL : -EFAULT;
	ssize_t result = request_for_path(&request, run_readlink, path, NULL, PATH_MAX);
	if (result == 0)
		result = request_make(&request, &CALL_WAIT(sley_readlink), deadline);
	if (result)
		return result;
	result = request->result;
	if (result >= 0) {
		result = MIN(result, (ssize_t)MIN(n - 1, (size_t)SSIZE_MAX));
		memcpy(buffer, request->data + request->n - PATH_MAX, (size_t)result);
		buffer[result] = '\0';
	}
	request_free(request);
	return result;
}
