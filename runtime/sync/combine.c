/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* All, any and race: futures that are completed by one of their sources, or by the last. */
#include <errno.h>
#include <string.h>

#include "run/report.h"
#include "sync/derivation.h"

enum combine_kind { ALL, ANY, RACE };

struct combine {
	struct derivation derivation; /* first */
	enum combine_kind kind;
	size_t left; /* atomic: sources that are not complete yet */
	struct link links[];
};

/* Copies the value of the deciding source, or the values of all sources. */
static void copy_values(struct combine *combine, const struct link *link)
{
	struct sley_future *future = combine->derivation.future;
	if (combine->kind != ALL) {
		memcpy(future->value, link->source->value, future->size);
		return;
	}
	char *to = future->value;
	for (size_t i = 0; i < combine->derivation.count; i++) {
		const struct sley_future *source = combine->links[i].source;
		memcpy(to, source->value, source->size);
		to += source->size;
	}
}

static void decide(struct combine *combine, const struct link *link, int error, struct todo *todo)
{
	struct sley_future *future = combine->derivation.future;
	if (!future_claim(future))
		return;
	if (error == 0)
		copy_values(combine, link);
	if (error || combine->kind != ALL)
		future->which = link - combine->links;
	derivation_publish(&combine->derivation, error, todo);
	derivation_detach(&combine->derivation, todo); /* the count of our own link is still held */
}

static void combine_run(struct link *link, struct todo *todo)
{
	struct combine *combine = CONTAINER_OF(link->derivation, struct combine, derivation);
	int error = link->source->error;
	bool last = fetch_sub(&combine->left, 1, acq_rel) == 1; /* acquire: the last one sees the values of all */
	if (last || combine->kind == RACE || (combine->kind == ANY) == (error == 0))
		decide(combine, link, error, todo);
	derivation_put(&combine->derivation, todo);
}

/* Returns the size of the value, or a negative error. */
static ssize_t value_size(enum combine_kind kind, struct sley_future *const *futures, size_t n)
{
	size_t size = 0;
	for (size_t i = 0; i < n; i++) {
		if (kind != ALL && futures[i]->size != futures[0]->size)
			return -EINVAL;
		if (kind == ALL && __builtin_add_overflow(size, futures[i]->size, &size))
			return -EOVERFLOW;
	}
	if (kind != ALL)
		size = futures[0]->size;
	return size <= PTRDIFF_MAX ? (ssize_t)size : -EOVERFLOW;
}

static int combine_new(struct sley_future **future, struct sley_future *const *futures, size_t n,
		       enum combine_kind kind)
{
	struct todo todo = { 0 };
	size_t size;
	int error;
	ssize_t value = value_size(kind, futures, n);
	if (value < 0)
		return (int)value;
	if (__builtin_mul_overflow(n, sizeof(struct link), &size) ||
	    __builtin_add_overflow(size, sizeof(struct combine), &size))
		return -EOVERFLOW;
	struct derivation *derivation =
		derivation_new(size, offsetof(struct combine, links), futures, n, (size_t)value, &error);
	if (!derivation)
		return error;
	struct combine *combine = CONTAINER_OF(derivation, struct combine, derivation);
	combine->kind = kind;
	combine->left = n;
	derivation->run = combine_run;
	derivation->future->stops = true;
	*future = derivation->future;
	if (n == 0 && future_claim(derivation->future))
		derivation_publish(derivation, 0, &todo);
	derivation_attach(derivation, &todo);
	return 0;
}

/* As future_enter(), for all of them. */
static int futures_enter(struct sley_future *const *futures, size_t n, const char *call)
{
	for (size_t i = 0; i < n; i++) {
		int error = futures[i] ? check_shared(futures[i], call, "future") : -EINVAL;
		if (error)
			return error;
	}
	int error = thread_visit();
	for (size_t i = 0; i < n && error == 0; i++) {
		if (futures[i]->run != scheduler.run) {
			thread_depart();
			error = -ENOTCONN;
		}
	}
	return error;
}

static int combine_call(struct sley_future **future, struct sley_future *const *futures, size_t n,
			enum combine_kind kind, const char *name)
{
	if (!future || (!futures && n > 0) || (n == 0 && kind != ALL))
		return -EINVAL;
	int error = futures_enter(futures, n, name);
	if (error)
		return error;
	error = combine_new(future, futures, n, kind);
	thread_depart();
	return error;
}

int sley_future_all(struct sley_future **future, struct sley_future *const *futures, size_t n)
{
	return combine_call(future, futures, n, ALL, "sley_future_all");
}

int sley_future_any(struct sley_future **future, struct sley_future *const *futures, size_t n)
{
	return combine_call(future, futures, n, ANY, "sley_future_any");
}

int sley_future_race(struct sley_future **future, struct sley_future *const *futures, size_t n)
{
	return combine_call(future, futures, n, RACE, "sley_future_race");
}
