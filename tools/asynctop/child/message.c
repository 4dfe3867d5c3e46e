/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Packets with at most one descriptor, and deadlines. */
#include "child/message.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

int64_t message_clock(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* 0 when the socket is ready or hung up, -EAGAIN at the deadline. */
static int wait_ready(int socket, short events, int64_t deadline)
{
	struct pollfd p = { .fd = socket, .events = events };
	for (;;) {
		int64_t left = deadline ? deadline - message_clock() : 0;
		struct timespec t = { .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 };
		int n;
		if (left <= 0)
			return -EAGAIN;
		n = ppoll(&p, 1, &t, NULL);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

/* With a deadline the call itself must not block: between poll() and it nobody else takes the packet or the room. */
static int flags_for(int64_t deadline)
{
	return deadline == MESSAGE_FOREVER ? 0 : MSG_DONTWAIT;
}

int message_send(int socket, const void *message, int descriptor, int64_t deadline)
{
	const struct message_head *head = message;
	struct iovec io = { .iov_base = (void *)message, .iov_len = head->size };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	if (descriptor >= 0) {
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.align), &descriptor, sizeof(int));
	}
	for (;;) {
		int error;
		if (sendmsg(socket, &m, MSG_NOSIGNAL | flags_for(deadline)) >= 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return errno == ECONNRESET ? -EPIPE : -errno;
		error = wait_ready(socket, POLLOUT, deadline);
		if (error)
			return error;
	}
}

static int take_descriptor(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int descriptor;
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(sizeof(int)))
		return -1;
	memcpy(&descriptor, CMSG_DATA(c), sizeof(int));
	return descriptor;
}

int message_receive(int socket, void *message, size_t room, int *descriptor, int64_t deadline)
{
	const struct message_head *head = message;
	struct iovec io = { .iov_base = message, .iov_len = room };
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr m;
	ssize_t n;
	for (;;) {
		int error;
		m = (struct msghdr){ .msg_iov = &io, .msg_iovlen = 1 };
		if (descriptor) {
			m.msg_control = control.bytes;
			m.msg_controllen = sizeof(control.bytes);
		}
		n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC | flags_for(deadline));
		if (n >= 0)
			break;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return errno == ECONNRESET ? 0 : -errno;
		error = wait_ready(socket, POLLIN, deadline);
		if (error)
			return error;
	}
	if (descriptor)
		*descriptor = take_descriptor(&m);
	if (n == 0)
		return 0;
	if ((size_t)n < sizeof(*head) || head->size != (size_t)n || (m.msg_flags & MSG_TRUNC))
		return -EPROTO;
	return 1;
}
