/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Streams: a pile of stages. Each stage asks the one below it for items. The bottom stage is the source; the consumer
 * asks the top stage. So the depth of calls is the height of the pile. All stages run in the consumer's task, except
 * for those below a buffered stage (buffered.c).
 *
 * A call of the stream sets `busy`, and then has exclusive use of the stages.
 */
#ifndef SYNC_STREAM_H
#define SYNC_STREAM_H

#include <stdbool.h>

#include <sley.h>

#define STREAM_ITEM_MAX ((size_t)64 << 10)

struct stage {
	struct stage *below; /* null: the bottom stage */
	/* Gets the next item. Returns 0, SLEY_END or an error. Called only by stage_next(). */
	int (*next)(struct stage *stage, void *item, sley_time deadline);
	/*
	 * Releases the resources of the stage, but not its own memory; may be null. Returns 0, or the error that ended
	 * the wait for that.
	 */
	int (*drop)(struct stage *stage, sley_time deadline);
	size_t item; /* size of its items */
	bool ended;
};

struct sley_stream {
	unsigned busy; /* atomic: a call is under way */
	struct stage *top;
};

int stage_next(struct stage *stage, void *item, sley_time deadline);

/* Drops and frees the stage, and all below. Returns 0, or the error of the first drop that failed. */
int stage_free(struct stage *stage, sley_time deadline);

/*
 * Makes a zeroed block of `size` bytes that begins with a stage, with room for `more` bytes behind it. Returns null and
 * *error = -ENOMEM or -EOVERFLOW on failure.
 */
void *stage_new(size_t size, size_t more, int *error);

/* Begin and end a call that changes the stream. stream_enter() returns 0, and the stream is busy; or an error. */
int stream_enter(struct sley_stream *stream, const char *call);
void stream_leave(struct sley_stream *stream);

#endif
