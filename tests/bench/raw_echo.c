/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * bench-raw-echo PORT [http]: what an echo server costs with nothing but epoll: the measure for echo on sley. With
 * `http` it answers "hello" to what ends in an empty line, unparsed: the measure for httpd.
 *
 * One thread, edge-triggered, one registration for life. A request costs one recv() and one send(): a recv() that did
 * not fill the buffer took everything, and the kernel will tell about more. What a full socket does not take is kept
 * with its connection, which is not read again until it is gone. PORT 0: the kernel chooses.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER 1024
#define EVENTS 512

struct pending {
	size_t from, to;
	char bytes[BUFFER];
};

static struct pending **pending; /* by descriptor; null: nothing is pending */
static int epoll, listener;
static int http;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void hang_up(int fd)
{
	free(pending[fd]);
	pending[fd] = NULL;
	close(fd);
}

static int keep(int fd, const char *bytes, size_t n)
{
	pending[fd] = malloc(sizeof(*pending[fd]));
	if (!pending[fd])
		return -1;
	pending[fd]->from = 0;
	pending[fd]->to = n;
	memcpy(pending[fd]->bytes, bytes, n);
	return 0;
}

/* 1: all is sent; 0: the socket is full; -1: it is broken. */
static int flush(int fd)
{
	struct pending *p = pending[fd];
	ssize_t n;
	while (p->from < p->to) {
		n = send(fd, p->bytes + p->from, p->to - p->from, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		p->from += (size_t)n;
	}
	free(p);
	pending[fd] = NULL;
	return 1;
}

/* The same; n bytes, and nothing was pending. */
static int answer(int fd, const char *bytes, size_t n)
{
	ssize_t sent = send(fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent == (ssize_t)n)
		return 1;
	if (sent < 0 && errno != EAGAIN)
		return -1;
	sent = sent < 0 ? 0 : sent;
	return keep(fd, bytes + sent, n - (size_t)sent) ? -1 : flush(fd);
}

static int answer_http(int fd, const char *request, size_t n)
{
	static const char hello[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nhello\n";
	if (n < 4 || memcmp(request + n - 4, "\r\n\r\n", 4) != 0)
		return 1;
	return answer(fd, hello, sizeof(hello) - 1);
}

/* `ending`: the peer has sent its last byte, so there will be no further event and all must be read now. */
static void serve(int fd, int ending)
{
	char buffer[BUFFER];
	int more = pending[fd] ? flush(fd) : 1;
	while (more > 0) {
		ssize_t n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			more = -1;
		else
			more = http ? answer_http(fd, buffer, (size_t)n) : answer(fd, buffer, (size_t)n);
		if (more > 0 && n < (ssize_t)sizeof(buffer) && !ending)
			return;
	}
	if (more < 0)
		hang_up(fd);
}

static void accept_all(void)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };
	const int one = 1;
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0)
			return;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		event.data.fd = fd;
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
			hang_up(fd);
	}
}

static void listen_on(const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	struct epoll_event event = { .events = EPOLLIN };
	socklen_t length = sizeof(address);
	const int one = 1;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, SOMAXCONN))
		die("bench-raw-echo: listen");
	event.data.fd = listener;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event))
		die("bench-raw-echo: epoll_ctl");
	getsockname(listener, (struct sockaddr *)&address, &length);
	printf("bench-raw-echo: listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	struct rlimit files;
	http = argc == 3 && strcmp(argv[2], "http") == 0;
	if (argc != 2 + http) {
		fprintf(stderr, "usage: bench-raw-echo PORT [http]\n");
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	pending = calloc(files.rlim_cur, sizeof(*pending));
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!pending || epoll < 0)
		die("bench-raw-echo");
	listen_on(argv[1]);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				accept_all();
			else
				serve(events[i].data.fd, events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
		}
	}
}
