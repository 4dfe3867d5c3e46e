/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Addresses as text. */
#ifndef IO_ADDRESS_H
#define IO_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
	socklen_t size;
	bool unbound; /* ":port": any address, of any family; it is IPv6's, until address_to_in() */
};

/* "1.2.3.4:80", "[::1]:80", ":80" (`unbound`), "unix:/path". 0 or -EINVAL. */
int address_parse(struct address *address, const char *text);

/* Makes an unbound one IPv4's. */
void address_to_in(struct address *address);

#endif
