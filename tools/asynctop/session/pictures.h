/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Pictures of blocks: the task, the decoded call, the place and the stack. A picture is taken once per block, while its
 * descriptor is likely to be open. Its stack is resolved by another process; until that is done the last complete picture
 * is shown, so that a line and a duration always belong to the same block.
 */
#ifndef ASYNCTOP_PICTURES_H
#define ASYNCTOP_PICTURES_H

#include "model/model.h"
#include "source/process.h"
#include "symbols/symbols.h"

/* The pictures of one process. */
struct album {
	struct process *process;
	struct symbols *symbols; /* NULL: places stay unknown */
	uint64_t *next_key;      /* shared by all processes: names of questions */
	size_t pictured;         /* kinds of block that have pictures */
	uint64_t unpictured;     /* longest blocks that had no room for theirs */
	bool denied;             /* the last question was answered so */
};

/* Those of one kind of block; NULL: there are none yet, or no room for them. */
struct pictures;

/* Takes a picture of `r` unless it is there already, or the one before is still being resolved. */
void pictures_consider(struct album *a, struct pictures **pictures, const struct model *m,
		       const struct block_record *r);

/* To be called at the end of each tick: looks which descriptors are still open, and asks again what could not be read. */
void pictures_renew(struct album *a, struct pictures *pictures, const struct model *m);

/* Takes the answer if it is to the question about the last picture. */
bool pictures_answer(struct album *a, struct pictures *pictures, const struct symbols_answer *answer);

/* The block that is shown; NULL: none. */
const struct model_block *pictures_shown(const struct pictures *pictures);

void pictures_free(struct pictures *pictures);

void block_copy(struct model_block *to, const struct model_block *from);

/* The decoded arguments of the call, which are the caller's: their number. */
unsigned args_decode(char *args[SYSCALL_ARGS], const struct block_record *r);

void args_copy(char *to[SYSCALL_ARGS], char *const from[SYSCALL_ARGS], unsigned count);

/* The text's bytes, which are the caller's now; never NULL. */
char *text_take(struct text *t);

/* Who has ended the block, if it is over. */
void waker_take(struct model_waker *waker, const struct block_record *r);

/* The question about the stack of a record. */
struct symbols_request stack_question(const struct album *a, const struct model *m, const struct block_record *r,
				      uint64_t key);

/* The places of all frames, which are the caller's: their number is *count. */
struct model_place *stack_from_answer(const struct symbols_answer *answer, unsigned *count);

/* From a resolved frame to a place. */
void place_from_frame(struct model_place *place, const struct symbols_frame *frame);

#endif
