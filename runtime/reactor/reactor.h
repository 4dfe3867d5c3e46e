/* SPDX-License-Identifier: BSD-2-Clause */
/* Copyright (c) 2026 the sley authors */
/*
 * The reactor: epoll, and an entry per descriptor number.
 *
 * Entries are type-stable and carry a generation that sley_close() advances. An event carries number and generation,
 * and a stale event is dropped. Each direction of an entry has at most one waiter.
 *
 * There are two kinds of descriptors:
 *   owned     Made by sley or adopted by it, and non-blocking. Registered once, at its first wait, edge-triggered, for
 *             both directions. `ready[d]` says whether a try is worth it. Before the registration no event comes, and
 *             none is lost: the registration reports the current state.
 *   foreign   All others. Armed one-shot for each wait. The reactor knows nothing about it between waits.
 *
 * The edge protocol of an owned descriptor. The poller sets ready[d] on every event for which it claims no waiter. A
 * task clears ready[d] *before* it tries the system call, and sets it again if there may be more. So an edge after the
 * try is never lost, and an edge before the try costs at most one call that returns EAGAIN. The clearing exchange is a
 * full barrier, as is the kernel's locking of the socket.
 *
 *    task                                poller
 *    ready = 0                           event
 *    read() -> short or EAGAIN           lock; waiter? claim it : ready = 1; unlock
 *    lock; ready? retry : link; unlock
 *
 * The claimed task makes its try, so that event is no news: ready[d] has been clear since before the wait, and says only
 * what came afterwards. A task that waits without making a try then (poll) has the mark set for the next call: `tries`.
 * Where a try is not expected to fail, as a write, the mark is not cleared first. If that try fails nevertheless, the mark
 * is cleared and the try made again.
 *
 * A read that returns fewer bytes than requested has drained the stream. So the next read parks without the system
 * call, which would fail. There are exceptions: an end of stream or an error that came with the data, and urgent data,
 * at which a read stops. Their events set `hung`, and from then on every call is tried first (epoll(7), "short read";
 * EPOLLRDHUP). A read of a Unix socket also stops at a descriptor passed by the peer, and no event tells this: Unix
 * sockets are not FD_STREAM. Nor are pipes: the owner of the other end may switch it to packets (O_DIRECT), and a read
 * stops at their bounds.
 *
 * A plain close() behind the runtime's back never delivers an event, and the number may be reused. So the watchdog
 * checks waits older than a second (reactor_rearm): it modifies their registration. ENOENT adds the descriptor again,
 * EBADF wakes the task with that error.
 *
 * If a number is closed and reused while a call waits, and the call then used it again, it would read another
 * connection's data. So a call holds the descriptor from the end of its wait until its try is over. `life` has the
 * generation and the number of holding calls in one word. If a close finds holding calls, it leaves close(2) to the
 * last of them. A call that comes after the close finds another generation and returns EBADF. Before its first wait a
 * call is not protected, as nothing shows that it exists: a close at that time is a mistake of the service.
 *
 *    task, after its event                       sley_close()
 *    life: same generation? users + 1  : EBADF   life: generation + 1; users? closing = 1 : close(2)
 *    read()
 *    users - 1: last, and closing? close(2)
 *
 * close(2) is called without a lock, after the entry has forgotten the descriptor. A wait that begins just before
 * close(2) would get no event. So the closer looks for such waits after close(2), and registers them again.
 *
 * Lock order: an entry's lock is an object lock (base/lock.h). epoll_ctl() is called under it, the one exception to "no
 * system call under a lock". The lock orders registration against close, only users of the same descriptor contend for
 * it, and epoll_ctl() never sleeps for long.
 */
#ifndef REACTOR_REACTOR_H
#define REACTOR_REACTOR_H

#include <stdbool.h>
#include <stdint.h>

#include <sley.h>

#include "task/wait.h"

enum direction { READING, WRITING };

/* Properties of an owned descriptor. */
#define FD_OWNED    1u
#define FD_STREAM   2u  /* a short read means drained */
#define FD_FILE     4u  /* no socket */
#define FD_PIPE     8u  /* a pipe: a write may raise SIGPIPE */
#define FD_LISTENER 16u /* of sley_listen(): accepted sockets inherit the options that they need */
#define FD_PLAIN    32u /* a file without support for RWF_NOWAIT */
#define FD_ZEROCOPY 64u /* a socket that sends without copies: its error queue has notifications */

/*
 * Counters of the calls that sent without a copy, for a FD_ZEROCOPY descriptor; zero when it is taken over. The kernel
 * still reads the buffers of `sent - released` calls. Atomic, as nothing prevents two tasks from writing to one
 * descriptor, although only one should.
 */
