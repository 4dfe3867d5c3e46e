/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Child processes: started without blocking the thread (by posix_spawn(3) on one of the pool), talked to by pipes, and
 * waited for as any other event is, by a pidfd. A child is waited for by its own descriptor alone: nobody else's children
 * are reaped, and no number of a process that is gone is ever signalled. Where there are no pidfds (before Linux 5.4, or
 * a filter of system calls keeps them out) pidfd is -1, and the wait looks at the child every 20 ms.
 *
 * A child gets descriptors 0, 1 and 2 and no other, an empty signal mask, and SIGPIPE as it is by default. Pipes are
 * own descriptors at our end and blocking at its; a descriptor of ours that it is given is as it is, O_NONBLOCK included.
 * SIGCHLD must not be ignored (SIG_IGN), nor the children be reaped by other code: their status is lost then (-ESRCH).
 */
#ifndef SLEY_PROCESS_H
#define SLEY_PROCESS_H

#include <signal.h>
#include <sley/base.h>
#include <sys/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A child. The caller's, by value; one task at a time uses it. */
struct sley_process {
	pid_t pid;
	int pidfd; /* -1: closed, or not to be had, see below */
	int in;    /* our end of the pipe to its standard input, -1: none; to be closed by sley_close() and set to -1 */
	int out;   /* the same from its standard output */
	int err;   /* and from its standard error */
	/* private */
	int numbered;
	int ended;
	int status;
};

/* What a standard descriptor of the child is, if not one of ours (1 and up) that it is to be a duplicate of. */
#define SLEY_STDIO_INHERIT 0  /* what ours of the same number is */
#define SLEY_STDIO_PIPE    -1 /* a pipe, whose other end is in struct sley_process */
#define SLEY_STDIO_NULL    -2 /* /dev/null */
#define SLEY_STDIO_OUT     -3 /* standard error only: what its standard output is */

struct sley_process_options {
	size_t size;        /* sizeof(struct sley_process_options) */
	char *const *env;   /* "NAME=value", ends with null; null: ours */
	const char *cwd;    /* where it starts; null: where we are */
	int in, out, err;   /* SLEY_STDIO_*, or a descriptor */
	unsigned group : 1; /* a process group of its own, numbered pid: it can be signalled whole */
};

/*
 * Starts a program. argv[0] without a slash is looked for in PATH, as by execvp(3); the list ends with null. Everything
 * is copied before the call waits. `options` may be null.
 *
 * 0, and *process is filled in; -ENOENT, -EACCES, -ENOEXEC ...: what execve(2) or chdir(2) answers; -EFAULT: null;
 * -EINVAL: no argv[0], an option; -ENAMETOOLONG: cwd is longer than PATH_MAX, too; -E2BIG: more than 8 MiB of arguments and
 * environment, or what execve(2) does not take; -EBADF: a descriptor; -EMFILE, -ENFILE, -EAGAIN, -ENOMEM: resources;
 * -ETIMEDOUT, -ECANCELED: if the child was started by then, it is killed. *process is zero with descriptors of -1 on
 * failure. Task.
 */
SLEY_API int sley_process_spawn(struct sley_process *process, const char *const argv[],
				const struct sley_process_options *options, sley_time deadline);

/*
 * Waits until the child has ended. *status (may be null) is as of waitpid(2): WIFEXITED() and so on. Again after it has
 * ended: the same. 0; -ETIMEDOUT; -ESRCH: its status was lost, see above; -EBADF: it was closed; -EBUSY: another task
 * waits for it; -EFAULT: null; -ENOMEM. Task.
 */
SLEY_API int sley_process_wait(struct sley_process *process, int *status, sley_time deadline);

/*
 * Sends the child a signal (0: none, asks). 0; -ESRCH: it has ended; -EINVAL: no such signal; -EBADF: it was closed; -EPERM;
 * -EFAULT: null. Any thread.
 */
SLEY_API int sley_process_kill(const struct sley_process *process, int signal);

/*
 * Closes the pidfd and those of in, out and err that are not -1, and sets all to -1. A child that has not been waited for
 * goes on, and remains as a zombie when it ends. Again: no effect. Any thread. 0; -EFAULT: null.
 */
SLEY_API int sley_process_close(struct sley_process *process);

#ifdef __cplusplus
}
#endif

#endif
