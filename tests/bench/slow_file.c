/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "slow_file.h"

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILE_NODE 2
#define READ_MAX  4096
#define WAITING   4096 /* reads that may wait at the same time */
#define FOREVER   3600 /* seconds for which the kernel may remember attributes */

/* In the process of the file system. */
static struct {
	int device;
	uint64_t size;
	int64_t delay_ns;
	struct waiting {
		uint64_t id;
		uint32_t size;
		int64_t due;
	} waiting[WAITING]; /* a ring in the order of their ends, as the delay is the same for all */
	unsigned first, end;
} fs;

/* The answer to a request. What the kernel does not want any more (a request was given up) it refuses. */
static void answer(uint64_t id, int error, const void *data, size_t size)
{
	struct fuse_out_header head = { .len = (uint32_t)(sizeof(head) + size), .error = -error, .unique = id };
	struct iovec parts[] = { { &head, sizeof(head) }, { (void *)data, size } };
	if (writev(fs.device, parts, 2) < 0 && errno != ENOENT)
		exit(1);
}

static struct fuse_attr attributes(uint64_t node)
{
	bool file = node == FILE_NODE;
	return (struct fuse_attr){
		.ino = node,
		.size = file ? fs.size : 0,
		.mode = file ? S_IFREG | 0444 : S_IFDIR | 0555,
		.nlink = 1,
		.blksize = READ_MAX,
	};
}

static void answer_init(uint64_t id, const struct fuse_init_in *in)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = in->minor < FUSE_KERNEL_MINOR_VERSION ? in->minor : FUSE_KERNEL_MINOR_VERSION,
		.max_write = READ_MAX,
		.time_gran = 1,
	};
	answer(id, 0, &out, sizeof(out));
}

static void answer_lookup(uint64_t id, const char *name)
{
	struct fuse_entry_out out = {
		.nodeid = FILE_NODE,
		.entry_valid = FOREVER,
		.attr_valid = FOREVER,
		.attr = attributes(FILE_NODE),
	};
	bool found = strcmp(name, "file") == 0;
	answer(id, found ? 0 : ENOENT, &out, found ? sizeof(out) : 0);
}

static void answer_getattr(uint64_t id, uint64_t node)
{
	struct fuse_attr_out out = { .attr_valid = FOREVER, .attr = attributes(node) };
	answer(id, 0, &out, sizeof(out));
}

static void answer_open(uint64_t id)
{
	struct fuse_open_out out = { .open_flags = FOPEN_KEEP_CACHE };
	answer(id, 0, &out, sizeof(out));
}

static void wait_with(uint64_t id, const struct fuse_read_in *in)
{
	struct waiting *w = &fs.waiting[fs.end % WAITING];
	if (fs.end - fs.first == WAITING || in->size > READ_MAX) {
		answer(id, EIO, NULL, 0);
		return;
	}
	*w = (struct waiting){ .id = id, .size = in->size, .due = bench_now() + fs.delay_ns };
	fs.end++;
}

/* A request lies in `buffer` whole: its head, then its argument. */
static void take_request(const char *buffer)
{
	const struct fuse_in_header *in = (const void *)buffer;
	const void *argument = buffer + sizeof(*in);
	switch (in->opcode) {
	case FUSE_INIT:
		answer_init(in->unique, argument);
		return;
	case FUSE_LOOKUP:
		answer_lookup(in->unique, argument);
		return;
	case FUSE_GETATTR:
		answer_getattr(in->unique, in->nodeid);
		return;
	case FUSE_OPEN:
		answer_open(in->unique);
		return;
	case FUSE_READ:
		wait_with(in->unique, argument);
		return;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return; /* these have no answer */
	default:
		answer(in->unique, ENOSYS, NULL, 0);
	}
}

static void answer_due(void)
{
	static const char bytes[READ_MAX];
	for (; fs.first != fs.end && fs.waiting[fs.first % WAITING].due <= bench_now(); fs.first++)
		answer(fs.waiting[fs.first % WAITING].id, 0, bytes, fs.waiting[fs.first % WAITING].size);
}

static struct timespec *time_left(struct timespec *time)
{
	int64_t left = fs.waiting[fs.first % WAITING].due - bench_now();
	if (fs.first == fs.end)
		return NULL;
	left = left > 0 ? left : 0;
	*time = (struct timespec){ .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 };
	return time;
}

/* Until the file system is gone. */
__attribute__((noreturn)) static void serve(void)
{
	static char buffer[FUSE_MIN_READ_BUFFER + READ_MAX] __attribute__((aligned(8)));
	struct pollfd device = { .fd = fs.device, .events = POLLIN };
	struct timespec time;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1);
	for (;;) {
		ssize_t n = 0;
		if (ppoll(&device, 1, time_left(&time), NULL) > 0)
			n = read(fs.device, buffer, sizeof(buffer));
		if (n > 0)
			take_request(buffer);
		else if (n < 0 && errno != ENOENT && errno != EINTR && errno != EAGAIN)
			exit(0);
		answer_due();
	}
}

/* The process is there before the first request, as that waits for it. */
static int mount_and_open(const char *directory)
{
	char options[64], path[64];
	int fd;
	pid_t pid;
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fs.device);
	if (mount("bench", directory, "fuse", MS_NOSUID | MS_NODEV, options))
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		serve();
	snprintf(path, sizeof(path), "%s/file", directory);
	fd = pid < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	fd = fd < 0 ? -errno : fd;
	umount2(directory, MNT_DETACH);
	return fd;
}

int slow_file_open(uint64_t size, unsigned delay_us)
{
	char directory[] = "/tmp/sley-bench-XXXXXX";
	int fd;
	fs.device = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fs.device < 0)
		return -errno;
	fs.size = size;
	fs.delay_ns = delay_us * 1000LL;
	fd = mkdtemp(directory) ? mount_and_open(directory) : -errno;
	rmdir(directory);
	close(fs.device);
	return fd;
}
