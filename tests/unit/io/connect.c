/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Connecting sockets of every kind, half close, and who is at the other end. */
#include "tests/unit/run.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/compiler.h"

static struct sockaddr_in loopback(in_port_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = port,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static struct sockaddr_in name_of(int fd)
{
	struct sockaddr_in a;
	socklen_t size = sizeof(a);
	REQUIRE(getsockname(fd, (struct sockaddr *)&a, &size) == 0);
	return a;
}

static int connect_in(int fd, struct sockaddr_in a, sley_time deadline)
{
	return sley_connect(fd, (struct sockaddr *)&a, sizeof(a), deadline);
}

/* ---- kinds ---- */

static void converse(int client, int server)
{
	char byte;
	REQUIRE(sley_write(client, "a", 1, SOON) == 1 && sley_read(server, &byte, 1, SOON) == 1 && byte == 'a');
	REQUIRE(sley_write(server, "b", 1, SOON) == 1 && sley_read(client, &byte, 1, SOON) == 1 && byte == 'b');
	REQUIRE(sley_read(client, &byte, 1, sley_in(SLEY_US(100))) == -ETIMEDOUT);
}

static void check_connect(int client, int listener)
{
	struct sockaddr_in peer;
	socklen_t size = sizeof(peer);
	bool blocking = !(fcntl(client, F_GETFL) & O_NONBLOCK);
	REQUIRE(connect_in(client, name_of(listener), SOON) == 0);
	REQUIRE(blocking == !(fcntl(client, F_GETFL) & O_NONBLOCK)); /* as it was */
	int server = sley_accept_from(listener, (struct sockaddr *)&peer, &size, SOON);
	REQUIRE(server >= 0 && size == sizeof(peer) && peer.sin_port == name_of(client).sin_port);
	REQUIRE(connect_in(client, name_of(listener), SOON) == -EISCONN);
	converse(client, server);
	REQUIRE(sley_close(client) == 0 && sley_close(server) == 0);
}

/* Own and foreign TCP sockets, blocking ones too, which stay so; the listener is told who it is. */
TASK_TEST(connect, 1, 2)
{
	int on = 0;
	socklen_t size = sizeof(on);
	int listener = sley_listen("127.0.0.1:0", 0);
	REQUIRE(listener >= 0);
	int client = sley_socket(AF_INET, SOCK_STREAM, 0);
	REQUIRE(fcntl(client, F_GETFD) & FD_CLOEXEC && fcntl(client, F_GETFL) & O_NONBLOCK);
	REQUIRE(getsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0 && on);
	check_connect(client, listener);
	check_connect(sley_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP), listener);
	check_connect(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), listener);
	check_connect(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), listener);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(sley_own(client) == 0);
	check_connect(client, listener);
	client = sley_socket(AF_INET, SOCK_STREAM, 0);
	REQUIRE(sley_poll(client, POLLIN, SOON) > 0); /* it is registered before it is connected: hung up, says epoll */
	check_connect(client, listener);
	REQUIRE(sley_close(listener) == 0);
}

