/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "sync/stream.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "life/shield.h"
#include "run/park.h"
#include "run/worker.h"
#include "sync/argument.h"

/* ---- stages ---- */

void *stage_new(size_t size, size_t more, int *error)
{
	*error = -EOVERFLOW;
	if (__builtin_add_overflow(size, more, &size))
		return NULL;
	int saved = errno;
	void *stage = calloc(1, size);
	errno = saved;
	*error = stage ? 0 : -ENOMEM;
	return stage;
}

int stage_next(struct stage *stage, void *item, sley_time deadline)
{
	if (stage->ended)
		return SLEY_END;
	int error = stage->next(stage, item, deadline);
	stage->ended = error == SLEY_END;
	return error > SLEY_END ? -EINVAL : error;
}

int stage_free(struct stage *stage, sley_time deadline)
{
	int first = 0;
	while (stage) {
		struct stage *below = stage->below;
		int error = stage->drop ? stage->drop(stage, deadline) : 0;
		first = first ? first : error;
		free(stage);
		stage = below;
	}
	return first;
}

/* ---- calls, one at a time ---- */

int stream_enter(struct sley_stream *stream, const char *call)
{
	unsigned idle = 0;
	int error = stream ? check_shared(stream, call, "stream") : -EINVAL;
	if (error)
		return error;
	return cas(&stream->busy, &idle, 1, acquire, relaxed) ? 0 : -EBUSY; /* pairs with stream_leave() */
}

void stream_leave(struct sley_stream *stream)
{
	store(&stream->busy, 0, release);
}

/* ---- a source from functions ---- */

struct source {
	struct stage stage; /* first */
	int (*next)(void *state, void *item, sley_time deadline);
	int (*drop)(void *state, sley_time deadline);
	void *state;
	char block[] __attribute__((aligned(16)));
};

static int source_next(struct stage *stage, void *item, sley_time deadline)
{
	struct source *source = CONTAINER_OF(stage, struct source, stage);
	return source->next(source->state, item, deadline);
}

static int source_drop(struct stage *stage, sley_time deadline)
{
	struct source *source = CONTAINER_OF(stage, struct source, stage);
	return source->drop ? source->drop(source->state, deadline) : 0;
}

int sley_stream_new(struct sley_stream **result, int (*next)(void *, void *, sley_time), int (*drop)(void *, sley_time),
		    const void *state, size_t n, size_t item)
{
	int error = argument_check((const void *)(uintptr_t)next, state, n, "sley_stream_new");
	if (error || !result || item > STREAM_ITEM_MAX)
		return error ? error : -EINVAL;
	struct source *source = stage_new(sizeof(*source), argument_size(n), &error);
	if (!source)
		return error;
	int saved = errno;
	struct sley_stream *stream = calloc(1, sizeof(*stream));
	errno = saved;
	if (!stream) {
		free(source);
		return -ENOMEM;
	}
	source->stage.next = source_next;
	source->stage.drop = source_drop;
	source->stage.item = item;
	source->next = next;
	source->drop = drop;
	source->state = argument_keep(source->block, state, n, "sley_stream_new");
	stream->top = &source->stage;
	*result = stream;
	return 0;
}

/* ---- map, filter, take ---- */

struct map {
	struct stage stage; /* first */
	int (*fn)(void *arg, const void *from, void *to);
	void *arg;
	void *from; /* buffer for the item of the stage below, behind the argument */
	char block[] __attribute__((aligned(16)));
};

static int map_next(struct stage *stage, void *item, sley_time deadline)
{
	struct map *map = CONTAINER_OF(stage, struct map, stage);
	int error = stage_next(stage->below, map->from, deadline);
	if (error)
		return error;
	error = map->fn(map->arg, map->from, item);
	return error > 0 ? -EINVAL : error;
}

int sley_stream_map(struct sley_stream *stream, int (*fn)(void *, const void *, void *), const void *arg, size_t n,
		    size_t item)
{
	int error = argument_check((const void *)(uintptr_t)fn, arg, n, "sley_stream_map");
	if (error || item > STREAM_ITEM_MAX)
		return error ? error : -EINVAL;
	if ((error = stream_enter(stream, "sley_stream_map")) != 0)
		return error;
	struct stage *below = stream->top;
	size_t more = 0;
	struct map *map = NULL;
	if (__builtin_add_overflow(argument_size(n), 15 + below->item, &more))
		error = -EOVERFLOW;
	else
		map = stage_new(sizeof(*map), more, &error);
	if (map) {
		map->stage = (struct stage){ .below = below, .next = map_next, .item = item };
		map->fn = fn;
		map->arg = argument_keep(map->block, arg, n, "sley_stream_map");
		map->from = map->block + ROUND_UP(argument_size(n), 16);
		stream->top = &map->stage;
	}
	stream_leave(stream);
	return error;
}

