/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * handoff PORT: two processes. One accepts connections on 127.0.0.1:PORT and passes each to the other over a Unix
 * socket, by SCM_RIGHTS; that one greets with its process id and echoes what comes. So a server's front can be replaced
 * while its connections live on. Until SIGTERM or SIGINT to the first, which prints the process id of the second.
 *
 * PORT 0: the kernel chooses; the port is printed. Exit code: 0; 1: it cannot serve; 2: usage.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sley.h>

/* Room for one descriptor in a message, aligned as it must be. */
union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

/* ---- the process that serves ---- */

static void serve(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char text[1024];
	ssize_t n = snprintf(text, sizeof(text), "served by %d\n", (int)getpid());
	while (n > 0 && sley_write_full(fd, text, (size_t)n, SLEY_NEVER) >= 0)
		n = sley_read(fd, text, sizeof(text), SLEY_NEVER);
	sley_close(fd);
}

/* The next descriptor that was passed. -EPIPE: none comes any more. */
static int receive(int from)
{
	union control control;
	char byte;
	struct iovec v = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};
	ssize_t n = sley_recvmsg(from, &message, 0, SLEY_NEVER);
	const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	int fd;
	if (n <= 0)
		return n < 0 ? (int)n : -EPIPE;
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return -EMFILE; /* there was no room for it here */
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static int serve_passed(void *arg)
{
	int from = (int)(intptr_t)arg, fd;
	/* one that came is known as little as if it had been inherited, so it is taken over */
	while ((fd = receive(from)) != -EPIPE)
		if (fd >= 0 && (sley_own(fd) < 0 || sley_go(serve, (void *)(intptr_t)fd) < 0))
			sley_close(fd);
	return 0;
}

/* ---- the process that accepts ---- */

static int pass(int to, int fd)
{
	union control control = { 0 };
	struct iovec v = { (char *)"", 1 };
	const struct msghdr message = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return (int)sley_sendmsg(to, &message, 0, SLEY_NEVER);
}

struct front {
	char address[32];
	int to; /* the other process */
	pid_t child;
	int listener;
	sigset_t signals; /* that end it */
};

static void accept_and_pass(void *arg)
{
	const struct front *front = arg;
	int fd;
	while ((fd = sley_accept(front->listener, SLEY_NEVER)) != -EBADF) {
		if (fd < 0) {
			sley_sleep(sley_in(SLEY_MS(10))); /* no descriptors: they come back */
			continue;
		}
		pass(front->to, fd);
		sley_close(fd); /* the other has it */
	}
}

static int run_front(void *arg)
{
	struct front *front = arg;
	int signals = sley_signal_open(&front->signals);
	struct sockaddr_in name;
	socklen_t size = sizeof(name);
	front->listener = sley_listen(front->address, 0);
	if (front->listener < 0 || signals < 0) {
		fprintf(stderr, "handoff: %s: %s\n", front->address,
			strerror(-(signals < 0 ? signals : front->listener)));
		return 1;
	}
	getsockname(front->listener, (struct sockaddr *)&name, &size);
	printf("handoff: process %d serves, listening on 127.0.0.1:%d\n", (int)front->child, ntohs(name.sin_port));
	fflush(stdout);
	sley_task task = sley_spawn(accept_and_pass, front);
	sley_signal_next(signals, NULL, SLEY_NEVER);
	sley_close(front->listener);
	return task < 0 || sley_join(task, SLEY_NEVER) < 0;
}

/* ---- both ---- */

static int run(int (*fn)(void *), void *arg, const sigset_t *signals)
{
	const struct sley_options options = { .size = sizeof(options), .name = "handoff", .signals = signals };
	int result, error = sley_run(fn, arg, &options, &result);
	if (error)
		fprintf(stderr, "handoff: %s\n", strerror(-error));
	return error ? 1 : result;
}

int main(int argc, char **argv)
{
	static struct front front;
	char *end = NULL;
	unsigned long port = argc == 2 ? strtoul(argv[1], &end, 10) : 0;
	int ends[2], status;
	if (!end || end == argv[1] || *end || port > 65535) {
		fprintf(stderr, "usage: handoff PORT\n");
		return 2;
	}
	snprintf(front.address, sizeof(front.address), "127.0.0.1:%lu", port);
	sigemptyset(&front.signals);
	sigaddset(&front.signals, SIGTERM);
	sigaddset(&front.signals, SIGINT);
	/* before the runtime and its threads are there */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) || (front.child = fork()) < 0) {
		perror("handoff");
		return 1;
	}
	front.to = ends[0];
	if (front.child == 0) {
		close(ends[0]);
		return run(serve_passed, (void *)(intptr_t)ends[1], NULL);
	}
	close(ends[1]);
	status = run(run_front, &front, &front.signals);
	close(ends[0]); /* the end of the other's stream */
	waitpid(front.child, NULL, 0);
	return status;
}
