/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Descriptors of any kind: making, taking over, closing. */
#include <fcntl.h>
#include <sys/stat.h>

#include "io/socket.h"
#include "io/system.h"
#include "reactor/reactor.h"
#include "run/worker.h"

/* ---- pipes ---- */

static int pipe_new(int fd[2])
{
	int ends[2], error = 0;
	if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
		return -errno;
	for (int i = 0; i < 2 && error == 0; i++)
		error = reactor_own(ends[i], FD_FILE | FD_PIPE);
	for (int i = 0; i < 2; i++) {
		if (error)
			reactor_close_fd(ends[i]);
		else
			fd[i] = ends[i];
	}
	return error;
}

int sley_pipe(int fd[2])
{
	int error = scheduler_error();
	if (error)
		return error;
	if (!fd)
		return -EFAULT;
	int saved = errno;
	error = pipe_new(fd);
	errno = saved;
	return error;
}

/* ---- adopting ---- */

/* Returns -1 if the option cannot be read, as of a descriptor that is no socket. */
static int socket_option(int fd, int option)
{
	int value = -1;
	socklen_t size = sizeof(value);
	return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 ? value : -1;
}

static int descriptor_own_file(int fd)
{
	struct stat status;
	if (fstat(fd, &status) != 0)
		return -errno;
	return reactor_own_file(fd, S_ISFIFO(status.st_mode) ? FD_PIPE : 0);
}

static int descriptor_own(int fd)
{
	int mode = fcntl(fd, F_GETFL);
	if (mode < 0 || (!(mode & O_NONBLOCK) && fcntl(fd, F_SETFL, mode | O_NONBLOCK) != 0))
		return -errno;
	int type = socket_option(fd, SO_TYPE);
	int error = type < 0 ? descriptor_own_file(fd)
			     : reactor_own(fd, socket_flags(socket_option(fd, SO_DOMAIN), type,
							    socket_option(fd, SO_PROTOCOL)));
	if (error && !(mode & O_NONBLOCK))
		fcntl(fd, F_SETFL, mode);
	return error;
}

int sley_own(int fd)
{
	int error = scheduler_error();
	if (error)
		return error;
	int saved = errno;
	error = descriptor_own(fd);
	errno = saved;
	return error;
}

/* ---- closing ---- */

int sley_forget(int fd)
{
	int error = scheduler_error();
	return error ? error : fd < 0 ? -EBADF : reactor_forget(fd);
}

int sley_close(int fd)
{
	int error = scheduler_error();
	return error ? error : reactor_close_fd(fd);
}
