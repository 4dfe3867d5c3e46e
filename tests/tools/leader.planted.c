/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * A service for asynctop to look at whose first thread ends when another runs sley. Two tasks block their threads in
 * calls on sockets: one for good, one for 20 ms at a time.
 * Usage: leader.planted SOCKET. It writes the two ports of its TCP connection and runs until its input ends.
 */
#include <sley.h>

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static const char *path;
static int tcp[2];
static pthread_t first;

static void park(void *arg)
{
	(void)arg;
	sley_set_name("parked");
	sley_sleep(SLEY_NEVER);
}

/* Waits for a datagram that nobody sends. */
static void stick(void *arg)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char byte;
	(void)arg;
	sley_set_name("stuck");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		perror(path);
	else if (recv(fd, &byte, 1, 0) < 0) /* LEADER: sticks */
		perror("recv");
}

static void receive(void *arg)
{
	const struct timeval time = { .tv_usec = 20000 };
	char byte;
	(void)arg;
	sley_set_name("receiver");
	setsockopt(tcp[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	for (;;) {
		if (recv(tcp[0], &byte, 1, 0) == 0) /* LEADER: receives */
			return;
		sley_sleep(sley_in(SLEY_MS(20)));
	}
}

static unsigned port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t size = sizeof(address);
	return getsockname(fd, (struct sockaddr *)&address, &size) == 0 ? ntohs(address.sin_port) : 0;
}

static int connect_tcp(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, 1) != 0)
		return -1;
	address.sin_port = htons((in_port_t)port_of(listener));
	tcp[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (tcp[0] < 0 || connect(tcp[0], (struct sockaddr *)&address, sizeof(address)) != 0)
		return -1;
	tcp[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	return tcp[1] < 0 ? -1 : 0;
}

static int run(void *arg)
{
	char byte;
	(void)arg;
	for (int i = 0; i < 5; i++)
		sley_go(park, NULL);
	sley_go(stick, NULL);   /* LEADER: spawns the stuck one */
	sley_go(receive, NULL); /* LEADER: spawns the receiver */
	printf("%u %u\n", port_of(tcp[0]), port_of(tcp[1]));
	fflush(stdout);
	while (sley_read(STDIN_FILENO, &byte, 1, SLEY_NEVER) > 0)
		;
	_exit(0);
}

static void *second(void *arg)
{
	const struct sley_options options = { .size = sizeof(options), .name = "leaderless", .workers = 3 };
	int error, result;
	(void)arg;
	pthread_join(first, NULL);
	error = sley_run(run, NULL, &options, &result);
	if (error)
		fprintf(stderr, "leader: %s\n", strerror(-error));
	_exit(1);
}

int main(int argc, char **argv)
{
	pthread_t thread;
	path = argc > 1 ? argv[1] : "";
	first = pthread_self();
	if (connect_tcp() != 0 || pthread_create(&thread, NULL, second, NULL) != 0)
		return 1;
	pthread_exit(NULL);
}
