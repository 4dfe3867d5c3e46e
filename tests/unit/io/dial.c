/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Connecting by name, over the loopback addresses that a resolver of the test's own gives. A host that does not answer
 * is a listener whose backlog is full: the kernel drops what wants to connect, as if it had never come.
 */
#include "io/dial.h"

#include "tests/unit/run.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/atomic.h"
#include "io/offload.h"

#define FOR_EVER SLEY_SEC(3600)

/* ---- hosts ---- */

enum kind { ALIVE, REFUSING, SILENT };

struct host {
	int listener; /* -1: REFUSING */
	int filler;   /* what fills the backlog of a SILENT one, else -1 */
	struct sockaddr_storage address;
	socklen_t size;
};

#define HOSTS_MOST 20

static struct host hosts[HOSTS_MOST];
static struct addrinfo list[HOSTS_MOST]; /* what the resolver answers */
static unsigned count;
static unsigned asked; /* atomic */

static int get(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **result)
{
	fetch_add(&asked, 1, relaxed);
	if (strcmp(name, "nowhere") == 0)
		return EAI_NONAME;
	REQUIRE(strcmp(name, "here") == 0 && hints && hints->ai_socktype == SOCK_STREAM);
	*result = count ? list : NULL;
	return 0;
}

static void put(struct addrinfo *result)
{
}

static bool has_ipv6(void)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && bind(fd, (void *)&in6, sizeof(in6)) == 0;
	if (fd >= 0)
		close(fd);
	return has;
}

/* Adds the address of a host to the resolver's answer. */
static struct host *add_host(int family, enum kind kind)
{
	struct host *host = &hosts[count];
	struct sockaddr_in *in = (void *)&host->address;
	struct sockaddr_in6 *in6 = (void *)&host->address;
	memset(host, 0, sizeof(*host));
	if (family == AF_INET) {
		*in = (struct sockaddr_in){ .sin_family = AF_INET };
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + count); /* 127.0.0.2 and up */
		host->size = sizeof(*in);
	} else {
		*in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
		host->size = sizeof(*in6);
	}
	host->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	host->filler = -1;
	REQUIRE(host->listener >= 0 && bind(host->listener, (void *)&host->address, host->size) == 0);
	REQUIRE(getsockname(host->listener, (void *)&host->address, &host->size) == 0);
	if (kind != REFUSING)
		REQUIRE(listen(host->listener, kind == SILENT ? 0 : 16) == 0);
	if (kind == SILENT) {
		host->filler = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		REQUIRE(connect(host->filler, (void *)&host->address, host->size) == 0);
	}
	list[count] =
		(struct addrinfo){ .ai_family = family, .ai_addr = (void *)&host->address, .ai_addrlen = host->size };
	if (count > 0)
		list[count - 1].ai_next = &list[count];
	count++;
	sley_resolve_flush();
	return host;
}

static void remove_hosts(void)
{
	for (unsigned i = 0; i < count; i++) {
		close(hosts[i].listener);
		if (hosts[i].filler >= 0)
			close(hosts[i].filler);
	}
	count = 0;
	sley_resolve_flush();
}

/* A silent host that has room again: what wanted to connect comes again, within a second. */
static void wake_host(struct host *host)
{
	int fd = accept(host->listener, NULL, NULL);
	REQUIRE(fd >= 0);
	close(fd);
}

static bool is_peer(int fd, const struct host *host)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof(peer);
	REQUIRE(getpeername(fd, (void *)&peer, &size) == 0);
	return size == host->size && memcmp(&peer, &host->address, size) == 0;
}

static void await_descriptors(unsigned n)
{
	sley_time deadline = SOON;
	while (open_descriptors() < n) {
		REQUIRE(sley_now() < deadline);
		sley_yield();
	}
}

/* Dials; nothing but the result may be open then, and it can be used. */
static int dial(sley_time deadline)
{
	unsigned before = open_descriptors();
	int fd = sley_dial_host("here", "80", deadline);
	REQUIRE(open_descriptors() == before + (fd >= 0));
	if (fd >= 0) /* the peer need not accept it */
		REQUIRE(sley_write(fd, "hello", 5, SOON) == 5);
	return fd;
}

static void check_winner(const struct host *host)
{
	int fd = dial(SOON);
	REQUIRE(fd >= 0 && is_peer(fd, host));
	REQUIRE(sley_close(fd) == 0);
	remove_hosts();
}

/* ---- who wins ---- */

static int main_first(void *arg)
{
	store(&dial_attempt_delay, FOR_EVER, relaxed);
	struct host *host = add_host(AF_INET, ALIVE);
	check_winner(host); /* the only one */
	host = add_host(AF_INET, ALIVE);
	add_host(AF_INET, ALIVE);
	add_host(AF_INET, SILENT);
	check_winner(host); /* the preferred one */
	return 0;
}