struct filter {
	struct stage stage; /* first */
	int (*fn)(void *arg, const void *item);
	void *arg;
	char block[] __attribute__((aligned(16)));
};

static int filter_next(struct stage *stage, void *item, sley_time deadline)
{
	struct filter *filter = CONTAINER_OF(stage, struct filter, stage);
	int error = 0;
	while (error == 0 && (error = stage_next(stage->below, item, deadline)) == 0) {
		int verdict = filter->fn(filter->arg, item);
		if (verdict != 0)
			return verdict < 0 ? verdict : 0;
		error = wait_between(deadline, __builtin_return_address(0));
	}
	return error;
}

int sley_stream_filter(struct sley_stream *stream, int (*fn)(void *, const void *), const void *arg, size_t n)
{
	int error = argument_check((const void *)(uintptr_t)fn, arg, n, "sley_stream_filter");
	if (error || (error = stream_enter(stream, "sley_stream_filter")) != 0)
		return error;
	struct filter *filter = stage_new(sizeof(*filter), argument_size(n), &error);
	if (filter) {
		filter->stage = (struct stage){ .below = stream->top, .next = filter_next, .item = stream->top->item };
		filter->fn = fn;
		filter->arg = argument_keep(filter->block, arg, n, "sley_stream_filter");
		stream->top = &filter->stage;
	}
	stream_leave(stream);
	return error;
}

struct take {
	struct stage stage; /* first */
	uint64_t left;
};

static int take_stage_next(struct stage *stage, void *item, sley_time deadline)
{
	struct take *take = CONTAINER_OF(stage, struct take, stage);
	if (take->left == 0)
		return SLEY_END;
	int error = stage_next(stage->below, item, deadline);
	if (error == 0)
		take->left--;
	return error;
}

int sley_stream_take(struct sley_stream *stream, uint64_t most)
{
	int error = stream_enter(stream, "sley_stream_take");
	if (error)
		return error;
	struct take *take = stage_new(sizeof(*take), 0, &error);
	if (take) {
		take->stage =
			(struct stage){ .below = stream->top, .next = take_stage_next, .item = stream->top->item };
		take->left = most;
		stream->top = &take->stage;
	}
	stream_leave(stream);
	return error;
}

/* ---- consuming ---- */

SHIELD(sley_stream_next)
int sley_stream_next(struct sley_stream *stream, void *item, sley_time deadline)
{
	SHIELDED(sley_stream_next);
	int error = stream_enter(stream, "sley_stream_next");
	if (error)
		return error;
	if (task_self())
		worker_spend(__builtin_return_address(0));
	if (!item && stream->top->item > 0)
		error = -EINVAL;
	else
		error = stage_next(stream->top, item, deadline);
	stream_leave(stream);
	return error;
}

static int each(struct stage *top, void *item, int (*fn)(void *, void *), void *arg, sley_time deadline, const void *pc)
{
	for (;;) {
		int error = stage_next(top, item, deadline);
		if (error)
			return error == SLEY_END ? 0 : error;
		if ((error = fn(arg, item)) != 0 || (error = wait_between(deadline, pc)) != 0)
			return error;
	}
}

SHIELD(sley_stream_for_each)
int sley_stream_for_each(struct sley_stream *stream, int (*fn)(void *, void *), void *arg, sley_time deadline)
{
	SHIELDED(sley_stream_for_each);
	int error = fn ? stream_enter(stream, "sley_stream_for_each") : -EINVAL;
	if (error)
		return error;
	void *item = stage_new(stream->top->item, 1, &error); /* off the stack, as it may be large */
	if (item)
		error = each(stream->top, item, fn, arg, deadline, __builtin_return_address(0));
	free(item);
	stream_leave(stream);
	return error;
}

SHIELD(sley_stream_free)
int sley_stream_free(struct sley_stream *stream, sley_time deadline)
{
	SHIELDED(sley_stream_free);
	int error = stream ? stream_enter(stream, "sley_stream_free") : 0;
	if (!stream || error)
		return error;
	error = stage_free(stream->top, deadline);
	free(stream);
	return error;
}
