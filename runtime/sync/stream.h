/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Streams: a pile of stages, each of which asks the one below it for items. The one at the bottom is the source; the
 * one on top is what the consumer asks. So the depth of calls is the height of the pile, and all runs in the consumer's
 * task, but for what lies below a buffered stage (buffered.c).
 *
 * Whoever is in a call of the stream has it busy, and alone looks at its stages.
 */
#ifndef SYNC_STREAM_H
#define SYNC_STREAM_H

#include <stdbool.h>

#include <sley.h>

#define STREAM_ITEM_MAX ((size_t)64 << 10)

struct stage {
	struct stage *below; /* null: it is at the bottom */
	/* The next item: 0, SLEY_END or an error. Called by stage_next() alone. */
	int (*next)(struct stage *stage, void *item, sley_time deadline);
	/* Gives back what it holds but its own memory; may be null. 0, or what ended the wait for that. */
	int (*drop)(struct stage *stage, sley_time deadline);
	size_t item; /* the size of what it gives */
	bool ended;
};

struct sley_stream {
	unsigned busy; /* atomic: a call is under way */
	struct stage *top;
};

int stage_next(struct stage *stage, void *item, sley_time deadline);

/* Drops and frees it, and all below. 0, or what ended the first wait that was ended. */
int stage_free(struct stage *stage, sley_time deadline);

/*
 * A zeroed block of `size` bytes that begins with a stage, and has room behind it for `more`. Null: *error is -ENOMEM
 * or
 * -EOVERFLOW.
 */
void *stage_new(size_t size, size_t more, int *error);

/* For a call that changes the stream: 0, and it is busy; or an error. */
int stream_enter(struct sley_stream *stream, const char *call);
void stream_leave(struct sley_stream *stream);

#endif
