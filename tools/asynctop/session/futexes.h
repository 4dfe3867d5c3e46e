/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Tasks that block their threads behind a mutex or rwlock of libc: who holds it. The owner's thread stands in the futex
 * word (locks with priority inheritance, robust ones) or in glibc's own field of the lock. What is read there is believed
 * only if the call waits as glibc's does, and there is such a thread.
 */
#ifndef ASYNCTOP_FUTEXES_H
#define ASYNCTOP_FUTEXES_H

#include "session/watch.h"

/* Adds warnings to m->warnings. `m` has its workers, and the calls that block them. */
void futexes_read(struct watch *w, struct model *m);

#endif
