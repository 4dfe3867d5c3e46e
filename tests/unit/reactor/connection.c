/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/unit/reactor/connection.h"

#include "tests/unit/run.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

struct connection connect_pair(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(any);
	struct connection c;
	char address[64];
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(bind(listener, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(listener, 1) == 0);
	REQUIRE(getsockname(listener, (struct sockaddr *)&any, &size) == 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u", ntohs(any.sin_port));
	c.ours = sley_dial(address, SOON);
	c.theirs = accept(listener, NULL, NULL);
	REQUIRE(c.ours >= 0 && c.theirs >= 0);
	close(listener);
	return c;
}

void disconnect(struct connection c)
{
	REQUIRE(sley_close(c.ours) == 0);
	close(c.theirs);
}

void wait_to_read(void *arg)
{
	struct waiting *w = arg;
	char byte;
	w->result = sley_read(w->fd, &byte, 1, SLEY_NEVER);
}

void wait_to_write(void *arg)
{
	struct waiting *w = arg;
	static char bytes[8 << 20];
	w->result = sley_write_full(w->fd, bytes, sizeof(bytes), SLEY_NEVER);
}
