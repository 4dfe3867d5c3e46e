/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * Descriptors that are closed while a call waits for them. To the kernel a blocked call holds the open file, so it goes on
 * with that, and the number is free. Here the close gives each call that waits a duplicate, under another number, with
 * which the call goes on and which it closes. As the file stays open, its event still comes.
 *
 * The state of a task is not on its stack, which may hold another task's bytes while it waits.
 */
#include "posix/posix.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/list.h"

#define LISTS 256u

struct posix_task {
	sley_time deadline;    /* owned by the task */
	struct list_link link; /* protected by the list's lock, as are the next two; of a task that waits */
	int fd;
	int kept; /* the duplicate; -1: it was not closed */
};

static struct {
	pthread_mutex_t lock; /* held for a few instructions, or a dup() */
	unsigned count;       /* atomic, written under lock */
	LIST(struct posix_task) list;
} lists[LISTS] = { [0 ... LISTS - 1] = { .lock = PTHREAD_MUTEX_INITIALIZER } };

/* The process whose tasks they are: a forked child has a copy of the lists. Atomic. */
static pid_t owner;

static const struct sley_local key = { .destroy = free };

static struct posix_task *task_state(void)
{
	struct posix_task *state = sley_local_get(&key);
	if (state)
		return state;
	state = malloc(sizeof(*state));
	if (state)
		*state = (struct posix_task){ .deadline = SLEY_NEVER, .kept = -1 };
	if (state && sley_local_set(&key, state) != 0) {
		free(state);
		state = NULL;
	}
	return state;
}

sley_time posix_deadline(void)
{
	const struct posix_task *state = sley_local_get(&key);
	return state ? state->deadline : SLEY_NEVER;
}

int posix_set_deadline(sley_time deadline)
{
	if (sley_self() <= 0)
		return -EDEADLK;
	struct posix_task *state = task_state();
	if (!state)
		return -ENOMEM;
	state->deadline = deadline;
	return 0;
}

struct posix_task *posix_keep_begin(int fd)
{
	struct posix_task *state = task_state();
	unsigned at = (unsigned)fd % LISTS;
	if (!state)
		return NULL; /* without memory a close ends the wait */
	store(&owner, getpid(), relaxed);
	state->fd = fd;
	state->kept = -1;
	NEXT(pthread_mutex_lock)(&lists[at].lock);
	list_append(&lists[at].list, state, link);
	store(&lists[at].count, lists[at].count + 1, relaxed);
	NEXT(pthread_mutex_unlock)(&lists[at].lock);
	return state;
}

int posix_keep_end(struct posix_task *state)
{
	unsigned at = state ? (unsigned)state->fd % LISTS : 0;
	if (!state)
		return -1;
	NEXT(pthread_mutex_lock)(&lists[at].lock);
	list_remove(&lists[at].list, state, link);
	store(&lists[at].count, lists[at].count - 1, relaxed);
	NEXT(pthread_mutex_unlock)(&lists[at].lock);
	return state->kept;
}

/* Called before the number is closed: the calls that wait for it keep the file. */
static void keep_waiting(int fd)
{
	unsigned at = (unsigned)fd % LISTS;
	posix_kind_forget(fd);
	if (likely(load(&lists[at].count, relaxed) == 0) || load(&owner, relaxed) != getpid())
		return;
	int saved = errno;
	struct posix_task *state;
	NEXT(pthread_mutex_lock)(&lists[at].lock);
	list_each(state, &lists[at].list, link) {
		if (state->fd != fd || state->kept >= 0)
			continue;
		state->kept = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		posix_kind_forget(state->kept);
	}
	NEXT(pthread_mutex_unlock)(&lists[at].lock);
	errno = saved;
}

/* ---- the names of libc that close and make descriptors ---- */

#define EXPORT __attribute__((visibility("default")))

EXPORT int close(int fd)
{
	keep_waiting(fd);
	return NEXT(close)(fd);
}

EXPORT int dup2(int old, int fd)
{
	if (old != fd && fd >= 0 && fcntl(old, F_GETFD) >= 0)
		keep_waiting(fd);
	return NEXT(dup2)(old, fd);
}

EXPORT int dup3(int old, int fd, int flags)
{
	if (old != fd && fd >= 0 && fcntl(old, F_GETFD) >= 0)
		keep_waiting(fd);
	return NEXT(dup3)(old, fd, flags);
}

int __close(int fd);
EXPORT int __close(int fd) __attribute__((alias("close")));
int __dup2(int old, int fd) __THROW;
EXPORT int __dup2(int old, int fd) __attribute__((alias("dup2"), leaf, nothrow));

static int number_made(int fd)
{
	posix_kind_forget(fd);
	return fd;
}

static int numbers_made(int result, const int fds[2])
{
	if (result == 0) {
		posix_kind_forget(fds[0]);
		posix_kind_forget(fds[1]);
	}
	return result;
}

EXPORT int socket(int family, int type, int protocol)
{
	return number_made(NEXT(socket)(family, type, protocol));
}

EXPORT int dup(int fd)
{
	return number_made(NEXT(dup)(fd));
}

EXPORT int socketpair(int family, int type, int protocol, int fds[2])
{
	return numbers_made(NEXT(socketpair)(family, type, protocol, fds), fds);
}

EXPORT int pipe(int fds[2])
{
	return numbers_made(NEXT(pipe)(fds), fds);
}

EXPORT int pipe2(int fds[2], int flags)
{
	return numbers_made(NEXT(pipe2)(fds, flags), fds);
}
