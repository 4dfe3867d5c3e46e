/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/* Running the programs that walk over the threads of a process. */
#include "tracer_private.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CATCH_TIMEOUT_MS 200

/* The walk is made by reading; there is nothing to read. */
static int drain(int iterator)
{
	char nothing[64];
	ssize_t n;

	while ((n = read(iterator, nothing, sizeof(nothing))) > 0)
		;
	return n < 0 ? -errno : 0;
}

/*
 * The same in a child, because the program may have to wait for the process's memory, and for ever if the process wants
 * that; not even a kill ends such a wait at once, so a child that does not come back is not waited for. It is made
 * without the C library's fork: no handlers run, and no SIGCHLD is sent for it.
 */
static int drain_in_child(int iterator)
{
	int pidfd = -1;
	struct clone_args arguments = { .flags = CLONE_PIDFD, .pidfd = (uint64_t)&pidfd };
	long child = syscall(SYS_clone3, &arguments, sizeof(arguments));
	struct pollfd ended;
	siginfo_t how;

	if (child < 0)
		return -errno;
	if (!child)
		_exit(drain(iterator) ? 1 : 0);
	ended = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	if (poll(&ended, 1, CATCH_TIMEOUT_MS) != 1) {
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		poll(&ended, 1, CATCH_TIMEOUT_MS);
	}
	waitid(P_PIDFD, pidfd, &how, WEXITED | WNOHANG | __WALL);
	close(pidfd);
	return 0;
}

static int iterate(struct bpf_program *program, int pidfd, int (*walk)(int iterator))
{
	union bpf_iter_link_info info = { .task.pid_fd = pidfd };
	LIBBPF_OPTS(bpf_iter_attach_opts, options, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link = bpf_program__attach_iter(program, &options);
	int iterator, error;

	if (!link)
		return -errno;
	iterator = bpf_iter_create(bpf_link__fd(link));
	error = iterator < 0 ? -errno : walk(iterator);
	if (iterator >= 0)
		close(iterator);
	bpf_link__destroy(link);
	return error;
}

int tracer_mark_threads(struct tracer *tracer, int pidfd)
{
	return iterate(tracer->bpf->progs.watch, pidfd, drain);
}

int tracer_catch_blocked(struct tracer *tracer, int pidfd)
{
	return iterate(tracer->bpf->progs.catch_blocked, pidfd, drain_in_child);
}
