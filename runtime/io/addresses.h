/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Lists of addresses, as getaddrinfo(3) makes them. */
#ifndef IO_ADDRESSES_H
#define IO_ADDRESSES_H

#include <netdb.h>
#include <stddef.h>

/*
 * Copies the list; the copy of an empty list is null. Returns 0 or -ENOMEM. Each address is one block of malloc(), and
 * its name another. So glibc's freeaddrinfo() can free the copy as well as addresses_free().
 */
int addresses_copy(const struct addrinfo *list, struct addrinfo **copy);
void addresses_free(struct addrinfo *list);

/*
 * Puts up to `most` addresses of the list into `order`, in the order of RFC 8305, section 4: the families in turn, the
 * family of the first address first, and within each family in the order of the list. Returns their number.
 */
size_t addresses_interleave(const struct addrinfo *list, const struct addrinfo **order, size_t most);

#endif
