/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Child processes. posix_spawn(3) starts them on a thread of the pool, so no worker blocks. Pipes connect to their
 * standard descriptors. A pidfd makes their end an event like any other. Only the child's own descriptor is waited for:
 * the runtime never reaps another child, and never signals the number of a process that is gone. Without pidfds (before
 * Linux 5.4, or under a filter of system calls) pidfd is -1, and the wait polls the child every 1 to 20 ms.
 *
 * A child gets the descriptors 0, 1 and 2 and no other, an empty signal mask, and the default action for SIGPIPE. A
 * pipe is an own descriptor (sley/io.h) at the parent's end and blocking at the child's end. A descriptor of the parent
 * that the child gets keeps its flags, O_NONBLOCK included. SIGCHLD must not be ignored (SIG_IGN), and no other code
 * may reap the children: both lose their status (-ESRCH).
 */
#ifndef SLEY_PROCESS_H
#define SLEY_PROCESS_H

#include <signal.h>
#include <sley/base.h>
#include <sys/wait.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A child. Embedded in memory of the caller. One task at a time uses it. */
struct sley_process {
	pid_t pid;
	int pidfd; /* -1: closed, or not available, see above */
	int in;    /* parent's end of the pipe to its standard input, -1: none; close by sley_close(), set to -1 */
	int out;   /* the same for its standard output */
	int err;   /* the same for its standard error */
	/* private */
	int numbered;
	int ended;
	int status;
};

/*
 * The source of a standard descriptor of the child. A value of 1 or more is a descriptor of the parent, to be
 * duplicated.
 */
#define SLEY_STDIO_INHERIT 0  /* the parent's descriptor of the same number */
#define SLEY_STDIO_PIPE    -1 /* a pipe; the parent's end is stored in struct sley_process */
#define SLEY_STDIO_NULL    -2 /* /dev/null */
#define SLEY_STDIO_OUT     -3 /* only for standard error: the child's standard output */

struct sley_process_options {
	size_t size;        /* sizeof(struct sley_process_options) */
	char *const *env;   /* "NAME=value", ends with null; null: the parent's */
	const char *cwd;    /* working directory; null: the parent's */
	int in, out, err;   /* SLEY_STDIO_*, or a descriptor */
	unsigned group : 1; /* makes a new process group with number pid, which can be signalled as a whole */
	/*
	 * Changes of the environment: "NAME=value" is set, in the place of a variable of that name if there is one;
	 * "NAME" is taken out. The last of several for a name counts. Ends with null; null: none.
	 */
	char *const *env_changes;
};

/*
 * Starts a program. If argv[0] has no slash, it is searched in PATH, as by execvp(3). The list ends with null. All
 * arguments are copied before the call waits. `options` may be null.
 *
 * Returns 0 and fills in *process; -ENOENT, -EACCES, -ENOEXEC ...: the error of execve(2) or chdir(2); -EFAULT: null;
 * -EINVAL: no argv[0], or a wrong option; -ENAMETOOLONG: also cwd is longer than PATH_MAX; -E2BIG: more than 8 MiB of
 * arguments and environment, or more than execve(2) accepts; -EBADF: a wrong descriptor; -EMFILE, -ENFILE, -EAGAIN,
 * -ENOMEM: resources; -ETIMEDOUT, -ECANCELED: a child that was started by then is killed. On failure *process is zero
 * with descriptors of -1. Task.
 */
SLEY_API int sley_process_spawn(struct sley_process *process, const char *const argv[],
				const struct sley_process_options *options, sley_time deadline);

/*
 * Waits until the child has ended. *status (`status` may be null) is as of waitpid(2): WIFEXITED() and so on. Further
 * calls return the same. Returns 0; -ETIMEDOUT; -ESRCH: its status was lost, see above; -EBADF: closed; -EBUSY: another
 * task waits for the child; -EFAULT: null; -ENOMEM. Task.
 */
SLEY_API int sley_process_wait(struct sley_process *process, int *status, sley_time deadline);

/*
 * Sends a signal to the child; 0 only checks that it runs. Returns 0; -ESRCH: it has ended; -EINVAL: no such signal;
 * -EBADF: closed; -EPERM; -EFAULT: null. Any thread.
 */
SLEY_API int sley_process_kill(const struct sley_process *process, int signal);

/*
 * Closes the pidfd and those of in, out and err that are not -1, and sets all to -1. A child that was not waited for
 * continues, and becomes a zombie when it ends. A second call has no effect. Returns 0; -EFAULT: null. Any thread.
 */
SLEY_API int sley_process_close(struct sley_process *process);

#ifdef __cplusplus
}
#endif

#endif
