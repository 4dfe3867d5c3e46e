/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Descriptors of any kind. sley/socket.h has the calls for sockets alone, sley/buffer.h buffered reading and writing.
 *
 * There are two kinds. *Own* descriptors were made by sley (listen, accept, dial, socket, pipe ...) or taken over by
 * sley_own(). They are non-blocking, known to the runtime, and need the fewest system calls. All other descriptors are
 * *foreign* and may be blocking. The runtime does not let them block the thread: it makes each system call non-blocking
 * (sockets, pipes, eventfd, timerfd), or waits for the descriptor before the system call (inotify, terminals). One case
 * does block: a write to a blocking eventfd that has room, but not for the written value, as the eventfd counts as
 * ready. sley_own() it. Regular files and other descriptors that cannot be polled are read and written as sley/file.h
 * says, at their position.
 *
 * One task may wait to read and another to write; one more gets -EBUSY (acceptors line up). All calls are for tasks, else they return
 * -EDEADLK, unless their comment says "any thread". Descriptors made by sley are close-on-exec.
 *
 * No call raises SIGPIPE: a write to a pipe or socket without a reader returns -EPIPE. No call raises SIGXFSZ: a write
 * beyond RLIMIT_FSIZE returns -EFBIG, if that limit was set before the first write.
 *
 * Common errors: -EBADF: not open, or closed by sley_close() during the call; -EBUSY: another task waits for the same
 * descriptor and direction; -ENOTSUP: a regular file in a call that does not support it; -EINVAL: more than SSIZE_MAX
 * bytes; -EFAULT: a buffer that cannot be accessed; -ETIMEDOUT; -ENOMEM; -EMFILE and -ENFILE from calls that make a
 * descriptor; -EMFILE also for a number beyond the hard limit (RLIMIT_NOFILE) at the start of the run (at least 2^20
 * and at most 2^22); else the error of the system call. Buffers may lie on the calling task's own stack.
 *
 * If only the first part of a buffer can be accessed, the call uses that part and returns its count, or -EFAULT if it
 * is 0. Unread bytes stay for the next read, which does not wait. A write of the rest returns -EFAULT at once. (The
 * *_full calls return -EFAULT, as for any failure after a part.) Bytes from a disk, and other bytes that a pool of
 * threads reads or writes, are copied by the task: there an invalid buffer is SIGSEGV, as with memcpy(3).
 */
#ifndef SLEY_IO_H
#define SLEY_IO_H

#include <sys/uio.h>

#include <sley/base.h>

struct pollfd;