/* Listeners that sley_listen() has not made: own, foreign and taken over. */
TASK_TEST(other_listeners, 1, 2)
{
	struct sockaddr_in any = loopback(0);
	int on = 0;
	socklen_t size = sizeof(on);
	for (int how = 0; how < 3; how++) {
		int listener = how == 0 ? sley_socket(AF_INET, SOCK_STREAM, 0)
					: socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		REQUIRE(bind(listener, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(listener, 10) == 0);
		REQUIRE(how != 2 || sley_own(listener) == 0);
		REQUIRE(sley_accept(listener, 0) == -ETIMEDOUT);
		int client = sley_socket(AF_INET, SOCK_STREAM, 0);
		REQUIRE(connect_in(client, name_of(listener), SOON) == 0);
		REQUIRE(sley_poll(listener, POLLIN, SOON) == POLLIN);
		int server = sley_accept(listener, 0); /* it is there: no wait */
		REQUIRE(server >= 0);
		REQUIRE(getsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0 && on);
		converse(client, server);
		REQUIRE(sley_close(client) == 0 && sley_close(server) == 0 && sley_close(listener) == 0);
	}
}

/* Unix streams and sequenced packets; a full backlog is -EAGAIN. */
TASK_TEST(unix, 1)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX }, peer;
	static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET };
	socklen_t size = sizeof(peer);
	snprintf(name.sun_path, sizeof(name.sun_path), "/tmp/sley-test-connect-%d", getpid());
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		unlink(name.sun_path);
		int listener = sley_socket(AF_UNIX, types[i], 0), client = sley_socket(AF_UNIX, types[i], 0);
		REQUIRE(sley_connect(client, (struct sockaddr *)&name, sizeof(name), SOON) == -ENOENT);
		REQUIRE(bind(listener, (struct sockaddr *)&name, sizeof(name)) == 0);
		REQUIRE(sley_connect(client, (struct sockaddr *)&name, sizeof(name), SOON) == -ECONNREFUSED);
		REQUIRE(listen(listener, 0) == 0);
		REQUIRE(sley_connect(client, (struct sockaddr *)&name, sizeof(name), SOON) == 0);
		int more = sley_socket(AF_UNIX, types[i], 0); /* a backlog of none has room for one */
		REQUIRE(sley_connect(more, (struct sockaddr *)&name, sizeof(name), SOON) == -EAGAIN);
		int server = sley_accept_from(listener, (struct sockaddr *)&peer, &size, SOON);
		REQUIRE(server >= 0 && size == sizeof(sa_family_t)); /* it has no name */
		REQUIRE(sley_connect(more, (struct sockaddr *)&name, sizeof(name), SOON) == 0);
		converse(client, server);
		REQUIRE(sley_close(client) == 0 && sley_close(server) == 0);
		REQUIRE(sley_close(more) == 0 && sley_close(listener) == 0);
	}
	unlink(name.sun_path);
}

/* ---- who waits ---- */

/* A listener whose queue is full: further connects wait for the retry of a dropped SYN. */
struct full {
	int listener;
	int clients[64];
	int count;
	struct sockaddr_in name;
};

static struct full *fill(void)
{
	struct full *f = calloc(1, sizeof(*f));
	int error;
	f->listener = sley_listen("127.0.0.1:0", 1);
	REQUIRE(f->listener >= 0);
	f->name = name_of(f->listener);
	do {
		REQUIRE(f->count < 64);
		f->clients[f->count] = sley_socket(AF_INET, SOCK_STREAM, 0);
		error = connect_in(f->clients[f->count++], f->name, sley_in(SLEY_MS(30)));
	} while (error == 0);
	REQUIRE(error == -ETIMEDOUT);
	return f;
}

struct connecting {
	int fd;
	struct sockaddr_in name;
	int result;
};

static void connect_one(void *arg)
{
	struct connecting *c = arg;
	c->result = connect_in(c->fd, c->name, SLEY_NEVER);
}

static sley_task spawn_connecting(struct connecting *c, bool own)
{
	c->fd = own ? sley_socket(AF_INET, SOCK_STREAM, 0) : socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sley_task task = sley_spawn(connect_one, c);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_DIAL);
	return task;
}

