/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * System calls on files, made by a thread of the pool.
 *
 * A request has copies of all that the call reads (names, data) and room for all that it writes, off the stack: the task
 * that made it may be copied out, or have gone on, while the thread uses it. It belongs to the task until it is made,
 * to the pool meanwhile, and to the task again when that went well; else it is dropped: what the call gave is undone, and
 * the request freed.
 *
 * A request for a descriptor holds it (reactor_hold_now()), so that the number is not another file's when the thread comes
 * to it.
 */
#ifndef IO_REQUEST_H
#define IO_REQUEST_H

#include <sys/stat.h>

#include "io/offload.h"
#include "io/system.h"
#include "reactor/reactor.h"

struct request {
	ssize_t (*run)(struct request *); /* on the thread: the result, or a negative errno value */
	void (*undo)(struct request *);   /* gives back what a dropped one got; or null */
	ssize_t result;
	int fd; /* the call's; -1: none */
	struct hold hold;
	int flags;
	mode_t mode;
	off_t offset;
	const char *path, *other; /* in data */
	struct stat stat;         /* given */
	void *made;               /* given: on the heap */
	char *data;
	size_t n;    /* bytes there */
	size_t size; /* as it was allocated */
};

/*
 * A request with n bytes of data, aligned as direct I/O of so many bytes wants it. 0; -ENOMEM; with a descriptor (not
 * -1) also -EBADF. request_free(): null is nothing.
 */
int request_new(struct request **result, ssize_t (*run)(struct request *), int fd, size_t n);
void request_free(struct request *request);

/*
 * Makes it, showing `wait`: 0: it has a result; or an error, and the request is gone, as *request, which is null then.
 */
int request_make(struct request **request, const struct pool_wait *wait, sley_time deadline);

/* The same for one of which only the result is wanted: it, or the error; the request is gone. */
ssize_t request_finish(struct request *request, const struct pool_wait *wait, sley_time deadline);

/*
 * A request for a name, or two (`other` may be null), with `room` bytes at the end of its data. 0; -EFAULT: null;
 * -ENAMETOOLONG; -ENOMEM.
 */
int request_for_path(struct request **result, ssize_t (*run)(struct request *), const char *path, const char *other,
		     size_t room);

/* How a call shows while it waits: as an offloaded one, of the public function `call`. */
#define CALL_WAIT(call) \
	((struct pool_wait){ SLEY_WAIT_OFFLOAD, (uint64_t)(uintptr_t)(call), __builtin_return_address(0) })

/* file.c: sley_read() and sley_write() on what cannot be polled, at the file's position. The calling task's. */
ssize_t file_transfer(int fd, enum direction direction, void *buffer, size_t n, sley_time deadline, const void *pc);

#endif
