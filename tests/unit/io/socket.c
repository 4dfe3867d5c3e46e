/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* listen, accept, dial and close, over TCP and Unix sockets, with each error that they document. */
#include "tests/unit/run.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/atomic.h"

static char unix_address[128];

/* The address of a listener that chose its port itself. */
static void address_of(int listener, char *text, size_t size)
{
	struct sockaddr_in6 a;
	socklen_t n = sizeof(a);
	REQUIRE(getsockname(listener, (struct sockaddr *)&a, &n) == 0);
	if (a.sin6_family == AF_INET)
		snprintf(text, size, "127.0.0.1:%u", ntohs(((struct sockaddr_in *)&a)->sin_port));
	else if (a.sin6_family == AF_INET6)
		snprintf(text, size, "[::1]:%u", ntohs(a.sin6_port));
	else
		snprintf(text, size, "%s", unix_address);
}

static bool has_ipv6(void)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void check_flags(int fd, bool tcp)
{
	int on = 0;
	socklen_t n = sizeof(on);
	REQUIRE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	REQUIRE(fcntl(fd, F_GETFL) & O_NONBLOCK);
	if (tcp)
		REQUIRE(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &n) == 0 && on);
}

struct conversation {
	int listener;
	char address[128];
};

static void serve_one(void *arg)
{
	struct conversation *c = arg;
	char buffer[100];
	int fd = sley_accept(c->listener, SLEY_NEVER);
	REQUIRE(fd >= 0);
	check_flags(fd, strncmp(c->address, "unix:", 5) != 0);
	ssize_t n;
	while ((n = sley_read(fd, buffer, sizeof(buffer), SLEY_NEVER)) > 0)
		REQUIRE(sley_write_full(fd, buffer, (size_t)n, SLEY_NEVER) == n);
	REQUIRE(n == 0);
	REQUIRE(sley_close(fd) == 0);
}

static void converse(const char *address)
{
	struct conversation *c = malloc(sizeof(*c));
	char sent[1000], back[1000];
	c->listener = sley_listen(address, 0);
	REQUIRE(c->listener >= 0);
	check_flags(c->listener, false);
	address_of(c->listener, c->address, sizeof(c->address));
	sley_task server = sley_spawn(serve_one, c);
	int fd = sley_dial(c->address, SOON);
	REQUIRE(fd >= 0);
	check_flags(fd, strncmp(c->address, "unix:", 5) != 0);
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (char)(i * 7);
	REQUIRE(sley_write_full(fd, sent, sizeof(sent), SOON) == sizeof(sent));
	REQUIRE(sley_read_full(fd, back, sizeof(back), SOON) == sizeof(back));
	REQUIRE(memcmp(sent, back, sizeof(sent)) == 0);
	REQUIRE(shutdown(fd, SHUT_WR) == 0);
	REQUIRE(sley_read(fd, back, sizeof(back), SOON) == 0);
	REQUIRE(sley_join(server, SOON) == 0);
	REQUIRE(sley_close(fd) == 0 && sley_close(c->listener) == 0);
	free(c);
}

/* A conversation over each kind of address; descriptors are non-blocking, close-on-exec and without Nagle's delay. */
TASK_TEST(converse, 1, 2)
{
	converse("127.0.0.1:0");
	if (has_ipv6()) {
		converse("[::1]:0");
		converse(":0");
	}
	unlink(unix_address + 5);
	converse(unix_address);
	unlink(unix_address + 5);
}

/* Dials until the backlog is full, which is not waited for; closes all. */
static void fill_backlog(int listener)
{
	int fds[10], n = 0;
	REQUIRE(listener >= 0);
	while (n < 10 && (fds[n] = sley_dial(unix_address, SOON)) >= 0)
		n++;
	REQUIRE(n > 0 && n < 10 && fds[n] == -EAGAIN);
	while (n-- > 0)
		REQUIRE(sley_close(fds[n]) == 0);
	REQUIRE(sley_close(listener) == 0);
}

