/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Rows of files: what the pool for what blocks does on their behalf. Its only thread is kept by another call, so these
 * wait for it; a call that is given up then has never begun.
 *
 * Files of /proc are read and written by the pool always, as the kernel cannot say of them whether it would block.
 */
#include "tests/stress/matrix_rows_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/stress/matrix_pool.h"
#include "tests/stress/stress.h"

static char folder[32], file[48], other[48];
static int fd = -1;

static void file_open(void)
{
	pool_keep();
	snprintf(folder, sizeof(folder), "/tmp/sley-matrix-XXXXXX");
	REQUIRE(mkdtemp(folder));
	snprintf(file, sizeof(file), "%s/file", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0);
}

static void file_end(void)
{
	pool_let_go();
	REQUIRE(sley_close(fd) == 0);
	REQUIRE(unlink(file) == 0 && rmdir(folder) == 0);
}

static void proc_open(void)
{
	pool_keep();
	fd = open("/proc/self/coredump_filter", O_RDWR | O_CLOEXEC);
	REQUIRE(fd >= 0);
}

static void proc_end(void)
{
	pool_let_go();
	REQUIRE(sley_close(fd) == 0);
}

#define CALL(name, ...) \
	static int name##_call(sley_time deadline) \
	{ \
		__VA_ARGS__ \
	}

/* ---- on names: what a call that was done has changed is undone ---- */

CALL(open, {
	int opened = sley_open(file, O_RDONLY, 0, deadline);
	return opened < 0 ? opened : sley_close(opened);
})
CALL(stat, return sley_stat(file, &(struct stat){ 0 }, deadline);)
CALL(lstat, return sley_lstat(file, &(struct stat){ 0 }, deadline);)
CALL(truncate, return sley_truncate(file, 1, deadline);)
CALL(chmod, return sley_chmod(file, 0600, deadline);)
CALL(unlink, {
	REQUIRE(link(file, other) == 0);
	int error = sley_unlink(other, deadline);
	REQUIRE(unlink(other) == (error ? 0 : -1));
	return error;
})
CALL(rename, {
	int error = sley_rename(file, other, deadline);
	REQUIRE(rename(other, file) == (error ? -1 : 0));
	return error;
})
CALL(link, {
	int error = sley_link(file, other, deadline);
	REQUIRE(unlink(other) == (error ? -1 : 0));
	return error;
})
CALL(symlink, {
	int error = sley_symlink(file, other, deadline);
	REQUIRE(unlink(other) == (error ? -1 : 0));
	return error;
})
CALL(mkdir, {
	int error = sley_mkdir(other, 0700, deadline);
	REQUIRE(rmdir(other) == (error ? -1 : 0));
	return error;
})
CALL(rmdir, {
	REQUIRE(mkdir(other, 0700) == 0);
	int error = sley_rmdir(other, deadline);
	REQUIRE(rmdir(other) == (error ? 0 : -1));
	return error;
})
CALL(readlink, {
	char target[64];
	REQUIRE(symlink("target", other) == 0);
	int n = (int)sley_readlink(other, target, sizeof(target), deadline);
	REQUIRE(unlink(other) == 0 && (n < 0 || strcmp(target, "target") == 0));
	return n;
})
CALL(dir_read, {
	struct sley_dir_entry *entries;
	int n = (int)sley_dir_read(folder, &entries, deadline);
	REQUIRE(n < 0 ? !entries : strcmp(entries[0].name, "file") == 0);
	free(entries);
	return n;
})

/* ---- on descriptors ---- */

CALL(fstat, return sley_fstat(fd, &(struct stat){ 0 }, deadline);)
CALL(fsync, return sley_fsync(fd, deadline);)
CALL(fdatasync, return sley_fdatasync(fd, deadline);)
CALL(ftruncate, return sley_ftruncate(fd, 1, deadline);)

/* The mask is "00000033\n", and stays what it is. */
static char digits[9];

static void mask_open(void)
{
	proc_open();
	REQUIRE(pread(fd, digits, sizeof(digits), 0) == sizeof(digits));
	digits[0] = '0';
	digits[1] = 'x';
}

static struct iovec part_of(char *bytes)
{
	return (struct iovec){ bytes, 8 };
}

CALL(pread, return (int)sley_pread(fd, (char[8]){ 0 }, 8, 0, deadline);)
CALL(preadv, {
	struct iovec part = part_of((char[8]){ 0 });
	return (int)sley_preadv(fd, &part, 1, 0, deadline);
})
CALL(read_file, {
	int n = (int)sley_read(fd, (char[8]){ 0 }, 8, deadline);
	REQUIRE(n < 0 || lseek(fd, 0, SEEK_SET) == 0);
	return n;
})
CALL(pwrite, return (int)sley_pwrite(fd, digits, 8, 0, deadline);)
CALL(pwritev, {
	struct iovec part = part_of(digits);
	return (int)sley_pwritev(fd, &part, 1, 0, deadline);
})
CALL(write_file, return (int)sley_write(fd, digits, 8, deadline);)

#define ROW(name, kind, open, end, answer) \
	{ \
#name, SLEY_WAIT_##kind, open, end, name##_call, pool_let_go, pool_keep, \
			.done = (answer), .in_thread = -EDEADLK, .always_waits = true, .each_anew = true \
	}
#define FILE_ROW(name)       ROW(name, OFFLOAD, file_open, file_end, 0)
#define PROC_ROW(name, kind) ROW(name, kind, mask_open, proc_end, 8)

const struct matrix_row matrix_rows_file[] = {
	FILE_ROW(open),
	FILE_ROW(stat),
	FILE_ROW(lstat),
	FILE_ROW(truncate),
	FILE_ROW(chmod),
	FILE_ROW(unlink),
	FILE_ROW(rename),
	FILE_ROW(link),
	FILE_ROW(symlink),
	FILE_ROW(mkdir),
	FILE_ROW(rmdir),
	ROW(readlink, OFFLOAD, file_open, file_end, 6),
	ROW(dir_read, OFFLOAD, file_open, file_end, 1),
	FILE_ROW(fstat),
	FILE_ROW(fsync),
	FILE_ROW(fdatasync),
	FILE_ROW(ftruncate),
	PROC_ROW(pread, READ),
	PROC_ROW(preadv, READ),
	PROC_ROW(read_file, READ),
	PROC_ROW(pwrite, WRITE),
	PROC_ROW(pwritev, WRITE),
	PROC_ROW(write_file, WRITE),
	{ NULL },
};
