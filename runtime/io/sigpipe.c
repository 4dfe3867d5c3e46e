/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "io/sigpipe.h"

#include "base/atomic.h"
#include "io/system.h"

#ifndef RWF_NOSIGNAL
#define RWF_NOSIGNAL 0x00000100 /* Linux 6.18 */
#endif

void sigpipe_begin(struct sigpipe *s)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, &s->old);
}

ssize_t sigpipe_end(const struct sigpipe *s, ssize_t n)
{
	static const struct timespec at_once;
	sigset_t set;
	if (sigismember(&s->old, SIGPIPE))
		return n; /* it was blocked before: whoever did that expects to find it pending */
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	if (n == -EPIPE)
		sigtimedwait(&set, NULL, &at_once);
	pthread_sigmask(SIG_SETMASK, &s->old, NULL);
	return n;
}

ssize_t sigpipe_writev(int fd, const struct iovec *vector, int count)
{
	static unsigned missing; /* atomic: the kernel, or qemu, does not know the flag or the call */
	if (!load(&missing, relaxed)) {
		ssize_t n = sys_pwritev2(fd, vector, count, RWF_NOSIGNAL);
		if (n != -EOPNOTSUPP && n != -ENOSYS)
			return n;
		store(&missing, 1, relaxed);
	}
	struct sigpipe s;
	sigpipe_begin(&s);
	return sigpipe_end(&s, sys_writev(fd, vector, (long)count));
}

ssize_t sigpipe_writev_nowait(int fd, const struct iovec *vector, int count)
{
	ssize_t n = sys_pwritev2(fd, vector, count, RWF_NOWAIT | RWF_NOSIGNAL);
	return n == -ENOSYS ? -EOPNOTSUPP : n;
}
