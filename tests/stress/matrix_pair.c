/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
#include "tests/stress/matrix_pair.h"

#include <sys/socket.h>
#include <unistd.h>

#include <sley.h>

#include "tests/stress/stress.h"

int ends[2];

void pair_open(void)
{
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
}

void pair_end(void)
{
	REQUIRE(sley_close(ends[0]) == 0);
	REQUIRE(close(ends[1]) == 0);
}

void pair_close(void)
{
	REQUIRE(sley_close(ends[0]) == 0);
}

void pair_reopen(void)
{
	REQUIRE(close(ends[1]) == 0);
	pair_open();
}

void pair_give(void)
{
	REQUIRE(send(ends[1], "7", 1, MSG_DONTWAIT) == 1);
}

void pair_fill(void)
{
	static const char filling[200];
	while (send(ends[0], filling, sizeof(filling), MSG_DONTWAIT) > 0)
		continue;
}

void pair_open_full(void)
{
	pair_open();
	pair_fill();
}

void pair_reopen_full(void)
{
	REQUIRE(close(ends[1]) == 0);
	pair_open_full();
}

void pair_drain(void)
{
	char here[4096];
	while (recv(ends[1], here, sizeof(here), MSG_DONTWAIT) > 0)
		continue;
}
