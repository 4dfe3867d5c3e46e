/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Names of hosts: a task gets what a thread gets, and others run meanwhile. All names are in /etc/hosts, or nowhere. */
#include "tests/posix/both.h"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static unsigned acted;

static void acts(void *unused)
{
	__atomic_store_n(&acted, 1, __ATOMIC_RELEASE);
}

static void note_addresses(const struct addrinfo *list)
{
	for (; list; list = list->ai_next) {
		note(list->ai_family);
		note(list->ai_socktype);
		note_bytes(list->ai_addr, list->ai_addrlen);
	}
}

static void look_up(const char *host, const char *service, const struct addrinfo *hints)
{
	struct addrinfo *list = NULL;
	if (note_as(host ? host : "no host", getaddrinfo(host, service, hints, &list)) == 0) {
		note_addresses(list);
		freeaddrinfo(list);
	}
}

/* Each kind of question and answer, errors included. */
BOTH(addresses)
{
	static const struct addrinfo stream = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM },
				     numeric = { .ai_flags = AI_NUMERICHOST }, wrong = { .ai_family = 12345 },
				     canonical = { .ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM };
	look_up("localhost", "80", &stream);
	look_up("localhost", NULL, &canonical);
	look_up("localhost", "no such service", &stream);
	look_up("127.0.0.1", "80", &stream);
	look_up("::1", "80", NULL);
	look_up(NULL, "80", &stream);
	look_up(NULL, NULL, NULL);
	look_up("localhost", "80", &numeric);
	look_up("localhost", "80", &wrong);
}

static void note_host(const struct hostent *host)
{
	note(host != NULL);
	if (!host) {
		note(h_errno);
		return;
	}
	note_bytes(host->h_name, strlen(host->h_name));
	note(host->h_addrtype);
	note(host->h_length);
	for (char **alias = host->h_aliases; *alias; alias++)
		note_bytes(*alias, strlen(*alias));
	for (char **address = host->h_addr_list; *address; address++)
		note_bytes(*address, (size_t)host->h_length);
}

/* The old calls, with the buffer of the thread and with the caller's, also one that is too small. */
BOTH(hosts)
{
	struct hostent entry, *result;
	char buffer[2048];
	int error = 0;
	note_host(gethostbyname("localhost"));
	note_host(gethostbyname("127.0.0.1"));
	note_host(gethostbyname2("localhost", AF_INET));
	for (unsigned shift = 0; shift < 9; shift += 3) {
		note(gethostbyname_r("localhost", &entry, buffer + shift, sizeof(buffer) - shift, &result, &error));
		note_host(result);
		note(!result || (entry.h_name >= buffer && entry.h_name < buffer + sizeof(buffer)));
	}
	note(gethostbyname2_r("localhost", AF_INET, &entry, buffer, sizeof(buffer), &result, &error));
	note_host(result);
	note(gethostbyname_r("localhost", &entry, buffer, 10, &result, &error));
	note(result != NULL);
}

/* Other tasks run while names are looked up. */
BOTH(meanwhile)
{
	acted = 0;
	peer_starts(acts, NULL);
	for (int i = 0; i < 10000 && !__atomic_load_n(&acted, __ATOMIC_ACQUIRE); i++) {
		struct addrinfo *list = NULL;
		REQUIRE(getaddrinfo("localhost", NULL, NULL, &list) == 0);
		freeaddrinfo(list);
		if (!in_task())
			poll(NULL, 0, 1); /* the peer waits for this thread to sleep */
	}
	note(__atomic_load_n(&acted, __ATOMIC_ACQUIRE));
	peer_ends();
}
