/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The part of a vector that is still to be transferred. A blocking write returns when all bytes are written; in pieces, if
 * there is no room for all at once.
 */
#ifndef POSIX_PART_H
#define POSIX_PART_H

#include <sys/uio.h>

#include "base/compiler.h"

#define PART_BUFFERS 8

struct part {
	const struct iovec *vector; /* the rest, without the first `skip` bytes */
	int count;
	size_t skip;
	struct iovec some[PART_BUFFERS];
};

static inline size_t part_size(const struct iovec *vector, int count)
{
	size_t size = 0;
	for (int i = 0; i < count; i++)
		size += vector[i].iov_len;
	return size;
}

/* Goes on by n bytes. */
static inline void part_skip(struct part *part, size_t n)
{
	n += part->skip;
	while (part->count > 0 && n >= part->vector->iov_len) {
		n -= part->vector->iov_len;
		part->vector++;
		part->count--;
	}
	part->skip = n;
}

/* The buffers for one try, of at most `limit` bytes. Returns their number. */
static inline int part_next(struct part *part, size_t limit, const struct iovec **vector)
{
	int n = 0;
	if (part->skip == 0 && limit == SIZE_MAX) {
		*vector = part->vector;
		return part->count;
	}
	for (size_t skip = part->skip; n < MIN(part->count, PART_BUFFERS) && limit > 0; n++, skip = 0) {
		part->some[n].iov_base = (char *)part->vector[n].iov_base + skip;
		part->some[n].iov_len = MIN(part->vector[n].iov_len - skip, limit);
		limit -= part->some[n].iov_len;
	}
	*vector = part->some;
	return n;
}

#endif