/* Port in use, no such place, nobody there: the kernel's answer, and no descriptor is left behind. */
TASK_TEST(listen_errors, 1)
{
	char address[128];
	REQUIRE(sley_listen("localhost:80", 0) == -EINVAL);
	REQUIRE(sley_listen(NULL, 0) == -EINVAL);
	REQUIRE(sley_dial("1.2.3:80", SOON) == -EINVAL);
	int first = sley_listen("127.0.0.1:0", 1);
	REQUIRE(first >= 0);
	address_of(first, address, sizeof(address));
	int next = dup(first);
	close(next);
	REQUIRE(sley_listen(address, 0) == -EADDRINUSE);
	REQUIRE(sley_listen("unix:/nonexistent/directory/socket", 0) == -ENOENT);
	REQUIRE(sley_listen("192.0.2.1:1", 0) == -EADDRNOTAVAIL); /* not one of this host */
	unlink(unix_address + 5);
	int unix_listener = sley_listen(unix_address, 0);
	REQUIRE(unix_listener >= 0 && sley_listen(unix_address, 0) == -EADDRINUSE);
	REQUIRE(sley_close(unix_listener) == 0);
	unlink(unix_address + 5);
	fill_backlog(sley_listen(unix_address, 1));
	REQUIRE(sley_dial(unix_address, SOON) == -ECONNREFUSED); /* the name is there, nobody listens */
	unlink(unix_address + 5);
	REQUIRE(sley_dial(unix_address, SOON) == -ENOENT);
	REQUIRE(sley_close(first) == 0);
	REQUIRE(sley_dial(address, SOON) == -ECONNREFUSED);
	first = sley_listen(address, 0); /* at once: SO_REUSEADDR */
	REQUIRE(first == next || first >= 0);
	REQUIRE(sley_close(first) == 0);
	int after = dup(2);
	REQUIRE(after <= next); /* no failed call kept a descriptor */
	close(after);
}