#ifdef __cplusplus
extern "C" {
#endif

/* ---- reading and writing ---- */

/* Reads available bytes, up to n. Returns the count; 0: the end of the stream (or n == 0). */
SLEY_API ssize_t sley_read(int fd, void *buffer, size_t n, sley_time deadline);

/* Writes as many bytes as fit, at least one unless n == 0. Returns the count. */
SLEY_API ssize_t sley_write(int fd, const void *buffer, size_t n, sley_time deadline);

/*
 * As read and write, until all n bytes are transferred. Return n; sley_read_full() returns fewer at the end of the
 * stream. A failure after a part returns the error, and the size of that part is lost: the only use of the stream is to
 * close it.
 */
SLEY_API ssize_t sley_read_full(int fd, void *buffer, size_t n, sley_time deadline);
SLEY_API ssize_t sley_write_full(int fd, const void *buffer, size_t n, sley_time deadline);

/*
 * As sley_read() and sley_write(), with `count` buffers, used in order. Return the count. -EINVAL: count is negative or
 * above IOV_MAX (1,024), or the sizes add up to more than SSIZE_MAX.
 */
SLEY_API ssize_t sley_readv(int fd, const struct iovec *buffers, int count, sley_time deadline);
SLEY_API ssize_t sley_writev(int fd, const struct iovec *buffers, int count, sley_time deadline);

/*
 * Moves up to n bytes of the file `in` to the socket, pipe or file `out`, without a copy to the process. Returns the
 * count; 0: the end of the file. Begins at *offset and advances it; if `offset` is null, begins at the file's own
 * position and advances that. Waits for `out` alone: if `in` has to be read from a disk, this blocks the thread, and
 * asynctop shows it. A blocking foreign `out` gets one page at a time: sley_own() it. -EINVAL: `in` is no file that can
 * be mapped.
 */
SLEY_API ssize_t sley_sendfile(int out, int in, off_t *offset, size_t n, sley_time deadline);

/*
 * Moves up to n bytes from `in` to `out`, at least one of which is a pipe. Returns the count; 0: the end of the stream.
 * Offsets are for sides that have a position, and null for the others. `flags`: SPLICE_F_MOVE, SPLICE_F_MORE, and
 * SPLICE_F_NONBLOCK: -EAGAIN instead of a wait. Waits for either side, so -EBUSY may be about either. A blocking
 * foreign socket gets one page at a time. -EINVAL: no pipe, or the same pipe twice. -ESPIPE: an offset for a side
 * without a position.
 */
SLEY_API ssize_t sley_splice(int in, off_t *in_offset, int out, off_t *out_offset, size_t n, unsigned flags,
			     sley_time deadline);

/*
 * Waits for POLLIN or POLLOUT or both. Returns the events that hold, also POLLERR and POLLHUP without being asked.
 * -EINVAL: other events. A regular file is always ready, as with poll(2).
 */
SLEY_API int sley_poll(int fd, int events, sley_time deadline);

/*
 * As sley_poll(), for libraries that wait on behalf of their caller: tools show `pc` as the place of the wait. Returns the
 * events. Task.
 */
SLEY_API int sley_poll_at(int fd, int events, sley_time deadline, const void *pc);

/*
 * Waits until at least one of n descriptors is ready, as poll(2) does: `events` and `revents` of each are as there, with
 * POLLPRI, POLLRDHUP and POLLNVAL, and a descriptor below 0 is left out. Other tasks may wait for the same descriptors at
 * the same time. A descriptor that is closed during the wait is not waited for any more. If none is ready at once, the
 * call costs n + 3 system calls and a descriptor: it is for a few descriptors, and for code that is written so. A task
 * for each descriptor costs less. Returns the number of descriptors whose `revents` is not 0, at least 1; -ETIMEDOUT;
 * -EINVAL: n is above the limit of open files; -EFAULT: null, and n is not 0; -EMFILE, -ENFILE, -ENOMEM.
 */
SLEY_API int sley_pollv(struct pollfd *fds, size_t n, sley_time deadline);

/* ---- making, taking over, closing ---- */

/* Makes a pipe of two own descriptors: fd[0] to read, fd[1] to write. Returns 0; -EFAULT: fd is null. Any thread. */
SLEY_API int sley_pipe(int fd[2]);

/*
 * Makes a foreign descriptor an own one: a socket or listener that was inherited or received over a socket, an eventfd,
 * a pipe. The descriptor becomes non-blocking, and so do its duplicates, in other processes too. So do not use it for a
 * terminal shared with a shell. Call it once, before any task waits for the descriptor (such a wait would end with
 * -EBADF), and close the descriptor with sley_close(). Returns 0; -ENOTSUP: a regular file or directory. Any thread.
 */
SLEY_API int sley_own(int fd);

/*
 * Closes a descriptor. Waits of tasks for it end with -EBADF; none of them can reach a later file of the same number. A
 * call that has begun but does not wait yet is treated as a later call. Use sley_close() for every descriptor that sley
 * has seen: a plain close() tells the runtime nothing. It does not wait: a socket with a linger time (SO_LINGER) is
 * closed as one without it, so the kernel sends the rest afterwards. This resets the option, which duplicates share. A
 * linger time of 0 still aborts the connection. On return the address can be bound again and the peer of a pipe sees
 * its end, unless a duplicate or a call in progress keeps it open. Returns 0 or the negative errno of close(2). Any
 * thread.
 */
SLEY_API int sley_close(int fd);

/*
 * Takes a descriptor back from the runtime and leaves it open: for one that other code is to close, as a library that it
 * was handed to. Waits of tasks for it end with -EBADF, and none of them can reach a later file of the same number. It is
 * a foreign descriptor from then on; one that was an own descriptor stays non-blocking. If other code has closed the
 * descriptor already, the call still serves, until the number is reused. Returns 0, also for a descriptor that sley has
 * never seen; -EBADF: fd is below 0. Any thread.
 */
SLEY_API int sley_forget(int fd);

#ifdef __cplusplus
}
#endif

#endif
