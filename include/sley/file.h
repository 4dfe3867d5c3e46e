/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Regular files and directories.
 *
 * No poller can wait for a disk. These calls make the task wait, never its thread. Where the file system supports
 * RWF_NOWAIT, a read of cached bytes is made at once. All other system calls are made on a thread of the pool for
 * blocking calls (see sley/offload.h), on copies of the arguments. sley_read() and sley_write() do the same at the
 * file's position, for descriptors that cannot be polled.
 *
 * A deadline or a cancellation ends the call, but not a system call that has begun. That system call continues with its
 * copies, and its result is dropped (a descriptor is closed). So after -ETIMEDOUT or -ECANCELED a write, a rename and
 * so on may or may not have happened, and a position may have moved. sley_close() closes a descriptor that such a
 * system call still uses only after the system call has ended. After a plain close(), the number may belong to another
 * file by then.
 *
 * Common errors: those of the system call; -ETIMEDOUT; -EFAULT: a null pointer; -ENAMETOOLONG; -ENOMEM; -EAGAIN: there
 * is no thread, and none can be started. All calls are for tasks, else they return -EDEADLK.
 */
#ifndef SLEY_FILE_H
#define SLEY_FILE_H

#include <sley/base.h>
#include <sys/stat.h>

struct iovec;

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Opens a file, as open(2). Returns a close-on-exec descriptor; close it with sley_close(). A FIFO without a peer keeps
 * a thread of the pool.
 */
SLEY_API int sley_open(const char *path, int flags, mode_t mode, sley_time deadline);

/*
 * Read and write at an offset, as pread(2) and pwrite(2). Return the count. It is less than n at the end of the file
 * (0: nothing left), or if a failure, a deadline or a cancellation came after a part. Transfers are made in parts of up
 * to 256 KiB, so others may see a part of a write. -EINVAL: a negative offset, or n beyond SSIZE_MAX; -ESPIPE: a pipe
 * or socket.
 */
SLEY_API ssize_t sley_pread(int fd, void *buffer, size_t n, off_t offset, sley_time deadline);
SLEY_API ssize_t sley_pwrite(int fd, const void *buffer, size_t n, off_t offset, sley_time deadline);

/* As pread and pwrite, with several buffers, up to IOV_MAX. Return the count. -EINVAL also: another count. */
SLEY_API ssize_t sley_preadv(int fd, const struct iovec *parts, int count, off_t offset, sley_time deadline);
SLEY_API ssize_t sley_pwritev(int fd, const struct iovec *parts, int count, off_t offset, sley_time deadline);

/* Calls on an open file: as the functions of the same name in section 2 of the manual. Return 0. */
SLEY_API int sley_fsync(int fd, sley_time deadline);
SLEY_API int sley_fdatasync(int fd, sley_time deadline);
SLEY_API int sley_ftruncate(int fd, off_t length, sley_time deadline);
SLEY_API int sley_fstat(int fd, struct stat *result, sley_time deadline);

/* Calls on names: as the functions of the same name in section 2 of the manual. Return 0. */
SLEY_API int sley_stat(const char *path, struct stat *result, sley_time deadline);
SLEY_API int sley_lstat(const char *path, struct stat *result, sley_time deadline);
SLEY_API int sley_truncate(const char *path, off_t length, sley_time deadline);
SLEY_API int sley_chmod(const char *path, mode_t mode, sley_time deadline);
SLEY_API int sley_unlink(const char *path, sley_time deadline);
SLEY_API int sley_rename(const char *from, const char *to, sley_time deadline);
SLEY_API int sley_link(const char *from, const char *to, sley_time deadline);
SLEY_API int sley_symlink(const char *target, const char *path, sley_time deadline);
SLEY_API int sley_mkdir(const char *path, mode_t mode, sley_time deadline);
SLEY_API int sley_rmdir(const char *path, sley_time deadline);

/*
 * Reads the target of a symbolic link, as readlink(2), but NUL-terminated. Returns the length, at most n - 1. A longer
 * target is cut. -EINVAL also: n is 0.
 */
SLEY_API ssize_t sley_readlink(const char *path, char *buffer, size_t n, sley_time deadline);

/* One name in a directory. */
struct sley_dir_entry {
	const char *name;
	uint64_t inode;
	unsigned char type; /* DT_REG, DT_DIR ... of <dirent.h>; DT_UNKNOWN if the file system does not tell */
};

/*
 * Reads a whole directory, without "." and "..", in the order of the file system. Returns the number of entries.
 * *entries is one block that also contains the names; the caller frees it with free(). *entries is null if there are no
 * entries, and on failure.
 */
SLEY_API ssize_t sley_dir_read(const char *path, struct sley_dir_entry **entries, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
