/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Lists of addresses, as getaddrinfo(3) makes them. */
#ifndef IO_ADDRESSES_H
#define IO_ADDRESSES_H

#include <netdb.h>
#include <stddef.h>

/*
 * Copies the list; null if it is empty. 0 or -ENOMEM. Each address is a block of malloc(), and its name another: so glibc's
 * freeaddrinfo() frees it as well as addresses_free() does.
 */
int addresses_copy(const struct addrinfo *list, struct addrinfo **copy);
void addresses_free(struct addrinfo *list);

/*
 * Puts up to `most` addresses of the list into `order`, in the order of RFC 8305, section 4: families in turn, beginning
 * with that of the first, and in the list's order within each. How many.
 */
size_t addresses_interleave(const struct addrinfo *list, const struct addrinfo **order, size_t most);

#endif
