/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Parked tasks grouped by their stacks. A pass takes up to STACKS_MOST parked tasks at a tick, at random where there are
 * more; between ticks it reads their stacks (source/parked.h), has them unwound, and adds up those that are the same.
 * There is a pass only while somebody wants one.
 */
#ifndef ASYNCTOP_STACKS_H
#define ASYNCTOP_STACKS_H

#include "model/model.h"
#include "session/pictures.h"

#define STACKS_MOST  2000
#define STACKS_ASKED 64 /* questions that are open */

struct stack_group;

struct stacks {
	struct album *album;
	uint64_t *tasks; /* STACKS_MOST ids; NULL: there was no pass yet */
	uint32_t count, next;
	uint64_t parked; /* tasks that were offered */
	uint64_t random;
	int64_t begun_ns, over_ns; /* of the pass; over 0: it goes on */
	struct stack_asked {
		uint64_t key; /* 0: free */
		struct sley_region_task task;
		int64_t waited_ns; /* at least, where the task's since_ns is not known; MODEL_UNKNOWN */
	} asked[STACKS_ASKED];
	uint32_t asked_count;
	struct stack_group *groups;
	size_t group_count, group_room;
	uint64_t read, missed;
	/* of the last pass that is over */
	struct model_stack *shown;
	uint32_t shown_count;
	uint64_t shown_parked, shown_read;
	int64_t shown_ns;
};

void stacks_init(struct stacks *s, struct album *a);
void stacks_free(struct stacks *s);

/* At a tick: begins a pass if it is time for one. Then all parked tasks are to be offered. True: it has begun. */
bool stacks_begin(struct stacks *s, int64_t now);
void stacks_offer(struct stacks *s, const struct sley_region_task *t);

/* Between ticks: does some of the pass's work. */
void stacks_work(struct stacks *s, const struct model *m, int64_t now);

/*
 * Reads the record of a parked task, its registers and its stack; they belong together. 0; -ESTALE: it is not parked, or
 * has gone on meanwhile; or another error.
 */
int stack_of_parked(struct process *p, uint64_t task, struct sley_region_task *t, struct block_record *r);

/* Takes an answer if it is to one of its questions. */
bool stacks_answer(struct stacks *s, const struct symbols_answer *answer);

/* Whether a pass is over, and none goes on. */
bool stacks_done(const struct stacks *s);

/* Puts the last pass that is over into the model, which has it until the next call. */
void stacks_fill(struct stacks *s, struct model *m);

#endif
