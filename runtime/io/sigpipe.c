/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "io/sigpipe.h"

#include "base/atomic.h"
#include "base/missing.h"
#include "io/system.h"

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
	static unsigned missing; /* atomic: the kernel, qemu or a filter does not know the flag or the call */
	if (!load(&missing, relaxed)) {
		ssize_t n = sys_pwritev2(fd, vector, count, -1, RWF_NOSIGNAL);
		if (n != -EOPNOTSUPP && (n >= 0 || !is_missing((int)-n))) /* pipes never answer EPERM */
			return n;
		store(&missing, 1, relaxed);
	}
	struct sigpipe s;
	sigpipe_begin(&s);
	return sigpipe_end(&s, sys_writev(fd, vector, (long)count));
}
