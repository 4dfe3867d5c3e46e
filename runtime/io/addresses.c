/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "io/addresses.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

#define ALIGNMENT sizeof(void *)

static size_t name_size(const struct addrinfo *a)
{
	return a->ai_canonname ? strlen(a->ai_canonname) + 1 : 0;
}

static size_t size_of(const struct addrinfo *a)
{
	return sizeof(*a) + ROUND_UP((size_t)a->ai_addrlen, ALIGNMENT) + ROUND_UP(name_size(a), ALIGNMENT);
}

/* Copies one to the place, which is moved on. */
static struct addrinfo *copy_one(const struct addrinfo *from, char **place)
{
	struct addrinfo *to = (struct addrinfo *)(void *)*place;
	char *address = *place + sizeof(*to), *name = address + ROUND_UP((size_t)from->ai_addrlen, ALIGNMENT);
	*to = *from;
	to->ai_next = NULL;
	to->ai_addr = from->ai_addr ? memcpy(address, from->ai_addr, from->ai_addrlen) : NULL;
	to->ai_canonname = from->ai_canonname ? memcpy(name, from->ai_canonname, name_size(from)) : NULL;
	*place += size_of(from);
	return to;
}

int addresses_copy(const struct addrinfo *list, struct addrinfo **copy)
{
	size_t size = 0;
	*copy = NULL;
	for (const struct addrinfo *a = list; a; a = a->ai_next)
		size += size_of(a);
	if (size == 0)
		return 0;
	int saved = errno;
	char *place = malloc(size);
	errno = saved;
	if (!place)
		return -ENOMEM;
	struct addrinfo **link = copy;
	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		*link = copy_one(a, &place);
		link = &(*link)->ai_next;
	}
	return 0;
}

/* The next of the list, itself included, that is of the family, or (`other`) is not. */
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
	bool other = false; /* what `turn` walks over */
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
