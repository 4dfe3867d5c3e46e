/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * One task that the user has chosen: the changes of its state, as the looks at its record have seen them since, and its
 * stack. That of a parked task is read out of the process's memory (source/parked.h), that of a task that blocks its thread
 * by the way of the sampler. Both are unwound by the resolver.
 */
#ifndef ASYNCTOP_DETAIL_H
#define ASYNCTOP_DETAIL_H

#include "session/watch.h"

/* Chooses a task; 0: none. The same again changes nothing. */
void detail_choose(struct watch *w, uint64_t task);

/* A look at its record. */
void detail_look(struct watch *w, int64_t now);

/* At a tick, after the model's workers are filled in: asks for its stack, if that may be another one. */
void detail_read(struct watch *w, const struct model *m);

/* Takes an answer if it is to the last question. */
bool detail_answer(struct watch *w, const struct symbols_answer *answer);

/* Puts it into the model, with the places that are known by now. */
void detail_fill(struct watch *w, struct model *m);

void detail_free(struct watch *w);

#endif
