/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "base/rare.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Alone in its cache line: all threads read it all the time. */
unsigned rare CACHE_ALIGNED = RARE_FENCED;

static bool membarrier(int command)
{
	int saved = errno;
	bool done = syscall(SYS_membarrier, command, 0, 0) == 0;
	errno = saved;
	return done;
}

__attribute__((constructor)) static void rare_open(void)
{
	if (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) && membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED))
		fetch_and(&rare, ~RARE_FENCED, relaxed); /* the other bits may be in use: see rare.h */
}

bool rare_any_fenced(void)
{
	unsigned word = load(&rare, relaxed);
	if (likely(!(word & RARE_FENCED)))
		return true;
	fence();
	return load(&rare, relaxed) & ~RARE_FENCED;
}

/*
 * The word is read after a fence: a thread that passes without its own, because the constructor has asked by then, sees
 * the store.
 */
void rare_fence(void)
{
	fence();
	if (unlikely(load(&rare, relaxed) & RARE_FENCED))
		return;
	if (unlikely(!membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED))) {
		fetch_or(&rare, RARE_FENCED, relaxed);
		fence();
	}
}
