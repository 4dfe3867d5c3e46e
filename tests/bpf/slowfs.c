/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#define FUSE_USE_VERSION 31

#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

#include "tests/bpf/slowfs.h"

static unsigned delay;
static int source = -1; /* what the file is a copy of; -1: it is full of SLOWFS_BYTE */
static bool forgetful;
static struct slowfs_hold *hold;
static int mounted[2]; /* a pipe: the child says that it serves */

/* Held, the request stays unanswered, and those behind it unread. */
static void answer_unless_held(void)
{
	while (hold->on) {
		hold->asked = 1;
		syscall(SYS_futex, &hold->on, FUTEX_WAIT, 1, NULL, NULL, 0);
	}
}

static void *fs_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
	(void)connection;
	config->kernel_cache = 1;
	config->entry_timeout = config->attr_timeout = forgetful ? 0 : 3600;
	REQUIRE(write(mounted[1], "x", 1) == 1);
	return NULL;
}

static int fs_getattr(const char *path, struct stat *st, struct fuse_file_info *file)
{
	struct stat original;
	(void)file;
	answer_unless_held();
	if (strcmp(path, "/") == 0) {
		st->st_mode = S_IFDIR | 0755;
		st->st_nlink = 2;
		return 0;
	}
	if (strcmp(path, "/file") != 0)
		return -ENOENT;
	st->st_mode = S_IFREG | 0755;
	st->st_nlink = 1;
	st->st_size = SLOWFS_PAGES * sysconf(_SC_PAGESIZE);
	if (source >= 0 && fstat(source, &original) == 0)
		st->st_size = original.st_size;
	return 0;
}

static int fs_read(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *file)
{
	(void)path, (void)file;
	answer_unless_held();
	if (source >= 0)
		return pread(source, buffer, size, offset);
	usleep(delay);
	memset(buffer, SLOWFS_BYTE, size);
	return size;
}

static int fs_write(const char *path, const char *buffer, size_t size, off_t offset, struct fuse_file_info *file)
{
	(void)path, (void)buffer, (void)offset, (void)file;
	return size;
}

static int fs_fsync(const char *path, int data_only, struct fuse_file_info *file)
{
	(void)path, (void)data_only, (void)file;
	answer_unless_held();
	usleep(delay);
	return 0;
}

static int fs_flush(const char *path, struct fuse_file_info *file)
{
	(void)path, (void)file;
	answer_unless_held();
	return 0;
}

static const struct fuse_operations operations = {
	.init = fs_init,
	.getattr = fs_getattr,
	.read = fs_read,
	.write = fs_write,
	.fsync = fs_fsync,
	.flush = fs_flush,
};

static void serve(const char *directory)
{
	char *argv[] = { "slowfs", "-oallow_other", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(2, argv);
	struct fuse *fuse;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(mounted[0]);
	fuse = fuse_new(&args, &operations, sizeof(operations), NULL);
	if (!fuse || fuse_mount(fuse, directory))
		_exit(1);
	fuse_loop(fuse);
	_exit(0);
}

static bool start(struct slowfs *fs)
{
	char served;
	hold = fs->hold = mmap(NULL, sizeof(*hold), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	REQUIRE(fs->hold != MAP_FAILED);
	strcpy(fs->directory, "/tmp/sley-slowfs-XXXXXX");
	REQUIRE(mkdtemp(fs->directory) && !pipe(mounted));
	snprintf(fs->file, sizeof(fs->file), "%s/file", fs->directory);
	fs->pid = fork();
	REQUIRE(fs->pid >= 0);
	if (!fs->pid)
		serve(fs->directory);
	close(mounted[1]);
	if (read(mounted[0], &served, 1) != 1) {
		slowfs_stop(fs);
		return false;
	}
	close(mounted[0]);
	return true;
}

bool slowfs_start(struct slowfs *fs, unsigned delay_us)
{
	delay = delay_us;
	return start(fs);
}

bool slowfs_start_copy(struct slowfs *fs, const char *original, bool forgets)
{
	bool started;
	source = open(original, O_RDONLY | O_CLOEXEC);
	REQUIRE(source >= 0);
	forgetful = forgets;
	started = start(fs);
	close(source);
	source = -1;
	forgetful = false;
	return started;
}

void slowfs_hold(struct slowfs *fs)
{
	fs->hold->asked = 0;
	fs->hold->on = 1;
}

void slowfs_release(struct slowfs *fs)
{
	fs->hold->on = 0;
	syscall(SYS_futex, &fs->hold->on, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Without the process the kernel answers what it is asked: with an error. */
void slowfs_stop(struct slowfs *fs)
{
	umount2(fs->directory, MNT_DETACH);
	if (fs->hold->on)
		kill(fs->pid, SIGKILL);
	REQUIRE(waitpid(fs->pid, NULL, 0) == fs->pid);
	munmap(fs->hold, sizeof(*fs->hold));
	rmdir(fs->directory);
}
