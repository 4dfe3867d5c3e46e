/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Regular files and directories.
 *
 * No poller can wait for a disk. These calls wait the task, never its thread: what the page cache has is read at once
 * where the file system can tell (RWF_NOWAIT), and everything else is made by a thread of the pool for what blocks (see
 * sley/offload.h), on copies of what it is given. sley_read() and sley_write() do the same for descriptors that cannot
 * be polled, at the file's position.
 *
 * A deadline or a cancellation ends the call, but not a system call that has begun: it goes on with its copies, and
 * what it gives is dropped (a descriptor closed). So after -ETIMEDOUT or -ECANCELED a write, a rename and so on may have
 * happened or not, and a position may have moved. A descriptor that such a call still uses is closed by sley_close()
 * when that has ended; closed by a plain close(), its number may be another file's by then.
 *
 * Common errors: those of the system call; -ETIMEDOUT; -EFAULT: a null pointer; -ENAMETOOLONG; -ENOMEM; -EAGAIN: there
 * is no thread, and none can be started. All are for tasks, else -EDEADLK.
 */
#ifndef SLEY_FILE_H
#define SLEY_FILE_H

#include <sley/base.h>
#include <sys/stat.h>

struct iovec;

#ifdef __cplusplus
extern "C" {
#endif

/* open(2): a descriptor, close-on-exec; close it with sley_close(). A FIFO without a peer keeps a thread of the pool. */
SLEY_API int sley_open(const char *path, int flags, mode_t mode, sley_time deadline);

/*
 * pread(2) and pwrite(2): the count, less than n only at the end of the file (0: there), or when a failure, a deadline
 * or a cancellation came after part of it. In parts of up to 256 KiB, so others may see a part of a write. -EINVAL: a
 * negative offset, n beyond SSIZE_MAX; -ESPIPE: no file but a pipe or socket.
 */
SLEY_API ssize_t sley_pread(int fd, void *buffer, size_t n, off_t offset, sley_time deadline);
SLEY_API ssize_t sley_pwrite(int fd, const void *buffer, size_t n, off_t offset, sley_time deadline);

/* The same for several buffers, up to IOV_MAX; -EINVAL also: another count. */
SLEY_API ssize_t sley_preadv(int fd, const struct iovec *parts, int count, off_t offset, sley_time deadline);
SLEY_API ssize_t sley_pwritev(int fd, const struct iovec *parts, int count, off_t offset, sley_time deadline);

/* On an open file: as the calls of the same name in section 2. 0. */
SLEY_API int sley_fsync(int fd, sley_time deadline);
SLEY_API int sley_fdatasync(int fd, sley_time deadline);
SLEY_API int sley_ftruncate(int fd, off_t length, sley_time deadline);
SLEY_API int sley_fstat(int fd, struct stat *result, sley_time deadline);

/* On names: as the calls of the same name in section 2. 0. */
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

/* readlink(2), but NUL-terminated: the length, at most n - 1; longer targets are cut. -EINVAL also: n is 0. */
SLEY_API ssize_t sley_readlink(const char *path, char *buffer, size_t n, sley_time deadline);

/* One name in a directory. */
struct sley_dir_entry {
	const char *name;
	uint64_t inode;
	unsigned char type; /* DT_REG, DT_DIR ... of <dirent.h>; DT_UNKNOWN where the file system does not tell */
};

/*
 * Reads a whole directory, but for "." and "..", in the order of the file system: how many entries there are. They are
 * by value: *entries is one block, names included, the caller's to free(). It is null when there are none, or on
 * failure.
 */
SLEY_API ssize_t sley_dir_read(const char *path, struct sley_dir_entry **entries, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
