/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * lines PORT: a protocol of lines on 127.0.0.1:PORT, with buffered reading and writing, until SIGTERM or SIGINT:
 *
 *   ADD a b      their sum
 *   TAKE n       and n bytes behind the line: how many of them are digits
 *   SHOW         this program's first 16 bytes, from the file, without copying them here
 *   QUIT         the end
 *
 * Answers begin with OK or ERROR. A client may send many requests at once; the answers then leave in one write, when
 * nothing more is there to be read. A connection that is silent for 10 s is closed.
 *
 * PORT 0: the kernel chooses; the port is printed. Exit code: 0; 1: it cannot serve; 2: usage.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sley.h>

#define IDLE     sley_in(SLEY_SEC(10))
#define TAKE_MAX 1000

struct client {
	int fd;
	struct sley_reader reader;
	struct sley_writer writer;
};

/* Each command: 0, or the negative errno value with which the connection ends. */
static int add(struct client *client, const char *arguments)
{
	long a, b, sum;
	if (sscanf(arguments, "%ld %ld", &a, &b) != 2 || __builtin_add_overflow(a, b, &sum))
		return sley_writer_print(&client->writer, IDLE, "ERROR two numbers are to be added\n");
	return sley_writer_print(&client->writer, IDLE, "OK %ld\n", sum);
}

static int take(struct client *client, const char *arguments)
{
	char bytes[TAKE_MAX];
	size_t n = strtoul(arguments, NULL, 10), digits = 0;
	if (n > sizeof(bytes))
		return sley_writer_print(&client->writer, IDLE, "ERROR at most %d\n", TAKE_MAX);
	ssize_t got = sley_reader_read_full(&client->reader, bytes, n, IDLE);
	if (got < (ssize_t)n)
		return got < 0 ? (int)got : -EPIPE;
	for (size_t i = 0; i < n; i++)
		digits += bytes[i] >= '0' && bytes[i] <= '9';
	return sley_writer_print(&client->writer, IDLE, "OK %zu\n", digits);
}

static int show(struct client *client, const char *arguments)
{
	int file = sley_open("/proc/self/exe", O_RDONLY, 0, SLEY_NEVER);
	off_t at = 0;
	int error = file < 0 ? file : sley_writer_print(&client->writer, IDLE, "OK ");
	(void)arguments;
	if (error >= 0) /* what is buffered goes first */
		error = sley_writer_flush(&client->writer, IDLE);
	while (error >= 0 && at < 16)
		error = (int)sley_sendfile(client->fd, file, &at, (size_t)(16 - at), IDLE);
	if (file >= 0)
		sley_close(file);
	return error < 0 ? error : sley_writer_print(&client->writer, IDLE, "\n");
}

static int quit(struct client *client, const char *arguments)
{
	(void)client;
	(void)arguments;
	return -EPIPE;
}

static const struct command {
	const char *name;
	int (*run)(struct client *, const char *arguments);
} commands[] = { { "ADD", add }, { "TAKE", take }, { "SHOW", show }, { "QUIT", quit } };

static int answer(struct client *client, const char *line)
{
	size_t n = strcspn(line, " ");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strncmp(commands[i].name, line, n) == 0 && commands[i].name[n] == '\0')
			return commands[i].run(client, line + n);
	return sley_writer_print(&client->writer, IDLE, "ERROR no such command\n");
}

static void serve(void *arg)
{
	struct client client = { .fd = (int)(intptr_t)arg };
	char in[1024], out[1024]; /* the task's own stack, which is as large as it needs while it waits */
	char *line;
	int error = 0;
	sley_reader_init(&client.reader, client.fd, in, sizeof(in));
	sley_writer_init(&client.writer, client.fd, out, sizeof(out));
	while (error >= 0 && sley_reader_line(&client.reader, &line, NULL, IDLE) > 0) {
		error = answer(&client, line);
		if (error >= 0 && sley_reader_buffered(&client.reader) == 0)
			error = sley_writer_flush(&client.writer, IDLE);
	}
	sley_writer_flush(&client.writer, IDLE);
	sley_close(client.fd);
}

static void accept_clients(void *arg)
{
	int listener = (int)(intptr_t)arg, fd;
	while ((fd = sley_accept(listener, SLEY_NEVER)) != -EBADF) {
		if (fd < 0)
			sley_sleep(sley_in(SLEY_MS(10)));
		else if (sley_go(serve, (void *)(intptr_t)fd) < 0)
			sley_close(fd);
	}
}

struct service {
	char address[32];
	sigset_t signals; /* that end it */
};

static int run(void *arg)
{
	const struct service *service = arg;
	int signals = sley_signal_open(&service->signals), listener = sley_listen(service->address, 0);
	struct sockaddr_in name;
	socklen_t size = sizeof(name);
	if (listener < 0 || signals < 0) {
		fprintf(stderr, "lines: %s: %s\n", service->address, strerror(-(signals < 0 ? signals : listener)));
		return 1;
	}
	getsockname(listener, (struct sockaddr *)&name, &size);
	printf("lines: listening on 127.0.0.1:%d\n", ntohs(name.sin_port));
	fflush(stdout);
	if (sley_go(accept_clients, (void *)(intptr_t)listener) < 0)
		return 1;
	sley_signal_next(signals, NULL, SLEY_NEVER);
	return 0;
}

int main(int argc, char **argv)
{
	struct service service;
	struct sley_options options = { .size = sizeof(options), .name = "lines", .signals = &service.signals };
	int error, result;
	char *end = NULL;
	unsigned long port = argc == 2 ? strtoul(argv[1], &end, 10) : 0;
	if (!end || end == argv[1] || *end || port > 65535) {
		fprintf(stderr, "usage: lines PORT\n");
		return 2;
	}
	snprintf(service.address, sizeof(service.address), "127.0.0.1:%lu", port);
	sigemptyset(&service.signals);
	sigaddset(&service.signals, SIGTERM);
	sigaddset(&service.signals, SIGINT);
	error = sley_run(run, &service, &options, &result);
	if (error)
		fprintf(stderr, "lines: %s\n", strerror(-error));
	return error ? 1 : result;
}