/* Deadlines, and descriptors that are no listeners or not open. */
TASK_TEST(accept_errors, 1)
{
	int ends[2];
	int listener = sley_listen("127.0.0.1:0", 0);
	REQUIRE(sley_accept(listener, 0) == -ETIMEDOUT);
	REQUIRE(sley_accept(listener, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	REQUIRE(sley_accept(-1, SOON) == -EBADF);
	REQUIRE(sley_accept(9999, SOON) == -EBADF);
	REQUIRE(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
	REQUIRE(sley_accept(ends[0], SOON) == -ENOTSOCK);
	REQUIRE(sley_close(ends[0]) == 0 && sley_close(ends[1]) == 0);
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	REQUIRE(sley_accept(file, SOON) == -ENOTSUP);
	REQUIRE(sley_close(file) == 0);
	REQUIRE(sley_close(listener) == 0);
	REQUIRE(sley_accept(listener, SOON) == -EBADF);
	REQUIRE(sley_close(listener) == -EBADF);
	REQUIRE(sley_close(-1) == -EBADF);
}

static struct rlimit limit_descriptors(rlim_t most)
{
	struct rlimit old, low;
	REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
	low = old;
	low.rlim_cur = most;
	REQUIRE(setrlimit(RLIMIT_NOFILE, &low) == 0);
	return old;
}

static int patient_fd;

static void accept_patiently(void *listener)
{
	patient_fd = sley_accept(*(int *)listener, SLEY_NEVER);
}

static void accept_cancelled(void *listener)
{
	REQUIRE(sley_accept(*(int *)listener, SLEY_NEVER) == -ECANCELED);
}

static int main_no_descriptors(void *arg)
{
	char address[128], byte;
	int listener = sley_listen("127.0.0.1:0", 0);
	REQUIRE(listener >= 0);
	address_of(listener, address, sizeof(address));
	int clients[2] = { sley_dial(address, SOON), sley_dial(address, SOON) };
	REQUIRE(clients[0] >= 0 && clients[1] >= 0);
	int next = dup(2);
	close(next);
	struct rlimit old = limit_descriptors((rlim_t)next);
	for (int i = 0; i < 3; i++) {
		REQUIRE(sley_accept(listener, i == 0 ? sley_in(SLEY_MS(3)) : 0) == -EMFILE);
		REQUIRE(sley_dial(address, SOON) == -EMFILE);
		REQUIRE(sley_listen("127.0.0.1:0", 0) == -EMFILE);
	}
	sley_task cancelled = sley_spawn(accept_cancelled, &listener);
	await_state(cancelled, SLEY_TASK_WAITING, SLEY_WAIT_SLEEP);
	REQUIRE(sley_cancel(cancelled) == 0 && sley_join(cancelled, SOON) == 0);
	sley_task patient = sley_spawn(accept_patiently, &listener);
	await_state(patient, SLEY_TASK_WAITING, SLEY_WAIT_SLEEP);
	REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
	REQUIRE(sley_join(patient, SOON) == 0);
	/* the connections stayed queued: no event comes for them any more, and none is needed */
	int servers[2] = { patient_fd, sley_accept(listener, SOON) };
	for (int i = 0; i < 2; i++) {
		REQUIRE(servers[i] >= 0);
		REQUIRE(sley_write(servers[i], "x", 1, SOON) == 1);
		REQUIRE(sley_read(clients[i], &byte, 1, SOON) == 1);
	}
	for (int i = 0; i < 2; i++)
		REQUIRE(sley_close(servers[i]) == 0 && sley_close(clients[i]) == 0);
	REQUIRE(sley_close(listener) == 0);
	return 0;
}

/*
 * No descriptors left: -EMFILE from each call that makes one, but accept waits for one as long as it may, and says so
 * once; the connections stay queued, and the service goes on.
 */
TEST(no_descriptors)
{
	char text[2000];
	for (unsigned workers = 1; workers <= 2; workers++) {
		capture_begin();
		run(main_no_descriptors, workers);
		capture_end(text, sizeof(text));
		assert_said(text, " cannot take connections now: Too many open files. ", 1);
	}
}

static unsigned accepted;

static void accept_some(void *arg)
{
	int fd;
	while ((fd = sley_accept((int)(intptr_t)arg, SLEY_NEVER)) >= 0) {
		fetch_add(&accepted, 1, relaxed);
		REQUIRE(sley_close(fd) == 0);
	}
	REQUIRE(fd == -EBADF);
}

static void dial_some(void *arg)
{
	char byte;
	for (int i = 0; i < 50; i++) {
		int fd = sley_dial(arg, SOON);
		REQUIRE(fd >= 0);
		ssize_t n = sley_read(fd, &byte, 1, SOON);
		REQUIRE(n == 0 || n == -ECONNRESET);
		REQUIRE(sley_close(fd) == 0);
	}
}

/* Connections that come in bursts on one edge are all accepted; closing a listener ends its acceptor with -EBADF. */
TASK_TEST(burst, 1, 3)
{
	static char address[128];
	sley_task dialers[20];
	accepted = 0;
	int listener = sley_listen("127.0.0.1:0", 0);
	address_of(listener, address, sizeof(address));
	sley_task acceptor = sley_spawn(accept_some, (void *)(intptr_t)listener);
	for (int i = 0; i < 20; i++)
		dialers[i] = sley_spawn(dial_some, address);
	for (int i = 0; i < 20; i++)
		REQUIRE(sley_join(dialers[i], SLEY_NEVER) == 0);
	REQUIRE(load(&accepted, relaxed) == 1000);
	await_state(acceptor, SLEY_TASK_WAITING, SLEY_WAIT_ACCEPT);
	REQUIRE(sley_close(listener) == 0); /* wakes the acceptor */
	REQUIRE(sley_join(acceptor, SOON) == 0);
}

/*
 * accept takes a blocking listener that was made elsewhere, and does not block its thread. A listener that another
 * made, which may block the thread that accepts too early.
 */
TASK_TEST(foreign_listener, 1)
{
	char address[128];
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	REQUIRE(bind(listener, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(listener, 10) == 0);
	address_of(listener, address, sizeof(address));
	REQUIRE(sley_accept(listener, sley_in(SLEY_MS(1))) == -ETIMEDOUT);
	int client = sley_dial(address, SOON), server = sley_accept(listener, SOON);
	REQUIRE(client >= 0 && server >= 0);
	check_flags(server, true);
	REQUIRE(sley_close(client) == 0 && sley_close(server) == 0 && sley_close(listener) == 0);
}

/* A connect that nobody answers ends at its deadline. */
TASK_TEST(dial_deadline, 1)
{
	char address[128];
	int fds[64], n = 0, error = 0;
	/* a full queue: the kernel drops further SYNs, so that the connect waits for its retry */
	int listener = sley_listen("127.0.0.1:0", 1);
	address_of(listener, address, sizeof(address));
	while (n < 64 && (error = sley_dial(address, sley_in(SLEY_MS(30)))) >= 0)
		fds[n++] = error;
	REQUIRE(error == -ETIMEDOUT);
	while (n > 0)
		REQUIRE(sley_close(fds[--n]) == 0);
	REQUIRE(sley_close(listener) == 0);
}

/* Outside of a run and of a task. */
TEST_FIRST(outside)
{
	assert_int_equal(sley_listen("127.0.0.1:0", 0), -ENOTCONN);
	assert_int_equal(sley_close(2), -ENOTCONN);
	assert_int_equal(sley_accept(0, SLEY_NEVER), -EDEADLK);
	assert_int_equal(sley_dial("127.0.0.1:1", SLEY_NEVER), -EDEADLK);
}

/* ---- any address ---- */

/* A connection from `address` to the listener, and a datagram to the other; both by the port of `fd`. */
static void check_reached(int listener, int packets, const char *host)
{
	struct sockaddr_in6 a;
	socklen_t size = sizeof(a);
	char address[64], byte;
	REQUIRE(getsockname(listener, (struct sockaddr *)&a, &size) == 0); /* the port is at the same place in both */
	snprintf(address, sizeof(address), "%s:%u", host, ntohs(a.sin6_port));
	int fd = sley_dial(address, SOON);
	REQUIRE(fd >= 0 && sley_close(fd) == 0);
	REQUIRE((fd = sley_accept(listener, SOON)) >= 0 && sley_close(fd) == 0);
	size = sizeof(a);
	REQUIRE(getsockname(packets, (struct sockaddr *)&a, &size) == 0);
	snprintf(address, sizeof(address), "%s:%u", host, ntohs(a.sin6_port));
	fd = sley_packet_dial(address);
	REQUIRE(fd >= 0 && sley_send(fd, "x", 1, 0, SOON) == 1 && sley_recv(packets, &byte, 1, 0, SOON) == 1);
	REQUIRE(sley_close(fd) == 0);
}

static bool without_v6;

static int main_any_address(void *arg)
{
	int listener = sley_listen(":0", 0), packets = sley_packet_listen(":0");
	REQUIRE(listener >= 0 && packets >= 0);
	check_reached(listener, packets, "127.0.0.1");
	check_reached(listener, packets, "");
	if (!without_v6)
		check_reached(listener, packets, "[::1]");
	REQUIRE(without_v6 == (sley_listen("[::1]:0", 0) < 0));
	REQUIRE(sley_close(listener) == 0 && sley_close(packets) == 0);
	listener = sley_listen("127.0.0.1:0", 0); /* dialed, it is this host, by either */
	packets = sley_packet_listen(without_v6 ? "127.0.0.1:0" : "[::1]:0");
	check_reached(listener, packets, "");
	return 0;
}

/* Sockets of IPv6 cannot be made, as where the kernel has none. */
static int no_v6(void)
{
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof(program) / sizeof(program[0]), program };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
		return CANNOT;
	without_v6 = true;
	run(main_any_address, 1);
	return 0;
}

/* Sockets of IPv6 are for IPv6 alone, if nobody says otherwise. */
static int v6_only(void)
{
	if (!own_network() || !own_network_set("ipv6/bindv6only", "1"))
		return CANNOT;
	run(main_any_address, 1);
	return 0;
}

/* No device has IPv6. */
static int v6_disabled(void)
{
	if (!own_network() || !own_network_set("ipv6/conf/all/disable_ipv6", "1"))
		return CANNOT;
	without_v6 = true;
	run(main_any_address, 1);
	return 0;
}

/* ":port" is what there is of IPv6 and IPv4. */
TEST(no_v6)
{
	scenario_needs_network("no_v6");
}

TEST(v6_only)
{
	scenario_needs_network("v6_only");
}

TEST(v6_disabled)
{
	scenario_needs_network("v6_disabled");
}

static const struct scenario scenarios[] = {
	{ "no_v6", no_v6 }, { "v6_only", v6_only }, { "v6_disabled", v6_disabled }, { NULL, NULL }
};

int main(int argc, char **argv)
{
	scenario_main(argc, argv, scenarios);
	snprintf(unix_address, sizeof(unix_address), "unix:/tmp/sley-test-%d", getpid());
	return tests_main(NULL, NULL);
}
