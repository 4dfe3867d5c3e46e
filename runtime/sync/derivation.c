/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "sync/derivation.h"

#include "base/race.h"

/* Returns true: the link was linked, and now belongs to the caller. */
static bool unlink_from_source(struct link *link)
{
	struct sley_future *source = link->source;
	lock_take(&source->lock);
	bool linked = future_state(source) != FUTURE_DONE && link->linked;
	if (linked)
		list_remove(&source->links, link, link);
	link->linked = false;
	lock_drop(&source->lock);
	return linked;
}

/* ---- life of a derivation ---- */

void derivation_put(struct derivation *derivation, struct todo *todo)
{
	if (fetch_sub(&derivation->refs, 1, acq_rel) != 1)
		return;
	for (size_t i = 0; i < derivation->count; i++)
		future_drop(derivation->links[i].source, todo);
	struct sley_future *future = derivation->future;
	block_free(derivation, derivation->size);
	future_release(future, FUTURE_PRODUCER);
}

void derivation_detach(struct derivation *derivation, struct todo *todo)
{
	for (size_t i = 0; i < derivation->count; i++) {
		if (unlink_from_source(&derivation->links[i]))
			derivation_put(derivation, todo);
	}
}

static void cancelled(struct derivation *derivation, struct todo *todo)
{
	derivation_detach(derivation, todo);
	derivation_put(derivation, todo);
}

struct derivation *derivation_new(size_t size, size_t links, struct sley_future *const *sources, size_t count,
				  size_t value, int *error)
{
	struct sley_future *future = future_new(value, 0, error);
	if (!future)
		return NULL;
	struct derivation *derivation = block_alloc(size);
	if (!derivation) {
		*error = -ENOMEM;
		future_release(future, FUTURE_HANDLE + FUTURE_PRODUCER);
		return NULL;
	}
	*derivation = (struct derivation){
		.refs = count + 2, .cancelled = cancelled, .future = future, .count = count, .size = size
	};
	derivation->links = (struct link *)(void *)((char *)derivation + links);
	for (size_t i = 0; i < count; i++) {
		struct link *link = &derivation->links[i];
		*link = (struct link){ .source = sources[i], .derivation = derivation };
		future_hold(sources[i]);
	}
	future->derivation = derivation;
	return derivation;
}

/*
 * While this links the sources, another thread may complete the future through a source that is linked already, and
 * detach the links that it finds. So this checks the future again after the last link. Both sides take each source's
 * lock: for each link, either the other thread finds it, or this check sees that the future is complete.
 */
void derivation_attach(struct derivation *derivation, struct todo *todo)
{
	for (size_t i = 0; i < derivation->count; i++) {
		struct link *link = &derivation->links[i];
		lock_take(&link->source->lock);
		bool done = future_state(link->source) == FUTURE_DONE;
		if (!done)
			list_append(&link->source->links, link, link);
		link->linked = !done;
		lock_drop(&link->source->lock);
		if (done)
			list_append(&todo->links, link, link);
		RACE_POINT(derivation_is_being_linked);
	}
	todo_run(todo);
	if (future_state(derivation->future) != FUTURE_PENDING)
		derivation_detach(derivation, todo);
	derivation_put(derivation, todo);
	todo_run(todo);
}

void derivation_publish(struct derivation *derivation, int error, struct todo *todo)
{
	future_publish(derivation->future, error, todo);
	derivation_put(derivation, todo);
}
