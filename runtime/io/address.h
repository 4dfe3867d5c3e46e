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
	bool unbound; /* ":port": any address of any family; stored as IPv6 until address_to_in() */
};

/* Parses "1.2.3.4:80", "[::1]:80", ":80" (`unbound`) or "unix:/path". Returns 0 or -EINVAL. */
int address_parse(struct address *address, const char *text);

/* Converts an unbound address to IPv4. */
void address_to_in(struct address *address);

#endif
