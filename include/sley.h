/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * sley: green threads for network services in C on Linux, that you can see into.
 *
 * sley_run() starts the runtime; inside it, tasks are spawned by the million and write straight-line code: a call that
 * waits parks the task, and its thread runs another. `asynctop` shows them.
 *
 * What holds for every call
 *   - Results: 0, a count or an id on success; a negative errno value on failure. `errno` itself is not set.
 *   - Deadlines are absolute, CLOCK_MONOTONIC nanoseconds: sley_in(SLEY_MS(50)), or SLEY_NEVER. A call that finds its
 *     work ready succeeds even if the deadline has passed; only a wait ends with -ETIMEDOUT.
 *   - "task" means: from a task. Such a call made from a thread that runs no task, or from a signal handler that
 *     interrupted the scheduler on a worker's own stack, returns -EDEADLK; in a handler that interrupted a task it is
 *     not found out, and must not be made. "any thread" means: from a task or from any thread while sley_run() is
 *     under way (-ENOTCONN when it is not). Nothing here is async-signal-safe unless it says so. In a forked child
 *     every call that needs the run returns -ECHILD.
 *   - A call that waits lets other tasks run from time to time even if it never has to: after some 100 calls in a row
 *     the task yields. So may only the calls that are documented with a deadline, and sley_yield().
 *   - A call that waits may continue on another thread. Code that caches a thread-local's address across it, holds an
 *     OS mutex or is inside a C++ catch block must not wait; option `pinned` keeps a task on one thread. `errno` is
 *     safe: see the end of this file.
 *
 * Copying stacks. By default a task's stack is shared with other tasks and copied out while they run. So no other task
 * or thread may use a pointer into it. A task's own buffers are legal in every call it makes itself; what must be
 * shared goes on the heap, into a static, onto a private stack (sley_task_options.private_stack, and the main task's),
 * or travels by value (sley_spawn_copy, channels). What can only be wrong is refused with -EFAULT, and once per spawn
 * site one line on stderr names the task, the place and the remedy: a spawn argument, or a mutex, group or channel
 * pointer, that lies on a copying stack.
 */
#ifndef SLEY_H
#define SLEY_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SLEY_API __attribute__((visibility("default")))

/* ---- time ---- */

typedef int64_t sley_time; /* CLOCK_MONOTONIC, ns */

#define SLEY_NEVER  INT64_MAX
#define SLEY_US(n)  ((sley_time)(n)*1000)
#define SLEY_MS(n)  ((sley_time)(n)*1000000)
#define SLEY_SEC(n) ((sley_time)(n)*1000000000)

/* The time now. Any thread, signal handlers too, outside of sley_run() too. */
SLEY_API sley_time sley_now(void);

/* The time `duration` ns from now; saturates at SLEY_NEVER. As sley_now(). */
SLEY_API sley_time sley_in(sley_time duration);

/* ---- the runtime ---- */

/* The place of a spawn in the source. Static, filled in by the macros below; `id` is the runtime's. */
struct sley_site {
	const char *file;
	const char *function;
	const char *entry;
	unsigned line;
	unsigned id;
};

#define SLEY_SITE(entry_name) \
	(__extension__({ \
		static struct sley_site sley_site_ = { __FILE__, __func__, entry_name, __LINE__, 0 }; \
		&sley_site_; \
	}))

/*
 * Options of sley_run(). Zero means the default, so `{ .size = sizeof(struct sley_options) }` is complete. The
 * environment overrides: SLEY_WORKERS, SLEY_STACK_SIZE, SLEY_STACK_SLOTS, SLEY_MAX_TASKS, SLEY_NAME.
 */
struct sley_options {
	size_t size;        /* sizeof(struct sley_options), so that it can grow */
	const char *name;   /* of the service, up to 31 bytes, copied; default: the command's */
	unsigned workers;   /* threads that run tasks, up to 256; default: as many as the affinity mask and the cgroup's
				* CPU quota allow */
	unsigned max_tasks; /* tasks alive at once, up to 2^24 - 2; default 2^21. Address space, not memory. A later run
				* of the process gets at most as many as its first. */
	unsigned stack_slots; /* copying stacks; default 4096 */
	size_t stack_size;    /* bytes of each stack, rounded up to pages, 16 KiB to 1 GiB; default 256 KiB */
	unsigned flags;       /* SLEY_RUN_* */
};

#define SLEY_RUN_DUMP_ON_SIGQUIT 1u /* SIGQUIT prints sley_dump() on stderr instead of ending the process */

/*
 * Runs `main(arg)` as the first task, on a private stack, and the tasks it spawns; returns when `main` has returned.
 * The calling thread becomes worker 0. Tasks that are still alive then are abandoned where they stand: they never run
 * again and their memory is released; so have them end first if they own anything. A task that is in a blocking system
 * call or computes is waited for up to the point where it would park. May be called again afterwards; a mutex, group or
 * channel on which an abandoned task waited must not be used again then (a channel may be freed).
 *
 * A macro, as it records its place in the source: the spawn site of the first task. `options` may be null. `*result`
 * (may be null) receives what `main` returned.
 * 0; -EINVAL: an option is out of range; -EDEADLK: called from a task; -EBUSY: a run is under way in this process;
 * -ECHILD: in a child forked from a process that had called it; -ENOMEM, -EMFILE, -ENFILE, -EAGAIN (threads):
 * resources.
 */
#define sley_run(main, arg, options, result) sley_run_at(SLEY_SITE(#main), (main), (arg), (options), (result))

SLEY_API int sley_run_at(struct sley_site *site, int (*main)(void *arg), void *arg, const struct sley_options *options,
			 int *result);

/*
 * Writes all tasks as text to descriptor `fd`: a line per worker and per task with its id, name, state, wait, spawn
 * site. It blocks the thread while it writes. Any thread. 0, or the negative errno of write(2).
 */
SLEY_API int sley_dump(int fd);

/* ---- tasks ---- */

/* >0: a task's id (generation and index), the one that asynctop prints; <0: a negative errno value. */
typedef int64_t sley_task;

struct sley_task_options {
	size_t size;                /* sizeof(struct sley_task_options) */
	const char *name;           /* up to 16 bytes, copied; default: none, tools show the entry function */
	unsigned private_stack : 1; /* a stack of its own, at once: pointers into it stay good while the task lives */
	unsigned pinned : 1; /* runs on one worker for life: the spawner's, or worker 0 if spawned by a plain thread */
	unsigned detached : 1; /* nobody will join it: its id ends with it */
};

/*
 * Starts fn(arg) as a task and returns its id. The id stays valid until the task has been joined: join it, or use
 * sley_go(). `arg` is handed on as it is; it must not point into a copying stack (see above). Never waits. Any thread.
 *
 * -EAGAIN: max_tasks are alive, or up to 64 fewer for each other worker, which keeps as many entries at hand;
 * -ENOMEM; -EFAULT: arg lies on a copying stack: spawn_copy, or heap.
 */
#define sley_spawn(fn, arg) sley_spawn_at(SLEY_SITE(#fn), NULL, (fn), (arg), SLEY_BY_POINTER)

/* As sley_spawn(), and the task is detached. Returns 0, or the error. */
#define sley_go(fn, arg) sley_go_at(SLEY_SITE(#fn), (fn), (arg))

/*
 * As sley_spawn(), but the task gets a copy of the n bytes at `arg`, aligned for any type: fn's argument points to them
 * on the task's own stack, and they live until fn returns. `arg` may lie anywhere. n at most a quarter of the stack
 * size, else -E2BIG.
 */
#define sley_spawn_copy(fn, arg, n) sley_spawn_at(SLEY_SITE(#fn), NULL, (fn), (arg), (n))

/*
 * Either of them with options: n == SLEY_BY_POINTER hands `arg` on as it is, any other n copies n bytes.
 * -EINVAL: options->size is not one that a release of sley had. -ENOMEM also: no memory for a private stack.
 */
#define sley_spawn_with(options, fn, arg, n) sley_spawn_at(SLEY_SITE(#fn), (options), (fn), (arg), (n))

#define SLEY_BY_POINTER ((size_t)-1)

/* What the macros call. For bindings of other languages: `site` must be static. */
SLEY_API sley_task sley_spawn_at(struct sley_site *site, const struct sley_task_options *options, void (*fn)(void *),
				 const void *arg, size_t n);
SLEY_API int sley_go_at(struct sley_site *site, void (*fn)(void *), void *arg);

/*
 * Waits until `task` has ended and releases its id. Task.
 * 0; -ETIMEDOUT: it may be joined again; -ESRCH: no such task: stale, or joined already; -EINVAL: it is detached, or
 * another task is joining it; -EDEADLK: itself.
 */
SLEY_API int sley_join(sley_task task, sley_time deadline);

/* The calling task's id; 0 outside of tasks. Any thread. */
SLEY_API sley_task sley_self(void);

/* Names the calling task (up to 16 bytes, copied; null: none). Task, else no effect. */
SLEY_API void sley_set_name(const char *name);

/* Lets the other ready tasks run first. Task; elsewhere no effect. */
SLEY_API void sley_yield(void);

/* Parks the task until the time has come. 0, or -EDEADLK outside of a task. */
SLEY_API int sley_sleep(sley_time until);

/* ---- descriptors ----
 *
 * Descriptors that these calls make are non-blocking and close-on-exec. The calls also take descriptors made
 * elsewhere, blocking or not: sockets are read and written with MSG_DONTWAIT and everything else that epoll accepts is
 * waited for first, so the thread is not blocked. One task may wait to read and another to write; one more gets
 * -EBUSY. Regular files, which no poller can wait for, get -ENOTSUP: use the thread-blocking call and know that
 * asynctop will show it. All are for tasks, else -EDEADLK.
 *
 * Common errors: -EBADF: not open, or closed meanwhile by sley_close(); -EBUSY: another task waits for the same
 * descriptor and direction; -ENOTSUP: a regular file or directory; -ETIMEDOUT; -ENOMEM; -EMFILE and -ENFILE where a
 * descriptor is made; else what the system call itself answers.
 *
 * Addresses are text: "127.0.0.1:8080", "[::1]:8080", ":8080" (any address) or "unix:/path". Port 0 lets the kernel
 * choose (ask getsockname). Host names are -EINVAL: resolve them first.
 */

/* A listening stream socket. SO_REUSEADDR is set. backlog 0: SOMAXCONN. Also from any thread. */
SLEY_API int sley_listen(const char *address, int backlog);

/* The next connection of a listener: its descriptor. TCP_NODELAY is set on it. -EMFILE leaves the connection queued. */
SLEY_API int sley_accept(int listener, sley_time deadline);

/*
 * Connects a stream socket: its descriptor. TCP_NODELAY is set on it. -EAGAIN: the backlog of a Unix listener is full,
 * which no event tells the end of.
 */
SLEY_API int sley_dial(const char *address, sley_time deadline);

/* Reads what there is, up to n bytes: the count, 0 at the end of the stream (or n == 0). */
SLEY_API ssize_t sley_read(int fd, void *buffer, size_t n, sley_time deadline);

/* Writes what fits, at least a byte unless n == 0: the count. Never raises SIGPIPE for a socket (-EPIPE). */
SLEY_API ssize_t sley_write(int fd, const void *buffer, size_t n, sley_time deadline);

/*
 * The same until all n bytes are through. read_full: n; fewer at the end of the stream. write_full: n. A failure after
 * part of the bytes answers the error; the part's size is lost, so the stream is only good for closing.
 */
SLEY_API ssize_t sley_read_full(int fd, void *buffer, size_t n, sley_time deadline);
SLEY_API ssize_t sley_write_full(int fd, const void *buffer, size_t n, sley_time deadline);

/*
 * Waits for POLLIN or POLLOUT or both: the events that hold (POLLERR and POLLHUP too, asked for or not). -EINVAL:
 * others. A regular file is always ready, as with poll(2).
 */
SLEY_API int sley_poll(int fd, int events, sley_time deadline);

/*
 * Closes a descriptor and wakes tasks that wait for it with -EBADF; none of them gets what its number is reused for. A
 * call that is being made but does not wait yet cannot be told apart from a later one. Use it for every descriptor
 * that sley has seen: a plain close() tells the runtime nothing. Any thread. 0 or the negative errno of close(2).
 */
SLEY_API int sley_close(int fd);

/* ---- synchronisation ----
 *
 * They wait the task, never the thread. Zero bytes are a valid initial state, so statics need no initialiser. The
 * object must not lie on a copying stack: -EFAULT. The waiting calls are for tasks, else -EDEADLK.
 */

struct sley_waiters { /* private */
	void *head, *tail;
};

struct sley_mutex { /* fields are private */
	unsigned lock;
	unsigned held;
	sley_task owner;
	struct sley_waiters waiters;
};

/* clang-format off */
#define SLEY_MUTEX_INIT { 0 }
/* clang-format on */

/* Locks it. 0; -ETIMEDOUT; -EDEADLK also: the caller holds it already; -EFAULT. */
SLEY_API int sley_mutex_lock(struct sley_mutex *, sley_time deadline);

/* Locks it if it is free. 0; -EBUSY; -EDEADLK; -EFAULT. */
SLEY_API int sley_mutex_trylock(struct sley_mutex *);

/* Unlocks it, from the task that locked it. 0; -EPERM: another holds it, or nobody; -EFAULT. */
SLEY_API int sley_mutex_unlock(struct sley_mutex *);

/* A wait group: counts work that is under way, and lets tasks wait until there is none. */
struct sley_group { /* fields are private */
	unsigned lock;
	int64_t count;
	struct sley_waiters waiters;
};

/* clang-format off */
#define SLEY_GROUP_INIT { 0 }
/* clang-format on */

/*
 * Adds n (may be negative) to the count; at zero the waiters wake. Any thread. 0; -EINVAL: below zero or overflow,
 * unchanged; -EFAULT.
 */
SLEY_API int sley_group_add(struct sley_group *, int64_t n);

/* sley_group_add(group, -1). */
SLEY_API int sley_group_done(struct sley_group *);

/* Waits until the count is zero. 0; -ETIMEDOUT; -EFAULT. */
SLEY_API int sley_group_wait(struct sley_group *, sley_time deadline);

/* A channel of items of one size. Opaque; on the heap. */
struct sley_chan;

/*
 * Makes a channel. `item` bytes each, up to 64 KiB (0 is legal: a signal); `capacity` items are buffered, 0: each send
 * meets a receive. 0; -EINVAL; -EOVERFLOW: item * capacity; -ENOMEM. Any thread, outside of sley_run() too.
 */
SLEY_API int sley_chan_new(struct sley_chan **, size_t item, size_t capacity);

/* Frees it. 0; -EBUSY: a task waits on it; -EFAULT. Null is 0. */
SLEY_API int sley_chan_free(struct sley_chan *);

/*
 * Sends a copy of the item, in FIFO order among senders. A null channel never becomes ready. 0; -EPIPE: it is closed
 * (also while waiting); -ETIMEDOUT; -ENOMEM: to hold a large item while waiting; -EFAULT. Task.
 */
SLEY_API int sley_chan_send(struct sley_chan *, const void *item, sley_time deadline);

/* Receives an item into `item`. 0; -EPIPE: it is closed and drained; -ETIMEDOUT; -ENOMEM; -EFAULT. Task. */
SLEY_API int sley_chan_recv(struct sley_chan *, void *item, sley_time deadline);

/* The same without waiting, from any thread: -EAGAIN where they would wait. */
SLEY_API int sley_chan_try_send(struct sley_chan *, const void *item);
SLEY_API int sley_chan_try_recv(struct sley_chan *, void *item);

/*
 * No more sends; what is buffered can still be received. Wakes all waiters. Any thread. 0; -EPIPE: closed already;
 * -EFAULT.
 */
SLEY_API int sley_chan_close(struct sley_chan *);

/* ---- errno ----
 *
 * A compiler may compute &errno once and keep it across a call after which the task runs on another thread. So errno
 * goes through a function with a compiler barrier here, and each task has its own value. Include sley.h after
 * headers that define errno themselves; <errno.h> is included above.
 */
SLEY_API int *sley_errno_location(void);

#undef errno
#define errno (*sley_errno_location())

#ifdef __cplusplus
}
#endif

#endif
