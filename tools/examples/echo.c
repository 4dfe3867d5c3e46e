/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * echo PORT [-w WORKERS]: sends back what it receives on 127.0.0.1:PORT, until SIGTERM or SIGINT. The smallest useful
 * server on sley: a task per connection, straight-line code, the buffer on the task's own stack.
 *
 * PORT 0: the kernel chooses; the port is printed. Exit code: 0; 1: it cannot serve; 2: usage.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sley.h>

static void echo(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buffer[1024];
	ssize_t n;
	while ((n = sley_read(fd, buffer, sizeof(buffer), SLEY_NEVER)) > 0)
		if (sley_write_full(fd, buffer, (size_t)n, SLEY_NEVER) < 0)
			break;
	sley_close(fd);
}

/* Without descriptors or memory the newcomers wait, and the others are served. */
static void accept_connections(void *arg)
{
	int listener = (int)(intptr_t)arg, fd;
	while ((fd = sley_accept(listener, SLEY_NEVER)) != -EBADF) {
		if (fd < 0)
			sley_sleep(sley_in(SLEY_MS(10)));
		else if (sley_go(echo, (void *)(intptr_t)fd) < 0)
			sley_close(fd);
	}
}

static void print_address(int listener)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	getsockname(listener, (struct sockaddr *)&address, &length);
	printf("echo: listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
	fflush(stdout);
}

struct service {
	char address[32];
	sigset_t signals; /* that end it; blocked in all threads */
};

/* The main task: waits for a signal as for any other event. The other tasks end with it. */
static int serve(void *arg)
{
	const struct service *service = arg;
	int signals = signalfd(-1, &service->signals, SFD_NONBLOCK | SFD_CLOEXEC);
	int listener = sley_listen(service->address, 0);
	struct signalfd_siginfo signal;
	if (listener < 0) {
		fprintf(stderr, "echo: %s: %s\n", service->address, strerror(-listener));
		return 1;
	}
	print_address(listener);
	if (signals < 0 || sley_go(accept_connections, (void *)(intptr_t)listener) < 0)
		return 1;
	sley_read(signals, &signal, sizeof(signal), SLEY_NEVER);
	return 0;
}

static long number(const char *text, long low, long high)
{
	char *end;
	long value = strtol(text, &end, 10);
	if (end == text || *end || value < low || value > high) {
		fprintf(stderr, "usage: echo PORT [-w WORKERS]\n");
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	struct sley_options options = { .size = sizeof(options), .name = "echo" };
	struct service service;
	int o, error, result;
	while ((o = getopt(argc, argv, "w:")) != -1)
		options.workers = (unsigned)number(o == 'w' ? optarg : "", 1, 256);
	snprintf(service.address, sizeof(service.address), "127.0.0.1:%ld",
		 number(optind == argc - 1 ? argv[optind] : "", 0, 65535));
	sigemptyset(&service.signals);
	sigaddset(&service.signals, SIGTERM);
	sigaddset(&service.signals, SIGINT);
	sigprocmask(SIG_BLOCK, &service.signals, NULL);

	error = sley_run(serve, &service, &options, &result);
	if (error)
		fprintf(stderr, "echo: %s\n", strerror(-error));
	return error ? 1 : result;
}
