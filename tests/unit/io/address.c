/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Addresses as text: what is taken, as what, and what is not. */
#include "io/address.h"

#include "tests/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* IPv4 and IPv6 with a port, any address, and Unix paths. */
TEST(good)
{
	struct address a;
	struct in6_addr expected;
	assert_int_equal(address_parse(&a, "127.0.0.1:8080"), 0);
	assert_int_equal(a.in.sin_family, AF_INET);
	assert_int_equal(a.in.sin_port, htons(8080));
	assert_int_equal(a.in.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	assert_int_equal(a.size, sizeof(a.in));
	assert_int_equal(address_parse(&a, "0.0.0.0:0"), 0);
	assert_int_equal(a.in.sin_port, 0);
	assert_int_equal(address_parse(&a, "255.255.255.255:65535"), 0);
	assert_int_equal(address_parse(&a, "[::1]:80"), 0);
	assert_int_equal(a.in6.sin6_family, AF_INET6);
	assert_int_equal(a.in6.sin6_port, htons(80));
	assert_memory_equal(&a.in6.sin6_addr, &in6addr_loopback, sizeof(in6addr_loopback));
	assert_int_equal(address_parse(&a, "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:1"), 0);
	assert_int_equal(inet_pton(AF_INET6, "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", &expected), 1);
	assert_memory_equal(&a.in6.sin6_addr, &expected, sizeof(expected));
	assert_int_equal(address_parse(&a, ":443"), 0);
	assert_int_equal(a.in6.sin6_family, AF_INET6);
	assert_memory_equal(&a.in6.sin6_addr, &in6addr_any, sizeof(in6addr_any));
	assert_int_equal(address_parse(&a, "unix:/run/x:1"), 0);
	assert_int_equal(a.un.sun_family, AF_UNIX);
	assert_string_equal(a.un.sun_path, "/run/x:1");
}

/* Host names, ports that are none, half a bracket, and all else is -EINVAL. */
TEST(bad)
{
	static const char *const bad[] = {
		"",
		":",
		"1",
		"localhost:80",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:65536",
		"127.0.0.1:-1",
		"127.0.0.1:+1",
		"127.0.0.1: 1",
		"127.0.0.1:1 ",
		"127.0.0.1:0x10",
		"127.0.0.1:000000",
		"127.0.0.1:99999999999999999999",
		"127.0.0:80",
		"1.2.3.4.5:80",
		"256.0.0.1:80",
		"::1:80",
		"[::1]",
		"[::1]80",
		"[::1:80",
		"::1]:80",
		"[]:80",
		"[:80",
		"]:80",
		"[127.0.0.1]:80",
		"[::1%lo]:80",
		"[::g]:80",
		"unix:",
		"tcp:80",
		" 127.0.0.1:80",
		"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255.255.255]:1",
	};
	struct address a;
	assert_int_equal(address_parse(&a, NULL), -EINVAL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (address_parse(&a, bad[i]) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
	}
}

/* The longest Unix path that fits, and one byte more. */
TEST(long_path)
{
	char text[200] = "unix:";
	struct address a;
	size_t most = sizeof(a.un.sun_path) - 1;
	memset(text + 5, 'p', most);
	assert_int_equal(address_parse(&a, text), 0);
	assert_int_equal(strlen(a.un.sun_path), most);
	text[5 + most] = 'p';
	assert_int_equal(address_parse(&a, text), -EINVAL);
}
