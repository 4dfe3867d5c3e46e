/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * udp_echo PORT: sends datagrams to 127.0.0.1:PORT back to where they come from, until SIGTERM or SIGINT; then it says
 * how many. One task does it: a datagram is answered without waiting, and a socket has one reader at a time anyhow.
 *
 * PORT 0: the kernel chooses; the port is printed. Exit code: 0; 1: it cannot serve; 2: usage.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sley.h>

static unsigned long answered;

static void echo(void *arg)
{
	static char bytes[65536]; /* as large as any datagram, and no other task's */
	int fd = (int)(intptr_t)arg;
	struct sockaddr_storage peer;
	ssize_t n;
	/* other errors are those of an earlier answer that did not arrive */
	do {
		socklen_t size = sizeof(peer);
		n = sley_recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&peer, &size, SLEY_NEVER);
		if (n >= 0 && sley_sendto(fd, bytes, (size_t)n, 0, (struct sockaddr *)&peer, size, SLEY_NEVER) >= 0)
			answered++;
	} while (n != -EBADF);
}

struct service {
	char address[32];
	sigset_t signals; /* that end it */
};

static int serve(void *arg)
{
	const struct service *service = arg;
	int signals = sley_signal_open(&service->signals);
	int fd = sley_packet_listen(service->address);
	struct sockaddr_in name;
	socklen_t size = sizeof(name);
	if (fd < 0 || signals < 0) {
		fprintf(stderr, "udp_echo: %s: %s\n", service->address, strerror(fd < 0 ? -fd : -signals));
		return 1;
	}
	getsockname(fd, (struct sockaddr *)&name, &size);
	printf("udp_echo: listening on 127.0.0.1:%d\n", ntohs(name.sin_port));
	fflush(stdout);
	sley_task task = sley_spawn(echo, (void *)(intptr_t)fd);
	sley_signal_next(signals, NULL, SLEY_NEVER);
	sley_close(fd); /* which ends the task's wait, and the task */
	if (task > 0)
		sley_join(task, SLEY_NEVER);
	printf("udp_echo: answered %lu\n", answered);
	return task > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct service service;
	struct sley_options options = { .size = sizeof(options), .name = "udp_echo", .signals = &service.signals };
	int error, result;
	char *end = NULL;
	unsigned long port = argc == 2 ? strtoul(argv[1], &end, 10) : 0;
	if (!end || end == argv[1] || *end || port > 65535) {
		fprintf(stderr, "usage: udp_echo PORT\n");
		return 2;
	}
	snprintf(service.address, sizeof(service.address), "127.0.0.1:%lu", port);
	sigemptyset(&service.signals);
	sigaddset(&service.signals, SIGTERM);
	sigaddset(&service.signals, SIGINT);
	error = sley_run(serve, &service, &options, &result);
	if (error)
		fprintf(stderr, "udp_echo: %s\n", strerror(-error));
	return error ? 1 : result;
}
