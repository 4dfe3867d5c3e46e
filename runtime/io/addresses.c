/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "io/addresses.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Returns null if there is no memory. */
static struct addrinfo *copy_one(const struct addrinfo *from)
{
	struct addrinfo *to = malloc(sizeof(*to) + from->ai_addrlen);
	char *name = from->ai_canonname ? strdup(from->ai_canonname) : NULL;
	if (!to || (from->ai_canonname && !name)) {
		free(to);
		free(name);
		return NULL;
	}
	*to = *from;
	to->ai_next = NULL;
	to->ai_addr = from->ai_addr ? memcpy(to + 1, from->ai_addr, from->ai_addrlen) : NULL;
	to->ai_canonname = name;
	return to;
}

int addresses_copy(const struct addrinfo *list, struct addrinfo **copy)
{
	struct addrinfo *result = NULL, **link = &result;
	int saved = errno, error = 0;
	for (const struct addrinfo *a = list; a && error == 0; a = a->ai_next) {
		if ((*link = copy_one(a)))
			link = &(*link)->ai_next;
		else
			error = -ENOMEM;
	}
	errno = saved;
	if (error)
		addresses_free(result);
	*copy = error ? NULL : result;
	return error;
}

void addresses_free(struct addrinfo *list)
{
	while (list) {
		struct addrinfo *next = list->ai_next;
		free(list->ai_canonname);
		free(list);
		list = next;
	}
}

/* Returns the first address, from `a` on, of the family or (`other`) of another family; null: none. */
static const struct addrinfo *next_of(const struct addrinfo *a, int family, bool other)
{
	while (a && (a->ai_family == family) == other)
		a = a->ai_next;
	return a;
}

size_t addresses_interleave(const struct addrinfo *list, const struct addrinfo **order, size_t most)
{
	if (!list)
		return 0;
	int family = list->ai_family;
	const struct addrinfo *turn = list, *later = next_of(list, family, true);
	bool other = false; /* `turn` walks over the other families */
	size_t n = 0;
	while (n < most && (turn || later)) {
		if (turn) {
			order[n++] = turn;
			turn = next_of(turn->ai_next, family, other);
		}
		const struct addrinfo *swap = turn;
		turn = later;
		later = swap;
		other = !other;
	}
	return n;
}
