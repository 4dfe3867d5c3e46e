/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Cases: pipes, terminals, files and their locks. */
#include "service.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <mqueue.h>
#include <pty.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define TIMES 3

/* Two descriptors of a new file. */
static void open_twice(void *fds)
{
	char path[] = "/tmp/sley-truth-XXXXXX";
	int *fd = fds;
	fd[0] = mkostemp(path, O_CLOEXEC);
	fd[1] = open(path, O_RDWR | O_CLOEXEC);
	if (fd[0] < 0 || fd[1] < 0 || ftruncate(fd[0], 4096))
		abort();
	unlink(path);
}

/* ---- pipes ---- */

PLANTED(read_pipe, "read")
{
	int ends[2];
	char byte;
	make_pipe(ends);
	for (int i = 0; i < TIMES; i++) {
		write_later(ends[1]);
		BLOCK(if (read(ends[0], &byte, 1) != 1) not_here("pipe"));
	}
}

PLANTED(readv_pipe, "readv")
{
	int ends[2];
	char byte;
	struct iovec to = { &byte, 1 };
	make_pipe(ends);
	for (int i = 0; i < TIMES; i++) {
		write_later(ends[1]);
		BLOCK(if (readv(ends[0], &to, 1) != 1) not_here("pipe"));
	}
}

PLANTED(getc_pipe, "read")
{
	int ends[2];
	FILE *file;
	make_pipe(ends);
	file = fdopen(ends[0], "re");
	for (int i = 0; i < TIMES; i++) {
		write_later(ends[1]);
		BLOCK(getc(file));
	}
	fclose(file);
}

static void empty_pipe(void *fd)
{
	drain((int)(intptr_t)fd);
}

PLANTED(write_pipe, "write")
{
	int ends[2];
	make_pipe(ends);
	for (int i = 0; i < TIMES; i++) {
		fill(ends[1]);
		later(PAUSE_US, empty_pipe, (void *)(intptr_t)ends[0]);
		BLOCK(if (write(ends[1], "x", 1) != 1) not_here("pipe"));
	}
}

static void make_fifo(void *path)
{
	if (!mkdtemp(path) || rmdir(path) || mkfifo(path, 0600))
		abort();
}

static void remove_fifo(void *path)
{
	unlink(path);
}

static void open_to_write(void *path)
{
	close(open(path, O_WRONLY | O_CLOEXEC));
}

PLANTED(open_fifo, "openat|open")
{
	char path[] = "/tmp/sley-truth-fifo-XXXXXX";
	int fd = -1;
	on_thread(make_fifo, path);
	later(PAUSE_US, open_to_write, path);
	BLOCK(fd = open(path, O_RDONLY | O_CLOEXEC));
	close(fd);
	on_thread(remove_fifo, path);
}

PLANTED(splice_, "splice")
{
	int from[2], to[2];
	make_pipe(from);
	make_pipe(to);
	for (int i = 0; i < TIMES; i++) {
		write_later(from[1]);
		BLOCK(if (splice(from[0], NULL, to[1], NULL, 1, 0) != 1) not_here("splice"));
	}
}

PLANTED(tee_, "tee")
{
	int from[2], to[2];
	make_pipe(from);
	make_pipe(to);
	for (int i = 0; i < TIMES; i++) {
		write_later(from[1]);
		BLOCK(if (tee(from[0], to[1], 1, 0) != 1) not_here("tee"));
		drain(from[0]);
	}
}

PLANTED(sendfile_, "sendfile")
{
	int ends[2], file[2];
	make_pair(ends);
	on_thread(open_twice, file);
	for (int i = 0; i < TIMES; i++) {
		off_t at = 0;
		fill(ends[0]);
		later(PAUSE_US, empty_pipe, (void *)(intptr_t)ends[1]);
		BLOCK(if (sendfile(ends[0], file[0], &at, 4096) < 0) not_here("sendfile"));
	}
}

static void end_line(void *fd)
{
	if (write((int)(intptr_t)fd, "\n", 1) != 1)
		abort();
}

PLANTED(tty, "read")
{
	int outer, inner;
	char line[16];
	if (openpty(&outer, &inner, NULL, NULL, NULL)) {
		not_here("no terminals");
		return;
	}
	for (int i = 0; i < TIMES; i++) {
		if (write(outer, "x", 1) != 1)
			return;
		later(PAUSE_US, end_line, (void *)(intptr_t)outer);
		BLOCK(if (read(inner, line, sizeof(line)) != 2) not_here("tty"));
	}
}

/* ---- locks ---- */

static void unlock(void *fd)
{
	flock((int)(intptr_t)fd, LOCK_UN);
}

PLANTED(flock_, "flock")
{
	int file[2];
	on_thread(open_twice, file);
	for (int i = 0; i < TIMES; i++) {
		flock(file[0], LOCK_EX);
		later(PAUSE_US, unlock, (void *)(intptr_t)file[0]);
		BLOCK(flock(file[1], LOCK_EX));
		flock(file[1], LOCK_UN);
	}
}

