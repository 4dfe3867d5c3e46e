/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Host names: to addresses, and to connections.
 *
 * Names are resolved by getaddrinfo(3), or what the service puts in its place, on a thread of a pool of its own: at
 * most name_threads at a time (option of sley_run(), default 256), so neither do names wait behind files that block, nor
 * anything else behind names whose servers do not answer. A call that finds all of them busy is queued; it is not
 * made when nobody waits for it any more.
 *
 * Answers are kept for a while, as getaddrinfo() does not say how long they hold: addresses for ten seconds, "no such
 * name" for three, a failure of the moment for one; others not at all. Up to 256 are kept, those asked for last. Tasks
 * that ask for the same at the same time share one call; it goes on when the one that began it gives up. The call has the
 * signal mask that an offloaded function has (sley/offload.h).
 */
#ifndef SLEY_NAME_H
#define SLEY_NAME_H

#include <netdb.h>

#include <sley/base.h>

struct addrinfo; /* strict C hides the one of netdb.h */

#ifdef __cplusplus
extern "C" {
#endif

/*
 * The addresses of a host and a service, either of which may be null, in the order of preference: as getaddrinfo(3), whose
 * `hints` (may be null) are copied. *result is the caller's own, to be given to sley_resolve_free(), or to
 * glibc's freeaddrinfo(); null on failure.
 *
 * 0; -ENOENT: no such host, or none of that kind (EAI_NONAME, EAI_NODATA, EAI_ADDRFAMILY); -EAGAIN: a failure of the moment
 * (EAI_AGAIN), or no thread can be started; -EIO: a failure (EAI_FAIL); -ENOTSUP: no such service, family or type
 * (EAI_SERVICE, EAI_FAMILY, EAI_SOCKTYPE); -EINVAL: both are null, or the hints are wrong (EAI_BADFLAGS); -ENAMETOOLONG: a
 * host of more than 1,024 bytes, a service of more than 64; -EFAULT: result is null; -ENOMEM; -ETIMEDOUT; the errno value of
 * EAI_SYSTEM. Task.
 */
SLEY_API int sley_resolve(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **result,
			  sley_time deadline);

/* Frees addresses. Null is nothing. Any thread, outside of sley_run() too. */
SLEY_API void sley_resolve_free(struct addrinfo *addresses);

/* Forgets all answers: they are asked for anew. Any thread, outside of sley_run() too. */
SLEY_API void sley_resolve_flush(void);

/*
 * Puts functions in the place of getaddrinfo() and freeaddrinfo(), with the same contract; both null: those again. They are
 * called on threads of the pool, several at a time. Forgets all answers. 0; -EINVAL: one of them alone is null. Any thread,
 * outside of sley_run() too; -ECHILD in a forked child.
 */
SLEY_API int sley_resolver_set(int (*get)(const char *host, const char *service, const struct addrinfo *hints,
					  struct addrinfo **result),
			       void (*free)(struct addrinfo *result));

/*
 * Connects a TCP socket to a service of a host, as RFC 8305 ("Happy Eyeballs") says: the addresses, IPv6 and IPv4 in turn,
 * are tried in the resolver's order of preference, the next one 250 ms after the one before it or as soon as that has
 * failed. The first that is connected is the result, as of sley_dial(); the other sockets are closed by then. (The RFC's
 * wait for a slow answer about one of the families does not apply: getaddrinfo() gives both at once.) Up to 16 addresses
 * are tried.
 *
 * A descriptor; when all have failed, the error of the one that failed first, but for -EAFNOSUPPORT if another is known;
 * else those of sley_resolve() and sley_dial(). -EINVAL also: host or service is null, or a number of a port beyond 65535.
 * Task.
 */
SLEY_API int sley_dial_host(const char *host, const char *service, sley_time deadline);

#ifdef __cplusplus
}
#endif

#endif
