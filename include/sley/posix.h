/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Calls of POSIX as waits of the calling task, with the contract of POSIX: -1 and errno, and no deadline. This is the one
 * exception from the conventions of sley.h. The functions are in libsley-posix.so (pkg-config sley-posix), for two uses:
 *
 *   - Client libraries that know nothing of sley. When libsley-posix.so is loaded, by LD_PRELOAD or because the service is
 *     linked with it, it is found in the place of libc. Calls of a task then wait as those below do, under the names of
 *     libc. When it is not loaded, nothing changes.
 *   - Ports. These names are explicit; with SLEY_POSIX_NAMES defined before this header, read(...) is a macro that calls
 *     sley_posix_read(...), and so on.
 *
 * Under the names of libc a call is a wait if a task makes it. These pass through to the next definition: calls of plain
 * threads and from inside of libsley; calls for regular files and directories; and calls of a task that holds a mutex, an
 * rwlock or a spin lock of libc, or runs an initialiser of pthread_once(). Such a call blocks its thread as it always did,
 * and a spare takes the thread's place (README.md, "Tasks that block their thread"). asynctop names it.
 * The names: read, write, readv, writev; recv, recvfrom, recvmsg, recvmmsg, send, sendto, sendmsg, sendmmsg; connect,
 * accept, accept4; poll, ppoll, select, pselect, epoll_wait, epoll_pwait, epoll_pwait2; getaddrinfo, gethostbyname,
 * gethostbyname2, gethostbyname_r, gethostbyname2_r; sleep, usleep, nanosleep, clock_nanosleep; and what _FORTIFY_SOURCE
 * and libc make of them: __read_chk, __recv_chk, __recvfrom_chk, __poll_chk, __ppoll_chk, __read, __write, __send,
 * __connect, __poll, __select, __nanosleep. It also defines functions that never wait in another way than libc's: to know
 * of locks, those that take and release them; and to know of descriptors, close, __close, dup, dup2, __dup2, dup3, socket,
 * socketpair, pipe and pipe2.
 *
 * What a task may rely on in these waits:
 *   - It continues on the same thread, so thread-locals stay valid, and those of a library are still its own. Other tasks
 *     may run on that thread meanwhile. So a task that waits in no other way never moves, and if another task of its thread
 *     computes or blocks for long, it waits for that.
 *   - The descriptor stays as it is: a blocking one waits and is blocking for all who look, a non-blocking one does not
 *     wait. Duplicates and changes of the mode count as the manual says. SO_RCVTIMEO and SO_SNDTIMEO end a call as the
 *     manual says. So do MSG_DONTWAIT, MSG_PEEK and MSG_WAITALL, and a blocking write returns when all is written.
 *   - No signal ends a wait with EINTR: a task is no thread. Handlers run on any thread.
 *   - sley_cancel() ends a wait with ECANCELED. The task's own deadline (sley/scope.h) ends it with ETIMEDOUT.
 *   - Some 100 calls in a row that did not have to wait let other tasks run, as in libsley.
 * Its stack is another matter: if the library hands pointers into it to threads of its own, the task needs a stack of its
 * own (sley_task_options.private_stack, or SLEY_RUN_OWN_STACKS, or SLEY_POSIX=private in the environment for all tasks).
 *
 *   - A descriptor that is closed while a call waits for it stays open for that call, as the manual says.
 *   - Names are resolved by libc on a thread of the pool (sley/offload.h), with libc's results.
 *
 * What blocks the thread all the same: recvmsg() with MSG_WAITALL and either MSG_PEEK or control data; MSG_ZEROCOPY and
 * MSG_FASTOPEN; ppoll() and its kin with a signal mask; accept() if another process takes the connection just then; a clock
 * of CPU time; files that neither RWF_NOWAIT nor poll(2) is truthful about, such as a blocking eventfd that has no room for
 * the value; stdio, which calls inside libc. SO_RCVLOWAT counts for the wait alone. A stream socket is non-blocking during
 * the system call that begins its connection.
 *
 * A signal handler that interrupted a task must not make these calls on blocking descriptors. The service, and all that
 * it loads, must use libsley.so: if the program contains libsley.a, there is no effect, and a line on stderr says so. Under a
 * sanitizer it is not built, as that defines the same functions.
 */
#ifndef SLEY_POSIX_H
#define SLEY_POSIX_H

#include <netdb.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#ifdef SLEY_POSIX_NAMES /* the macros must not meet the declarations */
#include <time.h>
#include <unistd.h>
#endif

#include <sley/base.h>

struct addrinfo; /* strict C hides the definitions of these */
struct mmsghdr;
struct timespec;

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Sets a deadline for each wait of these calls of the calling task, under either name: `until`. The call fails with
 * ETIMEDOUT then. SLEY_NEVER: none any more. Returns 0; on failure -1 and errno: EDEADLK: no task; ENOMEM. Task.
 */
SLEY_API int sley_posix_deadline(sley_time until);

/*
 * Gets the deadline for a time of CLOCK_REALTIME, such as pthread_cond_timedwait(3) takes: a port that puts the locks and
 * conditions of sley/sync.h in the place of libc's passes it on. Returns it, saturated; a clock that is set later does not
 * move it. Callable as sley_now().
 */
SLEY_API sley_time sley_posix_until(const struct timespec *realtime);

/*
 * As read(2), write(2), readv(2) and writev(2). Returns the count; on failure -1 and errno. Any thread; one that runs no
 * task makes the plain call.
 */
