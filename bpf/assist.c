/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Loading assist.bpf.c, marking threads, and waiting for the bell. libbpf's messages are the service's, whose settings are
 * kept: it may use libbpf itself.
 */
#include "assist.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "iterate.h"

#include "assist.skel.h"

struct assist {
	struct assist_bpf *bpf;
	struct ring_buffer *bell;
	int pidfd;
	int over;                      /* an eventfd: readable once wake() was called */
	uint32_t count;                /* workers that were looked at for marking */
	uint32_t tids[ASSIST_WORKERS]; /* their threads then; 0: none */
};

static int discard(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level, (void)format, (void)arguments;
	return 0;
}

/* The thread that waits looks at all levels. */
static int heard(void *context, void *data, size_t size)
{
	(void)context, (void)data, (void)size;
	return 0;
}

static int load(struct assist *assist, const struct assist_place *place)
{
	struct assist_bpf *bpf = assist->bpf = assist_bpf__open();
	int error;
	if (!bpf)
		return -errno;
	bpf->bss->place = *place;
	bpf_program__set_autoattach(bpf->progs.watch, false); /* run by hand */
	error = assist_bpf__load(bpf) ?: assist_bpf__attach(bpf);
	if (error)
		return error;
	assist->bell = ring_buffer__new(bpf_map__fd(bpf->maps.bell), heard, NULL, NULL);
	return assist->bell ? 0 : -errno;
}

static void assist_close(struct assist *assist)
{
	ring_buffer__free(assist->bell);
	assist_bpf__destroy(assist->bpf);
	if (assist->over >= 0)
		close(assist->over);
	free(assist);
}

/* A descriptor of 3 and up, as the runtime's are. */
static int make_over(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), lifted;
	if (fd < 0 || fd > STDERR_FILENO)
		return fd;
	lifted = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	close(fd);
	return lifted;
}

static int assist_open(struct assist **out, int pidfd, const struct assist_place *place)
{
	struct assist *assist = calloc(1, sizeof(*assist));
	libbpf_print_fn_t print;
	int error;
	if (!assist)
		return -ENOMEM;
	assist->pidfd = pidfd;
	assist->over = make_over();
	print = libbpf_set_print(discard);
	error = assist->over < 0 ? -errno : load(assist, place);
	libbpf_set_print(print);
	if (error)
		assist_close(assist);
	else
		*out = assist;
	return error;
}

/* A new thread often has the thread pointer of one that has ended: so the ids are compared. */
static bool take_threads(struct assist *assist, const struct sley_region_worker *lines, uint32_t count)
{
	bool changed = count != assist->count;
	for (uint32_t i = 0; i < count; i++) {
		bool there = __atomic_load_n(&lines[i].mode, __ATOMIC_ACQUIRE) != SLEY_WORKER_GONE;
		uint32_t tid = there ? __atomic_load_n(&lines[i].tid, __ATOMIC_RELAXED) : 0;
		changed |= assist->tids[i] != tid;
		assist->tids[i] = tid;
	}
	assist->count = count;
	return changed;
}

static uint64_t dispatch_of(const struct sley_region_worker *line)
{
	uint64_t dispatch = __atomic_load_n(&line->dispatches, __ATOMIC_RELAXED);
	return __atomic_load_n(&line->mode, __ATOMIC_RELAXED) == SLEY_WORKER_TASK ? dispatch : 0;
}

/* Two walks: a block that began before the first one ended is known from the lines by then, and is caught by the second. */
static int assist_watch(struct assist *assist, const struct sley_region_worker *lines, uint32_t count)
{
	struct assist_request *request = &assist->bpf->bss->request;
	int error = 0;
	count = count < ASSIST_WORKERS ? count : ASSIST_WORKERS;
	if (!take_threads(assist, lines, count))
		return (int)request->marked;
	request->count = assist->bpf->bss->place.count = count;
	for (int walk = 0; walk < 2 && !error; walk++) {
		for (uint32_t i = 0; i < count; i++) {
			request->threads[i] = assist->tids[i] ? __atomic_load_n(&lines[i].thread, __ATOMIC_RELAXED) : 0;
			request->dispatches[i] = walk > 0 ? dispatch_of(&lines[i]) : 0;
		}
		request->marked = 0;
		error = iterate_threads(assist->bpf->progs.watch, assist->pidfd);
	}
	return error ?: (int)request->marked;
}

static const uint64_t *assist_levels(struct assist *assist)
{
	return assist->bpf->bss->levels;
}

static int assist_wait(struct assist *assist, int timeout)
{
	struct pollfd fds[] = {
		{ .fd = bpf_map__fd(assist->bpf->maps.bell), .events = POLLIN },
		{ .fd = assist->over, .events = POLLIN },
	};
	int bells;
	poll(fds, 2, timeout);
	bells = ring_buffer__consume(assist->bell);
	return fds[1].revents ? -ECANCELED : bells > 0 ? bells : 0;
}

static void assist_wake(struct assist *assist)
{
	eventfd_write(assist->over, 1);
}

__attribute__((visibility("default"))) const struct assist_library sley_assist_library = {
	.version = SLEY_REGION_VERSION,
	.open = assist_open,
	.close = assist_close,
	.watch = assist_watch,
	.levels = assist_levels,
	.wait = assist_wait,
	.wake = assist_wake,
};
