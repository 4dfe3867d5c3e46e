/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Descriptors of any kind. sley/socket.h has what only sockets have, sley/buffer.h buffered reading and writing.
 *
 * Two kinds. *Own* descriptors are those that sley made (listen, accept, dial, socket, pipe ...) and those that
 * sley_own() took over: non-blocking, known to the runtime, with the fewest system calls. All others are *foreign*,
 * and may be blocking ones: they are asked not to block (sockets; pipes, eventfd, timerfd), or waited for before they
 * are used (inotify, terminals), so the thread is not blocked. (But for a blocking eventfd that has room, and not for
 * the value that is written: it counts as ready. sley_own() it.) Regular files and whatever else no poller can wait for
 * are read and written as sley/file.h says, at their position.
 *
 * One task may wait to read and another to write; one more gets -EBUSY. All calls are for tasks, else -EDEADLK,
 * unless their comment says "any thread". Descriptors that sley makes are close-on-exec.
 *
 * Nothing here raises SIGPIPE: a reader that is gone is -EPIPE. Nor SIGXFSZ: a file that would grow beyond RLIMIT_FSIZE
 * is -EFBIG, where that limit was set before the first write.
 *
 * Common errors: -EBADF: not open, or closed meanwhile by sley_close(); -EBUSY: another task waits for the same
 * descriptor and direction; -ENOTSUP: a regular file where one cannot be; -EINVAL: more than SSIZE_MAX bytes;
 * -EFAULT: a buffer that is none, see below; -ETIMEDOUT; -ENOMEM; -EMFILE and -ENFILE where a descriptor is made, -EMFILE
 * also for a number beyond the hard limit that there was when the run began (RLIMIT_NOFILE; 2^20 if that is less, 2^22 if
 * more); else what the system call itself answers. Buffers may lie on the calling task's own stack.
 *
 * A buffer of which only a part can be accessed is used up to there: the answer is the count, -EFAULT if it is 0. What
 * was not read stays to be read at once by the next call, and the next write of the rest is -EFAULT at once. (The *_full
 * calls answer -EFAULT, as for any failure after a part.) What comes from a disk, and whatever else a pool of threads
 * reads or writes, is copied by the task: there it is SIGSEGV, as it is with memcpy(3).
 */
#ifndef SLEY_IO_H
#define SLEY_IO_H

#include <sys/uio.h>

#include <sley/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- reading and writing ---- */

/* Reads what there is, up to n bytes: the count, 0 at the end of the stream (or n == 0). */
SLEY_API ssize_t sley_read(int fd, void *buffer, size_t n, sley_time deadline);

/* Writes what fits, at least a byte unless n == 0: the count. */
SLEY_API ssize_t sley_write(int fd, const void *buffer, size_t n, sley_time deadline);

/*
 * The same until all n bytes are through. read_full: n; fewer at the end of the stream. write_full: n. A failure after
 * part of the bytes answers the error; the part's size is lost, so the stream is only good for closing.
 */
SLEY_API ssize_t sley_read_full(int fd, void *buffer, size_t n, sley_time deadline);
SLEY_API ssize_t sley_write_full(int fd, const void *buffer, size_t n, sley_time deadline);

/*
 * sley_read() and sley_write() with `count` buffers, used in order. -EINVAL: count is negative or above IOV_MAX
 * (1,024), or the sizes add up to more than SSIZE_MAX.
 */
SLEY_API ssize_t sley_readv(int fd, const struct iovec *buffers, int count, sley_time deadline);
SLEY_API ssize_t sley_writev(int fd, const struct iovec *buffers, int count, sley_time deadline);

/*
 * Moves up to n bytes of the file `in` to the socket, pipe or file `out` without copying them to the process: the
 * count, 0 at the end of the file. From *offset on, which is advanced, or (null) from the file's own position on, which
 * is. Waits for `out` alone: if `in` has to be read from a disk, that blocks the thread, and asynctop shows it. A
 * foreign `out` that is blocking takes a page at a time: sley_own() it. -EINVAL: `in` is no file that can be mapped.
 */
SLEY_API ssize_t sley_sendfile(int out, int in, off_t *offset, size_t n, sley_time deadline);

/*
 * Moves up to n bytes from `in` to `out`, of which at least one is a pipe: the count, 0 at the end of the stream.
 * Offsets are for sides that have a position and null for the others; `flags` are SPLICE_F_MOVE, SPLICE_F_MORE
 * and SPLICE_F_NONBLOCK, with which it does not wait, but answers -EAGAIN. Waits for either side, so -EBUSY may be about
 * either. A foreign socket that is blocking is served a page at a time.
 * -EINVAL: no pipe, or twice the same. -ESPIPE: an offset for what has none.
 */
SLEY_API ssize_t sley_splice(int in, off_t *in_offset, int out, off_t *out_offset, size_t n, unsigned flags,
			     sley_time deadline);

/*
 * Waits for POLLIN or POLLOUT or both: the events that hold (POLLERR and POLLHUP too, asked for or not). -EINVAL:
 * others. A regular file is always ready, as with poll(2).
 */
SLEY_API int sley_poll(int fd, int events, sley_time deadline);

/* ---- making, taking over, closing ---- */

/* A pipe: own descriptors, fd[0] to read and fd[1] to write. 0. Any thread. -EFAULT: fd is null. */
SLEY_API int sley_pipe(int fd[2]);

/*
 * Makes a foreign descriptor an own one: a socket or listener that was inherited or came over a socket, an eventfd, a
 * pipe. It becomes non-blocking, and so do its duplicates, in other processes too: not for a terminal that is shared
 * with a shell. Call it once, before any task waits for it (that one would get -EBADF), and close it by sley_close().
 * 0. -ENOTSUP: a regular file or directory. Any thread.
 */
SLEY_API int sley_own(int fd);

/*
 * Closes a descriptor and wakes tasks that wait for it with -EBADF; none of them gets what its number is reused for. A
 * call that is being made but does not wait yet cannot be told apart from a later one. Use it for every descriptor
 * that sley has seen: a plain close() tells the runtime nothing. It does not wait: a socket with a linger time
 * (SO_LINGER) is closed as one without, so the kernel sends the rest afterwards; that resets the option, which
 * duplicates share. A time of 0 aborts the connection as ever. On return the address can be bound again and a pipe's
 * peer sees its end, unless a duplicate or a call that is still being made keeps it open. Any thread. 0 or the negative
 * errno of close(2).
 */
SLEY_API int sley_close(int fd);

#ifdef __cplusplus
}
#endif

#endif
