/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * System calls on files, made by a thread of the pool.
 *
 * A request has copies of all input of the call (names, data) and room for all output, off the stack: the task may be
 * copied out, or have continued, while the thread uses the request. It belongs to the task before the call and to the
 * pool during the call. After success it belongs to the task again. Else it is dropped: the result of the call is
 * undone, and the request is freed.
 *
 * A request for a descriptor holds it (reactor_hold_now()), so that the number does not belong to another file when the
 * thread uses it.
 */
#ifndef IO_REQUEST_H
#define IO_REQUEST_H

#include <sys/stat.h>

#include "io/offload.h"
#include "io/system.h"
#include "reactor/reactor.h"

struct request {
	ssize_t (*run)(struct request *); /* called on the thread; returns the result, or a negative errno value */
	void (*undo)(struct request *);   /* undoes the result of a dropped request; may be null */
	ssize_t result;
	int fd; /* of the call; -1: none */
	struct hold hold;
	int flags;
	mode_t mode;
	off_t offset;
	const char *path, *other; /* in data */
	struct stat stat;         /* output */
	void *made;               /* output on the heap */
	char *data;
	size_t n;    /* bytes of data */
	size_t size; /* allocated size */
};

/*
 * Makes a request with n bytes of data, aligned for direct I/O of n bytes. Returns 0; -ENOMEM; with a descriptor (not
 * -1) also -EBADF. request_free() of null does nothing.
 */
int request_new(struct request **result, ssize_t (*run)(struct request *), int fd, size_t n);
void request_free(struct request *request);

/*
 * Makes the call, and shows `wait` to tools. Returns 0: the request has a result; or an error: the request is gone, and
 * *request is null.
 */
int request_make(struct request **request, const struct pool_wait *wait, sley_time deadline);

/* Makes the call, and frees the request. Returns the result or the error. */
ssize_t request_finish(struct request *request, const struct pool_wait *wait, sley_time deadline);

/* The same for a call that fills `stat`: on success copies it to *result. */
int request_finish_stat(struct request *request, const struct pool_wait *wait, sley_time deadline, struct stat *result);

/*
 * Makes a request for one or two names (`other` may be null), with `room` bytes at the end of its data. Returns 0;
 * -EFAULT: null; -ENAMETOOLONG; -ENOMEM.
 */
int request_for_path(struct request **result, ssize_t (*run)(struct request *), const char *path, const char *other,
		     size_t room);

/* The wait that a call shows to tools: an offloaded call of the public function `call`. */
#define CALL_WAIT(call) \
	((struct pool_wait){ SLEY_WAIT_OFFLOAD, (uint64_t)(uintptr_t)(call), __builtin_return_address(0) })

/* file.c: sley_read() and sley_write() of the calling task for a file that cannot be polled, at the file's position. */
ssize_t file_transfer(int fd, enum direction direction, void *buffer, size_t n, sley_time deadline, const void *pc);

#endif
