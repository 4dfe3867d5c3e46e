/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* The single blocks of one process: a ring of the newest, and which of them were told. */
#ifndef ASYNCTOP_SESSION_EVENTS_H
#define ASYNCTOP_SESSION_EVENTS_H

#include "session/blockers.h"

struct events {
	struct model_event *ring;
	uint32_t room;
	uint64_t count;    /* since the beginning */
	uint64_t told;     /* of these: told by the ticks before the last one, or left out */
	uint64_t left_out; /* of these: overwritten before a tick told them */
};

void events_init(struct events *events, uint32_t room);
void events_free(struct events *events);

/*
 * Adds what a block has found late to the single block before it to which that belongs, if a tick has not told that yet.
 */
void events_late(struct events *events, const struct block_record *r);

/* Adds one. The caller sets its kind. */
struct model_event *events_add(struct events *events, const struct block_record *r);

/* Copies them into the model, which has its sites. `told`: the number that the model before has told. */
void events_fill(struct events *events, struct model *m, uint32_t told);

/*
 * Chooses those that the model tells. A single block is told once, so it waits until its place is known, and those after it
 * wait with it. `all`: there will be no other tick.
 */
void events_tell(struct model *m, const struct blockers *b, bool all);

#endif
