/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The system calls of operations, with negative errno values as results. They leave errno alone.
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

/* The same of a call of libc that is to leave errno alone. */
#define NEGATIVE_ERRNO(call) \
	__extension__({ \
		int *errno_place = sley_errno_location(), errno_before = *errno_place; \
		ssize_t call_result = (call); \
		if (call_result < 0) { \
			call_result = -*errno_place; \
			*errno_place = errno_before; \
		} \
		call_result; \
	})

/* On x86-64 the instruction itself: no call, and errno is not even looked up. */
#ifdef __x86_64__
static ALWAYS_INLINE ssize_t system_call(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}
#else
static inline ssize_t system_call(long number, long a, long b, long c, long d, long e, long f)
{
	return NEGATIVE_ERRNO(syscall(number, a, b, c, d, e, f));
}
#endif

#if defined(SLEY_TSAN) || defined(SLEY_ASAN)
#define sys_recvfrom(fd, buffer, n, flags, address, size) NEGATIVE_ERRNO(recvfrom(fd, buffer, n, flags, address, size))
#define sys_sendto(fd, buffer, n, flags, address, size)   NEGATIVE_ERRNO(sendto(fd, buffer, n, flags, address, size))
#define sys_recvmsg(fd, message, flags)                   NEGATIVE_ERRNO(recvmsg(fd, message, flags))
#define sys_sendmsg(fd, message, flags)                   NEGATIVE_ERRNO(sendmsg(fd, message, flags))
#define sys_readv(fd, vector, count)                      NEGATIVE_ERRNO(readv(fd, vector, count))
#define sys_writev(fd, vector, count)                     NEGATIVE_ERRNO(writev(fd, vector, count))
#define sys_accept4(fd, address, size, flags)             NEGATIVE_ERRNO(accept4(fd, address, size, flags))
#else
#define sys_recvfrom(fd, buffer, n, flags, address, size) \
	system_call(SYS_recvfrom, fd, (long)(buffer), (long)(n), flags, (long)(address), (long)(size))
#define sys_sendto(fd, buffer, n, flags, address, size) \
	system_call(SYS_sendto, fd, (long)(buffer), (long)(n), flags, (long)(address), (long)(size))
#define sys_recvmsg(fd, message, flags)       system_call(SYS_recvmsg, fd, (long)(message), flags, 0, 0, 0)
#define sys_sendmsg(fd, message, flags)       system_call(SYS_sendmsg, fd, (long)(message), flags, 0, 0, 0)
#define sys_readv(fd, vector, count)          system_call(SYS_readv, fd, (long)(vector), count, 0, 0, 0)
#define sys_writev(fd, vector, count)         system_call(SYS_writev, fd, (long)(vector), count, 0, 0, 0)
#define sys_accept4(fd, address, size, flags) system_call(SYS_accept4, fd, (long)(address), (long)(size), flags, 0, 0)
#endif

/* The sanitizers do not check these two calls. libc's versions turn ENOSYS into EOPNOTSUPP. */
#define sys_preadv2(fd, vector, count, offset, flags) \
	system_call(SYS_preadv2, fd, (long)(vector), (long)(count), (long)(offset), 0, flags)
#define sys_pwritev2(fd, vector, count, offset, flags) \
	system_call(SYS_pwritev2, fd, (long)(vector), (long)(count), (long)(offset), 0, flags)

/*
 * Never libc's: ThreadSanitizer treats that as the creation of the descriptor, which is wrong when it ends a
 * connection.
 */
#define sys_connect(fd, address, size) system_call(SYS_connect, fd, (long)(address), (long)(size), 0, 0, 0)

#endif
