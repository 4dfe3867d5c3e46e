/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Lists of addresses: deep copies, and the order of RFC 8305. */
#include "io/addresses.h"

#include "tests/unit/run.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

TEST(copy)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = 80 };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = 81 };
	char name[] = "canonical";
	struct addrinfo third = { .ai_family = 9 }; /* neither address nor name */
	struct addrinfo second = {
		.ai_family = AF_INET6, .ai_addr = (void *)&in6, .ai_addrlen = sizeof(in6), .ai_next = &third
	};
	struct addrinfo first = { .ai_flags = 1,
				  .ai_family = AF_INET,
				  .ai_socktype = 2,
				  .ai_protocol = 3,
				  .ai_addr = (void *)&in,
				  .ai_addrlen = sizeof(in),
				  .ai_canonname = name,
				  .ai_next = &second };
	struct addrinfo *copy = (void *)name, *again;
	assert_int_equal(addresses_copy(NULL, &copy), 0);
	assert_null(copy);
	assert_int_equal(addresses_copy(&first, &copy), 0);
	assert_int_equal(addresses_copy(copy, &again), 0);
	in.sin_port = in6.sin6_port = 0;
	name[0] = '\0';
	first = second = (struct addrinfo){ 0 };
	assert_true(copy->ai_flags == 1 && copy->ai_family == AF_INET && copy->ai_socktype == 2 &&
		    copy->ai_protocol == 3);
	assert_int_equal(((struct sockaddr_in *)(void *)copy->ai_addr)->sin_port, 80);
	assert_string_equal(copy->ai_canonname, "canonical");
	struct addrinfo *next = copy->ai_next;
	assert_int_equal(((struct sockaddr_in6 *)(void *)next->ai_addr)->sin6_port, 81);
	assert_true(next->ai_family == AF_INET6 && next->ai_addrlen == sizeof(in6) && !next->ai_canonname);
	next = next->ai_next;
	assert_true(next->ai_family == 9 && !next->ai_addr && !next->ai_canonname && !next->ai_next);
	addresses_free(copy);
	assert_string_equal(again->ai_canonname, "canonical");
	freeaddrinfo(again); /* by habit */
	addresses_free(NULL);
}

/* What interleaving makes of a list of families, as text: "6a 4a 6b ...". */
static void check_order(const char *given, const char *expected, size_t most)
{
	struct addrinfo list[20] = { 0 };
	const struct addrinfo *order[20];
	char text[64] = "";
	size_t count = strlen(given), n;
	for (size_t i = 0; i < count; i++) {
		list[i].ai_family = given[i] == '6' ? AF_INET6 : given[i] == '4' ? AF_INET : AF_UNIX;
		list[i].ai_next = i + 1 < count ? &list[i + 1] : NULL;
	}
	n = addresses_interleave(count ? list : NULL, order, most);
	for (size_t i = 0; i < n; i++)
		text[i] = (char)('a' + (order[i] - list));
	assert_string_equal(text, expected);
}

/* Families in turn, beginning with that of the first; the rest of the longer one at the end. */
TEST(interleave)
{
	check_order("", "", 20);
	check_order("4", "a", 20);
	check_order("666", "abc", 20);
	check_order("64", "ab", 20);
	check_order("46", "ab", 20);
	check_order("66644", "adbec", 20);
	check_order("44666", "acbde", 20);
	check_order("646464", "abcdef", 20);
	check_order("6444", "abcd", 20);
	check_order("6664", "adbc", 20);
	check_order("6u64", "abcd", 20); /* any other family is the other */
	check_order("66644", "ad", 2);
	check_order("66644", "", 0);
}