/* A connect that waits: cancelled, closed, twice, at its deadline and continued. */
TASK_TEST(waits, 1)
{
	struct full *f = fill();
	struct connecting *c = calloc(1, sizeof(*c));
	int last = f->clients[f->count - 1];
	c->name = f->name;
	for (int own = 0; own < 2; own++) {
		sley_task task = spawn_connecting(c, own);
		REQUIRE(connect_in(c->fd, f->name, SOON) == -EBUSY);
		REQUIRE(connect_in(c->fd, f->name, 0) == -EBUSY);
		REQUIRE(sley_cancel(task) == 0 && sley_join(task, SOON) == 0 && c->result == -ECANCELED);
		REQUIRE(connect_in(c->fd, f->name, 0) == -ETIMEDOUT); /* it is under way still */
		REQUIRE(sley_close(c->fd) == 0);
		task = spawn_connecting(c, own);
		REQUIRE(sley_close(c->fd) == 0);
		REQUIRE(sley_join(task, SOON) == 0 && c->result == -EBADF);
	}
	/* the same call again goes on: when the queue has room the retry of the kernel gets through */
	for (int i = 0; i < f->count - 1; i++) {
		int server = sley_accept(f->listener, SOON);
		REQUIRE(server >= 0 && sley_close(server) == 0);
	}
	REQUIRE(connect_in(last, f->name, SOON) == 0);
	for (int i = 0; i < f->count; i++)
		REQUIRE(sley_close(f->clients[i]) == 0);
	REQUIRE(sley_close(f->listener) == 0);
	free(f);
	free(c);
}

/* ---- errors ---- */

static int main_errors(void *arg)
{
	struct sockaddr_in none = loopback(htons(1));
	struct sockaddr_un other = { .sun_family = AF_UNIX, .sun_path = "/x" };
	int ends[2];
	REQUIRE(sley_socket(-1, SOCK_STREAM, 0) == -EAFNOSUPPORT);
	REQUIRE(sley_socket(AF_INET, 77, 0) == -EINVAL);
	REQUIRE(sley_socketpair(77, ends) < 0 && sley_socketpair(SOCK_STREAM, NULL) == -EFAULT);
	REQUIRE(connect_in(-1, none, SOON) == -EBADF);
	int fd = sley_socket(AF_INET, SOCK_STREAM, 0);
	REQUIRE(sley_connect(fd, NULL, 16, SOON) == -EFAULT);
	REQUIRE(sley_connect(fd, (struct sockaddr *)&none, 3, SOON) == -EINVAL);
	REQUIRE(sley_connect(fd, (struct sockaddr *)&other, sizeof(other), SOON) == -EAFNOSUPPORT);
	REQUIRE(connect_in(fd, none, SOON) == -ECONNREFUSED);
	REQUIRE(sley_close(fd) == 0);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(connect_in(fd, none, SOON) == -ECONNREFUSED);
	REQUIRE(!(fcntl(fd, F_GETFL) & O_NONBLOCK) && sley_close(fd) == 0);
	REQUIRE(sley_pipe(ends) == 0 && connect_in(ends[1], none, SOON) == -ENOTSOCK);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
	REQUIRE(pipe(ends) == 0 && connect_in(ends[1], none, SOON) == -ENOTSOCK);
	REQUIRE(sley_accept_from(ends[0], (struct sockaddr *)&none, NULL, SOON) == -EFAULT);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
	return 0;
}

/* What the kernel refuses is refused with its error, at once. */
TEST(errors)
{
	int ends[2];
	struct sockaddr_in none = loopback(htons(1));
	assert_int_equal(sley_socket(AF_INET, SOCK_STREAM, 0), -ENOTCONN);
	assert_int_equal(sley_socketpair(SOCK_STREAM, ends), -ENOTCONN);
	assert_int_equal(sley_shutdown(0, SHUT_WR), -ENOTCONN);
	assert_int_equal(connect_in(0, none, SLEY_NEVER), -EDEADLK);
	assert_int_equal(sley_accept_from(0, NULL, NULL, SLEY_NEVER), -EDEADLK);
	run(main_errors, 1);
}

/* ---- accept_from ---- */