static int main_refused(void *arg)
{
	store(&dial_attempt_delay, FOR_EVER, relaxed); /* a failure is the end of the wait for it */
	add_host(AF_INET, REFUSING);
	check_winner(add_host(AF_INET, ALIVE));
	for (int i = 0; i < 15; i++)
		add_host(AF_INET, REFUSING);
	check_winner(add_host(AF_INET, ALIVE));
	return 0;
}

static int main_silent(void *arg)
{
	store(&dial_attempt_delay, SLEY_MS(1), relaxed);
	add_host(AF_INET, SILENT);
	check_winner(add_host(AF_INET, ALIVE));
	add_host(AF_INET, SILENT);
	add_host(AF_INET, REFUSING);
	add_host(AF_INET, SILENT);
	add_host(AF_INET, SILENT);
	check_winner(add_host(AF_INET, ALIVE));
	return 0;
}

/* The preferred address; the next one when it fails, at once, or does not answer, after the delay. */
TEST(winner)
{
	for (unsigned workers = 1; workers <= 2; workers++) {
		run(main_first, workers);
		run(main_refused, workers);
		run(main_silent, workers);
	}
}

static int result; /* of dial_in_task() */

static void dial_in_task(void *arg)
{
	result = sley_dial_host("here", "80", SLEY_NEVER);
}

/* The first host answers when the dialling task has come so far that there are so many descriptors more. */
static void check_late(unsigned descriptors)
{
	struct host *first = add_host(AF_INET, SILENT);
	add_host(AF_INET, SILENT);
	unsigned before = open_descriptors();
	sley_task task = sley_spawn(dial_in_task, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_DIAL);
	await_descriptors(before + descriptors);
	wake_host(first);
	REQUIRE(sley_join(task, SOON) == 0);
	REQUIRE(result >= 0 && is_peer(result, first) && open_descriptors() == before + 1);
	REQUIRE(sley_close(result) == 0);
	remove_hosts();
}

/* An attempt goes on while others are made: whichever is connected first wins. */
TASK_TEST(late, 1, 2)
{
	store(&dial_attempt_delay, FOR_EVER, relaxed);
	check_late(1); /* it is alone */
	store(&dial_attempt_delay, SLEY_MS(1), relaxed);
	check_late(3); /* two sockets, and the set that they are in */
}

static int main_families(void *arg)
{
	store(&dial_attempt_delay, FOR_EVER, relaxed);
	add_host(AF_INET6, REFUSING);
	struct host *second = add_host(AF_INET6, ALIVE);
	struct host *other = add_host(AF_INET, ALIVE);
	int fd = dial(SOON);
	REQUIRE(fd >= 0 && is_peer(fd, other) && !is_peer(fd, second)); /* IPv4 comes in between */
	REQUIRE(sley_close(fd) == 0);
	remove_hosts();
	add_host(AF_INET6, SILENT);
	store(&dial_attempt_delay, SLEY_MS(1), relaxed);
	check_winner(add_host(AF_INET, ALIVE));
	add_host(AF_INET, SILENT);
	check_winner(add_host(AF_INET6, ALIVE));
	return 0;
}

/* ::1 and 127.0.0.0/8, in turn. */
TEST(families)
{
	if (!has_ipv6())
		test_skip("there is no IPv6 loopback address");
	run(main_families, 1);
}

/* ---- nobody wins ---- */

/* All fail: the first error; the deadline or a cancellation end the call; no socket is left. */
TASK_TEST(nobody, 1, 2)
{
	store(&dial_attempt_delay, SLEY_MS(1), relaxed);
	add_host(AF_INET, REFUSING);
	REQUIRE(dial(SOON) == -ECONNREFUSED);
	add_host(AF_INET, REFUSING);
	REQUIRE(dial(SOON) == -ECONNREFUSED);
	add_host(AF_INET, SILENT);
	REQUIRE(dial(sley_in(SLEY_MS(20))) == -ETIMEDOUT);
	remove_hosts();
	add_host(AF_INET, SILENT);
	REQUIRE(dial(sley_in(SLEY_MS(20))) == -ETIMEDOUT); /* alone */
	add_host(AF_INET, SILENT);
	store(&dial_attempt_delay, FOR_EVER, relaxed);
	REQUIRE(dial(sley_in(SLEY_MS(20))) == -ETIMEDOUT); /* before it is time for the second */
	unsigned before = open_descriptors();
	sley_task task = sley_spawn(dial_in_task, NULL);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_DIAL);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0 && result == -ECANCELED);
	REQUIRE(open_descriptors() == before);
	store(&dial_attempt_delay, SLEY_MS(1), relaxed);
	task = sley_spawn(dial_in_task, NULL);
	await_descriptors(before + 3);
	REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0 && result == -ECANCELED);
	REQUIRE(open_descriptors() == before);
	remove_hosts();
}

