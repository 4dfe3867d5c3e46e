/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* A listening socket as the source of a stream. */
#include <errno.h>
#include <sys/socket.h>

#include <sley.h>

static int next_connection(void *state, void *item, sley_time deadline)
{
	int fd = sley_accept(*(const int *)state, deadline);
	if (fd == -EBADF)
		return SLEY_END; /* it was a listener when the stream was made, so it has been closed */
	if (fd < 0)
		return fd;
	*(int *)item = fd;
	return 0;
}

static int close_listener(void *state, sley_time deadline)
{
	(void)deadline;
	sley_close(*(const int *)state);
	return 0;
}

int sley_stream_from_listener(struct sley_stream **stream, int listener)
{
	int listens = 0;
	socklen_t length = sizeof(listens);
	int saved = errno;
	int error = getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 ? 0 : -errno;
	errno = saved;
	if (error || !listens)
		return error ? error : -EINVAL;
	return sley_stream_new(stream, next_connection, close_listener, &listener, sizeof(listener), sizeof(int));
}
