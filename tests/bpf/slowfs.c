/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#define FUSE_USE_VERSION 31

#include <errno.h>
#include <fuse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

#include "tests/bpf/slowfs.h"

static unsigned delay;
static int mounted[2]; /* a pipe: the child says that it serves */

static void *fs_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
	(void)connection;
	config->kernel_cache = 1;
	REQUIRE(write(mounted[1], "x", 1) == 1);
	return NULL;
}

static int fs_getattr(const char *path, struct stat *st, struct fuse_file_info *file)
{
	(void)file;
	if (strcmp(path, "/") == 0) {
		st->st_mode = S_IFDIR | 0755;
		st->st_nlink = 2;
		return 0;
	}
	if (strcmp(path, "/file") != 0)
		return -ENOENT;
	st->st_mode = S_IFREG | 0644;
	st->st_nlink = 1;
	st->st_size = SLOWFS_PAGES * sysconf(_SC_PAGESIZE);
	return 0;
}

static int fs_read(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *file)
{
	(void)path, (void)offset, (void)file;
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
	usleep(delay);
	return 0;
}

static const struct fuse_operations operations = {
	.init = fs_init,
	.getattr = fs_getattr,
	.read = fs_read,
	.write = fs_write,
	.fsync = fs_fsync,
};

static void serve(const char *directory)
{
	char *argv[] = { "slowfs", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct fuse *fuse;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(mounted[0]);
	fuse = fuse_new(&args, &operations, sizeof(operations), NULL);
	if (!fuse || fuse_mount(fuse, directory))
		_exit(1);
	fuse_loop(fuse);
	_exit(0);
}

bool slowfs_start(struct slowfs *fs, unsigned delay_us)
{
	char served;

	delay = delay_us;
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

void slowfs_stop(struct slowfs *fs)
{
	umount2(fs->directory, MNT_DETACH);
	REQUIRE(waitpid(fs->pid, NULL, 0) == fs->pid);
	rmdir(fs->directory);
}