TASK_TEST(errors, 1)
{
	unsigned before = load(&asked, relaxed);
	REQUIRE(sley_dial_host(NULL, "80", SOON) == -EINVAL && sley_dial_host("here", NULL, SOON) == -EINVAL);
	REQUIRE(sley_dial_host("", "80", SOON) == -EINVAL && sley_dial_host("here", "", SOON) == -EINVAL);
	REQUIRE(sley_dial_host("here", "65536", SOON) == -EINVAL &&
		sley_dial_host("here", "999999999999", SOON) == -EINVAL);
	static const char *const wrong[] = { "here",         ":",        "here:",       "here:65536", "1.2.3:80",
					     "1.2.3.4.5:80", "127.1:80", "[here]:80",   "[::1:80",    "::1:80",
					     "a/b:80",       "",         "1.2.3.4:http" };
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
		REQUIRE(sley_dial(wrong[i], SOON) == -EINVAL);
	REQUIRE(load(&asked, relaxed) == before);               /* nobody was asked about these */
	REQUIRE(sley_dial_host("here", "80", SOON) == -ENOENT); /* an empty answer */
	REQUIRE(sley_dial_host("nowhere", "80", SOON) == -ENOENT && sley_dial("nowhere:80", SOON) == -ENOENT);
	add_host(AF_INET, SILENT);
	REQUIRE(sley_dial("here:65535", 0) == -ETIMEDOUT);
	remove_hosts();
}

/* sley_dial() takes names as well. */
TASK_TEST(dial, 1)
{
	char text[64];
	struct host *host = add_host(AF_INET, ALIVE);
	int fd = sley_dial("here:http", SOON);
	REQUIRE(fd >= 0 && is_peer(fd, host) && sley_close(fd) == 0);
	fd = sley_dial("here:80", SOON);
	REQUIRE(fd >= 0 && is_peer(fd, host) && sley_close(fd) == 0);
	unsigned before = load(&asked, relaxed);
	snprintf(text, sizeof(text), "127.0.0.2:%u", ntohs(((struct sockaddr_in *)(void *)&host->address)->sin_port));
	fd = sley_dial(text, SOON);
	REQUIRE(fd >= 0 && is_peer(fd, host) && sley_close(fd) == 0);
	REQUIRE(load(&asked, relaxed) == before); /* an address is no name */
	remove_hosts();
}

static int main_real(void *arg)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(in);
	char text[64];
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(bind(listener, (void *)&in, size) == 0 && listen(listener, 1) == 0);
	REQUIRE(getsockname(listener, (void *)&in, &size) == 0);
	snprintf(text, sizeof(text), "localhost:%u", ntohs(in.sin_port)); /* ::1 may be the first, and refuse */
	int fd = sley_dial(text, SOON);
	REQUIRE(fd >= 0 && sley_close(fd) == 0);
	close(listener);
	return 0;
}

/* localhost, by the real resolver. */
TEST(real)
{
	assert_int_equal(sley_resolver_set(NULL, NULL), 0);
	run(main_real, 1);
	assert_int_equal(sley_resolver_set(get, put), 0);
}

/* ---- races ---- */

/* Deadlines at any moment of the race: a connection or the deadline, and nothing left over. */
TASK_TEST(race, 1, 2)
{
	unsigned successes = 0;
	long n = test_scale(300);
	store(&dial_attempt_delay, SLEY_US(200), relaxed);
	add_host(AF_INET, SILENT);
	add_host(AF_INET, REFUSING);
	add_host(AF_INET, SILENT);
	struct host *alive = add_host(AF_INET, ALIVE);
	unsigned before = open_descriptors();
	for (long i = 0; i < n; i++) {
		int fd = sley_dial_host("here", "80", sley_in(SLEY_US(i * 37 % 6000)));
		REQUIRE(fd == -ETIMEDOUT || (fd >= 0 && is_peer(fd, alive)));
		REQUIRE(open_descriptors() == before + (fd >= 0));
		if (fd < 0)
			continue;
		successes++;
		REQUIRE(sley_close(fd) == 0);
		close(accept(alive->listener, NULL, NULL));
	}
	remove_hosts();
	print_message("%u of %ld succeeded\n", successes, n);
}

int main(void)
{
	sley_resolver_set(get, put);
	return tests_main(NULL, NULL);
}
