/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The system calls of operations, with negative errno values as results.
 *
 * They do not use libc's recv(), send() and so on: in a process with threads these turn cancellation on and off around
 * the call, which costs four locked instructions per request, and a thread cancelled there would unwind a task's stack.
 * Only sanitizer builds use them: the sanitizers check the buffers, and learn from these functions that a send by one
 * task happens before its receive by another.
 */
#ifndef IO_SYSTEM_H
#define IO_SYSTEM_H

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <sley.h>

#include "base/compiler.h"

static inline ssize_t negative_errno(ssize_t n)
{
	return n >= 0 ? n : -errno;
}

#if defined(SLEY_TSAN) || defined(SLEY_ASAN)
#define sys_recvfrom(fd, buffer, n, flags, address, size) negative_errno(recvfrom(fd, buffer, n, flags, address, size))
#define sys_sendto(fd, buffer, n, flags, address, size)   negative_errno(sendto(fd, buffer, n, flags, address, size))
#define sys_recvmsg(fd, message, flags)                   negative_errno(recvmsg(fd, message, flags))
#define sys_sendmsg(fd, message, flags)                   negative_errno(sendmsg(fd, message, flags))
#define sys_readv(fd, vector, count)                      negative_errno(readv(fd, vector, count))
#define sys_writev(fd, vector, count)                     negative_errno(writev(fd, vector, count))
#define sys_accept4(fd, address, size, flags)             negative_errno(accept4(fd, address, size, flags))
#else
#define sys_recvfrom(fd, buffer, n, flags, address, size) \
	negative_errno(syscall(SYS_recvfrom, fd, buffer, n, flags, address, size))
#define sys_sendto(fd, buffer, n, flags, address, size) \
	negative_errno(syscall(SYS_sendto, fd, buffer, n, flags, address, size))
#define sys_recvmsg(fd, message, flags)       negative_errno(syscall(SYS_recvmsg, fd, message, flags))
#define sys_sendmsg(fd, message, flags)       negative_errno(syscall(SYS_sendmsg, fd, message, flags))
#define sys_readv(fd, vector, count)          negative_errno(syscall(SYS_readv, fd, vector, count))
#define sys_writev(fd, vector, count)         negative_errno(syscall(SYS_writev, fd, vector, count))
#define sys_accept4(fd, address, size, flags) negative_errno(syscall(SYS_accept4, fd, address, size, flags))
#endif

/* The sanitizers do not check these two calls. libc's versions turn ENOSYS into EOPNOTSUPP. */
#define sys_preadv2(fd, vector, count, offset, flags) \
	negative_errno(syscall(SYS_preadv2, fd, vector, (long)(count), (long)(offset), 0L, flags))
#define sys_pwritev2(fd, vector, count, offset, flags) \
	negative_errno(syscall(SYS_pwritev2, fd, vector, (long)(count), (long)(offset), 0L, flags))

/*
 * Never libc's: ThreadSanitizer treats that as the creation of the descriptor, which is wrong when it ends a
 * connection.
 */
#define sys_connect(fd, address, size) negative_errno(syscall(SYS_connect, fd, address, size))

#endif
