/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * libsley-posix: the calls of libc that wait for sockets, pipes and times, as waits of the calling task. For client
 * libraries that know nothing of sley: the library is preloaded or linked, and is found in the place of libc.
 *
 *   names.c      the names of libc. Each asks whether the call is to be a wait, and else goes on to the next definition
 *   own.c        the same calls under names of their own: sley/posix.h
 *   wait.c       a wait: pinned to the thread, as the caller may have state there
 *   kept.c       descriptors that are closed while a call waits for them
 *   held.c       locks of libc that the task holds: with one, the call blocks its thread as it always did
 *   kind.c       what a descriptor is
 *   transfer.c   read, write; message.c: recv, send; connect.c: connect, accept; ready.c: poll, select, epoll_wait;
 *                sleep.c; resolve.c: getaddrinfo, gethostbyname
 *
 * A descriptor stays as it is: no call here makes a blocking one non-blocking. Each call is tried in a way that does not
 * block (MSG_DONTWAIT, RWF_NOWAIT, poll(2) before). When that fails with EAGAIN, the kernel is asked whether the descriptor
 * is blocking and for its timeouts, and the task waits. Rejected: a table of modes that follows socket(), fcntl(), ioctl(),
 * setsockopt() and dup(). Modes belong to open files, which other descriptors and processes share, so the kernel alone
 * knows them; and it is asked only by a call that is about to wait anyway. connect(2) knows no such flag: a stream socket
 * is non-blocking during that one system call.
 *
 * The functions here are called by tasks. They follow the manual's contract: -1 and errno.
 */
#ifndef POSIX_POSIX_H
#define POSIX_POSIX_H

#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#include <sley.h>
#undef errno /* libc's: a wait here ends on its own thread */
#define errno (*__errno_location())

#include "base/atomic.h"
#include "base/compiler.h"

/* The next definition of a function of libc. It is looked up once. */
#define NEXT(name) \
	__extension__({ \
		static __typeof__(&name) next_; \
		__typeof__(&name) found_ = load(&next_, relaxed); \
		if (unlikely(!found_)) { \
			found_ = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
			store(&next_, found_, relaxed); \
		} \
		found_; \
	})

/* ---- whether to wait ---- */

/* Whether the running task holds a lock of libc: mutex, rwlock, spin lock, or an initialisation that is made once. */
bool posix_holds_lock(void);

/* Whether a call of the running task from `pc` is to be a wait: it comes from outside of libsley, and no lock is held. */
bool posix_may_wait(const void *pc);

/* The same for any thread. */
static inline bool posix_waits(const void *pc)
{
	return unlikely(sley_self() > 0) && posix_may_wait(pc);
}

/* ---- waiting ---- */

/* A call that may wait before it tries again. */
struct posix_call {
	int fd;
	short events; /* POLLIN or POLLOUT */
	bool known;   /* the descriptor is blocking, and `deadline` is set */
	bool waited;
	bool kept;          /* `fd` is a duplicate of the call's own: see kept.c */
	unsigned vain;      /* waits after which a try still failed */
	sley_time deadline; /* by SO_RCVTIMEO or SO_SNDTIMEO */
	const void *pc;
};

#define POSIX_CALL(number, what, place) \
	{ \
		.fd = (number), .events = (what), .pc = (place) \
	}

/* Whether the descriptor is blocking. False with EAGAIN in errno, or EBADF. */
bool posix_is_blocking(struct posix_call *call);

/* Waits after a try that failed with EAGAIN. False: the call ends with errno. */
bool posix_wait(struct posix_call *call);

/*
 * Called before a call returns that may have waited. Lets other tasks run now and then, after calls that did not have to
 * wait.
 */
void posix_end(struct posix_call *call);

/*
 * Waits until one of the descriptors is ready, or for no reason. 0; -ETIMEDOUT: `deadline` has passed; -1: the call ends
 * with errno.
 */
int posix_wait_any(const struct pollfd *fds, unsigned long n, sley_time deadline, const void *pc);

/* Waits for the time. True; false: the call ends with errno. */
bool posix_sleep_until(sley_time until, const void *pc);

