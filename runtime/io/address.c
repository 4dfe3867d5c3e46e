/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "io/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* Parses a decimal number from 0 to 65535 without any other character. Returns -1 on failure. */
static int parse_port(const char *text)
{
	int port = 0;
	if (!*text || strlen(text) > 5)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		port = port * 10 + (*text - '0');
	}
	return port <= 65535 ? port : -1;
}

static int parse_unix(struct address *address, const char *path)
{
	size_t n = strlen(path);
	if (n == 0 || n >= sizeof(address->un.sun_path))
		return -EINVAL;
	address->un.sun_family = AF_UNIX;
	memcpy(address->un.sun_path, path, n + 1);
	address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	return 0;
}

static int parse_in6(struct address *address, const char *host, in_port_t port)
{
	address->in6.sin6_family = AF_INET6;
	address->in6.sin6_port = port;
	address->size = sizeof(address->in6);
	return inet_pton(AF_INET6, host, &address->in6.sin6_addr) == 1 ? 0 : -EINVAL;
}

static int parse_in(struct address *address, const char *host, in_port_t port)
{
	address->in.sin_family = AF_INET;
	address->in.sin_port = port;
	address->size = sizeof(address->in);
	return inet_pton(AF_INET, host, &address->in.sin_addr) == 1 ? 0 : -EINVAL;
}

int address_parse(struct address *address, const char *text)
{
	char host[INET6_ADDRSTRLEN];
	memset(address, 0, sizeof(*address));
	if (!text)
		return -EINVAL;
	if (strncmp(text, "unix:", 5) == 0)
		return parse_unix(address, text + 5);
	const char *colon = strrchr(text, ':');
	int port = colon ? parse_port(colon + 1) : -1;
	size_t n = colon ? (size_t)(colon - text) : 0;
	if (port < 0)
		return -EINVAL;
	address->unbound = n == 0;
	if (n == 0)
		return parse_in6(address, "::", htons((uint16_t)port));
	bool bracketed = text[0] == '[' && text[n - 1] == ']';
	if (bracketed) {
		text++;
		n -= 2;
	}
	if (n >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = 0;
	return bracketed ? parse_in6(address, host, htons((uint16_t)port))
			 : parse_in(address, host, htons((uint16_t)port));
}

void address_to_in(struct address *address)
{
	in_port_t port = address->in6.sin6_port;
	memset(address, 0, sizeof(*address));
	parse_in(address, "0.0.0.0", port);
}
