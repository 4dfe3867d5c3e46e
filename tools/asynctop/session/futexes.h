/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Tasks that block their threads behind a mutex or rwlock of libc: who holds it. The owner's thread stands in the futex
 * word (locks with priority inheritance, robust ones) or in glibc's own field of the lock. What is read there is believed
 * only if the call waits as glibc's does, and there is such a thread. Of one that is no worker, the stack is read out of the
 * process's memory, so that the line of the service that has called is told too.
 */
#ifndef ASYNCTOP_FUTEXES_H
#define ASYNCTOP_FUTEXES_H

#include "session/watch.h"

/* Adds warnings to m->warnings. `m` has its workers, and the calls that block them. */
void futexes_read(struct watch *w, struct model *m);

/* Takes the answer if it is to a question about the stack of such a thread. */
bool futexes_answer(struct watch *w, const struct symbols_answer *answer);

/* Fills in the place of the call that such a thread is in, if the link is one and the place is known. */
void futexes_place(struct watch *w, struct model_link *l);

#endif