SLEY_API ssize_t sley_posix_read(int fd, void *buffer, size_t n);
SLEY_API ssize_t sley_posix_write(int fd, const void *buffer, size_t n);
SLEY_API ssize_t sley_posix_readv(int fd, const struct iovec *vector, int count);
SLEY_API ssize_t sley_posix_writev(int fd, const struct iovec *vector, int count);

/*
 * As recv(2), recvfrom(2), recvmsg(2) and recvmmsg(2). Returns the count; on failure -1 and errno. Any thread; one that
 * runs no task makes the plain call.
 */
SLEY_API ssize_t sley_posix_recv(int fd, void *buffer, size_t n, int flags);
SLEY_API ssize_t sley_posix_recvfrom(int fd, void *buffer, size_t n, int flags, struct sockaddr *address,
				     socklen_t *size);
SLEY_API ssize_t sley_posix_recvmsg(int fd, struct msghdr *message, int flags);
SLEY_API int sley_posix_recvmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags, struct timespec *timeout);

/*
 * As send(2), sendto(2), sendmsg(2) and sendmmsg(2). Returns the count; on failure -1 and errno. Any thread; one that runs
 * no task makes the plain call.
 */
SLEY_API ssize_t sley_posix_send(int fd, const void *buffer, size_t n, int flags);
SLEY_API ssize_t sley_posix_sendto(int fd, const void *buffer, size_t n, int flags, const struct sockaddr *address,
				   socklen_t size);
SLEY_API ssize_t sley_posix_sendmsg(int fd, const struct msghdr *message, int flags);
SLEY_API int sley_posix_sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags);

/*
 * As connect(2), accept(2) and accept4(2). Returns 0, or a descriptor; on failure -1 and errno. Any thread; one that runs
 * no task makes the plain call.
 */
SLEY_API int sley_posix_connect(int fd, const struct sockaddr *address, socklen_t size);
SLEY_API int sley_posix_accept(int fd, struct sockaddr *address, socklen_t *size);
SLEY_API int sley_posix_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);

/*
 * As poll(2), ppoll(2), select(2), pselect(2) and epoll_wait(2). Returns the count, 0 after the timeout; on failure -1 and
 * errno. Any thread; one that runs no task makes the plain call.
 */
SLEY_API int sley_posix_poll(struct pollfd *fds, nfds_t n, int timeout);
SLEY_API int sley_posix_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask);
SLEY_API int sley_posix_select(int n, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout);
SLEY_API int sley_posix_pselect(int n, fd_set *read, fd_set *write, fd_set *except, const struct timespec *timeout,
				const sigset_t *mask);
SLEY_API int sley_posix_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout);

/*
 * As getaddrinfo(3) and gethostbyname(3). Returns 0 or an error of getaddrinfo(3), EAI_SYSTEM with errno; a host, or null
 * with h_errno. Any thread; one that runs no task makes the plain call.
 */
SLEY_API int sley_posix_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
				    struct addrinfo **result);
SLEY_API struct hostent *sley_posix_gethostbyname(const char *name);

/*
 * As sleep(3), usleep(3), nanosleep(2) and clock_nanosleep(2). A sleep that ends early gives the rest back, and fails with
 * ECANCELED or ETIMEDOUT in the place of EINTR. Returns as they do. Any thread; one that runs no task makes the plain call.
 */
SLEY_API unsigned sley_posix_sleep(unsigned seconds);
SLEY_API int sley_posix_usleep(unsigned us);
SLEY_API int sley_posix_nanosleep(const struct timespec *duration, struct timespec *rest);
SLEY_API int sley_posix_clock_nanosleep(int clock, int flags, const struct timespec *time, struct timespec *rest);

#ifdef __cplusplus
}
#endif

#ifdef SLEY_POSIX_NAMES
#define read(...)            sley_posix_read(__VA_ARGS__)
#define write(...)           sley_posix_write(__VA_ARGS__)
#define readv(...)           sley_posix_readv(__VA_ARGS__)
#define writev(...)          sley_posix_writev(__VA_ARGS__)
#define recv(...)            sley_posix_recv(__VA_ARGS__)
#define recvfrom(...)        sley_posix_recvfrom(__VA_ARGS__)
#define recvmsg(...)         sley_posix_recvmsg(__VA_ARGS__)
#define recvmmsg(...)        sley_posix_recvmmsg(__VA_ARGS__)
#define send(...)            sley_posix_send(__VA_ARGS__)
#define sendto(...)          sley_posix_sendto(__VA_ARGS__)
#define sendmsg(...)         sley_posix_sendmsg(__VA_ARGS__)
#define sendmmsg(...)        sley_posix_sendmmsg(__VA_ARGS__)
#define connect(...)         sley_posix_connect(__VA_ARGS__)
#define accept(...)          sley_posix_accept(__VA_ARGS__)
#define accept4(...)         sley_posix_accept4(__VA_ARGS__)
#define poll(...)            sley_posix_poll(__VA_ARGS__)
#define ppoll(...)           sley_posix_ppoll(__VA_ARGS__)
#define select(...)          sley_posix_select(__VA_ARGS__)
#define pselect(...)         sley_posix_pselect(__VA_ARGS__)
#define epoll_wait(...)      sley_posix_epoll_wait(__VA_ARGS__)
#define getaddrinfo(...)     sley_posix_getaddrinfo(__VA_ARGS__)
#define gethostbyname(...)   sley_posix_gethostbyname(__VA_ARGS__)
#define sleep(...)           sley_posix_sleep(__VA_ARGS__)
#define usleep(...)          sley_posix_usleep(__VA_ARGS__)
#define nanosleep(...)       sley_posix_nanosleep(__VA_ARGS__)
#define clock_nanosleep(...) sley_posix_clock_nanosleep(__VA_ARGS__)
#endif

#endif
