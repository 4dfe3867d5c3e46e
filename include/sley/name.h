/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Host names: to addresses, and to connections.
 *
 * getaddrinfo(3), or the service's replacement, resolves names on a thread of a separate pool: at most name_threads
 * calls at a time (option of sley_run(), default 256). So names do not wait behind files that block, and nothing else
 * waits behind names whose servers do not answer. If all threads are busy, a call is queued. It is dropped when no task
 * waits for it any more.
 *
 * Answers are cached. getaddrinfo() does not give their lifetime, so addresses are kept for ten seconds, "no such name"
 * for three, a temporary failure for one, and other failures not at all. The cache holds up to 256 answers, the most
 * recently used ones. Tasks that ask for the same name at the same time share one call, which continues when the task
 * that began it gives up. The call has the signal mask of an offloaded function (sley/offload.h).
 */
#ifndef SLEY_NAME_H
#define SLEY_NAME_H

#include <netdb.h>

#include <sley/base.h>

struct addrinfo; /* strict C hides the definition in netdb.h */

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Resolves a host and a service, as getaddrinfo(3); one of the two may be null. `hints` (may be null) are copied.
 * *result receives the addresses in the order of preference, or null on failure. The caller owns them and frees them
 * with sley_resolve_free(), or with glibc's freeaddrinfo().
 *
 * Returns 0; -ENOENT: no such host, or none of that kind (EAI_NONAME, EAI_NODATA, EAI_ADDRFAMILY); -EAGAIN: a temporary
 * failure (EAI_AGAIN), or no thread can be started; -EIO: a failure (EAI_FAIL); -ENOTSUP: no such service, family or
 * type (EAI_SERVICE, EAI_FAMILY, EAI_SOCKTYPE); -EINVAL: both are null, or the hints are wrong (EAI_BADFLAGS);
 * -ENAMETOOLONG: a host of more than 1,024 bytes, a service of more than 64; -EFAULT: result is null; -ENOMEM;
 * -ETIMEDOUT; the errno value of EAI_SYSTEM. Task.
 */
SLEY_API int sley_resolve(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **result,
			  sley_time deadline);

/* Frees addresses. Null is a no-op. Any thread, also outside of sley_run(). */
SLEY_API void sley_resolve_free(struct addrinfo *addresses);

/* Drops all cached answers. Any thread, also outside of sley_run(). */
SLEY_API void sley_resolve_flush(void);

/*
 * Replaces getaddrinfo() and freeaddrinfo() by functions with the same contract; two null pointers restore them. They
 * are called on threads of the pool, several at a time. Drops all cached answers. Returns 0; -EINVAL: only one of them
 * is null; -ECHILD: in a forked child. Any thread, also outside of sley_run().
 */
SLEY_API int sley_resolver_set(int (*get)(const char *host, const char *service, const struct addrinfo *hints,
					  struct addrinfo **result),
			       void (*free)(struct addrinfo *result));

/*
 * Connects a TCP socket to a service of a host, as RFC 8305 ("Happy Eyeballs"). It tries the addresses in the
 * resolver's order of preference, IPv6 and IPv4 in turn. It begins the next attempt 250 ms after the previous one, or
 * as soon as that has failed. The first connection is the result, as of sley_dial(); the other sockets are closed
 * before the call returns. (The RFC's wait for a slow answer about one family does not apply: getaddrinfo() gives both
 * at once.) At most 16 addresses are tried.
 *
 * Returns a descriptor. If all attempts fail, it returns the error of the first attempt that failed, but prefers any
 * other error to -EAFNOSUPPORT. Else it returns the errors of sley_resolve() and sley_dial(). -EINVAL also: host or
 * service is null, or a port number above 65535. Task.
 */
SLEY_API int sley_dial_host(const char *host, const char *service, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
