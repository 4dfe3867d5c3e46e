/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The blocking calls of one process since asynctop attached: the kernel's totals, the blocks under way, and for each
 * (spawn site, system call, place) a picture of the longest block. Places that turn out to be the same line are one row
 * of the model.
 */
#ifndef ASYNCTOP_BLOCKERS_H
#define ASYNCTOP_BLOCKERS_H

#include "session/pictures.h"
#include "source/tracer.h"

struct blocker;

struct blockers {
	struct album album;
	struct blocker **entries;
	size_t count, room;
};

void blockers_init(struct blockers *b, struct process *p, struct symbols *s, uint64_t *next_key);
void blockers_free(struct blockers *b);

/*
 * A single block that is over: takes its picture if none of its kind was longer, while its task and file are likely
 * there. Returns the number of its kind, for struct model_event.
 */
uint32_t blockers_event(struct blockers *b, const struct model *m, const struct block_record *r);

/* A block that the tracer does not count is over: adds it up. Returns the number of its kind. */
uint32_t blockers_over(struct blockers *b, const struct model *m, const struct block_record *r);

/* Whether the place of blocks of this number is known, or will not be. */
bool blockers_settled(const struct blockers *b, uint32_t number);

/* To be called first at each tick: forgets which blocks are under way. */
void blockers_begin(struct blockers *b);

/* Set in the number of a block that was sampled, so that it equals no number of the tracer's. */
#define BLOCKERS_SAMPLED (1ULL << 63)

/* A block that is under way. */
void blockers_stuck(struct blockers *b, const struct model *m, const struct block_record *r);

/* Reads the tracer's tables of the process. `m` has its workers and sites. 0 or a negative errno. */
int blockers_read(struct blockers *b, struct tracer *tracer, uint32_t process, const struct model *m);

/* To be called last at each tick: looks which descriptors are still open, and asks again what could not be read. */
void blockers_end(struct blockers *b, const struct model *m);

/* Takes an answer if it is to one of its questions. */
bool blockers_answer(struct blockers *b, const struct symbols_answer *answer);

/* Replaces m->blockers, verdicts included, and tells the events which of them have their places. */
void blockers_fill(struct blockers *b, struct model *m);

#endif