/* An address that has no room is cut, and its size is told. */
TASK_TEST(cut, 1)
{
	char small[4];
	socklen_t size = sizeof(small);
	int listener = sley_listen("127.0.0.1:0", 0);
	int client = sley_socket(AF_INET, SOCK_STREAM, 0);
	REQUIRE(connect_in(client, name_of(listener), SOON) == 0);
	memset(small, 0x55, sizeof(small));
	int server = sley_accept_from(listener, (struct sockaddr *)small, &size, SOON);
	struct sockaddr_in peer = name_of(client);
	REQUIRE(server >= 0 && size == sizeof(peer) && memcmp(small, &peer, sizeof(small)) == 0);
	REQUIRE(sley_close(client) == 0 && sley_close(server) == 0 && sley_close(listener) == 0);
}

/* ---- half close ---- */

static void read_to_end(void *arg)
{
	struct connecting *c = arg;
	char byte;
	c->result = (int)sley_read(c->fd, &byte, 1, SLEY_NEVER);
}

static void check_shutdown(int ends[2])
{
	struct connecting *c = calloc(1, sizeof(*c));
	char bytes[10];
	c->fd = ends[1];
	sley_task task = sley_spawn(read_to_end, c);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	REQUIRE(sley_shutdown(ends[0], SHUT_WR) == 0); /* the peer reads the end */
	REQUIRE(sley_join(task, SOON) == 0 && c->result == 0);
	REQUIRE(sley_write(ends[0], "x", 1, SOON) == -EPIPE);
	REQUIRE(sley_write(ends[1], "still", 5, SOON) == 5); /* the other direction is open */
	REQUIRE(sley_read(ends[0], bytes, 10, SOON) == 5);
	c->fd = ends[0];
	task = sley_spawn(read_to_end, c);
	await_state(task, SLEY_TASK_WAITING, SLEY_WAIT_READ);
	REQUIRE(sley_shutdown(ends[0], SHUT_RD) == 0); /* and so does one that waits at this end */
	REQUIRE(sley_join(task, SOON) == 0 && c->result == 0);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
	free(c);
}

/* Each direction ends by itself, and who waits for it is woken, at either end. */
TASK_TEST(shutdown, 1, 2)
{
	int ends[2];
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	check_shutdown(ends);
	REQUIRE(sley_socketpair(SOCK_STREAM, ends) == 0);
	check_shutdown(ends);
	int listener = sley_listen("127.0.0.1:0", 0);
	ends[0] = sley_socket(AF_INET, SOCK_STREAM, 0);
	REQUIRE(sley_shutdown(ends[0], SHUT_WR) == -ENOTCONN);
	REQUIRE(connect_in(ends[0], name_of(listener), SOON) == 0);
	ends[1] = sley_accept(listener, SOON);
	REQUIRE(sley_shutdown(ends[0], 77) == -EINVAL);
	check_shutdown(ends);
	REQUIRE(sley_close(listener) == 0);
	REQUIRE(sley_shutdown(-1, SHUT_WR) == -EBADF);
	REQUIRE(sley_pipe(ends) == 0 && sley_shutdown(ends[0], SHUT_RD) == -ENOTSOCK);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
}

/* ---- connected to itself ---- */

static void bind_to(int fd, in_port_t port)
{
	struct sockaddr_in a = loopback(port);
	REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0);
}

/* A TCP socket that the kernel has connected to itself was not connected: nobody listens. */
TASK_TEST(own_peer, 1)
{
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t size = sizeof(any6);
	for (int how = 0; how < 3; how++) { /* own, foreign and blocking, any address */
		int fd = how == 1 ? socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)
				  : sley_socket(AF_INET, SOCK_STREAM, 0);
		bind_to(fd, 0);
		struct sockaddr_in to = name_of(fd);
		to.sin_addr.s_addr = how == 2 ? INADDR_ANY : to.sin_addr.s_addr;
		errno = EDOM;
		REQUIRE(connect_in(fd, to, SOON) == -ECONNREFUSED && errno == EDOM);
		REQUIRE(sley_close(fd) == 0);
	}
	int fd = sley_socket(AF_INET6, SOCK_STREAM, 0);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&any6, size) == 0) {
		REQUIRE(getsockname(fd, (struct sockaddr *)&any6, &size) == 0);
		REQUIRE(sley_connect(fd, (struct sockaddr *)&any6, size, SOON) == -ECONNREFUSED);
	}
	REQUIRE(fd < 0 || sley_close(fd) == 0);
	fd = sley_socket(AF_INET, SOCK_DGRAM, 0); /* of datagrams it may be meant */
	bind_to(fd, 0);
	REQUIRE(connect_in(fd, name_of(fd), SOON) == 0);
	REQUIRE(sley_close(fd) == 0);
}