static void unlock_ofd(void *fd)
{
	struct flock none = { .l_type = F_UNLCK };
	fcntl((int)(intptr_t)fd, F_OFD_SETLK, &none);
}

PLANTED(ofd_lock, "fcntl")
{
	struct flock all = { .l_type = F_WRLCK };
	int file[2];
	on_thread(open_twice, file);
	for (int i = 0; i < TIMES; i++) {
		fcntl(file[0], F_OFD_SETLK, &all);
		later(PAUSE_US, unlock_ofd, (void *)(intptr_t)file[0]);
		BLOCK(fcntl(file[1], F_OFD_SETLKW, &all));
		unlock_ofd((void *)(intptr_t)file[1]);
	}
}

/* ---- queues ---- */

static mqd_t queue_to_read, queue_to_write;

static void queue_send(void *unused)
{
	(void)unused;
	mq_send(queue_to_read, "x", 1, 0);
}

static mqd_t open_queue(const char *name)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 8 };
	mqd_t q = mq_open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600, &attr);
	mq_unlink(name);
	return q;
}

PLANTED(mq_receive_, "mq_timedreceive")
{
	char text[8];
	queue_to_read = open_queue("/sley-truth-read");
	if (queue_to_read < 0) {
		not_here("no message queues");
		return;
	}
	for (int i = 0; i < TIMES; i++) {
		later(PAUSE_US, queue_send, NULL);
		BLOCK(mq_receive(queue_to_read, text, sizeof(text), NULL));
	}
}

static void queue_receive(void *unused)
{
	char text[8];
	(void)unused;
	mq_receive(queue_to_write, text, sizeof(text), NULL);
}

PLANTED(mq_send_, "mq_timedsend")
{
	queue_to_write = open_queue("/sley-truth-write");
	if (queue_to_write < 0) {
		not_here("no message queues");
		return;
	}
	for (int i = 0; i < TIMES; i++) {
		mq_send(queue_to_write, "x", 1, 0);
		later(PAUSE_US, queue_receive, NULL);
		BLOCK(mq_send(queue_to_write, "x", 1, 0));
		queue_receive(NULL);
	}
}

/* ---- a file system that takes its time ---- */

static bool is_slow(void)
{
	if (slow_file < 0)
		not_here("no file system in user space");
	return slow_file >= 0;
}

PLANTED(fsync_, "fsync")
{
	for (int i = 0; i < TIMES && is_slow(); i++)
		BLOCK(fsync(slow_file));
}

PLANTED(fdatasync_, "fdatasync")
{
	for (int i = 0; i < TIMES && is_slow(); i++)
		BLOCK(fdatasync(slow_file));
}

PLANTED(cold_page, "page fault")
{
	long page = sysconf(_SC_PAGESIZE);
	volatile char *map = is_slow() ? mmap(NULL, TIMES * page, PROT_READ, MAP_SHARED, slow_file, 0) : MAP_FAILED;
	if (map == MAP_FAILED)
		return;
	madvise((void *)map, TIMES * page, MADV_RANDOM);
	for (int i = 0; i < TIMES; i++)
		BLOCK((void)map[i * page]);
}

PLANTED(cold_pread, "pread64")
{
	long page = sysconf(_SC_PAGESIZE);
	char byte;
	if (!is_slow())
		return;
	posix_fadvise(slow_file, 0, 0, POSIX_FADV_RANDOM);
	for (int i = 0; i < TIMES; i++)
		BLOCK(if (pread(slow_file, &byte, 1, (16 + i) * page) != 1) not_here("pread"));
}

/* A fault inside a call is the call's. */
PLANTED(cold_write, "write")
{
	long page = sysconf(_SC_PAGESIZE);
	int ends[2];
	char *map = is_slow() ? mmap(NULL, TIMES * page, PROT_READ, MAP_SHARED, slow_file, 32 * page) : MAP_FAILED;
	if (map == MAP_FAILED)
		return;
	make_pipe(ends);
	madvise(map, TIMES * page, MADV_RANDOM);
	for (int i = 0; i < TIMES; i++)
		BLOCK(if (write(ends[1], map + i * page, 1) != 1) not_here("write"));
}

struct fault {
	int fd;
	char *page;
};

static void fill_page(void *arg)
{
	const struct fault *f = arg;
	struct uffdio_zeropage zero = { .range = { (uintptr_t)f->page, 4096 } };
	ioctl(f->fd, UFFDIO_ZEROPAGE, &zero);
}

PLANTED(userfault, "page fault")
{
	static struct fault f;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	f.page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	f.fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	range.range = (struct uffdio_range){ (uintptr_t)f.page, 4096 };
	if (f.fd < 0 || ioctl(f.fd, UFFDIO_API, &api) || ioctl(f.fd, UFFDIO_REGISTER, &range)) {
		not_here("no userfaultfd");
		return;
	}
	later(PAUSE_US, fill_page, &f);
	BLOCK(*(volatile char *)f.page = 1);
}