struct unreleased {
	uint32_t sent, released;
	uint32_t copied; /* released calls whose bytes the kernel copied, since the last query */
};

/* The state of a call between its waits. Zero at first. */
struct hold {
	uint32_t generation; /* of the descriptor of its wait */
	bool waited;
	bool held; /* counted in the entry's life */
};

/* Open and close the reactor, before and after a run. reactor_open() returns 0 or a negative errno value. */
int reactor_open(void);
void reactor_close(void);

/* The functions for sched_hooks. */
unsigned reactor_poll(int64_t timeout);
unsigned reactor_count_ready(void); /* reads many entries; some system calls, for some thousand descriptors */
void reactor_interrupt(void);
void reactor_rearm(int64_t now);
bool reactor_expecting(void); /* whether a task waits for a descriptor; reads all entries */

/* Takes over a new descriptor, with the flags above. Returns 0 or a negative errno value; the descriptor stays open. */
int reactor_own(int fd, unsigned flags);

/* Takes over a descriptor that is no socket, and registers it at once. -ENOTSUP: epoll does not accept it. */
int reactor_own_file(int fd, unsigned flags);

/*
 * Gives up a number that no longer is the owned descriptor: that was closed behind our back, and the number reused. Its
 * waiters get -EBADF.
 */
void reactor_disown(int fd);

/*
 * Forgets the descriptor and leaves it open. Its waiters get -EBADF. A call that holds it goes on. Returns 0, or the
 * error of a caller who may not call.
 */
int reactor_forget(int fd);

/*
 * Forgets the descriptor, closes it and wakes its waiters with CLAIM_CLOSED. Returns the negative errno of close(2), or
 * 0 if a call that holds the descriptor will close it later.
 */
int reactor_close_fd(int fd);

/* Returns the flags of an entry; 0: a foreign descriptor, or no entry. */
unsigned reactor_flags(int fd);

/* Marks an owned file that does not support RWF_NOWAIT. */
void reactor_set_plain(int fd);

/*
 * Marks an owned socket that sends without a copy from now on. Its error queue has notifications, so an error alone
 * concerns its writer, and not the reader of a stream.
 */
void reactor_set_zerocopy(int fd);

/* Returns the counters of an owned descriptor. */
struct unreleased *reactor_unreleased(int fd);

/* Called after a try that transferred as much as possible: there may be more. */
void reactor_maybe_more(int fd, enum direction direction);

/*
 * Parks the calling task until a try of the direction is worth it. Returns 0, and the descriptor is held; -ETIMEDOUT or
 * -ECANCELED; -EBADF: closed, or not open; -EBUSY: another task waits for it; -ENOTSUP: epoll does not accept it (a
 * regular file); -EMFILE: its number is beyond the table; -ENOMEM. `hold` belongs to the call, which calls
 * reactor_let_go() before it returns.
 */
int reactor_wait(int fd, enum direction direction, enum sley_wait_kind kind, sley_time deadline, const void *pc,
		 struct hold *hold);

/*
 * The same for a caller that makes a try in any case when the wait has ended with 0, and clears the mark before, if it is
 * set. The mark does not tell of the event then.
 */
int reactor_wait_to_try(int fd, enum direction direction, enum sley_wait_kind kind, sley_time deadline, const void *pc,
			struct hold *hold);

/*
 * For a task whose wait has begun, and is linked elsewhere, too: an event of the direction claims it, with CLAIM_EVENT, or
 * the close, with CLAIM_CLOSED. Returns 0; -EAGAIN: a try is worth it now; -EBUSY and the other errors of reactor_wait().
 * `seen` belongs to the call, and never holds. reactor_unlink() ends the task's links to both directions after the wait;
 * reactor_is_same() tells whether the number still is the descriptor that was linked.
 */
int reactor_link(int fd, enum direction direction, struct hold *seen);
void reactor_unlink(int fd);
bool reactor_is_same(int fd, const struct hold *seen);

/* Waits for both directions at once: returns when one of them is ready. */
int reactor_wait_any(int fd, bool reading, bool writing, sley_time deadline, const void *pc, struct hold *hold);

/*
 * Holds the current descriptor of this number, without a wait: until reactor_let_go(), no thread can reuse the number.
 * Returns 0; -EBADF; -EMFILE; -ENOMEM.
 */
int reactor_hold_now(int fd, struct hold *hold);

/*
 * Holds the descriptor for a last try, after a wait that ended without an event. Returns 0; -EBADF: the number belongs
 * to another descriptor than that of the wait, or there was no wait.
 */
int reactor_hold_again(int fd, struct hold *hold);

/* Ends the hold after the try. May be called at any time. */
void reactor_let_go(int fd, struct hold *hold);

#endif