static int get_loopback_twice(const char *host, const char *service, const struct addrinfo *hints,
			      struct addrinfo **result)
{
	static struct sockaddr_in in[2];
	static struct addrinfo list[2];
	for (int i = 0; i < 2; i++) {
		in[i] = loopback(htons((in_port_t)atoi(service)));
		list[i] = (struct addrinfo){ .ai_family = AF_INET,
					     .ai_addr = (struct sockaddr *)&in[i],
					     .ai_addrlen = sizeof(in[i]),
					     .ai_next = i == 0 ? &list[1] : NULL };
	}
	*result = list;
	return 0;
}

static void free_nothing(struct addrinfo *list)
{
}

/* Text with the one port that the kernel can give to sockets from now on, which none had before. */
static const char *only_port(const char *host)
{
	static unsigned port = 40000;
	static char text[32];
	char range[20];
	port++;
	snprintf(range, sizeof(range), "%u %u", port, port);
	REQUIRE(own_network_set("ipv4/ip_local_port_range", range));
	snprintf(text, sizeof(text), "%s%u", host, port);
	return text;
}

static int main_one_port(void *arg)
{
	unsigned before = open_descriptors();
	REQUIRE(sley_dial(only_port("127.0.0.1:"), SOON) == -ECONNREFUSED);
	REQUIRE(sley_dial(only_port("[::1]:"), SOON) == -ECONNREFUSED);
	REQUIRE(sley_resolver_set(get_loopback_twice, free_nothing) == 0);
	REQUIRE(sley_dial_host("twice", only_port(""), SOON) == -ECONNREFUSED);
	REQUIRE(sley_dial(only_port("twice:"), SOON) == -ECONNREFUSED);
	REQUIRE(open_descriptors() == before);
	int listener = sley_listen("127.0.0.1:40000", 0);
	only_port("");
	int fd = sley_dial("127.0.0.1:40000", SOON);
	REQUIRE(listener >= 0 && fd >= 0 && name_of(fd).sin_port != htons(40000));
	return 0;
}

static int dials_itself(void)
{
	if (!own_network() || !own_network_set("ipv4/ip_local_port_range", "40000 40000"))
		return CANNOT;
	run(main_one_port, 1);
	return 0;
}

TEST(dials_itself)
{
	scenario_needs_network("dials_itself");
}

static int get_unknown_first(const char *host, const char *service, const struct addrinfo *hints,
			     struct addrinfo **result)
{
	get_loopback_twice(host, service, hints, result);
	(*result)->ai_family = AF_MAX;
	return 0;
}

/* An address of a family that the host lacks does not hide what is wrong with the others. */
TASK_TEST(unknown_first, 1)
{
	char port[8];
	int fd = sley_socket(AF_INET, SOCK_STREAM, 0);
	bind_to(fd, 0); /* and does not listen */
	snprintf(port, sizeof(port), "%u", ntohs(name_of(fd).sin_port));
	REQUIRE(sley_resolver_set(get_unknown_first, free_nothing) == 0);
	REQUIRE(sley_dial_host("both", port, SOON) == -ECONNREFUSED);
	REQUIRE(sley_resolver_set(NULL, NULL) == 0);
	REQUIRE(sley_close(fd) == 0);
}

static const struct scenario scenarios[] = { { "dials_itself", dials_itself }, { NULL, NULL } };

int main(int argc, char **argv)
{
	scenario_main(argc, argv, scenarios);
	return tests_main(NULL, NULL);
}