/* The deadline of all waits of the calling task. posix_set_deadline() returns 0; -EDEADLK or -ENOMEM. */
sley_time posix_deadline(void);
int posix_set_deadline(sley_time deadline);

/*
 * Around a wait for `fd`. The end returns a duplicate, which belongs to the caller, if the number was closed meanwhile; else
 * -1. posix_keep_begin() may return null, without memory.
 */
struct posix_task *posix_keep_begin(int fd);
int posix_keep_end(struct posix_task *state);

/* What the kernel refuses, and is left to it. */
static inline bool posix_time_is_wrong(const struct timespec *time)
{
	return time && (time->tv_sec < 0 || time->tv_nsec < 0 || time->tv_nsec > 999999999);
}

/* ---- kinds of descriptors ---- */

enum posix_kind {
	POSIX_UNKNOWN,
	POSIX_SOCKET,
	POSIX_PIPE,
	POSIX_OTHER, /* another one that may block: a terminal, an eventfd */
	POSIX_FILE,  /* is always ready: its calls pass through */
};

/* What the number seems to be. Only a hint, as the number may have been reused. */
enum posix_kind posix_kind(int fd);

/* Asks the kernel. */
enum posix_kind posix_kind_learn(int fd);

/* The number was closed or made. */
void posix_kind_forget(int fd);

/* ---- the calls; `pc`: where they come from ---- */

ssize_t posix_read(int fd, void *buffer, size_t n, const void *pc);
ssize_t posix_write(int fd, const void *buffer, size_t n, const void *pc);
ssize_t posix_readv(int fd, const struct iovec *vector, int count, const void *pc);
ssize_t posix_writev(int fd, const struct iovec *vector, int count, const void *pc);

ssize_t posix_recv(int fd, void *buffer, size_t n, int flags, const void *pc);
ssize_t posix_recvfrom(int fd, void *buffer, size_t n, int flags, struct sockaddr *address, socklen_t *size,
		       const void *pc);
ssize_t posix_recvmsg(int fd, struct msghdr *message, int flags, const void *pc);
int posix_recvmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags, struct timespec *timeout, const void *pc);
ssize_t posix_send(int fd, const void *buffer, size_t n, int flags, const void *pc);
ssize_t posix_sendto(int fd, const void *buffer, size_t n, int flags, const struct sockaddr *address, socklen_t size,
		     const void *pc);
ssize_t posix_sendmsg(int fd, const struct msghdr *message, int flags, const void *pc);
int posix_sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags, const void *pc);

int posix_connect(int fd, const struct sockaddr *address, socklen_t size, const void *pc);
int posix_accept(int fd, struct sockaddr *address, socklen_t *size, const void *pc);
int posix_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags, const void *pc);

int posix_poll(struct pollfd *fds, nfds_t n, int timeout, const void *pc);
int posix_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask, const void *pc);
int posix_select(int n, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout, const void *pc);
int posix_pselect(int n, fd_set *read, fd_set *write, fd_set *except, const struct timespec *timeout,
		  const sigset_t *mask, const void *pc);
int posix_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout, const void *pc);
int posix_epoll_pwait(int epoll, struct epoll_event *events, int most, int timeout, const sigset_t *mask,
		      const void *pc);
int posix_epoll_pwait2(int epoll, struct epoll_event *events, int most, const struct timespec *timeout,
		       const sigset_t *mask, const void *pc);

int posix_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **result,
		      const void *pc);
struct hostent *posix_gethostbyname(const char *name, const void *pc);
struct hostent *posix_gethostbyname2(const char *name, int family, const void *pc);
int posix_gethostbyname_r(const char *name, struct hostent *entry, char *buffer, size_t size, struct hostent **result,
			  int *h_error, const void *pc);
int posix_gethostbyname2_r(const char *name, int family, struct hostent *entry, char *buffer, size_t size,
			   struct hostent **result, int *h_error, const void *pc);

unsigned posix_sleep(unsigned seconds, const void *pc);
int posix_usleep(useconds_t us, const void *pc);
int posix_nanosleep(const struct timespec *duration, struct timespec *rest, const void *pc);
int posix_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *rest,
			  const void *pc);

#endif
